//! `aikit dap`: the debug adapter.

use std::sync::Arc;

use aikit_core::{ErrorKind, LineIndex, RunError, RunId, Scope, render};
use aikit_dap::{Launcher, Program};
use aikit_runtime::engine::Engine;
use aikit_storage::Database;
use async_trait::async_trait;

use super::{Outcome, Wire};
use crate::{
    compose::{self, Composition},
    context::Context,
    failure::Failure,
    files,
    source::Source,
};

/// Arguments of `aikit dap`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the client is
    #[command(flatten)]
    pub wire: Wire,
}

/// Programs from files, run for one scope.
struct Files {
    database: Database,
    scope: Scope,
    composition: Composition,
}

impl Files {
    async fn engine(&self, path: Option<&str>) -> Result<Engine, RunError> {
        let composition = match path {
            Some(path) => self.composition.clone().beside(path),
            None => self.composition.clone(),
        };
        let engine = compose::engine(&self.database, self.scope.clone(), "dap", &composition).await;
        engine.map_err(|failure| invalid(failure.message))
    }
}

fn invalid(message: String) -> RunError {
    RunError::new(ErrorKind::SpecInvalid, message)
}

#[async_trait]
impl Launcher for Files {
    async fn program(&self, path: &str) -> Result<Program, RunError> {
        let source = Source::read(path);
        if let Some(diagnostic) = &source.unreadable {
            return Err(invalid(format!("{path}: {}", diagnostic.message)));
        }
        let engine = self.engine(Some(path)).await?;
        let checked = engine.check_at(&source.text, files::beside(path, None)).await;
        let Some(plan) = checked.plan else {
            if !checked.has_errors() {
                return Err(invalid(super::run::no_agent(path, checked.kind).message));
            }
            let lines = LineIndex::new(&source.text);
            let all = checked.diagnostics.iter().filter(|finding| finding.is_error());
            let all: Vec<String> = all.map(|finding| render::plain(finding, path, &source.text, &lines)).collect();
            return Err(invalid(all.join("\n")));
        };
        let name = path.rsplit(['/', '\\']).next().unwrap_or(path).to_owned();
        let path = Some(path.to_owned());
        Ok(Program { engine, plan: Arc::new(plan), text: source.text, name, path, recorded: None })
    }

    async fn recorded(&self, run: &str, path: Option<&str>) -> Result<Program, RunError> {
        let unknown = |error| invalid(format!("`{run}` is not the id of a run: {error}"));
        let run: RunId = run.parse().map_err(unknown)?;
        if let Some(path) = path {
            return Ok(Program { recorded: Some(run), ..self.program(path).await? });
        }
        let engine = self.engine(None).await?;
        let (record, _) = engine.recorded(run).await?;
        let name = format!("{}@{}", record.agent, record.version);
        let spec = engine.find(&name).await?;
        let plan = engine.plan_of(&spec)?;
        Ok(Program { engine, plan, text: spec.source, name, path: None, recorded: Some(run) })
    }
}

/// Serves one client to its end.
pub async fn run(context: &Context, args: Args) -> Result<Outcome, Failure> {
    let database = context.database().await?;
    let scope = context.scope(&database).await?;
    let composition = Composition::new(context, compose::MODEL.to_owned())?;
    let launcher = Arc::new(Files { database, scope, composition });
    let (input, output) = args.wire.meet().await?;
    aikit_dap::serve(input, output, launcher).await;
    Ok(Outcome::ok(""))
}
