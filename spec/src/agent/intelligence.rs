use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::words::{
    DurationText, HttpUrl, JsonSchemaObject, ModelRef, Name, PromptName, ProviderRef, SecretRef, TemplateText,
    by_json_type,
};

/// The models, the prompts and the form of the answer.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend("x-aikit-planned" = [
    "compression_model", "embedding_model", "fallback_models", "judge_model", "routing",
]))]
pub struct Intelligence {
    /// Models by name.
    #[serde(default)]
    pub models: BTreeMap<Name, Model>,
    /// The model that is used where a step names none: a declared one, or `provider/model`. Without it the declared model
    /// `default`, or the only one, or `scripted/auto`, which answers offline and by rule.
    pub model: Option<ModelRef>,
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
#[schemars(extend("x-aikit-planned" = ["capabilities", "extra", "retry"]))]
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
}

/// Sampling.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend("x-aikit-planned" = ["penalties", "reasoning", "top_k"]))]
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
#[schemars(deny_unknown_fields, extend("x-aikit-planned" = ["file"]))]
pub struct PromptRef {
    /// A name under `intelligence.prompts.templates`.
    #[serde(rename = "ref")]
    pub name: PromptName,
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
#[schemars(extend("x-aikit-planned" = ["mode", "parser"]))]
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
#[schemars(extend("x-aikit-planned" = ["stop_when", "strategy", "tool_choice"]))]
pub struct Cognition {
    /// How many rounds of model and tools at most.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_iterations: u32,
}

impl Default for Cognition {
    fn default() -> Self {
        Self { max_iterations: ten() }
    }
}

fn ten() -> u32 {
    10
}
