//! The rough shape of a YAML text by its indentation: which keys and items there are and where. Unlike a parser it never
//! gives up, so completion and hover work in a document that is being typed. It knows nothing of anchors and merge keys,
//! and where a text is well formed it says no more than the parser would.

use std::sync::Arc;

use aikit_core::TextRange;
use aikit_yaml::Segment;

mod flow;
mod line;

pub(crate) use flow::flow_place;
pub(crate) use line::{Line, lines};

/// Deeper nesting is not looked into.
const MAX_DEPTH: usize = 64;
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
    /// The line on which it begins, from 0.
    pub(crate) line: u32,
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

/// A collection that further lines may belong to.
#[derive(Debug, Clone, Copy)]
struct Frame {
    /// The column of its keys or dashes.
    column: usize,
    /// The node whose value it is.
    owner: Id,
    /// Whether it is a list.
    list: bool,
}

/// Where a line leads that has not been read yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Below {
    /// Another key of this node's mapping.
    Key(Id),
    /// Another item of this node's list.
    Item(Id),
    /// The value of this node, of which nothing is written yet.
    Value(Id),
    /// Behind a value that is complete.
    Nowhere,
}

/// Reads lines into an outline, one after the other.
pub(crate) struct Reader {
    outline: Outline,
    frames: Vec<Frame>,
    /// Content up to this offset belongs to a value that began on an earlier line.
    taken: usize,
}

impl Outline {
    /// The outline of a document.
    pub(crate) fn new(text: &Arc<str>) -> Self {
        let mut reader = Reader::new(text);
        for line in lines(text) {
            reader.read(line);
        }
        reader.outline
    }

    /// The node that was read last.
    pub(crate) fn last(&self) -> Id {
        self.nodes.len() - 1
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
            Written::Scalar(range) => Some(line::unquoted(range.slice(&self.text))),
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

impl Reader {
    pub(crate) fn new(text: &Arc<str>) -> Self {
        let root = Node {
            parent: 0,
            step: Segment::Index(0),
            key: TextRange::default(),
            written: Written::Below,
            line: 0,
            children: Vec::new(),
        };
        Self { outline: Outline { text: Arc::clone(text), nodes: vec![root] }, frames: Vec::new(), taken: 0 }
    }

    /// What has been read so far.
    pub(crate) fn outline(&self) -> &Outline {
        &self.outline
    }

    /// The last node, if its value began on an earlier line and reaches over `offset`.
    pub(crate) fn taken(&self, offset: usize) -> Option<Id> {
        (offset < self.taken).then(|| self.outline.nodes.len() - 1)
    }

    /// Reads a line.
    pub(crate) fn read(&mut self, line: Line) {
        let text = &*Arc::clone(&self.outline.text);
        if line.start < self.taken || self.outline.nodes.len() > MAX_NODES {
            return;
        }
        let mut rest = line.content(text);
        let mut column = rest.start - line.start;
        loop {
            if rest.is_empty() || rest.text(text).starts_with('#') {
                return;
            }
            if let Some(dash) = rest.dash(text) {
                self.item(column, line.number, TextRange::new(rest.start, rest.start + 1));
                rest = dash;
                column = rest.start - line.start;
                continue;
            }
            let Some((key, value)) = rest.key(text) else {
                self.value(rest, column);
                return;
            };
            self.key(column, line.number, key);
            self.value(value, column);
            return;
        }
    }

    /// Where a line would lead whose content begins in `column`.
    pub(crate) fn below(&self, column: usize, dash: bool) -> Below {
        let mut frames = self.frames.clone();
        let top = settle(&mut frames, column, dash);
        let last = |frame: &Frame| self.outline.nodes[frame.owner].children.last().copied();
        match top {
            None => Below::Value(0),
            Some(frame) if frame.column == column && frame.list == dash => {
                if dash {
                    Below::Item(frame.owner)
                } else {
                    Below::Key(frame.owner)
                }
            }
            Some(frame) => match last(&frame) {
                Some(id) if self.outline.nodes[id].written == Written::Below => Below::Value(id),
                _ => Below::Nowhere,
            },
        }
    }

    /// The node that owns keys (or dashes) in `column`, and the frame for them.
    fn open(&mut self, column: usize, list: bool) -> Id {
        let top = settle(&mut self.frames, column, list);
        if let Some(frame) = top.filter(|frame| frame.column == column && frame.list == list) {
            return frame.owner;
        }
        let owner =
            top.map_or(0, |frame| self.outline.nodes[frame.owner].children.last().copied().unwrap_or(frame.owner));
        if self.frames.len() < MAX_DEPTH {
            self.frames.push(Frame { column, owner, list });
        }
        owner
    }

    fn item(&mut self, column: usize, line: u32, dash: TextRange) {
        let owner = self.open(column, true);
        let index = self.outline.nodes[owner].children.len();
        self.add(owner, Segment::Index(index), dash, line);
    }

    fn key(&mut self, column: usize, line: u32, key: TextRange) {
        let owner = self.open(column, false);
        let name = line::unquoted(key.slice(&self.outline.text)).to_owned();
        self.add(owner, Segment::Key(name), key, line);
    }

    fn add(&mut self, parent: Id, step: Segment, key: TextRange, line: u32) -> Id {
        let id = self.outline.nodes.len();
        self.outline.nodes.push(Node { parent, step, key, written: Written::Below, line, children: Vec::new() });
        self.outline.nodes[parent].children.push(id);
        id
    }

    /// The value of the last node, or of the document; `column` is where its key begins.
    fn value(&mut self, rest: line::Span, column: usize) {
        let text = &*Arc::clone(&self.outline.text);
        let rest = rest.without_properties(text);
        if rest.is_empty() || rest.text(text).starts_with('#') {
            return;
        }
        let id = self.outline.nodes.len() - 1;
        if self.outline.nodes[id].written != Written::Below || !self.outline.nodes[id].children.is_empty() {
            return;
        }
        let written = match rest.text(text).as_bytes()[0] {
            b'|' | b'>' => {
                let content = line::block(text, rest.start, if id == 0 { None } else { Some(column) });
                self.taken = content.end as usize;
                Written::Block(content)
            }
            b'{' | b'[' => {
                let range = line::flow_extent(text, rest.start, if id == 0 { None } else { Some(column) });
                self.taken = range.end as usize;
                flow::read(&mut self.outline, id, range);
                Written::Flow(range)
            }
            quote @ (b'"' | b'\'') => {
                let range = line::quoted(text, rest.start, quote, column);
                self.taken = range.end as usize;
                Written::Scalar(range)
            }
            _ => Written::Scalar(rest.without_comment(text).range()),
        };
        self.outline.nodes[id].written = written;
    }
}

/// Closes the collections that a line in `column` ends, and gives the innermost one that remains.
fn settle(frames: &mut Vec<Frame>, column: usize, dash: bool) -> Option<Frame> {
    while let Some(frame) = frames.last() {
        // A list may stand in the column of the key that it belongs to; a key in that column ends it.
        let ended = frame.column > column || (frame.column == column && frame.list && !dash);
        if !ended {
            return Some(*frame);
        }
        frames.pop();
    }
    None
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn show(text: &str, expected: Expect) {
        let outline = Outline::new(&text.into());
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
                behavior.steps[0].llm block "        Hi\n          there: you\n"
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
        let outline = Outline::new(&text.into());
        let id = outline.under(&["a", "b"]).unwrap();
        assert_eq!(outline.source(id), "    type: object\n    properties:\n      x: {type: string}");
    }
}
