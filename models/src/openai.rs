use std::sync::Arc;

use aikit_core::{ErrorKind, RunError};
use aikit_runtime::ports::{ModelError, ModelProvider, ModelRequest, ModelResponse, ModelSink};
use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::{
    endpoint::Endpoint,
    http::Http,
    openai_wire::{OpenAiWire, encode},
};

/// Servers that speak OpenAI's chat completions: OpenAI itself, and the many that follow it.
pub struct OpenAiProvider {
    name: &'static str,
    http: Arc<Http>,
    base_url: Option<String>,
}

impl OpenAiProvider {
    /// The provider under `name`. Without `base_url` every request has to bring its own.
    pub(crate) fn new(name: &'static str, http: Arc<Http>, base_url: Option<String>) -> Self {
        Self { name, http, base_url }
    }
}

#[async_trait]
impl ModelProvider for OpenAiProvider {
    async fn generate(
        &self,
        request: &ModelRequest,
        sink: ModelSink<'_>,
        cancel: &CancellationToken,
    ) -> Result<ModelResponse, ModelError> {
        let base = request.base_url.as_deref().or(self.base_url.as_deref()).ok_or_else(|| {
            RunError::new(ErrorKind::ProviderInvalid, format!("a model of `{}` needs a `base_url`", self.name))
                .with_help("For example `base_url: http://127.0.0.1:8000/v1`.")
        })?;
        let endpoint = Endpoint::new(self.name, base, "/chat/completions", request.api_key.clone())?;
        let limit_key = match endpoint.url.host_str() {
            Some("api.openai.com") => "max_completion_tokens",
            _ => "max_tokens",
        };
        let body = encode(request, limit_key);
        self.http.exchange(&endpoint, &body, OpenAiWire::new(request), request.timeout, sink, cancel).await
    }
}
