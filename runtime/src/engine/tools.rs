//! Calls of declared tools: arguments validated, time bounded, the call recorded by the gate.

use std::sync::Arc;

use aikit_core::{ErrorKind, RunError, record::Usage};
use aikit_spec::{
    agent::{GuardrailPoint, HumanTask},
    plan::{ScriptPlan, ToolKind, ToolPlan},
};
use serde_json::{Map, Value, json};

use super::{Execution, host::RunHost};
use crate::{
    debug::{CallSite, FrameKind},
    gate::Effect,
    journal::{EffectKind, SideEffect},
    people::Question,
    ports::{ScriptJob, ScriptLimits, ScriptMode, ScriptOutcome, StopCause},
    validate,
};

impl Execution {
    /// Calls a declared tool.
    pub(super) async fn call_tool(&self, address: &str, tool: &ToolPlan, args: Value) -> Result<Value, RunError> {
        validate::check(
            &tool.input,
            &args,
            ErrorKind::ValidationInput,
            &format!("the arguments of tool `{}`", tool.name),
        )?;
        self.permitted(address, tool, &args).await?;
        let args = self.guard(GuardrailPoint::ToolCall, address, args).await?;
        let hooks = &self.plan.flow.hooks;
        let call = args.clone();
        let asked = || json!({ "tool": tool.name, "args": call });
        self.call_hook(&hooks.before_tool, format!("{address}/before_tool/"), asked).await?;
        if let Some(debugger) = &self.options.debugger {
            let site = CallSite { kind: FrameKind::Tool, name: tool.name.clone(), request: args.clone() };
            debugger.call(self.thread, site).await?;
        }
        let effect = Effect {
            address: address.to_owned(),
            kind: EffectKind::Tool,
            class: if tool.repeatable { SideEffect::Read } else { SideEffect::Write },
            label: tool.name.clone(),
            request: json!({ "tool": tool.name, "args": args }),
        };
        let work = async {
            if let Some(stub) = self.options.stubs.get(&tool.name) {
                return Ok((stub.clone(), Usage::default()));
            }
            let result = match &tool.kind {
                ToolKind::Builtin(name) => self.engine.ports.tools.call(name, args, self.gate.cancel()).await?,
                ToolKind::Script(script) => {
                    let name = format!("{}: tool {}", self.source_name(), tool.name);
                    self.run_script(address, script, &name, args, Value::Object(Map::new())).await?
                }
                ToolKind::Memory(kind) => Box::pin(self.memory_tool(address, *kind, &args)).await?,
                ToolKind::Unsupported(kind) => {
                    return Err(RunError::unsupported(format!("a tool of kind `{kind}`")));
                }
            };
            Ok((result, Usage::default()))
        };
        let timed = async {
            tokio::time::timeout(self.time(tool.timeout), work).await.unwrap_or_else(|_| {
                Err(RunError::new(
                    ErrorKind::ToolTimeout,
                    format!("tool `{}` did not answer within {} seconds", tool.name, tool.timeout.as_secs_f64()),
                ))
            })
        };
        let result = self.gate.effect(effect, timed).await?;
        let result = self.guard(GuardrailPoint::ToolResult, address, result).await?;
        let answered = || json!({ "tool": tool.name, "args": call, "result": result });
        self.call_hook(&hooks.after_tool, format!("{address}/after_tool/"), answered).await?;
        if let Some(schema) = &tool.output {
            validate::check(
                schema,
                &result,
                ErrorKind::ValidationOutput,
                &format!("the results of tool `{}`", tool.name),
            )?;
        }
        Ok(result)
    }

    /// A call that a person has to agree to waits for the answer.
    async fn permitted(&self, address: &str, tool: &ToolPlan, args: &Value) -> Result<(), RunError> {
        let mut scope = self.scope();
        scope["args"] = args.clone();
        for condition in &tool.ask {
            let asks = match condition {
                None => true,
                Some(condition) => condition.holds(&scope).map_err(|e| self.expression_error(e))?,
            };
            if !asks {
                continue;
            }
            let question = Question {
                name: tool.name.clone(),
                address: address.to_owned(),
                task: HumanTask::Approve,
                prompt: format!("May the tool `{}` be called with {args}?", tool.name),
                to: None,
                choices: Vec::new(),
                schema: None,
            };
            if self.ask_person(question, None, None).await? == json!(true) {
                return Ok(());
            }
            let message = format!("a person did not agree to this call of the tool `{}`", tool.name);
            return Err(RunError::new(ErrorKind::HumanRejected, message));
        }
        Ok(())
    }

    /// Runs a script of the document in a world of its own and gives its value.
    pub(super) async fn run_script(
        &self,
        address: &str,
        script: &ScriptPlan,
        name: &str,
        inputs: Value,
        steps: Value,
    ) -> Result<Value, RunError> {
        let limits = ScriptLimits {
            wall: self.time(self.plan.limits.wall),
            instructions: script.instructions,
            memory: script.memory.unwrap_or(self.plan.limits.script_memory).min(self.plan.limits.script_memory),
        };
        let job = ScriptJob {
            language: script.language,
            name: name.to_owned(),
            code: script.code.clone(),
            line_offset: script.first_line,
            mode: ScriptMode::Isolated { inputs, state: (*self.state).clone(), steps },
            limits,
            context: self.engine.script_context(),
        };
        let probe = self.options.debugger.as_ref().map(|debugger| debugger.script(self.thread, script));
        let host = Arc::new(RunHost::new(self, address).watched_by(probe));
        // Dropping the guard stops the script, also when a timeout drops this future.
        let stop = self.gate.cancel().child_token();
        let _guard = stop.clone().drop_guard();
        let outcome = self.engine.ports.scripts.run(job, host, stop).await;
        script_value(outcome)
    }

    /// The file or cell that the document stands in.
    pub(super) fn source_name(&self) -> &str {
        if self.options.source_name.is_empty() { self.plan.agent.id.as_str() } else { &self.options.source_name }
    }
}

/// The JSON value of a finished script, or its failure in the run's taxonomy.
pub(crate) fn script_value(outcome: ScriptOutcome) -> Result<Value, RunError> {
    match outcome {
        ScriptOutcome::Done { value: None } => Ok(Value::Null),
        ScriptOutcome::Done { value: Some(value) } => value.json.ok_or_else(|| {
            RunError::new(ErrorKind::ScriptError, format!("the script's result is not a JSON value: {}", value.text))
                .with_help("return text, numbers, booleans, lists or objects of them")
        }),
        ScriptOutcome::Failed { error } => {
            let mut failure = match error.cause {
                Some(cause) => cause,
                None => RunError::new(ErrorKind::ScriptError, format!("{}: {}", error.name, error.message)),
            };
            failure.trace.extend(error.trace);
            Err(failure)
        }
        ScriptOutcome::Stopped { cause, .. } => Err(stopped(cause)),
    }
}

/// A stopped script in the run's taxonomy.
pub(crate) fn stopped(cause: StopCause) -> RunError {
    let limit = |what: &str| RunError::new(ErrorKind::ScriptLimit, format!("the script used up its {what}"));
    match cause {
        StopCause::Interrupt => RunError::cancelled(),
        StopCause::Time => limit("time"),
        StopCause::Instructions => limit("instructions"),
        StopCause::Memory => limit("memory"),
        StopCause::Crash => RunError::new(ErrorKind::ScriptError, "the script's interpreter died and was restarted"),
    }
}
