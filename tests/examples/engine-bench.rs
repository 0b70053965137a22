//! What the run engine costs: `engine-bench FOLDER` measures in a new database there and prints one line of JSON. No model is
//! asked but the scripted one.

#![expect(clippy::print_stdout, reason = "the figures are its output")]

#[path = "../../cli/src/adapters/store.rs"]
mod store;

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use aikit_core::{
    RunId, Scope,
    record::{JournalRow, NewRun},
};
use aikit_memory::{MemoryService, ProcessRows};
use aikit_models::{ModelsConfig, Registry};
use aikit_runtime::{
    engine::{Engine, Ports, RunOptions},
    event::RunEvent,
    journal::{Journal, Record},
    ports::{NoFiles, Reach, Secret, Secrets, SystemClock, Vars},
    scripts::ThreadScripts,
};
use aikit_spec::plan::{Plan, SecretSource};
use aikit_storage::{Database, NewTenant, TenantStore};
use aikit_tools::BuiltinTools;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// Steps of a short and of a long run.
const STEPS: [usize; 2] = [20, 500];
const RUNS: usize = 1000;
const AGENTS: usize = 1000;
const ROWS: usize = 2000;

struct NoSecrets;

impl Secrets for NoSecrets {
    fn resolve(&self, _: &SecretSource) -> Result<Secret, aikit_core::RunError> {
        Ok(Secret::new(""))
    }
}

async fn engine(database: &Database) -> (Engine, TenantStore) {
    let scope = Scope::new("acme".parse().expect("a slug"), "ada".parse().expect("a name"));
    let entered = database.enter(&scope, "bench").await.expect("the tenant is there");
    let record = entered.tenant().await.expect("the tenant is there");
    let clock = Arc::new(SystemClock);
    let ports = Ports {
        store: Arc::new(store::StoreAdapter::new(entered.clone())),
        models: Arc::new(Registry::new(ModelsConfig::default())),
        tools: Arc::new(BuiltinTools::new()),
        scripts: Arc::new(ThreadScripts::new(Vec::new(), Vars::default())),
        secrets: Arc::new(NoSecrets),
        clock: clock.clone(),
        files: Arc::new(NoFiles),
        memory: Arc::new(MemoryService::new(Arc::new(ProcessRows::new(clock.clone())), clock)),
        reach: Reach::default(),
    };
    (Engine::new(ports, scope, record), entered)
}

async fn open(path: Option<&Path>) -> Database {
    let database = match path {
        Some(path) => Database::open(path).await,
        None => Database::memory().await,
    };
    let database = database.expect("a database");
    let tenant = NewTenant::new("acme".parse().expect("a slug"), "Acme");
    database.admin().ensure_tenant(tenant).await.expect("a tenant");
    database
}

fn document(name: usize, steps: &str) -> String {
    format!(
        "identity: {{agent_id: bench-{name}, name: Bench}}\ninterface:\n  inputs: {{type: object, properties: {{text: {{type: string}}}}}}\nintegration: {{tools: [text_stats]}}\ngovernance: {{security: {{resource_limits: {{max_steps: 100000}}}}}}\nbehavior:\n  state: {{initial: {{n: 0}}}}\n  steps:\n{steps}"
    )
}

fn plan(engine: &Engine, source: &str) -> Arc<Plan> {
    let checked = aikit_spec::check(source, &engine.check_context());
    Arc::new(checked.plan.unwrap_or_else(|| panic!("{:#?}", checked.diagnostics)))
}

/// Memory of this process that is really there, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
    line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) << 10
}

fn percentile(times: &mut [Duration], share: f64) -> f64 {
    times.sort();
    let at = ((times.len() as f64 - 1.0) * share).round() as usize;
    times[at].as_secs_f64() * 1e3
}

/// From the text of a document to the first step of its run.
async fn instantiate(engine: &Engine) -> Value {
    let steps = "    - {name: a, set: {n: '{{ state.n + 1 }}'}}\n    - {name: b, tool: text_stats, args: {text: '{{ inputs.text }}'}}\n    - {name: c, return: '{{ steps.b.output }}'}\n";
    let mut times = Vec::new();
    for number in 0..400 {
        let source = document(number, steps);
        let begun = Instant::now();
        let plan = plan(engine, &source);
        let (tell, mut first) = tokio::sync::mpsc::unbounded_channel();
        let observer = Arc::new(move |event: &RunEvent| {
            if let RunEvent::StepStarted { .. } = event {
                let _ = tell.send(begun.elapsed());
            }
        });
        let options = RunOptions { observer: Some(observer), ..RunOptions::default() };
        let run = engine.run(&plan, json!({ "text": "hi" }), options, CancellationToken::new());
        run.await.expect("a run").result().expect("a result");
        times.push(first.recv().await.expect("a first step"));
    }
    json!({ "p50_ms": percentile(&mut times, 0.5), "p95_ms": percentile(&mut times, 0.95) })
}

