//! What a checked document is lowered to: everything the engine needs to run it, and nothing of how it was written but
//! the places. A document without error diagnostics always lowers; one with errors never does.

mod context;
mod flow;
mod memory;
mod models;
mod tools;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use aikit_core::{AgentId, Language, TextRange};
use semver::Version;
use serde_json::Value;

pub use self::{context::*, flow::*, memory::*, models::*, tools::*};
use crate::{agent::Jitter, expr::Expr, template::Template, test_suite::TestCase, words::ErrorGlob};

/// An executable agent.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Who it is.
    pub agent: PlanAgent,
    /// SHA-256 of the document, lower-case hex.
    pub digest: String,
    /// JSON Schema that the inputs must fit.
    pub inputs: Value,
    /// JSON Schema that the result must fit, where declared.
    pub outputs: Option<Value>,
    /// Declared models by name. Always holds `default_model`.
    pub models: BTreeMap<String, ModelPlan>,
    /// The model that a step without `model` uses.
    pub default_model: String,
    /// Who is asked in place of the model that was meant.
    pub routing: RoutingPlan,
    /// `intelligence.cognition`.
    pub cognition: CognitionPlan,
    /// `intelligence.judge_model`: a name under `models`.
    pub judge_model: Option<String>,
    /// `intelligence.prompts.system`.
    pub system: Option<PromptPlan>,
    /// `intelligence.prompts.templates`.
    pub prompts: BTreeMap<String, PromptPlan>,
    /// `intelligence.output`: what a model's answer must fit.
    pub output: Option<OutputPlan>,
    /// Declared tools by name, in the order of the document.
    pub tools: Vec<ToolPlan>,
    /// What a model can do with the memory, as tools.
    pub memory_tools: Vec<ToolPlan>,
    /// What the agent remembers and knows.
    pub memory: Arc<MemoryPlan>,
    /// What a model is shown besides its prompt.
    pub context: ContextPlan,
    /// Servers of the Model Context Protocol, in the order of the document.
    pub mcp_servers: Vec<McpServerPlan>,
    /// How tools are called for a model.
    pub tool_execution: ToolExecutionPlan,
    /// What may be reached, and which tools may be called.
    pub permits: PermitsPlan,
    /// What the agent does.
    pub behavior: BehaviorPlan,
    /// Initial state (`behavior.state.initial`), an object.
    pub state: Value,
    /// JSON Schema of the state, where declared.
    pub state_schema: Option<Value>,
    /// How steps follow each other, and what surrounds them.
    pub flow: FlowPlan,
    /// Bounds of one run.
    pub limits: RunLimits,
    /// Bounds of all runs of the agent.
    pub rates: RatePlan,
    /// `interface.examples`.
    pub examples: Vec<ExamplePlan>,
    /// `tests`.
    pub tests: Vec<CasePlan>,
}

/// A document of kind `TestSuite`, ready to be run.
#[derive(Debug, Clone)]
pub struct SuitePlan {
    /// The agent: a file, relative to the suite, or the name of a stored one.
    pub agent: String,
    /// The cases; what holds for all of them is part of each.
    pub cases: Vec<CasePlan>,
}

/// A case of a test.
#[derive(Debug, Clone)]
pub struct CasePlan {
    /// What it says.
    pub case: TestCase,
    /// Where it stands.
    pub range: TextRange,
    /// Line of the document on which it begins, from 0.
    pub line: u32,
}

/// Inputs, and the result that is to be expected of them.
#[derive(Debug, Clone)]
pub struct ExamplePlan {
    /// The inputs.
    pub inputs: Value,
    /// The result, where one is expected.
    pub outputs: Option<Value>,
    /// Where it stands.
    pub range: TextRange,
    /// Line of the document on which it begins, from 0.
    pub line: u32,
}

/// Identity as templates and records see it.
#[derive(Debug, Clone)]
pub struct PlanAgent {
    /// `identity.agent_id`.
    pub id: AgentId,
    /// `identity.name`.
    pub name: String,
    /// `identity.version`.
    pub version: Version,
    /// `identity.description`.
    pub description: Option<String>,
}

/// A prompt: one text, or a list of messages.
#[derive(Debug, Clone)]
pub enum PromptPlan {
    /// One text; its role follows from where it stands.
    Text(Template),
    /// Messages in order: role (`system`, `user`, `assistant`) and text.
    Messages(Vec<(String, Template)>),
}

