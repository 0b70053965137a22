//! Where control goes: cases that are never taken or missing, and what a run uses up at worst.

use std::collections::{BTreeMap, BTreeSet};

use aikit_core::{Diagnostic, TextRange, codes};
use aikit_yaml::Node;
use serde_json::Value;

use super::{Checker, steps::bodies};
use crate::{
    expr,
    roots::{Comparison, Literal},
};

/// Longer products are of no use to anybody.
const MANY: u64 = 1_000_000_000;

impl<'a> Checker<'a> {
    /// The cases of a switch: those that are never taken, and the values of an enumeration that none takes.
    pub(super) fn cases(&mut self, step: &'a Node) {
        let Some(switch) = step.entry("switch") else { return };
        let mut asked: BTreeMap<&str, TextRange> = BTreeMap::new();
        let mut taken: Option<TextRange> = None;
        let mut values: BTreeSet<String> = BTreeSet::new();
        let mut subject: Option<String> = None;
        let mut only_values = true;
        let mut default = false;
        for case in switch.value.items() {
            let at = case.entries().first().map_or(case.range, |entry| entry.key.range);
            if let Some(taken) = taken {
                let message = "this case is never taken";
                self.push(
                    Diagnostic::new(codes::SHADOWED, at, message).with_related(taken, "this condition always holds"),
                );
            }
            default |= case.get("default").is_some();
            let Some((when, text)) = case.get("when").and_then(|when| Some((when, when.as_str()?))) else { continue };
            if let Some(first) = asked.get(text.trim()) {
                let message = format!("this case is never taken: `{text}` is asked before");
                self.push(
                    Diagnostic::new(codes::SHADOWED, when.range, message).with_related(*first, "it is asked here"),
                );
                continue;
            }
            asked.insert(text.trim(), when.range);
            if text.trim() == "true" {
                taken = taken.or(Some(when.range));
            }
            match expr::check(text).ok().and_then(|analysis| analysis.equality) {
                Some((path, literal)) => {
                    let path = path.to_string();
                    only_values &= subject.get_or_insert_with(|| path.clone()) == &path;
                    values.insert(literal);
                }
                None => only_values = false,
            }
        }
        let Some(subject) = subject.filter(|_| only_values && !default && taken.is_none()) else { return };
        let Some(words) = self.schema_of(&subject).and_then(|schema| words(&schema)) else { return };
        let missing: Vec<String> =
            words.iter().filter(|word| !values.contains(*word)).map(|word| format!("`{word}`")).collect();
        if !missing.is_empty() {
            let message = format!("no case takes {} of `{subject}`", missing.join(", "));
            self.push(
                Diagnostic::new(codes::NOT_EXHAUSTIVE, switch.key.range, message)
                    .with_help("add a case for each, or `default:`"),
            );
        }
    }

    /// Comparisons with a word that the value never is, or with something of another type.
    pub(super) fn comparison(&mut self, node: &Node) {
        let Some(analysis) = node.as_str().and_then(|text| expr::check(text).ok()) else { return };
        for Comparison { path, literal, equals } in analysis.comparisons {
            let at = self.place(node, path.range);
            let path = path.to_string();
            let Some(schema) = self.schema_of(&path) else { continue };
            if let (Literal::Text(word), Some(words)) = (&literal, words(&schema)) {
                if equals && !words.contains(word) {
                    let message = format!("`{path}` is never `{word}`");
                    let finding = Diagnostic::new(codes::NEVER_TRUE, at, message);
                    let nearest = crate::roots::nearest(word, words.iter().map(String::as_str));
                    self.push(match nearest {
                        Some(meant) => finding.with_help(format!("did you mean `{meant}`?")),
                        None => finding.with_help(format!("it is one of {}", words.join(", "))),
                    });
                }
                continue;
            }
            let is = match schema.get("type").and_then(Value::as_str) {
                Some("string") => "a text",
                Some("integer" | "number") => "a number",
                Some("boolean") => "true or false",
                _ => continue,
            };
            let with = match literal {
                Literal::Text(_) => "a text",
                Literal::Number => "a number",
                Literal::Bool => "true or false",
            };
            if is != with {
                let message = format!("`{path}` is {is}, and compared with {with}");
                let code = if equals { codes::NEVER_TRUE } else { codes::EXPRESSION_TYPE };
                self.push(Diagnostic::new(code, at, message));
            }
        }
    }

