//! The tree that a text is read into.

use std::ops::Range;

use aikit_core::{Diagnostic, TextRange};
use serde_json::{Map, Value};

use crate::{Hit, Part, Path, Segment, Segments, SyntaxKind, decode::Written};

/// Everything that a text holds.
#[derive(Debug, Clone, Default)]
pub struct Parsed {
    /// The documents of the stream. After a syntax error the best that could be read of them.
    pub documents: Vec<Document>,
    /// What is wrong or doubtful, in the order of the text. Empty for a well-formed text without doubtful spellings.
    pub diagnostics: Vec<Diagnostic>,
}

impl Parsed {
    /// Whether the text is YAML; doubtful spellings do not count.
    pub fn is_valid(&self) -> bool {
        !self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// One document of a stream.
#[derive(Debug, Clone)]
pub struct Document {
    /// From the first to the last byte of its content.
    pub range: TextRange,
    /// Its content.
    pub root: Node,
}

/// A node with its place.
#[derive(Debug, Clone)]
pub struct Node {
    /// The content without tag and anchor; for an alias the alias itself; for an absent value the place where it would
    /// begin.
    pub range: TextRange,
    /// The tag as written, `!` included, where there is one.
    pub tag: Option<String>,
    /// What it is.
    pub kind: NodeKind,
}

/// What a node is. Aliases and merge keys are resolved.
#[derive(Debug, Clone)]
pub enum NodeKind {
    /// Nothing is written, as behind `key:` at the end of a line.
    Null,
    /// A text, number, boolean or a written null.
    Scalar(Scalar),
    /// Keys and values in the order of the text, each key once.
    Mapping(Vec<Entry>),
    /// Items in order.
    Sequence(Vec<Node>),
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScalarStyle {
    /// Without quotes.
    Plain,
    /// `'…'`
    SingleQuoted,
    /// `"…"`
    DoubleQuoted,
    /// `|`
    Literal,
    /// `>`
    Folded,
    /// It is not written here: it stands for something that is.
    Implied,
}

/// A leaf.
#[derive(Debug, Clone, PartialEq)]
pub struct Scalar {
    /// The text after unquoting, unescaping and folding.
    pub text: String,
    /// How it is written.
    pub style: ScalarStyle,
    /// Its value by the core schema. Infinite and undefined numbers have no JSON form and stay texts.
    pub value: Value,
    /// Line of the document, from 0, on which the content begins: for a block scalar the line below its header.
    pub first_line: u32,
    /// Columns by which the content of a block scalar is indented; 0 for the others.
    pub indent: u32,
    /// The lines of a block scalar.
    pub(crate) content: TextRange,
    /// Whether the closing quote is missing.
    pub(crate) broken: bool,
}

impl Scalar {
    /// A text that is not written in the document but stands for something that is.
    pub fn implied(text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            value: Value::String(text.clone()),
            text,
            style: ScalarStyle::Implied,
            first_line: 0,
            indent: 0,
            content: TextRange::empty(0),
            broken: false,
        }
    }
}

/// A key with its value.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key; [`Entry::name`] is its text.
    pub key: Node,
    /// The value.
    pub value: Node,
    /// Whether it came in through a merge key `<<` and stands elsewhere in the text.
    pub merged: bool,
}

impl Entry {
    /// The key as text. A key that is a mapping or a list has none and gives the empty text.
    pub fn name(&self) -> &str {
        match &self.key.kind {
            NodeKind::Scalar(scalar) => &scalar.text,
            _ => "",
        }
    }

    /// Key and value together.
    pub fn range(&self) -> TextRange {
        self.key.range.cover(self.value.range)
    }
}

impl Node {
    /// The value under `key`, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// Key and value under `key`, if this is a mapping that has it.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.name() == key)
    }

