//! What editors ask of the schema: what can stand at a place, and what it means.

use aikit_yaml::{Node, NodeKind, Segment};
use serde_json::{Map, Value};

use super::{Kind, description, discriminator, enum_words, pattern_accepts, resolve};
use crate::words::{self, Format};

/// What can stand at one place of a document, as plain data for completion and hover.
#[derive(Debug, Clone, Default)]
pub struct SchemaView {
    /// What it means.
    pub description: &'static str,
    /// What it is, in words: `a text`, `a list`, `a text or a mapping`.
    pub type_name: String,
    /// The words that can stand here, if only certain words can.
    pub values: Vec<ValueView>,
    /// The keys that can stand here, in the order in which they are documented.
    pub properties: Vec<PropertyView>,
    /// Keys of which exactly one must stand here, as the kind keys of a step.
    pub one_of: Vec<&'static str>,
    /// The rule for the names of a mapping whose keys are the author's own.
    pub names: Option<&'static Format>,
    /// The rule for a text.
    pub format: Option<&'static Format>,
    /// The namespace of the name that stands here: `builtin`, `model`, `prompt`, `provider`, `secret`, `step` or `tool`.
    pub reference: Option<&'static str>,
    /// What the text is written in: `template`, `cel`, `lua`, `js`, `json-schema`, or `dynamic` for JSON whose texts are
    /// templates.
    pub language: Option<&'static str>,
    /// What holds where nothing is written.
    pub default: Option<&'static Value>,
    /// Keys and words that this version does not execute.
    pub not_executed: Vec<&'static str>,
}

/// A key that can stand in a mapping.
#[derive(Debug, Clone)]
pub struct PropertyView {
    /// The key.
    pub name: &'static str,
    /// What it means.
    pub description: &'static str,
    /// What stands under it, in words.
    pub type_name: String,
    /// Whether it must be there.
    pub required: bool,
}

/// A word that can stand as a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueView {
    /// The word.
    pub value: &'static str,
    /// What it means.
    pub description: &'static str,
}

/// What can stand at `path`. `root` is the document as far as it is written: where the language decides by a value (the
/// `kind` of a tool) or by a type (a prompt as text or as mapping), what is written decides; otherwise everything that
/// could stand there is offered. `None` where nothing of the language stands, as inside `metadata`.
pub fn at_path(root: Option<&Node>, path: &[Segment]) -> Option<SchemaView> {
    let mut node = root;
    let mut site = super::root(root.map(Kind::of).unwrap_or_default());
    let mut schemas = branches(site, node);
    let mut outer = "";
    for segment in path {
        let next: Vec<&'static Value> = schemas.iter().filter_map(|schema| below(schema, segment)).collect();
        outer = description(site).unwrap_or(outer);
        site = next.first()?;
        node = node.and_then(|node| match segment {
            Segment::Key(key) => node.get(key),
            Segment::Index(index) => node.items().get(*index),
        });
        schemas = next.into_iter().flat_map(|schema| branches(schema, node)).collect();
    }
    let mut view = SchemaView { description: description(site).unwrap_or_default(), ..SchemaView::default() };
    // One form that was chosen says more than what all forms have in common.
    if let [chosen] = schemas.as_slice() {
        view.description = description(chosen).filter(|_| site.get("anyOf").is_some()).unwrap_or(view.description);
    }
    view.default = site.get("default").or_else(|| resolve(site).get("default"));
    view.type_name = type_name(site);
    for (i, schema) in schemas.iter().enumerate() {
        view.add(schema.as_object()?, i == 0);
    }
    if view.description.is_empty() {
        view.description = outer;
    }
    if matches!(path, [Segment::Key(key)] if key == "kind") {
        let value = |kind: Kind| {
            let meaning = super::root(kind).get("description").and_then(Value::as_str).unwrap_or_default();
            ValueView { value: kind.word(), description: meaning }
        };
        view.values = Kind::ALL.into_iter().map(value).collect();
    }
    Some(view)
}

