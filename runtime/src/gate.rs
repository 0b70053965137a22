//! The one gate through which every effect of a run passes: budgets are reserved before and settled after, the request is
//! durable before it leaves the process, the outcome is recorded when it comes back.

use std::{
    collections::BTreeMap,
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
    cassette::Tape,
    event::{Observer, RunEvent},
    journal::{EffectKind, Journal, Record, SideEffect, digest},
    past::{Drift, Entry, Mode, Next, Past, Way},
    people::Question,
    ports::{Clock, Store},
    quota::{Quota, Reserved},
    stop::Stop,
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

/// The gate of one run, as one part of the run sees it.
pub struct Gate {
    core: Arc<Core>,
    /// What ends this part.
    stop: Stop,
}

/// What all parts of a run share.
struct Core {
    /// Where rows become durable; a replay has nowhere.
    store: Option<Arc<dyn Store>>,
    clock: Arc<dyn Clock>,
    observer: Option<Observer>,
    limits: RunLimits,
    quota: Option<Quota>,
    /// What ends the whole run.
    stop: Stop,
    /// What ends it from outside.
    cancel: CancellationToken,
    tape: Option<Arc<Tape>>,
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
    /// How many runs each step has begun.
    children: BTreeMap<String, u64>,
    /// How many parts of the run are at work.
    working: usize,
    /// What people are asked who are not here.
    questions: Vec<Question>,
    /// Nothing is recorded any more: the run is put aside as it stands.
    aside: bool,
}

/// Whose gate it is, and what lies behind it.
pub struct Passage {
    /// The run.
    pub run: RunId,
    /// Its budgets.
    pub limits: RunLimits,
    /// What all runs of the agent may use together.
    pub quota: Quota,
    /// Sees its events.
    pub observer: Option<Observer>,
    /// Ends it.
    pub cancel: CancellationToken,
    /// What happened before.
    pub past: Option<Past>,
    /// Answers in place of those from outside.
    pub tape: Option<Arc<Tape>>,
}

impl Gate {
    /// The gate of a run that is about to begin or to go on.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, passage: Passage) -> Self {
        let Passage { run, limits, quota, observer, cancel, past, tape } = passage;
        let mode = past.as_ref().map(Past::mode);
        let (journal, effects) = match &past {
            Some(past) if matches!(mode, Some(Mode::Replay | Mode::Resume)) => {
                (Journal::resume(run, past.rows().to_vec()), past.last_effect())
            }
            _ => (Journal::new(run), 0),
        };
        let inner = Inner {
            journal,
            usage: Usage::default(),
            effects,
            steps: 0,
            past,
            children: BTreeMap::new(),
            working: 1,
            questions: Vec::new(),
            aside: false,
        };
        let live = mode != Some(Mode::Replay);
        let (store, quota) = (live.then_some(store), live.then_some(quota));
        let tape = tape.filter(|_| live);
        let stop = Stop::new(cancel.child_token());
        let (inner, flushing) = (Mutex::new(inner), tokio::sync::Mutex::new(()));
        let core = Core { store, clock, observer, limits, quota, tape, stop: stop.clone(), cancel, inner, flushing };
        Self { core: Arc::new(core), stop }
    }

    /// The gate of a part that can be ended by itself.
    pub(crate) fn part(&self) -> Self {
        Self { core: self.core.clone(), stop: self.stop.part() }
    }

    /// A gate that only a person closes: for what has to be done although a bound has ended the run.
    pub(crate) fn beyond(&self) -> Self {
        Self { core: self.core.clone(), stop: Stop::new(self.core.cancel.child_token()) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.core.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends this part. What it is doing comes back with this error.
    pub(crate) fn end_part(&self, why: RunError) {
        self.stop.end(why);
    }

    /// The error with which this part has been ended, if it has.
    pub(crate) fn ended(&self) -> Option<RunError> {
        self.stop.has_ended().then(|| self.stop.error())
    }

    /// Whether a step may begin. A part that has been ended leaves a record, so that a replay ends at the same place.
    pub(crate) fn go_on(&self, address: &str) -> Result<(), RunError> {
        // What happened before counts: a branch of a replay may be ahead of the one that ended it.
        let next = self.lock().past.as_ref().and_then(|past| past.next_of(address));
        let error = match (next, self.ended()) {
            (Some(Next::Stopped(error)), _) | (None, Some(error)) => error,
            (Some(Next::Begins), _) | (None, None) => return Ok(()),
        };
        self.record(&Record::StepStopped { address: address.to_owned(), error: error.clone() });
        Err(error)
    }

    /// Whether a branch began, as far as the journal of a replay says it.
    pub(crate) fn began(&self, prefix: &str) -> bool {
        self.lock().past.as_ref().is_none_or(|past| past.began(prefix))
    }

    /// A replay came to what its journal does not have.
    pub(crate) fn astray(&self, address: &str) {
        self.record(&Record::StepStarted { address: address.to_owned() });
    }

    /// The run.
    pub fn run(&self) -> RunId {
        self.lock().journal.run()
    }

    /// The token that ends this part of the run.
    pub fn cancel(&self) -> &CancellationToken {
        self.stop.token()
    }

    /// Tells the observer.
    pub fn tell(&self, event: RunEvent) {
        if let Some(observer) = &self.core.observer {
            observer(&event);
        }
    }

    /// Appends a record that becomes durable with the next boundary.
    pub fn record(&self, record: &Record) {
        let at = self.core.clock.now();
        let mut inner = self.lock();
        if inner.aside {
            return;
        }
        let entry = inner.past.as_mut().map_or(Entry::Append, |past| past.enter(&record.body()));
        match entry {
            Entry::Append => inner.journal.append(record, at),
            Entry::Met => {}
        }
        if inner.past.as_ref().is_some_and(|past| past.drift().is_some()) {
            // What would follow is another story.
            self.core.stop.end(RunError::cancelled());
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
        self.core.store.is_none()
    }

    /// Whether it makes sense to wait before something is tried again: not where all answers are known.
    pub fn waits(&self) -> bool {
        !self.is_replay() && !self.core.tape.as_ref().is_some_and(|tape| tape.is_replay())
    }

    /// When the run began, by its journal: in a replay the same time again.
    pub fn started_at(&self) -> DateTime<Utc> {
        self.lock().journal.rows().first().map_or_else(|| self.core.clock.now(), |row| row.at)
    }

    /// Where a replay left its journal.
    pub fn drift(&self) -> Option<Drift> {
        self.lock().past.as_ref().and_then(|past| past.drift().cloned())
    }

    /// Counts a step against `max_steps`.
    pub fn count_step(&self) -> Result<(), RunError> {
        let mut inner = self.lock();
        inner.steps += 1;
        if inner.steps > self.core.limits.steps {
            return Err(RunError::new(
                ErrorKind::BudgetExceeded,
                format!("the run has taken more than {} steps", self.core.limits.steps),
            )
            .with_help("raise governance.security.resource_limits.max_steps, or end the loop earlier"));
        }
        Ok(())
    }

    /// Makes everything recorded so far durable.
    pub async fn flush(&self) -> Result<(), RunError> {
        let _order = self.core.flushing.lock().await;
        let (run, rows) = {
            let mut inner = self.lock();
            (inner.journal.run(), inner.journal.take_pending())
        };
        match &self.core.store {
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
        let _order = self.core.flushing.lock().await;
        let (run, rows) = {
            let mut inner = self.lock();
            (inner.journal.run(), inner.journal.take_pending())
        };
        match &self.core.store {
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
        let (inner, limits) = (self.lock(), &self.core.limits);
        match kind {
            EffectKind::Model => {
                if let Some(limit) = limits.model_calls
                    && inner.usage.model_calls >= limit
                {
                    return Err(spent("model calls", limit.to_string(), "llm_calls"));
                }
                self.tokens_left(&inner.usage)
            }
            EffectKind::Tool => match limits.tool_calls {
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
        let limits = &self.core.limits;
        if let Some(limit) = limits.tokens
            && usage.input_tokens + usage.output_tokens >= limit
        {
            return Err(spent("tokens", limit.to_string(), "tokens"));
        }
        match limits.usd {
            Some(limit) if usage.cost_usd >= limit => Err(spent("US dollars", limit.to_string(), "usd")),
            _ => Ok(()),
        }
    }

    /// What an effect may take to clean up after a cancellation; then it is left behind.
    async fn cancelled_for_long(&self) {
        self.stop.token().cancelled().await;
        tokio::time::sleep(CLEAN_UP).await;
    }

    /// Before a run that goes on does anything new, everything that is known already happens, so that a branch that had
    /// been ended stays ended.
    async fn let_the_past_happen(&self) -> Result<(), RunError> {
        loop {
            let ahead = match &self.lock().past {
                Some(past) if past.mode() == Mode::Resume => past.ahead(),
                _ => 0,
            };
            if ahead == 0 {
                break;
            }
            for _ in 0..4 {
                tokio::task::yield_now().await;
            }
            if self.lock().past.as_ref().is_none_or(|past| past.ahead() == ahead) {
                break;
            }
        }
        self.ended().map_or(Ok(()), Err)
    }

    /// The number of the next run that a step begins.
    pub(crate) fn next_child(&self, address: &str) -> u64 {
        let mut inner = self.lock();
        let number = inner.children.entry(address.to_owned()).or_insert(0);
        *number += 1;
        *number
    }

    /// More parts of the run are at work.
    pub(crate) fn work(&self) -> Working {
        self.lock().working += 1;
        Working(self.core.clone())
    }

    /// This part waits for others of the run.
    pub(crate) fn rest(&self) -> Resting {
        self.core.rests();
        Resting(self.core.clone())
    }

    /// This part waits for a person who is not here. When no other part is at work the run is put aside.
    pub(crate) async fn wait_for(&self, question: Question) -> RunError {
        self.lock().questions.push(question.clone());
        let resting = self.rest();
        self.stop.token().cancelled().await;
        drop(resting);
        let mut inner = self.lock();
        if !inner.aside {
            inner.questions.retain(|other| *other != question);
        }
        drop(inner);
        self.stop.error()
    }

    /// The questions for which the run was put aside.
    pub(crate) fn questions(&self) -> Option<Vec<Question>> {
        let inner = self.lock();
        inner.aside.then(|| inner.questions.clone())
    }

    /// Performs an effect: reserves, records the request durably, runs `perform`, records the outcome, settles.
    /// `perform` watches the gate's token and ends soon after it fires; one that does not is left behind.
    pub async fn effect<F>(&self, effect: Effect, perform: F) -> Result<Value, RunError>
    where
        F: Future<Output = Result<(Value, Usage), RunError>>,
    {
        let digest = digest(&effect.request);
        let known = self.lock().past.as_ref().is_some_and(|past| past.knows(&effect, &digest));
        // What is refused is recorded as well: a replay, in which branches are ahead of each other in another way, refuses the
        // same.
        let refused = match known {
            true => None,
            false => match self.let_the_past_happen().await {
                Ok(()) => self.reserve(effect.kind).err(),
                Err(error) => Some(error),
            },
        };
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
        let tokens = effect.request.pointer("/parameters/max_tokens").and_then(Value::as_u64).unwrap_or(0);
        let played = match (&way, &self.core.tape) {
            (Way::Perform(_), Some(tape)) => tape.play(&effect, &digest),
            _ => None,
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
        if refused.is_none() && !matches!(effect.kind, EffectKind::Clock | EffectKind::Id) {
            self.flush().await?;
        }
        let (address, label) = (effect.address, effect.label);
        self.tell(RunEvent::EffectStarted { address: address.clone(), kind: effect.kind, label: label.clone() });
        let began = Instant::now();
        let live = async {
            let reserved = match &self.core.quota {
                Some(quota) => quota.reserve(effect.kind, tokens).await?,
                None => Reserved::default(),
            };
            let outcome = tokio::select! {
                biased;
                outcome = perform => outcome,
                () = self.cancelled_for_long() => Err(RunError::cancelled()),
            };
            // What was broken off says why.
            let outcome = match outcome {
                Err(error) if error.kind == ErrorKind::Cancelled && self.stop.has_ended() => Err(self.stop.error()),
                outcome => outcome,
            };
            if let Some(quota) = &self.core.quota {
                let used = outcome.as_ref().map(|(_, usage)| *usage).unwrap_or_default();
                quota.settle(effect.kind, reserved, used).await?;
            }
            outcome
        };
        let (outcome, recorded) = match way {
            Way::Perform(recorded) => match (refused, played) {
                (Some(error), _) => (Err(error), recorded),
                (None, Some(played)) => (played, recorded),
                (None, None) => (live.await, recorded),
            },
            Way::Known(known) => (known.result.clone().map(|value| (value, known.usage)), Some(known)),
            Way::BrokenOff(known, inside) => {
                self.lock().usage.add(&inside);
                (known.result.clone().map(|value| (value, known.usage)), Some(known))
            }
            Way::Never => {
                self.stop.token().cancelled().await;
                return Err(self.stop.error());
            }
            Way::Stop => {
                self.core.stop.end(RunError::cancelled());
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
        if effect.class == SideEffect::Write && effect.kind != EffectKind::Script {
            // What has changed something is not forgotten.
            self.flush().await?;
        }
        self.tell(RunEvent::EffectEnded { address, kind: effect.kind, label, error });
        outcome.map(|(value, _)| value)
    }
}

impl Core {
    fn rests(&self) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.working -= 1;
        if inner.working == 0 && !inner.questions.is_empty() && !inner.aside {
            inner.aside = true;
            drop(inner);
            self.stop.end(RunError::cancelled());
        }
    }
}

/// A part of the run is at work until this is dropped.
pub(crate) struct Working(Arc<Core>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.rests();
    }
}

/// A part of the run waits until this is dropped.
pub(crate) struct Resting(Arc<Core>);

impl Drop for Resting {
    fn drop(&mut self) {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner).working += 1;
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
        // The places hold the name under which the document was run.
        (Err(known), Err(error)) => {
            let bare = |error: &RunError| RunError { trace: Vec::new(), ..error.clone() };
            bare(known) == bare(error)
        }
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
