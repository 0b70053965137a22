use aikit_runtime::ports::{Message, ModelRequest, Role};
use serde_json::{Map, Value};

/// A request as the simulated model reads it.
pub(super) struct Prompt {
    /// What the user said last, as prose: the texts of a message that is a JSON object, else the message.
    pub(super) user: String,
    /// What the message is about: behind its instructions, where both can be told apart.
    pub(super) subject: String,
    /// The fields of a last message that is a JSON object.
    pub(super) fields: Map<String, Value>,
    /// Instructions.
    pub(super) system: String,
    /// Results of tools since the user spoke: the tool's name and what it gave.
    pub(super) results: Vec<(String, String)>,
    /// A number that differs when the request does.
    pub(super) seed: u64,
}

impl Prompt {
    /// Reads a request.
    pub(super) fn new(request: &ModelRequest) -> Prompt {
        let messages = &request.messages;
        let spoke = messages.iter().rposition(|message| message.role == Role::User);
        let raw = spoke.map(|at| messages[at].content.as_str()).unwrap_or_default();
        let fields = match serde_json::from_str(raw) {
            Ok(Value::Object(fields)) => fields,
            _ => Map::new(),
        };
        let user = if fields.is_empty() { raw.trim().to_string() } else { prose(&fields) };
        let instructions = messages.iter().filter(|message| message.role == Role::System);
        let system = instructions.map(|message| message.content.trim()).collect::<Vec<_>>().join("\n");
        let since = spoke.map_or(0, |at| at + 1);
        let results = messages[since..]
            .iter()
            .filter(|message| message.role == Role::Tool)
            .map(|message| (tool_name(messages, message), message.content.trim().to_string()))
            .collect();
        let subject = subject(if user.is_empty() { &system } else { &user }).to_string();
        Prompt { user, subject, fields, system, results, seed: seed(request) }
    }

    /// What an answer may draw on, the most telling first: results of tools, then the user's words.
    pub(super) fn source(&self) -> String {
        let results: String = self.results.iter().map(|(_, result)| format!("{result}\n")).collect();
        format!("{results}{}", self.user)
    }

    /// A small number that depends on the request and on `what` it is for.
    pub(super) fn pick(&self, what: &str, below: u64) -> u64 {
        if below == 0 { 0 } else { mix(hash(what.as_bytes(), self.seed)) % below }
    }
}

/// People write what to do, then a blank line or a colon, then what to do it with.
fn subject(text: &str) -> &str {
    let matter = |part: &str| part.split_whitespace().count() >= 4;
    let behind = text.rsplit_once("\n\n").or_else(|| text.split_once(":\n")).or_else(|| text.split_once(": "));
    match behind {
        Some((_, part)) if matter(part) => part.trim(),
        _ => text.trim(),
    }
}

/// The texts of an object, in order; numbers and truth values with their names.
fn prose(fields: &Map<String, Value>) -> String {
    let part = |(name, value): (&String, &Value)| match value {
        Value::String(text) => Some(text.trim().to_string()),
        Value::Null => None,
        other => Some(format!("{name}: {other}")),
    };
    fields.iter().filter_map(part).collect::<Vec<_>>().join("\n")
}

fn tool_name(messages: &[Message], result: &Message) -> String {
    let id = result.tool_call_id.as_deref();
    let mut calls = messages.iter().flat_map(|message| &message.tool_calls);
    calls.rfind(|call| Some(call.id.as_str()) == id).map_or_else(|| "the tool".to_string(), |call| call.name.clone())
}

fn seed(request: &ModelRequest) -> u64 {
    let parameters = &request.parameters;
    let mut seed = hash(&parameters.seed.unwrap_or_default().to_le_bytes(), 0xcbf2_9ce4_8422_2325);
    seed = hash(&parameters.temperature.unwrap_or_default().to_bits().to_le_bytes(), seed);
    request.messages.iter().fold(seed, |seed, message| hash(message.content.as_bytes(), seed))
}

/// FNV-1a: stable over machines and versions, which the standard hasher is not.
fn hash(bytes: &[u8], seed: u64) -> u64 {
    bytes.iter().fold(seed, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// Spreads a hash over all bits, so that its remainders are spread too.
fn mix(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}
