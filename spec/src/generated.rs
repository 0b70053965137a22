//! The schema, the structural check, the types and the lowering against each other, over documents that are made from the
//! schema itself.

use std::{collections::BTreeSet, sync::Arc};

use aikit_core::{Diagnostic, LineIndex, codes};
use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::{
    CheckContext, aliases,
    compose::{Files, Setting},
    schema::{self, Kind},
    structure,
};

/// SplitMix64: the same documents on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }

    fn pick<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        &all[self.below(all.len())]
    }
}

/// Keys that make a document of others.
const LEFT_OUT: [&str; 3] = ["extends", "imports", "overlays"];

/// What every file of these tests holds.
#[derive(Debug)]
struct Same;

impl Files for Same {
    fn read(&self, _: &str) -> Result<String, String> {
        Ok("return 1".into())
    }
}

/// Makes a value of a schema. Without chance only what is required is there.
struct Maker<'r> {
    random: Option<&'r mut Random>,
    names: u32,
}

impl Maker<'_> {
    fn below(&mut self, bound: usize) -> usize {
        self.random.as_mut().map_or(0, |random| random.below(bound))
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.random.as_mut().is_some_and(|random| random.chance(percent))
    }

    fn text(&mut self, words: &[&str]) -> Value {
        let at = self.below(words.len());
        json!(words[at])
    }

    fn value(&mut self, schema: &'static Value, depth: usize) -> Value {
        let schema = schema::resolve(schema);
        let Some(object) = schema.as_object() else { return json!("anything") };
        if let Some(value) = object.get("const") {
            return value.clone();
        }
        if let Some(words) = schema::enum_words(object) {
            let at = self.below(words.len());
            return json!(words[at]);
        }
        if let Some(branches) = object.get("anyOf").and_then(Value::as_array) {
            let at = self.below(branches.len());
            return self.value(&branches[at], depth);
        }
        if schema::discriminator(schema).is_some()
            && let Some(branches) = object.get("oneOf").and_then(Value::as_array)
        {
            let at = self.below(branches.len());
            return self.value(&branches[at], depth);
        }
        let text = |key: &str| object.get(key).and_then(Value::as_str);
        match text("x-aikit-language") {
            Some("cel") => return self.text(&["true", "inputs.n > 1", "has(inputs.x)", "size('a') == 1", "1 == 2"]),
            Some("template") => return self.text(&["Hello", "{{ inputs.n }}", "for {{ tenant.id }}"]),
            Some("lua") => return self.text(&["return 1", "return ctx.inputs"]),
            Some("js") => return self.text(&["1 + 1", "ctx.inputs"]),
            Some("path") => return self.text(&["./other.txt", "./other.lua"]),
            Some("condition") => return self.text(&["always", "true"]),
            Some("json-schema") => {
                let schemas =
                    [json!({"type": "object"}), json!({"type": "object", "properties": {"n": {"type": "integer"}}})];
                let at = self.below(schemas.len());
                return schemas[at].clone();
            }
            Some("dynamic" | "patch") if text("type") == Some("object") => return json!({"n": 1}),
            Some("dynamic") => return self.text(&["{{ inputs.n }}", "plain"]),
            _ => {}
        }
        if let Some(format) = text("x-aikit-format") {
            return self.formatted(format, text("x-aikit-ref"));
        }
        match text("type") {
            Some("object") => self.object(object, depth),
            Some("array") => {
                let least = object.get("minItems").and_then(Value::as_u64).unwrap_or(0) as usize;
                let most = if depth == 0 { least } else { least.max(1) };
                let count = if self.chance(60) { most } else { least };
                (0..count).map(|_| self.value(&object["items"], depth.saturating_sub(1))).collect()
            }
            Some("string") => {
                let least = object.get("minLength").and_then(Value::as_u64).unwrap_or(0) as usize;
                json!("text".chars().cycle().take(least.max(4)).collect::<String>())
            }
            Some("integer" | "number") => {
                let least = object.get("minimum").and_then(Value::as_f64).unwrap_or(0.0);
                let most = object.get("maximum").and_then(Value::as_f64).unwrap_or(least + 10.0);
                let middle = (least + most.min(least + 4.0)) / 2.0;
                if text("type") == Some("integer") { json!(middle.ceil() as i64) } else { json!(middle) }
            }
            Some("boolean") => json!(self.chance(50)),
            _ => json!({"free": 1}),
        }
    }

    fn formatted(&mut self, format: &str, reference: Option<&str>) -> Value {
        self.names += 1;
        match (format, reference) {
            (_, Some("provider")) => json!("scripted"),
            (_, Some("builtin")) => json!("echo"),
            ("name" | "reference", Some(_)) | ("reference", None) => self.text(&["alpha", "beta"]),
            ("name", None) => {
                let number = self.names;
                self.text(&["alpha", "beta", "gamma"]).as_str().map_or(json!("x"), |name| {
                    if number.is_multiple_of(3) { json!(name) } else { json!(format!("{name}{number}")) }
                })
            }
            ("slug", _) => json!("slug"),
            ("semver", _) => json!("1.0.0"),
            ("duration", _) => self.text(&["250ms", "30s", "2h"]),
            ("size", _) => self.text(&["64KB", "2GB"]),
            ("model", _) => self.text(&["scripted/auto", "alpha"]),
            ("state-path", _) => self.text(&["state.n", "m"]),
            ("tool-glob", _) => self.text(&["*", "echo", "al*"]),
            ("mcp-tool", _) => json!("alpha/tool"),
            ("error-glob", _) => self.text(&["provider.*", "*"]),
            ("error-code", _) => json!("internal"),
            ("agent-ref", _) => self.text(&["other", "other@1.0.0"]),
            ("http-url", _) => json!("https://example.org/x"),
            ("host", _) => json!("*.example.org"),
            ("env-name", _) => json!("HOME_X"),
            ("event-name", _) => json!("ticket.created"),
            ("cron", _) => json!("0 9 * * 1-5"),
            ("sha256", _) => json!("0".repeat(64)),
            (other, _) => panic!("no sample of the format `{other}`"),
        }
    }

    fn object(&mut self, object: &'static Map<String, Value>, depth: usize) -> Value {
        let mut made = Map::new();
        let Some(properties) = object.get("properties").and_then(Value::as_object) else {
            let count = usize::from(self.chance(60) || object.contains_key("minProperties"));
            let patterns = object.get("patternProperties").and_then(Value::as_object);
            for _ in 0..if depth == 0 { 0 } else { count } {
                match patterns.and_then(|patterns| patterns.iter().next()) {
                    Some((pattern, schema)) => {
                        let format = crate::words::FORMATS.iter().find(|format| format.pattern == pattern);
                        let key = self.formatted(format.map_or("name", |format| format.name), None);
                        let value = self.value(schema, depth.saturating_sub(1));
                        made.insert(key.as_str().unwrap_or("x").to_owned(), value);
                    }
                    None => {
                        let value = match object.get("additionalProperties").filter(|schema| schema.is_object()) {
                            Some(schema) => self.value(schema, depth.saturating_sub(1)),
                            None => json!("value"),
                        };
                        made.insert("key".into(), value);
                    }
                }
            }
            return made.into();
        };
        let mut wanted: BTreeSet<&str> =
            object.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let alternatives: Vec<&str> = object
            .get("oneOf")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|branch| branch.pointer("/required/0")?.as_str())
            .collect();
        if depth > 0 {
            for key in properties.keys().filter(|key| !LEFT_OUT.contains(&key.as_str())) {
                if !alternatives.contains(&key.as_str()) && !leans_on(object, key, &alternatives) && self.chance(14) {
                    wanted.insert(key);
                }
            }
        }
        if !alternatives.is_empty() {
            let at = self.below(alternatives.len());
            wanted.insert(alternatives[at]);
        }
        let dependent = object.get("dependentRequired").and_then(Value::as_object);
        for (key, needs) in dependent.into_iter().flatten() {
            if wanted.contains(key.as_str()) {
                wanted.extend(needs.as_array().into_iter().flatten().filter_map(Value::as_str));
            }
        }
        for key in properties.keys().filter(|key| wanted.contains(key.as_str())) {
            made.insert(key.clone(), self.value(&properties[key], depth.saturating_sub(1)));
        }
        made.into()
    }
}

