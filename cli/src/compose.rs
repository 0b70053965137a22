//! The composition root: adapters to ports, one session per command or kernel.

use std::{path::PathBuf, sync::Arc};

use aikit_core::Scope;
use aikit_js_bridge::JsFactory;
use aikit_lua_bridge::LuaFactory;
use aikit_memory::MemoryService;
use aikit_models::{ModelsConfig, Registry};
use aikit_runtime::{
    engine::{Engine, Ports},
    ports::{Files, Models, NoFiles, Reach, Scripts, Store, SystemClock, Tools, Vars},
    scripts::{ProcessScripts, ThreadScripts, engine::EngineFactory},
    session::{Session, SessionOptions},
};
use aikit_spec::{CheckContext, limits::LimitLayer};
use aikit_storage::Database;
use aikit_tools::{
    BuiltinTools,
    http::Network,
    mcp::McpServers,
    process::{ProcessConfig, Processes},
    workspace::Workspace,
};

use crate::{
    adapters::{memory::MemoryRows, secrets::TenantSecrets, store::StoreAdapter},
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
    /// The folder whose files tools can reach, and in which programs start.
    pub workspace: Option<PathBuf>,
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
        let here = std::env::current_dir().ok();
        let (model_scripts, limits) = (here.clone(), context.profile.limits.clone());
        Ok(Self { program, model_scripts, model, limits, workspace: here })
    }

    /// The workspace of a document is the folder that it lies in; what is no file has the working folder.
    pub fn beside(mut self, document: &str) -> Self {
        self.workspace = folder_of(document).or(self.workspace);
        self
    }
}

/// The folder of a document that is a file.
fn folder_of(document: &str) -> Option<PathBuf> {
    let file = std::path::Path::new(document);
    let file = if file.is_file() { file.canonicalize().ok()? } else { return None };
    file.parent().map(PathBuf::from)
}

/// The engine with the workspace of a document.
pub fn beside(engine: &Engine, document: &str) -> Engine {
    match folder_of(document) {
        Some(folder) => {
            let (files, reach) = outside(Some(&folder));
            engine.at(files, reach)
        }
        None => engine.clone(),
    }
}

/// What every program gets of the environment: what finds programs, and where they may put what they throw away.
const BASE: &[&str] = &["PATH", "LANG", "TZ", "TMPDIR", "SYSTEMROOT"];

/// The workspace and the ways out of it.
fn outside(workspace: Option<&PathBuf>) -> (Arc<dyn Files>, Reach) {
    let network = Arc::new(Network::new());
    let Some(root) = workspace else {
        return (Arc::new(NoFiles), Reach { http: network, ..Reach::default() });
    };
    let files: Arc<dyn Files> = match Workspace::open(root) {
        Ok(workspace) => Arc::new(workspace),
        // A folder that cannot be opened holds nothing that could be read.
        Err(_) => Arc::new(NoFiles),
    };
    let base = BASE.iter().filter_map(|name| Some(((*name).into(), std::env::var_os(name)?))).collect();
    let processes = Processes::new(ProcessConfig { root: root.clone(), base });
    let mcp = Arc::new(McpServers::new(processes.clone(), network.clone()));
    (files, Reach { http: network, programs: Arc::new(processes), mcp })
}

/// An engine for a scope; `kind` is recorded with the session (`kernel`, `cli`).
pub async fn engine(
    database: &Database,
    scope: Scope,
    kind: &str,
    composition: &Composition,
) -> Result<Engine, Failure> {
    let entered = database.enter(&scope, kind).await?;
    let memory = MemoryService::new(Arc::new(MemoryRows::new(entered.clone())), Arc::new(SystemClock));
    let store: Arc<dyn Store> = Arc::new(StoreAdapter::new(entered));
    let tenant = store.tenant().await?;
    let models = ModelsConfig { scripts: composition.model_scripts.clone(), ..ModelsConfig::default() };
    let (files, reach) = outside(composition.workspace.as_ref());
    let ports = Ports {
        store,
        models: Arc::new(Registry::new(models)),
        tools: Arc::new(BuiltinTools::new()),
        scripts: scripts(composition.program.clone()),
        secrets: Arc::new(TenantSecrets::new(tenant.clone())),
        clock: Arc::new(SystemClock),
        files,
        memory: Arc::new(memory),
        reach,
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
