//! Tests: the examples of an interface and the cases of suites. Each is run, and its result compared with the one that is
//! expected.

mod judge;
mod models;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use aikit_core::{ErrorKind, RunError, RunId};
use aikit_spec::{
    expr::Expr,
    plan::{CasePlan, ExamplePlan, Plan},
    test_suite::{self, CallOrder, Expectation, ExpectedCall, TestCase, TestProvider},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use self::models::{CaseModels, NoSecrets};
use crate::{
    cassette::{Cassette, Tape, TapeMode},
    engine::{Engine, RunOptions, RunReport},
    journal::{EffectKind, Record},
    people::Answers,
};

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

impl Verdict {
    /// The word for people and programs.
    pub fn word(&self) -> &'static str {
        match self {
            Verdict::Passed => "passed",
            Verdict::Ran => "ran",
            Verdict::Failed(_) => "failed",
            Verdict::Errored(_) => "errored",
        }
    }

    /// What is wrong, a line each.
    pub fn reasons(&self) -> Vec<String> {
        let shown = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), Value::to_string);
        match self {
            Verdict::Passed | Verdict::Ran => Vec::new(),
            Verdict::Errored(error) => vec![format!("[{}] {error}", error.code())],
            Verdict::Failed(differences) => {
                let told = differences.iter().map(|one| {
                    let place = if one.path.is_empty() { "the result" } else { &one.path };
                    format!("{place} is {}, expected {}", shown(one.actual.as_ref()), shown(one.expected.as_ref()))
                });
                told.collect()
            }
        }
    }
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
    /// Its name, unique in its document.
    pub name: String,
    /// The number of the example, from 0; nothing for a case.
    pub example: Option<usize>,
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
    let name = format!("example {number}");
    Tested { name, example: Some(number), line: example.line, verdict, run, took: begun.elapsed() }
}

/// Where a case stands, and what it may do.
#[derive(Debug, Clone)]
pub struct Setting<'s> {
    /// The file or cell of the suite.
    pub source_name: &'s str,
    /// The text of the case's cassette, or why it cannot be read.
    pub cassette: Option<Result<String, RunError>>,
    /// Whether models that judge are really asked.
    pub live_judges: bool,
}

/// Runs one case of a suite. No model but the scripted one is asked, and what the case stubs is not called.
pub async fn case(
    engine: &Engine,
    plan: &Arc<Plan>,
    case: &CasePlan,
    setting: Setting<'_>,
    cancel: CancellationToken,
) -> Tested {
    let begun = Instant::now();
    let said = &case.case;
    let tested = |run, verdict| Tested {
        name: said.name.clone(),
        example: None,
        line: case.line,
        verdict,
        run,
        took: begun.elapsed(),
    };
    let models = Arc::new(CaseModels::new(engine.ports().models.clone(), said.script.clone()));
    let offline = engine.for_tests(models.clone(), Arc::new(NoSecrets));
    let mut stubs: BTreeMap<String, Value> =
        plan.tools.iter().filter_map(|tool| Some((tool.name.clone(), tool.mock.clone()?))).collect();
    stubs.extend(said.stubs.iter().map(|(tool, result)| (tool.call_name(), result.clone())));
    let answers: BTreeMap<String, Value> =
        said.answers.iter().map(|(name, answer)| (name.0.clone(), answer.clone())).collect();
    let tape = match tape(said, &setting, stubs.keys().cloned()) {
        Ok(tape) => tape,
        Err(error) => return tested(None, Verdict::Errored(error)),
    };
    let options = RunOptions {
        source_name: setting.source_name.to_owned(),
        stubs: Arc::new(stubs),
        tape: tape.clone(),
        people: Some(Arc::new(Answers::from(answers))),
        ..RunOptions::default()
    };
    let inputs = said.input.clone().unwrap_or_else(|| json!({}));
    let report = match offline.run(plan, inputs, options, cancel.clone()).await {
        Ok(report) => report,
        Err(error) => return tested(None, judged_failure(&said.expect, error)),
    };
    // Whatever the run made of it: a request that was never recorded is no result.
    if let Some(missed) = tape.as_ref().and_then(|tape| tape.missed()) {
        return tested(Some(report.record.id), Verdict::Errored(missed));
    }
    let mark = match (&said.judge, report.result()) {
        (Some(judge), Ok(output)) => {
            let court = judge::Court { engine, offline: &offline, plan, case: said, tape, live: setting.live_judges };
            match court.mark(judge, &report, output, cancel).await {
                Ok(mark) => mark,
                Err(error) => return tested(Some(report.record.id), Verdict::Errored(error)),
            }
        }
        _ => None,
    };
    let mut verdict = judge(plan, said, &report, models.left());
    if let Some(mark) = mark {
        verdict = match verdict {
            Verdict::Failed(mut found) => {
                found.push(mark);
                Verdict::Failed(found)
            }
            Verdict::Passed | Verdict::Ran => Verdict::Failed(vec![mark]),
            errored => errored,
        };
    }
    tested(Some(report.record.id), verdict)
}

