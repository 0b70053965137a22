//! The one gate through which every effect of a run passes: budgets are reserved before and settled after, the request is
//! durable before it leaves the process, the outcome is recorded when it comes back.

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use aikit_core::{
    ErrorKind, RunError, RunId,
    record::{JournalRow, RunEnd, StoreError, Usage},
};
use aikit_spec::plan::RunLimits;
use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{
    event::{Observer, RunEvent},
    journal::{EffectKind, Journal, Record, SideEffect, digest},
    past::{Drift, Entry, Mode, Past, Way},
    ports::{Clock, Store},
};

/// How long an effect may go on after the run was cancelled: the time in which a script's process is killed, and a bit.
const CLEAN_UP: Duration = Duration::from_millis(2500);

/// An effect that a step asks for.
#[derive(Debug, Clone)]
pub struct Effect {
    /// The step.
    pub address: String,
    /// What it touches.
    pub kind: EffectKind,
    /// What it changes outside.
    pub class: SideEffect,
    /// The model, the tool or the key, for people.
    pub label: String,
    /// The request without credentials; its digest identifies the effect.
    pub request: Value,
}

/// The gate of one run.
pub struct Gate {
    /// Where rows become durable; a replay has nowhere.
    store: Option<Arc<dyn Store>>,
    clock: Arc<dyn Clock>,
    observer: Option<Observer>,
    limits: RunLimits,
    cancel: CancellationToken,
    inner: Mutex<Inner>,
    /// Serialises the flushes, so that rows reach the store in order.
    flushing: tokio::sync::Mutex<()>,
}

struct Inner {
    journal: Journal,
    usage: Usage,
    effects: u64,
    steps: u32,
    past: Option<Past>,
}

/// Whose gate it is, and what lies behind it.
pub struct Passage {
    /// The run.
    pub run: RunId,
    /// Its budgets.
    pub limits: RunLimits,
    /// Sees its events.
    pub observer: Option<Observer>,
    /// Ends it.
    pub cancel: CancellationToken,
    /// What happened before.
    pub past: Option<Past>,
}