/// Whether a key can only stand beside one of the alternatives.
fn leans_on(object: &Map<String, Value>, key: &str, alternatives: &[&str]) -> bool {
    let needs = object.get("dependentRequired").and_then(|dependent| dependent.get(key)).and_then(Value::as_array);
    needs.into_iter().flatten().any(|need| need.as_str().is_some_and(|need| alternatives.contains(&need)))
}

fn validator(kind: Kind) -> Validator {
    jsonschema::draft202012::new(&schema::document_schema(kind)).unwrap()
}

/// What the structural check refuses.
fn errors(source: &str) -> Vec<Diagnostic> {
    let parsed = aikit_yaml::parse(source);
    let (root, _) = aliases::canonical(source, &parsed.documents[0].root);
    structure::check(source, &root).into_iter().filter(Diagnostic::is_error).collect()
}

fn reads(kind: Kind, value: &Value) -> Result<(), String> {
    fn read<T: serde::de::DeserializeOwned>(value: &Value) -> Result<(), String> {
        serde_json::from_value::<T>(value.clone()).map(drop).map_err(|error| error.to_string())
    }
    match kind {
        Kind::Agent => read::<crate::agent::AgentDocument>(value),
        Kind::Application => read::<crate::application::ApplicationDocument>(value),
        Kind::TestSuite => read::<crate::test_suite::TestSuiteDocument>(value),
        Kind::Library => read::<crate::parts::LibraryDocument>(value),
        Kind::Overlay => read::<crate::parts::OverlayDocument>(value),
        Kind::Preset => read::<crate::parts::PresetDocument>(value),
    }
}

