//! `aikit dap`: the debug adapter.

use std::sync::Arc;

use aikit_core::{ErrorKind, LineIndex, RunError, Scope, render};
use aikit_dap::{Launcher, Program};
use aikit_storage::Database;
use async_trait::async_trait;

use super::{Outcome, meet};
use crate::{
    compose::{self, Composition},
    context::Context,
    failure::Failure,
    source::Source,
};

/// Arguments of `aikit dap`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Speak over standard input and output (the default)
    #[arg(long)]
    pub stdio: bool,
    /// Wait for one client on this port of the loopback address
    #[arg(long, value_name = "PORT", conflicts_with = "stdio")]
    pub port: Option<u16>,
}

/// Programs from files, run for one scope.
struct Files {
    database: Database,
    scope: Scope,
    composition: Composition,
}

#[async_trait]
impl Launcher for Files {
    async fn program(&self, path: &str) -> Result<Program, RunError> {
        let invalid = |message: String| RunError::new(ErrorKind::SpecInvalid, message);
        let source = Source::read(path);
        if let Some(diagnostic) = &source.unreadable {
            return Err(invalid(format!("{path}: {}", diagnostic.message)));
        }
        let engine = compose::engine(&self.database, self.scope.clone(), "dap", &self.composition)
            .await
            .map_err(|failure| invalid(failure.message))?;
        let checked = engine.check(&source.text).await;
        match checked.plan {
            Some(plan) => Ok(Program { engine, plan: Arc::new(plan), text: source.text }),
            None => {
                let lines = LineIndex::new(&source.text);
                let all = checked.diagnostics.iter().filter(|finding| finding.is_error());
                let all: Vec<String> = all.map(|finding| render::plain(finding, path, &source.text, &lines)).collect();
                Err(invalid(all.join("\n")))
            }
        }
    }
}

/// Serves one client to its end.
pub async fn run(context: &Context, args: Args) -> Result<Outcome, Failure> {
    let database = context.database().await?;
    let scope = context.scope(&database).await?;
    let composition = Composition::new(compose::MODEL.to_owned())?;
    let launcher = Arc::new(Files { database, scope, composition });
    let (input, output) = meet(args.port).await?;
    aikit_dap::serve(input, output, launcher).await;
    Ok(Outcome::ok(""))
}
