//! The way between the text that a scalar means and the text of the document that it is written in.

use aikit_core::TextRange;
use aikit_yaml::{Node, ScalarStyle};

/// A run of characters that are the same in both texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    decoded: u32,
    source: u32,
    len: u32,
}

/// The way between the decoded text of a scalar and the document. Indentation, folding, quotes and escapes lie between the
/// pieces; whatever lies there is mapped to the edge of the nearest piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TextMap {
    pieces: Vec<Piece>,
}

impl TextMap {
    /// The map of a scalar; `None` if the node is none, or comes from elsewhere than it seems.
    pub(crate) fn new(source: &str, node: &Node) -> Option<Self> {
        let scalar = node.scalar()?;
        let written = node.range.slice(source);
        let start = node.range.start as usize;
        let decoded = scalar.text.as_str();
        if decoded.is_empty() {
            return Some(Self { pieces: Vec::new() });
        }
        let quoted = matches!(scalar.style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted);
        let inner = if quoted { written.get(1..written.len().checked_sub(1)?)? } else { written };
        let inner_start = start + usize::from(quoted);
        if inner == decoded {
            return Some(Self { pieces: vec![Piece::new(0, inner_start, decoded.len())] });
        }
        let (body, body_start) = match scalar.style {
            // The header of a block ends with its line.
            ScalarStyle::Literal | ScalarStyle::Folded => {
                let header = written.find('\n')? + 1;
                (&written[header..], start + header)
            }
            _ => (inner, inner_start),
        };
        align(body, body_start, decoded, scalar.style)
    }

    /// Where a piece of the decoded text stands in the document; `None` where nothing of it stands there.
    pub(crate) fn to_source(&self, range: TextRange) -> Option<TextRange> {
        let first = self.pieces.get(self.pieces.partition_point(|piece| piece.decoded + piece.len <= range.start))?;
        let start = first.source + range.start.saturating_sub(first.decoded);
        let end = if range.is_empty() {
            start
        } else {
            let behind = self.pieces.partition_point(|piece| piece.decoded < range.end);
            let last = self.pieces.get(behind.checked_sub(1)?)?;
            last.source + (range.end - last.decoded).min(last.len)
        };
        (start <= end).then(|| TextRange::new(start as usize, end as usize))
    }

    /// The offset of the decoded text for one of the document.
    pub(crate) fn to_decoded(&self, offset: usize) -> Option<usize> {
        let offset = u32::try_from(offset).ok()?;
        let behind = self.pieces.partition_point(|piece| piece.source <= offset);
        let before = self.pieces.get(behind.saturating_sub(1))?;
        Some((before.decoded + offset.saturating_sub(before.source).min(before.len)) as usize)
    }
}

impl Piece {
    fn new(decoded: usize, source: usize, len: usize) -> Self {
        Self { decoded: decoded as u32, source: source as u32, len: len as u32 }
    }
}

/// A character of the document with what it means.
struct Unit {
    at: usize,
    len: usize,
    means: Option<char>,
}

/// Pairs the characters that are not blank: no style of YAML adds, drops or moves one of those.
fn align(body: &str, body_start: usize, decoded: &str, style: ScalarStyle) -> Option<TextMap> {
    let mut units = Units { text: body, at: 0, style };
    let mut pieces: Vec<Piece> = Vec::new();
    for (decoded_at, c) in decoded.char_indices().filter(|(_, c)| !c.is_whitespace()) {
        let unit = units.next_visible()?;
        if unit.means != Some(c) {
            return None;
        }
        let source = body_start + unit.at;
        // Blanks between two characters belong to the piece if they are the same in both texts.
        if let Some(last) = pieces.last_mut() {
            let (decoded_end, source_end) = ((last.decoded + last.len) as usize, (last.source + last.len) as usize);
            let between = body.get(source_end - body_start..unit.at);
            if unit.len == c.len_utf8() && between.is_some() && between == decoded.get(decoded_end..decoded_at) {
                last.len = (decoded_at + c.len_utf8()) as u32 - last.decoded;
                continue;
            }
        }
        // An escape is longer than what it means: its beginning stands for the character.
        pieces.push(Piece::new(decoded_at, source, c.len_utf8().min(unit.len)));
    }
    Some(TextMap { pieces })
}

