//! JSON Schema as far as an instance has to be found: references, combinations, types and bounds.

use serde_json::{Map, Value, json};

/// How often references and combinations are followed before a schema counts as empty.
const MAX_HOPS: usize = 32;

/// What an instance has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Array,
    Text,
    Number,
    Integer,
    Boolean,
    Null,
}

/// A schema with its references followed, its `allOf` merged and the first of `oneOf` and `anyOf` chosen.
pub(super) fn effective(root: &Value, schema: &Value) -> Map<String, Value> {
    let mut merged = Map::new();
    let mut hops = 0;
    collect(root, schema, &mut merged, &mut hops);
    merged
}

fn collect(root: &Value, schema: &Value, into: &mut Map<String, Value>, hops: &mut usize) {
    *hops += 1;
    let (Value::Object(schema), true) = (schema, *hops <= MAX_HOPS) else { return };
    if let Some(target) = schema.get("$ref").and_then(Value::as_str).and_then(|reference| resolve(root, reference)) {
        collect(root, target, into, hops);
    }
    for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        collect(root, part, into, hops);
    }
    for (key, value) in schema {
        match key.as_str() {
            "$ref" | "allOf" | "oneOf" | "anyOf" => {}
            _ => merge(into, key, value),
        }
    }
    for key in ["oneOf", "anyOf"] {
        if let Some(first) = schema.get(key).and_then(Value::as_array).and_then(|branches| branches.first()) {
            collect(root, first, into, hops);
        }
    }
}

fn merge(into: &mut Map<String, Value>, key: &str, value: &Value) {
    let Some(known) = into.get_mut(key) else {
        into.insert(key.to_string(), value.clone());
        return;
    };
    match (key, &mut *known, value) {
        ("properties", Value::Object(known), Value::Object(more)) => {
            for (name, schema) in more {
                match known.get_mut(name) {
                    Some(first) => *first = json!({ "allOf": [first.take(), schema] }),
                    None => drop(known.insert(name.clone(), schema.clone())),
                }
            }
        }
        ("required", Value::Array(known), Value::Array(more)) => {
            known.extend(more.iter().filter(|name| !known.contains(name)).cloned().collect::<Vec<_>>());
        }
        ("enum", Value::Array(known), Value::Array(more)) => known.retain(|option| more.contains(option)),
        ("minimum" | "exclusiveMinimum" | "minLength" | "minItems", Value::Number(a), Value::Number(b)) => {
            if b.as_f64() > a.as_f64() {
                *known = value.clone();
            }
        }
        ("maximum" | "exclusiveMaximum" | "maxLength" | "maxItems", Value::Number(a), Value::Number(b)) => {
            if b.as_f64() < a.as_f64() {
                *known = value.clone();
            }
        }
        _ => *known = value.clone(),
    }
}

/// A reference inside the document; others cannot be followed here.
fn resolve<'r>(root: &'r Value, reference: &str) -> Option<&'r Value> {
    root.pointer(reference.strip_prefix('#')?)
}

/// The kind that a schema asks for: its first type that is not null, else what its other keywords speak of.
pub(super) fn kind(schema: &Map<String, Value>) -> Kind {
    let named = |name: &str| match name {
        "object" => Some(Kind::Object),
        "array" => Some(Kind::Array),
        "string" => Some(Kind::Text),
        "number" => Some(Kind::Number),
        "integer" => Some(Kind::Integer),
        "boolean" => Some(Kind::Boolean),
        "null" => Some(Kind::Null),
        _ => None,
    };
    match schema.get("type") {
        Some(Value::String(name)) => named(name).unwrap_or(Kind::Text),
        Some(Value::Array(names)) => {
            let mut kinds = names.iter().filter_map(|name| named(name.as_str()?));
            kinds.find(|kind| *kind != Kind::Null).unwrap_or(Kind::Null)
        }
        _ if ["properties", "required", "minProperties"].iter().any(|key| schema.contains_key(*key)) => Kind::Object,
        _ if ["items", "prefixItems", "minItems"].iter().any(|key| schema.contains_key(*key)) => Kind::Array,
        _ if ["minimum", "maximum", "multipleOf"].iter().any(|key| schema.contains_key(*key)) => Kind::Number,
        _ => Kind::Text,
    }
}

/// The bound under `key`, for lengths and counts.
pub(super) fn count(schema: &Map<String, Value>, key: &str) -> Option<usize> {
    schema.get(key).and_then(Value::as_f64).map(|count| count.max(0.0) as usize)
}

