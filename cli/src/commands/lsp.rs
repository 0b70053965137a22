//! `aikit lsp`: the language server.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use aikit_core::Diagnostic;
use aikit_lsp::{Analysis, Setting, Snapshot, Surroundings};
use aikit_runtime::{engine, scripts::ThreadScripts};
use async_trait::async_trait;

use super::{Outcome, Wire};
use crate::{compose, context::Context, failure::Failure, files};

/// Arguments of `aikit lsp`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the client is
    #[command(flatten)]
    pub wire: Wire,
}

/// The engine behind the server: parsers in this process, the tenant's agents from the store.
struct Engine {
    context: Context,
    parsers: ThreadScripts,
    surroundings: aikit_ide::CheckContext,
}

#[async_trait]
impl Analysis for Engine {
    async fn findings(&self, snapshot: &Snapshot) -> Vec<Diagnostic> {
        engine::findings(snapshot.checked(), snapshot.text(), &self.parsers).await
    }

    async fn surroundings(&self) -> Surroundings {
        // An editor works without a store; only names of agents are then unknown.
        let agents = async {
            let store = self.context.store().await.ok()?;
            let specs = store.specs().await.ok()?;
            Some(specs.into_iter().map(|spec| spec.agent.to_string()).collect())
        };
        Surroundings { context: self.surroundings.clone(), agents: agents.await.unwrap_or_default() }
    }

    fn setting(&self, document: &Path, folders: &[PathBuf]) -> Setting {
        files::setting(Some(document), folders, None)
    }
}

/// Serves one client to its end.
pub async fn run(context: &Context, args: Args) -> Result<Outcome, Failure> {
    let surroundings = context.check_context().await?;
    let analysis = Arc::new(Engine { context: context.clone(), parsers: compose::parsers(), surroundings });
    let (input, output) = args.wire.meet().await?;
    aikit_lsp::serve(input, output, analysis).await;
    Ok(Outcome::ok(""))
}
