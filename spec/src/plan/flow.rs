//! How a plan's steps follow each other, and what surrounds them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use aikit_core::TextRange;

use super::{Dynamic, OutputPlan, PromptPlan, ScriptPlan, StepPlan};
use crate::{
    agent::{
        GuardrailAction, GuardrailPoint, HumanTask, JoinRule, OnBranchFail, OnStepError, Persist, Reducer, StateKind,
    },
    expr::Expr,
    template::Template,
};

/// `behavior.orchestration`, and what surrounds every step.
#[derive(Debug, Clone)]
pub struct FlowPlan {
    /// For each step of the list the steps, by index, that have to end before it; `None` runs them one after the other.
    pub after: Option<Vec<Vec<usize>>>,
    /// Steps at the same time at most.
    pub max_parallel: usize,
    /// Steps of a graph, or states of a machine, at most.
    pub max_iterations: u32,
    /// What happens when a step fails.
    pub on_error: Option<OnStepError>,
    /// Two runs with the same value are one.
    pub idempotency_key: Option<Expr>,
    /// How two writes of one key of the state become one.
    pub reducers: BTreeMap<String, ReducerPlan>,
    /// How long the state lives.
    pub persist: Persist,
    /// Steps around others.
    pub hooks: HooksPlan,
    /// Rules for what goes in and comes out.
    pub guardrails: Vec<GuardrailPlan>,
}

/// How two writes of one key become one.
#[derive(Debug, Clone)]
pub enum ReducerPlan {
    /// By a rule.
    Rule(Reducer),
    /// By a script that sees `ctx.inputs.old` and `ctx.inputs.new`.
    Script(ScriptPlan),
}

/// `behavior.hooks`: steps before and behind others.
#[derive(Debug, Clone, Default)]
pub struct HooksPlan {
    /// Before the run.
    pub before_run: Vec<StepPlan>,
    /// Behind the run.
    pub after_run: Vec<StepPlan>,
    /// Before each step.
    pub before_step: Vec<StepPlan>,
    /// Behind each step.
    pub after_step: Vec<StepPlan>,
    /// Before a model is asked.
    pub before_llm: Vec<StepPlan>,
    /// Behind a model's answer.
    pub after_llm: Vec<StepPlan>,
    /// Before a tool is called.
    pub before_tool: Vec<StepPlan>,
    /// Behind a tool's result.
    pub after_tool: Vec<StepPlan>,
}

impl HooksPlan {
    /// All of them, by name.
    pub fn all(&self) -> [(&'static str, &[StepPlan]); 8] {
        [
            ("before_run", &self.before_run),
            ("after_run", &self.after_run),
            ("before_step", &self.before_step),
            ("after_step", &self.after_step),
            ("before_llm", &self.before_llm),
            ("after_llm", &self.after_llm),
            ("before_tool", &self.before_tool),
            ("after_tool", &self.after_tool),
        ]
    }
}

/// A rule for what goes in or comes out.
#[derive(Debug, Clone)]
pub struct GuardrailPlan {
    /// Its name.
    pub name: String,
    /// What it looks at.
    pub on: GuardrailPoint,
    /// How it looks.
    pub rule: GuardrailRule,
    /// What happens when it is broken.
    pub action: GuardrailAction,
    /// What is said then.
    pub message: Option<String>,
}

/// How a guardrail looks.
#[derive(Debug, Clone)]
pub enum GuardrailRule {
    /// A regular expression finds something in one of the texts.
    Regex(regex::Regex),
    /// The value does not fit a schema.
    Schema(serde_json::Value),
    /// A condition over `value` holds.
    Cel(Expr),
    /// A script that sees `ctx.inputs.value` says so.
    Script(ScriptPlan),
    /// A model, told a prompt that reads `value`, says so.
    Model {
        /// A declared model; `None` is the default.
        model: Option<String>,
        /// What it is told.
        prompt: Option<Template>,
        /// The form of its answer.
        output: OutputPlan,
    },
}

/// A wait that is not for a time.
#[derive(Debug, Clone)]
pub enum WaitFor {
    /// A time.
    Time(Duration),
    /// A point in time, as RFC 3339.
    Until(Expr),
    /// An event; its payload is the output.
    Event(String),
}

/// What a person is asked.
#[derive(Debug, Clone)]
pub struct HumanPlan {
    /// What the person does.
    pub task: HumanTask,
    /// What the person reads.
    pub prompt: Option<PromptPlan>,
    /// Who is asked.
    pub to: Option<Template>,
    /// What there is to choose from.
    pub choices: Vec<Template>,
    /// JSON Schema of a form.
    pub schema: Option<serde_json::Value>,
    /// How long the run waits.
    pub timeout: Option<Duration>,
    /// The answer that is taken then.
    pub on_timeout: Option<Dynamic>,
}

/// How branches are brought together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JoinPlan {
    /// How many have to succeed; `None` is all.
    pub need: Option<usize>,
    /// Whether the others go on when one fails.
    pub wait: bool,
}

impl JoinPlan {
    /// What a document says, of so many branches.
    pub(crate) fn new(rule: &JoinRule, on_fail: Option<OnBranchFail>, branches: usize) -> Self {
        use crate::agent::Join;
        let need = match rule {
            JoinRule::Word(Join::All) => None,
            JoinRule::Word(Join::Any) => Some(1),
            JoinRule::Count(count) => Some((count.0 as usize).min(branches)).filter(|need| *need < branches),
        };
        Self { need, wait: on_fail == Some(OnBranchFail::Wait) }
    }
}

/// `behavior.state_machine`.
#[derive(Debug, Clone)]
pub struct MachinePlan {
    /// The state in which a run begins.
    pub initial: String,
    /// The states, in the order of the document.
    pub states: Vec<StatePlan>,
}

/// A state.
#[derive(Debug, Clone)]
pub struct StatePlan {
    /// Its name.
    pub name: String,
    /// Its name in the document.
    pub range: TextRange,
    /// Line of the document on which it stands, from 0.
    pub line: u32,
    /// What kind of state it is.
    pub kind: StateKind,
    /// Steps that run when it is entered.
    pub entry: Vec<StepPlan>,
    /// Steps that run while it is active.
    pub steps: Vec<StepPlan>,
    /// Steps that run when it is left.
    pub exit: Vec<StepPlan>,
    /// Where events lead.
    pub on: Vec<(String, Vec<TransitionPlan>)>,
    /// Where time leads, the shortest first.
    pub after: Vec<(Duration, String)>,
    /// Where it goes when the steps have ended.
    pub on_done: Vec<TransitionPlan>,
    /// Where it goes when they have failed.
    pub on_error: Vec<TransitionPlan>,
}

/// A way from one state to the next.
#[derive(Debug, Clone)]
pub struct TransitionPlan {
    /// The next state; without it the state stays.
    pub target: Option<String>,
    /// Whether the way is open.
    pub guard: Option<Expr>,
    /// Steps on the way.
    pub actions: Vec<StepPlan>,
}

/// `behavior.graph`.
#[derive(Debug, Clone)]
pub struct GraphPlan {
    /// The nodes; the first one runs first.
    pub nodes: Vec<StepPlan>,
    /// The edges, in the order in which they are asked.
    pub edges: Vec<EdgePlan>,
}

/// An edge of a graph.
#[derive(Debug, Clone)]
pub struct EdgePlan {
    /// The node that it leads away from.
    pub from: String,
    /// The node that it leads to.
    pub to: String,
    /// It counts only if this holds.
    pub when: Option<Expr>,
}

/// Steps that undo what a step has done.
pub type Compensation = Arc<[StepPlan]>;
