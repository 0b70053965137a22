//! From a scalar as written to its text, and back: every piece of the decoded text knows the bytes that it came from.

use std::{borrow::Cow, ops::Range};

use aikit_core::TextRange;

use crate::syntax::{BROKEN, MULTILINE, SyntaxKind, SyntaxNode};

/// A scalar as it stands in the source.
#[derive(Clone, Copy)]
pub(crate) struct Written<'t> {
    pub(crate) source: &'t str,
    pub(crate) kind: SyntaxKind,
    /// Whether it lacks its closing quote.
    pub(crate) broken: bool,
    pub(crate) range: TextRange,
    /// The lines of a block scalar.
    pub(crate) content: TextRange,
    /// The columns by which they are indented.
    pub(crate) indent: usize,
}

impl<'t> From<SyntaxNode<'t>> for Written<'t> {
    fn from(node: SyntaxNode<'t>) -> Self {
        let record = node.record();
        let block = matches!(record.kind, SyntaxKind::Literal | SyntaxKind::Folded);
        let content = block.then(|| node.children().find(|child| child.kind() == SyntaxKind::BlockContent)).flatten();
        Self {
            source: node.source(),
            kind: record.kind,
            broken: record.flags & BROKEN != 0,
            range: node.range(),
            content: content.map_or(TextRange::empty(record.end as usize), |content| content.range()),
            indent: usize::from(record.indent),
        }
    }
}

/// One piece of a decoded scalar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Its bytes in the decoded text.
    pub decoded: TextRange,
    /// The bytes of the source that it stands for.
    pub source: TextRange,
    /// Whether the bytes are the same on both sides; otherwise the piece is an escape or a joined line and goes as one.
    pub verbatim: bool,
}

/// The map between the decoded text of a scalar and its source, in the order of both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Segments {
    pieces: Vec<Piece>,
    /// The whole scalar; where nothing better is known.
    whole: TextRange,
}

impl Segments {
    /// The pieces in order. Pieces of the source between them (indentation, quotes) stand for no decoded text.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Where the byte `decoded` of the text stands in the source. The end of the text is behind its last byte.
    pub fn to_source(&self, decoded: usize) -> usize {
        let at = self.pieces.partition_point(|piece| piece.decoded.end as usize <= decoded);
        match self.pieces.get(at).or(self.pieces.last()) {
            Some(piece) if decoded >= piece.decoded.end as usize => piece.source.end as usize,
            Some(piece) if piece.verbatim => {
                piece.source.start as usize + decoded.saturating_sub(piece.decoded.start as usize)
            }
            Some(piece) => piece.source.start as usize,
            None => self.whole.start as usize,
        }
    }

    /// Where a range of the text stands in the source: from its first byte to behind its last.
    pub fn range_to_source(&self, decoded: Range<usize>) -> TextRange {
        let start = self.to_source(decoded.start);
        if decoded.is_empty() {
            return TextRange::empty(start);
        }
        let last = self.pieces.partition_point(|piece| (piece.decoded.end as usize) < decoded.end);
        let end = match self.pieces.get(last) {
            Some(piece) if piece.verbatim => {
                piece.source.start as usize + decoded.end.saturating_sub(piece.decoded.start as usize)
            }
            Some(piece) => piece.source.end as usize,
            None => self.pieces.last().map_or(self.whole.end, |piece| piece.source.end) as usize,
        };
        TextRange::new(start, end.max(start))
    }

    /// The byte of the text that the byte `source` belongs to; the next one for a byte that stands for no text, and
    /// nothing outside the scalar.
    pub fn to_decoded(&self, source: usize) -> Option<usize> {
        if !self.whole.touches(source) {
            return None;
        }
        // The break that the end of the text stands for has no bytes.
        let at = self.pieces.partition_point(|piece| {
            (piece.source.end as usize) < source || (piece.source.end as usize == source && !piece.source.is_empty())
        });
        match self.pieces.get(at) {
            Some(piece) if source < piece.source.start as usize => Some(piece.decoded.start as usize),
            Some(piece) if piece.verbatim => Some(piece.decoded.start as usize + source - piece.source.start as usize),
            Some(piece) => Some(piece.decoded.start as usize),
            None => Some(self.pieces.last().map_or(0, |piece| piece.decoded.end as usize)),
        }
    }
}

