//! The semantic checks: what no schema can say. They work on the tree, so that one mistake does not hide the next, and
//! skip what the structural check has already reported.

mod application;
mod covers;
pub(crate) use covers::offending;
mod declarations;
mod flow;
mod machine;
mod order;
mod output;
mod policy;
mod rest;
mod schemas;
mod steps;
mod suite;
mod texts;
mod tools;

use std::collections::{BTreeMap, BTreeSet};

use aikit_core::{Diagnostic, DiagnosticCode, TextRange, codes};
use aikit_yaml::{Node, NodeKind};
use serde_json::Value;

use crate::{
    CheckContext,
    roots::{Roots, Shape, nearest},
    schema::Kind,
};

pub(crate) use order::execution_order;
pub(crate) use steps::bodies;

/// Checks a document in canonical form. `structural` are the findings of the structural check.
pub(crate) fn check(source: &str, root: &Node, context: &CheckContext, structural: &[Diagnostic]) -> Vec<Diagnostic> {
    let mut checker = Checker {
        source,
        root,
        context,
        structural,
        diagnostics: Vec::new(),
        models: named_entries(root, &["intelligence", "models"]),
        prompts: named_entries(root, &["intelligence", "prompts", "templates"]),
        secrets: named_entries(root, &["governance", "security", "secrets"]),
        outputs: BTreeMap::new(),
        tools: BTreeMap::new(),
        used: BTreeSet::new(),
        used_tools: BTreeSet::new(),
        unknown_names: BTreeSet::new(),
    };
    match Kind::of(root) {
        Kind::Agent => checker.agent(),
        Kind::Application => checker.application(),
        Kind::TestSuite => checker.suite(),
        Kind::Library => checker.library(),
        Kind::Overlay | Kind::Preset => {}
    }
    checker.diagnostics
}

/// The kinds of things that a document declares by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Namespace {
    Model,
    Prompt,
    Secret,
}

/// A declared thing.
#[derive(Clone, Copy)]
struct Declared<'n> {
    /// Where its name stands.
    name: TextRange,
    /// Its value.
    node: &'n Node,
}

struct Checker<'a> {
    source: &'a str,
    root: &'a Node,
    context: &'a CheckContext,
    structural: &'a [Diagnostic],
    diagnostics: Vec<Diagnostic>,
    models: BTreeMap<&'a str, Declared<'a>>,
    prompts: BTreeMap<&'a str, Declared<'a>>,
    secrets: BTreeMap<&'a str, Declared<'a>>,
    tools: BTreeMap<&'a str, Declared<'a>>,
    used: BTreeSet<(Namespace, &'a str)>,
    used_tools: BTreeSet<&'a str>,
    /// The codes of names that were looked up and not found.
    unknown_names: BTreeSet<DiagnosticCode>,
    /// The schemas of the outputs of the steps that have been looked at.
    outputs: BTreeMap<&'a str, Value>,
}

impl<'a> Checker<'a> {
    /// A document of kind `Agent`.
    fn agent(&mut self) {
        self.identity();
        self.interface();
        self.tools();
        self.intelligence();
        self.behavior();
        self.policy();
        self.rest();
        self.test_cases(self.at(&["tests"]));
        self.worst_case();
        self.unused();
    }

    /// A document of kind `Library`: what stands in it is judged where it is used, but for what is wrong anywhere.
    fn library(&mut self) {
        for (list, what) in [("tools", "tool"), ("mcp_servers", "server"), ("knowledge_bases", "knowledge base")] {
            self.unique(self.at(&[list]), what);
        }
        for tool in self.at(&["tools"]).map(Node::items).unwrap_or_default() {
            self.schema(tool.get("input"));
            self.schema(tool.get("output"));
        }
        for schema in self.at(&["schemas"]).map(Node::entries).unwrap_or_default() {
            self.schema(Some(&schema.value));
        }
    }

