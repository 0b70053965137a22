//! Executes steps in order.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use aikit_core::{ErrorKind, Place, RunError};
use aikit_spec::{
    EvalError,
    agent::OnStepError,
    plan::{BodySegment, Dynamic, ErrorAction, MemoryTool, ScriptPlan, StepKind, StepPlan, ToolKind, ToolPlan},
    template::Template,
};
use serde_json::{Map, Value, json};

use super::{
    Execution,
    bodies::{Items, Rounds},
    conversation::Conversation,
    retry,
    state::{RESERVED, storage},
    tools::sources::unknown,
};
use crate::{
    debug::StepSite,
    event::RunEvent,
    gate::{Effect, Gate, store_error},
    journal::{EffectKind, Record, SideEffect, StepStatus, digest, digest_text},
    ports::Role,
    validate,
};

/// What steps read of an error.
pub(super) fn error_value(error: &RunError) -> Value {
    json!({ "code": error.code(), "message": error.message })
}

/// What a list of steps came to.
#[derive(Debug, Clone)]
pub(super) enum Flow {
    /// It ran to its end; the last output.
    Next(Value),
    /// A `return` ended the run.
    Return(Value),
    /// It goes on with this step, of a list further out.
    Goto(String),
}

/// A future on the heap, made in a frame of its own: many kinds of work in one function would make one deep stack.
#[inline(never)]
pub(super) fn boxed<'a, F: Future + Send + 'a>(
    make: impl FnOnce() -> F,
) -> Pin<Box<dyn Future<Output = F::Output> + Send + 'a>> {
    Box::pin(make())
}

/// Does the work of a part of the run. When its time is over the part is ended, and what it was doing comes back with `why`.
pub(super) async fn within<T>(gate: &Gate, limit: Option<Duration>, why: RunError, work: impl Future<Output = T>) -> T {
    let Some(limit) = limit else { return work.await };
    tokio::pin!(work);
    tokio::select! {
        biased;
        done = &mut work => done,
        () = tokio::time::sleep(limit) => {
            gate.end_part(why);
            work.await
        }
    }
}

impl Execution {
    /// Runs the plan's steps.
    pub(super) async fn run_steps(&mut self, steps: &[StepPlan]) -> Result<Flow, RunError> {
        let plan = self.plan.clone();
        match &plan.flow.after {
            Some(after) => boxed(move || self.by_needs(steps, after)).await,
            None => self.sequence(steps, "").await,
        }
    }

