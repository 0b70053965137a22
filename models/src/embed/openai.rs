use std::sync::Arc;

use aikit_core::{ErrorKind, RunError};
use aikit_runtime::ports::{EmbedRequest, EmbedResponse, Embedder, ModelError};
use async_trait::async_trait;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::wire::{EmbedWire, Format};
use crate::{
    endpoint::Endpoint,
    http::Http,
    openai_wire::server_error,
    wire::{status_error, text_of},
};

/// OpenAI's embeddings, and servers that follow them.
pub struct OpenAiEmbedder {
    name: &'static str,
    http: Arc<Http>,
    base_url: Option<String>,
}

impl OpenAiEmbedder {
    /// The embedder under `name`. Without `base_url` every request has to bring its own.
    pub(crate) fn new(name: &'static str, http: Arc<Http>, base_url: Option<String>) -> Self {
        Self { name, http, base_url }
    }
}

const FORMAT: Format = Format { vectors, tokens: |document| document["usage"]["prompt_tokens"].as_u64(), failed };

/// The vectors in the order of their indices, which is not always that of the list.
fn vectors(document: &Value) -> Option<Vec<&Value>> {
    let mut data: Vec<&Value> = document["data"].as_array()?.iter().collect();
    data.sort_by_key(|entry| entry["index"].as_u64());
    data.into_iter().map(|entry| entry.get("embedding")).collect()
}

fn failed(endpoint: &Endpoint, _: &str, status: u16, document: &Value) -> RunError {
    match document.get("error") {
        Some(error) => server_error(endpoint, status, error),
        None => status_error(endpoint, status, text_of(document, &["message", "detail"])),
    }
}

#[async_trait]
impl Embedder for OpenAiEmbedder {
    async fn embed(&self, request: &EmbedRequest, cancel: &CancellationToken) -> Result<EmbedResponse, ModelError> {
        let base = request.base_url.as_deref().or(self.base_url.as_deref()).ok_or_else(|| {
            RunError::new(ErrorKind::ProviderInvalid, format!("a model of `{}` needs a `base_url`", self.name))
                .with_help("For example `base_url: http://127.0.0.1:8000/v1`.")
        })?;
        let endpoint = Endpoint::new(self.name, base, "/embeddings", request.api_key.clone())?;
        let body = json!({ "model": request.model, "input": request.texts, "encoding_format": "float" });
        let wire = EmbedWire::new(&FORMAT, request);
        self.http.exchange(&endpoint, &body, wire, request.timeout, &mut |_| {}, cancel).await
    }
}
