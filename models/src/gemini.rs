use std::sync::Arc;

use aikit_core::{ErrorKind, RunError};
use aikit_runtime::ports::{ModelError, ModelProvider, ModelRequest, ModelResponse, ModelSink};
use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::{
    endpoint::Endpoint,
    gemini_wire::{GeminiWire, encode},
    http::Http,
};

/// Google's Gemini API.
pub struct GeminiProvider {
    http: Arc<Http>,
    base_url: String,
}

impl GeminiProvider {
    pub(crate) fn new(http: Arc<Http>, base_url: String) -> Self {
        Self { http, base_url }
    }
}

#[async_trait]
impl ModelProvider for GeminiProvider {
    async fn generate(
        &self,
        request: &ModelRequest,
        sink: ModelSink<'_>,
        cancel: &CancellationToken,
    ) -> Result<ModelResponse, ModelError> {
        let base = request.base_url.as_deref().unwrap_or(&self.base_url);
        let model = &request.model;
        // The name is part of the address.
        if model.contains("..") || model.contains(|c: char| !(c.is_ascii_alphanumeric() || "-_./".contains(c))) {
            let message = format!("`{model}` is not the name of a model of `gemini`");
            return Err(RunError::new(ErrorKind::ProviderInvalid, message)
                .with_help("For example `gemini-2.5-flash` or `tunedModels/my-model`.")
                .into());
        }
        let folder = if model.contains('/') { "" } else { "models/" };
        let path = format!("/{folder}{model}:streamGenerateContent?alt=sse");
        let endpoint = Endpoint {
            key_header: Some("x-goog-api-key"),
            ..Endpoint::new("gemini", base, &path, request.api_key.clone())?
        };
        self.http.exchange(&endpoint, &encode(request), GeminiWire::new(request), request.timeout, sink, cancel).await
    }
}
