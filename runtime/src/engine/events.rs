//! Events: what a run tells the tenant's others, and what it waits to be told.

use std::time::Duration;

use aikit_core::{ErrorKind, RunError};
use aikit_spec::plan::{Dynamic, WaitFor};
use chrono::DateTime;
use serde_json::{Value, json};

use super::{Execution, machine::Event};
use crate::{
    gate::{Effect, store_error},
    journal::{EffectKind, SideEffect},
};

/// How often the store is asked for news.
const POLL: Duration = Duration::from_millis(100);

impl Execution {
    /// An `emit` step.
    pub(super) async fn emit(&mut self, address: &str, event: &str, payload: &Dynamic) -> Result<Value, RunError> {
        let payload = self.resolve(payload, &self.scope())?;
        let effect = Effect {
            address: address.to_owned(),
            kind: EffectKind::Event,
            class: SideEffect::Write,
            label: event.to_owned(),
            request: json!({ "emit": event, "payload": payload }),
        };
        let store = self.engine.ports.store.clone();
        let run = self.gate.run();
        let work = async {
            let number = store.emit_event(run, event, &payload).await.map_err(store_error)?;
            Ok((json!(number), Default::default()))
        };
        self.gate.effect(effect, work).await?;
        self.internal.push_back(Event { name: event.to_owned(), payload: payload.clone() });
        Ok(payload)
    }

    /// A `wait` step.
    pub(super) async fn wait(&mut self, address: &str, wait: &WaitFor) -> Result<Value, RunError> {
        match wait {
            WaitFor::Time(time) => self.pause(address, *time, json!({ "milliseconds": time.as_millis() as u64 })).await,
            WaitFor::Until(until) => {
                let point = until.eval(&self.scope()).map_err(|error| self.expression_error(error))?;
                let read = point.as_str().and_then(|text| DateTime::parse_from_rfc3339(text).ok());
                let time = read.ok_or_else(|| {
                    let message = format!("`{}` gives {point}, not a point in time", until.source);
                    RunError::new(ErrorKind::ExpressionFailed, message).with_help("write it as 2030-01-31T12:00:00Z")
                })?;
                let left = time.signed_duration_since(self.engine.ports.clock.now()).to_std().unwrap_or_default();
                self.pause(address, left, json!({ "until": point })).await
            }
            WaitFor::Event(name) => {
                let own = self.internal.iter().position(|event| event.name == *name);
                if let Some(event) = own.and_then(|at| self.internal.remove(at)) {
                    return Ok(event.payload);
                }
                let heard = self.hear(address, vec![name.clone()], None).await?;
                heard.map(|event| event.payload).ok_or_else(RunError::cancelled)
            }
        }
    }

    /// Lets time pass; a run that goes on later does not wait again.
    async fn pause(&self, address: &str, time: Duration, request: Value) -> Result<Value, RunError> {
        let effect = Effect {
            address: address.to_owned(),
            kind: EffectKind::Clock,
            class: SideEffect::Read,
            label: "wait".into(),
            request,
        };
        let cancel = self.gate.cancel().clone();
        let work = async {
            tokio::select! {
                () = tokio::time::sleep(time) => Ok((Value::Null, Default::default())),
                () = cancel.cancelled() => Err(RunError::cancelled()),
            }
        };
        self.gate.effect(effect, work).await
    }

    /// The next event of one of these names that others have told since the run began; `None` when the time is over. `time`
    /// is how long is waited in all, and how much of it is left.
    pub(super) async fn hear(
        &mut self,
        address: &str,
        names: Vec<String>,
        time: Option<(Duration, Duration)>,
    ) -> Result<Option<Event>, RunError> {
        let effect = Effect {
            address: address.to_owned(),
            kind: EffectKind::Event,
            class: SideEffect::Read,
            label: if names.is_empty() { "time".into() } else { names.join(", ") },
            request: json!({
                "events": names, "behind": self.heard, "milliseconds": time.map(|(all, _)| all.as_millis() as u64),
            }),
        };
        let (store, run) = (self.engine.ports.store.clone(), self.gate.run());
        let (behind, since) = (self.heard, self.started_at);
        let cancel = self.gate.cancel().clone();
        let late = async {
            match time {
                Some((_, left)) => tokio::time::sleep(left).await,
                None => std::future::pending().await,
            }
        };
        let news = async {
            loop {
                let news = match names.is_empty() {
                    true => None,
                    false => store.next_event(run, &names, behind, since).await.map_err(store_error)?,
                };
                if let Some(event) = news {
                    return Ok(json!({ "number": event.number, "name": event.name, "payload": event.payload }));
                }
                tokio::time::sleep(POLL).await;
            }
        };
        let work = async {
            let heard = tokio::select! {
                biased;
                () = cancel.cancelled() => Err(RunError::cancelled()),
                news = news => news,
                () = late => Ok(Value::Null),
            };
            heard.map(|heard| (heard, Default::default()))
        };
        let heard = self.gate.effect(effect, work).await?;
        let Some(number) = heard.get("number").and_then(Value::as_u64) else { return Ok(None) };
        self.heard = number;
        let name = heard.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(Some(Event { name, payload: heard.get("payload").cloned().unwrap_or_default() }))
    }
}
