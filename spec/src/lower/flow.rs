//! How steps follow each other: `needs`, state machines, graphs; and what surrounds them: hooks, guardrails, reducers.

use std::collections::{BTreeMap, BTreeSet};

use aikit_core::Language;
use aikit_yaml::{Entry, Node};
use serde_json::json;

use super::{Lowering, at, duration, script, steps::expr, template};
use crate::{
    agent::{
        BehaviorType, Guardrail, GuardrailAction, GuardrailMethod, Persist, ReducerUse, StateKind, StateNode,
        Transition,
    },
    checks::execution_order,
    plan::{
        EdgePlan, FlowPlan, GraphPlan, GuardrailPlan, GuardrailRule, HooksPlan, MachinePlan, OutputPlan, RatePlan,
        ReducerPlan, ScriptPlan, StatePlan, TransitionPlan,
    },
};

/// Steps at the same time, where a document does not say it.
const MAX_PARALLEL: u32 = 8;
/// Steps of a graph or states of a machine, where a document does not say it.
const MAX_ITERATIONS: u32 = 100;

impl Lowering<'_> {
    /// What surrounds the steps.
    pub(super) fn flow(&mut self, root: &Node) -> Result<FlowPlan, String> {
        let document = self.document;
        let orchestration = document.behavior.orchestration.clone().unwrap_or_default();
        let node = at(root, &["behavior", "orchestration"]);
        Ok(FlowPlan {
            after: self.after(root),
            max_parallel: orchestration.max_parallel.unwrap_or(MAX_PARALLEL) as usize,
            max_iterations: orchestration.max_iterations.unwrap_or(MAX_ITERATIONS),
            on_error: orchestration.on_error,
            idempotency_key: node.and_then(|node| node.get("idempotency_key")).and_then(expr),
            reducers: reducers(&document.behavior.state.reducers, at(root, &["behavior", "state", "reducers"])),
            persist: document.behavior.state.persist.unwrap_or(Persist::Turn),
            hooks: self.hooks(root)?,
            guardrails: self.guardrails(root)?,
        })
    }

    /// Bounds of all runs together.
    pub(super) fn rates(&self) -> RatePlan {
        let governance = &self.document.governance;
        let rates = governance.rate_limits.clone().unwrap_or_default();
        RatePlan {
            concurrent: governance.security.resource_limits.max_concurrent_executions,
            runs_per_minute: rates.requests_per_minute,
            burst: rates.burst.unwrap_or(0),
            tool_calls_per_minute: rates.tool_calls_per_minute,
            tokens_per_day: rates.llm_tokens_per_day,
            usd_per_day: rates.cost_limit_usd_per_day,
        }
    }

    fn hooks(&mut self, root: &Node) -> Result<HooksPlan, String> {
        let hooks = &self.document.behavior.hooks;
        let mut list = |name: &str, steps| {
            let nodes = at(root, &["behavior", "hooks", name]).map(Node::items).unwrap_or_default();
            self.steps(root, steps, nodes, false)
        };
        Ok(HooksPlan {
            before_run: list("before_run", &hooks.before_run)?,
            after_run: list("after_run", &hooks.after_run)?,
            before_step: list("before_step", &hooks.before_step)?,
            after_step: list("after_step", &hooks.after_step)?,
            before_llm: list("before_llm", &hooks.before_llm)?,
            after_llm: list("after_llm", &hooks.after_llm)?,
            before_tool: list("before_tool", &hooks.before_tool)?,
            after_tool: list("after_tool", &hooks.after_tool)?,
        })
    }

    fn guardrails(&mut self, root: &Node) -> Result<Vec<GuardrailPlan>, String> {
        let document = self.document;
        let nodes = at(root, &["governance", "guardrails"]).map(Node::items).unwrap_or_default();
        let plan = |(guardrail, node): (&Guardrail, &Node)| {
            let rule = self.guardrail_rule(guardrail, node);
            Ok(GuardrailPlan {
                name: guardrail.name.0.clone(),
                on: guardrail.on,
                rule: rule.ok_or_else(|| format!("the guardrail `{}` has no rule", guardrail.name.0))?,
                action: guardrail.action.unwrap_or(GuardrailAction::Block),
                message: guardrail.message.clone(),
            })
        };
        document.governance.guardrails.iter().zip(nodes).map(plan).collect()
    }

    fn guardrail_rule(&mut self, guardrail: &Guardrail, node: &Node) -> Option<GuardrailRule> {
        Some(match guardrail.method {
            GuardrailMethod::Regex => GuardrailRule::Regex(regex::Regex::new(guardrail.rule.as_deref()?).ok()?),
            GuardrailMethod::Schema => GuardrailRule::Schema(node.get("schema")?.to_json()),
            GuardrailMethod::Cel => GuardrailRule::Cel(expr(node.get("rule")?)?),
            GuardrailMethod::Script => GuardrailRule::Script(code(node)?),
            GuardrailMethod::Model => GuardrailRule::Model {
                model: guardrail.model.as_ref().map(|model| self.model(&model.0, node)),
                prompt: node.get("prompt").and_then(template),
                output: OutputPlan {
                    max_repairs: 1,
                    ..OutputPlan::json(json!({
                        "type": "object",
                        "properties": {"violated": {"type": "boolean"}, "reason": {"type": "string"}},
                        "required": ["violated"],
                    }))
                },
            },
        })
    }

    /// The state machine of a document that has one.
    pub(super) fn machine(&mut self, root: &Node) -> Result<MachinePlan, String> {
        let document = self.document;
        let machine = document.behavior.state_machine.as_ref().ok_or("there is no state machine")?;
        let entries = at(root, &["behavior", "state_machine", "states"]).map(Node::entries).unwrap_or_default();
        let states = entries.iter().filter_map(|entry| {
            let name = crate::words::Name(entry.name().to_owned());
            Some((machine.states.get(&name)?, entry))
        });
        let states = states.map(|(state, entry)| self.state(root, state, entry));
        let states = states.collect::<Result<_, _>>()?;
        Ok(MachinePlan { initial: machine.initial.0.0.clone(), states })
    }

    fn state(&mut self, root: &Node, state: &StateNode, entry: &Entry) -> Result<StatePlan, String> {
        let node = &entry.value;
        let items = |key: &str| node.get(key).map(Node::items).unwrap_or_default();
        let mut after: Vec<_> =
            state.after.iter().filter_map(|(time, target)| Some((duration(Some(time))?, target.0.0.clone()))).collect();
        after.sort();
        let mut on = Vec::new();
        for event in node.get("on").map(Node::entries).unwrap_or_default() {
            let ways = state.on.iter().find(|(name, _)| name.0 == event.name()).map(|(_, ways)| ways.as_slice());
            on.push((event.name().to_owned(), self.ways(root, ways.unwrap_or_default(), event.value.items())?));
        }
        Ok(StatePlan {
            name: entry.name().to_owned(),
            range: entry.key.range,
            line: self.lines.line_of(entry.key.range.start as usize),
            kind: state.kind.unwrap_or(StateKind::Atomic),
            entry: self.steps(root, &state.entry, items("entry"), false)?,
            steps: self.steps(root, &state.steps, items("do"), false)?,
            exit: self.steps(root, &state.exit, items("exit"), false)?,
            on,
            after,
            on_done: self.ways(root, &state.on_done, items("on_done"))?,
            on_error: self.ways(root, &state.on_error, items("on_error"))?,
        })
    }

    fn ways(&mut self, root: &Node, ways: &[Transition], nodes: &[Node]) -> Result<Vec<TransitionPlan>, String> {
        let plan = |(way, node): (&Transition, &Node)| {
            let actions = node.get("actions").map(Node::items).unwrap_or_default();
            Ok(TransitionPlan {
                target: way.target.as_ref().map(|target| target.0.0.clone()),
                guard: node.get("guard").and_then(expr),
                actions: self.steps(root, &way.actions, actions, false)?,
            })
        };
        ways.iter().zip(nodes).map(plan).collect()
    }

    /// The graph of a document that has one.
    pub(super) fn graph(&mut self, root: &Node) -> Result<GraphPlan, String> {
        let document = self.document;
        let graph = document.behavior.graph.as_ref().ok_or("there is no graph")?;
        let list = |key| at(root, &["behavior", "graph", key]).map(Node::items).unwrap_or_default();
        let mut edges: Vec<_> = graph.edges.iter().zip(list("edges")).collect();
        edges.sort_by_key(|(edge, _)| std::cmp::Reverse(edge.priority.unwrap_or(0)));
        let edges = edges.into_iter().map(|(edge, node)| EdgePlan {
            from: edge.from.0.0.clone(),
            to: edge.to.0.0.clone(),
            when: node.get("when").and_then(expr),
        });
        let edges = edges.collect();
        Ok(GraphPlan { nodes: self.steps(root, &graph.nodes, list("nodes"), false)?, edges })
    }

    /// What each step of the document's list waits for, where `needs` turns the list into a graph: what it needs, the steps
    /// that it reads, and those before it that touch the same keys of the state.
    fn after(&self, root: &Node) -> Option<Vec<Vec<usize>>> {
        let behavior = &self.document.behavior;
        if !matches!(behavior.kind, None | Some(BehaviorType::Workflow)) {
            return None;
        }
        let path: &[&str] =
            if behavior.steps.is_some() { &["behavior", "steps"] } else { &["behavior", "workflow", "steps"] };
        let nodes = at(root, path)?.items();
        if nodes.iter().all(|node| node.get("needs").is_none()) {
            return None;
        }
        let (order, _) = execution_order(nodes, true);
        let ordered: Vec<&Node> = order.iter().map(|&index| &nodes[index]).collect();
        let names: Vec<&str> =
            ordered.iter().map(|node| node.get("name").and_then(Node::as_str).unwrap_or_default()).collect();
        let touched: Vec<Touched> = ordered.iter().map(|node| Touched::by(node)).collect();
        let after = |at: usize| {
            let needs = ordered[at].get("needs").map(Node::items).unwrap_or_default();
            let needed: BTreeSet<&str> = needs.iter().filter_map(Node::as_str).collect();
            (0..at)
                .filter(|&other| {
                    needed.contains(names[other])
                        || touched[at].reads_step(names[other])
                        || touched[at].meets(&touched[other])
                })
                .collect()
        };
        Some((0..ordered.len()).map(after).collect())
    }
}

