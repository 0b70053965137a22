//! One file per command: its arguments, and what it does.

pub mod check;
pub mod completions;
pub mod config;
pub mod dap;
pub mod diff;
pub mod doctor;
pub mod expand;
pub mod explain;
pub mod fixture;
pub mod fmt;
pub mod kernel;
pub mod lsp;
pub mod migrate;
pub mod new;
pub mod notebook;
pub mod run;
pub mod runs;
pub mod schema;
pub mod spec;
pub mod tape;
pub mod tenant;
pub mod test;
pub mod worker;

use std::path::PathBuf;

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

/// How a server and its client come together; standard input and output unless something else is said.
#[derive(Debug, clap::Args)]
pub struct Wire {
    /// Speak over standard input and output (the default)
    #[arg(long)]
    pub stdio: bool,
    /// Wait for one client on this port of the loopback address
    #[arg(long, value_name = "PORT", conflicts_with = "stdio")]
    pub port: Option<u16>,
    /// Connect to the client that waits on this port of the loopback address
    #[arg(long, value_name = "PORT", conflicts_with_all = ["stdio", "port"])]
    pub socket: Option<u16>,
    /// Connect to the client that waits on this Unix socket
    #[arg(long, value_name = "PATH", conflicts_with_all = ["stdio", "port", "socket"])]
    pub pipe: Option<PathBuf>,
}

impl Wire {
    /// Waits for the client, or goes to it.
    async fn meet(self) -> Result<(Input, Output), Failure> {
        let (meeting, place) = match (self.port, self.socket, self.pipe) {
            (Some(port), ..) => (Meeting::Port(port), format!("port {port}")),
            (_, Some(port), _) => (Meeting::Socket(port), format!("port {port}")),
            (.., Some(path)) => {
                let place = path.display().to_string();
                (Meeting::Pipe(path), place)
            }
            _ => (Meeting::Stdio, "standard input".to_owned()),
        };
        meeting.client().await.map_err(|error| {
            Failure::new(Exit::Refused, format!("{place} cannot be used: {error}"))
                .with_help("choose another one; the client must be on this machine")
        })
    }
}
