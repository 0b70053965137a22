//! Executes a plan. Everything here is a pure function of the plan, the inputs and what the gate returns.

mod bodies;
mod check;
mod compress;
mod context;
mod conversation;
pub(crate) mod host;
pub(crate) mod memory;
pub(crate) mod model;
mod replay;
mod retry;
mod steps;
pub(crate) mod tools;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use aikit_core::{
    AgentId, ErrorKind, RunError, RunId, Scope,
    record::{JournalRow, NewRun, RunEnd, RunRecord, RunStatus, SpecRecord, TenantRecord, Usage},
};
use aikit_spec::{
    CheckContext, Checked,
    compose::Setting,
    limits::LimitLayer,
    plan::{BehaviorPlan, Body, Plan, StepPlan},
};
use chrono::{DateTime, Utc};
use semver::Version;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

pub use self::{
    check::{check, findings},
    replay::{Fork, Replay},
};
use crate::{
    cell::CellEvent,
    debug::{Debugger, MAIN, ThreadId},
    event::{Observer, RunEvent},
    gate::{Gate, Passage, store_error},
    journal::{OutlineBranch, OutlineStep, Record},
    past::{Drift, Mode, Past},
    ports::{Clock, Files, Memory, Models, Scripts, Secrets, Store, Tools},
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
}

/// Runs plans for one scope.
#[derive(Clone)]
pub struct Engine {
    ports: Ports,
    scope: Scope,
    tenant: TenantRecord,
    limits: Vec<LimitLayer>,
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
}

/// A finished run.
#[derive(Debug, Clone)]
pub struct RunReport {
    /// As the store has it.
    pub record: RunRecord,
    /// Its journal.
    pub journal: Vec<JournalRow>,
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
        Self { ports, scope, tenant, limits }
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

