//! The state: what steps share, written by path, checked against its schema, kept from run to run where the document says so.

use std::sync::Arc;

use aikit_core::{ErrorKind, RunError};
use aikit_spec::{
    agent::{Persist, Reducer},
    plan::ReducerPlan,
};
use serde_json::{Map, Value, json};

use super::Execution;
use crate::{
    gate::{Effect, store_error},
    journal::{EffectKind, SideEffect},
    validate,
};

/// Where kept states live among the tenant's keys. No script reaches a key that begins like this.
pub(crate) const RESERVED: &str = "__aikit/";

impl Execution {
    /// Writes `a.b.c` (with or without a leading `state.`), through the reducer of the path where there is one, and checks the
    /// state against its schema.
    pub(super) async fn write_state(&mut self, address: &str, path: &str, value: Value) -> Result<(), RunError> {
        let path = path.strip_prefix("state.").unwrap_or(path);
        if let Some(writes) = &mut self.writes {
            writes.push((path.to_owned(), value.clone()));
        }
        let plan = self.plan.clone();
        let value = match plan.flow.reducers.get(path) {
            None => value,
            Some(reducer) => {
                let old = path.split('.').try_fold(&*self.state, |at, key| at.get(key)).cloned().unwrap_or_default();
                self.reduce(address, path, reducer, old, value).await?
            }
        };
        let mut next = (*self.state).clone();
        let mut place = &mut next;
        for key in path.split('.') {
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            // `place` was just made an object.
            if let Value::Object(map) = place {
                place = map.entry(key).or_insert(Value::Null);
            }
        }
        *place = value;
        if let Some(schema) = &self.plan.state_schema {
            let what = format!("the values of the state after writing `{path}`");
            validate::check(schema, &next, ErrorKind::ValidationState, &what)?;
        }
        self.state = Arc::new(next);
        Ok(())
    }

    /// What two values of one key become.
    async fn reduce(
        &self,
        address: &str,
        path: &str,
        reducer: &ReducerPlan,
        old: Value,
        new: Value,
    ) -> Result<Value, RunError> {
        let rule = match reducer {
            ReducerPlan::Rule(rule) => *rule,
            ReducerPlan::Script(script) => {
                let name = format!("{}: reducer of state.{path}", self.source_name());
                let inputs = json!({ "old": old, "new": new });
                return self.run_script(address, script, &name, inputs, Value::Object(Map::new())).await;
            }
        };
        let unfit = |what: &str| {
            let message = format!("`state.{path}` holds {old} and is given {new}: {what}");
            RunError::new(ErrorKind::ValidationState, message)
        };
        let numbers = || old.as_f64().zip(new.as_f64()).ok_or_else(|| unfit("both have to be numbers"));
        Ok(match (rule, &old, &new) {
            (Reducer::Replace, ..) | (_, Value::Null, _) if rule != Reducer::Append => new,
            (Reducer::Append, Value::Null, Value::Array(_)) => new,
            (Reducer::Append, Value::Null, _) => json!([new]),
            (Reducer::Append, Value::Array(list), _) => {
                let mut list = list.clone();
                match new {
                    Value::Array(more) => list.extend(more),
                    one => list.push(one),
                }
                Value::Array(list)
            }
            (Reducer::Append, ..) => return Err(unfit("something can be added to a list only")),
            (Reducer::Merge, Value::Object(one), Value::Object(other)) => {
                let mut map = one.clone();
                map.extend(other.clone());
                Value::Object(map)
            }
            (Reducer::Merge, ..) => return Err(unfit("only objects become one")),
            (Reducer::Max, ..) => numbers().map(|(one, other)| if one >= other { old.clone() } else { new.clone() })?,
            (Reducer::Min, ..) => numbers().map(|(one, other)| if one <= other { old.clone() } else { new.clone() })?,
            (Reducer::Sum, ..) => match (old.as_i64(), new.as_i64()) {
                (Some(one), Some(other)) => {
                    one.checked_add(other).map(Value::from).ok_or_else(|| unfit("the sum is too large"))?
                }
                _ => numbers().map(|(one, other)| json!(one + other))?,
            },
            (Reducer::Replace, ..) => new,
        })
    }

    /// The key under which the state is kept, where it is.
    fn state_key(&self) -> Option<String> {
        let agent = &self.plan.agent.id;
        match self.plan.flow.persist {
            Persist::Turn => None,
            Persist::Session => Some(format!("{RESERVED}state/{agent}/session/{}", self.engine.scope.session)),
            Persist::Forever => Some(format!("{RESERVED}state/{agent}")),
        }
    }

    /// Takes up the state where an earlier run left it.
    pub(super) async fn take_up_state(&mut self) -> Result<(), RunError> {
        let Some(key) = self.state_key() else { return Ok(()) };
        let store = self.engine.ports.store.clone();
        let effect = storage("before_run", &key, SideEffect::Read, json!("load"));
        let work =
            async { Ok((store.kv_get(&key).await.map_err(store_error)?.unwrap_or_default(), Default::default())) };
        let kept = self.gate.effect(effect, work).await?;
        if let (Value::Object(kept), Value::Object(initial)) = (kept, &*self.state) {
            let mut state = initial.clone();
            state.extend(kept);
            self.state = Arc::new(Value::Object(state));
        }
        Ok(())
    }

    /// Keeps the state for the next run.
    pub(super) async fn keep_state(&self) -> Result<(), RunError> {
        let Some(key) = self.state_key() else { return Ok(()) };
        let store = self.engine.ports.store.clone();
        // The same state can be kept again without harm.
        let effect = storage("after_run", &key, SideEffect::Read, json!({ "keep": *self.state }));
        let work = async {
            store.kv_set(&key, &self.state).await.map_err(store_error)?;
            Ok((Value::Null, Default::default()))
        };
        self.gate.effect(effect, work).await.map(drop)
    }
}

/// An effect on a key of the tenant that belongs to aikit.
pub(super) fn storage(address: &str, key: &str, class: SideEffect, request: Value) -> Effect {
    Effect {
        address: address.to_owned(),
        kind: EffectKind::Storage,
        class,
        label: key.to_owned(),
        request: json!({ "key": key, "do": request }),
    }
}
