//! What never stands in memories.

use aikit_core::{ErrorKind, RunError};
use regex::Regex;
use serde_json::Value;

/// Kinds of personal data that have a form.
const KINDS: &[(&str, &str)] = &[
    ("email", r"(?i)\b[a-z0-9._%+-]+@[a-z0-9.-]+\.[a-z]{2,}\b"),
    ("iban", r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b"),
    ("card", r"\b(?:\d[ -]?){12,18}\d\b"),
    ("ip", r"\b(?:\d{1,3}\.){3}\d{1,3}\b|\b(?:[0-9A-Fa-f]{1,4}:){3,7}[0-9A-Fa-f]{1,4}\b"),
    ("phone", r"\+?\d[\d ()/.-]{6,}\d\b"),
];

/// Takes texts out of texts.
pub(super) struct Redaction(Vec<(String, Regex)>);

impl Redaction {
    /// From `governance.security.redact`: kinds of personal data, or regular expressions.
    pub fn new(rules: &[String]) -> Result<Self, RunError> {
        // A kind that is a part of another one comes behind it, whatever the order of the document.
        let mut all = Vec::new();
        for (kind, pattern) in KINDS.iter().filter(|(kind, _)| rules.iter().any(|rule| rule == kind)) {
            all.push((format!("[{kind}]"), compiled(pattern)?));
        }
        for rule in rules.iter().filter(|rule| KINDS.iter().all(|(kind, _)| kind != rule)) {
            all.push(("[redacted]".to_owned(), compiled(rule)?));
        }
        Ok(Self(all))
    }

    /// The text without what never stands there.
    pub fn text(&self, text: &str) -> String {
        self.0
            .iter()
            .fold(text.to_owned(), |text, (instead, pattern)| pattern.replace_all(&text, instead.as_str()).into_owned())
    }

    /// The same for every text of a value.
    pub fn value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(&text)),
            Value::Array(items) => items.into_iter().map(|item| self.value(item)).collect(),
            Value::Object(entries) => entries.into_iter().map(|(key, value)| (key, self.value(value))).collect(),
            other => other,
        }
    }
}

fn compiled(pattern: &str) -> Result<Regex, RunError> {
    Regex::new(pattern).map_err(|error| {
        RunError::new(ErrorKind::SpecInvalid, format!("`{pattern}` is neither a kind of data nor a regular expression"))
            .with_help(format!("see governance.security.redact: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn personal_data_is_taken_out() {
        let rules: Vec<String> = ["phone", "email", "card", "iban", "ip", "K-[0-9]+"].map(str::to_owned).into();
        let redaction = Redaction::new(&rules).unwrap();
        for (text, expected) in [
            ("Write to Ada.L+x@mail.example.org!", "Write to [email]!"),
            ("4111 1111 1111 1111 it is", "[card] it is"),
            ("DE89 3704 0044 0532 0130 00", "[iban]"),
            ("from 10.0.0.1 or 2001:db8:0:1:1:1:1:1", "from [ip] or [ip]"),
            ("call +44 20 7946 0958 now", "call [phone] now"),
            ("order K-123 of 3 items in 2024", "order [redacted] of 3 items in 2024"),
        ] {
            assert_eq!(redaction.text(text), expected);
        }
        assert_eq!(redaction.value(json!({"a": ["x@y.zz", 1]})), json!({"a": ["[email]", 1]}));
        assert!(Redaction::new(&["(".to_owned()]).is_err());
    }
}
