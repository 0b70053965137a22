//! A valid instance of a JSON Schema, filled with what the request says.

use std::collections::VecDeque;

use serde_json::{Map, Value, json};

use super::{
    auto::MARK,
    language::{after_mention, alike, arithmetic, gist, keywords, name_words, numbers, quoted, words},
    pattern::matching,
    prompt::Prompt,
    schema::{Bounds, Kind, accepts, count, effective, json_number, kind},
};

/// Below this depth only what is required is filled in, so that a schema that refers to itself comes to an end.
const SHALLOW: usize = 3;
/// Below this depth nothing is: no finite instance was found.
const DEEPEST: usize = 40;
/// The most items that an array gets on its own account.
const MAX_ITEMS: usize = 1000;

/// Names of properties that hold prose.
const PROSE: &[&str] = &[
    "answer",
    "reply",
    "response",
    "summary",
    "text",
    "message",
    "content",
    "body",
    "description",
    "explanation",
    "reason",
    "reasoning",
    "rationale",
    "comment",
    "note",
    "advice",
    "suggestion",
    "feedback",
    "result",
    "output",
];
/// Names of properties that hold a heading.
const HEADINGS: &[&str] = &["title", "subject", "headline", "heading"];
/// Names of arguments that want the user's own words.
const SPEECH: &[&str] =
    &["text", "query", "question", "input", "message", "prompt", "content", "search", "data", "value"];
/// Names of arguments that want arithmetic.
const SUMS: &[&str] = &["expression", "formula", "calculation", "equation"];

/// What the instance is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The model's answer.
    Answer,
    /// The arguments of a tool call.
    Arguments,
}

/// The instance of `schema` that the request leads to.
pub(super) fn derive(schema: &Value, prompt: &Prompt, purpose: Purpose) -> Value {
    let source = prompt.source();
    let keywords = match purpose {
        Purpose::Answer => keywords(&prompt.subject),
        Purpose::Arguments => keywords(&source),
    };
    let unused = numbers(&source).into_iter().map(|(number, _)| number).collect();
    Deriver { root: schema, prompt, purpose, keywords, source, unused }.value(schema, "", 0)
}

struct Deriver<'d> {
    root: &'d Value,
    prompt: &'d Prompt,
    purpose: Purpose,
    source: String,
    keywords: Vec<String>,
    /// Numbers of the message that no argument has taken yet.
    unused: VecDeque<f64>,
}

