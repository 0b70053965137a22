use std::sync::Arc;

use aikit_runtime::ports::{ModelError, ModelProvider, ModelRequest, ModelResponse, ModelSink};
use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::{
    endpoint::Endpoint,
    http::Http,
    ollama_wire::{OllamaWire, encode},
};

/// A server of Ollama, by its own chat endpoint.
pub struct OllamaProvider {
    http: Arc<Http>,
    base_url: String,
}

impl OllamaProvider {
    pub(crate) fn new(http: Arc<Http>, base_url: String) -> Self {
        Self { http, base_url }
    }
}

#[async_trait]
impl ModelProvider for OllamaProvider {
    async fn generate(
        &self,
        request: &ModelRequest,
        sink: ModelSink<'_>,
        cancel: &CancellationToken,
    ) -> Result<ModelResponse, ModelError> {
        let base = request.base_url.as_deref().unwrap_or(&self.base_url);
        let endpoint = Endpoint::new("ollama", base, "/api/chat", request.api_key.clone())?;
        let body = encode(request);
        self.http.exchange(&endpoint, &body, OllamaWire::new(request), request.timeout, sink, cancel).await
    }
}
