//! Steps.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use serde_json::json;

use crate::{
    agent::{
        A2aStep, Cache, EmitStep, HttpStep, HumanStep, Output, PromptUse, RaiseStep, RecallStep, RememberStep,
        RetrieveStep, WaitStep,
    },
    words::{
        AgentRef, DurationText, DynamicObject, DynamicValue, ErrorGlob, ExprText, FilePath, JsCode, JsonSchemaObject,
        LuaCode, McpGlob, ModelRef, Name, StatePath, StepRef, SubflowRef, TemplateText, ToolRef, by_json_type,
    },
};

/// The kind keys of a step.
pub const STEP_KINDS: &[&str] = &[
    "llm", "agent", "tool", "mcp", "a2a", "script", "set", "assert", "switch", "parallel", "map", "loop", "subflow",
    "human", "retrieve", "remember", "recall", "emit", "wait", "raise", "return", "http",
];

/// One step. Exactly one key says what it does: `llm`, `agent`, `tool`, `mcp`, `a2a`, `script`, `set`, `assert`, `switch`,
/// `parallel`, `map`, `loop`, `subflow`, `human`, `retrieve`, `remember`, `recall`, `emit`, `wait`, `raise`, `return` or
/// `http`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend(
    "oneOf" = STEP_KINDS.iter().map(|kind| json!({"required": [kind]})).collect::<Vec<_>>(),
    "x-aikit-not-supported" = ["a2a"],
))]
pub struct Step {
    /// The step's name, unique in the document; later steps read `steps.<name>.output`.
    pub name: Name,
    /// What the step is for.
    pub description: Option<String>,
    /// A CEL condition; the step runs only if it holds.
    pub when: Option<ExprText>,
    /// Steps that must have ended before this one begins.
    #[serde(default)]
    pub needs: Vec<StepRef>,
    /// JSON Schema (2020-12) of the step's output; an output that does not fit fails the step.
    pub output: Option<JsonSchemaObject>,
    /// What of the result goes into the state: place in the state to CEL expression, in which `output` is the step's output.
    #[serde(default)]
    pub save: BTreeMap<StatePath, ExprText>,
    /// How long the step may take, each attempt by itself.
    pub timeout: Option<DurationText>,
    /// Tries again when the step fails in a way that may pass.
    pub retry: Option<Retry>,
    /// What is done instead when the step has failed; the first case that fits counts.
    #[schemars(length(min = 1))]
    pub on_error: Option<Vec<ErrorCase>>,
    /// Asks a model. A plain text is the prompt.
    pub llm: Option<LlmStep>,
    /// Runs another agent of the tenant; its result is the output.
    pub agent: Option<AgentRef>,
    /// The inputs of the agent or subflow; texts may be templates.
    pub input: Option<DynamicObject>,
    /// Calls a declared tool.
    pub tool: Option<ToolRef>,
    /// The arguments of the tool; texts may be templates.
    pub args: Option<DynamicObject>,
    /// Undoes what the step has done, when a later step fails; `output` is the step's own.
    pub compensate: Option<Vec<Step>>,
    /// Keeps the output for a time.
    pub cache: Option<Cache>,
    /// The model that this step asks; for `llm` as a plain text.
    pub model: Option<ModelRef>,
    /// Whether a debugger stops here.
    pub breakpoint: Option<bool>,
    /// Calls a tool of an MCP server, as `server/tool`, with `args`.
    pub mcp: Option<McpGlob>,
    /// Calls an agent elsewhere by the Agent2Agent protocol.
    pub a2a: Option<A2aStep>,
    /// Runs steps of `behavior.subflows` by name; the last output is the output.
    pub subflow: Option<SubflowRef>,
    /// Waits for a person.
    pub human: Option<HumanStep>,
    /// Searches knowledge bases.
    pub retrieve: Option<RetrieveStep>,
    /// Writes to the memory.
    pub remember: Option<RememberStep>,
    /// Searches the memory.
    pub recall: Option<RecallStep>,
    /// Tells others that something happened.
    pub emit: Option<EmitStep>,
    /// Waits for a time or an event.
    pub wait: Option<WaitStep>,
    /// Fails with an error.
    pub raise: Option<RaiseStep>,
    /// One request over HTTP. Its host must be one of `governance.security.permits.net`.
    pub http: Option<HttpStep>,
    /// Runs Lua or JavaScript; what it returns is the output.
    pub script: Option<ScriptStep>,
    /// Writes the state: place in the state to value; texts may be templates.
    pub set: Option<BTreeMap<StatePath, DynamicValue>>,
    /// Fails the run unless the condition holds. A plain text is the condition.
    pub assert: Option<AssertStep>,
    /// Runs branches side by side; the output holds that of each branch by name.
    pub parallel: Option<ParallelStep>,
    /// Runs steps for each item of a list; the output is the list of their outputs.
    pub map: Option<MapStep>,
    /// Runs steps again and again; the output is that of the last round.
    #[serde(rename = "loop")]
    pub repeat: Option<LoopStep>,
    /// Runs the steps of the first case whose condition holds, or those of `default`.
    #[schemars(length(min = 1))]
    pub switch: Option<Vec<SwitchCase>>,
    /// Ends the run with this result; texts may be templates.
    #[serde(rename = "return", default, deserialize_with = "present")]
    pub result: Option<DynamicValue>,
}

