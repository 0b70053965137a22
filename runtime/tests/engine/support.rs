//! The outside of an engine, in memory and under the test's control.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use aikit_core::{
    AgentId, ErrorKind, Language, RunError, RunId, Scope,
    record::{
        HistoryEntry, JournalRow, NewRun, NewSpec, RunEnd, RunRecord, RunStatus, SpecChange, SpecRecord, SpecStatus,
        StoreError, TenantRecord, Usage,
    },
};
use aikit_runtime::{
    engine::{Engine, Ports, RunOptions, RunReport},
    journal,
    ports::{
        Completeness, HostCalls, Inspection, ModelDelta, ModelError, ModelProvider, ModelRequest, ModelResponse,
        ModelSink, Models, NoFiles, ScriptCompletion, ScriptJob, ScriptOutcome, ScriptValue, Scripts, Secret, Secrets,
        StopCause, StopReason, Store, SystemClock, ToolCall, Tools, Vars,
    },
};
use aikit_spec::{
    BuiltinTool,
    plan::{Plan, SecretSource},
};
use async_trait::async_trait;
use chrono::Utc;
use semver::Version;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

#[derive(Default)]
pub struct MemoryStore {
    pub specs: Mutex<Vec<SpecRecord>>,
    pub runs: Mutex<BTreeMap<RunId, RunRecord>>,
    pub rows: Mutex<BTreeMap<RunId, Vec<JournalRow>>>,
    kv: Mutex<BTreeMap<String, Value>>,
    /// Every write is refused while this is set.
    pub full: AtomicBool,
}

impl MemoryStore {
    fn writable(&self) -> Result<(), StoreError> {
        if self.full.load(Ordering::SeqCst) { Err(StoreError::Full("no space left".into())) } else { Ok(()) }
    }

    /// The kinds of the rows that are durable.
    pub fn kinds(&self) -> Vec<String> {
        self.rows.lock().unwrap().values().flatten().map(|row| row.kind.clone()).collect()
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn tenant(&self) -> Result<TenantRecord, StoreError> {
        Ok(tenant())
    }

    async fn put_spec(&self, spec: NewSpec) -> Result<SpecRecord, StoreError> {
        self.writable()?;
        let record = SpecRecord {
            agent: spec.agent,
            version: spec.version,
            name: spec.name,
            description: spec.description,
            status: SpecStatus::Draft,
            source: spec.source,
            digest: spec.digest,
            created_by: "tester".parse().unwrap(),
            created_at: Utc::now(),
            updated_at: Utc::now(),
        };
        let mut specs = self.specs.lock().unwrap();
        specs.retain(|s| (&s.agent, &s.version) != (&record.agent, &record.version));
        specs.push(record.clone());
        Ok(record)
    }

    async fn spec(&self, agent: &AgentId, version: Option<&Version>) -> Result<Option<SpecRecord>, StoreError> {
        let specs = self.specs.lock().unwrap();
        Ok(specs.iter().rev().find(|s| &s.agent == agent && version.is_none_or(|v| v == &s.version)).cloned())
    }

    async fn specs(&self) -> Result<Vec<SpecRecord>, StoreError> {
        Ok(self.specs.lock().unwrap().clone())
    }

    async fn spec_versions(&self, _agent: &AgentId) -> Result<Vec<SpecRecord>, StoreError> {
        Ok(Vec::new())
    }

    async fn promote_spec(&self, agent: &AgentId, version: &Version) -> Result<SpecRecord, StoreError> {
        Err(StoreError::NotFound { what: "version", name: format!("{agent}@{version}") })
    }

    async fn spec_history(&self, _agent: &AgentId) -> Result<Vec<SpecChange>, StoreError> {
        Ok(Vec::new())
    }

    async fn begin_run(&self, run: NewRun, first: Vec<JournalRow>) -> Result<(), StoreError> {
        self.writable()?;
        let record = RunRecord {
            id: run.id,
            agent: run.agent,
            version: run.version,
            spec_digest: run.spec_digest,
            status: RunStatus::Running,
            inputs: run.inputs,
            output: None,
            error: None,
            usage: Usage::default(),
            parent: run.parent,
            session: aikit_core::SessionId::generate(),
            started_by: "tester".parse().unwrap(),
            started_at: Utc::now(),
            ended_at: None,
        };
        self.runs.lock().unwrap().insert(run.id, record);
        self.rows.lock().unwrap().insert(run.id, first);
        Ok(())
    }

    async fn append_journal(&self, run: RunId, rows: Vec<JournalRow>) -> Result<(), StoreError> {
        self.writable()?;
        let mut all = self.rows.lock().unwrap();
        let journal = all.get_mut(&run).expect("the run was begun");
        assert_eq!(journal.len() as u64, rows[0].seq, "the journal has no gaps");
        journal.extend(rows);
        Ok(())
    }

    async fn end_run(&self, run: RunId, rows: Vec<JournalRow>, end: RunEnd) -> Result<(), StoreError> {
        self.append_journal(run, rows).await?;
        let mut runs = self.runs.lock().unwrap();
        let record = runs.get_mut(&run).expect("the run was begun");
        (record.status, record.output, record.error, record.usage) = (end.status, end.output, end.error, end.usage);
        Ok(())
    }

    async fn run(&self, run: RunId) -> Result<Option<RunRecord>, StoreError> {
        Ok(self.runs.lock().unwrap().get(&run).cloned())
    }

    async fn runs(&self, _agent: Option<&AgentId>, _limit: u32) -> Result<Vec<RunRecord>, StoreError> {
        Ok(self.runs.lock().unwrap().values().cloned().collect())
    }

    async fn journal(&self, run: RunId) -> Result<Vec<JournalRow>, StoreError> {
        Ok(self.rows.lock().unwrap().get(&run).cloned().unwrap_or_default())
    }

    async fn kv_get(&self, key: &str) -> Result<Option<Value>, StoreError> {
        Ok(self.kv.lock().unwrap().get(key).cloned())
    }

    async fn kv_set(&self, key: &str, value: &Value) -> Result<(), StoreError> {
        self.writable()?;
        self.kv.lock().unwrap().insert(key.into(), value.clone());
        Ok(())
    }

    async fn kv_delete(&self, key: &str) -> Result<bool, StoreError> {
        Ok(self.kv.lock().unwrap().remove(key).is_some())
    }

    async fn kv_list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        Ok(self.kv.lock().unwrap().keys().filter(|key| key.starts_with(prefix)).cloned().collect())
    }

