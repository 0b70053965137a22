//! Plain, quoted and block scalars: where they end.

use super::{
    BROKEN, MULTILINE, ProblemKind, Record, SyntaxKind,
    block::Context,
    parser::{Parser, is_blank, is_break, is_flow_indicator, is_space},
};

/// Why a line of a plain scalar ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// At the break or the end of the text.
    Line,
    /// At a colon that makes it a key.
    Colon,
    /// At a comment.
    Comment,
    /// At a bracket or comma of the flow collection around it.
    Flow,
}

/// How a plain scalar in block context went on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plain {
    Done,
    /// The line below it, at this column, is a `key: value`, which no text can go on with.
    KeyBelow {
        column: i32,
        /// Whether it is the item of a list.
        item: bool,
        /// Where it ends.
        end: usize,
    },
}

const ORDINARY: u8 = 0;
const SPECIAL: u8 = 1;
const FLOW_SPECIAL: u8 = 2;

static CLASSES: [u8; 256] = {
    let mut classes = [ORDINARY; 256];
    classes[b'\n' as usize] = SPECIAL;
    classes[b'\r' as usize] = SPECIAL;
    classes[b':' as usize] = SPECIAL;
    classes[b'#' as usize] = SPECIAL;
    classes[b',' as usize] = FLOW_SPECIAL;
    classes[b'[' as usize] = FLOW_SPECIAL;
    classes[b']' as usize] = FLOW_SPECIAL;
    classes[b'{' as usize] = FLOW_SPECIAL;
    classes[b'}' as usize] = FLOW_SPECIAL;
    classes
};

