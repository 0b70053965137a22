//! Models in a plan: how each is asked, what happens when one fails, and what an answer must fit.

use std::time::Duration;

use aikit_core::TextRange;
use serde_json::{Map, Value};

use super::{RetryPlan, ScriptPlan};
use crate::{
    agent::{FallbackReason, OutputMode, Penalties, Reasoning, Strategy},
    expr::Expr,
};

/// How long an answer may take where the document does not say it.
pub const MODEL_TIMEOUT: Duration = Duration::from_secs(60);

/// A declared model.
#[derive(Debug, Clone)]
pub struct ModelPlan {
    /// Name of the provider adapter.
    pub provider: String,
    /// The model at the provider.
    pub model: String,
    /// Endpoint, where declared.
    pub base_url: Option<String>,
    /// Name under `governance.security.secrets` of the credential, where declared.
    pub secret: Option<SecretSource>,
    /// Sampling.
    pub parameters: ModelParametersPlan,
    /// How long an answer may take.
    pub timeout: Duration,
    /// US dollars per million input and output tokens, where declared.
    pub pricing: Option<(f64, f64)>,
    /// How a request is tried again.
    pub retry: Option<RetryPlan>,
    /// What goes into every request besides.
    pub extra: Map<String, Value>,
    /// Where it is declared.
    pub range: TextRange,
}

impl ModelPlan {
    /// A model of which nothing but its name is known.
    pub fn new(provider: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            provider: provider.into(),
            model: model.into(),
            base_url: None,
            secret: None,
            parameters: ModelParametersPlan::default(),
            timeout: MODEL_TIMEOUT,
            pricing: None,
            retry: None,
            extra: Map::new(),
            range: TextRange::default(),
        }
    }
}

/// Where a credential comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// An environment variable that the operator lets through.
    Env(String),
    /// The tenant's configuration.
    Tenant(String),
    /// A place that this version does not read: a request that needs the credential fails.
    Unsupported(&'static str),
}

/// Sampling parameters as declared.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelParametersPlan {
    /// 0 to 2.
    pub temperature: Option<f64>,
    /// 0 to 1.
    pub top_p: Option<f64>,
    /// Upper bound of the answer.
    pub max_tokens: Option<u32>,
    /// Stop texts.
    pub stop: Vec<String>,
    /// Seed.
    pub seed: Option<u64>,
    /// How many probable words are considered.
    pub top_k: Option<u32>,
    /// How much the model thinks first.
    pub reasoning: Option<Reasoning>,
    /// What keeps it from saying things again.
    pub penalties: Penalties,
}

/// What a model's answer must fit.
#[derive(Debug, Clone)]
pub struct OutputPlan {
    /// JSON Schema of the answer.
    pub schema: Value,
    /// What happens to an answer that does not fit.
    pub on_invalid: OnInvalid,
    /// How many repairs or retries at most.
    pub max_repairs: u32,
    /// How the model is brought to keep the form.
    pub mode: OutputMode,
    /// How the answer is read.
    pub parser: ParserPlan,
}

impl OutputPlan {
    /// An answer in JSON, repaired at most twice.
    pub fn json(schema: Value) -> Self {
        Self { schema, on_invalid: OnInvalid::Repair, max_repairs: 2, mode: OutputMode::Auto, parser: ParserPlan::Json }
    }
}

/// How an answer is read.
#[derive(Debug, Clone)]
pub enum ParserPlan {
    /// As JSON.
    Json,
    /// As it is.
    Text,
    /// By a regular expression.
    Regex(String),
    /// As XML.
    Xml,
    /// By a script, which finds the answer in `ctx.inputs.answer`.
    Script(ScriptPlan),
}

/// What happens to an answer that does not fit its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnInvalid {
    /// The model is shown its answer and the violations.
    Repair,
    /// The same request again.
    Retry,
    /// The step fails.
    Fail,
}

/// Who is asked in place of the model that was meant.
#[derive(Debug, Clone, Default)]
pub struct RoutingPlan {
    /// Models under conditions, for steps that name none: the first that holds counts.
    pub routes: Vec<(Expr, String)>,
    /// Models that follow one that failed, and the reasons for which each does; none stands for all.
    pub fallbacks: Vec<(String, Vec<FallbackReason>)>,
}

/// How an agent thinks.
#[derive(Debug, Clone)]
pub struct CognitionPlan {
    /// How it goes about its work.
    pub strategy: Strategy,
    /// Whether it calls tools.
    pub tool_choice: ToolChoicePlan,
    /// When it stops.
    pub stop_when: Option<Expr>,
}

/// Whether a model calls tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoicePlan {
    /// As it sees fit.
    Auto,
    /// Never.
    None,
    /// At least one, before it answers.
    Required,
    /// This one, before it answers.
    Tool(String),
}
