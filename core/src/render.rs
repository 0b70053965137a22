//! Plain text for people. Diagnostics: the message, the place, the line with the culprit underlined, help and fixes.
//! Tables: columns that line up.

use std::fmt::Write;

use crate::{Diagnostic, LineIndex, Severity, TextRange};

/// Longest excerpt of a source line, in characters.
const MAX_LINE: usize = 160;

impl Severity {
    /// The word that people read.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Information => "info",
            Severity::Hint => "hint",
        }
    }
}

/// Renders a diagnostic for a terminal or a traceback, without colour:
///
/// ```text
/// error[AK0101]: unknown key `promts`
///   --> Cell 2:4:3
///   |
/// 4 |   promts: {}
///   |   ^^^^^^
///   = help: did you mean `prompts`?
/// ```
pub fn plain(diagnostic: &Diagnostic, name: &str, source: &str, index: &LineIndex) -> String {
    let mut out = format!("{}[{}]: {}\n", diagnostic.severity.as_str(), diagnostic.code, diagnostic.message);
    place(diagnostic.range, "-->", name, source, index, &mut out);
    if let Some(help) = &diagnostic.help {
        let _ = writeln!(out, "  = help: {help}");
    }
    for related in &diagnostic.related {
        let _ = writeln!(out, "  = {}", related.message);
        place(related.range, ":::", name, source, index, &mut out);
    }
    for fix in &diagnostic.fixes {
        let _ = writeln!(out, "  = fix: {}", fix.title);
    }
    out
}

fn place(range: TextRange, arrow: &str, name: &str, source: &str, index: &LineIndex, out: &mut String) {
    let start = index.position(source, range.start as usize);
    let number = (start.line + 1).to_string();
    let pad = " ".repeat(number.len());
    let _ = writeln!(out, "{pad} {arrow} {name}:{}:{}", number, start.column + 1);
    let Some(line) = index.line_range(start.line) else { return };
    let text = line.slice(source).trim_end_matches(['\n', '\r']);
    if text.is_empty() {
        return;
    }
    let column = start.column as usize;
    let marked = range.slice(source).lines().next().map_or(0, |first| first.chars().count()).max(1);
    // A long line is shown around the culprit.
    let skip = if column + marked.min(40) > MAX_LINE { column.saturating_sub(MAX_LINE / 2) } else { 0 };
    let shown: String =
        text.chars().skip(skip).take(MAX_LINE).map(|c| if c == '\t' || c.is_control() { ' ' } else { c }).collect();
    let carets = marked.min(shown.chars().count().saturating_sub(column - skip).max(1));
    let _ = writeln!(out, "{pad} |\n{number} | {shown}\n{pad} | {}{}", " ".repeat(column - skip), "^".repeat(carets));
}

/// Columns that line up, one row per line; no line break at the end. Control characters are shown as spaces.
pub fn table(headers: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([headers[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headers.len()).map(width).collect();
    let mut out = String::new();
    let mut line = |cells: Vec<&str>| {
        let padded: Vec<String> = cells
            .iter()
            .zip(&widths)
            .map(|(cell, w)| format!("{:<w$}", cell.replace(|c: char| c.is_control(), " ")))
            .collect();
        let _ = writeln!(out, "{}", padded.join("  ").trim_end());
    };
    line(headers.to_vec());
    for row in rows {
        line(row.iter().map(String::as_str).collect());
    }
    out.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes;

    #[test]
    fn the_culprit_is_underlined_in_characters_not_bytes() {
        let source = "a: 1\nüb: [x, y]\n";
        let at = source.find("[x").unwrap();
        let diagnostic = Diagnostic::new(codes::WRONG_TYPE, TextRange::new(at, at + 6), "expected text")
            .with_help("write a text")
            .with_related(TextRange::new(0, 1), "first here");
        assert_eq!(
            plain(&diagnostic, "f.yaml", source, &LineIndex::new(source)),
            "error[AK0103]: expected text\n  --> f.yaml:2:5\n  |\n2 | üb: [x, y]\n  |     ^^^^^^\n  = help: write a text\n  \
             = first here\n  ::: f.yaml:1:1\n  |\n1 | a: 1\n  | ^\n"
        );
    }

    #[test]
    fn columns_line_up() {
        let rows = [vec!["ä".to_owned(), "1".to_owned()], vec!["long\nname".to_owned(), "22".to_owned()]];
        assert_eq!(table(&["agent", "n"], &rows), "agent      n\nä          1\nlong name  22");
        assert_eq!(table(&["agent"], &[]), "agent");
    }

    #[test]
    fn any_range_renders() {
        for source in ["", "\n", "é\t\u{0}", &"x".repeat(5000)] {
            let index = LineIndex::new(source);
            for (a, b) in [(0, 0), (0, 9999), (4000, 4500), (9999, 9999)] {
                let diagnostic = Diagnostic::new(codes::YAML_SYNTAX, TextRange::new(a, b), "m");
                assert!(plain(&diagnostic, "f", source, &index).starts_with("error[AK0001]: m\n"));
            }
        }
    }
}