impl SchemaView {
    fn add(&mut self, schema: &'static Map<String, Value>, first: bool) {
        let text = |key: &str| schema.get(key).and_then(Value::as_str);
        self.format = self.format.or_else(|| words::format(text("x-aikit-format")?));
        self.language = self.language.or_else(|| text("x-aikit-language"));
        let by_format = || (text("x-aikit-format") == Some("model")).then_some("model");
        self.reference = self.reference.or_else(|| text("x-aikit-ref")).or_else(by_format);
        for keyword in ["x-aikit-not-executed", "x-aikit-not-supported"] {
            let words = schema.get(keyword).and_then(Value::as_array).into_iter().flatten();
            for word in words.into_iter().filter_map(Value::as_str) {
                if !self.not_executed.contains(&word) {
                    self.not_executed.push(word);
                }
            }
        }
        if let Some(words) = enum_words(schema) {
            let meaning = |word: &str| {
                let branches = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
                let branch =
                    branches.into_iter().find(|branch| branch.get("const").and_then(Value::as_str) == Some(word));
                branch.and_then(|branch| branch.get("description")?.as_str()).unwrap_or_default()
            };
            self.values.extend(words.iter().map(|word| ValueView { value: word, description: meaning(word) }));
        } else if let Some(alternatives) = schema.get("oneOf").and_then(Value::as_array) {
            self.one_of.extend(alternatives.iter().filter_map(|branch| branch.get("required")?.get(0)?.as_str()));
        }
        let required = |name: &str| {
            let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
            required.into_iter().any(|key| key.as_str() == Some(name))
        };
        // A key is required only if every form that the value can have requires it.
        for property in &mut self.properties {
            property.required &= required(property.name);
        }
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
            let patterns = schema.get("patternProperties").and_then(Value::as_object);
            let pattern = patterns.and_then(|patterns| patterns.keys().next());
            self.names = self
                .names
                .or_else(|| words::FORMATS.iter().find(|format| Some(format.pattern) == pattern.map(String::as_str)));
            return;
        };
        for (name, schema) in properties {
            let known = self.properties.iter().any(|property| property.name == name);
            if !known {
                self.properties.push(PropertyView {
                    name,
                    description: description(schema).unwrap_or_default(),
                    type_name: type_name(schema),
                    required: first && required(name),
                });
            }
        }
        // The values of a discriminator add up.
        if let Some(value) = schema.get("const").and_then(Value::as_str) {
            self.values.push(ValueView { value, description: text("description").unwrap_or_default() });
        }
    }
}