    /// The schema of what a path reads: `inputs.kind`, `steps.classify.output.kind`.
    fn schema_of(&self, path: &str) -> Option<Value> {
        let mut names = path.split('.');
        let mut schema = match names.next()? {
            "inputs" => schema_value(self.at(&["interface", "inputs"]))?,
            "state" => schema_value(self.at(&["behavior", "state_schema"]))?,
            "steps" => {
                let step = names.next()?;
                (names.next() == Some("output")).then(|| self.outputs.get(step).cloned())??
            }
            _ => return None,
        };
        for name in names {
            schema = schema.get("properties")?.get(name)?.clone();
        }
        Some(schema)
    }

    fn push(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// The node under a chain of keys.
    fn at(&self, keys: &[&str]) -> Option<&'a Node> {
        keys.iter().try_fold(self.root, |node, key| node.get(key))
    }

    /// Whether the block has structural mistakes, or a stray key at the top may be the block: what is missing in it may then
    /// only be mistyped.
    fn is_doubtful(&self, block: &str) -> bool {
        let block = self.root.entry(block).map(|entry| entry.range());
        self.structural.iter().any(|finding| {
            let inside = block.is_some_and(|block| block.contains_range(finding.range));
            let stray = finding.code == codes::UNKNOWN_KEY
                && self.root.entries().iter().any(|entry| entry.key.range == finding.range);
            finding.is_error() && (inside || stray)
        })
    }

    /// Reports a name that is not declared, unless its block is broken anyway.
    fn unknown<'n>(
        &mut self,
        code: DiagnosticCode,
        node: &Node,
        what: &str,
        block: &str,
        known: impl Iterator<Item = &'n str>,
    ) {
        self.unknown_names.insert(code);
        let name = node.as_str().unwrap_or_default();
        let known: Vec<&str> = known.collect::<BTreeSet<_>>().into_iter().collect();
        // What is broken in the block may be the declaration; a name that is near a known one is a slip of the pen anyway.
        if self.is_doubtful(block) && nearest(name, known.iter().copied()).is_none() {
            return;
        }
        let diagnostic = Diagnostic::new(code, node.range, format!("there is no {what} `{name}`"));
        self.push(match nearest(name, known.iter().copied()) {
            Some(meant) => diagnostic.with_help(format!("did you mean `{meant}`?")).with_fix(
                format!("Replace with `{meant}`"),
                node.range,
                meant,
            ),
            None if known.is_empty() => diagnostic,
            None => diagnostic.with_help(format!("there is: {}", crate::roots::list(&known))),
        });
    }

    /// The names that can be read before any step has run.
    fn roots(&self) -> Roots {
        let roots = match self.at(&["interface", "inputs"]) {
            Some(inputs) => Roots::standard().with_inputs(&inputs.to_json()),
            None => Roots::standard(),
        };
        match self.at(&["behavior", "state_schema"]) {
            Some(schema) => roots.with_state(&schema.to_json()),
            None if self.is_doubtful("behavior") => roots,
            None => roots.with("state", self.written_state()),
        }
    }

    /// Without a schema the state holds what is written to it, anywhere in the document.
    fn written_state(&self) -> Shape {
        let mut names = BTreeSet::new();
        let initial = self.at(&["behavior", "state", "initial"]).map(Node::entries).unwrap_or_default();
        names.extend(initial.iter().map(|entry| entry.name().to_owned()));
        for step in steps::all(self.root) {
            for key in ["set", "save"] {
                for entry in step.get(key).map(Node::entries).unwrap_or_default() {
                    let path = entry.name().strip_prefix("state.").unwrap_or(entry.name());
                    names.extend(path.split('.').next().map(str::to_owned));
                }
            }
        }
        Shape::closed(names.into_iter().map(|name| (name, Shape::Any)))
    }
}

fn named_entries<'n>(root: &'n Node, keys: &[&str]) -> BTreeMap<&'n str, Declared<'n>> {
    let block = keys.iter().try_fold(root, |node, key| node.get(key));
    let entries = block.map(Node::entries).unwrap_or_default();
    entries.iter().map(|entry| (entry.name(), Declared { name: entry.key.range, node: &entry.value })).collect()
}

/// Whether a text is to be rendered.
pub(crate) fn is_template(text: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|mark| text.contains(mark))
}

/// The schema at `node`, unless it is no mapping.
fn schema_value(node: Option<&Node>) -> Option<Value> {
    node.filter(|node| matches!(node.kind, NodeKind::Mapping(_))).map(Node::to_json)
}
