//! Interpreters inside this process: one thread for the cells of each language, one more for every isolated script.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Instant,
};

use aikit_core::{Language, RunError};
use async_trait::async_trait;
use serde_json::Value;
use tokio::{runtime::Handle, sync::oneshot};
use tokio_util::sync::CancellationToken;

use super::engine::{EngineFactory, EngineHost, HostEvent, ScriptEngine, StopFlag};
use crate::{
    cell::CellEvent,
    debug::script::Wishes,
    ports::{
        Completeness, HostCalls, Inspection, ScriptCompletion, ScriptError, ScriptJob, ScriptMode, ScriptOutcome,
        Scripts, StopCause, Vars,
    },
};

/// The stack of an interpreter's thread: deep recursion in a script meets the interpreter's own limit first.
const STACK: usize = 64 << 20;

/// The [`Scripts`] port over threads of this process. A soft stop is all it has: what only a kill can end is the business
/// of [`ProcessScripts`](super::ProcessScripts), in whose worker this runs.
pub struct ThreadScripts {
    factories: HashMap<Language, Arc<dyn EngineFactory>>,
    vars: Vars,
    cells: Mutex<HashMap<Language, CellThread>>,
}

/// The thread of one language's cells.
#[derive(Clone)]
struct CellThread {
    requests: mpsc::Sender<Request>,
    busy: Arc<AtomicBool>,
}

enum Request {
    Run { job: Box<ScriptJob>, host: Arc<dyn EngineHost>, reply: oneshot::Sender<ScriptOutcome> },
    Complete { code: String, cursor: usize, reply: oneshot::Sender<Vec<ScriptCompletion>> },
    Inspect { code: String, cursor: usize, reply: oneshot::Sender<Option<Inspection>> },
    IsComplete { code: String, reply: oneshot::Sender<Completeness> },
}

impl ThreadScripts {
    /// Interpreters of these languages. No thread starts before it is needed.
    pub fn new(factories: impl IntoIterator<Item = Arc<dyn EngineFactory>>, vars: Vars) -> Self {
        Self {
            factories: factories.into_iter().map(|factory| (factory.language(), factory)).collect(),
            vars,
            cells: Mutex::new(HashMap::new()),
        }
    }

    fn cell_thread(&self, language: Language) -> Option<CellThread> {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = cells.get(&language) {
            return Some(thread.clone());
        }
        let factory = self.factories.get(&language)?.clone();
        let (requests, inbox) = mpsc::channel();
        let busy = Arc::new(AtomicBool::new(false));
        let seen = busy.clone();
        thread::Builder::new()
            .name(format!("{}-cells", language.keyword()))
            .stack_size(STACK)
            .spawn(move || serve(factory.create(), &inbox, &seen))
            .ok()?;
        let thread = CellThread { requests, busy };
        cells.insert(language, thread.clone());
        Some(thread)
    }

    /// Asks the cell thread, unless it is busy with a cell.
    async fn ask<T>(&self, language: Language, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Option<T> {
        let thread = self.cell_thread(language)?;
        if thread.busy.load(Ordering::SeqCst) {
            return None;
        }
        let (reply, answer) = oneshot::channel();
        thread.requests.send(request(reply)).ok()?;
        answer.await.ok()
    }
}

fn serve(mut engine: Box<dyn ScriptEngine>, inbox: &mpsc::Receiver<Request>, busy: &AtomicBool) {
    // A client that no longer waits for an answer is no reason to stop.
    for request in inbox {
        match request {
            Request::Run { job, host, reply } => {
                busy.store(true, Ordering::SeqCst);
                let outcome = engine.run(&job, &host);
                busy.store(false, Ordering::SeqCst);
                let _ = reply.send(outcome);
            }
            Request::Complete { code, cursor, reply } => {
                let _ = reply.send(engine.complete(&code, cursor));
            }
            Request::Inspect { code, cursor, reply } => {
                let _ = reply.send(engine.inspect(&code, cursor));
            }
            Request::IsComplete { code, reply } => {
                let _ = reply.send(engine.is_complete(&code));
            }
        }
    }
}

/// What a script sees of the host: calls run as tasks, answers come back over a channel that a stop wakes as well.
struct Bridge {
    vars: Vars,
    calls: Arc<dyn HostCalls>,
    runtime: Handle,
    events: mpsc::Sender<HostEvent>,
    inbox: Mutex<mpsc::Receiver<HostEvent>>,
    next: AtomicU64,
    stop: StopFlag,
    cancel: CancellationToken,
}

impl EngineHost for Bridge {
    fn vars(&self) -> &Vars {
        &self.vars
    }

