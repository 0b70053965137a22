//! The hidden subcommand behind every session: both interpreters in a process that can be killed.

use aikit_runtime::scripts::worker;

use crate::compose::factories;

/// Serves scripts over standard input and output until the host goes away.
pub fn run() -> std::io::Result<()> {
    worker::serve(factories(), std::io::stdin(), std::io::stdout())
}