/// Takes the pieces of a scalar in order.
trait Sink {
    /// Bytes that are the same on both sides.
    fn copy(&mut self, source: &str, range: Range<usize>);
    /// Text that bytes of the source stand for.
    fn put(&mut self, text: &str, range: Range<usize>);
    /// Takes back the decoded blanks at the end, but not further than `keep` bytes of the decoded text.
    fn trim_blanks(&mut self, keep: usize);
    /// How long the decoded text is.
    fn len(&self) -> usize;
}

impl Sink for String {
    fn copy(&mut self, source: &str, range: Range<usize>) {
        self.push_str(&source[range]);
    }

    fn put(&mut self, text: &str, _: Range<usize>) {
        self.push_str(text);
    }

    fn trim_blanks(&mut self, keep: usize) {
        let trimmed = self[keep..].trim_end_matches([' ', '\t']).len();
        self.truncate(keep + trimmed);
    }

    fn len(&self) -> usize {
        String::len(self)
    }
}

#[derive(Default)]
struct Map {
    text: String,
    pieces: Vec<Piece>,
}

impl Map {
    fn add(&mut self, before: usize, range: Range<usize>, verbatim: bool) {
        let decoded = TextRange::new(before, self.text.len());
        let source = TextRange::new(range.start, range.end);
        if let Some(last) = self.pieces.last_mut()
            && last.verbatim
            && verbatim
            && last.source.end == source.start
        {
            (last.decoded.end, last.source.end) = (decoded.end, source.end);
        } else if !decoded.is_empty() {
            self.pieces.push(Piece { decoded, source, verbatim });
        }
    }
}

impl Sink for Map {
    fn copy(&mut self, source: &str, range: Range<usize>) {
        let before = self.text.len();
        self.text.push_str(&source[range.clone()]);
        self.add(before, range, true);
    }

    fn put(&mut self, text: &str, range: Range<usize>) {
        let before = self.text.len();
        self.text.push_str(text);
        self.add(before, range, false);
    }

    fn trim_blanks(&mut self, keep: usize) {
        self.text.trim_blanks(keep);
        let end = self.text.len() as u32;
        while let Some(last) = self.pieces.last_mut() {
            if last.decoded.start >= end {
                self.pieces.pop();
                continue;
            }
            if last.decoded.end > end {
                last.source.end -= last.decoded.end - end;
                last.decoded.end = end;
            }
            break;
        }
    }

    fn len(&self) -> usize {
        self.text.len()
    }
}

