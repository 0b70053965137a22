//! What an editor shows beside the text: values that hold without being written, actions above lines, links.

use aikit_core::TextRange;
use aikit_spec::plan::{BehaviorPlan, StepKind, StepPlan};
use aikit_spec::schema::Kind;
use aikit_yaml::Node;

use crate::{
    index::{Role, SymbolKind},
    navigate::usage,
    snapshot::Snapshot,
};

/// A word beside the text that is not part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inlay {
    /// Where it is shown.
    pub offset: usize,
    /// What is shown.
    pub label: String,
    /// Why, for a tooltip.
    pub tooltip: String,
}

/// What holds without being written, inside of a range: the kind of the agent, the models of steps.
pub fn inlays(snapshot: &Snapshot, range: TextRange) -> Vec<Inlay> {
    let mut found = Vec::new();
    let Some(plan) = &snapshot.checked().plan else { return found };
    let behavior = snapshot.root().and_then(|root| root.entry("behavior"));
    if let Some(entry) = behavior.filter(|entry| entry.value.get("type").is_none()) {
        let kind = match plan.behavior {
            BehaviorPlan::Chat { .. } => "chat",
            BehaviorPlan::Steps(_) => "workflow",
            BehaviorPlan::Machine(_) => "state_machine",
            BehaviorPlan::Graph(_) => "state_graph",
        };
        found.push(Inlay {
            offset: entry.key.range.end as usize + 1,
            label: format!("type: {kind}"),
            tooltip: "The kind of the agent, as nothing else is said.".into(),
        });
    }
    for (_, steps) in plan.behavior.lists() {
        each(steps, &mut |step| {
            if let StepKind::Llm { model: None, .. } = &step.kind
                && let Some(node) = snapshot.root().and_then(|root| step_at(root, step.range))
                && let Some(entry) = node.entry("llm")
            {
                found.push(Inlay {
                    offset: entry.key.range.end as usize + 1,
                    label: format!("model: {}", plan.default_model),
                    tooltip: "The model of this step, as it names none.".into(),
                });
            }
        });
    }
    found.retain(|inlay| range.touches(inlay.offset));
    found.sort_by_key(|inlay| inlay.offset);
    found
}

fn each<'p>(steps: &'p [StepPlan], visit: &mut impl FnMut(&'p StepPlan)) {
    for step in steps {
        visit(step);
        step.bodies().iter().for_each(|body| each(body.steps, visit));
    }
}

/// The mapping that has exactly this range.
fn step_at(node: &Node, range: TextRange) -> Option<&Node> {
    if node.range == range && node.get("name").is_some() {
        return Some(node);
    }
    let around = |child: &&Node| child.range.contains_range(range);
    let below = node.entries().iter().map(|entry| &entry.value).chain(node.items());
    below.filter(around).find_map(|child| step_at(child, range))
}

/// What a lens does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LensAction {
    /// Runs the agent; with the number of an example of the interface, with its inputs.
    Run {
        /// The example, from 0.
        example: Option<usize>,
    },
    /// Runs the agent in the debugger.
    Debug,
    /// Runs all examples and compares their results.
    Test,
    /// Runs the agent in the debugger up to this step.
    DebugTo {
        /// The step.
        step: String,
    },
    /// Shows where the name is used.
    References {
        /// How often.
        count: usize,
    },
}

/// An action above a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lens {
    /// What it belongs to.
    pub range: TextRange,
    /// What a person reads.
    pub title: String,
    /// What it does.
    pub action: LensAction,
}

/// The actions above the lines of a document, in order.
pub fn lenses(snapshot: &Snapshot) -> Vec<Lens> {
    let mut lenses = Vec::new();
    let mut add = |range: TextRange, title: String, action: LensAction| lenses.push(Lens { range, title, action });
    let Some(root) = snapshot.root() else { return lenses };
    let is_suite = Kind::of(root) == Kind::TestSuite;
    for key in ["tests", "cases", "test"] {
        let cases = root.entry(key).filter(|entry| !entry.merged && !entry.value.items().is_empty());
        if let Some(cases) = cases.filter(|_| is_suite == (key == "cases")) {
            add(cases.key.range, "Test".into(), LensAction::Test);
        }
    }
    if let Some(agent) = root.entry("agent").filter(|_| !is_suite && root.entry("identity").is_none()) {
        add(agent.key.range, "Run".into(), LensAction::Run { example: None });
        add(agent.key.range, "Debug".into(), LensAction::Debug);
    }
    if let Some(identity) = root.entry("identity").filter(|entry| !entry.merged) {
        let range = identity.key.range;
        add(range, "Run".into(), LensAction::Run { example: None });
        add(range, "Debug".into(), LensAction::Debug);
        let examples = root.get("interface").and_then(|interface| interface.entry("examples"));
        if let Some(examples) = examples {
            let items = examples.value.items();
            if items.iter().any(|example| example.get("outputs").is_some()) {
                add(examples.key.range, "Test".into(), LensAction::Test);
            }
            for (at, example) in items.iter().enumerate() {
                let place = example.entries().first().map_or(example.range, |entry| entry.key.range);
                add(place, "Run with these inputs".into(), LensAction::Run { example: Some(at) });
            }
        }
    }
    let index = snapshot.index();
    for step in index.occurrences.iter().filter(|one| one.symbol.kind == SymbolKind::Step) {
        if step.role == Role::Declaration {
            let name = step.symbol.name.clone();
            add(step.range, "Debug to here".into(), LensAction::DebugTo { step: name });
        }
    }
    let default = snapshot.checked().plan.as_ref().map(|plan| plan.default_model.as_str());
    for kind in [SymbolKind::Tool, SymbolKind::Model, SymbolKind::Prompt] {
        for (declared, count) in usage(index, kind) {
            let uses = if count == 1 { "1 use".to_owned() } else { format!("{count} uses") };
            let is_default = kind == SymbolKind::Model && default == Some(declared.symbol.name.as_str());
            let title = if is_default { format!("default model, {uses}") } else { uses };
            add(declared.range, title, LensAction::References { count });
        }
    }
    lenses.sort_by_key(|lens| lens.range.start);
    lenses
}

/// A piece of the text that leads out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The piece.
    pub range: TextRange,
    /// The address.
    pub target: String,
}

/// The addresses in a document, comments included.
pub fn links(snapshot: &Snapshot) -> Vec<Link> {
    let text = snapshot.text();
    let mut links = Vec::new();
    let mut at = 0;
    while let Some(found) = text[at..].find("http") {
        let start = at + found;
        let rest = &text[start..];
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`' | '{' | '}' | '|' | '\\');
        let len = rest.find(ends).unwrap_or(rest.len());
        let address = rest[..len].trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']']);
        let scheme = ["http://", "https://"].iter().find(|scheme| address.starts_with(**scheme));
        if scheme.is_some_and(|scheme| address.len() > scheme.len()) {
            let range = TextRange::new(start, start + address.len());
            links.push(Link { range, target: address.to_owned() });
        }
        at = start + address.len().max(4);
    }
    links
}
