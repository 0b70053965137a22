use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    agent::{Graph, Hooks, Orchestration, StateMachine, Step},
    words::{JsCode, JsonSchemaObject, LuaCode, Name, StatePath, by_json_type},
};

/// What the agent does: a chat, or steps.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
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
    /// Steps by name that `subflow` runs.
    #[serde(default)]
    pub subflows: BTreeMap<Name, Subflow>,
    /// States and the events that lead from one to the next.
    pub state_machine: Option<StateMachine>,
    /// Steps as the nodes of a graph.
    pub graph: Option<Graph>,
    /// How runs are started and kept within bounds.
    pub orchestration: Option<Orchestration>,
    /// Steps that run before and behind others.
    #[serde(default)]
    pub hooks: Hooks,
}

/// How the agent works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BehaviorType {
    /// One turn of a conversation: the inputs are the person's message, the model answers and may use tools.
    Chat,
    /// The steps run in the order of the document.
    Sequential,
    /// The steps run in an order that respects `needs`; otherwise in the order of the document.
    Workflow,
    /// One state at a time; events lead from one to the next.
    StateMachine,
    /// The steps are nodes; edges say which one comes next.
    StateGraph,
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
pub struct State {
    /// What the state holds when a run begins.
    #[serde(default)]
    pub initial: Map<String, Value>,
    /// How two writes of one key become one: place in the state to rule. Without a rule the later write holds.
    #[serde(default)]
    pub reducers: BTreeMap<StatePath, ReducerUse>,
    /// How long the state lives.
    #[schemars(extend("default" = "turn"))]
    pub persist: Option<Persist>,
}

by_json_type! {
    /// How two writes of one key become one: a rule, or a script.
    pub enum ReducerUse {
        /// By a rule.
        is_string => Rule(Reducer),
        /// By a script.
        is_object => Script(ReducerScript),
    }
}

/// A script that makes one value of two.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields, extend("oneOf" = [{"required": ["lua"]}, {"required": ["js"]}]))]
pub struct ReducerScript {
    /// Lua code: `ctx.inputs.old` is what the state holds, `ctx.inputs.new` what is written; what it returns holds.
    pub lua: Option<LuaCode>,
    /// JavaScript code: `ctx.inputs.old` is what the state holds, `ctx.inputs.new` what is written; its last expression holds.
    pub js: Option<JsCode>,
}

/// How two writes of one key become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Reducer {
    /// The later one holds.
    Replace,
    /// The later one is added to the list.
    Append,
    /// The objects become one.
    Merge,
    /// The larger one holds.
    Max,
    /// The smaller one holds.
    Min,
    /// Numbers are added.
    Sum,
}

/// How long the state lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Persist {
    /// For one run.
    Turn,
    /// For one conversation.
    Session,
    /// For as long as the agent.
    Forever,
}

/// Steps that are run by name.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Subflow {
    /// What they are for.
    pub description: Option<String>,
    /// The steps; `input` holds what the caller gives. The last output is the result.
    pub steps: Vec<Step>,
}