/// Code inside a document.
#[derive(Debug, Clone)]
pub struct ScriptPlan {
    /// Lua or JavaScript.
    pub language: Language,
    /// The code, decoded.
    pub code: String,
    /// The scalar in the document.
    pub range: TextRange,
    /// Line of the document, from 0, on which the code's first line stands.
    pub first_line: u32,
    /// Interpreter instructions at most, where declared.
    pub instructions: Option<u64>,
    /// Heap at most, in bytes, where declared.
    pub memory: Option<u64>,
}

/// Bounds of all runs of an agent together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RatePlan {
    /// Runs at the same time.
    pub concurrent: Option<u32>,
    /// Runs in a minute.
    pub runs_per_minute: Option<u32>,
    /// How many more runs at once.
    pub burst: u32,
    /// Calls of tools in a minute.
    pub tool_calls_per_minute: Option<u32>,
    /// Tokens in a day.
    pub tokens_per_day: Option<u64>,
    /// US dollars in a day.
    pub usd_per_day: Option<f64>,
}

/// What the agent does.
#[derive(Debug, Clone)]
pub enum BehaviorPlan {
    /// One conversation turn: system prompt, the inputs as the user's message, tools until the model is done.
    Chat {
        /// How many rounds of model and tools at most.
        max_iterations: u32,
    },
    /// Steps in order; the last output is the result unless a `return` gave one.
    Steps(Vec<StepPlan>),
    /// One state at a time.
    Machine(MachinePlan),
    /// Steps, and edges that say which one comes next.
    Graph(GraphPlan),
}

/// One step.
#[derive(Debug, Clone)]
pub struct StepPlan {
    /// Its name, unique in the document.
    pub name: String,
    /// The step's mapping in the document.
    pub range: TextRange,
    /// Line of the document on which it begins, from 0.
    pub line: u32,
    /// Runs only if this holds.
    pub when: Option<Expr>,
    /// Steps that must have ended before.
    pub needs: Vec<String>,
    /// What it does.
    pub kind: StepKind,
    /// JSON Schema that its output must fit.
    pub output: Option<Value>,
    /// `state.key` ← expression over the scope, `output` being the step's own.
    pub save: Vec<(String, Expr)>,
    /// How long an attempt may take.
    pub timeout: Option<Duration>,
    /// How it is tried again.
    pub retry: Option<RetryPlan>,
    /// What is done instead when it has failed, in order.
    pub on_error: Vec<ErrorPlan>,
    /// What undoes it when a later step fails.
    pub compensate: Option<Compensation>,
    /// How long its output is kept.
    pub cache: Option<CachePlan>,
    /// Whether a debugger stops here.
    pub breakpoint: bool,
}

/// How a step is tried again.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryPlan {
    /// Attempts in all.
    pub max_attempts: u32,
    /// Codes of errors that are worth another attempt; empty means those that may pass.
    pub on: Vec<ErrorGlob>,
    /// The first pause.
    pub initial_delay: Duration,
    /// The longest pause.
    pub max_delay: Duration,
    /// By what each pause is longer than the one before.
    pub backoff: f64,
    /// How pauses are spread.
    pub jitter: Jitter,
    /// How long one attempt may take.
    pub request_timeout: Option<Duration>,
    /// Whether a pause is at least as long as the provider asks for.
    pub respect_retry_after: bool,
}

/// What is done instead of a step that has failed.
#[derive(Debug, Clone)]
pub struct ErrorPlan {
    /// The code of the error.
    pub matches: ErrorGlob,
    /// What is done.
    pub then: ErrorAction,
}

/// What is done with an error.
#[derive(Debug, Clone)]
pub enum ErrorAction {
    /// These steps run; their last output is the step's.
    Do(Vec<StepPlan>),
    /// The step's output is this.
    Use(Dynamic),
    /// The step fails with this error instead: code and message.
    Raise(String, Option<Template>),
    /// The run goes on with this step.
    Goto(String),
}

