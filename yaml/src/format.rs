//! One way to lay out a document: two columns a level, one blank behind colons, dashes and commas, at most one empty line
//! between entries. Comments, quotes and the breaks of texts stay. What the document means does not change: the result is
//! read again, and given only if its events are the same.

use crate::{
    events::events,
    syntax::{SyntaxKind, SyntaxNode, SyntaxTree},
};

/// The text in that layout; nothing for a text that is broken. Lines end as they did, all alike if they ended differently.
pub fn format(text: &str) -> Option<String> {
    if !text.contains('\r') {
        return with_line_feeds(text);
    }
    let formatted = with_line_feeds(&text.replace("\r\n", "\n").replace('\r', "\n"))?;
    Some(if text.contains("\r\n") { formatted.replace('\n', "\r\n") } else { formatted })
}

fn with_line_feeds(text: &str) -> Option<String> {
    let tree = SyntaxTree::parse(text);
    if !tree.problems().is_empty() {
        return None;
    }
    let mut printer = Printer { out: String::with_capacity(text.len() + 64), behind: 0 };
    for part in tree.root(text).children() {
        match part.kind() {
            SyntaxKind::Document => printer.document(part),
            SyntaxKind::Comment => printer.own_line(part, 0),
            _ => printer.line(part, 0),
        }
    }
    let mut formatted = printer.out.trim_end_matches([' ', '\n']).to_owned();
    let keeps = keeps_breaks(&tree, text);
    if keeps {
        formatted = printer.out;
    }
    if !formatted.is_empty() && !formatted.ends_with('\n') {
        formatted.push('\n');
    }
    let again = SyntaxTree::parse(&formatted);
    let same = again.problems().is_empty()
        && events(&tree, text) == events(&again, &formatted)
        && comments(&tree, text).eq(comments(&again, &formatted));
    same.then_some(formatted)
}

/// Whether the last scalar keeps the breaks behind it.
fn keeps_breaks(tree: &SyntaxTree, text: &str) -> bool {
    let header = tree.root(text).descendants().filter(|node| node.kind() == SyntaxKind::BlockHeader).last();
    header.is_some_and(|header| header.text().contains('+'))
}

fn comments<'t>(tree: &'t SyntaxTree, text: &'t str) -> impl Iterator<Item = &'t str> {
    tree.root(text).descendants().filter(|node| node.kind() == SyntaxKind::Comment).map(|node| node.text())
}

struct Printer {
    out: String,
    /// Where the last printed part ended in the source.
    behind: usize,
}

impl Printer {
    fn break_line(&mut self) {
        let trimmed = self.out.trim_end_matches(' ').len();
        self.out.truncate(trimmed);
        if !self.out.is_empty() && !self.out.ends_with('\n') {
            self.out.push('\n');
        }
    }

    /// Begins a line at `column`, with an empty line before it where the source has one.
    fn begin_line(&mut self, node: SyntaxNode<'_>, column: usize) {
        self.break_line();
        let gap = node.source().get(self.behind..node.range().start as usize).unwrap_or("");
        if !self.out.is_empty() && gap.matches('\n').count() > 1 && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
        self.out.extend(std::iter::repeat_n(' ', column));
    }

    fn put(&mut self, node: SyntaxNode<'_>, text: &str) {
        self.out.push_str(text);
        self.behind = node.range().end as usize;
    }

    /// A blank, unless a line begins here.
    fn part(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with([' ', '\n']) {
            self.out.push(' ');
        }
    }

    fn line(&mut self, node: SyntaxNode<'_>, column: usize) {
        self.begin_line(node, column);
        self.put(node, node.text());
    }

    /// A comment: behind what stands before it on its line, or on a line of its own.
    fn own_line(&mut self, comment: SyntaxNode<'_>, column: usize) {
        let before = &comment.source()[..comment.range().start as usize];
        let alone = before.rfind('\n').map_or(before, |at| &before[at + 1..]).trim().is_empty();
        if alone || self.out.ends_with('\n') || self.out.is_empty() {
            self.line(comment, column);
        } else {
            self.part();
            self.put(comment, comment.text());
        }
    }

