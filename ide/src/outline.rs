//! The keys and items of a document with their places, as an editor needs them: also those of a document that is being typed,
//! in the order of the text, without anchors and merge keys resolved.

use std::sync::Arc;

use aikit_core::TextRange;
use aikit_yaml::{Segment, SyntaxKind, SyntaxNode, SyntaxTree};

/// More nodes are not collected; an editor's features end there, nothing else does.
const MAX_NODES: usize = 200_000;

/// The index of a node in its [`Outline`].
pub(crate) type Id = usize;

/// What is written as the value of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Written {
    /// Nothing, or keys and items on lines of their own.
    #[default]
    Below,
    /// A plain or quoted scalar, quotes included.
    Scalar(TextRange),
    /// `{…}` or `[…]`, closed or not.
    Flow(TextRange),
    /// `|` or `>`: the lines of the content.
    Block(TextRange),
}

/// A key with its value, or an item of a list.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// The mapping or list that it belongs to; the root belongs to itself.
    pub(crate) parent: Id,
    /// How it is reached from there.
    pub(crate) step: Segment,
    /// The key, quotes included; for an item its dash or its value.
    pub(crate) key: TextRange,
    /// What stands behind it.
    pub(crate) written: Written,
    /// Keys or items of its value.
    pub(crate) children: Vec<Id>,
}

impl Node {
    /// Where its key and what is written beside it end.
    fn own_end(&self) -> usize {
        match self.written {
            Written::Below => self.key.end as usize,
            Written::Scalar(range) | Written::Flow(range) | Written::Block(range) => range.end as usize,
        }
    }
}

/// The nodes of one document. Node 0 is the document itself.
#[derive(Debug, Clone)]
pub(crate) struct Outline {
    text: Arc<str>,
    nodes: Vec<Node>,
}

impl Outline {
    /// The outline of a text that was read into `tree`.
    pub(crate) fn new(text: &Arc<str>, tree: &SyntaxTree) -> Self {
        let root = Node {
            parent: 0,
            step: Segment::Index(0),
            key: TextRange::default(),
            written: Written::Below,
            children: Vec::new(),
        };
        let mut outline = Self { text: Arc::clone(text), nodes: vec![root] };
        let documents = tree.root(text).children().filter(|part| part.kind() == SyntaxKind::Document);
        for content in documents.filter_map(|document| document.children().find(|part| part.kind().is_content())) {
            outline.value(0, content);
        }
        outline
    }

    fn add(&mut self, parent: Id, step: Segment, key: TextRange) -> Id {
        let id = self.nodes.len();
        self.nodes.push(Node { parent, step, key, written: Written::Below, children: Vec::new() });
        self.nodes[parent].children.push(id);
        id
    }

    /// Takes in what is written for a node.
    fn value(&mut self, id: Id, node: SyntaxNode<'_>) {
        if self.nodes.len() > MAX_NODES {
            return;
        }
        self.nodes[id].written = match node.kind() {
            SyntaxKind::Literal | SyntaxKind::Folded => Written::Block(block(&self.text, node)),
            SyntaxKind::Mapping | SyntaxKind::Sequence if node.is_flow() => Written::Flow(node.range()),
            SyntaxKind::Mapping | SyntaxKind::Sequence => Written::Below,
            _ => Written::Scalar(node.range()),
        };
        for part in node.children() {
            match part.kind() {
                SyntaxKind::Entry => {
                    let Some(key) = part.children().find(|part| part.kind().is_content() && part.kind().is_scalar())
                    else {
                        continue;
                    };
                    // In a list in brackets a pair is an item.
                    let owner = if node.kind() == SyntaxKind::Sequence {
                        let index = Segment::Index(self.nodes[id].children.len());
                        self.add(id, index, key.range())
                    } else {
                        id
                    };
                    let entry = self.add(owner, Segment::Key(unquoted(key.text()).to_owned()), key.range());
                    if let Some(value) = value_of(part) {
                        self.value(entry, value);
                    }
                }
                SyntaxKind::Item => {
                    let Some(dash) = part.children().find(|part| part.kind() == SyntaxKind::Dash) else { continue };
                    let item = self.add(id, Segment::Index(self.nodes[id].children.len()), dash.range());
                    if let Some(value) = part.children().find(|part| part.kind().is_content()) {
                        self.value(item, value);
                    }
                }
                kind if kind.is_content() && node.kind() == SyntaxKind::Sequence => {
                    let range = part.range();
                    let key = if kind.is_scalar() { range } else { TextRange { end: range.start + 1, ..range } };
                    let item = self.add(id, Segment::Index(self.nodes[id].children.len()), key);
                    self.value(item, part);
                }
                _ => {}
            }
        }
    }

