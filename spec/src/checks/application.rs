//! Applications: agents, workflows, events and rights that name each other.

use std::collections::{BTreeMap, BTreeSet};

use aikit_core::{Diagnostic, TextRange, codes};
use aikit_yaml::Node;

use super::Checker;
use crate::{
    roots::{Roots, Shape},
    words::{SizeText, glob_fits},
};

impl<'a> Checker<'a> {
    /// A document of kind `Application`.
    pub(super) fn application(&mut self) {
        for list in ["agents", "workflows", "events", "integrations"] {
            self.unique(self.at(&[list]), list.trim_end_matches('s'));
        }
        self.unique(self.at(&["state", "stores"]), "store");
        let agents = self.names_in(&["agents"]);
        let events = self.names_in(&["events"]);
        for agent in self.at(&["agents"]).map(Node::items).unwrap_or_default() {
            let external = agent.get("type").filter(|node| node.as_str() == Some("external"));
            let sources = ["spec", "ref", "composition"];
            match external {
                Some(node) if agent.get("endpoint").is_none() => {
                    let message = "an agent elsewhere needs an `endpoint`";
                    self.push(Diagnostic::new(codes::MISSING_KEY, node.range, message));
                }
                None if sources.iter().all(|key| agent.get(key).is_none()) => {
                    let name = agent.get("name").unwrap_or(agent);
                    let message = format!("the agent `{}` has no document", name.as_str().unwrap_or_default());
                    self.push(
                        Diagnostic::new(codes::MISSING_KEY, name.range, message)
                            .with_help("add `spec:` with a file or `ref:` with a stored agent"),
                    );
                }
                _ => {}
            }
        }
        for event in self.at(&["events"]).map(Node::items).unwrap_or_default() {
            self.schema(event.get("schema"));
        }
        for store in self.at(&["state", "stores"]).map(Node::items).unwrap_or_default() {
            self.schema(store.get("schema"));
        }
        for workflow in self.at(&["workflows"]).map(Node::items).unwrap_or_default() {
            self.workflow(workflow, &agents, &events);
        }
        self.event_cycles();
        self.sums();
        self.rights(&agents, &events);
    }

    /// Things of one list that have one name.
    pub(super) fn unique(&mut self, list: Option<&'a Node>, what: &str) {
        let mut seen: BTreeMap<&str, TextRange> = BTreeMap::new();
        for node in list.map(Node::items).unwrap_or_default().iter().filter_map(|item| item.get("name")) {
            let Some(name) = node.as_str() else { continue };
            if let Some(first) = seen.get(name) {
                let message = format!("two {what}s have the name `{name}`");
                let finding = Diagnostic::new(codes::DUPLICATE_NAME, node.range, message);
                self.push(finding.with_related(*first, "the first one stands here"));
            }
            seen.entry(name).or_insert(node.range);
        }
    }

    fn workflow(&mut self, workflow: &'a Node, agents: &[&str], events: &[&str]) {
        let trigger = workflow.get("trigger");
        let event = trigger.and_then(|trigger| trigger.get("event"));
        if let Some(event) = event {
            self.known(codes::UNKNOWN_NAME, event, "event", "events", events);
        }
        let payload = event.and_then(Node::as_str).and_then(|name| self.event_schema(name));
        let shape = payload.as_ref().map_or(Shape::Any, Shape::from_schema);
        let mut state = BTreeSet::new();
        let steps = workflow.get("steps").map(Node::items).unwrap_or_default();
        for step in super::steps::below(steps) {
            for entry in step.get("save").map(Node::entries).unwrap_or_default() {
                let path = entry.name().strip_prefix("state.").unwrap_or(entry.name());
                state.extend(path.split('.').next().map(str::to_owned));
            }
            for entry in step.get("set").map(Node::entries).unwrap_or_default() {
                let path = entry.name().strip_prefix("state.").unwrap_or(entry.name());
                state.extend(path.split('.').next().map(str::to_owned));
            }
        }
        let roots = Roots::standard()
            .with("event", shape)
            .with("config", Shape::Any)
            .with("state", Shape::closed(state.into_iter().map(|name| (name, Shape::Any))));
        if let Some(filter) = trigger.and_then(|trigger| trigger.get("filter")) {
            self.condition(filter, &roots);
        }
        if let Some(key) = workflow.get("dedupe_key") {
            self.expression(key, &roots);
        }
        for step in super::steps::below(steps) {
            if let Some(agent) = step.get("agent") {
                let name = agent.as_str().map(|name| name.split('@').next().unwrap_or(name)).unwrap_or_default();
                if !agents.contains(&name) {
                    self.unknown(
                        codes::UNKNOWN_AGENT,
                        agent,
                        "agent of the application",
                        "agents",
                        agents.iter().copied(),
                    );
                }
            }
            if let Some(event) = step.get("emit").and_then(|emit| emit.get("event")) {
                self.known(codes::UNKNOWN_NAME, event, "event", "events", events);
                let schema = event.as_str().and_then(|name| self.event_schema(name));
                if let (Some(payload), Some(schema)) = (step.get("emit").and_then(|emit| emit.get("payload")), schema) {
                    self.literal_fits(payload, &schema, "the payload does not fit the event");
                }
            }
        }
        let mut before = Vec::new();
        let behind = self.steps(steps, true, roots, &mut before);
        if let Some(output) = workflow.get("output") {
            self.dynamic(output, &behind);
        }
    }

