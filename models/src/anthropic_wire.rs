//! Anthropic's Messages API: a request as JSON, and an answer out of a stream of events.

use aikit_core::{ErrorKind, RunError, record::Usage};
use aikit_runtime::ports::{
    Effort, Message, ModelDelta, ModelRequest, ModelResponse, ModelSink, OutputForm, Role, StopReason, ToolCall,
    ToolChoice, as_arguments,
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

/// The tool that takes an answer with a form: this API keeps a form in no other way.
const ANSWER: &str = "final_answer";

/// Length of an answer at most, where the document does not say it; the API wants to be told, and every model can do this.
const MAX_TOKENS: u32 = 4096;

/// How many tokens a model may think.
fn budget(effort: Effort) -> Option<u32> {
    match effort {
        Effort::Off => None,
        Effort::Low => Some(1024),
        Effort::Medium => Some(4096),
        Effort::High => Some(16384),
    }
}

/// The body of a request.
pub(crate) fn encode(request: &ModelRequest) -> Result<Value, RunError> {
    if request.output_form == OutputForm::Strict && request.output_schema.is_some() {
        return Err(RunError::new(ErrorKind::ProviderInvalid, "a model of `anthropic` cannot keep to a grammar")
            .with_help("Write `output.mode: auto`: the answer is checked, and repaired where it does not fit."));
    }
    let parameters = &request.parameters;
    let thinking = parameters.reasoning.and_then(budget);
    let mut system: Vec<&str> = request
        .messages
        .iter()
        .filter(|message| message.role == Role::System && !message.content.is_empty())
        .map(|message| message.content.as_str())
        .collect();
    let mut tools: Vec<Value> = request
        .tools
        .iter()
        .map(|tool| json!({ "name": tool.name, "description": tool.description, "input_schema": tool.parameters }))
        .collect();
    let mut choice = request.tool_choice.as_ref().map(|choice| match choice {
        ToolChoice::None => json!({ "type": "none" }),
        ToolChoice::Required => json!({ "type": "any" }),
        ToolChoice::Tool(name) => json!({ "type": "tool", "name": name }),
    });
    if let Some(schema) = request.native_schema() {
        let (schema, _) = as_arguments(schema);
        choice = match (tools.is_empty(), &request.tool_choice) {
            (true, _) | (_, Some(ToolChoice::None)) => Some(json!({ "type": "tool", "name": ANSWER })),
            (false, None) => Some(json!({ "type": "any" })),
            (false, Some(_)) => choice,
        };
        let description = "Takes the final answer. Call it once, when the answer is complete.";
        tools.push(json!({ "name": ANSWER, "description": description, "input_schema": schema }));
        if thinking.is_some() {
            system.push("Give the final answer by calling the tool `final_answer`.");
        }
    }
    // A model that thinks may not be made to call a tool.
    if thinking.is_some() && choice.as_ref().is_some_and(|choice| choice["type"] != "none") {
        choice = None;
    }
    let max_tokens = parameters.max_tokens.unwrap_or(MAX_TOKENS);
    let mut body = Map::new();
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(key.into(), value);
        }
    };
    set("model", Some(json!(request.model)));
    set("max_tokens", Some(json!(max_tokens.saturating_add(thinking.unwrap_or_default()))));
    set("system", (!system.is_empty()).then(|| json!(system.join("\n\n"))));
    set("messages", Some(messages(&request.messages)));
    set("stream", Some(json!(true)));
    set("tool_choice", choice.filter(|_| !tools.is_empty()));
    set("tools", (!tools.is_empty()).then(|| json!(tools)));
    set("stop_sequences", (!parameters.stop.is_empty()).then(|| json!(parameters.stop)));
    set("top_p", parameters.top_p.map(Value::from));
    match thinking {
        Some(tokens) => set("thinking", Some(json!({ "type": "enabled", "budget_tokens": tokens }))),
        None => {
            set("temperature", parameters.temperature.map(Value::from));
            set("top_k", parameters.top_k.map(Value::from));
        }
    }
    add_extra(&mut body, &request.extra);
    Ok(Value::Object(body))
}

