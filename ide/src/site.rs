//! What is being typed, or stands, at an offset of a document.

use aikit_core::TextRange;
use aikit_yaml::{ProblemKind, Segment, SyntaxKind, SyntaxNode, SyntaxTree};

use crate::{
    outline::{Written, value_of},
    snapshot::Snapshot,
};

/// A place of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Site {
    /// A key of the mapping at `path`.
    Key {
        /// The mapping.
        path: Vec<Segment>,
        /// The key as far as it is written.
        token: TextRange,
    },
    /// The value at `path`.
    Value {
        /// The value.
        path: Vec<Segment>,
        /// What is written of it, quotes included.
        token: TextRange,
    },
    /// A value at `path` of which nothing is written that says whether it is a scalar or the first key of a mapping.
    Open {
        /// The value.
        path: Vec<Segment>,
        /// What is written.
        token: TextRange,
    },
    /// The lines of a block text at `path`.
    Block {
        /// The value.
        path: Vec<Segment>,
        /// The lines.
        content: TextRange,
    },
    /// A comment, or a place where nothing can stand.
    Nowhere,
}

/// What is at `offset`. What is being typed there is completed to something that can stand there, and the tree says where it
/// belongs.
pub(crate) fn at(snapshot: &Snapshot, offset: usize) -> Site {
    let text = snapshot.text();
    match leaf(snapshot.syntax().root(text), offset) {
        Leaf::Comment => return Site::Nowhere,
        Leaf::Quoted(token) => return place(snapshot.syntax(), text, offset, Some(token), false),
        Leaf::Other => {}
    }
    let outline = snapshot.outline();
    for id in outline.ids() {
        if let Written::Block(content) = outline.node(id).written
            && content.touches(offset)
        {
            return Site::Block { path: outline.path(id), content };
        }
    }
    let line_start = text[..offset].rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[offset..].find(['\n', '\r']).map_or(text.len(), |at| offset + at);
    let start = offset - text[line_start..offset].chars().rev().take_while(is_word).map(char::len_utf8).sum::<usize>();
    let end = offset + text[offset..line_end].chars().take_while(is_word).map(char::len_utf8).sum::<usize>();
    let Some(before) = text.get(line_start..start) else { return Site::Nowhere };
    let alone = {
        let mut rest = before.trim_start();
        while let Some(behind) = rest.strip_prefix("- ") {
            rest = behind.trim_start();
        }
        rest.is_empty()
    };
    // A dash right before the cursor is not yet one of a list.
    if alone && text[line_start..offset].trim() == "-" && !text[..offset].ends_with(' ') {
        return Site::Nowhere;
    }
    let is_key = text[end..line_end].trim_start_matches(' ').starts_with(':');
    let word = match (start == end, alone && !is_key) {
        (true, true) => "x:",
        (false, true) => ":",
        (true, false) if before.ends_with([':', ',']) => " x",
        (true, false) => "x",
        (false, false) => "",
    };
    let completed = [&text[..end], word, &text[end..]].concat();
    let mut tree = snapshot.syntax().clone();
    tree.edit(&completed, end..end, word.len());
    let typed = end + usize::from(word == " x");
    let at = if start == end { typed } else { start };
    let kinds = [
        ProblemKind::Indentation,
        ProblemKind::ListAmongKeys,
        ProblemKind::MappingHere,
        ProblemKind::StrayText,
        ProblemKind::SecondRoot,
    ];
    if alone && tree.problems().iter().any(|one| kinds.contains(&one.kind) && one.range.touches(at)) {
        return Site::Nowhere;
    }
    match place(&tree, &completed, at, None, alone) {
        Site::Value { path, token } => {
            let inserted = TextRange::new(end, end + word.len());
            Site::Value { path, token: without(token, inserted, offset) }
        }
        Site::Key { path, .. } => Site::Key { path, token: TextRange::new(start, end) },
        Site::Open { path, .. } => Site::Open { path, token: TextRange::new(start, end) },
        other => other,
    }
}

/// A range of the completed text as one of the text; an empty one is at the cursor.
fn without(range: TextRange, inserted: TextRange, offset: usize) -> TextRange {
    let back = |at: u32| {
        if at >= inserted.end { at - (inserted.end - inserted.start) } else { at.min(inserted.start) }
    };
    let range = TextRange { start: back(range.start), end: back(range.end) };
    if range.is_empty() { TextRange::empty(offset) } else { range }
}

enum Leaf {
    Comment,
    Quoted(TextRange),
    Other,
}

/// What of the tree the cursor is inside of.
fn leaf(root: SyntaxNode<'_>, offset: usize) -> Leaf {
    let mut node = root;
    loop {
        let inside =
            |part: &SyntaxNode<'_>| (part.range().start as usize) < offset && offset <= part.range().end as usize;
        let Some(part) = node.children().find(inside) else { return Leaf::Other };
        match part.kind() {
            SyntaxKind::Comment => return Leaf::Comment,
            SyntaxKind::DoubleQuoted | SyntaxKind::SingleQuoted => return Leaf::Quoted(part.range()),
            _ => node = part,
        }
    }
}

