//! Executes steps in order.

use std::{future::Future, pin::Pin, time::Duration};

use aikit_core::{ErrorKind, Place, RunError};
use aikit_spec::{
    EvalError,
    plan::{BodySegment, Dynamic, ErrorAction, StepKind, StepPlan, ToolPlan},
    template::Template,
};
use futures::future::BoxFuture;
use serde_json::{Map, Value, json};

use super::{
    Execution,
    bodies::{Items, Rounds},
    conversation::Conversation,
    host::RunHost,
    retry,
    tools::sources::unknown,
};
use crate::{
    debug::StepSite,
    event::RunEvent,
    gate::Effect,
    journal::{EffectKind, Record, SideEffect, StepStatus},
    ports::{HostCalls, Role},
    validate,
};

/// What steps read of an error.
fn error_value(error: &RunError) -> Value {
    json!({ "code": error.code(), "message": error.message })
}

/// What a list of steps came to.
#[derive(Debug, Clone)]
pub(super) enum Flow {
    /// It ran to its end; the last output.
    Next(Value),
    /// A `return` ended the run.
    Return(Value),
}

impl Execution {
    /// Runs the plan's steps. The result is what `return` gave, else the last output.
    pub(super) async fn run_steps(&mut self, steps: &[StepPlan]) -> Result<Value, RunError> {
        let flow = self.sequence(steps, "").await?;
        self.gate.flush().await?;
        Ok(match flow {
            Flow::Next(value) | Flow::Return(value) => value,
        })
    }

