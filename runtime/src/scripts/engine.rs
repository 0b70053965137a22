//! What a language bridge implements: one interpreter on one thread.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Instant,
};

use aikit_core::{Language, RunError};
use serde_json::Value;

use crate::{
    cell::CellEvent,
    debug::script::Wishes,
    ports::{Completeness, Inspection, ScriptCompletion, ScriptJob, ScriptOutcome, StopCause, Vars},
};

/// An interpreter. It is made on the thread that runs it and never leaves that thread.
pub trait ScriptEngine {
    /// Runs a script over this interpreter's globals. Looks at `host.stop()` at least every few milliseconds of
    /// interpreted code, obeys `job.limits`, and returns with the globals usable. Nothing that a script does may panic.
    /// An isolated job runs on an engine of its own, made for it.
    fn run(&mut self, job: &ScriptJob, host: &Arc<dyn EngineHost>) -> ScriptOutcome;

    /// Candidates at `cursor` (byte offset) from the live globals, without running code of the script.
    fn complete(&mut self, code: &str, cursor: usize) -> Vec<ScriptCompletion>;

    /// What stands at `cursor` (byte offset), without running code of the script.
    fn inspect(&mut self, code: &str, cursor: usize) -> Option<Inspection>;

    /// Whether the code is complete, by the language's own parser.
    fn is_complete(&mut self, code: &str) -> Completeness;
}

/// Makes interpreters of one language.
pub trait EngineFactory: Send + Sync {
    /// The language.
    fn language(&self) -> Language;

    /// A fresh, sandboxed interpreter. Called on the thread that will run it.
    fn create(&self) -> Box<dyn ScriptEngine>;
}

/// What the engine thread sees of the host. Calls are started and awaited separately, so that JavaScript can have several
/// in flight; Lua starts one and waits for it.
pub trait EngineHost: Send + Sync {
    /// The shared values. Setting one reaches the host before the next call or the script's end.
    fn vars(&self) -> &Vars;

    /// Starts a host call and returns its number.
    fn start(&self, method: &str, args: Vec<Value>) -> u64;

    /// Waits for the next answer, a stop or the deadline.
    fn wait(&self, deadline: Option<Instant>) -> HostEvent;

    /// Sends an output. Never blocks for long.
    fn emit(&self, event: CellEvent);

    /// The flag that asks the script to stop.
    fn stop(&self) -> &StopFlag;

    /// What a debugger wants of the script, now and from now on; `None` without one.
    fn watch(&self) -> Option<Wishes> {
        None
    }
}

/// What [`EngineHost::wait`] returns.
#[derive(Debug, Clone, PartialEq)]
pub enum HostEvent {
    /// A call was answered.
    Answer {
        /// Its number.
        call: u64,
        /// The answer.
        result: Result<Value, RunError>,
    },
    /// The stop flag was raised.
    Stopped,
    /// The deadline passed.
    Deadline,
}

/// Asks a running script to stop, and says why. Raised once; the first cause wins.
#[derive(Debug, Clone, Default)]
pub struct StopFlag(Arc<AtomicU8>);

impl StopFlag {
    /// Raises the flag.
    pub fn raise(&self, cause: StopCause) {
        let code = match cause {
            StopCause::Interrupt => 1,
            StopCause::Time => 2,
            StopCause::Instructions => 3,
            StopCause::Memory => 4,
            StopCause::Crash => 5,
        };
        let _ = self.0.compare_exchange(0, code, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// The cause, if the flag is raised.
    pub fn raised(&self) -> Option<StopCause> {
        match self.0.load(Ordering::Relaxed) {
            1 => Some(StopCause::Interrupt),
            2 => Some(StopCause::Time),
            3 => Some(StopCause::Instructions),
            4 => Some(StopCause::Memory),
            5 => Some(StopCause::Crash),
            _ => None,
        }
    }
}
