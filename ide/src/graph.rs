//! The steps of an agent as a graph, for pictures.

use aikit_core::TextRange;
use aikit_spec::plan::{BehaviorPlan, Body, GraphPlan, StatePlan, StepPlan};

use crate::snapshot::Snapshot;

/// A step in the graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphStep {
    /// Its name.
    pub name: String,
    /// What it does: `llm`, `switch`, …; `chat` for a conversation, `tool` for what the model may call in it.
    pub kind: &'static str,
    /// Its place in the document.
    pub range: TextRange,
    /// The ways through it.
    pub branches: Vec<GraphBranch>,
}

/// A way through a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphBranch {
    /// When it is taken, for people.
    pub label: String,
    /// Its steps, one behind the other.
    pub steps: Vec<GraphStep>,
}

/// The steps of a document, one behind the other; nothing for a document with errors.
pub fn graph(snapshot: &Snapshot) -> Option<Vec<GraphStep>> {
    let plan = snapshot.checked().plan.as_ref()?;
    match &plan.behavior {
        BehaviorPlan::Steps(steps) | BehaviorPlan::Graph(GraphPlan { nodes: steps, .. }) => {
            return Some(steps.iter().map(step).collect());
        }
        BehaviorPlan::Machine(machine) => return Some(machine.states.iter().map(state).collect()),
        BehaviorPlan::Chat { .. } => {}
    }
    let root = snapshot.root()?;
    let range = |path: &[&str]| {
        let node = path.iter().try_fold(root, |node, key| node.get(key));
        node.map(|node| node.range)
    };
    let declared = snapshot.index().occurrences.iter();
    let declared = declared.filter(|one| one.role == crate::Role::Declaration);
    let tool = |one: &crate::Occurrence| GraphStep {
        name: one.symbol.name.clone(),
        kind: "tool",
        range: one.range,
        branches: Vec::new(),
    };
    let tools: Vec<GraphStep> = declared.filter(|one| one.symbol.kind == crate::SymbolKind::Tool).map(tool).collect();
    let branches =
        if tools.is_empty() { Vec::new() } else { vec![GraphBranch { label: "may call".into(), steps: tools }] };
    Some(vec![GraphStep {
        name: plan.agent.id.to_string(),
        kind: "chat",
        range: range(&["behavior"]).or(range(&["intelligence"])).or(range(&["identity"]))?,
        branches,
    }])
}

fn step(plan: &StepPlan) -> GraphStep {
    let branches = branches(plan.bodies());
    GraphStep { name: plan.name.clone(), kind: plan.kind.keyword(), range: plan.range, branches }
}

fn state(plan: &StatePlan) -> GraphStep {
    GraphStep { name: plan.name.clone(), kind: "state", range: plan.range, branches: branches(plan.bodies()) }
}

fn branches(bodies: Vec<Body<'_>>) -> Vec<GraphBranch> {
    let branch =
        |body: Body<'_>| GraphBranch { label: body.label.to_owned(), steps: body.steps.iter().map(step).collect() };
    bodies.into_iter().map(branch).collect()
}