    /// The same engine with other models and credentials and an empty memory: nothing leaves the machine in a test, and nothing
    /// of it stays.
    pub fn for_tests(&self, models: Arc<dyn Models>, secrets: Arc<dyn Secrets>) -> Self {
        let models = memory::offline(models, self.ports.models.clone());
        let memory = self.ports.memory.blank();
        Self { ports: Ports { models, secrets, memory, ..self.ports.clone() }, ..self.clone() }
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
        if options.depth >= MAX_DEPTH {
            return Err(RunError::new(
                ErrorKind::BudgetExceeded,
                format!("agents call each other more than {MAX_DEPTH} runs deep"),
            ));
        }
        let inputs = validate::with_defaults(&plan.inputs, inputs);
        validate::check(&plan.inputs, &inputs, ErrorKind::ValidationInput, "the inputs")?;
        let run = RunId::from_uuid(self.ports.clock.uuid());
        let begin = Begin { plan: plan.clone(), inputs, run, past: None, options, cancel };
        self.execute(begin).await.map(|(report, _)| report)
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
        let passage = Passage {
            run,
            limits: plan.limits.clone(),
            observer: options.observer.clone(),
            cancel: cancel.clone(),
            past,
        };
        let gate = Gate::new(self.ports.store.clone(), self.ports.clock.clone(), passage);
        gate.begin(&Record::RunStarted {
            agent: plan.agent.id.to_string(),
            name: plan.agent.name.clone(),
            version: plan.agent.version.to_string(),
            spec_digest: plan.digest.clone(),
            inputs: inputs.clone(),
            outline: outline(&plan),
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

        let mut execution = Execution {
            engine: self.clone(),
            plan: plan.clone(),
            gate: Arc::new(gate),
            options,
            started_at,
            inputs,
            state: plan.state.clone(),
            steps: Map::new(),
            locals: Map::new(),
            thread: MAIN,
        };
        let wall = execution.time(plan.limits.wall);
        let result = {
            let body = execution.body();
            tokio::pin!(body);
            tokio::select! {
                result = &mut body => result,
                () = tokio::time::sleep(wall) => {
                    // The effect in progress sees the token and cleans up; the gate leaves behind one that does not.
                    cancel.cancel();
                    let _ = body.await;
                    Err(RunError::new(
                        ErrorKind::BudgetExceeded,
                        format!("the run took longer than {} seconds", plan.limits.wall.as_secs_f64()),
                    )
                    .with_help("raise governance.security.resource_limits.max_wall"))
                }
            }
        };
        let gate = execution.gate.clone();
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
    inputs: Value,
    state: Value,
    steps: Map<String, Value>,
    /// Names that exist in a part of the steps only: the item of a map, the number of a round, an error.
    locals: Map<String, Value>,
    /// The debugger's number for this branch.
    thread: ThreadId,
}

/// Longer than anybody looks at a run that stands still.
const UNBOUNDED: Duration = Duration::from_secs(86_400 * 365);

impl Execution {
    async fn body(&mut self) -> Result<Value, RunError> {
        let plan = self.plan.clone();
        if let Some(debugger) = &self.options.debugger {
            debugger.begin(&plan.agent.name, self.scope());
        }
        if let Some(part) = plan.unsupported.first() {
            return Err(RunError::unsupported(format!("`{part}`")));
        }
        let output = match &plan.behavior {
            BehaviorPlan::Chat { max_iterations } => self.chat(*max_iterations).await?,
            BehaviorPlan::Steps(steps) => self.run_steps(steps).await?,
            BehaviorPlan::Unsupported(kind) => return Err(RunError::unsupported(format!("a `{kind}`"))),
        };
        if let Some(schema) = &plan.outputs {
            validate::check(schema, &output, ErrorKind::ValidationOutput, "the outputs")?;
        }
        Ok(output)
    }

    /// A bound of time, which does not count while a person looks.
    fn time(&self, limit: Duration) -> Duration {
        if self.options.debugger.is_some() { UNBOUNDED } else { limit }
    }

    /// Records the end. A store that fails here turns a success into an error: a result nobody can find again is none.
    async fn finish(self, result: Result<Value, RunError>) -> Result<RunReport, RunError> {
        let usage = self.gate.usage();
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
        let journal = self.gate.rows();
        let record = RunRecord {
            id: self.gate.run(),
            agent: self.plan.agent.id.clone(),
            version: self.plan.agent.version.clone(),
            spec_digest: self.plan.digest.clone(),
            status,
            inputs: self.inputs,
            output: if error.is_none() { output } else { None },
            error,
            usage,
            parent: self.options.parent,
            session: self.engine.scope.session,
            started_by: self.engine.scope.user.clone(),
            started_at: self.started_at,
            ended_at: Some(self.engine.ports.clock.now()),
        };
        Ok(RunReport { record, journal })
    }

    /// The roots that templates and expressions see.
    fn scope(&self) -> Value {
        let engine = &self.engine;
        let mut scope = json!({
            "inputs": validate::with_nulls(&self.plan.inputs, self.inputs.clone()),
            "state": self.state,
            "steps": self.steps,
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

/// The steps of a plan as the journal's first record lists them.
fn outline(plan: &Plan) -> Vec<OutlineStep> {
    fn steps(list: &[StepPlan], prefix: &str) -> Vec<OutlineStep> {
        list.iter()
            .map(|step| {
                let address = format!("{prefix}{}", step.name);
                let branch = |body: Body<'_>| OutlineBranch {
                    label: body.label.to_owned(),
                    steps: steps(body.steps, &body.segment.prefix(&address)),
                };
                let branches = step.bodies().into_iter().map(branch).collect();
                OutlineStep {
                    address,
                    name: step.name.clone(),
                    kind: step.kind.keyword().into(),
                    line: step.line + 1,
                    branches,
                }
            })
            .collect()
    }
    match &plan.behavior {
        BehaviorPlan::Chat { .. } => {
            vec![OutlineStep {
                address: "chat".into(),
                name: "chat".into(),
                kind: "llm".into(),
                line: 1,
                branches: Vec::new(),
            }]
        }
        BehaviorPlan::Steps(list) => steps(list, ""),
        BehaviorPlan::Unsupported(_) => Vec::new(),
    }
}

/// What `usage` costs at a price of US dollars per million input and output tokens.
fn cost(usage: &mut Usage, pricing: Option<(f64, f64)>) {
    if let Some((input, output)) = pricing {
        usage.cost_usd = (usage.input_tokens as f64 * input + usage.output_tokens as f64 * output) / 1e6;
    }
}
