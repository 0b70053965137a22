use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::words::{JsonSchemaObject, Name};

/// What goes in and what comes out.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend("x-aikit-not-executed" = [
    "context_schema", "expose", "input_modalities", "output_modalities", "streaming",
]))]
pub struct Interface {
    /// JSON Schema (2020-12) of the inputs; a run whose inputs do not fit does not begin.
    #[serde(default = "any_object")]
    pub inputs: JsonSchemaObject,
    /// JSON Schema (2020-12) of the result; a run whose result does not fit fails.
    pub outputs: Option<JsonSchemaObject>,
    /// What can go in.
    #[serde(default)]
    pub input_modalities: Vec<Modality>,
    /// What can come out.
    #[serde(default)]
    pub output_modalities: Vec<Modality>,
    /// JSON Schema (2020-12) of what a caller of the tenant has to say besides the inputs.
    pub context_schema: Option<JsonSchemaObject>,
    /// How one talks with the agent.
    pub conversation: Option<Conversation>,
    /// What is told while a run goes on.
    pub streaming: Option<Streaming>,
    /// Errors of the agent's own, for `raise` and for callers.
    #[serde(default)]
    pub errors: Vec<DeclaredError>,
    /// The ways by which the agent can be reached.
    #[serde(default)]
    pub expose: Vec<Face>,
    /// Inputs with the outputs that are to be expected, for readers and tests. They must fit the schemas.
    #[serde(default)]
    pub examples: Vec<Example>,
}

impl Default for Interface {
    fn default() -> Self {
        Self {
            inputs: any_object(),
            outputs: None,
            input_modalities: Vec::new(),
            output_modalities: Vec::new(),
            context_schema: None,
            conversation: None,
            streaming: None,
            errors: Vec::new(),
            expose: Vec::new(),
            examples: Vec::new(),
        }
    }
}

/// A form of what people and agents exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Modality {
    /// Words.
    Text,
    /// Pictures.
    Image,
    /// Sound.
    Audio,
    /// Moving pictures.
    Video,
    /// Files of any kind.
    File,
}

/// How one talks with the agent.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields, extend("x-aikit-not-executed" = ["greeting", "starters"]))]
pub struct Conversation {
    /// Whether there is more than one turn: with `multi`, a run of a chat sees the turns that this person had with the agent in
    /// the same session. An agent without `conversation` sees none.
    #[schemars(extend("default" = "multi"))]
    pub mode: Option<ConversationMode>,
    /// How many earlier turns are seen at most; 50 unless said otherwise.
    #[schemars(range(min = 1, max = 100_000))]
    pub max_turns: Option<u32>,
    /// What the agent says first.
    pub greeting: Option<String>,
    /// Beginnings that people can choose from.
    #[serde(default)]
    pub starters: Vec<Starter>,
}

/// Whether a conversation has more than one turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ConversationMode {
    /// There is no conversation: inputs go in, a result comes out.
    None,
    /// One question, one answer.
    Single,
    /// As many turns as one likes.
    Multi,
}

/// A beginning that people can choose.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Starter {
    /// What stands on the button.
    #[schemars(length(min = 1, max = 200))]
    pub title: String,
    /// What is said.
    #[schemars(length(min = 1, max = 10_000))]
    pub prompt: String,
}

/// What is told while a run goes on.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Streaming {
    /// Whether anything is told.
    #[schemars(extend("default" = true))]
    pub enabled: Option<bool>,
    /// What is told; everything unless said otherwise.
    #[serde(default)]
    pub events: Vec<StreamEvent>,
}

/// Something that is told while a run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StreamEvent {
    /// Pieces of answers.
    Token,
    /// Calls of tools.
    Tool,
    /// Beginning and end of steps.
    Step,
    /// Writes to the state.
    State,
    /// Tokens and cost.
    Usage,
}

/// An error of the agent's own.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct DeclaredError {
    /// Its code.
    pub code: Name,
    /// What it means.
    #[serde(default)]
    pub description: String,
    /// JSON Schema (2020-12) of its details.
    pub schema: Option<JsonSchemaObject>,
}

/// A way by which the agent can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Face {
    /// Notebooks.
    Kernel,
    /// The HTTP interface.
    Http,
    /// As a tool of the Model Context Protocol.
    Mcp,
    /// The Agent2Agent protocol.
    A2a,
}

/// One example of a call.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Example {
    /// The inputs.
    pub inputs: serde_json::Value,
    /// The result that is to be expected.
    pub outputs: Option<serde_json::Value>,
}

fn any_object() -> JsonSchemaObject {
    JsonSchemaObject(json!({"type": "object"}).as_object().cloned().unwrap_or_default())
}
