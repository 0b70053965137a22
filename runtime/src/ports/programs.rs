use std::time::Duration;

use aikit_core::{ErrorKind, RunError};
use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::Secret;

/// A program that is to be started; it is permitted already.
#[derive(Debug, Clone)]
pub struct ProgramRequest {
    /// The program and its arguments. No shell reads them.
    pub argv: Vec<String>,
    /// The folder in which it starts, below the workspace; empty for the workspace itself.
    pub cwd: String,
    /// Environment variables. Beside them there is only what finds programs.
    pub env: Vec<(String, Secret)>,
    /// What it reads from its standard input.
    pub stdin: Vec<u8>,
    /// How long it may take, as a last resort: the engine stops waiting earlier.
    pub timeout: Duration,
    /// How much of each output is kept, in bytes.
    pub max_bytes: usize,
}

/// How a program ended.
#[derive(Debug, Clone, Default)]
pub struct ProgramEnd {
    /// Its exit code; `None` when a signal ended it.
    pub exit_code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: Vec<u8>,
    /// Whether it wrote more than was kept.
    pub truncated: bool,
}

/// Starts programs inside the workspace.
#[async_trait]
pub trait Programs: Send + Sync {
    /// Runs one to its end. It is ended with everything that it started when `cancel` fires, when its time is over, and when
    /// the future is dropped.
    async fn run(&self, request: ProgramRequest, cancel: &CancellationToken) -> Result<ProgramEnd, RunError>;
}

/// No programs.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPrograms;

#[async_trait]
impl Programs for NoPrograms {
    async fn run(&self, _: ProgramRequest, _: &CancellationToken) -> Result<ProgramEnd, RunError> {
        Err(RunError::new(ErrorKind::ToolDenied, "no program can be started here")
            .with_help("in a test, say under `stubs` or `mock` what the tool gives"))
    }
}
