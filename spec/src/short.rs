//! The short form: an agent in a few lines, which stands for the long form that [`expand`] gives.
//!
//! What is written keeps its place, so that a finding in the long form stands in the short line that it comes from.

mod flow;
mod fold;
mod types;

use aikit_core::{Diagnostic, TextRange};
use aikit_yaml::{Entry, Node, NodeKind, Scalar, ScalarStyle};

use crate::schema::Kind;

pub use fold::fold;

/// The keys of the short form.
pub const KEYS: [&str; 11] = ["agent", "ask", "with", "use", "in", "out", "remember", "may", "limit", "flow", "test"];

/// A document of the short form in long form.
#[derive(Debug, Clone)]
pub(crate) struct Expanded {
    pub(crate) root: Node,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// The long form of a document; `None` if it is not written in the short form.
pub(crate) fn expand(source: &str, root: &Node) -> Option<Expanded> {
    let agent = root.get("agent").filter(|node| node.as_str().is_some())?;
    if root.entry("identity").is_some() || Kind::of(root) != Kind::Agent {
        return None;
    }
    let mut writer = Writer { source, root: Vec::new(), diagnostics: Vec::new() };
    writer.identity(agent, root);
    for entry in root.entries() {
        let (value, at) = (&entry.value, entry.key.range);
        match entry.name() {
            "agent" | "name" | "description" => {}
            "ask" => writer.put(&["intelligence", "prompts", "system"], value.clone(), at),
            "with" => writer.with(value),
            "use" => writer.models(value),
            "in" => {
                let schema = writer.schema(value);
                writer.put(&["interface", "inputs"], schema, at);
            }
            "out" => {
                let schema = writer.schema(value);
                if root.get("flow").is_none() {
                    writer.put(&["intelligence", "output", "schema"], schema.clone(), at);
                }
                writer.put(&["interface", "outputs"], schema, at);
            }
            "remember" => writer.remember(value),
            "may" => writer.may(value),
            "limit" => writer.limit(value),
            "flow" => {
                let steps = flow::steps(&mut writer, value, root);
                writer.put(&["behavior", "steps"], steps, at);
            }
            "test" => writer.tests(value),
            // A block of the long form beside what the short one says of it.
            key => match find(&mut writer.root, &[key]) {
                Some(known) => {
                    let base = std::mem::replace(known, text_at("", at));
                    *known = crate::compose::merge(base, value.clone());
                }
                None => writer.root.push(entry.clone()),
            },
        }
    }
    let kind = NodeKind::Mapping(writer.root);
    Some(Expanded { root: Node { range: root.range, tag: None, kind }, diagnostics: writer.diagnostics })
}

/// Builds the long form.
struct Writer<'s> {
    source: &'s str,
    root: Vec<Entry>,
    diagnostics: Vec<Diagnostic>,
}

