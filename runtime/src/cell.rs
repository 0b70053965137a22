//! What a front end of cells (a Jupyter kernel, a notebook runner, a VS Code controller) drives.

use std::collections::BTreeMap;

use aikit_core::{Diagnostic, Language, Place, RunError, Scope, record::HistoryEntry};
use aikit_spec::CheckContext;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::ports::{Completeness, Inspection, ScriptCompletion, Vars};

/// The same content in several forms, by MIME type. Textual forms are JSON strings, `…+json` forms JSON values.
pub type MimeBundle = BTreeMap<String, Value>;

/// Which text stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Ordinary output.
    Stdout,
    /// Errors and warnings.
    Stderr,
}

/// What a cell puts out while it runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum CellEvent {
    /// Text.
    Stream {
        /// Where to.
        stream: Stream,
        /// The text.
        text: String,
    },
    /// A rich output. With an `id` it can be updated later, or is such an update.
    Display {
        /// The content; always with a `text/plain` form.
        data: MimeBundle,
        /// Metadata by MIME type.
        #[serde(default)]
        metadata: Map<String, Value>,
        /// Names the output for updates.
        id: Option<String>,
        /// Replaces the outputs of that id instead of adding one.
        update: bool,
    },
    /// Clears the cell's outputs.
    Clear {
        /// Only when the next output arrives.
        wait: bool,
    },
    /// A log line of `ctx.log`, for the log and not for the cell.
    Log {
        /// `debug`, `info`, `warn`, `error`.
        level: String,
        /// The message.
        message: String,
        /// Structured fields.
        fields: Value,
    },
}

/// No input can be asked for here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// The front end does not allow it.
    #[error("this front end does not support input requests")]
    NotAllowed,
    /// The cell was interrupted while it waited.
    #[error("interrupted while waiting for input")]
    Interrupted,
}

/// The front end as a running cell sees it.
#[async_trait]
pub trait CellIo: Send + Sync {
    /// Takes an output. Never blocks; the front end bounds what it keeps.
    fn emit(&self, event: CellEvent);

    /// Asks the person for a line.
    async fn input(&self, prompt: &str, password: bool) -> Result<String, InputError>;
}

/// One cell to execute.
#[derive(Debug, Clone, PartialEq)]
pub struct CellRequest {
    /// The text of the cell, magics included.
    pub code: String,
    /// What a cell without a magic is written in.
    pub language: Language,
    /// The name that errors show, for example `Cell 3`.
    pub name: String,
    /// Nothing is shown and nothing is remembered.
    pub silent: bool,
}

/// Why a cell failed, in Jupyter's terms.
#[derive(Debug, Clone, PartialEq)]
pub struct CellError {
    /// Class of the error: `SpecificationError`, `LuaError`, `JsError`, `KeyboardInterrupt`, a taxonomy code such as `provider.timeout`.
    pub ename: String,
    /// One line.
    pub evalue: String,
    /// Lines to print, with the place in the cell.
    pub traceback: Vec<String>,
    /// The findings of a document that was refused.
    pub diagnostics: Vec<Diagnostic>,
    /// Where, innermost first.
    pub trace: Vec<Place>,
    /// The engine's error, where one is behind it.
    pub cause: Option<RunError>,
}

/// How a cell ended.
#[derive(Debug, Clone, PartialEq)]
pub enum CellOutcome {
    /// It ran.
    Ok {
        /// The value of the cell, shown as its result.
        result: Option<MimeBundle>,
        /// Text for the front end's pager, for example help.
        page: Option<String>,
    },
    /// It failed or was interrupted.
    Err(Box<CellError>),
}

/// Executes cells for one person in one tenant.
#[async_trait]
pub trait CellEngine: Send + Sync {
    /// Who acts.
    fn scope(&self) -> &Scope;

    /// Runs a cell. `cancel` reaches every await and every script.
    async fn execute(
        &self,
        request: CellRequest,
        io: std::sync::Arc<dyn CellIo>,
        cancel: CancellationToken,
    ) -> CellOutcome;

    /// Evaluates one expression over the session's live values (`user_expressions`).
    async fn evaluate(
        &self,
        expression: &str,
        language: Language,
        cancel: CancellationToken,
    ) -> Result<MimeBundle, CellError>;

    /// Candidates from the live globals of a script language; `cursor` is a byte offset in `code`.
    async fn complete_script(&self, language: Language, code: &str, cursor: usize) -> Vec<ScriptCompletion>;

    /// What is at `cursor` in a script, from the live globals.
    async fn inspect_script(&self, language: Language, code: &str, cursor: usize) -> Option<Inspection>;

    /// Whether a script is complete.
    async fn is_complete_script(&self, language: Language, code: &str) -> Completeness;

    /// What surrounds the tenant's documents, for editor features.
    fn check_context(&self) -> CheckContext {
        CheckContext::default()
    }

    /// The agents of the tenant, for completion of `%run` and `%%run`.
    async fn agent_names(&self) -> Vec<String>;

    /// The values shared between cells and languages.
    fn vars(&self) -> Vars;

    /// Records an executed input.
    async fn add_history(&self, line: i64, input: &str, output: Option<&str>);

    /// Answers a history request; an unreadable store gives an empty history.
    async fn history(&self, query: HistoryQuery) -> Vec<HistoryEntry>;

    /// Ends interpreters and releases what the session holds.
    async fn shutdown(&self);
}

/// What a client wants of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HistoryQuery {
    /// The newest inputs.
    Tail {
        /// How many.
        n: u32,
    },
    /// Inputs of one session.
    Range {
        /// 0 this one, positive absolute, negative counted back.
        session: i64,
        /// First line.
        start: i64,
        /// Line behind the last.
        stop: Option<i64>,
    },
    /// Inputs that match a glob.
    Search {
        /// The glob.
        pattern: String,
        /// How many at most.
        n: u32,
        /// Each text once.
        unique: bool,
    },
}
