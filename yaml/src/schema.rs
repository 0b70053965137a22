//! The tree of values as instances of JSON Schema, without a copy: `jsonschema` reads the nodes where they are.
//!
//! ```
//! let schema = serde_json::json!({"properties": {"port": {"type": "integer"}}});
//! let validator = jsonschema::options_for::<aikit_yaml::Yaml>().build(&schema).unwrap();
//! let parsed = aikit_yaml::parse("port: eighty\n");
//! let root = &parsed.documents[0].root;
//! let error = validator.iter_errors(root).next().unwrap();
//! assert_eq!(root.node_at_pointer(error.instance_path().as_str()).range.slice("port: eighty\n"), "eighty");
//! ```

use std::borrow::Cow;

use jsonschema::{
    json::{Array, Json, Node as Instance, NodeIdentity, Object},
    types::JsonType,
};
use serde_json::{Number, Value};

use crate::{Entry, Node, NodeKind, Scalar};

/// YAML as a representation that `jsonschema` validates: `jsonschema::options_for::<Yaml>()`.
#[derive(Debug, Clone, Copy)]
pub struct Yaml;

impl Json for Yaml {
    type Node<'a> = &'a Node;
    type PreparedKey = String;
    type StringBuffer = Option<Node>;

    fn prepare_key(key: &str) -> String {
        key.to_owned()
    }

    fn with_string_node<T>(buffer: &mut Option<Node>, string: &str, f: impl FnOnce(&Node) -> T) -> T {
        let kind = NodeKind::Scalar(Scalar::implied(string));
        f(buffer.insert(Node { range: aikit_core::TextRange::empty(0), tag: None, kind }))
    }
}

impl<'a> Instance<'a, Yaml> for &'a Node {
    type Object = &'a [Entry];
    type Array = &'a [Node];
    type Number = &'a Number;

    fn as_object(&self) -> Option<&'a [Entry]> {
        match &self.kind {
            NodeKind::Mapping(entries) => Some(entries),
            _ => None,
        }
    }

    fn as_array(&self) -> Option<&'a [Node]> {
        match &self.kind {
            NodeKind::Sequence(items) => Some(items),
            _ => None,
        }
    }

    fn as_string(&self) -> Option<Cow<'a, str>> {
        match self.value() {
            Some(Value::String(text)) => Some(Cow::Borrowed(text)),
            _ => None,
        }
    }

    fn as_number(&self) -> Option<&'a Number> {
        match self.value() {
            Some(Value::Number(number)) => Some(number),
            _ => None,
        }
    }

    fn as_boolean(&self) -> Option<bool> {
        self.value().and_then(Value::as_bool)
    }

    fn is_null(&self) -> bool {
        Node::is_null(self)
    }

    fn json_type(&self) -> JsonType {
        match (&self.kind, self.value()) {
            (NodeKind::Mapping(_), _) => JsonType::Object,
            (NodeKind::Sequence(_), _) => JsonType::Array,
            (_, Some(Value::String(_))) => JsonType::String,
            (_, Some(Value::Number(_))) => JsonType::Number,
            (_, Some(Value::Bool(_))) => JsonType::Boolean,
            _ => JsonType::Null,
        }
    }

    fn to_value(&self) -> Cow<'a, Value> {
        match self.value() {
            Some(value) => Cow::Borrowed(value),
            None => Cow::Owned(self.to_json()),
        }
    }

    fn identity(&self) -> Option<NodeIdentity> {
        Some(NodeIdentity::new(std::ptr::from_ref::<Node>(self) as usize))
    }
}

impl<'a> Object<'a, Yaml> for &'a [Entry] {
    type Node = &'a Node;
    type MemberName = &'a str;
    type MembersIter = std::iter::Map<std::slice::Iter<'a, Entry>, fn(&'a Entry) -> (&'a str, &'a Node)>;

    fn len(&self) -> usize {
        <[Entry]>::len(self)
    }

    fn get(&self, key: &String) -> Option<&'a Node> {
        self.iter().find(|entry| entry.name() == key).map(|entry| &entry.value)
    }

    fn members(&self) -> Self::MembersIter {
        self.iter().map(|entry| (entry.name(), &entry.value))
    }
}

impl<'a> Array<'a, Yaml> for &'a [Node] {
    type Node = &'a Node;
    type ElementsIter = std::slice::Iter<'a, Node>;

    fn len(&self) -> usize {
        <[Node]>::len(self)
    }

    fn elements(&self) -> std::slice::Iter<'a, Node> {
        self.iter()
    }
}

impl Node {
    /// The value of a scalar.
    fn value(&self) -> Option<&Value> {
        self.scalar().map(|scalar| &scalar.value)
    }
}
