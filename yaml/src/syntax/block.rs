//! Block mappings and sequences, by indentation. What does not fit is reported once and the lines around it are kept: a
//! line belongs to the innermost collection that is indented less than the line is, also where it misses its column.

use super::{
    BROKEN, FLOW, ProblemKind, SyntaxKind,
    parser::{Parser, is_break, is_space},
    properties::Properties,
    scalars::{Plain, Stop},
};

/// Where a block node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Context {
    /// The indentation of the parent; its lines are indented by more.
    pub(super) n: i32,
    /// Keys that are indented by more than this belong to a mapping here, even if they miss its column.
    pub(super) floor: i32,
    /// Whether a sequence is open that takes the items which are indented less.
    pub(super) in_sequence: bool,
    /// The column of the mapping around it, where the entry that holds this misses it: lines in it belong there.
    pub(super) outer: i32,
    /// The indentation of what is around that mapping.
    pub(super) around: i32,
}

impl Context {
    pub(super) fn root() -> Self {
        Self { n: -1, floor: -1, in_sequence: false, outer: -1, around: i32::MAX }
    }

    /// For the value of an entry in `column` of a mapping in column `m` here.
    pub(super) fn in_entry(self, m: i32, column: i32) -> Self {
        Self { n: column, floor: column, outer: m, around: self.n, ..self }
    }

    /// For the value of an item in `column` of a sequence in column `s` here.
    pub(super) fn in_item(self, s: i32, column: i32) -> Self {
        let floor = if s > self.n { self.n } else { s };
        Self { n: column, floor, in_sequence: true, outer: self.outer, around: i32::MAX }
    }
}

/// What stands before a block node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// Nothing: the document begins.
    Start,
    /// `---`
    Marker,
    Dash,
    Question,
    /// The colon behind a key on the same line.
    Colon,
    /// The colon behind a `?` key.
    ExplicitColon,
}

impl After {
    /// Whether a collection may begin on the same line.
    fn compact(self) -> bool {
        matches!(self, After::Start | After::Dash | After::Question | After::ExplicitColon)
    }

    /// Whether a sequence may stand in the column of the parent.
    fn takes_sequence_beside(self) -> bool {
        matches!(self, After::Question | After::Colon | After::ExplicitColon)
    }
}

/// What an atom turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Atom {
    Value,
    /// A key: its colon stands here.
    Key,
    /// A text over a `key: value` of this column: a key without its colon. Nothing was read.
    BrokenKey,
    /// A word over the items of a list, which was left out.
    Word,
}

/// How a mapping begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum First {
    /// Its first key was read, from the mark on; its colon stands here.
    Key,
    /// At its first key, `?`, colon or what should be a key.
    Unread,
}

