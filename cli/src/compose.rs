//! The composition root: adapters to ports, one session per command or kernel.

use std::{path::PathBuf, sync::Arc};

use aikit_core::{RunError, Scope, record::StoreError};
use aikit_js_bridge::JsFactory;
use aikit_lua_bridge::LuaFactory;
use aikit_models::{ModelsConfig, Registry};
use aikit_runtime::{
    engine::{Engine, Ports},
    ports::{Scripts, Store, SystemClock},
    scripts::{ProcessScripts, engine::EngineFactory},
    session::{Session, SessionOptions},
};
use aikit_storage::Database;
use aikit_tools::BuiltinTools;

use crate::adapters::{secrets::TenantSecrets, store::StoreAdapter};

/// The hidden subcommand that turns this binary into a script worker.
pub const WORKER: &str = "script-worker";

/// Both languages.
pub fn factories() -> Vec<Arc<dyn EngineFactory>> {
    vec![Arc::new(LuaFactory), Arc::new(JsFactory)]
}

/// The interpreters of one session, in a process of their own that starts with the first script.
pub fn scripts(program: PathBuf) -> Arc<dyn Scripts> {
    Arc::new(ProcessScripts::new(program, vec![WORKER.to_owned()]))
}

/// What the composition needs to know beside the scope.
#[derive(Debug, Clone)]
pub struct Composition {
    /// This binary.
    pub program: PathBuf,
    /// Folder of the scripts of `scripted/<file>`.
    pub model_scripts: Option<PathBuf>,
    /// `provider/model` for `ctx.ai` in cells.
    pub model: String,
}

/// Why no session could be made.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// The store refused the scope.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The session refused its options.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// An engine for a scope; `kind` is recorded with the session (`kernel`, `cli`).
pub async fn engine(
    database: &Database,
    scope: Scope,
    kind: &str,
    composition: &Composition,
) -> Result<Engine, ComposeError> {
    let store: Arc<dyn Store> = Arc::new(StoreAdapter::new(database.enter(&scope, kind).await?));
    let tenant = store.tenant().await?;
    let models = ModelsConfig { scripts: composition.model_scripts.clone(), ..ModelsConfig::default() };
    let ports = Ports {
        store,
        models: Arc::new(Registry::new(models)),
        tools: Arc::new(BuiltinTools::new()),
        scripts: scripts(composition.program.clone()),
        secrets: Arc::new(TenantSecrets::new(tenant.clone())),
        clock: Arc::new(SystemClock),
    };
    Ok(Engine::new(ports, scope, tenant))
}

/// A session for a scope.
pub async fn session(
    database: &Database,
    scope: Scope,
    kind: &str,
    composition: &Composition,
) -> Result<Arc<Session>, ComposeError> {
    let engine = engine(database, scope, kind, composition).await?;
    let options = SessionOptions { model: composition.model.clone(), ..SessionOptions::default() };
    Ok(Arc::new(Session::new(engine, options)?))
}
