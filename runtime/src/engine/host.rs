//! What scripts can ask of the host ([`aikit_core::surface`]), answered once for cells and for runs: a cell's calls are
//! performed as they come, a run's calls pass the gate.

use std::sync::Arc;

use aikit_core::{ErrorKind, RunError, RunId, record::Usage};
use aikit_spec::{
    plan::{ModelPlan, Plan},
    words::call_name,
};
use async_trait::async_trait;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::{Engine, Execution, model, state::RESERVED};
use crate::{
    cassette::Tape,
    cell::CellEvent,
    debug::{
        ScriptProbe,
        script::{PAUSED, Wishes},
    },
    gate::{Effect, Gate, store_error},
    journal::{EffectKind, SideEffect},
    past::Doubts,
    people::People,
    ports::{HostCalls, Message, Role},
    validate,
};

/// Takes what scripts print and display.
pub(crate) type Output = Arc<dyn Fn(CellEvent) + Send + Sync>;

/// Performs host calls for one caller.
#[derive(Clone)]
pub(crate) struct Services {
    pub engine: Engine,
    /// The model of `ctx.ai` when a call names none.
    pub model: ModelPlan,
    /// Declared models that a call may name, for scripts of a document.
    pub plan: Option<Arc<Plan>>,
    pub parent: Option<RunId>,
    pub depth: u32,
    /// What tools give in place of being called.
    pub stubs: Arc<std::collections::BTreeMap<String, Value>>,
    /// Answers in place of those from outside.
    pub tape: Option<Arc<Tape>>,
    pub cancel: CancellationToken,
    pub output: Option<Output>,
    /// Who is asked what only people know.
    pub people: Option<Arc<dyn People>>,
    /// What is known of effects that may have happened, for children that go on.
    pub doubts: Arc<Doubts>,
}

/// How a call is recorded.
fn classify(method: &str, args: &[Value]) -> (EffectKind, SideEffect, String) {
    let first = || args.first().and_then(Value::as_str).unwrap_or_default().to_owned();
    match method {
        "now" => (EffectKind::Clock, SideEffect::Read, "now".into()),
        "id" => (EffectKind::Id, SideEffect::Read, "id".into()),
        "storage.set" | "storage.delete" => (EffectKind::Storage, SideEffect::Write, first()),
        "ai.complete" | "ai.chat" => {
            let named = args.get(1).and_then(|options| options.get("model")).and_then(Value::as_str);
            (EffectKind::Model, SideEffect::Read, named.unwrap_or("ctx.ai").to_owned())
        }
        "memory.remember" | "memory.forget" => (EffectKind::Memory, SideEffect::Write, method.into()),
        "memory.recall" | "memory.search" | "memory.block" => (EffectKind::Memory, SideEffect::Read, method.into()),
        "input" => (EffectKind::Human, SideEffect::Read, "input".into()),
        _ => (EffectKind::Storage, SideEffect::Read, first()),
    }
}

pub(super) fn usage_error(method: &str, what: &str) -> RunError {
    let path = match method {
        "input" => "input".to_owned(),
        other => format!("ctx.{other}"),
    };
    let signature = aikit_core::surface::member(&path).map(|member| member.signature()).unwrap_or(path);
    RunError::new(ErrorKind::ScriptError, what.to_owned()).with_help(format!("usage: {signature}"))
}

pub(super) fn text<'a>(method: &str, args: &'a [Value], index: usize, name: &str) -> Result<&'a str, RunError> {
    args.get(index).and_then(Value::as_str).ok_or_else(|| usage_error(method, &format!("`{name}` must be a string")))
}

pub(super) fn options<'a>(
    method: &str,
    args: &'a [Value],
    index: usize,
) -> Result<Option<&'a Map<String, Value>>, RunError> {
    match args.get(index) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(map)) => Ok(Some(map)),
        // An empty Lua table has no way to say that it is an object.
        Some(Value::Array(items)) if items.is_empty() => Ok(None),
        Some(_) => Err(usage_error(method, "the last argument must be a table of options")),
    }
}

/// A key of `ctx.storage`.
fn key<'a>(method: &str, args: &'a [Value]) -> Result<&'a str, RunError> {
    let key = text(method, args, 0, "key")?;
    if key.starts_with(RESERVED) {
        let message = format!("keys that begin with `{RESERVED}` belong to aikit");
        return Err(RunError::new(ErrorKind::ToolDenied, message).with_help("use another key"));
    }
    Ok(key)
}

/// The second argument, an object; an empty Lua table is one.
fn arguments(args: &[Value]) -> Value {
    match args.get(1) {
        None | Some(Value::Null) => json!({}),
        Some(Value::Array(items)) if items.is_empty() => json!({}),
        Some(arguments) => arguments.clone(),
    }
}

