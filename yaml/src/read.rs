//! From text to the tree of values: keys by name, values by the core schema, aliases and merge keys resolved.

use std::collections::{HashMap, HashSet};

use aikit_core::{Diagnostic, LineIndex, TextRange, codes};
use serde_json::Value;

use crate::{
    Document, Entry, MAX_ALIAS_NODES, MAX_BYTES, MAX_DEPTH, Node, NodeKind, Parsed, Scalar, ScalarStyle,
    decode::{self, Written},
    events::resolve_tag,
    resolve::{self, Doubt},
    syntax::{ProblemKind, SyntaxKind, SyntaxNode, SyntaxTree, unquoted_template},
};

/// Reads a text. What is broken is reported and left out of the tree, so that what stands around it can be worked with.
pub fn parse(text: &str) -> Parsed {
    if text.len() > MAX_BYTES {
        let message = format!("the text is larger than {} MiB", MAX_BYTES >> 20);
        let diagnostic = Diagnostic::new(codes::YAML_LIMIT, TextRange::empty(0), message);
        return Parsed { documents: Vec::new(), diagnostics: vec![diagnostic] };
    }
    read(&SyntaxTree::parse(text), text)
}

/// The tree of values of a text that was read into `tree`.
pub fn read(tree: &SyntaxTree, text: &str) -> Parsed {
    let mut reader = Reader {
        lines: LineIndex::new(text),
        text,
        diagnostics: Vec::new(),
        anchors: HashMap::new(),
        has_aliases: text.contains('*'),
        handles: Vec::new(),
        budget: MAX_ALIAS_NODES,
        depth: 0,
        full: false,
        misplaced: tree
            .problems()
            .iter()
            .filter(|problem| problem.kind == ProblemKind::Indentation)
            .map(|problem| problem.range.start)
            .collect(),
    };
    let mut documents = Vec::new();
    for document in tree.root(text).children().filter(|child| child.kind() == SyntaxKind::Document) {
        documents.push(reader.document(document));
    }
    let mut diagnostics = reader.diagnostics;
    diagnostics.extend(tree.problems().iter().map(|problem| problem.diagnostic(text)));
    diagnostics.sort_by_key(|diagnostic| diagnostic.range);
    Parsed { documents, diagnostics }
}

struct Anchored {
    node: Node,
    cost: usize,
    height: usize,
}

struct Reader<'t> {
    text: &'t str,
    lines: LineIndex,
    diagnostics: Vec<Diagnostic>,
    anchors: HashMap<&'t str, Anchored>,
    has_aliases: bool,
    handles: Vec<(&'t str, &'t str)>,
    /// Nodes that aliases may still add.
    budget: usize,
    depth: usize,
    /// The text asks for more than is accepted, which was reported: aliases are read as nothing.
    full: bool,
    /// Where lines miss their column; what stands in their mapping may belong elsewhere.
    misplaced: Vec<u32>,
}

/// What stands before the content of a node.
#[derive(Default, Clone, Copy)]
struct Before<'t> {
    anchor: Option<&'t str>,
    tag: Option<&'t str>,
    /// Behind the indicator and the properties.
    end: u32,
}

impl<'t> Reader<'t> {
    fn document(&mut self, document: SyntaxNode<'t>) -> Document {
        self.anchors.clear();
        self.handles.clear();
        for directive in document.children().filter(|child| child.kind() == SyntaxKind::Directive) {
            let mut words = directive.text().split([' ', '\t']).filter(|word| !word.is_empty());
            if let (Some("%TAG"), Some(handle), Some(prefix)) = (words.next(), words.next(), words.next()) {
                self.handles.push((handle, prefix));
            }
        }
        // A broken document may have several contents; a mapping is what everything else works with.
        let contents = || document.children().filter(|child| child.kind().is_content());
        let chosen = contents().find(|child| child.kind() == SyntaxKind::Mapping).or_else(|| contents().next());
        let only =
            |child: &SyntaxNode<'t>| !child.kind().is_content() || chosen.is_some_and(|one| one.index == child.index);
        let start = document.range().start;
        let root = self.node(document.children().filter(only), start, false);
        Document { range: root.range, root }
    }

