//! Collections in brackets.

use super::{
    BROKEN, FLOW, ProblemKind, SyntaxKind,
    parser::{Parser, is_flow_indicator, is_space},
    properties::Properties,
};

/// As the indentation of a parent: no second line belongs to the bracket.
pub(super) const ONE_LINE: i32 = i32::MAX;

/// A bracket does not end, which was reported: nothing more of it is read.
struct Unclosed;

impl Parser<'_> {
    /// Reads the collection whose bracket stands here; its lines are indented by more than `n`. Gives whether it ended.
    pub(super) fn flow_collection(&mut self, n: i32) -> bool {
        let outermost = self.brackets.is_empty();
        let closed = self.collection(n).is_ok();
        if outermost {
            self.brackets.clear();
            self.flow_indent_told = false;
        }
        closed
    }

    fn collection(&mut self, n: i32) -> Result<(), Unclosed> {
        if self.depth >= crate::MAX_DEPTH {
            self.too_deep();
            return Err(Unclosed);
        }
        self.depth += 1;
        let outcome = self.bracketed(n);
        self.depth -= 1;
        outcome
    }

    fn bracketed(&mut self, n: i32) -> Result<(), Unclosed> {
        let start = self.pos;
        let mapping = self.here() == b'{';
        let close = if mapping { b'}' } else { b']' };
        let kind = if mapping { SyntaxKind::Mapping } else { SyntaxKind::Sequence };
        let node = self.open(kind, FLOW);
        self.indicator(SyntaxKind::Bracket);
        self.brackets.push(close);
        let mut between = false;
        let outcome = loop {
            if self.flow_trivia(n).is_err() {
                break self.unclosed_bracket(start);
            }
            match self.here() {
                b']' | b'}' => {
                    if self.here() == close {
                        self.indicator(SyntaxKind::Bracket);
                        break Ok(());
                    }
                    let outer = self.brackets.len() - 1;
                    if self.brackets[..outer].contains(&self.here()) {
                        // It closes a bracket further out; this one lacks its own.
                        self.records[node].flags |= BROKEN;
                        let end = self.records.last().map_or(start + 1, |last| last.end as usize);
                        self.problem(ProblemKind::UnclosedBracket, start, end);
                        break Ok(());
                    }
                    self.problem(ProblemKind::StrayBracket, self.pos, self.pos + 1);
                    self.leaf(SyntaxKind::Error, self.pos, self.pos + 1);
                }
                b',' => {
                    if !between {
                        self.problem(ProblemKind::ExtraComma, self.pos, self.pos + 1);
                    }
                    self.indicator(SyntaxKind::Comma);
                    between = false;
                }
                _ => {
                    // A line that misses its indentation may go on with the text before: that one mistake is told.
                    let misplaced = self.fresh() && (self.indent as i32) <= n;
                    if between && !misplaced {
                        self.problem(ProblemKind::MissingComma, self.pos, self.pos + 1);
                        self.widen_last_problem();
                    }
                    if self.flow_entry(n, mapping).is_err() {
                        break Err(Unclosed);
                    }
                    between = true;
                }
            }
        };
        self.brackets.pop();
        if outcome.is_err() {
            self.records[node].flags |= BROKEN;
        }
        self.close(node);
        outcome
    }

    /// A range of one byte may end inside a character.
    fn widen_last_problem(&mut self) {
        if let Some(last) = self.problems.last_mut() {
            while !self.text.is_char_boundary(last.range.end as usize) {
                last.range.end += 1;
            }
        }
    }

    fn unclosed_bracket(&mut self, start: usize) -> Result<(), Unclosed> {
        let line_end = self.line_end(start);
        let on_line = self.records.iter().rev().take_while(|record| record.start as usize >= start);
        let end = on_line.filter(|record| record.kind != SyntaxKind::Comment).map(|record| record.end as usize);
        let end = end.filter(|end| *end <= line_end).max().unwrap_or(start + 1);
        self.problem(ProblemKind::UnclosedBracket, start, end);
        self.glance(start, self.line_end(self.pos));
        Err(Unclosed)
    }

    /// Goes over blanks, breaks and comments; fails where the block around the brackets goes on.
    fn flow_trivia(&mut self, n: i32) -> Result<(), Unclosed> {
        self.trivia();
        if self.pos >= self.bytes.len() || self.at_marker() || (n == ONE_LINE && self.fresh()) {
            return Err(Unclosed);
        }
        if !self.fresh() || (self.indent as i32) > n {
            return Ok(());
        }
        let closing = matches!(self.here(), b']' | b'}');
        let kind = match self.tab_before() {
            Some(_) => ProblemKind::Tab,
            None if closing => ProblemKind::ClosingBracketIndent,
            None if self.key_ahead() || self.indicates(b'-') => return Err(Unclosed),
            None => ProblemKind::FlowIndent,
        };
        if !std::mem::replace(&mut self.flow_indent_told, true) {
            match self.tab_before() {
                Some(tab) => self.problem(kind, tab.start as usize, tab.end as usize),
                None if closing => self.problem(kind, self.pos, self.pos + 1),
                None => self.problem(kind, self.pos, self.trimmed_line_end(self.pos)),
            }
        }
        Ok(())
    }

    /// Whether a colon stands here that parts key and value. Behind a quoted key or a bracket it needs no blank.
    fn at_flow_colon(&self, adjacent: bool) -> bool {
        let next = self.at(self.pos + 1);
        self.bytes.get(self.pos) == Some(&b':') && (adjacent || is_space(next) || is_flow_indicator(next))
    }

    fn flow_entry(&mut self, n: i32, mapping: bool) -> Result<(), Unclosed> {
        let mark = self.records.len();
        let next = self.at(self.pos + 1);
        if self.here() == b'?' && (is_space(next) || is_flow_indicator(next)) {
            let pair = (!mapping).then(|| self.open(SyntaxKind::Mapping, FLOW));
            let node = self.open(SyntaxKind::Entry, 0);
            self.indicator(SyntaxKind::Question);
            let outcome = self.flow_explicit(n);
            self.close(node);
            if let Some(pair) = pair {
                self.close(pair);
            }
            return outcome;
        }
        let (line, start) = (self.line, self.pos);
        let adjacent = self.flow_node(n)?;
        let key_end = self.pos;
        if mapping {
            // What stands behind the key may be a value only by a colon on a later line.
            let outcome = self.flow_trivia(n);
            if outcome.is_err() {
                let node = self.open_at(mark, SyntaxKind::Entry, 0);
                self.close(node);
                // The loop finds the same end again and reports it.
                return Ok(());
            }
        } else {
            self.skip_blanks();
        }
        if !self.at_flow_colon(adjacent) {
            if mapping && self.records.len() > mark {
                let node = self.open_at(mark, SyntaxKind::Entry, 0);
                self.close(node);
            }
            return Ok(());
        }
        if !mapping {
            if self.line != line {
                self.problem(ProblemKind::MultilineKey, start, self.line_end(start));
            } else if key_end - start > 1024 && self.text[start..key_end].chars().count() > 1024 {
                self.problem(ProblemKind::LongKey, start, key_end);
            }
        }
        let pair = (!mapping).then(|| self.open_at(mark, SyntaxKind::Mapping, FLOW));
        let node = self.open_at(mark + usize::from(!mapping), SyntaxKind::Entry, 0);
        self.indicator(SyntaxKind::Colon);
        let outcome = self.flow_value(n);
        self.close(node);
        if let Some(pair) = pair {
            self.close(pair);
        }
        outcome
    }

    fn flow_explicit(&mut self, n: i32) -> Result<(), Unclosed> {
        if self.flow_trivia(n).is_err() {
            return Ok(());
        }
        let adjacent = match self.here() {
            b',' | b']' | b'}' => return Ok(()),
            _ => self.flow_node(n)?,
        };
        if self.flow_trivia(n).is_err() || !self.at_flow_colon(adjacent) {
            return Ok(());
        }
        self.indicator(SyntaxKind::Colon);
        self.flow_value(n)
    }

    fn flow_value(&mut self, n: i32) -> Result<(), Unclosed> {
        if self.flow_trivia(n).is_err() || matches!(self.here(), b',' | b']' | b'}') {
            return Ok(());
        }
        self.flow_node(n).map(|_| ())
    }

    /// Reads a node with its properties; there may be none. Gives whether a colon may follow it without a blank.
    fn flow_node(&mut self, n: i32) -> Result<bool, Unclosed> {
        let mut seen = Properties::default();
        loop {
            self.properties(&mut seen);
            if !seen.any() || !is_space(self.here()) {
                break;
            }
            if self.flow_trivia(n).is_err() {
                return Ok(false);
            }
            if !matches!(self.here(), b'&' | b'!') {
                break;
            }
        }
        match self.here() {
            b'*' => {
                self.alias(seen);
                Ok(false)
            }
            b'"' | b'\'' => {
                if !self.quoted(n, false) {
                    self.glance(self.pos, self.bytes.len());
                    self.unclosed_quote(self.trimmed_line_end(self.pos));
                    // Where the bracket was to end cannot be told; the quote is the mistake.
                    return Err(Unclosed);
                }
                Ok(true)
            }
            b'[' | b'{' => self.collection(n).map(|()| true),
            b',' | b']' | b'}' => Ok(false),
            b':' if self.at_flow_colon(false) => Ok(false),
            _ if self.plain_begins(true) => {
                self.plain(n, true);
                Ok(false)
            }
            _ => {
                let line_end = self.trimmed_line_end(self.pos);
                let stop = self.bytes[self.pos..line_end].iter().position(|byte| is_flow_indicator(*byte));
                let mut end = stop.map_or(line_end, |at| self.pos + at).max(self.pos + 1);
                end = self.trimmed(self.pos, end);
                while !self.text.is_char_boundary(end) {
                    end += 1;
                }
                self.problem(ProblemKind::UnexpectedCharacter, self.pos, end);
                self.flagged_leaf(SyntaxKind::Plain, BROKEN, self.pos, end);
                Ok(false)
            }
        }
    }
}
