//! The agent loop: the model answers or asks for tools, tools answer, until the model is done or a bound is reached.

use aikit_core::{ErrorKind, RunError};
use aikit_spec::{
    agent::{FallbackReason, OnInvalidArgs},
    plan::{ModelPlan, OnInvalid, OutputPlan, ParserPlan, PromptPlan, ToolChoicePlan, ToolPlan},
};
use futures::{StreamExt, future::BoxFuture, stream};
use serde_json::{Value, json};

use super::{Execution, answer::Form, ask::Lineup, model, tools::grants::GRANT};
use crate::{
    debug::StepSite,
    ports::{Message, ModelRequest, ModelResponse, Role, StopReason, ToolCall, ToolChoice, ToolSpec},
    validate,
};

/// How often a model is told again that it has to call a tool.
const UNHEARD: u32 = 2;

/// What a model is asked, and what is expected back.
pub(super) struct Conversation<'p> {
    /// The step.
    pub address: &'p str,
    /// A declared model; without one the routes and the default decide.
    pub model: Option<&'p str>,
    /// The conversation so far.
    pub messages: Vec<Message>,
    /// Tools that may be called.
    pub tools: Vec<&'p ToolPlan>,
    /// What the answer must fit.
    pub output: Option<&'p OutputPlan>,
    /// How many rounds of tools at most.
    pub max_iterations: u32,
}

