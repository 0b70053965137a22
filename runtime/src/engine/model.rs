//! One request to a model: the adapter is found, the credential resolved, the answer priced.

use aikit_core::{ErrorKind, RunError, record::Usage};
use aikit_spec::{
    agent::Reasoning,
    plan::{ModelPlan, SecretSource},
    words::environment,
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{Ports, retry};
use crate::ports::{Effort, Message, ModelDelta, ModelParameters, ModelRequest, ModelResponse, OutputForm, ToolSpec};

/// Builds a request. The credential is not resolved yet, so the request can be journalled as it is.
pub(super) fn request(
    model: &ModelPlan,
    messages: Vec<Message>,
    tools: Vec<ToolSpec>,
    output_schema: Option<Value>,
) -> ModelRequest {
    let p = &model.parameters;
    let effort = |reasoning| match reasoning {
        Reasoning::Off => Effort::Off,
        Reasoning::Low => Effort::Low,
        Reasoning::Medium => Effort::Medium,
        Reasoning::High => Effort::High,
    };
    let bound = model.retry.as_ref().and_then(|retry| retry.request_timeout);
    ModelRequest {
        provider: model.provider.clone(),
        model: model.model.clone(),
        base_url: model.base_url.clone(),
        messages,
        tools,
        output_schema,
        output_form: OutputForm::Native,
        tool_choice: None,
        parameters: ModelParameters {
            temperature: p.temperature,
            top_p: p.top_p,
            max_tokens: p.max_tokens,
            stop: p.stop.clone(),
            seed: p.seed,
            top_k: p.top_k,
            reasoning: p.reasoning.map(effort),
            presence_penalty: p.penalties.presence,
            frequency_penalty: p.penalties.frequency,
            repetition_penalty: p.penalties.repetition,
        },
        extra: model.extra.clone(),
        timeout: bound.map_or(model.timeout, |bound| bound.min(model.timeout)),
        api_key: None,
    }
}

/// Sends a request and prices the answer.
pub(super) async fn call(
    ports: &Ports,
    model: &ModelPlan,
    mut request: ModelRequest,
    on_text: &(dyn Fn(&str) + Send + Sync),
    cancel: &CancellationToken,
) -> Result<(ModelResponse, Usage), RunError> {
    let provider = ports.models.provider(&model.provider).ok_or_else(|| {
        let message = match ports.models.embedder(&model.provider) {
            Some(_) => format!("`{}` turns texts into vectors and answers nothing", model.provider),
            None => format!("there is no model provider `{}`", model.provider),
        };
        RunError::new(ErrorKind::ProviderInvalid, message)
            .with_help(format!("known providers: {}", ports.models.names().join(", ")))
    })?;
    if let Some(source) = &model.secret {
        request.api_key = Some(ports.secrets.resolve(source)?);
    }
    // The journal holds what the document says; the address itself is known here only.
    if let Some((name, default)) = request.base_url.as_deref().and_then(environment) {
        request.base_url = Some(match (ports.secrets.resolve(&SecretSource::Env(name.to_owned())), default) {
            (Ok(value), _) => value.reveal().to_owned(),
            (Err(_), Some(default)) => default.to_owned(),
            (Err(error), None) => return Err(error),
        });
    }
    let mut sink = |delta: ModelDelta| {
        if let ModelDelta::Text(text) = delta {
            on_text(&text);
        }
    };
    let response =
        provider.generate(&request, &mut sink, cancel).await.map_err(|failure| match failure.retry_after {
            Some(wait) => retry::asked_to_wait(failure.error, wait),
            None => failure.error,
        })?;
    let mut usage = response.usage;
    super::cost(&mut usage, model.pricing);
    Ok((response, usage))
}

/// The model that `provider/model` names, with default settings.
pub(crate) fn by_name(name: &str) -> Result<ModelPlan, RunError> {
    let (provider, model) = name.split_once('/').filter(|(p, m)| !p.is_empty() && !m.is_empty()).ok_or_else(|| {
        RunError::new(ErrorKind::ProviderInvalid, format!("`{name}` is not a model"))
            .with_help("write `provider/model`, for example `ollama/qwen3` or `scripted/auto`")
    })?;
    Ok(ModelPlan::new(provider, model))
}

/// The simulated model that needs nothing.
pub(crate) fn scripted() -> ModelPlan {
    ModelPlan::new("scripted", "auto")
}