    fn start(&self, method: &str, args: Vec<Value>) -> u64 {
        let call = self.next.fetch_add(1, Ordering::SeqCst);
        let (calls, events, method) = (self.calls.clone(), self.events.clone(), method.to_owned());
        let cancel = self.cancel.clone();
        self.runtime.spawn(async move {
            let result = tokio::select! {
                result = calls.call(&method, args) => result,
                () = cancel.cancelled() => Err(RunError::cancelled()),
            };
            // The script may have ended meanwhile.
            let _ = events.send(HostEvent::Answer { call, result });
        });
        call
    }

    fn wait(&self, deadline: Option<Instant>) -> HostEvent {
        if self.stop.raised().is_some() {
            return HostEvent::Stopped;
        }
        let inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        let received = match deadline {
            None => inbox.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected),
            Some(at) => inbox.recv_timeout(at.saturating_duration_since(Instant::now())),
        };
        match received {
            Ok(event) => event,
            Err(mpsc::RecvTimeoutError::Timeout) => HostEvent::Deadline,
            Err(mpsc::RecvTimeoutError::Disconnected) => HostEvent::Stopped,
        }
    }

    fn emit(&self, event: CellEvent) {
        self.calls.emit(event);
    }

    fn stop(&self) -> &StopFlag {
        &self.stop
    }

    fn watch(&self) -> Option<Wishes> {
        self.calls.watch()
    }
}

/// Raises the flag and wakes a script that waits; also when the run's future is dropped.
struct Stopper {
    stop: StopFlag,
    events: mpsc::Sender<HostEvent>,
    cancel: CancellationToken,
}

impl Stopper {
    fn stop(&self, cause: StopCause) {
        self.stop.raise(cause);
        self.cancel.cancel();
        let _ = self.events.send(HostEvent::Stopped);
    }
}

impl Drop for Stopper {
    fn drop(&mut self) {
        self.stop(StopCause::Interrupt);
    }
}

fn unavailable(language: Language) -> ScriptOutcome {
    ScriptOutcome::Failed {
        error: ScriptError {
            name: "InternalError".into(),
            message: format!("{} is not available here", language.title()),
            trace: Vec::new(),
            cause: None,
        },
    }
}

impl ThreadScripts {
    /// A thread that died without an answer took its interpreter with it; the next script gets a new one. What was to stop
    /// the script counts as the cause, should the interpreter have died of that.
    fn ended(
        &self,
        outcome: Result<ScriptOutcome, oneshot::error::RecvError>,
        language: Language,
        isolated: bool,
        cause: StopCause,
    ) -> ScriptOutcome {
        outcome.unwrap_or_else(|_| {
            if !isolated {
                self.forget(language);
            }
            ScriptOutcome::Stopped { cause, state_lost: !isolated }
        })
    }

    fn forget(&self, language: Language) {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner).remove(&language);
    }
}

#[async_trait]
impl Scripts for ThreadScripts {
    async fn run(&self, job: ScriptJob, calls: Arc<dyn HostCalls>, cancel: CancellationToken) -> ScriptOutcome {
        let (events, inbox) = mpsc::channel();
        // Calls in flight end with the script, whatever ends it.
        let stop = Stopper { stop: StopFlag::default(), events: events.clone(), cancel: CancellationToken::new() };
        let host: Arc<dyn EngineHost> = Arc::new(Bridge {
            vars: self.vars.clone(),
            calls,
            runtime: Handle::current(),
            events,
            inbox: Mutex::new(inbox),
            next: AtomicU64::new(1),
            stop: stop.stop.clone(),
            cancel: stop.cancel.clone(),
        });
        let (language, wall) = (job.language, job.limits.wall);
        let (reply, mut outcome) = oneshot::channel();
        let isolated = matches!(job.mode, ScriptMode::Isolated { .. });
        if isolated {
            let Some(factory) = self.factories.get(&language).cloned() else { return unavailable(language) };
            let spawned = thread::Builder::new()
                .name(format!("{}-isolated", language.keyword()))
                .stack_size(STACK)
                .spawn(move || drop(reply.send(factory.create().run(&job, &host))));
            if spawned.is_err() {
                return unavailable(language);
            }
        } else {
            let Some(thread) = self.cell_thread(language) else { return unavailable(language) };
            let request = Request::Run { job: Box::new(job), host, reply };
            if thread.requests.send(request).is_err() {
                // The thread died while no script ran, so nobody was told yet.
                self.forget(language);
                return ScriptOutcome::Stopped { cause: StopCause::Crash, state_lost: true };
            }
        }
        let cause = tokio::select! {
            biased;
            done = &mut outcome => return self.ended(done, language, isolated, StopCause::Crash),
            () = cancel.cancelled() => StopCause::Interrupt,
            () = tokio::time::sleep(wall) => StopCause::Time,
        };
        stop.stop(cause);
        self.ended(outcome.await, language, isolated, cause)
    }