/// Messages that take turns: what the same side says is put together, and results of tools come from the user.
fn messages(all: &[Message]) -> Value {
    let mut turns: Vec<(&str, Vec<Value>)> = Vec::new();
    for message in all {
        let role = match message.role {
            Role::System => continue,
            Role::User | Role::Tool => "user",
            Role::Assistant => "assistant",
        };
        let blocks = blocks(message);
        match turns.last_mut() {
            _ if blocks.is_empty() => {}
            Some((last, said)) if *last == role => said.extend(blocks),
            _ => turns.push((role, blocks)),
        }
    }
    turns.into_iter().map(|(role, content)| json!({ "role": role, "content": content })).collect()
}

fn blocks(message: &Message) -> Vec<Value> {
    let text = |text: &str| (!text.trim().is_empty()).then(|| json!({ "type": "text", "text": text }));
    if message.role == Role::Tool {
        let id = message.tool_call_id.as_deref().unwrap_or_default();
        return vec![json!({ "type": "tool_result", "tool_use_id": id, "content": message.content })];
    }
    let thoughts = message.continuation.as_ref().and_then(|said| said.get("anthropic")).and_then(Value::as_array);
    let mut blocks: Vec<Value> = thoughts.cloned().unwrap_or_default();
    blocks.extend(text(&message.content));
    blocks.extend(message.tool_calls.iter().map(|call| {
        let input = if call.arguments.is_object() { call.arguments.clone() } else { json!({}) };
        json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": input })
    }));
    blocks
}

/// A part of an answer.
#[derive(Default)]
struct Block {
    kind: String,
    id: String,
    name: String,
    /// The text, the thought, or the arguments as JSON.
    text: String,
    /// A thought's signature, or what is hidden of it.
    seal: String,
}

/// An answer that is being received.
pub(crate) struct AnthropicWire {
    events: SseDecoder,
    /// The server ignored `stream` and answers with one JSON document, collected here.
    whole: Option<Vec<u8>>,
    blocks: Vec<(u64, Block)>,
    stop: Option<String>,
    done: bool,
    usage: (Option<u64>, Option<u64>),
    model: String,
    prompt_tokens: u64,
    /// The answer comes as arguments of [`ANSWER`]; inside it is the property `answer`.
    form: Option<bool>,
}

impl AnthropicWire {
    /// A decoder for the answer to `request`.
    pub(crate) fn new(request: &ModelRequest) -> Self {
        Self {
            events: SseDecoder::new(MAX_EVENT),
            whole: None,
            blocks: Vec::new(),
            stop: None,
            done: false,
            usage: (None, None),
            model: request.model.clone(),
            prompt_tokens: request.messages.iter().map(|message| count_tokens(&message.content)).sum(),
            form: request.native_schema().map(|schema| as_arguments(schema).1),
        }
    }

    fn event(&mut self, endpoint: &Endpoint, data: &[u8], sink: ModelSink<'_>) -> Result<(), RunError> {
        if data.trim_ascii().is_empty() {
            return Ok(());
        }
        let event = parse_event(endpoint, data)?;
        match text_of(&event, &["type"]) {
            "message_start" => self.begins(&event["message"]),
            "content_block_start" => {
                let index = event["index"].as_u64().unwrap_or(self.blocks.len() as u64);
                self.block(index, &event["content_block"], sink);
            }
            "content_block_delta" => {
                let (index, delta) = (event["index"].as_u64(), &event["delta"]);
                self.delta(index, delta, sink);
            }
            "message_delta" => {
                self.count(&event["usage"]);
                if let Some(stop) = event["delta"]["stop_reason"].as_str() {
                    self.stop = Some(stop.to_owned());
                }
            }
            "message_stop" => self.done = true,
            "error" => return Err(failed(endpoint, None, &event["error"])),
            // What a later version of the API adds.
            _ => {}
        }
        Ok(())
    }

    fn begins(&mut self, message: &Value) {
        if let Some(model) = message["model"].as_str().filter(|model| !model.is_empty()) {
            self.model = model.to_owned();
        }
        self.count(&message["usage"]);
    }

