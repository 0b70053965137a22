//! What goes into an agent and what is to be expected, for forms and lists of tests.

use aikit_core::TextRange;
use serde_json::{Value, json};

use crate::snapshot::Snapshot;

/// The interface of an agent.
#[derive(Debug, Clone, PartialEq)]
pub struct Interface {
    /// Its id.
    pub agent: String,
    /// JSON Schema of the inputs.
    pub inputs: Value,
    /// The examples.
    pub examples: Vec<Example>,
    /// The cases of its tests.
    pub cases: Vec<Case>,
}

/// A case of a test.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub range: TextRange,
    /// The inputs.
    pub inputs: Value,
}

/// An example of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// Where it stands.
    pub range: TextRange,
    /// The inputs.
    pub inputs: Value,
    /// The result that is to be expected.
    pub outputs: Option<Value>,
}

/// The interface of a document, as far as it can be read; nothing for a document that names no agent. That of a suite holds
/// its cases.
pub fn interface(snapshot: &Snapshot) -> Option<Interface> {
    let root = snapshot.root()?;
    let own = root.get("identity").and_then(|identity| identity.get("agent_id")).and_then(aikit_yaml::Node::as_str);
    // The short form, and a suite, say it at the top.
    let named = root.get("agent").and_then(aikit_yaml::Node::as_str);
    let agent = own.or(named.map(|name| name.split('@').next().unwrap_or(name)))?.to_owned();
    let interface = root.get("interface");
    let inputs = interface.and_then(|interface| interface.get("inputs"));
    let examples = interface.and_then(|interface| interface.get("examples")).map(|examples| examples.items());
    let example = |node: &aikit_yaml::Node| Example {
        range: node.range,
        inputs: node.get("inputs").map_or_else(|| json!({}), |inputs| inputs.to_json()),
        outputs: node.get("outputs").map(|outputs| outputs.to_json()),
    };
    let cases = ["tests", "cases", "test"].iter().find_map(|key| root.get(key));
    let case = |node: &aikit_yaml::Node| {
        let inputs = node.get("input").or_else(|| node.get("in"));
        let name = node.get("name")?.as_str()?.to_owned();
        Some(Case { name, range: node.range, inputs: inputs.map_or_else(|| json!({}), |inputs| inputs.to_json()) })
    };
    Some(Interface {
        agent,
        cases: cases.map(|cases| cases.items()).unwrap_or_default().iter().filter_map(case).collect(),
        inputs: inputs.map_or_else(|| json!({ "type": "object" }), |inputs| inputs.to_json()),
        examples: examples.unwrap_or_default().iter().map(example).collect(),
    })
}
