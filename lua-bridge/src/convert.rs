//! Values between Lua and JSON. A table whose keys are 1 to n is a list, any other an object; a table that came from a JSON
//! list, or was marked by `json.array`, stays a list when it is empty. `json.null` stands for null inside tables.

use aikit_core::{ErrorKind, RunError};
use mlua::{Lua, LuaSerdeExt, Table, Value};
use serde_json::{Map, Number, Value as Json};

/// How deep values may nest.
const DEPTH: usize = 128;

/// A JSON value as Lua sees it. At the top null is nil, inside it is `json.null`.
pub(crate) fn to_lua(lua: &Lua, value: &Json) -> mlua::Result<Value> {
    match value {
        Json::Null => Ok(Value::Nil),
        other => inner_to_lua(lua, other),
    }
}

fn inner_to_lua(lua: &Lua, value: &Json) -> mlua::Result<Value> {
    Ok(match value {
        Json::Null => Value::NULL,
        Json::Bool(truth) => Value::Boolean(*truth),
        Json::Number(number) => match number.as_i64() {
            Some(integer) => Value::Integer(integer),
            None => Value::Number(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::String(lua.create_string(text)?),
        Json::Array(items) => {
            let table = lua.create_table_with_capacity(items.len(), 0)?;
            for (i, item) in items.iter().enumerate() {
                table.raw_set(i + 1, inner_to_lua(lua, item)?)?;
            }
            table.set_metatable(Some(lua.array_metatable()))?;
            Value::Table(table)
        }
        Json::Object(map) => {
            let table = lua.create_table_with_capacity(0, map.len())?;
            for (key, item) in map {
                table.raw_set(key.as_str(), inner_to_lua(lua, item)?)?;
            }
            Value::Table(table)
        }
    })
}

/// A Lua value as JSON, or a sentence that names the place inside it that JSON does not have.
pub(crate) fn to_json(lua: &Lua, value: &Value) -> Result<Json, String> {
    let array = lua.array_metatable();
    convert(&array, value, &mut Vec::new(), &mut Vec::new())
}

/// [`to_json`] as an error of the script; `what` begins the sentence.
pub(crate) fn to_json_or(lua: &Lua, value: &Value, what: &str) -> Result<Json, RunError> {
    to_json(lua, value).map_err(|why| RunError::new(ErrorKind::ScriptError, format!("{what} {why}")))
}

fn convert(
    array: &Table,
    value: &Value,
    path: &mut Vec<String>,
    seen: &mut Vec<*const std::ffi::c_void>,
) -> Result<Json, String> {
    let at = |path: &[String]| if path.is_empty() { String::new() } else { format!(" at `{}`", path.join(".")) };
    match value {
        Value::Nil => Ok(Json::Null),
        Value::LightUserData(pointer) if pointer.0.is_null() => Ok(Json::Null),
        Value::Boolean(truth) => Ok(Json::Bool(*truth)),
        Value::Integer(integer) => Ok(Json::from(*integer)),
        Value::Number(number) => Number::from_f64(*number)
            .map(Json::Number)
            .ok_or_else(|| format!("holds {number}{}, which JSON does not have", at(path))),
        Value::String(text) => match text.to_str() {
            Ok(text) => Ok(Json::String(text.to_owned())),
            Err(_) => Err(format!("holds text{} that is not UTF-8", at(path))),
        },
        Value::Table(table) => {
            if path.len() >= DEPTH {
                return Err(format!("nests deeper than {DEPTH} levels"));
            }
            if seen.contains(&table.to_pointer()) {
                return Err(format!("holds itself{}", at(path)));
            }
            seen.push(table.to_pointer());
            let converted = convert_table(array, table, path, seen);
            seen.pop();
            converted
        }
        other => Err(format!("holds a {}{}, which cannot leave the script", other.type_name(), at(path))),
    }
}

fn convert_table(
    array: &Table,
    table: &Table,
    path: &mut Vec<String>,
    seen: &mut Vec<*const std::ffi::c_void>,
) -> Result<Json, String> {
    let count = table.clone().pairs::<Value, Value>().count();
    let length = table.raw_len();
    let marked = table.metatable().is_some_and(|meta| meta.to_pointer() == array.to_pointer());
    if count == length && (count > 0 || marked) {
        let mut items = Vec::with_capacity(length);
        for i in 1..=length {
            path.push(i.to_string());
            let item: Value = table.raw_get(i).map_err(|e| e.to_string())?;
            items.push(convert(array, &item, path, seen)?);
            path.pop();
        }
        return Ok(Json::Array(items));
    }
    let mut entries = Vec::with_capacity(count);
    for pair in table.clone().pairs::<Value, Value>() {
        let (key, item) = pair.map_err(|e| e.to_string())?;
        let key = match &key {
            Value::String(text) => text.to_str().map(|text| text.to_owned()).map_err(|_| "has a key that is not UTF-8"),
            Value::Integer(integer) => Ok(integer.to_string()),
            Value::Number(number) => Ok(number.to_string()),
            Value::Boolean(truth) => Ok(truth.to_string()),
            _ => Err("has a key that is neither text nor number"),
        }?;
        path.push(key.clone());
        let item = convert(array, &item, path, seen)?;
        path.pop();
        entries.push((key, item));
    }
    // Lua has no order of keys; sorted, equal tables give equal texts.
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(Json::Object(entries.into_iter().collect::<Map<_, _>>()))
}

/// How Lua shows a value: text as it is, tables as a constructor, bounded in length and depth.
pub(crate) fn show(value: &Value) -> String {
    let mut out = String::new();
    show_into(value, 0, &mut out);
    out
}

const SHOWN: usize = 20_000;

fn show_into(value: &Value, depth: usize, out: &mut String) {
    if out.len() > SHOWN {
        if !out.ends_with('…') {
            out.push('…');
        }
        return;
    }
    match value {
        Value::String(text) if depth == 0 => out.push_str(&text.to_string_lossy()),
        Value::String(text) => out.push_str(&format!("{:?}", text.to_string_lossy())),
        Value::LightUserData(pointer) if pointer.0.is_null() => out.push_str("json.null"),
        Value::Table(table) if has_tostring(table) => out.push_str(&plain(value)),
        Value::Table(_) if depth > 5 => out.push_str("{…}"),
        Value::Table(table) => {
            out.push('{');
            let length = table.raw_len();
            let mut first = true;
            let mut separate = |out: &mut String| {
                if !std::mem::take(&mut first) {
                    out.push_str(", ");
                }
            };
            for i in 1..=length {
                separate(out);
                show_into(&table.raw_get(i).unwrap_or(Value::Nil), depth + 1, out);
                if out.len() > SHOWN {
                    break;
                }
            }
            let mut named: Vec<(String, Value)> = table
                .clone()
                .pairs::<Value, Value>()
                .flatten()
                .filter(|(key, _)| !matches!(key, Value::Integer(i) if (1..=length as i64).contains(i)))
                .map(|(key, item)| match &key {
                    Value::String(text) if is_name(&text.to_string_lossy()) => (text.to_string_lossy(), item),
                    key => {
                        let mut shown = String::from("[");
                        show_into(key, depth + 1, &mut shown);
                        (shown + "]", item)
                    }
                })
                .collect();
            named.sort_by(|a, b| a.0.cmp(&b.0));
            for (key, item) in named {
                separate(out);
                out.push_str(&key);
                out.push_str(" = ");
                show_into(&item, depth + 1, out);
                if out.len() > SHOWN {
                    break;
                }
            }
            out.push('}');
        }
        other => out.push_str(&plain(other)),
    }
}

fn has_tostring(table: &Table) -> bool {
    table.metatable().is_some_and(|meta| meta.contains_key("__tostring").unwrap_or(false))
}

fn plain(value: &Value) -> String {
    value.to_string().unwrap_or_else(|e| format!("<{e}>"))
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
