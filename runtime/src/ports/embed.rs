use std::time::Duration;

use aikit_core::record::Usage;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::{ModelError, Secret};

/// One request for vectors. Everything but the credential is journalled and part of the request digest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EmbedRequest {
    /// The provider's name, for example `hashing`, `openai`, `ollama`.
    pub provider: String,
    /// The model's name at the provider.
    pub model: String,
    /// Endpoint, where it is not the provider's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The texts, at least one.
    pub texts: Vec<String>,
    /// How long the whole answer may take.
    pub timeout: Duration,
    /// The credential; never serialised.
    #[serde(skip)]
    pub api_key: Option<Secret>,
}

/// The vectors of a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EmbedResponse {
    /// One vector for each text, in the order of the request, all of one length.
    pub vectors: Vec<Vec<f32>>,
    /// Tokens; money is computed by the runtime from the declared pricing.
    pub usage: Usage,
    /// The model that really answered, as the provider names it.
    pub model: String,
}

/// An adapter that turns texts into vectors: one wire format.
#[async_trait]
pub trait Embedder: Send + Sync {
    /// Turns texts into vectors. Does not retry.
    async fn embed(&self, request: &EmbedRequest, cancel: &CancellationToken) -> Result<EmbedResponse, ModelError>;
}