/// Whether a ready value fits. Objects fit only where nothing is said about their properties.
pub(super) fn accepts(root: &Value, schema: &Value, value: &Value) -> bool {
    let schema = &effective(root, schema);
    if schema.get("const").is_some_and(|only| only != value) {
        return false;
    }
    if schema.get("enum").and_then(Value::as_array).is_some_and(|options| !options.contains(value)) {
        return false;
    }
    match (kind(schema), value) {
        (Kind::Object, Value::Object(_)) => !schema.contains_key("properties") && !schema.contains_key("required"),
        (Kind::Array, Value::Array(items)) => {
            let fits = |item| schema.get("items").is_none_or(|schema| accepts(root, schema, item));
            items.len() >= count(schema, "minItems").unwrap_or(0)
                && items.len() <= count(schema, "maxItems").unwrap_or(usize::MAX)
                && !schema.contains_key("prefixItems")
                && items.iter().all(fits)
        }
        (Kind::Text, Value::String(text)) => {
            let length = text.chars().count();
            let pattern = schema.get("pattern").and_then(Value::as_str);
            length >= count(schema, "minLength").unwrap_or(0)
                && length <= count(schema, "maxLength").unwrap_or(usize::MAX)
                && !schema.contains_key("format")
                && pattern.is_none_or(|pattern| regex::Regex::new(pattern).is_ok_and(|regex| regex.is_match(text)))
        }
        (Kind::Number, Value::Number(number)) => number.as_f64().is_some_and(|n| Bounds::of(schema, false).hold(n)),
        (Kind::Integer, Value::Number(number)) => number.as_f64().is_some_and(|n| Bounds::of(schema, true).hold(n)),
        (Kind::Boolean, Value::Bool(_)) | (Kind::Null, Value::Null) => true,
        _ => false,
    }
}

/// The bounds of a number.
pub(super) struct Bounds {
    low: Option<(f64, bool)>,
    high: Option<(f64, bool)>,
    step: Option<f64>,
    integer: bool,
}

impl Bounds {
    /// The bounds that a schema sets.
    pub(super) fn of(schema: &Map<String, Value>, integer: bool) -> Bounds {
        let number = |key: &str| schema.get(key).and_then(Value::as_f64);
        let low = match (number("minimum"), number("exclusiveMinimum")) {
            (Some(low), Some(above)) if above >= low => Some((above, true)),
            (None, Some(above)) => Some((above, true)),
            (low, _) => low.map(|low| (low, false)),
        };
        let high = match (number("maximum"), number("exclusiveMaximum")) {
            (Some(high), Some(below)) if below <= high => Some((below, true)),
            (None, Some(below)) => Some((below, true)),
            (high, _) => high.map(|high| (high, false)),
        };
        Bounds { low, high, step: number("multipleOf").filter(|step| *step > 0.0), integer }
    }

    /// Whether a number lies within them.
    pub(super) fn hold(&self, number: f64) -> bool {
        let above = self.low.is_none_or(|(low, open)| if open { number > low } else { number >= low });
        let below = self.high.is_none_or(|(high, open)| if open { number < high } else { number <= high });
        let on_grid = self.step.is_none_or(|step| {
            let times = number / step;
            (times - times.round()).abs() < 1e-9
        });
        number.is_finite() && above && below && on_grid && (!self.integer || number.fract() == 0.0)
    }

    /// A number within them; `share` (0 to 1) says where between both ends.
    pub(super) fn number(&self, share: f64) -> f64 {
        let (low, high) = match (self.low, self.high) {
            (Some((low, _)), Some((high, _))) => (low, high),
            (Some((low, _)), None) => (low, low + 10.0),
            (None, Some((high, _))) => (high - 10.0, high),
            (None, None) => (0.0, 10.0),
        };
        let wanted = low + (high - low) * share;
        let grid = self.step.unwrap_or(if self.integer { 1.0 } else { 0.01 });
        let at = (wanted / grid).round();
        let near = [0.0, 1.0, -1.0, 2.0, -2.0].into_iter().map(|offset| tidy((at + offset) * grid));
        near.into_iter().find(|number| self.hold(*number)).unwrap_or_else(|| {
            let middle = if self.hold(wanted) { wanted } else { f64::midpoint(low, high) };
            if self.hold(middle) { middle } else { low }
        })
    }
}

/// Removes what binary fractions leave behind: 0.30000000000000004 is 0.3.
fn tidy(number: f64) -> f64 {
    (number * 1e9).round() / 1e9
}

/// A JSON number, without a fraction where there is none.
pub(super) fn json_number(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < 9e15 { json!(number as i64) } else { json!(number) }
}
