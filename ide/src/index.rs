//! Every name of a document: where it is declared, written and read, in keys and values, in templates, expressions and
//! scripts.

use aikit_core::TextRange;
use aikit_spec::schema::{Mark, walk};
use aikit_yaml::{Node, NodeKind, ScalarStyle, Segment, Segments};

use crate::{lexer::Grammar, snapshot::Snapshot};

mod scripts;
mod texts;

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SymbolKind {
    /// An agent of the tenant, known in all its documents.
    Agent,
    /// A step.
    Step,
    /// A tool.
    Tool,
    /// A declared model.
    Model,
    /// A prompt.
    Prompt,
    /// A credential.
    Secret,
    /// An input of the agent.
    Input,
    /// A key of the state.
    State,
    /// The item of a list that a step goes through.
    Item,
    /// An argument of a tool.
    Argument,
    /// Steps that are run by name.
    Subflow,
    /// A knowledge base.
    Knowledge,
    /// A server of the Model Context Protocol.
    Server,
    /// A state of a state machine.
    MachineState,
    /// An agent of an application.
    Member,
    /// An event of an application.
    Event,
}

impl SymbolKind {
    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            SymbolKind::Agent => "agent",
            SymbolKind::Step => "step",
            SymbolKind::Tool => "tool",
            SymbolKind::Model => "model",
            SymbolKind::Prompt => "prompt",
            SymbolKind::Secret => "credential",
            SymbolKind::Input => "input",
            SymbolKind::State => "state",
            SymbolKind::Item => "item",
            SymbolKind::Argument => "argument",
            SymbolKind::Subflow => "subflow",
            SymbolKind::Knowledge => "knowledge base",
            SymbolKind::Server => "MCP server",
            SymbolKind::MachineState => "state of the machine",
            SymbolKind::Member => "agent of the application",
            SymbolKind::Event => "event",
        }
    }
}

/// The way between what a scalar means and the document; nothing for one that an alias brought here from elsewhere.
fn segments(source: &str, node: &Node) -> Option<Segments> {
    let (text, map) = (&node.scalar()?.text, node.segments(source)?);
    let same = map.pieces().iter().filter(|piece| piece.verbatim).all(|piece| {
        let written = source.get(piece.source.start as usize..piece.source.end as usize);
        written.is_some() && written == text.get(piece.decoded.start as usize..piece.decoded.end as usize)
    });
    same.then_some(map)
}

/// A name within its namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol {
    /// What it stands for.
    pub kind: SymbolKind,
    /// To what it belongs: the tool of an argument, the place of the step of an item; empty for the others.
    pub owner: String,
    /// The name.
    pub name: String,
}

impl Symbol {
    pub(crate) fn new(kind: SymbolKind, name: impl Into<String>) -> Self {
        Self { kind, owner: String::new(), name: name.into() }
    }

    fn of(mut self, owner: impl Into<String>) -> Self {
        self.owner = owner.into();
        self
    }
}

/// What happens to a symbol at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// It is declared.
    Declaration,
    /// It gets a value.
    Write,
    /// It is read or called.
    Read,
}

/// A place where a symbol stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurrence {
    /// Which symbol.
    pub symbol: Symbol,
    /// Exactly its name, without quotes.
    pub range: TextRange,
    /// What happens to it.
    pub role: Role,
}

/// A text of a document that is written in a language of its own.
#[derive(Debug, Clone)]
pub(crate) struct Embedded {
    pub(crate) grammar: Grammar,
    /// The text as it means.
    pub(crate) text: String,
    /// The scalar in the document.
    pub(crate) range: TextRange,
    /// For a block text the line of the document, from 0, on which it begins.
    pub(crate) first_line: Option<u32>,
    pub(crate) map: Segments,
    /// The tool or step that it belongs to, for people.
    pub(crate) owner: String,
}

impl Embedded {
    /// Where a piece of the text stands in the document.
    pub(crate) fn place(&self, text: TextRange) -> TextRange {
        self.map.range_to_source(text.start as usize..text.end as usize)
    }

    /// Whether it is code of a script rather than a template or an expression.
    pub(crate) fn is_script(&self) -> bool {
        matches!(self.grammar, Grammar::Lua | Grammar::Js)
    }
}

/// A name of a namespace, or a word of the language, as a whole value: for colours.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Value {
    pub(crate) range: TextRange,
    pub(crate) word: bool,
}

