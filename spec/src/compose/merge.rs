//! How one document is laid over another: RFC 7386, and lists of named things are merged by name.

use aikit_yaml::{Entry, Node, NodeKind};

/// Removes what it marks.
pub(super) const DELETE: &str = "!delete";

/// Lays `over` over `base`: a key of both is merged, null or `!delete` removes, anything else replaces. The order is that of
/// `base`, then what is new.
pub(crate) fn merge(base: Node, over: Node) -> Node {
    match (base.kind, over.kind) {
        (NodeKind::Mapping(base), NodeKind::Mapping(entries)) => {
            Node { range: over.range, tag: over.tag, kind: NodeKind::Mapping(merge_entries(base, entries)) }
        }
        (NodeKind::Sequence(base), NodeKind::Sequence(items)) if named(&base) && named(&items) => {
            Node { range: over.range, tag: over.tag, kind: NodeKind::Sequence(merge_items(base, items)) }
        }
        (_, kind) => without_marks(Node { range: over.range, tag: over.tag, kind }),
    }
}

fn merge_entries(mut base: Vec<Entry>, over: Vec<Entry>) -> Vec<Entry> {
    for entry in over {
        let at = base.iter().position(|known| known.name() == entry.name());
        match at {
            Some(at) if removes(&entry.value) => drop(base.remove(at)),
            Some(at) => {
                let known = std::mem::replace(&mut base[at].value, null(&entry.value));
                base[at] = Entry { value: merge(known, entry.value), ..entry };
            }
            // A null that removes nothing is a value: `return:`.
            None if entry.value.tag.as_deref() == Some(DELETE) => {}
            None => base.push(Entry { value: without_marks(entry.value), ..entry }),
        }
    }
    base
}

fn merge_items(mut base: Vec<Node>, over: Vec<Node>) -> Vec<Node> {
    for item in over {
        let at = name(&item).and_then(|wanted| base.iter().position(|known| name(known) == Some(wanted)));
        match at {
            Some(at) if removes(&item) => drop(base.remove(at)),
            Some(at) => {
                let known = std::mem::replace(&mut base[at], null(&item));
                base[at] = merge(known, item);
            }
            None if item.tag.as_deref() == Some(DELETE) => {}
            None => base.push(without_marks(item)),
        }
    }
    base
}

fn null(like: &Node) -> Node {
    Node { range: like.range, tag: None, kind: NodeKind::Null }
}

fn removes(node: &Node) -> bool {
    node.tag.as_deref() == Some(DELETE) || node.is_null()
}

/// The name by which an item of a list is known: its own, or that of the only thing it says.
pub(super) fn name(item: &Node) -> Option<&str> {
    ["name", "label"].iter().find_map(|key| item.get(key)?.as_str()).or_else(|| item.as_str())
}

/// Whether every item has a name, at least one of them as a mapping.
fn named(items: &[Node]) -> bool {
    items.iter().all(|item| name(item).is_some()) && items.iter().any(|item| !item.entries().is_empty())
        || items.is_empty()
        || items.iter().all(|item| item.tag.as_deref() == Some(DELETE))
}

/// What marks a removal removes nothing where nothing is.
fn without_marks(mut node: Node) -> Node {
    match &mut node.kind {
        NodeKind::Mapping(entries) => {
            entries.retain(|entry| entry.value.tag.as_deref() != Some(DELETE));
            for entry in entries {
                let value = std::mem::replace(
                    &mut entry.value,
                    Node { range: entry.key.range, tag: None, kind: NodeKind::Null },
                );
                entry.value = without_marks(value);
            }
        }
        NodeKind::Sequence(items) => {
            items.retain(|item| item.tag.as_deref() != Some(DELETE));
            let taken = std::mem::take(items);
            *items = taken.into_iter().map(without_marks).collect();
        }
        NodeKind::Scalar(_) | NodeKind::Null => {}
    }
    node
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_are_laid_over_documents() {
        let merged = |base: &str, over: &str| {
            let read = |text: &str| aikit_yaml::parse(text).documents.remove(0).root;
            merge(read(base), read(over)).to_json()
        };
        for (base, over, expected) in [
            ("{a: 1, b: 2}", "{b: 3, c: 4}", json!({"a": 1, "b": 3, "c": 4})),
            ("{a: {x: 1, y: 2}}", "{a: {y: null, z: 3}}", json!({"a": {"x": 1, "z": 3}})),
            ("{a: 1}", "{a: !delete , b: !delete 2}", json!({})),
            ("{a: 1}", "{b: null}", json!({"a": 1, "b": null})),
            ("{a: [1, 2]}", "{a: [3]}", json!({"a": [3]})),
            (
                "{s: [{name: one, x: 1}, {name: two}]}",
                "{s: [{name: two, y: 2}, {name: three}]}",
                json!({"s": [{"name": "one", "x": 1}, {"name": "two", "y": 2}, {"name": "three"}]}),
            ),
            ("{s: [{name: one}, {name: two}]}", "{s: [!delete {name: one}]}", json!({"s": [{"name": "two"}]})),
            (
                "{t: [echo, {name: own, kind: lua}]}",
                "{t: [!delete echo, {name: own, code: x}]}",
                json!({"t": [{"name": "own", "kind": "lua", "code": "x"}]}),
            ),
            ("{a: {b: 1}}", "{a: text}", json!({"a": "text"})),
        ] {
            assert_eq!(merged(base, over), expected, "{base} + {over}");
        }
    }
}
