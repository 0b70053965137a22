//! Steps that hold steps: branches side by side, the items of a list, rounds.

use std::sync::Arc;

use aikit_core::{ErrorKind, RunError};
use aikit_spec::{
    agent::Join,
    expr::Expr,
    plan::{BodySegment, StepPlan},
};
use futures::{StreamExt, TryStreamExt, future, stream};
use serde_json::{Map, Value, json};

use super::{Execution, steps::Flow};
use crate::debug::{Debugger, ThreadId};

/// What the items of a map need to know.
pub(super) struct Items<'p> {
    /// Gives the list.
    pub over: &'p Expr,
    /// The name of the item.
    pub name: &'p str,
    /// How many at the same time.
    pub concurrency: u32,
    /// The steps of each.
    pub steps: &'p [StepPlan],
    /// What is kept of each.
    pub collect: Option<&'p Expr>,
}

/// What the rounds of a loop need to know.
pub(super) struct Rounds<'p> {
    /// Asked before each round.
    pub before: Option<&'p Expr>,
    /// Asked behind each round.
    pub until: Option<&'p Expr>,
    /// Rounds at most.
    pub max: u32,
    /// The steps of each.
    pub steps: &'p [StepPlan],
}

impl Execution {
    /// Runs branches side by side, each on a copy of the state.
    pub(super) async fn parallel(
        &mut self,
        address: &str,
        branches: &[(String, Vec<StepPlan>)],
        join: Join,
    ) -> Result<Flow, RunError> {
        let run = |(name, steps): &(String, Vec<StepPlan>)| {
            let (mut branch, prefix) = (self.clone(), BodySegment::Named(name).prefix(address));
            let (name, steps) = (name.clone(), steps.clone());
            let thread = branch.fork(&format!("{address}/{name}"));
            Box::pin(async move {
                let _thread = thread;
                let flow = branch.sequence(&steps, &prefix).await?;
                Ok::<_, RunError>((name, branch, flow))
            })
        };
        let ended: Vec<(String, Execution, Flow)> = match join {
            Join::All => future::try_join_all(branches.iter().map(run)).await?,
            Join::Any => vec![future::select_ok(branches.iter().map(run)).await?.0],
        };
        let before = self.clone();
        let mut output = Map::new();
        let mut returned = None;
        let mut writers = Writers::default();
        for (name, branch, flow) in ended {
            writers.merge(self, &before, &branch, &name)?;
            match flow {
                Flow::Next(value) => drop(output.insert(name, value)),
                Flow::Return(value) => drop(returned.get_or_insert(value)),
            }
        }
        Ok(returned.map_or(Flow::Next(Value::Object(output)), Flow::Return))
    }

    /// Runs steps for each item of a list.
    pub(super) async fn map_items(&mut self, address: &str, items: Items<'_>) -> Result<Flow, RunError> {
        let list = match items.over.eval(&self.scope()).map_err(|e| self.expression_error(e))? {
            Value::Array(list) => list,
            other => {
                return Err(RunError::new(
                    ErrorKind::ExpressionFailed,
                    format!("`{}` gives {}, not a list", items.over.source, shape(&other)),
                ));
            }
        };
        let one_by_one = items.concurrency == 1;
        let before = self.clone();
        let mut writers = Writers::default();
        let (mut output, mut returned) = (Vec::with_capacity(list.len()), None);
        if one_by_one {
            let locals = self.locals.clone();
            for (index, item) in list.into_iter().enumerate() {
                let ended = self.item(address, &items, index, item).await;
                self.locals.clone_from(&locals);
                match ended? {
                    Flow::Next(value) => output.push(value),
                    Flow::Return(value) => {
                        returned = Some(value);
                        break;
                    }
                }
            }
        } else {
            let work = list.into_iter().enumerate().map(|(index, item)| {
                let mut branch = before.clone();
                let items = &items;
                async move {
                    let _thread = branch.fork(&format!("{address}[{index}]"));
                    let flow = branch.item(address, items, index, item).await?;
                    Ok::<_, RunError>((index, branch, flow))
                }
            });
            let ended: Vec<_> = stream::iter(work).buffered(items.concurrency as usize).try_collect().await?;
            for (index, branch, flow) in ended {
                writers.merge(self, &before, &branch, &format!("item {index}"))?;
                match flow {
                    Flow::Next(value) => output.push(value),
                    Flow::Return(value) => drop(returned.get_or_insert(value)),
                }
            }
        }
        // There are as many of the steps inside as there are items: none of them is known behind the map.
        self.steps = before.steps;
        Ok(returned.map_or(Flow::Next(Value::Array(output)), Flow::Return))
    }

