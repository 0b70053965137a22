//! The JSON Schema of the language, generated from the Rust types, and what editors ask of it.

pub mod view;
mod walk;

use std::sync::LazyLock;

use schemars::{Schema, generate::SchemaSettings, transform::RecursiveTransform};
use serde_json::{Map, Value, json};

use crate::{agent::AgentDocument, words};

pub use view::{PropertyView, SchemaView, ValueView, at_path};
pub use walk::{Mark, walk};

/// The address under which the schema of kind `Agent` is known.
pub const AGENT_SCHEMA_ID: &str = "https://aikit.dev/schemas/aikit-v1.0.0/agent.schema.json";

static AGENT: LazyLock<Value> = LazyLock::new(|| {
    let settings = SchemaSettings::draft2020_12().for_deserialize();
    let settings = settings.with_transform(RecursiveTransform(tidy));
    let mut schema = settings.into_generator().into_root_schema_for::<AgentDocument>();
    schema.insert("$id".into(), AGENT_SCHEMA_ID.into());
    schema.insert("title".into(), "aikit agent".into());
    schema.to_value()
});

/// The schema of kind `Agent`.
pub fn agent_schema() -> &'static Value {
    &AGENT
}

/// The schema of kind `Agent` as a file: pretty, deterministic, with a line break at the end.
pub fn agent_schema_json() -> String {
    format!("{:#}\n", agent_schema())
}

/// Follows a `$ref` into the definitions.
pub(crate) fn resolve(schema: &'static Value) -> &'static Value {
    let target = schema.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#'));
    target.and_then(|pointer| AGENT.pointer(pointer)).unwrap_or(schema)
}

/// What a key or a value means, from the place that uses it or from its type.
pub(crate) fn description(schema: &'static Value) -> Option<&'static str> {
    let own = schema.get("description").and_then(Value::as_str);
    own.or_else(|| resolve(schema).get("description").and_then(Value::as_str))
}

/// The words of an enumeration; `None` for any other schema.
pub(crate) fn enum_words(object: &'static Map<String, Value>) -> Option<Vec<&'static str>> {
    if let Some(branches) = object.get("oneOf").and_then(Value::as_array) {
        return branches.iter().map(|branch| branch.get("const")?.as_str()).collect();
    }
    if let Some(words) = object.get("enum").and_then(Value::as_array) {
        return words.iter().map(Value::as_str).collect();
    }
    object.get("const").and_then(Value::as_str).map(|word| vec![word])
}

/// The key whose value tells the mappings of a `oneOf` apart.
pub(crate) fn discriminator(schema: &'static Value) -> Option<&'static str> {
    let properties = schema.pointer("/oneOf/0/properties")?.as_object()?;
    properties.iter().find(|(_, schema)| schema.get("const").is_some()).map(|(key, _)| key.as_str())
}

/// The values of the discriminator.
pub(crate) fn tag_values(branches: &'static [Value], tag: &str) -> impl Iterator<Item = &'static str> {
    branches.iter().filter_map(move |branch| branch.get("properties")?.get(tag)?.get("const")?.as_str())
}

/// Whether a pattern of `patternProperties` accepts a key: that of a format, or a literal beginning.
pub(crate) fn pattern_accepts(pattern: &str, key: &str) -> bool {
    match words::FORMATS.iter().find(|format| format.pattern == pattern) {
        Some(format) => (format.accepts)(key),
        None => pattern.strip_prefix('^').is_some_and(|beginning| key.starts_with(beginning)),
    }
}

/// Keys or words that the language knows in a place and this version does not run.
pub(crate) fn planned(object: &'static Map<String, Value>) -> impl Iterator<Item = &'static str> {
    object.get("x-aikit-planned").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// Where a key that stands in a wrong place belongs, in words; only if there is one such place.
pub(crate) fn home_of(key: &str) -> Option<String> {
    let blocks = agent_schema().get("properties").and_then(Value::as_object)?;
    let mut homes = blocks.iter().filter_map(|(block, schema)| {
        resolve(schema).get("properties")?.get(key)?;
        Some(format!("`{block}`"))
    });
    match (homes.next(), homes.next()) {
        (Some(home), None) => Some(home),
        _ if blocks.contains_key(key) => Some("the top level of the document".into()),
        _ => None,
    }
}

/// An optional key is one that may be left out, not one that may be null; `x-…` keys are welcome in every mapping that has
/// declared keys; sizes of Rust numbers are nobody's business.
fn tidy(schema: &mut Schema) {
    if let Some(Value::String(description)) = schema.get_mut("description") {
        *description = description.replace('\n', " ");
    }
    schema.remove("format");
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
    }
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(branches)) = schema.get_mut("anyOf") {
        branches.retain(|branch| branch.get("type") != Some(&json!("null")));
        if let [Value::Object(only)] = branches.as_slice() {
            let only = only.clone();
            schema.remove("anyOf");
            for (key, value) in only {
                if schema.get(&key).is_none() {
                    schema.insert(key, value);
                }
            }
        }
    }
    // The word that selects a form means what the form means.
    let meaning = schema.get("description").cloned();
    if let (Some(meaning), Some(Value::Object(properties))) = (meaning, schema.get_mut("properties")) {
        for property in properties.values_mut().filter_map(Value::as_object_mut) {
            if property.contains_key("const") && !property.contains_key("description") {
                property.insert("description".into(), meaning.clone());
            }
        }
    }
    let closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
    if closed && schema.get("properties").is_some() {
        schema.insert("patternProperties".into(), json!({"^x-": true}));
    }
}
