//! `aikit schema`.

use clap::ValueEnum;

use super::Outcome;
use crate::{context::Context, failure::Failure};

/// Arguments of `aikit schema`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The document kind
    #[arg(value_enum, default_value_t)]
    pub kind: Kind,
}

/// Document kinds that have a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Kind {
    /// An agent
    #[default]
    Agent,
}

/// Prints the schema; it is JSON in every format.
pub fn run(context: &Context, args: &Args) -> Result<Outcome, Failure> {
    context.without_reports("schema")?;
    Ok(Outcome::ok(match args.kind {
        Kind::Agent => aikit_spec::schema::agent_schema_json(),
    }))
}