    fn count(&mut self, usage: &Value) {
        let count = |key: &str| usage[key].as_u64();
        if let Some(input) = count("input_tokens") {
            let cached = ["cache_creation_input_tokens", "cache_read_input_tokens"].map(|key| count(key).unwrap_or(0));
            self.usage.0 = Some(input + cached.iter().sum::<u64>());
        }
        self.usage.1 = count("output_tokens").or(self.usage.1);
    }

    fn block(&mut self, index: u64, start: &Value, sink: ModelSink<'_>) {
        let field = |key: &str| start[key].as_str().unwrap_or_default().to_owned();
        let kind = field("type");
        let mut block = Block { id: field("id"), name: field("name"), seal: field("data"), ..Block::default() };
        let text = match kind.as_str() {
            "text" => field("text"),
            "thinking" => {
                block.seal = field("signature");
                field("thinking")
            }
            // A stream begins with an empty object and sends the arguments behind it.
            "tool_use" => {
                start.get("input").filter(|input| **input != json!({})).map_or_else(String::new, Value::to_string)
            }
            _ => String::new(),
        };
        let answers = self.form.is_some() && block.name == ANSWER;
        if kind == "tool_use" && !answers {
            sink(ModelDelta::ToolCallStarted { name: block.name.clone() });
        }
        block.kind = kind;
        self.blocks.push((index, block));
        self.more(self.blocks.len() - 1, &text, sink);
    }

    fn delta(&mut self, index: Option<u64>, delta: &Value, sink: ModelSink<'_>) {
        let Some(at) = self.blocks.iter().rposition(|(number, _)| index.is_none_or(|index| index == *number)) else {
            return;
        };
        match text_of(delta, &["type"]) {
            "signature_delta" => self.blocks[at].1.seal.push_str(text_of(delta, &["signature"])),
            _ => self.more(at, text_of(delta, &["text", "partial_json", "thinking"]), sink),
        }
    }

    /// More of a block; what belongs to the answer is told.
    fn more(&mut self, at: usize, text: &str, sink: ModelSink<'_>) {
        let block = &mut self.blocks[at].1;
        block.text.push_str(text);
        let answers = self.form == Some(false) && block.name == ANSWER;
        if !text.is_empty() && (block.kind == "text" || answers) {
            sink(ModelDelta::Text(text.to_owned()));
        }
    }

    fn progress(&self) -> Progress {
        match (self.done, &self.stop) {
            (true, _) => Progress::Done,
            (false, Some(_)) => Progress::Settled,
            (false, None) => Progress::Partial,
        }
    }

    /// What has to come back with the next request: a thought that led to calls, with its signature.
    fn thoughts(&self) -> Option<Value> {
        let thoughts = self.blocks.iter().filter_map(|(_, block)| match block.kind.as_str() {
            "thinking" => Some(json!({ "type": "thinking", "thinking": block.text, "signature": block.seal })),
            "redacted_thinking" => Some(json!({ "type": "redacted_thinking", "data": block.seal })),
            _ => None,
        });
        let thoughts: Vec<Value> = thoughts.collect();
        (!thoughts.is_empty()).then(|| json!({ "anthropic": thoughts }))
    }
}

impl Wire for AnthropicWire {
    type Output = ModelResponse;

    fn begin(&mut self, endpoint: &Endpoint, media_type: &str) -> Result<(), RunError> {
        match media_type {
            "application/json" => self.whole = Some(Vec::new()),
            "text/html" => return Err(not_a_model(endpoint, "a web page", "Check `base_url`.")),
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
            self.event(endpoint, &event, &mut *sink)?;
        }
        Ok(self.progress())
    }

