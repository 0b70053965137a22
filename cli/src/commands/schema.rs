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
    /// Print the reference for readers instead, as Markdown
    #[arg(long)]
    pub reference: bool,
}

/// Document kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Kind {
    /// An agent
    #[default]
    Agent,
    /// Agents that work together
    Application,
    /// Cases that an agent is tried with
    TestSuite,
    /// Parts that documents import
    Library,
    /// What is different in an environment
    Overlay,
    /// What agents begin with
    Preset,
}

/// Prints the schema; it is JSON in every format.
pub fn run(context: &Context, args: &Args) -> Result<Outcome, Failure> {
    use aikit_spec::schema;
    context.without_reports("schema")?;
    let kind = match args.kind {
        Kind::Agent => schema::Kind::Agent,
        Kind::Application => schema::Kind::Application,
        Kind::TestSuite => schema::Kind::TestSuite,
        Kind::Library => schema::Kind::Library,
        Kind::Overlay => schema::Kind::Overlay,
        Kind::Preset => schema::Kind::Preset,
    };
    Ok(Outcome::ok(if args.reference { schema::reference(kind) } else { schema::document_schema_json(kind) }))
}
