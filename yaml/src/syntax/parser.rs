//! The state of the parser, blanks and comments, documents and their markers.

use aikit_core::TextRange;

use super::{Problem, ProblemKind, Record, SyntaxKind, SyntaxTree, block::Context};

/// Reads a text from its first to its last byte.
pub(crate) struct Parser<'t> {
    pub(super) text: &'t str,
    pub(super) bytes: &'t [u8],
    pub(super) pos: usize,
    /// Where the current line begins.
    pub(super) line: usize,
    /// How many spaces stand at its beginning.
    pub(super) indent: usize,
    /// Its first byte that is neither space nor tab.
    pub(super) first: usize,
    pub(super) records: Vec<Record>,
    pub(super) problems: Vec<Problem>,
    pub(super) glances: Vec<TextRange>,
    pub(super) depth: usize,
    /// Flow collections that are open.
    pub(super) brackets: Vec<u8>,
    /// A line of the flow collection that is too little indented was reported already.
    pub(super) flow_indent_told: bool,
    /// Where indentation was last reported, and 1 more; 0 if it never was.
    pub(super) indentation_told: usize,
    /// The handles that the directives of the document declare.
    pub(super) handles: Vec<&'t str>,
}

/// A place to come back to.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    pos: usize,
    line: usize,
    indent: usize,
    first: usize,
    records: usize,
    problems: usize,
    indentation_told: usize,
    glances: usize,
}

pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

