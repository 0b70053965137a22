//! Steps: their names, what they need, read, call and write.

use std::collections::BTreeMap;

use aikit_core::{Diagnostic, ErrorKind, TextRange, codes};
use aikit_yaml::{Node, NodeKind};
use serde_json::Value;

use super::{Checker, execution_order, is_template, schema_value};
use crate::{
    roots::{Roots, Shape, nearest},
    words::ErrorGlob,
};

/// The list of steps, wherever it is written.
pub(super) fn list(root: &Node) -> Option<&Node> {
    let behavior = root.get("behavior")?;
    behavior.get("steps").or_else(|| behavior.get("workflow")?.get("steps"))
}

/// Steps inside a step, and what is special about them.
pub(crate) struct Body<'n> {
    /// The list.
    pub steps: &'n Node,
    kind: BodyKind<'n>,
}

/// In which surroundings steps inside a step run.
#[derive(Clone, Copy, PartialEq)]
enum BodyKind<'n> {
    /// A case of a switch, or a branch: what is in it may be read behind the step, not by its siblings.
    Branch,
    /// A round: what is in it may be read behind the step.
    Round,
    /// An item of a list under this name: behind the step there are as many of each as there are items, so none is read.
    Item(&'n str),
    /// Instead of a step that failed.
    Error,
}

/// The steps inside a step.
pub(crate) fn bodies<'n>(step: &'n Node) -> Vec<Body<'n>> {
    let mut bodies = Vec::new();
    let mut add = |steps: Option<&'n Node>, kind: BodyKind<'n>| bodies.extend(steps.map(|steps| (steps, kind)));
    for case in step.get("switch").map(Node::items).unwrap_or_default() {
        add(case.get("do"), BodyKind::Branch);
        add(case.get("default"), BodyKind::Branch);
    }
    for branch in
        step.get("parallel").and_then(|parallel| parallel.get("branches")).map(Node::entries).unwrap_or_default()
    {
        add(Some(&branch.value), BodyKind::Branch);
    }
    if let Some(map) = step.get("map") {
        add(map.get("do"), BodyKind::Item(map.get("as").and_then(Node::as_str).unwrap_or("item")));
    }
    add(step.get("loop").and_then(|repeat| repeat.get("do")), BodyKind::Round);
    for case in step.get("on_error").map(Node::items).unwrap_or_default() {
        add(case.get("do"), BodyKind::Error);
    }
    bodies.into_iter().map(|(steps, kind)| Body { steps, kind }).collect()
}

/// Every step of the document, nested ones included.
pub(super) fn all(root: &Node) -> Vec<&Node> {
    fn collect<'n>(steps: &'n [Node], into: &mut Vec<&'n Node>) {
        for step in steps {
            into.push(step);
            bodies(step).iter().for_each(|body| collect(body.steps.items(), into));
        }
    }
    let mut steps = Vec::new();
    collect(list(root).map(Node::items).unwrap_or_default(), &mut steps);
    let Some(behavior) = root.get("behavior") else { return steps };
    for subflow in behavior.get("subflows").map(Node::entries).unwrap_or_default() {
        collect(subflow.value.get("steps").map(Node::items).unwrap_or_default(), &mut steps);
    }
    let states = behavior.get("state_machine").and_then(|machine| machine.get("states"));
    for state in states.map(Node::entries).unwrap_or_default() {
        for key in ["entry", "do", "exit"] {
            collect(state.value.get(key).map(Node::items).unwrap_or_default(), &mut steps);
        }
    }
    collect(
        behavior.get("graph").and_then(|graph| graph.get("nodes")).map(Node::items).unwrap_or_default(),
        &mut steps,
    );
    steps
}

/// Every step of the tools that consist of steps.
pub(super) fn of_tools(root: &Node) -> Vec<&Node> {
    let tools = root.get("integration").and_then(|integration| integration.get("tools")).map(Node::items);
    let steps = tools.unwrap_or_default().iter().filter_map(|tool| tool.get("steps"));
    steps.flat_map(|steps| below(steps.items())).collect()
}

/// These steps and those inside of them.
pub(super) fn below(steps: &[Node]) -> Vec<&Node> {
    let mut all = Vec::new();
    let mut pending: Vec<&Node> = steps.iter().rev().collect();
    while let Some(step) = pending.pop() {
        all.push(step);
        pending.extend(bodies(step).iter().flat_map(|body| body.steps.items()));
    }
    all
}