    fn document(&mut self, document: SyntaxNode<'_>) {
        for part in document.children() {
            match part.kind() {
                SyntaxKind::Directive | SyntaxKind::DocumentStart | SyntaxKind::DocumentEnd => self.line(part, 0),
                SyntaxKind::Comment => self.own_line(part, 0),
                SyntaxKind::Mapping | SyntaxKind::Sequence if !part.is_flow() => self.block(part, 0, false),
                _ => {
                    if self.out.ends_with('\n') || self.out.is_empty() {
                        self.begin_line(part, 0);
                    } else if !self.on_new_line(part) {
                        self.part();
                    } else {
                        self.begin_line(part, 0);
                    }
                    self.inline(part, 0, None);
                }
            }
        }
    }

    fn on_new_line(&self, node: SyntaxNode<'_>) -> bool {
        node.source().get(self.behind..node.range().start as usize).is_some_and(|gap| gap.contains('\n'))
    }

    /// A block collection whose lines begin at `column`; the first one may be begun already.
    fn block(&mut self, node: SyntaxNode<'_>, column: usize, mut begun: bool) {
        for part in node.children() {
            if part.kind() == SyntaxKind::Comment {
                self.own_line(part, column);
                continue;
            }
            if !std::mem::replace(&mut begun, false) {
                self.begin_line(part, column);
            }
            self.parts(part, column);
        }
    }

    /// The parts of an entry or an item that begins at `column`.
    fn parts(&mut self, node: SyntaxNode<'_>, column: usize) {
        let mut compact = false;
        let mut properties = false;
        let mut key = node.kind() == SyntaxKind::Entry;
        for part in node.children() {
            match part.kind() {
                SyntaxKind::Dash | SyntaxKind::Question => {
                    (compact, key) = (true, false);
                    self.put(part, part.text());
                }
                SyntaxKind::Colon => {
                    // The colon of a `?` key begins a line; that of an alias or an absent key needs a blank before it.
                    if compact {
                        self.begin_line(part, column);
                    } else if self.out.ends_with(|c: char| c.is_alphanumeric())
                        && node
                            .children()
                            .any(|part| part.kind() == SyntaxKind::Alias && part.range().end == self.behind as u32)
                    {
                        self.out.push(' ');
                    } else if properties && key {
                        self.part();
                    }
                    (key, properties) = (false, false);
                    self.put(part, ":");
                }
                SyntaxKind::Comment => self.own_line(part, column + 2),
                SyntaxKind::Anchor | SyntaxKind::Tag => {
                    properties = true;
                    let first = key && part.range().start == node.range().start;
                    if !first {
                        self.new_line_or_blank(column);
                    }
                    self.put(part, part.text());
                }
                SyntaxKind::Mapping | SyntaxKind::Sequence if !part.is_flow() => {
                    let same_line = compact && !properties && !self.out.ends_with('\n') && !self.after_comment();
                    if same_line {
                        self.part();
                        self.block(part, column + 2, true);
                    } else {
                        self.block(part, column + 2, false);
                    }
                    properties = false;
                }
                _ => {
                    let first = key && part.range().start == node.range().start;
                    if !first {
                        self.new_line_or_blank(column);
                    }
                    self.inline(part, column, Some(column));
                    properties = false;
                }
            }
        }
    }

    fn after_comment(&self) -> bool {
        let line = self.out.rfind('\n').map_or(self.out.as_str(), |at| &self.out[at + 1..]);
        line.trim_start().starts_with('#') || line.contains(" #")
    }

    /// Goes on behind a blank, or below a comment.
    fn new_line_or_blank(&mut self, column: usize) {
        if self.after_comment() || self.out.ends_with('\n') {
            self.break_line();
            self.out.extend(std::iter::repeat_n(' ', column + 2));
        } else {
            self.part();
        }
    }

