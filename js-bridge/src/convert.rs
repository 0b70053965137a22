//! Values between JavaScript and JSON, as `JSON.stringify` has them, with these differences: what JSON does not have
//! (functions, symbols, promises, `NaN`) is an error that names the place instead of vanishing; `Map` becomes an object,
//! or a list of pairs when a key is no text; `Set` and typed arrays become lists; a `BigInt` becomes a number while it
//! fits 64 bits, beyond that its digits as text. `undefined` is left out of objects and is null elsewhere.

use aikit_core::{ErrorKind, RunError};
use boa_engine::{
    Context, JsError, JsNativeError, JsObject, JsResult, JsString, JsValue, JsVariant,
    builtins::{date::Date, error::Error, map::ordered_map::OrderedMap, set::ordered_set::OrderedSet},
    object::builtins::{JsArray, JsArrayBuffer, JsMap, JsSet, JsTypedArray},
    property::PropertyKey,
};
use serde_json::{Map, Number, Value as Json};

use crate::look;

/// How deep values may nest.
const DEPTH: usize = 128;
/// How many values one value may hold in all.
const NODES: usize = 4_000_000;
/// The largest whole number that a double holds exactly.
const SAFE: f64 = 9_007_199_254_740_992.0;

/// A JSON value as JavaScript sees it.
pub(crate) fn to_js(value: &Json, context: &mut Context) -> JsResult<JsValue> {
    Ok(match value {
        Json::Null => JsValue::null(),
        Json::Bool(truth) => JsValue::from(*truth),
        Json::Number(number) => match number.as_i64().and_then(|n| i32::try_from(n).ok()) {
            Some(small) => JsValue::from(small),
            None => JsValue::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => JsValue::from(JsString::from(text.as_str())),
        Json::Array(items) => {
            let mut values = Vec::with_capacity(items.len());
            for item in items {
                values.push(to_js(item, context)?);
            }
            JsArray::from_iter(values, context).into()
        }
        Json::Object(map) => {
            let object = JsObject::with_object_proto(context.intrinsics());
            for (key, item) in map {
                let item = to_js(item, context)?;
                object.create_data_property_or_throw(JsString::from(key.as_str()), item, context)?;
            }
            object.into()
        }
    })
}

/// Why a value has no JSON form.
pub(crate) enum Refused {
    /// A sentence that names the place inside the value.
    Why(String),
    /// A getter or `toJSON` of the script threw.
    Threw(JsError),
}

impl Refused {
    /// The error of the script; `what` begins the sentence.
    pub fn into_js(self, what: &str) -> JsError {
        match self {
            Refused::Why(why) => JsNativeError::typ().with_message(format!("{what} {why}")).into(),
            Refused::Threw(error) => error,
        }
    }

    /// The error for the host; `what` begins the sentence.
    pub fn into_run_error(self, what: &str) -> RunError {
        let why = match self {
            Refused::Why(why) => why,
            Refused::Threw(error) => format!("cannot be read: {}", crate::show::error_line(&error)),
        };
        RunError::new(ErrorKind::ScriptError, format!("{what} {why}"))
    }
}

impl From<JsError> for Refused {
    fn from(error: JsError) -> Self {
        Refused::Threw(error)
    }
}

/// A JavaScript value as JSON.
pub(crate) fn to_json(value: &JsValue, context: &mut Context) -> Result<Json, Refused> {
    let mut walk = Walk { path: Vec::new(), seen: Vec::new(), nodes: 0 };
    Ok(walk.convert(value, context)?.unwrap_or(Json::Null))
}

struct Walk {
    path: Vec<String>,
    seen: Vec<JsObject>,
    nodes: usize,
}

impl Walk {
    fn why<T>(&self, what: &str, rest: &str) -> Result<T, Refused> {
        let at = if self.path.is_empty() { String::new() } else { format!(" at `{}`", self.path.join(".")) };
        Err(Refused::Why(format!("{what}{at}{rest}")))
    }

    /// `None` is a value that an object leaves out.
    fn convert(&mut self, value: &JsValue, context: &mut Context) -> Result<Option<Json>, Refused> {
        self.nodes += 1;
        if self.nodes > NODES {
            return Err(Refused::Why(format!("holds more than {NODES} values")));
        }
        Ok(Some(match value.variant() {
            JsVariant::Undefined => return Ok(None),
            JsVariant::Null => Json::Null,
            JsVariant::Boolean(truth) => Json::Bool(truth),
            JsVariant::Integer32(integer) => Json::from(integer),
            JsVariant::Float64(number) => self.number(number)?,
            JsVariant::String(text) => Json::String(text.to_std_string_lossy()),
            JsVariant::BigInt(big) => big_number(&big.to_string()),
            JsVariant::Symbol(_) => return self.why("holds a symbol", ", which cannot leave the script"),
            JsVariant::Object(object) => return self.object(&object, context),
        }))
    }

    fn number(&self, number: f64) -> Result<Json, Refused> {
        if number.fract() == 0.0 && number.abs() <= SAFE {
            #[expect(clippy::cast_possible_truncation, reason = "it is a whole number within the range")]
            return Ok(Json::from(number as i64));
        }
        match Number::from_f64(number) {
            Some(number) => Ok(Json::Number(number)),
            None => {
                let name = if number.is_nan() { "NaN" } else { "Infinity" };
                self.why(&format!("holds {name}"), ", which JSON does not have")
            }
        }
    }

    fn object(&mut self, object: &JsObject, context: &mut Context) -> Result<Option<Json>, Refused> {
        if object.is_callable() {
            return self.why("holds a function", ", which cannot leave the script");
        }
        if self.path.len() >= DEPTH {
            return Err(Refused::Why(format!("nests deeper than {DEPTH} levels")));
        }
        if self.seen.iter().any(|seen| JsObject::equals(seen, object)) {
            return self.why("holds itself", ": a cycle cannot leave the script");
        }
        self.seen.push(object.clone());
        let converted = self.inside(object, context);
        self.seen.pop();
        converted
    }

    fn inside(&mut self, object: &JsObject, context: &mut Context) -> Result<Option<Json>, Refused> {
        if JsValue::from(object.clone()).is_promise() {
            return self.why("holds a promise", ": await it first");
        }
        if object.is::<Error>() {
            return self.error(object, context).map(Some);
        }
        let own = object.get(JsString::from("toJSON"), context)?;
        if let Some(own) = own.as_callable() {
            if object.is::<Date>() && invalid_date(object, context)? {
                return Ok(Some(Json::Null));
            }
            let value = own.call(&object.clone().into(), &[], context)?;
            let itself = value.as_object().is_some_and(|value| JsObject::equals(&value, object));
            if !itself {
                return self.convert(&value, context);
            }
        }
        if object.is_array() {
            let length = object.get(JsString::from("length"), context)?.to_length(context)?;
            return self.items(length, context, |i, context| object.get(i, context)).map(Some);
        }
        if object.is::<OrderedMap<JsValue>>() {
            return self.map(object, context).map(Some);
        }
        if object.is::<OrderedSet>() {
            let items = set_items(object)?;
            return self.list(&items, context).map(Some);
        }
        if let Ok(typed) = JsTypedArray::from_object(object.clone()) {
            let length = typed.length(context)? as u64;
            return self.items(length, context, |i, context| object.get(i, context)).map(Some);
        }
        if let Ok(buffer) = JsArrayBuffer::from_object(object.clone()) {
            let bytes = buffer.data().map(|bytes| bytes.to_vec()).unwrap_or_default();
            return Ok(Some(Json::Array(bytes.into_iter().map(Json::from).collect())));
        }
        if let Some(primitive) = look::boxed(object) {
            return self.convert(&primitive, context);
        }
        if let Some(text) = look::regexp(object, context) {
            return Ok(Some(Json::String(text)));
        }
        let mut map = Map::new();
        for key in look::enumerable_keys(object, context)? {
            let name = match &key {
                PropertyKey::String(name) => name.to_std_string_lossy(),
                PropertyKey::Index(index) => index.get().to_string(),
                PropertyKey::Symbol(_) => continue,
            };
            let item = object.get(key, context)?;
            self.path.push(name);
            let item = self.convert(&item, context)?;
            let name = self.path.pop().unwrap_or_default();
            if let Some(item) = item {
                map.insert(name, item);
            }
        }
        Ok(Some(Json::Object(map)))
    }

    fn items(
        &mut self,
        length: u64,
        context: &mut Context,
        get: impl Fn(u64, &mut Context) -> JsResult<JsValue>,
    ) -> Result<Json, Refused> {
        let mut items = Vec::new();
        for i in 0..length {
            let item = get(i, context)?;
            self.path.push(i.to_string());
            items.push(self.convert(&item, context)?.unwrap_or(Json::Null));
            self.path.pop();
        }
        Ok(Json::Array(items))
    }

    fn list(&mut self, values: &[JsValue], context: &mut Context) -> Result<Json, Refused> {
        let length = values.len() as u64;
        self.items(length, context, |i, _| {
            Ok(usize::try_from(i).ok().and_then(|i| values.get(i)).cloned().unwrap_or_default())
        })
    }

    fn map(&mut self, object: &JsObject, context: &mut Context) -> Result<Json, Refused> {
        let entries = map_entries(object)?;
        if entries.iter().all(|(key, _)| key.is_string() || key.is_number()) {
            let mut map = Map::new();
            for (key, value) in entries {
                let name = key.to_string(context)?.to_std_string_lossy();
                self.path.push(name);
                let value = self.convert(&value, context)?.unwrap_or(Json::Null);
                let name = self.path.pop().unwrap_or_default();
                map.insert(name, value);
            }
            return Ok(Json::Object(map));
        }
        let mut pairs = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            pairs.push(self.list(&[key, value], context)?);
        }
        Ok(Json::Array(pairs))
    }

    /// An error as `{ name, message, … }` with what the script added to it.
    fn error(&mut self, object: &JsObject, context: &mut Context) -> Result<Json, Refused> {
        let mut map = Map::new();
        for name in ["name", "message"] {
            let text = object.get(JsString::from(name), context)?.to_string(context)?;
            map.insert(name.to_owned(), Json::String(text.to_std_string_lossy()));
        }
        for key in look::enumerable_keys(object, context)? {
            let name = key.to_string();
            let item = object.get(key, context)?;
            self.path.push(name);
            let item = self.convert(&item, context)?;
            let name = self.path.pop().unwrap_or_default();
            if let Some(item) = item {
                map.insert(name, item);
            }
        }
        Ok(Json::Object(map))
    }
}

fn invalid_date(object: &JsObject, context: &mut Context) -> JsResult<bool> {
    let time = boa_engine::object::builtins::JsDate::from_object(object.clone())?.get_time(context)?;
    Ok(time.as_number().is_none_or(f64::is_nan))
}

/// The entries of a `Map`, without calling the script.
pub(crate) fn map_entries(object: &JsObject) -> JsResult<Vec<(JsValue, JsValue)>> {
    let mut entries = Vec::new();
    JsMap::from_object(object.clone())?.for_each_native(|key, value| {
        entries.push((key, value));
        Ok(())
    })?;
    Ok(entries)
}

/// The values of a `Set`, without calling the script.
pub(crate) fn set_items(object: &JsObject) -> JsResult<Vec<JsValue>> {
    let mut items = Vec::new();
    if let Ok(set) = JsSet::from_object(object.clone()) {
        set.for_each_native(|value| {
            items.push(value);
            Ok(())
        })?;
    }
    Ok(items)
}

fn big_number(digits: &str) -> Json {
    let signed = digits.parse::<i64>().map(Json::from);
    signed.or_else(|_| digits.parse::<u64>().map(Json::from)).unwrap_or_else(|_| Json::String(digits.to_owned()))
}
