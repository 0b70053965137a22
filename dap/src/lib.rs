//! The Debug Adapter Protocol over the engine's debug hooks: runs stop at steps, show what templates can read there, and are
//! walked backwards through what has been.

mod control;
mod session;
mod variables;

use std::sync::Arc;

use aikit_core::RunError;
use aikit_runtime::engine::Engine;
use aikit_spec::plan::Plan;
use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

/// What is to be debugged.
pub struct Program {
    /// The engine, bound to a scope.
    pub engine: Engine,
    /// The plan.
    pub plan: Arc<Plan>,
    /// The text of the document.
    pub text: String,
}

/// Finds programs.
#[async_trait]
pub trait Launcher: Send + Sync {
    /// The document in a file, checked. The error says everything that is wrong with it.
    async fn program(&self, path: &str) -> Result<Program, RunError>;
}

/// Serves one client until it disconnects or its stream ends.
pub async fn serve(
    input: impl AsyncRead + Unpin + Send,
    output: impl AsyncWrite + Unpin + Send + 'static,
    launcher: Arc<dyn Launcher>,
) {
    session::serve(input, output, launcher).await;
}
