//! The hidden subcommand behind every session: both interpreters in a process that can be killed.

use std::process::ExitCode;

use aikit_runtime::scripts::worker;

use crate::compose::factories;

/// Serves scripts over standard input and output until the host goes away.
pub fn run() -> ExitCode {
    match worker::serve(factories(), std::io::stdin(), std::io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the script worker cannot start");
            ExitCode::FAILURE
        }
    }
}
