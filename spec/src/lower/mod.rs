//! From a checked document to a [`Plan`]. The typed document gives the values; the tree gives places and free JSON.

mod flow;
mod memory;
mod steps;

use std::{collections::BTreeMap, time::Duration};

use aikit_core::{Language, LineIndex};
use aikit_yaml::{Node, NodeKind};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    BuiltinTool, CheckContext,
    agent::{self, AgentDocument, BehaviorType, InvalidOutput, SecretOrigin, ToolEntry, ToolSpec},
    checks::is_template,
    plan::{
        BehaviorPlan, CasePlan, Dynamic, ExamplePlan, ModelParametersPlan, ModelPlan, OnInvalid, OutputPlan, Plan,
        PromptPlan, RunLimits, ScriptPlan, SecretSource, SuitePlan, ToolKind, ToolPlan,
    },
    template::Template,
    test_suite::{TestCase, TestSuiteDocument},
    words::{DurationText, ToolGlob, call_name},
};

/// The model of a document that names none.
const FALLBACK_MODEL: &str = "scripted/auto";

const MODEL_TIMEOUT: Duration = Duration::from_secs(60);
const TOOL_TIMEOUT: Duration = Duration::from_secs(30);

/// Lowers a document that has no errors. An error text means that a check let something through; it is aikit's mistake.
pub(crate) fn lower(source: &str, root: &Node, context: &CheckContext) -> Result<Plan, String> {
    let document: AgentDocument = aikit_yaml::from_node(root).map_err(|error| error.to_string())?;
    let mut lowering =
        Lowering { lines: LineIndex::new(source), document: &document, context, models: BTreeMap::new() };
    let agent = crate::check::identity(root).ok_or("the identity cannot be read")?;
    lowering.declared_models(root);
    let default_model = lowering.default_model(root);
    let prompts = at(root, &["intelligence", "prompts"]);
    let templates = prompts.and_then(|prompts| prompts.get("templates"));
    let system = prompts.and_then(|prompts| prompts.get("system")).and_then(|node| lowering.prompt(root, node));
    let named = templates.map(Node::entries).unwrap_or_default().iter();
    let prompts =
        named.filter_map(|entry| Some((entry.name().to_owned(), lowering.prompt(root, &entry.value)?))).collect();
    let intelligence = at(root, &["intelligence"]);
    let output = document.intelligence.output.as_ref();
    let output = output.map(|output| output_plan(output, intelligence.and_then(|node| node.get("output"))));
    let tools = lowering.tools(root);
    let memory = lowering.memory(root);
    let context = lowering.context(root);
    let memory_tools = lowering.memory_tools(root, &memory, &tools);
    let behavior = lowering.behavior(root)?;
    let flow = lowering.flow(root)?;
    let rates = lowering.rates();
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
        system,
        prompts,
        output,
        tools,
        memory_tools,
        memory: memory.into(),
        context,
        behavior,
        state: at(root, &["behavior", "state", "initial"]).map_or_else(|| json!({}), Node::to_json),
        state_schema,
        flow,
        limits: limits(&document),
        rates,
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
    fn declared_models(&mut self, root: &Node) {
        for (name, model) in &self.document.intelligence.models {
            let node = at(root, &["intelligence", "models", &name.0]).unwrap_or(root);
            let secret = model.secret.as_ref().and_then(|name| self.document.governance.security.secrets.get(&name.0));
            let parameters = &model.parameters;
            let plan = ModelPlan {
                provider: model.provider.0.0.clone(),
                model: model.model.clone(),
                base_url: model.base_url.as_ref().map(|url| url.0.clone()),
                secret: secret.map(|secret| match secret.from {
                    SecretOrigin::Env => SecretSource::Env(secret.key.clone()),
                    SecretOrigin::Tenant => SecretSource::Tenant(secret.key.clone()),
                    SecretOrigin::File => SecretSource::Unsupported("file"),
                    SecretOrigin::Vault => SecretSource::Unsupported("vault"),
                }),
                parameters: ModelParametersPlan {
                    temperature: parameters.temperature,
                    top_p: parameters.top_p,
                    max_tokens: parameters.max_tokens,
                    stop: parameters.stop.clone(),
                    seed: parameters.seed,
                },
                timeout: duration(model.timeout.as_ref()).unwrap_or(MODEL_TIMEOUT),
                pricing: model.pricing.as_ref().map(|pricing| (pricing.input, pricing.output)),
                range: node.range,
            };
            self.models.insert(name.0.clone(), plan);
        }
    }

    fn default_model(&mut self, root: &Node) -> String {
        match &self.document.intelligence.model {
            Some(model) => {
                let node = at(root, &["intelligence", "model"]).unwrap_or(root);
                self.model(&model.0, node)
            }
            None if self.models.contains_key("default") => "default".to_owned(),
            None => match self.models.keys().next() {
                Some(only) => only.clone(),
                None => self.model(FALLBACK_MODEL, root),
            },
        }
    }

    /// The name of a model in the plan; `provider/model` is declared on the way.
    fn model(&mut self, name: &str, node: &Node) -> String {
        if let Some((provider, model)) = name.split_once('/') {
            self.models.entry(name.to_owned()).or_insert_with(|| ModelPlan {
                provider: provider.to_owned(),
                model: model.to_owned(),
                base_url: None,
                secret: None,
                parameters: ModelParametersPlan::default(),
                timeout: MODEL_TIMEOUT,
                pricing: None,
                range: node.range,
            });
        }
        name.to_owned()
    }

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
            Some(BehaviorType::StateMachine) => return self.machine(root).map(BehaviorPlan::Machine),
            Some(BehaviorType::StateGraph) => return self.graph(root).map(BehaviorPlan::Graph),
            None if behavior.state_machine.is_some() => return self.machine(root).map(BehaviorPlan::Machine),
            None if behavior.graph.is_some() => return self.graph(root).map(BehaviorPlan::Graph),
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

fn output_plan(output: &agent::Output, node: Option<&Node>) -> OutputPlan {
    OutputPlan {
        schema: node.and_then(|node| node.get("schema")).map_or_else(|| json!({}), Node::to_json),
        on_invalid: match output.on_invalid {
            InvalidOutput::Repair => OnInvalid::Repair,
            InvalidOutput::Retry => OnInvalid::Retry,
            InvalidOutput::Fail => OnInvalid::Fail,
        },
        max_repairs: output.max_repairs,
    }
}

/// Parts without which the agent must not run: rules that would not be kept, work that would not be done.
fn unsupported(document: &AgentDocument) -> Vec<&'static str> {
    let parts = [("integration.mcp_servers", !document.integration.mcp_servers.is_empty())];
    parts.into_iter().filter(|(_, declared)| *declared).map(|(part, _)| part).collect()
}

fn limits(document: &AgentDocument) -> RunLimits {
    let declared = &document.governance.security.resource_limits;
    let budget = &document.governance.budget.per_execution;
    let default = RunLimits::default();
    RunLimits {
        wall: [declared.max_wall.as_ref(), document.behavior.orchestration.as_ref().and_then(|o| o.timeout.as_ref())]
            .into_iter()
            .filter_map(duration)
            .min()
            .unwrap_or(default.wall),
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
