//! `aikit diff`: what is different between two versions of an agent, and who notices.

use aikit_spec::{
    compose,
    diff::{Change, Effect, What, diff},
};
use serde_json::json;

use super::Outcome;
use crate::{argv::Format, context::Context, exit::Exit, failure::Failure, files, render, source::Source};

/// Arguments of `aikit diff`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The document as it was
    #[arg(value_name = "OLD")]
    pub old: String,
    /// The document as it is
    #[arg(value_name = "NEW")]
    pub new: String,
    /// Lay this overlay over both
    #[arg(long, value_name = "NAME|FILE")]
    pub env: Option<String>,
    /// End with 1 if something breaks callers
    #[arg(long)]
    pub fail_on_breaking: bool,
}

/// Compares two documents by what they mean.
pub fn run(context: &Context, args: &Args) -> Result<Outcome, Failure> {
    context.without_reports("diff")?;
    let read = |file: &str| {
        let source = Source::read(file);
        if let Some(diagnostic) = &source.unreadable {
            let exit = if source.missing { Exit::NotFound } else { Exit::Refused };
            return Err(Failure::new(exit, format!("{file}: {}", diagnostic.message)));
        }
        compose::document(&source.text, &files::beside(file, args.env.clone())).ok_or_else(|| {
            Failure::new(Exit::Refused, format!("{file} is no document"))
                .with_help(format!("`aikit check {file}` says why"))
        })
    };
    let changes = diff(&read(&args.old)?, &read(&args.new)?);
    let breaks = changes.iter().any(|change| change.effect == Effect::Breaking);
    let exit = if breaks && args.fail_on_breaking { Exit::Refused } else { Exit::Ok };
    let text = match context.format {
        Format::Json => render::pretty(&json!({ "breaking": breaks, "changes": changes })),
        _ => told(&changes, args),
    };
    Ok(Outcome { text, exit })
}

fn told(changes: &[Change], args: &Args) -> String {
    if changes.is_empty() {
        return "no difference\n".to_owned();
    }
    let mut text = String::new();
    let mut last = None;
    for change in changes {
        if last.replace(change.effect) != Some(change.effect) {
            text.push_str(match change.effect {
                Effect::Breaking => "callers notice:\n",
                Effect::Behavior => "what the agent does:\n",
                Effect::Documentation => "for readers:\n",
            });
        }
        let file = if change.what == What::Removed { &args.old } else { &args.new };
        let shown = |value: &Option<serde_json::Value>| {
            let text = value.as_ref().map(ToString::to_string).unwrap_or_default();
            if text.chars().count() > 60 { format!("{}…", text.chars().take(59).collect::<String>()) } else { text }
        };
        let values = match change.what {
            What::Added => shown(&change.new),
            What::Removed => shown(&change.old),
            What::Changed => format!("{} → {}", shown(&change.old), shown(&change.new)),
        };
        text.push_str(&format!("  {} {}: {values}  ({file}:{})\n", change.what, change.path, change.line));
        if let Some(reason) = &change.reason {
            text.push_str(&format!("    {reason}\n"));
        }
    }
    text
}