    /// Becomes a thread of its own for the debugger, until what this gives is dropped.
    fn fork(&mut self, name: &str) -> Option<Branch> {
        let debugger = self.options.debugger.clone()?;
        self.thread = debugger.fork(self.thread, name.to_owned());
        Some(Branch { debugger, thread: self.thread })
    }

    async fn item(&mut self, address: &str, items: &Items<'_>, index: usize, item: Value) -> Result<Flow, RunError> {
        self.locals.insert(items.name.to_owned(), item);
        self.locals.insert("index".into(), json!(index));
        let flow = self.sequence(items.steps, &format!("{address}[{index}]/")).await?;
        let (Flow::Next(output), Some(collect)) = (&flow, items.collect) else { return Ok(flow) };
        let mut scope = self.scope();
        scope["output"] = output.clone();
        collect.eval(&scope).map(Flow::Next).map_err(|e| self.expression_error(e))
    }

    /// Runs steps again and again.
    pub(super) async fn rounds(&mut self, address: &str, rounds: Rounds<'_>) -> Result<Flow, RunError> {
        let locals = self.locals.clone();
        let ended = self.rounds_inside(address, rounds).await;
        self.locals = locals;
        ended
    }

    async fn rounds_inside(&mut self, address: &str, rounds: Rounds<'_>) -> Result<Flow, RunError> {
        let mut output = Value::Null;
        for round in 0..rounds.max {
            self.locals.insert("index".into(), json!(round));
            let asked = |condition: &Expr, scope: &Value| condition.holds(scope).map_err(|e| self.expression_error(e));
            if let Some(condition) = rounds.before
                && !asked(condition, &self.scope())?
            {
                break;
            }
            match self.sequence(rounds.steps, &format!("{address}[{round}]/")).await? {
                Flow::Next(value) => output = value,
                returned => return Ok(returned),
            }
            if let Some(condition) = rounds.until
                && condition.holds(&self.scope()).map_err(|e| self.expression_error(e))?
            {
                break;
            }
        }
        Ok(Flow::Next(output))
    }
}

/// A branch that the debugger knows.
struct Branch {
    debugger: Arc<Debugger>,
    thread: ThreadId,
}

impl Drop for Branch {
    fn drop(&mut self) {
        self.debugger.join(self.thread);
    }
}

/// Who wrote which key of the state, while branches are brought together.
#[derive(Default)]
struct Writers(Map<String, Value>);

impl Writers {
    /// Takes over what a branch knows and wrote. Two branches that wrote one key differently are an error.
    fn merge(
        &mut self,
        into: &mut Execution,
        before: &Execution,
        branch: &Execution,
        name: &str,
    ) -> Result<(), RunError> {
        for (step, value) in &branch.steps {
            if before.steps.get(step) != Some(value) {
                into.steps.insert(step.clone(), value.clone());
            }
        }
        let (Value::Object(old), Value::Object(new)) = (&before.state, &branch.state) else { return Ok(()) };
        for (key, value) in new {
            if old.get(key) == Some(value) {
                continue;
            }
            if let Some(other) = self.0.get(key).and_then(Value::as_str)
                && into.state.get(key) != Some(value)
            {
                return Err(RunError::new(
                    ErrorKind::ValidationState,
                    format!("`{other}` and `{name}` both write `state.{key}`, and not the same"),
                )
                .with_help("let each write a key of its own, and put them together behind the step"));
            }
            self.0.insert(key.clone(), Value::String(name.to_owned()));
            into.state[key] = value.clone();
        }
        Ok(())
    }
}

fn shape(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
