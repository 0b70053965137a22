//! The structural check: a document against the schema of the language, with places, nearest names and fixes.
//!
//! It walks the tree along the same generated schema that foreign editors use and accepts exactly what that schema accepts
//! (a test compares the two); what it adds is the words. Every node gets at most one primary error: a wrong type is not
//! followed into the value, a mistyped key excuses the required key that it stands for.

mod keys;
mod values;

use std::collections::HashSet;

use aikit_core::{Diagnostic, TextRange, codes};
use aikit_yaml::{Node, NodeKind, Path, Segment};
use serde_json::{Map, Value};

use crate::schema::{self, Kind};

/// Checks `root` against the schema of its kind.
pub(crate) fn check(source: &str, root: &Node) -> Vec<Diagnostic> {
    let mut walker = Walker { source, diagnostics: Vec::new() };
    let start = root.entries().first().map_or(root.range, |entry| entry.key.range);
    let place = Place::root(start);
    let kinds: Vec<&'static str> = Kind::ALL.into_iter().map(Kind::word).collect();
    if let Some(entry) = root.entry("kind")
        && entry.value.as_str().is_none_or(|word| !kinds.contains(&word))
    {
        // What the document is decides what else can stand in it.
        let place = place.key("kind", entry.key.range);
        walker.not_one_of(&entry.value, &kinds, &place);
        return walker.diagnostics;
    }
    walker.node(root, schema::root(Kind::of(root)), &place);
    if Kind::of(root) == Kind::Application {
        // That the whole of it is not executed says everything.
        let kind = root.get("kind").map(|node| node.range);
        let part = |finding: &Diagnostic| matches!(finding.code, codes::NOT_EXECUTED | codes::NOT_SUPPORTED);
        walker.diagnostics.retain(|finding| !part(finding) || Some(finding.range) == kind);
    }
    // What an anchor defines is judged at every alias, and reported once.
    let mut seen = HashSet::new();
    walker.diagnostics.retain(|diagnostic| seen.insert((diagnostic.code, diagnostic.range)));
    walker.diagnostics
}

/// Where a node stands. The way to it is put together only when something is said about it.
struct Place<'p> {
    outer: Option<&'p Place<'p>>,
    step: Step<'p>,
    /// What is underlined for a finding about the node as a whole: its key, or its first line.
    anchor: TextRange,
    /// Whether an outer part has been announced as one that this version does not execute.
    announced: bool,
}

/// The last step on the way to a node.
#[derive(Clone, Copy)]
enum Step<'p> {
    /// It is the document.
    Root,
    /// A key of a mapping.
    Key(&'p str),
    /// An item of a list.
    Index(usize),
}

impl<'p> Place<'p> {
    fn root(anchor: TextRange) -> Self {
        Place { outer: None, step: Step::Root, anchor, announced: false }
    }

    fn key<'q>(&'q self, key: &'q str, anchor: TextRange) -> Place<'q>
    where
        'p: 'q,
    {
        Place { outer: Some(self), step: Step::Key(key), anchor, announced: self.announced }
    }

    fn index<'q>(&'q self, index: usize, anchor: TextRange) -> Place<'q>
    where
        'p: 'q,
    {
        Place { outer: Some(self), step: Step::Index(index), anchor, announced: self.announced }
    }

    fn path(&self) -> Path {
        let mut segments = Vec::new();
        let mut at = Some(self);
        while let Some(place) = at {
            match place.step {
                Step::Root => {}
                Step::Key(key) => segments.push(Segment::Key(key.to_owned())),
                Step::Index(index) => segments.push(Segment::Index(index)),
            }
            at = place.outer;
        }
        segments.reverse();
        Path(segments)
    }

    fn is_root(&self) -> bool {
        matches!(self.step, Step::Root)
    }

    /// Whether it is this key of the document.
    fn is_top(&self, key: &str) -> bool {
        matches!(self.step, Step::Key(own) if own == key) && self.outer.is_some_and(Place::is_root)
    }

    fn name(&self) -> String {
        if self.is_root() { "the document".into() } else { format!("`{}`", self.path()) }
    }
}

struct Walker<'s> {
    source: &'s str,
    diagnostics: Vec<Diagnostic>,
}