/// What a step touches, as its texts tell. Rather too much than too little: it only costs that two steps wait for each other.
struct Touched {
    texts: Vec<String>,
    reads_state: bool,
    writes: BTreeSet<String>,
}

impl Touched {
    fn by(node: &Node) -> Self {
        let mut touched = Self { texts: Vec::new(), reads_state: false, writes: BTreeSet::new() };
        touched.collect(node);
        touched.reads_state = touched.texts.iter().any(|text| has_word(text, "state"));
        touched
    }

    fn collect(&mut self, node: &Node) {
        if let Some(text) = node.as_str() {
            self.texts.push(text.to_owned());
        }
        node.items().iter().for_each(|item| self.collect(item));
        for entry in node.entries() {
            if matches!(entry.name(), "set" | "save") {
                let keys = entry.value.entries().iter().map(|entry| first_key(entry.name()));
                self.writes.extend(keys);
            }
            if entry.name() != "needs" {
                self.collect(&entry.value);
            }
        }
    }

    fn reads_step(&self, name: &str) -> bool {
        self.texts.iter().any(|text| {
            // A script reads the steps in ways that only running it would tell.
            has_word(text, name) && has_word(text, "steps")
        })
    }

    fn meets(&self, other: &Touched) -> bool {
        let reads = |one: &Touched, two: &Touched| one.reads_state && !two.writes.is_empty();
        reads(self, other) || reads(other, self) || !self.writes.is_disjoint(&other.writes)
    }
}

