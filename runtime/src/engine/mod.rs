//! Executes a plan. Everything here is a pure function of the plan, the inputs and what the gate returns.

mod answer;
mod ask;
mod bodies;
mod check;
mod children;
mod compress;
mod context;
mod conversation;
mod events;
mod graph;
mod guard;
mod hooks;
pub(crate) mod host;
mod human;
mod machine;
pub(crate) mod memory;
pub(crate) mod model;
mod outline;
mod replay;
mod retry;
mod state;
mod steps;
mod strategy;
mod together;
pub(crate) mod tools;
mod undo;
mod visits;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use aikit_core::{
    AgentId, ErrorKind, RunError, RunId, Scope,
    record::{JournalRow, NewRun, RunEnd, RunRecord, RunStatus, SpecRecord, TenantRecord, Usage},
};
use aikit_spec::{
    CheckContext, Checked,
    agent::GuardrailPoint,
    compose::Setting,
    limits::LimitLayer,
    plan::{BehaviorPlan, Plan},
};
use chrono::{DateTime, Utc};
use semver::Version;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

pub use self::{
    check::{check, findings},
    replay::{Fork, Replay},
    tools::outside_tools,
};
use self::{
    machine::Event,
    steps::{Flow, boxed, error_value, within},
    undo::Undo,
};
use crate::{
    cassette::Tape,
    cell::CellEvent,
    debug::{Debugger, MAIN, ThreadId},
    event::{Observer, RunEvent},
    gate::{Gate, Passage, store_error},
    journal::{self, Record},
    past::{Doubts, Drift, Mode, Past},
    people::{People, Question, open_questions},
    ports::{Clock, Files, Memory, Models, Reach, Scripts, Secrets, Store, Tools},
    quota::{Concurrent, Quota},
    validate,
};

/// How many runs deep agents may call each other.
const MAX_DEPTH: u32 = 8;

/// The outside, bound to one scope.
#[derive(Clone)]
pub struct Ports {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The model providers.
    pub models: Arc<dyn Models>,
    /// The built-in tools.
    pub tools: Arc<dyn Tools>,
    /// The interpreters.
    pub scripts: Arc<dyn Scripts>,
    /// Credentials.
    pub secrets: Arc<dyn Secrets>,
    /// Time and ids.
    pub clock: Arc<dyn Clock>,
    /// The workspace.
    pub files: Arc<dyn Files>,
    /// What agents remember.
    pub memory: Arc<dyn Memory>,
    /// The network, programs and servers, for tools.
    pub reach: Reach,
}

/// Runs plans for one scope.
#[derive(Clone)]
pub struct Engine {
    ports: Ports,
    scope: Scope,
    tenant: TenantRecord,
    limits: Vec<LimitLayer>,
    concurrent: Arc<Concurrent>,
}

/// How a run is to be executed.
#[derive(Clone, Default)]
pub struct RunOptions {
    /// Sees the events.
    pub observer: Option<Observer>,
    /// Takes what scripts print and display.
    pub output: Option<Arc<dyn Fn(CellEvent) + Send + Sync>>,
    /// The run that calls this one.
    pub parent: Option<RunId>,
    /// How many runs deep this one is.
    pub depth: u32,
    /// The file or cell that the document stands in, for places in errors.
    pub source_name: String,
    /// Stops the run where a person wants to look. Bounds of time do not count then.
    pub debugger: Option<Arc<Debugger>>,
    /// What tools give in place of being called, by name: for tests.
    pub stubs: Arc<BTreeMap<String, Value>>,
    /// Who is asked what only people know. Without anybody the run is put aside when it asks.
    pub people: Option<Arc<dyn People>>,
    /// What is known of effects that may have happened, for runs that go on.
    pub doubts: Arc<Doubts>,
    /// Answers of models and tools in place of asking them.
    pub tape: Option<Arc<Tape>>,
}