    async fn complete(&self, language: Language, code: &str, cursor: usize) -> Vec<ScriptCompletion> {
        let code = code.to_owned();
        self.ask(language, |reply| Request::Complete { code, cursor, reply }).await.unwrap_or_default()
    }

    async fn inspect(&self, language: Language, code: &str, cursor: usize) -> Option<Inspection> {
        let code = code.to_owned();
        self.ask(language, |reply| Request::Inspect { code, cursor, reply }).await.flatten()
    }

    async fn is_complete(&self, language: Language, code: &str) -> Completeness {
        let code = code.to_owned();
        self.ask(language, |reply| Request::IsComplete { code, reply }).await.unwrap_or(Completeness::Unknown)
    }

    fn vars(&self) -> Vars {
        self.vars.clone()
    }

    async fn shutdown(&self) {
        // The threads end when their inboxes close.
        self.cells.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::ports::ScriptLimits;

    /// `die` panics at once, `wait` when it is stopped; anything else succeeds.
    struct Fragile;

    impl ScriptEngine for Fragile {
        fn run(&mut self, job: &ScriptJob, host: &Arc<dyn EngineHost>) -> ScriptOutcome {
            match job.code.as_str() {
                "die" => panic!("on purpose"),
                "wait" => {
                    while host.wait(None) != HostEvent::Stopped {}
                    panic!("on purpose, when stopped")
                }
                _ => ScriptOutcome::Done { value: None },
            }
        }

        fn complete(&mut self, _code: &str, _cursor: usize) -> Vec<ScriptCompletion> {
            Vec::new()
        }

        fn inspect(&mut self, _code: &str, _cursor: usize) -> Option<Inspection> {
            None
        }

        fn is_complete(&mut self, _code: &str) -> Completeness {
            Completeness::Unknown
        }
    }

    struct Factory;

    impl EngineFactory for Factory {
        fn language(&self) -> Language {
            Language::Lua
        }

        fn create(&self) -> Box<dyn ScriptEngine> {
            Box::new(Fragile)
        }
    }

    struct Nobody;

    #[async_trait]
    impl HostCalls for Nobody {
        async fn call(&self, _method: &str, _args: Vec<Value>) -> Result<Value, RunError> {
            Ok(Value::Null)
        }

        fn emit(&self, _event: CellEvent) {}
    }

    async fn run(scripts: &ThreadScripts, code: &str, interrupt: Option<Duration>) -> ScriptOutcome {
        let job = ScriptJob {
            language: Language::Lua,
            name: "Cell".into(),
            code: code.into(),
            line_offset: 0,
            mode: ScriptMode::Cell,
            limits: ScriptLimits::default(),
            context: json!({}),
        };
        let cancel = CancellationToken::new();
        if let Some(after) = interrupt {
            let cancel = cancel.clone();
            tokio::spawn(async move {
                tokio::time::sleep(after).await;
                cancel.cancel();
            });
        }
        scripts.run(job, Arc::new(Nobody), cancel).await
    }

    #[tokio::test]
    async fn the_death_of_an_interpreter_is_told_once_and_to_the_script_that_met_it() {
        let scripts = ThreadScripts::new([Arc::new(Factory) as Arc<dyn EngineFactory>], Vars::default());
        let fine = ScriptOutcome::Done { value: None };
        assert_eq!(run(&scripts, "1", None).await, fine);
        let crash = ScriptOutcome::Stopped { cause: StopCause::Crash, state_lost: true };
        assert_eq!(run(&scripts, "die", None).await, crash);
        assert_eq!(run(&scripts, "1", None).await, fine);
        // An interpreter that dies of an interrupt was interrupted.
        let interrupted = ScriptOutcome::Stopped { cause: StopCause::Interrupt, state_lost: true };
        assert_eq!(run(&scripts, "wait", Some(Duration::from_millis(20))).await, interrupted);
        assert_eq!(run(&scripts, "1", None).await, fine);
    }
}
