//! Results of tools that are kept for a time, in the tenant's key-value space.

use aikit_core::{RunError, record::Usage};
use aikit_spec::plan::{CachePlan, ToolPlan};
use serde_json::{Value, json};

use super::super::{Execution, state::RESERVED};
use crate::{
    gate::{Effect, store_error},
    journal::{EffectKind, SideEffect, digest},
};

impl Execution {
    /// Under which key a result is kept.
    pub(super) fn cache_key(
        &self,
        tool: &ToolPlan,
        cache: &CachePlan,
        args: &Value,
        identity: Option<Value>,
    ) -> Result<String, RunError> {
        let what = match &cache.key {
            None => json!([args, identity]),
            Some(template) => {
                let mut scope = self.scope();
                scope["args"] = args.clone();
                template.render(&scope).map_err(|e| self.expression_error(e))?
            }
        };
        Ok(format!("{RESERVED}results/{}/{}/{}", self.plan.agent.id, tool.name, digest(&what)))
    }

    /// The result that is kept, unless its time is over.
    pub(super) async fn kept(
        &self,
        address: &str,
        tool: &ToolPlan,
        cache: &CachePlan,
        key: &str,
    ) -> Result<Option<Value>, RunError> {
        let ports = &self.engine.ports;
        let millis = i64::try_from(cache.ttl.as_millis()).unwrap_or(i64::MAX);
        let effect = Effect {
            address: address.to_owned(),
            kind: EffectKind::Storage,
            class: SideEffect::Read,
            label: format!("result of {}", tool.name),
            request: json!({ "kept": key, "milliseconds": millis }),
        };
        let work = async {
            let entry = ports.store.kv_get(key).await.map_err(store_error)?;
            let now = ports.clock.now().timestamp_millis();
            let fresh = entry.filter(|entry| {
                let age = entry.get("at").and_then(Value::as_i64).map(|at| now.saturating_sub(at));
                age.is_some_and(|age| (0..millis).contains(&age))
            });
            Ok((fresh.map_or(Value::Null, |entry| json!([entry["value"]])), Usage::default()))
        };
        let found = self.gate.effect(effect, work).await?;
        Ok(found.get(0).cloned())
    }

    /// Keeps a result.
    pub(super) async fn keep(&self, address: &str, tool: &ToolPlan, key: &str, value: &Value) -> Result<(), RunError> {
        let ports = &self.engine.ports;
        let effect = Effect {
            address: address.to_owned(),
            kind: EffectKind::Storage,
            // It can be set again without harm, so a run that goes on later need not ask.
            class: SideEffect::Read,
            label: format!("result of {}", tool.name),
            request: json!({ "keep": key, "value": value }),
        };
        let work = async {
            let entry = json!({ "at": ports.clock.now().timestamp_millis(), "value": value });
            ports.store.kv_set(key, &entry).await.map_err(store_error)?;
            Ok((Value::Null, Usage::default()))
        };
        self.gate.effect(effect, work).await.map(drop)
    }
}
