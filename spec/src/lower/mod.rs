//! From a checked document to a [`Plan`]. The typed document gives the values; the tree gives places and free JSON.

mod models;
mod steps;

use std::{collections::BTreeMap, time::Duration};

use aikit_core::{Language, LineIndex};
use aikit_yaml::{Node, NodeKind};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    BuiltinTool, CheckContext,
    agent::{self, AgentDocument, BehaviorType, ToolEntry, ToolSpec},
    checks::is_template,
    plan::{
        BehaviorPlan, CasePlan, Dynamic, ExamplePlan, ModelPlan, Plan, PromptPlan, RunLimits, ScriptPlan, SuitePlan,
        ToolKind, ToolPlan,
    },
    template::Template,
    test_suite::{TestCase, TestSuiteDocument},
    words::{DurationText, ToolGlob, call_name},
};

const TOOL_TIMEOUT: Duration = Duration::from_secs(30);

/// Lowers a document that has no errors. An error text means that a check let something through; it is aikit's mistake.
pub(crate) fn lower(source: &str, root: &Node, context: &CheckContext) -> Result<Plan, String> {
    let document: AgentDocument = aikit_yaml::from_node(root).map_err(|error| error.to_string())?;
    let mut lowering =
        Lowering { lines: LineIndex::new(source), document: &document, context, models: BTreeMap::new() };
    let agent = crate::check::identity(root).ok_or("the identity cannot be read")?;
    lowering.declared_models(root);
    let default_model = lowering.default_model(root);
    let routing = lowering.routing(root);
    let judge_model = lowering.special_model(root, document.intelligence.judge_model.as_ref());
    let cognition = lowering.cognition(root);
    let prompts = at(root, &["intelligence", "prompts"]);
    let templates = prompts.and_then(|prompts| prompts.get("templates"));
    let system = prompts.and_then(|prompts| prompts.get("system")).and_then(|node| lowering.prompt(root, node));
    let named = templates.map(Node::entries).unwrap_or_default().iter();
    let prompts =
        named.filter_map(|entry| Some((entry.name().to_owned(), lowering.prompt(root, &entry.value)?))).collect();
    let intelligence = at(root, &["intelligence"]);
    let output = document.intelligence.output.as_ref();
    let output = output.map(|output| models::output_plan(output, intelligence.and_then(|node| node.get("output"))));
    let tools = lowering.tools(root);
    let behavior = lowering.behavior(root)?;
    let state_schema = at(root, &["behavior", "state_schema"]).map(Node::to_json);
    let examples = at(root, &["interface", "examples"]).map(Node::items).unwrap_or_default().iter();
    let examples = examples.map(|node| ExamplePlan {
        inputs: node.get("inputs").map_or_else(|| json!({}), Node::to_json),
        outputs: node.get("outputs").map(Node::to_json),
        range: node.range,
        line: lowering.lines.line_of(node.range.start as usize),
    });
    let examples = examples.collect();
    Ok(Plan {
        agent,
        digest: digest(source),
        inputs: at(root, &["interface", "inputs"]).map_or_else(|| json!({"type": "object"}), Node::to_json),
        outputs: at(root, &["interface", "outputs"]).map(Node::to_json),
        models: lowering.models,
        default_model,
        routing,
        cognition,
        judge_model,
        system,
        prompts,
        output,
        tools,
        behavior,
        state: at(root, &["behavior", "state", "initial"]).map_or_else(|| json!({}), Node::to_json),
        state_schema,
        limits: limits(&document),
        examples,
        tests: cases(source, at(root, &["tests"])),
        unsupported: unsupported(&document),
    })
}

/// A suite of tests; what its `defaults` say is part of every case that does not say otherwise.
pub(crate) fn suite(source: &str, root: &Node) -> Option<SuitePlan> {
    let document: TestSuiteDocument = aikit_yaml::from_node(root).ok()?;
    let mut cases = cases(source, root.get("cases"));
    for plan in &mut cases {
        let (case, defaults) = (&mut plan.case, &document.defaults);
        case.provider = case.provider.or(defaults.provider);
        if case.script.is_none() {
            case.script.clone_from(&defaults.script);
        }
        for (tool, result) in &defaults.stubs {
            case.stubs.entry(tool.clone()).or_insert_with(|| result.clone());
        }
    }
    Some(SuitePlan { agent: document.agent.0, cases })
}

