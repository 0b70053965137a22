//! The host surface as Lua sees it, built from [`aikit_core::surface`]: `ctx`, `display`, `input`, and `print`, `json`.

use aikit_core::{
    ErrorKind, RunError,
    surface::{MEMBERS, Member, MemberKind},
};
use aikit_runtime::{
    cell::{CellEvent, Stream},
    ports::{ScriptJob, ScriptMode},
    scripts::engine::HostEvent,
};
use mlua::{Function, Lua, LuaSerdeExt, MultiValue, Table, Value};
use serde_json::{Value as Json, json};

use crate::{
    convert::{show, to_json, to_json_or, to_lua},
    failure,
    state::State,
    vars,
};

/// Turns a function that returns whether it succeeded, and a value, into one that raises the value if it did not. Raised
/// from Lua, an error keeps its table, and the position of the caller.
const RAISE: &str = "
local f, error = ..., error
return function(...)
    local ok, value = f(...)
    if ok then return value end
    error(value, 0)
end";

/// What a function of the host gives to [`RAISE`].
type Answer = (bool, Value);

fn answer(lua: &Lua, result: Result<Value, RunError>) -> mlua::Result<Answer> {
    Ok(match result {
        Ok(value) => (true, value),
        Err(error) => (false, Value::Table(failure::table(lua, &error)?)),
    })
}

/// Puts the surface into the globals.
pub(crate) fn install(lua: &Lua, state: &State) -> mlua::Result<()> {
    let globals = lua.globals();
    let wrapper = lua.load(RAISE).set_name("=[aikit]").into_function()?;
    let raise = lua.create_function(move |_, f: Function| wrapper.call::<Function>(f))?;
    for member in MEMBERS.iter().filter(|member| member.kind != MemberKind::Value) {
        let function = match member.kind {
            MemberKind::Emit => emitting(lua, state, member)?,
            _ => calling(lua, state, member)?,
        };
        let function: Function = raise.call(function)?;
        let mut path: Vec<&str> = member.path.split('.').collect();
        let name = path.pop().unwrap_or(member.path);
        let mut table = globals.clone();
        for part in path {
            let next = match table.raw_get::<Option<Table>>(part)? {
                Some(next) => next,
                None => {
                    let next = lua.create_table()?;
                    table.raw_set(part, &next)?;
                    next
                }
            };
            table = next;
        }
        table.raw_set(name, function)?;
    }
    globals.raw_set("vars", vars::table(lua, state, &raise)?)?;
    globals.raw_set("print", printing(lua, state, Stream::Stdout)?)?;
    globals.raw_set("eprint", printing(lua, state, Stream::Stderr)?)?;
    globals.raw_set("json", json_table(lua, &raise)?)?;
    Ok(())
}

/// Members of `ctx` that say for whom a script runs.
const CONTEXT: [&str; 4] = ["tenant", "user", "app_id", "session"];
/// Members of `ctx` that are values of the run.
const RUN: [&str; 3] = ["inputs", "state", "steps"];
/// Where the names are kept of the globals that no script made.
const KNOWN_KEY: &str = "aikit.known";

/// Remembers which globals no script made.
pub(crate) fn remember(lua: &Lua) -> mlua::Result<()> {
    let known = lua.create_table()?;
    for pair in lua.globals().pairs::<Value, Value>() {
        known.raw_set(pair?.0, true)?;
    }
    lua.set_named_registry_value(KNOWN_KEY, known)
}

/// The values that every function sees, for a person who looks: those of `ctx`, the shared ones, and the globals that
/// scripts made.
pub(crate) fn seen(lua: &Lua, state: &State) -> Vec<(String, Value)> {
    let gather = || -> mlua::Result<Vec<(String, Value)>> {
        let globals = lua.globals();
        let ctx = lua.create_table()?;
        if let Some(known) = globals.raw_get::<Option<Table>>("ctx")? {
            for name in CONTEXT.into_iter().chain(RUN) {
                ctx.raw_set(name, known.raw_get::<Value>(name)?)?;
            }
        }
        let mut seen = vec![("ctx".to_owned(), Value::Table(ctx)), ("vars".to_owned(), vars::all(lua, state)?)];
        let known: Table = lua.named_registry_value(KNOWN_KEY)?;
        let mut own = Vec::new();
        for pair in globals.pairs::<Value, Value>() {
            let (name, value) = pair?;
            if let Value::String(text) = &name
                && !known.raw_get::<bool>(&name)?
            {
                own.push((text.to_string_lossy(), value));
            }
        }
        own.sort_by(|a, b| a.0.cmp(&b.0));
        seen.extend(own);
        Ok(seen)
    };
    // A person who looks must not be what makes a script fail.
    gather().unwrap_or_default()
}

