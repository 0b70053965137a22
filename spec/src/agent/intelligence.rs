use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    agent::Retry,
    words::{
        DurationText, ExprText, FilePath, HttpUrl, JsCode, JsonSchemaObject, LuaCode, ModelRef, Name, PromptName,
        ProviderRef, SecretRef, TemplateText, by_json_type,
    },
};

/// The models, the prompts and the form of the answer.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend())]
pub struct Intelligence {
    /// Models by name.
    #[serde(default)]
    pub models: BTreeMap<Name, Model>,
    /// The model that is used where a step names none: a declared one, or `provider/model`. Without it the declared model
    /// `default`, or the only one, or `scripted/auto`, which answers offline and by rule.
    pub model: Option<ModelRef>,
    /// The model that turns texts into vectors, for memories and knowledge; `hashing/384`, which needs no network, unless said
    /// otherwise.
    pub embedding_model: Option<ModelRef>,
    /// The model that makes long conversations shorter.
    pub compression_model: Option<ModelRef>,
    /// The model that judges answers in tests.
    pub judge_model: Option<ModelRef>,
    /// Other models under conditions; the first that holds counts.
    #[serde(default)]
    pub routing: Vec<Route>,
    /// Models that are asked when the first one fails, in order.
    #[serde(default)]
    pub fallback_models: Vec<Fallback>,
    /// What the models are told.
    #[serde(default)]
    pub prompts: Prompts,
    /// The form that an answer must have.
    pub output: Option<Output>,
    /// How the agent thinks.
    #[serde(default)]
    pub cognition: Cognition,
}

/// A model and how it is asked.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend("x-aikit-not-executed" = ["capabilities"]))]
pub struct Model {
    /// Who runs the model.
    pub provider: ProviderRef,
    /// The model's name at the provider.
    #[schemars(length(min = 1, max = 200))]
    pub model: String,
    /// The provider's address, where it is not the usual one.
    pub base_url: Option<HttpUrl>,
    /// The credential, by its name under `governance.security.secrets`.
    pub secret: Option<SecretRef>,
    /// Sampling.
    #[serde(default)]
    pub parameters: ModelParameters,
    /// How long an answer may take; 60 seconds unless said otherwise.
    pub timeout: Option<DurationText>,
    /// What the model costs.
    pub pricing: Option<Pricing>,
    /// What the model can do, where aikit does not know it.
    #[serde(default)]
    pub capabilities: Vec<ModelCapability>,
    /// Tries again when a request fails in a way that may pass.
    pub retry: Option<Retry>,
    /// What goes into every request besides, as the provider understands it.
    #[serde(default)]
    pub extra: Map<String, Value>,
}

/// What a model can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ModelCapability {
    /// It calls tools.
    Tools,
    /// It answers in the form of a schema.
    StructuredOutput,
    /// It answers piece by piece.
    Streaming,
    /// It sees pictures.
    Vision,
    /// It hears.
    Audio,
    /// It thinks before it answers.
    Reasoning,
    /// It turns texts into vectors.
    Embedding,
}

/// Another model under a condition.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Route {
    /// A CEL condition.
    pub when: ExprText,
    /// The model.
    pub model: ModelRef,
}

/// A model that is asked when the one before it fails.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Fallback {
    /// The model.
    pub model: ModelRef,
    /// Why the one before it failed; any of these unless said otherwise.
    #[serde(default)]
    pub on: Vec<FallbackReason>,
}

/// Why a model failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FallbackReason {
    /// It was asked too often.
    RateLimit,
    /// It took too long.
    Timeout,
    /// It could not be reached.
    Unavailable,
    /// It did not want to.
    Refusal,
    /// Its answer did not fit.
    InvalidOutput,
}

/// Sampling.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ModelParameters {
    /// How freely the model chooses: 0 is strict, 2 is wild.
    #[schemars(range(min = 0, max = 2))]
    pub temperature: Option<f64>,
    /// The share of probable words that is considered.
    #[schemars(range(min = 0, max = 1))]
    pub top_p: Option<f64>,
    /// Length of the answer at most, in tokens.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub max_tokens: Option<u32>,
    /// Texts that end the answer.
    #[serde(default)]
    #[schemars(length(max = 16))]
    pub stop: Vec<String>,
    /// Makes answers repeatable where the provider can.
    #[schemars(range(max = 9_007_199_254_740_991u64))]
    pub seed: Option<u64>,
    /// How many probable words are considered.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub top_k: Option<u32>,
    /// How much the model thinks before it answers.
    pub reasoning: Option<Reasoning>,
    /// What keeps the model from saying things again.
    pub penalties: Option<Penalties>,
}

/// How much a model thinks before it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Reasoning {
    /// Not at all.
    Off,
    /// A little.
    Low,
    /// Somewhat.
    Medium,
    /// A lot.
    High,
}

/// What keeps a model from saying things again.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Penalties {
    /// For words that were said at all.
    #[schemars(range(min = -2, max = 2))]
    pub presence: Option<f64>,
    /// For words, by how often they were said.
    #[schemars(range(min = -2, max = 2))]
    pub frequency: Option<f64>,
    /// The factor that some providers use instead.
    #[schemars(range(min = 0, max = 10))]
    pub repetition: Option<f64>,
}

