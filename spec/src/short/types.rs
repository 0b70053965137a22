//! Types of the short form: `str`, `[int]`, `{name: str, age?: int}`, `enum(a, b)`.

use aikit_core::{Diagnostic, TextRange, codes};
use aikit_yaml::{Node, NodeKind};

use super::{Writer, list_of, map_of, text_at};
use crate::roots::nearest;

const WORDS: [(&str, &str); 15] = [
    ("str", "string"),
    ("string", "string"),
    ("text", "string"),
    ("int", "integer"),
    ("integer", "integer"),
    ("num", "number"),
    ("number", "number"),
    ("float", "number"),
    ("bool", "boolean"),
    ("boolean", "boolean"),
    ("list", "array"),
    ("array", "array"),
    ("obj", "object"),
    ("object", "object"),
    ("null", "null"),
];

impl Writer<'_> {
    /// The JSON Schema of a type. What is a schema already stays one.
    pub(super) fn schema(&mut self, node: &Node) -> Node {
        let at = node.range;
        match &node.kind {
            NodeKind::Mapping(_) if node.get("properties").is_some() || node.get("$ref").is_some() => node.clone(),
            NodeKind::Mapping(entries) => {
                let mut properties = map_of(Vec::new(), at);
                let mut required = Vec::new();
                for entry in entries {
                    let name = entry.name();
                    let bare = name.strip_suffix('?').unwrap_or(name);
                    if bare == name {
                        required.push(text_at(bare, entry.key.range));
                    }
                    let schema = self.schema(&entry.value);
                    if let NodeKind::Mapping(members) = &mut properties.kind {
                        let key = text_at(bare, entry.key.range);
                        members.push(aikit_yaml::Entry { key, value: schema, merged: false });
                    }
                }
                let mut members = vec![("type", text_at("object", at)), ("properties", properties)];
                if !required.is_empty() {
                    members.push(("required", list_of(required, at)));
                }
                map_of(members, at)
            }
            NodeKind::Sequence(items) => {
                let mut members = vec![("type", text_at("array", at))];
                if let Some(item) = items.first() {
                    members.push(("items", self.schema(item)));
                }
                map_of(members, at)
            }
            _ => {
                let text = node.scalar().map(|scalar| scalar.text.clone()).unwrap_or_default();
                self.named_type(&text, at)
            }
        }
    }

    /// A type that is written as a text.
    pub(super) fn named_type(&mut self, text: &str, at: TextRange) -> Node {
        let text = text.trim();
        if let Some(item) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
            let items = self.named_type(item, at);
            return map_of(vec![("type", text_at("array", at)), ("items", items)], at);
        }
        if let Some(item) = text.strip_suffix("[]") {
            let items = self.named_type(item, at);
            return map_of(vec![("type", text_at("array", at)), ("items", items)], at);
        }
        if let Some(words) = text.strip_prefix("enum(").and_then(|text| text.strip_suffix(')')) {
            let words = words.split(',').map(|word| text_at(word.trim(), at)).collect();
            return map_of(vec![("type", text_at("string", at)), ("enum", list_of(words, at))], at);
        }
        if matches!(text, "any" | "") {
            return map_of(Vec::new(), at);
        }
        if let Some((_, ty)) = WORDS.iter().find(|(word, _)| *word == text) {
            return map_of(vec![("type", text_at(ty, at))], at);
        }
        let message = format!("`{text}` is no type");
        let finding = Diagnostic::new(codes::INVALID_VALUE, at, message);
        self.diagnostics.push(match nearest(text, WORDS.iter().map(|(word, _)| *word)) {
            Some(meant) => finding.with_help(format!("did you mean `{meant}`?")),
            None => finding.with_help("there is: str, int, num, bool, any, [T], {name: T}, enum(a, b)"),
        });
        map_of(Vec::new(), at)
    }
}
