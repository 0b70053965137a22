//! Requests, and what came of them.

use std::{path::Path, time::Duration};

use aikit_models::{HttpConfig, ModelsConfig, Registry};
use aikit_runtime::ports::{
    Message, ModelDelta, ModelError, ModelParameters, ModelRequest, ModelResponse, Models, OutputForm, Role, Secret,
};
use tokio_util::sync::CancellationToken;

/// A request with one message of the user.
pub fn request(model: &str, user: &str) -> ModelRequest {
    let (provider, model) = model.split_once('/').unwrap();
    ModelRequest {
        provider: provider.to_string(),
        model: model.to_string(),
        base_url: None,
        messages: vec![Message::text(Role::User, user)],
        tools: Vec::new(),
        output_schema: None,
        output_form: OutputForm::Native,
        tool_choice: None,
        extra: Default::default(),
        parameters: ModelParameters::default(),
        timeout: Duration::from_secs(20),
        api_key: None,
    }
}

/// A request to a server, with a credential.
pub fn request_to(url: &str, model: &str) -> ModelRequest {
    ModelRequest {
        base_url: Some(url.to_string()),
        api_key: Some(Secret::new("sk-very-secret")),
        ..request(model, "Say hello.")
    }
}

/// A registry whose connections grow impatient quickly.
pub fn registry(scripts: Option<&Path>) -> Registry {
    Registry::new(ModelsConfig {
        scripts: scripts.map(Path::to_path_buf),
        http: HttpConfig {
            idle_timeout: Duration::from_millis(400),
            max_response_bytes: 2 << 20,
            // Nothing listens there: a request to this machine that used it would fail.
            proxy: Some("http://127.0.0.1:1".to_string()),
            ..HttpConfig::default()
        },
        ..ModelsConfig::default()
    })
}

/// What a request led to.
pub struct Outcome {
    pub result: Result<ModelResponse, ModelError>,
    pub streamed: Vec<ModelDelta>,
}

impl Outcome {
    /// The text that streamed.
    pub fn text(&self) -> String {
        self.streamed.iter().map(|delta| if let ModelDelta::Text(text) = delta { text } else { "" }).collect()
    }

    pub fn response(&self) -> &ModelResponse {
        self.result.as_ref().unwrap_or_else(|error| panic!("{}", error.error))
    }

    /// `code: message` of the error.
    pub fn error(&self) -> String {
        let error = &self.result.as_ref().expect_err("an error").error;
        assert!(!format!("{error:?}").contains("sk-very-secret"), "{error:?}");
        format!("{}: {}", error.kind, error.message)
    }

    pub fn help(&self) -> &str {
        self.result.as_ref().expect_err("an error").error.help.as_deref().unwrap_or_default()
    }
}

pub async fn ask(registry: &Registry, request: &ModelRequest) -> Outcome {
    ask_until(registry, request, &CancellationToken::new()).await
}

pub async fn ask_until(registry: &Registry, request: &ModelRequest, cancel: &CancellationToken) -> Outcome {
    let provider = registry.provider(&request.provider).expect("a provider");
    let mut streamed = Vec::new();
    let mut sink = |delta| streamed.push(delta);
    let result = provider.generate(request, &mut sink, cancel).await;
    Outcome { result, streamed }
}
