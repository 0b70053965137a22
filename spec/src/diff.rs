//! What is different between two versions of an agent, and whether its callers notice.

use std::fmt;

use aikit_core::LineIndex;
use aikit_yaml::{Node, NodeKind, Path, Segment};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{checks::offending, compose::Composed};

/// A difference.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// Where in the document.
    pub path: String,
    /// What happened there.
    pub what: What,
    /// Who notices.
    pub effect: Effect,
    /// What follows from it, where that is more than the difference itself.
    pub reason: Option<String>,
    /// What was there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<Value>,
    /// What is there now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<Value>,
    /// The line of the new document, or of the old one for what is gone; from 1.
    pub line: u32,
}

/// What happened to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It is another one.
    Changed,
}

/// Who notices a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Callers: what worked with the old version may fail with the new one.
    Breaking,
    /// Whoever looks at what the agent does.
    Behavior,
    /// Readers only.
    Documentation,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            What::Added => "added",
            What::Removed => "removed",
            What::Changed => "changed",
        })
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Effect::Breaking => "breaking",
            Effect::Behavior => "behavior",
            Effect::Documentation => "documentation",
        })
    }
}

/// The differences between two composed documents, what breaks callers first.
pub fn diff(old: &Composed, new: &Composed) -> Vec<Change> {
    let mut changes = Vec::new();
    let lines = |composed: &Composed| composed.layers.first().map(|layer| LineIndex::new(&layer.text));
    let mut differ = Differ { old_lines: lines(old), new_lines: lines(new), changes: &mut changes };
    differ.nodes(Some(&old.root), Some(&new.root), &Path::default());
    interface(&old.root, &new.root, &mut changes);
    changes.sort_by_key(|change| change.effect);
    changes
}

/// Whether what callers send is still taken, and what they get is still what they know.
fn interface(old: &Node, new: &Node, changes: &mut [Change]) {
    let schema = |root: &Node, key: &str| root.get("interface").and_then(|block| block.get(key)).map(Node::to_json);
    let any = || json!({"type": "object"});
    let (old_in, new_in) = (schema(old, "inputs").unwrap_or_else(any), schema(new, "inputs").unwrap_or_else(any));
    if let Some(example) = offending(&old_in, &new_in) {
        breaking(changes, "interface.inputs", &format!("the inputs {example} were taken before and are refused now"));
    }
    match (schema(old, "outputs"), schema(new, "outputs")) {
        (Some(old_out), Some(new_out)) => {
            if let Some(example) = offending(&new_out, &old_out) {
                let reason = format!("the result {example} is possible now and was not before");
                breaking(changes, "interface.outputs", &reason);
            }
        }
        (Some(_), None) => breaking(changes, "interface.outputs", "the result can be anything now"),
        _ => {}
    }
}

/// Says that the changes below a path break callers, and why.
fn breaking(changes: &mut [Change], path: &str, reason: &str) {
    let mut first = true;
    for change in changes.iter_mut().filter(|change| change.path.starts_with(path) || path.starts_with(&change.path)) {
        change.effect = Effect::Breaking;
        if std::mem::take(&mut first) {
            change.reason = Some(reason.to_owned());
        }
    }
}

struct Differ<'a> {
    old_lines: Option<LineIndex>,
    new_lines: Option<LineIndex>,
    changes: &'a mut Vec<Change>,
}