    pub(crate) fn node(&self, id: Id) -> &Node {
        &self.nodes[id]
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = Id> {
        1..self.nodes.len()
    }

    pub(crate) fn children(&self, id: Id) -> &[Id] {
        &self.nodes[id].children
    }

    /// The child with this key.
    pub(crate) fn child(&self, id: Id, key: &str) -> Option<Id> {
        self.children(id).iter().copied().find(|child| self.name(*child) == Some(key))
    }

    /// The key of a node; `None` for an item.
    pub(crate) fn name(&self, id: Id) -> Option<&str> {
        match &self.nodes[id].step {
            Segment::Key(name) => Some(name),
            Segment::Index(_) => None,
        }
    }

    /// The node at a way from the root.
    pub(crate) fn find(&self, path: &[Segment]) -> Option<Id> {
        path.iter()
            .try_fold(0, |at, step| self.children(at).iter().copied().find(|child| self.nodes[*child].step == *step))
    }

    /// The node under keys from the root.
    pub(crate) fn under(&self, keys: &[&str]) -> Option<Id> {
        keys.iter().try_fold(0, |at, key| self.child(at, key))
    }

    /// The way from the root.
    pub(crate) fn path(&self, id: Id) -> Vec<Segment> {
        let mut path = Vec::new();
        let mut at = id;
        while at != 0 {
            path.push(self.nodes[at].step.clone());
            at = self.nodes[at].parent;
        }
        path.reverse();
        path
    }

    /// Where each node ends, with everything below it.
    pub(crate) fn ends(&self) -> Vec<usize> {
        let mut ends: Vec<usize> = self.nodes.iter().map(Node::own_end).collect();
        for id in (1..ends.len()).rev() {
            let parent = self.nodes[id].parent;
            ends[parent] = ends[parent].max(ends[id]);
        }
        ends
    }

    /// The scalar or block text of a node.
    pub(crate) fn value_range(&self, id: Id) -> Option<TextRange> {
        match self.nodes[id].written {
            Written::Scalar(range) | Written::Block(range) => Some(range),
            Written::Below | Written::Flow(_) => None,
        }
    }

    /// The text of a scalar, unquoted; escapes stay as they are.
    pub(crate) fn scalar(&self, id: Id) -> Option<&str> {
        match self.nodes[id].written {
            Written::Scalar(range) => Some(unquoted(range.slice(&self.text))),
            _ => None,
        }
    }

    /// The text of a child's scalar.
    pub(crate) fn scalar_of(&self, id: Id, key: &str) -> Option<&str> {
        self.scalar(self.child(id, key)?)
    }

    /// Everything that is written for a node's value, as a text of its own that can be parsed.
    pub(crate) fn source(&self, id: Id) -> &str {
        match self.nodes[id].written {
            Written::Scalar(range) | Written::Flow(range) => range.slice(&self.text),
            Written::Block(_) => "",
            Written::Below => {
                let Some(first) = self.children(id).first() else { return "" };
                let start = self.nodes[*first].key.start as usize;
                let start = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
                let mut end = start;
                let mut open = self.nodes[id].children.clone();
                while let Some(at) = open.pop() {
                    end = end.max(self.nodes[at].own_end());
                    open.extend(&self.nodes[at].children);
                }
                let line_end = self.text[end..].find('\n').map_or(self.text.len(), |at| end + at);
                self.text.get(start..line_end).unwrap_or("")
            }
        }
    }
}

/// The value of an entry: the content behind its colon.
pub(crate) fn value_of(entry: SyntaxNode<'_>) -> Option<SyntaxNode<'_>> {
    let behind = entry.children().skip_while(|part| part.kind() != SyntaxKind::Colon);
    behind.into_iter().find(|part| part.kind().is_content())
}

/// The lines of a block text. Blank ones at the end belong to it while nothing else follows, so that a cursor there is still
/// inside.
fn block(text: &str, node: SyntaxNode<'_>) -> TextRange {
    let header =
        node.children().find(|part| part.kind() == SyntaxKind::BlockHeader).unwrap_or(node).range().end as usize;
    let start = text[header..].find('\n').map_or(text.len(), |at| header + at + 1);
    let end = (node.range().end as usize).max(start);
    let end = if text[end..].trim().is_empty() { text.len() } else { end };
    TextRange::new(start, end)
}

/// A scalar without its quotes.
fn unquoted(text: &str) -> &str {
    let text = text.trim();
    ['"', '\''].into_iter().find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn outline(text: &str) -> Outline {
        Outline::new(&text.into(), &SyntaxTree::parse(text))
    }

    fn show(text: &str, expected: Expect) {
        let outline = outline(text);
        let mut shown = String::new();
        for id in outline.ids() {
            let path = aikit_yaml::Path(outline.path(id));
            let written = match outline.node(id).written {
                Written::Below => String::new(),
                Written::Scalar(range) => format!(" = {:?}", range.slice(text)),
                Written::Flow(range) => format!(" flow {:?}", range.slice(text)),
                Written::Block(range) => format!(" block {:?}", range.slice(text)),
            };
            shown.push_str(&format!("{path}{written}\n"));
        }
        expected.assert_eq(&shown);
    }

    #[test]
    fn keys_and_items_are_found_by_their_columns() {
        show(
            "# an agent\nidentity:\n  agent_id: support # its name\n  tags: [a, \"b\"]\nbehavior:\n  steps:\n    - name: one\n      llm: |\n        Hi\n          there: you\n\n    - name: 'two'\n      set: {a: 1, b: {c: [x]}}\n  state:\n  - flat\n  - - nested\n",
            expect![[r#"
                identity
                identity.agent_id = "support"
                identity.tags flow "[a, \"b\"]"
                identity.tags[0] = "a"
                identity.tags[1] = "\"b\""
                behavior
                behavior.steps
                behavior.steps[0]
                behavior.steps[0].name = "one"
                behavior.steps[0].llm block "        Hi\n          there: you"
                behavior.steps[1]
                behavior.steps[1].name = "'two'"
                behavior.steps[1].set flow "{a: 1, b: {c: [x]}}"
                behavior.steps[1].set.a = "1"
                behavior.steps[1].set.b flow "{c: [x]}"
                behavior.steps[1].set.b.c flow "[x]"
                behavior.steps[1].set.b.c[0] = "x"
                behavior.state
                behavior.state[0] = "flat"
                behavior.state[1]
                behavior.state[1][0] = "nested"
            "#]],
        );
        show(
            "a:\n- b: 1\n  c: 2\n- d\ne: f\n",
            expect![[r#"
            a
            a[0]
            a[0].b = "1"
            a[0].c = "2"
            a[1] = "d"
            e = "f"
        "#]],
        );
        show(
            "{\"kind\": \"Agent\", \"identity\": {\n \"name\": \"x\"\n",
            expect![[r#"
            kind = "\"Agent\""
            identity flow "{\n \"name\": \"x\""
            identity.name = "\"x\""
        "#]],
        );
        show(
            "a: \"multi\n  line: text\"\nb: 1\n",
            expect![[r#"
            a = "\"multi\n  line: text\""
            b = "1"
        "#]],
        );
        show(
            "a: {b: [1,\n  2], c: \nd: 1\n",
            expect![[r#"
            a flow "{b: [1,\n  2], c:"
            a.b flow "[1,\n  2]"
            a.b[0] = "1"
            a.b[1] = "2"
            a.c
            d = "1"
        "#]],
        );
        show(
            "a: &x !t v\n\"quoted key\": 1\nurl: http://x:80/y\n",
            expect![[r#"
            a = "v"
            quoted key = "1"
            url = "http://x:80/y"
        "#]],
        );
    }

    #[test]
    fn a_part_can_be_taken_out() {
        let text = "a:\n  b:\n    type: object\n    properties:\n      x: {type: string}\n  c: 1\n";
        let outline = outline(text);
        let id = outline.under(&["a", "b"]).unwrap();
        assert_eq!(outline.source(id), "    type: object\n    properties:\n      x: {type: string}");
    }
}