fn cases(source: &str, list: Option<&Node>) -> Vec<CasePlan> {
    let Some(list) = list else { return Vec::new() };
    let lines = LineIndex::new(source);
    let nodes = list.items().iter();
    let plan = |node: &Node| {
        let case: TestCase = aikit_yaml::from_node(node).ok()?;
        Some(CasePlan { case, range: node.range, line: lines.line_of(node.range.start as usize) })
    };
    nodes.filter_map(plan).collect()
}

struct Lowering<'d> {
    lines: LineIndex,
    document: &'d AgentDocument,
    context: &'d CheckContext,
    models: BTreeMap<String, ModelPlan>,
}

impl Lowering<'_> {
    /// A prompt; a reference is followed.
    fn prompt(&self, root: &Node, node: &Node) -> Option<PromptPlan> {
        match &node.kind {
            NodeKind::Sequence(messages) => {
                let message = |message: &Node| {
                    let role = message.get("role")?.as_str()?.to_owned();
                    Some((role, template(message.get("content")?)?))
                };
                Some(PromptPlan::Messages(messages.iter().filter_map(message).collect()))
            }
            NodeKind::Mapping(_) => {
                let name = node.get("ref")?.as_str()?;
                let target = at(root, &["intelligence", "prompts", "templates", name])?;
                // Named prompts hold no references, so this ends.
                self.prompt(root, target)
            }
            _ => template(node).map(PromptPlan::Text),
        }
    }

    fn tools(&self, root: &Node) -> Vec<ToolPlan> {
        let nodes = at(root, &["integration", "tools"]).map(Node::items).unwrap_or_default();
        let tools = self.document.integration.tools.iter().zip(nodes).map(|(tool, node)| {
            let mut plan = self.tool(tool, node);
            plan.ask = self.ask(root, &plan.name, node);
            plan.repeatable = match (node.get("effect").and_then(Node::as_str), node.get("idempotent")) {
                (Some("read"), _) => true,
                (_, Some(node)) if node.to_json() == true => true,
                (Some(_), _) => false,
                (None, _) => matches!(plan.kind, ToolKind::Builtin(_)),
            };
            plan.mock = node.get("mock").map(Node::to_json);
            let granted = self.may_use(&plan.name);
            plan.name = call_name(&plan.name);
            granted.then_some(plan)
        });
        tools.flatten().collect()
    }

    /// When a person has to agree to a call of the tool.
    fn ask(&self, root: &Node, name: &str, tool: &Node) -> Vec<Option<crate::expr::Expr>> {
        let mut conditions = Vec::new();
        let expr = |node: &Node| Some(crate::expr::Expr { source: node.as_str()?.to_owned(), range: node.range });
        match tool.get("confirm").and_then(|node| Some((node, node.as_str()?))) {
            None | Some((_, "never")) => {}
            Some((_, "always")) => conditions.push(None),
            Some((node, _)) => conditions.push(expr(node)),
        }
        for node in at(root, &["governance", "security", "ask_tools"]).map(Node::items).unwrap_or_default() {
            let glob = node.as_str().or_else(|| node.get("tool")?.as_str());
            if glob.is_some_and(|glob| ToolGlob(glob.to_owned()).matches(name)) {
                conditions.push(node.get("when").and_then(expr));
            }
        }
        conditions
    }

    fn may_use(&self, name: &str) -> bool {
        let security = &self.document.governance.security;
        let matches = |globs: &[ToolGlob]| globs.iter().any(|glob| glob.matches(name));
        !matches(&security.denied_tools) && (security.allowed_tools.is_empty() || matches(&security.allowed_tools))
    }

    fn tool(&self, tool: &ToolEntry, node: &Node) -> ToolPlan {
        let builtin = |name: &str, description: Option<&String>, timeout: Option<&DurationText>| {
            let known: Option<&BuiltinTool> = self.context.builtins.iter().find(|builtin| builtin.name == name);
            ToolPlan {
                name: name.to_owned(),
                description: description.cloned().or_else(|| known.map(|k| k.description.clone())).unwrap_or_default(),
                input: known.map_or_else(|| json!({"type": "object"}), |known| known.input.clone()),
                output: None,
                kind: ToolKind::Builtin(name.to_owned()),
                timeout: duration(timeout).unwrap_or(TOOL_TIMEOUT),
                repeatable: false,
                mock: None,
                ask: Vec::new(),
                range: node.range,
            }
        };
        match tool {
            ToolEntry::Builtin(name) => builtin(&name.0.0, None, None),
            ToolEntry::Declared(spec) => match &**spec {
                ToolSpec::Builtin(spec) => builtin(&spec.name.0.0, spec.description.as_ref(), spec.timeout.as_ref()),
                ToolSpec::Lua(spec) => script_tool(spec, Language::Lua, node),
                ToolSpec::Js(spec) => script_tool(spec, Language::Js, node),
                ToolSpec::Http(spec) => unsupported_tool("http", &spec.name, &spec.description, node),
                ToolSpec::Openapi(spec) => unsupported_tool("openapi", &spec.name, &spec.description, node),
                ToolSpec::Mcp(spec) => unsupported_tool("mcp", &spec.name, &spec.description, node),
                ToolSpec::Agent(spec) => unsupported_tool("agent", &spec.name, &spec.description, node),
                ToolSpec::Workflow(spec) => unsupported_tool("workflow", &spec.name, &spec.description, node),
                ToolSpec::Command(spec) => unsupported_tool("command", &spec.name, &spec.description, node),
                ToolSpec::Wasm(spec) => unsupported_tool("wasm", &spec.name, &spec.description, node),
            },
        }
    }

    fn behavior(&mut self, root: &Node) -> Result<BehaviorPlan, String> {
        let behavior = &self.document.behavior;
        let node = root.get("behavior");
        let (steps, nodes) = match (&behavior.steps, &behavior.workflow) {
            (Some(steps), _) => (steps.as_slice(), node.and_then(|node| node.get("steps"))),
            (None, Some(workflow)) => {
                (workflow.steps.as_slice(), node.and_then(|node| node.get("workflow")?.get("steps")))
            }
            (None, None) => (&[][..], None),
        };
        match behavior.kind {
            Some(BehaviorType::StateMachine) => return Ok(BehaviorPlan::Unsupported("state_machine")),
            Some(BehaviorType::StateGraph) => return Ok(BehaviorPlan::Unsupported("state_graph")),
            _ => {}
        }
        if steps.is_empty() {
            let max_iterations = self.document.intelligence.cognition.max_iterations;
            return Ok(BehaviorPlan::Chat { max_iterations });
        }
        let reorder = behavior.kind != Some(BehaviorType::Sequential);
        let nodes = nodes.map(Node::items).unwrap_or_default();
        self.steps(root, steps, nodes, reorder).map(BehaviorPlan::Steps)
    }
}