    /// What a run uses up at worst, where the document sets a bound.
    pub(super) fn worst_case(&mut self) {
        if self.structural.iter().any(Diagnostic::is_error) {
            return;
        }
        let steps = super::steps::list(self.root).map(Node::items).unwrap_or_default();
        let bound = |path: &[&str]| {
            let node = self.at(path)?;
            Some((node.to_json().as_u64()?, node.range))
        };
        let calls = bound(&["governance", "budget", "per_execution", "llm_calls"]);
        let limit = bound(&["governance", "security", "resource_limits", "max_steps"]);
        let rounds = bound(&["intelligence", "cognition", "max_iterations"]).map_or(10, |(rounds, _)| rounds);
        let bounds = [
            (calls, "calls of models", "the budget allows", Count { what: What::Models, rounds }),
            (limit, "steps", "the limit is", Count { what: What::Steps, rounds }),
        ];
        for (bound, what, allows, count) in bounds {
            let Some((allowed, range)) = bound else { continue };
            let (least, path) = count.least(steps);
            let (worst, worst_path) = count.most(steps);
            if least > allowed {
                let message = format!("every run needs {least} {what} at least; {allows} {allowed}");
                let finding = Diagnostic::new(codes::BUDGET_TOO_SMALL, range, message);
                self.push(with_path(finding, &path));
            } else if worst > allowed {
                let shown = if worst >= MANY { "more than a billion".to_owned() } else { worst.to_string() };
                let message = format!("a run may need {shown} {what} at worst; {allows} {allowed}");
                let finding = Diagnostic::new(codes::BUDGET_AT_RISK, range, message);
                self.push(with_path(finding, &worst_path));
            }
        }
    }
}

/// The words of an enumeration of texts.
fn words(schema: &Value) -> Option<Vec<String>> {
    let words = schema.get("enum")?.as_array()?;
    words.iter().map(|word| word.as_str().map(str::to_owned)).collect()
}

fn with_path(mut finding: Diagnostic, path: &[(TextRange, String, u64)]) -> Diagnostic {
    let mut path: Vec<&(TextRange, String, u64)> = path.iter().filter(|(.., count)| *count > 0).collect();
    path.sort_by_key(|(.., count)| std::cmp::Reverse(*count));
    for (range, name, count) in path.into_iter().take(3) {
        finding = finding.with_related(*range, format!("`{name}` accounts for {count}"));
    }
    finding
}

#[derive(Clone, Copy)]
enum What {
    Models,
    Steps,
}

/// Counts what steps use up.
#[derive(Clone, Copy)]
struct Count {
    what: What,
    /// Rounds of model and tools, where a step does not say it.
    rounds: u64,
}

/// A count, and what accounts for it.
type Cost = (u64, Vec<(TextRange, String, u64)>);

impl Count {
    fn most(self, steps: &[Node]) -> Cost {
        self.sum(steps, |count, step| count.step(step, true))
    }

    fn least(self, steps: &[Node]) -> Cost {
        self.sum(steps, |count, step| {
            let conditional = step.get("when").is_some() || step.get("on_error").is_some();
            if conditional { 0 } else { count.step(step, false) }
        })
    }

    fn sum(self, steps: &[Node], cost: impl Fn(Self, &Node) -> u64) -> Cost {
        let mut total: u64 = 0;
        let mut path = Vec::new();
        for step in steps {
            let count = cost(self, step);
            total = total.saturating_add(count).min(MANY);
            if let Some(name) = step.get("name") {
                path.push((name.range, name.as_str().unwrap_or_default().to_owned(), count));
            }
            if step.get("return").is_some() && step.get("when").is_none() {
                break;
            }
        }
        (total, path)
    }

    fn step(self, step: &Node, worst: bool) -> u64 {
        let number = |node: Option<&Node>| node.and_then(|node| node.to_json().as_u64());
        let own = match self.what {
            What::Steps => 1,
            What::Models => match step.get("llm") {
                None => 0,
                Some(_) if !worst => 1,
                Some(llm) => {
                    let tools = llm.get("tools").is_some_and(|tools| !tools.items().is_empty());
                    let rounds = number(llm.get("max_iterations")).unwrap_or(self.rounds);
                    let output = llm.get("output");
                    let repairs = output.map_or(0, |output| number(output.get("max_repairs")).unwrap_or(2));
                    if tools { rounds.saturating_add(repairs) } else { 1 + repairs }
                }
            },
        };
        let inner: Vec<u64> = bodies(step)
            .iter()
            .map(|body| {
                let steps = body.steps.items();
                if worst { self.most(steps).0 } else { self.least(steps).0 }
            })
            .collect();
        let of_bodies = if step.get("parallel").is_some() {
            inner.iter().sum::<u64>()
        } else if step.get("switch").is_some() {
            // One case runs, or none; what a failure runs comes on top.
            if worst { inner.iter().copied().max().unwrap_or(0) } else { 0 }
        } else if let Some(repeat) = step.get("loop") {
            let times =
                if worst { number(repeat.get("max")).unwrap_or(1) } else { u64::from(repeat.get("until").is_some()) };
            inner.iter().sum::<u64>().saturating_mul(times)
        } else if step.get("map").is_some() {
            // How many items there are is not known here.
            if worst { inner.iter().sum() } else { 0 }
        } else if worst {
            inner.iter().sum()
        } else {
            0
        };
        let attempts = match step.get("retry") {
            Some(retry) if worst => number(retry.get("max_attempts")).unwrap_or(3).max(1),
            _ => 1,
        };
        let models_only = matches!(self.what, What::Models);
        let once = own.saturating_add(of_bodies);
        (if models_only { once.saturating_mul(attempts) } else { once }).min(MANY)
    }
}
