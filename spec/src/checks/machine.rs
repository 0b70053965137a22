//! State machines, graphs and subflows: where they lead, and what is never reached.

use std::collections::{BTreeMap, BTreeSet};

use aikit_core::{Diagnostic, TextRange, codes};
use aikit_yaml::{Entry, Node};

use super::{Checker, steps::with_error};
use crate::roots::{Roots, Shape};

impl<'a> Checker<'a> {
    /// `behavior.subflows`: their steps, and that none runs itself.
    pub(super) fn subflows(&mut self, roots: &Roots) {
        let subflows = self.at(&["behavior", "subflows"]).map(Node::entries).unwrap_or_default();
        let mut calls: BTreeMap<&'a str, Vec<(&'a str, TextRange)>> = BTreeMap::new();
        for subflow in subflows {
            let roots = roots.clone().with("input", Shape::Any);
            let steps = subflow.value.get("steps").map(Node::items).unwrap_or_default();
            self.nested(steps, roots);
            let called = super::steps::below(steps)
                .into_iter()
                .filter_map(|step| step.get("subflow"))
                .filter_map(|node| Some((node.as_str()?, node.range)));
            calls.insert(subflow.name(), called.collect());
        }
        for (name, called) in &calls {
            let Some(circle) = circle(name, &calls) else { continue };
            // Each circle is reported once, where it is entered by the first name.
            if circle.iter().min() == Some(name)
                && let Some((_, range)) = called.iter().find(|(called, _)| Some(called) == circle.get(1).or(Some(name)))
            {
                let mut names: Vec<String> = circle.iter().map(|name| format!("`{name}`")).collect();
                names.push(format!("`{name}`"));
                let message = format!("subflows run each other in a circle: {}", names.join(" → "));
                self.push(Diagnostic::new(codes::STEP_CYCLE, *range, message));
            }
        }
    }

    /// Steps that see nothing but what `roots` holds.
    pub(super) fn nested(&mut self, steps: &'a [Node], roots: Roots) {
        self.steps(steps, false, roots, &mut Vec::new());
    }

    pub(super) fn hooks(&mut self, roots: &Roots) {
        let hooks = self.at(&["behavior", "hooks"]).map(Node::entries).unwrap_or_default();
        for hook in hooks {
            let roots = roots.clone().with("steps", Shape::Any).with("step", Shape::Any).with("call", Shape::Any);
            self.nested(hook.value.items(), roots);
        }
    }

    pub(super) fn state_machine(&mut self, roots: &Roots) {
        let Some(machine) = self.at(&["behavior", "state_machine"]) else { return };
        let states = machine.get("states").map(Node::entries).unwrap_or_default();
        let names: Vec<&str> = states.iter().map(Entry::name).collect();
        if let Some(initial) = machine.get("initial") {
            self.known(codes::UNKNOWN_STATE, initial, "state", "behavior", &names);
        }
        let roots = roots.clone().with("steps", Shape::Any).with("event", Shape::Any);
        let mut ways: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for state in states {
            let from = ways.entry(state.name()).or_default();
            for key in ["entry", "do", "exit"] {
                self.nested(state.value.get(key).map(Node::items).unwrap_or_default(), roots.clone());
            }
            let events = state.value.get("on").map(Node::entries).unwrap_or_default();
            let mut lists: Vec<&'a [Node]> = events.iter().map(|event| event.value.items()).collect();
            lists.extend(state.value.get("on_done").map(Node::items));
            for list in lists {
                self.transitions(list, &names, &roots, from);
            }
            if let Some(list) = state.value.get("on_error").map(Node::items) {
                self.transitions(list, &names, &with_error(roots.clone()), from);
            }
            for after in state.value.get("after").map(Node::entries).unwrap_or_default() {
                self.known(codes::UNKNOWN_STATE, &after.value, "state", "behavior", &names);
                from.extend(after.value.as_str());
            }
            let last = matches!(state.value.get("type").and_then(Node::as_str), Some("final" | "history"));
            let leaves = from.iter().any(|target| *target != state.name());
            match state.value.get("type").and_then(Node::as_str) {
                Some("final") if leaves => {
                    let message = format!("the state `{}` is final: nothing leads away from it", state.name());
                    self.push(Diagnostic::new(codes::UNREACHABLE, state.key.range, message));
                }
                _ if !last && !leaves && !self.is_doubtful("behavior") => {
                    let message = format!("nothing leads away from the state `{}`: a run stays there", state.name());
                    self.push(
                        Diagnostic::new(codes::DEAD_END, state.key.range, message)
                            .with_help("add `on:`, `after:` or `on_done:`, or say `type: final`"),
                    );
                }
                _ => {}
            }
        }
        let Some(initial) = machine.get("initial").and_then(Node::as_str).filter(|initial| names.contains(initial))
        else {
            return;
        };
        let reached = reached(initial, &ways);
        for state in states.iter().filter(|state| !reached.contains(state.name())) {
            let message = format!("the state `{}` is never reached from `{initial}`", state.name());
            self.push(Diagnostic::new(codes::UNREACHABLE, state.key.range, message));
        }
    }

    fn transitions(&mut self, list: &'a [Node], names: &[&str], roots: &Roots, into: &mut Vec<&'a str>) {
        let mut open: Option<TextRange> = None;
        let mut seen: BTreeMap<&str, TextRange> = BTreeMap::new();
        for transition in list {
            let at = transition.entries().first().map_or(transition.range, |entry| entry.key.range);
            if let Some(target) = transition.get("target") {
                self.known(codes::UNKNOWN_STATE, target, "state", "behavior", names);
                into.extend(target.as_str());
            }
            self.nested(transition.get("actions").map(Node::items).unwrap_or_default(), roots.clone());
            let guard = transition.get("guard");
            if let Some(guard) = guard {
                self.condition(guard, roots);
            }
            if let Some(open) = open {
                let message = "this way is never taken: the one before it has no guard";
                self.push(Diagnostic::new(codes::SHADOWED, at, message).with_related(open, "this one is always taken"));
            } else if let Some((text, first)) =
                guard.and_then(Node::as_str).and_then(|text| Some((text, *seen.get(text.trim())?)))
            {
                let message = format!("this way is never taken: `{text}` is asked before");
                self.push(Diagnostic::new(codes::SHADOWED, at, message).with_related(first, "it is asked here"));
            }
            match guard {
                None => open = open.or(Some(at)),
                Some(guard) => {
                    seen.entry(guard.as_str().unwrap_or_default().trim()).or_insert(guard.range);
                }
            }
        }
    }

    pub(super) fn graph(&mut self, roots: &Roots) {
        let Some(graph) = self.at(&["behavior", "graph"]) else { return };
        let nodes = graph.get("nodes").map(Node::items).unwrap_or_default();
        let names: Vec<&str> = nodes.iter().filter_map(|node| node.get("name")?.as_str()).collect();
        // A node may have run before any other: edges may lead back.
        let mut seen = roots.clone();
        for name in &names {
            seen = seen.with_step(*name, None);
        }
        self.nested(nodes, seen.clone());
        let mut ways: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut open: BTreeMap<(&str, i64), TextRange> = BTreeMap::new();
        for edge in graph.get("edges").map(Node::items).unwrap_or_default() {
            for key in ["from", "to"] {
                if let Some(end) = edge.get(key) {
                    self.known(codes::UNKNOWN_STEP, end, "node", "behavior", &names);
                }
            }
            if let Some(when) = edge.get("when") {
                self.condition(when, &seen);
            }
            let end = |key| edge.get(key).and_then(Node::as_str);
            let (Some(from), Some(to)) = (end("from"), end("to")) else { continue };
            ways.entry(from).or_default().push(to);
            let priority = edge.get("priority").map(Node::to_json).and_then(|value| value.as_i64()).unwrap_or(0);
            let at = edge.entries().first().map_or(edge.range, |entry| entry.key.range);
            if let Some(first) = open.get(&(from, priority)) {
                let message = format!("this edge is never taken: another one from `{from}` has no condition");
                self.push(
                    Diagnostic::new(codes::SHADOWED, at, message).with_related(*first, "this one is always taken"),
                );
            } else if edge.get("when").is_none() {
                open.insert((from, priority), at);
            }
        }
        let Some(first) = names.first() else { return };
        let reached = reached(first, &ways);
        for node in nodes.iter().filter_map(|node| node.get("name")) {
            if let Some(name) = node.as_str().filter(|name| !reached.contains(name)) {
                let message = format!("no edge leads to `{name}` from `{first}`, which runs first");
                self.push(Diagnostic::new(codes::UNREACHABLE, node.range, message));
            }
        }
    }
}

