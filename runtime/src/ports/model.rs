use std::{fmt, sync::Arc, time::Duration};

use aikit_core::{RunError, record::Usage};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::Embedder;

/// A credential. It has no `Serialize` and prints as dots, so that it reaches no log, journal or output by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a credential.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The credential itself, for the one line that puts it on the wire.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Who speaks in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions of the agent's author.
    System,
    /// The person or the caller.
    User,
    /// The model.
    Assistant,
    /// The result of a tool call.
    Tool,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// The text; empty for an assistant that only calls tools.
    pub content: String,
    /// Calls that the assistant asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// For [`Role::Tool`]: the call that this answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// What the provider wants to see again with this message, as [`ModelResponse::continuation`] gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continuation: Option<Value>,
}

impl Message {
    /// A message of plain text.
    pub fn text(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: content.into(), tool_calls: Vec::new(), tool_call_id: None, continuation: None }
    }

    /// An answer as a message of the conversation that goes on.
    pub fn answered(response: &ModelResponse) -> Self {
        Self {
            tool_calls: response.tool_calls.clone(),
            continuation: response.continuation.clone(),
            ..Self::text(Role::Assistant, response.content.clone())
        }
    }
}

/// A tool call that a model asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The provider's id of the call, or one that the adapter made up.
    pub id: String,
    /// The tool.
    pub name: String,
    /// Its arguments. What is not valid JSON arrives as [`Value::String`] with the raw text.
    pub arguments: Value,
}

/// A tool as a model is told of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolSpec {
    /// The name that the model calls.
    pub name: String,
    /// What it is good for.
    pub description: String,
    /// JSON Schema of its arguments.
    pub parameters: Value,
}

/// Sampling parameters; those not set are left to the provider.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ModelParameters {
    /// 0 to 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Upper bound of the answer, in tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// Texts at which the model stops.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    /// Seed, where the provider has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// How many probable words are considered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u32>,
    /// How much the model thinks before it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<Effort>,
    /// For words that were said at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    /// For words, by how often they were said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
    /// The factor that some providers use instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repetition_penalty: Option<f64>,
}

/// How much a model thinks before it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effort {
    /// Not at all.
    Off,
    /// A little.
    Low,
    /// Somewhat.
    Medium,
    /// A lot.
    High,
}

impl Effort {
    /// The word that providers share; none of them for [`Effort::Off`].
    pub fn word(self) -> Option<&'static str> {
        match self {
            Effort::Off => None,
            Effort::Low => Some("low"),
            Effort::Medium => Some("medium"),
            Effort::High => Some("high"),
        }
    }
}

/// Whether a model calls tools, where it is not free to choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ToolChoice {
    /// It calls none.
    None,
    /// It calls at least one.
    Required,
    /// It calls this one.
    Tool(String),
}

/// Who sees to it that an answer has the form of [`ModelRequest::output_schema`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputForm {
    /// The provider, as well as it can.
    #[default]
    Native,
    /// The provider, word by word: an answer that does not fit cannot be written.
    Strict,
    /// The conversation itself: it offers a tool that takes the answer, or says in words what is wanted.
    Told,
}

impl OutputForm {
    fn is_native(&self) -> bool {
        *self == OutputForm::Native
    }
}

/// One request to a model. Everything but the credential is journalled and part of the request digest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelRequest {
    /// The provider's name, for example `scripted`, `openai`, `ollama`.
    pub provider: String,
    /// The model's name at the provider.
    pub model: String,
    /// Endpoint, where it is not the provider's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The conversation.
    pub messages: Vec<Message>,
    /// Tools that the model may call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolSpec>,
    /// JSON Schema that the answer has to fit, where one is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Value>,
    /// Who sees to it that the answer fits the schema.
    #[serde(default, skip_serializing_if = "OutputForm::is_native")]
    pub output_form: OutputForm,
    /// Whether the model calls tools; unless said otherwise as it sees fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoice>,
    /// Sampling.
    #[serde(default)]
    pub parameters: ModelParameters,
    /// What goes into the request besides, as the provider understands it; never in place of what stands here.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
    /// How long the whole answer may take.
    pub timeout: Duration,
    /// The credential; never serialised.
    #[serde(skip)]
    pub api_key: Option<Secret>,
}

impl ModelRequest {
    /// The schema that the provider is to see to.
    pub fn native_schema(&self) -> Option<&Value> {
        self.output_schema.as_ref().filter(|_| self.output_form != OutputForm::Told)
    }
}

/// Why a model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// It was done.
    Stop,
    /// It asks for tool calls.
    ToolCalls,
    /// It reached `max_tokens`.
    Length,
}

/// A complete answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelResponse {
    /// The text; may be empty when tools are called.
    pub content: String,
    /// Tool calls that the model asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// Why it stopped.
    pub stop: StopReason,
    /// Tokens; money is computed by the runtime from the declared pricing.
    pub usage: Usage,
    /// The model that really answered, as the provider names it.
    pub model: String,
    /// What the provider wants to see again when the conversation goes on, in its own form: signatures of thoughts, say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continuation: Option<Value>,
    /// Whether no real model was asked. Shown wherever the answer is shown.
    #[serde(default)]
    pub simulated: bool,
}

/// A piece of an answer that is still being written.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelDelta {
    /// More text.
    Text(String),
    /// The model began to write a call of this tool.
    ToolCallStarted {
        /// The tool.
        name: String,
    },
}

/// Receives the pieces of an answer as they arrive.
pub type ModelSink<'a> = &'a mut (dyn FnMut(ModelDelta) + Send);

/// What a provider reports on failure: a [`RunError`] of the `provider.*` kinds and how long to wait.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelError {
    /// What happened; kinds `provider.*` or `cancelled`.
    pub error: RunError,
    /// What the provider asked us to wait (`retry-after`).
    pub retry_after: Option<Duration>,
}

impl From<RunError> for ModelError {
    fn from(error: RunError) -> Self {
        Self { error, retry_after: None }
    }
}

/// An adapter of the model port: one wire format.
#[async_trait]
pub trait ModelProvider: Send + Sync {
    /// Sends a request and streams the answer into `sink`. Returns when the answer is complete, the request failed,
    /// its timeout passed, or `cancel` fired (promptly, with the connection closed). Does not retry.
    async fn generate(
        &self,
        request: &ModelRequest,
        sink: ModelSink<'_>,
        cancel: &CancellationToken,
    ) -> Result<ModelResponse, ModelError>;
}

/// The providers that a session may use.
pub trait Models: Send + Sync {
    /// The adapter of this name, for example `scripted`, `openai`, `ollama`.
    fn provider(&self, name: &str) -> Option<Arc<dyn ModelProvider>>;

    /// All names, for completion and error messages.
    fn names(&self) -> Vec<String>;

    /// The adapter of this name that turns texts into vectors, where the provider has one.
    fn embedder(&self, name: &str) -> Option<Arc<dyn Embedder>> {
        let _ = name;
        None
    }
}

/// A schema as the arguments of a tool, which are an object: any other value becomes the property `answer`. Says as well
/// whether it did.
pub fn as_arguments(schema: &Value) -> (Value, bool) {
    match schema.get("type").and_then(Value::as_str) {
        Some("object") => (schema.clone(), false),
        _ => {
            let wrapped =
                serde_json::json!({ "type": "object", "properties": { "answer": schema }, "required": ["answer"] });
            (wrapped, true)
        }
    }
}
