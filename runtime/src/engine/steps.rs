//! Executes steps in order.

use std::{future::Future, pin::Pin};

use aikit_core::{ErrorKind, Place, RunError};
use aikit_spec::{
    EvalError,
    plan::{Dynamic, StepKind, StepPlan, ToolPlan},
};
use serde_json::{Map, Value, json};

use super::{Execution, conversation::Conversation};
use crate::{
    event::RunEvent,
    gate::Effect,
    journal::{EffectKind, Record, SideEffect, StepStatus},
    ports::Role,
    validate,
};

/// What a list of steps came to.
enum Flow {
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

    fn sequence<'a>(
        &'a mut self,
        steps: &'a [StepPlan],
        prefix: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Flow, RunError>> + Send + 'a>> {
        Box::pin(async move {
            let mut last = Value::Null;
            for step in steps {
                let address = format!("{prefix}{}", step.name);
                match self.step(step, &address).await? {
                    Some(Flow::Next(value)) => last = value,
                    Some(Flow::Return(value)) => return Ok(Flow::Return(value)),
                    None => {}
                }
            }
            Ok(Flow::Next(last))
        })
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
                self.steps.insert(step.name.clone(), json!({ "output": null, "status": "skipped", "error": null }));
                return Ok(None);
            }
        }
        self.step_started(address, step.kind.keyword());
        let before = self.state.clone();
        let result = self.bounded(step, address).await.map_err(|e| self.locate(step, e));
        let value = result.as_ref().map(|flow| match flow {
            Flow::Next(value) | Flow::Return(value) => value.clone(),
        });
        let state = (self.state != before).then(|| self.state.clone());
        self.step_ended(address, &value.map_err(Clone::clone), state);
        let flow = result?;
        if let Flow::Next(value) = &flow {
            self.steps
                .insert(step.name.clone(), json!({ "output": value, "status": "done", "error": null, "attempts": 1 }));
        }
        Ok(Some(flow))
    }

    /// The step's work within its timeout, its output checked, its `save` applied.
    async fn bounded(&mut self, step: &StepPlan, address: &str) -> Result<Flow, RunError> {
        let flow = match step.timeout {
            None => self.work(step, address).await?,
            Some(limit) => match tokio::time::timeout(limit, self.work(step, address)).await {
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
                let tools: Vec<&ToolPlan> = plan.tools.iter().filter(|tool| tools.contains(&tool.name)).collect();
                self.converse(Conversation {
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
                let tool = plan
                    .tools
                    .iter()
                    .find(|t| &t.name == tool)
                    .ok_or_else(|| RunError::new(ErrorKind::ToolNotFound, format!("there is no tool `{tool}`")))?;
                self.call_tool(address, tool, args).await.map(Flow::Next)
            }
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
                        return self.sequence(body, &format!("{address}/{i}/")).await;
                    }
                }
                self.sequence(default, &format!("{address}/default/")).await
            }
            StepKind::Return(value) => self.resolve(value, &scope).map(Flow::Return),
        }
    }

    /// Fills the templates of a value.
    fn resolve(&self, value: &Dynamic, scope: &Value) -> Result<Value, RunError> {
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
        self.gate.record(&Record::StepEnded {
            address: address.into(),
            status,
            output: result.as_ref().ok().cloned(),
            error: result.as_ref().err().cloned(),
            state,
        });
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