impl Walker<'_> {
    fn node(&mut self, node: &Node, schema: &'static Value, place: &Place<'_>) {
        let schema = schema::resolve(schema);
        let Some(object) = schema.as_object() else { return };
        if let Some(branches) = object.get("anyOf").and_then(Value::as_array) {
            return self.by_type(node, branches, place);
        }
        if let Some(branches) = object.get("oneOf").and_then(Value::as_array) {
            if schema::enum_words(object).is_some() {
                return self.scalar(node, object, place);
            }
            if let Some(tag) = schema::discriminator(schema) {
                return self.by_tag(node, object, tag, branches, place);
            }
        }
        match object.get("type").and_then(Value::as_str) {
            Some("object") => self.mapping(node, object, place),
            Some("array") => self.sequence(node, object, place),
            _ => self.scalar(node, object, place),
        }
    }

    /// One of several schemas, told apart by the type of the value.
    fn by_type(&mut self, node: &Node, branches: &'static [Value], place: &Place<'_>) {
        let type_of = |branch: &'static Value| {
            let branch = schema::resolve(branch);
            let words = branch.as_object().and_then(schema::enum_words).is_some();
            branch.get("type").and_then(Value::as_str).unwrap_or(if words { "string" } else { "object" })
        };
        let fitting = branches.iter().find(|branch| fits(node, type_of(branch)));
        match fitting {
            Some(branch) => self.node(node, branch, place),
            None => {
                let types: Vec<&str> = branches.iter().map(type_of).collect();
                self.wrong_type(node, &types, place);
            }
        }
    }

    /// One of several mappings, told apart by the value of one key.
    fn by_tag(
        &mut self,
        node: &Node,
        object: &'static Map<String, Value>,
        tag: &str,
        branches: &'static [Value],
        place: &Place<'_>,
    ) {
        let NodeKind::Mapping(_) = node.kind else { return self.wrong_type(node, &["object"], place) };
        let Some(entry) = node.entry(tag) else {
            let words: Vec<String> = schema::tag_values(branches, tag).map(|word| format!("`{word}`")).collect();
            let mistyped = self.mistyped_keys(node, branches, place);
            if !mistyped {
                let message = format!("{} lacks `{tag}`", place.name());
                let help = format!("add `{tag}:` with one of {}", words.join(", "));
                self.diagnostics.push(Diagnostic::new(codes::MISSING_KEY, place.anchor, message).with_help(help));
            }
            return;
        };
        let chosen = branches.iter().find(|branch| {
            let word =
                schema::resolve(branch).get("properties").and_then(|properties| properties.get(tag)?.get("const"));
            word.is_some_and(|word| *word == entry.value.to_json())
        });
        match chosen {
            Some(branch) => {
                let word = entry.value.as_str().unwrap_or_default();
                let what = || format!("{}: {word}", place.path().join(Segment::Key(tag.into())));
                let announced = self.announce(object, word, entry.value.range, place, what);
                self.node(
                    node,
                    branch,
                    &Place { outer: place.outer, step: place.step, anchor: place.anchor, announced },
                );
            }
            None => {
                let words: Vec<&str> = schema::tag_values(branches, tag).collect();
                let below = place.key(tag, entry.key.range);
                self.not_one_of(&entry.value, &words, &below);
            }
        }
    }

    /// Says that this version does not execute a key or word; gives whether it, or something around it, was announced.
    fn announce(
        &mut self,
        object: &'static Map<String, Value>,
        word: &str,
        range: TextRange,
        place: &Place<'_>,
        what: impl FnOnce() -> String,
    ) -> bool {
        if place.announced {
            return true;
        }
        if schema::is_not_executed(object, word) {
            let what = what();
            let message = format!("`{what}` is declared and not executed by this version");
            let help = match place.is_top("kind") {
                true => "it is checked and not run",
                false => "a run goes on as if it were not there",
            };
            self.diagnostics.push(Diagnostic::new(codes::NOT_EXECUTED, range, message).with_help(help));
        } else if schema::is_not_supported(object, word) {
            let what = what();
            let message = format!("`{what}` is declared and not executed by this version");
            let help = "a run fails when it comes to it";
            self.diagnostics.push(Diagnostic::new(codes::NOT_SUPPORTED, range, message).with_help(help));
        } else {
            return false;
        }
        true
    }

    fn sequence(&mut self, node: &Node, object: &'static Map<String, Value>, place: &Place<'_>) {
        let NodeKind::Sequence(items) = &node.kind else { return self.wrong_type(node, &["array"], place) };
        let bound = |key: &str| object.get(key).and_then(Value::as_u64).map(|n| n as usize);
        if let Some(least) = bound("minItems").filter(|least| items.len() < *least) {
            let message = format!("{} needs at least {least} item{}", place.name(), plural(least));
            self.diagnostics.push(Diagnostic::new(codes::OUT_OF_RANGE, place.anchor, message));
        }
        if let Some(most) = bound("maxItems").filter(|most| items.len() > *most) {
            let message = format!("{} takes at most {most} items, not {}", place.name(), items.len());
            self.diagnostics.push(Diagnostic::new(codes::OUT_OF_RANGE, place.anchor, message));
        }
        let Some(schema) = object.get("items") else { return };
        for (index, item) in items.iter().enumerate() {
            let anchor = item.entries().first().map_or(item.range, |entry| entry.key.range);
            self.node(item, schema, &place.index(index, anchor));
        }
    }
}

/// Whether a value has a JSON type. A whole number is an integer however it is written, as in JSON Schema.
fn fits(node: &Node, ty: &str) -> bool {
    match (&node.kind, ty) {
        (NodeKind::Mapping(_), "object") | (NodeKind::Sequence(_), "array") | (NodeKind::Null, "null") => true,
        (NodeKind::Scalar(scalar), _) => match ty {
            "string" => scalar.value.is_string(),
            "boolean" => scalar.value.is_boolean(),
            "null" => scalar.value.is_null(),
            "number" => scalar.value.is_number(),
            "integer" => {
                scalar.value.is_i64()
                    || scalar.value.is_u64()
                    || scalar.value.as_f64().is_some_and(|number| number.fract() == 0.0)
            }
            _ => false,
        },
        _ => false,
    }
}

fn plural(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}
