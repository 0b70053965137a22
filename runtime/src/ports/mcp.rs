use std::time::Duration;

use aikit_core::{ErrorKind, RunError, RunId};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::Secret;

/// A server as it is reached; programs, hosts and variables are permitted already, credentials resolved.
#[derive(Debug, Clone)]
pub struct McpEndpoint {
    /// The run to which the connection belongs.
    pub run: RunId,
    /// The server's name in the document.
    pub server: String,
    /// How it is reached.
    pub way: McpWay,
    /// How long it may take to answer.
    pub timeout: Duration,
}

/// How an MCP server is reached.
#[derive(Debug, Clone)]
pub enum McpWay {
    /// A program.
    Program {
        /// The program and its arguments.
        argv: Vec<String>,
        /// Environment variables.
        env: Vec<(String, Secret)>,
    },
    /// Streamable HTTP.
    Http {
        /// The address.
        url: String,
        /// Headers of every request.
        headers: Vec<(String, String)>,
        /// Sent as a bearer token.
        bearer: Option<Secret>,
        /// Whether the host may lie in the private network.
        private: bool,
    },
}

/// A tool of an MCP server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct McpToolInfo {
    /// Its name there.
    pub name: String,
    /// What it is good for.
    #[serde(default)]
    pub description: String,
    /// JSON Schema of its arguments.
    pub input: Value,
}

/// Connections to MCP servers: each lives as long as its run, and is made when it is first needed.
#[async_trait]
pub trait Mcp: Send + Sync {
    /// The tools of a server, sorted by name.
    async fn tools(&self, endpoint: &McpEndpoint, cancel: &CancellationToken) -> Result<Vec<McpToolInfo>, RunError>;

    /// Calls a tool. What the tool itself reports as wrong is `tool.failed`; errors of the connection are `mcp.*`.
    async fn call(
        &self,
        endpoint: &McpEndpoint,
        tool: &str,
        args: Value,
        cancel: &CancellationToken,
    ) -> Result<Value, RunError>;

    /// Ends the connections of a run.
    async fn close(&self, run: RunId);
}

/// No servers.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoMcp;

fn none() -> RunError {
    RunError::new(ErrorKind::McpUnavailable, "no MCP server can be reached here")
        .with_help("in a test, say under `stubs` or `mock` what its tools give")
}

#[async_trait]
impl Mcp for NoMcp {
    async fn tools(&self, _: &McpEndpoint, _: &CancellationToken) -> Result<Vec<McpToolInfo>, RunError> {
        Err(none())
    }

    async fn call(&self, _: &McpEndpoint, _: &str, _: Value, _: &CancellationToken) -> Result<Value, RunError> {
        Err(none())
    }

    async fn close(&self, _: RunId) {}
}
