use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aikit_core::{Language, Place, RunError};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{cell::CellEvent, debug::script::Wishes};

/// In which world a script runs.
#[expect(clippy::large_enum_variant, reason = "there is one for each script that runs, and it is moved, not stored")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "lowercase")]
pub enum ScriptMode {
    /// A cell: the session's globals of that language, kept from cell to cell.
    Cell,
    /// A step or a tool of a run: a fresh world that nothing outlives. May run while a cell of the same language waits.
    Isolated {
        /// `ctx.inputs`.
        inputs: Value,
        /// `ctx.state`.
        state: Value,
        /// `ctx.steps`.
        steps: Value,
    },
    /// An expression over the session's globals, evaluated for its value (`user_expressions`, watch).
    Expression,
}

/// What a script may use up. What lies beyond is `script.limit`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ScriptLimits {
    /// Wall time, time spent in host calls included.
    pub wall: Duration,
    /// Interpreter instructions (Lua) or evaluation budget (JS); `None` means no bound but time.
    pub instructions: Option<u64>,
    /// Heap in bytes.
    pub memory: u64,
}

impl Default for ScriptLimits {
    /// Five minutes, no instruction bound, 512 MiB.
    fn default() -> Self {
        Self { wall: Duration::from_secs(300), instructions: None, memory: 512 << 20 }
    }
}

/// One script to run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScriptJob {
    /// Lua or JavaScript.
    pub language: Language,
    /// The name that errors show, for example `Cell 3` or `support.agent.yaml: step classify`.
    pub name: String,
    /// The code.
    pub code: String,
    /// What is added to the script's line numbers, so that they are lines of the cell or document.
    pub line_offset: u32,
    /// Cell, step or expression.
    pub mode: ScriptMode,
    /// Budget.
    pub limits: ScriptLimits,
    /// Fixed values of `ctx`: `tenant`, `user`, `app_id`, `session`.
    pub context: Value,
}

/// A value that a script produced.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScriptValue {
    /// The value as JSON, where it has such a form.
    pub json: Option<Value>,
    /// The value as the language's own tools would print it; never empty.
    pub text: String,
}

/// What a script threw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScriptError {
    /// Class of the error: `SyntaxError`, `TypeError`, `RuntimeError`, or a host error's code such as `tool.denied`.
    pub name: String,
    /// What the script or the interpreter says, without place and traceback.
    pub message: String,
    /// Where, innermost first, in lines of the cell or document.
    pub trace: Vec<Place>,
    /// The host error that the script did not catch, if that is what ended it.
    pub cause: Option<RunError>,
}

/// Why a script was stopped from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StopCause {
    /// A person interrupted it, or the run was cancelled.
    Interrupt,
    /// Its wall time is spent.
    Time,
    /// Its instructions are spent.
    Instructions,
    /// Its memory is spent.
    Memory,
    /// The interpreter's process died for another reason.
    Crash,
}

/// How a script ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
pub enum ScriptOutcome {
    /// It ran to its end.
    Done {
        /// The last expression's value, or what `return` gave; `None` when there is none.
        value: Option<ScriptValue>,
    },
    /// It threw.
    Failed {
        /// What it threw.
        error: ScriptError,
    },
    /// It was stopped.
    Stopped {
        /// Why.
        cause: StopCause,
        /// Whether the interpreter's globals are gone (the process had to be killed); `vars` are back in any case.
        state_lost: bool,
    },
}

/// Whether a piece of code can be run as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum Completeness {
    /// It can.
    Complete,
    /// More is to come.
    Incomplete {
        /// What the next line should begin with.
        indent: String,
    },
    /// No further text can make it valid.
    Invalid {
        /// What the language's parser says, without the place.
        message: String,
        /// Line of the code, from 1, where known.
        line: Option<u32>,
    },
    /// It cannot be said.
    Unknown,
}

/// A candidate from the interpreter's live state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptCompletion {
    /// The text that replaces the word under the cursor.
    pub text: String,
    /// `function`, `table`, `string`, `keyword`, … for the client's icon.
    pub kind: String,
}

/// What is under the cursor, from the interpreter's live state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspection {
    /// The expression that was looked up.
    pub expression: String,
    /// Its type.
    pub ty: String,
    /// Its value or signature, shortened.
    pub text: String,
    /// Documentation, as Markdown.
    pub doc: Option<String>,
}

