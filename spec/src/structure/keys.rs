//! Mappings: which keys they have, lack and should not have.

use aikit_core::{Diagnostic, codes};
use aikit_yaml::{Entry, Node, NodeKind};
use serde_json::{Map, Value};

use super::{Place, Walker};
use crate::{roots::nearest, schema, words};

impl Walker<'_> {
    pub(super) fn mapping(&mut self, node: &Node, object: &'static Map<String, Value>, place: &Place<'_>) {
        let NodeKind::Mapping(entries) = &node.kind else { return self.wrong_type(node, &["object"], place) };
        let properties = object.get("properties").and_then(Value::as_object);
        let mut stray: Vec<&Entry> = Vec::new();
        for entry in entries {
            let name = entry.name();
            let schema = properties.and_then(|properties| properties.get(name));
            let schema = schema.or_else(|| pattern_property(object, name));
            let mut below = place.key(name, entry.key.range);
            let empty =
                entry.value.is_null() || matches!(&entry.value.kind, NodeKind::Sequence(items) if items.is_empty());
            if schema.is_some() && !empty {
                below.announced = self.announce(object, name, entry.key.range, place, || below.path().to_string());
            }
            match schema.or_else(|| object.get("additionalProperties")) {
                Some(Value::Bool(false)) => stray.push(entry),
                Some(schema) => self.node(&entry.value, schema, &below),
                None => {}
            }
        }
        for entry in &stray {
            self.stray_key(entry, node, object, place);
        }
        self.required(node, object, &stray, place);
        self.alternatives(node, object, &stray, place);
    }

    /// A key that cannot stand here.
    fn stray_key(&mut self, entry: &Entry, node: &Node, object: &'static Map<String, Value>, place: &Place<'_>) {
        let (name, range) = (entry.name(), entry.key.range);
        let Some(properties) = object.get("properties").and_then(Value::as_object) else {
            // A mapping from names: the name breaks the rule of its names.
            let pattern = object.get("patternProperties").and_then(Value::as_object).and_then(|p| p.keys().next());
            let format = words::FORMATS.iter().find(|format| Some(format.pattern) == pattern.map(String::as_str));
            let rule = format.map_or("a valid name", |format| format.rule);
            let message = format!("`{name}` must be {rule}");
            self.diagnostics.push(Diagnostic::new(codes::INVALID_FORMAT, range, message));
            return;
        };
        let message = format!("{} has no key `{name}`", place.name());
        let mut diagnostic = Diagnostic::new(codes::UNKNOWN_KEY, range, message);
        let free = properties.keys().map(String::as_str).filter(|key| node.get(key).is_none());
        if let Some(meant) = nearest(name, free) {
            diagnostic = diagnostic.with_help(format!("did you mean `{meant}`?"));
            if !entry.merged {
                diagnostic = diagnostic.with_fix(format!("Rename to `{meant}`"), range, meant);
            }
        } else if let Some(home) = schema::home_of(name) {
            diagnostic = diagnostic.with_help(format!("`{name}` belongs to {home}"));
        } else {
            let known: Vec<&str> = properties.keys().map(String::as_str).collect();
            let known = crate::roots::list(&known);
            diagnostic = diagnostic.with_help(format!("it can have {known}; your own keys begin with `x-`"));
        }
        self.diagnostics.push(diagnostic);
    }

    /// Keys that must be there. A stray key that reads like one of them is its typo and excuses it.
    fn required(&mut self, node: &Node, object: &'static Map<String, Value>, stray: &[&Entry], place: &Place<'_>) {
        let required = object.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        for key in required.filter(|key| node.get(key).is_none()) {
            self.missing(key, object, stray, place);
        }
        let dependent = object.get("dependentRequired").and_then(Value::as_object).into_iter().flatten();
        for (key, needs) in dependent.filter(|(key, _)| node.get(key).is_some()) {
            let needs = needs.as_array().into_iter().flatten().filter_map(Value::as_str);
            for need in needs.filter(|need| node.get(need).is_none()) {
                let excused = stray.iter().any(|entry| nearest(entry.name(), [need]).is_some());
                if let (false, Some(entry)) = (excused, node.entry(key)) {
                    let message = format!("`{key}` stands here without `{need}`");
                    self.diagnostics.push(
                        Diagnostic::new(codes::MISSING_KEY, entry.key.range, message)
                            .with_help(format!("add `{need}:` or remove `{key}`")),
                    );
                }
            }
        }
    }

    fn missing(&mut self, key: &str, object: &'static Map<String, Value>, stray: &[&Entry], place: &Place<'_>) {
        if stray.iter().any(|entry| nearest(entry.name(), [key]).is_some()) {
            return;
        }
        let schema = object.get("properties").and_then(|properties| properties.get(key));
        let description = schema.and_then(schema::description).unwrap_or_default();
        let message = format!("{} lacks `{key}`", place.name());
        let mut diagnostic = Diagnostic::new(codes::MISSING_KEY, place.anchor, message);
        if let Some(sentence) = description.split_inclusive('.').next() {
            diagnostic = diagnostic.with_help(format!("add `{key}:` — {}", sentence.trim()));
        }
        self.diagnostics.push(diagnostic);
    }

    /// Exactly one of several keys, as a step has exactly one kind.
    fn alternatives(&mut self, node: &Node, object: &'static Map<String, Value>, stray: &[&Entry], place: &Place<'_>) {
        let Some(branches) = object.get("oneOf").and_then(Value::as_array) else { return };
        let keys: Vec<&str> = branches.iter().filter_map(|branch| branch.get("required")?.get(0)?.as_str()).collect();
        let mut present = keys.iter().filter_map(|key| node.entry(key));
        let choices = || keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        match (present.next(), present.next()) {
            (None, _) if stray.is_empty() => {
                let message = format!("{} needs one of {}", place.name(), choices());
                self.diagnostics.push(Diagnostic::new(codes::AMBIGUOUS_STEP, place.anchor, message));
            }
            (Some(first), Some(second)) => {
                let message = format!("{} can have only one of {}", place.name(), choices());
                let first_name = first.name();
                self.diagnostics.push(
                    Diagnostic::new(codes::AMBIGUOUS_STEP, second.key.range, message)
                        .with_related(first.key.range, format!("`{first_name}` stands here already")),
                );
            }
            _ => {}
        }
    }

    /// Reports the keys of a mapping without its tag that no branch knows; whether there were any.
    pub(super) fn mistyped_keys(&mut self, node: &Node, branches: &'static [Value], place: &Place<'_>) -> bool {
        let known = |name: &str| {
            branches.iter().any(|branch| {
                let branch = schema::resolve(branch);
                branch.get("properties").and_then(|properties| properties.get(name)).is_some() || name.starts_with("x-")
            })
        };
        let Some(object) = branches.last().and_then(|branch| schema::resolve(branch).as_object()) else { return false };
        let stray: Vec<&Entry> = node.entries().iter().filter(|entry| !known(entry.name())).collect();
        for entry in &stray {
            self.stray_key(entry, node, object, place);
        }
        !stray.is_empty()
    }
}

fn pattern_property(object: &'static Map<String, Value>, name: &str) -> Option<&'static Value> {
    let patterns = object.get("patternProperties").and_then(Value::as_object)?;
    patterns.iter().find(|(pattern, _)| schema::pattern_accepts(pattern, name)).map(|(_, schema)| schema)
}