/// The names and texts of one document.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// In the order of their places.
    pub(crate) occurrences: Vec<Occurrence>,
    pub(crate) embedded: Vec<Embedded>,
    pub(crate) values: Vec<Value>,
}

impl Index {
    pub(crate) fn new(snapshot: &Snapshot) -> Self {
        let mut index = Index::default();
        let Some(root) = snapshot.root() else { return index };
        let mut builder = Builder { source: snapshot.text(), root, index: &mut index };
        walk(root, &mut |path, node, mark| builder.visit(path, node, mark));
        index.occurrences.sort_by_key(|one| (one.range, one.role));
        index.occurrences.dedup_by(|a, b| a.range == b.range);
        index
    }

    /// What stands at an offset.
    pub(crate) fn at(&self, offset: usize) -> Option<&Occurrence> {
        let behind = self.occurrences.partition_point(|occurrence| occurrence.range.start as usize <= offset);
        self.occurrences[..behind].iter().rev().take(2).find(|occurrence| occurrence.range.touches(offset))
    }

    /// The places of a symbol.
    pub(crate) fn of<'i>(&'i self, symbol: &'i Symbol) -> impl Iterator<Item = &'i Occurrence> {
        self.occurrences.iter().filter(move |occurrence| occurrence.symbol == *symbol)
    }

    /// Where a symbol is declared; where nothing declares it, the first place that writes it.
    pub(crate) fn declarations(&self, symbol: &Symbol) -> Vec<TextRange> {
        let with = |role: Role| self.of(symbol).filter(|found| found.role == role).map(|found| found.range).collect();
        let declared: Vec<TextRange> = with(Role::Declaration);
        if declared.is_empty() { with(Role::Write).into_iter().take(1).collect() } else { declared }
    }

    /// The embedded text that holds an offset.
    pub(crate) fn embedded_at(&self, offset: usize) -> Option<&Embedded> {
        self.embedded.iter().find(|embedded| embedded.range.touches(offset))
    }
}

struct Builder<'a> {
    source: &'a str,
    root: &'a Node,
    index: &'a mut Index,
}