    pub(super) fn sequence<'a>(
        &'a mut self,
        steps: &'a [StepPlan],
        prefix: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Flow, RunError>> + Send + 'a>> {
        Box::pin(async move {
            let (mut last, mut at) = (Value::Null, 0);
            while let Some(step) = steps.get(at) {
                let address = format!("{prefix}{}", step.name);
                at += 1;
                match self.step(step, &address).await? {
                    Some(Flow::Next(value)) => last = value,
                    Some(Flow::Return(value)) => return Ok(Flow::Return(value)),
                    Some(Flow::Goto(target)) => match steps.iter().position(|step| step.name == target) {
                        Some(place) => at = place,
                        None => return Ok(Flow::Goto(target)),
                    },
                    None => {}
                }
            }
            Ok(Flow::Next(last))
        })
    }

    /// Runs one step; `None` when its condition does not hold.
    pub(super) async fn step(&mut self, step: &StepPlan, address: &str) -> Result<Option<Flow>, RunError> {
        self.gate.go_on(address)?;
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
                let skipped = json!({ "output": null, "status": "skipped", "error": null, "attempts": 0 });
                Arc::make_mut(&mut self.steps).insert(step.name.clone(), skipped);
                return Ok(None);
            }
        }
        if let Some(debugger) = self.options.debugger.clone() {
            debugger.step(self.thread, self.site(step, address)).await?;
        }
        self.step_started(address, step.kind.keyword());
        let (before, mark) = (self.state.clone(), self.done.len());
        let (result, attempts) = match self.before(step, address).await {
            Ok(()) => boxed(|| self.attempts(step, address)).await,
            Err(error) => (Err(error), 0),
        };
        let result = result.map_err(|e| self.locate(step, e));
        let (result, error) = match result {
            Err(error) => match self.failed(step, address, mark, &error).await {
                None => (Err(error), None),
                Some(handled) => (handled.map_err(|e| self.locate(step, e)), Some(error)),
            },
            done => (done, None),
        };
        let result = self.behind(step, address, result).await;
        let state = (!Arc::ptr_eq(&self.state, &before) && self.state != before).then(|| (*self.state).clone());
        let known = |status: &str, output: &Value, error: Option<&RunError>| json!({ "output": output, "status": status, "error": error.map(error_value), "attempts": attempts });
        let flow = match result {
            Ok(flow) => flow,
            Err(error) => {
                self.step_ended(address, &Err(error.clone()), state);
                let goes_on = self.plan.flow.on_error == Some(OnStepError::Continue) && !address.contains('/');
                if !goes_on || error.kind == ErrorKind::Cancelled {
                    return Err(error);
                }
                let known = known("failed", &Value::Null, Some(&error));
                Arc::make_mut(&mut self.steps).insert(step.name.clone(), known);
                return Ok(None);
            }
        };
        match &flow {
            Flow::Goto(_) => {
                self.record_end(address, StepStatus::Failed, None, error.clone(), state);
                let known = known("failed", &Value::Null, error.as_ref());
                Arc::make_mut(&mut self.steps).insert(step.name.clone(), known);
            }
            Flow::Next(value) | Flow::Return(value) => {
                self.record_end(address, StepStatus::Done, Some(value.clone()), error.clone(), state);
                if error.is_none() {
                    self.remember(step, address, value);
                }
                let known = known("done", value, error.as_ref());
                Arc::make_mut(&mut self.steps).insert(step.name.clone(), known);
            }
        }
        Ok(Some(flow))
    }

    /// The hooks before a step.
    async fn before(&mut self, step: &StepPlan, address: &str) -> Result<(), RunError> {
        let plan = self.plan.clone();
        let seen = json!({ "name": step.name, "kind": step.kind.keyword() });
        boxed(|| self.hook(&plan.flow.hooks.before_step, format!("{address}/before_step/"), "step", seen)).await
    }

    /// The hooks behind a step.
    async fn behind(
        &mut self,
        step: &StepPlan,
        address: &str,
        result: Result<Flow, RunError>,
    ) -> Result<Flow, RunError> {
        let plan = self.plan.clone();
        if plan.flow.hooks.after_step.is_empty() {
            return result;
        }
        let (output, status) = match &result {
            Ok(Flow::Next(value) | Flow::Return(value)) => (value.clone(), "done"),
            Ok(Flow::Goto(_)) | Err(_) => (Value::Null, "failed"),
        };
        let error = result.as_ref().err().map(error_value);
        let seen = json!({
            "name": step.name, "kind": step.kind.keyword(), "output": output, "status": status, "error": error,
        });
        boxed(|| self.hook(&plan.flow.hooks.after_step, format!("{address}/after_step/"), "step", seen)).await?;
        result
    }

    /// Works on a step until it succeeds or no attempt is left; gives the number of attempts as well.
    async fn attempts(&mut self, step: &StepPlan, address: &str) -> (Result<Flow, RunError>, u32) {
        let mut attempt = 1;
        loop {
            let (before, mark) = (self.state.clone(), self.done.len());
            let error = match self.bounded(step, address).await {
                Ok(flow) => return (Ok(flow), attempt),
                Err(error) => error,
            };
            let Some(retry) =
                step.retry.as_ref().filter(|retry| attempt < retry.max_attempts && retry::worth_it(retry, &error))
            else {
                return (Err(error), attempt);
            };
            let error = boxed(|| self.undo(mark, error)).await;
            self.state = before;
            let pause = retry::pause(retry, self.gate.run(), address, attempt, &error);
            self.gate.record(&Record::StepRetried { address: address.into(), attempt, error });
            self.gate.tell(RunEvent::StepRetried { address: address.into(), attempt, pause });
            retry::wait(&self.gate, pause).await;
            if let Err(stopped) = self.gate.go_on(address) {
                return (Err(stopped), attempt);
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

    async fn failed(
        &mut self,
        step: &StepPlan,
        address: &str,
        mark: usize,
        error: &RunError,
    ) -> Option<Result<Flow, RunError>> {
        if let Some(debugger) = self.options.debugger.clone()
            && let Err(stopped) = debugger.failed(self.thread, address, error).await
        {
            return Some(Err(stopped));
        }
        self.handle(step, address, mark, error).await
    }

    /// What the document says is to be done with an error; `None` when nothing fits. What the step has done is undone before.
    async fn handle(
        &mut self,
        step: &StepPlan,
        address: &str,
        mark: usize,
        error: &RunError,
    ) -> Option<Result<Flow, RunError>> {
        if error.kind == ErrorKind::Cancelled {
            return None;
        }
        let case = step.on_error.iter().find(|case| case.matches.matches(error.code()))?;
        boxed(|| self.undo(mark, error.clone())).await;
        let outer = self.locals.clone();
        Arc::make_mut(&mut self.locals).insert("error".into(), error_value(error));
        let handled = match &case.then {
            ErrorAction::Use(value) => self.resolve(value, &self.scope()).map(Flow::Next),
            ErrorAction::Raise(code, message) => Err(match self.raise(code, message.as_ref(), &self.scope()) {
                Ok(error) | Err(error) => error,
            }),
            ErrorAction::Goto(target) => Ok(Flow::Goto(target.clone())),
            ErrorAction::Do(steps) => self.sequence(steps, &BodySegment::Named("error").prefix(address)).await,
        };
        self.locals = outer;
        Some(handled)
    }

    /// The step's work within its timeout, its output checked, its `save` applied.
    async fn bounded(&mut self, step: &StepPlan, address: &str) -> Result<Flow, RunError> {
        let flow = self.timed(step, address).await?;
        self.write_late(address).await?;
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
                    boxed(|| self.write_state(address, path, value)).await?;
                }
            }
        }
        Ok(flow)
    }

    /// A part of the run that can be ended by itself begins; gives the gate of what is around it.
    pub(super) fn enter_part(&mut self) -> Arc<Gate> {
        let part = Arc::new(self.gate.part());
        std::mem::replace(&mut self.gate, part)
    }

    /// The step's work, ended when its time is over. In a replay time does not pass: what was broken off stands in the
    /// journal.
    async fn timed(&mut self, step: &StepPlan, address: &str) -> Result<Flow, RunError> {
        let request = step.retry.as_ref().and_then(|retry| retry.request_timeout);
        let limit = step.timeout.into_iter().chain(request).min();
        let Some(limit) = limit.filter(|_| !self.gate.is_replay()) else {
            return boxed(move || self.cached(step, address)).await;
        };
        let kind = match step.kind {
            StepKind::Llm { .. } => ErrorKind::ProviderTimeout,
            StepKind::Script(_) => ErrorKind::ScriptLimit,
            StepKind::Human(_) => ErrorKind::HumanTimeout,
            _ => ErrorKind::ToolTimeout,
        };
        let seconds = limit.as_secs_f64();
        let message = format!("step `{}` took longer than its timeout of {seconds} seconds", step.name);
        let limit = Some(self.time(limit));
        let outer = self.enter_part();
        let gate = self.gate.clone();
        let done = within(&gate, limit, RunError::new(kind, message), boxed(|| self.cached(step, address))).await;
        self.gate = outer;
        done
    }

    /// The step's output, from an earlier run where it is kept.
    async fn cached(&mut self, step: &StepPlan, address: &str) -> Result<Flow, RunError> {
        let Some(cache) = &step.cache else { return self.work(step, address).await };
        let scope = self.scope();
        let key = match &cache.key {
            Some(key) => key.render_text(&scope).map_err(|e| self.expression_error(e))?,
            None => digest(&json!([*self.inputs, *self.state, *self.steps, *self.locals])),
        };
        let key = format!("{RESERVED}cache/{}/{address}/{}", self.plan.agent.id, digest_text(&key));
        let (store, clock) = (self.engine.ports.store.clone(), self.engine.ports.clock.clone());
        let effect = storage(address, &key, SideEffect::Read, json!("load"));
        let load = async {
            let kept = store.kv_get(&key).await.map_err(store_error)?;
            let fresh = kept.filter(|kept| {
                kept.get("until").and_then(Value::as_i64).is_some_and(|until| until > clock.now().timestamp_millis())
            });
            Ok((fresh.map_or(Value::Null, |kept| json!([kept["value"]])), Default::default()))
        };
        if let Value::Array(kept) = self.gate.effect(effect, load).await? {
            return Ok(Flow::Next(kept.into_iter().next().unwrap_or_default()));
        }
        let flow = self.work(step, address).await?;
        if let Flow::Next(value) = &flow {
            let effect = storage(address, &key, SideEffect::Read, json!({ "keep": value }));
            let keep = async {
                let until = clock.now() + cache.ttl;
                let kept = json!({ "until": until.timestamp_millis(), "value": value });
                store.kv_set(&key, &kept).await.map_err(store_error)?;
                Ok((Value::Null, Default::default()))
            };
            self.gate.effect(effect, keep).await?;
        }
        Ok(flow)
    }

    /// What the step does.
    async fn work(&mut self, step: &StepPlan, address: &str) -> Result<Flow, RunError> {
        let plan = self.plan.clone();
        let scope = self.scope();
        match &step.kind {
            StepKind::Llm { prompt, model, tools, output, max_iterations } => {
                let asked = self.prompt(prompt, Role::User, &scope)?;
                let system = self.system_messages(&scope)?;
                let messages = boxed(|| self.in_context(address, system, asked, false)).await?;
                let offered = boxed(|| self.offered(Some(tools))).await?;
                let search = |tool: &&ToolPlan| matches!(tool.kind, ToolKind::Memory(MemoryTool::SearchKnowledge));
                let memory = plan.memory_tools.iter().filter(search);
                let tools: Vec<&ToolPlan> = offered.iter().map(|tool| &**tool).chain(memory).collect();
                let conversation = Conversation {
                    address,
                    model: model.as_deref(),
                    messages,
                    tools,
                    output: output.as_ref(),
                    max_iterations: *max_iterations,
                };
                self.boxed_converse(conversation).await.map(Flow::Next)
            }
            StepKind::Tool { tool, args } => {
                let args = self.resolve(args, &scope)?;
                let tool = boxed(|| self.find_tool(tool)).await?.ok_or_else(|| unknown(tool))?;
                self.call_tool(address, &tool, args).await.map(Flow::Next)
            }
            StepKind::Mcp { server, tool, args } => {
                let args = self.resolve(args, &scope)?;
                let tool = boxed(|| self.server_tool(server, tool)).await?;
                self.call_tool(address, &tool, args).await.map(Flow::Next)
            }
            StepKind::Http(request) => self.http_step(address, request, step.timeout).await.map(Flow::Next),
            StepKind::Script(script) => boxed(|| self.script(address, &step.name, script)).await.map(Flow::Next),
            StepKind::Set(entries) => {
                let mut written = Map::new();
                for (path, value) in entries {
                    let value = self.resolve(value, &self.scope())?;
                    written.insert(path.clone(), value.clone());
                    boxed(|| self.write_state(address, path, value)).await?;
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
                boxed(|| self.run_agent(address, agent, input)).await.map(Flow::Next)
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
            StepKind::Parallel { branches, join } => boxed(move || self.parallel(address, branches, *join)).await,
            StepKind::Map { over, item, concurrency, steps, collect } => {
                let (concurrency, collect) = (*concurrency, collect.as_ref());
                boxed(move || self.map_items(address, Items { over, name: item, concurrency, steps, collect })).await
            }
            StepKind::Loop { before, until, max, steps } => {
                let rounds = Rounds { before: before.as_ref(), until: until.as_ref(), max: *max, steps };
                boxed(move || self.rounds(address, rounds)).await
            }
            StepKind::Wait(wait) => boxed(move || self.wait(address, wait)).await.map(Flow::Next),
            StepKind::Human(human) => boxed(|| self.human(address, &step.name, human)).await.map(Flow::Next),
            StepKind::Emit { event, payload } => {
                boxed(move || self.emit(address, event, payload)).await.map(Flow::Next)
            }
            StepKind::Raise { code, message } => Err(self.raise(code, message.as_ref(), &scope)?),
            StepKind::Subflow { input, steps, .. } => {
                let input = self.resolve(input, &scope)?;
                let outer = self.locals.clone();
                Arc::make_mut(&mut self.locals).insert("input".into(), input);
                let flow = self.sequence(steps, &BodySegment::Only.prefix(address)).await;
                self.locals = outer;
                flow
            }
            StepKind::Memory(step) => boxed(|| self.memory_step(address, step)).await.map(Flow::Next),
            StepKind::Return(value) => self.resolve(value, &scope).map(Flow::Return),
            StepKind::Unsupported(keyword) => Err(RunError::unsupported(format!("`{keyword}`"))),
        }
    }

    /// A `script` step: one effect, with what the script asks of the host inside it.
    async fn script(&self, address: &str, name: &str, script: &ScriptPlan) -> Result<Value, RunError> {
        let effect = Effect {
            address: address.to_owned(),
            kind: EffectKind::Script,
            class: SideEffect::Write,
            label: script.language.keyword().into(),
            request: json!({
                "language": script.language, "code": script.code,
                "inputs": *self.inputs, "state": *self.state, "steps": *self.steps,
            }),
        };
        let name = format!("{}: step {name}", self.source_name());
        let outputs: Map<String, Value> = self
            .steps
            .iter()
            .map(|(name, step)| (name.clone(), step.get("output").cloned().unwrap_or_default()))
            .collect();
        let work = async {
            let inputs = (*self.inputs).clone();
            let value = self.run_script(address, script, &name, inputs, Value::Object(outputs)).await?;
            Ok((value, Default::default()))
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