impl Parser<'_> {
    /// Reads the node behind an indicator or at the beginning of a document; there may be none.
    pub(super) fn block_value(&mut self, context: Context, after: After) {
        if self.depth >= crate::MAX_DEPTH {
            self.trivia();
            if !self.at_end() {
                self.too_deep();
            }
            return;
        }
        self.depth += 1;
        self.value(context, after);
        self.depth -= 1;
    }

    fn value(&mut self, context: Context, after: After) {
        let mut seen = Properties::default();
        loop {
            self.trivia();
            if self.at_end() {
                return;
            }
            let fresh = self.fresh();
            let compact = fresh || after.compact();
            let column = self.column();
            if fresh {
                if self.template_line(column <= context.n, context.n) {
                    continue;
                }
                let beside = after.takes_sequence_beside() && column == context.n && self.indicates(b'-');
                if column <= context.n && !beside {
                    if column > context.around && !context.in_sequence && self.indicates(b'-') {
                        // The key above stands too deep for its list, which may have been said of the key.
                        if self.problems.last().is_none_or(|last| last.kind != ProblemKind::Indentation) {
                            self.problem(ProblemKind::Indentation, self.pos, self.trimmed_line_end(self.pos));
                        }
                        return self.sequence(Context { n: context.around, ..context }, column);
                    }
                    return;
                }
            }
            let mark = self.records.len();
            if self.indicates(b'-') {
                if fresh && column > context.n && self.lonely_dash() {
                    continue;
                }
                return self.sequence_here(context, column, compact);
            }
            if self.indicates(b'?') || (self.indicates(b':') && compact) {
                if !compact {
                    self.problem(ProblemKind::MappingHere, self.pos, self.trimmed_line_end(self.pos));
                }
                self.structure_tab();
                return self.mapping(context, column, mark, First::Unread);
            }
            let mut own = Properties::default();
            self.properties(&mut own);
            if own.any() {
                if (own.anchor && seen.anchor) || (own.tag && seen.tag) {
                    // It is two properties of one node only if no key follows that takes the second.
                    if is_break(self.here()) || !self.key_ahead() {
                        let kind =
                            if own.anchor && seen.anchor { ProblemKind::SecondAnchor } else { ProblemKind::SecondTag };
                        let start = self.records[mark].start as usize;
                        self.problem(kind, start, self.trimmed(start, self.pos));
                    }
                }
                if is_break(self.here()) || self.at_comment() || self.pos >= self.bytes.len() {
                    seen = Properties { anchor: seen.anchor || own.anchor, tag: seen.tag || own.tag };
                    continue;
                }
                if self.indicates(b'-') {
                    self.problem(ProblemKind::PropertyBeforeDash, self.records[mark].start as usize, self.pos + 1);
                    return self.sequence_here(context, self.column(), true);
                }
            }
            if matches!(self.here(), b'|' | b'>') {
                return self.block_scalar(context);
            }
            let properties = Properties { anchor: seen.anchor || own.anchor, tag: seen.tag || own.tag };
            let (place, told) = (self.mark(), self.problems.len());
            let alone = properties.any() && !own.any();
            match self.atom(context.n, compact.then_some(column), properties) {
                Atom::Value if fresh && !properties.any() && self.begun_over_siblings(mark, column, told) => {}
                Atom::Value => return,
                Atom::Key if compact => {
                    if alone && self.records[mark].kind == SyntaxKind::Alias {
                        // The properties above are those of the mapping, not of the alias that is its first key.
                        self.problems.retain(|problem| {
                            problem.kind != ProblemKind::AliasProperty
                                || problem.range.start != self.records[mark].start
                        });
                    }
                    self.structure_tab_before(self.records[mark].start as usize);
                    return self.mapping(context, column, mark, First::Key);
                }
                Atom::Key if after == After::Marker => {
                    let start = self.records[mark].start as usize;
                    self.problem(ProblemKind::MappingHere, start, self.trimmed_line_end(start));
                    return self.mapping(context, column, mark, First::Key);
                }
                Atom::Key => {
                    // The rest of the line is the text that was meant.
                    self.glance(place.pos(), self.line_end(self.pos));
                    self.back_to(place);
                    let (start, end) = (self.pos, self.trimmed_line_end(self.pos));
                    self.problem(ProblemKind::SecondColon, start, end);
                    self.flagged_leaf(SyntaxKind::Plain, BROKEN, start, end);
                    return;
                }
                Atom::Word => {}
                Atom::BrokenKey => return self.mapping(context, column, mark, First::Unread),
            }
        }
    }

    fn sequence_here(&mut self, context: Context, column: i32, compact: bool) {
        if !compact {
            self.problem(ProblemKind::ListHere, self.pos, self.trimmed_line_end(self.pos));
        }
        self.structure_tab();
        self.sequence(context, column);
    }

    /// Reports a tab before a structure that begins here.
    fn structure_tab(&mut self) {
        self.structure_tab_before(self.pos);
    }

    fn structure_tab_before(&mut self, start: usize) {
        let pos = std::mem::replace(&mut self.pos, start);
        if let Some(tab) = self.tab_before() {
            self.problem(ProblemKind::Tab, tab.start as usize, tab.end as usize);
        }
        self.pos = pos;
    }

    /// Leaves out what was read since `mark` if it stands over a key or an item in its column: somebody began to write.
    fn begun_over_siblings(&mut self, mark: usize, column: i32, told: usize) -> bool {
        let Some(first) = self.records.get(mark).copied() else { return false };
        let here = self.mark();
        self.trivia();
        let over =
            !self.at_end() && self.fresh() && self.column() == column && (self.key_ahead() || self.indicates(b'-'));
        let behind = self.line_end(self.pos);
        self.back_to(here);
        if over {
            let start = first.start as usize;
            let end = start + self.text[start..here.pos()].trim_end_matches([' ', '\t', '\n', '\r']).len();
            self.records.truncate(mark);
            self.leaf(SyntaxKind::Error, start, end);
            self.look_back(here);
            self.glance(start, behind);
            if self.problems.len() == told {
                self.problem(ProblemKind::StrayText, start, end);
            }
        }
        over
    }

    /// Leaves out a dash without an item over a key in its column: somebody began to write.
    fn lonely_dash(&mut self) -> bool {
        if !is_break(self.at(self.pos + 1)) {
            return false;
        }
        let (here, start, indent) = (self.mark(), self.pos, self.indent);
        self.pos += 1;
        while self.pos < self.bytes.len() && is_break(self.here()) {
            self.next_line();
        }
        let lonely = !self.at_end() && self.indent == indent && !self.indicates(b'-') && self.key_ahead();
        self.look_back(here);
        if lonely {
            self.problem(ProblemKind::StrayText, start, start + 1);
            self.leaf(SyntaxKind::Error, start, start + 1);
        }
        lonely
    }

    /// Leaves out a line that is nothing but a template, where neither a key nor a value can be one.
    fn template_line(&mut self, certain: bool, n: i32) -> bool {
        if self.here() != b'{' || !matches!(self.at(self.pos + 1), b'{' | b'%') {
            return false;
        }
        let end = self.trimmed_line_end(self.pos);
        let closing: &[u8] = if self.at(self.pos + 1) == b'{' { b"}}" } else { b"%}" };
        if !self.bytes[self.pos..end].ends_with(closing) || end < self.pos + 4 {
            return false;
        }
        if !certain {
            // A value of one line, unless the next line belongs to the same parent.
            let here = self.mark();
            self.pos = self.line_end(end);
            while self.pos < self.bytes.len() && is_break(self.here()) {
                self.next_line();
            }
            let beside = self.pos < self.bytes.len() && self.indent as i32 > n && !self.at_marker();
            let behind = self.pos;
            self.look_back(here);
            self.glance(self.pos, behind);
            if !beside {
                return false;
            }
        }
        self.problem(ProblemKind::TemplateLine, self.pos, end);
        self.leaf(SyntaxKind::Error, self.pos, end);
        true
    }

    /// Reads an alias, a quoted text, a flow collection or a plain text. At a place where a key can stand, `column` is
    /// that of a mapping that would begin here.
    fn atom(&mut self, n: i32, column: Option<i32>, properties: Properties) -> Atom {
        let mark = self.mark();
        let start = self.pos;
        match self.here() {
            b'*' => self.alias(properties),
            b'"' | b'\'' => {
                let line = self.line;
                let closed = self.quoted(n, false);
                if closed && self.line != line && !self.line_ends_here() {
                    // The quote that ends it belongs to another text: it is the first line that lacks one.
                    let end = self.trimmed_line_end(self.pos);
                    self.glance(start, end);
                    self.back_to(mark);
                    return self.unclosed(column);
                }
                if !closed {
                    self.glance(start, self.bytes.len());
                    return self.unclosed(column);
                }
            }
            b'[' | b'{' => {
                let line = self.line;
                let template = self.here() == b'{' && matches!(self.at(self.pos + 1), b'{' | b'%');
                let closed = self.flow_collection(n);
                let line_ends = self.line_ends_here() || self.colon_behind_blanks();
                if template && (!closed || self.problems_since(mark) > 0 || !line_ends) {
                    self.glance(start, self.pos.max(self.line_end(start)));
                    self.back_to(mark);
                    let end = self.trimmed_line_end(self.pos);
                    self.problem(ProblemKind::Template, self.pos, end);
                    self.flagged_leaf(SyntaxKind::Plain, BROKEN, self.pos, end);
                    return Atom::Value;
                }
                if !closed {
                    if self.problems_since(mark) > 1 {
                        // The lines below were not meant to be inside.
                        self.glance(start, self.pos);
                        self.back_to(mark);
                        self.flow_collection(super::flow::ONE_LINE);
                    }
                    return Atom::Value;
                }
                if self.line != line && self.colon_behind_blanks() {
                    self.problem(ProblemKind::MultilineKey, start, self.line_end(start));
                }
            }
            b':' if self.indicates(b':') => {
                return if column.is_some() || properties.any() { Atom::Key } else { self.unexpected() };
            }
            _ if self.plain_begins(false) => {
                let (end, stop_at, stop) = self.plain_line(start, false);
                if stop == Stop::Colon {
                    self.leaf(SyntaxKind::Plain, start, end);
                    self.pos = stop_at;
                    self.check_key_length(start, end);
                    return Atom::Key;
                }
                let (outcome, _) = self.plain(n, false);
                if let (Plain::KeyBelow { column: below, item, end: reach }, Some(column)) = (outcome, column) {
                    let one_line = self.records.last().is_some_and(|record| record.flags == 0);
                    if below == column && item && one_line && !properties.any() {
                        self.problem(ProblemKind::MissingColon, start, end);
                        self.glance(start, reach);
                        if let Some(last) = self.records.last_mut() {
                            last.kind = SyntaxKind::Error;
                        }
                        return Atom::Word;
                    }
                    if below == column || (below > column && one_line) {
                        self.glance(start, reach);
                        self.back_to(mark);
                        return Atom::BrokenKey;
                    }
                }
                return Atom::Value;
            }
            _ => return self.unexpected(),
        }
        if self.colon_behind_blanks() {
            let end = self.pos;
            self.skip_blanks();
            self.check_key_length(start, end);
            return Atom::Key;
        }
        Atom::Value
    }

    /// Remembers that what begins at `start` was read as it was because of text as far as `end`.
    pub(super) fn glance(&mut self, start: usize, end: usize) {
        self.glances.push(aikit_core::TextRange::new(start, end));
    }

    fn check_key_length(&mut self, start: usize, end: usize) {
        if end - start > 1024 && self.text[start..end].chars().count() > 1024 {
            self.problem(ProblemKind::LongKey, start, end);
        }
    }

    /// Takes a character that begins nothing together with the rest of its line as a text.
    fn unexpected(&mut self) -> Atom {
        let end = self.trimmed_line_end(self.pos);
        self.problem(ProblemKind::UnexpectedCharacter, self.pos, end);
        self.flagged_leaf(SyntaxKind::Plain, BROKEN, self.pos, end);
        Atom::Value
    }

    /// Reads a quote that does not end as a key, if its line has a colon and a key can stand here, or else as a text.
    fn unclosed(&mut self, column: Option<i32>) -> Atom {
        let (start, end) = (self.pos, self.trimmed_line_end(self.pos));
        let (key_end, colon, stop) = self.plain_line(start + 1, false);
        if column.is_some() && stop == Stop::Colon && key_end > start + 1 {
            self.unclosed_quote(key_end);
            self.pos = colon;
            return Atom::Key;
        }
        self.unclosed_quote(end);
        Atom::Value
    }

    /// Whether only blanks and a comment stand between here and the end of the line.
    pub(super) fn line_ends_here(&self) -> bool {
        let mut at = self.pos;
        while at < self.bytes.len() && matches!(self.bytes[at], b' ' | b'\t') {
            at += 1;
        }
        is_break(self.at(at)) || (self.at(at) == b'#' && at > self.pos)
    }

    fn colon_behind_blanks(&self) -> bool {
        let mut at = self.pos;
        while at < self.bytes.len() && matches!(self.bytes[at], b' ' | b'\t') {
            at += 1;
        }
        self.bytes.get(at) == Some(&b':') && is_space(self.at(at + 1))
    }

    /// Whether this line looks like `key: value`.
    pub(super) fn key_ahead(&self) -> bool {
        if self.indicates(b'?') || self.indicates(b':') {
            return true;
        }
        let end = self.line_end(self.pos);
        let mut at = self.pos;
        while at < end && matches!(self.bytes[at], b'&' | b'!' | b'*') {
            while at < end && !is_space(self.bytes[at]) {
                at += 1;
            }
            while at < end && is_space(self.bytes[at]) {
                at += 1;
            }
        }
        if at < end && matches!(self.bytes[at], b'"' | b'\'') {
            let quote = self.bytes[at];
            let mut close = at + 1;
            while close < end && self.bytes[close] != quote {
                close += 1 + usize::from(self.bytes[close] == b'\\' && quote == b'"');
            }
            at = (close + 1).min(end);
        }
        at < end && self.plain_line(at, false).2 == Stop::Colon
    }

    /// Reads a block mapping in column `m`, beginning at the record `mark`.
    fn mapping(&mut self, context: Context, m: i32, mark: usize, first: First) {
        let origin = self.line;
        let node = self.open_at(mark, SyntaxKind::Mapping, 0);
        match first {
            First::Key => self.entry_behind_key(context.in_entry(m, m), node + 1),
            First::Unread => self.entry(context, m, m, origin),
        }
        self.entries(context, m, origin);
        self.close(node);
    }

    /// Reads the entries of a mapping up to the line that belongs to another node. Indentation is reported once for all
    /// lines from `origin` on, where the mapping begins.
    fn entries(&mut self, context: Context, m: i32, origin: usize) {
        while self.entry_ahead(context, m, origin) {
            let column = self.column();
            self.entry(context, m, column, origin);
        }
    }

    /// Goes to the beginning of the next line of a collection in `column`, over what cannot be one. Gives whether there is one.
    fn line_ahead(&mut self, column: i32) -> bool {
        loop {
            self.trivia();
            if self.at_end() {
                return false;
            }
            if !self.fresh() {
                let kind = self.behind();
                self.problem(kind, self.pos, self.trimmed_line_end(self.pos));
                self.error_group(column);
            } else if !self.template_line(true, -1) {
                return true;
            }
        }
    }

    /// Goes to the next entry, over what is none. Gives whether there is one.
    pub(super) fn entry_ahead(&mut self, context: Context, m: i32, origin: usize) -> bool {
        loop {
            if !self.line_ahead(m) {
                return false;
            }
            let column = self.column();
            if self.indicates(b'-') {
                if column == m && self.lonely_dash() {
                    continue;
                }
                if column <= context.n || context.in_sequence {
                    return false;
                }
                self.reject_once(ProblemKind::ListAmongKeys, column, origin);
                continue;
            }
            if column == m {
                return true;
            }
            if column == context.outer {
                return false;
            }
            let adopted = column > context.n || (column > context.floor && self.key_ahead());
            if !adopted {
                return false;
            }
            if !self.key_ahead() {
                self.reject_once(ProblemKind::StrayText, column, origin);
                continue;
            }
            // A tab that took the place of the spaces is reported with its entry.
            let tabbed = self.first > self.line + self.indent;
            if !tabbed && self.indentation_told <= origin {
                self.problem(ProblemKind::Indentation, self.pos, self.trimmed_line_end(self.pos));
            }
            return true;
        }
    }

    /// Reports the line that stands here and leaves it out with the deeper lines below it.
    fn reject(&mut self, kind: ProblemKind, column: i32) {
        self.problem(kind, self.pos, self.trimmed_line_end(self.pos));
        self.error_group(column);
    }

    /// The same, but without a word below a line that misses its column: that is the mistake.
    fn reject_once(&mut self, kind: ProblemKind, column: i32, origin: usize) {
        if self.indentation_told > origin {
            self.error_group(column);
        } else {
            self.reject(kind, column);
        }
    }

    /// What to call text behind a value on the same line.
    pub(super) fn behind(&self) -> ProblemKind {
        match self.records.last().map(|record| record.kind) {
            Some(SyntaxKind::SingleQuoted | SyntaxKind::DoubleQuoted) => ProblemKind::BehindQuote,
            Some(SyntaxKind::Bracket) if matches!(self.here(), b']' | b'}') => ProblemKind::StrayBracket,
            _ => ProblemKind::BehindValue,
        }
    }

    /// Reads the entry that begins here in `column`, which is `m` unless it misses it.
    pub(super) fn entry(&mut self, context: Context, m: i32, column: i32, origin: usize) {
        let inner = context.in_entry(m, column);
        if self.fresh() {
            self.structure_tab();
        }
        if self.indicates(b'?') {
            let node = self.open(SyntaxKind::Entry, 0);
            self.indicator(SyntaxKind::Question);
            self.block_value(inner, After::Question);
            self.trivia();
            if self.fresh() && self.indicates(b':') && self.column() == column && !self.at_end() {
                self.structure_tab();
                self.indicator(SyntaxKind::Colon);
                self.block_value(inner, After::ExplicitColon);
            }
            self.close(node);
            return;
        }
        let mark = self.records.len();
        let place = self.mark();
        let mut own = Properties::default();
        self.properties(&mut own);
        let key = match self.here() {
            b':' if self.indicates(b':') => true,
            b'*' => {
                self.alias(own);
                self.colon_behind_blanks()
            }
            b'"' | b'\'' => {
                if self.quoted(i32::MAX, true) {
                    self.colon_behind_blanks()
                } else {
                    self.unclosed(Some(m)) == Atom::Key
                }
            }
            b'[' | b'{' => {
                let line = self.line;
                let closed = self.flow_collection(column);
                let key = closed && self.colon_behind_blanks();
                if key && self.line != line {
                    self.problem(ProblemKind::MultilineKey, place.pos(), self.line_end(place.pos()));
                } else if !key && self.line != line {
                    self.glance(place.pos(), self.pos);
                }
                key
            }
            _ if self.plain_begins(false) => {
                let start = self.pos;
                let (end, stop_at, stop) = self.plain_line(start, false);
                if stop == Stop::Colon {
                    self.leaf(SyntaxKind::Plain, start, end);
                    self.pos = stop_at;
                    self.check_key_length(start, end);
                }
                stop == Stop::Colon
            }
            _ => false,
        };
        if key {
            self.skip_blanks();
            self.entry_behind_key(inner, mark);
        } else if self.records[mark..].last().is_some_and(|record| record.flags & (BROKEN | FLOW) == BROKEN) {
            // A quote without end was reported; its line is left out.
        } else if self.indentation_told > origin {
            // Below a line that misses its column this is not another mistake.
            self.back_to(place);
            self.error_group(column);
        } else {
            self.back_to(place);
            self.keyless(inner, mark);
        }
    }

    /// Reads colon and value behind a key that was read from the record `mark` on.
    fn entry_behind_key(&mut self, inner: Context, mark: usize) {
        let node = self.open_at(mark, SyntaxKind::Entry, 0);
        self.indicator(SyntaxKind::Colon);
        self.block_value(inner, After::Colon);
        self.close(node);
    }

    /// Reads a line without a colon: a key, if the lines below it are its value or its first word is a name, or else
    /// nothing that fits.
    fn keyless(&mut self, inner: Context, mark: usize) {
        let start = self.pos;
        let (end, stop_at, _) = self.plain_line(start, false);
        let word =
            self.bytes[start..end].iter().position(|byte| super::parser::is_blank(*byte)).map_or(end, |at| start + at);
        let name = start < word
            && self.bytes[start..word].iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        if !name {
            let line = self.trimmed_line_end(start);
            let kind = if self.plain_begins(false) { ProblemKind::MissingColon } else { ProblemKind::StrayText };
            self.problem(kind, start, line);
            return self.error_group(inner.n);
        }
        self.problem(ProblemKind::MissingColon, start, end);
        self.leaf(SyntaxKind::Plain, start, word);
        self.skip_blanks();
        if word < end {
            let node = self.open_at(mark, SyntaxKind::Entry, BROKEN);
            self.flagged_leaf(SyntaxKind::Plain, 0, self.pos, end);
            self.pos = stop_at;
            self.close(node);
            return self.stray_lines(inner.n);
        }
        self.trivia();
        let nested =
            !self.at_end() && self.fresh() && self.column() > inner.n && (self.key_ahead() || self.indicates(b'-'));
        if nested {
            let node = self.open_at(mark, SyntaxKind::Entry, BROKEN);
            self.block_value(inner, After::Colon);
            self.close(node);
        } else {
            self.records[mark].kind = SyntaxKind::Error;
            self.stray_lines(inner.n);
        }
    }

    /// Leaves out the lines below that are deeper than `n`: they belong to a line that is broken already.
    fn stray_lines(&mut self, n: i32) {
        self.trivia();
        if !self.at_end() && self.fresh() && self.column() > n {
            self.error_group(n);
        }
    }

    /// Reads a block sequence in column `s`.
    fn sequence(&mut self, context: Context, s: i32) {
        let origin = self.line;
        let node = self.open(SyntaxKind::Sequence, 0);
        self.item(context, s, s);
        self.items(context, s, origin);
        self.close(node);
    }

    /// Reads the items of a sequence up to the line that belongs to another node.
    fn items(&mut self, context: Context, s: i32, origin: usize) {
        while self.item_ahead(context, s, origin) {
            let column = self.column();
            self.item(context, s, column);
        }
    }

    /// Goes to the next item, over what is none. Gives whether there is one.
    pub(super) fn item_ahead(&mut self, context: Context, s: i32, origin: usize) -> bool {
        loop {
            if !self.line_ahead(s) {
                return false;
            }
            let column = self.column();
            if self.indicates(b'-') {
                if column != s && column <= context.n {
                    return false;
                }
                let tabbed = self.first > self.line + self.indent;
                if column != s && !tabbed && self.indentation_told <= origin {
                    self.problem(ProblemKind::Indentation, self.pos, self.trimmed_line_end(self.pos));
                }
                self.structure_tab();
                return true;
            }
            if column <= context.n || column == context.outer {
                return false;
            }
            self.reject(ProblemKind::MissingDash, column);
        }
    }

    pub(super) fn item(&mut self, context: Context, s: i32, column: i32) {
        let node = self.open(SyntaxKind::Item, 0);
        self.indicator(SyntaxKind::Dash);
        self.block_value(context.in_item(s, column), After::Dash);
        self.close(node);
    }
}
