//! Runs of other agents inside a run. A child's id follows from its parent's, so that a run that goes on finds the children
//! that it began, finished or not, instead of beginning them again.

use std::collections::BTreeMap;

use aikit_core::{
    RunError, RunId,
    record::{JournalRow, RunStatus, Usage},
};
use futures::future::BoxFuture;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    Engine, Execution, RunOptions, RunReport,
    host::{RunHost, Services},
};
use crate::{
    gate::{Effect, store_error},
    journal::{EffectKind, SideEffect},
    past::{Doubts, Mode, Past},
};

impl Execution {
    /// Runs another agent of the tenant.
    pub(super) async fn run_agent(&self, address: &str, agent: &str, input: Value) -> Result<Value, RunError> {
        RunHost::new(self, address).run_agent(agent, input).await
    }
}

impl RunHost {
    /// Runs another agent, as an effect of the run.
    pub(super) async fn run_agent(&self, agent: &str, input: Value) -> Result<Value, RunError> {
        let effect = Effect {
            address: self.address.clone(),
            kind: EffectKind::Agent,
            // The child has a journal of its own, which keeps what it did from being repeated.
            class: SideEffect::Read,
            label: agent.to_owned(),
            request: json!({ "call": "agents.run", "args": [agent, input] }),
        };
        let gate = &self.gate;
        let id = child(gate.run(), &self.address, gate.next_child(&self.address));
        let work = async {
            let report = self.services.run_child(Some(id), agent, input).await?;
            if let Some(question) = report.waiting.first() {
                return Err(gate.wait_for(question.clone()).await);
            }
            report.result().map(|value| (value, report.record.usage))
        };
        gate.effect(effect, work).await
    }
}

impl Services {
    /// Runs an agent, or goes on with a run of it that was begun before.
    /// Boxed, because a run may run an agent that runs an agent.
    pub(super) fn run_child<'a>(
        &'a self,
        id: Option<RunId>,
        agent: &'a str,
        input: Value,
    ) -> BoxFuture<'a, Result<RunReport, RunError>> {
        Box::pin(self.run_child_inside(id, agent, input))
    }

    async fn run_child_inside(&self, id: Option<RunId>, agent: &str, input: Value) -> Result<RunReport, RunError> {
        let options = RunOptions {
            observer: None,
            output: self.output.clone(),
            parent: self.parent,
            depth: self.depth + 1,
            source_name: String::new(),
            debugger: None,
            stubs: self.stubs.clone(),
            tape: self.tape.clone(),
            people: self.people.clone(),
            doubts: self.doubts.clone(),
        };
        let begun = match id {
            Some(id) => self.engine.ports().store.run(id).await.map_err(store_error)?,
            None => None,
        };
        match begun {
            Some(record) if record.status == RunStatus::Running => {
                self.engine.resume(record.id, None, options, self.cancel.clone()).await
            }
            Some(record) => {
                let journal = self.engine.ports().store.journal(record.id).await.map_err(store_error)?;
                Ok(RunReport { record, journal, waiting: Vec::new() })
            }
            None => {
                let plan = self.engine.load(agent).await?;
                let id = id.unwrap_or_else(|| RunId::from_uuid(self.engine.ports().clock.uuid()));
                self.engine.run_as(id, &plan, input, options, self.cancel.clone()).await
            }
        }
    }

    /// What a child gave, and what it used.
    pub(super) async fn child_value(&self, agent: &str, input: Value) -> Result<(Value, Usage), RunError> {
        let report = self.run_child(None, agent, input).await?;
        if let Some(question) = report.waiting.first() {
            let message = format!("the run of `{agent}` waits for a person: {}", question.prompt);
            return Err(RunError::new(aikit_core::ErrorKind::HumanTimeout, message).with_help(format!(
                "`aikit resume {} --answer {}=…` goes on with it",
                report.record.id, question.name
            )));
        }
        report.result().map(|value| (value, report.record.usage))
    }
}

impl Engine {
    /// Whether everything is known of the children that a run had begun when its process died.
    pub(super) fn settle_children<'a>(
        &'a self,
        run: RunId,
        rows: &'a [JournalRow],
        doubts: &'a Doubts,
    ) -> BoxFuture<'a, Result<(), RunError>> {
        Box::pin(async move {
            let mut begun: BTreeMap<&str, u64> = BTreeMap::new();
            for row in rows.iter().filter(|row| row.kind == "effect.started.agent") {
                let Some(address) = row.body.get("address").and_then(Value::as_str) else { continue };
                let number = begun.entry(address).or_insert(0);
                *number += 1;
                let effect = row.body.get("effect");
                if rows.iter().any(|end| end.kind == "effect.ended" && end.body.get("effect") == effect) {
                    continue;
                }
                let id = child(run, address, *number);
                let record = self.ports().store.run(id).await.map_err(store_error)?;
                if record.is_some_and(|record| record.status == RunStatus::Running) {
                    let (_, rows) = self.recorded(id).await?;
                    self.settle_children(id, &rows, doubts).await?;
                    Past::new(Mode::Resume, rows, u64::MAX).settle(doubts)?;
                }
            }
            Ok(())
        })
    }
}

/// The id of the n-th run that a step of a run begins.
fn child(parent: RunId, address: &str, number: u64) -> RunId {
    let digest = Sha256::digest(format!("{parent} {address} {number}").as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    RunId::from_uuid(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}
