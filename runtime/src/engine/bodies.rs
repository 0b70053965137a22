//! Steps that hold steps: branches side by side, the items of a list, rounds.

use std::sync::Arc;

use aikit_core::{ErrorKind, RunError};
use aikit_spec::{
    expr::Expr,
    plan::{BodySegment, JoinPlan, StepPlan},
};
use serde_json::{Map, Value, json};

use super::{
    Execution,
    steps::Flow,
    together::{Work, Writers, lost},
};

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
        join: JoinPlan,
    ) -> Result<Flow, RunError> {
        let works = branches.iter().map(|(name, steps)| {
            (name.clone(), Work::Steps { steps, prefix: BodySegment::Named(name).prefix(address) })
        });
        let ended = self.together(works.collect(), self.plan.flow.max_parallel, join).await?;
        let mut output = Map::new();
        let mut returned = None;
        let mut writers = Writers::default();
        for one in ended {
            self.take_over(address, one.branch, &one.name, &mut writers).await?;
            match one.result? {
                Flow::Return(value) => drop(returned.get_or_insert(value)),
                Flow::Next(value) => drop(output.insert(one.name, value)),
                Flow::Goto(target) => return Err(lost(&target)),
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
        let steps = self.steps.clone();
        let (mut output, mut returned) = (Vec::with_capacity(list.len()), None);
        if items.concurrency == 1 {
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
                    goto => return Ok(goto),
                }
            }
        } else {
            let works = list.into_iter().enumerate();
            let works = works
                .map(|(index, item)| (format!("item {index}"), Work::Item { address, items: &items, index, item }));
            let join = JoinPlan { need: None, wait: false };
            let ended = self.together(works.collect(), items.concurrency as usize, join).await?;
            let mut writers = Writers::default();
            for one in ended {
                self.take_over(address, one.branch, &one.name, &mut writers).await?;
                match one.result? {
                    Flow::Next(value) => output.push(value),
                    Flow::Return(value) => drop(returned.get_or_insert(value)),
                    Flow::Goto(target) => return Err(lost(&target)),
                }
            }
        }
        // There are as many of the steps inside as there are items: none of them is known behind the map.
        self.steps = steps;
        Ok(returned.map_or(Flow::Next(Value::Array(output)), Flow::Return))
    }

    pub(super) async fn item(
        &mut self,
        address: &str,
        items: &Items<'_>,
        index: usize,
        item: Value,
    ) -> Result<Flow, RunError> {
        let locals = Arc::make_mut(&mut self.locals);
        locals.insert(items.name.to_owned(), item);
        locals.insert("index".into(), json!(index));
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
            Arc::make_mut(&mut self.locals).insert("index".into(), json!(round));
            let asked = |condition: &Expr, scope: &Value| condition.holds(scope).map_err(|e| self.expression_error(e));
            if let Some(condition) = rounds.before
                && !asked(condition, &self.scope())?
            {
                break;
            }
            match self.sequence(rounds.steps, &format!("{address}[{round}]/")).await? {
                Flow::Next(value) => output = value,
                elsewhere => return Ok(elsewhere),
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