/// US dollars per million tokens.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Pricing {
    /// For tokens that go in.
    #[schemars(range(min = 0))]
    pub input: f64,
    /// For tokens that come out.
    #[schemars(range(min = 0))]
    pub output: f64,
}

/// What the models are told.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Prompts {
    /// Told before everything else, in every conversation.
    pub system: Option<PromptUse>,
    /// Prompts by name, for use with `ref`.
    #[serde(default)]
    pub templates: BTreeMap<Name, Prompt>,
}

by_json_type! {
    /// A prompt: a text, or messages.
    pub enum Prompt {
        /// One text.
        is_string => Text(TemplateText),
        /// Messages in order.
        is_array => Messages(Vec<Message>),
    }
}

by_json_type! {
    /// A prompt: a text, messages, or a reference to a named one.
    pub enum PromptUse {
        /// One text.
        is_string => Text(TemplateText),
        /// A named prompt.
        is_object => Ref(PromptRef),
        /// Messages in order.
        is_array => Messages(Vec<Message>),
    }
}

/// A reference to a named prompt.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields, extend("oneOf" = [{"required": ["ref"]}, {"required": ["file"]}]))]
pub struct PromptRef {
    /// A name under `intelligence.prompts.templates`.
    #[serde(rename = "ref")]
    pub name: Option<PromptName>,
    /// A file of the workspace that holds the prompt.
    pub file: Option<FilePath>,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Message {
    /// Who says it.
    pub role: MessageRole,
    /// What is said.
    pub content: TemplateText,
}

/// Who says a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MessageRole {
    /// The agent's author.
    System,
    /// The person, or the step on their behalf.
    User,
    /// The model.
    Assistant,
}

impl MessageRole {
    /// The word in documents and plans.
    pub fn keyword(self) -> &'static str {
        match self {
            MessageRole::System => "system",
            MessageRole::User => "user",
            MessageRole::Assistant => "assistant",
        }
    }
}

/// The form that an answer must have.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend("dependentRequired" = {"lua": ["parser"], "js": ["parser"], "pattern": ["parser"]}))]
pub struct Output {
    /// JSON Schema (2020-12) of the answer.
    pub schema: JsonSchemaObject,
    /// What happens to an answer that does not fit.
    #[serde(default)]
    pub on_invalid: InvalidOutput,
    /// How many repairs or retries at most.
    #[serde(default = "two")]
    #[schemars(range(max = 10))]
    pub max_repairs: u32,
    /// How the model is brought to keep the form.
    #[schemars(extend("default" = "auto"))]
    pub mode: Option<OutputMode>,
    /// How the answer is read.
    #[schemars(extend("default" = "json"))]
    pub parser: Option<OutputParser>,
    /// For `regex`: the expression. Its named groups are the properties of the answer; without them the first group, or all
    /// that was found, is the answer.
    pub pattern: Option<String>,
    /// For `script`: Lua code that finds the text in `ctx.inputs.answer` and returns the answer.
    pub lua: Option<LuaCode>,
    /// For `script`: JavaScript code that finds the text in `ctx.inputs.answer`; its last expression is the answer.
    pub js: Option<JsCode>,
}

/// How a model is brought to keep the form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OutputMode {
    /// By the best way that the model knows.
    Auto,
    /// By the provider.
    Native,
    /// By a tool that takes the answer.
    Tool,
    /// By words.
    Prompted,
    /// By a grammar.
    Grammar,
}

/// How an answer is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OutputParser {
    /// As JSON.
    Json,
    /// As it is.
    Text,
    /// By a regular expression.
    Regex,
    /// By a script.
    Script,
    /// As XML.
    Xml,
}

fn two() -> u32 {
    2
}

/// What happens to an answer that does not fit its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum InvalidOutput {
    /// The model is shown its answer and what is wrong with it.
    #[default]
    Repair,
    /// The same request is sent again.
    Retry,
    /// The step fails.
    Fail,
}

/// How the agent thinks.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Cognition {
    /// How many rounds of model and tools at most.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_iterations: u32,
    /// How it goes about it.
    #[schemars(extend("default" = "direct"))]
    pub strategy: Option<Strategy>,
    /// Whether the model calls tools: `auto`, `none`, `required`, or the name of the one that it has to call.
    #[schemars(extend("default" = "auto"))]
    pub tool_choice: Option<Name>,
    /// A CEL condition; the agent stops when it holds.
    pub stop_when: Option<ExprText>,
}

/// How an agent goes about its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// It answers, and calls tools where it needs them.
    Direct,
    /// It thinks, acts and looks, in turns.
    React,
    /// It makes a plan first and follows it.
    PlanExecute,
    /// It looks at its answer and makes it better.
    Reflect,
}

impl Default for Cognition {
    fn default() -> Self {
        Self { max_iterations: ten(), strategy: None, tool_choice: None, stop_when: None }
    }
}

fn ten() -> u32 {
    10
}
