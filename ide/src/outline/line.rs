//! Lines and the pieces of a line.

use aikit_core::TextRange;

/// A line without its line break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line {
    /// From 0.
    pub(crate) number: u32,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// The lines of a text.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = Line> {
    let mut start = 0;
    text.split('\n').zip(0..).map(move |(line, number)| {
        let begin = start;
        start += line.len() + 1;
        Line { number, start: begin, end: begin + line.trim_end_matches('\r').len() }
    })
}

impl Line {
    /// Its content: everything behind the indentation. The markers `---` and `...` and directives hold none.
    pub(crate) fn content(self, text: &str) -> Span {
        let line = &text[self.start..self.end];
        let marker = line == "---" || line == "..." || line.starts_with("--- ") || line.starts_with('%');
        let indent = if marker { line.len() } else { line.len() - line.trim_start().len() };
        Span { start: self.start + indent, end: self.start + line.trim_end().len().max(indent) }
    }
}

/// A piece of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Span {
    pub(crate) fn text(self, text: &str) -> &str {
        text.get(self.start..self.end).unwrap_or("")
    }

    pub(crate) fn is_empty(self) -> bool {
        self.start >= self.end
    }

    pub(crate) fn range(self) -> TextRange {
        TextRange::new(self.start, self.end)
    }

    fn behind(self, text: &str, len: usize) -> Span {
        let rest = self.text(text).get(len..).unwrap_or("");
        Span { start: (self.end - rest.trim_start().len()).min(self.end), end: self.end }
    }

    /// What stands behind a dash, if this begins with one.
    pub(crate) fn dash(self, text: &str) -> Option<Span> {
        let rest = self.text(text).strip_prefix('-')?;
        (rest.is_empty() || rest.starts_with([' ', '\t'])).then(|| self.behind(text, 1))
    }

    /// The key that this begins with, and what stands behind its colon.
    pub(crate) fn key(self, text: &str) -> Option<(TextRange, Span)> {
        let own = self.text(text);
        let colon = key_len(own)?;
        let key = TextRange::new(self.start, self.start + own[..colon].trim_end().len());
        Some((key, self.behind(text, colon + 1)))
    }

    /// Without a leading anchor or tag.
    pub(crate) fn without_properties(self, text: &str) -> Span {
        let mut span = self;
        while span.text(text).starts_with(['&', '!']) {
            let own = span.text(text);
            let len = own.find(char::is_whitespace).unwrap_or(own.len());
            span = span.behind(text, len);
        }
        span
    }

    /// Without a comment at its end.
    pub(crate) fn without_comment(self, text: &str) -> Span {
        let own = self.text(text);
        let end = own.find(" #").unwrap_or(own.len());
        Span { start: self.start, end: self.start + own[..end].trim_end().len() }
    }
}

/// Where the colon stands that ends a key at the beginning of `text`.
fn key_len(text: &str) -> Option<usize> {
    let first = text.chars().next()?;
    if matches!(first, '{' | '[' | '|' | '>' | '#' | '%' | '@' | '`' | '*') {
        return None;
    }
    let from = match first {
        '"' | '\'' => quoted_len(text, first as u8)?,
        _ => 0,
    };
    let ends = |at: &usize| text[at + 1..].chars().next().is_none_or(char::is_whitespace);
    let colon = text[from..].match_indices(':').map(|(at, _)| from + at).find(ends)?;
    let between = &text[from..colon];
    match from {
        0 => (!between.contains(" #")).then_some(colon),
        _ => between.trim().is_empty().then_some(colon),
    }
}

/// The length of the quoted text that begins `text`, quotes included; `None` where it is not closed.
fn quoted_len(text: &str, quote: u8) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quote == b'"' => at += 2,
            byte if byte == quote && quote == b'\'' && bytes.get(at + 1) == Some(&quote) => at += 2,
            byte if byte == quote => return Some(at + 1),
            _ => at += 1,
        }
    }
    None
}

/// A scalar without its quotes.
pub(crate) fn unquoted(text: &str) -> &str {
    let text = text.trim();
    ['"', '\''].into_iter().find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote)).unwrap_or(text)
}

/// The lines below `from` that are indented deeper than `column`, blank ones between them included. `None` takes all.
fn deeper(text: &str, from: usize, column: Option<usize>) -> (usize, usize) {
    let start = text[from..].find('\n').map_or(text.len(), |at| from + at + 1);
    let mut end = start;
    let mut at = start;
    for line in text[start..].split_inclusive('\n') {
        at += line.len();
        let indent = line.len() - line.trim_start().len();
        if line.trim().is_empty() {
            continue;
        }
        if column.is_some_and(|column| indent <= column) {
            break;
        }
        end = at;
    }
    (start, end)
}

/// The content of a block scalar whose header begins at `header`.
pub(super) fn block(text: &str, header: usize, column: Option<usize>) -> TextRange {
    let (start, end) = deeper(text, header, column);
    // Blank lines at the end belong to it while nothing else follows, so that a cursor there is still inside.
    let end = if text[end..].trim().is_empty() { text.len() } else { end };
    TextRange::new(start, end)
}

/// A quoted scalar that begins at `start`; where it is not closed it ends with its line.
pub(super) fn quoted(text: &str, start: usize, quote: u8, column: usize) -> TextRange {
    let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    let (_, last) = deeper(text, start, Some(column));
    let reach = text.get(start..last.max(line_end)).unwrap_or("");
    let end = quoted_len(reach, quote).map_or(start + text[start..line_end].trim_end().len(), |len| start + len);
    TextRange::new(start, end)
}

/// How far a flow collection reaches that begins at `start`: to its closing bracket, or as far as the lines are deeper.
pub(super) fn flow_extent(text: &str, start: usize, column: Option<usize>) -> TextRange {
    let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    let (_, last) = deeper(text, start, column);
    let reach = text.get(start..last.max(line_end)).unwrap_or("");
    let bytes = reach.as_bytes();
    let mut depth = 0usize;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return TextRange::new(start, start + at + 1);
                }
            }
            quote @ (b'"' | b'\'') if at == 0 || !bytes[at - 1].is_ascii_alphanumeric() => {
                let Some(len) = reach.get(at..).and_then(|rest| quoted_len(rest, quote)) else { break };
                at += len;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    TextRange::new(start, start + reach.trim_end().len().max(1))
}