/// The decoded text of a scalar.
pub(crate) fn text(node: SyntaxNode<'_>) -> Cow<'_, str> {
    let written = node.text();
    let one_line = node.record().flags & (MULTILINE | BROKEN) == 0;
    let inner = written.get(1..written.len().max(2) - 1);
    match (node.kind(), inner) {
        (SyntaxKind::Plain, _) if one_line => return Cow::Borrowed(written),
        (SyntaxKind::SingleQuoted, Some(inner)) if one_line && !inner.contains('\'') => return Cow::Borrowed(inner),
        (SyntaxKind::DoubleQuoted, Some(inner)) if one_line && !inner.contains('\\') => return Cow::Borrowed(inner),
        _ => {}
    }
    let mut text = String::with_capacity(written.len());
    decode(node.into(), &mut text);
    Cow::Owned(text)
}

/// The map of a scalar.
pub(crate) fn segments(scalar: Written<'_>) -> Segments {
    let mut map = Map::default();
    decode(scalar, &mut map);
    Segments { pieces: map.pieces, whole: scalar.range }
}

fn decode(scalar: Written<'_>, sink: &mut impl Sink) {
    let (start, end) = (scalar.range.start as usize, scalar.range.end as usize);
    let inner_end = if scalar.broken { end } else { end.saturating_sub(1).max(start + 1) };
    match scalar.kind {
        SyntaxKind::Plain => folded_lines(scalar.source, start, end, None, sink),
        SyntaxKind::SingleQuoted => folded_lines(scalar.source, start + 1, inner_end, Some('\''), sink),
        SyntaxKind::DoubleQuoted => folded_lines(scalar.source, start + 1, inner_end, Some('"'), sink),
        SyntaxKind::Literal | SyntaxKind::Folded => block(scalar, sink),
        _ => {}
    }
}

fn break_length(bytes: &[u8], at: usize) -> usize {
    1 + usize::from(bytes[at] == b'\r' && bytes.get(at + 1) == Some(&b'\n'))
}

/// Flow scalars: the lines are joined, one break to a blank, more of them to one break less.
fn folded_lines(source: &str, start: usize, end: usize, quote: Option<char>, sink: &mut impl Sink) {
    let bytes = source.as_bytes();
    let mut at = start;
    // Blanks that an escape wrote are not taken back at the end of a line.
    let mut kept = 0;
    while at < end {
        let mut stop = at;
        let plain = |byte: u8| match byte {
            b'\n' | b'\r' => false,
            b'\\' => quote != Some('"'),
            b'\'' => quote != Some('\''),
            _ => true,
        };
        while stop < end && plain(bytes[stop]) {
            stop += 1;
        }
        if stop > at {
            sink.copy(source, at..stop);
        }
        if stop >= end {
            return;
        }
        match bytes[stop] {
            b'\'' => {
                sink.put("'", stop..(stop + 2).min(end));
                at = (stop + 2).min(end);
            }
            b'\\' => {
                at = escape(source, stop, end, sink);
                kept = sink.len();
            }
            _ => {
                sink.trim_blanks(kept);
                at = fold(source, stop, end, sink);
            }
        }
    }
}

/// Joins the line that ends at `at` with the next that is not empty, and gives where that begins.
fn fold(source: &str, at: usize, end: usize, sink: &mut impl Sink) -> usize {
    let bytes = source.as_bytes();
    let first = at..at + break_length(bytes, at);
    let mut next = skip_blanks(bytes, first.end, end);
    if next >= end || !matches!(bytes[next], b'\n' | b'\r') {
        sink.put(" ", first.start..next.min(end));
        return next.min(end);
    }
    let mut from = first.start;
    while next < end && matches!(bytes[next], b'\n' | b'\r') {
        let behind = (next + break_length(bytes, next)).min(end);
        let after = skip_blanks(bytes, behind, end);
        sink.put("\n", from..after);
        from = after;
        next = after;
    }
    next
}

fn skip_blanks(bytes: &[u8], mut at: usize, end: usize) -> usize {
    while at < end && matches!(bytes[at], b' ' | b'\t') {
        at += 1;
    }
    at
}

/// The escape at `at`; gives the place behind it.
fn escape(source: &str, at: usize, end: usize, sink: &mut impl Sink) -> usize {
    let bytes = source.as_bytes();
    let Some(&kind) = bytes.get(at + 1).filter(|_| at + 1 < end) else {
        sink.copy(source, at..end);
        return end;
    };
    let text = match kind {
        b'0' => "\0",
        b'a' => "\u{7}",
        b'b' => "\u{8}",
        b't' | b'\t' => "\t",
        b'n' => "\n",
        b'v' => "\u{b}",
        b'f' => "\u{c}",
        b'r' => "\r",
        b'e' => "\u{1b}",
        b' ' => " ",
        b'"' => "\"",
        b'/' => "/",
        b'\\' => "\\",
        b'N' => "\u{85}",
        b'_' => "\u{a0}",
        b'L' => "\u{2028}",
        b'P' => "\u{2029}",
        b'\n' | b'\r' => {
            // The line goes on without a blank; empty lines below are breaks.
            let mut next = skip_blanks(bytes, at + 1 + break_length(bytes, at + 1), end);
            let mut from = next;
            while next < end && matches!(bytes[next], b'\n' | b'\r') {
                next = skip_blanks(bytes, next + break_length(bytes, next), end);
                sink.put("\n", from..next);
                from = next;
            }
            return next.min(end);
        }
        b'x' | b'u' | b'U' => {
            let digits = match kind {
                b'x' => 2,
                b'u' => 4,
                _ => 8,
            };
            let (code, mut behind) = hex(source, at + 2, digits, end);
            let mut character = code.and_then(char::from_u32);
            // JSON writes characters beyond 16 bits as two escapes.
            if let (Some(high @ 0xd800..=0xdbff), Some("\\u")) = (code, source.get(behind..behind + 2))
                && let (Some(low @ 0xdc00..=0xdfff), after) = hex(source, behind + 2, 4, end)
            {
                character = char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00));
                behind = after;
            }
            let mut buffer = [0; 4];
            sink.put(character.unwrap_or(char::REPLACEMENT_CHARACTER).encode_utf8(&mut buffer), at..behind);
            return behind;
        }
        _ => {
            let width = source[at + 1..].chars().next().map_or(0, char::len_utf8);
            let behind = (at + 1 + width).min(end);
            sink.copy(source, at..behind);
            return behind;
        }
    };
    sink.put(text, at..at + 2);
    at + 2
}

