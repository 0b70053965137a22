//! State machines, graphs, how runs are started, and hooks.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    agent::Step,
    words::{CronText, DurationText, EventName, ExprText, Name, StateName, StepRef},
};

/// States and the events that lead from one to the next. Names follow Harel's statecharts, as in SCXML.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct StateMachine {
    /// The state in which a run begins.
    pub initial: StateName,
    /// The states by name.
    #[schemars(length(min = 1))]
    pub states: BTreeMap<Name, StateNode>,
}

/// A state.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct StateNode {
    /// What kind of state it is.
    #[serde(rename = "type")]
    #[schemars(extend("default" = "atomic"))]
    pub kind: Option<StateKind>,
    /// What it is for.
    pub description: Option<String>,
    /// Steps that run when it is entered.
    #[serde(default)]
    pub entry: Vec<Step>,
    /// Steps that run while it is active; when they have ended, `on_done` leads on.
    #[serde(rename = "do", default)]
    pub steps: Vec<Step>,
    /// Steps that run when it is left.
    #[serde(default)]
    pub exit: Vec<Step>,
    /// Where events lead: event to transitions, the first whose guard holds counts.
    #[serde(default)]
    pub on: BTreeMap<EventName, Vec<Transition>>,
    /// Where time leads: how long the state has been active, to the next state.
    #[serde(default)]
    pub after: BTreeMap<DurationText, StateName>,
    /// Where it goes when `do` has ended: transitions, the first whose guard holds counts.
    #[serde(default)]
    pub on_done: Vec<Transition>,
    /// Where it goes when `do` has failed.
    #[serde(default)]
    pub on_error: Vec<Transition>,
}

/// What kind of state it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StateKind {
    /// It has no states inside.
    Atomic,
    /// Several states at the same time.
    Parallel,
    /// The run ends here.
    Final,
    /// The state that was active before.
    History,
}

/// A way from one state to the next.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Transition {
    /// The next state; without it the state stays.
    pub target: Option<StateName>,
    /// A CEL condition; the way is open only if it holds.
    pub guard: Option<ExprText>,
    /// Steps that run on the way.
    #[serde(default)]
    pub actions: Vec<Step>,
}

/// Steps as the nodes of a graph.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Graph {
    /// The nodes: steps, of which the first one runs first.
    #[schemars(length(min = 1))]
    pub nodes: Vec<Step>,
    /// The edges. Of those that lead away from a node, the one with the highest priority whose condition holds counts,
    /// then the order of the document; a node without one is the last.
    #[serde(default)]
    pub edges: Vec<GraphEdge>,
}

/// An edge of a graph.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct GraphEdge {
    /// The node that it leads away from.
    pub from: StepRef,
    /// The node that it leads to.
    pub to: StepRef,
    /// A CEL condition; the edge counts only if it holds.
    pub when: Option<ExprText>,
    /// Which edge is asked first: the highest number.
    #[schemars(range(min = -1000, max = 1000), extend("default" = 0))]
    pub priority: Option<i32>,
}

/// How runs are started and kept within bounds.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend("x-aikit-not-executed" = ["schedule", "triggers"]))]
pub struct Orchestration {
    /// Steps at the same time.
    #[schemars(range(min = 1, max = 1000), extend("default" = 8))]
    pub max_parallel: Option<u32>,
    /// Steps of a state machine or graph.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = 100))]
    pub max_iterations: Option<u32>,
    /// Wall time.
    #[schemars(extend("default" = "5m"))]
    pub timeout: Option<DurationText>,
    /// What happens when a step fails: `compensate` where a step says how it is undone, else `fail`, unless said otherwise.
    pub on_error: Option<OnStepError>,
    /// A CEL expression; two runs with the same value are one.
    pub idempotency_key: Option<ExprText>,
    /// When runs are started by the clock.
    pub schedule: Option<CronText>,
    /// What starts runs besides.
    #[serde(default)]
    pub triggers: Vec<Trigger>,
}

/// What happens when a step fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnStepError {
    /// The run fails.
    Fail,
    /// The run goes on.
    Continue,
    /// What the steps before have done is undone by their `compensate`, then the run fails.
    Compensate,
}

/// What starts a run: exactly one of these.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["event"]}, {"required": ["cron"]}, {"required": ["webhook"]}]))]
pub struct Trigger {
    /// An event of the application.
    pub event: Option<EventName>,
    /// The clock.
    pub cron: Option<CronText>,
    /// A request to this path.
    pub webhook: Option<String>,
}

/// Steps that run before and behind others.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Hooks {
    /// Before the run.
    #[serde(default)]
    pub before_run: Vec<Step>,
    /// Behind the run.
    #[serde(default)]
    pub after_run: Vec<Step>,
    /// Before each step.
    #[serde(default)]
    pub before_step: Vec<Step>,
    /// Behind each step.
    #[serde(default)]
    pub after_step: Vec<Step>,
    /// Before a model is asked.
    #[serde(default)]
    pub before_llm: Vec<Step>,
    /// Behind a model's answer.
    #[serde(default)]
    pub after_llm: Vec<Step>,
    /// Before a tool is called.
    #[serde(default)]
    pub before_tool: Vec<Step>,
    /// Behind a tool's result.
    #[serde(default)]
    pub after_tool: Vec<Step>,
}