/// The tape of a case that is replayed; tools that are stubbed need none.
fn tape(
    case: &TestCase,
    setting: &Setting<'_>,
    stubs: impl Iterator<Item = String>,
) -> Result<Option<Arc<Tape>>, RunError> {
    if case.provider != Some(TestProvider::Replay) {
        return Ok(None);
    }
    let name = case.cassette.as_ref().map(|file| file.0.as_str()).unwrap_or_default();
    let text = setting.cassette.clone().unwrap_or_else(|| {
        let message = format!("the cassette {name} cannot be read here");
        Err(RunError::new(ErrorKind::ValidationInput, message).with_help("run the suite with `aikit test FILE`"))
    })?;
    let cassette = Cassette::parse(name, &text)?;
    Ok(Some(Arc::new(Tape::new(name, TapeMode::Replay, cassette).without_tools(stubs))))
}

/// A run that did not come to its end.
fn judged_failure(expect: &Expectation, error: RunError) -> Verdict {
    match &expect.error {
        Some(wanted) if wanted.matches(error.code()) => Verdict::Passed,
        Some(wanted) => Verdict::Failed(vec![Difference {
            path: "error".into(),
            expected: Some(json!(wanted.0)),
            actual: Some(json!(error.code())),
        }]),
        None => Verdict::Errored(error),
    }
}