impl Writer<'_> {
    /// Puts a value under a chain of keys.
    fn put(&mut self, path: &[&str], value: Node, at: TextRange) {
        put(&mut self.root, path, value, at);
    }

    /// Adds an item to the list under a chain of keys.
    fn add(&mut self, path: &[&str], item: Node, at: TextRange) {
        let list = find(&mut self.root, path);
        if let Some(NodeKind::Sequence(items)) = list.map(|node| &mut node.kind) {
            return items.push(item);
        }
        self.put(path, list_of(vec![item], at), at);
    }

    /// `support@1.2.0`
    fn identity(&mut self, agent: &Node, root: &Node) {
        let at = agent.range;
        let text = agent.as_str().unwrap_or_default();
        let (id, version) = text.split_once('@').map_or((text, None), |(id, version)| (id, Some(version)));
        self.put(&["identity", "agent_id"], text_at(id, at), at);
        let name = root.get("name").cloned().unwrap_or_else(|| text_at(&title(id), at));
        self.put(&["identity", "name"], name, at);
        if let Some(version) = version {
            self.put(&["identity", "version"], text_at(version, at), at);
        }
        if let Some(description) = root.get("description") {
            self.put(&["identity", "description"], description.clone(), at);
        }
    }

    /// Tools, `mcp:server/tool` and `kb:files`.
    fn with(&mut self, value: &Node) {
        let single = std::slice::from_ref(value);
        let items = if value.as_str().is_some() { single } else { value.items() };
        for item in items {
            let at = item.range;
            match item.as_str().map(|text| text.split_once(':').unwrap_or(("", text))) {
                Some(("mcp", rest)) => {
                    let (server, tool) = rest.split_once('/').unwrap_or((rest, "*"));
                    let tools = list_of(vec![text_at(tool, at)], at);
                    let server = map_of(vec![("name", text_at(server, at)), ("tools", tools)], at);
                    self.add(&["integration", "mcp_servers"], server, at);
                }
                Some(("kb", glob)) => {
                    let name = glob.split(['/', '*', '.']).find(|part| !part.is_empty()).unwrap_or("documents");
                    let base = map_of(vec![("name", text_at(name, at)), ("source", text_at(glob, at))], at);
                    self.add(&["memory", "knowledge_bases"], base, at);
                    self.add(&["context_policy", "rag", "knowledge"], text_at(name, at), at);
                }
                _ => self.add(&["integration", "tools"], item.clone(), at),
            }
        }
    }

    /// `ollama/qwen3 | scripted/auto`
    fn models(&mut self, value: &Node) {
        let at = value.range;
        let Some(text) = value.as_str() else {
            return self.put(&["intelligence", "model"], value.clone(), at);
        };
        for (index, model) in text.split('|').map(str::trim).enumerate() {
            let node = self.part(value, model);
            if index == 0 {
                self.put(&["intelligence", "model"], node, at);
            } else {
                self.add(&["intelligence", "fallback_models"], map_of(vec![("model", node)], at), at);
            }
        }
    }

    /// `user 90d`
    fn remember(&mut self, value: &Node) {
        let at = value.range;
        let mut words = value.as_str().unwrap_or_default().split_whitespace();
        let scope = words.next().unwrap_or("user");
        self.put(&["memory", "episodic", "scope"], self.part(value, scope), at);
        let Some(time) = words.next() else { return };
        match time.strip_suffix('d').and_then(|days| days.parse::<u32>().ok()) {
            Some(days) => self.put(&["memory", "episodic", "retention_days"], number_at(days, at), at),
            None => self.complain(at, format!("`{time}` must be a number of days such as `90d`")),
        }
    }

    /// Permits, and rules about tools.
    fn may(&mut self, value: &Node) {
        for entry in value.entries() {
            let target: &[&str] = match entry.name() {
                "ask" => &["governance", "security", "ask_tools"],
                "use" => &["governance", "security", "allowed_tools"],
                "not" => &["governance", "security", "denied_tools"],
                "read" => &["governance", "security", "permits", "fs_read"],
                "write" => &["governance", "security", "permits", "fs_write"],
                name => {
                    let path = ["governance", "security", "permits", name];
                    self.put(&path, listed(&entry.value), entry.key.range);
                    continue;
                }
            };
            self.put(target, listed(&entry.value), entry.key.range);
        }
    }

    /// Bounds of a run.
    fn limit(&mut self, value: &Node) {
        for entry in value.entries() {
            let at = entry.key.range;
            let target: &[&str] = match entry.name() {
                "time" => &["governance", "security", "resource_limits", "max_wall"],
                "steps" => &["governance", "security", "resource_limits", "max_steps"],
                "calls" => &["governance", "budget", "per_execution", "llm_calls"],
                "usd" => &["governance", "budget", "per_execution", "usd"],
                "tokens" => &["governance", "budget", "per_execution", "tokens"],
                name => {
                    let known = ["time", "steps", "calls", "usd", "tokens"];
                    let message = format!("`limit` has no `{name}`; there is: {}", known.join(", "));
                    self.complain(at, message);
                    continue;
                }
            };
            self.put(target, entry.value.clone(), at);
        }
    }

    /// `{in: …, out: …}`
    fn tests(&mut self, value: &Node) {
        for (index, case) in value.items().iter().enumerate() {
            let at = case.entries().first().map_or(case.range, |entry| entry.key.range);
            let mut members = Vec::new();
            if case.get("name").is_none() {
                members.push(("name", text_at(&format!("test {}", index + 1), at)));
            }
            let mut long = map_of(members, at);
            let NodeKind::Mapping(entries) = &mut long.kind else { return };
            for entry in case.entries() {
                match entry.name() {
                    "in" => put(entries, &["input"], entry.value.clone(), entry.key.range),
                    "out" => put(entries, &["expect", "output"], entry.value.clone(), entry.key.range),
                    _ => entries.push(entry.clone()),
                }
            }
            self.add(&["tests"], long, at);
        }
    }

    fn complain(&mut self, at: TextRange, message: String) {
        self.diagnostics.push(Diagnostic::new(aikit_core::codes::INVALID_VALUE, at, message));
    }

    /// A piece of a text, at its own place where that can be told.
    fn part(&self, node: &Node, piece: &str) -> Node {
        let found = node.as_str().and_then(|text| text.find(piece));
        match found {
            Some(start) if self.is_verbatim(node) => {
                let from = node.range.start as usize + start;
                written(piece, TextRange::new(from, from + piece.len()))
            }
            _ => text_at(piece, node.range),
        }
    }

    /// Whether the text of a scalar stands in the source as it is.
    fn is_verbatim(&self, node: &Node) -> bool {
        let plain = node.scalar().is_some_and(|scalar| scalar.style == ScalarStyle::Plain);
        plain && node.range.end as usize <= self.source.len() && node.as_str() == Some(node.range.slice(self.source))
    }
}

