//! Gemini's `streamGenerateContent`: a request as JSON, and an answer out of a stream of partial answers.

use std::{collections::BTreeMap, time::Duration};

use aikit_core::{ErrorKind, RunError, record::Usage};
use aikit_runtime::ports::{
    Effort, Message, ModelDelta, ModelRequest, ModelResponse, ModelSink, Role, StopReason, ToolChoice,
};
use serde_json::{Map, Value, json};

use crate::{
    endpoint::Endpoint,
    gemini_schema::convert,
    lines::LineTooLong,
    sse::SseDecoder,
    tokens::count_tokens,
    wire::{
        MAX_EVENT, Progress, Wire, add_extra, declined, finished_calls, not_a_model, overflow, parse_event,
        status_error, text_of, too_long,
    },
};

/// The body of a request.
pub(crate) fn encode(request: &ModelRequest) -> Value {
    let mut system: Vec<String> = request
        .messages
        .iter()
        .filter(|message| message.role == Role::System && !message.content.is_empty())
        .map(|message| message.content.clone())
        .collect();
    let mut config = config(request);
    if let Some(schema) = request.native_schema() {
        if request.tools.is_empty() {
            config.insert("responseMimeType".into(), json!("application/json"));
            config.insert("responseSchema".into(), convert(schema));
        } else {
            // The API does not take a form and tools in one request.
            system.push(format!("Give the final answer as JSON only. It has to fit this JSON Schema:\n{schema}"));
        }
    }
    let mut body = Map::new();
    body.insert("contents".into(), contents(&request.messages));
    if !system.is_empty() {
        body.insert("systemInstruction".into(), json!({ "parts": [{ "text": system.join("\n\n") }] }));
    }
    if !request.tools.is_empty() {
        let declare = |tool: &aikit_runtime::ports::ToolSpec| {
            let mut declared = json!({ "name": tool.name, "description": tool.description });
            // An object without properties is refused.
            let parameters = convert(&tool.parameters);
            if parameters["properties"].as_object().is_some_and(|properties| !properties.is_empty()) {
                declared["parameters"] = parameters;
            }
            declared
        };
        let declared: Vec<Value> = request.tools.iter().map(declare).collect();
        body.insert("tools".into(), json!([{ "functionDeclarations": declared }]));
        let calling = request.tool_choice.as_ref().map(|choice| match choice {
            ToolChoice::None => json!({ "mode": "NONE" }),
            ToolChoice::Required => json!({ "mode": "ANY" }),
            ToolChoice::Tool(name) => json!({ "mode": "ANY", "allowedFunctionNames": [name] }),
        });
        if let Some(calling) = calling {
            body.insert("toolConfig".into(), json!({ "functionCallingConfig": calling }));
        }
    }
    if !config.is_empty() {
        body.insert("generationConfig".into(), Value::Object(config));
    }
    add_extra(&mut body, &request.extra);
    Value::Object(body)
}

fn config(request: &ModelRequest) -> Map<String, Value> {
    let parameters = &request.parameters;
    let thinking = parameters.reasoning.map(|effort| match effort {
        Effort::Off => 0,
        Effort::Low => 1024,
        Effort::Medium => 8192,
        Effort::High => 24576,
    });
    let values = [
        ("temperature", parameters.temperature.map(Value::from)),
        ("topP", parameters.top_p.map(Value::from)),
        ("topK", parameters.top_k.map(Value::from)),
        ("maxOutputTokens", parameters.max_tokens.map(Value::from)),
        ("stopSequences", (!parameters.stop.is_empty()).then(|| json!(parameters.stop))),
        ("seed", parameters.seed.map(Value::from)),
        ("presencePenalty", parameters.presence_penalty.map(Value::from)),
        ("frequencyPenalty", parameters.frequency_penalty.map(Value::from)),
        ("thinkingConfig", thinking.map(|tokens| json!({ "thinkingBudget": tokens }))),
    ];
    values.into_iter().filter_map(|(key, value)| Some((key.to_string(), value?))).collect()
}

/// Contents that take turns; the API knows the result of a tool by the tool's name.
fn contents(all: &[Message]) -> Value {
    let calls = all.iter().flat_map(|message| &message.tool_calls);
    let names: BTreeMap<&str, &str> = calls.map(|call| (call.id.as_str(), call.name.as_str())).collect();
    let mut turns: Vec<(&str, Vec<Value>)> = Vec::new();
    for message in all {
        let role = match message.role {
            Role::System => continue,
            Role::User | Role::Tool => "user",
            Role::Assistant => "model",
        };
        let parts = parts(message, &names);
        match turns.last_mut() {
            _ if parts.is_empty() => {}
            Some((last, said)) if *last == role => said.extend(parts),
            _ => turns.push((role, parts)),
        }
    }
    turns.into_iter().map(|(role, parts)| json!({ "role": role, "parts": parts })).collect()
}