/// What a step does.
#[derive(Debug, Clone)]
pub enum StepKind {
    /// Asks a model.
    Llm {
        /// The user's part of the prompt.
        prompt: PromptPlan,
        /// A declared model; `None` is the default.
        model: Option<String>,
        /// Declared tools that the model may call.
        tools: Vec<String>,
        /// What the answer must fit.
        output: Option<OutputPlan>,
        /// How many rounds of model and tools at most.
        max_iterations: u32,
    },
    /// Calls a declared tool.
    Tool {
        /// Its name.
        tool: String,
        /// Its arguments.
        args: Dynamic,
    },
    /// Calls a tool of an MCP server.
    Mcp {
        /// The server.
        server: String,
        /// The tool's name there.
        tool: String,
        /// Its arguments.
        args: Dynamic,
    },
    /// One request over HTTP.
    Http(HttpPlan),
    /// Runs a script.
    Script(ScriptPlan),
    /// Writes the state: key ← value.
    Set(Vec<(String, Dynamic)>),
    /// Runs the steps of the first case that holds.
    Switch {
        /// Guard and steps, in order.
        cases: Vec<(Expr, Vec<StepPlan>)>,
        /// Steps when none holds.
        default: Vec<StepPlan>,
    },
    /// Runs another agent of the tenant.
    Agent {
        /// `name`, or `name@version`.
        agent: String,
        /// Its inputs.
        input: Dynamic,
    },
    /// Fails unless a condition holds.
    Assert {
        /// The condition.
        that: Expr,
        /// What is said when it does not hold.
        message: Option<Template>,
    },
    /// Runs branches side by side.
    Parallel {
        /// Name and steps of each.
        branches: Vec<(String, Vec<StepPlan>)>,
        /// How they are brought together.
        join: JoinPlan,
    },
    /// Runs steps for each item of a list.
    Map {
        /// Gives the list.
        over: Expr,
        /// The name of the item.
        item: String,
        /// How many items at the same time.
        concurrency: u32,
        /// The steps.
        steps: Vec<StepPlan>,
        /// What is kept of each item.
        collect: Option<Expr>,
    },
    /// Runs steps again and again.
    Loop {
        /// Asked before each round, which runs if it holds.
        before: Option<Expr>,
        /// Asked behind each round; the loop ends when it holds.
        until: Option<Expr>,
        /// Rounds at most.
        max: u32,
        /// The steps.
        steps: Vec<StepPlan>,
    },
    /// Waits for a time or an event.
    Wait(WaitFor),
    /// Waits for a person.
    Human(HumanPlan),
    /// Tells others that something happened.
    Emit {
        /// The event.
        event: String,
        /// What is told.
        payload: Dynamic,
    },
    /// Fails with an error.
    Raise {
        /// Its code.
        code: String,
        /// What is said.
        message: Option<Template>,
    },
    /// Runs steps of `behavior.subflows`.
    Subflow {
        /// Their name.
        name: String,
        /// What they are given as `input`.
        input: Dynamic,
        /// The steps.
        steps: Vec<StepPlan>,
    },
    /// Reads or writes memory.
    Memory(MemoryStep),
    /// Ends the run with a result.
    Return(Dynamic),
    /// A kind of step that this version does not execute: it fails.
    Unsupported(&'static str),
}

/// Steps inside a step.
#[derive(Debug, Clone, Copy)]
pub struct Body<'p> {
    /// When they run, for people: a guard, a branch's name, `each item`.
    pub label: &'p str,
    /// What their addresses have between the step's address and their names, `/` included. Rounds of a loop and items of a
    /// map put their number in brackets before it.
    pub segment: BodySegment<'p>,
    /// The steps.
    pub steps: &'p [StepPlan],
}

/// The part of an address that tells the bodies of one step apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodySegment<'p> {
    /// The only body.
    Only,
    /// A case of a switch.
    Case(usize),
    /// What has a name: a branch, `default`, `error`.
    Named(&'p str),
}

impl BodySegment<'_> {
    /// The address prefix of the steps in the body of the step at `address`.
    pub fn prefix(self, address: &str) -> String {
        match self {
            BodySegment::Only => format!("{address}/"),
            BodySegment::Case(case) => format!("{address}/{case}/"),
            BodySegment::Named(name) => format!("{address}/{name}/"),
        }
    }
}

impl BehaviorPlan {
    /// Every list of steps that is not inside another step, with what stands before the names in addresses.
    pub fn lists(&self) -> Vec<(String, &[StepPlan])> {
        match self {
            BehaviorPlan::Chat { .. } => Vec::new(),
            BehaviorPlan::Steps(steps) => vec![(String::new(), steps)],
            BehaviorPlan::Graph(graph) => vec![(String::new(), &graph.nodes)],
            BehaviorPlan::Machine(machine) => machine
                .states
                .iter()
                .flat_map(|state| state.bodies().into_iter().map(|body| (body.segment.prefix(&state.name), body.steps)))
                .collect(),
        }
    }
}

