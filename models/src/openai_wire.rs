//! OpenAI's chat completions: a request as JSON, and an answer out of a stream of chunks.

use aikit_core::{ErrorKind, RunError, record::Usage};
use aikit_runtime::ports::{
    Message, ModelDelta, ModelRequest, ModelResponse, ModelSink, OutputForm, Role, StopReason, ToolCall, ToolChoice,
};
use serde_json::{Map, Value, json};

use crate::{
    endpoint::Endpoint,
    lines::LineTooLong,
    sse::SseDecoder,
    tokens::count_tokens,
    wire::{
        MAX_EVENT, Progress, Wire, add_extra, declined, finished_calls, not_a_model, overflow, parse_event,
        status_error, text_of, too_long,
    },
};

/// The body of a request. `limit_key` is the server's name for the bound of the answer: OpenAI's newer models refuse
/// `max_tokens`, most others know nothing else.
pub(crate) fn encode(request: &ModelRequest, limit_key: &str) -> Value {
    let mut body = Map::new();
    body.insert("model".into(), json!(request.model));
    body.insert("messages".into(), request.messages.iter().map(message).collect());
    body.insert("stream".into(), json!(true));
    body.insert("stream_options".into(), json!({ "include_usage": true }));
    if !request.tools.is_empty() {
        let tool = |tool: &aikit_runtime::ports::ToolSpec| {
            json!({ "type": "function", "function": {
                "name": tool.name, "description": tool.description, "parameters": tool.parameters,
            }})
        };
        body.insert("tools".into(), request.tools.iter().map(tool).collect());
        let choice = request.tool_choice.as_ref().map(|choice| match choice {
            ToolChoice::None => json!("none"),
            ToolChoice::Required => json!("required"),
            ToolChoice::Tool(name) => json!({ "type": "function", "function": { "name": name } }),
        });
        if let Some(choice) = choice {
            body.insert("tool_choice".into(), choice);
        }
    }
    if let Some(schema) = request.native_schema() {
        let mut format = json!({ "name": "answer", "schema": schema });
        if request.output_form == OutputForm::Strict {
            format["strict"] = json!(true);
        }
        body.insert("response_format".into(), json!({ "type": "json_schema", "json_schema": format }));
    }
    let parameters = &request.parameters;
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(key.into(), value);
        }
    };
    set("temperature", parameters.temperature.map(Value::from));
    set("top_p", parameters.top_p.map(Value::from));
    set(limit_key, parameters.max_tokens.map(Value::from));
    set("stop", (!parameters.stop.is_empty()).then(|| json!(parameters.stop)));
    set("seed", parameters.seed.map(Value::from));
    set("top_k", parameters.top_k.map(Value::from));
    set("reasoning_effort", parameters.reasoning.map(|effort| json!(effort.word().unwrap_or("none"))));
    set("presence_penalty", parameters.presence_penalty.map(Value::from));
    set("frequency_penalty", parameters.frequency_penalty.map(Value::from));
    set("repetition_penalty", parameters.repetition_penalty.map(Value::from));
    add_extra(&mut body, &request.extra);
    Value::Object(body)
}

fn message(message: &Message) -> Value {
    match message.role {
        Role::System => json!({ "role": "system", "content": message.content }),
        Role::User => json!({ "role": "user", "content": message.content }),
        Role::Tool => json!({
            "role": "tool", "tool_call_id": message.tool_call_id.as_deref().unwrap_or_default(), "content": message.content,
        }),
        Role::Assistant if message.tool_calls.is_empty() => json!({ "role": "assistant", "content": message.content }),
        Role::Assistant => {
            let call = |call: &ToolCall| {
                let arguments = match &call.arguments {
                    Value::String(raw) => raw.clone(),
                    other => other.to_string(),
                };
                json!({ "id": call.id, "type": "function", "function": { "name": call.name, "arguments": arguments } })
            };
            json!({
                "role": "assistant",
                "content": (!message.content.is_empty()).then_some(&message.content),
                "tool_calls": message.tool_calls.iter().map(call).collect::<Vec<_>>(),
            })
        }
    }
}

/// An answer that is being received.
pub(crate) struct OpenAiWire {
    events: SseDecoder,
    /// The server ignored `stream` and answers with one JSON document, collected here.
    whole: Option<Vec<u8>>,
    answer: Answer,
}

/// What the chunks have given so far.
#[derive(Default)]
struct Answer {
    content: String,
    refusal: String,
    calls: Vec<PartialCall>,
    finish: Option<String>,
    done: bool,
    usage: Option<(u64, u64)>,
    model: String,
    prompt_tokens: u64,
}

/// A tool call whose pieces arrive one after the other.
#[derive(Default)]
struct PartialCall {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
    announced: bool,
}

