//! `aikit migrate`: documents in their canonical spelling.

use aikit_core::{Diagnostic, codes};
use aikit_spec::CheckContext;
use serde_json::json;

use super::Outcome;
use crate::{
    argv::Format,
    context::Context,
    exit::Exit,
    failure::Failure,
    render,
    source::{self, Source},
};

/// Arguments of `aikit migrate`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Documents, changed in place; `-` is from standard input to standard output
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<String>,
    /// Change nothing; say which documents would change, and end with 1 if there is one
    #[arg(long)]
    pub check: bool,
}

/// Accepted spellings that have a canonical one.
fn is_old(diagnostic: &Diagnostic) -> bool {
    diagnostic.code == codes::ALIAS_KEY
}

/// Replaces every accepted spelling by the canonical one.
pub fn run(context: &Context, args: &Args) -> Result<Outcome, Failure> {
    context.without_reports("migrate")?;
    let mut results = Vec::new();
    for file in &args.files {
        let source = Source::read(file);
        if let Some(diagnostic) = &source.unreadable {
            let exit = if source.missing { Exit::NotFound } else { Exit::Refused };
            return Err(Failure::new(exit, format!("{file}: {}", diagnostic.message)));
        }
        let (text, changes) = migrated(&source.text);
        if file == "-" && !args.check {
            return Ok(Outcome::ok(text));
        }
        if changes > 0 && !args.check {
            source::replace(file.as_ref(), text.as_bytes())
                .map_err(|error| Failure::new(Exit::Refused, format!("{file} cannot be written: {error}")))?;
        }
        results.push((file, changes));
    }
    let changed = results.iter().any(|(_, changes)| *changes > 0);
    let exit = if changed && args.check { Exit::Refused } else { Exit::Ok };
    let text = match context.format {
        Format::Json => render::pretty(
            &results.iter().map(|(file, changes)| json!({ "file": file, "changes": changes })).collect::<Vec<_>>(),
        ),
        _ => {
            let verb = if args.check { "would change" } else { "changed" };
            let line = |(file, changes): &(&String, usize)| match changes {
                0 => format!("{file} is canonical\n"),
                _ => format!("{verb} {} in {file}\n", render::counted(*changes, "place")),
            };
            results.iter().map(line).collect()
        }
    };
    Ok(Outcome { text, exit })
}

/// The text with every accepted spelling replaced, and how many there were.
fn migrated(text: &str) -> (String, usize) {
    let mut text = text.to_owned();
    let mut changes = 0;
    // Each round mends the first one, so that no two edits meet; each mended one is gone.
    loop {
        let checked = aikit_spec::check(&text, &CheckContext::default());
        let Some(fix) = checked.diagnostics.into_iter().filter(is_old).find_map(|found| found.fixes.into_iter().next())
        else {
            return (text, changes);
        };
        let mut edits = fix.edits;
        edits.sort_by_key(|edit| std::cmp::Reverse(edit.range));
        let before = text.clone();
        for edit in edits {
            text.replace_range(edit.range.start as usize..edit.range.end as usize, &edit.text);
        }
        if text == before {
            return (text, changes);
        }
        changes += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_spellings_become_canonical() {
        let old = "spec_version: 1.0.0\nid: a\nname: A\ntools:\n  - echo\nmodel: scripted/auto\n";
        let (text, changes) = migrated(old);
        let checked = aikit_spec::check(&text, &CheckContext::default());
        assert!(checked.diagnostics.iter().all(|found| !is_old(found)), "{text}\n{:?}", checked.diagnostics);
        assert!(checked.plan.is_some(), "{text}");
        assert_eq!(changes, 5);
        assert_eq!(migrated(&text), (text.clone(), 0));
    }
}
