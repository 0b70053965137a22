//! One file per command: its arguments, and what it does.

pub mod check;
pub mod completions;
pub mod dap;
pub mod doctor;
pub mod explain;
pub mod fmt;
pub mod kernel;
pub mod lsp;
pub mod notebook;
pub mod run;
pub mod runs;
pub mod schema;
pub mod spec;
pub mod tenant;
pub mod worker;

use aikit_transport::{Input, Meeting, Output};

use crate::{exit::Exit, failure::Failure};

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

/// Waits for the client of a server: on a port, or on the standard streams.
async fn meet(port: Option<u16>) -> Result<(Input, Output), Failure> {
    let meeting = port.map_or(Meeting::Stdio, Meeting::Port);
    meeting.client().await.map_err(|error| {
        let port = port.unwrap_or_default();
        Failure::new(Exit::Refused, format!("port {port} cannot be used: {error}"))
            .with_help("choose another one; the client must be on this machine")
    })
}