/// `return: null` returns null; it is not the same as no `return`.
pub(super) fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DynamicValue>, D::Error> {
    DynamicValue::deserialize(deserializer).map(Some)
}

by_json_type! {
    /// What a model is asked: a text, or a prompt with model, tools and form of the answer.
    pub enum LlmStep {
        /// Just the prompt.
        is_string => Text(TemplateText),
        /// Everything.
        is_object => Full(LlmBody),
    }
}

/// What a model is asked.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct LlmBody {
    /// What the model is asked.
    pub prompt: PromptUse,
    /// A declared model, or `provider/model`; the document's default unless said otherwise.
    pub model: Option<ModelRef>,
    /// Declared tools that the model may use; none unless said otherwise.
    #[serde(default)]
    pub tools: Vec<ToolRef>,
    /// The form that the answer must have; `intelligence.output` does not count here.
    pub output: Option<Box<Output>>,
    /// How many rounds of model and tools at most; `intelligence.cognition.max_iterations` unless said otherwise.
    #[schemars(range(min = 1, max = 1000))]
    pub max_iterations: Option<u32>,
}

/// Code of a step: `lua` or `js`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["lua"]}, {"required": ["js"]}, {"required": ["file"]}]))]
pub struct ScriptStep {
    /// Lua code. `ctx.inputs`, `ctx.state` and `ctx.steps` hold what the run has; what it returns is the output.
    pub lua: Option<LuaCode>,
    /// JavaScript code. `ctx.inputs`, `ctx.state` and `ctx.steps` hold what the run has; its last expression is the output.
    pub js: Option<JsCode>,
    /// A file of the workspace that holds the code: `.lua` or `.js`.
    pub file: Option<FilePath>,
    /// Interpreter instructions at most.
    #[schemars(range(min = 1, max = 1_000_000_000_000_000u64))]
    pub instructions: Option<u64>,
    /// Memory at most, in MiB.
    #[schemars(range(min = 1, max = 65536))]
    pub memory_mb: Option<u32>,
}

/// One case of a `switch`: `when` with `do`, or `default`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend(
    "oneOf" = [{"required": ["when"]}, {"required": ["default"]}],
    "dependentRequired" = {"when": ["do"], "do": ["when"]},
))]
pub struct SwitchCase {
    /// A CEL condition.
    pub when: Option<ExprText>,
    /// The steps that run if the condition holds.
    #[serde(rename = "do")]
    pub steps: Option<Vec<Step>>,
    /// The steps that run if no condition holds.
    pub default: Option<Vec<Step>>,
}

by_json_type! {
    /// What must hold: a CEL condition, or a condition with the sentence that is said when it does not.
    pub enum AssertStep {
        /// Just the condition.
        is_string => Text(ExprText),
        /// With a message.
        is_object => Full(AssertBody),
    }
}

/// What must hold, and what is said when it does not.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct AssertBody {
    /// A CEL condition.
    pub that: ExprText,
    /// What is said when it does not hold.
    pub message: Option<TemplateText>,
}

/// Branches that run side by side. What one branch writes, another does not see; two branches that write the same key of
/// the state differently fail the step.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ParallelStep {
    /// The steps of each branch, by the branch's name.
    #[schemars(length(min = 1))]
    pub branches: BTreeMap<Name, Vec<Step>>,
    /// How many branches have to succeed: `all`, `any`, or a number. When there are enough the others are ended.
    #[serde(default)]
    #[schemars(extend("default" = "all"))]
    pub join: JoinRule,
    /// What happens to the others when a branch fails.
    #[schemars(extend("default" = "cancel"))]
    pub on_fail: Option<OnBranchFail>,
}

/// What happens to the other branches when one fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnBranchFail {
    /// They are ended.
    Cancel,
    /// They go on; the step fails when all have ended.
    Wait,
}

