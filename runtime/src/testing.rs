//! The examples of an interface as tests: each is run, and its result compared with the one that is expected.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use aikit_core::{RunError, RunId};
use aikit_spec::plan::{ExamplePlan, Plan};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::engine::{Engine, RunOptions};

/// How many differences of a result are told.
const DIFFERENCES: usize = 20;

/// What became of a test.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// The result is the one that is expected.
    Passed,
    /// The run ended well, and no result was expected.
    Ran,
    /// The result is another one.
    Failed(Vec<Difference>),
    /// The run failed.
    Errored(RunError),
}

/// A part of a result that is not the expected one.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// JSON Pointer (RFC 6901) to the part.
    pub path: String,
    /// What is expected; nothing where nothing is.
    pub expected: Option<Value>,
    /// What there is.
    pub actual: Option<Value>,
}

/// A test that was run.
#[derive(Debug, Clone)]
pub struct Tested {
    /// The number of the example, from 0.
    pub example: usize,
    /// Line of the document on which it stands, from 0.
    pub line: u32,
    /// What became of it.
    pub verdict: Verdict,
    /// The run, unless it could not begin.
    pub run: Option<RunId>,
    /// How long it took.
    pub took: Duration,
}

impl Tested {
    /// Whether all is as it should be.
    pub fn is_ok(&self) -> bool {
        matches!(self.verdict, Verdict::Passed | Verdict::Ran)
    }
}

/// Runs one example. It is a run like any other and stays in the journal.
pub async fn test(
    engine: &Engine,
    plan: &Arc<Plan>,
    number: usize,
    example: &ExamplePlan,
    source_name: &str,
    cancel: CancellationToken,
) -> Tested {
    let begun = Instant::now();
    let options = RunOptions { source_name: source_name.to_owned(), ..RunOptions::default() };
    let (run, verdict) = match engine.run(plan, example.inputs.clone(), options, cancel).await {
        Err(error) => (None, Verdict::Errored(error)),
        Ok(report) => {
            let verdict = match (report.result(), &example.outputs) {
                (Err(error), _) => Verdict::Errored(error),
                (Ok(_), None) => Verdict::Ran,
                (Ok(result), Some(expected)) => {
                    let found = differences(expected, &result);
                    if found.is_empty() { Verdict::Passed } else { Verdict::Failed(found) }
                }
            };
            (Some(report.record.id), verdict)
        }
    };
    Tested { example: number, line: example.line, verdict, run, took: begun.elapsed() }
}

/// Where two values differ, in the order of the expected one. `1` and `1.0` are the same number.
pub fn differences(expected: &Value, actual: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(String::new(), Some(expected), Some(actual), &mut found);
    found
}

fn compare(path: String, expected: Option<&Value>, actual: Option<&Value>, found: &mut Vec<Difference>) {
    if found.len() >= DIFFERENCES {
        return;
    }
    match (expected, actual) {
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            let below = |name: &str| format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
            for (name, value) in one {
                compare(below(name), Some(value), other.get(name), found);
            }
            for (name, value) in other.iter().filter(|(name, _)| !one.contains_key(*name)) {
                compare(below(name), None, Some(value), found);
            }
        }
        (Some(Value::Array(one)), Some(Value::Array(other))) => {
            for at in 0..one.len().max(other.len()) {
                compare(format!("{path}/{at}"), one.get(at), other.get(at), found);
            }
        }
        (Some(Value::Number(one)), Some(Value::Number(other))) if one.as_f64() == other.as_f64() => {}
        (one, other) if one == other => {}
        (one, other) => found.push(Difference { path, expected: one.cloned(), actual: other.cloned() }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_differ_where_they_differ() {
        let expected = json!({"a": 1, "b": [1, {"c/d": "x"}], "gone": null});
        assert_eq!(differences(&expected, &expected), []);
        assert_eq!(differences(&json!(1), &json!(1.0)), []);
        let actual = json!({"a": 1.0, "b": [1, {"c/d": "y"}, 3], "more": true});
        let told: Vec<(String, Option<Value>, Option<Value>)> =
            differences(&expected, &actual).into_iter().map(|one| (one.path, one.expected, one.actual)).collect();
        assert_eq!(
            told,
            [
                ("/b/1/c~1d".into(), Some(json!("x")), Some(json!("y"))),
                ("/b/2".into(), None, Some(json!(3))),
                ("/gone".into(), Some(json!(null)), None),
                ("/more".into(), None, Some(json!(true))),
            ]
        );
        assert_eq!(differences(&json!(vec![0; 100]), &json!(vec![1; 100])).len(), DIFFERENCES);
    }
}
