//! Looking at objects without running any code of the script: no getters, and no proxies unless it is said.

use boa_engine::{
    Context, JsBigInt, JsObject, JsResult, JsString, JsSymbol, JsValue,
    builtins::{proxy::Proxy, regexp::RegExp},
    object::builtins::JsRegExp,
    property::{PropertyDescriptor, PropertyKey},
};

/// An own property, without asking a proxy or a getter.
pub(crate) fn own(object: &JsObject, key: &PropertyKey) -> Option<PropertyDescriptor> {
    object.borrow().properties().get(key)
}

/// A property along the prototype chain, without asking a proxy or a getter.
pub(crate) fn lookup(object: &JsObject, key: &PropertyKey) -> Option<PropertyDescriptor> {
    let mut next = Some(object.clone());
    // A chain has no cycle, but it may be long.
    for _ in 0..1000 {
        let current = next?;
        if let Some(found) = own(&current, key) {
            return Some(found);
        }
        next = current.prototype();
    }
    None
}

/// The text of a data property along the prototype chain.
pub(crate) fn text_property(object: &JsObject, name: &str) -> Option<String> {
    let found = lookup(object, &JsString::from(name).into())?;
    found.value().and_then(JsValue::as_string).map(|text| text.to_std_string_lossy())
}

/// The own enumerable keys; a proxy is asked.
pub(crate) fn enumerable_keys(object: &JsObject, context: &mut Context) -> JsResult<Vec<PropertyKey>> {
    let keys = object.own_property_keys(context)?;
    if object.is::<Proxy>() {
        return Ok(keys);
    }
    let typed = object.is::<JsString>();
    Ok(keys.into_iter().filter(|key| typed || own(object, key).is_some_and(|p| p.enumerable() == Some(true))).collect())
}

/// The name of the class of an object, by its prototype's constructor.
pub(crate) fn class_name(object: &JsObject) -> Option<String> {
    let prototype = object.prototype()?;
    let tag = || {
        let found = lookup(&prototype, &JsSymbol::to_string_tag().into())?;
        found.value().and_then(JsValue::as_string).map(|text| text.to_std_string_lossy())
    };
    let constructor = lookup(&prototype, &JsString::from("constructor").into())
        .and_then(|found| found.value().and_then(JsValue::as_object));
    let name = constructor.and_then(|constructor| text_property(&constructor, "name")).filter(|name| !name.is_empty());
    Some(match (name, tag()) {
        (Some(name), None) => name,
        (Some(name), Some(tag)) if name == tag => name,
        (Some(name), Some(tag)) => format!("{name} [{tag}]"),
        (None, Some(tag)) => format!("Object [{tag}]"),
        (None, None) => "Object".to_owned(),
    })
}

/// The primitive inside `new Number(1)` and its like.
pub(crate) fn boxed(object: &JsObject) -> Option<JsValue> {
    if let Some(number) = object.downcast_ref::<f64>() {
        return Some(JsValue::from(*number));
    }
    if let Some(truth) = object.downcast_ref::<bool>() {
        return Some(JsValue::from(*truth));
    }
    if let Some(text) = object.downcast_ref::<JsString>() {
        return Some(JsValue::from(text.clone()));
    }
    if let Some(big) = object.downcast_ref::<JsBigInt>() {
        return Some(JsValue::from(big.clone()));
    }
    object.downcast_ref::<JsSymbol>().map(|symbol| JsValue::from(symbol.clone()))
}

/// A regular expression as it is written.
pub(crate) fn regexp(object: &JsObject, context: &mut Context) -> Option<String> {
    if !object.is::<RegExp>() {
        return None;
    }
    let regexp = JsRegExp::from_object(object.clone()).ok()?;
    let source = regexp.source(context).ok()?;
    let flags = regexp.flags(context).ok()?;
    Some(format!("/{source}/{flags}"))
}

/// Whether a key is shown without quotes.
pub(crate) fn is_name(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(|c| c.is_alphabetic() || c == '_' || c == '$')
        && characters.all(|c| c.is_alphanumeric() || c == '_' || c == '$')
}
