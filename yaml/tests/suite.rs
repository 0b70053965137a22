//! The public YAML test suite (yaml-test-suite, MIT licence): the events of every case, the refusal of every broken one.

use std::fmt::Write;

use aikit_yaml::{SyntaxTree, events, notation};
use serde_json::Value;

fn cases() -> serde_json::Map<String, Value> {
    serde_json::from_str(include_str!("yaml-test-suite.json")).unwrap()
}

#[test]
fn every_case_gives_its_events_or_its_refusal() {
    let mut failures = String::new();
    let mut count = 0;
    for (id, case) in &cases() {
        let text = case["in"].as_str().unwrap();
        let tree = SyntaxTree::parse(text);
        let refused = !tree.problems().is_empty();
        let name = case["name"].as_str().unwrap_or_default();
        if case.get("error").is_some() {
            if !refused {
                count += 1;
                writeln!(failures, "== {id} {name}: not refused\n{text}\n-- got\n{}", notation(&events(&tree, text)))
                    .unwrap();
            }
            continue;
        }
        let got = notation(&events(&tree, text));
        let expected: String =
            case["events"].as_str().unwrap().lines().map(|line| format!("{}\n", line.trim_start())).collect();
        if refused || got != expected {
            count += 1;
            let problems: Vec<_> =
                tree.problems().iter().map(|problem| (problem.kind, problem.range.slice(text))).collect();
            writeln!(failures, "== {id} {name}\n{text}\n-- expected\n{expected}-- got {problems:?}\n{got}").unwrap();
        }
    }
    assert!(failures.is_empty(), "{count} cases:\n{failures}");
}