/// A finished run.
#[derive(Debug, Clone)]
pub struct RunReport {
    /// As the store has it.
    pub record: RunRecord,
    /// Its journal.
    pub journal: Vec<JournalRow>,
    /// What people have to answer before it goes on; a run that has ended waits for nothing.
    pub waiting: Vec<Question>,
}

impl RunReport {
    /// The output, or the error that ended it.
    pub fn result(&self) -> Result<Value, RunError> {
        match (&self.record.output, &self.record.error) {
            (_, Some(error)) => Err(error.clone()),
            (Some(output), None) => Ok(output.clone()),
            (None, None) => Ok(Value::Null),
        }
    }
}

impl Engine {
    /// An engine for a scope whose tenant has been looked up.
    pub fn new(ports: Ports, scope: Scope, tenant: TenantRecord) -> Self {
        // What a tenant's configuration says wrong is told where it is set; here it bounds nothing.
        let own = LimitLayer::of_tenant(&tenant.id, &tenant.config).ok().flatten();
        let limits = own.into_iter().collect();
        Self { ports, scope, tenant, limits, concurrent: Arc::default() }
    }

    /// The same engine within more bounds: no run goes beyond any of them.
    pub fn within(mut self, limits: impl IntoIterator<Item = LimitLayer>) -> Self {
        self.limits.extend(limits);
        self
    }

    /// The bounds of every run, outermost layers first.
    pub fn limits(&self) -> &[LimitLayer] {
        &self.limits
    }

    /// The same engine with other models and credentials, an empty memory and no way out: nothing leaves the machine in a test,
    /// and nothing of it stays.
    pub fn for_tests(&self, models: Arc<dyn Models>, secrets: Arc<dyn Secrets>) -> Self {
        let models = memory::offline(models, self.ports.models.clone());
        let (memory, reach) = (self.ports.memory.blank(), Reach::default());
        Self { ports: Ports { models, secrets, memory, reach, ..self.ports.clone() }, ..self.clone() }
    }

    /// The same engine with another workspace and other ways out of it.
    pub fn at(&self, files: Arc<dyn Files>, reach: Reach) -> Self {
        Self { ports: Ports { files, reach, ..self.ports.clone() }, ..self.clone() }
    }

    /// The outside.
    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    /// Who acts.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The tenant.
    pub fn tenant(&self) -> &TenantRecord {
        &self.tenant
    }

    /// What surrounds the tenant's documents when they are checked.
    pub fn check_context(&self) -> CheckContext {
        CheckContext {
            tenant: Some(self.scope.tenant.clone()),
            providers: self.ports.models.names(),
            builtins: self.ports.tools.list(),
            limits: self.limits.clone(),
            ..CheckContext::default()
        }
    }

    /// Checks a document that stands among others.
    pub async fn check_at(&self, source: &str, setting: Setting) -> Checked {
        let context = CheckContext { around: setting, ..self.check_context() };
        check(source, &context, self.ports.scripts.as_ref()).await
    }

    /// Checks a document against what surrounds the tenant's documents.
    pub async fn check(&self, source: &str) -> Checked {
        check(source, &self.check_context(), self.ports.scripts.as_ref()).await
    }

