//! What a debugger and an interpreter say to each other. A script that stands still calls the host with a
//! [`ScriptReport`] under the name [`PAUSED`] and obeys the [`ScriptOrder`] that is the answer, so that it needs no way of
//! its own; what changes while it runs comes as a new [`ScriptWatch`].

use aikit_core::Language;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The host call of a script that stands still. Scripts cannot name it.
pub const PAUSED: &str = "debugger.paused";

/// Where a script sees what is wanted of it, now and from now on.
pub type Wishes = tokio::sync::watch::Receiver<ScriptWatch>;

/// What a script is to stop at.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ScriptWatch {
    /// Lines with breakpoints.
    pub lines: Vec<WatchedLine>,
    /// It stops at its first line.
    pub entry: bool,
    /// It stops where an error is raised that nothing in it catches.
    pub errors: bool,
    /// It stops where an error is raised, also if something in it catches it, as far as its language can tell.
    #[serde(default)]
    pub raised: bool,
    /// It stops at the next line, each time this grows.
    pub pauses: u64,
}

/// A line with a breakpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WatchedLine {
    /// The number of the breakpoint.
    pub id: u64,
    /// The line, from 1, as errors of the script count.
    pub line: u32,
    /// The script, by its job's name; any that runs, where there is none.
    #[serde(default)]
    pub source: Option<String>,
    /// An expression of the script's language that has to hold.
    pub condition: Option<String>,
    /// Expressions whose values are wanted.
    pub wanted: Vec<String>,
}

/// Why a script stands still.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum ScriptReason {
    /// A move came to its end.
    Step,
    /// It was told to pause.
    Pause,
    /// A line with breakpoints.
    Breakpoint {
        /// Their numbers, with the values that they want.
        hit: Vec<(u64, Vec<Value>)>,
        /// Whether a move came to its end here as well.
        step: bool,
    },
    /// An error was raised.
    Error {
        /// What it says.
        text: String,
    },
}

/// The variables that a function declares, as the start of a [`Cut::path`].
pub const LOCALS: &str = "locals";
/// Variables of the functions around it.
pub const UPVALUES: &str = "upvalues";
/// Values that every function sees.
pub const GLOBALS: &str = "globals";

/// Values that were read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Shown {
    /// The values.
    pub value: Value,
    /// What is missing in them.
    pub cut: Vec<Cut>,
}

/// A table of which a part was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cut {
    /// [`LOCALS`], [`UPVALUES`] or [`GLOBALS`], a variable, and the names that lead on from there.
    pub path: Vec<String>,
    /// How many entries the table has.
    pub total: usize,
}

/// A function of a script.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScriptFrame {
    /// What people call it.
    pub name: String,
    /// The script in which it stands, by its job's name.
    pub source: String,
    /// The language, which says how lists are counted.
    pub language: Language,
    /// Its line, from 1.
    pub line: u32,
    /// Its variables, by name.
    pub locals: Shown,
    /// Variables of the functions around it, by name.
    pub upvalues: Shown,
}

/// What a script says that stands still.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "snake_case")]
pub enum ScriptReport {
    /// It stopped.
    Stopped {
        /// Why.
        reason: ScriptReason,
        /// Its functions, innermost first.
        frames: Vec<ScriptFrame>,
        /// What every function sees.
        globals: Shown,
    },
    /// The answer to [`ScriptOrder::Evaluate`].
    Changed {
        /// The value, or why there is none.
        result: Result<Value, String>,
        /// Its functions as they are now.
        frames: Vec<ScriptFrame>,
        /// What every function sees now.
        globals: Shown,
    },
    /// The answer to [`ScriptOrder::Page`].
    Page {
        /// A [`Shown`], or why there is none.
        result: Result<Value, String>,
    },
}

/// How a script goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resume {
    /// To the next breakpoint.
    On,
    /// To the next line of this function or of one that called it.
    Over,
    /// To the very next line.
    In,
    /// To the next line of the function that called this one.
    Out,
}

/// What a script that stands still is to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum ScriptOrder {
    /// Go on.
    Go {
        /// How.
        how: Resume,
    },
    /// Go on as before it stopped: it was nothing.
    Never,
    /// Evaluate, and stand still.
    Evaluate {
        /// The frame, from the innermost.
        frame: usize,
        /// An expression, or a statement.
        text: String,
    },
    /// Show a page of a table, and stand still.
    Page {
        /// The frame, from the innermost.
        frame: usize,
        /// The table, as in [`Cut::path`].
        path: Vec<String>,
        /// The first entry, from 0.
        start: usize,
        /// How many entries.
        count: usize,
    },
}
