//! Models without a model: answers that follow from the request alone (`scripted/auto`) or from a file
//! (`scripted/<file>`). Deterministic, so that notebooks, tests and replays give the same text on every machine.

mod auto;
mod derive;
mod language;
mod pattern;
mod prompt;
mod schema;
mod script;

use std::{path::PathBuf, time::Duration};

use aikit_core::{ErrorKind, RunError, record::Usage};
use aikit_runtime::ports::{
    ModelDelta, ModelError, ModelProvider, ModelRequest, ModelResponse, ModelSink, StopReason, ToolCall,
};
use async_trait::async_trait;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::tokens::count_tokens;
use script::Entry;

/// The provider `scripted`. Every answer says of itself that it is simulated.
pub struct ScriptedProvider {
    folder: Option<PathBuf>,
}

impl ScriptedProvider {
    /// A provider whose scripts lie below `folder`; without one only the model `auto` exists.
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self { folder }
    }

    async fn play(&self, request: &ModelRequest, sink: ModelSink<'_>) -> Result<ModelResponse, ModelError> {
        if request.model == "auto" {
            let response = auto::answer(request);
            say(&pieces(&response.content), &response.tool_calls, Duration::ZERO, sink).await;
            return Ok(response);
        }
        let script = script::load(self.folder.as_deref(), &request.model).await?;
        perform(script.choose(request)?, request, sink).await
    }
}

#[async_trait]
impl ModelProvider for ScriptedProvider {
    async fn generate(
        &self,
        request: &ModelRequest,
        sink: ModelSink<'_>,
        cancel: &CancellationToken,
    ) -> Result<ModelResponse, ModelError> {
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(RunError::cancelled().into()),
            played = timeout(request.timeout, self.play(request, sink)) => played.unwrap_or_else(|_| {
                let message = format!(
                    "scripted/{} did not finish its answer within {:?}", request.model, request.timeout,
                );
                Err(RunError::new(ErrorKind::ProviderTimeout, message).into())
            }),
        }
    }
}

/// Plays one entry of a script.
async fn perform(entry: &Entry, request: &ModelRequest, sink: ModelSink<'_>) -> Result<ModelResponse, ModelError> {
    sleep(Duration::from_millis(entry.delay_ms)).await;
    let content = entry.content();
    let chunks = match &entry.chunks {
        Some(chunks) => chunks.clone(),
        None => pieces(&content),
    };
    let tool_calls = entry.calls();
    say(&chunks, &tool_calls, Duration::from_millis(entry.chunk_delay_ms), sink).await;
    if let Some(error) = &entry.error {
        return Err(ModelError {
            error: RunError::new(error.kind.0, error.message(&content)),
            retry_after: error.retry_after_ms.map(Duration::from_millis),
        });
    }
    let counted = usage(request, &content, &tool_calls);
    let usage = entry.usage.map_or(counted, |usage| Usage {
        input_tokens: usage.input_tokens,
        output_tokens: usage.output_tokens,
        ..counted
    });
    let stop = entry.stop.unwrap_or(if tool_calls.is_empty() { StopReason::Stop } else { StopReason::ToolCalls });
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

/// Streams an answer. Between the pieces others get to run, and a cancellation is seen.
async fn say(chunks: &[String], calls: &[ToolCall], delay: Duration, sink: ModelSink<'_>) {
    for chunk in chunks {
        sink(ModelDelta::Text(chunk.clone()));
        if delay.is_zero() {
            tokio::task::yield_now().await;
        } else {
            sleep(delay).await;
        }
    }
    for call in calls {
        sink(ModelDelta::ToolCallStarted { name: call.name.clone() });
    }
}

/// A text word by word, each with the space behind it.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    for piece in text.split_inclusive(char::is_whitespace) {
        match pieces.last_mut() {
            Some(last) if piece.trim().is_empty() => last.push_str(piece),
            _ => pieces.push(piece.to_string()),
        }
    }
    pieces
}

/// Tokens by [`count_tokens`]: in, every message and every tool that is offered; out, the text and the calls.
fn usage(request: &ModelRequest, content: &str, calls: &[ToolCall]) -> Usage {
    let messages: u64 = request.messages.iter().map(|message| count_tokens(&message.content)).sum();
    let tools: u64 = request
        .tools
        .iter()
        .map(|tool| {
            count_tokens(&tool.name) + count_tokens(&tool.description) + count_tokens(&tool.parameters.to_string())
        })
        .sum();
    let calls: u64 =
        calls.iter().map(|call| count_tokens(&call.name) + count_tokens(&call.arguments.to_string())).sum();
    Usage {
        input_tokens: messages + tools,
        output_tokens: count_tokens(content) + calls,
        model_calls: 1,
        ..Usage::default()
    }
}