impl Gate {
    /// The gate of a run that is about to begin or to go on.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, passage: Passage) -> Self {
        let Passage { run, limits, observer, cancel, past } = passage;
        let mode = past.as_ref().map(Past::mode);
        let (journal, effects) = match &past {
            Some(past) if matches!(mode, Some(Mode::Replay | Mode::Resume)) => {
                (Journal::resume(run, past.rows().to_vec()), past.last_effect())
            }
            _ => (Journal::new(run), 0),
        };
        let inner = Inner { journal, usage: Usage::default(), effects, steps: 0, past };
        let store = (mode != Some(Mode::Replay)).then_some(store);
        Self { store, clock, observer, limits, cancel, inner: Mutex::new(inner), flushing: tokio::sync::Mutex::new(()) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The run.
    pub fn run(&self) -> RunId {
        self.lock().journal.run()
    }

    /// The token that ends the run.
    pub fn cancel(&self) -> &CancellationToken {
        &self.cancel
    }

    /// Tells the observer.
    pub fn tell(&self, event: RunEvent) {
        if let Some(observer) = &self.observer {
            observer(&event);
        }
    }

    /// Appends a record that becomes durable with the next boundary.
    pub fn record(&self, record: &Record) {
        let at = self.clock.now();
        let mut inner = self.lock();
        let entry = inner.past.as_mut().map_or(Entry::Append, |past| past.enter(&record.body()));
        match entry {
            Entry::Append => inner.journal.append(record, at),
            Entry::Met => {}
        }
        if inner.past.as_ref().is_some_and(|past| past.drift().is_some()) {
            // What would follow is another story.
            self.cancel.cancel();
        }
    }

    /// The first record. A replay takes the journal's: which document it ran is not what it compares.
    pub fn begin(&self, record: &Record) {
        let first = match &self.lock().past {
            Some(past) if past.mode() == Mode::Replay => past.rows().first().and_then(Record::read),
            _ => None,
        };
        self.record(first.as_ref().unwrap_or(record));
    }

    /// Whether nothing of this run leaves the process.
    pub fn is_replay(&self) -> bool {
        self.store.is_none()
    }

    /// When the run began, by its journal: in a replay the same time again.
    pub fn started_at(&self) -> DateTime<Utc> {
        self.lock().journal.rows().first().map_or_else(|| self.clock.now(), |row| row.at)
    }

    /// Where a replay left its journal.
    pub fn drift(&self) -> Option<Drift> {
        self.lock().past.as_ref().and_then(|past| past.drift().cloned())
    }

    /// Counts a step against `max_steps`.
    pub fn count_step(&self) -> Result<(), RunError> {
        let mut inner = self.lock();
        inner.steps += 1;
        if inner.steps > self.limits.steps {
            return Err(RunError::new(
                ErrorKind::BudgetExceeded,
                format!("the run has taken more than {} steps", self.limits.steps),
            )
            .with_help("raise governance.security.resource_limits.max_steps, or end the loop earlier"));
        }
        Ok(())
    }

    /// Makes everything recorded so far durable.
    pub async fn flush(&self) -> Result<(), RunError> {
        let _order = self.flushing.lock().await;
        let (run, rows) = {
            let mut inner = self.lock();
            (inner.journal.run(), inner.journal.take_pending())
        };
        match &self.store {
            Some(store) if !rows.is_empty() => store.append_journal(run, rows).await.map_err(store_error),
            _ => Ok(()),
        }
    }

    /// The rows recorded before the run exists in the store.
    pub fn take_first_rows(&self) -> Vec<JournalRow> {
        self.lock().journal.take_pending()
    }

    /// Records the end, durable in one transaction with what was still pending.
    pub async fn end(&self, end: RunEnd) -> Result<(), RunError> {
        let _order = self.flushing.lock().await;
        let (run, rows) = {
            let mut inner = self.lock();
            (inner.journal.run(), inner.journal.take_pending())
        };
        match &self.store {
            Some(store) => store.end_run(run, rows, end).await.map_err(store_error),
            None => Ok(()),
        }
    }

    /// What the run has used so far.
    pub fn usage(&self) -> Usage {
        self.lock().usage
    }

    /// The journal so far.
    pub fn rows(&self) -> Vec<JournalRow> {
        self.lock().journal.rows().to_vec()
    }

    /// Refuses an effect for which nothing is left.
    fn reserve(&self, kind: EffectKind) -> Result<(), RunError> {
        let inner = self.lock();
        match kind {
            EffectKind::Model => {
                if let Some(limit) = self.limits.model_calls
                    && inner.usage.model_calls >= limit
                {
                    return Err(spent("model calls", limit.to_string(), "llm_calls"));
                }
                self.tokens_left(&inner.usage)
            }
            EffectKind::Tool => match self.limits.tool_calls {
                Some(limit) if inner.usage.tool_calls >= limit => {
                    Err(spent("tool calls", limit.to_string(), "tool_calls"))
                }
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Refuses what takes tokens when none are left, whatever its kind.
    pub fn afford_tokens(&self) -> Result<(), RunError> {
        self.tokens_left(&self.lock().usage)
    }

    fn tokens_left(&self, usage: &Usage) -> Result<(), RunError> {
        if let Some(limit) = self.limits.tokens
            && usage.input_tokens + usage.output_tokens >= limit
        {
            return Err(spent("tokens", limit.to_string(), "tokens"));
        }
        match self.limits.usd {
            Some(limit) if usage.cost_usd >= limit => Err(spent("US dollars", limit.to_string(), "usd")),
            _ => Ok(()),
        }
    }

    /// What an effect may take to clean up after a cancellation; then it is left behind.
    async fn cancelled_for_long(&self) {
        self.cancel.cancelled().await;
        tokio::time::sleep(CLEAN_UP).await;
    }

    /// Performs an effect: reserves, records the request durably, runs `perform`, records the outcome, settles.
    /// `perform` watches the gate's token and ends soon after it fires; one that does not is left behind.
    pub async fn effect<F>(&self, effect: Effect, perform: F) -> Result<Value, RunError>
    where
        F: Future<Output = Result<(Value, Usage), RunError>>,
    {
        if self.cancel.is_cancelled() {
            return Err(RunError::cancelled());
        }
        self.reserve(effect.kind)?;
        let digest = digest(&effect.request);
        let (number, way) = {
            let mut inner = self.lock();
            let (known, way) = match inner.past.as_mut() {
                Some(past) => past.decide(&effect, &digest)?,
                None => (None, Way::Perform(None)),
            };
            let number = known.unwrap_or(inner.effects + 1);
            inner.effects = inner.effects.max(number);
            match effect.kind {
                EffectKind::Model => inner.usage.model_calls += 1,
                EffectKind::Tool => inner.usage.tool_calls += 1,
                _ => {}
            }
            (number, way)
        };
        self.record(&Record::EffectStarted {
            effect: number,
            address: effect.address.clone(),
            kind: effect.kind,
            class: effect.class,
            label: effect.label.clone(),
            digest,
            request: effect.request,
        });
        // The clock and fresh ids touch nothing outside: their record may wait for the next boundary.
        if !matches!(effect.kind, EffectKind::Clock | EffectKind::Id) {
            self.flush().await?;
        }
        let (address, label) = (effect.address, effect.label);
        self.tell(RunEvent::EffectStarted { address: address.clone(), kind: effect.kind, label: label.clone() });
        let began = Instant::now();
        let live = async {
            tokio::select! {
                biased;
                outcome = perform => outcome,
                () = self.cancelled_for_long() => Err(RunError::cancelled()),
            }
        };
        let (outcome, recorded) = match way {
            Way::Perform(recorded) => (live.await, recorded),
            Way::Known(known) => (known.result.clone().map(|value| (value, known.usage)), Some(known)),
            Way::Never => {
                self.cancel.cancelled().await;
                return Err(RunError::cancelled());
            }
            Way::Stop => {
                self.cancel.cancel();
                return Err(RunError::cancelled());
            }
        };
        let millis = match &recorded {
            Some(known) if same(&known.result, &outcome) => known.millis,
            _ => (began.elapsed().as_secs_f64() * 1e6).round() / 1e3,
        };
        let (response, error, usage) = match &outcome {
            Ok((value, usage)) => (Some(value.clone()), None, *usage),
            Err(error) => (None, Some(error.clone()), Usage::default()),
        };
        {
            let mut inner = self.lock();
            inner.usage.input_tokens += usage.input_tokens;
            inner.usage.output_tokens += usage.output_tokens;
            inner.usage.cost_usd += usage.cost_usd;
            // Calls of a child run count as the parent's; the own call was counted when it was reserved.
            if effect.kind == EffectKind::Agent {
                inner.usage.model_calls += usage.model_calls;
                inner.usage.tool_calls += usage.tool_calls;
            }
        }
        self.record(&Record::EffectEnded { effect: number, response, error: error.clone(), usage, millis });
        self.tell(RunEvent::EffectEnded { address, kind: effect.kind, label, error });
        outcome.map(|(value, _)| value)
    }
}

/// A budget that is used up.
fn spent(what: &str, limit: String, key: &str) -> RunError {
    RunError::new(ErrorKind::BudgetExceeded, format!("the run's budget of {limit} {what} is spent"))
        .with_help(format!("raise governance.budget.per_execution.{key}"))
}

fn same(known: &Result<Value, RunError>, outcome: &Result<(Value, Usage), RunError>) -> bool {
    match (known, outcome) {
        (Ok(known), Ok((value, _))) => known == value,
        (Err(known), Err(error)) => known == error,
        _ => false,
    }
}

/// A store's refusal as an error of the run.
pub fn store_error(error: StoreError) -> RunError {
    let help = match &error {
        StoreError::Busy(_) => Some("another aikit holds the database; wait for it to end, or use another --db"),
        StoreError::Full(_) => Some("free some space, then run again; what was stored before is intact"),
        _ => None,
    };
    let run_error = RunError::new(ErrorKind::StoreFailed, error.to_string());
    match help {
        Some(help) => run_error.with_help(help),
        None => run_error,
    }
}
