//! Diagnostics for a person at a terminal: each with its excerpt, then a line that sums up.

use aikit_core::{Severity, render};

use super::counted;
use crate::source::Report;

pub(super) fn render(reports: &[Report], color: bool) -> String {
    let mut out = String::new();
    for report in reports {
        for diagnostic in &report.diagnostics {
            let text = render::plain(diagnostic, &report.source.name, &report.source.text, &report.index);
            out.push_str(&if color { paint(&text, diagnostic.severity) } else { text });
            out.push('\n');
        }
    }
    let count =
        |severity| reports.iter().flat_map(|report| &report.diagnostics).filter(|d| d.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let notes = count(Severity::Information) + count(Severity::Hint);
    let mut parts = Vec::new();
    for (n, noun) in [(errors, "error"), (warnings, "warning"), (notes, "note")] {
        if n > 0 {
            parts.push(counted(n, noun));
        }
    }
    let summary = if parts.is_empty() { "no findings".to_owned() } else { parts.join(", ") };
    out.push_str(&format!("checked {}: {summary}\n", counted(reports.len(), "document")));
    out
}

const RESET: &str = "\x1b[0m";
const BOLD: &str = "\x1b[1m";
const BLUE: &str = "\x1b[1;34m";

fn hue(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "\x1b[1;31m",
        Severity::Warning => "\x1b[1;33m",
        Severity::Information => "\x1b[1;36m",
        Severity::Hint => "\x1b[1;32m",
    }
}

/// Colours the lines of [`render::plain`], which stay the one description of the layout.
fn paint(text: &str, severity: Severity) -> String {
    let hue = hue(severity);
    let mut out = String::new();
    for (i, line) in text.lines().enumerate() {
        if i == 0 {
            let (head, message) = line.split_once("]: ").unwrap_or((line, ""));
            out.push_str(&format!("{hue}{head}]{RESET}{BOLD}: {message}{RESET}\n"));
            continue;
        }
        let margin = line.find(['|', '=', '-', ':']).map_or(0, |at| at + 1);
        let (gutter, rest) = line.split_at(margin);
        let carets = !rest.trim().is_empty() && rest.trim().bytes().all(|b| b == b'^');
        let rest = if carets { format!("{hue}{rest}{RESET}") } else { rest.to_owned() };
        out.push_str(&format!("{BLUE}{gutter}{RESET}{rest}\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn painting_changes_nothing_but_colours() {
        let plain =
            "error[AK0103]: expected text\n  --> f.yaml:2:5\n  |\n2 | üb: [x, y]\n  |     ^^^^^^\n  = help: write\n";
        let painted = paint(plain, Severity::Error);
        assert!(painted.contains("\x1b[1;31m     ^^^^^^\x1b[0m"));
        let mut bare = painted;
        for code in [RESET, BOLD, BLUE, hue(Severity::Error)] {
            bare = bare.replace(code, "");
        }
        assert_eq!(bare, plain);
    }
}
