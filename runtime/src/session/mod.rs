//! A session: one person, one tenant, one set of shared values. Executes cells for every front end.

mod document;
mod errors;
mod magics;
mod past;
mod people;
mod run;
mod script;
mod table;

use std::sync::Arc;

use aikit_core::{Language, Scope, record::HistoryEntry};
use aikit_spec::{
    CheckContext,
    cell::{self, CellKind},
    plan::ModelPlan,
};
use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::{
    cell::{CellEngine, CellError, CellIo, CellOutcome, CellRequest, HistoryQuery, MimeBundle},
    debug::CellDebugger,
    engine::{Engine, model},
    ports::{Completeness, Inspection, ScriptCompletion, ScriptLimits, Vars},
};

/// What a session may be told apart from its scope.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// `provider/model` for `ctx.ai` in cells.
    pub model: String,
    /// What one cell's script may use up.
    pub limits: ScriptLimits,
}

impl Default for SessionOptions {
    /// The simulated model; a day of wall time, since a person can interrupt a cell; 1 GiB.
    fn default() -> Self {
        let limits = ScriptLimits { wall: std::time::Duration::from_secs(86_400), instructions: None, memory: 1 << 30 };
        Self { model: "scripted/auto".into(), limits }
    }
}

/// A session. Cells run one after the other; the front end keeps the order.
pub struct Session {
    engine: Engine,
    model: ModelPlan,
    limits: ScriptLimits,
    debugger: Option<Arc<CellDebugger>>,
}

impl Session {
    /// A session over an engine. Fails when the default model's name is malformed.
    pub fn new(engine: Engine, options: SessionOptions) -> Result<Self, aikit_core::RunError> {
        let model = model::by_name(&options.model)?;
        Ok(Self { engine, model, limits: options.limits, debugger: None })
    }

    /// With a debugger that can hold its cells.
    pub fn debugged_by(self, debugger: Arc<CellDebugger>) -> Self {
        Self { debugger: Some(debugger), ..self }
    }

    /// The engine, for faces that run agents without cells.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }
}

/// What the parts of a session hand each other while one cell runs.
struct CellRun<'s> {
    session: &'s Session,
    request: &'s CellRequest,
    io: Arc<dyn CellIo>,
    cancel: CancellationToken,
}

#[async_trait]
impl CellEngine for Session {
    fn scope(&self) -> &Scope {
        self.engine.scope()
    }

    async fn execute(&self, request: CellRequest, io: Arc<dyn CellIo>, cancel: CancellationToken) -> CellOutcome {
        let run = CellRun { session: self, request: &request, io, cancel };
        match run.execute().await {
            Ok(outcome) => outcome,
            Err(error) => CellOutcome::Err(error),
        }
    }

    async fn evaluate(
        &self,
        expression: &str,
        language: Language,
        cancel: CancellationToken,
    ) -> Result<MimeBundle, CellError> {
        script::evaluate(self, expression, language, cancel).await
    }

    async fn complete_script(&self, language: Language, code: &str, cursor: usize) -> Vec<ScriptCompletion> {
        self.engine.ports().scripts.complete(language, code, cursor).await
    }

    async fn inspect_script(&self, language: Language, code: &str, cursor: usize) -> Option<Inspection> {
        self.engine.ports().scripts.inspect(language, code, cursor).await
    }

    async fn is_complete_script(&self, language: Language, code: &str) -> Completeness {
        self.engine.ports().scripts.is_complete(language, code).await
    }

    fn check_context(&self) -> CheckContext {
        self.engine.check_context()
    }

    async fn agent_names(&self) -> Vec<String> {
        match self.engine.ports().store.specs().await {
            Ok(specs) => specs.into_iter().map(|spec| spec.agent.to_string()).collect(),
            Err(error) => {
                tracing::warn!(%error, "agents cannot be listed");
                Vec::new()
            }
        }
    }

    fn vars(&self) -> Vars {
        self.engine.ports().scripts.vars()
    }

    async fn add_history(&self, line: i64, input: &str, output: Option<&str>) {
        if let Err(error) = self.engine.ports().store.add_history(line, input, output).await {
            tracing::warn!(%error, "an input was not recorded in the history");
        }
    }

    async fn history(&self, query: HistoryQuery) -> Vec<HistoryEntry> {
        let store = &self.engine.ports().store;
        let entries = match &query {
            HistoryQuery::Tail { n } => store.history_tail(*n).await,
            HistoryQuery::Range { session, start, stop } => store.history_range(*session, *start, *stop).await,
            HistoryQuery::Search { pattern, n, unique } => store.history_search(pattern, *n, *unique).await,
        };
        entries.unwrap_or_else(|error| {
            tracing::warn!(%error, "the history cannot be read");
            Vec::new()
        })
    }

    async fn shutdown(&self) {
        self.engine.ports().scripts.shutdown().await;
    }
}

impl CellRun<'_> {
    async fn execute(&self) -> Result<CellOutcome, Box<CellError>> {
        let code = &self.request.code;
        let parts = cell::parts(code, self.request.language);
        if parts.diagnostics.iter().any(|d| d.is_error()) {
            return Err(errors::diagnostics("MagicError", &self.request.name, code, &parts.diagnostics));
        }
        let mut outcome = CellOutcome::Ok { result: None, page: None };
        for magic in &parts.line_magics {
            if let Some(page) = self.line_magic(magic).await? {
                outcome = CellOutcome::Ok { result: None, page: Some(page) };
            }
        }
        match parts.kind {
            CellKind::Magics => Ok(outcome),
            CellKind::Run => {
                let argument = parts.cell_magic.as_ref().map(|magic| magic.argument.as_str()).unwrap_or_default();
                self.run_cell(argument, &parts).await?;
                Ok(outcome)
            }
            CellKind::Code(_) if parts.body.trim().is_empty() => Ok(outcome),
            CellKind::Code(Language::Yaml) => {
                let result = self.document(&parts).await?;
                Ok(CellOutcome::Ok { result: Some(result), page: None })
            }
            CellKind::Code(language) => {
                let result = self.script(language, parts.body, parts.body_line).await?;
                Ok(CellOutcome::Ok { result, page: None })
            }
        }
    }

    fn services(&self) -> crate::engine::host::Services {
        let io = self.io.clone();
        crate::engine::host::Services {
            engine: self.session.engine.clone(),
            model: self.session.model.clone(),
            plan: None,
            parent: None,
            depth: 0,
            stubs: Arc::default(),
            tape: None,
            cancel: self.cancel.clone(),
            output: Some(Arc::new(move |event| io.emit(event))),
            people: self.people(),
            doubts: Arc::default(),
        }
    }
}