/// What a step costs beside the work that it does, in microseconds: steps that write the state, and steps that call a tool.
async fn overhead(engine: &Engine) -> Value {
    let mut figures = serde_json::Map::new();
    for count in STEPS {
        let set: String = (0..count).map(|n| format!("    - {{name: s{n}, set: {{n: {n}}}}}\n")).collect();
        let tool: String =
            (0..count).map(|n| format!("    - {{name: s{n}, tool: text_stats, args: {{text: a}}}}\n")).collect();
        for (name, steps) in [("set", set), ("tool", tool)] {
            let plan = plan(engine, &document(0, &steps));
            let mut best = f64::INFINITY;
            for _ in 0..20 {
                let begun = Instant::now();
                let run = engine.run(&plan, json!({}), RunOptions::default(), CancellationToken::new());
                run.await.expect("a run").result().expect("a result");
                best = best.min(begun.elapsed().as_secs_f64() * 1e6 / count as f64);
            }
            figures.insert(format!("{name}_us_of_{count}"), json!(best));
        }
    }
    Value::Object(figures)
}

/// Many runs at the same time.
async fn concurrent(engine: &Engine) -> Value {
    let steps = "    - {name: w, wait: {for: 2s}}\n    - {name: t, tool: text_stats, args: {text: a}}\n";
    let plan = plan(engine, &document(1, steps));
    let before = resident();
    let begun = Instant::now();
    let runs: Vec<_> = (0..RUNS)
        .map(|_| {
            let (engine, plan) = (engine.clone(), plan.clone());
            tokio::spawn(async move {
                let run = engine.run(&plan, json!({}), RunOptions::default(), CancellationToken::new());
                run.await.expect("a run").result().is_ok()
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(1900)).await;
    let within = resident();
    let mut good = 0;
    for run in runs {
        good += usize::from(run.await.expect("a run ends"));
    }
    json!({
        "runs": RUNS, "succeeded": good, "seconds": begun.elapsed().as_secs_f64(),
        "bytes_per_run": within.saturating_sub(before) / RUNS as u64,
    })
}

/// Agents that are loaded and do nothing.
fn idle(engine: &Engine) -> Value {
    let steps: String = (0..20).map(|n| format!("    - {{name: s{n}, llm: 'Say {{{{ inputs.text }}}}'}}\n")).collect();
    let before = resident();
    let agents: Vec<(Engine, Arc<Plan>)> =
        (0..AGENTS).map(|n| (engine.clone(), plan(engine, &document(n, &steps)))).collect();
    let bytes = resident().saturating_sub(before) / agents.len() as u64;
    json!({ "agents": agents.len(), "bytes_per_agent": bytes })
}

/// Rows of a journal that become durable, one in each transaction and a hundred in each.
async fn append(store: &TenantStore) -> Value {
    let mut each = Vec::new();
    for batch in [1, 100] {
        let run = RunId::generate();
        let mut journal = Journal::new(run);
        let new = NewRun {
            id: run,
            agent: "bench".parse().expect("a slug"),
            version: "1.0.0".parse().expect("a version"),
            spec_digest: "0".repeat(64),
            inputs: json!({}),
            parent: None,
        };
        store.begin_run(new, Vec::new()).await.expect("a run");
        let rows: Vec<JournalRow> = (0..ROWS)
            .flat_map(|n| {
                journal.append(&Record::StepStarted { address: format!("step-{n}") }, chrono::Utc::now());
                journal.take_pending()
            })
            .collect();
        let begun = Instant::now();
        for rows in rows.chunks(batch) {
            store.append_journal(run, rows.to_vec()).await.expect("rows are kept");
        }
        each.push(ROWS as f64 / begun.elapsed().as_secs_f64());
    }
    json!({ "one_row_per_second": each[0], "hundred_rows_per_second": each[1] })
}

#[tokio::main]
async fn main() {
    let folder = std::env::args().nth(1).unwrap_or_else(|| ".".into());
    let path = Path::new(&folder).join("engine-bench.db");
    let (memory, file) = (open(None).await, open(Some(&path)).await);
    let (in_memory, _) = engine(&memory).await;
    let (durable, store) = engine(&file).await;
    let figures = json!({
        "idle": idle(&in_memory),
        "instantiate": instantiate(&in_memory).await,
        "step_in_memory": overhead(&in_memory).await,
        "step_durable": overhead(&durable).await,
        "concurrent": concurrent(&in_memory).await,
        "append": append(&store).await,
    });
    println!("{figures}");
}
