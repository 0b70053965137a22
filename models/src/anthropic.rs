use std::sync::Arc;

use aikit_runtime::ports::{ModelError, ModelProvider, ModelRequest, ModelResponse, ModelSink};
use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::{
    anthropic_wire::{AnthropicWire, encode},
    endpoint::Endpoint,
    http::Http,
};

/// Anthropic's Messages API, and servers that follow it.
pub struct AnthropicProvider {
    http: Arc<Http>,
    base_url: String,
}

impl AnthropicProvider {
    pub(crate) fn new(http: Arc<Http>, base_url: String) -> Self {
        Self { http, base_url }
    }
}

#[async_trait]
impl ModelProvider for AnthropicProvider {
    async fn generate(
        &self,
        request: &ModelRequest,
        sink: ModelSink<'_>,
        cancel: &CancellationToken,
    ) -> Result<ModelResponse, ModelError> {
        let base = request.base_url.as_deref().unwrap_or(&self.base_url).trim().trim_end_matches('/');
        let path = if base.ends_with("/v1") || base.ends_with("/messages") { "/messages" } else { "/v1/messages" };
        let endpoint = Endpoint {
            key_header: Some("x-api-key"),
            headers: &[("anthropic-version", "2023-06-01")],
            ..Endpoint::new("anthropic", base, path, request.api_key.clone())?
        };
        let body = encode(request)?;
        self.http.exchange(&endpoint, &body, AnthropicWire::new(request), request.timeout, sink, cancel).await
    }
}