/// Breaks a value somewhere.
fn broken(random: &mut Random, value: &mut Value) {
    let foreign = [json!(null), json!(true), json!(-7), json!("Wrong Word"), json!([]), json!({}), json!(1.5)];
    match value {
        Value::Object(map) if !map.is_empty() => {
            let at = random.below(map.len());
            let key = map.keys().nth(at).cloned().unwrap();
            match random.below(6) {
                0 => drop(map.remove(&key)),
                1 => {
                    let moved = map.remove(&key).unwrap();
                    map.insert(format!("{key}x"), moved);
                }
                2 => drop(map.insert(key, random.pick(&foreign).clone())),
                _ => broken(random, &mut map[&key]),
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let at = random.below(items.len());
            broken(random, &mut items[at]);
        }
        other => *other = random.pick(&foreign).clone(),
    }
}

/// How many documents are made: `AIKIT_DOCUMENTS` says it where more are wanted.
fn documents() -> u64 {
    std::env::var("AIKIT_DOCUMENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(3000)
}

/// What the schema makes the types read and the check accepts; what is broken in it both refuse or both accept; and what the
/// whole check finds clean is lowered.
#[test]
fn schema_check_types_and_lowering_agree() {
    let mut random = Random(1);
    let around = Setting { files: Some(Arc::new(Same)), path: "document.yaml".into(), env: None };
    let context = CheckContext { around, ..CheckContext::default() };
    let (mut clean, mut refused) = (0, 0);
    for kind in Kind::ALL {
        let validator = validator(kind);
        let share = if kind == Kind::Agent { documents() } else { documents() / 6 };
        for _ in 0..share {
            let depth = 2 + random.below(5);
            let mut value = Maker { random: Some(&mut random), names: 0 }.value(schema::root(kind), depth);
            let source = value.to_string();
            assert!(validator.is_valid(&value), "{source}");
            let found = errors(&source);
            assert!(found.is_empty(), "{source}\n{found:#?}");
            reads(kind, &value).unwrap_or_else(|error| panic!("{error}\n{source}"));
            let checked = crate::check(&source, &context);
            let internal = checked.diagnostics.iter().find(|found| found.message.contains("please report this"));
            assert!(internal.is_none(), "{internal:?}\n{source}");
            if !checked.has_errors() {
                clean += 1;
                assert_eq!(checked.plan.is_some(), kind == Kind::Agent, "{source}");
                assert_eq!(checked.suite.is_some(), kind == Kind::TestSuite, "{source}");
            }
            broken(&mut random, &mut value);
            if kind == Kind::Agent || value.get("kind") == Some(&json!(kind.word())) {
                let source = value.to_string();
                let accepted = validator.is_valid(&value);
                refused += u64::from(!accepted);
                // An alias is accepted by the check where the schema knows the canonical key only.
                let parsed = aikit_yaml::parse(&source);
                let (_, renamed) = aliases::canonical(&source, &parsed.documents[0].root);
                if renamed.is_empty() && Kind::of(&parsed.documents[0].root) == kind {
                    assert_eq!(errors(&source).is_empty(), accepted, "{source}\n{:#?}", errors(&source));
                }
            }
        }
    }
    assert!(clean * 3 > documents(), "only {clean} documents were clean");
    assert!(refused * 3 > documents(), "only {refused} broken documents were refused");
}

/// Every key of every kind, alone in a document: with a value that fits it is accepted, with one that does not there is one
/// error, in its line.
#[test]
fn every_key_takes_what_fits_and_refuses_what_does_not() {
    let mut count = 0;
    for kind in Kind::ALL {
        let validator = validator(kind);
        let mut places = Vec::new();
        let mut around = Vec::new();
        let start = Maker { random: None, names: 0 }.value(schema::root(kind), 1);
        keys(schema::root(kind), &start, &mut Vec::new(), &mut around, &mut places);
        for (path, document) in places {
            count += 1;
            let source = format!("{document:#}");
            let found = errors(&source);
            assert!(found.is_empty() && validator.is_valid(&document), "{path:?}\n{source}\n{found:#?}");
            let foreign =
                [json!([[[]]]), json!("Not @ a word!"), json!(-1e30), json!({"alien": [1]}), json!(true), json!(null)];
            let wrong = foreign.into_iter().find_map(|value| {
                let mut wrong = document.clone();
                *at(&mut wrong, &path)? = value;
                (!validator.is_valid(&wrong)).then_some(wrong)
            });
            // What a document is decides what else can stand in it.
            if path == [json!("kind")] {
                continue;
            }
            // Where anything fits, nothing is wrong.
            let Some(wrong) = wrong else { continue };
            let source = format!("{wrong:#}");
            let found = errors(&source);
            let lines = LineIndex::new(&source);
            let key = path.last().and_then(|step| step.as_str()).unwrap_or_default();
            let line = found.first().map(|found| lines.line_of(found.range.start as usize)).unwrap_or_default();
            let text = source.lines().nth(line as usize).unwrap_or_default();
            let tagged = found.first().is_some_and(|found| found.code == codes::AMBIGUOUS_STEP);
            assert!(
                found.len() == 1 && (text.contains(key) || tagged || inside(&source, line, key)),
                "{path:?}\n{source}\n{found:#?}"
            );
        }
    }
    assert!(count > 600, "only {count} keys were found");
}

/// Whether a line stands below a key.
fn inside(source: &str, line: u32, key: &str) -> bool {
    let lines: Vec<&str> = source.lines().take(line as usize + 1).collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let Some(mut level) = lines.last().map(|line| indent(line)) else { return false };
    lines.iter().rev().any(|line| {
        let outer = indent(line) < level;
        if outer {
            level = indent(line);
        }
        outer && line.contains(&format!("\"{key}\""))
    })
}

fn at<'v>(value: &'v mut Value, path: &[Value]) -> Option<&'v mut Value> {
    path.iter().try_fold(value, |value, step| match step {
        Value::String(key) => value.get_mut(key.as_str()),
        step => value.get_mut(step.as_u64()? as usize),
    })
}