    async fn add_history(&self, _line: i64, _input: &str, _output: Option<&str>) -> Result<(), StoreError> {
        Ok(())
    }

    async fn history_tail(&self, _n: u32) -> Result<Vec<HistoryEntry>, StoreError> {
        Ok(Vec::new())
    }

    async fn history_range(&self, _s: i64, _from: i64, _to: Option<i64>) -> Result<Vec<HistoryEntry>, StoreError> {
        Ok(Vec::new())
    }

    async fn history_search(&self, _p: &str, _n: u32, _unique: bool) -> Result<Vec<HistoryEntry>, StoreError> {
        Ok(Vec::new())
    }
}

/// What the model does on its n-th request.
#[derive(Clone)]
pub enum Reply {
    Text(&'static str),
    Tool(&'static str, Value),
    Error(ErrorKind),
    /// Asks to come back later.
    Busy(Duration),
    /// Says nothing until it is cancelled.
    Hang,
}

/// A model that follows a list and remembers what it was asked.
pub struct ListModel {
    replies: Mutex<Vec<Reply>>,
    pub requests: Mutex<Vec<ModelRequest>>,
    store: Arc<MemoryStore>,
}

#[async_trait]
impl ModelProvider for ListModel {
    async fn generate(
        &self,
        request: &ModelRequest,
        sink: ModelSink<'_>,
        cancel: &CancellationToken,
    ) -> Result<ModelResponse, ModelError> {
        let kinds = self.store.kinds();
        assert_eq!(kinds.last().unwrap(), "effect.started.model", "the request is durable before it leaves: {kinds:?}");
        self.requests.lock().unwrap().push(request.clone());
        let reply = {
            let mut replies = self.replies.lock().unwrap();
            assert!(!replies.is_empty(), "the model was asked more often than the test foresaw");
            replies.remove(0)
        };
        let usage = Usage { input_tokens: 10, output_tokens: 5, ..Usage::default() };
        let response = |content: &str, tool_calls: Vec<ToolCall>, stop| ModelResponse {
            content: content.into(),
            tool_calls,
            stop,
            usage,
            model: request.model.clone(),
            continuation: None,
            simulated: true,
        };
        match reply {
            Reply::Text(text) => {
                text.split_inclusive(' ').for_each(|word| sink(ModelDelta::Text(word.into())));
                Ok(response(text, Vec::new(), StopReason::Stop))
            }
            Reply::Tool(name, arguments) => {
                let call = ToolCall { id: "call-1".into(), name: name.into(), arguments };
                Ok(response("", vec![call], StopReason::ToolCalls))
            }
            Reply::Error(kind) => Err(RunError::new(kind, "as the test wants it").into()),
            Reply::Busy(wait) => Err(ModelError {
                error: RunError::new(ErrorKind::ProviderRateLimit, "slow down"),
                retry_after: Some(wait),
            }),
            Reply::Hang => {
                cancel.cancelled().await;
                Err(RunError::cancelled().into())
            }
        }
    }
}

/// Hands out the one model under any name.
struct OneModel(Arc<ListModel>);

impl Models for OneModel {
    fn provider(&self, name: &str) -> Option<Arc<dyn ModelProvider>> {
        (name == "scripted").then(|| self.0.clone() as Arc<dyn ModelProvider>)
    }

    fn names(&self) -> Vec<String> {
        vec!["scripted".into()]
    }
}

/// One built-in, `double`, and one that never answers, `hang`.
struct TestTools;

#[async_trait]
impl Tools for TestTools {
    fn list(&self) -> Vec<BuiltinTool> {
        let schema = json!({"type": "object", "properties": {"n": {"type": "number"}}, "required": ["n"]});
        ["double", "hang"]
            .map(|name| BuiltinTool { name: name.into(), description: "For tests.".into(), input: schema.clone() })
            .into()
    }

    async fn call(&self, name: &str, args: Value, _cancel: &CancellationToken) -> Result<Value, RunError> {
        if name == "hang" {
            std::future::pending::<()>().await;
        }
        match args["n"].as_f64() {
            Some(n) if n < 1000.0 => Ok(json!(n * 2.0)),
            _ => Err(RunError::new(ErrorKind::ToolFailed, "the number is too large")),
        }
    }
}

/// An interpreter whose programs are host calls: `METHOD JSON-ARGS` per line; the last answer is the value.
#[derive(Default)]
struct CallScripts(Vars);

#[async_trait]
impl Scripts for CallScripts {
    async fn run(&self, job: ScriptJob, host: Arc<dyn HostCalls>, cancel: CancellationToken) -> ScriptOutcome {
        let mut last = Value::Null;
        for line in job.code.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if line == "hang" {
                cancel.cancelled().await;
                return ScriptOutcome::Stopped { cause: StopCause::Interrupt, state_lost: false };
            }
            let (method, args) = line.split_once(' ').unwrap_or((line, "[]"));
            match host.call(method, serde_json::from_str(args).unwrap()).await {
                Ok(value) => last = value,
                Err(cause) => {
                    let error = aikit_runtime::ports::ScriptError {
                        name: cause.kind.code().into(),
                        message: cause.message.clone(),
                        trace: Vec::new(),
                        cause: Some(cause),
                    };
                    return ScriptOutcome::Failed { error };
                }
            }
        }
        ScriptOutcome::Done { value: Some(ScriptValue { text: last.to_string(), json: Some(last) }) }
    }

    async fn complete(&self, _l: Language, _code: &str, _cursor: usize) -> Vec<ScriptCompletion> {
        Vec::new()
    }

    async fn inspect(&self, _l: Language, _code: &str, _cursor: usize) -> Option<Inspection> {
        None
    }

    async fn is_complete(&self, _l: Language, _code: &str) -> Completeness {
        Completeness::Complete
    }

    fn vars(&self) -> Vars {
        self.0.clone()
    }

    async fn shutdown(&self) {}
}

struct TestSecrets;

impl Secrets for TestSecrets {
    fn resolve(&self, _source: &SecretSource) -> Result<Secret, RunError> {
        Ok(Secret::new("hush-hush"))
    }
}

pub fn tenant() -> TenantRecord {
    TenantRecord {
        id: "acme".parse().unwrap(),
        name: "Acme".into(),
        plan: "free".into(),
        config: json!({}),
        created_at: Utc::now(),
    }
}

/// An engine in a world of its own.
pub struct World {
    pub store: Arc<MemoryStore>,
    pub model: Arc<ListModel>,
    pub engine: Engine,
    pub cancel: CancellationToken,
}

impl World {
    pub fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        let store = Arc::new(MemoryStore::default());
        let model = Arc::new(ListModel {
            replies: Mutex::new(replies.into_iter().collect()),
            requests: Mutex::default(),
            store: store.clone(),
        });
        let ports = Ports {
            store: store.clone(),
            models: Arc::new(OneModel(model.clone())),
            tools: Arc::new(TestTools),
            scripts: Arc::new(CallScripts::default()),
            secrets: Arc::new(TestSecrets),
            clock: Arc::new(SystemClock),
            files: Arc::new(NoFiles),
        };
        let scope = Scope::new("acme".parse().unwrap(), "tester".parse().unwrap());
        Self { store, model, engine: Engine::new(ports, scope, tenant()), cancel: CancellationToken::new() }
    }

    /// The plan of a document, which must be clean.
    pub fn plan(&self, source: &str) -> Arc<Plan> {
        let checked = aikit_spec::check(source, &self.engine.check_context());
        Arc::new(checked.plan.unwrap_or_else(|| panic!("{:#?}", checked.diagnostics)))
    }

    /// Runs a document; whatever becomes of it, the stored journal is whole.
    pub async fn run(&self, source: &str, inputs: Value) -> RunReport {
        let plan = self.plan(source);
        let report = self.engine.run(&plan, inputs, RunOptions::default(), self.cancel.clone()).await.unwrap();
        let rows = self.store.journal(report.record.id).await.unwrap();
        assert_eq!(journal::verify(report.record.id, &rows), Ok(()));
        report
    }

    /// The error that a run ends with.
    pub async fn fails(&self, source: &str, inputs: Value) -> RunError {
        self.run(source, inputs).await.result().expect_err("the run should fail")
    }

    /// Fires the cancellation a moment from now.
    pub fn cancel_soon(&self) {
        let cancel = self.cancel.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(30)).await;
            cancel.cancel();
        });
    }
}
