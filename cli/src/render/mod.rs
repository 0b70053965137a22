//! Diagnostics for each kind of reader.

mod github;
mod human;
mod json;
mod sarif;

use crate::{argv::Format, source::Report};

/// Renders reports, each of them on one document.
pub fn reports(reports: &[Report], format: Format, color: bool) -> String {
    match format {
        Format::Human => human::render(reports, color),
        Format::Json => json::render(reports),
        Format::Sarif => sarif::render(reports),
        Format::Github => github::render(reports),
    }
}

/// A JSON value as programs get it: indented, with a line break at the end.
pub fn pretty(value: &impl serde::Serialize) -> String {
    // Only maps with keys that are no texts fail to serialise, and none of ours has such.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

/// `1 error`, `2 errors`.
pub fn counted(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}
