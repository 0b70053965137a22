//! A notebook as one HTML page that needs nothing else: no network, no scripts of others, nothing of the notebook that could
//! act in the reader's browser. HTML outputs stand in frames that may not run scripts, pictures are images, all other text
//! is escaped, and a content security policy stands behind all that.

mod ansi;
mod chart;
mod markdown;
mod mime;
mod scale;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::format::{Notebook, cell_type, source};

const STYLE: &str = include_str!("page.css");
const FRAME_STYLE: &str = include_str!("frame.css");

/// The only script of the page: it gives the frames of HTML outputs the height of their content.
const FIT: &str = include_str!("fit.js");

/// The notebook as a page.
pub fn to_html(notebook: &Notebook) -> String {
    let title = notebook.title().unwrap_or_else(|| "Notebook".to_owned());
    let script_hash = BASE64_STANDARD.encode(Sha256::digest(FIT));
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; \
         style-src 'unsafe-inline'; script-src 'sha256-{script_hash}'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"generator\" content=\"aikit {}\">\n<title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n",
        crate::info::VERSION,
        escape(&title),
    );
    for (index, cell) in notebook.cells().iter().enumerate() {
        page.push_str(&cell_html(cell, index));
    }
    page.push_str("</main>\n<script>");
    page.push_str(FIT);
    page.push_str("</script>\n</body>\n</html>\n");
    page
}

fn cell_html(cell: &Value, index: usize) -> String {
    let text = source(cell);
    let number = index + 1;
    match cell_type(cell) {
        "markdown" => format!(
            "<section class=\"cell markdown\" id=\"cell-{number}\">\n{}</section>\n",
            markdown::to_html(text, cell.get("attachments")),
        ),
        "code" => {
            let count = cell.get("execution_count").and_then(Value::as_i64);
            let prompt = count.map_or_else(|| "In [ ]".to_owned(), |count| format!("In [{count}]"));
            let outputs = cell.get("outputs").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let outputs: String = outputs.iter().map(output_html).collect();
            let outputs = match outputs.is_empty() {
                true => String::new(),
                false => format!("<div class=\"outputs\">\n{outputs}</div>\n"),
            };
            format!(
                "<section class=\"cell code\" id=\"cell-{number}\">\n<div class=\"prompt\">{prompt}</div>\n\
                 <pre class=\"source\"><code>{}</code></pre>\n{outputs}</section>\n",
                escape(text),
            )
        }
        _ => format!(
            "<section class=\"cell raw\" id=\"cell-{number}\">\n<pre class=\"source\">{}</pre>\n</section>\n",
            escape(text)
        ),
    }
}

fn output_html(output: &Value) -> String {
    let text = |field: &str| output.get(field).and_then(Value::as_str).unwrap_or_default();
    match text("output_type") {
        "stream" => {
            let name = if text("name") == "stderr" { "stderr" } else { "stdout" };
            format!("<pre class=\"stream {name}\">{}</pre>\n", ansi::to_html(text("text")))
        }
        "error" => {
            let lines = output.get("traceback").and_then(Value::as_array);
            let traceback: Vec<&str> = lines.into_iter().flatten().filter_map(Value::as_str).collect();
            let shown = match traceback.is_empty() {
                true => format!("{}: {}", text("ename"), text("evalue")),
                false => traceback.join("\n"),
            };
            format!("<pre class=\"error\">{}</pre>\n", ansi::to_html(&shown))
        }
        "execute_result" => {
            let count = output.get("execution_count").and_then(Value::as_i64);
            let prompt = count.map_or_else(String::new, |count| format!("<div class=\"prompt\">Out[{count}]</div>\n"));
            format!("{prompt}{}", data_html(output))
        }
        "display_data" => data_html(output),
        _ => String::new(),
    }
}

fn data_html(output: &Value) -> String {
    let Some(Value::Object(data)) = output.get("data") else { return String::new() };
    format!("<div class=\"output\">\n{}</div>\n", mime::to_html(data))
}

/// Text as HTML text or as the value of a quoted attribute.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + text.len() / 8);
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(character),
        }
    }
    escaped
}