    /// The stored document that `NAME` or `NAME@VERSION` means.
    pub async fn find(&self, reference: &str) -> Result<SpecRecord, RunError> {
        let (name, version) = match reference.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (reference, None),
        };
        let missing = |help: String| {
            RunError::new(ErrorKind::AgentNotFound, format!("there is no agent `{reference}`")).with_help(help)
        };
        let agent = AgentId::new(name).map_err(|e| missing(e.to_string()))?;
        let version = version
            .map(|text| Version::parse(text).map_err(|e| missing(format!("`{text}` is not a version: {e}"))))
            .transpose()?;
        if let Some(spec) = self.ports.store.spec(&agent, version.as_ref()).await.map_err(store_error)? {
            return Ok(spec);
        }
        let specs = self.ports.store.specs().await.map_err(store_error)?;
        let names: Vec<&str> = specs.iter().map(|spec| spec.agent.as_str()).collect();
        Err(missing(match (names.is_empty(), version) {
            (true, _) => "this tenant has no agents yet".into(),
            (false, Some(_)) if names.contains(&name) => format!("`{name}` exists, but not in that version"),
            _ => format!("the tenant's agents are: {}", names.join(", ")),
        }))
    }

    /// The plan of the stored document that `NAME` or `NAME@VERSION` means.
    pub async fn load(&self, reference: &str) -> Result<Arc<Plan>, RunError> {
        let spec = self.find(reference).await?;
        self.plan_of(&spec)
    }

    /// Checks a stored document again, as every run does, and gives its plan.
    pub fn plan_of(&self, spec: &SpecRecord) -> Result<Arc<Plan>, RunError> {
        let checked = aikit_spec::check(&spec.source, &self.check_context());
        checked.plan.map(Arc::new).ok_or_else(|| {
            let first = checked.diagnostics.iter().find(|d| d.is_error());
            let why = first.map(|d| format!(": {} [{}]", d.message, d.code)).unwrap_or_default();
            RunError::new(
                ErrorKind::SpecInvalid,
                format!("the stored document of `{}` {} cannot run{why}", spec.agent, spec.version),
            )
        })
    }

    /// The fixed values of `ctx`.
    pub(crate) fn script_context(&self) -> Value {
        json!({
            "tenant": { "id": self.tenant.id, "name": self.tenant.name, "plan": self.tenant.plan },
            "user": { "id": self.scope.user },
            "app_id": self.scope.application,
            "session": { "id": self.scope.session },
        })
    }

    /// Runs a plan to its end. A run that could be recorded gives a report, however it ended; an error means that it never
    /// began (inputs refused, store unavailable).
    pub async fn run(
        &self,
        plan: &Arc<Plan>,
        inputs: Value,
        options: RunOptions,
        cancel: CancellationToken,
    ) -> Result<RunReport, RunError> {
        self.run_as(RunId::from_uuid(self.ports.clock.uuid()), plan, inputs, options, cancel).await
    }

    /// Runs a plan under an id.
    async fn run_as(
        &self,
        run: RunId,
        plan: &Arc<Plan>,
        inputs: Value,
        options: RunOptions,
        cancel: CancellationToken,
    ) -> Result<RunReport, RunError> {
        if options.depth >= MAX_DEPTH {
            return Err(RunError::new(
                ErrorKind::BudgetExceeded,
                format!("agents call each other more than {MAX_DEPTH} runs deep"),
            ));
        }
        let inputs = validate::with_defaults(&plan.inputs, inputs);
        validate::check(&plan.inputs, &inputs, ErrorKind::ValidationInput, "the inputs")?;
        if let Some(done) = self.same_run(run, plan, &inputs).await? {
            return Ok(done);
        }
        let begin = Begin { plan: plan.clone(), inputs, run, past: None, options, cancel };
        self.execute(begin).await.map(|(report, _)| report)
    }

    /// The run that was begun with the same `idempotency_key`, where there is one that has not failed; else this one is the
    /// run of that key from now on.
    async fn same_run(&self, run: RunId, plan: &Plan, inputs: &Value) -> Result<Option<RunReport>, RunError> {
        let Some(key) = &plan.flow.idempotency_key else { return Ok(None) };
        let tenant = json!({ "id": self.tenant.id, "name": self.tenant.name, "plan": self.tenant.plan });
        let inputs = validate::with_nulls(&plan.inputs, inputs.clone());
        let scope = json!({ "inputs": inputs, "tenant": tenant, "user": { "id": self.scope.user } });
        let value = key.eval(&scope).map_err(|error| RunError::new(ErrorKind::ExpressionFailed, error.message))?;
        let key = format!("{}run/{}/{}", state::RESERVED, plan.agent.id, journal::digest(&value));
        let store = &self.ports.store;
        let Some(known) = store.kv_claim(&key, &json!(run)).await.map_err(store_error)? else { return Ok(None) };
        let known: Option<RunId> = known.as_str().and_then(|id| id.parse().ok());
        let record = match known {
            Some(id) => store.run(id).await.map_err(store_error)?,
            None => None,
        };
        match record {
            Some(record) if !matches!(record.status, RunStatus::Failed | RunStatus::Cancelled) => {
                let journal = store.journal(record.id).await.map_err(store_error)?;
                let waiting = match record.status {
                    RunStatus::Running => open_questions(&journal),
                    _ => Vec::new(),
                };
                Ok(Some(RunReport { record, journal, waiting }))
            }
            _ => {
                store.kv_set(&key, &json!(run)).await.map_err(store_error)?;
                Ok(None)
            }
        }
    }

    /// Executes a run from its first step to its end, whatever its past.
    async fn execute(&self, begin: Begin) -> Result<(RunReport, Option<Drift>), RunError> {
        let Begin { plan, inputs, run, past, options, cancel } = begin;
        // A child token: a run that reaches its wall time cancels itself and nothing else.
        let cancel = cancel.child_token();
        let mode = past.as_ref().map(Past::mode);
        let plan = match mode {
            // What has been is not judged anew.
            Some(Mode::Replay) => plan,
            _ if self.limits.is_empty() => plan,
            _ => {
                let mut plan = Plan::clone(&plan);
                self.limits.iter().for_each(|layer| layer.limits.tighten(&mut plan.limits));
                Arc::new(plan)
            }
        };
        let (store, clock) = (self.ports.store.clone(), self.ports.clock.clone());
        let quota = Quota::new(store, clock, plan.agent.id.clone(), plan.rates.clone());
        let most = plan.rates.concurrent.filter(|_| mode != Some(Mode::Replay));
        let _entered = self.concurrent.enter(&plan.agent.id, most)?;
        if !matches!(mode, Some(Mode::Replay | Mode::Resume)) {
            quota.begin_run().await?;
        }
        let passage = Passage {
            run,
            limits: plan.limits.clone(),
            quota: quota.clone(),
            observer: options.observer.clone(),
            cancel: cancel.clone(),
            past,
            tape: options.tape.clone(),
        };
        let gate = Gate::new(self.ports.store.clone(), self.ports.clock.clone(), passage);
        gate.begin(&Record::RunStarted {
            agent: plan.agent.id.to_string(),
            name: plan.agent.name.clone(),
            version: plan.agent.version.to_string(),
            spec_digest: plan.digest.clone(),
            inputs: inputs.clone(),
            outline: outline::of(&plan),
        });
        let started_at = gate.started_at();
        if !matches!(mode, Some(Mode::Replay | Mode::Resume)) {
            let new = NewRun {
                id: run,
                agent: plan.agent.id.clone(),
                version: plan.agent.version.clone(),
                spec_digest: plan.digest.clone(),
                inputs: inputs.clone(),
                parent: options.parent,
            };
            self.ports.store.begin_run(new, gate.take_first_rows()).await.map_err(store_error)?;
        }
        gate.tell(RunEvent::Started { run, agent: plan.agent.id.to_string(), version: plan.agent.version.to_string() });

        let inputs = Arc::new(inputs);
        let mut execution = Execution {
            engine: self.clone(),
            plan: plan.clone(),
            gate: Arc::new(gate),
            options,
            started_at,
            given: inputs.clone(),
            inputs,
            state: Arc::new(plan.state.clone()),
            steps: Arc::default(),
            known: Arc::default(),
            locals: Arc::default(),
            thread: MAIN,
            writes: None,
            late: Arc::default(),
            done: Vec::new(),
            internal: VecDeque::new(),
            heard: 0,
            in_hook: false,
            sources: Arc::default(),
        };
        let gate = execution.gate.clone();
        let wall = Some(execution.time(plan.limits.wall)).filter(|_| !gate.is_replay());
        let seconds = plan.limits.wall.as_secs_f64();
        let late = RunError::new(ErrorKind::BudgetExceeded, format!("the run took longer than {seconds} seconds"))
            .with_help("raise governance.security.resource_limits.max_wall");
        let result = within(&gate, wall, late, boxed(|| execution.body())).await;
        let result = match result {
            Err(error) => Err(boxed(|| execution.undo(0, error)).await),
            done => done,
        };
        self.ports.reach.mcp.close(run).await;
        let report = execution.finish(result).await?;
        Ok((report, gate.drift()))
    }
}