struct Units<'b> {
    text: &'b str,
    at: usize,
    style: ScalarStyle,
}

impl Units<'_> {
    fn next_visible(&mut self) -> Option<Unit> {
        loop {
            let unit = self.next()?;
            if unit.means.is_some_and(|c| !c.is_whitespace()) {
                return Some(unit);
            }
        }
    }

    fn next(&mut self) -> Option<Unit> {
        let at = self.at;
        let rest = &self.text[at..];
        let c = rest.chars().next()?;
        let (len, means) = match (self.style, c) {
            (ScalarStyle::SingleQuoted, '\'') => (if rest.starts_with("''") { 2 } else { 1 }, Some('\'')),
            (ScalarStyle::DoubleQuoted, '\\') => escape(rest),
            _ => (c.len_utf8(), Some(c)),
        };
        self.at += len;
        Some(Unit { at, len, means })
    }
}

/// Length and meaning of the escape at the beginning of `text`; a line break that is escaped means nothing.
fn escape(text: &str) -> (usize, Option<char>) {
    let Some(sign) = text[1..].chars().next() else { return (1, None) };
    let hex = |digits: usize| {
        let code = text.get(2..2 + digits).and_then(|hex| u32::from_str_radix(hex, 16).ok());
        match code {
            Some(code) => (2 + digits, char::from_u32(code)),
            None => (2, None),
        }
    };
    match sign {
        'x' => hex(2),
        'u' => hex(4),
        'U' => hex(8),
        _ => {
            let means = match sign {
                '0' => Some('\0'),
                'a' => Some('\u{7}'),
                'b' => Some('\u{8}'),
                'e' => Some('\u{1b}'),
                'v' => Some('\u{b}'),
                'f' => Some('\u{c}'),
                't' => Some('\t'),
                'n' | 'r' | 'N' | '_' | 'L' | 'P' => Some(' '),
                '\n' => None,
                other => Some(other),
            };
            (1 + sign.len_utf8(), means)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn map(source: &str) -> (String, TextMap) {
        let parsed = aikit_yaml::parse(source);
        let node = parsed.documents[0].root.get("a").unwrap();
        (node.scalar().unwrap().text.clone(), TextMap::new(source, node).unwrap())
    }

    #[test]
    fn every_style_leads_back_to_the_document() {
        for source in [
            "a: plain word here",
            "a: 'it''s word here'",
            "a: \"tab\\t \\u00e9 word \\\"x\\\" \\x41\"",
            "a: |\n  one\n    two word\n\n  three\n",
            "a: >-\n  one\n  two word\n\n  three\n",
            "a: \"over\n  lines word\"\n",
            "a: over\n  lines word\n",
            "x: 1\na: |2\n    deep word\n",
        ] {
            let (decoded, map) = map(source);
            let at = decoded.find("word").unwrap();
            let range = map.to_source(TextRange::new(at, at + 4)).unwrap();
            assert_eq!(range.slice(source), "word", "{source}");
            assert_eq!(map.to_decoded(range.start as usize), Some(at), "{source}");
            let end = map.to_source(TextRange::empty(decoded.len()));
            assert!(end.is_none(), "nothing stands behind the end");
        }
    }

    proptest! {
        #[test]
        fn every_character_maps_there_and_back(text in "[a-z é🦀'\"\\\\\n]{0,40}") {
            let quoted = serde_json::to_string(&text).unwrap();
            let source = format!("a: {quoted}\n");
            let parsed = aikit_yaml::parse(&source);
            let node = parsed.documents[0].root.get("a").unwrap();
            let map = TextMap::new(&source, node).unwrap();
            for (at, c) in text.char_indices().filter(|(_, c)| !c.is_whitespace()) {
                let range = map.to_source(TextRange::new(at, at + c.len_utf8())).unwrap();
                prop_assert_eq!(map.to_decoded(range.start as usize), Some(at));
                if !matches!(c, '"' | '\\') {
                    prop_assert_eq!(range.slice(&source), c.to_string());
                }
            }
        }
    }
}
