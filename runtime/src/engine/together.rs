//! Branches side by side: each on a copy of what the run knows, ended when there is no use in them any more, and brought
//! together in the order of the document, so that a replay comes to the same.

use std::sync::Arc;

use aikit_core::{ErrorKind, RunError};
use aikit_spec::plan::{JoinPlan, StepPlan};
use futures::{StreamExt, stream::FuturesUnordered};
use serde_json::Value;

use super::{
    Execution,
    bodies::Items,
    steps::{Flow, boxed},
};
use crate::{
    debug::{Debugger, ThreadId},
    gate::{Gate, Working},
};

/// What a branch does.
pub(super) enum Work<'p> {
    /// Steps in order.
    Steps { steps: &'p [StepPlan], prefix: String },
    /// The steps of one item of a map.
    Item { address: &'p str, items: &'p Items<'p>, index: usize, item: Value },
    /// One step of a list that `needs` makes a graph.
    Step { step: &'p StepPlan, address: String },
}

impl Work<'_> {
    /// What the addresses of its steps begin with.
    fn prefix(&self) -> String {
        match self {
            Work::Steps { prefix, .. } => prefix.clone(),
            Work::Item { address, index, .. } => format!("{address}[{index}]/"),
            Work::Step { address, .. } => address.clone(),
        }
    }

    /// Whether there is nothing to do.
    fn is_empty(&self) -> bool {
        match self {
            Work::Steps { steps, .. } => steps.is_empty(),
            Work::Item { items, .. } => items.steps.is_empty(),
            Work::Step { .. } => false,
        }
    }
}

/// A branch that came to its end.
pub(super) struct Ended {
    /// Its place among the others.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// What it knows.
    pub branch: Execution,
    /// What came of it.
    pub result: Result<Flow, RunError>,
}

impl Execution {
    /// Runs branches side by side, at most `limit` at a time. Gives those that count, in their order.
    pub(super) async fn together(
        &mut self,
        works: Vec<(String, Work<'_>)>,
        limit: usize,
        join: JoinPlan,
    ) -> Result<Vec<Ended>, RunError> {
        let count = works.len();
        let need = join.need.unwrap_or(count);
        let gate = Arc::new(self.gate.part());
        let mut works = works.into_iter().enumerate();
        let mut running = FuturesUnordered::new();
        let mut ended: Vec<Ended> = Vec::with_capacity(count);
        let (mut closed, mut unknown, mut resting) = (false, None, None);
        loop {
            while !closed && running.len() < limit.max(1) {
                let Some((index, (name, work))) = works.next() else { break };
                if !work.is_empty() && !gate.began(&work.prefix()) {
                    unknown.get_or_insert_with(|| work.prefix());
                    continue;
                }
                running.push(self.begin_branch(&gate, index, name, work));
            }
            resting.get_or_insert_with(|| self.gate.rest());
            let Some((one, working)) = running.next().await else { break };
            let good = ended.iter().chain([&one]).filter(|one| one.result.is_ok()).count();
            let bad = ended.len() + 1 - good;
            let returned = matches!(one.result, Ok(Flow::Return(_)));
            let hopeless = count - bad < need && !join.wait;
            ended.push(one);
            if !closed && (good >= need && need < count || hopeless || returned) {
                closed = true;
                let why = if hopeless { "a branch beside this one failed" } else { "enough branches have ended" };
                gate.end_part(RunError::new(ErrorKind::Cancelled, why));
            }
            drop(working);
        }
        drop(resting);
        ended.sort_by_key(|one| one.index);
        for one in &mut ended {
            self.done.append(&mut one.branch.done);
        }
        if let (Some(prefix), false) = (unknown, closed) {
            self.gate.astray(&prefix);
            return Err(RunError::cancelled());
        }
        let good = ended.iter().filter(|one| one.result.is_ok()).count();
        let returned = ended.iter().any(|one| matches!(one.result, Ok(Flow::Return(_))));
        if good >= need || returned {
            ended.retain(|one| one.result.is_ok());
            ended.truncate(need.max(if returned { count } else { 0 }));
            return Ok(ended);
        }
        Err(Self::why_not(ended))
    }

    /// The error that counts of many: the first that is not just the end of a branch that nobody needs any more.
    fn why_not(ended: Vec<Ended>) -> RunError {
        let mut errors: Vec<RunError> = ended.into_iter().filter_map(|one| one.result.err()).collect();
        let at = errors.iter().position(|error| error.kind != ErrorKind::Cancelled).unwrap_or(0);
        if errors.is_empty() { RunError::cancelled() } else { errors.swap_remove(at) }
    }

    /// Runs a list in which each step waits for others: what is ready runs side by side.
    pub(super) async fn by_needs(&mut self, steps: &[StepPlan], after: &[Vec<usize>]) -> Result<Flow, RunError> {
        let gate = Arc::new(self.gate.part());
        let limit = self.plan.flow.max_parallel.max(1);
        let mut begun = vec![false; steps.len()];
        let mut over = vec![false; steps.len()];
        let mut outputs: Vec<Option<Value>> = vec![None; steps.len()];
        let mut running = FuturesUnordered::new();
        let mut failed: Vec<Ended> = Vec::new();
        let (mut returned, mut resting) = (None, None);
        loop {
            if failed.is_empty() && returned.is_none() {
                for at in 0..steps.len() {
                    if begun[at] || running.len() >= limit || !after[at].iter().all(|&other| over[other]) {
                        continue;
                    }
                    begun[at] = true;
                    let step = &steps[at];
                    let work = Work::Step { step, address: step.name.clone() };
                    running.push(self.begin_branch(&gate, at, step.name.clone(), work));
                }
            }
            resting.get_or_insert_with(|| self.gate.rest());
            let Some((mut one, working)) = running.next().await else { break };
            self.done.append(&mut one.branch.done);
            match one.result {
                Ok(Flow::Next(value)) => {
                    (over[one.index], outputs[one.index]) = (true, Some(value));
                    let mut writers = Writers::default();
                    self.take_over(&one.name, one.branch, &one.name, &mut writers).await?;
                }
                Ok(Flow::Return(value)) => {
                    returned.get_or_insert(value);
                    gate.end_part(RunError::new(ErrorKind::Cancelled, "the run has its result"));
                }
                Ok(Flow::Goto(_)) | Err(_) => {
                    gate.end_part(RunError::new(ErrorKind::Cancelled, "a step beside this one failed"));
                    failed.push(one);
                }
            }
            drop(working);
        }
        drop(resting);
        if let Some(value) = returned {
            return Ok(Flow::Return(value));
        }
        if !failed.is_empty() {
            failed.sort_by_key(|one| one.index);
            return Err(Self::why_not(failed));
        }
        Ok(Flow::Next(outputs.pop().flatten().unwrap_or_default()))
    }

    /// A branch, ready to run.
    fn begin_branch<'p>(
        &self,
        gate: &Gate,
        index: usize,
        name: String,
        work: Work<'p>,
    ) -> impl Future<Output = (Ended, Working)> + Send + use<'p> {
        let mut branch = self.clone();
        branch.gate = Arc::new(gate.part());
        branch.writes = Some(Vec::new());
        branch.done = Vec::new();
        branch.known = self.steps.clone();
        let working = self.gate.work();
        let thread = branch.fork(work.prefix().trim_end_matches('/'));
        async move {
            let _thread = thread;
            let result = match work {
                Work::Steps { steps, prefix } => branch.sequence(steps, &prefix).await,
                Work::Item { address, items, index, item } => boxed(|| branch.item(address, items, index, item)).await,
                Work::Step { step, address } => {
                    boxed(|| branch.step(step, &address)).await.map(|flow| flow.unwrap_or(Flow::Next(Value::Null)))
                }
            };
            let result = match result {
                Ok(Flow::Goto(target)) => Err(lost(&target)),
                other => other,
            };
            (Ended { index, name, branch, result }, working)
        }
    }

    /// Becomes a thread of its own for the debugger, until what this gives is dropped.
    fn fork(&mut self, name: &str) -> Option<Thread> {
        let debugger = self.options.debugger.clone()?;
        self.thread = debugger.fork(self.thread, name.to_owned());
        Some(Thread { debugger, thread: self.thread })
    }

    /// Takes over what a branch knows and wrote. Two branches that wrote one key differently, without a reducer, are an
    /// error.
    pub(super) async fn take_over(
        &mut self,
        address: &str,
        branch: Execution,
        name: &str,
        writers: &mut Writers,
    ) -> Result<(), RunError> {
        if !Arc::ptr_eq(&self.steps, &branch.steps) {
            for (step, value) in branch.steps.iter() {
                if branch.known.get(step) != Some(value) {
                    Arc::make_mut(&mut self.steps).insert(step.clone(), value.clone());
                }
            }
        }
        let mut last: Vec<(String, Value)> = Vec::new();
        for (path, value) in branch.writes.into_iter().flatten() {
            if self.plan.flow.reducers.contains_key(&path) {
                self.write_state(address, &path, value).await?;
            } else {
                last.retain(|(other, _)| *other != path);
                last.push((path, value));
            }
        }
        for (path, value) in last {
            writers.enter(&path, &value, name)?;
            self.write_state(address, &path, value).await?;
        }
        Ok(())
    }
}

