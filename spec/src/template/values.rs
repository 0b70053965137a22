//! Values between JSON and the template engine.

use minijinja::{Error, ErrorKind, Value, value::ValueKind};
use serde_json::{Map, Number, Value as Json};

/// Values that nest deeper are refused; it also ends objects that contain themselves.
const MAX_DEPTH: usize = 128;
/// What a member of a list or an object weighs on top of its content.
const NODE: usize = 64;

/// A JSON value for the engine.
pub(super) fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(truth) => Value::from(*truth),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(n), _) => Value::from(n),
            (None, Some(n)) => Value::from(n),
            (None, None) => Value::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => Value::from(items.iter().map(from_json).collect::<Vec<_>>()),
        Json::Object(members) => members_from_json(members),
    }
}

pub(super) fn members_from_json(members: &Map<String, Json>) -> Value {
    Value::from_pairs(members.iter().map(|(name, value)| (name.as_str(), from_json(value))))
}

/// The engine's value as JSON. `room` is what it may weigh; what is heavier is refused before it is built.
pub(super) fn to_json(value: &Value, room: &mut usize) -> Result<Json, Error> {
    convert(value, room, 0)
}

fn convert(value: &Value, room: &mut usize, depth: usize) -> Result<Json, Error> {
    if depth > MAX_DEPTH {
        return Err(Error::new(ErrorKind::InvalidOperation, "the value is nested too deeply"));
    }
    take(room, NODE + value.as_str().map_or(0, str::len))?;
    Ok(match value.kind() {
        ValueKind::None => Json::Null,
        ValueKind::Bool => Json::Bool(value.is_true()),
        ValueKind::Number => Json::Number(number(value)?),
        ValueKind::String => Json::String(value.as_str().unwrap_or_default().to_owned()),
        ValueKind::Bytes => Json::String(String::from_utf8_lossy(value.as_bytes().unwrap_or_default()).into_owned()),
        ValueKind::Seq | ValueKind::Iterable => {
            let mut items = Vec::new();
            for item in value.try_iter()? {
                items.push(convert(&item, room, depth + 1)?);
            }
            Json::Array(items)
        }
        ValueKind::Map => {
            let mut members = Map::new();
            for key in value.try_iter()? {
                let member = convert(&value.get_item(&key)?, room, depth + 1)?;
                let name = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
                take(room, name.len())?;
                members.insert(name, member);
            }
            Json::Object(members)
        }
        ValueKind::Undefined => return Err(Error::from(ErrorKind::UndefinedError)),
        _ => return Err(Error::new(ErrorKind::InvalidOperation, "a function or the like cannot be written as JSON")),
    })
}

fn number(value: &Value) -> Result<Number, Error> {
    if value.is_integer() {
        if let Ok(n) = i64::try_from(value.clone()) {
            return Ok(n.into());
        }
        if let Ok(n) = u64::try_from(value.clone()) {
            return Ok(n.into());
        }
    }
    let float = f64::try_from(value.clone())?;
    Number::from_f64(float).ok_or_else(|| {
        Error::new(ErrorKind::InvalidOperation, "the number is infinite or undefined, which JSON cannot hold")
    })
}

/// What a value weighs in bytes, roughly; what shares parts with others is weighed as if it did not.
pub(super) fn weigh(value: &Value, room: &mut usize, depth: usize) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(Error::new(ErrorKind::InvalidOperation, "the value is nested too deeply"));
    }
    take(room, NODE + value.as_str().map_or(0, str::len))?;
    match value.kind() {
        ValueKind::Seq => value.try_iter()?.try_for_each(|item| weigh(&item, room, depth + 1)),
        ValueKind::Map => value.try_iter()?.try_for_each(|key| {
            take(room, key.as_str().map_or(NODE, str::len))?;
            weigh(&value.get_item(&key)?, room, depth + 1)
        }),
        _ => Ok(()),
    }
}

/// Takes from the room that is left.
pub(super) fn take(room: &mut usize, weight: usize) -> Result<(), Error> {
    match room.checked_sub(weight) {
        Some(left) => {
            *room = left;
            Ok(())
        }
        None => Err(Error::new(ErrorKind::OutOfFuel, TOO_LARGE)),
    }
}

/// The message of a template that produces more than it may.
pub(super) const TOO_LARGE: &str = "the template produces too much text";

/// The text that stands in place of `{{ … }}`: a text as it is, everything else as JSON.
pub(super) fn text(value: &Value, room: &mut usize) -> Result<String, Error> {
    match value.as_str() {
        Some(text) => {
            take(room, text.len())?;
            Ok(text.to_owned())
        }
        None => Ok(to_json(value, room)?.to_string()),
    }
}