impl Services {
    /// Performs one call.
    pub(crate) async fn perform(&self, method: &str, args: &[Value]) -> Result<(Value, Usage), RunError> {
        let ports = self.engine.ports();
        let free = |value: Value| Ok((value, Usage::default()));
        match method {
            "now" => free(json!(ports.clock.now().timestamp_millis())),
            "id" => free(json!(ports.clock.uuid().to_string())),
            "storage.get" => {
                let value = ports.store.kv_get(key(method, args)?).await.map_err(store_error)?;
                free(value.unwrap_or_default())
            }
            "storage.set" => {
                let value = args.get(1).cloned().unwrap_or_default();
                ports.store.kv_set(key(method, args)?, &value).await.map_err(store_error)?;
                free(Value::Null)
            }
            "storage.delete" => free(json!(ports.store.kv_delete(key(method, args)?).await.map_err(store_error)?)),
            "storage.list" => {
                let prefix = args.first().and_then(Value::as_str).unwrap_or_default();
                let keys = ports.store.kv_list(prefix).await.map_err(store_error)?;
                free(json!(keys.iter().filter(|key| !key.starts_with(RESERVED)).collect::<Vec<_>>()))
            }
            "ai.complete" => {
                let options = options(method, args, 1)?;
                let mut messages = Vec::new();
                if let Some(system) = options.and_then(|o| o.get("system")).and_then(Value::as_str) {
                    messages.push(Message::text(Role::System, system));
                }
                messages.push(Message::text(Role::User, text(method, args, 0, "prompt")?));
                let (answer, usage) = self.ask(messages, options).await?;
                Ok((answer["content"].clone(), usage))
            }
            "ai.chat" => {
                let messages = args.first().cloned().unwrap_or_default();
                let messages: Vec<Message> = serde_json::from_value(messages).map_err(|e| {
                    usage_error(method, &format!("`messages` must be a list of {{ role, content }}: {e}"))
                })?;
                self.ask(messages, options(method, args, 1)?).await
            }
            "agents.run" => self.child_value(text(method, args, 0, "name")?, arguments(args)).await,
            "agents.list" => {
                let specs = ports.store.specs().await.map_err(store_error)?;
                let list = specs.iter().map(|spec| {
                    json!({
                        "id": spec.agent, "name": spec.name, "version": spec.version, "status": spec.status,
                        "description": spec.description,
                    })
                });
                free(list.collect())
            }
            "agents.get" => {
                let spec = self.engine.find(text(method, args, 0, "name")?).await?;
                free(json!({
                    "id": spec.agent, "name": spec.name, "version": spec.version, "status": spec.status,
                    "description": spec.description, "source": spec.source,
                }))
            }
            "tools.list" => {
                let list: Vec<Value> = match &self.plan {
                    Some(plan) => {
                        let callable = plan.tools.iter().filter(|t| plan.permits.refuses(&t.rule_name).is_none());
                        callable.map(|t| json!({ "name": t.name, "description": t.description })).collect()
                    }
                    None => {
                        let tools = ports.tools.list();
                        tools.iter().map(|t| json!({ "name": t.name, "description": t.description })).collect()
                    }
                };
                free(Value::Array(list))
            }
            "tools.call" => self
                .builtin(text(method, args, 0, "name")?, arguments(args))
                .await
                .map(|value| (value, Usage::default())),
            memory if memory.starts_with("memory.") => self.remembered(memory, args).await,
            other => Err(RunError::new(ErrorKind::ScriptError, format!("the host has no `{other}`"))),
        }
    }

    /// Calls a built-in tool for a cell; in a run the calls go to the document's tools.
    async fn builtin(&self, name: &str, args: Value) -> Result<Value, RunError> {
        let ports = self.engine.ports();
        match name {
            "current_time" => return Ok(super::tools::current_time(ports.clock.as_ref())),
            "new_id" => return Ok(json!(ports.clock.uuid().to_string())),
            _ => {}
        }
        if super::tools::is_outside(name) {
            let message = format!("the tool `{name}` needs a grant, which only a document can give");
            return Err(RunError::new(ErrorKind::ToolDenied, message)
                .with_help("declare it in an agent, with what it may touch under governance.security.permits"));
        }
        let known = ports.tools.list();
        let Some(tool) = known.iter().find(|tool| tool.name == name) else {
            let names: Vec<_> = known.iter().map(|tool| tool.name.as_str()).collect();
            return Err(RunError::new(ErrorKind::ToolNotFound, format!("there is no built-in tool `{name}`"))
                .with_help(format!("the built-in tools are: {}", names.join(", "))));
        };
        validate::check(&tool.input, &args, ErrorKind::ValidationInput, &format!("the arguments of tool `{name}`"))?;
        ports.tools.call(name, args, &self.cancel).await
    }

