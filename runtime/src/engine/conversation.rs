//! The agent loop: the model answers or asks for tools, tools answer, until the model is done or a bound is reached.

use aikit_core::{ErrorKind, RunError};
use aikit_spec::{
    agent::OnInvalidArgs,
    plan::{OnInvalid, OutputPlan, PromptPlan, ToolPlan},
};
use futures::{StreamExt, future::BoxFuture, stream};
use serde_json::{Value, json};

use super::{Execution, model, tools::grants::GRANT};
use crate::{
    debug::{CallSite, FrameKind, StepSite},
    event::RunEvent,
    gate::Effect,
    journal::{EffectKind, SideEffect},
    ports::{Message, ModelResponse, Role, StopReason, ToolCall, ToolSpec},
    validate,
};

/// What a model is asked, and what is expected back.
pub(super) struct Conversation<'p> {
    /// The step.
    pub address: &'p str,
    /// A declared model.
    pub model: &'p str,
    /// The conversation so far.
    pub messages: Vec<Message>,
    /// Tools that may be called.
    pub tools: Vec<&'p ToolPlan>,
    /// What the answer must fit.
    pub output: Option<&'p OutputPlan>,
    /// How many rounds of tools at most.
    pub max_iterations: u32,
}

impl Execution {
    /// One conversation turn: system prompt and inputs in, answer out.
    pub(super) async fn chat(&self, max_iterations: u32) -> Result<Value, RunError> {
        let plan = self.plan.clone();
        let scope = self.scope();
        let system = self.system_messages(&scope)?;
        let question = user_text(&self.inputs);
        let (output, wrap) = chat_output(plan.output.as_ref(), plan.outputs.as_ref());
        if let Some(debugger) = self.options.debugger.clone() {
            let (address, name) = ("chat".to_owned(), "chat".to_owned());
            let site = StepSite { address, name, kind: "llm", line: 1, depth: 0, catches: Vec::new(), scope };
            debugger.step(self.thread, site).await?;
        }
        self.step_started("chat", "llm");
        let answer = async {
            let asked = vec![Message::text(Role::User, question.clone())];
            let offered = self.offered(None).await?;
            let conversation = Conversation {
                address: "chat",
                model: &plan.default_model,
                messages: Box::pin(self.in_context("chat", system, asked, true)).await?,
                tools: offered.iter().map(|tool| &**tool).chain(&plan.memory_tools).collect(),
                output: output.as_ref(),
                max_iterations,
            };
            let answer = self.boxed_converse(conversation).await?;
            self.turn_ended("chat", &question, &answer).await?;
            Ok(answer)
        };
        let answer = answer.await.map(|answer| match wrap {
            Some(property) => json!({ property: answer }),
            None => answer,
        });
        self.step_ended("chat", &answer, None);
        self.gate.flush().await?;
        answer
    }

    /// The agent's system prompt, rendered.
    pub(super) fn system_messages(&self, scope: &Value) -> Result<Vec<Message>, RunError> {
        self.plan.system.as_ref().map_or(Ok(Vec::new()), |prompt| self.prompt(prompt, Role::System, scope))
    }

    /// A prompt, rendered to messages; a plain text takes the role of the place where it stands.
    pub(super) fn prompt(&self, prompt: &PromptPlan, role: Role, scope: &Value) -> Result<Vec<Message>, RunError> {
        let render = |template: &aikit_spec::template::Template| {
            template.render_text(scope).map_err(|e| self.expression_error(e))
        };
        match prompt {
            PromptPlan::Text(template) => Ok(vec![Message::text(role, render(template)?)]),
            PromptPlan::Messages(list) => list
                .iter()
                .map(|(role, template)| {
                    let role = match role.as_str() {
                        "system" => Role::System,
                        "assistant" => Role::Assistant,
                        _ => Role::User,
                    };
                    Ok(Message::text(role, render(template)?))
                })
                .collect(),
        }
    }

    /// A conversation on the heap.
    pub(super) fn boxed_converse<'a>(&'a self, c: Conversation<'a>) -> BoxFuture<'a, Result<Value, RunError>> {
        Box::pin(self.converse(c))
    }