impl OpenAiWire {
    /// A decoder for the answer to `request`.
    pub(crate) fn new(request: &ModelRequest) -> Self {
        let prompt_tokens = request.messages.iter().map(|message| count_tokens(&message.content)).sum();
        let answer = Answer { model: request.model.clone(), prompt_tokens, ..Answer::default() };
        Self { events: SseDecoder::new(MAX_EVENT), whole: None, answer }
    }
}

impl Wire for OpenAiWire {
    type Output = ModelResponse;

    fn begin(&mut self, endpoint: &Endpoint, media_type: &str) -> Result<(), RunError> {
        if media_type == "application/json" {
            self.whole = Some(Vec::new());
        } else if media_type == "text/html" {
            return Err(not_a_model(endpoint, "a web page", "Check `base_url`; it usually ends with `/v1`."));
        }
        Ok(())
    }

    fn feed(&mut self, endpoint: &Endpoint, bytes: &[u8], sink: ModelSink<'_>) -> Result<Progress, RunError> {
        if let Some(whole) = &mut self.whole {
            whole.extend_from_slice(bytes);
            return Ok(Progress::Partial);
        }
        self.events.push(bytes);
        while let Some(event) = self.events.next_event().map_err(|LineTooLong| too_long(endpoint))? {
            self.answer.event(endpoint, &event, &mut *sink)?;
        }
        Ok(self.answer.progress())
    }

    fn end(&mut self, endpoint: &Endpoint, sink: ModelSink<'_>) -> Result<Progress, RunError> {
        if let Some(whole) = self.whole.take() {
            let document = parse_event(endpoint, &whole)?;
            if document.get("choices").is_none() && document.get("error").is_none() {
                let shown = Endpoint::quote(&String::from_utf8_lossy(&whole));
                let message = format!("{} answered with something else than a completion: {shown}", endpoint.name());
                return Err(endpoint.error(ErrorKind::ProviderInvalid, message));
            }
            self.answer.chunk(endpoint, &document, sink)?;
        } else if let Some(event) = std::mem::replace(&mut self.events, SseDecoder::new(MAX_EVENT)).finish() {
            // A last event without its blank line may be whole or cut off; cut off is not malformed.
            if event == b"[DONE]" || serde_json::from_slice::<Value>(&event).is_ok() {
                self.answer.event(endpoint, &event, sink)?;
            }
        }
        Ok(self.answer.progress())
    }

    fn received_tokens(&self) -> u64 {
        let arguments: u64 = self.answer.calls.iter().map(|call| count_tokens(&call.arguments)).sum();
        count_tokens(&self.answer.content) + arguments
    }

    fn into_response(self, endpoint: &Endpoint) -> Result<ModelResponse, RunError> {
        self.answer.into_response(endpoint)
    }

    fn refused(&self, endpoint: &Endpoint, status: u16, body: &[u8]) -> RunError {
        match serde_json::from_slice::<Value>(body) {
            Ok(document) => match document.get("error") {
                Some(error) => server_error(endpoint, status, error),
                None => status_error(endpoint, status, text_of(&document, &["message", "detail"])),
            },
            Err(_) if body.starts_with(b"<") => status_error(endpoint, status, ""),
            Err(_) => status_error(endpoint, status, &String::from_utf8_lossy(body)),
        }
    }
}

impl Answer {
    fn progress(&self) -> Progress {
        if self.done {
            Progress::Done
        } else if self.finish.is_some() {
            Progress::Settled
        } else {
            Progress::Partial
        }
    }

    fn event(&mut self, endpoint: &Endpoint, data: &[u8], sink: ModelSink<'_>) -> Result<(), RunError> {
        match data.trim_ascii() {
            b"" => Ok(()),
            b"[DONE]" => {
                self.done = true;
                Ok(())
            }
            data => self.chunk(endpoint, &parse_event(endpoint, data)?, sink),
        }
    }

    /// Takes one chunk, or a whole completion, whose choices hold `message` in place of `delta`.
    fn chunk(&mut self, endpoint: &Endpoint, chunk: &Value, sink: ModelSink<'_>) -> Result<(), RunError> {
        if let Some(error) = chunk.get("error").filter(|error| !error.is_null()) {
            let status = error.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
            return Err(server_error(endpoint, status.unwrap_or(500), error));
        }
        if let Some(model) = chunk.get("model").and_then(Value::as_str).filter(|model| !model.is_empty()) {
            self.model = model.to_string();
        }
        if let Some(usage) = chunk.get("usage").filter(|usage| usage.is_object()) {
            let count = |key: &str| usage.get(key).and_then(Value::as_u64).unwrap_or_default();
            self.usage = Some((count("prompt_tokens"), count("completion_tokens")));
        }
        let choices = chunk.get("choices").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for choice in choices.iter().filter(|choice| choice.get("index").and_then(Value::as_u64).unwrap_or(0) == 0) {
            if let Some(delta) = choice.get("delta").or_else(|| choice.get("message")) {
                self.delta(delta, &mut *sink);
            }
            if let Some(reason) = choice.get("finish_reason").and_then(Value::as_str) {
                self.finish = Some(reason.to_string());
            }
        }
        Ok(())
    }

