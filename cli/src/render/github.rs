//! Diagnostics as workflow commands, which GitHub shows beside the lines of a change.

use std::fmt::Write;

use aikit_core::Severity;

use crate::source::Report;

pub(super) fn render(reports: &[Report]) -> String {
    let mut out = String::new();
    for report in reports {
        for diagnostic in &report.diagnostics {
            let place = |offset: u32| report.index.position(&report.source.text, offset as usize);
            let (start, end) = (place(diagnostic.range.start), place(diagnostic.range.end));
            let level = match diagnostic.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Information | Severity::Hint => "notice",
            };
            let message = match &diagnostic.help {
                Some(help) => format!("{}\nhelp: {help}", diagnostic.message),
                None => diagnostic.message.clone(),
            };
            let _ = write!(out, "::{level} file={},line={}", property(&report.source.name), start.line + 1);
            // Columns are only understood within one line.
            if start.line == end.line {
                let _ = write!(out, ",col={},endColumn={}", start.column + 1, end.column + 1);
            } else {
                let _ = write!(out, ",endLine={}", end.line + 1);
            }
            let _ = writeln!(out, ",title={}::{}", diagnostic.code, data(&message));
        }
    }
    out
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out_of_a_command() {
        assert_eq!(data("50%\n::error::x"), "50%25%0A::error::x");
        assert_eq!(property("C:\\a,b"), "C%3A\\a%2Cb");
    }
}
