//! Errors between host and Lua. A host error is a table with `code`, `message` and `help` that `pcall` can look at and that
//! reads as its message; uncaught it becomes the host error again.

use aikit_core::{ErrorKind, RunError};
use aikit_runtime::ports::ScriptError;
use mlua::{Lua, Table, Value};

use crate::{convert::show, state::State};

const META: &str = "aikit.error";

/// A host error as Lua sees it.
pub(crate) fn table(lua: &Lua, error: &RunError) -> mlua::Result<Table> {
    let meta = match lua.named_registry_value::<Value>(META)? {
        Value::Table(meta) => meta,
        _ => {
            let meta = lua.create_table()?;
            let text = lua.create_function(|_, error: Table| error.raw_get::<String>("message"))?;
            meta.set("__tostring", text)?;
            meta.set("__name", "error")?;
            lua.set_named_registry_value(META, &meta)?;
            meta
        }
    };
    let table = lua.create_table()?;
    table.set("code", error.kind.code())?;
    table.set("message", error.message.as_str())?;
    table.set("help", error.help.as_deref())?;
    table.set_metatable(Some(meta))?;
    Ok(table)
}

/// What an uncaught error means to a person.
pub(crate) fn describe(lua: &Lua, state: &State, error: &Value) -> ScriptError {
    let trace = std::mem::take(&mut state.lock().trace);
    let plain =
        |message: String, cause| ScriptError { name: "RuntimeError".into(), message, trace: trace.clone(), cause };
    match error {
        Value::Table(table) => {
            let meta = lua.named_registry_value::<Option<Table>>(META).ok().flatten();
            let host = table.metatable().zip(meta).is_some_and(|(a, b)| a.to_pointer() == b.to_pointer());
            if !host {
                return plain(show(error), None);
            }
            let text = |key: &str| table.raw_get::<Option<String>>(key).ok().flatten();
            let kind = text("code").and_then(|code| ErrorKind::from_code(&code)).unwrap_or(ErrorKind::ScriptError);
            let mut cause = RunError::new(kind, text("message").unwrap_or_default());
            cause.help = text("help");
            ScriptError { name: kind.code().into(), message: cause.message.clone(), trace, cause: Some(cause) }
        }
        Value::String(text) => {
            let text = text.to_string_lossy();
            let (place, message) = state.lock().split_place(&text);
            let mut error = plain(message.to_owned(), None);
            if error.trace.is_empty() {
                error.trace.extend(place);
            }
            error
        }
        Value::Error(error) => plain(innermost(error), None),
        other => plain(show(other), None),
    }
}

/// What an error says, without its place.
pub(crate) fn text(state: &State, error: &Value) -> String {
    match error {
        Value::String(text) => {
            let text = text.to_string_lossy();
            let (_, message) = state.lock().split_place(&text);
            message.to_owned()
        }
        Value::Table(table) => table.raw_get::<String>("message").unwrap_or_else(|_| show(error)),
        Value::Error(error) => innermost(error),
        other => show(other),
    }
}

/// A chunk that does not parse.
pub(crate) fn syntax(state: &State, error: &mlua::Error) -> ScriptError {
    let text = match error {
        mlua::Error::SyntaxError { message, .. } => message.clone(),
        other => other.to_string(),
    };
    let (place, message) = state.lock().split_place(&text);
    ScriptError {
        name: "SyntaxError".into(),
        message: message.replace("<eof>", "the end of the code"),
        trace: place.into_iter().collect(),
        cause: None,
    }
}

/// What a failure in a function of the host says, without what mlua wraps around it.
fn innermost(error: &mlua::Error) -> String {
    match error {
        mlua::Error::CallbackError { cause, .. } => innermost(cause),
        mlua::Error::RuntimeError(text) => text.lines().next().unwrap_or_default().to_owned(),
        mlua::Error::BadArgument { cause, .. } => innermost(cause),
        other => other.to_string().lines().next().unwrap_or_default().to_owned(),
    }
}