impl<'a> Checker<'a> {
    pub(super) fn behavior(&mut self) {
        let state_schema = self.schema(self.at(&["behavior", "state_schema"]));
        if let (Some(initial), Some(schema)) = (self.at(&["behavior", "state", "initial"]), &state_schema) {
            self.fits(initial, schema, "the initial state does not fit `behavior.state_schema`");
        }
        if let Some(behavior) = self.root.get("behavior")
            && let (Some(steps), Some(workflow)) = (behavior.entry("steps"), behavior.entry("workflow"))
        {
            let message = "the steps stand in `behavior.steps` and in `behavior.workflow`; only one of them can be";
            let diagnostic = Diagnostic::new(codes::DUPLICATE_NAME, workflow.key.range, message);
            self.push(diagnostic.with_related(steps.key.range, "the other one stands here"));
        }
        let kind = self.at(&["behavior", "type"]);
        let kind_word = kind.and_then(Node::as_str);
        let steps = list(self.root);
        let items = steps.map(Node::items).unwrap_or_default();
        match (kind, kind_word) {
            (Some(kind), Some("chat")) if !items.is_empty() => {
                let message = "a `chat` has no steps";
                self.push(
                    Diagnostic::new(codes::INVALID_VALUE, kind.range, message)
                        .with_help("use `workflow` or `sequential`, or remove the steps")
                        .with_fix("Replace with `workflow`", kind.range, "workflow"),
                );
            }
            (Some(kind), Some("sequential" | "workflow")) if items.is_empty() && !self.is_doubtful("behavior") => {
                let message = format!("a `{}` needs steps", kind_word.unwrap_or_default());
                self.push(Diagnostic::new(codes::NO_STEPS, kind.range, message).with_help("add `steps:` below"));
            }
            (None, _) if steps.is_some_and(|steps| matches!(steps.kind, NodeKind::Sequence(_))) && items.is_empty() => {
                let range = steps.map(|steps| steps.range).unwrap_or_default();
                self.push(Diagnostic::new(codes::NO_STEPS, range, "the workflow has no steps"));
            }
            _ => {}
        }
        self.step_names();
        let reorder = kind_word.is_none_or(|word| word == "workflow");
        let roots = self.roots();
        self.steps(items, reorder, roots.clone(), &mut Vec::new());
        self.subflows(&roots);
        self.state_machine(&roots);
        self.graph(&roots);
        self.hooks(&roots);
        self.workflow_tools();
        let needed = [("state_machine", "state_machine"), ("state_graph", "graph")];
        for (word, key) in needed.into_iter().filter(|(word, _)| kind_word == Some(*word)) {
            if let (Some(kind), None) = (kind, self.at(&["behavior", key])) {
                let message = format!("a `{word}` needs `behavior.{key}`");
                self.push(Diagnostic::new(codes::NO_STEPS, kind.range, message));
            }
        }
        if let Some(on) = self.at(&["behavior", "orchestration", "idempotency_key"]) {
            self.expression(on, &roots);
        }
    }

    fn step_names(&mut self) {
        let mut seen: BTreeMap<&str, TextRange> = BTreeMap::new();
        for name in all(self.root).into_iter().chain(of_tools(self.root)).filter_map(|step| step.get("name")) {
            let Some(text) = name.as_str() else { continue };
            match seen.get(text) {
                Some(first) => {
                    let message = format!("two steps have the name `{text}`");
                    let diagnostic = Diagnostic::new(codes::DUPLICATE_NAME, name.range, message);
                    self.diagnostics.push(diagnostic.with_related(*first, "the first one stands here"));
                }
                None => {
                    seen.insert(text, name.range);
                }
            }
        }
    }

    /// Checks a list of steps in the order in which they run; `before` are the names of the steps that have run. Gives what
    /// can be read behind them.
    pub(super) fn steps(
        &mut self,
        steps: &'a [Node],
        reorder: bool,
        mut roots: Roots,
        before: &mut Vec<&'a str>,
    ) -> Roots {
        let (order, circles) = execution_order(steps, reorder);
        let circular = !circles.is_empty();
        self.diagnostics.extend(circles);
        let siblings: Vec<&str> = steps.iter().filter_map(|step| step.get("name")?.as_str()).collect();
        let mut ended: Option<&Node> = None;
        for index in order {
            let step = &steps[index];
            self.needs(step, &siblings, before, reorder, circular);
            if let (Some(end), Some(name)) = (ended, step.get("name")) {
                let end_name = end.get("name").and_then(Node::as_str).unwrap_or_default();
                let message = format!("the step can never run: `{end_name}` ends the run before it");
                self.push(
                    Diagnostic::new(codes::UNREACHABLE, name.range, message).with_related(end.range, "it ends here"),
                );
                ended = None;
            }
            roots = self.step(step, roots, before);
            if (step.get("return").is_some() || step.get("raise").is_some() && step.get("on_error").is_none())
                && step.get("when").is_none()
            {
                ended = Some(step);
            }
        }
        roots
    }