/// Sets the members of `ctx` that are values of the job.
pub(crate) fn set_values(lua: &Lua, job: &ScriptJob) -> mlua::Result<()> {
    let Some(ctx) = lua.globals().raw_get::<Option<Table>>("ctx")? else { return Ok(()) };
    for name in CONTEXT {
        ctx.raw_set(name, to_lua(lua, job.context.get(name).unwrap_or(&Json::Null))?)?;
    }
    let empty = json!({});
    let (inputs, run_state, steps) = match &job.mode {
        ScriptMode::Isolated { inputs, state, steps } => (inputs, state, steps),
        ScriptMode::Cell | ScriptMode::Expression => (&empty, &empty, &empty),
    };
    ctx.raw_set("inputs", to_lua(lua, inputs)?)?;
    ctx.raw_set("state", to_lua(lua, run_state)?)?;
    ctx.raw_set("steps", to_lua(lua, steps)?)
}

fn arguments(lua: &Lua, path: &str, args: &MultiValue) -> Result<Vec<Json>, RunError> {
    args.iter()
        .enumerate()
        .map(|(i, value)| to_json_or(lua, value, &format!("argument {} of `{path}`", i + 1)))
        .collect()
}

/// A call that the host answers; the script waits.
fn calling(lua: &Lua, state: &State, member: &'static Member) -> mlua::Result<Function> {
    let state = state.clone();
    lua.create_function(move |lua, args: MultiValue| {
        let host = state.host()?;
        let result = arguments(lua, member.path, &args).and_then(|args| {
            vars::sync(lua, &state, host.as_ref())?;
            let number = host.start(member.method(), args);
            loop {
                match host.wait(None) {
                    HostEvent::Answer { call, result } if call == number => return result,
                    HostEvent::Answer { .. } => {}
                    HostEvent::Stopped | HostEvent::Deadline => return Err(RunError::cancelled()),
                }
            }
        });
        match result {
            Ok(value) => answer(lua, Ok(to_lua(lua, &value)?)),
            Err(error) => answer(lua, Err(error)),
        }
    })
}

/// An output: nothing to wait for.
fn emitting(lua: &Lua, state: &State, member: &'static Member) -> mlua::Result<Function> {
    let state = state.clone();
    lua.create_function(move |lua, args: MultiValue| {
        let host = state.host()?;
        let event = arguments(lua, member.path, &args).and_then(|args| state.lock().emitter.event(member, &args));
        answer(
            lua,
            event.map(|event| {
                host.emit(event);
                Value::Nil
            }),
        )
    })
}

fn printing(lua: &Lua, state: &State, stream: Stream) -> mlua::Result<Function> {
    let state = state.clone();
    lua.create_function(move |_, args: MultiValue| {
        let mut text = args.iter().map(show).collect::<Vec<_>>().join("\t");
        text.push('\n');
        state.host()?.emit(CellEvent::Stream { stream, text });
        Ok(())
    })
}

fn json_table(lua: &Lua, raise: &Function) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let failed = |message: String| RunError::new(ErrorKind::ScriptError, message);
    let encode = lua.create_function(move |lua, (value, indent): (Value, Option<bool>)| {
        let text = to_json(lua, &value)
            .map_err(|why| failed(format!("the value {why}")))
            .map(|json| if indent.unwrap_or(false) { format!("{json:#}") } else { json.to_string() });
        match text {
            Ok(text) => Ok((true, Value::String(lua.create_string(text)?))),
            Err(error) => answer(lua, Err(error)),
        }
    })?;
    let decode = lua.create_function(move |lua, text: mlua::LuaString| {
        match serde_json::from_slice::<Json>(&text.as_bytes()) {
            Ok(json) => Ok((true, to_lua(lua, &json)?)),
            Err(error) => answer(lua, Err(failed(format!("the text is not JSON: {error}")))),
        }
    })?;
    let array = lua.create_function(|lua, table: Option<Table>| {
        let table = match table {
            Some(table) => table,
            None => lua.create_table()?,
        };
        table.set_metatable(Some(lua.array_metatable()))?;
        Ok(table)
    })?;
    table.raw_set("null", Value::NULL)?;
    table.raw_set("array", array)?;
    table.raw_set("encode", raise.call::<Function>(encode)?)?;
    table.raw_set("decode", raise.call::<Function>(decode)?)?;
    Ok(table)
}
