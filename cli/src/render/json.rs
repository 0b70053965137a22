//! Diagnostics for a program: one array; lines and columns from 1, columns in code points, ends exclusive.

use aikit_core::{Diagnostic, TextRange};
use serde_json::{Value, json};

use super::pretty;
use crate::source::Report;

pub(super) fn render(reports: &[Report]) -> String {
    let all: Vec<Value> = reports
        .iter()
        .flat_map(|report| report.diagnostics.iter().map(|diagnostic| entry(report, diagnostic)))
        .collect();
    pretty(&all)
}

fn entry(report: &Report, diagnostic: &Diagnostic) -> Value {
    let file = &report.source.name;
    let related: Vec<Value> = diagnostic
        .related
        .iter()
        .map(|related| json!({ "file": file, "message": related.message, "range": range(report, related.range) }))
        .collect();
    let fixes: Vec<Value> = diagnostic
        .fixes
        .iter()
        .map(|fix| {
            let edits: Vec<Value> =
                fix.edits.iter().map(|edit| json!({ "range": range(report, edit.range), "text": edit.text })).collect();
            json!({ "title": fix.title, "edits": edits })
        })
        .collect();
    json!({
        "file": file,
        "code": diagnostic.code.to_string(),
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        "help": diagnostic.help,
        "range": range(report, diagnostic.range),
        "related": related,
        "fixes": fixes,
    })
}

fn range(report: &Report, range: TextRange) -> Value {
    let place = |offset: u32| {
        let at = report.index.position(&report.source.text, offset as usize);
        json!({ "line": at.line + 1, "column": at.column + 1 })
    };
    json!({ "start": place(range.start), "end": place(range.end) })
}