/// What a run begins with.
struct Begin {
    plan: Arc<Plan>,
    inputs: Value,
    run: RunId,
    past: Option<Past>,
    options: RunOptions,
    cancel: CancellationToken,
}

/// A run in progress, or one of its branches.
#[derive(Clone)]
struct Execution {
    engine: Engine,
    plan: Arc<Plan>,
    gate: Arc<Gate>,
    options: RunOptions,
    started_at: DateTime<Utc>,
    /// The inputs as the caller gave them.
    given: Arc<Value>,
    /// The inputs as guardrails let them through.
    inputs: Arc<Value>,
    state: Arc<Value>,
    steps: Arc<Map<String, Value>>,
    /// The steps that were known when the branch began.
    known: Arc<Map<String, Value>>,
    /// Names that exist in a part of the steps only: the item of a map, the number of a round, an error.
    locals: Arc<Map<String, Value>>,
    /// The debugger's number for this branch.
    thread: ThreadId,
    /// What a branch wrote to the state, in order.
    writes: Option<Vec<(String, Value)>>,
    /// What hooks around requests and calls wrote, until the step is over.
    late: Arc<Mutex<Vec<(String, Value)>>>,
    /// What has been done and can be undone, in order.
    done: Vec<Undo>,
    /// Events that the run told itself and that nobody has taken up yet.
    internal: VecDeque<Event>,
    /// The number of the last event of others that was heard.
    heard: u64,
    /// Whether this is a hook.
    in_hook: bool,
    /// What servers, services and agents have said of their tools.
    sources: Arc<tools::sources::Sources>,
}