    /// The node among `parts`, behind an indicator that ends at `end`.
    fn node(&mut self, parts: impl Iterator<Item = SyntaxNode<'t>>, end: u32, is_key: bool) -> Node {
        let mut before = Before { end, ..Before::default() };
        for part in parts {
            match part.kind() {
                SyntaxKind::Anchor => before.anchor = Some(&part.text()[1..]),
                SyntaxKind::Tag => before.tag = Some(part.text()),
                SyntaxKind::DocumentStart | SyntaxKind::Dash | SyntaxKind::Colon | SyntaxKind::Question => {}
                kind if kind.is_content() => return self.content(part, before, is_key),
                _ => continue,
            }
            before.end = part.range().end;
        }
        self.absent(before)
    }

    fn content(&mut self, node: SyntaxNode<'t>, before: Before<'t>, is_key: bool) -> Node {
        if self.depth > MAX_DEPTH {
            return Node { range: node.range(), tag: None, kind: NodeKind::Null };
        }
        self.depth += 1;
        let read = match node.kind() {
            SyntaxKind::Alias => self.alias(node),
            SyntaxKind::Mapping => self.mapping(node, before),
            SyntaxKind::Sequence => {
                let items = self.items(node);
                // The place of an absent last item belongs to the sequence.
                let end = items.last().map_or(node.range(), |item| item.range).end;
                let range = TextRange { end: node.range().end.max(end), ..node.range() };
                Node { range, tag: self.written_tag(before.tag), kind: NodeKind::Sequence(items) }
            }
            _ => self.scalar(node, before, is_key),
        };
        self.depth -= 1;
        self.remember(before.anchor, &read);
        read
    }

    fn remember(&mut self, anchor: Option<&'t str>, node: &Node) {
        let Some(anchor) = anchor.filter(|_| self.has_aliases) else { return };
        let (cost, height) = measure(node);
        if self.spend(cost, node.range) {
            self.anchors.insert(anchor, Anchored { node: node.clone(), cost, height });
        }
    }

    /// A node that is not written: the blank where it would begin.
    fn absent(&mut self, before: Before<'t>) -> Node {
        let start = before.end as usize;
        if let Some(tag) = before.tag {
            let value = self.value(Some(tag), "", ScalarStyle::Plain, TextRange::empty(start));
            let scalar = Scalar { value, first_line: self.lines.line_of(start), ..Scalar::implied("") };
            return Node {
                range: TextRange::empty(start),
                tag: self.written_tag(Some(tag)),
                kind: NodeKind::Scalar(scalar),
            };
        }
        let rest = &self.text[start..];
        let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        // The blank before a comment belongs to the comment, but for the one that parts the value from its key.
        let blanks = if rest[blanks..].starts_with('#') { blanks.min(1) } else { blanks };
        let node = Node { range: TextRange::new(start, start + blanks), tag: None, kind: NodeKind::Null };
        self.remember(before.anchor, &node);
        node
    }

    fn items(&mut self, node: SyntaxNode<'t>) -> Vec<Node> {
        if !node.is_flow() {
            let items = node.children().filter(|child| child.kind() == SyntaxKind::Item);
            return items
                .map(|item| {
                    let node = self.node(item.children(), item.range().start + 1, false);
                    self.doubt(&node);
                    node
                })
                .collect();
        }
        let mut items = Vec::new();
        let mut parts: Vec<SyntaxNode<'t>> = Vec::new();
        for part in node.children() {
            match part.kind() {
                SyntaxKind::Comma | SyntaxKind::Bracket => {
                    if let Some(first) = parts.first() {
                        let start = first.range().start;
                        let node = self.node(parts.drain(..), start, false);
                        self.doubt(&node);
                        items.push(node);
                    }
                }
                SyntaxKind::Comment | SyntaxKind::Error => {}
                _ => parts.push(part),
            }
        }
        if let Some(first) = parts.first() {
            let start = first.range().start;
            items.push(self.node(parts.into_iter(), start, false));
        }
        items
    }

