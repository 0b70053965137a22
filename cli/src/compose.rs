//! The composition root: adapters to ports, one session per command or kernel.

use std::{path::PathBuf, sync::Arc};

use aikit_core::Scope;
use aikit_js_bridge::JsFactory;
use aikit_lua_bridge::LuaFactory;
use aikit_models::{ModelsConfig, Registry};
use aikit_runtime::{
    engine::{Engine, Ports},
    ports::{Models, NoFiles, Scripts, Store, SystemClock, Tools, Vars},
    scripts::{ProcessScripts, ThreadScripts, engine::EngineFactory},
    session::{Session, SessionOptions},
};
use aikit_spec::{CheckContext, limits::LimitLayer};
use aikit_storage::Database;
use aikit_tools::BuiltinTools;

use crate::{
    adapters::{secrets::TenantSecrets, store::StoreAdapter},
    context::Context,
    exit::Exit,
    failure::Failure,
};

/// The hidden subcommand that turns this binary into a script worker.
pub const WORKER: &str = "script-worker";

/// The simulated model: it needs no key and no network.
pub const MODEL: &str = "scripted/auto";

/// Both languages.
pub fn factories() -> Vec<Arc<dyn EngineFactory>> {
    vec![Arc::new(LuaFactory), Arc::new(JsFactory)]
}

/// The languages' parsers, in this process: they run nothing.
pub fn parsers() -> ThreadScripts {
    ThreadScripts::new(factories(), Vars::default())
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
    /// Bounds of every run.
    pub limits: Vec<LimitLayer>,
}

/// What any document can refer to here: providers and built-in tools.
pub fn surroundings() -> CheckContext {
    CheckContext {
        tenant: None,
        providers: Registry::new(ModelsConfig::default()).names(),
        builtins: BuiltinTools::new().list(),
        ..CheckContext::default()
    }
}

impl Composition {
    /// Scripted models are looked for in the working folder.
    pub fn new(context: &Context, model: String) -> Result<Self, Failure> {
        let program = std::env::current_exe().map_err(|error| {
            Failure::new(Exit::Internal, format!("the program does not know where it lies: {error}"))
        })?;
        Ok(Self { program, model_scripts: std::env::current_dir().ok(), model, limits: context.profile.limits.clone() })
    }
}

/// An engine for a scope; `kind` is recorded with the session (`kernel`, `cli`).
pub async fn engine(
    database: &Database,
    scope: Scope,
    kind: &str,
    composition: &Composition,
) -> Result<Engine, Failure> {
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
        files: Arc::new(NoFiles),
    };
    Ok(Engine::new(ports, scope, tenant).within(composition.limits.clone()))
}

/// A session for a scope.
pub async fn session(
    database: &Database,
    scope: Scope,
    kind: &str,
    composition: &Composition,
) -> Result<Session, Failure> {
    let engine = engine(database, scope, kind, composition).await?;
    let options = SessionOptions { model: composition.model.clone(), ..SessionOptions::default() };
    Ok(Session::new(engine, options)?)
}