impl Differ<'_> {
    fn nodes(&mut self, old: Option<&Node>, new: Option<&Node>, path: &Path) {
        match (old, new) {
            (Some(old), Some(new)) => self.both(old, new, path),
            (Some(old), None) => self.push(path, What::Removed, Some(old), None),
            (None, Some(new)) => self.push(path, What::Added, None, Some(new)),
            (None, None) => {}
        }
    }

    fn both(&mut self, old: &Node, new: &Node, path: &Path) {
        match (&old.kind, &new.kind) {
            (NodeKind::Mapping(before), NodeKind::Mapping(after)) => {
                for entry in before {
                    let below = path.join(Segment::Key(entry.name().to_owned()));
                    self.nodes(Some(&entry.value), new.get(entry.name()), &below);
                }
                for entry in after.iter().filter(|entry| old.get(entry.name()).is_none()) {
                    self.push(&path.join(Segment::Key(entry.name().to_owned())), What::Added, None, Some(&entry.value));
                }
            }
            (NodeKind::Sequence(before), NodeKind::Sequence(after)) => self.lists(before, after, path),
            _ if old.to_json() == new.to_json() => {}
            _ => self.push(path, What::Changed, Some(old), Some(new)),
        }
    }

    /// Lists of named things are compared by name, others by position.
    fn lists(&mut self, before: &[Node], after: &[Node], path: &Path) {
        let name = |node: &Node| node.get("name").and_then(Node::as_str).or_else(|| node.as_str()).map(str::to_owned);
        let named = before.iter().chain(after).all(|item| name(item).is_some());
        if !named {
            for index in 0..before.len().max(after.len()) {
                self.nodes(before.get(index), after.get(index), &path.join(Segment::Index(index)));
            }
            return;
        }
        let find = |list: &'_ [Node], wanted: &Node| list.iter().position(|item| name(item) == name(wanted));
        for (index, item) in before.iter().enumerate() {
            match find(after, item) {
                Some(at) => self.both(item, &after[at], &path.join(Segment::Index(at))),
                None => self.push(&path.join(Segment::Index(index)), What::Removed, Some(item), None),
            }
        }
        for (index, item) in after.iter().enumerate() {
            if find(before, item).is_none() {
                self.push(&path.join(Segment::Index(index)), What::Added, None, Some(item));
            }
        }
    }

    fn push(&mut self, path: &Path, what: What, old: Option<&Node>, new: Option<&Node>) {
        let effect = match path.first() {
            Some(Segment::Key(block)) => match (block.as_str(), path.get(1)) {
                ("identity", Some(Segment::Key(key))) if key == "agent_id" => Effect::Breaking,
                ("identity" | "metadata" | "tests", _) => Effect::Documentation,
                ("interface", Some(Segment::Key(key))) if key == "examples" => Effect::Documentation,
                _ if block.starts_with("x-") => Effect::Documentation,
                _ if matches!(path.last(), Some(Segment::Key(key)) if key == "description" || key == "title") => {
                    Effect::Documentation
                }
                _ => Effect::Behavior,
            },
            _ => Effect::Behavior,
        };
        let lines = if new.is_some() { &self.new_lines } else { &self.old_lines };
        let at = new.or(old).map_or(0, |node| node.range.start);
        let line = lines.as_ref().map_or(1, |lines| lines.line_of(at as usize) + 1);
        let (old, new) = (old.map(Node::to_json), new.map(Node::to_json));
        self.changes.push(Change { path: path.to_string(), what, effect, reason: None, old, new, line });
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::compose::{self, Setting};

    #[test]
    fn callers_are_told_what_breaks() {
        let old = "identity: {agent_id: a, name: A, version: 1.0.0}\ninterface:\n  inputs: {type: object, properties: {q: {type: string}}}\n  outputs: {type: object, properties: {n: {type: integer}}, required: [n]}\nintegration: {tools: [echo]}\nbehavior:\n  steps:\n    - {name: one, llm: Hi.}\n    - {name: two, llm: Ho.}\n";
        let new = "identity: {agent_id: a, name: B, version: 1.1.0}\ninterface:\n  inputs: {type: object, properties: {q: {type: string}, p: {type: string}}, required: [p]}\n  outputs: {type: object, properties: {n: {type: integer}}, required: [n]}\nintegration: {tools: [echo, calculate]}\nbehavior:\n  steps:\n    - {name: two, llm: Hey.}\n";
        let read = |text: &str| compose::document(text, &Setting::default()).unwrap();
        let shown: String = diff(&read(old), &read(new))
            .iter()
            .map(|change| {
                let reason = change.reason.as_ref().map_or(String::new(), |reason| format!(" ({reason})"));
                format!("{}: {} {} line {}{reason}\n", change.effect, change.path, change.what, change.line)
            })
            .collect();
        expect![[r#"
            breaking: interface.inputs.properties.p added line 3 (the inputs {} were taken before and are refused now)
            breaking: interface.inputs.required added line 3
            behavior: integration.tools[1] added line 5
            behavior: behavior.steps[0] removed line 8
            behavior: behavior.steps[0].llm changed line 8
            documentation: identity.name changed line 1
            documentation: identity.version changed line 1
        "#]]
        .assert_eq(&shown);
    }
}