impl Builder<'_> {
    fn visit(&mut self, path: &[Segment], node: &Node, mark: Mark) {
        match &node.kind {
            NodeKind::Mapping(_) => self.keys(path, node),
            NodeKind::Scalar(scalar) if scalar.value.is_string() => self.scalar(path, node, &scalar.text, mark),
            NodeKind::Scalar(_) if mark.words => self.index.values.push(Value { range: node.range, word: true }),
            _ => {}
        }
    }

    fn add(&mut self, symbol: Symbol, range: TextRange, role: Role) {
        if !range.is_empty() && !symbol.name.is_empty() {
            self.index.occurrences.push(Occurrence { symbol, range, role });
        }
    }

    /// A name that is a whole scalar, or the beginning of one.
    fn name(&mut self, kind: SymbolKind, node: &Node, name: &str, role: Role) {
        self.owned(Symbol::new(kind, name), node, 0, role);
    }

    fn owned(&mut self, symbol: Symbol, node: &Node, from: usize, role: Role) {
        let place = TextRange::new(from, from + symbol.name.len());
        if let Some(map) = segments(self.source, node) {
            self.add(symbol, map.range_to_source(place.start as usize..place.end as usize), role);
        }
    }

    /// Names that are keys.
    fn keys(&mut self, path: &[Segment], node: &Node) {
        let names: Vec<&str> = path
            .iter()
            .map(|segment| match segment {
                Segment::Key(key) => key.as_str(),
                Segment::Index(_) => "#",
            })
            .collect();
        let symbol = |kind: SymbolKind| move |name: &str| Symbol::new(kind, name);
        use Role::{Declaration, Read, Write};
        match names.as_slice() {
            ["intelligence", "models"] => self.each(node, symbol(SymbolKind::Model), Declaration),
            ["intelligence", "prompts", "templates"] => self.each(node, symbol(SymbolKind::Prompt), Declaration),
            ["governance", "security", "secrets"] => self.each(node, symbol(SymbolKind::Secret), Declaration),
            ["interface", "inputs", "properties"] => self.each(node, symbol(SymbolKind::Input), Declaration),
            ["interface", "examples", "#", "inputs"] => self.each(node, symbol(SymbolKind::Input), Write),
            ["behavior", "state", "initial"] | ["behavior", "state_schema", "properties"] => {
                self.each(node, symbol(SymbolKind::State), Declaration);
            }
            ["integration", "tools", "#", "input", "properties"] => {
                let tool = self.text_of(&path[..3], "name");
                self.each(node, |name| Symbol::new(SymbolKind::Argument, name).of(&tool), Declaration);
            }
            ["behavior", "subflows"] => self.each(node, symbol(SymbolKind::Subflow), Declaration),
            ["behavior", "state_machine", "states"] => self.each(node, symbol(SymbolKind::MachineState), Declaration),
            [.., "args"] if is_step(&names[..names.len() - 1]) => {
                let tool = self.text_of(&path[..path.len() - 1], "tool");
                self.each(node, |name| Symbol::new(SymbolKind::Argument, name).of(&tool), Read);
            }
            [.., "set" | "save"] if is_step(&names[..names.len() - 1]) => {
                for entry in node.entries().iter().filter(|entry| !entry.merged) {
                    let full = entry.name();
                    let rest = full.strip_prefix("state.").unwrap_or(full);
                    let name = rest.split('.').next().unwrap_or(rest);
                    self.owned(Symbol::new(SymbolKind::State, name), &entry.key, full.len() - rest.len(), Write);
                }
            }
            _ => {}
        }
    }

    fn each(&mut self, node: &Node, symbol: impl Fn(&str) -> Symbol, role: Role) {
        for entry in node.entries().iter().filter(|entry| !entry.merged) {
            self.owned(symbol(entry.name()), &entry.key, 0, role);
        }
    }

    fn text_of(&self, path: &[Segment], key: &str) -> String {
        let node = self.root.node_at_path(path).and_then(|node| node.get(key));
        node.and_then(Node::as_str).unwrap_or_default().to_owned()
    }

    /// Names and texts that are values.
    fn scalar(&mut self, path: &[Segment], node: &Node, text: &str, mark: Mark) {
        let names: Vec<&str> = path
            .iter()
            .map(|segment| match segment {
                Segment::Key(key) => key.as_str(),
                Segment::Index(_) => "#",
            })
            .collect();
        match names.as_slice() {
            ["identity", "agent_id"] => return self.name(SymbolKind::Agent, node, text, Role::Declaration),
            ["integration", "tools", "#"] | ["integration", "tools", "#", "name"] => {
                return self.name(SymbolKind::Tool, node, text, Role::Declaration);
            }
            ["memory", "knowledge_bases", "#", "name"] => {
                return self.name(SymbolKind::Knowledge, node, text, Role::Declaration);
            }
            ["integration", "mcp_servers", "#", "name"] => {
                return self.name(SymbolKind::Server, node, text, Role::Declaration);
            }
            ["agents", "#", "name"] => return self.name(SymbolKind::Member, node, text, Role::Declaration),
            ["events", "#", "name"] => return self.name(SymbolKind::Event, node, text, Role::Declaration),
            [.., "name"] if is_step(&names[..names.len() - 1]) => {
                return self.name(SymbolKind::Step, node, text, Role::Declaration);
            }
            [.., "map", "as"] if is_step(&names[..names.len() - 2]) => {
                let owner = place_of(&path[..path.len() - 1]);
                let symbol = Symbol::new(SymbolKind::Item, text).of(owner);
                return self.owned(symbol, node, 0, Role::Declaration);
            }
            ["interface", "inputs", "required", "#"] => {
                return self.name(SymbolKind::Input, node, text, Role::Read);
            }
            ["behavior", "state_schema", "required", "#"] => {
                return self.name(SymbolKind::State, node, text, Role::Read);
            }
            ["integration", "tools", "#", "input", "required", "#"] => {
                let tool = self.text_of(&path[..3], "name");
                return self.owned(Symbol::new(SymbolKind::Argument, text).of(tool), node, 0, Role::Read);
            }
            _ => {}
        }
        if let Some(reference) = mark.reference {
            let kind = match reference {
                "agent" => {
                    let kind = if names[0] == "workflows" { SymbolKind::Member } else { SymbolKind::Agent };
                    Some((kind, text.split('@').next().unwrap_or(text)))
                }
                "subflow" => Some((SymbolKind::Subflow, text)),
                "knowledge_base" => Some((SymbolKind::Knowledge, text)),
                "mcp_server" => Some((SymbolKind::Server, text)),
                "state" => Some((SymbolKind::MachineState, text)),
                "step" => Some((SymbolKind::Step, text)),
                "tool" => Some((SymbolKind::Tool, text)),
                "prompt" => Some((SymbolKind::Prompt, text)),
                "secret" => Some((SymbolKind::Secret, text)),
                "model" if !text.contains('/') => Some((SymbolKind::Model, text)),
                _ => None,
            };
            match kind {
                Some((kind, name)) => self.name(kind, node, name, Role::Read),
                None => self.index.values.push(Value { range: node.range, word: false }),
            }
            return;
        }
        match mark.format.map(|format| format.name) {
            Some("mcp-tool") if !text.contains('*') => {
                let server = text.split('/').next().unwrap_or(text);
                return self.name(SymbolKind::Server, node, server, Role::Read);
            }
            Some("event-name") if names[0] == "workflows" => {
                return self.name(SymbolKind::Event, node, text, Role::Read);
            }
            _ => {}
        }
        if names == ["security", "permissions", "#", "who", "#"] {
            return self.name(SymbolKind::Member, node, text, Role::Read);
        }
        if mark.format.is_some_and(|format| format.name == "tool-glob") && !text.contains('*') {
            return self.name(SymbolKind::Tool, node, text, Role::Read);
        }
        if mark.words {
            self.index.values.push(Value { range: node.range, word: true });
        }
        let Some(grammar) = mark.language.and_then(Grammar::of) else { return };
        self.embedded(path, node, text, grammar);
    }

    fn embedded(&mut self, path: &[Segment], node: &Node, text: &str, grammar: Grammar) {
        let Some(map) = segments(self.source, node) else { return };
        let block = node.scalar().filter(|scalar| scalar.style == ScalarStyle::Literal);
        let tool = path.first() == Some(&Segment::Key("integration".into()));
        let name_path = if tool { path.get(..3) } else { self.step_of(path) };
        let name = name_path.map(|path| self.text_of(path, "name")).unwrap_or_default();
        let owner = format!("{} `{name}`", if tool { "tool" } else { "step" });
        let embedded = Embedded {
            grammar,
            text: text.to_owned(),
            range: node.range,
            first_line: block.map(|scalar| scalar.first_line),
            map,
            owner,
        };
        match grammar {
            Grammar::Template | Grammar::Cel => self.names_in_text(path, &embedded),
            Grammar::Lua | Grammar::Js => self.names_in_script(&embedded, tool.then_some(name)),
        }
        self.index.embedded.push(embedded);
    }

    /// The way to the innermost step around a place.
    fn step_of<'p>(&self, path: &'p [Segment]) -> Option<&'p [Segment]> {
        let last = path.iter().rposition(|segment| matches!(segment, Segment::Index(_)))?;
        let mut end = last + 1;
        while end > 0 {
            let names: Vec<&str> = path[..end].iter().map(name_of).collect();
            if is_step(&names) {
                return path.get(..end);
            }
            end -= 1;
        }
        None
    }
}