/// Compares a run with what is expected of it.
fn judge(plan: &Plan, case: &TestCase, report: &RunReport, left: usize) -> Verdict {
    let expect = &case.expect;
    if let Some(question) = report.waiting.first() {
        let message = format!("the run waits for a person: {}", question.prompt);
        let help = format!("give the answer under `answers`: {{{}: …}}", question.name);
        return Verdict::Errored(RunError::new(ErrorKind::HumanTimeout, message).with_help(help));
    }
    let output = match report.result() {
        Err(error) => return judged_failure(expect, error),
        Ok(output) => output,
    };
    let mut found = Vec::new();
    let mut differ = |path: &str, expected: Value, actual: Value| {
        found.push(Difference { path: path.into(), expected: Some(expected), actual: Some(actual) });
    };
    if let Some(wanted) = &expect.error {
        differ("error", json!(wanted.0), Value::Null);
    }
    if left > 0 {
        differ("script", json!("every reply is used"), json!(format!("{left} replies were not asked for")));
    }
    let records: Vec<Record> = report.journal.iter().filter_map(Record::read).collect();
    let mut state = plan.state.clone();
    let (mut calls, mut steps) = (Vec::new(), Vec::new());
    for record in &records {
        match record {
            Record::StepEnded { state: Some(after), .. } => state = after.clone(),
            Record::StepStarted { address } => {
                steps.push(address.rsplit(['/', ']']).next().unwrap_or(address).to_owned());
            }
            Record::EffectStarted { kind: EffectKind::Tool, label, request, .. } => {
                calls.push(json!({ "tool": label, "args": request.get("args") }));
            }
            _ => {}
        }
    }
    if let Some(wanted) = &expect.calls {
        let wanted: Vec<Value> = wanted.iter().map(call_pattern).collect();
        let fits = match expect.call_order {
            Some(CallOrder::Ordered) => {
                wanted.len() == calls.len() && wanted.iter().zip(&calls).all(|(wanted, call)| matches(wanted, call))
            }
            _ => wanted.iter().all(|wanted| calls.iter().any(|call| matches(wanted, call))),
        };
        if !fits {
            differ("calls", Value::Array(wanted), Value::Array(calls));
        }
    }
    if let Some(wanted) = &expect.steps {
        let mut rest = steps.iter();
        if !wanted.iter().all(|wanted| rest.any(|step| *step == wanted.0)) {
            differ("steps", json!(wanted.iter().map(|name| &name.0).collect::<Vec<_>>()), json!(steps));
        }
    }
    if let Some(most) = expect.cost_max.filter(|most| report.record.usage.cost_usd > *most) {
        differ("cost", json!(most), json!(report.record.usage.cost_usd));
    }
    let scope = json!({ "output": output, "state": state, "inputs": case.input });
    for condition in &expect.that {
        let expr = Expr { source: condition.0.clone(), range: Default::default() };
        match expr.holds(&scope) {
            Ok(true) => {}
            Ok(false) => differ(&condition.0, json!(true), json!(false)),
            Err(error) => differ(&condition.0, json!(true), json!(error.message)),
        }
    }
    for (path, wanted, actual) in [("output", &expect.output, &output), ("state", &expect.state, &state)] {
        if let Some(wanted) = wanted {
            expected(path.to_owned(), wanted, actual, &mut found);
        }
    }
    if found.is_empty() { Verdict::Passed } else { Verdict::Failed(found) }
}

fn call_pattern(call: &ExpectedCall) -> Value {
    match &call.args {
        Some(args) => json!({ "tool": call.tool.call_name(), "args": args }),
        None => json!({ "tool": call.tool.call_name() }),
    }
}

fn matches(wanted: &Value, actual: &Value) -> bool {
    let mut found = Vec::new();
    expected(String::new(), wanted, actual, &mut found);
    found.is_empty()
}

/// Where a value is not what is expected: of objects only the keys that are named count, and a text of the form `~/…/` is a
/// regular expression.
fn expected(path: String, wanted: &Value, actual: &Value, found: &mut Vec<Difference>) {
    let mut differ = |actual: Option<&Value>| {
        if found.len() < DIFFERENCES {
            found.push(Difference { path: path.clone(), expected: Some(wanted.clone()), actual: actual.cloned() });
        }
    };
    match (wanted, actual) {
        (Value::Object(wanted), Value::Object(actual)) => {
            for (name, value) in wanted {
                let below = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
                match actual.get(name) {
                    Some(actual) => expected(below, value, actual, found),
                    None if found.len() < DIFFERENCES => {
                        found.push(Difference { path: below, expected: Some(value.clone()), actual: None });
                    }
                    None => {}
                }
            }
        }
        (Value::Array(wanted), Value::Array(actual)) if wanted.len() == actual.len() => {
            for (at, (wanted, actual)) in wanted.iter().zip(actual).enumerate() {
                expected(format!("{path}/{at}"), wanted, actual, found);
            }
        }
        (Value::Number(one), Value::Number(other)) if one.as_f64() == other.as_f64() => {}
        (Value::String(text), actual) => match (test_suite::pattern(text), actual) {
            (Some(Ok(pattern)), Value::String(actual)) if pattern.is_match(actual) => {}
            (None, Value::String(actual)) if text == actual => {}
            _ => differ(Some(actual)),
        },
        (one, other) if one == other => {}
        (_, other) => differ(Some(other)),
    }
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
