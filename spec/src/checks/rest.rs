//! Texts, conditions, schemas and names in the places that have no check of their own: what the schema says about a value is
//! enough to judge it.

use aikit_core::{Diagnostic, codes};
use aikit_yaml::{Node, Segment};

use super::Checker;
use crate::{
    roots::{Roots, Shape},
    schema::{self, Mark},
};

/// Blocks whose texts depend on more than their place: other checks look at them.
const ELSEWHERE: &[&[&str]] = &[
    &["behavior"],
    &["identity"],
    &["intelligence", "model"],
    &["intelligence", "models"],
    &["intelligence", "output"],
    &["intelligence", "prompts"],
    &["interface", "examples"],
    &["interface", "inputs"],
    &["interface", "outputs"],
    &["governance", "security", "secrets"],
    &["overlays"],
    &["tests"],
];

impl<'a> Checker<'a> {
    pub(super) fn rest(&mut self) {
        let mut found: Vec<(Vec<Segment>, &'a Node, Mark)> = Vec::new();
        for entry in self.root.entries().iter().filter(|entry| !ELSEWHERE.contains(&&[entry.name()][..])) {
            schema::walk_block(self.root, entry, &mut |path, node, mark| {
                let elsewhere = ELSEWHERE.iter().any(|place| starts_with(path, place)) || is_tool_step(path);
                let says = mark.reference.is_some() || mark.language.is_some();
                if says && !elsewhere && node.as_str().is_some() || mark.language == Some("json-schema") && !elsewhere {
                    found.push((path.to_vec(), node, mark));
                }
            });
        }
        let roots = self.roots().with("steps", Shape::Any);
        let mut schema_above: Option<Vec<Segment>> = None;
        for (path, node, mark) in found {
            let roots = || self::roots(&roots, &path);
            match (mark.language, mark.reference) {
                // Everything below a schema is marked as one; the outermost is judged.
                (Some("json-schema"), _) if schema_above.as_ref().is_some_and(|above| path.starts_with(above)) => {}
                (Some("json-schema"), _) => {
                    if !starts_with(&path, &["integration", "tools"]) {
                        self.schema(Some(node));
                    }
                    schema_above = Some(path);
                }
                (Some("template" | "dynamic"), _) => self.template(node, &roots()),
                (Some("cel"), _) if path.contains(&Segment::Key("attributes".into())) => {
                    self.expression(node, &roots());
                }
                (Some("cel"), _) => self.condition(node, &roots()),
                (Some("condition"), _) => self.word_or_condition(node, &path, &roots()),
                (_, Some(namespace)) => self.named(node, namespace, &path),
                _ => {}
            }
        }
    }

    /// A word such as `always`, or a condition.
    fn word_or_condition(&mut self, node: &'a Node, path: &[Segment], roots: &Roots) {
        let words: &[&str] = match path.last() {
            Some(Segment::Key(key)) if key == "confirm" => &["never", "always"],
            _ => &["always", "tool"],
        };
        if node.as_str().is_some_and(|text| !words.contains(&text)) {
            self.condition(node, roots);
        }
    }

    /// A name, in a place that only names things.
    pub(super) fn named(&mut self, node: &'a Node, namespace: &str, path: &[Segment]) {
        match namespace {
            "model" => self.model(node),
            "secret" => self.secret(node),
            "tool" => drop(self.tool(node)),
            "knowledge_base" => {
                let known = self.names_in(&["memory", "knowledge_bases"]);
                self.known(codes::UNKNOWN_NAME, node, "knowledge base", "memory", &known);
            }
            "mcp_server" => {
                let known = self.names_in(&["integration", "mcp_servers"]);
                self.known(codes::UNKNOWN_NAME, node, "MCP server", "integration", &known);
            }
            "agent" if path.first() == Some(&Segment::Key("network".into())) => self.own_agent(node),
            _ => {}
        }
    }

    /// The names of a list of named things.
    pub(super) fn names_in(&self, keys: &[&str]) -> Vec<&'a str> {
        let items = self.at(keys).map(Node::items).unwrap_or_default();
        items.iter().filter_map(|item| item.get("name")?.as_str()).collect()
    }

    /// Reports a name that is not among the known ones.
    pub(super) fn known(
        &mut self,
        code: aikit_core::DiagnosticCode,
        node: &Node,
        what: &str,
        block: &str,
        known: &[&str],
    ) {
        if node.as_str().is_some_and(|name| !known.contains(&name)) {
            self.unknown(code, node, what, block, known.iter().copied());
        }
    }

    /// An agent that hands its work to itself.
    fn own_agent(&mut self, node: &Node) {
        let own = self.at(&["identity", "agent_id"]).and_then(Node::as_str);
        let named = node.as_str().map(|name| name.split('@').next().unwrap_or(name));
        if named.is_some() && named == own {
            let message = "the agent hands its work to itself";
            self.push(Diagnostic::new(codes::INVALID_VALUE, node.range, message));
        }
    }
}

fn starts_with(path: &[Segment], keys: &[&str]) -> bool {
    path.len() >= keys.len()
        && path.iter().zip(keys).all(|(segment, key)| matches!(segment, Segment::Key(name) if name == key))
}

/// Whether a place is inside the steps of a tool, which are checked as steps.
fn is_tool_step(path: &[Segment]) -> bool {
    starts_with(path, &["integration", "tools"]) && path.get(3) == Some(&Segment::Key("steps".into()))
}

/// The names that can be read at a place.
fn roots(standard: &Roots, path: &[Segment]) -> Roots {
    let roots = standard.clone();
    if starts_with(path, &["integration", "tools"]) || starts_with(path, &["governance", "security", "ask_tools"]) {
        roots.with("args", Shape::Any)
    } else if starts_with(path, &["governance", "guardrails"]) || starts_with(path, &["memory", "write_policy"]) {
        roots.with("value", Shape::Any)
    } else if starts_with(path, &["intelligence", "cognition"]) {
        roots.with("output", Shape::Any).with("calls", Shape::Any).with("iteration", Shape::Any)
    } else {
        roots
    }
}
