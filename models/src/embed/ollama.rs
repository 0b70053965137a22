use std::sync::Arc;

use aikit_runtime::ports::{EmbedRequest, EmbedResponse, Embedder, ModelError};
use async_trait::async_trait;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::wire::{EmbedWire, Format};
use crate::{endpoint::Endpoint, http::Http, ollama_wire::failed, wire::text_of};

/// Vectors of a server of Ollama.
pub struct OllamaEmbedder {
    http: Arc<Http>,
    base_url: String,
}

impl OllamaEmbedder {
    pub(crate) fn new(http: Arc<Http>, base_url: String) -> Self {
        Self { http, base_url }
    }
}

const FORMAT: Format = Format {
    vectors: |document| Some(document["embeddings"].as_array()?.iter().collect()),
    tokens: |document| document["prompt_eval_count"].as_u64(),
    failed: |endpoint, model, status, document| failed(endpoint, model, status, text_of(document, &["error"])),
};

#[async_trait]
impl Embedder for OllamaEmbedder {
    async fn embed(&self, request: &EmbedRequest, cancel: &CancellationToken) -> Result<EmbedResponse, ModelError> {
        let base = request.base_url.as_deref().unwrap_or(&self.base_url);
        let endpoint = Endpoint::new("ollama", base, "/api/embed", request.api_key.clone())?;
        let body = json!({ "model": request.model, "input": request.texts });
        let wire = EmbedWire::new(&FORMAT, request);
        self.http.exchange(&endpoint, &body, wire, request.timeout, &mut |_| {}, cancel).await
    }
}
