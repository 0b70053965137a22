//! The steps of a plan as the journal's first record lists them, so that a view needs nothing but the journal.

use aikit_spec::plan::{BehaviorPlan, Body, Plan, StatePlan, StepPlan};

use crate::journal::{OutlineBranch, OutlineStep};

/// The outline of a plan.
pub(super) fn of(plan: &Plan) -> Vec<OutlineStep> {
    match &plan.behavior {
        BehaviorPlan::Chat { .. } => {
            let (address, name, kind) = ("chat".into(), "chat".into(), "llm".into());
            vec![OutlineStep { address, name, kind, line: 1, branches: Vec::new() }]
        }
        BehaviorPlan::Steps(list) => steps(list, ""),
        BehaviorPlan::Graph(graph) => steps(&graph.nodes, ""),
        BehaviorPlan::Machine(machine) => machine.states.iter().map(state).collect(),
    }
}

fn state(state: &StatePlan) -> OutlineStep {
    OutlineStep {
        address: state.name.clone(),
        name: state.name.clone(),
        kind: "state".into(),
        line: state.line + 1,
        branches: branches(state.bodies(), &state.name),
    }
}

fn steps(list: &[StepPlan], prefix: &str) -> Vec<OutlineStep> {
    let outline = |step: &StepPlan| {
        let address = format!("{prefix}{}", step.name);
        let branches = branches(step.bodies(), &address);
        OutlineStep {
            address,
            name: step.name.clone(),
            kind: step.kind.keyword().into(),
            line: step.line + 1,
            branches,
        }
    };
    list.iter().map(outline).collect()
}

fn branches(bodies: Vec<Body<'_>>, address: &str) -> Vec<OutlineBranch> {
    let branch = |body: Body<'_>| OutlineBranch {
        label: body.label.to_owned(),
        steps: steps(body.steps, &body.segment.prefix(address)),
    };
    bodies.into_iter().map(branch).collect()
}
