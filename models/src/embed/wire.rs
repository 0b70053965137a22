//! Vectors as a server sends them: one JSON document.

use aikit_core::{ErrorKind, RunError, record::Usage};
use aikit_runtime::ports::{EmbedRequest, EmbedResponse, ModelSink};
use serde_json::Value;

use crate::{
    endpoint::Endpoint,
    tokens::count_tokens,
    wire::{Progress, Wire, not_a_model, parse_event, status_error, text_of},
};

/// What two servers do differently.
pub(super) struct Format {
    /// The vectors of a document, in the order of the texts.
    pub vectors: fn(&Value) -> Option<Vec<&Value>>,
    /// Tokens that went in.
    pub tokens: fn(&Value) -> Option<u64>,
    /// The error behind a refusal, from the model's name, the status and the document.
    pub failed: fn(&Endpoint, &str, u16, &Value) -> RunError,
}

/// Vectors that are being received.
pub(super) struct EmbedWire<'r> {
    format: &'static Format,
    request: &'r EmbedRequest,
    body: Vec<u8>,
}

impl<'r> EmbedWire<'r> {
    pub(super) fn new(format: &'static Format, request: &'r EmbedRequest) -> Self {
        Self { format, request, body: Vec::new() }
    }
}

impl Wire for EmbedWire<'_> {
    type Output = EmbedResponse;

    fn begin(&mut self, endpoint: &Endpoint, media_type: &str) -> Result<(), RunError> {
        match media_type {
            "text/html" => Err(not_a_model(endpoint, "a web page", "Check `base_url`.")),
            _ => Ok(()),
        }
    }

    fn feed(&mut self, _: &Endpoint, bytes: &[u8], _: ModelSink<'_>) -> Result<Progress, RunError> {
        self.body.extend_from_slice(bytes);
        Ok(Progress::Partial)
    }

    fn end(&mut self, _: &Endpoint, _: ModelSink<'_>) -> Result<Progress, RunError> {
        Ok(Progress::Done)
    }

    fn received_tokens(&self) -> u64 {
        0
    }

    fn into_response(self, endpoint: &Endpoint) -> Result<EmbedResponse, RunError> {
        let document = parse_event(endpoint, &self.body)?;
        let invalid = |what: String| {
            endpoint.error(ErrorKind::ProviderInvalid, format!("{} answered with {what}", endpoint.name()))
        };
        let Some(found) = (self.format.vectors)(&document) else {
            return Err(invalid(format!("something else than vectors: {}", Endpoint::quote(&document.to_string()))));
        };
        let number = |value: &Value| value.as_f64().map(|number| number as f32);
        let vector = |value: &Value| value.as_array()?.iter().map(number).collect::<Option<Vec<f32>>>();
        let vectors: Option<Vec<Vec<f32>>> = found.into_iter().map(vector).collect();
        let vectors = vectors.ok_or_else(|| invalid("vectors that are not numbers".into()))?;
        let wanted = self.request.texts.len();
        if vectors.len() != wanted {
            return Err(invalid(format!("{} vectors for {wanted} texts", vectors.len())));
        }
        let length = vectors.first().map_or(0, Vec::len);
        if length == 0 || vectors.iter().any(|vector| vector.len() != length) {
            return Err(invalid("vectors of different lengths".into()));
        }
        let counted = || self.request.texts.iter().map(|text| count_tokens(text)).sum();
        let input_tokens = (self.format.tokens)(&document).unwrap_or_else(counted);
        let model = text_of(&document, &["model"]);
        Ok(EmbedResponse {
            vectors,
            usage: Usage { input_tokens, model_calls: 1, ..Usage::default() },
            model: if model.is_empty() { self.request.model.clone() } else { model.to_owned() },
        })
    }

    fn refused(&self, endpoint: &Endpoint, status: u16, body: &[u8]) -> RunError {
        match serde_json::from_slice::<Value>(body) {
            Ok(document) => (self.format.failed)(endpoint, &self.request.model, status, &document),
            Err(_) if body.starts_with(b"<") => status_error(endpoint, status, ""),
            Err(_) => status_error(endpoint, status, &String::from_utf8_lossy(body)),
        }
    }
}
