//! From the long form back to the short one, where it fits.

use aikit_yaml::Node;
use serde_json::{Map, Value, json};

use super::{expand, title};

/// The short form of a document in long form; `None` where it does not fit: expanding it would not give the same document.
pub fn fold(root: &Node) -> Option<Node> {
    let long = root.to_json();
    let short = Folder { rest: long.as_object()?.clone(), short: Map::new() }.fold()?;
    let text = aikit_yaml::emit(&Node::from_json(&short));
    let parsed = aikit_yaml::parse(&text);
    let expanded = expand(&text, &parsed.documents.first()?.root)?;
    let same = expanded.diagnostics.is_empty() && expanded.root.to_json() == long;
    same.then(|| Node::from_json(&short))
}

struct Folder {
    /// What has not found its place yet.
    rest: Map<String, Value>,
    short: Map<String, Value>,
}

impl Folder {
    fn fold(mut self) -> Option<Value> {
        let id = self.take(&["identity", "agent_id"])?.as_str()?.to_owned();
        let version = self.take(&["identity", "version"]);
        let agent = version.as_ref().and_then(Value::as_str).map_or(id.clone(), |version| format!("{id}@{version}"));
        self.put("agent", agent);
        let name = self.take(&["identity", "name"])?;
        if name.as_str() != Some(title(&id).as_str()) {
            self.put("name", name);
        }
        if let Some(description) = self.take(&["identity", "description"]) {
            self.put("description", description);
        }
        if let Some(system) = self.take(&["intelligence", "prompts", "system"]) {
            self.put("ask", system);
        }
        self.with();
        self.models();
        let steps = self.take(&["behavior", "steps"]);
        self.types(steps.is_some())?;
        self.limits();
        self.grants();
        if let Some(steps) = steps {
            let lines: Vec<Value> = steps.as_array()?.iter().map(line).collect();
            self.put("flow", lines);
        }
        self.tests();
        self.rest.retain(|_, value| !is_empty(value));
        if self.rest.contains_key("identity") {
            return None;
        }
        self.short.append(&mut self.rest);
        Some(Value::Object(self.short))
    }

    fn put(&mut self, key: &str, value: impl Into<Value>) {
        self.short.insert(key.to_owned(), value.into());
    }

    /// Takes what stands under a chain of keys.
    fn take(&mut self, path: &[&str]) -> Option<Value> {
        let (last, outer) = path.split_last()?;
        let mut map = &mut self.rest;
        for key in outer {
            map = map.get_mut(*key)?.as_object_mut()?;
        }
        map.shift_remove(*last)
    }

    fn with(&mut self) {
        let mut with = Vec::new();
        if let Some(Value::Array(tools)) = self.take(&["integration", "tools"]) {
            with.extend(tools);
        }
        if let Some(Value::Array(servers)) = self.take(&["integration", "mcp_servers"]) {
            for server in servers {
                let tool = server.get("tools").and_then(|tools| tools.get(0)).and_then(Value::as_str).unwrap_or("*");
                let name = server.get("name").and_then(Value::as_str).unwrap_or_default();
                with.push(json!(format!("mcp:{name}/{tool}")));
            }
        }
        if !with.is_empty() {
            self.put("with", with);
        }
    }

    fn models(&mut self) {
        let Some(model) = self.take(&["intelligence", "model"]) else { return };
        let mut text = model.as_str().unwrap_or_default().to_owned();
        if let Some(Value::Array(others)) = self.take(&["intelligence", "fallback_models"]) {
            for other in others {
                text.push_str(" | ");
                text.push_str(other.get("model").and_then(Value::as_str).unwrap_or_default());
            }
        }
        self.put("use", text);
    }

    fn types(&mut self, has_steps: bool) -> Option<()> {
        if let Some(inputs) = self.take(&["interface", "inputs"]) {
            let inputs = sugar(&inputs)?;
            self.put("in", inputs);
        }
        if let Some(outputs) = self.take(&["interface", "outputs"]) {
            let outputs = sugar(&outputs)?;
            self.put("out", outputs);
            if !has_steps {
                self.take(&["intelligence", "output", "schema"]);
            }
        }
        Some(())
    }

    fn limits(&mut self) {
        const LIMITS: [(&str, &[&str]); 5] = [
            ("usd", &["governance", "budget", "per_execution", "usd"]),
            ("tokens", &["governance", "budget", "per_execution", "tokens"]),
            ("calls", &["governance", "budget", "per_execution", "llm_calls"]),
            ("time", &["governance", "security", "resource_limits", "max_wall"]),
            ("steps", &["governance", "security", "resource_limits", "max_steps"]),
        ];
        self.group("limit", &LIMITS);
    }

    fn grants(&mut self) {
        const GRANTS: [(&str, &[&str]); 9] = [
            ("use", &["governance", "security", "allowed_tools"]),
            ("not", &["governance", "security", "denied_tools"]),
            ("ask", &["governance", "security", "ask_tools"]),
            ("net", &["governance", "security", "permits", "net"]),
            ("exec", &["governance", "security", "permits", "exec"]),
            ("read", &["governance", "security", "permits", "fs_read"]),
            ("write", &["governance", "security", "permits", "fs_write"]),
            ("env_allow", &["governance", "security", "permits", "env_allow"]),
            ("mcp", &["governance", "security", "permits", "mcp"]),
        ];
        self.group("may", &GRANTS);
    }

