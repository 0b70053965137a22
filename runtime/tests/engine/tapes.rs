//! Runs on a cassette: nothing is asked, nothing is waited for, and what was never recorded is told.

use std::{sync::Arc, time::Duration};

use aikit_core::ErrorKind;
use aikit_runtime::{
    cassette::{Cassette, Tape, TapeMode},
    engine::{RunOptions, RunReport},
    testing::{self, Setting, Tested, Verdict},
};
use serde_json::{Value, json};

use crate::support::{Reply, World};

const AGENT: &str = "
identity: {agent_id: taped, name: Taped}
interface: {inputs: {type: object, properties: {message: {type: string}}}}
integration: {tools: [double]}
intelligence:
  models:
    one: {provider: scripted, model: one, retry: {initial_delay: 1h, respect_retry_after: false}}
    judge: {provider: scripted, model: judge}
  model: one
  judge_model: judge
";

async fn play(world: &World, source: &str, message: &str, tape: &Arc<Tape>) -> RunReport {
    let options = RunOptions { tape: Some(tape.clone()), ..RunOptions::default() };
    world.engine.run(&world.plan(source), json!({"message": message}), options, world.cancel.clone()).await.unwrap()
}

/// What a run with these replies leaves behind.
async fn recorded(source: &str, replies: Vec<Reply>) -> Cassette {
    let world = World::new(replies);
    let report = world.run(&source.replace("1h", "1ms"), json!({"message": "2+2"})).await;
    assert_eq!(report.result().unwrap(), json!("4"));
    let cassette = world.engine.cassette(report.record.id).await.unwrap();
    Cassette::parse("c.json", &cassette.text()).unwrap()
}

fn replies() -> Vec<Reply> {
    vec![Reply::Error(ErrorKind::ProviderTimeout), Reply::Tool("double", json!({"n": 2})), Reply::Text("4")]
}

#[tokio::test]
async fn a_run_is_had_again_without_asking_anybody() {
    let cassette = recorded(AGENT, replies()).await;
    let kinds: Vec<&str> = cassette.entries.iter().map(|entry| entry.kind.as_str()).collect();
    assert_eq!(kinds, ["model", "model", "tool", "model"]);
    let world = World::new([]);
    let tape = Arc::new(Tape::new("c.json", TapeMode::Replay, cassette.clone()));
    let run = tokio::time::timeout(Duration::from_secs(20), play(&world, AGENT, "2+2", &tape)).await;
    let report = run.expect("a pause of an hour is not waited for");
    assert_eq!((report.result().unwrap(), tape.missed()), (json!("4"), None));
    assert_eq!(report.record.usage.input_tokens, 20);

    let tape = Arc::new(Tape::new("c.json", TapeMode::Replay, cassette.clone()));
    let error = play(&world, AGENT, "3+3", &tape).await.result().unwrap_err();
    assert_eq!(error.kind, ErrorKind::ProviderInvalid);
    assert!(error.message.ends_with("/messages/0/content: recorded \"2+2\", now \"3+3\""), "{error}");
    assert_eq!(tape.missed(), Some(error));

    // What is missing is performed, and can be added.
    let world = World::new([Reply::Text("6")]);
    let tape = Arc::new(Tape::new("c.json", TapeMode::Auto, cassette.clone()));
    let report = play(&world, AGENT, "3+3", &tape).await;
    assert_eq!(report.result().unwrap(), json!("6"));
    let mut more = tape.cassette().clone();
    more.add(world.engine.cassette(report.record.id).await.unwrap());
    assert_eq!(more.entries.len(), cassette.entries.len() + 1);
}

/// The case of a suite that a document holds.
async fn case(world: &World, case: &str, cassette: Option<String>) -> Tested {
    let source = format!("{AGENT}tests:\n  - {case}\n");
    let plan = world.plan(&source);
    let setting = Setting { source_name: "a.yaml", cassette: cassette.map(Ok), live_judges: false };
    testing::case(&world.engine, &plan, &plan.tests[0], setting, world.cancel.clone()).await
}

