//! Calls of declared tools: arguments validated, permitted, time bounded, the call recorded by the gate.

mod cache;
mod command;
mod encode;
mod files;
pub(super) mod grants;
mod http;
mod mcp;
mod nested;
mod openapi;
mod overflow;
pub(super) mod sources;

use std::{sync::Arc, time::Duration};

use aikit_core::{ErrorKind, RunError, record::Usage};
use aikit_spec::{
    agent::{GuardrailPoint, HumanTask},
    expr::Expr,
    plan::{HttpPlan, MemoryTool, ScriptPlan, ToolKind, ToolPlan},
};
use futures::future::BoxFuture;
use serde_json::{Map, Value, json};

pub use self::files::outside_tools;
pub(super) use self::files::{current_time, is_outside};
use self::{command::Invocation, files::Errand, http::Outgoing};
use super::{Execution, host::RunHost, retry, steps::boxed};
use crate::{
    debug::{CallSite, FrameKind},
    gate::Effect,
    journal::{EffectKind, SideEffect},
    people::Question,
    ports::{ScriptJob, ScriptLimits, ScriptMode, ScriptOutcome, StopCause},
    validate,
};

/// How long a request of a step may take that has no timeout.
const STEP_TIMEOUT: Duration = Duration::from_secs(30);

/// A call with its templates filled, permitted: nothing is left but to make it.
#[derive(Clone)]
enum Call {
    /// What the document or the test says in place of a call.
    Stub(Value),
    /// A pure function.
    Builtin(String, Value),
    /// A file or a page.
    Errand(Errand),
    /// A script.
    Script(ScriptPlan, Value),
    /// A request.
    Http(Box<Outgoing>),
    /// A program.
    Command(Invocation),
    /// A tool of a server.
    Mcp(String, String, Value),
    /// What a model does with the agent's memory.
    Memory(MemoryTool, Value),
}

impl Call {
    /// What leaves, where the arguments do not say it.
    fn record(&self) -> Option<Value> {
        match self {
            Call::Http(outgoing) => Some(outgoing.record()),
            Call::Command(invocation) => Some(invocation.record()),
            Call::Mcp(server, tool, _) => Some(json!({ "server": server, "tool": tool })),
            _ => None,
        }
    }

    /// What is done besides the arguments: a result of something else is not that of this call.
    fn identity(&self) -> Option<Value> {
        match self {
            Call::Script(script, _) => Some(json!({ "code": script.code })),
            call => call.record(),
        }
    }
}