fn name_of(segment: &Segment) -> &str {
    match segment {
        Segment::Key(key) => key,
        Segment::Index(_) => "#",
    }
}

/// Whether a way leads to a step.
fn is_step(names: &[&str]) -> bool {
    match names {
        ["behavior", "steps", "#"]
        | ["behavior", "workflow", "steps", "#"]
        | ["behavior", "subflows", _, "steps", "#"]
        | ["behavior", "graph", "nodes", "#"]
        | ["behavior", "hooks", _, "#"]
        | ["behavior", "state_machine", "states", _, "entry" | "do" | "exit", "#"]
        | ["behavior", "state_machine", "states", .., "actions", "#"]
        | ["workflows", "#", "steps", "#"]
        | ["lifecycle", _, "#"] => true,
        [outer @ .., "compensate", "#"] => is_step(outer),
        [outer @ .., "switch", "#", "do" | "default", "#"] => is_step(outer),
        [outer @ .., "on_error", "#", "do", "#"] => is_step(outer),
        [outer @ .., "map" | "loop", "do", "#"] => is_step(outer),
        [outer @ .., "parallel", "branches", _, "#"] => is_step(outer),
        _ => false,
    }
}

fn place_of(path: &[Segment]) -> String {
    aikit_yaml::Path(path.to_vec()).to_string()
}