by_json_type! {
    /// How many branches have to succeed: a word, or a number.
    pub enum JoinRule {
        /// All of them, or any.
        is_string => Word(Join),
        /// So many.
        is_u64 => Count(BranchCount),
    }
}

impl Default for JoinRule {
    fn default() -> Self {
        Self::Word(Join::All)
    }
}

/// How many branches have to succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Join {
    /// All of them; the first failure ends the others.
    All,
    /// The first that succeeds ends the others.
    Any,
}

/// A number of branches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct BranchCount(#[schemars(range(min = 1, max = 1000))] pub u32);

/// Steps that run for each item of a list.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct MapStep {
    /// A CEL expression that gives the list.
    pub over: ExprText,
    /// The name under which the steps read the item; `index` is its position, from 0.
    #[serde(rename = "as", default = "item")]
    #[schemars(default = "item")]
    pub item: Name,
    /// How many items are worked on at the same time.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 64), default = "one")]
    pub concurrency: u32,
    /// The steps.
    #[serde(rename = "do")]
    pub steps: Vec<Step>,
    /// A CEL expression for what is kept of each item; `output` is the output of its last step, which is kept otherwise.
    pub collect: Option<ExprText>,
}

fn item() -> Name {
    Name("item".into())
}

fn one() -> u32 {
    1
}

/// Steps that run again and again: as long as `while` holds, asked before each round, or until `until` holds, asked behind
/// it. `index` is the number of the round, from 0.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["while"]}, {"required": ["until"]}]))]
pub struct LoopStep {
    /// A CEL condition, asked before each round.
    #[serde(rename = "while")]
    pub before: Option<ExprText>,
    /// A CEL condition, asked behind each round.
    pub until: Option<ExprText>,
    /// How many rounds at most; the loop ends there without an error.
    #[schemars(range(min = 1, max = 100_000))]
    pub max: u32,
    /// The steps.
    #[serde(rename = "do")]
    pub steps: Vec<Step>,
}

/// How a step is tried again.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Retry {
    /// How many attempts in all.
    #[serde(default = "three")]
    #[schemars(range(min = 1, max = 20), default = "three")]
    pub max_attempts: u32,
    /// Codes of the errors that are worth another attempt; those that may pass, unless said otherwise. A refused
    /// credential and a tenant's wall are never tried again.
    #[serde(default)]
    pub on: Vec<ErrorGlob>,
    /// How long the first pause is.
    #[serde(default = "second")]
    #[schemars(default = "second")]
    pub initial_delay: DurationText,
    /// How long a pause is at most.
    #[serde(default = "half_minute")]
    #[schemars(default = "half_minute")]
    pub max_delay: DurationText,
    /// By what each pause is longer than the one before.
    #[serde(default = "doubling")]
    #[schemars(range(min = 1.0, max = 10.0), default = "doubling")]
    pub backoff: f64,
    /// How pauses are spread, so that many runs do not come back at once.
    #[serde(default)]
    pub jitter: Jitter,
    /// How long one attempt may take.
    pub request_timeout: Option<DurationText>,
    /// Whether a pause is as long as the provider asks for.
    #[schemars(extend("default" = true))]
    pub respect_retry_after: Option<bool>,
}

fn three() -> u32 {
    3
}

fn second() -> DurationText {
    DurationText("1s".into())
}

fn half_minute() -> DurationText {
    DurationText("30s".into())
}

fn doubling() -> f64 {
    2.0
}

/// How pauses are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Jitter {
    /// Not at all.
    None,
    /// Anywhere between nothing and the pause.
    #[default]
    Full,
    /// Anywhere in the second half of the pause.
    Equal,
}

/// What is done when a step has failed with an error that fits.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend(
    "oneOf" = [{"required": ["do"]}, {"required": ["use"]}, {"required": ["raise"]}, {"required": ["goto"]}],
))]
pub struct ErrorCase {
    /// The code of the error, in which `*` stands for anything.
    #[serde(rename = "match")]
    pub matches: ErrorGlob,
    /// Steps that run instead; `error` holds `code` and `message`. The last output becomes the step's.
    #[serde(rename = "do")]
    pub steps: Option<Vec<Step>>,
    /// The step's output instead; `error` holds `code` and `message`.
    #[serde(rename = "use", default, deserialize_with = "present")]
    pub value: Option<DynamicValue>,
    /// Another error instead.
    pub raise: Option<RaiseStep>,
    /// The step with which the run goes on: one of the same list, or of a list around it.
    pub goto: Option<StepRef>,
}
