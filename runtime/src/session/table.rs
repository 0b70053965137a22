//! Small tables, for the answers of magics.

use std::fmt::Write;

use aikit_core::render;
use serde_json::Value;

use crate::{cell::MimeBundle, view::escape};

/// A table as HTML and as aligned text.
pub(super) fn bundle(headers: &[&str], rows: &[Vec<String>]) -> MimeBundle {
    MimeBundle::from([
        ("text/plain".to_owned(), Value::String(render::table(headers, rows))),
        ("text/html".to_owned(), Value::String(html(headers, rows))),
    ])
}

fn html(headers: &[&str], rows: &[Vec<String>]) -> String {
    let mut out = String::from("<table><thead><tr>");
    for header in headers {
        let _ = write!(out, "<th style=\"text-align:left\">{}</th>", escape(header));
    }
    out.push_str("</tr></thead><tbody>");
    for row in rows {
        out.push_str("<tr>");
        for cell in row {
            let _ = write!(out, "<td style=\"text-align:left\">{}</td>", escape(cell));
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table>");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_html_is_safe() {
        let bundle = bundle(&["agent", "n"], &[vec!["<b>".into(), "1".into()], vec!["long-name".into(), "22".into()]]);
        assert_eq!(bundle["text/plain"], "agent      n\n<b>        1\nlong-name  22");
        assert!(bundle["text/html"].as_str().unwrap().contains("&lt;b&gt;"));
    }
}
