//! `ctx.memory`: in a run the memory of the document, by its rules; in a cell what the person keeps.

use std::sync::Arc;

use aikit_core::{AgentId, ErrorKind, RunError, record::Usage};
use aikit_spec::{agent::MemoryKind, plan::MemoryPlan};
use serde_json::{Map, Value, json};

use super::{
    Desk, Op,
    write::{Decision, Place},
};
use crate::engine::{
    host::{Services, options, text, usage_error},
    model,
};

/// Whose memory the memory of cells is.
const CELLS: &str = "cells";

/// The model that stands in where none is named.
const EMBEDDING: &str = "hashing/384";

impl Services {
    /// Performs one call of `ctx.memory`.
    pub(in crate::engine) async fn remembered(&self, method: &str, args: &[Value]) -> Result<(Value, Usage), RunError> {
        let (memory, agent) = self.memory()?;
        let scope = self.engine.script_context();
        let mut scope = scope.as_object().cloned().unwrap_or_default();
        scope.insert("tenant_id".into(), json!(self.engine.scope().tenant));
        scope.insert("agent_id".into(), json!(agent));
        scope.insert("agent".into(), json!({ "id": agent }));
        let scope = Value::Object(scope);
        let place = Place { memory: &memory, tenant: &self.engine.scope().tenant, agent: &agent, scope: &scope };
        let free = |value: Value| Ok((value, Usage::default()));
        let given = match method {
            "memory.block" | "memory.forget" => None,
            _ => options(method, args, 1)?,
        };
        let top_k = number(given, "top_k").unwrap_or(8.0).clamp(1.0, 1000.0) as u32;
        let op = match method {
            "memory.remember" => {
                let value = args.first().cloned().unwrap_or_default();
                let label = given.and_then(|given| given.get("label")).and_then(Value::as_str);
                let into = kind(method, given, "into", label.map_or(MemoryKind::Episodic, |_| MemoryKind::Block))?;
                match place.remember(value, into, label)? {
                    Decision::Write(op) => op,
                    Decision::Leave(why) => return free(json!({ "outcome": why })),
                }
            }
            "memory.recall" => {
                let from = kind(method, given, "from", MemoryKind::Episodic)?;
                if from == MemoryKind::Block {
                    return Err(usage_error(method, "a block is read by `ctx.memory.block`"));
                }
                match place.recall(text(method, args, 0, "query")?.to_owned(), from, top_k)? {
                    Some(op) => op,
                    None => return free(json!([])),
                }
            }
            "memory.search" => {
                let from = names(method, given)?;
                let min_score = number(given, "min_score").unwrap_or(0.0);
                place.retrieve(text(method, args, 0, "query")?.to_owned(), &from, top_k, min_score)?
            }
            "memory.block" => {
                let label = text(method, args, 0, "label")?;
                let (block, space) = place.block(label)?;
                let first = match &block.value {
                    Some(value) => Some(
                        value
                            .render_text(&scope)
                            .map_err(|error| RunError::new(ErrorKind::ExpressionFailed, error.message))?,
                    ),
                    None => None,
                };
                let (blocks, usage) =
                    self.desk(&memory).perform(Op::Blocks { blocks: vec![(label.to_owned(), space)] }).await?;
                let written = blocks.get(label).filter(|text| !text.is_null()).cloned();
                return Ok((written.unwrap_or_else(|| json!(first)), usage));
            }
            "memory.forget" => {
                let id = args.first().and_then(Value::as_f64).filter(|id| *id >= 1.0 && id.fract() == 0.0);
                let id = id.ok_or_else(|| usage_error(method, "`id` must be the id of a memory"))?;
                place.forget(id as u64)?
            }
            other => return Err(RunError::new(ErrorKind::ScriptError, format!("the host has no `{other}`"))),
        };
        self.desk(&memory).perform(op).await
    }

    fn desk(&self, memory: &Arc<MemoryPlan>) -> Desk {
        Desk { engine: self.engine.clone(), memory: memory.clone(), cancel: self.cancel.clone() }
    }

    /// The memory of the document, or the one of cells.
    fn memory(&self) -> Result<(Arc<MemoryPlan>, AgentId), RunError> {
        if let Some(plan) = &self.plan {
            return Ok((plan.memory.clone(), plan.agent.id.clone()));
        }
        let agent = AgentId::new(CELLS).map_err(|error| RunError::new(ErrorKind::Internal, error.to_string()))?;
        Ok((Arc::new(MemoryPlan::plain(model::by_name(EMBEDDING)?)), agent))
    }
}

fn number(given: Option<&Map<String, Value>>, name: &str) -> Option<f64> {
    given.and_then(|given| given.get(name)).and_then(Value::as_f64)
}

fn kind(
    method: &str,
    given: Option<&Map<String, Value>>,
    name: &str,
    otherwise: MemoryKind,
) -> Result<MemoryKind, RunError> {
    match given.and_then(|given| given.get(name)).map(Value::as_str) {
        None => Ok(otherwise),
        Some(Some("episodic")) => Ok(MemoryKind::Episodic),
        Some(Some("semantic")) => Ok(MemoryKind::Semantic),
        Some(Some("procedural")) => Ok(MemoryKind::Procedural),
        Some(Some("block")) => Ok(MemoryKind::Block),
        Some(_) => {
            let message = format!("`{name}` is one of `episodic`, `semantic`, `procedural`, `block`");
            Err(usage_error(method, &message))
        }
    }
}

/// The knowledge bases that a call names: one, or a list.
fn names(method: &str, given: Option<&Map<String, Value>>) -> Result<Vec<String>, RunError> {
    match given.and_then(|given| given.get("from")) {
        None => Ok(Vec::new()),
        Some(Value::String(name)) => Ok(vec![name.clone()]),
        Some(Value::Array(list)) if list.iter().all(Value::is_string) => {
            Ok(list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        }
        Some(_) => Err(usage_error(method, "`from` is a list of knowledge bases")),
    }
}
