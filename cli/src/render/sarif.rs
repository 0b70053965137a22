//! Diagnostics as SARIF 2.1.0, for code scanners.

use std::collections::BTreeMap;

use aikit_core::{Diagnostic, DiagnosticCode, Severity, TextRange};
use serde_json::{Value, json};

use super::pretty;
use crate::source::Report;

pub(super) fn render(reports: &[Report]) -> String {
    let codes = reports.iter().flat_map(|report| &report.diagnostics).map(|diagnostic| diagnostic.code);
    let mut rules: BTreeMap<DiagnosticCode, usize> = codes.map(|code| (code, 0)).collect();
    for (at, index) in rules.values_mut().enumerate() {
        *index = at;
    }
    let descriptions: Vec<Value> = rules
        .keys()
        .map(|code| {
            json!({
                "id": code.to_string(),
                "shortDescription": { "text": code.summary() },
                "defaultConfiguration": { "level": level(code.severity()) },
            })
        })
        .collect();
    let results: Vec<Value> = reports
        .iter()
        .flat_map(|report| report.diagnostics.iter().map(|diagnostic| result(report, diagnostic, &rules)))
        .collect();
    pretty(&json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "aikit", "version": env!("CARGO_PKG_VERSION"), "rules": descriptions } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    }))
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Information | Severity::Hint => "note",
    }
}

fn result(report: &Report, diagnostic: &Diagnostic, rules: &BTreeMap<DiagnosticCode, usize>) -> Value {
    let text = match &diagnostic.help {
        Some(help) => format!("{}\nhelp: {help}", diagnostic.message),
        None => diagnostic.message.clone(),
    };
    let mut result = json!({
        "ruleId": diagnostic.code.to_string(),
        "ruleIndex": rules.get(&diagnostic.code),
        "level": level(diagnostic.severity),
        "message": { "text": text },
        "locations": [location(report, diagnostic.range)],
    });
    if !diagnostic.related.is_empty() {
        let related = diagnostic.related.iter().map(|related| {
            let mut location = location(report, related.range);
            location["message"] = json!({ "text": related.message });
            location
        });
        result["relatedLocations"] = related.collect();
    }
    if !diagnostic.fixes.is_empty() {
        let fixes = diagnostic.fixes.iter().map(|fix| {
            let replacements: Vec<Value> = fix
                .edits
                .iter()
                .map(|edit| {
                    json!({ "deletedRegion": region(report, edit.range), "insertedContent": { "text": edit.text } })
                })
                .collect();
            json!({
                "description": { "text": fix.title },
                "artifactChanges": [
                    { "artifactLocation": { "uri": uri(&report.source.name) }, "replacements": replacements }
                ],
            })
        });
        result["fixes"] = fixes.collect();
    }
    result
}

fn location(report: &Report, range: TextRange) -> Value {
    let physical = json!({ "artifactLocation": { "uri": uri(&report.source.name) }, "region": region(report, range) });
    json!({ "physicalLocation": physical })
}

fn region(report: &Report, range: TextRange) -> Value {
    let place = |offset: u32| report.index.position(&report.source.text, offset as usize);
    let (start, end) = (place(range.start), place(range.end));
    json!({
        "startLine": start.line + 1,
        "startColumn": start.column + 1,
        "endLine": end.line + 1,
        "endColumn": end.column + 1,
    })
}

/// A path as a URI reference: `/` between the parts, everything unusual as `%XX`.
fn uri(path: &str) -> String {
    let mut out = String::new();
    for byte in path.replace('\\', "/").bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => out.push(byte as char),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::uri;

    #[test]
    fn paths_become_references() {
        assert_eq!(uri("a b/ü.yaml"), "a%20b/%C3%BC.yaml");
        assert_eq!(uri("<stdin>"), "%3Cstdin%3E");
    }
}