impl Parser<'_> {
    /// Whether a plain scalar can begin here.
    pub(super) fn plain_begins(&self, flow: bool) -> bool {
        let next = self.at(self.pos + 1);
        match self.here() {
            b'-' | b'?' | b':' => !(is_space(next) || flow && is_flow_indicator(next)),
            b',' | b'[' | b']' | b'{' | b'}' | b'#' | b'&' | b'*' | b'!' | b'|' | b'>' | b'\'' | b'"' | b'%' | b'@'
            | b'`' => false,
            byte => !is_space(byte),
        }
    }

    /// Where the line of a plain scalar from `from` on ends, without the blanks behind it, and why and where it stops.
    pub(super) fn plain_line(&self, from: usize, flow: bool) -> (usize, usize, Stop) {
        let mut at = from;
        let stop = loop {
            let Some(&byte) = self.bytes.get(at) else { break Stop::Line };
            match CLASSES[byte as usize] {
                ORDINARY => {}
                SPECIAL => match byte {
                    b':' => {
                        let next = self.at(at + 1);
                        if is_space(next) || (flow && is_flow_indicator(next)) {
                            break Stop::Colon;
                        }
                    }
                    b'#' => {
                        if at > from && is_blank(self.bytes[at - 1]) {
                            break Stop::Comment;
                        }
                    }
                    _ => break Stop::Line,
                },
                _ if flow => break Stop::Flow,
                _ => {}
            }
            at += 1;
        };
        (self.trimmed(from, at), at, stop)
    }

    /// Reads a plain scalar whose first line ends at `end` and goes on in lines indented by more than `n`.
    pub(super) fn plain(&mut self, n: i32, flow: bool) -> (Plain, Stop) {
        let start = self.pos;
        let (mut end, stop_at, mut stop) = self.plain_line(start, flow);
        self.pos = stop_at;
        let mut flags = 0;
        let mut outcome = Plain::Done;
        while stop == Stop::Line && self.pos < self.bytes.len() {
            let here = self.mark();
            self.next_line();
            while self.pos < self.bytes.len() && is_break(self.here()) {
                self.next_line();
            }
            let ends = self.pos >= self.bytes.len()
                || (self.indent as i32) <= n
                || self.here() == b'#'
                || self.at_marker()
                || (flow && is_flow_indicator(self.here()))
                || (self.here() == b':'
                    && (is_space(self.at(self.pos + 1)) || (flow && is_flow_indicator(self.at(self.pos + 1)))));
            if ends {
                self.look_back(here);
                break;
            }
            let (line_end, line_stop, why) = self.plain_line(self.pos, flow);
            if why == Stop::Colon && !flow {
                let end = self.line_end(self.pos);
                outcome = Plain::KeyBelow { column: self.column(), item: self.indicates(b'-'), end };
                self.look_back(here);
                break;
            }
            (end, stop) = (line_end, why);
            self.pos = line_stop;
            flags = MULTILINE;
        }
        let after = self.mark();
        self.flagged_leaf(SyntaxKind::Plain, flags, start, end);
        self.look_back(after);
        (outcome, stop)
    }

    /// Reads a quoted scalar. Its lines are indented by more than `n`; with `one_line` it ends on its line. Gives whether
    /// it ended; where it did not, nothing was read.
    pub(super) fn quoted(&mut self, n: i32, one_line: bool) -> bool {
        let start = self.mark();
        let quote = self.here();
        let from = self.pos;
        let kind = if quote == b'"' { SyntaxKind::DoubleQuoted } else { SyntaxKind::SingleQuoted };
        let mut flags = 0;
        let mut at = self.pos + 1;
        loop {
            let rest = self.bytes.get(at..).unwrap_or_default();
            let found = match quote {
                b'"' => {
                    let near = memchr::memchr3(b'"', b'\\', b'\n', rest);
                    let scope = &rest[..near.unwrap_or(rest.len())];
                    memchr::memchr(b'\r', scope).or(near)
                }
                _ => memchr::memchr3(b'\'', b'\n', b'\r', rest),
            };
            let Some(length) = found else {
                self.back_to(start);
                return false;
            };
            at += length;
            match self.bytes[at] {
                b'\\' => at = self.escape(at, one_line),
                byte if byte == quote => {
                    if quote == b'\'' && self.bytes.get(at + 1) == Some(&b'\'') {
                        at += 2;
                        continue;
                    }
                    let after = (self.line, self.indent, self.first);
                    self.flagged_leaf(kind, flags, from, at + 1);
                    (self.line, self.indent, self.first) = after;
                    return true;
                }
                _ => {
                    if one_line {
                        self.back_to(start);
                        return false;
                    }
                    flags = MULTILINE;
                    self.pos = at;
                    self.next_line();
                    while self.pos < self.bytes.len() && is_break(self.here()) {
                        self.next_line();
                    }
                    if self.pos >= self.bytes.len() || self.at_marker() {
                        self.back_to(start);
                        return false;
                    }
                    if (self.indent as i32) <= n {
                        match self.tab_before() {
                            Some(tab) => self.problem(ProblemKind::Tab, tab.start as usize, tab.end as usize),
                            None => {
                                self.back_to(start);
                                return false;
                            }
                        }
                    }
                    at = self.pos;
                }
            }
        }
    }

    /// Checks the escape at `at` and gives the place behind it.
    fn escape(&mut self, at: usize, one_line: bool) -> usize {
        let digits = match self.at(at + 1) {
            b'0' | b'a' | b'b' | b't' | b'\t' | b'n' | b'v' | b'f' | b'r' | b'e' | b' ' | b'"' | b'/' | b'\\'
            | b'N' | b'_' | b'L' | b'P' => return at + 2,
            // The break behind it is joined to the scalar like any other.
            b'\n' | b'\r' if !one_line || at + 1 < self.bytes.len() => return at + 1,
            b'x' => 2,
            b'u' => 4,
            b'U' => 8,
            _ => {
                let width = self.text.get(at + 1..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
                self.problem(ProblemKind::Escape, at, at + 1 + width);
                return at + 1 + width;
            }
        };
        let written = self.bytes.get(at + 2..at + 2 + digits).filter(|hex| hex.iter().all(u8::is_ascii_hexdigit));
        let code = written.and_then(|hex| u32::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        // A surrogate is no character; JSON writes pairs of them.
        if code.is_some_and(|code| code <= 0x10_ffff) {
            return at + 2 + digits;
        }
        let end = at
            + 2
            + self.bytes[(at + 2).min(self.bytes.len())..]
                .iter()
                .take(digits)
                .take_while(|b| b.is_ascii_hexdigit())
                .count();
        self.problem(ProblemKind::Escape, at, end);
        end
    }

    /// Takes the rest of the line as the text of a quote that does not end.
    pub(super) fn unclosed_quote(&mut self, end: usize) {
        let start = self.pos;
        let kind = if self.here() == b'"' { SyntaxKind::DoubleQuoted } else { SyntaxKind::SingleQuoted };
        self.problem(ProblemKind::UnclosedQuote, start, end);
        self.flagged_leaf(kind, BROKEN, start, end);
    }

    /// Reads a block scalar below its parent.
    pub(super) fn block_scalar(&mut self, context: Context) {
        let n = context.n;
        let kind = if self.here() == b'|' { SyntaxKind::Literal } else { SyntaxKind::Folded };
        let node = self.open(kind, 0);
        let (explicit, keep) = self.block_header();
        self.skip_blanks();
        if self.at_comment() {
            let end = self.trimmed_line_end(self.pos);
            self.leaf(SyntaxKind::Comment, self.pos, end);
        } else if !is_break(self.here()) {
            let end = self.trimmed_line_end(self.pos);
            self.problem(ProblemKind::BehindValue, self.pos, end);
            self.leaf(SyntaxKind::Error, self.pos, end);
        }
        let start = self.behind_break(self.line_end(self.pos));
        let least = (n + 1).max(0) as usize;
        let mut indent = explicit.map(|columns| n.max(0) as usize + columns);
        let (mut line, mut end, mut widest_blank) = (start, start, 0);
        let mut behind_blanks = start;
        let (mut wide_told, mut thin_told) = (false, false);
        while line < self.bytes.len() {
            let mut at = line;
            while at < self.bytes.len() && self.bytes[at] == b' ' {
                at += 1;
            }
            let spaces = at - line;
            let blank = at >= self.bytes.len() || is_break(self.bytes[at]);
            // Blanks that reach into an indented text are part of it.
            if blank && indent.is_none_or(|indent| spaces <= indent) {
                widest_blank = widest_blank.max(spaces);
                line = self.behind_break(at);
                behind_blanks = line;
                continue;
            }
            let line_end = self.line_end(at);
            if !blank {
                let marker = spaces == 0
                    && matches!(self.bytes.get(line..line + 3), Some(b"---" | b"..."))
                    && is_space(self.at(line + 3));
                if spaces < least || marker {
                    if self.bytes[at] == b'\t' && self.trimmed(at, line_end) == at && indent.is_none() {
                        self.problem(ProblemKind::Tab, at, at + 1);
                    }
                    break;
                }
                let columns = *indent.get_or_insert(spaces);
                if end == start && widest_blank > columns && explicit.is_none() && !wide_told {
                    wide_told = true;
                    self.problem(ProblemKind::BlockLeadingSpaces, at, line_end);
                }
                if spaces < columns {
                    if self.bytes[at] == b'#' || spaces as i32 == context.outer {
                        break;
                    }
                    if !std::mem::replace(&mut thin_told, true) {
                        self.problem(ProblemKind::BlockIndent, at, self.trimmed(at, line_end));
                    }
                }
            }
            end = line_end;
            line = self.behind_break(line_end);
            behind_blanks = line;
        }
        let columns = indent.unwrap_or(widest_blank.max(least));
        if keep {
            end = behind_blanks.max(end);
        }
        if end > start {
            let (from, to) = (start as u32, end as u32);
            let indent = columns.min(usize::from(u16::MAX)) as u16;
            let record = Record { kind: SyntaxKind::BlockContent, flags: 0, indent, start: from, end: to, size: 0 };
            self.records.push(record);
        }
        self.close(node);
        self.records[node].indent = columns.min(usize::from(u16::MAX)) as u16;
        self.pos = line.max(end).min(self.bytes.len());
        if line >= self.bytes.len() {
            (self.pos, self.line, self.first, self.indent) = (self.bytes.len(), self.bytes.len(), self.bytes.len(), 0);
        } else {
            self.pos = line;
            self.enter_line();
        }
    }

    /// Reads `|` or `>` with its indicators: the columns that it names, and whether the breaks at the end are kept.
    fn block_header(&mut self) -> (Option<usize>, bool) {
        let start = self.pos;
        let mut end = start + 1;
        let (mut columns, mut chomping) = (None, None);
        loop {
            match self.at(end) {
                digit @ b'1'..=b'9' if columns.is_none() => columns = Some(usize::from(digit - b'0')),
                sign @ (b'+' | b'-') if chomping.is_none() => chomping = Some(sign),
                b'0'..=b'9' | b'+' | b'-' => {
                    self.problem(ProblemKind::BlockHeader, start, end + 1);
                }
                _ => break,
            }
            end += 1;
        }
        self.leaf(SyntaxKind::BlockHeader, start, end);
        if self.here() == b'#' {
            let end = self.trimmed_line_end(self.pos);
            self.problem(ProblemKind::BehindValue, self.pos, end);
            self.leaf(SyntaxKind::Error, self.pos, end);
        }
        (columns, chomping == Some(b'+'))
    }
}
