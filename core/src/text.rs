use serde::{Deserialize, Serialize};

/// A half-open range of bytes in a source text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct TextRange {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset behind the last byte.
    pub end: u32,
}

impl TextRange {
    /// The range from `start` to `end`; a range that would run backwards is empty at `start`.
    pub fn new(start: usize, end: usize) -> Self {
        let clamp = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let start = clamp(start);
        Self { start, end: clamp(end).max(start) }
    }

    /// The empty range at `offset`.
    pub fn empty(offset: usize) -> Self {
        Self::new(offset, offset)
    }

    /// Length in bytes.
    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether no byte lies inside.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Whether `offset` lies inside, or at the end, where a cursor would stand.
    pub fn touches(self, offset: usize) -> bool {
        (self.start as usize..=self.end as usize).contains(&offset)
    }

    /// Whether `other` lies inside.
    pub fn contains_range(self, other: TextRange) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// The smallest range that covers both.
    pub fn cover(self, other: TextRange) -> TextRange {
        TextRange { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// The text inside, or an empty string where the range does not fit `text`.
    pub fn slice(self, text: &str) -> &str {
        text.get(self.start as usize..self.end as usize).unwrap_or("")
    }
}

/// A place for people and protocols: line and column, both from 0. The unit of the column is the caller's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// Line, from 0.
    pub line: u32,
    /// Column, from 0.
    pub column: u32,
}

/// Where the lines of one text begin, and the way between byte offsets and positions.
#[derive(Debug, Clone)]
pub struct LineIndex {
    starts: Vec<u32>,
    len: u32,
}

impl LineIndex {
    /// Indexes `text`. A line ends with `\n`, `\r\n` or `\r`.
    pub fn new(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut starts = vec![0];
        let mut i = 0;
        while i < bytes.len() {
            match bytes[i] {
                b'\n' => starts.push(i as u32 + 1),
                b'\r' if bytes.get(i + 1) != Some(&b'\n') => starts.push(i as u32 + 1),
                _ => {}
            }
            i += 1;
        }
        Self { starts, len: text.len() as u32 }
    }

    /// Number of lines; a text that ends in a line break has an empty last line.
    pub fn line_count(&self) -> usize {
        self.starts.len()
    }

    /// The bytes of `line`, its line break included.
    pub fn line_range(&self, line: u32) -> Option<TextRange> {
        let start = *self.starts.get(line as usize)?;
        let end = self.starts.get(line as usize + 1).copied().unwrap_or(self.len);
        Some(TextRange { start, end })
    }

    /// The line that holds `offset`, from 0.
    pub fn line_of(&self, offset: usize) -> u32 {
        let offset = offset.min(self.len as usize) as u32;
        (self.starts.partition_point(|&s| s <= offset) - 1) as u32
    }

    fn prefix<'t>(&self, text: &'t str, offset: usize) -> (u32, &'t str) {
        let line = self.line_of(offset);
        let start = self.starts[line as usize] as usize;
        let mut end = offset.min(text.len()).max(start);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        (line, text.get(start..end).unwrap_or(""))
    }

    /// Line and column in Unicode code points (people, Jupyter, terminals).
    pub fn position(&self, text: &str, offset: usize) -> Position {
        let (line, prefix) = self.prefix(text, offset);
        Position { line, column: prefix.chars().count() as u32 }
    }

    /// Line and column in UTF-16 code units (LSP's default).
    pub fn position_utf16(&self, text: &str, offset: usize) -> Position {
        let (line, prefix) = self.prefix(text, offset);
        Position { line, column: prefix.encode_utf16().count() as u32 }
    }

    fn offset_by(&self, text: &str, at: Position, width: impl Fn(char) -> u32) -> usize {
        let Some(range) = self.line_range(at.line) else { return text.len() };
        let line = range.slice(text).trim_end_matches(['\n', '\r']);
        let mut column = 0;
        for (i, c) in line.char_indices() {
            if column >= at.column {
                return range.start as usize + i;
            }
            column += width(c);
        }
        range.start as usize + line.len()
    }

    /// The byte offset of a code-point position; a column behind the line's end is the line's end.
    pub fn offset(&self, text: &str, at: Position) -> usize {
        self.offset_by(text, at, |_| 1)
    }

    /// The byte offset of a UTF-16 position; a column behind the line's end is the line's end.
    pub fn offset_utf16(&self, text: &str, at: Position) -> usize {
        self.offset_by(text, at, |c| c.len_utf16() as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_and_offsets_agree_in_both_units() {
        let text = "a😀é\r\nb\rc\n";
        let index = LineIndex::new(text);
        assert_eq!(index.line_count(), 4);
        for (offset, _) in text.char_indices().filter(|(_, c)| !matches!(c, '\r' | '\n')) {
            assert_eq!(index.offset(text, index.position(text, offset)), offset);
            assert_eq!(index.offset_utf16(text, index.position_utf16(text, offset)), offset);
        }
        assert_eq!(index.position(text, 5), Position { line: 0, column: 2 });
        assert_eq!(index.position_utf16(text, 5), Position { line: 0, column: 3 });
    }

    #[test]
    fn wild_offsets_are_clamped() {
        let index = LineIndex::new("é");
        assert_eq!(index.position("é", 1), Position { line: 0, column: 0 });
        assert_eq!(index.position("é", 99), Position { line: 0, column: 1 });
        assert_eq!(index.offset("é", Position { line: 7, column: 7 }), 2);
    }
}
