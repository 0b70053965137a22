//! The tree as the events of the YAML test suite.

use std::{borrow::Cow, fmt::Write};

use crate::syntax::{SyntaxKind, SyntaxNode, SyntaxTree};

/// What a reader of YAML tells about a text, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'t> {
    /// The stream begins.
    StreamStart,
    /// The stream ends.
    StreamEnd,
    /// A document begins.
    DocumentStart {
        /// With `---`.
        explicit: bool,
    },
    /// A document ends.
    DocumentEnd {
        /// With `...`.
        explicit: bool,
    },
    /// A sequence begins.
    SequenceStart {
        /// In brackets.
        flow: bool,
        /// Anchor and tag.
        properties: Properties<'t>,
    },
    /// A sequence ends.
    SequenceEnd,
    /// A mapping begins.
    MappingStart {
        /// In brackets.
        flow: bool,
        /// Anchor and tag.
        properties: Properties<'t>,
    },
    /// A mapping ends.
    MappingEnd,
    /// A scalar; the kind is [`SyntaxKind::Plain`] where nothing is written.
    Scalar {
        /// How it is written.
        kind: SyntaxKind,
        /// Its text.
        text: Cow<'t, str>,
        /// Anchor and tag.
        properties: Properties<'t>,
    },
    /// `*name`
    Alias {
        /// The name.
        name: &'t str,
    },
}

/// Anchor and tag of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Properties<'t> {
    /// The anchor's name.
    pub anchor: Option<&'t str>,
    /// The tag, resolved: `tag:yaml.org,2002:str` for `!!str`.
    pub tag: Option<String>,
}

/// The events of a text that was read into `tree`.
pub fn events<'t>(tree: &'t SyntaxTree, text: &'t str) -> Vec<Event<'t>> {
    let mut writer = Writer { events: vec![Event::StreamStart], handles: Vec::new() };
    for document in tree.root(text).children().filter(|child| child.kind() == SyntaxKind::Document) {
        writer.document(document);
    }
    writer.events.push(Event::StreamEnd);
    writer.events
}

struct Writer<'t> {
    events: Vec<Event<'t>>,
    handles: Vec<(&'t str, &'t str)>,
}

impl<'t> Writer<'t> {
    fn document(&mut self, document: SyntaxNode<'t>) {
        self.handles.clear();
        for directive in document.children().filter(|child| child.kind() == SyntaxKind::Directive) {
            let mut words = directive.text().split([' ', '\t']).filter(|word| !word.is_empty());
            if let (Some("%TAG"), Some(handle), Some(prefix)) = (words.next(), words.next(), words.next()) {
                self.handles.push((handle, prefix));
            }
        }
        let has = |kind| document.children().any(|child| child.kind() == kind);
        self.events.push(Event::DocumentStart { explicit: has(SyntaxKind::DocumentStart) });
        self.node(document.children());
        self.events.push(Event::DocumentEnd { explicit: has(SyntaxKind::DocumentEnd) });
    }

    /// The content among `parts` with its properties; nothing written is an empty scalar.
    fn node(&mut self, parts: impl Iterator<Item = SyntaxNode<'t>>) {
        let mut properties = Properties::default();
        for part in parts {
            match part.kind() {
                SyntaxKind::Anchor => properties.anchor = Some(&part.text()[1..]),
                SyntaxKind::Tag => properties.tag = Some(self.tag(part.text())),
                kind if kind.is_content() => return self.content(part, properties),
                _ => {}
            }
        }
        self.events.push(Event::Scalar { kind: SyntaxKind::Plain, text: Cow::Borrowed(""), properties });
    }

    fn content(&mut self, node: SyntaxNode<'t>, properties: Properties<'t>) {
        let flow = node.is_flow();
        match node.kind() {
            SyntaxKind::Mapping => {
                self.events.push(Event::MappingStart { flow, properties });
                for entry in node.children().filter(|child| child.kind() == SyntaxKind::Entry) {
                    self.entry(entry);
                }
                self.events.push(Event::MappingEnd);
            }
            SyntaxKind::Sequence => {
                self.events.push(Event::SequenceStart { flow, properties });
                if flow {
                    self.flow_items(node);
                } else {
                    for item in node.children().filter(|child| child.kind() == SyntaxKind::Item) {
                        self.node(item.children());
                    }
                }
                self.events.push(Event::SequenceEnd);
            }
            SyntaxKind::Alias => self.events.push(Event::Alias { name: &node.text()[1..] }),
            kind => self.events.push(Event::Scalar { kind, text: crate::decode::text(node), properties }),
        }
    }

