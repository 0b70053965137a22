//! Anchors, tags and aliases.

use super::{
    ProblemKind, SyntaxKind,
    parser::{Parser, is_blank, is_flow_indicator, is_space},
};

/// The properties that were read for a node so far.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Properties {
    pub(super) anchor: bool,
    pub(super) tag: bool,
}

impl Properties {
    pub(super) fn any(self) -> bool {
        self.anchor || self.tag
    }
}

impl Parser<'_> {
    /// Reads the anchors and tags that stand here, on this line.
    pub(super) fn properties(&mut self, seen: &mut Properties) {
        loop {
            let start = self.pos;
            match self.here() {
                b'&' => {
                    let end = self.name_end();
                    if std::mem::replace(&mut seen.anchor, true) {
                        self.problem(ProblemKind::SecondAnchor, start, end);
                    } else if end == start + 1 {
                        self.problem(ProblemKind::EmptyName, start, end);
                    }
                    self.leaf(SyntaxKind::Anchor, start, end);
                }
                b'!' => {
                    let end = self.tag_end();
                    if std::mem::replace(&mut seen.tag, true) {
                        self.problem(ProblemKind::SecondTag, start, end);
                    } else {
                        self.check_tag(start, end);
                    }
                    self.leaf(SyntaxKind::Tag, start, end);
                }
                _ => return,
            }
            self.skip_blanks();
        }
    }

    /// Reads `*name`.
    pub(super) fn alias(&mut self, seen: Properties) {
        let (start, end) = (self.pos, self.name_end());
        if seen.any() {
            self.problem(ProblemKind::AliasProperty, start, end);
        } else if end == start + 1 {
            self.problem(ProblemKind::EmptyName, start, end);
        }
        self.leaf(SyntaxKind::Alias, start, end);
    }

    fn name_end(&self) -> usize {
        let mut end = self.pos + 1;
        while end < self.bytes.len() && !is_space(self.bytes[end]) && !is_flow_indicator(self.bytes[end]) {
            end += 1;
        }
        end
    }

    fn tag_end(&self) -> usize {
        if self.at(self.pos + 1) == b'<' {
            let line = &self.bytes[self.pos..self.line_end(self.pos)];
            if let Some(close) = line.iter().position(|byte| *byte == b'>' || is_blank(*byte)) {
                return self.pos + close + usize::from(line[close] == b'>');
            }
        }
        self.name_end()
    }

    fn check_tag(&mut self, start: usize, end: usize) {
        let tag = &self.text[start..end];
        let next = self.at(end);
        let parted = is_space(next) || (!self.brackets.is_empty() && matches!(next, b',' | b']' | b'}'));
        let well_formed = match tag.strip_prefix("!<") {
            Some(uri) => uri.len() > 1 && uri.ends_with('>'),
            None => match tag[1..].split_once('!') {
                Some((handle, suffix)) => {
                    if !handle.is_empty() && !self.handles.contains(&&tag[..handle.len() + 2]) {
                        self.problem(ProblemKind::TagHandle, start, end);
                        return;
                    }
                    !suffix.is_empty() && !suffix.contains('!')
                }
                None => true,
            },
        };
        if !parted || !well_formed {
            self.problem(ProblemKind::TagSyntax, start, end);
        }
    }
}
