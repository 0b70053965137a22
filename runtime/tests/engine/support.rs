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
        Charge, EventRecord, HistoryEntry, JournalRow, NewRun, NewSpec, RunEnd, RunRecord, RunStatus, SpecChange,
        SpecRecord, SpecStatus, StoreError, TenantRecord, Usage,
    },
};
use aikit_memory::{MemoryService, ProcessRows};
use aikit_runtime::{
    engine::{Engine, Ports, RunOptions, RunReport, outside_tools},
    journal,
    ports::{
        Completeness, EmbedRequest, EmbedResponse, Embedder, HostCalls, Inspection, ModelDelta, ModelError,
        ModelProvider, ModelRequest, ModelResponse, ModelSink, Models, ScriptCompletion, ScriptJob, ScriptOutcome,
        ScriptValue, Scripts, Secret, Secrets, StopCause, StopReason, Store, SystemClock, ToolCall, Tools, Vars,
    },
};
use aikit_spec::{
    BuiltinTool,
    plan::{Plan, SecretSource},
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use semver::Version;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::outside::{FakeFiles, Outside};

#[derive(Default)]
pub struct MemoryStore {
    pub specs: Mutex<Vec<SpecRecord>>,
    pub runs: Mutex<BTreeMap<RunId, RunRecord>>,
    pub rows: Mutex<BTreeMap<RunId, Vec<JournalRow>>>,
    kv: Mutex<BTreeMap<String, Value>>,
    pub events: Mutex<Vec<EventRecord>>,
    quota: Mutex<BTreeMap<(String, i64), f64>>,
    /// Every write is refused while this is set.
    pub full: AtomicBool,
    /// How many rows may still become durable before the process dies; none means that it lives.
    left: Mutex<Option<usize>>,
    death: Notify,
}

impl MemoryStore {
    fn writable(&self) -> Result<(), StoreError> {
        if self.full.load(Ordering::SeqCst) { Err(StoreError::Full("no space left".into())) } else { Ok(()) }
    }

    /// The process dies when so many rows of all journals are durable.
    pub fn die_behind(&self, rows: usize) {
        *self.left.lock().unwrap() = Some(rows);
    }

    /// The process dies.
    pub async fn dead(&self) {
        self.death.notified().await;
    }

    /// Another process looks at the store.
    pub fn revive(&self) {
        *self.left.lock().unwrap() = None;
    }

    /// Keeps as many rows as the process lives for; a transaction is durable as a whole or not at all, and a process that
    /// has died never comes back from it.
    async fn keep(&self, run: RunId, rows: Vec<JournalRow>) {
        let dies = {
            let mut left = self.left.lock().unwrap();
            let mut all = self.rows.lock().unwrap();
            let journal = all.entry(run).or_default();
            if let Some(first) = rows.first() {
                assert_eq!(journal.len() as u64, first.seq, "the journal has no gaps");
            }
            match *left {
                Some(most) if rows.len() > most => true,
                Some(most) => {
                    *left = Some(most - rows.len());
                    journal.extend(rows);
                    most == 0
                }
                None => {
                    journal.extend(rows);
                    false
                }
            }
        };
        if dies || *self.left.lock().unwrap() == Some(0) {
            self.death.notify_one();
            std::future::pending::<()>().await;
        }
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
        if self.left.lock().unwrap().is_none_or(|left| left >= first.len()) {
            self.runs.lock().unwrap().insert(run.id, record);
        }
        self.keep(run.id, first).await;
        Ok(())
    }

    async fn append_journal(&self, run: RunId, rows: Vec<JournalRow>) -> Result<(), StoreError> {
        self.writable()?;
        self.keep(run, rows).await;
        Ok(())
    }

    async fn end_run(&self, run: RunId, rows: Vec<JournalRow>, end: RunEnd) -> Result<(), StoreError> {
        self.writable()?;
        let durable = self.left.lock().unwrap().is_none_or(|left| left >= rows.len());
        if durable {
            let mut runs = self.runs.lock().unwrap();
            let record = runs.get_mut(&run).expect("the run was begun");
            (record.status, record.output, record.error, record.usage) = (end.status, end.output, end.error, end.usage);
        }
        self.keep(run, rows).await;
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

    async fn kv_claim(&self, key: &str, value: &Value) -> Result<Option<Value>, StoreError> {
        self.writable()?;
        let mut kv = self.kv.lock().unwrap();
        let known = kv.get(key).cloned();
        if known.is_none() {
            kv.insert(key.into(), value.clone());
        }
        Ok(known)
    }

    async fn emit_event(&self, run: RunId, name: &str, payload: &Value) -> Result<u64, StoreError> {
        self.writable()?;
        let mut events = self.events.lock().unwrap();
        let number = events.len() as u64 + 1;
        events.push(EventRecord { number, name: name.into(), payload: payload.clone(), run, at: Utc::now() });
        Ok(number)
    }

    async fn next_event(
        &self,
        run: RunId,
        names: &[String],
        behind: u64,
        since: DateTime<Utc>,
    ) -> Result<Option<EventRecord>, StoreError> {
        let events = self.events.lock().unwrap();
        let news = events.iter().find(|event| {
            event.number > behind && event.run != run && event.at >= since && names.contains(&event.name)
        });
        Ok(news.cloned())
    }

    async fn charge(&self, charges: &[Charge]) -> Result<Option<(usize, f64)>, StoreError> {
        self.writable()?;
        let mut quota = self.quota.lock().unwrap();
        let used = |quota: &BTreeMap<(String, i64), f64>, charge: &Charge| {
            quota.get(&(charge.key.clone(), charge.started)).copied().unwrap_or(0.0)
        };
        for (at, charge) in charges.iter().enumerate() {
            let used = used(&quota, charge);
            if charge.limit.is_some_and(|limit| used >= limit || used + charge.amount > limit) {
                return Ok(Some((at, used)));
            }
        }
        for charge in charges {
            let used = used(&quota, charge);
            quota.insert((charge.key.clone(), charge.started), used + charge.amount);
        }
        Ok(None)
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
    /// Several calls in one turn.
    Tools(Vec<(&'static str, Value)>),
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
        let durable = kinds.iter().any(|kind| kind == "effect.started.model");
        assert!(durable, "the request is durable before it leaves: {kinds:?}");
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
            Reply::Tools(calls) => {
                let calls = calls.into_iter().enumerate().map(|(index, (name, arguments))| ToolCall {
                    id: format!("call-{index}"),
                    name: name.into(),
                    arguments,
                });
                Ok(response("", calls.collect(), StopReason::ToolCalls))
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

    fn embedder(&self, name: &str) -> Option<Arc<dyn Embedder>> {
        (name == "hashing").then(|| Arc::new(Letters) as Arc<dyn Embedder>)
    }
}

/// Turns texts into vectors by their letters: texts of the same words lie at the same place.
struct Letters;

#[async_trait]
impl Embedder for Letters {
    async fn embed(&self, request: &EmbedRequest, _: &CancellationToken) -> Result<EmbedResponse, ModelError> {
        let vector = |text: &String| {
            let mut vector = vec![0.0f32; 64];
            for word in text.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
                let place = word.bytes().fold(7usize, |hash, byte| (hash * 31 + usize::from(byte)) % 64);
                vector[place] += 1.0;
            }
            vector
        };
        let usage = Usage { input_tokens: request.texts.len() as u64, ..Usage::default() };
        Ok(EmbedResponse { vectors: request.texts.iter().map(vector).collect(), usage, model: request.model.clone() })
    }
}

/// `double`, ones that never answer, `hang` and (until it is cancelled) `slow`, and one that does something that must not be done twice, `pay`.
#[derive(Default)]
pub struct TestTools {
    pub paid: Mutex<Vec<Value>>,
}

#[async_trait]
impl Tools for TestTools {
    fn list(&self) -> Vec<BuiltinTool> {
        let schema = json!({"type": "object", "properties": {"n": {"type": "number"}}, "required": ["n"]});
        let own = ["double", "hang", "pay", "slow"].map(|name| BuiltinTool {
            name: name.into(),
            description: "For tests.".into(),
            input: schema.clone(),
        });
        own.into_iter().chain(outside_tools()).collect()
    }

    async fn call(&self, name: &str, args: Value, cancel: &CancellationToken) -> Result<Value, RunError> {
        if name == "slow" {
            cancel.cancelled().await;
            return Err(RunError::cancelled());
        }
        if name == "hang" {
            std::future::pending::<()>().await;
        }
        if name == "pay" {
            self.paid.lock().unwrap().push(args["n"].clone());
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
    pub tools: Arc<TestTools>,
    pub files: Arc<FakeFiles>,
    pub engine: Engine,
    pub outside: Outside,
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
        let tools = Arc::new(TestTools::default());
        let outside = Outside::default();
        let ports = Ports {
            store: store.clone(),
            models: Arc::new(OneModel(model.clone())),
            tools: tools.clone(),
            scripts: Arc::new(CallScripts::default()),
            secrets: Arc::new(TestSecrets),
            clock: Arc::new(SystemClock),
            files: outside.files.clone(),
            memory: Arc::new(MemoryService::new(
                Arc::new(ProcessRows::new(Arc::new(SystemClock))),
                Arc::new(SystemClock),
            )),
            reach: outside.reach(),
        };
        let scope = Scope::new("acme".parse().unwrap(), "tester".parse().unwrap());
        let engine = Engine::new(ports, scope, tenant());
        let files = outside.files.clone();
        Self { store, model, tools, files, engine, outside, cancel: CancellationToken::new() }
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