    fn event_schema(&self, name: &str) -> Option<serde_json::Value> {
        let events = self.at(&["events"]).map(Node::items).unwrap_or_default();
        let event = events.iter().find(|event| event.get("name").and_then(Node::as_str) == Some(name))?;
        super::schema_value(event.get("schema"))
    }

    /// Events that start workflows which tell the same events again.
    fn event_cycles(&mut self) {
        let mut ways: BTreeMap<&str, Vec<(&str, TextRange)>> = BTreeMap::new();
        for workflow in self.at(&["workflows"]).map(Node::items).unwrap_or_default() {
            let Some(trigger) = workflow.get("trigger").and_then(|trigger| trigger.get("event")?.as_str()) else {
                continue;
            };
            let steps = workflow.get("steps").map(Node::items).unwrap_or_default();
            for event in super::steps::below(steps).into_iter().filter_map(|step| step.get("emit")?.get("event")) {
                ways.entry(trigger).or_default().extend(event.as_str().map(|name| (name, event.range)));
            }
        }
        let mut reported = BTreeSet::new();
        for (start, _) in ways.clone() {
            let mut pending = vec![vec![start]];
            let mut seen = BTreeSet::new();
            while let Some(trail) = pending.pop() {
                let Some(at) = trail.last() else { continue };
                for (next, range) in ways.get(at).into_iter().flatten() {
                    if *next == start && !trail.iter().any(|name| reported.contains(name)) {
                        reported.extend(trail.iter().copied());
                        let mut names: Vec<String> = trail.iter().map(|name| format!("`{name}`")).collect();
                        names.push(format!("`{start}`"));
                        let message = format!("events lead to each other in a circle: {}", names.join(" → "));
                        self.push(
                            Diagnostic::new(codes::EVENT_CYCLE, *range, message)
                                .with_help("end it by a `filter` of the trigger or a `when` of the step"),
                        );
                    } else if seen.insert(*next) {
                        let mut trail = trail.clone();
                        trail.push(next);
                        pending.push(trail);
                    }
                }
            }
        }
    }

    /// What the agents may use up together fits what the application may.
    fn sums(&mut self) {
        let Some((node, most)) = self
            .at(&["resources", "memory"])
            .and_then(|node| Some((node, SizeText(node.as_str()?.to_owned()).bytes()?)))
        else {
            return;
        };
        let mut sum: u64 = 0;
        for agent in self.at(&["agents"]).map(Node::items).unwrap_or_default() {
            let memory = agent.get("resources").and_then(|resources| resources.get("memory")?.as_str());
            let instances = agent.get("instances").and_then(|node| node.to_json().as_u64()).unwrap_or(1);
            let bytes = memory.and_then(|text| SizeText(text.to_owned()).bytes()).unwrap_or(0);
            sum = sum.saturating_add(bytes.saturating_mul(instances));
        }
        if sum > most {
            let message =
                format!("the agents may use {} MB together; the application may use {} MB", sum >> 20, most >> 20);
            self.push(Diagnostic::new(codes::LIMIT_EXCEEDED, node.range, message));
        }
    }

    /// Rights name what is there.
    fn rights(&mut self, agents: &[&str], events: &[&str]) {
        let stores = self.names_in(&["state", "stores"]);
        for right in self.at(&["security", "permissions"]).map(Node::items).unwrap_or_default() {
            for who in right.get("who").map(Node::items).unwrap_or_default() {
                self.known(codes::UNKNOWN_AGENT, who, "agent of the application", "agents", agents);
            }
            let Some((node, text)) = right.get("resource").and_then(|node| Some((node, node.as_str()?))) else {
                continue;
            };
            let Some((kind, glob)) = text.split_once(':') else { continue };
            let names: &[&str] = match kind {
                "agent" => agents,
                "event" => events,
                "store" => &stores,
                _ => continue,
            };
            if !names.iter().any(|name| glob_fits(glob, name)) {
                let message = format!("`{text}` fits no {kind} of the application");
                self.push(Diagnostic::new(codes::UNUSED_DECLARATION, node.range, message));
            }
        }
    }
}
