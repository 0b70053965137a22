//! The flow of the short form: one line per step; `->` names what is kept.

use std::collections::BTreeSet;

use aikit_core::TextRange;
use aikit_yaml::{Node, NodeKind};

use super::{Writer, list_of, map_of, number_at, put, text_at, written};

/// The steps of a flow.
pub(super) fn steps(writer: &mut Writer<'_>, flow: &Node, document: &Node) -> Node {
    let mut kept = BTreeSet::new();
    collect(flow, &mut kept);
    let inputs = document.get("in").map(Node::entries).unwrap_or_default();
    let inputs = inputs.iter().map(|entry| entry.name().trim_end_matches('?').to_owned()).collect();
    let mut lines = Lines { writer, kept, inputs, names: BTreeSet::new() };
    let mut steps = lines.steps(flow);
    lines.result(&mut steps, document);
    list_of(steps, flow.range)
}

/// Every name that a flow keeps.
fn collect(node: &Node, into: &mut BTreeSet<String>) {
    if let Some(text) = node.as_str()
        && let Some((_, name, _)) = kept(text)
    {
        into.insert(name.to_owned());
    }
    node.items().iter().for_each(|item| collect(item, into));
    node.entries().iter().for_each(|entry| collect(&entry.value, into));
}

/// `text -> name: type`: the text, the name and the type.
fn kept(text: &str) -> Option<(&str, &str, Option<&str>)> {
    let (body, rest) = text.rsplit_once("->")?;
    let (name, ty) = rest.split_once(':').map_or((rest, None), |(name, ty)| (name, Some(ty.trim())));
    let name = name.trim();
    let fits = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    fits.then_some((body.trim_end(), name, ty))
}

struct Lines<'w, 's> {
    writer: &'w mut Writer<'s>,
    /// The names that are kept, which are read without `state.`.
    kept: BTreeSet<String>,
    inputs: Vec<String>,
    names: BTreeSet<String>,
}

impl Lines<'_, '_> {
    fn steps(&mut self, flow: &Node) -> Vec<Node> {
        let mut steps: Vec<Node> = Vec::new();
        let single = std::slice::from_ref(flow);
        let items = if flow.items().is_empty() { single } else { flow.items() };
        for item in items {
            if let Some(text) = item.as_str() {
                steps.push(self.action("step", item, text, item.range));
                continue;
            }
            let [entry] = item.entries() else {
                // More than one key: a step of the long form.
                steps.push(item.clone());
                continue;
            };
            let (key, value, at) = (entry.name(), &entry.value, entry.key.range);
            if let Some(condition) = key.strip_prefix("if ") {
                let case = self.case(&entry.key, condition, value);
                steps.push(self.named("choose", at, vec![("switch", list_of(vec![case], at))]));
            } else if let Some(condition) = key.strip_prefix("elif ").or_else(|| key.strip_prefix("else if ")) {
                let case = self.case(&entry.key, condition, value);
                self.extend(&mut steps, case, at);
            } else if key == "else" {
                let body = list_of(self.steps(value), value.range);
                self.extend(&mut steps, map_of(vec![("default", body)], at), at);
            } else if let Some(rest) = key.strip_prefix("each ") {
                self.each(rest, &entry.key, value, &mut steps);
            } else if key == "approve" {
                let prompt = self.template(value);
                let human = map_of(vec![("ask", text_at("approve", at)), ("prompt", prompt)], value.range);
                steps.push(self.named("approve", at, vec![("human", human)]));
            } else if key == "return" {
                let value = self.template(value);
                steps.push(self.named("result", at, vec![("return", value)]));
            } else if let Some(text) = value.as_str() {
                steps.push(self.action(key, value, text, at));
            } else {
                let message = format!("`{key}` must be a text that says what is done");
                self.writer.complain(at, message);
            }
        }
        steps
    }