/// Longer than anybody looks at a run that stands still.
const UNBOUNDED: Duration = Duration::from_secs(86_400 * 365);

impl Execution {
    async fn body(&mut self) -> Result<Value, RunError> {
        let plan = self.plan.clone();
        if let Some(debugger) = &self.options.debugger {
            debugger.begin(&plan.agent.name, self.scope());
        }
        for server in plan.mcp_servers.iter().filter(|server| server.eager) {
            self.server_tools(server).await?;
        }
        self.take_up_state().await?;
        self.inputs = Arc::new(boxed(|| self.guard(GuardrailPoint::Input, "inputs", (*self.inputs).clone())).await?);
        let hooks = &plan.flow.hooks;
        boxed(|| self.hook(&hooks.before_run, "before_run/".into(), "step", Value::Null)).await?;
        let flow = match &plan.behavior {
            BehaviorPlan::Chat { max_iterations } => boxed(|| self.chat(*max_iterations)).await.map(Flow::Next),
            BehaviorPlan::Steps(steps) => self.run_steps(steps).await,
            BehaviorPlan::Machine(machine) => boxed(|| self.machine(machine)).await,
            BehaviorPlan::Graph(graph) => boxed(|| self.graph(graph)).await,
        };
        let output = match flow {
            Ok(Flow::Next(value) | Flow::Return(value)) => Ok(value),
            Ok(Flow::Goto(target)) => Err(together::lost(&target)),
            Err(error) => Err(error),
        };
        let seen = json!({ "output": output.as_ref().ok(), "error": output.as_ref().err().map(error_value) });
        boxed(|| self.hook(&hooks.after_run, "after_run/".into(), "step", seen)).await?;
        let output = {
            let output = output?;
            boxed(|| self.guard(GuardrailPoint::Output, "outputs", output)).await?
        };
        if let Some(schema) = &plan.outputs {
            validate::check(schema, &output, ErrorKind::ValidationOutput, "the outputs")?;
        }
        self.keep_state().await?;
        self.gate.flush().await?;
        Ok(output)
    }

