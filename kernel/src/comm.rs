//! Comms: side channels that a client opens. One target exists, `aikit.vars`: the values that cells share.
//!
//! | the client sends | the kernel sends |
//! |---|---|
//! | `comm_open` | `{"method": "snapshot", "vars": {…}}` |
//! | `{"method": "list"}` | `{"method": "list", "names": […]}` |
//! | `{"method": "get", "name": N}` | `{"method": "value", "name": N, "found": …, "value": …}` |
//! | `{"method": "set", "name": N, "value": V}` | `{"method": "changed", "changes": [{"name": N, "value": V}]}` |
//! | `{"method": "delete", "name": N}` | `{"method": "changed", "changes": [{"name": N, "removed": true}]}` |
//! | anything else | `{"method": "error", "message": …}` |
//!
//! `changed` comes to every open comm after each execution that changed something, too.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use aikit_runtime::ports::{VarChange, Vars};
use serde_json::{Map, Value, json};

use crate::{
    iopub::IoPub,
    message::{Message, Outgoing, Parent},
    request::{BadRequest, Fields},
    transport::Weight,
};

/// The target that shows the shared values.
pub const VARS_TARGET: &str = "aikit.vars";

/// The open comms.
pub struct Comms {
    vars: Vars,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Target by comm id.
    open: BTreeMap<String, String>,
    /// What the open comms know of the shared values.
    revision: u64,
}

impl Comms {
    /// No comm is open.
    pub fn new(vars: Vars) -> Self {
        Self { vars, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `comm_open`.
    pub fn open(&self, iopub: &IoPub, message: &Message) -> Result<(), BadRequest> {
        let fields = Fields(&message.content);
        let id = fields.text("comm_id")?;
        let target = fields.optional_text("target_name")?.unwrap_or_default();
        let parent = message.header.as_parent();
        if target != VARS_TARGET {
            tracing::debug!(target, "a comm with an unknown target was closed");
            let why = format!("there is no comm target `{target}`; `{VARS_TARGET}` is the one of this kernel");
            let content = json!({ "comm_id": id, "data": { "error": why } });
            iopub.publish(Outgoing::broadcast(parent, "comm_close", content), Weight::Vital);
            return Ok(());
        }
        let mut state = self.state();
        if state.open.is_empty() {
            state.revision = self.vars.changes_since(0).1;
        }
        state.open.insert(id.to_owned(), target.to_owned());
        let vars: Map<String, Value> = self.vars.snapshot().into_iter().collect();
        send(iopub, &parent, id, json!({ "method": "snapshot", "vars": vars }));
        Ok(())
    }

    /// `comm_msg`.
    pub fn message(&self, iopub: &IoPub, message: &Message) -> Result<(), BadRequest> {
        let fields = Fields(&message.content);
        let id = fields.text("comm_id")?;
        if !self.state().open.contains_key(id) {
            tracing::warn!(comm = id, "a message for a comm that is not open was dropped");
            return Ok(());
        }
        let parent = message.header.as_parent();
        let empty = Map::new();
        let data = fields.object("data")?.unwrap_or(&empty);
        match self.answer(Fields(data)) {
            Ok(Some(answer)) => send(iopub, &parent, id, answer),
            Ok(None) => self.push_changes(iopub, &parent),
            Err(bad) => send(iopub, &parent, id, json!({ "method": "error", "message": bad.0 })),
        }
        Ok(())
    }

    /// The answer to one message of the vars target; `None` when it changed a value, which everybody hears.
    fn answer(&self, data: Fields<'_>) -> Result<Option<Value>, BadRequest> {
        match data.text("method")? {
            "list" => Ok(Some(json!({ "method": "list", "names": self.vars.names() }))),
            "get" => {
                let name = data.text("name")?;
                let value = self.vars.get(name);
                Ok(Some(json!({ "method": "value", "name": name, "found": value.is_some(), "value": value })))
            }
            "set" => {
                let value = data.0.get("value").ok_or_else(|| BadRequest("`value` is missing".into()))?;
                self.vars.set(data.text("name")?, value.clone());
                Ok(None)
            }
            "delete" => {
                self.vars.apply(VarChange { name: data.text("name")?.to_owned(), value: None });
                Ok(None)
            }
            other => Err(BadRequest(format!("there is no method `{other}`; use `list`, `get`, `set` or `delete`"))),
        }
    }

    /// `comm_close`.
    pub fn close(&self, message: &Message) -> Result<(), BadRequest> {
        self.state().open.remove(Fields(&message.content).text("comm_id")?);
        Ok(())
    }

    /// The content of a `comm_info_reply`.
    pub fn info(&self, message: &Message) -> Result<Value, BadRequest> {
        let wanted = Fields(&message.content).optional_text("target_name")?.filter(|target| !target.is_empty());
        let comms: Map<String, Value> = self
            .state()
            .open
            .iter()
            .filter(|(_, target)| wanted.is_none_or(|wanted| wanted == target.as_str()))
            .map(|(id, target)| (id.clone(), json!({ "target_name": target })))
            .collect();
        Ok(json!({ "status": "ok", "comms": comms }))
    }

    /// Tells every open comm what changed since it last heard.
    pub fn push_changes(&self, iopub: &IoPub, parent: &Parent) {
        let mut state = self.state();
        if state.open.is_empty() {
            return;
        }
        let (changes, revision) = self.vars.changes_since(state.revision);
        state.revision = revision;
        if changes.is_empty() {
            return;
        }
        let changes: Vec<Value> = changes
            .into_iter()
            .map(|change| match change.value {
                Some(value) => json!({ "name": change.name, "value": value }),
                None => json!({ "name": change.name, "removed": true }),
            })
            .collect();
        for id in state.open.keys() {
            send(iopub, parent, id, json!({ "method": "changed", "changes": changes }));
        }
    }
}

fn send(iopub: &IoPub, parent: &Parent, id: &str, data: Value) {
    let content = json!({ "comm_id": id, "data": data });
    iopub.publish(Outgoing::broadcast(parent.clone(), "comm_msg", content), Weight::Vital);
}
