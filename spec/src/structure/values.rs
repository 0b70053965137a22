//! Leaves: types, words, formats and ranges.

use aikit_core::{Diagnostic, codes};
use aikit_yaml::{Node, NodeKind, ScalarStyle};
use serde_json::{Map, Value};

use super::{Place, Walker, fits};
use crate::{roots::nearest, schema, words};

impl Walker<'_> {
    pub(super) fn scalar(&mut self, node: &Node, object: &'static Map<String, Value>, place: &Place<'_>) {
        if let Some(words) = schema::enum_words(object) {
            if node.as_str().is_none_or(|text| !words.contains(&text)) {
                self.not_one_of(node, &words, place);
            } else if let Some(word) = node.as_str() {
                self.announce(object, word, node.range, place, || format!("{}: {word}", place.path()));
            }
            return;
        }
        let Some(ty) = object.get("type").and_then(Value::as_str) else { return };
        if !fits(node, ty) {
            return self.wrong_type(node, &[ty], place);
        }
        let Some(scalar) = node.scalar() else { return };
        match &scalar.value {
            Value::String(text) => self.text(node, text, object, place),
            Value::Number(number) => {
                let Some(number) = number.as_f64() else { return };
                let bound = |key: &str| object.get(key).and_then(Value::as_f64);
                let (least, most) = (bound("minimum"), bound("maximum"));
                if least.is_some_and(|least| number < least) || most.is_some_and(|most| number > most) {
                    let range = match (least, most) {
                        (Some(least), Some(most)) => format!("between {least} and {most}"),
                        (Some(least), None) => format!("at least {least}"),
                        (None, most) => format!("at most {}", most.unwrap_or(f64::MAX)),
                    };
                    let message = format!("{} must be {range}", place.name());
                    self.diagnostics.push(Diagnostic::new(codes::OUT_OF_RANGE, node.range, message));
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, node: &Node, text: &str, object: &'static Map<String, Value>, place: &Place<'_>) {
        if let Some(format) = object.get("x-aikit-format").and_then(Value::as_str).and_then(words::format) {
            if !(format.accepts)(text) {
                let message = format!("{} must be {}", place.name(), format.rule);
                let mut diagnostic = Diagnostic::new(codes::INVALID_FORMAT, node.range, message);
                if let Some(repaired) = repaired(text, format) {
                    diagnostic = diagnostic.with_fix(format!("Replace with `{repaired}`"), node.range, repaired);
                }
                self.diagnostics.push(diagnostic);
            }
            return;
        }
        let bound = |key: &str| object.get(key).and_then(Value::as_u64);
        let length = text.chars().count() as u64;
        if bound("minLength").is_some_and(|least| length < least) {
            let message = format!("{} must not be empty", place.name());
            let range = if node.range.is_empty() { place.anchor } else { node.range };
            self.diagnostics.push(Diagnostic::new(codes::OUT_OF_RANGE, range, message));
        }
        if let Some(most) = bound("maxLength").filter(|most| length > *most) {
            let message = format!("{} is longer than {most} characters", place.name());
            self.diagnostics.push(Diagnostic::new(codes::OUT_OF_RANGE, node.range, message));
        }
    }

    /// A value that is none of the allowed words.
    pub(super) fn not_one_of(&mut self, node: &Node, words: &[&'static str], place: &Place<'_>) {
        let quoted = |words: &[&str]| words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        let Some(text) = node.scalar().map(|scalar| scalar.text.as_str()).filter(|_| !node.is_null()) else {
            let at = if node.range.is_empty() || node.is_null() { place.anchor } else { node.range };
            let message = format!("{} must be one of {}, not {}", place.name(), quoted(words), found(node));
            self.diagnostics.push(Diagnostic::new(codes::WRONG_TYPE, at, message));
            return;
        };
        let is_kind = place.is_top("kind");
        let code = if is_kind { codes::UNKNOWN_KIND } else { codes::INVALID_VALUE };
        let message = match words {
            [only] => format!("{} must be `{only}`", place.name()),
            _ => format!("{} must be one of {}", place.name(), quoted(words)),
        };
        let mut diagnostic = Diagnostic::new(code, node.range, message);
        // `1` for the text "1": only the quotes are missing.
        let meant = words.iter().copied().find(|word| *word == text).or_else(|| nearest(text, words.iter().copied()));
        let meant = meant.or(if let [only] = words { Some(*only) } else { None });
        if let Some(meant) = meant {
            let replacement = if meant == text { format!("\"{meant}\"") } else { meant.to_owned() };
            diagnostic = diagnostic.with_fix(format!("Replace with `{replacement}`"), node.range, replacement);
        }
        self.diagnostics.push(diagnostic);
    }

    pub(super) fn wrong_type(&mut self, node: &Node, types: &[&str], place: &Place<'_>) {
        let expected = types.iter().map(|ty| in_words(ty)).collect::<Vec<_>>().join(" or ");
        let message = format!("{} must be {expected}, not {}", place.name(), found(node));
        let whole = matches!(node.kind, NodeKind::Mapping(_) | NodeKind::Sequence(_) | NodeKind::Null);
        let range = if whole || node.range.is_empty() { place.anchor } else { node.range };
        let mut diagnostic = Diagnostic::new(codes::WRONG_TYPE, range, message);
        let written = node.range.slice(self.source);
        if let Some(scalar) = node.scalar() {
            let plain = scalar.style == ScalarStyle::Plain;
            let quoted = matches!(scalar.style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted);
            let number = types.iter().any(|ty| matches!(*ty, "number" | "integer"))
                && scalar.text.parse::<f64>().is_ok_and(f64::is_finite);
            let truth = types.contains(&"boolean") && matches!(scalar.text.as_str(), "true" | "false");
            if types.contains(&"string") && plain && !scalar.value.is_null() {
                diagnostic = diagnostic.with_fix("Quote the value", node.range, format!("\"{written}\""));
            } else if quoted && (number || truth) {
                diagnostic = diagnostic.with_fix("Remove the quotes", node.range, scalar.text.as_str());
            } else if types == ["array"] && plain && !scalar.value.is_null() && !written.contains([',', ']']) {
                diagnostic = diagnostic.with_fix("Make it a list", node.range, format!("[{written}]"));
            }
        }
        self.diagnostics.push(diagnostic);
    }
}

fn in_words(ty: &str) -> &'static str {
    match ty {
        "object" => "a mapping",
        "array" => "a list",
        "string" => "a text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "`true` or `false`",
        _ => "null",
    }
}

/// What stands there, in words.
fn found(node: &Node) -> &'static str {
    match &node.kind {
        NodeKind::Null => "nothing",
        NodeKind::Mapping(_) => "a mapping",
        NodeKind::Sequence(_) => "a list",
        NodeKind::Scalar(scalar) => match scalar.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            _ => "a text",
        },
    }
}

/// The text with the changes that most likely make it fit: lower case, and hyphens for blanks.
fn repaired(text: &str, format: &words::Format) -> Option<String> {
    // An address in other letters is another address.
    if format.name == "http-url" {
        return None;
    }
    let separator = if format.name == "slug" { '-' } else { '_' };
    let lower = text.trim().to_lowercase().replace([' ', '.'], &separator.to_string());
    let lower = if format.name == "slug" { lower.replace('_', "-") } else { lower };
    let completed = || match text.split('.').count() {
        1 => Some(format!("{text}.0.0")),
        2 => Some(format!("{text}.0")),
        _ => None,
    };
    [Some(lower), completed()].into_iter().flatten().find(|candidate| (format.accepts)(candidate))
}
