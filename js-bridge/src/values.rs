//! Values of a script that stands still, as JSON that can be looked at: the beginning of large ones, the rest by pages. No
//! code of the script runs: getters and proxies are not asked.

use aikit_runtime::debug::script::{Cut, Shown};
use boa_engine::{
    Context, JsObject, JsString, JsValue, JsVariant,
    builtins::{error::Error, proxy::Proxy},
    property::{PropertyDescriptor, PropertyKey},
};
use serde_json::{Map, Number, Value as Json};

use crate::{convert, failure, look, show};

/// How many values are shown at a stop, those inside of others counted.
const VALUES: usize = 2_000;
/// How many entries of an object are shown at a stop.
const ENTRIES: usize = 100;
/// How many values are in an answer that was asked for.
const ANSWER: usize = 20_000;
/// How deep objects are shown.
const DEPTH: usize = 8;
/// The largest whole number that is exact.
const SAFE: f64 = 9_007_199_254_740_991.0;

/// Shows values until its bounds are reached.
pub(crate) struct Show<'c> {
    context: &'c mut Context,
    left: usize,
    entries: usize,
    /// Where the value that is shown belongs.
    path: Vec<String>,
    /// The objects in which it stands.
    around: Vec<JsObject>,
    cut: Vec<Cut>,
}

impl<'c> Show<'c> {
    /// What is shown without being asked for.
    pub fn some(context: &'c mut Context) -> Self {
        Self { context, left: VALUES, entries: ENTRIES, path: Vec::new(), around: Vec::new(), cut: Vec::new() }
    }

    /// Variables by name, as a part of what a frame shows; one without a value has none yet.
    pub fn variables(&mut self, group: &str, variables: Vec<(String, Option<JsValue>)>) -> Shown {
        self.path = vec![group.to_owned()];
        let mut named = Map::new();
        for (name, value) in variables {
            let shown = match value {
                Some(value) => self.inside(name.clone(), &value),
                None => Json::String("<not initialized>".into()),
            };
            named.insert(name, shown);
        }
        Shown { value: Json::Object(named), cut: std::mem::take(&mut self.cut) }
    }

    fn inside(&mut self, name: String, value: &JsValue) -> Json {
        self.path.push(name);
        let shown = self.value(value);
        self.path.pop();
        shown
    }

    fn value(&mut self, value: &JsValue) -> Json {
        self.left = self.left.saturating_sub(1);
        match value.variant() {
            JsVariant::Undefined => Json::String("<undefined>".into()),
            JsVariant::Null => Json::Null,
            JsVariant::Boolean(truth) => Json::Bool(truth),
            JsVariant::Integer32(integer) => Json::from(integer),
            JsVariant::Float64(number) if number.fract() == 0.0 && number.abs() <= SAFE =>
            {
                #[expect(clippy::cast_possible_truncation, reason = "it is a whole number within the range")]
                Json::from(number as i64)
            }
            JsVariant::Float64(number) => {
                Number::from_f64(number).map_or_else(|| Json::String(number.to_string()), Json::Number)
            }
            JsVariant::String(text) => Json::String(text.to_std_string_lossy()),
            JsVariant::BigInt(big) => Json::String(format!("{big}n")),
            JsVariant::Symbol(symbol) => Json::String(symbol.descriptive_string().to_std_string_lossy()),
            JsVariant::Object(object) => self.object(&object),
        }
    }

    fn object(&mut self, object: &JsObject) -> Json {
        if object.is_callable() || object.is::<Proxy>() || look::boxed(object).is_some() {
            return Json::String(self.text(object));
        }
        if self.around.iter().any(|outer| JsObject::equals(outer, object)) {
            return Json::String("<circular>".into());
        }
        let count = if self.path.len() > DEPTH { 0 } else { self.entries.min(self.left) };
        self.page(object, 0, count)
    }

