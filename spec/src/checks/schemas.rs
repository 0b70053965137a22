//! JSON Schemas inside the document, and the values that must fit them.

use aikit_core::{Diagnostic, TextRange, codes};
use aikit_yaml::{Node, NodeKind, Yaml};
use serde_json::Value;

use super::Checker;
use crate::roots::nearest;

/// How many violations of one value are reported.
const MAX_VIOLATIONS: usize = 5;

/// The keywords whose values hold no schemas.
const KEYWORDS: &[&str] = &[
    "$anchor",
    "$comment",
    "$dynamicAnchor",
    "$dynamicRef",
    "$id",
    "$ref",
    "$schema",
    "$vocabulary",
    "const",
    "contentEncoding",
    "contentMediaType",
    "default",
    "dependentRequired",
    "deprecated",
    "description",
    "enum",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "maxContains",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minContains",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "pattern",
    "readOnly",
    "required",
    "title",
    "type",
    "uniqueItems",
    "writeOnly",
];

/// Those whose values do, as far as people mistype them.
const APPLICATORS: &[&str] = &["additionalProperties", "items", "properties", "patternProperties"];

impl Checker<'_> {
    /// A JSON Schema; gives it back if it is valid.
    pub(super) fn schema(&mut self, node: Option<&Node>) -> Option<Value> {
        let node = node.filter(|node| matches!(node.kind, NodeKind::Mapping(_)))?;
        let schema = node.to_json();
        let mut valid = true;
        let meta = jsonschema::draft202012::meta::validator();
        for error in meta.iter_errors(&schema).take(MAX_VIOLATIONS) {
            valid = false;
            let at = node.node_at_pointer(error.instance_path().as_str());
            let range = underline(at, node);
            self.push(match error.instance_path().as_str().ends_with("/type").then(|| at.as_str()).flatten() {
                Some(word) => unknown_type(word, range),
                None => {
                    let message = format!("this is not a valid JSON Schema: {error}");
                    Diagnostic::new(codes::INVALID_SCHEMA, range, message)
                }
            });
        }
        if !valid {
            return None;
        }
        if let Err(error) = jsonschema::draft202012::new(&schema) {
            let at = node.node_at_pointer(error.instance_path().as_str());
            let message = format!("this JSON Schema cannot be used: {error}");
            let range = underline(at, node);
            self.push(Diagnostic::new(codes::INVALID_SCHEMA, range, message));
            return None;
        }
        self.keywords(node);
        Some(schema)
    }

    /// Keys that JSON Schema passes over: mostly properties that stand one level too high, or a slip of the pen.
    fn keywords(&mut self, schema: &Node) {
        for entry in schema.entries() {
            let (key, value) = (entry.name(), &entry.value);
            match key {
                "properties" | "patternProperties" | "$defs" | "dependentSchemas" => {
                    value.entries().iter().for_each(|entry| self.keywords(&entry.value));
                }
                "allOf" | "anyOf" | "oneOf" | "prefixItems" => {
                    value.items().iter().for_each(|item| self.keywords(item))
                }
                "items"
                | "additionalProperties"
                | "propertyNames"
                | "contains"
                | "not"
                | "if"
                | "then"
                | "else"
                | "unevaluatedProperties"
                | "unevaluatedItems"
                | "contentSchema" => self.keywords(value),
                _ if KEYWORDS.contains(&key) || key.starts_with("x-") => {}
                _ => {
                    let message = format!("`{key}` is no keyword of JSON Schema, so it checks nothing");
                    let finding = Diagnostic::new(codes::SCHEMA_KEYWORD, entry.key.range, message);
                    let meant = nearest(key, KEYWORDS.iter().chain(APPLICATORS).copied());
                    self.push(match (&value.kind, meant) {
                        (_, Some(meant)) => finding.with_help(format!("did you mean `{meant}`?")).with_fix(
                            format!("Rename to `{meant}`"),
                            entry.key.range,
                            meant,
                        ),
                        (NodeKind::Mapping(_), None) => {
                            finding.with_help("what an object holds stands below `properties:`")
                        }
                        _ => finding.with_help("keys of your own begin with `x-`"),
                    });
                }
            }
        }
    }

    /// A value that must fit a schema.
    pub(super) fn fits(&mut self, node: &Node, schema: &Value, what: &str) {
        let options = jsonschema::options_for::<Yaml>().with_draft(jsonschema::Draft::Draft202012);
        let Ok(validator) = options.build(schema) else { return };
        for error in validator.iter_errors(node).take(MAX_VIOLATIONS) {
            let at = node.node_at_pointer(error.instance_path().as_str());
            let message = format!("{what}: {error}");
            let range = underline(at, node);
            self.push(Diagnostic::new(codes::DATAFLOW_TYPE, range, message));
        }
    }
}

/// A word that is no JSON type.
fn unknown_type(word: &str, range: TextRange) -> Diagnostic {
    const TYPES: [&str; 7] = ["string", "number", "integer", "boolean", "object", "array", "null"];
    /// What other languages call them.
    const OTHER_NAMES: [(&str, &str); 8] = [
        ("str", "string"),
        ("text", "string"),
        ("int", "integer"),
        ("float", "number"),
        ("bool", "boolean"),
        ("dict", "object"),
        ("map", "object"),
        ("list", "array"),
    ];
    let message = format!("`{word}` is no type of JSON Schema");
    let diagnostic = Diagnostic::new(codes::INVALID_SCHEMA, range, message);
    let other_name = OTHER_NAMES.iter().find(|(other, _)| *other == word).map(|(_, ty)| *ty);
    match other_name.or_else(|| nearest(word, TYPES)) {
        Some(meant) => diagnostic.with_help(format!("did you mean `{meant}`?")).with_fix(
            format!("Replace with `{meant}`"),
            range,
            meant,
        ),
        None => diagnostic.with_help(format!("there is: {}", TYPES.join(", "))),
    }
}

/// A whole mapping is too much to underline; its first key stands for it.
fn underline(at: &Node, fallback: &Node) -> TextRange {
    let range = at.entries().first().map_or(at.range, |entry| entry.key.range);
    if range.is_empty() { fallback.range } else { range }
}