    fn needs(&mut self, step: &'a Node, siblings: &[&str], before: &[&str], reorder: bool, circular: bool) {
        for need in step.get("needs").map(Node::items).unwrap_or_default() {
            let Some(name) = need.as_str() else { continue };
            if before.contains(&name) || circular && siblings.contains(&name) {
                continue;
            }
            if siblings.contains(&name) && !reorder {
                let message = format!("the step `{name}` does not come before this one");
                self.push(
                    Diagnostic::new(codes::UNKNOWN_STEP, need.range, message)
                        .with_help("move it up, or use `type: workflow`, which orders steps by `needs`"),
                );
                continue;
            }
            let known = siblings.iter().chain(before).copied();
            self.unknown(codes::UNKNOWN_STEP, need, "step", "behavior", known);
        }
    }

    /// One step. Gives what can be read behind it.
    fn step(&mut self, step: &'a Node, roots: Roots, before: &mut Vec<&'a str>) -> Roots {
        if let Some(when) = step.get("when") {
            self.condition(when, &roots);
        }
        self.companions(step);
        self.cases(step);
        self.less_usual(step, &roots);
        let declared = self.schema(step.get("output"));
        let mut output = None;
        if let Some(llm) = step.get("llm") {
            output = self.llm(llm, &roots);
        }
        if let Some(node) = step.get("tool") {
            let tool = if self.of_source(node) { None } else { self.tool(node) };
            output = tool.and_then(|tool| schema_value(tool.node.get("output")));
            let args = step.get("args");
            if let Some(args) = args {
                self.dynamic(args, &roots);
            }
            if let Some(schema) = tool.and_then(|tool| self.tool_input(tool.node, node)) {
                self.arguments(node, args, &schema);
            }
        }
        for key in ["set", "return"] {
            if let Some(value) = step.get(key) {
                self.dynamic(value, &roots);
            }
        }
        if let (Some(value), Some(schema)) = (step.get("return"), schema_value(self.at(&["interface", "outputs"]))) {
            self.returned(value, &schema);
        }
        self.writes(step);
        if let Some(input) = step.get("input") {
            self.dynamic(input, &roots);
        }
        if let Some(assert) = step.get("assert") {
            self.condition(assert.get("that").unwrap_or(assert), &roots);
            if let Some(message) = assert.get("message") {
                self.template(message, &roots);
            }
        }
        for case in step.get("switch").map(Node::items).unwrap_or_default() {
            if let Some(when) = case.get("when") {
                self.condition(when, &roots);
            }
        }
        if let Some(over) = step.get("map").and_then(|map| map.get("over")) {
            self.expression(over, &roots);
        }
        if let Some(condition) = step.get("loop").and_then(|repeat| repeat.get("while")) {
            self.condition(condition, &roots.clone().with("index", Shape::Scalar("a number")));
        }
        for case in step.get("on_error").map(Node::items).unwrap_or_default() {
            self.error_code(case.get("match"));
            if let Some(value) = case.get("use") {
                self.dynamic(value, &with_error(roots.clone()));
            }
            if let Some(raise) = case.get("raise") {
                self.raise(raise, &with_error(roots.clone()));
            }
        }
        for code in step.get("retry").and_then(|retry| retry.get("on")).map(Node::items).unwrap_or_default() {
            self.error_code(Some(code));
        }
        let mut behind = None;
        for body in bodies(step) {
            behind = Some(self.body(step, body, &roots, behind.unwrap_or_else(|| roots.clone()), before));
        }
        let output = declared.or(output);
        if let (Some(name), Some(output)) = (step.get("name").and_then(Node::as_str), &output) {
            self.outputs.insert(name, output.clone());
        }
        if let Some(compensate) = step.get("compensate") {
            let shape = output.as_ref().map_or(Shape::Any, Shape::from_schema);
            self.nested(compensate.items(), roots.clone().with("output", shape));
        }
        if let Some(save) = step.get("save") {
            let shape = output.as_ref().map_or(Shape::Any, Shape::from_schema);
            let scope = roots.clone().with("output", shape);
            for entry in save.entries() {
                self.expression(&entry.value, &scope);
            }
        }
        // Most steps hold no others: what they saw is handed on and not copied.
        let mut behind = behind.unwrap_or(roots);
        if let Some(name) = step.get("name").and_then(Node::as_str) {
            before.push(name);
            behind = behind.with_step(name, output.as_ref());
        }
        behind
    }

