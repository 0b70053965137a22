//! The committed schema is the generated one, and it describes everything.

use std::{fs, path::PathBuf};

use aikit_spec::schema::{Kind, document_schema, document_schema_json};
use serde_json::Value;

#[test]
fn the_committed_schemas_are_up_to_date() {
    for kind in Kind::ALL {
        let name = format!("{}.schema.json", kind.file_name());
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../schemas").join(&name);
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&path, document_schema_json(kind)).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == document_schema_json(kind), "schemas/{name} is stale: run `cargo xtask codegen`");
    }
}

#[test]
fn the_committed_reference_is_up_to_date() {
    for kind in Kind::ALL {
        let name = format!("{}.md", kind.file_name());
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/reference").join(&name);
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&path, aikit_spec::schema::reference(kind)).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        let fresh = committed == aikit_spec::schema::reference(kind);
        assert!(fresh, "docs/reference/{name} is stale: run `cargo xtask codegen`");
    }
}

#[test]
fn the_schemas_are_valid_schemas() {
    for kind in Kind::ALL {
        assert!(jsonschema::draft202012::meta::is_valid(&document_schema(kind)), "{kind:?}");
        assert!(jsonschema::draft202012::new(&document_schema(kind)).is_ok(), "{kind:?}");
    }
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
    for kind in Kind::ALL {
        walk(&document_schema(kind), kind.word(), &mut missing);
    }
    missing.sort();
    missing.dedup();
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
    for kind in Kind::ALL {
        walk(&document_schema(kind), &mut unknown);
    }
    assert!(unknown.is_empty(), "{unknown:?}");
}
