//! From parser events to a tree.

use std::collections::{HashMap, HashSet};

use aikit_core::{Diagnostic, TextRange, codes};
use saphyr_parser::{Event, ScalarStyle as Style, Span, Tag};
use serde_json::Value;

use crate::{
    Document, Entry, MAX_ALIAS_NODES, MAX_DEPTH, Node, NodeKind, Scalar, ScalarStyle,
    places::Places,
    resolve::{self, Doubt},
};

/// Takes events and keeps the tree of everything that was complete, or at least begun, when they ended.
pub(crate) struct Builder<'p, 't> {
    places: &'p Places<'t>,
    pub(crate) documents: Vec<Document>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    frames: Vec<Frame>,
    root: Option<Node>,
    anchors: HashMap<usize, Anchored>,
    has_aliases: bool,
    budget: usize,
    /// Byte behind the previous event; between it and the next scalar stand its header and properties.
    previous_end: usize,
}

/// The text asks for more than aikit accepts; the rest of it is not read.
pub(crate) struct LimitReached;

struct Anchored {
    node: Node,
    cost: usize,
    height: usize,
}

struct Frame {
    start: usize,
    /// Behind the last child.
    end: usize,
    flow: bool,
    anchor: usize,
    tag: Option<String>,
    content: Content,
}

enum Content {
    Sequence(Vec<Node>),
    Mapping { entries: Vec<Entry>, key: Option<Node> },
}

impl<'p, 't> Builder<'p, 't> {
    pub(crate) fn new(places: &'p Places<'t>) -> Self {
        Self {
            places,
            documents: Vec::new(),
            diagnostics: Vec::new(),
            frames: Vec::new(),
            root: None,
            anchors: HashMap::new(),
            has_aliases: places.text.contains('*'),
            budget: MAX_ALIAS_NODES,
            previous_end: 0,
        }
    }

