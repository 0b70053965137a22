//! Ollama's `/api/chat`: a request as JSON, and an answer as one JSON document per line.

use std::collections::BTreeMap;

use aikit_core::{ErrorKind, RunError, record::Usage};
use aikit_runtime::ports::{
    Message, ModelDelta, ModelParameters, ModelRequest, ModelResponse, ModelSink, Role, StopReason, ToolCall,
    ToolChoice, ToolSpec,
};
use serde_json::{Map, Value, json};

use crate::{
    endpoint::Endpoint,
    lines::{LineBuffer, LineTooLong},
    tokens::count_tokens,
    wire::{Progress, Wire, add_extra, status_error},
};

/// The longest line that is accepted.
const MAX_LINE: usize = 8 << 20;

/// The body of a request.
pub(crate) fn encode(request: &ModelRequest) -> Value {
    // Ollama knows the result of a tool by the tool's name, not by the call's id.
    let mut names = BTreeMap::new();
    for call in request.messages.iter().flat_map(|message| &message.tool_calls) {
        names.insert(call.id.as_str(), call.name.as_str());
    }
    let mut body = Map::new();
    body.insert("model".into(), json!(request.model));
    body.insert("messages".into(), request.messages.iter().map(|m| message(m, &names)).collect());
    body.insert("stream".into(), json!(true));
    // Ollama cannot make a model call a tool; it can keep others from it.
    let offered = |tool: &&ToolSpec| match &request.tool_choice {
        None | Some(ToolChoice::Required) => true,
        Some(ToolChoice::None) => false,
        Some(ToolChoice::Tool(name)) => tool.name == *name,
    };
    let tools: Vec<&ToolSpec> = request.tools.iter().filter(offered).collect();
    if !tools.is_empty() {
        let tool = |tool: &&ToolSpec| {
            json!({ "type": "function", "function": {
                "name": tool.name, "description": tool.description, "parameters": tool.parameters,
            }})
        };
        body.insert("tools".into(), tools.iter().map(tool).collect());
    }
    if let Some(effort) = request.parameters.reasoning {
        // Only gpt-oss thinks in degrees; the others think or do not.
        let graded = request.model.contains("gpt-oss");
        let think = effort.word().map_or(json!(false), |word| if graded { json!(word) } else { json!(true) });
        body.insert("think".into(), think);
    }
    if let Some(schema) = request.native_schema() {
        body.insert("format".into(), schema.clone());
    }
    let options = options(&request.parameters);
    if !options.is_empty() {
        body.insert("options".into(), Value::Object(options));
    }
    add_extra(&mut body, &request.extra);
    Value::Object(body)
}

fn options(parameters: &ModelParameters) -> Map<String, Value> {
    let values = [
        ("temperature", parameters.temperature.map(Value::from)),
        ("top_p", parameters.top_p.map(Value::from)),
        ("num_predict", parameters.max_tokens.map(Value::from)),
        ("stop", (!parameters.stop.is_empty()).then(|| json!(parameters.stop))),
        ("seed", parameters.seed.map(Value::from)),
        ("top_k", parameters.top_k.map(Value::from)),
        ("presence_penalty", parameters.presence_penalty.map(Value::from)),
        ("frequency_penalty", parameters.frequency_penalty.map(Value::from)),
        ("repeat_penalty", parameters.repetition_penalty.map(Value::from)),
    ];
    values.into_iter().filter_map(|(key, value)| Some((key.to_string(), value?))).collect()
}

fn message(message: &Message, names: &BTreeMap<&str, &str>) -> Value {
    let content = &message.content;
    match message.role {
        Role::System => json!({ "role": "system", "content": content }),
        Role::User => json!({ "role": "user", "content": content }),
        Role::Tool => {
            let name = message.tool_call_id.as_deref().and_then(|id| names.get(id)).copied().unwrap_or_default();
            json!({ "role": "tool", "tool_name": name, "content": content })
        }
        Role::Assistant if message.tool_calls.is_empty() => json!({ "role": "assistant", "content": content }),
        Role::Assistant => {
            let call = |call: &ToolCall| {
                let arguments = if call.arguments.is_object() { call.arguments.clone() } else { json!({}) };
                json!({ "function": { "name": call.name, "arguments": arguments } })
            };
            let calls: Vec<Value> = message.tool_calls.iter().map(call).collect();
            json!({ "role": "assistant", "content": content, "tool_calls": calls })
        }
    }
}

/// An answer that is being received.
pub(crate) struct OllamaWire {
    lines: LineBuffer,
    content: String,
    calls: Vec<ToolCall>,
    /// `done_reason` of the last line, once it has come.
    done: Option<String>,
    usage: (Option<u64>, Option<u64>),
    asked_model: String,
    model: String,
    prompt_tokens: u64,
}

impl OllamaWire {
    /// A decoder for the answer to `request`.
    pub(crate) fn new(request: &ModelRequest) -> Self {
        Self {
            lines: LineBuffer::new(MAX_LINE),
            content: String::new(),
            calls: Vec::new(),
            done: None,
            usage: (None, None),
            asked_model: request.model.clone(),
            model: request.model.clone(),
            prompt_tokens: request.messages.iter().map(|message| count_tokens(&message.content)).sum(),
        }
    }