/// A text that stands in the source as it is.
fn written(text: &str, at: TextRange) -> Node {
    let mut scalar = Scalar::implied(text);
    scalar.style = ScalarStyle::Plain;
    Node { range: at, tag: None, kind: NodeKind::Scalar(scalar) }
}

/// A text that stands for something at a place.
fn text_at(text: &str, at: TextRange) -> Node {
    crate::compose::implied(text, at)
}

fn number_at(number: u32, at: TextRange) -> Node {
    let mut scalar = Scalar::implied(number.to_string());
    scalar.value = number.into();
    Node { range: at, tag: None, kind: NodeKind::Scalar(scalar) }
}

fn list_of(items: Vec<Node>, at: TextRange) -> Node {
    Node { range: at, tag: None, kind: NodeKind::Sequence(items) }
}

fn map_of(members: Vec<(&str, Node)>, at: TextRange) -> Node {
    let entry = |(key, value): (&str, Node)| Entry { key: text_at(key, value.range), value, merged: false };
    Node { range: at, tag: None, kind: NodeKind::Mapping(members.into_iter().map(entry).collect()) }
}

/// A list, also where only its one item is written.
fn listed(node: &Node) -> Node {
    if node.as_str().is_some() { list_of(vec![node.clone()], node.range) } else { node.clone() }
}

fn put(entries: &mut Vec<Entry>, path: &[&str], value: Node, at: TextRange) {
    let Some((key, rest)) = path.split_first() else { return };
    let position = entries.iter().position(|entry| entry.name() == *key);
    if rest.is_empty() {
        let entry = Entry { key: text_at(key, at), value, merged: false };
        return match position {
            Some(position) => entries[position] = entry,
            None => entries.push(entry),
        };
    }
    let position = position.unwrap_or_else(|| {
        entries.push(Entry { key: text_at(key, at), value: map_of(Vec::new(), at), merged: false });
        entries.len() - 1
    });
    if let NodeKind::Mapping(inner) = &mut entries[position].value.kind {
        put(inner, rest, value, at);
    }
}

fn find<'n>(entries: &'n mut [Entry], path: &[&str]) -> Option<&'n mut Node> {
    let (key, rest) = path.split_first()?;
    let entry = entries.iter_mut().find(|entry| entry.name() == *key)?;
    if rest.is_empty() {
        return Some(&mut entry.value);
    }
    match &mut entry.value.kind {
        NodeKind::Mapping(inner) => find(inner, rest),
        _ => None,
    }
}

/// The name that people read for an id: `billing-agent` → `Billing agent`.
pub fn title(slug: &str) -> String {
    let words = slug.replace(['-', '_'], " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or(words)
}
