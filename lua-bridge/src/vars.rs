//! `vars`: the shared values as a Lua table. Reading gives an ordinary table; changes inside it are found by comparing
//! when the host is next spoken to, so `vars.x.y = 1` works as it reads.

use aikit_core::{ErrorKind, RunError};
use aikit_runtime::{ports::VarChange, scripts::engine::EngineHost};
use mlua::{Function, Lua, MultiValue, Table, Value};
use serde_json::Value as Json;

use crate::{
    convert::{to_json, to_lua},
    state::State,
};

/// A shared value that a script holds as a table.
pub(crate) struct Cached {
    table: Value,
    revision: Option<u64>,
    json: Json,
}

/// Makes the `vars` table. Setting a value that JSON does not have is an error at once.
pub(crate) fn table(lua: &Lua, state: &State, raise: &Function) -> mlua::Result<Table> {
    let meta = lua.create_table()?;
    let s = state.clone();
    meta.set("__index", lua.create_function(move |lua, (_, name): (Table, String)| read(lua, &s, &name))?)?;
    let s = state.clone();
    let set =
        lua.create_function(move |lua, (_, name, value): (Table, String, Value)| match write(lua, &s, name, &value) {
            Ok(()) => Ok((true, Value::Nil)),
            Err(error) => Ok((false, Value::Table(crate::failure::table(lua, &error)?))),
        })?;
    meta.set("__newindex", raise.call::<Function>(set)?)?;
    let s = state.clone();
    let pairs = lua.create_function(move |lua, _: Table| {
        let names = s.host()?.vars().names();
        let s = s.clone();
        let mut at = 0;
        let next = lua.create_function_mut(move |lua, _: MultiValue| {
            let Some(name) = names.get(at) else { return Ok((Value::Nil, Value::Nil)) };
            at += 1;
            Ok((Value::String(lua.create_string(name)?), read(lua, &s, name)?))
        })?;
        Ok((next, Value::Nil, Value::Nil))
    })?;
    meta.set("__pairs", pairs)?;
    meta.set("__metatable", "vars")?;
    meta.set("__name", "vars")?;
    let vars = lua.create_table()?;
    vars.set_metatable(Some(meta))?;
    Ok(vars)
}

/// All shared values as one table, for a person who looks.
pub(crate) fn all(lua: &Lua, state: &State) -> mlua::Result<Value> {
    let all = lua.create_table()?;
    for name in state.host()?.vars().names() {
        all.raw_set(name.as_str(), read(lua, state, &name)?)?;
    }
    Ok(Value::Table(all))
}

fn read(lua: &Lua, state: &State, name: &str) -> mlua::Result<Value> {
    let host = state.host()?;
    let revision = host.vars().revision_of(name);
    if let Some(cached) = state.lock().cached.get(name).filter(|cached| cached.revision == revision) {
        return Ok(cached.table.clone());
    }
    let Some(json) = host.vars().get(name) else { return Ok(Value::Nil) };
    let value = to_lua(lua, &json)?;
    if value.is_table() {
        let cached = Cached { table: value.clone(), revision, json };
        state.lock().cached.insert(name.to_owned(), cached);
    }
    Ok(value)
}

fn write(lua: &Lua, state: &State, name: String, value: &Value) -> Result<(), RunError> {
    let host = state.host().map_err(|e| RunError::new(ErrorKind::ScriptError, e.to_string()))?;
    if value.is_nil() {
        state.lock().cached.remove(&name);
        host.vars().apply(VarChange { name, value: None });
        return Ok(());
    }
    let json = crate::convert::to_json_or(lua, value, &format!("`vars.{name}`"))?;
    host.vars().set(name.as_str(), json.clone());
    if value.is_table() {
        // The script goes on with its own table; changes in it are changes of the shared value.
        let revision = host.vars().revision_of(&name);
        state.lock().cached.insert(name, Cached { table: value.clone(), revision, json });
    } else {
        state.lock().cached.remove(&name);
    }
    Ok(())
}

/// Sends what changed inside tables that the script holds.
pub(crate) fn sync(lua: &Lua, state: &State, host: &dyn EngineHost) -> Result<(), RunError> {
    let mut inner = state.lock();
    let mut failed = None;
    inner.cached.retain(|name, cached| match to_json(lua, &cached.table) {
        Ok(json) if json == cached.json => true,
        Ok(json) => {
            host.vars().set(name.as_str(), json.clone());
            cached.revision = host.vars().revision_of(name);
            cached.json = json;
            true
        }
        Err(why) => {
            failed = Some(RunError::new(ErrorKind::ScriptError, format!("`vars.{name}` {why}")));
            false
        }
    });
    failed.map_or(Ok(()), Err)
}
