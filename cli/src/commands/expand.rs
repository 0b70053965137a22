//! `aikit expand`: the long form of a document, with everything that it is made of.

use aikit_spec::short;
use aikit_yaml::{Node, NodeKind, Segment};
use serde_json::json;

use super::{
    Outcome,
    run::{composed, refused},
};
use crate::{argv::Format, context::Context, exit::Exit, failure::Failure, render};

/// Arguments of `aikit expand`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The document; `-` is standard input
    #[arg(value_name = "FILE")]
    pub file: String,
    /// Lay this overlay of the document over it, or the document of kind Overlay in this file
    #[arg(long, value_name = "NAME|FILE")]
    pub env: Option<String>,
    /// Say behind every value where it comes from
    #[arg(long)]
    pub origin: bool,
    /// The other way: print the short form, where the document fits in it
    #[arg(long, conflicts_with = "origin")]
    pub short: bool,
}

/// Prints the long form; what hinders it is a finding like any other.
pub fn run(context: &Context, args: &Args) -> Result<Outcome, Failure> {
    context.without_reports("expand")?;
    let (source, composed) = composed(context, &args.file, args.env.clone())?;
    if composed.diagnostics.iter().any(aikit_core::Diagnostic::is_error) {
        let diagnostics = composed.diagnostics;
        return Err(refused(context, Exit::Refused, source, diagnostics));
    }
    if args.short {
        let Some(folded) = short::fold(&composed.root) else {
            return Err(Failure::new(Exit::Refused, format!("{} does not fit in the short form", args.file))
                .with_help(
                    "it says something that the short form has no words for; `aikit expand` prints the long one",
                ));
        };
        return Ok(Outcome::ok(aikit_yaml::emit(&folded)));
    }
    if !args.origin {
        return Ok(Outcome::ok(match context.format {
            Format::Json => render::pretty(&composed.root.to_json()),
            _ => aikit_yaml::emit(&composed.root),
        }));
    }
    let mut leaves = Vec::new();
    collect(&composed.root, &mut Vec::new(), &mut leaves);
    let values = leaves.iter().map(|(path, node)| {
        let origin = composed.origin(path);
        (aikit_yaml::Path(path.clone()).to_string(), node.to_json(), origin)
    });
    if context.format == Format::Json {
        let values: Vec<_> = values
            .map(|(path, value, origin)| {
                let origin = origin.map(|origin| json!({ "layer": origin.layer, "line": origin.line }));
                json!({ "path": path, "value": value, "origin": origin })
            })
            .collect();
        return Ok(Outcome::ok(render::pretty(&values)));
    }
    let mut text = String::new();
    for (path, value, origin) in values {
        let origin =
            origin.map_or_else(|| "this document".to_owned(), |origin| format!("{}:{}", origin.layer, origin.line));
        text.push_str(&format!("{path}: {value}  # {origin}\n"));
    }
    Ok(Outcome::ok(text))
}

/// Every value that holds no others, with its way.
fn collect<'n>(node: &'n Node, path: &mut Vec<Segment>, into: &mut Vec<(Vec<Segment>, &'n Node)>) {
    match &node.kind {
        NodeKind::Mapping(entries) if !entries.is_empty() => {
            for entry in entries {
                path.push(Segment::Key(entry.name().to_owned()));
                collect(&entry.value, path, into);
                path.pop();
            }
        }
        NodeKind::Sequence(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                path.push(Segment::Index(index));
                collect(item, path, into);
                path.pop();
            }
        }
        _ => into.push((path.clone(), node)),
    }
}