/// Everything to which ways lead from `start`, itself included.
fn reached<'n>(start: &'n str, ways: &BTreeMap<&'n str, Vec<&'n str>>) -> BTreeSet<&'n str> {
    let mut reached = BTreeSet::from([start]);
    let mut pending = vec![start];
    while let Some(at) = pending.pop() {
        for next in ways.get(at).into_iter().flatten() {
            if reached.insert(next) {
                pending.push(next);
            }
        }
    }
    reached
}

/// The way from `start` back to itself, if there is one.
fn circle<'n>(start: &'n str, calls: &BTreeMap<&'n str, Vec<(&'n str, TextRange)>>) -> Option<Vec<&'n str>> {
    let mut before: BTreeMap<&str, &str> = BTreeMap::new();
    let mut pending = vec![start];
    let mut seen = BTreeSet::new();
    while let Some(at) = pending.pop() {
        for (next, _) in calls.get(at).into_iter().flatten() {
            if *next == start {
                let mut way = vec![at];
                while let Some(previous) = way.last().filter(|last| **last != start).and_then(|last| before.get(last)) {
                    way.push(previous);
                }
                way.reverse();
                return Some(way);
            }
            if seen.insert(*next) {
                before.insert(next, at);
                pending.push(next);
            }
        }
    }
    None
}
