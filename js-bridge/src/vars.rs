//! `vars`: the shared values as an object. Reading gives an ordinary object or list; changes inside it are found by
//! comparing when the host is next spoken to, so `vars.x.y = 1` works as it reads.

use aikit_core::RunError;
use aikit_runtime::ports::{VarChange, Vars};
use boa_engine::{
    Context, JsArgs, JsNativeError, JsObject, JsResult, JsString, JsValue,
    object::builtins::{JsArray, JsProxyBuilder},
    property::PropertyKey,
};
use serde_json::Value as Json;

use crate::{
    convert::{Refused, to_js, to_json},
    state::State,
};

/// A shared value that a script holds as an object.
pub(crate) struct Cached {
    object: JsValue,
    revision: Option<u64>,
    json: Json,
}

/// Makes the `vars` object.
pub(crate) fn object(context: &mut Context) -> JsResult<JsObject> {
    let target = JsObject::with_object_proto(context.intrinsics());
    let proxy = JsProxyBuilder::new(target)
        .get(get)
        .set(set)
        .has(has)
        .delete_property(delete)
        .own_keys(own_keys)
        .get_own_property_descriptor(descriptor)
        .define_property(define)
        .prevent_extensions(refuse)
        .set_prototype_of(refuse)
        .build(context)?;
    Ok(proxy.into())
}

fn vars(context: &Context) -> JsResult<Vars> {
    State::of(context)
        .vars
        .borrow()
        .clone()
        .ok_or_else(|| JsNativeError::typ().with_message("no script is running").into())
}

/// The name that a trap was called with; `None` for a symbol.
fn name(args: &[JsValue]) -> Option<String> {
    args.get_or_undefined(1).as_string().map(|name| name.to_std_string_lossy())
}

/// What the plain object behind the proxy answers, for instance for `toString`.
fn inherited(args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let Some(target) = args.get_or_undefined(0).as_object() else { return Ok(JsValue::undefined()) };
    let key = args.get_or_undefined(1).to_property_key(context)?;
    target.get(key, context)
}

fn get(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let Some(name) = name(args) else { return inherited(args, context) };
    match read(&name, context)? {
        Some(value) => Ok(value),
        None => inherited(args, context),
    }
}

/// The value of a shared name; an object or list is the same one until somebody else changes it.
fn read(name: &str, context: &mut Context) -> JsResult<Option<JsValue>> {
    let vars = vars(context)?;
    let revision = vars.revision_of(name);
    let state = State::of(context);
    if let Some(cached) = state.cached.borrow().get(name).filter(|cached| cached.revision == revision) {
        return Ok(Some(cached.object.clone()));
    }
    let Some(json) = vars.get(name) else { return Ok(None) };
    let value = to_js(&json, context)?;
    if value.is_object() {
        let cached = Cached { object: value.clone(), revision, json };
        state.cached.borrow_mut().insert(name.to_owned(), cached);
    }
    Ok(Some(value))
}

fn set(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let Some(name) = name(args) else {
        return Err(JsNativeError::typ().with_message("the names in `vars` are texts, not symbols").into());
    };
    write(name, args.get_or_undefined(2), context)?;
    Ok(JsValue::from(true))
}

fn write(name: String, value: &JsValue, context: &mut Context) -> JsResult<()> {
    let vars = vars(context)?;
    let state = State::of(context);
    if value.is_undefined() {
        state.cached.borrow_mut().remove(&name);
        vars.apply(VarChange { name, value: None });
        return Ok(());
    }
    let json = to_json(value, context).map_err(|why| why.into_js(&format!("`vars.{name}`")))?;
    vars.set(name.as_str(), json.clone());
    if value.is_object() {
        // The script goes on with its own object; changes in it are changes of the shared value.
        let revision = vars.revision_of(&name);
        state.cached.borrow_mut().insert(name, Cached { object: value.clone(), revision, json });
    } else {
        state.cached.borrow_mut().remove(&name);
    }
    Ok(())
}

fn has(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let shared = match name(args) {
        Some(name) => vars(context)?.revision_of(&name).is_some(),
        None => false,
    };
    Ok(JsValue::from(shared))
}

fn delete(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    if let Some(name) = name(args) {
        write(name, &JsValue::undefined(), context)?;
    }
    Ok(JsValue::from(true))
}

fn own_keys(_: &JsValue, _: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let names: Vec<JsValue> = vars(context)?.names().iter().map(|name| JsString::from(name.as_str()).into()).collect();
    Ok(JsArray::from_iter(names, context).into())
}

fn descriptor(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let Some(name) = name(args) else { return Ok(JsValue::undefined()) };
    let Some(value) = read(&name, context)? else { return Ok(JsValue::undefined()) };
    let object = JsObject::with_object_proto(context.intrinsics());
    object.create_data_property_or_throw(JsString::from("value"), value, context)?;
    for field in ["writable", "enumerable", "configurable"] {
        object.create_data_property_or_throw(JsString::from(field), true, context)?;
    }
    Ok(object.into())
}

fn define(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let fields = args.get_or_undefined(2).to_object(context)?;
    let field = |name: &str| PropertyKey::from(JsString::from(name));
    if fields.has_property(field("get"), context)? || fields.has_property(field("set"), context)? {
        return Err(JsNativeError::typ().with_message("`vars` holds values, not getters and setters").into());
    }
    let value = fields.get(field("value"), context)?;
    if let Some(name) = name(args) {
        write(name, &value, context)?;
    }
    Ok(JsValue::from(true))
}

fn refuse(_: &JsValue, _: &[JsValue], _: &mut Context) -> JsResult<JsValue> {
    Ok(JsValue::from(false))
}

/// Sends what changed inside objects that the script holds.
pub(crate) fn sync(context: &mut Context, state: &State) -> Result<(), RunError> {
    let Some(vars) = state.vars.borrow().clone() else { return Ok(()) };
    let held: Vec<(String, JsValue)> =
        state.cached.borrow().iter().map(|(name, cached)| (name.clone(), cached.object.clone())).collect();
    let mut failed = None;
    for (name, object) in held {
        if state.cached.borrow().get(&name).is_none_or(|cached| vars.revision_of(&name) != cached.revision) {
            // Somebody else changed it meanwhile; the newer value stands.
            state.cached.borrow_mut().remove(&name);
            continue;
        }
        match to_json(&object, context) {
            Ok(json) => {
                let mut all = state.cached.borrow_mut();
                if let Some(cached) = all.get_mut(&name).filter(|cached| cached.json != json) {
                    vars.set(name.as_str(), json.clone());
                    cached.revision = vars.revision_of(&name);
                    cached.json = json;
                }
            }
            // The script has to stop, and with it the getter that was to be read.
            Err(Refused::Threw(error)) if error.as_engine().is_some() => {}
            Err(why) => {
                state.cached.borrow_mut().remove(&name);
                failed = Some(why.into_run_error(&format!("`vars.{name}`")));
            }
        }
    }
    failed.map_or(Ok(()), Err)
}

/// The value of a shared name for those who only look.
pub(crate) fn peek(state: &State, name: &str, context: &mut Context) -> Option<JsValue> {
    let json = state.vars.borrow().clone()?.get(name)?;
    to_js(&json, context).ok()
}

/// All shared values, for those who only look.
pub(crate) fn all(state: &State, context: &mut Context) -> Option<JsValue> {
    let shared = state.vars.borrow().clone()?;
    to_js(&serde_json::Value::Object(shared.snapshot().into_iter().collect()), context).ok()
}
