//! What a model is shown besides its prompt.

use super::ModelPlan;
use crate::{
    agent::{CompressionMethod, LayerPriority},
    expr::Expr,
    template::Template,
};

/// `context_policy` without `rag`.
#[derive(Debug, Clone)]
pub struct ContextPlan {
    /// Tokens that a request may have, the answer included; without it nothing leaves.
    pub window: Option<u32>,
    /// Tokens of those that are kept free for the answer.
    pub reserve: u32,
    /// Whether old messages stay when they fit the question better than newer ones.
    pub by_relevance: bool,
    /// Parts of the context, in order.
    pub layers: Vec<LayerPlan>,
    /// How long conversations become shorter.
    pub compression: Option<CompressionPlan>,
    /// Whether memories, knowledge and files stay out of the system prompt.
    pub quarantine: bool,
}

/// A part of the context.
#[derive(Debug, Clone)]
pub struct LayerPlan {
    /// Its name.
    pub name: String,
    /// Where it comes from.
    pub source: LayerPlanSource,
    /// What leaves first.
    pub priority: LayerPriority,
    /// Whether it always stays.
    pub pinned: bool,
    /// Tokens at most.
    pub max_tokens: Option<u32>,
    /// It is there only if this holds.
    pub when: Option<Expr>,
    /// Whether it stands behind the conversation.
    pub at_end: bool,
}

/// Where a part of the context comes from.
#[derive(Debug, Clone)]
pub enum LayerPlanSource {
    /// The document.
    Text(Template),
    /// A file of the workspace.
    File(String),
    /// Memories that fit the question.
    Memory,
    /// Passages of a knowledge base that fit the question; of all of them.
    Knowledge(Option<String>),
    /// What this version does not execute: the step fails.
    Unsupported(&'static str),
}

/// How a conversation becomes shorter.
#[derive(Debug, Clone)]
pub struct CompressionPlan {
    /// How full the window has to be, from 0 to 1.
    pub trigger: f64,
    /// How it is done.
    pub method: CompressionMethod,
    /// The model that sums up.
    pub model: Option<ModelPlan>,
    /// Messages at the end that stay.
    pub keep_last: usize,
}