    /// A scalar, an alias or a collection in brackets; lines below begin behind `column`. A block text counts the columns
    /// that its header names from `parent`.
    fn inline(&mut self, node: SyntaxNode<'_>, column: usize, parent: Option<usize>) {
        match node.kind() {
            SyntaxKind::Literal | SyntaxKind::Folded => self.block_text(node, column, parent),
            SyntaxKind::Mapping | SyntaxKind::Sequence if !node.text().contains('\n') => {
                let mut line = String::new();
                flow(node, &mut line);
                self.put(node, &line);
            }
            _ => {
                let indent = if parent.is_none() { column } else { column + 2 };
                let mut lines = node.text().split('\n');
                let mut out = lines.next().unwrap_or("").to_owned();
                // In brackets the lines keep their columns to each other.
                let nested = matches!(node.kind(), SyntaxKind::Mapping | SyntaxKind::Sequence);
                let depth = |line: &str| line.len() - line.trim_start_matches([' ', '\t']).len();
                let rest: Vec<&str> = lines.collect();
                let least =
                    rest.iter().filter(|line| !line.trim().is_empty()).map(|line| depth(line)).min().unwrap_or(0);
                for line in rest {
                    while out.ends_with([' ', '\t']) && !out.ends_with('\\') {
                        out.pop();
                    }
                    out.push('\n');
                    let text = line.trim_start_matches([' ', '\t']);
                    if !text.is_empty() {
                        let more = if nested { depth(line) - least } else { 0 };
                        out.extend(std::iter::repeat_n(' ', indent + more));
                        out.push_str(text);
                    }
                }
                self.put(node, &out);
            }
        }
    }

    fn block_text(&mut self, node: SyntaxNode<'_>, column: usize, parent: Option<usize>) {
        let mut indent = if parent.is_none() { column } else { column + 2 };
        let old = usize::from(node.record().indent);
        for part in node.children() {
            match part.kind() {
                SyntaxKind::BlockHeader => {
                    if let Some(digit) = part.text().bytes().find(u8::is_ascii_digit) {
                        indent = parent.unwrap_or(0) + usize::from(digit - b'0');
                    }
                    self.put(part, part.text());
                }
                SyntaxKind::Comment => {
                    self.part();
                    self.put(part, part.text());
                }
                _ => {
                    let text = part.text();
                    self.out.push('\n');
                    let lines = text.lines();
                    let lines: Vec<&str> = lines.collect();
                    for (number, line) in lines.iter().enumerate() {
                        let content =
                            line.get(old.min(line.len() - line.trim_start_matches(' ').len())..).unwrap_or("");
                        if !content.is_empty() {
                            self.out.extend(std::iter::repeat_n(' ', indent));
                            self.out.push_str(content);
                        }
                        if number + 1 < lines.len() || text.ends_with('\n') {
                            self.out.push('\n');
                        }
                    }
                    self.behind = part.range().end as usize;
                }
            }
        }
    }
}

/// A collection in brackets on one line.
fn flow(node: SyntaxNode<'_>, out: &mut String) {
    for part in node.children() {
        match part.kind() {
            SyntaxKind::Bracket => {
                let trimmed = out.trim_end_matches(' ').len();
                if matches!(part.text(), "]" | "}") && out[..trimmed].ends_with(|c| c != ',') {
                    out.truncate(trimmed);
                }
                out.push_str(part.text());
            }
            SyntaxKind::Comma => {
                out.truncate(out.trim_end_matches(' ').len());
                out.push_str(", ");
            }
            SyntaxKind::Entry => flow_parts(part, out),
            SyntaxKind::Mapping | SyntaxKind::Sequence => flow(part, out),
            _ => {
                out.push_str(part.text());
                out.push(' ');
            }
        }
    }
    if node.children().all(|part| part.kind() != SyntaxKind::Bracket) {
        out.truncate(out.trim_end_matches(' ').len());
    }
}

fn flow_parts(entry: SyntaxNode<'_>, out: &mut String) {
    for part in entry.children() {
        match part.kind() {
            SyntaxKind::Colon => {
                let behind_name = entry
                    .children()
                    .any(|part| matches!(part.kind(), SyntaxKind::Alias | SyntaxKind::Anchor | SyntaxKind::Tag));
                if !behind_name {
                    out.truncate(out.trim_end_matches(' ').len());
                }
                out.push_str(": ");
            }
            SyntaxKind::Mapping | SyntaxKind::Sequence => {
                flow(part, out);
                out.push(' ');
            }
            _ => {
                out.push_str(part.text());
                out.push(' ');
            }
        }
    }
    if !out.ends_with(": ") {
        out.truncate(out.trim_end_matches(' ').len());
    }
}
