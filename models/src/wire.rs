use std::{collections::BTreeSet, time::Duration};

use aikit_core::{ErrorKind, RunError};
use aikit_runtime::ports::{ModelSink, ToolCall};
use serde_json::{Map, Value};

use crate::endpoint::Endpoint;

/// How far an answer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// More is to come.
    Partial,
    /// The answer is there; the server may still add its count of tokens.
    Settled,
    /// Nothing will follow.
    Done,
}

/// The answer of one request in one wire format, decoded without I/O.
pub(crate) trait Wire: Send {
    /// What the answer is in the end.
    type Output;

    /// A successful answer begins; it says to be of this media type.
    fn begin(&mut self, endpoint: &Endpoint, media_type: &str) -> Result<(), RunError>;

    /// The next bytes, cut anywhere.
    fn feed(&mut self, endpoint: &Endpoint, bytes: &[u8], sink: ModelSink<'_>) -> Result<Progress, RunError>;

    /// The server closed the connection in an orderly way.
    fn end(&mut self, endpoint: &Endpoint, sink: ModelSink<'_>) -> Result<Progress, RunError>;

    /// Tokens received so far, for messages about streams that broke off.
    fn received_tokens(&self) -> u64;

    /// The answer, once it is settled. A refusal by the model is an error.
    fn into_response(self, endpoint: &Endpoint) -> Result<Self::Output, RunError>;

    /// What the server answered in place of success.
    fn refused(&self, endpoint: &Endpoint, status: u16, body: &[u8]) -> RunError;

    /// What such an answer asks us to wait, for servers that say it there and not in the head.
    fn retry_after(&self, body: &[u8]) -> Option<Duration> {
        let _ = body;
        None
    }
}

/// The longest event that is accepted. One event holds a few tokens; a server that answers in one piece holds all.
pub(crate) const MAX_EVENT: usize = 8 << 20;

/// The first of these keys that holds a text.
pub(crate) fn text_of<'v>(value: &'v Value, keys: &[&str]) -> &'v str {
    keys.iter().find_map(|key| value.get(key).and_then(Value::as_str)).unwrap_or_default()
}

/// The data of an event, which is JSON.
pub(crate) fn parse_event(endpoint: &Endpoint, data: &[u8]) -> Result<Value, RunError> {
    serde_json::from_slice(data).map_err(|error| {
        let shown = Endpoint::quote(&String::from_utf8_lossy(&data[..data.len().min(160)]));
        let message = format!("{} sent a chunk that is not JSON ({error}): {shown}", endpoint.name());
        endpoint.error(ErrorKind::ProviderInvalid, message)
    })
}

/// An event that never ends.
pub(crate) fn too_long(endpoint: &Endpoint) -> RunError {
    let message = format!("{} sent an event of more than {MAX_EVENT} bytes", endpoint.name());
    endpoint.error(ErrorKind::ProviderInvalid, message)
}

/// A request that is longer than the model's context.
pub(crate) fn overflow(endpoint: &Endpoint, words: &str) -> RunError {
    let message = format!("the request is too long for {}: {}", endpoint.name(), Endpoint::quote(words));
    endpoint
        .error(ErrorKind::ProviderContextOverflow, message)
        .with_help("Shorten the prompt, or choose a model with a larger context.")
}

/// A model that does not want to.
pub(crate) fn declined(endpoint: &Endpoint, why: &str) -> RunError {
    let message = format!("{} declined to answer: {}", endpoint.name(), Endpoint::quote(why));
    endpoint.error(ErrorKind::ProviderRefusal, message)
}

/// An answer that is a web page or something else that no model says.
pub(crate) fn not_a_model(endpoint: &Endpoint, what: &str, help: &str) -> RunError {
    let message = format!("{} answered with {what}, not with an event stream", endpoint.name());
    endpoint.error(ErrorKind::ProviderInvalid, message).with_help(help)
}

/// Calls, given as id, name and arguments, with unique ids and parsed arguments; what is not JSON stays text.
pub(crate) fn finished_calls(calls: impl Iterator<Item = (String, String, String)>) -> Vec<ToolCall> {
    let mut ids = BTreeSet::new();
    let named = calls.filter(|(_, name, _)| !name.is_empty());
    let finish = |(ordinal, (id, name, arguments)): (usize, (String, String, String))| {
        let made_up = || format!("call_{}", ordinal + 1);
        let id = if id.is_empty() || ids.contains(&id) { made_up() } else { id };
        ids.insert(id.clone());
        let arguments = match arguments.trim() {
            "" => Value::Object(Map::new()),
            text => serde_json::from_str(text).unwrap_or_else(|_| Value::String(arguments.clone())),
        };
        ToolCall { id, name, arguments }
    };
    named.enumerate().map(finish).collect()
}

/// Adds what a document wants in a request besides. What stands there already stays; objects are put together.
pub(crate) fn add_extra(body: &mut Map<String, Value>, extra: &Map<String, Value>) {
    for (key, value) in extra {
        match (body.get_mut(key), value) {
            (None, value) => {
                body.insert(key.clone(), value.clone());
            }
            (Some(Value::Object(ours)), Value::Object(theirs)) => add_extra(ours, theirs),
            (Some(_), _) => {}
        }
    }
}

/// The error behind an HTTP status, unless the wire format's own codes say more.
pub(crate) fn status_error(endpoint: &Endpoint, status: u16, words: &str) -> RunError {
    let name = endpoint.name();
    let words = Endpoint::quote(words);
    let said = if words.is_empty() { String::new() } else { format!(": {words}") };
    let error = |kind, message: String| endpoint.error(kind, message);
    match status {
        401 | 403 if endpoint.key.is_some() => {
            error(ErrorKind::ProviderAuth, format!("{name} refused the credential ({status}){said}"))
                .with_help("Check that the secret holds a valid key for this server and model.")
        }
        401 | 403 => error(ErrorKind::ProviderAuth, format!("{name} wants a credential ({status}){said}"))
            .with_help("Name one with `secret` in the model and declare it under `governance.security.secrets`."),
        408 | 504 => error(ErrorKind::ProviderTimeout, format!("{name} gave up waiting ({status}){said}")),
        429 => error(ErrorKind::ProviderRateLimit, format!("{name} asks to slow down{said}")),
        500..=599 => error(ErrorKind::ProviderUnavailable, format!("{name} failed ({status}){said}")),
        300..=399 => error(ErrorKind::ProviderInvalid, format!("{name} redirects to another place ({status})"))
            .with_help("Set `base_url` to the final address; redirects are not followed with a credential."),
        _ => error(ErrorKind::ProviderInvalid, format!("{name} rejected the request ({status}){said}")),
    }
}
