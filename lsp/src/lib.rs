//! The Language Server Protocol over the editor features: one task owns the documents, handlers hand it their question and
//! wait for its answer. It never waits for the client.

mod capabilities;
mod convert;
mod folders;
mod owner;
mod server;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use aikit_core::Diagnostic;
use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};
use tower_lsp::{LspService, Server};

pub use aikit_ide::{Setting, Snapshot, Surroundings};

/// What the server asks of the engine.
#[async_trait]
pub trait Analysis: Send + Sync {
    /// Everything that is to be said of a document, as every face says it.
    async fn findings(&self, snapshot: &Snapshot) -> Vec<Diagnostic>;

    /// What surrounds documents.
    async fn surroundings(&self) -> Surroundings;

    /// Where a document stands among the folders of the workspace.
    fn setting(&self, document: &Path, folders: &[PathBuf]) -> Setting;
}

/// Serves one client until it exits or its stream ends.
pub async fn serve(input: impl AsyncRead + Unpin, output: impl AsyncWrite, analysis: Arc<dyn Analysis>) {
    let (service, socket) = LspService::build(|client| server::Backend::new(client, analysis))
        .custom_method("aikit/graph", server::Backend::graph)
        .custom_method("aikit/interface", server::Backend::interface)
        .finish();
    Server::new(input, output, socket).serve(service).await;
}
