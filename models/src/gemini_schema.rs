//! JSON Schema in the part of it that the Gemini API reads.

use serde_json::{Map, Value, json};

/// How deep schemas are followed; what refers to itself would never end.
const DEPTH: u32 = 12;

/// Keys that mean the same on both sides.
const KEPT: &[&str] = &[
    "title",
    "description",
    "format",
    "enum",
    "required",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "pattern",
    "minimum",
    "maximum",
    "minProperties",
    "maxProperties",
];

/// The schema as the API reads it. What it cannot read is left out: the answer is checked against the whole schema later.
pub(crate) fn convert(schema: &Value) -> Value {
    of(schema, schema, DEPTH)
}

fn of(schema: &Value, root: &Value, depth: u32) -> Value {
    if depth == 0 {
        return json!({ "type": "OBJECT" });
    }
    if let Some(target) = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#')) {
        return root.pointer(target).map_or_else(|| json!({ "type": "OBJECT" }), |schema| of(schema, root, depth - 1));
    }
    let mut out = Map::new();
    let types: Vec<&str> = match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ if schema.get("properties").is_some() => vec!["object"],
        _ => Vec::new(),
    };
    let kinds: Vec<String> =
        types.iter().filter(|kind| **kind != "null").map(|kind| kind.to_ascii_uppercase()).collect();
    match kinds.as_slice() {
        [] => {}
        [one] => drop(out.insert("type".into(), json!(one))),
        several => {
            let any: Vec<Value> = several.iter().map(|kind| json!({ "type": kind })).collect();
            out.insert("anyOf".into(), json!(any));
        }
    }
    if types.contains(&"null") {
        out.insert("nullable".into(), json!(true));
    }
    for key in KEPT {
        if let Some(value) = schema.get(*key) {
            out.insert((*key).into(), value.clone());
        }
    }
    // Only texts can be listed.
    let texts = |values: &Value| values.as_array().is_some_and(|values| values.iter().all(Value::is_string));
    if out.get("enum").is_some_and(|values| !texts(values)) {
        out.remove("enum");
    }
    if let Some(only @ Value::String(_)) = schema.get("const") {
        out.insert("enum".into(), json!([only]));
        out.entry("type").or_insert_with(|| json!("STRING"));
    }
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        let below = properties.iter().map(|(name, schema)| (name.clone(), of(schema, root, depth - 1)));
        out.insert("properties".into(), Value::Object(below.collect()));
        out.insert("propertyOrdering".into(), properties.keys().map(String::as_str).collect());
    }
    if let Some(items) = schema.get("items") {
        out.insert("items".into(), of(items, root, depth - 1));
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(branches) = schema.get(key).and_then(Value::as_array) {
            out.insert("anyOf".into(), branches.iter().map(|schema| of(schema, root, depth - 1)).collect());
        }
    }
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_api_reads_stays() {
        let schema = json!({
            "$schema": "x", "type": "object", "additionalProperties": false, "required": ["kind"],
            "properties": {
                "kind": { "enum": ["a", "b"], "type": "string" },
                "n": { "type": ["integer", "null"], "enum": [1, 2] },
                "who": { "$ref": "#/$defs/person" },
                "is": { "const": "it" },
            },
            "$defs": { "person": { "type": "object", "properties": { "of": { "$ref": "#/$defs/person" } } } },
        });
        let read = convert(&schema);
        assert_eq!(read["properties"]["kind"], json!({ "type": "STRING", "enum": ["a", "b"] }));
        assert_eq!(read["properties"]["n"], json!({ "type": "INTEGER", "nullable": true }));
        assert_eq!(read["properties"]["is"], json!({ "type": "STRING", "enum": ["it"] }));
        assert_eq!(read["properties"]["who"]["type"], "OBJECT");
        assert_eq!((&read["required"], read.get("additionalProperties")), (&json!(["kind"]), None));
    }
}