    pub(crate) fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), LimitReached> {
        let range = self.places.range(span);
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd => {}
            Event::DocumentStart(_) => self.root = None,
            Event::DocumentEnd => self.end_document(),
            Event::Alias(anchor) => {
                let node = self.alias(anchor, range)?;
                self.add(node, 0)?;
            }
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.as_deref();
                if style == Style::Plain && text.is_empty() && tag.is_none() {
                    let at = self.places.blank_behind(range.start as usize);
                    self.add(Node { range: at, tag: None, kind: NodeKind::Null }, anchor)?;
                } else {
                    let node = self.scalar(text.into_owned(), style, tag, span);
                    self.add(node, anchor)?;
                }
            }
            Event::SequenceStart(anchor, tag) => {
                self.open(range, '[', anchor, tag.as_deref(), Content::Sequence(Vec::new()))?
            }
            Event::MappingStart(anchor, tag) => {
                let content = Content::Mapping { entries: Vec::new(), key: None };
                self.open(range, '{', anchor, tag.as_deref(), content)?
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(Some(range.end as usize))?,
        }
        self.previous_end = self.previous_end.max(range.end as usize);
        Ok(())
    }

    /// Closes what is open, after the last event that could be had.
    pub(crate) fn finish(&mut self) {
        while !self.frames.is_empty() {
            if self.close(None).is_err() {
                break;
            }
        }
        self.end_document();
    }

    fn end_document(&mut self) {
        if let Some(root) = self.root.take() {
            self.documents.push(Document { range: root.range, root });
        }
    }

    fn open(
        &mut self,
        range: TextRange,
        bracket: char,
        anchor: usize,
        tag: Option<&Tag>,
        content: Content,
    ) -> Result<(), LimitReached> {
        if self.frames.len() >= MAX_DEPTH {
            return Err(self.limit(range, format!("the document is nested more than {MAX_DEPTH} levels deep")));
        }
        let start = self.places.behind_properties(range.start as usize, range.end as usize);
        let flow = self.places.text[start..].starts_with(bracket) && start < range.end as usize;
        let tag = tag.map(written_tag);
        self.frames.push(Frame { start, end: start, flow, anchor, tag, content });
        Ok(())
    }

    fn close(&mut self, end: Option<usize>) -> Result<(), LimitReached> {
        let Some(mut frame) = self.frames.pop() else { return Ok(()) };
        if let (true, Some(end)) = (frame.flow, end) {
            // The parser's end of a nested flow collection may include a blank.
            frame.end = frame.start + self.places.text[frame.start..end.max(frame.start)].trim_end().len();
        }
        let range = TextRange::new(frame.start, frame.end);
        let kind = match frame.content {
            Content::Sequence(items) => NodeKind::Sequence(items),
            Content::Mapping { mut entries, key } => {
                if let Some(key) = key {
                    let value = Node { range: self.places.blank_behind(frame.end), tag: None, kind: NodeKind::Null };
                    entries.push(Entry { key, value, merged: false });
                }
                if frame.flow && range.slice(self.places.text).starts_with("{{") {
                    self.unquoted_template(range)
                } else {
                    NodeKind::Mapping(self.unique(entries))
                }
            }
        };
        self.add(Node { range, tag: frame.tag, kind }, frame.anchor)
    }

    /// `{{ x }}` is a mapping whose key is a mapping. Nobody means that: it becomes the text that was meant.
    fn unquoted_template(&mut self, range: TextRange) -> NodeKind {
        let text = range.slice(self.places.text).to_owned();
        self.diagnostics.push(unquoted_template(self.places.text, range));
        NodeKind::Scalar(Scalar {
            value: Value::String(text.clone()),
            text,
            style: ScalarStyle::Plain,
            first_line: self.places.lines.line_of(range.start as usize),
            indent: 0,
        })
    }

    /// Reports keys that are no text or stand twice, and resolves merge keys.
    fn unique(&mut self, entries: Vec<Entry>) -> Vec<Entry> {
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
            if let Some(first) = seen.get(text) {
                let message = format!("the key `{text}` stands twice in this mapping");
                self.diagnostics.push(
                    Diagnostic::new(codes::YAML_DUPLICATE_KEY, entry.key.range, message)
                        .with_related(*first, "it stands here first"),
                );
                continue;
            }
            seen.insert(text.clone(), entry.key.range);
            kept.push(entry);
        }
        let mut names: HashSet<String> = seen.into_keys().collect();
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

    fn add(&mut self, mut node: Node, anchor: usize) -> Result<(), LimitReached> {
        if anchor != 0 && self.has_aliases {
            let (cost, height) = measure(&node);
            self.spend(cost, node.range)?;
            self.anchors.insert(anchor, Anchored { node: node.clone(), cost, height });
        }
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        frame.end = frame.end.max(node.range.end as usize);
        let is_key = matches!(frame.content, Content::Mapping { key: None, .. });
        if let (NodeKind::Scalar(scalar), false) = (&node.kind, is_key) {
            self.diagnostics.extend(doubtful(scalar, node.range));
        }
        match &mut frame.content {
            Content::Sequence(items) => items.push(node),
            Content::Mapping { entries, key } => match key.take() {
                None => {
                    // An absent key is the null key; its text is empty.
                    if matches!(node.kind, NodeKind::Null) {
                        node.kind = NodeKind::Scalar(Scalar {
                            text: String::new(),
                            style: ScalarStyle::Plain,
                            value: Value::Null,
                            first_line: self.places.lines.line_of(node.range.start as usize),
                            indent: 0,
                        });
                    }
                    *key = Some(node);
                }
                Some(key) => entries.push(Entry { key, value: node, merged: false }),
            },
        }
        Ok(())
    }

    fn alias(&mut self, anchor: usize, range: TextRange) -> Result<Node, LimitReached> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            let message = "the alias stands inside the node that it refers to";
            self.diagnostics.push(Diagnostic::new(codes::YAML_SYNTAX, range, message));
            return Ok(Node { range, tag: None, kind: NodeKind::Null });
        };
        if self.frames.len() + anchored.height > MAX_DEPTH {
            return Err(self.limit(range, format!("the aliases nest more than {MAX_DEPTH} levels deep")));
        }
        let (cost, node) = (anchored.cost, Node { range, ..anchored.node.clone() });
        self.spend(cost, range)?;
        Ok(node)
    }

    fn spend(&mut self, cost: usize, range: TextRange) -> Result<(), LimitReached> {
        match self.budget.checked_sub(cost) {
            Some(rest) => {
                self.budget = rest;
                Ok(())
            }
            None => Err(self.limit(range, "the aliases of this text expand to too much".into())),
        }
    }

    fn limit(&mut self, range: TextRange, message: String) -> LimitReached {
        self.diagnostics.push(Diagnostic::new(codes::YAML_LIMIT, range, message));
        LimitReached
    }

    fn scalar(&mut self, text: String, style: Style, tag: Option<&Tag>, span: Span) -> Node {
        let whole = self.places.range(span);
        let mut start = self.places.behind_properties(whole.start as usize, whole.end as usize);
        let mut end = whole.end as usize;
        let mut first_line = self.places.lines.line_of(start);
        let mut indent = 0;
        let style = match style {
            Style::Plain => ScalarStyle::Plain,
            Style::SingleQuoted => ScalarStyle::SingleQuoted,
            Style::DoubleQuoted => ScalarStyle::DoubleQuoted,
            Style::Literal => ScalarStyle::Literal,
            Style::Folded => ScalarStyle::Folded,
        };
        if matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
            start = whole.start as usize;
            if let Some(header) = self.places.block_header(self.previous_end, end) {
                start = header.start as usize;
                first_line = self.places.lines.line_of(start) + 1;
                end = end.max(header.end as usize);
                indent = self.places.block_indent(header.end as usize, &text);
            }
            end = start + self.places.text[start..end].trim_end().len();
        }
        let range = TextRange::new(start, end);
        let value = match (tag, style) {
            (Some(tag), _) if tag.is_yaml_core_schema() => resolve::tagged(&tag.suffix, &text).unwrap_or_else(|| {
                let message = format!("`{text}` does not fit its tag `!!{}`", tag.suffix);
                self.diagnostics.push(Diagnostic::new(codes::YAML_SYNTAX, range, message));
                Value::String(text.clone())
            }),
            (None, ScalarStyle::Plain) => resolve::plain(&text),
            _ => Value::String(text.clone()),
        };
        let scalar = Scalar { text, style, value, first_line, indent };
        Node { range, tag: tag.map(written_tag), kind: NodeKind::Scalar(scalar) }
    }
}

/// The diagnostic for an unquoted template, with the fix that quotes it.
pub(crate) fn unquoted_template(text: &str, range: TextRange) -> Diagnostic {
    let template = range.slice(text);
    let quoted = if template.contains('"') || template.contains('\\') {
        format!("'{}'", template.replace('\'', "''"))
    } else {
        format!("\"{template}\"")
    };
    Diagnostic::new(codes::YAML_UNQUOTED_TEMPLATE, range, "a value that begins with a template must be quoted")
        .with_help(format!("write {quoted}"))
        .with_fix("Quote the template", range, quoted)
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

fn written_tag(tag: &Tag) -> String {
    if tag.is_yaml_core_schema() { format!("!!{}", tag.suffix) } else { format!("{}{}", tag.handle, tag.suffix) }
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