    fn mapping(&mut self, node: SyntaxNode<'t>, before: Before<'t>) -> Node {
        let (range, tag) = (node.range(), self.written_tag(before.tag));
        if node.is_flow() && node.text().starts_with("{{") {
            // `{{ x }}` is a mapping whose key is a mapping. Nobody means that: it becomes the text that was meant.
            if !node.is_broken() {
                self.diagnostics.push(unquoted_template(self.text, range));
            }
            let first_line = self.lines.line_of(range.start as usize);
            let kind = NodeKind::Scalar(Scalar { first_line, ..Scalar::implied(node.text()) });
            return Node { range, tag, kind };
        }
        let mut entries = Vec::new();
        for entry in node.children().filter(|child| child.kind() == SyntaxKind::Entry) {
            entries.push(self.entry(entry));
        }
        let end = entries.last().map_or(range, |entry| entry.value.range).end;
        let range = TextRange { end: range.end.max(end), ..range };
        Node { range, tag, kind: NodeKind::Mapping(self.unique(entries, range)) }
    }

    fn entry(&mut self, entry: SyntaxNode<'t>) -> Entry {
        // The part before the colon; an entry whose colon is missing has its key first.
        let mut colon = entry.children().position(|part| part.kind() == SyntaxKind::Colon);
        let missing = colon.is_none() && entry.is_broken();
        if missing {
            colon = entry.children().position(|part| part.kind().is_scalar()).map(|at| at + 1);
        }
        let parts = entry.children().count();
        let split = colon.unwrap_or(parts);
        let mut key = self.node(entry.children().take(split), entry.range().start, true);
        if matches!(key.kind, NodeKind::Null) {
            // An absent key is the null key; its text is empty.
            let first_line = self.lines.line_of(key.range.start as usize);
            key.kind = NodeKind::Scalar(Scalar { value: Value::Null, first_line, ..Scalar::implied("") });
        }
        let end = match entry.children().nth(split) {
            Some(colon) if !missing => colon.range().end,
            _ => key.range.end,
        };
        let value = self.node(entry.children().skip(split), end, false);
        self.doubt(&value);
        Entry { key, value, merged: false }
    }

    /// Reports keys that are no text or stand twice, and resolves merge keys.
    fn unique(&mut self, entries: Vec<Entry>, range: TextRange) -> Vec<Entry> {
        let misplaced = self.misplaced.iter().any(|start| range.touches(*start as usize));
        // Most mappings are small: looking through the keys is quicker than hashing them.
        const FEW: usize = 24;
        let few = entries.len() <= FEW;
        let mut seen: HashMap<String, TextRange> = HashMap::new();
        let mut kept: Vec<Entry> = Vec::with_capacity(entries.len());
        let mut merges = Vec::new();
        for entry in entries {
            let NodeKind::Scalar(Scalar { text, style, .. }) = &entry.key.kind else {
                let message = "a key must be a text";
                self.diagnostics.push(Diagnostic::new(codes::YAML_SYNTAX, entry.key.range, message));
                continue;
            };
            if text == "<<" && *style == ScalarStyle::Plain {
                merges.push(entry);
                continue;
            }
            let first = match few {
                true => kept.iter().find(|entry| entry.name() == text).map(|entry| entry.key.range),
                false => seen.get(text).copied(),
            };
            if let Some(first) = first {
                if misplaced {
                    continue;
                }
                let message = format!("the key `{text}` stands twice in this mapping");
                self.diagnostics.push(
                    Diagnostic::new(codes::YAML_DUPLICATE_KEY, entry.key.range, message)
                        .with_related(first, "it stands here first"),
                );
                continue;
            }
            if !few {
                seen.insert(text.clone(), entry.key.range);
            }
            kept.push(entry);
        }
        if merges.is_empty() {
            return kept;
        }
        let mut names: HashSet<String> = kept.iter().map(|entry| entry.name().to_owned()).collect();
        for merge in merges {
            let sources: Vec<&Node> = match &merge.value.kind {
                NodeKind::Sequence(items) => items.iter().collect(),
                _ => vec![&merge.value],
            };
            for source in sources {
                let NodeKind::Mapping(entries) = &source.kind else {
                    let message = "a merge key `<<` takes a mapping or a list of mappings";
                    self.diagnostics.push(Diagnostic::new(codes::YAML_SYNTAX, source.range, message));
                    continue;
                };
                for entry in entries {
                    if names.insert(entry.name().to_owned()) {
                        kept.push(Entry { merged: true, ..entry.clone() });
                    }
                }
            }
        }
        kept
    }