pub(super) fn is_break(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

pub(super) fn is_space(byte: u8) -> bool {
    is_blank(byte) || is_break(byte)
}

pub(super) fn is_flow_indicator(byte: u8) -> bool {
    matches!(byte, b',' | b'[' | b']' | b'{' | b'}')
}

impl Mark {
    pub(super) fn pos(&self) -> usize {
        self.pos
    }
}

const BOM: &str = "\u{feff}";

impl<'t> Parser<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let mut parser = Self {
            text,
            bytes: text.as_bytes(),
            pos: 0,
            line: 0,
            indent: 0,
            first: 0,
            records: Vec::new(),
            problems: Vec::new(),
            glances: Vec::new(),
            depth: 0,
            brackets: Vec::new(),
            flow_indent_told: false,
            indentation_told: 0,
            handles: Vec::new(),
        };
        parser.enter_line();
        parser
    }

    /// A parser that begins at a line inside a text, `depth` values deep.
    pub(super) fn at_line(text: &'t str, line: usize, depth: usize) -> Self {
        let mut parser = Self::new(text);
        parser.pos = line;
        parser.depth = depth;
        parser.enter_line();
        parser
    }

    pub(super) fn position(&self) -> usize {
        self.pos
    }

    pub(super) fn is_at_end_of_text(&self) -> bool {
        self.pos >= self.bytes.len()
    }

    /// What was read.
    pub(super) fn parts(mut self) -> (Vec<Record>, Vec<Problem>, Vec<TextRange>) {
        self.problems.sort_by_key(|problem| problem.range);
        (self.records, self.problems, self.glances)
    }

    /// The byte at `at`; behind the end a line break.
    pub(super) fn at(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(b'\n')
    }

    /// The byte at the current place; behind the end a line break.
    pub(super) fn here(&self) -> u8 {
        self.at(self.pos)
    }

    /// Whether `indicator` stands here with a blank or the end of the line behind it.
    pub(super) fn indicates(&self, indicator: u8) -> bool {
        self.here() == indicator && self.pos < self.bytes.len() && is_space(self.at(self.pos + 1))
    }

    /// Whether this is the first token of its line.
    pub(super) fn fresh(&self) -> bool {
        self.pos == self.first
    }

    /// Whether `---` or `...` stands here.
    pub(super) fn at_marker(&self) -> bool {
        self.pos == self.line
            && matches!(self.bytes.get(self.pos..self.pos + 3), Some(b"---" | b"..."))
            && is_space(self.at(self.pos + 3))
    }

    /// Whether the document ends here.
    pub(super) fn at_end(&self) -> bool {
        self.pos >= self.bytes.len() || self.at_marker()
    }

    /// Measures the line that begins here and goes to its first byte that is no blank.
    pub(super) fn enter_line(&mut self) {
        self.line = self.pos;
        let mut at = self.pos;
        while self.at(at) == b' ' {
            at += 1;
        }
        self.indent = at - self.line;
        while is_blank(self.at(at)) {
            at += 1;
        }
        self.first = at;
        self.pos = at;
    }

    /// Goes over the break that stands here, into the next line.
    pub(super) fn next_line(&mut self) {
        self.pos = self.behind_break(self.pos);
        self.enter_line();
    }

    /// Behind the break at `at`.
    pub(super) fn behind_break(&self, at: usize) -> usize {
        let long = self.bytes.get(at) == Some(&b'\r') && self.bytes.get(at + 1) == Some(&b'\n');
        (at + 1 + usize::from(long)).min(self.bytes.len())
    }

    /// The end of the line that `at` lies in, its break not included.
    pub(super) fn line_end(&self, at: usize) -> usize {
        let rest = self.bytes.get(at..).unwrap_or_default();
        memchr::memchr2(b'\n', b'\r', rest).map_or(self.bytes.len(), |length| at + length)
    }

    /// The end of the line that `at` lies in, without the blanks before its break.
    pub(super) fn trimmed_line_end(&self, at: usize) -> usize {
        self.trimmed(at, self.line_end(at))
    }

    /// `end`, or where the blanks before it begin.
    pub(super) fn trimmed(&self, start: usize, mut end: usize) -> usize {
        while end > start && is_blank(self.bytes[end - 1]) {
            end -= 1;
        }
        end
    }

    pub(super) fn skip_blanks(&mut self) {
        while self.pos < self.bytes.len() && is_blank(self.bytes[self.pos]) {
            self.pos += 1;
        }
    }

    /// Whether a comment begins here.
    pub(super) fn at_comment(&self) -> bool {
        self.here() == b'#' && (self.pos == self.line || is_blank(self.bytes[self.pos - 1]))
    }

    /// Goes over blanks, breaks and comments.
    pub(super) fn trivia(&mut self) {
        while self.pos < self.bytes.len() {
            match self.bytes[self.pos] {
                b' ' | b'\t' => self.pos += 1,
                b'\n' | b'\r' => self.next_line(),
                b'#' if self.at_comment() => {
                    let end = self.trimmed_line_end(self.pos);
                    self.leaf(SyntaxKind::Comment, self.pos, end);
                }
                _ => return,
            }
        }
        if self.line < self.bytes.len() {
            self.first = self.bytes.len();
        }
    }

    /// Whether a tab stands among the blanks before this token.
    pub(super) fn tab_before(&self) -> Option<TextRange> {
        let mut start = self.pos;
        while start > self.line && is_blank(self.bytes[start - 1]) {
            start -= 1;
        }
        let first = start + self.bytes[start..self.pos].iter().position(|byte| *byte == b'\t')?;
        let tabs = self.bytes[first..self.pos].iter().take_while(|byte| **byte == b'\t').count();
        Some(TextRange::new(first, first + tabs))
    }

    /// The column at which a structure that begins here would be indented. A tab, which cannot indent, counts as two.
    pub(super) fn column(&self) -> i32 {
        if !self.fresh() {
            return (self.pos - self.line) as i32;
        }
        let tabs = self.bytes[self.line + self.indent..self.pos].iter().filter(|byte| **byte == b'\t').count();
        (self.indent + 2 * tabs) as i32
    }

    pub(super) fn problem(&mut self, kind: ProblemKind, start: usize, end: usize) {
        if matches!(kind, ProblemKind::Indentation | ProblemKind::Tab) {
            self.indentation_told = start + 1;
        }
        self.problems.push(Problem { kind, range: TextRange::new(start, end) });
    }

    /// Adds a leaf and goes behind it.
    pub(super) fn leaf(&mut self, kind: SyntaxKind, start: usize, end: usize) {
        self.flagged_leaf(kind, 0, start, end);
    }

    pub(super) fn flagged_leaf(&mut self, kind: SyntaxKind, flags: u8, start: usize, end: usize) {
        let (start, end) = (start as u32, end as u32);
        self.records.push(Record { kind, flags, indent: 0, start, end, size: 0 });
        self.pos = end as usize;
    }

    /// Adds the indicator that stands here.
    pub(super) fn indicator(&mut self, kind: SyntaxKind) {
        self.leaf(kind, self.pos, self.pos + 1);
    }

    /// Begins a node before the records from `mark` on.
    pub(super) fn open_at(&mut self, mark: usize, kind: SyntaxKind, flags: u8) -> usize {
        let start = self.records.get(mark).map_or(self.pos as u32, |record| record.start);
        let record = Record { kind, flags, indent: 0, start, end: start, size: 0 };
        if mark == self.records.len() {
            self.records.push(record);
        } else {
            self.records.insert(mark, record);
        }
        mark
    }

    pub(super) fn open(&mut self, kind: SyntaxKind, flags: u8) -> usize {
        self.open_at(self.records.len(), kind, flags)
    }

    /// Ends a node; comments behind its last part are left to its parent.
    pub(super) fn close(&mut self, node: usize) {
        let mut last = self.records.len() - 1;
        while last > node && self.records[last].kind == SyntaxKind::Comment {
            last -= 1;
        }
        if last > node {
            self.records[node].end = self.records[last].end;
        }
        self.records[node].size = (last - node) as u32;
    }

    pub(super) fn mark(&self) -> Mark {
        Mark {
            pos: self.pos,
            line: self.line,
            indent: self.indent,
            first: self.first,
            records: self.records.len(),
            problems: self.problems.len(),
            indentation_told: self.indentation_told,
            glances: self.glances.len(),
        }
    }

    /// Goes back to `mark` and forgets what was read since. As far as that looked, what is read instead depends on it.
    pub(super) fn back_to(&mut self, mark: Mark) {
        if let Some(end) = self.glances[mark.glances..].iter().map(|glance| glance.end).max() {
            self.glance(mark.pos, end as usize);
        }
        self.records.truncate(mark.records);
        self.problems.truncate(mark.problems);
        self.indentation_told = mark.indentation_told;
        self.look_back(mark);
    }

    /// Goes back to the place of `mark` and keeps what was read.
    pub(super) fn look_back(&mut self, mark: Mark) {
        (self.pos, self.line, self.indent, self.first) = (mark.pos, mark.line, mark.indent, mark.first);
    }

    pub(super) fn problems_since(&self, mark: Mark) -> usize {
        self.problems.len() - mark.problems
    }

    /// Reads nothing more: the text is nested too deep.
    pub(super) fn too_deep(&mut self) {
        let (start, end) = (self.pos, self.bytes.len());
        let line = self.trimmed_line_end(start);
        self.problem(ProblemKind::TooDeep, start, line.min(start + 40).max(start));
        while self.problems.last().is_some_and(|last| !self.text.is_char_boundary(last.range.end as usize)) {
            let last = self.problems.len() - 1;
            self.problems[last].range.end += 1;
        }
        if start < end {
            self.leaf(SyntaxKind::Error, start, end);
        }
        (self.line, self.first, self.indent) = (end, end, 0);
    }

    /// Leaves out this line and the deeper ones below it.
    pub(super) fn error_group(&mut self, column: i32) {
        let start = self.pos;
        let mut end = self.trimmed_line_end(start);
        self.pos = self.line_end(start);
        while self.pos < self.bytes.len() {
            let here = self.mark();
            self.next_line();
            if self.pos >= self.bytes.len() {
                self.look_back(here);
                break;
            }
            if is_break(self.here()) {
                continue;
            }
            if self.indent as i32 <= column || self.at_marker() {
                self.look_back(here);
                break;
            }
            end = self.trimmed_line_end(self.pos);
            self.pos = self.line_end(self.pos);
        }
        let after = self.mark();
        self.leaf(SyntaxKind::Error, start, end.max(start));
        self.look_back(after);
    }

    /// Reads the whole text.
    pub(super) fn stream(mut self) -> SyntaxTree {
        self.records.reserve(self.text.len() / 8 + 8);
        let stream = self.open(SyntaxKind::Stream, 0);
        self.skip_bom();
        loop {
            self.trivia();
            self.skip_bom();
            if self.pos >= self.bytes.len() {
                break;
            }
            if self.at_marker() && self.here() == b'.' {
                self.document_end();
                continue;
            }
            if is_space(self.here()) || self.at_comment() {
                continue;
            }
            self.document();
        }
        (self.records[stream].start, self.records[stream].end) = (0, self.bytes.len() as u32);
        self.records[stream].size = (self.records.len() - 1) as u32;
        self.control_characters();
        self.problems.sort_by_key(|problem| problem.range);
        SyntaxTree { records: self.records, problems: self.problems, glances: self.glances }
    }

    fn skip_bom(&mut self) {
        if self.pos == self.line && self.text[self.pos..].starts_with(BOM) {
            self.pos += BOM.len();
            self.enter_line();
        }
    }

    fn document(&mut self) {
        let document = self.open(SyntaxKind::Document, 0);
        self.handles.clear();
        let mut version = false;
        let mut directive = None;
        while self.here() == b'%' && self.pos == self.line {
            directive = Some(self.pos);
            self.directive(&mut version);
            self.trivia();
        }
        let context = Context::root();
        if self.at_marker() && self.here() == b'-' {
            let end = self.pos + 3;
            self.leaf(SyntaxKind::DocumentStart, self.pos, end);
            self.block_value(context, super::block::After::Marker);
        } else {
            if let Some(start) = directive {
                self.problem(ProblemKind::DirectiveAlone, start, self.trimmed_line_end(start));
            }
            self.block_value(context, super::block::After::Start);
        }
        self.behind_root(context);
        if self.at_marker() && self.here() == b'.' {
            self.document_end();
        }
        let size = self.records.len() - 1 - document;
        let end = self.records.last().map_or(0, |last| last.end);
        self.records[document].size = size as u32;
        self.records[document].end = end;
    }

    /// What stands between the content of a document and its end.
    fn behind_root(&mut self, context: Context) {
        let mut told = false;
        loop {
            self.trivia();
            if self.at_end() {
                return;
            }
            if !std::mem::replace(&mut told, true) {
                let kind = if self.fresh() { ProblemKind::SecondRoot } else { self.behind() };
                self.problem(kind, self.pos, self.trimmed_line_end(self.pos));
            }
            if self.fresh() && (self.key_ahead() || self.indicates(b'-')) {
                self.block_value(context, super::block::After::Start);
            } else {
                self.error_group(i32::MAX);
            }
        }
    }

    fn document_end(&mut self) {
        let end = self.pos + 3;
        self.leaf(SyntaxKind::DocumentEnd, self.pos, end);
        self.skip_blanks();
        if !is_break(self.here()) && !self.at_comment() {
            let end = self.trimmed_line_end(self.pos);
            self.problem(ProblemKind::BehindMarker, self.pos, end);
            self.leaf(SyntaxKind::Error, self.pos, end);
        }
    }

    /// `%YAML`, `%TAG` or one that is not known, which is passed over.
    fn directive(&mut self, version: &mut bool) {
        let start = self.pos;
        let line = &self.text[start..self.line_end(start)];
        let comment = line.char_indices().find(|(at, c)| *c == '#' && line[..*at].ends_with([' ', '\t']));
        let written = comment.map_or(line, |(at, _)| &line[..at]).trim_end_matches([' ', '\t']);
        let end = start + written.len();
        let mut words = written.split([' ', '\t']).filter(|word| !word.is_empty());
        match words.next() {
            Some("%YAML") => {
                let number = words.next().is_some_and(|number| {
                    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
                    number.split_once('.').is_some_and(|(major, minor)| digits(major) && digits(minor))
                });
                if !number || words.next().is_some() {
                    self.problem(ProblemKind::Directive, start, end);
                } else if std::mem::replace(version, true) {
                    self.problem(ProblemKind::SecondVersion, start, end);
                }
            }
            Some("%TAG") => match (words.next(), words.next(), words.next()) {
                (Some(handle), Some(_), None) if is_handle(handle) && !self.handles.contains(&handle) => {
                    self.handles.push(handle);
                }
                _ => self.problem(ProblemKind::Directive, start, end),
            },
            _ => {}
        }
        self.leaf(SyntaxKind::Directive, start, end);
    }

    /// Characters that YAML does not know, in one quick pass.
    fn control_characters(&mut self) {
        let odd = |byte: u8| (byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')) || byte == 0x7f;
        let lines = self.bytes.chunks(4096).enumerate();
        let mut told = 0;
        for (chunk, bytes) in lines {
            // Without a branch in the loop the compiler makes it wide.
            if bytes.iter().fold(false, |any, byte| any | odd(*byte)) {
                for (at, _) in bytes.iter().enumerate().filter(|(_, byte)| odd(**byte)) {
                    let at = chunk * 4096 + at;
                    if told < 20 {
                        self.problems
                            .push(Problem { kind: ProblemKind::ControlCharacter, range: TextRange::new(at, at + 1) });
                    }
                    told += 1;
                }
            }
        }
    }
}

fn is_handle(text: &str) -> bool {
    let inner = text.strip_prefix('!').map(|rest| rest.strip_suffix('!').unwrap_or(rest));
    text == "!"
        || (text.len() > 1
            && text.ends_with('!')
            && inner.is_some_and(|inner| inner.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')))
}
