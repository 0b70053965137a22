//! `aikit explain`.

use aikit_core::{DiagnosticCode, Severity, codes::TABLE, render::table};
use aikit_spec::roots::nearest;
use serde_json::{Value, json};

use super::Outcome;
use crate::{argv::Format, context::Context, exit::Exit, failure::Failure, render};

include!(concat!(env!("OUT_DIR"), "/explanations.rs"));

/// Arguments of `aikit explain`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A code, for example AK0101
    pub code: Option<String>,
}

/// Explains one code, or lists all.
pub fn run(context: &Context, args: &Args) -> Result<Outcome, Failure> {
    context.without_reports("explain")?;
    let Some(given) = &args.code else { return Ok(Outcome::ok(list(context.format))) };
    let code: DiagnosticCode = given.parse().map_err(|_| unknown(given))?;
    let (severity, summary) = (code.severity(), code.summary());
    if context.format == Format::Json {
        let mut entry = entry(code, severity, summary);
        entry["page"] = page(code).into();
        return Ok(Outcome::ok(render::pretty(&entry)));
    }
    let effect = match severity {
        Severity::Error => "The document is refused.",
        Severity::Warning => "The document is accepted; this is very likely not meant.",
        Severity::Information => "The document is accepted; this is worth knowing.",
        Severity::Hint => "The document is accepted; this is a suggestion.",
    };
    // The page begins with the code and the meaning, which stand here already.
    let page = page(code).and_then(|page| page.split_once(summary)).map_or("", |(_, rest)| rest.trim_start());
    Ok(Outcome::ok(format!("{code} ({}, {})\n\n{summary}\n{effect}\n\n{page}", severity.as_str(), area(code))))
}

/// The page of a code.
fn page(code: DiagnosticCode) -> Option<&'static str> {
    let code = code.to_string();
    PAGES.iter().find(|(name, _)| *name == code).map(|(_, page)| *page)
}

fn list(format: Format) -> String {
    if format == Format::Json {
        let all: Vec<Value> = TABLE.iter().map(|(code, severity, summary)| entry(*code, *severity, summary)).collect();
        return render::pretty(&all);
    }
    let rows: Vec<Vec<String>> = TABLE
        .iter()
        .map(|(code, severity, summary)| vec![code.to_string(), severity.as_str().to_owned(), (*summary).to_owned()])
        .collect();
    table(&["code", "severity", "meaning"], &rows) + "\n"
}

fn entry(code: DiagnosticCode, severity: Severity, summary: &str) -> Value {
    json!({ "code": code.to_string(), "severity": severity, "area": area(code), "summary": summary })
}

/// What the first digits of a code stand for.
fn area(code: DiagnosticCode) -> &'static str {
    match code.to_string().get(2..4).unwrap_or_default() {
        "00" => "YAML",
        "01" => "structure",
        "02" => "references",
        "03" => "templates and expressions",
        "04" => "data flow",
        "05" => "policy",
        "06" => "control flow",
        "07" => "embedded code",
        "08" => "declared, not executed",
        _ => "cells, magics and commands",
    }
}

fn unknown(given: &str) -> Failure {
    let shown: String = given.chars().take(40).collect();
    let names: Vec<String> = TABLE.iter().map(|(code, ..)| code.to_string()).collect();
    Failure::new(Exit::NotFound, format!("`{shown}` is not a diagnostic code")).with_help(
        match nearest(given, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean {near}? `aikit explain` lists them all"),
            None => "`aikit explain` lists them all".to_owned(),
        },
    )
}
