//! `aikit fmt`.

use aikit_core::LineIndex;
use serde_json::json;

use super::Outcome;
use crate::{
    argv::Format,
    context::Context,
    exit::Exit,
    failure::Failure,
    render,
    source::{self, Report, Source},
};

/// Arguments of `aikit fmt`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Documents, changed in place; `-` is from standard input to standard output
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<String>,
    /// Change nothing; say which documents would change, and end with 1 if there is one
    #[arg(long)]
    pub check: bool,
}

/// What became of a document.
enum Fate {
    /// The text was laid out anew.
    Changed(String),
    Unchanged,
    /// It cannot be read: it stays as it is.
    Broken(Report),
}

/// Lays every document out; one that is broken stays as it is and does not hinder the others.
pub fn run(context: &Context, args: &Args) -> Result<Outcome, Failure> {
    context.without_reports("fmt")?;
    match args.files.as_slice() {
        [only] if only == "-" && !args.check => return piped(context),
        files if files.iter().any(|file| file == "-") && files.len() > 1 => {
            return Err(Failure::usage("standard input is laid out alone, without other documents"));
        }
        _ => {}
    }
    let mut fates = Vec::new();
    let mut exit = Exit::Ok;
    for file in &args.files {
        let source = Source::read(file);
        let (name, missing) = (source.name.clone(), source.missing);
        let fate = fate(source);
        exit = match &fate {
            Fate::Broken(_) if missing => Exit::NotFound,
            Fate::Broken(_) if exit == Exit::Ok => Exit::Refused,
            Fate::Changed(_) if args.check && exit == Exit::Ok => Exit::Refused,
            Fate::Changed(text) if !args.check => {
                source::replace(file.as_ref(), text.as_bytes())
                    .map_err(|error| Failure::new(Exit::Refused, format!("{file} cannot be written: {error}")))?;
                exit
            }
            _ => exit,
        };
        fates.push((name, fate));
    }
    Ok(Outcome { text: told(&fates, args.check, context), exit })
}

/// From standard input to standard output: who pipes a document through gets one back, changed or not.
fn piped(context: &Context) -> Result<Outcome, Failure> {
    let source = Source::read("-");
    let text = source.text.clone();
    match fate(source) {
        Fate::Changed(text) => Ok(Outcome::ok(text)),
        Fate::Unchanged => Ok(Outcome::ok(text)),
        Fate::Broken(report) => {
            Err(Failure::reported(Exit::Refused, render::reports(&[report], context.format, context.color)))
        }
    }
}

fn fate(source: Source) -> Fate {
    let index = LineIndex::new(&source.text);
    if let Some(diagnostic) = source.unreadable.clone() {
        return Fate::Broken(Report { index, source, diagnostics: vec![diagnostic] });
    }
    let tree = aikit_yaml::SyntaxTree::parse(&source.text);
    if !tree.problems().is_empty() {
        let diagnostics = tree.problems().iter().map(|problem| problem.diagnostic(&source.text)).collect();
        return Fate::Broken(Report { index, source, diagnostics });
    }
    match aikit_yaml::format(&source.text) {
        Some(text) if text != source.text => Fate::Changed(text),
        _ => Fate::Unchanged,
    }
}

fn told(fates: &[(String, Fate)], check: bool, context: &Context) -> String {
    if context.format == Format::Json {
        let documents = fates.iter().map(|(name, fate)| {
            let fate = match fate {
                Fate::Changed(_) => "changed",
                Fate::Unchanged => "unchanged",
                Fate::Broken(_) => "broken",
            };
            json!({ "file": name, "result": fate })
        });
        return render::pretty(&documents.collect::<Vec<_>>());
    }
    let mut out = String::new();
    let mut changed = 0;
    for (name, fate) in fates {
        match fate {
            Fate::Changed(_) => {
                changed += 1;
                out.push_str(&format!("{} {name}\n", if check { "would change" } else { "changed" }));
            }
            Fate::Broken(report) => {
                for diagnostic in &report.diagnostics {
                    let text =
                        aikit_core::render::plain(diagnostic, &report.source.name, &report.source.text, &report.index);
                    out.push_str(&text);
                    out.push('\n');
                }
            }
            Fate::Unchanged => {}
        }
    }
    let broken = fates.iter().filter(|(_, fate)| matches!(fate, Fate::Broken(_))).count();
    let rest = fates.len() - changed - broken;
    out.push_str(&format!("{changed} {}, {rest} unchanged", if check { "would change" } else { "changed" }));
    if broken > 0 {
        out.push_str(&format!(", {broken} left alone because of errors"));
    }
    out.push('\n');
    out
}
