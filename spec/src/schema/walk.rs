//! A walk through a whole document beside its schema, for what needs every name and every text of it.

use aikit_yaml::{Entry, Node, NodeKind, Segment};
use serde_json::Value;

use super::{Kind, enum_words, view};
use crate::words::{self, Format};

/// What the language says about one value of a document.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mark {
    /// The namespace of the name that stands here.
    pub reference: Option<&'static str>,
    /// What the text is written in. Whatever stands below a value of `dynamic` or `json-schema` has that language too.
    pub language: Option<&'static str>,
    /// The rule for the text.
    pub format: Option<&'static Format>,
    /// Whether only words of the language can stand here.
    pub words: bool,
    /// Whether the language knows this place at all; inside of `metadata` it does not.
    pub known: bool,
}

/// Visits every value of a document, outer ones first, with its way from the root and what the language says about it.
/// What came in by a merge key is visited where it stands in the text only.
pub fn walk<'n>(root: &'n Node, visit: &mut dyn FnMut(&[Segment], &'n Node, Mark)) {
    let schemas = view::branches(super::root(Kind::of(root)), Some(root));
    let mut path = Vec::new();
    node(root, &schemas, Mark { known: true, ..Mark::default() }, &mut path, visit);
}

/// The same for one block of a document.
pub(crate) fn walk_block<'n>(root: &'n Node, block: &'n Entry, visit: &mut dyn FnMut(&[Segment], &'n Node, Mark)) {
    let schemas = view::branches(super::root(Kind::of(root)), Some(root));
    let segment = Segment::Key(block.name().to_owned());
    let next = schemas.iter().filter_map(|schema| view::below(schema, &segment));
    let next: Vec<&'static Value> = next.flat_map(|schema| view::branches(schema, Some(&block.value))).collect();
    let mut path = vec![segment];
    node(&block.value, &next, Mark { known: true, ..Mark::default() }, &mut path, visit);
}

fn node<'n>(
    at: &'n Node,
    schemas: &[&'static Value],
    outer: Mark,
    path: &mut Vec<Segment>,
    visit: &mut dyn FnMut(&[Segment], &'n Node, Mark),
) {
    let mark = mark(schemas, outer);
    visit(path, at, mark);
    let mut descend = |segment: Segment, child: &'n Node, path: &mut Vec<Segment>| {
        let next = schemas.iter().filter_map(|schema| view::below(schema, &segment));
        let next: Vec<&'static Value> = next.flat_map(|schema| view::branches(schema, Some(child))).collect();
        path.push(segment);
        node(child, &next, mark, path, visit);
        path.pop();
    };
    match &at.kind {
        NodeKind::Mapping(entries) => {
            for entry in entries.iter().filter(|entry| !entry.merged) {
                descend(Segment::Key(entry.name().to_owned()), &entry.value, path);
            }
        }
        NodeKind::Sequence(items) => {
            for (index, item) in items.iter().enumerate() {
                descend(Segment::Index(index), item, path);
            }
        }
        NodeKind::Scalar(_) | NodeKind::Null => {}
    }
}

fn mark(schemas: &[&'static Value], outer: Mark) -> Mark {
    let inherited = outer.language.filter(|language| matches!(*language, "dynamic" | "json-schema"));
    let mut mark = Mark { language: inherited, known: !schemas.is_empty() || inherited.is_some(), ..Mark::default() };
    for object in schemas.iter().filter_map(|schema| schema.as_object()) {
        let text = |key: &str| object.get(key).and_then(Value::as_str);
        mark.language = mark.language.or_else(|| text("x-aikit-language"));
        mark.format = mark.format.or_else(|| words::format(text("x-aikit-format")?));
        let by_format = match text("x-aikit-format") {
            Some("model") => Some("model"),
            Some("agent-ref") => Some("agent"),
            _ => None,
        };
        mark.reference = mark.reference.or_else(|| text("x-aikit-ref")).or(by_format);
        mark.words |= enum_words(object).is_some();
    }
    mark
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn every_value_is_visited_with_its_meaning() {
        let source = "identity: {agent_id: a}\nkind: Agent\nintelligence: {model: fast}\nintegration:\n  tools:\n    - echo\n    - {name: t, kind: lua, code: return 1}\nbehavior:\n  steps:\n    - name: s\n      agent: other@1.0.0\n      input: {x: ['{{ y }}']}\n      when: 'true'\n    - name: t\n      llm: {prompt: [{role: user, content: hi}], tools: [echo]}\nmetadata: {a: {b: c}}\n";
        let parsed = aikit_yaml::parse(source);
        let mut text = String::new();
        walk(&parsed.documents[0].root, &mut |path, node, mark| {
            if node.scalar().is_none() {
                return;
            }
            let path = aikit_yaml::Path(path.to_vec());
            let format = mark.format.map_or("", |format| format.name);
            let (reference, language) = (mark.reference.unwrap_or(""), mark.language.unwrap_or(""));
            let words = if mark.words { "words" } else { "" };
            let known = if mark.known { "" } else { "unknown" };
            let marks = [format, reference, language, words, known].join(" ");
            text.push_str(&format!("{path}: {}\n", marks.split_whitespace().collect::<Vec<_>>().join(" ")));
        });
        expect![[r#"
            identity.agent_id: slug
            kind: words
            intelligence.model: model model
            integration.tools[0]: reference builtin
            integration.tools[1].name: name
            integration.tools[1].kind: words
            integration.tools[1].code: lua
            behavior.steps[0].name: name
            behavior.steps[0].agent: agent-ref agent
            behavior.steps[0].input.x[0]: dynamic
            behavior.steps[0].when: cel
            behavior.steps[1].name: name
            behavior.steps[1].llm.prompt[0].role: words
            behavior.steps[1].llm.prompt[0].content: template
            behavior.steps[1].llm.tools[0]: reference tool
            metadata.a.b: unknown
        "#]]
        .assert_eq(&text);
    }
}
