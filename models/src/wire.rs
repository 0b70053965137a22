use aikit_core::{ErrorKind, RunError};
use aikit_runtime::ports::{ModelResponse, ModelSink};
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
    /// A successful answer begins; it says to be of this media type.
    fn begin(&mut self, endpoint: &Endpoint, media_type: &str) -> Result<(), RunError>;

    /// The next bytes, cut anywhere.
    fn feed(&mut self, endpoint: &Endpoint, bytes: &[u8], sink: ModelSink<'_>) -> Result<Progress, RunError>;

    /// The server closed the connection in an orderly way.
    fn end(&mut self, endpoint: &Endpoint, sink: ModelSink<'_>) -> Result<Progress, RunError>;

    /// Tokens received so far, for messages about streams that broke off.
    fn received_tokens(&self) -> u64;

    /// The answer, once it is settled. A refusal by the model is an error.
    fn into_response(self, endpoint: &Endpoint) -> Result<ModelResponse, RunError>;

    /// What the server answered in place of success.
    fn refused(&self, endpoint: &Endpoint, status: u16, body: &[u8]) -> RunError;
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