fn parts(message: &Message, names: &BTreeMap<&str, &str>) -> Vec<Value> {
    if message.role == Role::Tool {
        let name = message.tool_call_id.as_deref().and_then(|id| names.get(id)).copied().unwrap_or_default();
        let response = match serde_json::from_str(&message.content) {
            Ok(object @ Value::Object(_)) => object,
            _ => json!({ "result": message.content }),
        };
        return vec![json!({ "functionResponse": { "name": name, "response": response } })];
    }
    // With its signatures a part has to come back as it was.
    if let Some(parts) = message.continuation.as_ref().and_then(|said| said.get("gemini")).and_then(Value::as_array) {
        return parts.clone();
    }
    let text = (!message.content.is_empty()).then(|| json!({ "text": message.content }));
    let calls = message.tool_calls.iter().map(|call| {
        let args = if call.arguments.is_object() { call.arguments.clone() } else { json!({}) };
        json!({ "functionCall": { "name": call.name, "args": args } })
    });
    text.into_iter().chain(calls).collect()
}

/// An answer that is being received.
pub(crate) struct GeminiWire {
    events: SseDecoder,
    /// The server answers with one JSON document, collected here.
    whole: Option<Vec<u8>>,
    content: String,
    calls: Vec<(String, String, String)>,
    /// The parts that are not thoughts, as they came.
    parts: Vec<Value>,
    signed: bool,
    finish: Option<String>,
    blocked: Option<String>,
    usage: Option<(u64, u64)>,
    model: String,
    prompt_tokens: u64,
}

impl GeminiWire {
    /// A decoder for the answer to `request`.
    pub(crate) fn new(request: &ModelRequest) -> Self {
        Self {
            events: SseDecoder::new(MAX_EVENT),
            whole: None,
            content: String::new(),
            calls: Vec::new(),
            parts: Vec::new(),
            signed: false,
            finish: None,
            blocked: None,
            usage: None,
            model: request.model.clone(),
            prompt_tokens: request.messages.iter().map(|message| count_tokens(&message.content)).sum(),
        }
    }

    fn chunk(&mut self, endpoint: &Endpoint, chunk: &Value, sink: ModelSink<'_>) -> Result<(), RunError> {
        if let Some(error) = chunk.get("error") {
            let status = error["code"].as_u64().and_then(|code| u16::try_from(code).ok());
            return Err(failed(endpoint, status.unwrap_or(500), error));
        }
        let known = ["candidates", "promptFeedback", "usageMetadata"];
        if known.iter().all(|key| chunk.get(key).is_none()) {
            let shown = Endpoint::quote(&chunk.to_string());
            let message = format!("{} answered with something else than content: {shown}", endpoint.name());
            return Err(endpoint.error(ErrorKind::ProviderInvalid, message));
        }
        if let Some(reason) = chunk["promptFeedback"]["blockReason"].as_str() {
            self.blocked = Some(format!("the prompt is blocked ({reason})"));
        }
        if let Some(model) = chunk["modelVersion"].as_str().filter(|model| !model.is_empty()) {
            self.model = model.to_owned();
        }
        if let Some(usage) = chunk.get("usageMetadata") {
            let count = |key: &str| usage[key].as_u64().unwrap_or_default();
            let output = count("candidatesTokenCount") + count("thoughtsTokenCount");
            self.usage = Some((count("promptTokenCount") + count("toolUsePromptTokenCount"), output));
        }
        let candidate = &chunk["candidates"][0];
        for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
            self.part(part, &mut *sink);
        }
        if let Some(reason) = candidate["finishReason"].as_str() {
            self.finish = Some(reason.to_owned());
        }
        Ok(())
    }

    fn part(&mut self, part: &Value, sink: ModelSink<'_>) {
        if part["thought"] == true {
            return;
        }
        self.signed |= part.get("thoughtSignature").is_some();
        self.parts.push(part.clone());
        if let Some(text) = part["text"].as_str().filter(|text| !text.is_empty()) {
            self.content.push_str(text);
            sink(ModelDelta::Text(text.to_owned()));
        }
        if let Some(call) = part.get("functionCall") {
            let name = text_of(call, &["name"]).to_owned();
            sink(ModelDelta::ToolCallStarted { name: name.clone() });
            let arguments = call.get("args").map_or_else(String::new, Value::to_string);
            self.calls.push((text_of(call, &["id"]).to_owned(), name, arguments));
        }
    }

    fn progress(&self) -> Progress {
        match self.finish.is_some() || self.blocked.is_some() {
            true => Progress::Settled,
            false => Progress::Partial,
        }
    }
}

impl Wire for GeminiWire {
    type Output = ModelResponse;

