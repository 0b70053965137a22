//! One broken document, the same findings everywhere: in the engine's check, in an editor, in a notebook cell.

#[path = "../../cli/src/adapters/store.rs"]
mod store;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use aikit_core::{Diagnostic, Language, Scope};
use aikit_ide::{Snapshot, Surroundings};
use aikit_js_bridge::JsFactory;
use aikit_lua_bridge::LuaFactory;
use aikit_memory::{MemoryService, ProcessRows};
use aikit_models::{ModelsConfig, Registry};
use aikit_runtime::{
    cell::{CellEngine, CellEvent, CellIo, CellOutcome, CellRequest, InputError},
    engine::{Engine, Ports},
    ports::{NoFiles, Reach, Secret, Secrets, SystemClock, Vars},
    scripts::{ThreadScripts, engine::EngineFactory},
    session::{Session, SessionOptions},
};
use aikit_spec::plan::SecretSource;
use aikit_storage::{Database, NewTenant};
use aikit_tools::BuiltinTools;
use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio_util::sync::CancellationToken;

const BROKEN: &[&str] = &[
    "identity: {agent_id: a, nam: A}\n",
    "identity:\n  agent_id: Not A Slug\n  name: A\n",
    "identity: {agent_id: a, name: A}\nbehavior:\n  steps:\n    - name: one\n      llm: 'Hi {{ inputs.nope.x }} {{ stps.one }}'\n",
    "identity: {agent_id: a, name: A}\nbehavior:\n  steps:\n    - name: one\n      script:\n        lua: |\n          local é = 1\n          x = = 2\n",
    "identity: {agent_id: a, name: A}\nbehavior:\n  steps:\n    - name: one\n      script:\n        js: |\n          let x = 1;\n          let 2y;\n",
    "identity: {agent_id: a, name: A}\nbehavior:\n  steps:\n    - name: 😀\n      tool: calculat\n",
    "identity: {agent_id: a\nname: [\n",
];

struct NoSecrets;

impl Secrets for NoSecrets {
    fn resolve(&self, _source: &SecretSource) -> Result<Secret, aikit_core::RunError> {
        Ok(Secret::new(""))
    }
}

async fn engine() -> Engine {
    let database = Database::memory().await.unwrap();
    let tenant = "acme".parse().unwrap();
    database.admin().ensure_tenant(NewTenant::new(tenant, "Acme")).await.unwrap();
    let scope = Scope::new("acme".parse().unwrap(), "ada".parse().unwrap());
    let entered = database.enter(&scope, "test").await.unwrap();
    let record = entered.tenant().await.unwrap();
    let factories: Vec<Arc<dyn EngineFactory>> = vec![Arc::new(LuaFactory), Arc::new(JsFactory)];
    let ports = Ports {
        store: Arc::new(store::StoreAdapter::new(entered)),
        models: Arc::new(Registry::new(ModelsConfig::default())),
        tools: Arc::new(BuiltinTools::new()),
        scripts: Arc::new(ThreadScripts::new(factories, Vars::default())),
        secrets: Arc::new(NoSecrets),
        clock: Arc::new(SystemClock),
        files: Arc::new(NoFiles),
        memory: Arc::new(MemoryService::new(Arc::new(ProcessRows::new(Arc::new(SystemClock))), Arc::new(SystemClock))),
        reach: Reach::default(),
    };
    Engine::new(ports, scope, record)
}

struct Analysis(Engine);

#[async_trait]
impl aikit_lsp::Analysis for Analysis {
    fn setting(&self, _: &std::path::Path, _: &[std::path::PathBuf]) -> aikit_ide::Setting {
        aikit_ide::Setting::default()
    }

    async fn findings(&self, snapshot: &Snapshot) -> Vec<Diagnostic> {
        self.0.check(snapshot.text()).await.diagnostics
    }

    async fn surroundings(&self) -> Surroundings {
        Surroundings::from(self.0.check_context())
    }
}