/// The forms that a value can have, narrowed by what is written.
pub(super) fn branches(schema: &'static Value, node: Option<&Node>) -> Vec<&'static Value> {
    let mut schema = resolve(schema);
    if schema.get("x-aikit-language").and_then(Value::as_str) == Some("patch") {
        schema = super::root(Kind::Agent);
    }
    let written = node.filter(|node| !node.is_null());
    if let Some(union) = schema.get("anyOf").and_then(Value::as_array) {
        let fits = |branch: &&Value| {
            let ty = branch.get("type").and_then(Value::as_str).unwrap_or("object");
            written.is_none_or(|node| match node.kind {
                NodeKind::Mapping(_) => ty == "object",
                NodeKind::Sequence(_) => ty == "array",
                _ => true,
            })
        };
        let all: Vec<&'static Value> = union.iter().map(resolve).collect();
        let fitting = all.iter().copied().filter(fits).flat_map(|branch| branches(branch, node)).collect::<Vec<_>>();
        return if fitting.is_empty() { all } else { fitting };
    }
    if let (Some(tag), Some(union)) = (discriminator(schema), schema.get("oneOf").and_then(Value::as_array)) {
        let chosen = written.and_then(|node| node.get(tag)?.as_str());
        let word = |branch: &&'static Value| branch.get("properties")?.get(tag)?.get("const")?.as_str();
        if let Some(branch) = union.iter().find(|branch| chosen.is_some() && word(branch) == chosen) {
            return vec![branch];
        }
        return union.iter().collect();
    }
    vec![schema]
}

/// The schema below one form of a value.
pub(super) fn below(schema: &'static Value, segment: &Segment) -> Option<&'static Value> {
    match segment {
        Segment::Index(_) => schema.get("items"),
        Segment::Key(key) => {
            let property = schema.get("properties").and_then(|properties| properties.get(key));
            let patterns = schema.get("patternProperties").and_then(Value::as_object);
            let pattern =
                || patterns?.iter().find(|(pattern, _)| pattern_accepts(pattern, key)).map(|(_, schema)| schema);
            let others = || schema.get("additionalProperties");
            property.or_else(pattern).or_else(others).filter(|schema| schema.is_object())
        }
    }
}

fn type_name(schema: &'static Value) -> String {
    let schema = resolve(schema);
    if let Some(union) = schema.get("anyOf").and_then(Value::as_array) {
        let mut names: Vec<String> = union.iter().map(type_name).collect();
        names.dedup();
        return names.join(" or ");
    }
    let discriminated = discriminator(schema).is_some();
    match schema.get("type").and_then(Value::as_str) {
        Some("array") => "a list".to_owned(),
        Some("object") => "a mapping".to_owned(),
        Some("integer") => "a whole number".to_owned(),
        Some("number") => "a number".to_owned(),
        Some("boolean") => "`true` or `false`".to_owned(),
        _ if discriminated => "a mapping".to_owned(),
        Some("string") => "a text".to_owned(),
        None if schema.get("oneOf").is_some() => "a word".to_owned(),
        _ => "anything".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use expect_test::{Expect, expect};

    use super::*;

    fn check(source: &str, path: &str, expect: Expect) {
        let parsed = aikit_yaml::parse(source);
        let segments: Vec<Segment> = path
            .split(['.', '['])
            .filter(|part| !part.is_empty())
            .map(|part| match part.strip_suffix(']') {
                Some(index) => Segment::Index(index.parse().unwrap()),
                None => Segment::Key(part.to_owned()),
            })
            .collect();
        let view = at_path(parsed.documents.first().map(|document| &document.root), &segments);
        let mut text = String::new();
        match view {
            None => text.push_str("nothing\n"),
            Some(view) => {
                let _ = writeln!(text, "{} — {}", view.type_name, view.description);
                for property in &view.properties {
                    let mark = if property.required { "!" } else { "" };
                    let _ = writeln!(text, "  {}{mark}: {}", property.name, property.type_name);
                }
                for value in &view.values {
                    let _ = writeln!(text, "  = {}: {}", value.value, value.description);
                }
                let names = view.names.map(|format| format.name);
                let format = view.format.map(|format| format.name);
                let marks =
                    [("names", names), ("format", format), ("ref", view.reference), ("language", view.language)];
                for (what, mark) in marks {
                    if let Some(mark) = mark {
                        let _ = writeln!(text, "  {what} {mark}");
                    }
                }
                if !view.one_of.is_empty() {
                    let _ = writeln!(text, "  one of {:?}", view.one_of);
                }
                if let Some(default) = view.default {
                    let _ = writeln!(text, "  default {default}");
                }
            }
        }
        expect.assert_eq(&text);
    }

    #[test]
    fn mappings_offer_their_keys() {
        check(
            "",
            "",
            expect![[r#"
                a mapping — An agent: who it is, what goes in and out, which models and tools it uses, and what it does.
                  spec_version: a word
                  format_version: a word
                  kind: a word
                  identity!: a mapping
                  interface: a mapping
                  governance: a mapping
                  integration: a mapping
                  intelligence: a mapping
                  behavior: a mapping
                  context_policy: a mapping
                  memory: a mapping
                  storage: a mapping
                  observability: a mapping
                  network: a mapping
                  schemas: a mapping
                  imports: a list
                  extends: a text
                  overlays: a mapping
                  tests: a list
                  metadata: a mapping
            "#]],
        );
        check(
            "",
            "behavior.steps[0]",
            expect![[r#"
                a mapping — One step. Exactly one key says what it does: `llm`, `agent`, `tool`, `mcp`, `a2a`, `script`, `set`, `assert`, `switch`, `parallel`, `map`, `loop`, `subflow`, `human`, `retrieve`, `remember`, `recall`, `emit`, `wait`, `raise`, `return` or `http`.
                  name!: a text
                  description: a text
                  when: a text
                  needs: a list
                  output: a mapping
                  save: a mapping
                  timeout: a text
                  retry: a mapping
                  on_error: a list
                  llm: a text or a mapping
                  agent: a text
                  input: a mapping
                  tool: a text
                  args: a mapping
                  compensate: a list
                  cache: a mapping
                  model: a text
                  breakpoint: `true` or `false`
                  mcp: a text
                  a2a: a mapping
                  subflow: a text
                  human: a mapping
                  retrieve: a mapping
                  remember: a mapping
                  recall: a mapping
                  emit: a mapping
                  wait: a mapping
                  raise: a text or a mapping
                  http: a mapping
                  script: a mapping
                  set: a mapping
                  assert: a text or a mapping
                  parallel: a mapping
                  map: a mapping
                  loop: a mapping
                  switch: a list
                  return: anything
                  one of ["llm", "agent", "tool", "mcp", "a2a", "script", "set", "assert", "switch", "parallel", "map", "loop", "subflow", "human", "retrieve", "remember", "recall", "emit", "wait", "raise", "return", "http"]
            "#]],
        );
        check(
            "",
            "intelligence.models",
            expect![[r#"
            a mapping — Models by name.
              names name
        "#]],
        );
        check(
            "",
            "intelligence.models.fast.parameters",
            expect![[r#"
                a mapping — Sampling.
                  temperature: a number
                  top_p: a number
                  max_tokens: a whole number
                  stop: a list
                  seed: a whole number
                  top_k: a whole number
                  reasoning: a word
                  penalties: a mapping
            "#]],
        );
    }

    #[test]
    fn values_say_what_they_mean() {
        check(
            "",
            "behavior.type",
            expect![[r#"
                a word — How the agent works; `chat` without steps and `workflow` with steps, unless said otherwise.
                  = chat: One turn of a conversation: the inputs are the person's message, the model answers and may use tools.
                  = sequential: The steps run in the order of the document.
                  = workflow: The steps run in an order that respects `needs`; otherwise in the order of the document.
                  = state_machine: One state at a time; events lead from one to the next.
                  = state_graph: The steps are nodes; edges say which one comes next.
            "#]],
        );
        check(
            "",
            "kind",
            expect![[r#"
                a word — What the document describes.
                  = Agent: An agent: who it is, what goes in and out, which models and tools it uses, and what it does.
                  = Application: Agents that work together: their workflows, events, stores and rights.
                  = TestSuite: Cases that an agent is tried with.
                  = Library: Parts that documents import.
                  = Overlay: What is different in an environment.
                  = Preset: What agents begin with.
            "#]],
        );
        check(
            "",
            "intelligence.model",
            expect![[r#"
            a text — The model that is used where a step names none: a declared one, or `provider/model`. Without it the declared model `default`, or the only one, or `scripted/auto`, which answers offline and by rule.
              format model
              ref model
        "#]],
        );
        check(
            "",
            "behavior.steps[0].when",
            expect![[r#"
            a text — A CEL condition; the step runs only if it holds.
              language cel
        "#]],
        );
        check(
            "",
            "behavior.steps[0].needs[0]",
            expect![[r#"
                a text — Steps that must have ended before this one begins.
                  format reference
                  ref step
            "#]],
        );
        check(
            "",
            "behavior.steps[0].llm",
            expect![[r#"
            a text or a mapping — Asks a model. A plain text is the prompt.
              prompt: a text or a mapping or a list
              model: a text
              tools: a list
              output: a mapping
              max_iterations: a whole number
              language template
        "#]],
        );
        check(
            "",
            "behavior.steps[1].set.x",
            expect![[r#"
                anything — Writes the state: place in the state to value; texts may be templates.
                  language dynamic
            "#]],
        );
        check(
            "",
            "intelligence.output.max_repairs",
            expect![[r#"
            a whole number — How many repairs or retries at most.
              default 2
        "#]],
        );
    }

    #[test]
    fn what_is_written_narrows_what_is_offered() {
        let source = "integration:\n  tools:\n    - {name: a, kind: builtin}\n    - {name: b}\n    - c\n";
        check(
            source,
            "integration.tools[0]",
            expect![[r#"
                a text or a mapping — A tool that comes with aikit, under its own name.
                  kind!: a text
                  name!: a text
                  description: a text
                  effect: a word
                  idempotent: `true` or `false`
                  confirm: a text
                  timeout: a text
                  retry: a mapping
                  cache: a mapping
                  cost: a number
                  mock: anything
            "#]],
        );
        check(
            source,
            "integration.tools[1]",
            expect![[r#"
                a text or a mapping — A tool: the name of a built-in one, or a declaration.
                  kind!: a text
                  name!: a text
                  description: a text
                  effect: a word
                  idempotent: `true` or `false`
                  confirm: a text
                  timeout: a text
                  retry: a mapping
                  cache: a mapping
                  cost: a number
                  mock: anything
                  input: a mapping
                  output: a mapping
                  code: a text
                  file: a text
                  instructions: a whole number
                  memory_mb: a whole number
                  method: a word
                  url: a text
                  headers: a mapping
                  body: anything
                  url_allow: a list
                  secret: a text
                  spec: a text
                  operations: a list
                  base_url: a text
                  server: a text
                  tool: a text
                  agent: a text
                  steps: a list
                  argv: a list
                  cwd: a text
                  env: a mapping
                  function: a text
                  one of ["code", "file", "code", "file"]
            "#]],
        );
        check(
            source,
            "integration.tools[1].kind",
            expect![[r#"
                a text — A tool that comes with aikit, under its own name.
                  = builtin: 
                  = lua: 
                  = js: 
                  = http: 
                  = openapi: 
                  = mcp: 
                  = agent: 
                  = workflow: 
                  = command: 
                  = wasm: 
            "#]],
        );
        check(
            source,
            "integration.tools[2]",
            expect![[r#"
                a text or a mapping — A tool: the name of a built-in one, or a declaration.
                  kind: a text
                  name: a text
                  description: a text
                  effect: a word
                  idempotent: `true` or `false`
                  confirm: a text
                  timeout: a text
                  retry: a mapping
                  cache: a mapping
                  cost: a number
                  mock: anything
                  input: a mapping
                  output: a mapping
                  code: a text
                  file: a text
                  instructions: a whole number
                  memory_mb: a whole number
                  method: a word
                  url: a text
                  headers: a mapping
                  body: anything
                  url_allow: a list
                  secret: a text
                  spec: a text
                  operations: a list
                  base_url: a text
                  server: a text
                  tool: a text
                  agent: a text
                  steps: a list
                  argv: a list
                  cwd: a text
                  env: a mapping
                  function: a text
                  format reference
                  ref builtin
                  one of ["code", "file", "code", "file"]
            "#]],
        );
    }

    #[test]
    fn nothing_of_the_language_is_nothing() {
        check(
            "",
            "metadata.a",
            expect![[r#"
            nothing
        "#]],
        );
        check(
            "",
            "x-own",
            expect![[r#"
            nothing
        "#]],
        );
        check(
            "",
            "nope.nope",
            expect![[r#"
            nothing
        "#]],
        );
    }
}
