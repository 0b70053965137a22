//! The Language Server Protocol over the editor features: one task owns the documents, handlers hand it their question and
//! wait for its answer. It never waits for the client.

mod convert;
mod owner;
mod server;

use std::sync::Arc;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};
use tower_lsp::{LspService, Server};

pub use aikit_ide::{Checked, Surroundings};

/// What the server asks of the engine.
#[async_trait]
pub trait Analysis: Send + Sync {
    /// Checks a document, as every face does.
    async fn check(&self, text: &str) -> Checked;

    /// What surrounds documents.
    async fn surroundings(&self) -> Surroundings;
}

/// Serves one client until it exits or its stream ends.
pub async fn serve(input: impl AsyncRead + Unpin, output: impl AsyncWrite, analysis: Arc<dyn Analysis>) {
    let (service, socket) = LspService::new(|client| server::Backend::new(client, analysis));
    Server::new(input, output, socket).serve(service).await;
}