fn script_tool<Code>(spec: &agent::ScriptTool<Code>, language: Language, node: &Node) -> ToolPlan {
    ToolPlan {
        name: spec.name.0.clone(),
        description: spec.description.clone(),
        input: node.get("input").map_or_else(|| json!({"type": "object"}), Node::to_json),
        output: node.get("output").map(Node::to_json),
        kind: ToolKind::Script(script(language, node.get("code"), spec.instructions, spec.memory_mb)),
        timeout: duration(spec.timeout.as_ref()).unwrap_or(TOOL_TIMEOUT),
        repeatable: false,
        mock: None,
        ask: Vec::new(),
        range: node.range,
    }
}

/// A tool of a kind that this version does not execute.
fn unsupported_tool(kind: &'static str, name: &crate::words::Name, description: &str, node: &Node) -> ToolPlan {
    ToolPlan {
        name: name.0.clone(),
        description: description.to_owned(),
        input: node.get("input").map_or_else(|| json!({"type": "object"}), Node::to_json),
        output: node.get("output").map(Node::to_json),
        kind: ToolKind::Unsupported(kind),
        timeout: TOOL_TIMEOUT,
        repeatable: false,
        mock: None,
        ask: Vec::new(),
        range: node.range,
    }
}

fn script(language: Language, code: Option<&Node>, instructions: Option<u64>, memory_mb: Option<u32>) -> ScriptPlan {
    let scalar = code.and_then(Node::scalar);
    ScriptPlan {
        language,
        code: scalar.map(|scalar| scalar.text.clone()).unwrap_or_default(),
        range: code.map(|node| node.range).unwrap_or_default(),
        first_line: scalar.map_or(0, |scalar| scalar.first_line),
        instructions,
        memory: memory_mb.map(|mb| u64::from(mb) << 20),
    }
}

