use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use crate::{
    agent::{Output, PromptUse},
    words::{
        DurationText, DynamicObject, DynamicValue, ExprText, JsCode, JsonSchemaObject, LuaCode, ModelRef, Name,
        StatePath, StepRef, TemplateText, ToolRef, by_json_type,
    },
};

/// What the agent does: a chat, or steps.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend("x-aikit-planned" = ["graph", "hooks", "orchestration", "state_machine"]))]
pub struct Behavior {
    /// How the agent works; `chat` without steps and `workflow` with steps, unless said otherwise.
    #[serde(rename = "type")]
    pub kind: Option<BehaviorType>,
    /// The steps.
    pub steps: Option<Vec<Step>>,
    /// The steps, in a block of their own.
    pub workflow: Option<Workflow>,
    /// Values that the steps share.
    #[serde(default)]
    pub state: State,
    /// JSON Schema (2020-12) of the state; a write that does not fit fails.
    pub state_schema: Option<JsonSchemaObject>,
}

/// How the agent works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("x-aikit-planned" = ["state_graph", "state_machine"]))]
pub enum BehaviorType {
    /// One turn of a conversation: the inputs are the person's message, the model answers and may use tools.
    Chat,
    /// The steps run in the order of the document.
    Sequential,
    /// The steps run in an order that respects `needs`; otherwise in the order of the document.
    Workflow,
}

/// The steps, in a block of their own.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Workflow {
    /// The steps.
    pub steps: Vec<Step>,
}

/// Values that the steps share.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend("x-aikit-planned" = ["persist", "reducers"]))]
pub struct State {
    /// What the state holds when a run begins.
    #[serde(default)]
    pub initial: Map<String, Value>,
}

/// The kind keys of a step.
pub const STEP_KINDS: &[&str] = &["llm", "tool", "script", "set", "switch", "return"];

/// One step. Exactly one of `llm`, `tool`, `script`, `set`, `switch` and `return` says what it does.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend(
    "oneOf" = STEP_KINDS.iter().map(|kind| json!({"required": [kind]})).collect::<Vec<_>>(),
    "dependentRequired" = {"args": ["tool"]},
    "x-aikit-planned" = [
        "a2a", "agent", "assert", "breakpoint", "cache", "collect", "compensate", "emit", "http", "human", "input", "loop",
        "map", "mcp", "model", "on_error", "parallel", "raise", "recall", "remember", "retrieve", "retry", "subflow", "wait",
    ],
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
    /// How long the step may take.
    pub timeout: Option<DurationText>,
    /// Asks a model. A plain text is the prompt.
    pub llm: Option<LlmStep>,
    /// Calls a declared tool.
    pub tool: Option<ToolRef>,
    /// The arguments of the tool; texts may be templates.
    pub args: Option<DynamicObject>,
    /// Runs Lua or JavaScript; what it returns is the output.
    pub script: Option<ScriptStep>,
    /// Writes the state: place in the state to value; texts may be templates.
    pub set: Option<BTreeMap<StatePath, DynamicValue>>,
    /// Runs the steps of the first case whose condition holds, or those of `default`.
    #[schemars(length(min = 1))]
    pub switch: Option<Vec<SwitchCase>>,
    /// Ends the run with this result; texts may be templates.
    #[serde(rename = "return", default, deserialize_with = "present")]
    pub result: Option<DynamicValue>,
}

/// `return: null` returns null; it is not the same as no `return`.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DynamicValue>, D::Error> {
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
    pub output: Option<Output>,
    /// How many rounds of model and tools at most; `intelligence.cognition.max_iterations` unless said otherwise.
    #[schemars(range(min = 1, max = 1000))]
    pub max_iterations: Option<u32>,
}

/// Code of a step: `lua` or `js`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend(
    "oneOf" = [{"required": ["lua"]}, {"required": ["js"]}],
    "x-aikit-planned" = ["code", "file"],
))]
pub struct ScriptStep {
    /// Lua code. `ctx.inputs`, `ctx.state` and `ctx.steps` hold what the run has; what it returns is the output.
    pub lua: Option<LuaCode>,
    /// JavaScript code. `ctx.inputs`, `ctx.state` and `ctx.steps` hold what the run has; its last expression is the output.
    pub js: Option<JsCode>,
    /// Interpreter instructions at most.
    #[schemars(range(min = 1, max = 1_000_000_000_000_000u64))]
    pub instructions: Option<u64>,
    /// Memory at most, in MiB.
    #[schemars(range(min = 1, max = 65536))]
    pub memory_mb: Option<u32>,
}

/// One case of a `switch`: `when` with `do`, or `default`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
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
