//! From a checked document to a [`Plan`]. The typed document gives the values; the tree gives places and free JSON.

mod flow;
mod memory;
mod models;
mod steps;
mod tools;

use std::{collections::BTreeMap, time::Duration};

use aikit_core::{Language, LineIndex};
use aikit_yaml::{Node, NodeKind};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    CheckContext,
    agent::{AgentDocument, BehaviorType, SecretOrigin},
    checks::is_template,
    plan::{
        BehaviorPlan, CasePlan, Dynamic, ExamplePlan, ModelPlan, Plan, PromptPlan, RunLimits, ScriptPlan, SecretSource,
        SuitePlan,
    },
    template::Template,
    test_suite::{TestCase, TestSuiteDocument},
    words::{DurationText, Name},
};

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
    let tools = lowering.tools(root)?;
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
        default_model,
        routing,
        cognition,
        judge_model,
        system,
        prompts,
        output,
        tools,
        memory_tools,
        memory: memory.into(),
        context,
        mcp_servers: lowering.mcp_servers(root),
        tool_execution: tools::execution(&document),
        permits: tools::permits(&document, root),
        behavior,
        state: at(root, &["behavior", "state", "initial"]).map_or_else(|| json!({}), Node::to_json),
        state_schema,
        flow,
        limits: limits(&document),
        rates,
        examples,
        tests: cases(source, at(root, &["tests"])),
        models: lowering.models,
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
    /// Where the credential of that name comes from.
    fn secret(&self, name: &Name) -> Option<SecretSource> {
        let secret = self.document.governance.security.secrets.get(name)?;
        Some(match secret.from {
            SecretOrigin::Env => SecretSource::Env(secret.key.clone()),
            SecretOrigin::Tenant => SecretSource::Tenant(secret.key.clone()),
            SecretOrigin::File => SecretSource::Unsupported("file"),
            SecretOrigin::Vault => SecretSource::Unsupported("vault"),
        })
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