    fn alias(&mut self, node: SyntaxNode<'t>) -> Node {
        let range = node.range();
        let nothing = Node { range, tag: None, kind: NodeKind::Null };
        let name = &node.text()[1..];
        let Some(anchored) = self.anchors.get(name) else {
            if !self.full {
                let message = format!("no anchor `{name}` stands above");
                let diagnostic = Diagnostic::new(codes::YAML_SYNTAX, range, message);
                self.diagnostics.push(diagnostic.with_help("define it with `&name` before using it with `*name`"));
            }
            return nothing;
        };
        if self.depth + anchored.height > MAX_DEPTH {
            self.limit(range, format!("the aliases nest more than {MAX_DEPTH} levels deep"));
            return nothing;
        }
        let (cost, node) = (anchored.cost, Node { range, ..anchored.node.clone() });
        if self.spend(cost, range) { node } else { nothing }
    }

    fn spend(&mut self, cost: usize, range: TextRange) -> bool {
        match self.budget.checked_sub(cost).filter(|_| !self.full) {
            Some(rest) => {
                self.budget = rest;
                true
            }
            None => {
                self.limit(range, "the aliases of this text expand to too much".into());
                false
            }
        }
    }

    fn limit(&mut self, range: TextRange, message: String) {
        if !std::mem::replace(&mut self.full, true) {
            self.diagnostics.push(Diagnostic::new(codes::YAML_LIMIT, range, message));
            self.anchors.clear();
        }
    }

    fn scalar(&mut self, node: SyntaxNode<'t>, before: Before<'t>, is_key: bool) -> Node {
        let style = match node.kind() {
            SyntaxKind::SingleQuoted => ScalarStyle::SingleQuoted,
            SyntaxKind::DoubleQuoted => ScalarStyle::DoubleQuoted,
            SyntaxKind::Literal => ScalarStyle::Literal,
            SyntaxKind::Folded => ScalarStyle::Folded,
            _ => ScalarStyle::Plain,
        };
        let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
        let text = decode::text(node).into_owned();
        let mut range = node.range();
        let written = Written::from(node);
        let mut first_line = self.lines.line_of(range.start as usize);
        if block {
            range.end = range.start + node.text().trim_end().len() as u32;
            first_line += 1;
        }
        // A text that should have been quoted is a text, whatever it looks like.
        let value = match (node.is_broken(), is_key && before.tag.is_none()) {
            (true, _) => Value::String(text.clone()),
            (false, true) if style == ScalarStyle::Plain && text.is_empty() => Value::Null,
            _ => self.value(before.tag, &text, style, range),
        };
        let indent = if written.content.is_empty() { 0 } else { written.indent as u32 };
        let broken = node.is_broken();
        let scalar = Scalar {
            text,
            style,
            value,
            first_line,
            indent: if block { indent } else { 0 },
            content: written.content,
            broken,
        };
        Node { range, tag: self.written_tag(before.tag), kind: NodeKind::Scalar(scalar) }
    }