    fn group(&mut self, key: &str, members: &[(&str, &[&str])]) {
        let found: Map<String, Value> =
            members.iter().filter_map(|(name, path)| Some(((*name).to_owned(), self.take(path)?))).collect();
        if !found.is_empty() {
            self.put(key, found);
        }
    }

    fn tests(&mut self) {
        let Some(Value::Array(cases)) = self.take(&["tests"]) else { return };
        let short = |case: Value| {
            let Value::Object(mut case) = case else { return case };
            let mut short = Map::new();
            for (key, value) in std::mem::take(&mut case) {
                match (key.as_str(), &value) {
                    ("input", _) => drop(short.insert("in".into(), value)),
                    ("expect", Value::Object(expect)) if expect.len() == 1 && expect.contains_key("output") => {
                        short.insert("out".into(), expect["output"].clone());
                    }
                    _ => drop(short.insert(key, value)),
                }
            }
            Value::Object(short)
        };
        let cases: Vec<Value> = cases.into_iter().map(short).collect();
        self.put("test", cases);
    }
}

/// A step as a line; one that does not fit stays as it is.
fn line(step: &Value) -> Value {
    let folded = || {
        let map = step.as_object()?;
        let name = map.get("name")?.as_str()?;
        let kept = match map.get("save") {
            None => String::new(),
            Some(save) => {
                let save = save.as_object()?;
                let (key, value) = save.iter().next().filter(|_| save.len() == 1)?;
                (value == "output").then(|| format!(" -> {key}"))?
            }
        };
        let known = |allowed: &[&str]| map.keys().all(|key| allowed.contains(&key.as_str()));
        let text = match map.get("llm")? {
            Value::String(text) if known(&["name", "llm", "save"]) => format!("{text}{kept}"),
            Value::Object(body) if known(&["name", "llm", "save"]) && body.len() == 2 && !kept.is_empty() => {
                let schema = body.get("output").filter(|output| output.as_object().is_some_and(|o| o.len() == 1))?;
                let Value::String(ty) = sugar(schema.get("schema")?)? else { return None };
                format!("{}{kept}: {ty}", body.get("prompt")?.as_str()?)
            }
            _ => return None,
        };
        Some(json!({ name: text }))
    };
    folded().unwrap_or_else(|| step.clone())
}

/// The type of a JSON Schema as the short form writes it.
fn sugar(schema: &Value) -> Option<Value> {
    let map = schema.as_object()?;
    let only = |allowed: &[&str]| map.keys().all(|key| allowed.contains(&key.as_str()));
    match map.get("type").and_then(Value::as_str) {
        None if map.is_empty() => Some(json!("any")),
        Some("string") if map.contains_key("enum") && only(&["type", "enum"]) => {
            let words: Option<Vec<&str>> = map["enum"].as_array()?.iter().map(Value::as_str).collect();
            Some(json!(format!("enum({})", words?.join(", "))))
        }
        Some(ty @ ("string" | "integer" | "number" | "boolean")) if only(&["type"]) => Some(json!(match ty {
            "string" => "str",
            "integer" => "int",
            "number" => "num",
            _ => "bool",
        })),
        Some("array") if only(&["type", "items"]) => match map.get("items") {
            Some(items) => Some(json!([sugar(items)?])),
            None => Some(json!([])),
        },
        Some("object") if only(&["type", "properties", "required"]) => {
            let required: Vec<&str> =
                map.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
            let mut members = Map::new();
            for (name, schema) in map.get("properties")?.as_object()? {
                let mark = if required.contains(&name.as_str()) { "" } else { "?" };
                members.insert(format!("{name}{mark}"), sugar(schema)?);
            }
            Some(Value::Object(members))
        }
        _ => None,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.values().all(is_empty),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::compose::{self, Setting};

    #[test]
    fn the_short_form_comes_back() {
        let short = "agent: support@1.2.0\nask: Be kind.\nuse: ollama/qwen3 | scripted/auto\nin: {question: str, urgent?: bool, tags: [str]}\nout: {kind: \"enum(a, b)\", n: int}\nlimit: {usd: 0.1, time: 30s}\nmay: {net: [example.org]}\nwith: [echo]\nflow:\n  - sort: \"Sort {{ inputs.question }} -> kind: enum(a, b)\"\n  - say: Hello\n  - {name: own, set: {x: 1}}\ntest: [{name: one, in: {question: hi}, out: {n: 1}}]\n";
        let long = compose::document(short, &Setting::default()).unwrap();
        let back = aikit_yaml::emit(&fold(&long.root).unwrap());
        expect![[r#"
            agent: support@1.2.0
            ask: Be kind.
            with: [echo]
            use: ollama/qwen3 | scripted/auto
            in:
              question: str
              urgent?: bool
              tags: [str]
            out: {kind: "enum(a, b)", n: int}
            limit: {usd: 0.1, time: 30s}
            may:
              net: [example.org]
            flow:
              - {sort: "Sort {{ inputs.question }} -> kind: enum(a, b)"}
              - {say: Hello}
              - name: own
                set: {x: 1}
            test:
              - name: one
                in: {question: hi}
                out: {n: 1}
        "#]]
        .assert_eq(&back);
        assert_eq!(compose::document(&back, &Setting::default()).unwrap().root.to_json(), long.root.to_json());
        for beyond in [
            "identity: {agent_id: a, name: A, tags: [x]}\n",
            "identity: {agent_id: a, name: A}\ninterface: {inputs: {type: object, properties: {n: {type: integer, minimum: 1}}}}\n",
        ] {
            assert!(fold(&compose::document(beyond, &Setting::default()).unwrap().root).is_none(), "{beyond}");
        }
    }
}