/// Parts without which the agent must not run: rules that would not be kept, work that would not be done.
fn unsupported(document: &AgentDocument) -> Vec<&'static str> {
    let hooks = &document.behavior.hooks;
    let hooks = [
        &hooks.before_run,
        &hooks.after_run,
        &hooks.before_step,
        &hooks.after_step,
        &hooks.before_llm,
        &hooks.after_llm,
        &hooks.before_tool,
        &hooks.after_tool,
    ];
    let parts = [
        ("governance.guardrails", !document.governance.guardrails.is_empty()),
        ("behavior.hooks", hooks.iter().any(|hook| !hook.is_empty())),
        ("behavior.state.reducers", !document.behavior.state.reducers.is_empty()),
        ("integration.mcp_servers", !document.integration.mcp_servers.is_empty()),
    ];
    parts.into_iter().filter(|(_, declared)| *declared).map(|(part, _)| part).collect()
}

fn limits(document: &AgentDocument) -> RunLimits {
    let declared = &document.governance.security.resource_limits;
    let budget = &document.governance.budget.per_execution;
    let default = RunLimits::default();
    RunLimits {
        wall: duration(declared.max_wall.as_ref()).unwrap_or(default.wall),
        steps: declared.max_steps.unwrap_or(default.steps),
        script_memory: declared.max_memory_mb.map_or(default.script_memory, |mb| u64::from(mb) << 20),
        tokens: budget.tokens,
        usd: budget.usd,
        model_calls: budget.llm_calls,
        tool_calls: budget.tool_calls,
    }
}

fn dynamic(node: &Node) -> Dynamic {
    match &node.kind {
        NodeKind::Scalar(_) => match template(node) {
            Some(template) if is_template(&template.source) => Dynamic::Template(template),
            _ => Dynamic::Literal(node.to_json()),
        },
        NodeKind::Sequence(items) => {
            let items: Vec<Dynamic> = items.iter().map(dynamic).collect();
            let literal = items.iter().all(|item| matches!(item, Dynamic::Literal(_)));
            if literal { Dynamic::Literal(node.to_json()) } else { Dynamic::Array(items) }
        }
        NodeKind::Mapping(entries) => {
            let entries: Vec<(String, Dynamic)> =
                entries.iter().map(|entry| (entry.name().to_owned(), dynamic(&entry.value))).collect();
            let literal = entries.iter().all(|(_, value)| matches!(value, Dynamic::Literal(_)));
            if literal { Dynamic::Literal(node.to_json()) } else { Dynamic::Object(entries) }
        }
        NodeKind::Null => Dynamic::Literal(Value::Null),
    }
}

fn template(node: &Node) -> Option<Template> {
    Some(Template { source: node.as_str()?.to_owned(), range: node.range })
}

fn duration(text: Option<&DurationText>) -> Option<Duration> {
    text.and_then(DurationText::duration)
}

fn at<'n>(root: &'n Node, keys: &[&str]) -> Option<&'n Node> {
    keys.iter().try_fold(root, |node, key| node.get(key))
}

fn digest(source: &str) -> String {
    Sha256::digest(source.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