    /// A bound of time, which does not count while a person looks.
    fn time(&self, limit: Duration) -> Duration {
        if self.options.debugger.is_some() { UNBOUNDED } else { limit }
    }

    /// Records the end. A store that fails here turns a success into an error: a result nobody can find again is none.
    async fn finish(self, result: Result<Value, RunError>) -> Result<RunReport, RunError> {
        let usage = self.gate.usage();
        if let Some(waiting) = self.gate.questions() {
            self.gate.flush().await?;
            self.gate.tell(RunEvent::PutAside { waiting: waiting.clone() });
            return Ok(self.report(RunStatus::Running, None, None, waiting));
        }
        let (status, output, error) = match result {
            Ok(output) => (RunStatus::Succeeded, Some(output), None),
            Err(error) if error.kind == ErrorKind::Cancelled => (RunStatus::Cancelled, None, Some(error)),
            Err(error) => (RunStatus::Failed, None, Some(error)),
        };
        self.gate.record(&Record::RunEnded { status, output: output.clone(), error: error.clone(), usage });
        let end = RunEnd { status, output: output.clone(), error: error.clone(), usage };
        let stored = self.gate.end(end).await;
        self.gate.tell(RunEvent::Ended { status });
        let (status, error) = match (stored, error) {
            (Ok(()), error) => (status, error),
            (Err(store), None) => (RunStatus::Failed, Some(store)),
            (Err(_), Some(error)) => (status, Some(error)),
        };
        let output = if error.is_none() { output } else { None };
        Ok(self.report(status, output, error, Vec::new()))
    }

    fn report(
        self,
        status: RunStatus,
        output: Option<Value>,
        error: Option<RunError>,
        waiting: Vec<Question>,
    ) -> RunReport {
        let record = RunRecord {
            id: self.gate.run(),
            agent: self.plan.agent.id.clone(),
            version: self.plan.agent.version.clone(),
            spec_digest: self.plan.digest.clone(),
            status,
            inputs: Arc::unwrap_or_clone(self.given),
            output,
            error,
            usage: self.gate.usage(),
            parent: self.options.parent,
            session: self.engine.scope.session,
            started_by: self.engine.scope.user.clone(),
            started_at: self.started_at,
            ended_at: (status != RunStatus::Running).then(|| self.engine.ports.clock.now()),
        };
        RunReport { record, journal: self.gate.rows(), waiting }
    }

    /// The roots that templates and expressions see.
    fn scope(&self) -> Value {
        let engine = &self.engine;
        let mut scope = json!({
            "inputs": validate::with_nulls(&self.plan.inputs, (*self.inputs).clone()),
            "state": *self.state,
            "steps": *self.steps,
            "tenant": { "id": engine.tenant.id, "name": engine.tenant.name, "plan": engine.tenant.plan },
            "agent": {
                "id": self.plan.agent.id, "version": self.plan.agent.version, "name": self.plan.agent.name,
            },
            "user": { "id": engine.scope.user },
            "session": { "id": engine.scope.session },
            "execution": { "id": self.gate.run(), "attempt": 1 },
            "now": self.started_at.to_rfc3339(),
            "tenant_id": engine.tenant.id,
            "agent_id": self.plan.agent.id,
        });
        if let Value::Object(roots) = &mut scope {
            roots.extend(self.locals.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        scope
    }
}

/// What `usage` costs at a price of US dollars per million input and output tokens.
fn cost(usage: &mut Usage, pricing: Option<(f64, f64)>) {
    if let Some((input, output)) = pricing {
        usage.cost_usd = (usage.input_tokens as f64 * input + usage.output_tokens as f64 * output) / 1e6;
    }
}