    /// A step with a name of its own.
    fn named(&mut self, wanted: &str, at: TextRange, members: Vec<(&str, Node)>) -> Node {
        let mut name: String = wanted
            .to_lowercase()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' })
            .collect();
        if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
            name.insert_str(0, "step-");
        }
        let mut number = 1;
        let base = name.clone();
        while !self.names.insert(name.clone()) {
            number += 1;
            name = format!("{base}-{number}");
        }
        let mut all = vec![("name", text_at(&name, at))];
        all.extend(members);
        map_of(all, at)
    }

    fn case(&mut self, key: &Node, condition: &str, value: &Node) -> Node {
        let when = self.expression(key, condition);
        let body = list_of(self.steps(value), value.range);
        map_of(vec![("when", when), ("do", body)], key.range)
    }

    /// Adds a case to the `if` right before.
    fn extend(&mut self, steps: &mut [Node], case: Node, at: TextRange) {
        let switch = steps.last_mut().and_then(|step| match &mut step.kind {
            NodeKind::Mapping(entries) => entries.iter_mut().find(|entry| entry.name() == "switch"),
            _ => None,
        });
        match switch.map(|entry| &mut entry.value.kind) {
            Some(NodeKind::Sequence(cases)) => cases.push(case),
            _ => self.writer.complain(at, "there is no `if` before this".to_owned()),
        }
    }

    /// `each d in search(inputs.question) x4: …`
    fn each(&mut self, rest: &str, key: &Node, value: &Node, steps: &mut Vec<Node>) {
        let at = key.range;
        let Some((item, source)) = rest.split_once(" in ") else {
            return self.writer.complain(at, "write `each name in list`".to_owned());
        };
        let (source, times) = match source.rsplit_once(" x") {
            Some((source, times)) if times.parse::<u32>().is_ok() => (source.trim(), times.parse::<u32>().ok()),
            _ => (source.trim(), None),
        };
        let over = match call(source).filter(|(tool, _)| self.is_tool(tool)) {
            Some((tool, args)) => {
                let step = self.tool_step(tool, tool, args, at);
                let name = step.get("name").and_then(Node::as_str).unwrap_or_default().to_owned();
                steps.push(step);
                text_at(&format!("steps.{name}.output"), at)
            }
            None => self.expression(key, source),
        };
        let hidden = self.kept.take(item.trim());
        let mut body = self.steps(value);
        // What each item gives is the list that is kept behind the loop.
        let mut keep = None;
        if let Some(NodeKind::Mapping(entries)) = body.last_mut().map(|step| &mut step.kind)
            && let Some(position) = entries.iter().position(|entry| entry.name() == "save")
        {
            keep = Some(entries.remove(position).value);
        }
        self.kept.extend(hidden);
        let mut map = vec![("over", over), ("as", text_at(item.trim(), at))];
        if let Some(times) = times {
            map.push(("concurrency", number_at(times, at)));
        }
        map.push(("do", list_of(body, value.range)));
        let mut members = vec![("map", map_of(map, at))];
        members.extend(keep.map(|keep| ("save", keep)));
        steps.push(self.named("each", at, members));
    }

    /// A line that does something: hands over, calls a tool, or asks the model.
    fn action(&mut self, name: &str, node: &Node, text: &str, at: TextRange) -> Node {
        let (body, keep) = match kept(text) {
            Some((body, name, ty)) => (body, Some((name, ty))),
            None => (text, None),
        };
        let mut members: Vec<(&str, Node)> = Vec::new();
        let mut save = keep.map(|(name, _)| name);
        if let Some(agent) = body.trim().strip_prefix("handoff ") {
            let pass = self.inputs.iter().map(|name| (name.as_str(), text_at(&format!("{{{{ inputs.{name} }}}}"), at)));
            members.push(("input", map_of(pass.collect(), at)));
            members.insert(0, ("agent", self.writer.part(node, agent.trim())));
        } else if let Some((tool, args)) = call(body.trim()).filter(|(tool, _)| self.is_tool(tool)) {
            let step = self.tool_step(name, tool, args, at);
            return with_save(step, save, at);
        } else {
            let prompt = if body == text { self.template(node) } else { self.template_of(node, body) };
            match keep.and_then(|(_, ty)| ty) {
                None => members.push(("llm", prompt)),
                Some(ty) => {
                    let schema = self.writer.named_type(ty, node.range);
                    let output = map_of(vec![("schema", schema)], at);
                    members.push(("llm", map_of(vec![("prompt", prompt), ("output", output)], at)));
                }
            }
        }
        let step = self.named(name, at, members);
        with_save(step, save.take(), at)
    }

    fn tool_step(&mut self, name: &str, tool: &str, args: &str, at: TextRange) -> Node {
        let mut members = Vec::new();
        for (index, arg) in split(args).into_iter().enumerate() {
            let (key, value) =
                match arg.split_once('=').filter(|(key, rest)| is_name(key.trim()) && !rest.starts_with('=')) {
                    Some((key, value)) => (key.trim().to_owned(), value.trim()),
                    None => (self.argument(tool, index), arg.trim()),
                };
            let value = self.renamed(value);
            members.push((key, text_at(&format!("{{{{ {value} }}}}"), at)));
        }
        let args = map_of(members.iter().map(|(key, value)| (key.as_str(), value.clone())).collect(), at);
        self.named(name, at, vec![("tool", text_at(tool, at)), ("args", args)])
    }

    /// The name of an argument that is given by its position.
    fn argument(&mut self, tool: &str, index: usize) -> String {
        let tools = super::find(&mut self.writer.root, &["integration", "tools"]).map(|node| &*node);
        let declared = tools
            .and_then(|tools| tools.items().iter().find(|item| item.get("name").and_then(Node::as_str) == Some(tool)));
        let properties = declared.and_then(|tool| tool.get("input")?.get("properties"));
        let name = properties.and_then(|properties| Some(properties.entries().get(index)?.name().to_owned()));
        name.unwrap_or_else(|| if index == 0 { "query".to_owned() } else { format!("arg{}", index + 1) })
    }

    fn is_tool(&mut self, name: &str) -> bool {
        let tools = super::find(&mut self.writer.root, &["integration", "tools"]);
        tools.is_some_and(|tools| {
            let mut items = tools.items().iter();
            items.any(|item| item.as_str().or_else(|| item.get("name")?.as_str()) == Some(name))
        })
    }

    /// What comes out at the end, if the document says what that is and the flow keeps all of it.
    fn result(&mut self, steps: &mut Vec<Node>, document: &Node) {
        let Some(out) = document.get("out") else { return };
        let names: Vec<&str> = out.entries().iter().map(|entry| entry.name().trim_end_matches('?')).collect();
        let returns = steps.last().is_some_and(|step| step.get("return").is_some());
        if names.is_empty() || returns || !names.iter().all(|name| self.kept.contains(*name)) {
            return;
        }
        let at = out.range;
        let members = names.iter().map(|name| (*name, text_at(&format!("{{{{ state.{name} }}}}"), at))).collect();
        let step = self.named("result", at, vec![("return", map_of(members, at))]);
        steps.push(step);
    }

    /// A text in which kept names are read.
    fn template(&self, node: &Node) -> Node {
        let Some(text) = node.as_str() else { return node.clone() };
        let long = self.renamed_template(text);
        if long == text { node.clone() } else { text_at(&long, node.range) }
    }

    fn template_of(&self, node: &Node, body: &str) -> Node {
        let long = self.renamed_template(body);
        if long == body { self.writer.part(node, body) } else { text_at(&long, node.range) }
    }

    /// A condition that is a part of a key.
    fn expression(&self, key: &Node, condition: &str) -> Node {
        let condition = condition.trim();
        let long = self.renamed(condition);
        if long != condition {
            return text_at(&long, key.range);
        }
        match key.as_str().and_then(|text| text.find(condition)) {
            Some(start) if self.writer.is_verbatim(key) => {
                let from = key.range.start as usize + start;
                written(condition, TextRange::new(from, from + condition.len()))
            }
            _ => text_at(condition, key.range),
        }
    }

    /// `{{ kind }}` → `{{ state.kind }}`.
    fn renamed_template(&self, text: &str) -> String {
        let mut long = String::new();
        let mut rest = text;
        while let Some(start) = rest.find("{{").into_iter().chain(rest.find("{%")).min() {
            let close = if rest[start..].starts_with("{{") { "}}" } else { "%}" };
            let Some(end) = rest[start..].find(close).map(|end| start + end) else { break };
            long.push_str(&rest[..start + 2]);
            long.push_str(&self.renamed(&rest[start + 2..end]));
            long.push_str(close);
            rest = &rest[end + 2..];
        }
        long.push_str(rest);
        long
    }

    /// Kept names with `state.` before them, outside of texts and behind no dot.
    fn renamed(&self, code: &str) -> String {
        let mut long = String::new();
        let mut rest = code;
        let mut quote: Option<char> = None;
        let mut behind_dot = false;
        while let Some(first) = rest.chars().next() {
            let length = if quote.is_none() && (first.is_alphabetic() || first == '_') {
                rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
            } else {
                first.len_utf8()
            };
            let (word, behind) = rest.split_at(length);
            if quote.is_none() && !behind_dot && self.kept.contains(word) {
                long.push_str("state.");
            }
            match quote {
                Some(open) if open == first => quote = None,
                None if matches!(first, '"' | '\'') => quote = Some(first),
                _ => {}
            }
            behind_dot = first == '.';
            long.push_str(word);
            rest = behind;
        }
        long
    }
}

fn with_save(mut step: Node, name: Option<&str>, at: TextRange) -> Node {
    if let (Some(name), NodeKind::Mapping(entries)) = (name, &mut step.kind) {
        put(entries, &["save", name], text_at("output", at), at);
    }
    step
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// `search(a, b)`: the name and what stands in the brackets.
fn call(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.split_once('(')?;
    let args = rest.strip_suffix(')')?;
    name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')).then_some((name, args))
}

/// The arguments of a call, at the commas that stand in no bracket and no text.
fn split(args: &str) -> Vec<&str> {
    let (mut depth, mut quote, mut start) = (0_i32, None, 0);
    let mut parts = Vec::new();
    for (at, c) in args.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth -= 1,
            (None, ',') if depth == 0 => {
                parts.push(&args[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&args[start..]);
    parts.retain(|part| !part.trim().is_empty());
    parts
}
