//! The JSON Schema of the language, generated from the Rust types, and what editors ask of it.

mod reference;
pub mod view;
mod walk;

use std::{collections::BTreeSet, sync::LazyLock};

use aikit_core::Diagnostic;
use aikit_yaml::Node;
use schemars::{
    JsonSchema, Schema, SchemaGenerator,
    generate::SchemaSettings,
    transform::{RecursiveTransform, Transform},
};
use serde_json::{Map, Value, json};

use crate::{
    agent::AgentDocument,
    application::ApplicationDocument,
    parts::{LibraryDocument, OverlayDocument, PresetDocument},
    test_suite::TestSuiteDocument,
    words,
};

pub use reference::reference;
pub use view::{PropertyView, SchemaView, ValueView, at_path};
pub(crate) use walk::walk_block;
pub use walk::{Mark, walk};

/// What a document describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Kind {
    /// One agent.
    #[default]
    Agent,
    /// Agents that work together.
    Application,
    /// Cases that an agent is tried with.
    TestSuite,
    /// Parts that documents import.
    Library,
    /// What is different in an environment.
    Overlay,
    /// What agents begin with.
    Preset,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 6] =
        [Kind::Agent, Kind::Application, Kind::TestSuite, Kind::Library, Kind::Overlay, Kind::Preset];

    /// The word of `kind`.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Agent => "Agent",
            Kind::Application => "Application",
            Kind::TestSuite => "TestSuite",
            Kind::Library => "Library",
            Kind::Overlay => "Overlay",
            Kind::Preset => "Preset",
        }
    }

    /// The name of the kind in the names of files.
    pub fn file_name(self) -> &'static str {
        match self {
            Kind::Agent => "agent",
            Kind::Application => "application",
            Kind::TestSuite => "test-suite",
            Kind::Library => "library",
            Kind::Overlay => "overlay",
            Kind::Preset => "preset",
        }
    }

    /// The kind that a document says it is; `Agent` where it says nothing that is known.
    pub fn of(root: &Node) -> Kind {
        let word = root.get("kind").and_then(Node::as_str);
        Kind::ALL.into_iter().find(|kind| Some(kind.word()) == word).unwrap_or_default()
    }

    fn definition(self) -> String {
        format!("{}Document", self.word())
    }
}

/// The definitions of all kinds: what they have in common is there once.
static DEFINITIONS: LazyLock<Value> = LazyLock::new(|| {
    let mut generator = SchemaSettings::draft2020_12().for_deserialize().into_generator();
    fn add<T: JsonSchema>(generator: &mut SchemaGenerator) {
        generator.subschema_for::<T>();
    }
    add::<AgentDocument>(&mut generator);
    add::<ApplicationDocument>(&mut generator);
    add::<TestSuiteDocument>(&mut generator);
    add::<LibraryDocument>(&mut generator);
    add::<OverlayDocument>(&mut generator);
    add::<PresetDocument>(&mut generator);
    let mut definitions = generator.take_definitions(true);
    for definition in definitions.values_mut() {
        if let Ok(schema) = <&mut Schema>::try_from(definition) {
            RecursiveTransform(tidy).transform(schema);
        }
    }
    json!({ "$defs": definitions })
});

/// What a document of a kind looks like. References lead into definitions that [`document_schema`] holds.
pub(crate) fn root(kind: Kind) -> &'static Value {
    &DEFINITIONS["$defs"][kind.definition()]
}

/// The schema of a kind, complete in itself.
pub fn document_schema(kind: Kind) -> Value {
    let mut schema = Map::new();
    schema.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
    let id = format!("https://aikit.dev/schemas/aikit-v1.0.0/{}.schema.json", kind.file_name());
    schema.insert("$id".into(), id.into());
    schema.insert("title".into(), format!("aikit {}", kind.file_name().replace('-', " ")).into());
    schema.extend(root(kind).as_object().cloned().unwrap_or_default());
    let mut used = BTreeSet::new();
    references(root(kind), &mut used);
    let definitions: Map<String, Value> =
        used.into_iter().map(|name| (name.to_owned(), DEFINITIONS["$defs"][name].clone())).collect();
    schema.insert("$defs".into(), definitions.into());
    Value::Object(schema)
}

/// The names of all definitions to which a schema leads.
fn references(schema: &'static Value, into: &mut BTreeSet<&'static str>) {
    match schema {
        Value::Object(object) => {
            let name = object.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix("#/$defs/"));
            if let Some(name) = name.filter(|name| into.insert(name)) {
                references(&DEFINITIONS["$defs"][name], into);
            }
            object.values().for_each(|value| references(value, into));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, into)),
        _ => {}
    }
}

/// The schema of a kind as a file: pretty, deterministic, with a line break at the end.
pub fn document_schema_json(kind: Kind) -> String {
    format!("{:#}\n", document_schema(kind))
}

/// What a canonical document breaks of the schema of its kind: the structural part of [`check`](crate::check()) alone.
pub fn violations(source: &str, root: &Node) -> Vec<Diagnostic> {
    crate::structure::check(source, root)
}

/// Follows a `$ref` into the definitions.
pub(crate) fn resolve(schema: &'static Value) -> &'static Value {
    let target = schema.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix("#/$defs/"));
    target.and_then(|name| DEFINITIONS["$defs"].get(name)).unwrap_or(schema)
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
    let properties = schema.get("oneOf")?.get(0)?.get("properties")?.as_object()?;
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

/// Whether this version reads a key and does nothing about it.
pub(crate) fn is_not_executed(object: &Map<String, Value>, key: &str) -> bool {
    lists(object, "x-aikit-not-executed", key)
}

/// Whether this version fails when it comes to a key or word.
pub(crate) fn is_not_supported(object: &Map<String, Value>, word: &str) -> bool {
    lists(object, "x-aikit-not-supported", word)
}

fn lists(object: &Map<String, Value>, keyword: &str, word: &str) -> bool {
    let listed = object.get(keyword).and_then(Value::as_array).into_iter().flatten();
    listed.into_iter().any(|listed| listed.as_str() == Some(word))
}

/// Where a key that stands in a wrong place belongs, in words; only if there is one such place.
pub(crate) fn home_of(key: &str) -> Option<String> {
    let blocks = root(Kind::Agent).get("properties").and_then(Value::as_object)?;
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
