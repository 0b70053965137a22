//! Why a command ended early, for people and for programs.

use aikit_core::{ErrorKind, RunError, codes, record::StoreError};
use serde_json::json;

use crate::{argv::Format, exit::Exit};

/// What ends a command: a sentence, what would help, and the exit code.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// How the process ends.
    pub exit: Exit,
    /// The stable code, where there is one.
    pub code: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What would put it right.
    pub help: Option<String>,
    /// A report that says all of it already, in the format that was asked for.
    pub report: Option<String>,
}

impl Failure {
    /// A failure without code and help.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, code: None, message: message.into(), help: None, report: None }
    }

    /// The command line makes no sense.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Findings on documents, rendered.
    pub fn reported(exit: Exit, report: String) -> Self {
        Self { report: Some(report), ..Self::new(exit, "the document has errors") }
    }

    /// Adds the stable code.
    pub fn with_code(mut self, code: impl ToString) -> Self {
        self.code = Some(code.to_string());
        self
    }

    /// Says what would help.
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// As standard error shows it.
    pub fn render(&self, format: Format) -> String {
        if let Some(report) = &self.report {
            return report.clone();
        }
        if format == Format::Json {
            let error = json!({ "error": { "code": self.code, "message": self.message, "help": self.help } });
            return format!("{error}\n");
        }
        let code = self.code.as_ref().map(|code| format!("[{code}]")).unwrap_or_default();
        let help = self.help.as_ref().map(|help| format!("  = help: {help}\n")).unwrap_or_default();
        format!("error{code}: {}\n{help}", self.message)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        match error {
            StoreError::NotFound { what, .. } => {
                let code = match what {
                    "tenant" => Some(codes::UNKNOWN_TENANT),
                    "agent" | "version" => Some(codes::UNKNOWN_AGENT),
                    "run" => Some(codes::UNKNOWN_RUN),
                    _ => None,
                };
                let failure = Self::new(Exit::NotFound, message);
                match code {
                    Some(code) => failure.with_code(code),
                    None => failure,
                }
            }
            StoreError::Conflict(_) => Self::new(Exit::Refused, message).with_code(codes::VERSION_CONFLICT),
            StoreError::Immutable { .. } => Self::new(Exit::Refused, message).with_code(codes::VERSION_IMMUTABLE),
            StoreError::Busy(_) => Self::new(Exit::Store, message)
                .with_code(codes::STORE_UNAVAILABLE)
                .with_help("wait until the other program is done, or choose another file with --db"),
            StoreError::Full(_) => Self::new(Exit::Store, message)
                .with_code(codes::STORE_UNAVAILABLE)
                .with_help("make room on the disk; nothing that was stored before is lost"),
            StoreError::Unusable(_) => Self::new(Exit::Store, message)
                .with_code(codes::STORE_UNAVAILABLE)
                .with_help("choose another file with --db, or restore this one from a backup"),
            StoreError::Failed(_) => Self::new(Exit::Store, message).with_code(codes::STORE_UNAVAILABLE),
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        let exit = match error.kind {
            ErrorKind::ValidationInput | ErrorKind::SpecInvalid => Exit::Refused,
            ErrorKind::AgentNotFound => Exit::NotFound,
            ErrorKind::StoreFailed => Exit::Store,
            ErrorKind::Cancelled => Exit::Interrupted,
            ErrorKind::Internal => Exit::Internal,
            _ => Exit::RunFailed,
        };
        let places: String =
            error.trace.iter().map(|place| format!("\n  at {}, line {}", place.source, place.line)).collect();
        let failure = Self::new(exit, format!("{}{places}", error.message)).with_code(error.kind);
        match error.help {
            Some(help) => failure.with_help(help),
            None => failure,
        }
    }
}