    /// The steps inside a step. Gives what can be read behind it.
    fn body(
        &mut self,
        step: &'a Node,
        body: Body<'a>,
        roots: &Roots,
        mut behind: Roots,
        before: &mut Vec<&'a str>,
    ) -> Roots {
        let number = || Shape::Scalar("a number");
        let inner = match body.kind {
            BodyKind::Branch => roots.clone(),
            BodyKind::Round => roots.clone().with("index", number()),
            BodyKind::Item(name) => roots.clone().with("index", number()).with(name, Shape::Any),
            BodyKind::Error => with_error(roots.clone()),
        };
        // What one body has done, its siblings cannot read; behind the step it may be there.
        let mut inside = before.clone();
        let ended = self.steps(body.steps.items(), false, inner, &mut inside);
        match body.kind {
            BodyKind::Round => {
                if let Some(condition) = step.get("loop").and_then(|repeat| repeat.get("until")) {
                    self.condition(condition, &ended);
                }
            }
            BodyKind::Item(_) => {
                if let Some(collect) = step.get("map").and_then(|map| map.get("collect")) {
                    self.expression(collect, &ended.with("output", Shape::Any));
                }
                return behind;
            }
            BodyKind::Branch | BodyKind::Error => {}
        }
        for name in inside.split_off(before.len()) {
            behind = behind.with_step(name, None);
            before.push(name);
        }
        behind
    }

    /// A pattern of error codes, which must fit one at least.
    pub(super) fn error_code(&mut self, node: Option<&Node>) {
        let Some((node, text)) = node.and_then(|node| Some((node, node.as_str()?))) else { return };
        let codes = || ErrorKind::ALL.iter().map(|kind| kind.code());
        if codes().any(|code| ErrorGlob(text.to_owned()).matches(code)) || self.fits_own_error(text) {
            return;
        }
        let diagnostic = Diagnostic::new(codes::INVALID_VALUE, node.range, format!("no error has the code `{text}`"));
        self.push(match nearest(text, codes()) {
            Some(meant) => diagnostic.with_help(format!("did you mean `{meant}`?")).with_fix(
                format!("Replace with `{meant}`"),
                node.range,
                meant,
            ),
            None => {
                let all: Vec<&str> = codes().collect();
                diagnostic.with_help(format!("the codes are {}", all.join(", ")))
            }
        });
    }

    /// What a model is asked; gives the schema of its answer.
    fn llm(&mut self, llm: &'a Node, roots: &Roots) -> Option<Value> {
        let NodeKind::Mapping(_) = llm.kind else {
            self.template(llm, roots);
            return None;
        };
        if let Some(prompt) = llm.get("prompt") {
            self.prompt(prompt, roots);
        }
        if let Some(model) = llm.get("model") {
            self.model(model);
        }
        for tool in llm.get("tools").map(Node::items).unwrap_or_default() {
            if !self.of_source(tool) {
                self.tool(tool);
            }
        }
        self.answer(llm.get("output"))
    }

    /// What a tool takes, as far as the document or the built-in tool says.
    fn tool_input(&self, tool: &Node, name: &Node) -> Option<Value> {
        if tool.get("kind").and_then(Node::as_str).is_some_and(|kind| kind != "builtin") {
            return schema_value(tool.get("input"));
        }
        let name = name.as_str()?;
        self.context.builtins.iter().find(|builtin| builtin.name == name).map(|builtin| builtin.input.clone())
    }