/// Every key below a schema with a document in which it stands.
fn keys(
    schema: &'static Value,
    document: &Value,
    path: &mut Vec<Value>,
    around: &mut Vec<&'static Value>,
    into: &mut Vec<(Vec<Value>, Value)>,
) {
    let schema = schema::resolve(schema);
    if path.len() > 12 || around.iter().any(|outer| std::ptr::eq(*outer, schema)) {
        return;
    }
    around.push(schema);
    let mut forms: Vec<&'static Value> = Vec::new();
    for key in ["anyOf", "oneOf"] {
        let branches = schema.get(key).and_then(Value::as_array).into_iter().flatten();
        forms.extend(
            branches.map(schema::resolve).filter(|branch| branch.get("properties").is_some() || key == "anyOf"),
        );
    }
    if schema.get("properties").is_some() || forms.is_empty() {
        forms = vec![schema];
    }
    for form in forms {
        let mut here = document.clone();
        let Some(place) = at(&mut here, path) else { continue };
        *place = Maker { random: None, names: 0 }.value(form, 1);
        let Some(object) = form.as_object() else { continue };
        for (key, below) in object.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let mut with = here.clone();
            let alternatives: Vec<&str> = object
                .get("oneOf")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(|branch| branch.pointer("/required/0")?.as_str())
                .collect();
            let Some(map) = at(&mut with, path).and_then(Value::as_object_mut) else { continue };
            if alternatives.contains(&key.as_str()) {
                map.retain(|known, _| {
                    !alternatives.contains(&known.as_str()) && !leans_on(object, known, &alternatives)
                });
            }
            let dependent = object.get("dependentRequired").and_then(|dependent| dependent.get(key));
            for need in dependent.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
                map.insert(need.to_owned(), Maker { random: None, names: 0 }.value(&object["properties"][need], 1));
            }
            let value = Maker { random: None, names: 0 }.value(below, 1);
            map.insert(key.clone(), value);
            path.push(json!(key));
            into.push((path.clone(), with.clone()));
            let inner = schema::resolve(below);
            if inner.get("type") == Some(&json!("array")) {
                if let Some(place) = at(&mut with, path) {
                    *place = json!([null]);
                }
                path.push(json!(0));
                keys(&inner["items"], &with, path, around, into);
                path.pop();
            } else if let Some(patterns) = inner.get("patternProperties").filter(|_| inner.get("properties").is_none())
            {
                let (pattern, below) = patterns.as_object().unwrap().iter().next().unwrap();
                let format = crate::words::FORMATS.iter().find(|format| format.pattern == pattern);
                let name =
                    Maker { random: None, names: 0 }.formatted(format.map_or("name", |format| format.name), None);
                if let Some(place) = at(&mut with, path) {
                    *place = json!({ name.as_str().unwrap(): null });
                }
                path.push(name);
                keys(below, &with, path, around, into);
                path.pop();
            } else {
                keys(below, &with, path, around, into);
            }
            path.pop();
        }
    }
    around.pop();
}