fn first_key(path: &str) -> String {
    let path = path.strip_prefix("state.").unwrap_or(path);
    path.split('.').next().unwrap_or_default().to_owned()
}

/// Whether a text holds a word that is not part of a longer one.
fn has_word(text: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].chars().next_back().is_some_and(part) && !text[at + word.len()..].chars().next().is_some_and(part)
    })
}

fn reducers(
    declared: &BTreeMap<crate::words::StatePath, ReducerUse>,
    node: Option<&Node>,
) -> BTreeMap<String, ReducerPlan> {
    let entries = node.map(Node::entries).unwrap_or_default().iter();
    let plan = |entry: &aikit_yaml::Entry| {
        let path = entry.name().to_owned();
        let (_, reducer) = declared.iter().find(|(name, _)| name.0 == path)?;
        let plan = match reducer {
            ReducerUse::Rule(rule) => ReducerPlan::Rule(*rule),
            ReducerUse::Script(_) => ReducerPlan::Script(code(&entry.value)?),
        };
        Some((path.strip_prefix("state.").map_or(path.clone(), str::to_owned), plan))
    };
    entries.filter_map(plan).collect()
}

/// The script under `lua` or `js`.
fn code(node: &Node) -> Option<ScriptPlan> {
    let (language, code) = match (node.get("lua"), node.get("js")) {
        (Some(code), _) => (Language::Lua, code),
        (None, code) => (Language::Js, code?),
    };
    Some(script(language, Some(code), None, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_whole() {
        assert!(has_word("{{ steps.a.output }}", "a"));
        assert!(!has_word("{{ steps.ab.output }}", "a"));
        assert!(has_word("state.x", "state"));
        assert!(!has_word("states", "state"));
    }

    #[test]
    fn steps_meet_in_the_state() {
        let by = |source: &str| Touched::by(&aikit_yaml::parse(source).documents[0].root);
        let write = by("set: {a.b: 1}");
        let read = by("llm: '{{ state.a }}'");
        let other = by("set: {c: '{{ inputs.x }}'}");
        assert!(write.meets(&read) && read.meets(&write));
        assert!(!write.meets(&other));
    }
}