    /// The arguments of a tool: what it requires must be given, what is given literally must fit.
    fn arguments(&mut self, tool: &Node, args: Option<&Node>, schema: &Value) {
        let given = args.map(Node::entries).unwrap_or_default();
        let name = tool.as_str().unwrap_or_default();
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        for key in required.filter(|key| given.iter().all(|entry| entry.name() != *key)) {
            let message = format!("the tool `{name}` requires the argument `{key}`");
            self.push(
                Diagnostic::new(codes::DATAFLOW_MISSING, tool.range, message)
                    .with_help(format!("add `{key}:` to `args`")),
            );
        }
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
        let closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
        for entry in given {
            match properties.get(entry.name()) {
                Some(property) if !has_template(&entry.value) && property.get("$ref").is_none() => {
                    let what = format!("the argument `{}` does not fit the tool `{name}`", entry.name());
                    self.fits(&entry.value, property, &what);
                }
                None if closed => {
                    let message = format!("the tool `{name}` takes no argument `{}`", entry.name());
                    let diagnostic = Diagnostic::new(codes::DATAFLOW_TYPE, entry.key.range, message);
                    let known = properties.keys().map(String::as_str);
                    self.push(match nearest(entry.name(), known) {
                        Some(meant) => diagnostic.with_fix(format!("Rename to `{meant}`"), entry.key.range, meant),
                        None => diagnostic,
                    });
                }
                Some(property) if property.get("$ref").is_none() => {
                    self.covers(&entry.value, property, &format!("the tool `{name}`"));
                }
                _ => {}
            }
        }
    }

    /// An argument that is read from somewhere must always fit.
    fn covers(&mut self, value: &Node, property: &Value, taker: &str) {
        let Some(text) = value.as_str() else { return };
        let Ok(analysis) = crate::template::check(text) else { return };
        let [path] = analysis.paths.as_slice() else { return };
        let inner = text.trim().strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
        let path = path.to_string();
        if !analysis.native || inner.is_none_or(|inner| inner.trim() != path) {
            return;
        }
        let Some(given) = self.schema_of(&path) else { return };
        if let Some(example) = super::covers::offending(&given, property) {
            let message = format!("`{path}` may be {example}, which does not fit {taker}");
            self.push(Diagnostic::new(codes::DATAFLOW_TYPE, value.range, message));
        }
    }

    /// What ends the run must fit `interface.outputs`.
    fn returned(&mut self, value: &Node, schema: &Value) {
        if value.entries().is_empty() {
            return self.covers(value, schema, "`interface.outputs`");
        }
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        for key in required.filter(|key| value.get(key).is_none()) {
            let at = value.entries().first().map_or(value.range, |entry| entry.key.range);
            let message = format!("the result lacks `{key}`, which `interface.outputs` requires");
            self.push(Diagnostic::new(codes::DATAFLOW_MISSING, at, message));
        }
        for entry in value.entries() {
            let Some(property) = properties.get(entry.name()) else { continue };
            if has_template(&entry.value) {
                self.covers(&entry.value, property, "`interface.outputs`");
            } else {
                let what = format!("`{}` does not fit `interface.outputs`", entry.name());
                self.fits(&entry.value, property, &what);
            }
        }
    }

    /// Keys of the state that its schema does not know.
    fn writes(&mut self, step: &Node) {
        let Some(schema) = schema_value(self.at(&["behavior", "state_schema"])) else { return };
        let open = schema.get("additionalProperties").is_some_and(|more| *more != Value::Bool(false));
        let Some(properties) = schema.get("properties").and_then(Value::as_object).filter(|_| !open) else { return };
        for key in ["set", "save"] {
            for entry in step.get(key).map(Node::entries).unwrap_or_default() {
                let path = entry.name().strip_prefix("state.").unwrap_or(entry.name());
                let name = path.split('.').next().unwrap_or(path);
                if properties.contains_key(name) {
                    continue;
                }
                let message = format!("`state.{name}` is not part of `behavior.state_schema`, so nothing can read it");
                let finding = Diagnostic::new(codes::STATE_UNDECLARED, entry.key.range, message);
                self.push(match nearest(name, properties.keys().map(String::as_str)) {
                    Some(meant) => finding.with_help(format!("did you mean `{meant}`?")),
                    None => finding,
                });
            }
        }
    }

    /// A value that must fit a schema, unless a template stands in it.
    pub(super) fn literal_fits(&mut self, node: &Node, schema: &Value, what: &str) {
        if !has_template(node) {
            self.fits(node, schema, what);
        }
    }

    /// Keys that mean something only beside others.
    fn companions(&mut self, step: &Node) {
        let pairs = [("args", &["tool", "mcp"][..]), ("input", &["agent", "subflow"])];
        for (key, beside) in pairs {
            let Some(entry) = step.entry(key) else { continue };
            if beside.iter().all(|other| step.get(other).is_none()) && !self.is_doubtful("behavior") {
                let words: Vec<String> = beside.iter().map(|word| format!("`{word}`")).collect();
                let message = format!("`{key}` stands here without {}", words.join(" or "));
                self.push(
                    Diagnostic::new(codes::MISSING_KEY, entry.key.range, message)
                        .with_help(format!("add {} or remove `{key}`", words.join(" or "))),
                );
            }
        }
    }