#[derive(Default)]
struct Quiet(Mutex<usize>);

#[async_trait]
impl CellIo for Quiet {
    fn emit(&self, _event: CellEvent) {
        *self.0.lock().unwrap() += 1;
    }

    async fn input(&self, _prompt: &str, _password: bool) -> Result<String, InputError> {
        Err(InputError::NotAllowed)
    }
}

/// The findings that an editor is shown, as code, line and byte column.
async fn in_an_editor(engine: &Engine, text: &str) -> Vec<(String, u64, u64)> {
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let (input, output) = tokio::io::split(theirs);
    tokio::spawn(aikit_lsp::serve(input, output, Arc::new(Analysis(engine.clone()))));
    let (from, mut to) = tokio::io::split(ours);
    let mut from = BufReader::new(from);
    let encodings = json!({ "general": { "positionEncodings": ["utf-8"] } });
    let document = json!({ "uri": "file:///a.yaml", "languageId": "aikit", "version": 1, "text": text });
    let initialize =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": { "capabilities": encodings } });
    to.write_all(&framed(&initialize)).await.unwrap();
    while read(&mut from).await["id"] != 1 {}
    for message in [
        json!({ "jsonrpc": "2.0", "method": "initialized", "params": {} }),
        json!({ "jsonrpc": "2.0", "method": "textDocument/didOpen", "params": { "textDocument": document } }),
    ] {
        to.write_all(&framed(&message)).await.unwrap();
    }
    loop {
        let message = read(&mut from).await;
        if message["method"] == "textDocument/publishDiagnostics" {
            let place = |finding: &Value| {
                let start = &finding["range"]["start"];
                let number = |name: &str| start[name].as_u64().unwrap();
                (finding["code"].as_str().unwrap().to_owned(), number("line"), number("character"))
            };
            return message["params"]["diagnostics"].as_array().unwrap().iter().map(place).collect();
        }
    }
}

fn framed(message: &Value) -> Vec<u8> {
    let body = message.to_string();
    format!("Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

async fn read(from: &mut (impl AsyncBufReadExt + Unpin)) -> Value {
    let mut length = 0;
    loop {
        let mut line = String::new();
        from.read_line(&mut line).await.unwrap();
        match line.trim_end().strip_prefix("Content-Length: ") {
            Some(value) => length = value.parse().unwrap(),
            None if line.trim().is_empty() => break,
            None => {}
        }
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body).await.unwrap();
    serde_json::from_slice(&body).unwrap()
}

fn places(findings: &[Diagnostic], text: &str) -> Vec<(String, u64, u64)> {
    let place = |finding: &Diagnostic| {
        let before = &text[..finding.range.start as usize];
        let line = before.matches('\n').count() as u64;
        let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1);
        (finding.code.to_string(), line, column as u64)
    };
    findings.iter().map(place).collect()
}

#[tokio::test]
async fn the_same_mistake_has_the_same_code_and_place_everywhere() {
    let engine = engine().await;
    for text in BROKEN {
        let checked = engine.check(text).await;
        assert!(checked.plan.is_none() && !checked.diagnostics.is_empty(), "{text}");
        let shown = tokio::time::timeout(Duration::from_secs(20), in_an_editor(&engine, text)).await;
        assert_eq!(shown.expect("findings"), places(&checked.diagnostics, text), "{text}");
        let session = Session::new(engine.clone(), SessionOptions::default()).unwrap();
        let request =
            CellRequest { code: (*text).to_owned(), language: Language::Yaml, name: "Cell 1".into(), silent: false };
        let ran = session.execute(request, Arc::new(Quiet::default()), CancellationToken::new());
        let outcome = tokio::time::timeout(Duration::from_secs(20), ran).await.expect("an answer");
        let CellOutcome::Err(error) = outcome else { panic!("{text} was accepted") };
        assert_eq!(error.diagnostics, checked.diagnostics, "{text}");
    }
}
