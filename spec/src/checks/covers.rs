//! Whether every value of one schema fits another: the question between a step that gives and a step that takes. It is answered
//! by values of the first that the second refuses, so an answer is always right and silence is no proof.

use serde_json::{Map, Value, json};

/// How deep values are made.
const DEPTH: usize = 6;

/// A value that `given` allows and `taken` refuses, if one is found.
pub(crate) fn offending(given: &Value, taken: &Value) -> Option<Value> {
    let allowed = jsonschema::draft202012::new(given).ok()?;
    let wanted = jsonschema::draft202012::new(taken).ok()?;
    samples(given, DEPTH).into_iter().find(|value| allowed.is_valid(value) && !wanted.is_valid(value))
}

/// Values of a schema: those at its edges and some in between. Nothing is made where the schema says nothing.
fn samples(schema: &Value, depth: usize) -> Vec<Value> {
    let Some(object) = schema.as_object() else { return Vec::new() };
    if depth == 0 || ["$ref", "allOf", "not", "if"].iter().any(|key| object.contains_key(*key)) {
        return Vec::new();
    }
    if let Some(value) = object.get("const") {
        return vec![value.clone()];
    }
    if let Some(values) = object.get("enum").and_then(Value::as_array) {
        return values.clone();
    }
    if let Some(branches) = object.get("anyOf").or(object.get("oneOf")).and_then(Value::as_array) {
        return branches.iter().flat_map(|branch| samples(branch, depth - 1)).collect();
    }
    let types: Vec<&str> = match object.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ if object.contains_key("properties") => vec!["object"],
        _ => return Vec::new(),
    };
    types.into_iter().flat_map(|ty| of_type(ty, object, depth)).collect()
}

fn of_type(ty: &str, schema: &Map<String, Value>, depth: usize) -> Vec<Value> {
    let number = |key: &str| schema.get(key).and_then(Value::as_f64);
    match ty {
        "null" => vec![Value::Null],
        "boolean" => vec![json!(false), json!(true)],
        "integer" | "number" => {
            let mut numbers = vec![0.0, 1.0, -1.0, 1_000_000.0];
            numbers.extend(number("minimum"));
            numbers.extend(number("maximum"));
            numbers.extend(number("exclusiveMinimum").map(|least| least + 1.0));
            numbers.extend(number("exclusiveMaximum").map(|most| most - 1.0));
            if ty == "number" {
                numbers.push(0.5);
            }
            numbers.into_iter().map(|n| if n.fract() == 0.0 { json!(n as i64) } else { json!(n) }).collect()
        }
        "string" => {
            let least = number("minLength").unwrap_or(0.0).min(1000.0) as usize;
            let most = number("maxLength").map(|most| most.min(1000.0) as usize);
            let mut texts = vec![String::new(), "text".to_owned(), "x".repeat(least)];
            texts.extend(most.map(|most| "x".repeat(most)));
            texts.into_iter().map(Value::String).collect()
        }
        "array" => {
            let items = schema.get("items").map(|items| samples(items, depth - 1)).unwrap_or_default();
            let least = number("minItems").unwrap_or(0.0).min(16.0) as usize;
            let mut lists = vec![json!([])];
            for item in items.into_iter().take(8) {
                lists.push(Value::Array(vec![item; least.max(1)]));
            }
            lists
        }
        "object" => objects(schema, depth),
        _ => Vec::new(),
    }
}

/// Objects with only what is required, with everything, and with everything and one member at its edges.
fn objects(schema: &Map<String, Value>, depth: usize) -> Vec<Value> {
    let empty = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let members: Vec<(&String, Vec<Value>)> =
        properties.iter().map(|(name, schema)| (name, samples(schema, depth - 1))).collect();
    // Something in the middle, so that only one member at a time is at its edge.
    let plain = |values: &[Value]| values.get(1).or(values.first()).cloned();
    let full: Map<String, Value> =
        members.iter().filter_map(|(name, values)| Some(((*name).clone(), plain(values)?))).collect();
    let least: Map<String, Value> = full
        .iter()
        .filter(|(name, _)| required.contains(&name.as_str()))
        .map(|(n, v)| (n.clone(), v.clone()))
        .collect();
    let mut objects = vec![Value::Object(least), Value::Object(full.clone())];
    for (name, values) in &members {
        for value in values.iter().take(8) {
            let mut object = full.clone();
            object.insert((*name).clone(), value.clone());
            objects.push(Value::Object(object));
        }
    }
    objects
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_shown() {
        let object = |properties: Value, required: Value| json!({"type": "object", "properties": properties, "required": required});
        for (given, taken, offends) in [
            (json!({"type": "string"}), json!({"type": "string"}), None),
            (json!({"type": "string"}), json!({"type": "integer"}), Some(json!(""))),
            (json!({"type": "integer"}), json!({"type": "number"}), None),
            (json!({"type": "number"}), json!({"type": "integer"}), Some(json!(0.5))),
            (json!({"type": "integer", "minimum": 0}), json!({"type": "integer", "minimum": 1}), Some(json!(0))),
            (json!({"enum": ["a", "b"]}), json!({"enum": ["a"]}), Some(json!("b"))),
            (json!({"enum": ["a"]}), json!({"type": "string", "maxLength": 1}), None),
            (object(json!({"a": {"type": "string"}}), json!([])), object(json!({}), json!(["a"])), Some(json!({}))),
            (object(json!({"a": {"type": "string"}}), json!(["a"])), object(json!({}), json!(["a"])), None),
            (
                json!({"type": "array", "items": {"type": "string"}}),
                json!({"type": "array", "minItems": 1}),
                Some(json!([])),
            ),
            (json!({}), json!({"type": "string"}), None),
        ] {
            assert_eq!(offending(&given, &taken), offends, "{given} → {taken}");
        }
    }
}