    /// The kinds of steps that mostly hold texts.
    fn less_usual(&mut self, step: &'a Node, roots: &Roots) {
        let get = |kind: &str, key: &str| step.get(kind).and_then(|body| body.get(key));
        if let Some(model) = step.get("model") {
            self.model(model);
        }
        if let Some(name) = step.get("subflow") {
            let subflows = self.at(&["behavior", "subflows"]).map(Node::entries).unwrap_or_default();
            let known: Vec<&str> = subflows.iter().map(aikit_yaml::Entry::name).collect();
            self.known(codes::UNKNOWN_NAME, name, "subflow", "behavior", &known);
        }
        if let Some((node, server)) = step.get("mcp").and_then(|node| Some((node, node.as_str()?.split('/').next()?))) {
            let known = self.names_in(&["integration", "mcp_servers"]);
            if !known.contains(&server) {
                let message = format!("there is no MCP server `{server}`");
                let finding = Diagnostic::new(codes::UNKNOWN_NAME, node.range, message);
                self.push(match nearest(server, known.iter().copied()) {
                    Some(meant) => finding.with_help(format!("did you mean `{meant}`?")),
                    None => finding.with_help("declare it under `integration.mcp_servers`"),
                });
            }
        }
        if step.get("mcp").is_some()
            && let Some(args) = step.get("args")
        {
            self.dynamic(args, roots);
        }
        for key in ["message", "input"] {
            if let Some(node) = get("a2a", key) {
                self.dynamic(node, roots);
            }
        }
        for key in ["prompt", "to", "choices", "on_timeout"] {
            if let Some(node) = get("human", key) {
                self.dynamic(node, roots);
            }
        }
        if let Some(schema) = get("human", "schema") {
            self.schema(Some(schema));
        }
        if let Some(ask) = get("human", "ask")
            && ask.as_str() == Some("choose")
            && get("human", "choices").is_none()
        {
            let message = "`ask: choose` needs `choices`";
            self.push(Diagnostic::new(codes::MISSING_KEY, ask.range, message));
        }
        for (kind, key) in [("retrieve", "query"), ("recall", "query"), ("remember", "value"), ("emit", "payload")] {
            if let Some(node) = get(kind, key) {
                self.dynamic(node, roots);
            }
        }
        for name in get("retrieve", "from").map(Node::items).unwrap_or_default() {
            let known = self.names_in(&["memory", "knowledge_bases"]);
            self.known(codes::UNKNOWN_NAME, name, "knowledge base", "memory", &known);
        }
        if let Some(label) = get("remember", "label") {
            let blocks = self.at(&["memory", "blocks"]).map(Node::items).unwrap_or_default();
            let known: Vec<&str> = blocks.iter().filter_map(|block| block.get("label")?.as_str()).collect();
            self.known(codes::UNKNOWN_NAME, label, "block of the memory", "memory", &known);
        }
        if let Some(until) = get("wait", "until") {
            self.expression(until, roots);
        }
        if let Some(raise) = step.get("raise") {
            self.raise(raise, roots);
        }
        if let Some(http) = step.get("http") {
            for key in ["url", "headers", "body"] {
                if let Some(node) = http.get(key) {
                    self.dynamic(node, roots);
                }
            }
            if let Some(secret) = http.get("secret") {
                self.secret(secret);
            }
        }
    }

    /// An error that is raised: a code, or a code with a message.
    fn raise(&mut self, node: &Node, roots: &Roots) {
        self.raised(node.get("code").unwrap_or(node));
        if let Some(message) = node.get("message") {
            self.template(message, roots);
        }
    }
}

/// What can be read where an error is handled.
pub(super) fn with_error(roots: Roots) -> Roots {
    let text = || Shape::Scalar("a text");
    roots.with("error", Shape::closed([("code", text()), ("message", text())]))
}

fn has_template(node: &Node) -> bool {
    match &node.kind {
        NodeKind::Null => false,
        NodeKind::Scalar(scalar) => is_template(&scalar.text),
        NodeKind::Sequence(items) => items.iter().any(has_template),
        NodeKind::Mapping(entries) => entries.iter().any(|entry| has_template(&entry.value)),
    }
}