/// Where the node at an offset belongs.
fn place(tree: &SyntaxTree, text: &str, at: usize, token: Option<TextRange>, alone: bool) -> Site {
    let holds = |node: &SyntaxNode<'_>| node.range().touches(at);
    let document = tree.root(text).children().filter(|part| part.kind() == SyntaxKind::Document).filter(holds).last();
    let content = document.and_then(|document| document.children().filter(|part| part.kind().is_content()).find(holds));
    let Some(mut node) = content else { return Site::Nowhere };
    let mut path = Vec::new();
    loop {
        match node.kind() {
            SyntaxKind::Mapping => {
                let entries = || node.children().filter(|part| part.kind() == SyntaxKind::Entry);
                let Some(entry) = entries().filter(holds).last() else {
                    // Between the entries of a mapping in brackets.
                    return Site::Nowhere;
                };
                let key = entry.children().find(|part| part.kind().is_content());
                let value = value_of(entry);
                let in_value = value.filter(|value| holds(value) && key.is_none_or(|key| key.range() != value.range()));
                match (in_value, key) {
                    (Some(value), Some(key)) => {
                        let name = key.decoded().unwrap_or_default();
                        path.push(Segment::Key(name.into_owned()));
                        node = value;
                    }
                    (None, Some(key)) if holds(&key) => {
                        let first = alone && !node.is_flow() && entries().count() == 1 && !path.is_empty();
                        let token = key.range();
                        return if first { Site::Open { path, token } } else { Site::Key { path, token } };
                    }
                    _ => return Site::Nowhere,
                }
            }
            SyntaxKind::Sequence => {
                let items = node.children().filter(|part| {
                    part.kind() == SyntaxKind::Item || part.kind() == SyntaxKind::Entry || part.kind().is_content()
                });
                let Some((index, item)) = items.enumerate().filter(|(_, item)| holds(item)).last() else {
                    return Site::Nowhere;
                };
                path.push(Segment::Index(index));
                node = match item.kind() {
                    SyntaxKind::Item => match item.children().filter(|part| part.kind().is_content()).find(holds) {
                        Some(value) => value,
                        None => return Site::Nowhere,
                    },
                    _ => item,
                };
                if node.kind() == SyntaxKind::Entry {
                    return Site::Nowhere;
                }
            }
            _ => return Site::Value { path, token: token.unwrap_or(node.range()) },
        }
    }
}

fn is_word(c: &char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '/' | '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(marked: &str) -> String {
        let offset = marked.find('‸').unwrap();
        let text = marked.replace('‸', "");
        let path = |path: Vec<Segment>| aikit_yaml::Path(path).to_string();
        match at(&Snapshot::new(text.as_str(), Default::default()), offset) {
            Site::Key { path: p, token } => format!("key of `{}`: {:?}", path(p), token.slice(&text)),
            Site::Value { path: p, token } => format!("value of `{}`: {:?}", path(p), token.slice(&text)),
            Site::Open { path: p, token } => format!("open `{}`: {:?}", path(p), token.slice(&text)),
            Site::Block { path: p, .. } => format!("block `{}`", path(p)),
            Site::Nowhere => "nowhere".to_owned(),
        }
    }

    #[test]
    fn places_are_told_by_their_columns() {
        for (marked, site) in [
            ("iden‸", r#"key of ``: "iden""#),
            ("‸", r#"key of ``: """#),
            ("identity:\n  agent_id: a\n  nam‸", r#"key of `identity`: "nam""#),
            ("identity:\n  agent_id: a\n  ‸", r#"key of `identity`: """#),
            ("identity:\n  ‸\nbehavior:\n", r#"open `identity`: """#),
            ("kind: Ag‸", r#"value of `kind`: "Ag""#),
            ("kind: ‸", r#"value of `kind`: """#),
            ("kind: ‸Agent", r#"value of `kind`: "Agent""#),
            ("behavior:\n  steps:\n    - na‸", r#"open `behavior.steps[0]`: "na""#),
            ("behavior:\n  steps:\n    - name: a\n      ll‸", r#"key of `behavior.steps[0]`: "ll""#),
            (
                "behavior:\n  steps:\n    - name: a\n      llm: |\n        Hello {{ in‸ }}\n",
                "block `behavior.steps[0].llm`",
            ),
            ("identity: {agent_id: a, na‸", r#"key of `identity`: "na""#),
            ("integration:\n  tools: [calc‸]", r#"value of `integration.tools[0]`: "calc""#),
            ("identity:\n  broken: [\n  nam‸", r#"key of `identity`: "nam""#),
            // Broken before, behind, and at the place itself.
            ("a: \"open\nidentity:\n  na‸\nbehavior: [\n", r#"open `identity`: "na""#),
            ("identity:\n  name: {{ x }}\n  ver‸\n  description: d\n", r#"key of `identity`: "ver""#),
            ("a:\n  - {x: 1, ‸}\n", r#"key of `a[0]`: """#),
            ("a:\n  - {x: ‸}\n", r#"value of `a[0].x`: """#),
            ("a:\n  - [x, ‸]\n", r#"value of `a[0][1]`: """#),
            ("a:\n  - x\n  - ‸", r#"open `a[1]`: """#),
            ("a:\n  -‸", "nowhere"),
            ("a:\n  - x\n  ‸", "nowhere"),
            ("a: x\n---\nb: ‸", r#"value of `b`: """#),
            ("kind:‸", r#"value of `kind`: """#),
            ("ki‸nd: Agent", r#"key of ``: "kind""#),
            ("a:\r\n  b‸\r\n", r#"open `a`: "b""#),
            ("a: b # com‸ment", "nowhere"),
            ("identity:\n  name: \"a: b‸c\"", r#"value of `identity.name`: "\"a: bc\"""#),
        ] {
            assert_eq!(show(marked), site, "{marked}");
        }
    }
}
