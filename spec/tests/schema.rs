//! The committed schema is the generated one, and it describes everything.

use std::{fs, path::PathBuf};

use aikit_spec::schema::{agent_schema, agent_schema_json};
use serde_json::Value;

#[test]
fn the_committed_schema_is_up_to_date() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../schemas/agent.schema.json");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, agent_schema_json()).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == agent_schema_json(), "schemas/agent.schema.json is stale: run `cargo xtask codegen`");
}

#[test]
fn the_schema_is_a_valid_schema() {
    assert!(jsonschema::draft202012::meta::is_valid(agent_schema()));
    assert!(jsonschema::draft202012::new(agent_schema()).is_ok());
}

#[test]
fn every_key_and_every_word_is_described() {
    fn walk(schema: &Value, path: &str, missing: &mut Vec<String>) {
        let described = |schema: &Value| schema.get("description").is_some() || schema.get("$ref").is_some();
        for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let path = format!("{path}.{name}");
            if !described(property) {
                missing.push(path.clone());
            }
            walk(property, &path, missing);
        }
        for branch in schema.get("oneOf").and_then(Value::as_array).into_iter().flatten() {
            if branch.get("required").is_none() && !described(branch) {
                missing.push(format!("{path}: {branch}"));
            }
            walk(branch, path, missing);
        }
        for (name, definition) in schema.get("$defs").and_then(Value::as_object).into_iter().flatten() {
            if !described(definition) {
                missing.push(name.clone());
            }
            walk(definition, name, missing);
        }
    }
    let mut missing = Vec::new();
    walk(agent_schema(), "", &mut missing);
    assert!(missing.is_empty(), "{missing:#?}");
}

/// The structural check understands these keywords and no others; a new one in a type must be taught to it.
#[test]
fn the_schema_uses_only_what_the_structural_check_understands() {
    const KNOWN: &[&str] = &[
        "$defs",
        "$id",
        "$ref",
        "$schema",
        "additionalProperties",
        "anyOf",
        "const",
        "default",
        "dependentRequired",
        "description",
        "items",
        "maxItems",
        "maxLength",
        "maximum",
        "minItems",
        "minLength",
        "minimum",
        "oneOf",
        "pattern",
        "patternProperties",
        "properties",
        "required",
        "title",
        "type",
        "enum",
    ];
    fn walk(schema: &Value, unknown: &mut Vec<String>) {
        let Some(object) = schema.as_object() else { return };
        for (keyword, value) in object {
            if !KNOWN.contains(&keyword.as_str()) && !keyword.starts_with("x-aikit-") {
                unknown.push(keyword.clone());
            }
            match keyword.as_str() {
                "$defs" | "properties" | "patternProperties" => {
                    value.as_object().into_iter().flatten().for_each(|(_, schema)| walk(schema, unknown));
                }
                "anyOf" | "oneOf" => value.as_array().into_iter().flatten().for_each(|schema| walk(schema, unknown)),
                "items" | "additionalProperties" => walk(value, unknown),
                _ => {}
            }
        }
    }
    let mut unknown = Vec::new();
    walk(agent_schema(), &mut unknown);
    assert!(unknown.is_empty(), "{unknown:?}");
}