    async fn ask(
        &self,
        messages: Vec<Message>,
        options: Option<&Map<String, Value>>,
    ) -> Result<(Value, Usage), RunError> {
        let option = |name: &str| options.and_then(|o| o.get(name));
        let mut plan = match option("model").and_then(Value::as_str) {
            None => self.model.clone(),
            Some(name) => match self.plan.as_ref().and_then(|plan| plan.models.get(name)) {
                Some(declared) => declared.clone(),
                None => model::by_name(name)?,
            },
        };
        if let Some(temperature) = option("temperature").and_then(Value::as_f64) {
            plan.parameters.temperature = Some(temperature);
        }
        if let Some(max) = option("max_tokens").and_then(Value::as_u64) {
            plan.parameters.max_tokens = Some(u32::try_from(max).unwrap_or(u32::MAX));
        }
        let request = model::request(&plan, messages, Vec::new(), None);
        let (response, usage) = model::call(self.engine.ports(), &plan, request, &|_| {}, &self.cancel).await?;
        let answer = json!({
            "content": response.content, "model": response.model, "simulated": response.simulated,
            "usage": { "input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens, "cost_usd": usage.cost_usd },
        });
        Ok((answer, usage))
    }
}

/// The host of a script inside a run: every call passes the gate.
pub(super) struct RunHost {
    pub(super) services: Services,
    execution: Execution,
    pub(super) gate: Arc<Gate>,
    pub(super) address: String,
    probe: Option<ScriptProbe>,
}

impl RunHost {
    pub(super) fn new(execution: &Execution, address: &str) -> Self {
        let plan = execution.plan.clone();
        let model = plan.models.get(&plan.default_model).cloned();
        let services = Services {
            engine: execution.engine.clone(),
            // The lowering guarantees the default model; the scripted one stands in for a plan built by hand.
            model: model.unwrap_or_else(model::scripted),
            plan: Some(plan),
            parent: Some(execution.gate.run()),
            depth: execution.options.depth,
            stubs: execution.options.stubs.clone(),
            tape: execution.options.tape.clone(),
            cancel: execution.gate.cancel().clone(),
            output: execution.options.output.clone(),
            people: execution.options.people.clone(),
            doubts: execution.options.doubts.clone(),
        };
        // What a script calls does not stop: the script does.
        let mut execution = execution.clone();
        execution.options.debugger = None;
        Self { services, gate: execution.gate.clone(), execution, address: address.to_owned(), probe: None }
    }

    /// With a debugger that holds the script.
    pub(super) fn watched_by(self, probe: Option<ScriptProbe>) -> Self {
        Self { probe, ..self }
    }
}

#[async_trait]
impl HostCalls for RunHost {
    async fn call(&self, method: &str, args: Vec<Value>) -> Result<Value, RunError> {
        if method == "input" {
            return Err(RunError::new(ErrorKind::ToolDenied, "input() can be used in a cell, not inside a run")
                .with_help("pass what the agent needs as inputs"));
        }
        if method == PAUSED {
            let Some(probe) = &self.probe else { return Err(RunError::cancelled()) };
            return probe.paused(args).await;
        }
        if method == "agents.run" {
            return self.run_agent(text(method, &args, 0, "name")?, arguments(&args)).await;
        }
        if method == "tools.call" {
            return self.tool(text(method, &args, 0, "name")?, arguments(&args)).await;
        }
        let (kind, class, label) = classify(method, &args);
        let effect = Effect {
            address: self.address.clone(),
            kind,
            class,
            label,
            request: json!({ "call": method, "args": args }),
        };
        self.gate.effect(effect, self.services.perform(method, &args)).await
    }

    fn emit(&self, event: CellEvent) {
        if let Some(output) = &self.services.output {
            output(event);
        }
    }

    fn watch(&self) -> Option<Wishes> {
        self.probe.as_ref().map(ScriptProbe::watch)
    }
}

impl RunHost {
    /// Calls a tool of the document: permitted, bounded and recorded as any other call.
    async fn tool(&self, name: &str, args: Value) -> Result<Value, RunError> {
        let tool = self.execution.find_tool(&call_name(name)).await?.ok_or_else(|| {
            RunError::new(ErrorKind::ToolDenied, format!("tool `{name}` is not declared in this document"))
                .with_help("list it under integration.tools")
        })?;
        self.execution.call_tool(&self.address, &tool, args).await
    }
}
