//! `aikit check`.

use aikit_core::LineIndex;
use aikit_runtime::{engine, ports::Scripts};
use aikit_spec::CheckContext;

use super::Outcome;
use crate::{
    compose,
    context::Context,
    exit::Exit,
    failure::Failure,
    files, render,
    source::{self, Report, Source},
};

/// Arguments of `aikit check`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Documents, folders of documents, or patterns such as `agents/**/*.yaml`; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<String>,
    /// Check documents with this overlay laid over them
    #[arg(long, value_name = "NAME|FILE")]
    pub env: Option<String>,
}

/// Checks every document; one that cannot be read does not hide what the others say.
pub async fn run(context: &Context, args: Args) -> Result<Outcome, Failure> {
    if args.files.iter().filter(|file| *file == "-").count() > 1 {
        return Err(Failure::usage("standard input can be read only once"));
    }
    let surroundings = context.check_context().await?;
    let parsers = compose::parsers();
    let mut reports = Vec::new();
    for file in &source::documents(&args.files)? {
        let surroundings = CheckContext { around: files::beside(file, args.env.clone()), ..surroundings.clone() };
        reports.push(report(Source::read(file), &surroundings, &parsers).await);
    }
    let exit = if reports.iter().any(|report| report.source.missing) {
        Exit::NotFound
    } else if reports.iter().any(Report::has_errors) {
        Exit::Refused
    } else {
        Exit::Ok
    };
    Ok(Outcome { text: render::reports(&reports, context.format, context.color), exit })
}

/// What is to be said about one document.
async fn report(source: Source, surroundings: &CheckContext, parsers: &dyn Scripts) -> Report {
    let diagnostics = match &source.unreadable {
        Some(diagnostic) => vec![diagnostic.clone()],
        None => engine::check(&source.text, surroundings, parsers).await.diagnostics,
    };
    Report { index: LineIndex::new(&source.text), source, diagnostics }
}