    fn value(&mut self, tag: Option<&'t str>, text: &str, style: ScalarStyle, range: TextRange) -> Value {
        match (tag, style) {
            (Some(tag), _) => match resolve_tag(tag, &self.handles).strip_prefix("tag:yaml.org,2002:") {
                Some(core) => resolve::tagged(core, text).unwrap_or_else(|| {
                    let message = format!("`{text}` does not fit its tag `!!{core}`");
                    self.diagnostics.push(Diagnostic::new(codes::YAML_SYNTAX, range, message));
                    Value::String(text.to_owned())
                }),
                None => Value::String(text.to_owned()),
            },
            (None, ScalarStyle::Plain) => resolve::plain(text),
            _ => Value::String(text.to_owned()),
        }
    }

    /// A tag in its short form.
    fn written_tag(&self, tag: Option<&str>) -> Option<String> {
        let full = resolve_tag(tag?, &self.handles);
        Some(match full.strip_prefix("tag:yaml.org,2002:") {
            Some(core) => format!("!!{core}"),
            None => full,
        })
    }

    /// Reports spellings that YAML 1.1 and 1.2 read differently.
    fn doubt(&mut self, node: &Node) {
        if let NodeKind::Scalar(scalar) = &node.kind
            && !scalar.broken
        {
            self.diagnostics.extend(doubtful(scalar, node.range));
        }
    }
}

fn doubtful(scalar: &Scalar, range: TextRange) -> Option<Diagnostic> {
    let text = &scalar.text;
    if scalar.style != ScalarStyle::Plain {
        return None;
    }
    match resolve::doubt(text)? {
        Doubt::BooleanWord => {
            let truth = matches!(text.to_ascii_lowercase().as_str(), "yes" | "on");
            let message = format!("`{text}` is a text in YAML 1.2, not a boolean");
            let diagnostic = Diagnostic::new(codes::YAML_BOOLEAN_WORD, range, message)
                .with_help(format!("write `{truth}` for the boolean or \"{text}\" for the text"))
                .with_fix(format!("Replace with `{truth}`"), range, truth.to_string())
                .with_fix(format!("Quote as \"{text}\""), range, format!("\"{text}\""));
            Some(diagnostic)
        }
        Doubt::LeadingZero => {
            let (sign, digits) = text.split_at(text.len() - text.trim_start_matches(['-', '+']).len());
            let decimal = match digits.trim_start_matches('0') {
                "" => "0",
                digits => digits,
            };
            let message = format!("`{text}` is the decimal number {sign}{decimal} in YAML 1.2, not an octal one");
            let diagnostic = Diagnostic::new(codes::YAML_LEADING_ZERO, range, message)
                .with_help(format!("write {sign}{decimal}, `0o…` for an octal number or \"{text}\" for the text"))
                .with_fix(format!("Write {sign}{decimal}"), range, format!("{sign}{decimal}"))
                .with_fix(format!("Quote as \"{text}\""), range, format!("\"{text}\""));
            Some(diagnostic)
        }
    }
}

/// What a copy costs, in nodes (long texts count as several), and how deep the node is.
fn measure(node: &Node) -> (usize, usize) {
    let children: Vec<&Node> = match &node.kind {
        NodeKind::Null => Vec::new(),
        NodeKind::Scalar(scalar) => return (1 + scalar.text.len() / 64, 1),
        NodeKind::Sequence(items) => items.iter().collect(),
        NodeKind::Mapping(entries) => entries.iter().flat_map(|entry| [&entry.key, &entry.value]).collect(),
    };
    let measured = children.into_iter().map(measure);
    let (cost, height) = measured.fold((0, 0), |(cost, height), (c, h)| (cost + c, height.max(h)));
    (cost + 1, height + 1)
}