    fn line(&mut self, endpoint: &Endpoint, line: &[u8], sink: ModelSink<'_>) -> Result<(), RunError> {
        let line = line.trim_ascii();
        if line.is_empty() {
            return Ok(());
        }
        let document: Value = serde_json::from_slice(line).map_err(|error| {
            let shown = Endpoint::quote(&String::from_utf8_lossy(&line[..line.len().min(160)]));
            let message = format!("{} sent a line that is not JSON ({error}): {shown}", endpoint.name());
            endpoint.error(ErrorKind::ProviderInvalid, message)
        })?;
        if let Some(words) = document.get("error") {
            return Err(failed(endpoint, &self.asked_model, 500, words.as_str().unwrap_or_default()));
        }
        let Some(message) = document.get("message").or_else(|| document.get("done")).map(|_| &document["message"])
        else {
            let shown = Endpoint::quote(&document.to_string());
            let message = format!("{} answered with something else than a chat: {shown}", endpoint.name());
            return Err(endpoint.error(ErrorKind::ProviderInvalid, message));
        };
        if let Some(text) = message["content"].as_str().filter(|text| !text.is_empty()) {
            self.content.push_str(text);
            sink(ModelDelta::Text(text.to_string()));
        }
        for call in message["tool_calls"].as_array().into_iter().flatten() {
            let function = &call["function"];
            let Some(name) = function["name"].as_str() else { continue };
            let arguments = match &function["arguments"] {
                Value::Null => json!({}),
                Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
                other => other.clone(),
            };
            let made_up = || format!("call_{}", self.calls.len() + 1);
            let id = call["id"].as_str().map(String::from).unwrap_or_else(made_up);
            sink(ModelDelta::ToolCallStarted { name: name.to_string() });
            self.calls.push(ToolCall { id, name: name.to_string(), arguments });
        }
        if let Some(model) = document["model"].as_str() {
            self.model = model.to_string();
        }
        if document["done"] == true {
            self.done = Some(document["done_reason"].as_str().unwrap_or("stop").to_string());
            self.usage = (document["prompt_eval_count"].as_u64(), document["eval_count"].as_u64());
        }
        Ok(())
    }

    fn progress(&self) -> Progress {
        if self.done.is_some() { Progress::Done } else { Progress::Partial }
    }
}

impl Wire for OllamaWire {
    type Output = ModelResponse;

    fn begin(&mut self, endpoint: &Endpoint, media_type: &str) -> Result<(), RunError> {
        if media_type == "text/html" || media_type == "text/event-stream" {
            let message = format!("{} answered with {media_type}, not in Ollama's own format", endpoint.name());
            return Err(endpoint
                .error(ErrorKind::ProviderInvalid, message)
                .with_help("Check `base_url`: Ollama's own address has no `/v1` at its end."));
        }
        Ok(())
    }

    fn feed(&mut self, endpoint: &Endpoint, bytes: &[u8], sink: ModelSink<'_>) -> Result<Progress, RunError> {
        self.lines.push(bytes);
        loop {
            let line = match self.lines.next_line() {
                Ok(Some(line)) => line.to_vec(),
                Ok(None) => return Ok(self.progress()),
                Err(LineTooLong) => {
                    let message = format!("{} sent a line of more than {MAX_LINE} bytes", endpoint.name());
                    return Err(endpoint.error(ErrorKind::ProviderInvalid, message));
                }
            };
            self.line(endpoint, &line, &mut *sink)?;
        }
    }

    fn end(&mut self, endpoint: &Endpoint, sink: ModelSink<'_>) -> Result<Progress, RunError> {
        let rest = self.lines.rest().to_vec();
        // A last line without its end may be whole or cut off; cut off is not malformed.
        if serde_json::from_slice::<Value>(&rest).is_ok() {
            self.line(endpoint, &rest, sink)?;
        }
        Ok(self.progress())
    }

    fn received_tokens(&self) -> u64 {
        count_tokens(&self.content)
    }

    fn into_response(self, _endpoint: &Endpoint) -> Result<ModelResponse, RunError> {
        let stop = match self.done.as_deref() {
            _ if !self.calls.is_empty() => StopReason::ToolCalls,
            Some("length") => StopReason::Length,
            _ => StopReason::Stop,
        };
        let usage = Usage {
            input_tokens: self.usage.0.unwrap_or(self.prompt_tokens),
            output_tokens: self.usage.1.unwrap_or_else(|| count_tokens(&self.content)),
            model_calls: 1,
            ..Usage::default()
        };
        Ok(ModelResponse {
            content: self.content,
            tool_calls: self.calls,
            stop,
            usage,
            model: self.model,
            continuation: None,
            simulated: false,
        })
    }

    fn refused(&self, endpoint: &Endpoint, status: u16, body: &[u8]) -> RunError {
        let document = serde_json::from_slice::<Value>(body).unwrap_or_default();
        let raw = String::from_utf8_lossy(body);
        failed(endpoint, &self.asked_model, status, document["error"].as_str().unwrap_or(&raw))
    }
}

/// Ollama has no error codes; its words have been the same for years.
pub(crate) fn failed(endpoint: &Endpoint, model: &str, status: u16, words: &str) -> RunError {
    let lower = words.to_ascii_lowercase();
    if lower.contains("not found") && lower.contains("model") {
        let message = format!("{} does not have the model `{model}`", endpoint.name());
        return endpoint
            .error(ErrorKind::ProviderInvalid, message)
            .with_help(format!("Fetch it with `ollama pull {model}`."));
    }
    if lower.contains("does not support tools") {
        let message = format!("the model `{model}` of {} cannot call tools", endpoint.name());
        return endpoint
            .error(ErrorKind::ProviderInvalid, message)
            .with_help("Choose a model with tool support, or leave the tools out.");
    }
    if lower.contains("context length") || lower.contains("context window") {
        let message = format!("the request is too long for {}: {}", endpoint.name(), Endpoint::quote(words));
        return endpoint.error(ErrorKind::ProviderContextOverflow, message);
    }
    status_error(endpoint, status, words)
}