/// The error of a `goto` that leads nowhere.
pub(super) fn lost(target: &str) -> RunError {
    RunError::new(ErrorKind::ExpressionFailed, format!("`goto: {target}` leads out of the branch that it stands in"))
        .with_help("a `goto` leads to a step of the same list, or of a list around it that is not a branch")
}

/// A branch that the debugger knows.
struct Thread {
    debugger: Arc<Debugger>,
    thread: ThreadId,
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.debugger.join(self.thread);
    }
}

/// Who wrote what, while branches are brought together.
#[derive(Default)]
pub(super) struct Writers(Vec<(String, Value, String)>);

impl Writers {
    /// Notes a write; one that contradicts another branch's is an error.
    fn enter(&mut self, path: &str, value: &Value, name: &str) -> Result<(), RunError> {
        let below = |one: &str, other: &str| one.strip_prefix(other).is_some_and(|rest| rest.starts_with('.'));
        let clash = self
            .0
            .iter()
            .find(|(other, written, _)| other == path && written != value || below(other, path) || below(path, other));
        if let Some((_, _, other)) = clash {
            let message = format!("`{other}` and `{name}` both write `state.{path}`, and not the same");
            return Err(RunError::new(ErrorKind::ValidationState, message).with_help(
                "let each write a key of its own and put them together behind the step, or say in `behavior.state.reducers` how two \
                 writes become one",
            ));
        }
        self.0.push((path.to_owned(), value.clone(), name.to_owned()));
        Ok(())
    }
}
