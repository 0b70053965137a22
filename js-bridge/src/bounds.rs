//! Built-ins that would take the whole process down with one call: they get bounds of their own, and a `RangeError`
//! beyond them.

use boa_engine::{
    Context, JsArgs, JsNativeError, JsObject, JsResult, JsString, JsValue, NativeFunction,
    builtins::proxy::Proxy,
    object::builtins::JsFunction,
    property::{PropertyDescriptor, PropertyKey},
};
use boa_gc::{Finalize, Trace};

use crate::surface;

/// The longest text that one call may make.
const TEXT: u64 = 1 << 27;
/// How deep a value may nest that is turned into JSON; the interpreter does it by recursion.
const DEPTH: usize = 2000;
/// How many values are looked at to find out.
const NODES: usize = 1_000_000;

/// The built-in that was there before.
#[derive(Trace, Finalize)]
struct Original(JsFunction);

/// Puts the bounds into a fresh context.
pub(crate) fn install(context: &mut Context) -> JsResult<()> {
    let strings = context.intrinsics().constructors().string().prototype();
    replace(&strings, "repeat", context, |this, args, original, context| {
        if let (Some(text), Some(count)) = (this.as_string(), args.get_or_undefined(0).as_number()) {
            if count.is_finite() && count.max(0.0) * text.len() as f64 > TEXT as f64 {
                return Err(too_long());
            }
            if count >= 1.0 && !text.is_empty() {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is at most `TEXT`")]
                let units = text.to_vec().repeat(count as usize);
                return Ok(JsString::from(units.as_slice()).into());
            }
        }
        original.call(this, args, context)
    })?;
    for name in ["padStart", "padEnd"] {
        replace(&strings, name, context, |this, args, original, context| {
            if args.get_or_undefined(0).as_number().is_some_and(|length| length > TEXT as f64) {
                return Err(too_long());
            }
            original.call(this, args, context)
        })?;
    }
    let json = context.global_object().get(JsString::from("JSON"), context)?;
    if let Some(json) = json.as_object() {
        replace(&json, "stringify", context, |this, args, original, context| {
            if nests_too_deep(args.get_or_undefined(0)) {
                let message = format!("the value nests deeper than {DEPTH} levels");
                return Err(JsNativeError::range().with_message(message).into());
            }
            original.call(this, args, context)
        })?;
    }
    Ok(())
}

type Bounded = fn(&JsValue, &[JsValue], &JsFunction, &mut Context) -> JsResult<JsValue>;

fn replace(owner: &JsObject, name: &str, context: &mut Context, bounded: Bounded) -> JsResult<()> {
    let Some(original) = owner.get(JsString::from(name), context)?.as_function() else { return Ok(()) };
    let length = original.get(JsString::from("length"), context)?.to_length(context)?;
    let native = NativeFunction::from_copy_closure_with_captures(
        move |this, args, original: &Original, context| bounded(this, args, &original.0, context),
        Original(original),
    );
    let function = surface::function(context, native, name, usize::try_from(length).unwrap_or(0));
    surface::add(owner, name, function, true);
    Ok(())
}

fn too_long() -> boa_engine::JsError {
    JsNativeError::range().with_message(format!("the text would be longer than {TEXT} characters")).into()
}

/// Whether plain data nests too deep; a value that holds itself does not, it is refused for another reason.
fn nests_too_deep(value: &JsValue) -> bool {
    let Some(object) = value.as_object() else { return false };
    let mut path = vec![(object.clone(), children(&object))];
    let mut nodes = 0;
    while let Some((_, rest)) = path.last_mut() {
        let Some(next) = rest.pop() else {
            path.pop();
            continue;
        };
        nodes += 1;
        if nodes > NODES {
            return false;
        }
        let inside = children(&next);
        if inside.is_empty() {
            continue;
        }
        path.push((next, inside));
        if path.len() > DEPTH {
            let (last, _) = &path[path.len() - 1];
            return !path[..path.len() - 1].iter().any(|(object, _)| JsObject::equals(object, last));
        }
    }
    false
}

/// The objects that an object holds, without asking getters and proxies.
fn children(object: &JsObject) -> Vec<JsObject> {
    if object.is::<Proxy>() || object.is_callable() {
        return Vec::new();
    }
    let object = object.borrow();
    let properties = object.properties();
    let held = |property: PropertyDescriptor| property.value().and_then(JsValue::as_object);
    let mut found: Vec<JsObject> = properties.index_property_values().filter_map(held).collect();
    let named = object.shape().keys().into_iter().filter(|key| matches!(key, PropertyKey::String(_)));
    found.extend(named.filter_map(|key| properties.get(&key)).filter_map(held));
    found
}
