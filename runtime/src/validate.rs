//! Values against the JSON Schemas that documents declare, with messages for people.

use aikit_core::{ErrorKind, RunError};
use serde_json::{Value, json};

/// How many violations are listed.
const SHOWN: usize = 8;

/// Checks `value` against `schema`. `what` begins the message: `the inputs`, `the output of step "classify"`.
pub fn check(schema: &Value, value: &Value, kind: ErrorKind, what: &str) -> Result<(), RunError> {
    let violations = violations(schema, value)?;
    if violations.is_empty() {
        return Ok(());
    }
    let list = violations.join("; ");
    Err(RunError::new(kind, format!("{what} do not fit the schema: {list}"))
        .with_detail(json!({ "violations": violations })))
}

/// Adds the defaults of declared properties that are absent.
pub fn with_defaults(schema: &Value, mut value: Value) -> Value {
    fill(schema, &mut value, |property| property.get("default").cloned());
    value
}

/// Adds null for declared properties that are absent: what templates and expressions see of an optional input.
pub fn with_nulls(schema: &Value, mut value: Value) -> Value {
    fill(schema, &mut value, |_| Some(Value::Null));
    value
}

fn fill(schema: &Value, value: &mut Value, with: impl Fn(&Value) -> Option<Value>) {
    let (Some(Value::Object(properties)), Value::Object(map)) = (schema.get("properties"), value) else { return };
    for (name, property) in properties {
        if !map.contains_key(name)
            && let Some(filled) = with(property)
        {
            map.insert(name.clone(), filled);
        }
    }
}

/// Every violation as `place: what is wrong`, at most [`SHOWN`] and a count of the rest.
pub fn violations(schema: &Value, value: &Value) -> Result<Vec<String>, RunError> {
    let validator = jsonschema::options().build(schema).map_err(|e| {
        RunError::new(ErrorKind::SpecInvalid, format!("the document holds a JSON Schema that is not valid: {e}"))
    })?;
    let mut all: Vec<String> = Vec::new();
    let mut more = 0;
    for error in validator.iter_errors(value) {
        if all.len() == SHOWN {
            more += 1;
            continue;
        }
        let place = error.instance_path().to_string();
        let message = shorten(&error.to_string());
        all.push(if place.is_empty() { message } else { format!("{}: {message}", place.trim_start_matches('/')) });
    }
    if more > 0 {
        all.push(format!("and {more} more"));
    }
    Ok(all)
}

fn shorten(text: &str) -> String {
    const MAX: usize = 200;
    if text.chars().count() <= MAX {
        return text.to_owned();
    }
    text.chars().take(MAX).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_violation_is_named_with_its_place() {
        let schema = json!({
            "type": "object",
            "properties": { "question": { "type": "string" }, "n": { "type": "integer" } },
            "required": ["question"],
        });
        assert!(check(&schema, &json!({"question": "hi"}), ErrorKind::ValidationInput, "the inputs").is_ok());
        let error = check(&schema, &json!({"n": "x"}), ErrorKind::ValidationInput, "the inputs").unwrap_err();
        assert_eq!(error.kind, ErrorKind::ValidationInput);
        assert_eq!(
            error.message,
            "the inputs do not fit the schema: \"question\" is a required property; n: \"x\" is not of type \"integer\""
        );
    }
}