/// Answers what a script asks of the host. One object serves one script and knows its scope and, in a run, its gate.
#[async_trait]
pub trait HostCalls: Send + Sync {
    /// Answers `Call` and `Immediate` members of [`aikit_core::surface`]; `method` is [`aikit_core::surface::Member::method`],
    /// `args` the positional arguments as a JSON array.
    async fn call(&self, method: &str, args: Vec<Value>) -> Result<Value, RunError>;

    /// Takes outputs: streams, displays, log lines. Never blocks.
    fn emit(&self, event: CellEvent);

    /// What a debugger wants of the script, now and from now on; `None` without one.
    fn watch(&self) -> Option<Wishes> {
        None
    }
}

/// A change of one shared variable; `None` removes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VarChange {
    /// The name.
    pub name: String,
    /// The new value.
    pub value: Option<Value>,
}

/// The values that cells and languages share by name. Cheap to clone; all clones see the same values.
#[derive(Debug, Clone, Default)]
pub struct Vars(Arc<Mutex<VarsInner>>);

#[derive(Debug, Default)]
struct VarsInner {
    values: BTreeMap<String, (Value, u64)>,
    removed: BTreeMap<String, u64>,
    revision: u64,
}

impl Vars {
    fn lock(&self) -> MutexGuard<'_, VarsInner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<Value> {
        self.lock().values.get(name).map(|(value, _)| value.clone())
    }

    /// The revision at which a name last changed, for caches.
    pub fn revision_of(&self, name: &str) -> Option<u64> {
        self.lock().values.get(name).map(|(_, revision)| *revision)
    }

    /// Sets a name, or removes it. What changes nothing leaves the revision alone.
    pub fn apply(&self, change: VarChange) {
        let mut inner = self.lock();
        if change.value.as_ref() == inner.values.get(&change.name).map(|(value, _)| value) {
            return;
        }
        inner.revision += 1;
        let revision = inner.revision;
        match change.value {
            Some(value) => {
                inner.removed.remove(&change.name);
                inner.values.insert(change.name, (value, revision));
            }
            None => {
                if inner.values.remove(&change.name).is_some() {
                    inner.removed.insert(change.name, revision);
                }
            }
        }
    }

    /// Sets a name.
    pub fn set(&self, name: impl Into<String>, value: Value) {
        self.apply(VarChange { name: name.into(), value: Some(value) });
    }

    /// All names, sorted.
    pub fn names(&self) -> Vec<String> {
        self.lock().values.keys().cloned().collect()
    }

    /// All values.
    pub fn snapshot(&self) -> BTreeMap<String, Value> {
        self.lock().values.iter().map(|(name, (value, _))| (name.clone(), value.clone())).collect()
    }

    /// What changed after `revision`, and the revision that this brings a reader to. A reader that starts at 0 gets all.
    pub fn changes_since(&self, revision: u64) -> (Vec<VarChange>, u64) {
        let inner = self.lock();
        let set = inner
            .values
            .iter()
            .filter(|(_, (_, at))| *at > revision)
            .map(|(name, (value, _))| VarChange { name: name.clone(), value: Some(value.clone()) });
        let gone = inner
            .removed
            .iter()
            .filter(|(_, at)| **at > revision)
            .map(|(name, _)| VarChange { name: name.clone(), value: None });
        (set.chain(gone).collect(), inner.revision)
    }
}

/// The script port: both languages of one session, wherever they run.
#[async_trait]
pub trait Scripts: Send + Sync {
    /// Runs a script to its end, or until `cancel` fires or a limit is reached. A soft stop keeps the globals; where only
    /// a kill helps, it comes within two seconds and `state_lost` says so. Cells of one language run one after the other;
    /// isolated scripts run beside them.
    async fn run(&self, job: ScriptJob, host: Arc<dyn HostCalls>, cancel: CancellationToken) -> ScriptOutcome;

    /// Candidates at `cursor` (a byte offset) from the live globals. Empty while a cell of that language runs.
    async fn complete(&self, language: Language, code: &str, cursor: usize) -> Vec<ScriptCompletion>;

    /// What stands at `cursor` (a byte offset), from the live globals.
    async fn inspect(&self, language: Language, code: &str, cursor: usize) -> Option<Inspection>;

    /// Whether the code is complete, by the language's own parser.
    async fn is_complete(&self, language: Language, code: &str) -> Completeness;

    /// The values that are shared by name.
    fn vars(&self) -> Vars;

    /// Ends the interpreters, with their process if they have one.
    async fn shutdown(&self);
}
