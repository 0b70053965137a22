//! A tree as a text: block style, two columns, and every text in the form that reads best.

use serde_json::Value;

use crate::{
    resolve,
    tree::{Node, NodeKind},
};

/// Longer lists and mappings of plain things do not stand in one line.
const LINE: usize = 100;

/// Writes a value as a document. Reading it gives the value again; comments, anchors and tags are not part of a value.
pub fn emit(node: &Node) -> String {
    let mut text = String::new();
    match &node.kind {
        NodeKind::Mapping(entries) if !entries.is_empty() => mapping(node, 0, &mut text),
        NodeKind::Sequence(items) if !items.is_empty() => sequence(node, 0, &mut text),
        _ => {
            text.push_str(&inline(node));
            text.push('\n');
        }
    }
    text
}

fn mapping(node: &Node, indent: usize, text: &mut String) {
    for (index, entry) in node.entries().iter().enumerate() {
        if index > 0 {
            text.push_str(&" ".repeat(indent));
        }
        text.push_str(&scalar_text(entry.name()));
        text.push(':');
        value(&entry.value, indent, text);
    }
}

fn sequence(node: &Node, indent: usize, text: &mut String) {
    for (index, item) in node.items().iter().enumerate() {
        if index > 0 {
            text.push_str(&" ".repeat(indent));
        }
        text.push('-');
        match &item.kind {
            NodeKind::Mapping(entries) if !entries.is_empty() && !fits(item, indent) => {
                text.push(' ');
                mapping(item, indent + 2, text);
            }
            NodeKind::Sequence(items) if !items.is_empty() && !fits(item, indent) => {
                text.push(' ');
                sequence(item, indent + 2, text);
            }
            _ => value(item, indent, text),
        }
    }
}

/// What stands behind a key or a dash.
fn value(node: &Node, indent: usize, text: &mut String) {
    let below = |text: &mut String| {
        text.push('\n');
        text.push_str(&" ".repeat(indent + 2));
    };
    match &node.kind {
        NodeKind::Mapping(entries) if !entries.is_empty() && (!is_flat(node) || !fits(node, indent)) => {
            below(text);
            mapping(node, indent + 2, text);
        }
        NodeKind::Sequence(items) if !items.is_empty() && (!is_flat(node) || !fits(node, indent)) => {
            below(text);
            sequence(node, indent + 2, text);
        }
        NodeKind::Scalar(scalar) if scalar.value.is_string() && is_block(&scalar.text) => {
            let chomp = if scalar.text.ends_with('\n') { "" } else { "-" };
            text.push_str(&format!(" |{chomp}\n"));
            for line in scalar.text.lines() {
                if !line.is_empty() {
                    text.push_str(&" ".repeat(indent + 2));
                    text.push_str(line);
                }
                text.push('\n');
            }
        }
        NodeKind::Null => text.push('\n'),
        _ => {
            text.push(' ');
            text.push_str(&inline(node));
            text.push('\n');
        }
    }
}

/// Whether nothing below holds anything itself.
fn is_flat(node: &Node) -> bool {
    let leaf = |node: &Node| match &node.kind {
        NodeKind::Mapping(entries) => entries.is_empty(),
        NodeKind::Sequence(items) => items.is_empty(),
        NodeKind::Scalar(scalar) => !scalar.text.contains('\n'),
        NodeKind::Null => true,
    };
    node.entries().iter().all(|entry| leaf(&entry.value)) && node.items().iter().all(leaf)
}

fn fits(node: &Node, indent: usize) -> bool {
    is_flat(node) && inline(node).len() + indent <= LINE
}