    /// Keys and values; empty for everything but a mapping.
    pub fn entries(&self) -> &[Entry] {
        match &self.kind {
            NodeKind::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// Items; empty for everything but a sequence.
    pub fn items(&self) -> &[Node] {
        match &self.kind {
            NodeKind::Sequence(items) => items,
            _ => &[],
        }
    }

    /// The scalar, if this is one.
    pub fn scalar(&self) -> Option<&Scalar> {
        match &self.kind {
            NodeKind::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// The text, if the value is a text. The plain `12` is a number and gives nothing.
    pub fn as_str(&self) -> Option<&str> {
        self.scalar().filter(|scalar| scalar.value.is_string()).map(|scalar| scalar.text.as_str())
    }

    /// Whether nothing or a null is written.
    pub fn is_null(&self) -> bool {
        match &self.kind {
            NodeKind::Null => true,
            NodeKind::Scalar(scalar) => scalar.value.is_null(),
            _ => false,
        }
    }

    /// The value as JSON, by the core schema. Keys become their text.
    pub fn to_json(&self) -> Value {
        match &self.kind {
            NodeKind::Null => Value::Null,
            NodeKind::Scalar(scalar) => scalar.value.clone(),
            NodeKind::Sequence(items) => Value::Array(items.iter().map(Node::to_json).collect()),
            NodeKind::Mapping(entries) => {
                let mut object = Map::with_capacity(entries.len());
                for entry in entries {
                    object.entry(entry.name()).or_insert_with(|| entry.value.to_json());
                }
                Value::Object(object)
            }
        }
    }

    /// A JSON value as a node that stands nowhere.
    pub fn from_json(value: &Value) -> Node {
        let kind = match value {
            Value::Null => NodeKind::Null,
            Value::Array(items) => NodeKind::Sequence(items.iter().map(Node::from_json).collect()),
            Value::Object(members) => NodeKind::Mapping(
                members
                    .iter()
                    .map(|(key, value)| Entry {
                        key: Node::from_json(&Value::String(key.clone())),
                        value: Node::from_json(value),
                        merged: false,
                    })
                    .collect(),
            ),
            Value::String(text) => NodeKind::Scalar(Scalar::implied(text.as_str())),
            other => NodeKind::Scalar(Scalar { value: other.clone(), ..Scalar::implied(other.to_string()) }),
        };
        Node { range: TextRange::empty(0), tag: None, kind }
    }

    /// The map between the decoded text of this scalar and its source; nothing for other nodes.
    pub fn segments(&self, source: &str) -> Option<Segments> {
        let scalar = self.scalar()?;
        let kind = match scalar.style {
            ScalarStyle::Plain => SyntaxKind::Plain,
            ScalarStyle::SingleQuoted => SyntaxKind::SingleQuoted,
            ScalarStyle::DoubleQuoted => SyntaxKind::DoubleQuoted,
            ScalarStyle::Literal => SyntaxKind::Literal,
            ScalarStyle::Folded => SyntaxKind::Folded,
            ScalarStyle::Implied => return None,
        };
        let inside = (self.range.end as usize) <= source.len() && (scalar.content.end as usize) <= source.len();
        let written = Written {
            source,
            kind,
            broken: scalar.broken,
            range: self.range,
            content: scalar.content,
            indent: scalar.indent as usize,
        };
        inside.then(|| crate::decode::segments(written))
    }

    /// Where a piece of the decoded text of this scalar stands in the source.
    pub fn place_in(&self, source: &str, decoded: Range<usize>) -> TextRange {
        self.segments(source).map_or(self.range, |segments| segments.range_to_source(decoded))
    }

    /// The node at `path`, if there is one.
    pub fn node_at_path(&self, path: &[Segment]) -> Option<&Node> {
        path.iter().try_fold(self, |node, segment| match segment {
            Segment::Key(key) => node.get(key),
            Segment::Index(index) => node.items().get(*index),
        })
    }

    /// The node that a JSON Pointer leads to, or the last one on its way that exists.
    pub fn node_at_pointer(&self, pointer: &str) -> &Node {
        let mut node = self;
        for part in pointer.split('/').skip(1) {
            let key = part.replace("~1", "/").replace("~0", "~");
            let item = key.parse().ok().and_then(|index: usize| node.items().get(index));
            match node.get(&key).or(item) {
                Some(next) => node = next,
                None => break,
            }
        }
        node
    }

    /// What stands at `offset`: the path of the innermost node that touches it, and which part of it is touched.
    pub fn path_at(&self, offset: usize) -> Hit {
        let mut path = Vec::new();
        let mut node = self;
        'descend: loop {
            for entry in node.entries().iter().filter(|entry| !entry.merged) {
                if entry.key.range.touches(offset) {
                    path.push(Segment::Key(entry.name().to_owned()));
                    return Hit { path: Path(path), part: Part::Key };
                }
                if entry.value.range.touches(offset) {
                    path.push(Segment::Key(entry.name().to_owned()));
                    node = &entry.value;
                    continue 'descend;
                }
            }
            if let Some(index) = node.items().iter().position(|item| item.range.touches(offset)) {
                path.push(Segment::Index(index));
                node = &node.items()[index];
                continue;
            }
            let part = match node.kind {
                NodeKind::Mapping(_) | NodeKind::Sequence(_) => Part::Inside,
                NodeKind::Null | NodeKind::Scalar(_) => Part::Value,
            };
            return Hit { path: Path(path), part };
        }
    }
}
