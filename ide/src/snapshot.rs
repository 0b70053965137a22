//! A document as it was at one moment.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use aikit_core::{Diagnostic, Edit, LineIndex, TextRange};
use aikit_spec::Checked;
use aikit_yaml::{Node, Parsed, SyntaxTree};

use crate::{index::Index, names::Surroundings, outline::Outline};

/// A document as it was at one moment, with everything that is known of it. Cheap to clone and to send to other threads;
/// what is derived from the text is computed when it is first asked for, once.
#[derive(Clone)]
pub struct Snapshot(Arc<Inner>);

struct Inner {
    text: Arc<str>,
    around: Arc<Surroundings>,
    lines: OnceLock<LineIndex>,
    syntax: OnceLock<SyntaxTree>,
    parsed: OnceLock<Parsed>,
    checked: OnceLock<Checked>,
    outline: OnceLock<Outline>,
    index: OnceLock<Index>,
}

impl Snapshot {
    /// The snapshot of a text in its surroundings. Nothing is read yet.
    pub fn new(text: impl Into<Arc<str>>, around: Arc<Surroundings>) -> Self {
        Self::with_syntax(text.into(), around, OnceLock::new())
    }

    fn with_syntax(text: Arc<str>, around: Arc<Surroundings>, syntax: OnceLock<SyntaxTree>) -> Self {
        Self(Arc::new(Inner {
            text,
            around,
            lines: OnceLock::new(),
            syntax,
            parsed: OnceLock::new(),
            checked: OnceLock::new(),
            outline: OnceLock::new(),
            index: OnceLock::new(),
        }))
    }

    /// The snapshot after an edit. A range that does not fit the text is cut to fit.
    pub fn edited(&self, edit: &Edit) -> Self {
        let text = self.text();
        let start = floor(text, edit.range.start as usize);
        let end = floor(text, edit.range.end as usize).max(start);
        let after = [&text[..start], &edit.text, &text[end..]].concat();
        let syntax = OnceLock::new();
        if let Some(before) = self.0.syntax.get()
            && text.len().max(after.len()) <= aikit_yaml::MAX_BYTES
        {
            let mut tree = before.clone();
            tree.edit(&after, start..end, edit.text.len());
            // Nobody else has it yet.
            let _ = syntax.set(tree);
        }
        Self::with_syntax(after.into(), Arc::clone(&self.0.around), syntax)
    }

    /// The same text in other surroundings.
    pub fn within(&self, around: Arc<Surroundings>) -> Self {
        Self::with_syntax(Arc::clone(&self.0.text), around, self.0.syntax.clone())
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// What surrounds the document.
    pub fn around(&self) -> &Surroundings {
        &self.0.around
    }

    /// Where its lines begin.
    pub fn lines(&self) -> &LineIndex {
        self.0.lines.get_or_init(|| LineIndex::new(self.text()))
    }

    /// Its values.
    pub fn parsed(&self) -> &Parsed {
        self.0.parsed.get_or_init(|| {
            if self.text().len() > aikit_yaml::MAX_BYTES {
                // It is refused.
                return aikit_yaml::parse(self.text());
            }
            aikit_yaml::read(self.syntax(), self.text())
        })
    }

    /// The edits that lay it out in the one way; nothing for a text that is broken or laid out so already.
    pub fn formatted(&self) -> Option<Edit> {
        let text = self.text();
        let formatted = aikit_yaml::format(text).filter(|formatted| formatted != text)?;
        Some(Edit { range: TextRange::new(0, text.len()), text: formatted })
    }

    /// What the checks say of it.
    pub fn checked(&self) -> &Checked {
        self.0.checked.get_or_init(|| aikit_spec::check_parsed(self.text(), self.parsed(), &self.0.around.context))
    }

    /// Everything that is wrong or doubtful, in the order of the places.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.checked().diagnostics
    }

    /// The root of the first document.
    pub(crate) fn root(&self) -> Option<&Node> {
        self.parsed().documents.first().map(|document| &document.root)
    }

    /// Its lossless tree; one without content for a text that is too large.
    pub(crate) fn syntax(&self) -> &SyntaxTree {
        self.0.syntax.get_or_init(|| {
            let text = if self.text().len() > aikit_yaml::MAX_BYTES { "" } else { self.text() };
            SyntaxTree::parse(text)
        })
    }

    pub(crate) fn outline(&self) -> &Outline {
        self.0.outline.get_or_init(|| Outline::new(&self.0.text, self.syntax()))
    }

    pub(crate) fn index(&self) -> &Index {
        self.0.index.get_or_init(|| Index::new(self))
    }

    /// The text of a range.
    pub(crate) fn slice(&self, range: TextRange) -> &str {
        range.slice(self.text())
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Snapshot").field(&self.text()).finish()
    }
}

/// The character boundary at or before an offset.
pub(crate) fn floor(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}