    fn begin(&mut self, endpoint: &Endpoint, media_type: &str) -> Result<(), RunError> {
        match media_type {
            "application/json" => self.whole = Some(Vec::new()),
            "text/html" => {
                return Err(not_a_model(endpoint, "a web page", "Check `base_url`; it usually ends with `/v1beta`."));
            }
            _ => {}
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
            if !event.trim_ascii().is_empty() {
                self.chunk(endpoint, &parse_event(endpoint, &event)?, &mut *sink)?;
            }
        }
        Ok(self.progress())
    }

    fn end(&mut self, endpoint: &Endpoint, sink: ModelSink<'_>) -> Result<Progress, RunError> {
        if let Some(whole) = self.whole.take() {
            match parse_event(endpoint, &whole)? {
                Value::Array(chunks) => {
                    chunks.iter().try_for_each(|chunk| self.chunk(endpoint, chunk, &mut *sink))?;
                }
                chunk => self.chunk(endpoint, &chunk, sink)?,
            }
        } else if let Some(event) = std::mem::replace(&mut self.events, SseDecoder::new(MAX_EVENT)).finish()
            && let Ok(chunk) = serde_json::from_slice::<Value>(&event)
        {
            // A last event without its blank line may be whole or cut off; cut off is not malformed.
            self.chunk(endpoint, &chunk, sink)?;
        }
        Ok(self.progress())
    }

    fn received_tokens(&self) -> u64 {
        count_tokens(&self.content) + self.calls.iter().map(|(_, _, arguments)| count_tokens(arguments)).sum::<u64>()
    }

    fn into_response(self, endpoint: &Endpoint) -> Result<ModelResponse, RunError> {
        if let Some(why) = &self.blocked {
            return Err(declined(endpoint, why));
        }
        match self.finish.as_deref() {
            Some("MALFORMED_FUNCTION_CALL" | "UNEXPECTED_TOOL_CALL") => {
                let message = format!("the model of {} wrote a call of a tool that cannot be read", endpoint.name());
                return Err(endpoint.error(ErrorKind::ProviderInvalid, message));
            }
            Some(
                reason @ ("SAFETY" | "RECITATION" | "LANGUAGE" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII"
                | "IMAGE_SAFETY"),
            ) => return Err(declined(endpoint, &format!("the answer is held back ({reason})"))),
            _ => {}
        }
        let (input_tokens, output_tokens) = self.usage.unwrap_or((self.prompt_tokens, self.received_tokens()));
        let tool_calls = finished_calls(self.calls.into_iter());
        let stop = match self.finish.as_deref() {
            _ if !tool_calls.is_empty() => StopReason::ToolCalls,
            Some("MAX_TOKENS") => StopReason::Length,
            _ => StopReason::Stop,
        };
        Ok(ModelResponse {
            content: self.content,
            tool_calls,
            stop,
            usage: Usage { input_tokens, output_tokens, model_calls: 1, ..Usage::default() },
            model: self.model,
            continuation: self.signed.then(|| json!({ "gemini": self.parts })),
            simulated: false,
        })
    }

    fn refused(&self, endpoint: &Endpoint, status: u16, body: &[u8]) -> RunError {
        match error_in(body) {
            Some(error) => failed(endpoint, status, &error),
            None if body.starts_with(b"<") => status_error(endpoint, status, ""),
            None => status_error(endpoint, status, &String::from_utf8_lossy(body)),
        }
    }

    fn retry_after(&self, body: &[u8]) -> Option<Duration> {
        let error = error_in(body)?;
        let delay = error["details"].as_array()?.iter().find_map(|detail| detail["retryDelay"].as_str())?;
        Duration::try_from_secs_f64(delay.strip_suffix('s')?.parse().ok()?).ok()
    }
}

/// The `error` of a body; a stream that was asked for is refused with a list of one.
fn error_in(body: &[u8]) -> Option<Value> {
    let document: Value = serde_json::from_slice(body).ok()?;
    let document = if document.is_array() { &document[0] } else { &document };
    document.get("error").cloned()
}

/// The error behind an `error` object, by its status and its words.
fn failed(endpoint: &Endpoint, status: u16, error: &Value) -> RunError {
    let words = text_of(error, &["message"]);
    let lower = words.to_ascii_lowercase();
    if status == 400 && lower.contains("token count") && lower.contains("exceeds") {
        return overflow(endpoint, words);
    }
    let bad_key = error["details"].as_array().into_iter().flatten().any(|d| d["reason"] == "API_KEY_INVALID");
    let status = if status == 400 && (bad_key || lower.contains("api key not valid")) { 401 } else { status };
    match status {
        404 => status_error(endpoint, status, words).with_help("Is the model's name right, and may this key use it?"),
        _ => status_error(endpoint, status, words),
    }
}