    pub(super) fn sequence<'a>(
        &'a mut self,
        steps: &'a [StepPlan],
        prefix: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Flow, RunError>> + Send + 'a>> {
        Box::pin(async move {
            let mut last = Value::Null;
            for step in steps {
                let address = format!("{prefix}{}", step.name);
                match self.boxed_step(step, &address).await? {
                    Some(Flow::Next(value)) => last = value,
                    Some(Flow::Return(value)) => return Ok(Flow::Return(value)),
                    None => {}
                }
            }
            Ok(Flow::Next(last))
        })
    }

    /// A step on the heap: steps hold steps, and tools that are runs of their own hold all of it again.
    fn boxed_step<'a>(
        &'a mut self,
        step: &'a StepPlan,
        address: &'a str,
    ) -> BoxFuture<'a, Result<Option<Flow>, RunError>> {
        Box::pin(self.step(step, address))
    }

    /// A step's work on the heap.
    fn boxed_work<'a>(&'a mut self, step: &'a StepPlan, address: &'a str) -> BoxFuture<'a, Result<Flow, RunError>> {
        Box::pin(self.work(step, address))
    }

    /// Runs one step; `None` when its condition does not hold.
    async fn step(&mut self, step: &StepPlan, address: &str) -> Result<Option<Flow>, RunError> {
        if self.gate.cancel().is_cancelled() {
            return Err(RunError::cancelled());
        }
        self.gate.count_step()?;
        if let Some(when) = &step.when {
            let holds = when.holds(&self.scope()).map_err(|e| self.locate(step, self.expression_error(e)))?;
            if !holds {
                self.gate.record(&Record::StepEnded {
                    address: address.into(),
                    status: StepStatus::Skipped,
                    output: None,
                    error: None,
                    state: None,
                });
                self.gate.tell(RunEvent::StepEnded { address: address.into(), status: StepStatus::Skipped });
                self.steps.insert(
                    step.name.clone(),
                    json!({ "output": null, "status": "skipped", "error": null, "attempts": 0 }),
                );
                return Ok(None);
            }
        }
        if let Some(debugger) = self.options.debugger.clone() {
            debugger.step(self.thread, self.site(step, address)).await?;
        }
        self.step_started(address, step.kind.keyword());
        let before = self.state.clone();
        let (result, attempts) = self.attempts(step, address).await;
        let result = result.map_err(|e| self.locate(step, e));
        let (result, error) = match result {
            Err(error) => match self.failed(step, address, &error).await {
                None => (Err(error), None),
                Some(handled) => (handled.map_err(|e| self.locate(step, e)), Some(error)),
            },
            done => (done, None),
        };
        let state = (self.state != before).then(|| self.state.clone());
        let flow = match result {
            Ok(flow) => flow,
            Err(error) => {
                self.step_ended(address, &Err(error.clone()), state);
                return Err(error);
            }
        };
        let (Flow::Next(value) | Flow::Return(value)) = &flow;
        self.record_end(address, StepStatus::Done, Some(value.clone()), error.clone(), state);
        if let Flow::Next(value) = &flow {
            let error = error.as_ref().map(error_value);
            self.steps.insert(
                step.name.clone(),
                json!({ "output": value, "status": "done", "error": error, "attempts": attempts }),
            );
        }
        Ok(Some(flow))
    }

    /// Works on a step until it succeeds or no attempt is left; gives the number of attempts as well.
    async fn attempts(&mut self, step: &StepPlan, address: &str) -> (Result<Flow, RunError>, u32) {
        let mut attempt = 1;
        loop {
            let before = self.state.clone();
            let error = match self.bounded(step, address).await {
                Ok(flow) => return (Ok(flow), attempt),
                Err(error) => error,
            };
            let Some(retry) = step.retry.as_ref().filter(|retry| {
                attempt < retry.max_attempts && retry::worth_it(retry, &error) && !self.gate.cancel().is_cancelled()
            }) else {
                return (Err(error), attempt);
            };
            self.state = before;
            let pause = retry::pause(retry, self.gate.run(), address, attempt);
            self.gate.record(&Record::StepRetried { address: address.into(), attempt, error });
            self.gate.tell(RunEvent::StepRetried { address: address.into(), attempt, pause });
            if !self.gate.is_replay() {
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = self.gate.cancel().cancelled() => return (Err(RunError::cancelled()), attempt),
                }
            }
            attempt += 1;
        }
    }

    /// What a debugger sees of a step.
    fn site(&self, step: &StepPlan, address: &str) -> StepSite {
        StepSite {
            address: address.to_owned(),
            name: step.name.clone(),
            kind: step.kind.keyword(),
            line: step.line + 1,
            depth: address.matches('/').count(),
            catches: step.on_error.iter().map(|case| case.matches.clone()).collect(),
            scope: self.scope(),
        }
    }

    async fn failed(&mut self, step: &StepPlan, address: &str, error: &RunError) -> Option<Result<Flow, RunError>> {
        if let Some(debugger) = self.options.debugger.clone()
            && let Err(stopped) = debugger.failed(self.thread, address, error).await
        {
            return Some(Err(stopped));
        }
        self.handle(step, address, error).await
    }

    /// What the document says is to be done with an error; `None` when nothing fits.
    async fn handle(&mut self, step: &StepPlan, address: &str, error: &RunError) -> Option<Result<Flow, RunError>> {
        if error.kind == ErrorKind::Cancelled {
            return None;
        }
        let case = step.on_error.iter().find(|case| case.matches.matches(error.code()))?;
        let outer = self.locals.insert("error".into(), error_value(error));
        let handled = match &case.then {
            ErrorAction::Use(value) => self.resolve(value, &self.scope()).map(Flow::Next),
            ErrorAction::Raise(code, message) => Err(match self.raise(code, message.as_ref(), &self.scope()) {
                Ok(error) | Err(error) => error,
            }),
            ErrorAction::Unsupported(what) => Err(RunError::unsupported(format!("`on_error.{what}`"))),
            ErrorAction::Do(steps) => self.sequence(steps, &BodySegment::Named("error").prefix(address)).await,
        };
        match outer {
            Some(outer) => self.locals.insert("error".into(), outer),
            None => self.locals.remove("error"),
        };
        Some(handled)
    }

    /// The step's work within its timeout, its output checked, its `save` applied.
    async fn bounded(&mut self, step: &StepPlan, address: &str) -> Result<Flow, RunError> {
        let flow = match step.timeout {
            None => self.boxed_work(step, address).await?,
            Some(limit) => match tokio::time::timeout(self.time(limit), self.boxed_work(step, address)).await {
                Ok(flow) => flow?,
                Err(_) => {
                    let kind = match step.kind {
                        StepKind::Llm { .. } => ErrorKind::ProviderTimeout,
                        StepKind::Script(_) => ErrorKind::ScriptLimit,
                        _ => ErrorKind::ToolTimeout,
                    };
                    return Err(RunError::new(
                        kind,
                        format!("step `{}` took longer than its timeout of {} seconds", step.name, limit.as_secs_f64()),
                    ));
                }
            },
        };
        if let Flow::Next(output) = &flow {
            if let Some(schema) = &step.output {
                let what = format!("the outputs of step `{}`", step.name);
                validate::check(schema, output, ErrorKind::ValidationOutput, &what)?;
            }
            if !step.save.is_empty() {
                let mut scope = self.scope();
                scope["output"] = output.clone();
                for (path, expr) in &step.save {
                    let value = expr.eval(&scope).map_err(|e| self.expression_error(e))?;
                    self.write_state(path, value)?;
                }
            }
        }
        Ok(flow)
    }

    async fn work(&mut self, step: &StepPlan, address: &str) -> Result<Flow, RunError> {
        let plan = self.plan.clone();
        let scope = self.scope();
        match &step.kind {
            StepKind::Llm { prompt, model, tools, output, max_iterations } => {
                let mut messages = self.system_messages(&scope)?;
                messages.extend(self.prompt(prompt, Role::User, &scope)?);
                let offered = self.offered(Some(tools)).await?;
                let tools: Vec<&ToolPlan> = offered.iter().map(|tool| &**tool).collect();
                self.boxed_converse(Conversation {
                    address,
                    model: model.as_deref().unwrap_or(&plan.default_model),
                    messages,
                    tools,
                    output: output.as_ref(),
                    max_iterations: *max_iterations,
                })
                .await
                .map(Flow::Next)
            }
            StepKind::Tool { tool, args } => {
                let args = self.resolve(args, &scope)?;
                let tool = self.find_tool(tool).await?.ok_or_else(|| unknown(tool))?;
                self.call_tool(address, &tool, args).await.map(Flow::Next)
            }
            StepKind::Mcp { server, tool, args } => {
                let args = self.resolve(args, &scope)?;
                let tool = self.server_tool(server, tool).await?;
                self.call_tool(address, &tool, args).await.map(Flow::Next)
            }
            StepKind::Http(request) => self.http_step(address, request, step.timeout).await.map(Flow::Next),
            StepKind::Script(script) => {
                let effect = Effect {
                    address: address.to_owned(),
                    kind: EffectKind::Script,
                    class: SideEffect::Write,
                    label: script.language.keyword().into(),
                    request: json!({
                        "language": script.language, "code": script.code,
                        "inputs": self.inputs, "state": self.state, "steps": self.steps,
                    }),
                };
                let name = format!("{}: step {}", self.source_name(), step.name);
                let outputs: Map<String, Value> = self
                    .steps
                    .iter()
                    .map(|(name, step)| (name.clone(), step.get("output").cloned().unwrap_or_default()))
                    .collect();
                let work = async {
                    let value =
                        self.run_script(address, script, &name, self.inputs.clone(), Value::Object(outputs)).await?;
                    Ok((value, Default::default()))
                };
                self.gate.effect(effect, work).await.map(Flow::Next)
            }
            StepKind::Set(entries) => {
                let mut written = Map::new();
                for (path, value) in entries {
                    let value = self.resolve(value, &self.scope())?;
                    written.insert(path.clone(), value.clone());
                    self.write_state(path, value)?;
                }
                Ok(Flow::Next(Value::Object(written)))
            }
            StepKind::Switch { cases, default } => {
                for (i, (guard, body)) in cases.iter().enumerate() {
                    if guard.holds(&scope).map_err(|e| self.expression_error(e))? {
                        return self.sequence(body, &BodySegment::Case(i).prefix(address)).await;
                    }
                }
                self.sequence(default, &BodySegment::Named("default").prefix(address)).await
            }
            StepKind::Agent { agent, input } => {
                let input = self.resolve(input, &scope)?;
                let host = RunHost::new(self, address);
                host.call("agents.run", vec![Value::String(agent.clone()), input]).await.map(Flow::Next)
            }
            StepKind::Assert { that, message } => {
                if that.holds(&scope).map_err(|e| self.expression_error(e))? {
                    return Ok(Flow::Next(Value::Bool(true)));
                }
                let message = match message {
                    Some(message) => message.render_text(&scope).map_err(|e| self.expression_error(e))?,
                    None => format!("`{}` does not hold", that.source),
                };
                Err(RunError::new(ErrorKind::AssertionFailed, message))
            }
            StepKind::Parallel { branches, join } => self.parallel(address, branches, *join).await,
            StepKind::Map { over, item, concurrency, steps, collect } => {
                let (concurrency, collect) = (*concurrency, collect.as_ref());
                self.map_items(address, Items { over, name: item, concurrency, steps, collect }).await
            }
            StepKind::Loop { before, until, max, steps } => {
                let rounds = Rounds { before: before.as_ref(), until: until.as_ref(), max: *max, steps };
                self.rounds(address, rounds).await
            }
            StepKind::Wait(time) => self.wait(address, *time).await.map(Flow::Next),
            StepKind::Raise { code, message } => Err(self.raise(code, message.as_ref(), &scope)?),
            StepKind::Subflow { input, steps, .. } => {
                let input = self.resolve(input, &scope)?;
                let outer = self.locals.insert("input".into(), input);
                let flow = self.sequence(steps, &BodySegment::Only.prefix(address)).await;
                match outer {
                    Some(outer) => self.locals.insert("input".into(), outer),
                    None => self.locals.remove("input"),
                };
                flow
            }
            StepKind::Return(value) => self.resolve(value, &scope).map(Flow::Return),
            StepKind::Unsupported(keyword) => Err(RunError::unsupported(format!("`{keyword}`"))),
        }
    }

    /// Lets time pass; a run that goes on later does not wait again.
    async fn wait(&self, address: &str, time: Duration) -> Result<Value, RunError> {
        let effect = Effect {
            address: address.to_owned(),
            kind: EffectKind::Clock,
            class: SideEffect::Read,
            label: "wait".into(),
            request: json!({ "milliseconds": time.as_millis() as u64 }),
        };
        let work = async {
            tokio::time::sleep(time).await;
            Ok((Value::Null, Default::default()))
        };
        self.gate.effect(effect, work).await
    }

    /// The error that a document raises.
    fn raise(&self, code: &str, message: Option<&Template>, scope: &Value) -> Result<RunError, RunError> {
        let message = match message {
            Some(message) => message.render_text(scope).map_err(|e| self.expression_error(e))?,
            None => format!("the document raised `{code}`"),
        };
        Ok(RunError::raised(code, message))
    }

    /// Fills the templates of a value.
    pub(super) fn resolve(&self, value: &Dynamic, scope: &Value) -> Result<Value, RunError> {
        Ok(match value {
            Dynamic::Literal(value) => value.clone(),
            Dynamic::Template(template) => template.render(scope).map_err(|e| self.expression_error(e))?,
            Dynamic::Array(items) => {
                Value::Array(items.iter().map(|item| self.resolve(item, scope)).collect::<Result<_, _>>()?)
            }
            Dynamic::Object(entries) => {
                let mut map = Map::new();
                for (key, value) in entries {
                    map.insert(key.clone(), self.resolve(value, scope)?);
                }
                Value::Object(map)
            }
        })
    }

    /// Writes `a.b.c` (with or without a leading `state.`) and checks the state against its schema.
    fn write_state(&mut self, path: &str, value: Value) -> Result<(), RunError> {
        let path = path.strip_prefix("state.").unwrap_or(path);
        let mut next = self.state.clone();
        let mut place = &mut next;
        for key in path.split('.') {
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            // `place` was just made an object.
            if let Value::Object(map) = place {
                place = map.entry(key).or_insert(Value::Null);
            }
        }
        *place = value;
        if let Some(schema) = &self.plan.state_schema {
            validate::check(
                schema,
                &next,
                ErrorKind::ValidationState,
                &format!("the values of the state after writing `{path}`"),
            )?;
        }
        self.state = next;
        Ok(())
    }

    pub(super) fn step_started(&self, address: &str, kind: &'static str) {
        self.gate.record(&Record::StepStarted { address: address.into() });
        self.gate.tell(RunEvent::StepStarted { address: address.into(), kind });
    }

    pub(super) fn step_ended(&self, address: &str, result: &Result<Value, RunError>, state: Option<Value>) {
        let status = if result.is_ok() { StepStatus::Done } else { StepStatus::Failed };
        self.record_end(address, status, result.as_ref().ok().cloned(), result.as_ref().err().cloned(), state);
    }

    fn record_end(
        &self,
        address: &str,
        status: StepStatus,
        output: Option<Value>,
        error: Option<RunError>,
        state: Option<Value>,
    ) {
        self.gate.record(&Record::StepEnded { address: address.into(), status, output, error, state });
        self.gate.tell(RunEvent::StepEnded { address: address.into(), status });
    }

    /// A template or an expression that failed.
    pub(super) fn expression_error(&self, error: EvalError) -> RunError {
        RunError::new(ErrorKind::ExpressionFailed, error.message)
    }

    /// Adds the step's line, once.
    fn locate(&self, step: &StepPlan, error: RunError) -> RunError {
        let place =
            Place { source: format!("{} (step {})", self.source_name(), step.name), line: step.line + 1, column: None };
        if error.kind == ErrorKind::Cancelled || error.trace.contains(&place) { error } else { error.at(place) }
    }
}