    /// Asks until there is an answer that fits.
    async fn converse(&self, mut c: Conversation<'_>) -> Result<Value, RunError> {
        let specs: Vec<ToolSpec> = c
            .tools
            .iter()
            .map(|tool| ToolSpec {
                name: tool.name.clone(),
                description: tool.description.clone(),
                parameters: tool.input.clone(),
            })
            .collect();
        let (mut rounds, mut repairs) = (0, 0);
        loop {
            Box::pin(self.fit(c.address, &mut c.messages)).await?;
            let response = self.ask(&c, &specs).await?;
            if !response.tool_calls.is_empty() {
                rounds += 1;
                if rounds > c.max_iterations {
                    return Err(RunError::new(
                        ErrorKind::BudgetExceeded,
                        format!("the model still asks for tools after {} rounds", c.max_iterations),
                    )
                    .with_help(
                        "raise intelligence.cognition.max_iterations, or make the tools' descriptions clearer",
                    ));
                }
                let calls = response.tool_calls.clone();
                c.messages.push(Message {
                    role: Role::Assistant,
                    content: response.content,
                    tool_calls: response.tool_calls,
                    tool_call_id: None,
                });
                let answers = self.answer_calls(&c, &calls).await?;
                c.messages.extend(calls.into_iter().zip(answers).map(|(call, content)| Message {
                    role: Role::Tool,
                    content,
                    tool_calls: Vec::new(),
                    tool_call_id: Some(call.id),
                }));
                continue;
            }
            let Some(output) = c.output else { return Ok(Value::String(response.content)) };
            let problem = match parse_json(&response.content) {
                Ok(value) => match validate::violations(&output.schema, &value)? {
                    violations if violations.is_empty() => return Ok(value),
                    violations => violations.join("; "),
                },
                Err(why) if response.stop == StopReason::Length => {
                    format!("it was cut off at the token limit and is not valid JSON ({why})")
                }
                Err(why) => format!("it is not valid JSON ({why})"),
            };
            if output.on_invalid == OnInvalid::Fail || repairs >= output.max_repairs {
                return Err(RunError::new(
                    ErrorKind::OutputInvalid,
                    format!("the model's answer does not fit the output schema: {problem}"),
                )
                .with_detail(json!({ "answer": response.content, "repairs": repairs })));
            }
            repairs += 1;
            if output.on_invalid == OnInvalid::Repair {
                c.messages.push(Message::text(Role::Assistant, response.content));
                c.messages.push(Message::text(
                    Role::User,
                    format!("That answer does not fit the required JSON schema: {problem}. Answer again with the corrected JSON only."),
                ));
            }
        }
    }

    pub(super) async fn ask(&self, c: &Conversation<'_>, specs: &[ToolSpec]) -> Result<ModelResponse, RunError> {
        let plan = self
            .plan
            .models
            .get(c.model)
            .ok_or_else(|| RunError::new(ErrorKind::Internal, format!("the plan lost the model `{}`", c.model)))?;
        let request =
            model::request(plan, c.messages.clone(), specs.to_vec(), c.output.map(|output| output.schema.clone()));
        let journalled = serde_json::to_value(&request)
            .map_err(|e| RunError::new(ErrorKind::Internal, format!("the request cannot be recorded: {e}")))?;
        if let Some(debugger) = &self.options.debugger {
            let request = journalled.clone();
            let site = CallSite { kind: FrameKind::Model, name: c.model.to_owned(), request };
            debugger.call(self.thread, site).await?;
        }
        let hooks = &self.plan.flow.hooks;
        let asked = || json!({ "model": c.model, "messages": journalled["messages"] });
        self.call_hook(&hooks.before_llm, format!("{}/before_llm/", c.address), asked).await?;
        let (gate, address) = (&self.gate, c.address.to_owned());
        let on_text = |text: &str| gate.tell(RunEvent::Token { address: address.clone(), text: text.to_owned() });
        let effect = Effect {
            address: c.address.to_owned(),
            kind: EffectKind::Model,
            class: SideEffect::Read,
            label: format!("{}/{}", plan.provider, plan.model),
            request: journalled.clone(),
        };
        let value = gate
            .effect(effect, async {
                let (response, usage) = model::call(&self.engine.ports, plan, request, &on_text, gate.cancel()).await?;
                let value = serde_json::to_value(&response)
                    .map_err(|e| RunError::new(ErrorKind::Internal, format!("the answer cannot be recorded: {e}")))?;
                Ok((value, usage))
            })
            .await?;
        let answered = || json!({ "model": c.model, "messages": journalled["messages"], "response": value });
        self.call_hook(&hooks.after_llm, format!("{}/after_llm/", c.address), answered).await?;
        serde_json::from_value(value)
            .map_err(|e| RunError::new(ErrorKind::Internal, format!("the recorded answer cannot be read: {e}")))
    }

    /// Makes the calls that a model asks for in one turn, some at the same time; the answers are in the order of the calls.
    async fn answer_calls(&self, c: &Conversation<'_>, calls: &[ToolCall]) -> Result<Vec<String>, RunError> {
        // A person follows one call after the other.
        let parallel = if self.options.debugger.is_some() { 1 } else { self.plan.tool_execution.parallel };
        let work: Vec<_> = (calls.iter().enumerate())
            .map(|(index, call)| {
                // Calls at the same time have addresses of their own, so that what each asks for is told apart.
                let address = match calls.len() {
                    1 => c.address.to_owned(),
                    _ => format!("{}#{}", c.address, index + 1),
                };
                Box::pin(async move { self.answer_call(c, &address, call).await })
            })
            .collect();
        // A call that fails does not break off those beside it.
        let answers: Vec<Result<String, RunError>> = stream::iter(work).buffered(parallel.max(1)).collect().await;
        answers.into_iter().collect()
    }