    fn flow_items(&mut self, node: SyntaxNode<'t>) {
        let mut parts: Vec<SyntaxNode<'t>> = Vec::new();
        for part in node.children() {
            match part.kind() {
                SyntaxKind::Comma | SyntaxKind::Bracket => {
                    if parts.iter().any(is_node_part) {
                        self.node(parts.drain(..));
                    }
                    parts.clear();
                }
                _ => parts.push(part),
            }
        }
        if parts.iter().any(is_node_part) {
            self.node(parts.into_iter());
        }
    }

    fn entry(&mut self, entry: SyntaxNode<'t>) {
        let before = |part: &SyntaxNode<'t>| part.kind() != SyntaxKind::Colon;
        self.node(entry.children().take_while(before));
        self.node(entry.children().skip_while(before).skip(1));
    }

    fn tag(&self, written: &str) -> String {
        resolve_tag(written, &self.handles)
    }
}

fn is_node_part(node: &SyntaxNode<'_>) -> bool {
    node.kind().is_content() || matches!(node.kind(), SyntaxKind::Anchor | SyntaxKind::Tag)
}

/// The full form of a tag as written.
pub(crate) fn resolve_tag(written: &str, handles: &[(&str, &str)]) -> String {
    if let Some(verbatim) = written.strip_prefix("!<") {
        return verbatim.trim_end_matches('>').to_owned();
    }
    let split = written[1..].find('!').map_or(1, |at| at + 2);
    let (handle, suffix) = written.split_at(split);
    let declared = handles.iter().find(|(name, _)| *name == handle).map(|(_, prefix)| *prefix);
    let prefix = match (handle, suffix) {
        ("!", "") => return "!".to_owned(),
        ("!!", _) => declared.unwrap_or("tag:yaml.org,2002:"),
        _ => declared.unwrap_or(handle),
    };
    format!("{prefix}{}", percent_decoded(suffix))
}

fn percent_decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = tail.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match (first, code) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

/// The events in the notation of the YAML test suite, a line each.
pub fn notation(events: &[Event<'_>]) -> String {
    let mut out = String::new();
    for event in events {
        let _ = match event {
            Event::StreamStart => writeln!(out, "+STR"),
            Event::StreamEnd => writeln!(out, "-STR"),
            Event::DocumentStart { explicit } => writeln!(out, "+DOC{}", if *explicit { " ---" } else { "" }),
            Event::DocumentEnd { explicit } => writeln!(out, "-DOC{}", if *explicit { " ..." } else { "" }),
            Event::SequenceStart { flow, properties } => {
                writeln!(out, "+SEQ{}{}", if *flow { " []" } else { "" }, written(properties))
            }
            Event::SequenceEnd => writeln!(out, "-SEQ"),
            Event::MappingStart { flow, properties } => {
                writeln!(out, "+MAP{}{}", if *flow { " {}" } else { "" }, written(properties))
            }
            Event::MappingEnd => writeln!(out, "-MAP"),
            Event::Alias { name } => writeln!(out, "=ALI *{name}"),
            Event::Scalar { kind, text, properties } => {
                let style = match kind {
                    SyntaxKind::SingleQuoted => '\'',
                    SyntaxKind::DoubleQuoted => '"',
                    SyntaxKind::Literal => '|',
                    SyntaxKind::Folded => '>',
                    _ => ':',
                };
                let _ = write!(out, "=VAL{} {style}", written(properties));
                for character in text.chars() {
                    match character {
                        '\\' => out.push_str("\\\\"),
                        '\0' => out.push_str("\\0"),
                        '\u{8}' => out.push_str("\\b"),
                        '\t' => out.push_str("\\t"),
                        '\n' => out.push_str("\\n"),
                        '\r' => out.push_str("\\r"),
                        other => out.push(other),
                    }
                }
                writeln!(out)
            }
        };
    }
    out
}

fn written(properties: &Properties<'_>) -> String {
    let anchor = properties.anchor.map(|name| format!(" &{name}")).unwrap_or_default();
    let tag = properties.tag.as_ref().map(|tag| format!(" <{tag}>")).unwrap_or_default();
    format!("{anchor}{tag}")
}
