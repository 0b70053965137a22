//! The models of a case: what the script says, or the scripted model by its rules.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use aikit_core::{ErrorKind, RunError, record::Usage};
use aikit_spec::{plan::SecretSource, test_suite::ScriptedReply};
use async_trait::async_trait;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::ports::{
    Embedder, ModelDelta, ModelError, ModelProvider, ModelRequest, ModelResponse, ModelSink, Models, Secret, Secrets,
    StopReason, ToolCall,
};

/// No model is asked, so no credential is needed.
pub(super) struct NoSecrets;

impl Secrets for NoSecrets {
    fn resolve(&self, _: &SecretSource) -> Result<Secret, RunError> {
        Ok(Secret::new(""))
    }
}

/// The models of a case: whatever the document names, the script answers, or the scripted model by its rules.
pub(super) struct CaseModels {
    models: Arc<dyn Models>,
    script: Option<Arc<CaseScript>>,
}

/// What the models say, in order.
pub(super) struct CaseScript(Mutex<VecDeque<ScriptedReply>>);

impl CaseModels {
    pub(super) fn new(models: Arc<dyn Models>, script: Option<Vec<ScriptedReply>>) -> Self {
        Self { models, script: script.map(|replies| Arc::new(CaseScript(Mutex::new(replies.into())))) }
    }

    /// How many replies nobody asked for.
    pub(super) fn left(&self) -> usize {
        self.script.as_ref().map_or(0, |script| script.0.lock().unwrap_or_else(PoisonError::into_inner).len())
    }
}

impl Models for CaseModels {
    fn provider(&self, name: &str) -> Option<Arc<dyn ModelProvider>> {
        // A provider that does not exist is no better in a test.
        self.models.provider(name)?;
        match &self.script {
            Some(script) => Some(script.clone()),
            None => Some(Arc::new(ByRule(self.models.provider("scripted")?))),
        }
    }

    fn names(&self) -> Vec<String> {
        self.models.names()
    }

    fn embedder(&self, name: &str) -> Option<Arc<dyn Embedder>> {
        self.models.embedder(name)?;
        // Hashing stands in for every other one, whatever its model is called.
        self.models.embedder("hashing")
    }
}

/// The scripted model in place of any other.
struct ByRule(Arc<dyn ModelProvider>);

#[async_trait]
impl ModelProvider for ByRule {
    async fn generate(
        &self,
        request: &ModelRequest,
        sink: ModelSink<'_>,
        cancel: &CancellationToken,
    ) -> Result<ModelResponse, ModelError> {
        let request = ModelRequest { provider: "scripted".into(), model: "auto".into(), ..request.clone() };
        self.0.generate(&request, sink, cancel).await
    }
}

#[async_trait]
impl ModelProvider for CaseScript {
    async fn generate(
        &self,
        request: &ModelRequest,
        sink: ModelSink<'_>,
        _: &CancellationToken,
    ) -> Result<ModelResponse, ModelError> {
        let reply = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some(reply) = reply else {
            let message = "the case has no reply left for this request";
            return Err(RunError::new(ErrorKind::ProviderUnavailable, message).with_help("add one to `script`").into());
        };
        let (content, tool_calls) = match reply {
            ScriptedReply::Text(text) => (text, Vec::new()),
            ScriptedReply::Full(answer) => {
                if let Some(code) = &answer.error {
                    return Err(RunError::raised(&code.0, "the case lets this request fail").into());
                }
                let calls = answer.tool_calls.iter().enumerate().map(|(at, call)| ToolCall {
                    id: format!("call-{}-{}", request.messages.len(), at + 1),
                    name: call.tool.call_name(),
                    arguments: Value::Object(call.args.clone()),
                });
                let text = answer.text.clone().or_else(|| answer.json.as_ref().map(ToString::to_string));
                (text.unwrap_or_default(), calls.collect())
            }
        };
        sink(ModelDelta::Text(content.clone()));
        let stop = if tool_calls.is_empty() { StopReason::Stop } else { StopReason::ToolCalls };
        let usage = Usage { output_tokens: content.split_whitespace().count() as u64, ..Usage::default() };
        Ok(ModelResponse {
            content,
            tool_calls,
            stop,
            usage,
            model: request.model.clone(),
            continuation: None,
            simulated: true,
        })
    }
}
