//! Values between JSON and CEL.

use std::collections::HashMap;

use cel::{
    Value as Cel,
    common::{
        types::{CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt},
        value::Val,
    },
};
use serde_json::{Map, Number, Value};

/// A JSON value for CEL; texts are borrowed.
pub(super) fn from_json<'v>(json: &'v Value) -> Box<dyn Val + 'v> {
    match json {
        Value::Null => Box::new(CelNull),
        Value::Bool(truth) => Box::new(CelBool::from(*truth)),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(n), _) => Box::new(CelInt::from(n)),
            (None, Some(n)) => Box::new(CelUInt::from(n)),
            (None, None) => Box::new(CelDouble::from(number.as_f64().unwrap_or(f64::NAN))),
        },
        Value::String(text) => Box::new(CelString::from(text.as_str())),
        Value::Array(items) => Box::new(CelList::from(items.iter().map(from_json).collect::<Vec<_>>())),
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| (CelMapKey::from(name.as_str()), from_json(value)));
            Box::new(CelMap::from(members.collect::<HashMap<_, _>>()))
        }
    }
}

/// CEL's value as JSON; what JSON cannot hold is named.
pub(super) fn to_json(value: &Cel) -> Result<Value, &'static str> {
    Ok(match value {
        Cel::Null => Value::Null,
        Cel::Bool(truth) => Value::Bool(*truth),
        Cel::Int(n) => Value::from(*n),
        Cel::UInt(n) => Value::from(*n),
        Cel::Float(n) => Value::Number(Number::from_f64(*n).ok_or("a number that is infinite or undefined")?),
        Cel::String(text) => Value::String(text.to_string()),
        Cel::Bytes(bytes) => Value::String(String::from_utf8(bytes.to_vec()).map_err(|_| "bytes that are no text")?),
        Cel::List(items) => Value::Array(items.iter().map(to_json).collect::<Result<_, _>>()?),
        Cel::Map(map) => {
            let mut members = map
                .map
                .iter()
                .map(|(key, value)| to_json(value).map(|value| (key.to_string(), value)))
                .collect::<Result<Vec<_>, _>>()?;
            // CEL forgets the order; a fixed one keeps runs repeatable.
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
            Value::Object(Map::from_iter(members))
        }
        Cel::Timestamp(at) => Value::String(at.to_rfc3339()),
        Cel::Duration(duration) => {
            let seconds = duration.num_milliseconds() as f64 / 1000.0;
            Value::String(format!("{seconds}s"))
        }
        Cel::Function(..) => return Err("a function"),
        Cel::Opaque(_) => return Err("an optional value; add `.orValue(…)`"),
        Cel::Struct(_) => return Err("a value that JSON cannot hold"),
    })
}