fn hex(source: &str, at: usize, digits: usize, end: usize) -> (Option<u32>, usize) {
    let written = source.get(at..(at + digits).min(end)).unwrap_or("");
    let length = written.bytes().take_while(u8::is_ascii_hexdigit).count();
    let code = (length == digits).then(|| u32::from_str_radix(written, 16).ok()).flatten();
    (code, at + length)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Chomping {
    Strip,
    Clip,
    Keep,
}

/// Block scalars: the indentation goes, `>` joins lines that are not more indented.
fn block(scalar: Written<'_>, sink: &mut impl Sink) {
    let (source, bytes) = (scalar.source, scalar.source.as_bytes());
    let header = bytes[scalar.range.start as usize..].iter().take(3).skip(1);
    let chomping = match header.take_while(|byte| !byte.is_ascii_whitespace()).find(|byte| matches!(byte, b'+' | b'-'))
    {
        Some(b'-') => Chomping::Strip,
        Some(_) => Chomping::Keep,
        None => Chomping::Clip,
    };
    let (mut at, end) = (scalar.content.start as usize, scalar.content.end as usize);
    if at == end {
        return;
    }
    let columns = scalar.indent;
    let folds = scalar.kind == SyntaxKind::Folded;
    // Breaks since the last line with text, and whether the last such line was more indented.
    let mut breaks: Vec<Range<usize>> = Vec::new();
    let mut begun = false;
    let mut was_deeper = false;
    while at < end {
        let line_end = memchr::memchr2(b'\n', b'\r', &bytes[at..end]).map_or(end, |length| at + length);
        let behind =
            if line_end < source.len() && line_end < end { line_end + break_length(bytes, line_end) } else { line_end };
        let spaces = bytes[at..line_end].iter().take(columns).take_while(|byte| **byte == b' ').count();
        let text = at + spaces;
        if text < line_end {
            let deeper = matches!(bytes[text], b' ' | b'\t');
            put_breaks(&breaks, folds && begun && !deeper && !was_deeper, sink);
            breaks.clear();
            sink.copy(source, text..line_end);
            begun = true;
            was_deeper = deeper;
        }
        if behind > line_end {
            breaks.push(line_end..behind);
        }
        at = behind;
        if behind == line_end {
            break;
        }
    }
    // Content ends before its last break, unless breaks are kept; the end of the text is one.
    if breaks.is_empty() || (end == source.len() && !matches!(bytes[end - 1], b'\n' | b'\r')) {
        breaks.push(end..if end < source.len() { end + break_length(bytes, end) } else { end });
    }
    match chomping {
        Chomping::Strip => {}
        Chomping::Clip if !begun => {}
        Chomping::Clip => {
            if let Some(range) = breaks.first() {
                sink.put("\n", range.clone());
            }
        }
        Chomping::Keep => put_breaks(&breaks, false, sink),
    }
}

/// Writes breaks; folded, the first is a blank if it is alone and nothing otherwise.
fn put_breaks(breaks: &[Range<usize>], folded: bool, sink: &mut impl Sink) {
    match (folded, breaks) {
        (true, [one]) => sink.put(" ", one.clone()),
        (true, [first, rest @ ..]) => {
            let mut from = first.start;
            for range in rest {
                sink.put("\n", from..range.end);
                from = range.end;
            }
        }
        (_, breaks) => breaks.iter().for_each(|range| sink.put("\n", range.clone())),
    }
}