impl StatePlan {
    /// The steps of the state, in the order in which they run.
    pub fn bodies(&self) -> Vec<Body<'_>> {
        let mut bodies = Vec::new();
        for (name, steps) in [("entry", &self.entry), ("do", &self.steps), ("exit", &self.exit)] {
            bodies.push(Body { label: name, segment: BodySegment::Named(name), steps });
        }
        let ways = self.on.iter().flat_map(|(_, ways)| ways).chain(&self.on_done).chain(&self.on_error);
        for way in ways {
            let label = way.target.as_deref().unwrap_or("stays");
            bodies.push(Body { label, segment: BodySegment::Named("actions"), steps: &way.actions });
        }
        bodies.retain(|body| !body.steps.is_empty());
        bodies
    }
}

impl StepPlan {
    /// The steps inside this one, in the order of the document.
    pub fn bodies(&self) -> Vec<Body<'_>> {
        let mut bodies = Vec::new();
        let mut add = |label, segment, steps| bodies.push(Body { label, segment, steps });
        match &self.kind {
            StepKind::Switch { cases, default } => {
                for (i, (guard, steps)) in cases.iter().enumerate() {
                    add(guard.source.as_str(), BodySegment::Case(i), steps.as_slice());
                }
                if !default.is_empty() {
                    add("otherwise", BodySegment::Named("default"), default);
                }
            }
            StepKind::Parallel { branches, .. } => {
                branches.iter().for_each(|(name, steps)| add(name, BodySegment::Named(name), steps));
            }
            StepKind::Map { over, steps, .. } => add(over.source.as_str(), BodySegment::Only, steps),
            StepKind::Loop { before, until, steps, .. } => {
                let label = before.as_ref().or(until.as_ref()).map_or("", |condition| condition.source.as_str());
                add(label, BodySegment::Only, steps);
            }
            StepKind::Subflow { name, steps, .. } => add(name, BodySegment::Only, steps),
            _ => {}
        }
        if let Some(steps) = &self.compensate {
            add("undone by", BodySegment::Named("compensate"), steps);
        }
        for case in &self.on_error {
            if let ErrorAction::Do(steps) = &case.then {
                add(case.matches.0.as_str(), BodySegment::Named("error"), steps);
            }
        }
        bodies
    }
}

impl StepKind {
    /// The kind key of the language: `llm`, `tool`, `switch`, …
    pub fn keyword(&self) -> &'static str {
        match self {
            StepKind::Llm { .. } => "llm",
            StepKind::Tool { .. } => "tool",
            StepKind::Mcp { .. } => "mcp",
            StepKind::Http(_) => "http",
            StepKind::Script(_) => "script",
            StepKind::Set(_) => "set",
            StepKind::Switch { .. } => "switch",
            StepKind::Agent { .. } => "agent",
            StepKind::Assert { .. } => "assert",
            StepKind::Parallel { .. } => "parallel",
            StepKind::Map { .. } => "map",
            StepKind::Loop { .. } => "loop",
            StepKind::Wait(_) => "wait",
            StepKind::Human(_) => "human",
            StepKind::Emit { .. } => "emit",
            StepKind::Raise { .. } => "raise",
            StepKind::Subflow { .. } => "subflow",
            StepKind::Memory(step) => step.keyword(),
            StepKind::Return(_) => "return",
            StepKind::Unsupported(keyword) => keyword,
        }
    }
}

/// A JSON value whose texts may be templates. A text that is exactly one `{{ … }}` keeps the native type.
#[derive(Debug, Clone)]
pub enum Dynamic {
    /// A value without templates.
    Literal(Value),
    /// A text with a template.
    Template(Template),
    /// A list.
    Array(Vec<Dynamic>),
    /// An object.
    Object(Vec<(String, Dynamic)>),
}

/// Bounds of one run, the minimum of all layers.
#[derive(Debug, Clone, PartialEq)]
pub struct RunLimits {
    /// Wall time (`governance.security.resource_limits.max_wall`).
    pub wall: Duration,
    /// Steps (`max_steps`).
    pub steps: u32,
    /// Heap of one script, in bytes (`max_memory_mb`).
    pub script_memory: u64,
    /// Tokens in and out (`governance.budget.per_execution.tokens`).
    pub tokens: Option<u64>,
    /// US dollars (`…usd`).
    pub usd: Option<f64>,
    /// Model calls (`…llm_calls`).
    pub model_calls: Option<u64>,
    /// Tool calls (`…tool_calls`).
    pub tool_calls: Option<u64>,
}

impl Default for RunLimits {
    /// Five minutes, 200 steps, 512 MiB, no budget.
    fn default() -> Self {
        Self {
            wall: Duration::from_secs(300),
            steps: 200,
            script_memory: 512 << 20,
            tokens: None,
            usd: None,
            model_calls: None,
            tool_calls: None,
        }
    }
}
