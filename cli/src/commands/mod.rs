//! One file per command: its arguments, and what it does.

pub mod check;
pub mod completions;
pub mod dap;
pub mod doctor;
pub mod explain;
pub mod kernel;
pub mod lsp;
pub mod notebook;
pub mod run;
pub mod runs;
pub mod schema;
pub mod spec;
pub mod tenant;
pub mod worker;

use crate::exit::Exit;

/// What a command that came to its end gives back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// For standard output.
    pub text: String,
    /// How the process ends.
    pub exit: Exit,
}

impl Outcome {
    /// All is well.
    pub fn ok(text: impl Into<String>) -> Self {
        Self { text: text.into(), exit: Exit::Ok }
    }
}
