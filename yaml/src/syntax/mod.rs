//! The lossless tree: every byte of a text belongs to a leaf or is blank, also where the text is broken.
//!
//! The tree is one array of records in the order of the text, a parent before its children. It borrows nothing: a
//! [`SyntaxNode`] is a view of a record together with the text.

mod block;
mod flow;
mod incremental;
mod parser;
mod problem;
mod properties;
mod scalars;

use std::fmt;

use aikit_core::TextRange;

pub use problem::{Problem, ProblemKind};
pub(crate) use problem::{quoted, unquoted_template};

/// What a node of the lossless tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum SyntaxKind {
    /// The whole text.
    Stream,
    /// One document with its markers and directives.
    Document,
    /// `%YAML 1.2`, `%TAG …`
    Directive,
    /// `---`
    DocumentStart,
    /// `...`
    DocumentEnd,
    /// A block or flow mapping; its children are entries, and brackets and commas where it is a flow mapping.
    Mapping,
    /// A block or flow sequence; block items are [`SyntaxKind::Item`]s, flow items stand for themselves.
    Sequence,
    /// Key, colon and value with their properties.
    Entry,
    /// Dash and value of a block sequence.
    Item,
    /// A scalar without quotes.
    Plain,
    /// `'…'`
    SingleQuoted,
    /// `"…"`
    DoubleQuoted,
    /// `|` with its content.
    Literal,
    /// `>` with its content.
    Folded,
    /// `|2-`, the first part of a block scalar.
    BlockHeader,
    /// The lines of a block scalar.
    BlockContent,
    /// `*name`
    Alias,
    /// `&name`
    Anchor,
    /// `!name`
    Tag,
    /// `# …`
    Comment,
    /// `-`
    Dash,
    /// `?`
    Question,
    /// `:`
    Colon,
    /// `,`
    Comma,
    /// `[`, `]`, `{` or `}`
    Bracket,
    /// Text that fits nowhere.
    Error,
}

impl SyntaxKind {
    /// Whether a node of this kind is a scalar.
    pub fn is_scalar(self) -> bool {
        use SyntaxKind::*;
        matches!(self, Plain | SingleQuoted | DoubleQuoted | Literal | Folded)
    }

    /// Whether a node of this kind is the content of a document, an entry or an item.
    pub fn is_content(self) -> bool {
        self.is_scalar() || matches!(self, SyntaxKind::Mapping | SyntaxKind::Sequence | SyntaxKind::Alias)
    }
}

/// A collection written with brackets, and the pair `a: b` inside a flow sequence.
pub(crate) const FLOW: u8 = 1;
/// A scalar that spans lines.
pub(crate) const MULTILINE: u8 = 2;
/// A scalar or bracket that lacks its end, or a text that should have been quoted.
pub(crate) const BROKEN: u8 = 4;

/// A record of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) kind: SyntaxKind,
    pub(crate) flags: u8,
    /// Of a block scalar: the columns by which its content is indented.
    pub(crate) indent: u16,
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// How many records behind this one lie inside it.
    pub(crate) size: u32,
}

/// The lossless tree of a text, with what is wrong in it.
#[derive(Debug, Clone, Default)]
pub struct SyntaxTree {
    pub(crate) records: Vec<Record>,
    pub(crate) problems: Vec<Problem>,
    /// Where the reading of a place depended on text behind its first line: from the place to the end of what was read.
    pub(crate) glances: Vec<TextRange>,
}

impl SyntaxTree {
    /// Reads a text. Always gives a tree; what is wrong is in [`SyntaxTree::problems`].
    pub fn parse(text: &str) -> Self {
        parser::Parser::new(text).stream()
    }

    /// What is wrong in the text, in its order; at most one for each mistake.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The whole text as a node.
    pub fn root<'t>(&'t self, text: &'t str) -> SyntaxNode<'t> {
        SyntaxNode { tree: self, text, index: 0 }
    }

    /// How many nodes the tree has.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether the tree holds nothing.
    pub fn is_empty(&self) -> bool {
        self.records.len() <= 1
    }
}

/// A node of a [`SyntaxTree`] together with its text.
#[derive(Clone, Copy)]
pub struct SyntaxNode<'t> {
    pub(crate) tree: &'t SyntaxTree,
    pub(crate) text: &'t str,
    pub(crate) index: usize,
}

impl<'t> SyntaxNode<'t> {
    pub(crate) fn record(&self) -> &'t Record {
        &self.tree.records[self.index]
    }

    /// What it is.
    pub fn kind(&self) -> SyntaxKind {
        self.record().kind
    }

    /// From its first to its last byte; blanks and comments at its end are not part of it.
    pub fn range(&self) -> TextRange {
        let record = self.record();
        TextRange { start: record.start, end: record.end }
    }

    /// Its text as written.
    pub fn text(&self) -> &'t str {
        self.range().slice(self.text)
    }

    /// The text that the tree was read from.
    pub fn source(&self) -> &'t str {
        self.text
    }

    /// Whether it is a collection in brackets, or a pair inside one.
    pub fn is_flow(&self) -> bool {
        self.record().flags & FLOW != 0
    }

    /// Whether it lacks its closing quote or bracket, or is a text that should have been quoted.
    pub fn is_broken(&self) -> bool {
        self.record().flags & BROKEN != 0
    }

    /// The nodes directly inside, in the order of the text.
    pub fn children(&self) -> Children<'t> {
        let end = self.index + 1 + self.record().size as usize;
        Children { tree: self.tree, text: self.text, next: self.index + 1, end }
    }

    /// All nodes inside, parents before their children.
    pub fn descendants(&self) -> impl Iterator<Item = SyntaxNode<'t>> + use<'t> {
        let (tree, text) = (self.tree, self.text);
        (self.index + 1..self.index + 1 + self.record().size as usize).map(move |index| SyntaxNode {
            tree,
            text,
            index,
        })
    }

    /// The decoded text of a scalar; nothing for other nodes.
    pub fn decoded(&self) -> Option<std::borrow::Cow<'t, str>> {
        self.kind().is_scalar().then(|| crate::decode::text(*self))
    }

    /// The map between decoded text and source of a scalar; empty for other nodes.
    pub fn segments(&self) -> crate::Segments {
        crate::decode::segments((*self).into())
    }
}

impl fmt::Debug for SyntaxNode<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.kind(), self.text())?;
        f.debug_list().entries(self.children()).finish()
    }
}

/// The children of a node.
#[derive(Clone)]
pub struct Children<'t> {
    tree: &'t SyntaxTree,
    text: &'t str,
    next: usize,
    end: usize,
}

impl<'t> Iterator for Children<'t> {
    type Item = SyntaxNode<'t>;

    fn next(&mut self) -> Option<SyntaxNode<'t>> {
        if self.next >= self.end {
            return None;
        }
        let node = SyntaxNode { tree: self.tree, text: self.text, index: self.next };
        self.next += 1 + node.record().size as usize;
        Some(node)
    }
}
