//! Text forms of pictures, and the checks that keep broken ones from the page.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

/// The words of an HTML text, as a poor but readable text form.
pub(super) fn strip_tags(html: &str) -> String {
    let mut out = String::new();
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        out.push_str(&rest[..open]);
        let hidden = ["<script", "<style"]
            .iter()
            .find(|tag| rest.get(open..open + tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag)));
        let end = match hidden {
            Some(tag) => {
                let close = format!("</{}", &tag[1..]);
                rest[open..].to_ascii_lowercase().find(&close).map_or(rest.len(), |at| open + at)
            }
            None => open,
        };
        out.push(' ');
        match rest[end..].find('>') {
            Some(close) => rest = &rest[end + close + 1..],
            None => rest = "",
        }
    }
    out.push_str(rest);
    let words = out.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'");
    let words = words.replace("&nbsp;", " ").replace("&amp;", "&");
    let text = words.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() { "[HTML]".to_owned() } else { text }
}

pub(super) fn is_svg(text: &str) -> bool {
    text.contains("<svg")
}

/// `[SVG picture, 120 × 80]`, or its title where it has one.
pub(super) fn svg_text(svg: &str) -> String {
    if let Some(title) = svg.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>")) {
        return format!("[SVG picture: {}]", title.0.trim());
    }
    let tag = svg.split_once("<svg").map_or("", |(_, rest)| rest.split('>').next().unwrap_or(""));
    let attribute = |name: &str| {
        let (_, rest) = tag.split_once(&format!(" {name}="))?;
        let quote = rest.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        rest[1..].split(quote).next()
    };
    match (attribute("width"), attribute("height")) {
        (Some(width), Some(height)) => format!("[SVG picture, {width} × {height}]"),
        _ => "[SVG picture]".to_owned(),
    }
}

/// Width and height of a PNG picture, or `None` when the text is none.
pub(super) fn png_size(base64: &str) -> Option<(u32, u32)> {
    let bytes = STANDARD.decode(base64).ok()?;
    if bytes.get(..8)? != b"\x89PNG\r\n\x1a\n" || bytes.get(12..16)? != b"IHDR" {
        return None;
    }
    let number = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
    Some((number(16)?, number(20)?))
}

/// A Vega-Lite chart with the schema that front ends choose their renderer by.
pub(super) fn vega(spec: Option<&Value>) -> Option<Value> {
    let mut spec = spec?.as_object()?.clone();
    spec.entry("$schema").or_insert_with(|| "https://vega.github.io/schema/vega-lite/v5.json".into());
    Some(Value::Object(spec))
}

pub(super) fn vega_text(spec: &Value) -> String {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let title = text(&spec["title"]).or_else(|| text(&spec["title"]["text"])).or_else(|| text(&spec["description"]));
    let mark = text(&spec["mark"]).or_else(|| text(&spec["mark"]["type"]));
    match (title, mark) {
        (Some(title), Some(mark)) => format!("[Vega-Lite chart: {title} ({mark})]"),
        (Some(what), None) | (None, Some(what)) => format!("[Vega-Lite chart: {what}]"),
        (None, None) => "[Vega-Lite chart]".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_has_a_readable_text_form() {
        for (html, text) in [
            ("<h1>Hi</h1><p>a &amp; b</p>", "Hi a & b"),
            ("<style>p { color: red }</style>x", "x"),
            ("<SCRIPT>if (a < b) {}</SCRIPT>y", "y"),
            ("<p unclosed", "[HTML]"),
            ("é < ü", "é"),
            ("", "[HTML]"),
        ] {
            assert_eq!(strip_tags(html), text, "{html}");
        }
    }

    #[test]
    fn pictures_say_what_they_are() {
        assert_eq!(svg_text("<svg width='10' height=\"20\">"), "[SVG picture, 10 × 20]");
        assert_eq!(svg_text("<svg><title> A graph </title></svg>"), "[SVG picture: A graph]");
        assert_eq!(svg_text("<svg"), "[SVG picture]");
        assert_eq!(png_size("bm90IGEgcG5n"), None);
        assert_eq!(png_size("%%%"), None);
    }
}
