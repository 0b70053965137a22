//! In which order steps run.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

use aikit_core::{Diagnostic, codes};
use aikit_yaml::Node;

/// The order in which `steps` run, as indices: that of the document, unless `reorder` lets `needs` pull a step forward.
/// Steps that need each other in a circle keep the document's order and are reported.
pub(crate) fn execution_order(steps: &[Node], reorder: bool) -> (Vec<usize>, Vec<Diagnostic>) {
    if !reorder {
        return ((0..steps.len()).collect(), Vec::new());
    }
    let by_name: BTreeMap<&str, usize> =
        steps.iter().enumerate().rev().filter_map(|(i, step)| Some((step.get("name")?.as_str()?, i))).collect();
    let mut waits: Vec<Vec<usize>> = steps.iter().map(|step| needs(step, &by_name)).collect();
    let mut open: Vec<usize> = waits.iter().map(Vec::len).collect();
    let mut wanted_by: Vec<Vec<usize>> = vec![Vec::new(); steps.len()];
    for (step, needs) in waits.iter().enumerate() {
        needs.iter().for_each(|&need| wanted_by[need].push(step));
    }
    // Of those that can run the first in the document does.
    let mut ready: BinaryHeap<Reverse<usize>> = (0..steps.len()).filter(|&step| open[step] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(steps.len());
    while let Some(Reverse(done)) = ready.pop() {
        order.push(done);
        for &step in &wanted_by[done] {
            open[step] -= 1;
            if open[step] == 0 {
                ready.push(Reverse(step));
            }
        }
    }
    let pending: Vec<usize> = (0..steps.len()).filter(|&step| open[step] > 0).collect();
    for waits in &mut waits {
        waits.retain(|&need| open[need] > 0);
    }
    let circle = in_circle(&pending, &waits);
    let diagnostics = circle.first().map(|&first| {
        let name = |step: usize| steps[step].get("name").and_then(Node::as_str).unwrap_or_default();
        let mut names: Vec<String> = circle.iter().map(|&step| format!("`{}`", name(step))).collect();
        names.push(format!("`{}`", name(first)));
        let message = format!("steps need each other in a circle: {}", names.join(" → "));
        let range = steps[first].entry("needs").map_or(steps[first].range, |entry| entry.key.range);
        let mut diagnostic = Diagnostic::new(codes::STEP_CYCLE, range, message);
        for &step in &circle[1..] {
            if let Some(entry) = steps[step].entry("needs") {
                diagnostic = diagnostic.with_related(entry.key.range, format!("`{}` is part of it", name(step)));
            }
        }
        diagnostic
    });
    order.extend(pending);
    (order, diagnostics.into_iter().collect())
}

fn needs(step: &Node, by_name: &BTreeMap<&str, usize>) -> Vec<usize> {
    let needs = step.get("needs").map(Node::items).unwrap_or_default();
    needs.iter().filter_map(|name| by_name.get(name.as_str()?).copied()).collect()
}

/// The steps of one circle among those that could not be ordered, in the order in which they need each other.
fn in_circle(pending: &[usize], waits: &[Vec<usize>]) -> Vec<usize> {
    let Some(mut step) = pending.first().copied() else { return Vec::new() };
    let mut trail = Vec::new();
    // Every pending step waits for a pending one, so the trail must come back to itself.
    while !trail.contains(&step) {
        trail.push(step);
        match waits[step].first() {
            Some(next) => step = *next,
            None => return trail,
        }
    }
    let start = trail.iter().position(|&seen| seen == step).unwrap_or(0);
    trail.split_off(start)
}