impl Deriver<'_> {
    fn value(&mut self, schema: &Value, name: &str, depth: usize) -> Value {
        if depth > DEEPEST {
            return Value::Null;
        }
        if let Some(given) = self.given(schema, name) {
            return given;
        }
        let merged = effective(self.root, schema);
        if let Some(only) = merged.get("const") {
            return only.clone();
        }
        if let Some(options) = merged.get("enum").and_then(Value::as_array).filter(|options| !options.is_empty()) {
            return self.choose(options);
        }
        match kind(&merged) {
            Kind::Object => self.object(&merged, depth),
            Kind::Array => self.array(&merged, name, depth),
            Kind::Text => self.text(schema, &merged, name),
            Kind::Number => self.number(&merged, name, false),
            Kind::Integer => self.number(&merged, name, true),
            Kind::Boolean => self.truth(&merged, name),
            Kind::Null => Value::Null,
        }
    }

    /// The caller's own field of that name, where it fits. An answer does not repeat the caller's prose.
    fn given(&self, schema: &Value, name: &str) -> Option<Value> {
        let value = self.prompt.fields.get(name)?;
        let prose = self.purpose == Purpose::Answer
            && value.as_str().is_some_and(|text| text.len() > 60 || one_of(name, PROSE));
        (!prose && accepts(self.root, schema, value)).then(|| value.clone())
    }

    /// The option that the message speaks of most, the later one of equal ones: a prompt tends to list the options first
    /// and to bring the matter after that. Else one that the instructions name, else the first.
    fn choose(&self, options: &[Value]) -> Value {
        let label = |option: &Value| option.as_str().map_or_else(|| option.to_string(), str::to_string);
        for text in [&self.source, &self.prompt.system] {
            let said: Vec<String> = words(text).map(str::to_lowercase).collect();
            let mentions = |option: &Value| {
                let parts: Vec<String> = words(&label(option)).map(str::to_lowercase).collect();
                let here = |at: &usize| {
                    !parts.is_empty()
                        && said.len() >= at + parts.len()
                        && parts.iter().zip(&said[*at..]).all(|(part, word)| alike(part, word))
                };
                let places: Vec<usize> = (0..said.len()).filter(here).collect();
                (places.len(), places.last().copied())
            };
            let best = options.iter().map(|option| (mentions(option), option)).max_by_key(|(mentions, _)| *mentions);
            if let Some(((1.., _), option)) = best {
                return option.clone();
            }
        }
        options[0].clone()
    }

    fn object(&mut self, schema: &Map<String, Value>, depth: usize) -> Value {
        let empty = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
        let required: Vec<&str> =
            schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let at_least = count(schema, "minProperties").unwrap_or(0);
        let mut object = Map::new();
        for (name, property) in properties {
            let wanted = required.contains(&name.as_str())
                || (depth < SHALLOW && (required.is_empty() || self.speaks_of(property, name)))
                || object.len() + required.len() < at_least;
            if wanted {
                let value = self.value(property, name, depth + 1);
                object.insert(name.clone(), value);
            }
        }
        for name in required {
            if !object.contains_key(name) {
                let other = schema.get("additionalProperties").filter(|other| other.is_object()).cloned();
                let value = self.value(&other.unwrap_or_else(|| json!({})), name, depth + 1);
                object.insert(name.to_string(), value);
            }
        }
        Value::Object(object)
    }

    /// Whether an optional property is worth filling in.
    fn speaks_of(&self, property: &Value, name: &str) -> bool {
        self.given(property, name).is_some()
            || (self.purpose == Purpose::Arguments && after_mention(&self.prompt.user, name).is_some())
    }

    fn array(&mut self, schema: &Map<String, Value>, name: &str, depth: usize) -> Value {
        let (least, most) = (count(schema, "minItems").unwrap_or(0).min(MAX_ITEMS), count(schema, "maxItems"));
        let most = most.unwrap_or(MAX_ITEMS).max(least);
        let mut items = Vec::new();
        for schema in schema.get("prefixItems").and_then(Value::as_array).into_iter().flatten() {
            items.push(self.value(schema, name, depth + 1));
        }
        let Some(item) = schema.get("items").filter(|item| **item != Value::Bool(false)) else {
            return Value::Array(self.filled(items, &json!({}), name, least, depth));
        };
        let merged = effective(self.root, item);
        let plain = !merged.contains_key("enum") && !merged.contains_key("const");
        let suggested: Vec<Value> = match kind(&merged) {
            _ if depth >= SHALLOW || !plain => Vec::new(),
            Kind::Text => self.keywords.iter().take(3).map(|word| json!(word)).collect(),
            Kind::Number | Kind::Integer => self.unused.iter().map(|number| json_number(*number)).collect(),
            _ => Vec::new(),
        };
        for value in suggested.into_iter().take(most) {
            if accepts(self.root, item, &value) {
                items.push(value);
            }
        }
        let wanted = if items.is_empty() && depth < SHALLOW { 1 } else { 0 };
        Value::Array(self.filled(items, item, name, least.max(wanted).min(most), depth))
    }

    /// Adds items until there are `wanted`, none of them twice where the kind of item allows it.
    fn filled(&mut self, mut items: Vec<Value>, schema: &Value, name: &str, wanted: usize, depth: usize) -> Vec<Value> {
        let options = effective(self.root, schema).get("enum").and_then(Value::as_array).cloned().unwrap_or_default();
        while items.len() < wanted {
            let mut item = self.value(schema, name, depth + 1);
            if items.contains(&item) {
                let fresh = |value: &Value| !items.contains(value) && accepts(self.root, schema, value);
                let varied = (1..=items.len() + 1).filter_map(|n| match &item {
                    Value::String(text) => Some(json!(format!("{text} {n}"))),
                    Value::Number(number) => number.as_f64().map(|number| json_number(number + n as f64)),
                    Value::Bool(truth) => Some(json!(!truth)),
                    _ => None,
                });
                let lower =
                    (1..=items.len() + 1).filter_map(|n| item.as_f64().map(|number| json_number(number - n as f64)));
                item = options.iter().cloned().chain(varied).chain(lower).find(fresh).unwrap_or(item);
            }
            items.push(item);
        }
        items
    }

    fn number(&mut self, schema: &Map<String, Value>, name: &str, integer: bool) -> Value {
        let bounds = Bounds::of(schema, integer);
        let mentioned = after_mention(&self.source, name).and_then(|word| {
            let number = numbers(word).first().map(|(number, _)| *number);
            number.filter(|number| bounds.hold(*number))
        });
        if let Some(number) = mentioned {
            self.unused.retain(|other| *other != number);
            return json_number(number);
        }
        let bounded = schema.contains_key("minimum") && schema.contains_key("maximum");
        if self.purpose == Purpose::Arguments || !bounded {
            if let Some(at) = self.unused.iter().position(|number| bounds.hold(*number)) {
                return self.unused.remove(at).map_or(Value::Null, json_number);
            }
            if let Some(default) = schema.get("default").filter(|value| value.as_f64().is_some_and(|n| bounds.hold(n)))
            {
                return default.clone();
            }
        }
        json_number(bounds.number(self.prompt.pick(name, 101) as f64 / 100.0))
    }

    /// True if the message speaks of it without denying it.
    fn truth(&self, schema: &Map<String, Value>, name: &str) -> Value {
        let parts: Vec<String> =
            name_words(name).filter(|part| !matches!(part.as_str(), "is" | "has" | "needs")).collect();
        let said: Vec<String> = words(&self.prompt.user).map(str::to_lowercase).collect();
        match said.iter().position(|word| parts.iter().any(|part| alike(part, word))) {
            Some(at) => {
                let before = &said[at.saturating_sub(3)..at];
                json!(!before.iter().any(|word| matches!(word.as_str(), "not" | "no" | "never" | "isn't" | "without")))
            }
            None => schema.get("default").filter(|value| value.is_boolean()).cloned().unwrap_or(json!(false)),
        }
    }

    fn text(&self, declared: &Value, schema: &Map<String, Value>, name: &str) -> Value {
        if let Some(pattern) = schema.get("pattern").and_then(Value::as_str)
            && let Some(text) = matching(pattern, &self.source)
        {
            return json!(text);
        }
        if let Some(text) = schema.get("format").and_then(Value::as_str).and_then(formatted) {
            return json!(text);
        }
        let proposed = match self.purpose {
            Purpose::Answer => self.prose(name),
            Purpose::Arguments => self.argument(name),
        };
        let text = proposed.unwrap_or_else(|| {
            let examples = schema.get("examples").and_then(Value::as_array).into_iter().flatten();
            let declared =
                schema.get("default").into_iter().chain(examples).find(|value| accepts(self.root, declared, value));
            declared.and_then(Value::as_str).map(str::to_string).unwrap_or_else(|| self.keyword(name))
        });
        json!(fitted(text, count(schema, "minLength").unwrap_or(0), count(schema, "maxLength")))
    }

    fn prose(&self, name: &str) -> Option<String> {
        if name.is_empty() || one_of(name, PROSE) {
            let results: String =
                self.prompt.results.iter().map(|(tool, result)| format!(" {tool} gave {result}.")).collect();
            return Some(gist(&format!("{MARK} On “{}”.{results}", gist(&self.prompt.subject, 100)), 400));
        }
        if one_of(name, HEADINGS) {
            let mut title: String = self.keywords.iter().take(4).cloned().collect::<Vec<_>>().join(" ");
            if let Some(first) = title.get(..1).map(str::to_uppercase) {
                title.replace_range(..1, &first);
            }
            return Some(title).filter(|title| !title.is_empty());
        }
        after_mention(&self.source, name).map(str::to_string)
    }

    fn argument(&self, name: &str) -> Option<String> {
        let user = &self.prompt.user;
        if one_of(name, SUMS) {
            return arithmetic(user);
        }
        if let Some(quoted) = quoted(user) {
            return Some(quoted.to_string());
        }
        if one_of(name, SPEECH) {
            return Some(user.clone()).filter(|user| !user.is_empty());
        }
        let proper =
            || words(user).skip(1).find(|word| word.chars().next().is_some_and(char::is_uppercase) && word.len() > 1);
        after_mention(user, name).or_else(proper).map(str::to_string)
    }

    /// A word of the message, another one for another name.
    fn keyword(&self, name: &str) -> String {
        let at = self.prompt.pick(name, self.keywords.len().min(5) as u64) as usize;
        self.keywords.get(at).cloned().unwrap_or_else(|| "simulated".to_string())
    }
}