    fn end(&mut self, endpoint: &Endpoint, sink: ModelSink<'_>) -> Result<Progress, RunError> {
        if let Some(whole) = self.whole.take() {
            let document = parse_event(endpoint, &whole)?;
            if document["type"] == "error" {
                return Err(failed(endpoint, None, &document["error"]));
            }
            let Some(content) = document["content"].as_array() else {
                let shown = Endpoint::quote(&String::from_utf8_lossy(&whole));
                let message = format!("{} answered with something else than a message: {shown}", endpoint.name());
                return Err(endpoint.error(ErrorKind::ProviderInvalid, message));
            };
            self.begins(&document);
            for (index, block) in content.iter().enumerate() {
                self.block(index as u64, block, &mut *sink);
            }
            self.stop = document["stop_reason"].as_str().map(str::to_owned);
            self.done = true;
        } else if let Some(event) = std::mem::replace(&mut self.events, SseDecoder::new(MAX_EVENT)).finish()
            && serde_json::from_slice::<Value>(&event).is_ok()
        {
            // A last event without its blank line may be whole or cut off; cut off is not malformed.
            self.event(endpoint, &event, sink)?;
        }
        Ok(self.progress())
    }

    fn received_tokens(&self) -> u64 {
        self.blocks.iter().map(|(_, block)| count_tokens(&block.text)).sum()
    }

    fn into_response(self, endpoint: &Endpoint) -> Result<ModelResponse, RunError> {
        let continuation = self.thoughts();
        let estimated = self.received_tokens();
        let mut content = String::new();
        let mut calls = Vec::new();
        for (_, block) in self.blocks {
            match block.kind.as_str() {
                "text" => content.push_str(&block.text),
                "tool_use" => calls.push((block.id, block.name, block.text)),
                _ => {}
            }
        }
        if self.stop.as_deref() == Some("refusal") {
            return Err(declined(endpoint, if content.is_empty() { "it gave no reason" } else { &content }));
        }
        let mut tool_calls = finished_calls(calls.into_iter());
        if let Some(answer) = tool_calls.iter().position(|call| self.form.is_some() && call.name == ANSWER) {
            content = answer_of(tool_calls.swap_remove(answer), self.form == Some(true));
            tool_calls.clear();
        }
        let stop = match self.stop.as_deref() {
            _ if !tool_calls.is_empty() => StopReason::ToolCalls,
            Some("max_tokens" | "model_context_window_exceeded") => StopReason::Length,
            _ => StopReason::Stop,
        };
        let usage = Usage {
            input_tokens: self.usage.0.unwrap_or(self.prompt_tokens),
            output_tokens: self.usage.1.unwrap_or(estimated),
            model_calls: 1,
            ..Usage::default()
        };
        Ok(ModelResponse { content, tool_calls, stop, usage, model: self.model, continuation, simulated: false })
    }

    fn refused(&self, endpoint: &Endpoint, status: u16, body: &[u8]) -> RunError {
        match serde_json::from_slice::<Value>(body) {
            Ok(document) if document["error"].is_object() => failed(endpoint, Some(status), &document["error"]),
            Ok(document) => status_error(endpoint, status, text_of(&document, &["message", "detail"])),
            Err(_) if body.starts_with(b"<") => status_error(endpoint, status, ""),
            Err(_) => status_error(endpoint, status, &String::from_utf8_lossy(body)),
        }
    }
}

/// The answer in the arguments of the tool that takes it.
fn answer_of(call: ToolCall, wrapped: bool) -> String {
    match call.arguments {
        Value::String(raw) => raw,
        Value::Object(mut map) if wrapped => map.remove("answer").unwrap_or_default().to_string(),
        other => other.to_string(),
    }
}

/// The error behind an `error` object; in a stream its type stands for the status.
fn failed(endpoint: &Endpoint, status: Option<u16>, error: &Value) -> RunError {
    let (class, words) = (text_of(error, &["type"]), text_of(error, &["message"]));
    let status = status.unwrap_or(match class {
        "invalid_request_error" => 400,
        "authentication_error" => 401,
        "permission_error" => 403,
        "not_found_error" => 404,
        "request_too_large" => 413,
        "rate_limit_error" => 429,
        "timeout_error" => 504,
        "overloaded_error" => 529,
        _ => 500,
    });
    let lower = words.to_ascii_lowercase();
    let too_long = lower.contains("prompt is too long") || lower.contains("exceed context limit");
    match status {
        413 => overflow(endpoint, words),
        400 if too_long => overflow(endpoint, words),
        404 => status_error(endpoint, status, words).with_help("Is the model's name right, and may this key use it?"),
        _ => status_error(endpoint, status, words),
    }
}