    /// Entries of an object; the items of a list come first.
    fn page(&mut self, object: &JsObject, start: usize, count: usize) -> Json {
        let entries = entries(object, self.context);
        let total = entries.list.len();
        if total == 0 && !entries.is_list && !is_plain(object) {
            // A date, a promise, a regular expression.
            return Json::String(self.text(object));
        }
        let end = start.saturating_add(count).min(total);
        if start > 0 || end < total {
            self.cut.push(Cut { path: self.path.clone(), total });
        }
        self.around.push(object.clone());
        let shown = entries.list.into_iter().skip(start).take(end.saturating_sub(start));
        let mut named = Vec::new();
        for (name, value) in shown {
            let value = match value {
                Held::Value(value) => self.inside(name.clone(), &value),
                Held::Getter => Json::String("<getter>".into()),
            };
            named.push((name, value));
        }
        self.around.pop();
        if entries.is_list {
            named.into_iter().map(|(_, value)| value).collect()
        } else {
            Json::Object(named.into_iter().collect())
        }
    }

    fn text(&mut self, object: &JsObject) -> String {
        format!("<{}>", show::value_text(&object.clone().into(), self.context).trim_matches(['[', ']']))
    }
}

/// What stands in an object under a name.
enum Held {
    Value(JsValue),
    Getter,
}

struct Entries {
    list: Vec<(String, Held)>,
    /// Whether the names are those of items, from 0.
    is_list: bool,
}

fn held(found: &PropertyDescriptor) -> Held {
    found.value().cloned().map_or(Held::Getter, Held::Value)
}

fn is_plain(object: &JsObject) -> bool {
    object.is_ordinary() || object.is::<Error>()
}

fn entries(object: &JsObject, context: &mut Context) -> Entries {
    if let Ok(pairs) = convert::map_entries(object) {
        let name = |key: &JsValue, context: &mut Context| match key.as_string() {
            Some(text) => text.to_std_string_lossy(),
            None => show::value_text(key, context),
        };
        let list = pairs.into_iter().map(|(key, value)| (name(&key, context), Held::Value(value)));
        return Entries { list: list.collect(), is_list: false };
    }
    let items = convert::set_items(object).unwrap_or_default();
    if !items.is_empty() {
        let list = items.into_iter().enumerate().map(|(at, value)| (at.to_string(), Held::Value(value)));
        return Entries { list: list.collect(), is_list: true };
    }
    let mut list = Vec::new();
    if object.is::<Error>() {
        let (name, message) = failure::name_and_message(object);
        list.push(("name".to_owned(), Held::Value(JsString::from(name).into())));
        list.push(("message".to_owned(), Held::Value(JsString::from(message).into())));
    }
    let keys = object.own_property_keys(context).unwrap_or_default();
    let is_array = object.is_array();
    let mut is_list = is_array;
    for key in keys {
        let Some(found) = look::own(object, &key) else { continue };
        let name = match &key {
            PropertyKey::Index(index) => index.get().to_string(),
            PropertyKey::String(text) if is_array && *text == "length" => continue,
            PropertyKey::String(text) => {
                is_list = false;
                text.to_std_string_lossy()
            }
            PropertyKey::Symbol(_) => continue,
        };
        if list.iter().take(2).any(|(known, _)| *known == name) {
            continue;
        }
        list.push((name, held(&found)));
    }
    Entries { list, is_list }
}

/// A value that was asked for.
pub(crate) fn whole(value: &JsValue, context: &mut Context) -> Json {
    let mut show = Show { left: ANSWER, entries: ANSWER, ..Show::some(context) };
    show.value(value)
}

/// A page of an object that stands at a path.
pub(crate) fn page(
    value: &JsValue,
    path: &[String],
    start: usize,
    count: usize,
    context: &mut Context,
) -> Result<Shown, String> {
    let object = value.as_object().ok_or("the value is gone")?;
    let mut show = Show { left: ANSWER, path: path.to_vec(), ..Show::some(context) };
    let value = show.page(&object, start, count.min(ANSWER));
    Ok(Shown { value, cut: show.cut })
}

/// What stands in an object under a name that [`Show`] gave it.
pub(crate) fn entry(value: &JsValue, name: &str, context: &mut Context) -> Option<JsValue> {
    let object = value.as_object()?;
    let found = entries(&object, context).list.into_iter().find(|(known, _)| known == name)?;
    match found.1 {
        Held::Value(value) => Some(value),
        Held::Getter => None,
    }
}
