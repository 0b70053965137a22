//! Paths against the values of a run: which part of the scope is needed, and which name is not there.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Missing, SegmentName, UndefinedVariable, VariablePath};

/// The part of a scope that a text reads, so that no more than that is copied for its evaluation.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    whole: bool,
    members: BTreeMap<String, Wanted>,
}

impl Wanted {
    pub(crate) fn new(paths: &[VariablePath]) -> Self {
        let mut wanted = Wanted::default();
        for path in paths {
            let names = path.segments.iter().map_while(|segment| match &segment.name {
                SegmentName::Name(name) => Some(name.clone()),
                SegmentName::Index(_) => None,
            });
            let last = names.fold(&mut wanted, |at, name| at.members.entry(name).or_default());
            last.whole = true;
        }
        wanted
    }

    /// The roots of the scope that are read, each reduced to what is read of it. The aliases `tenant_id` and `agent_id`
    /// stand for `tenant.id` and `agent.id` where the scope does not hold them itself.
    pub(crate) fn roots(&self, scope: &Value) -> Map<String, Value> {
        let mut roots = Map::new();
        for (name, wanted) in &self.members {
            if let Some(value) = root(scope, name) {
                roots.insert(name.clone(), wanted.take(value));
            }
        }
        roots
    }

    fn take(&self, value: &Value) -> Value {
        match value {
            Value::Object(object) if !self.whole => {
                let members = self.members.iter().filter_map(|(name, wanted)| {
                    let (name, value) = object.get_key_value(name)?;
                    Some((name.clone(), wanted.take(value)))
                });
                Value::Object(members.collect())
            }
            other => other.clone(),
        }
    }
}

/// The value at a path, if all of it is there.
pub(crate) fn value_at<'s>(path: &VariablePath, scope: &'s Value) -> Option<&'s Value> {
    let (first, rest) = path.segments.split_first()?;
    rest.iter().try_fold(root(scope, &first.name.to_string())?, |value, segment| match &segment.name {
        SegmentName::Name(name) => value.get(name),
        SegmentName::Index(index) => value.get(usize::try_from(*index).ok()?),
    })
}

/// A root of the scope, or what an alias stands for.
fn root<'s>(scope: &'s Value, name: &str) -> Option<&'s Value> {
    scope.get(name).or_else(|| match name {
        "tenant_id" => scope.get("tenant")?.get("id"),
        "agent_id" => scope.get("agent")?.get("id"),
        _ => None,
    })
}

/// What is not there of a path, if anything.
pub(crate) fn missing(path: &VariablePath, scope: &Value) -> Option<UndefinedVariable> {
    let checked = path.segments.len() - usize::from(path.guarded);
    let mut at = scope;
    for (i, segment) in path.segments.iter().take(checked).enumerate() {
        let next = match (at, &segment.name) {
            (_, SegmentName::Name(name)) if i == 0 => root(scope, name),
            (Value::Object(object), SegmentName::Name(name)) => object.get(name),
            (Value::Array(items), SegmentName::Index(index)) => {
                let index = if *index < 0 { items.len() as i64 + index } else { *index };
                let Some(item) = usize::try_from(index).ok().and_then(|index| items.get(index)) else {
                    let length = items.len();
                    return Some(UndefinedVariable::new(path, i, Missing::TooShort(length), Vec::new()));
                };
                Some(item)
            }
            (other, _) => {
                let what = match other {
                    Value::Null => "null",
                    Value::Bool(_) => "true or false",
                    Value::Number(_) => "a number",
                    Value::String(_) => "a text",
                    Value::Array(_) => "a list",
                    Value::Object(_) => "an object",
                };
                return Some(UndefinedVariable::new(path, i, Missing::NoMembers(what), Vec::new()));
            }
        };
        let Some(next) = next else {
            let mut known: Vec<String> = at.as_object().map(|o| o.keys().cloned().collect()).unwrap_or_default();
            known.sort();
            return Some(UndefinedVariable::new(path, i, Missing::Unknown, known));
        };
        at = next;
    }
    None
}