    /// Calls a tool for a model. What the model can put right (unknown tool, wrong arguments, a tool that failed, a host that
    /// is not granted) goes back to it as text; what it cannot ends the step.
    async fn answer_call(&self, c: &Conversation<'_>, address: &str, call: &ToolCall) -> Result<String, RunError> {
        let Some(tool) = c.tools.iter().find(|tool| tool.name == call.name) else {
            let known: Vec<_> = c.tools.iter().map(|tool| tool.name.as_str()).collect();
            return Ok(format!("error: there is no tool `{}`; the tools are: {}", call.name, known.join(", ")));
        };
        let repair = self.plan.tool_execution.on_invalid_args == OnInvalidArgs::Repair;
        if let Value::String(raw) = &call.arguments {
            let why = format!("the arguments are not valid JSON: {raw}");
            return match repair {
                true => Ok(format!("error: {why}")),
                false => Err(RunError::new(ErrorKind::ValidationInput, format!("tool `{}`: {why}", tool.name))),
            };
        }
        let granted = |error: &RunError| error.detail.as_ref().is_none_or(|detail| detail.get(GRANT).is_none());
        let text = match self.call_tool(address, tool, call.arguments.clone()).await {
            Ok(Value::String(text)) => text,
            Ok(value) => value.to_string(),
            Err(error) => match error.kind {
                ErrorKind::ValidationInput if !repair => return Err(error),
                ErrorKind::ToolDenied if granted(&error) => return Err(error),
                ErrorKind::ToolDenied
                | ErrorKind::ToolFailed
                | ErrorKind::ToolTimeout
                | ErrorKind::ValidationInput
                | ErrorKind::ValidationOutput
                | ErrorKind::HumanRejected
                | ErrorKind::ScriptError => format!("error: {}", error.message),
                _ => return Err(error),
            },
        };
        self.within_bounds(c, address, &tool.name, text).await
    }
}

/// The user's message of a chat: `message`, or the only text among the inputs, or the inputs as JSON.
fn user_text(inputs: &Value) -> String {
    if let Value::Object(map) = inputs {
        if let Some(Value::String(text)) = map.get("message") {
            return text.clone();
        }
        let mut values = map.values();
        if let (Some(Value::String(text)), None) = (values.next(), values.next()) {
            return text.clone();
        }
    }
    match inputs {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What a chat's answer must fit, and the property that a plain answer becomes. An `interface.outputs` with one text is
/// filled with the answer as it is; any other is asked of the model as structured output.
fn chat_output(declared: Option<&OutputPlan>, outputs: Option<&Value>) -> (Option<OutputPlan>, Option<String>) {
    if let Some(output) = declared {
        return (Some(output.clone()), None);
    }
    let Some(schema) = outputs else { return (None, None) };
    let Some(properties) = schema.get("properties").and_then(Value::as_object).filter(|map| !map.is_empty()) else {
        return (None, None);
    };
    let mut list = properties.iter();
    if let (Some((name, property)), None) = (list.next(), list.next())
        && property.get("type").and_then(Value::as_str) == Some("string")
        && property.get("enum").is_none()
    {
        return (None, Some(name.clone()));
    }
    (Some(OutputPlan { schema: schema.clone(), on_invalid: OnInvalid::Repair, max_repairs: 2 }), None)
}

/// Reads an answer as JSON, also from inside a Markdown fence.
fn parse_json(text: &str) -> Result<Value, String> {
    let text = text.trim();
    let inner = text
        .strip_prefix("```")
        .and_then(|rest| rest.strip_suffix("```"))
        .map(|body| body.split_once('\n').map_or(body, |(_, rest)| rest))
        .unwrap_or(text);
    serde_json::from_str(inner.trim()).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_with_and_without_a_fence() {
        for text in ["{\"a\":1}", "```json\n{\"a\":1}\n```", "  ```\n{\"a\":1}```  "] {
            assert_eq!(parse_json(text).unwrap(), json!({"a": 1}), "{text}");
        }
        assert!(parse_json("Sure! {\"a\":1}").is_err());
    }

    #[test]
    fn the_users_message_is_the_obvious_text() {
        assert_eq!(user_text(&json!({"message": "hi", "n": 1})), "hi");
        assert_eq!(user_text(&json!({"question": "hi"})), "hi");
        assert_eq!(user_text(&json!({"a": "x", "b": 1})), r#"{"a":"x","b":1}"#);
    }

    #[test]
    fn one_text_in_the_outputs_is_the_answer_itself() {
        let schema = json!({"type": "object", "properties": {"answer": {"type": "string"}}});
        assert!(matches!(chat_output(None, Some(&schema)), (None, Some(name)) if name == "answer"));
        let schema = json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}});
        assert!(matches!(chat_output(None, Some(&schema)), (Some(_), None)));
    }
}
