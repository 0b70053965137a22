//! An output in several forms: the richest that a page can show.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Map, Value};

use super::{FRAME_STYLE, ansi, chart, escape, markdown};

/// A form, and how it is shown.
type Form = (&'static str, fn(&Value) -> Option<String>);

/// Forms that a page can show, richest first.
const FORMS: &[Form] = &[
    ("text/html", frame),
    ("image/svg+xml", svg),
    ("image/png", |data| image("image/png", data)),
    ("image/jpeg", |data| image("image/jpeg", data)),
    ("image/gif", |data| image("image/gif", data)),
    ("image/webp", |data| image("image/webp", data)),
    ("text/markdown", |data| {
        Some(format!("<div class=\"markdown\">{}</div>\n", markdown::to_html(data.as_str()?, None)))
    }),
    ("application/json", json),
    ("text/plain", |data| Some(format!("<pre>{}</pre>\n", ansi::to_html(data.as_str()?)))),
];

/// The richest form of an output.
pub fn to_html(data: &Map<String, Value>) -> String {
    let is_chart = |mime: &str| mime.starts_with("application/vnd.vegalite.") && mime.ends_with("json");
    if let Some((_, spec)) = data.iter().find(|(mime, spec)| is_chart(mime) && spec.is_object()) {
        let picture = data.get("image/svg+xml").and_then(svg);
        return chart::to_html(spec, picture);
    }
    let mut forms = FORMS.iter().filter_map(|(mime, show)| data.get(*mime).and_then(show));
    forms.next().unwrap_or_else(|| {
        let mimes: Vec<&str> = data.keys().map(String::as_str).collect();
        format!("<p class=\"note\">An output that a page cannot show: {}</p>\n", escape(&mimes.join(", ")))
    })
}

/// HTML in a frame of its own, in which no script runs and which cannot reach the page.
fn frame(data: &Value) -> Option<String> {
    let page = format!("<!doctype html><meta charset=\"utf-8\"><style>{FRAME_STYLE}</style>{}", data.as_str()?);
    // The same origin lets the page measure the frame; without `allow-scripts` the frame cannot use it.
    Some(format!("<iframe class=\"html\" sandbox=\"allow-same-origin\" srcdoc=\"{}\"></iframe>\n", escape(&page)))
}

/// A drawing as an image: as such it runs no scripts.
fn svg(data: &Value) -> Option<String> {
    let encoded = BASE64_STANDARD.encode(data.as_str()?);
    Some(format!("<img alt=\"\" src=\"data:image/svg+xml;base64,{encoded}\">\n"))
}

fn image(mime: &str, data: &Value) -> Option<String> {
    let data: String = data.as_str()?.chars().filter(|character| !character.is_whitespace()).collect();
    Some(format!("<img alt=\"\" src=\"data:{mime};base64,{}\">\n", escape(&data)))
}

fn json(data: &Value) -> Option<String> {
    let text = serde_json::to_string_pretty(data).ok()?;
    let shown = format!("<pre>{}</pre>", escape(&text));
    Some(match text.lines().count() {
        0..40 => format!("{shown}\n"),
        lines => format!("<details><summary>JSON, {lines} lines</summary>{shown}</details>\n"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(data: Value) -> String {
        to_html(data.as_object().unwrap())
    }

    #[test]
    fn the_richest_form_is_shown() {
        let all =
            json!({"text/plain": "p", "text/markdown": "*m*", "image/svg+xml": "<svg/>", "text/html": "<b>h</b>"});
        assert!(shown(all).contains("srcdoc"));
        assert!(
            shown(json!({"text/plain": "p", "image/svg+xml": "<svg/>"})).contains("data:image/svg+xml;base64,PHN2Zy8+")
        );
        assert!(shown(json!({"text/plain": "p", "text/markdown": "*m*"})).contains("<em>m</em>"));
        assert_eq!(shown(json!({"text/plain": "<p>"})), "<pre>&lt;p&gt;</pre>\n");
        assert_eq!(shown(json!({"application/json": {"a": 1}})), "<pre>{\n  &quot;a&quot;: 1\n}</pre>\n");
        assert!(shown(json!({"application/x-thing": "1"})).contains("cannot show: application/x-thing"));
        assert!(shown(json!({"text/html": 7, "text/plain": "p"})).contains("<pre>p</pre>"));
    }

    #[test]
    fn html_cannot_leave_its_frame() {
        let html = shown(json!({"text/html": "\"></iframe><script>alert(1)</script>"}));
        assert!(!html.contains("<script>"));
        assert!(html.contains("&quot;&gt;&lt;/iframe&gt;"));
        let image = shown(json!({"image/png": "AA\" onerror=\"x"}));
        assert!(image.contains("AA&quot;onerror=&quot;x"));
    }
}