/// A conversation that is being led.
pub(super) struct Talk<'p> {
    /// What it is about.
    pub c: Conversation<'p>,
    /// The tools, as models are told of them.
    pub specs: Vec<ToolSpec>,
    /// How the form of the answer is asked for.
    pub form: Form,
    /// Who is asked.
    pub lineup: Lineup<'p>,
    /// The calls so far: `tool`, `args`, `result`.
    pub calls: Vec<Value>,
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
                model: None,
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

    /// Talks to a model until there is an answer that fits. One that never does is a reason to ask another model anew.
    async fn converse(&self, c: Conversation<'_>) -> Result<Value, RunError> {
        let spec = |tool: &&ToolPlan| ToolSpec {
            name: tool.name.clone(),
            description: tool.description.clone(),
            parameters: tool.input.clone(),
        };
        let specs: Vec<ToolSpec> = c.tools.iter().map(spec).collect();
        let form = Form::new(c.output, &specs);
        let mut talk = Talk { lineup: self.lineup(c.model)?, c, specs, form, calls: Vec::new() };
        talk.form.tell(&mut talk.c.messages);
        let begin = talk.c.messages.clone();
        loop {
            match self.follow_strategy(&mut talk).await {
                Err(error)
                    if error.kind == ErrorKind::OutputInvalid && talk.lineup.advance(FallbackReason::InvalidOutput) =>
                {
                    talk.c.messages.clone_from(&begin);
                    talk.calls.clear();
                }
                ended => return ended,
            }
        }
    }

    /// Asks until there is an answer that fits; the answer stands at the end of the conversation then.
    pub(super) async fn turn(&self, talk: &mut Talk<'_>) -> Result<Value, RunError> {
        let (mut rounds, mut repairs) = (0, 0);
        let mut last = false;
        loop {
            Box::pin(self.fit(talk.c.address, &mut talk.c.messages)).await?;
            let choice = self.choice(talk, last);
            let response = self.say(talk, choice.clone(), true).await?;
            let taken = response.tool_calls.iter().find_map(|call| talk.form.taken(&call.name, &call.arguments));
            if !response.tool_calls.is_empty() && taken.is_none() && !last {
                rounds += 1;
                if rounds > talk.c.max_iterations {
                    return Err(RunError::new(
                        ErrorKind::BudgetExceeded,
                        format!("the model still asks for tools after {} rounds", talk.c.max_iterations),
                    )
                    .with_help(
                        "raise intelligence.cognition.max_iterations, or make the tools' descriptions clearer",
                    ));
                }
                talk.c.messages.push(Message::answered(&response));
                let answers = self.answer_calls(&talk.c, &response.tool_calls).await?;
                for (call, content) in response.tool_calls.iter().zip(answers) {
                    talk.calls.push(json!({ "tool": call.name, "args": call.arguments, "result": content }));
                    talk.c.messages.push(tool_result(call, content));
                }
                last = self.stops(talk, &response.content, rounds)?;
                continue;
            }
            if taken.is_none() && wants_call(choice.as_ref(), &talk.form) {
                repairs += 1;
                if repairs > UNHEARD {
                    let message =
                        "the model calls no tool, and `intelligence.cognition.tool_choice` says that it has to";
                    return Err(RunError::new(ErrorKind::OutputInvalid, message)
                        .with_detail(json!({ "answer": response.content })));
                }
                let wanted = match &choice {
                    Some(ToolChoice::Tool(name)) => format!("the tool `{name}`"),
                    _ => "one of the tools".to_owned(),
                };
                talk.c.messages.push(Message::answered(&response));
                talk.c.messages.push(Message::text(Role::User, format!("Call {wanted} before you answer.")));
                continue;
            }
            let read = match (talk.c.output, taken) {
                (None, _) => {
                    talk.c.messages.push(Message::text(Role::Assistant, response.content.clone()));
                    return Ok(Value::String(response.content));
                }
                (Some(_), Some(value)) => Ok(value),
                (Some(output), None) => self.read_answer(talk.c.address, output, &response.content).await?,
            };
            let Some(output) = talk.c.output else { continue };
            let problem = match read {
                Ok(value) => match validate::violations(&output.schema, &value)? {
                    violations if violations.is_empty() => {
                        said(talk, &response, "The answer is taken.");
                        return Ok(value);
                    }
                    violations => violations.join("; "),
                },
                Err(why) if response.stop == StopReason::Length => {
                    format!("it was cut off at the token limit, and {why}")
                }
                Err(why) => why,
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
                let (wanted, form) = match output.parser {
                    ParserPlan::Json => ("the required JSON schema", "with the corrected JSON only"),
                    _ => ("what is required", "in the required form"),
                };
                said(talk, &response, "The answer is refused.");
                let repair = format!("That answer does not fit {wanted}: {problem}. Answer again {form}.");
                talk.c.messages.push(Message::text(Role::User, repair));
            }
        }
    }

    /// What the model may do with its tools in the next request.
    fn choice(&self, talk: &Talk<'_>, last: bool) -> Option<ToolChoice> {
        let tools = &talk.c.tools;
        let answer = talk.form.tool.as_ref().map(|tool| ToolChoice::Tool(tool.name.clone()));
        let nothing_but_answer = || answer.clone().or_else(|| (!tools.is_empty()).then_some(ToolChoice::None));
        if last || tools.is_empty() {
            return nothing_but_answer();
        }
        let free = || answer.as_ref().map(|_| ToolChoice::Required);
        match &self.plan.cognition.tool_choice {
            ToolChoicePlan::None => nothing_but_answer(),
            // What has to be called has to be called once.
            _ if !talk.calls.is_empty() => free(),
            ToolChoicePlan::Auto => free(),
            ToolChoicePlan::Required => Some(ToolChoice::Required),
            ToolChoicePlan::Tool(name) if tools.iter().any(|tool| tool.name == *name) => {
                Some(ToolChoice::Tool(name.clone()))
            }
            ToolChoicePlan::Tool(_) => free(),
        }
    }

    /// Whether the document says that the model has done enough: its next answer is the last.
    fn stops(&self, talk: &Talk<'_>, said: &str, iteration: u32) -> Result<bool, RunError> {
        let Some(condition) = &self.plan.cognition.stop_when else { return Ok(false) };
        let mut scope = self.scope();
        scope["output"] = json!(said);
        scope["calls"] = json!(talk.calls);
        scope["iteration"] = json!(iteration);
        condition.holds(&scope).map_err(|e| self.expression_error(e))
    }

    /// One request of a conversation and its answer; `formed` when the answer is to have the form that the step wants.
    pub(super) async fn say(
        &self,
        talk: &mut Talk<'_>,
        choice: Option<ToolChoice>,
        formed: bool,
    ) -> Result<ModelResponse, RunError> {
        let Talk { c, specs, form, lineup, .. } = talk;
        let tools: Vec<ToolSpec> = specs.iter().cloned().chain(form.tool.clone().filter(|_| formed)).collect();
        let shape = |plan: &ModelPlan| {
            let schema = form.schema.clone().filter(|_| formed);
            let request = model::request(plan, c.messages.clone(), tools.clone(), schema);
            ModelRequest { output_form: form.kept_by, tool_choice: choice.clone(), ..request }
        };
        self.ask(c.address, lineup, shape).await
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

fn tool_result(call: &ToolCall, content: impl Into<String>) -> Message {
    Message { tool_call_id: Some(call.id.clone()), ..Message::text(Role::Tool, content) }
}

/// Adds an answer to the conversation; every call in it gets a result, as providers demand.
fn said(talk: &mut Talk<'_>, response: &ModelResponse, result: &str) {
    talk.c.messages.push(Message::answered(response));
    talk.c.messages.extend(response.tool_calls.iter().map(|call| tool_result(call, result)));
}

/// Whether an answer without a call is not what was asked for.
fn wants_call(choice: Option<&ToolChoice>, form: &Form) -> bool {
    form.tool.is_none() && matches!(choice, Some(ToolChoice::Required | ToolChoice::Tool(_)))
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
    (Some(OutputPlan::json(schema.clone())), None)
}

#[cfg(test)]
mod tests {
    use super::*;

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