impl Execution {
    /// Calls a declared tool. What a call needs lies on the heap: tools call tools.
    pub(super) fn call_tool<'a>(
        &'a self,
        address: &'a str,
        tool: &'a ToolPlan,
        args: Value,
    ) -> BoxFuture<'a, Result<Value, RunError>> {
        Box::pin(self.call_any(address, tool, args))
    }

    async fn call_any(&self, address: &str, tool: &ToolPlan, args: Value) -> Result<Value, RunError> {
        let what = format!("the arguments of tool `{}`", tool.name);
        validate::check(&tool.input, &args, ErrorKind::ValidationInput, &what)?;
        self.permitted(address, tool, &args).await?;
        let args = boxed(|| self.guard(GuardrailPoint::ToolCall, address, args)).await?;
        let hooks = &self.plan.flow.hooks;
        let call = args.clone();
        let asked = || json!({ "tool": tool.name, "args": call });
        boxed(|| self.call_hook(&hooks.before_tool, format!("{address}/before_tool/"), asked)).await?;
        if let Some(debugger) = &self.options.debugger {
            let site = CallSite { kind: FrameKind::Tool, name: tool.name.clone(), request: args.clone() };
            debugger.call(self.thread, site).await?;
        }
        let result = match &tool.kind {
            _ if self.options.stubs.contains_key(&tool.name) => self.attempts_of(address, tool, args).await?,
            // Both leave records of their own.
            ToolKind::Workflow(steps) => {
                self.bounded_call(tool, self.workflow_tool(address, tool, steps, args)).await?
            }
            ToolKind::Agent(agent) => self.bounded_call(tool, self.agent_tool(address, agent, args)).await?,
            _ => self.attempts_of(address, tool, args).await?,
        };
        let result = boxed(|| self.guard(GuardrailPoint::ToolResult, address, result)).await?;
        let answered = || json!({ "tool": tool.name, "args": call, "result": result });
        boxed(|| self.call_hook(&hooks.after_tool, format!("{address}/after_tool/"), answered)).await?;
        if let Some(schema) = &tool.output {
            let what = format!("the results of tool `{}`", tool.name);
            validate::check(schema, &result, ErrorKind::ValidationOutput, &what)?;
        }
        Ok(result)
    }

    /// Calls a tool until it succeeds or no attempt is left; a result that is kept counts as a call.
    fn attempts_of<'a>(
        &'a self,
        address: &'a str,
        tool: &'a ToolPlan,
        args: Value,
    ) -> BoxFuture<'a, Result<Value, RunError>> {
        Box::pin(async move {
            let call = self.prepared(tool, args.clone()).await?;
            let key = match &tool.cache {
                Some(cache) => Some(self.cache_key(tool, cache, &args, call.identity())?),
                None => None,
            };
            if let (Some(cache), Some(key)) = (&tool.cache, &key)
                && let Some(kept) = self.kept(address, tool, cache, key).await?
            {
                return Ok(kept);
            }
            let mut attempt = 1;
            let result = loop {
                let error = match self.attempt(address, tool, args.clone(), call.clone()).await {
                    Ok(result) => break result,
                    Err(error) => error,
                };
                let Some(retry) = tool.retry.as_ref().filter(|retry| {
                    attempt < retry.max_attempts
                        && (tool.repeatable || never_left(&error))
                        && retry::worth_it(retry, &error)
                }) else {
                    return Err(error);
                };
                let pause = retry::pause(retry, self.gate.run(), &format!("{address} {}", tool.name), attempt, &error);
                retry::wait(&self.gate, pause).await;
                attempt += 1;
            };
            if let Some(key) = &key {
                self.keep(address, tool, key, &result).await?;
            }
            Ok(result)
        })
    }

    /// One call, recorded.
    fn attempt<'a>(
        &'a self,
        address: &'a str,
        tool: &'a ToolPlan,
        args: Value,
        call: Call,
    ) -> BoxFuture<'a, Result<Value, RunError>> {
        Box::pin(async move {
            let mut request = json!({ "tool": tool.name, "args": args });
            if let Some(sent) = call.record() {
                request["request"] = sent;
            }
            let effect = Effect {
                address: address.to_owned(),
                kind: EffectKind::Tool,
                class: if tool.repeatable { SideEffect::Read } else { SideEffect::Write },
                label: tool.name.clone(),
                request,
            };
            let cost = if matches!(call, Call::Stub(_)) { 0.0 } else { tool.cost };
            let work = async {
                let result = self.bounded_call(tool, self.made(address, tool, call)).await?;
                Ok((result, Usage { cost_usd: cost, ..Usage::default() }))
            };
            self.gate.effect(effect, work).await
        })
    }

    /// Fills a tool's templates and asks for the grants that the call needs.
    async fn prepared(&self, tool: &ToolPlan, args: Value) -> Result<Call, RunError> {
        if let Some(stub) = self.options.stubs.get(&tool.name) {
            return Ok(Call::Stub(stub.clone()));
        }
        let scope = || {
            let mut scope = self.scope();
            scope["args"] = args.clone();
            scope
        };
        Ok(match &tool.kind {
            ToolKind::Builtin(name) if is_outside(name) => Call::Errand(self.errand(name, tool, &args)?),
            ToolKind::Builtin(name) => Call::Builtin(name.clone(), args),
            ToolKind::Script(script) => Call::Script(script.clone(), args),
            ToolKind::Http(plan) => Call::Http(Box::new(self.outgoing(plan, &scope(), tool.timeout)?)),
            ToolKind::Command(plan) => Call::Command(self.invocation(plan, &args, &scope(), tool.timeout)?),
            ToolKind::Mcp { server, tool } => {
                grants::mcp(&self.plan.permits, server, tool)?;
                // The list is read before the first call: it says whether the tools are still those that were pinned.
                self.server_has(server, tool).await?;
                Call::Mcp(server.clone(), tool.clone(), args)
            }
            ToolKind::Operation(operation) => Call::Http(Box::new(self.operation(operation, &args, tool.timeout)?)),
            ToolKind::Openapi(_) => {
                let message = format!("`{}` is a service; its operations are the tools", tool.name);
                return Err(RunError::new(ErrorKind::ToolNotFound, message)
                    .with_help(format!("name one: `{}.<operation>`", tool.rule_name)));
            }
            ToolKind::Memory(kind) => Call::Memory(*kind, args),
            ToolKind::Unsupported(kind) => return Err(RunError::unsupported(format!("a tool of kind `{kind}`"))),
            ToolKind::Agent(_) | ToolKind::Workflow(_) => {
                return Err(RunError::new(ErrorKind::Internal, format!("the tool `{}` is no single call", tool.name)));
            }
        })
    }

    /// Makes a call.
    fn made<'a>(&'a self, address: &'a str, tool: &'a ToolPlan, call: Call) -> BoxFuture<'a, Result<Value, RunError>> {
        Box::pin(async move {
            match call {
                Call::Stub(value) => Ok(value),
                Call::Builtin(name, args) => self.engine.ports.tools.call(&name, args, self.gate.cancel()).await,
                Call::Errand(errand) => self.go(errand).await,
                Call::Script(script, args) => {
                    let name = format!("{}: tool {}", self.source_name(), tool.name);
                    self.run_script(address, &script, &name, args, Value::Object(Map::new())).await
                }
                Call::Http(outgoing) => self.send(*outgoing).await,
                Call::Command(invocation) => self.start(invocation).await,
                Call::Mcp(server, tool, args) => self.call_server(&server, &tool, args).await,
                Call::Memory(kind, args) => boxed(|| self.memory_tool(address, kind, &args)).await,
            }
        })
    }

    /// What a tool does, within its time.
    async fn bounded_call(
        &self,
        tool: &ToolPlan,
        work: impl Future<Output = Result<Value, RunError>>,
    ) -> Result<Value, RunError> {
        tokio::time::timeout(self.time(tool.timeout), work).await.unwrap_or_else(|_| {
            let seconds = tool.timeout.as_secs_f64();
            let message = format!("tool `{}` did not answer within {seconds} seconds", tool.name);
            Err(RunError::new(ErrorKind::ToolTimeout, message))
        })
    }

    /// The one place where a call is permitted: what is denied, what a person has to agree to, what is allowed.
    async fn permitted(&self, address: &str, tool: &ToolPlan, args: &Value) -> Result<(), RunError> {
        let permits = &self.plan.permits;
        let name = &tool.rule_name;
        if let Some(rule) = permits.refuses(name) {
            let message = format!("the tool `{name}` may not be called: `{rule}` keeps it out");
            let help = match rule {
                "allowed_tools" => format!("add `{name}` to governance.security.allowed_tools"),
                _ => "remove the rule from governance.security.denied_tools".to_owned(),
            };
            return Err(RunError::new(ErrorKind::ToolDenied, message).with_help(help));
        }
        let rules = permits.ask.iter().filter(|(glob, _)| glob.matches(name)).map(|(_, when)| when);
        let conditions: Vec<Option<Expr>> = tool.ask.iter().chain(rules).cloned().collect();
        if conditions.is_empty() {
            return Ok(());
        }
        let mut scope = self.scope();
        scope["args"] = args.clone();
        for condition in conditions {
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
                prompt: format!("May the tool `{name}` be called with {args}?"),
                to: None,
                choices: Vec::new(),
                schema: None,
            };
            if boxed(|| self.ask_person(question, None, None)).await? == json!(true) {
                return Ok(());
            }
            let message = format!("a person did not agree to this call of the tool `{name}`");
            return Err(RunError::new(ErrorKind::HumanRejected, message));
        }
        Ok(())
    }

    /// A step that is a request.
    pub(super) fn http_step<'a>(
        &'a self,
        address: &'a str,
        plan: &'a HttpPlan,
        timeout: Option<Duration>,
    ) -> BoxFuture<'a, Result<Value, RunError>> {
        Box::pin(async move {
            let outgoing = self.outgoing(plan, &self.scope(), timeout.unwrap_or(STEP_TIMEOUT))?;
            let effect = Effect {
                address: address.to_owned(),
                kind: EffectKind::Tool,
                class: if plan.method.is_safe() { SideEffect::Read } else { SideEffect::Write },
                label: format!("{} {}", outgoing.method, outgoing.url.host_str().unwrap_or_default()),
                request: json!({ "http": outgoing.record() }),
            };
            self.gate.effect(effect, async { Ok((self.send(outgoing).await?, Usage::default())) }).await
        })
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

/// Whether a call failed before anything was sent.
fn never_left(error: &RunError) -> bool {
    error.detail.as_ref().and_then(|detail| detail.get("sent")) == Some(&Value::Bool(false))
}

/// Whether a server's refusal may pass: it is busy, or something behind it is not there.
pub(super) fn may_pass(error: &RunError) -> bool {
    let status = error.detail.as_ref().and_then(|detail| detail.get("status")).and_then(Value::as_u64);
    never_left(error) || matches!(status, Some(408 | 425 | 429 | 500 | 502 | 503 | 504))
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