    fn delta(&mut self, delta: &Value, sink: ModelSink<'_>) {
        let text = content_text(delta.get("content"));
        if !text.is_empty() {
            self.content.push_str(&text);
            sink(ModelDelta::Text(text));
        }
        self.refusal.push_str(delta.get("refusal").and_then(Value::as_str).unwrap_or_default());
        for piece in delta.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
            let call = self.call_for(piece);
            let function = piece.get("function");
            let field = |key: &str| function.and_then(|function| function.get(key));
            if let Some(id) = piece.get("id").and_then(Value::as_str) {
                call.id = id.to_string();
            }
            // Some servers send the whole name again with every piece.
            if let Some(name) = field("name").and_then(Value::as_str).filter(|name| *name != call.name) {
                call.name.push_str(name);
            }
            match field("arguments") {
                Some(Value::String(text)) => call.arguments.push_str(text),
                Some(value @ Value::Object(_)) => call.arguments.push_str(&value.to_string()),
                _ => {}
            }
            if !call.announced && !call.name.is_empty() {
                call.announced = true;
                sink(ModelDelta::ToolCallStarted { name: call.name.clone() });
            }
        }
    }

    /// The call that a piece belongs to: by index, else by id, else the last one.
    fn call_for(&mut self, piece: &Value) -> &mut PartialCall {
        let index = piece.get("index").and_then(Value::as_u64);
        let id = piece.get("id").and_then(Value::as_str).filter(|id| !id.is_empty());
        let position = match (index, id) {
            (Some(_), _) => self.calls.iter().position(|call| call.index == index),
            (None, Some(id)) => self.calls.iter().position(|call| call.id == id),
            (None, None) => self.calls.len().checked_sub(1),
        };
        let position = position.unwrap_or_else(|| {
            self.calls.push(PartialCall { index, ..PartialCall::default() });
            self.calls.len() - 1
        });
        &mut self.calls[position]
    }

    fn into_response(self, endpoint: &Endpoint) -> Result<ModelResponse, RunError> {
        if !self.refusal.is_empty() {
            return Err(declined(endpoint, &self.refusal));
        }
        if self.finish.as_deref() == Some("content_filter") {
            return Err(declined(endpoint, "the content filter stopped the answer"));
        }
        let output: u64 = count_tokens(&self.content)
            + self.calls.iter().map(|call| count_tokens(&call.name) + count_tokens(&call.arguments)).sum::<u64>();
        let (input_tokens, output_tokens) = self.usage.unwrap_or((self.prompt_tokens, output));
        let tool_calls = finished_calls(self.calls.into_iter().map(|call| (call.id, call.name, call.arguments)));
        let stop = match self.finish.as_deref() {
            _ if !tool_calls.is_empty() => StopReason::ToolCalls,
            Some("length") => StopReason::Length,
            _ => StopReason::Stop,
        };
        Ok(ModelResponse {
            content: self.content,
            tool_calls,
            stop,
            usage: Usage { input_tokens, output_tokens, model_calls: 1, ..Usage::default() },
            model: self.model,
            continuation: None,
            simulated: false,
        })
    }
}

/// The text of a `content`, which is a text, absent, or a list of parts.
fn content_text(content: Option<&Value>) -> String {
    match content {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect(),
        _ => String::new(),
    }
}

/// The error behind an `error` object, by its code, its type and, where servers agree on neither, its words.
pub(crate) fn server_error(endpoint: &Endpoint, status: u16, error: &Value) -> RunError {
    let words = error.as_str().unwrap_or_else(|| text_of(error, &["message"]));
    let class = format!("{} {}", text_of(error, &["code"]), text_of(error, &["type"]));
    let has = |needle: &str| class.contains(needle);
    let said = || format!("{}: {}", endpoint.name(), Endpoint::quote(words));
    if has("context_length_exceeded") || (status == 400 && words.to_ascii_lowercase().contains("context length")) {
        return overflow(endpoint, words);
    }
    if has("content_filter") || has("content_policy_violation") {
        return endpoint.error(ErrorKind::ProviderRefusal, format!("declined by {}", said()));
    }
    if has("insufficient_quota") {
        return status_error(endpoint, 429, words)
            .with_help("The quota of the account is spent; waiting will not help.");
    }
    let status = match status {
        500 if has("rate_limit") => 429,
        500 if has("authentication") || has("invalid_api_key") => 401,
        500 if has("invalid_request") => 400,
        status => status,
    };
    status_error(endpoint, status, words)
}
