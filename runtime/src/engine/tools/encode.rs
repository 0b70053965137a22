//! Addresses made of templates and values: what is filled in never changes where an address leads.

use std::fmt::Write as _;

use aikit_spec::{EvalError, template::Template};
use serde_json::Value;
use url::Url;

/// A value as a part of an address: everything but unreserved characters is encoded.
pub(super) fn component(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a text does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// A value as text: a text as it is, any other as JSON.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// An address with its templates filled. What stands behind the host is encoded, so that a value cannot become a path or a
/// query of its own; an address that begins with a template is taken as it is up to there.
pub(super) fn address(template: &Template, scope: &Value) -> Result<String, EvalError> {
    let source = template.source.as_str();
    if source.contains("{%") || source.contains("{#") {
        return template.render_text(scope);
    }
    let (mut out, mut rest) = (String::new(), source);
    while let Some((before, behind)) = rest.split_once("{{") {
        let Some((inner, after)) = behind.split_once("}}") else { break };
        out.push_str(before);
        let part = Template { source: format!("{{{{{inner}}}}}"), range: template.range };
        let value = plain(&part.render(scope)?);
        match after_host(&out) {
            false => out.push_str(&value),
            true if matches!(value.as_str(), "." | "..") => {
                let message = format!("`{value}` cannot be a part of an address");
                return Err(EvalError { message, range: template.range });
            }
            true => out.push_str(&component(&value)),
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// Whether the host of an address that begins like this is complete.
fn after_host(beginning: &str) -> bool {
    beginning.split_once("://").is_some_and(|(_, rest)| rest.contains(['/', '?', '#']))
}

/// The origin of an address whose host is written out.
pub(super) fn fixed_origin(source: &str) -> Option<String> {
    let beginning = source.split("{{").next().unwrap_or(source);
    let complete = after_host(beginning) || beginning.len() == source.len();
    Url::parse(beginning).ok().filter(|_| complete).map(|url| url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filled(source: &str) -> String {
        let template = Template { source: source.into(), range: Default::default() };
        let scope = json!({"args": {"id": "a/b?c=d e", "n": 3, "up": "..", "url": "https://x.org/y?z"}});
        address(&template, &scope).unwrap_or_else(|error| error.message)
    }

    #[test]
    fn what_is_filled_in_stays_where_it_is() {
        for (source, expected) in [
            ("https://h.org/v1/{{ args.id }}", "https://h.org/v1/a%2Fb%3Fc%3Dd%20e"),
            ("https://h.org/v1?q={{ args.id }}&n={{ args.n }}", "https://h.org/v1?q=a%2Fb%3Fc%3Dd%20e&n=3"),
            ("{{ args.url }}", "https://x.org/y?z"),
            ("https://h.org/{{ args.up }}/x", "`..` cannot be a part of an address"),
            ("https://{{ args.n }}.org/", "https://3.org/"),
        ] {
            assert_eq!(filled(source), expected, "{source}");
        }
    }

    #[test]
    fn only_a_host_that_is_written_out_is_the_tools_own() {
        assert_eq!(fixed_origin("https://h.org/{{ x }}").as_deref(), Some("https://h.org"));
        assert_eq!(fixed_origin("https://h.org:8443").as_deref(), Some("https://h.org:8443"));
        assert_eq!(fixed_origin("https://h.{{ x }}"), None);
        assert_eq!(fixed_origin("{{ x }}"), None);
    }
}