/// A value in one line.
fn inline(node: &Node) -> String {
    match &node.kind {
        NodeKind::Null => "null".to_owned(),
        NodeKind::Scalar(scalar) => match &scalar.value {
            Value::String(text) => scalar_text(text),
            other => other.to_string(),
        },
        NodeKind::Sequence(items) => {
            let items: Vec<String> = items.iter().map(flow).collect();
            format!("[{}]", items.join(", "))
        }
        NodeKind::Mapping(entries) => {
            let entries: Vec<String> =
                entries.iter().map(|entry| format!("{}: {}", flow_text(entry.name()), flow(&entry.value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

/// A value inside of brackets.
fn flow(node: &Node) -> String {
    match node.scalar().map(|scalar| &scalar.value) {
        Some(Value::String(text)) => flow_text(text),
        _ => inline(node),
    }
}

fn flow_text(text: &str) -> String {
    let written = scalar_text(text);
    if !written.starts_with(['"', '\'']) && text.contains([',', '[', ']', '{', '}']) { quoted(text) } else { written }
}

/// Several lines that can stand as they are.
fn is_block(text: &str) -> bool {
    let inner = text.strip_suffix('\n').unwrap_or(text);
    inner.contains('\n')
        && !inner.ends_with('\n')
        && !text.starts_with([' ', '\n', '\t'])
        && !inner.lines().any(|line| line.ends_with([' ', '\t']) || line.starts_with('\t'))
        && text
            .chars()
            .all(|c| c == '\n' || !c.is_control() && !matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}'))
}

/// A text without quotes where that means the same, in quotes elsewhere.
fn scalar_text(text: &str) -> String {
    let plain = !text.is_empty()
        && !text.starts_with(|c: char| {
            matches!(
                c,
                '-' | '?'
                    | ':'
                    | ','
                    | '['
                    | ']'
                    | '{'
                    | '}'
                    | '#'
                    | '&'
                    | '*'
                    | '!'
                    | '|'
                    | '>'
                    | '\''
                    | '"'
                    | '%'
                    | '@'
                    | '`'
            )
        })
        && !text.starts_with("...")
        && !text.starts_with(char::is_whitespace)
        && !text.ends_with(char::is_whitespace)
        && !text.ends_with(':')
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.contains("{{")
        && text.chars().all(|c| !c.is_control() && !matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}'))
        && resolve::plain(text).is_string()
        && !matches!(text.to_ascii_lowercase().as_str(), "yes" | "no" | "on" | "off" | "<<");
    if plain { text.to_owned() } else { quoted(text) }
}

fn quoted(text: &str) -> String {
    let simple = text.chars().all(|c| !c.is_control() && !matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}'));
    if simple && text.contains(['"', '\\']) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut written = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => written.push_str("\\\""),
            '\\' => written.push_str("\\\\"),
            '\n' => written.push_str("\\n"),
            '\t' => written.push_str("\\t"),
            '\r' => written.push_str("\\r"),
            c if c.is_control() || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                written.push_str(&format!("\\u{:04x}", c as u32));
            }
            c => written.push(c),
        }
    }
    written.push('"');
    written
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn documents_read_well() {
        let parsed = crate::parse(
            "{a: 1, b: [x, 'y z', '- no'], prompt: \"Hello\\nAda\\n\", t: '{{ x }}', steps: [{name: one, do: [{x: 1, y: {z: 2}}]}], e: {}, n: , q: 'yes'}",
        );
        expect![[r#"
            a: 1
            b: [x, y z, "- no"]
            prompt: |
              Hello
              Ada
            t: "{{ x }}"
            steps:
              - name: one
                do:
                  - x: 1
                    y: {z: 2}
            e: {}
            n:
            q: "yes"
        "#]]
        .assert_eq(&emit(&parsed.documents[0].root));
    }

    fn value() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            "[ -~]{0,12}",
            "[a-z{}:#'\"\\n \\t-]{0,12}",
            Just("1".to_owned()),
            Just("null".to_owned()),
            Just("é\u{85}\u{feff}".to_owned()),
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i32>().prop_map(|n| Value::Number(n.into())),
            text.clone().prop_map(Value::String),
        ];
        leaf.prop_recursive(4, 24, 4, move |inner| {
            let key = prop_oneof!["[a-z]{1,6}", "[ -~]{0,8}"];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                prop::collection::btree_map(key, inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_as_it_was(value in value()) {
            let text = emit(&Node::from_json(&value));
            let parsed = crate::parse(&text);
            prop_assert!(parsed.is_valid(), "{text}\n{:?}", parsed.diagnostics);
            let read = parsed.documents.first().map_or(Value::Null, |document| document.root.to_json());
            prop_assert_eq!(read, value, "{}", text);
        }
    }
}
