//! From the parser's character positions to byte ranges of the text.

use aikit_core::{LineIndex, TextRange};
use saphyr_parser::{Marker, Span};

/// The positions of one text.
pub(crate) struct Places<'t> {
    pub(crate) text: &'t str,
    pub(crate) lines: LineIndex,
    /// Byte offset of every character; `None` where characters are bytes.
    bytes: Option<Vec<u32>>,
}

impl<'t> Places<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        let bytes = (!text.is_ascii()).then(|| text.char_indices().map(|(offset, _)| offset as u32).collect());
        Self { text, lines: LineIndex::new(text), bytes }
    }

    pub(crate) fn offset(&self, marker: Marker) -> usize {
        let end = self.text.len();
        match &self.bytes {
            None => marker.index().min(end),
            Some(bytes) => bytes.get(marker.index()).map_or(end, |&offset| offset as usize),
        }
    }

    pub(crate) fn range(&self, span: Span) -> TextRange {
        TextRange::new(self.offset(span.start), self.offset(span.end))
    }

    /// Behind the anchor and the tag that may stand at `offset`, and the blanks and comments behind those.
    pub(crate) fn behind_properties(&self, offset: usize, end: usize) -> usize {
        let mut rest = self.text.get(offset..end).unwrap_or("");
        loop {
            let before = rest.len();
            rest = rest.trim_start();
            if rest.starts_with(['&', '!']) {
                rest = rest.trim_start_matches(|c: char| !c.is_whitespace());
            }
            if rest.starts_with('#') {
                rest = rest.trim_start_matches(|c| c != '\n' && c != '\r');
            }
            if rest.len() == before {
                return end.max(offset) - rest.len();
            }
        }
    }

    /// The blank behind the colon or dash at `offset`, on the same line: where an absent value would stand.
    pub(crate) fn blank_behind(&self, offset: usize) -> TextRange {
        let rest = self.text.get(offset..).unwrap_or("");
        let start = offset + usize::from(rest.starts_with([':', '-', '?']));
        let rest = self.text.get(start..).unwrap_or("");
        let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        // The blank before a comment belongs to the comment, but for the one that parts the value from its key.
        let blanks = if rest[blanks..].starts_with('#') { blanks.min(1) } else { blanks };
        TextRange::new(start, start + blanks)
    }

    /// The header of a block scalar: from `|` or `>` behind `from` up to the end of its line; `None` where there is none.
    pub(crate) fn block_header(&self, from: usize, content: usize) -> Option<TextRange> {
        let mut offset = from;
        while offset < content {
            offset = self.behind_properties(offset, content);
            match self.text[offset..content].chars().next()? {
                '|' | '>' => {
                    let line = self.text[offset..content].split(['\n', '\r']).next().unwrap_or("");
                    return Some(TextRange::new(offset, offset + line.trim_end().len()));
                }
                c => offset += c.len_utf8(),
            }
        }
        None
    }

    /// By how many columns the content of a block scalar is indented: what its first line that is not blank has more than
    /// its decoded form.
    pub(crate) fn block_indent(&self, header_end: usize, decoded: &str) -> u32 {
        let leading = |text: &str| {
            let line = text.lines().find(|line| !line.trim().is_empty())?;
            Some(line.len() - line.trim_start_matches(' ').len())
        };
        let below = self.text.get(header_end..).unwrap_or("");
        match (leading(below), leading(decoded)) {
            (Some(written), Some(decoded)) => written.saturating_sub(decoded) as u32,
            _ => 0,
        }
    }

    /// The text of `line` without indentation and trailing blanks, with its place.
    pub(crate) fn trimmed_line(&self, line: u32) -> TextRange {
        let Some(range) = self.lines.line_range(line) else { return TextRange::empty(self.text.len()) };
        let text = range.slice(self.text);
        let start = range.start as usize + (text.len() - text.trim_start().len());
        TextRange::new(start, start + text.trim().len())
    }
}
