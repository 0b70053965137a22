//! The command line as types.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::{commands, exit};

/// Agents as documents: checked, stored, run; in notebooks and on the command line.
#[derive(Debug, Parser)]
#[command(name = "aikit", version, propagate_version = true, after_help = exit::help(), max_term_width = 100)]
pub struct Argv {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command understands. Each has an environment variable; the flag wins.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The tenant to act for; by default that of the operating system's user, created on first use
    #[arg(long, global = true, value_name = "SLUG", env = "AIKIT_TENANT", hide_env_values = true)]
    pub tenant: Option<String>,
    /// The user to act as; by default the operating system's
    // Not `--user`: that is where `kernel install` puts things, as everywhere in Jupyter.
    #[arg(
        id = "acting_user",
        long = "as",
        global = true,
        value_name = "USER",
        env = "AIKIT_USER",
        hide_env_values = true
    )]
    pub user: Option<String>,
    /// The database; by default aikit.db in the user's data folder (or in AIKIT_HOME)
    #[arg(long, global = true, value_name = "FILE", env = "AIKIT_DB", hide_env_values = true)]
    pub db: Option<PathBuf>,
    /// Bounds of every run, as `usd=1,max_wall=30s`; a document can only make them tighter
    #[arg(long, global = true, value_name = "NAME=VALUE,…", env = "AIKIT_LIMITS", hide_env_values = true)]
    pub limits: Option<String>,
    /// How results are written; sarif and github are for commands that report on documents
    #[arg(long, global = true, value_enum, default_value_t, env = "AIKIT_FORMAT", hide_env_values = true)]
    pub format: Format,
    /// Colours in results for people
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Color,
}

/// Who reads the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// A person
    #[default]
    Human,
    /// A program
    Json,
    /// A code scanner: SARIF 2.1.0
    Sarif,
    /// GitHub Actions: annotations
    Github,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Every command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check documents and report everything that is wrong, with places and fixes
    Check(commands::check::Args),
    /// Print the long form of a document, with everything that it is made of
    Expand(commands::expand::Args),
    /// Say what is different between two versions of an agent, and whether callers notice
    Diff(commands::diff::Args),
    /// Begin an agent, and its tests, from a preset
    New(commands::new::Args),
    /// Replace accepted spellings by the canonical ones
    Migrate(commands::migrate::Args),
    /// Lay documents out in the one way; what they mean does not change
    Fmt(commands::fmt::Args),
    /// Run an agent, stored or from a file
    Run(commands::run::Args),
    /// Run the examples of documents and compare the results with the expected ones
    Test(commands::test::Args),
    /// List and show runs
    #[command(subcommand)]
    Runs(commands::runs::Command),
    /// Run a recorded run again without asking anybody, and say where it drifts
    Replay(commands::runs::Replay),
    /// Go on with a run whose process died
    Resume(commands::runs::Resume),
    /// Run a recorded run again with something changed, keeping what is the same
    Fork(commands::runs::Fork),
    /// Make a test of a run, with the answers of its models and tools beside it
    Fixture(commands::fixture::Args),
    /// Print the JSON Schema of a document kind
    Schema(commands::schema::Args),
    /// Show what holds here, and where each value comes from
    #[command(subcommand)]
    Config(commands::config::Command),
    /// Store, list and promote the tenant's agents
    #[command(subcommand)]
    Spec(commands::spec::Command),
    /// Create and list tenants
    #[command(subcommand)]
    Tenant(commands::tenant::Command),
    /// Install, list and start the Jupyter kernels
    #[command(subcommand)]
    Kernel(commands::kernel::Command),
    /// Serve an editor: the Language Server Protocol
    Lsp(commands::lsp::Args),
    /// Serve a debugger: the Debug Adapter Protocol
    Dap(commands::dap::Args),
    /// Run notebooks without Jupyter
    #[command(subcommand)]
    Notebook(commands::notebook::Command),
    /// Look at everything that aikit needs and say what is missing
    Doctor(commands::doctor::Args),
    /// Explain a diagnostic code; without one, list them all
    Explain(commands::explain::Args),
    /// Print a completion script for a shell
    Completions(commands::completions::Args),
    /// Serve the interpreters of a session
    #[command(name = crate::compose::WORKER, hide = true)]
    ScriptWorker,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Argv;

    #[test]
    fn the_command_line_is_consistent() {
        Argv::command().debug_assert();
    }
}