fn one_of(name: &str, list: &[&str]) -> bool {
    name_words(name).any(|part| list.contains(&part.as_str()))
}

/// An instance of the formats that schemas use most.
fn formatted(format: &str) -> Option<&'static str> {
    Some(match format {
        "date-time" => "2026-01-15T09:30:00Z",
        "date" => "2026-01-15",
        "time" => "09:30:00Z",
        "duration" => "PT1H",
        "email" | "idn-email" => "someone@example.com",
        "hostname" | "idn-hostname" => "example.com",
        "ipv4" => "192.0.2.1",
        "ipv6" => "2001:db8::1",
        "uri" | "iri" | "uri-reference" | "iri-reference" | "url" => "https://example.com/",
        "uuid" => "00000000-0000-4000-8000-000000000000",
        _ => return None,
    })
}

/// A text of the required length: repeated if it is too short, cut if it is too long.
fn fitted(text: String, least: usize, most: Option<usize>) -> String {
    let mut fitted = if text.is_empty() { "simulated".to_string() } else { text };
    let unit = fitted.clone();
    while fitted.chars().count() < least {
        fitted.push(' ');
        fitted.push_str(&unit);
    }
    match most {
        Some(most) if fitted.chars().count() > most => fitted.chars().take(most.max(least)).collect(),
        _ => fitted,
    }
}