fn failed(tested: &Tested) -> Vec<String> {
    tested.verdict.reasons()
}

#[tokio::test]
async fn a_case_runs_on_a_cassette() {
    let text = recorded(AGENT, replies()).await.text();
    let world = World::new([]);
    let asked = |message: &str| {
        format!(
            "{{name: one, input: {{message: {message}}}, provider: replay, cassette: c.json, expect: {{output: '4'}}}}"
        )
    };
    let tested = case(&world, &asked("2+2"), Some(text.clone())).await;
    assert!(matches!(tested.verdict, Verdict::Passed), "{:?}", failed(&tested));
    for (message, text, why) in [
        ("3+3", Some(text.clone()), "the nearest one, of `scripted/one`, differs"),
        ("2+2", Some(text.replace("2+2", "2+3")), "does not fit its digest"),
        ("2+2", Some(text[..text.len() / 2].to_owned()), "it is not JSON"),
        ("2+2", None, "cannot be read here"),
    ] {
        let tested = case(&world, &asked(message), text).await;
        let reasons = failed(&tested);
        assert!(matches!(tested.verdict, Verdict::Errored(_)) && reasons[0].contains(why), "{why}: {reasons:?}");
    }
}

#[tokio::test]
async fn a_judge_gives_a_mark() {
    let asked = |script: &str, min: &str| {
        format!(
            "{{name: one, input: {{message: hi}}, {script}judge: {{rubric: 'It says {{{{ inputs.message }}}}, as in {{{{ output }}}}', min: {min}}}}}"
        )
    };
    let mark = |score: f64| json!({"score": score, "reason": "so so"}).to_string();
    let said = Reply::Text(Box::leak(mark(0.5).into_boxed_str()));
    // The judge is a scripted model, so it can be asked.
    let world = World::new([said.clone(), said.clone()]);
    let script = "script: [hello], ";
    let tested = case(&world, &asked(script, "0.5"), None).await;
    assert!(tested.is_ok(), "{:?}", failed(&tested));
    let prompt = world.model.requests.lock().unwrap()[0].messages.last().map(|m| m.content.clone()).unwrap();
    assert!(prompt.contains("It says hi, as in hello"), "{prompt}");
    let tested = case(&world, &asked(script, "0.6"), None).await;
    assert_eq!(failed(&tested), [r#"judge is {"score":0.5,"reason":"so so"}, expected {"score":"at least 0.6"}"#]);
    assert_eq!(world.model.requests.lock().unwrap()[1].model, "judge");
}

#[tokio::test]
async fn a_step_reads_nothing_of_the_clock_on_a_tape() {
    let source = "
identity: {agent_id: flow, name: Flow}
integration: {tools: [double]}
behavior:
  steps:
    - {name: one, tool: double, args: {n: 4}}
    - {name: two, script: {lua: 'tools.call [\"double\", {\"n\": 8}]'}}
";
    let world = World::new([]);
    let report = world.run(source, json!({})).await;
    assert_eq!(report.result().unwrap(), json!(16.0));
    let mut cassette = world.engine.cassette(report.record.id).await.unwrap();
    let labels: Vec<&str> = cassette.entries.iter().map(|entry| entry.label.as_str()).collect();
    assert_eq!(labels, ["double", "double"]);
    // Answers of a cassette are anybody's to change.
    cassette.entries[1].response = Some(Value::from("changed"));
    let tape = Arc::new(Tape::new("c.json", TapeMode::Replay, cassette));
    let options = RunOptions { tape: Some(tape), ..RunOptions::default() };
    let report = world.engine.run(&world.plan(source), json!({}), options, world.cancel.clone()).await.unwrap();
    assert_eq!(report.result().unwrap(), json!("changed"));
}
