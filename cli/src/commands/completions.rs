//! `aikit completions`.

use clap::CommandFactory;
use clap_complete::Shell;

use super::Outcome;
use crate::argv::Argv;

/// Arguments of `aikit completions`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// The script, for the shell to evaluate.
pub fn run(args: &Args) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Argv::command(), "aikit", &mut script);
    Outcome::ok(String::from_utf8_lossy(&script))
}
