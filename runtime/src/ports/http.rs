use std::time::Duration;

use aikit_core::{ErrorKind, RunError};
use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::Secret;

/// One request; its host is permitted already.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    /// `GET`, `POST`, …
    pub method: String,
    /// The address.
    pub url: String,
    /// Headers by name.
    pub headers: Vec<(String, String)>,
    /// What is sent.
    pub body: Option<Vec<u8>>,
    /// Sent as a bearer token.
    pub bearer: Option<Secret>,
    /// Whether the host may lie in the private network. Where it may not, an address found there is refused.
    pub private: bool,
    /// How long all of it may take.
    pub timeout: Duration,
    /// How long an answer may be, in bytes.
    pub max_bytes: usize,
}

/// An answer, whatever its status.
#[derive(Debug, Clone, Default)]
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// Its headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl HttpAnswer {
    /// The first header of that name, which is written in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Sends requests. A redirect is an answer like any other: who follows it has to ask whether the next host is permitted.
#[async_trait]
pub trait Http: Send + Sync {
    /// Sends one. Errors are of the `tool.*` kinds; where nothing was sent, their detail holds `"sent": false`.
    async fn send(&self, request: HttpRequest, cancel: &CancellationToken) -> Result<HttpAnswer, RunError>;
}

/// No network.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHttp;

#[async_trait]
impl Http for NoHttp {
    async fn send(&self, _: HttpRequest, _: &CancellationToken) -> Result<HttpAnswer, RunError> {
        Err(RunError::new(ErrorKind::ToolDenied, "nothing can be reached over the network here")
            .with_help("in a test, say under `stubs` or `mock` what the tool gives"))
    }
}
