//! Runs that have a past: replayed, resumed, forked. All three execute the plan again from its first step; the gate
//! answers from the journal what the journal knows.

use std::sync::Arc;

use aikit_core::{
    ErrorKind, RunError, RunId,
    record::{JournalRow, RunRecord, RunStatus},
};
use aikit_spec::plan::Plan;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::{Begin, Engine, RunOptions, RunReport};
use crate::{
    cassette::Cassette,
    gate::store_error,
    journal,
    past::{Drift, Mode, Past},
    validate,
};

/// Among how many of the newest runs those are looked for that a run called.
const CALLED: u32 = 1000;

/// A replayed run.
#[derive(Debug, Clone)]
pub struct Replay {
    /// What the replay did.
    pub report: RunReport,
    /// Where it left the recorded journal, if it did.
    pub drift: Option<Drift>,
}

/// What is different in a fork.
#[derive(Debug, Clone, Default)]
pub struct Fork {
    /// Recorded outcomes count up to this record; by default all of them.
    pub at: Option<u64>,
    /// Inputs that replace those of the parent, by name.
    pub inputs: Map<String, Value>,
    /// Another document.
    pub plan: Option<Arc<Plan>>,
    /// Whether effects that change something and that the parent performed are performed again.
    pub repeat: bool,
}

impl Engine {
    /// A run with its journal, which is verified.
    pub async fn recorded(&self, run: RunId) -> Result<(RunRecord, Vec<JournalRow>), RunError> {
        let store = &self.ports.store;
        let record = store.run(run).await.map_err(store_error)?.ok_or_else(|| {
            RunError::new(ErrorKind::AgentNotFound, format!("there is no run `{run}`"))
                .with_help("`aikit runs list` or `%runs` lists the newest runs")
        })?;
        let rows = store.journal(run).await.map_err(store_error)?;
        journal::verify(run, &rows).map_err(|seq| {
            RunError::new(ErrorKind::StoreFailed, format!("the journal of run {run} is damaged from record {seq} on"))
                .with_help("restore the database from a backup; the run's result is still listed")
        })?;
        Ok((record, rows))
    }

    /// What the journal of a run, and those of the runs that it called, hold of answers.
    pub async fn cassette(&self, run: RunId) -> Result<Cassette, RunError> {
        let mut cassette = Cassette::default();
        let mut open = vec![run];
        while let Some(run) = open.pop() {
            let (_, rows) = self.recorded(run).await?;
            cassette.entries.extend(Cassette::of(&rows).entries);
            if rows.iter().any(|row| row.kind == "effect.started.agent") {
                let runs = self.ports.store.runs(None, CALLED).await.map_err(store_error)?;
                open.extend(runs.iter().filter(|other| other.parent == Some(run)).map(|other| other.id));
            }
        }
        Ok(cassette)
    }

    /// The document that a run ran, if it is stored unchanged.
    async fn plan_of_run(&self, record: &RunRecord, same: bool) -> Result<Arc<Plan>, RunError> {
        let spec = self.ports.store.spec(&record.agent, Some(&record.version)).await.map_err(store_error)?;
        let missing = |why: String| {
            RunError::new(ErrorKind::AgentNotFound, why)
                .with_help("name the file that holds the document, or store it with `aikit spec create`")
        };
        let spec = spec.ok_or_else(|| {
            missing(format!("the document of run {} ({} {}) is not stored", record.id, record.agent, record.version))
        })?;
        if same && spec.digest != record.spec_digest {
            return Err(missing(format!("{} {} is not the document that ran any more", record.agent, record.version)));
        }
        self.plan_of(&spec)
    }

    /// Replays a run: nothing leaves the process, every record is compared. `plan` replaces the stored document.
    pub async fn replay(
        &self,
        run: RunId,
        plan: Option<Arc<Plan>>,
        options: RunOptions,
        cancel: CancellationToken,
    ) -> Result<Replay, RunError> {
        let (record, rows) = self.recorded(run).await?;
        let plan = match plan {
            Some(plan) => plan,
            None => self.plan_of_run(&record, false).await?,
        };
        let begin = Begin {
            plan,
            inputs: record.inputs.clone(),
            run,
            past: Some(Past::new(Mode::Replay, rows, u64::MAX)),
            options: RunOptions { parent: record.parent, ..options },
            cancel,
        };
        let (report, drift) = self.execute(begin).await?;
        Ok(Replay { report, drift })
    }

    /// Goes on with a run whose process ended before it did. Effects that came back are not performed again; one that
    /// changes something and may have happened stops the run, unless [`RunOptions::doubts`] says what is to be done.
    pub async fn resume(
        &self,
        run: RunId,
        plan: Option<Arc<Plan>>,
        options: RunOptions,
        cancel: CancellationToken,
    ) -> Result<RunReport, RunError> {
        let (record, rows) = self.recorded(run).await?;
        if record.status != RunStatus::Running {
            return Err(RunError::new(
                ErrorKind::ValidationInput,
                format!("run {run} has ended: it {}", record.status.as_str()),
            )
            .with_help("a run that has ended can be replayed or forked"));
        }
        let plan = match plan.filter(|plan| plan.digest == record.spec_digest) {
            Some(plan) => plan,
            None => self.plan_of_run(&record, true).await?,
        };
        self.settle_children(run, &rows, &options.doubts).await?;
        let mut past = Past::new(Mode::Resume, rows, u64::MAX);
        past.settle(&options.doubts)?;
        let begin = Begin {
            plan,
            inputs: record.inputs.clone(),
            run,
            past: Some(past),
            options: RunOptions { parent: record.parent, ..options },
            cancel,
        };
        self.execute(begin).await.map(|(report, _)| report)
    }

    /// Begins a run of its own that takes over what the parent's requests brought, wherever its own are the same.
    pub async fn fork(
        &self,
        run: RunId,
        fork: Fork,
        options: RunOptions,
        cancel: CancellationToken,
    ) -> Result<RunReport, RunError> {
        let (record, rows) = self.recorded(run).await?;
        let plan = match fork.plan {
            Some(plan) => plan,
            None => self.plan_of_run(&record, false).await?,
        };
        let mut inputs = record.inputs.clone();
        if let Value::Object(map) = &mut inputs {
            map.extend(fork.inputs);
        }
        let inputs = validate::with_defaults(&plan.inputs, inputs);
        validate::check(&plan.inputs, &inputs, ErrorKind::ValidationInput, "the inputs")?;
        let begin = Begin {
            plan,
            inputs,
            run: RunId::from_uuid(self.ports.clock.uuid()),
            past: Some(Past::new(Mode::Fork { repeat: fork.repeat }, rows, fork.at.unwrap_or(u64::MAX))),
            options: RunOptions { parent: Some(run), ..options },
            cancel,
        };
        self.execute(begin).await.map(|(report, _)| report)
    }
}
