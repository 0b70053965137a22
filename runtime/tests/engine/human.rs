//! Runs that wait for people, and runs whose process dies at any record.

use std::sync::Arc;

use aikit_core::{ErrorKind, record::RunStatus};
use aikit_runtime::{
    engine::{RunOptions, RunReport},
    journal,
    past::Doubts,
    people::Answers,
    ports::Store,
};
use serde_json::{Value, json};

use crate::support::{Reply, World};

const HEAD: &str = "identity: {agent_id: asks, name: Asks}\nintegration: {tools: [double, {name: pay, kind: builtin, effect: write}]}\n";

fn answers(list: Value) -> RunOptions {
    let Value::Object(answers) = list else { panic!("answers are an object") };
    RunOptions { people: Some(Arc::new(Answers(answers))), ..RunOptions::default() }
}

async fn resume(world: &World, source: &str, report: &RunReport, options: RunOptions) -> RunReport {
    let plan = world.plan(source);
    world.engine.resume(report.record.id, Some(plan), options, world.cancel.clone()).await.unwrap()
}

#[tokio::test]
async fn a_run_is_put_aside_until_somebody_answers() {
    let source = format!(
        "{HEAD}behavior: {{steps: [{{name: p, tool: pay, args: {{n: 1}}}}, {{name: sure, human: {{ask: approve, prompt: 'Pay {{{{ steps.p.output }}}}?'}}}}, {{name: colour, human: {{ask: choose, choices: [red, blue]}}}}, {{name: end, return: '{{{{ steps.colour.output }}}}'}}]}}\n"
    );
    let world = World::new([]);
    let report = world.run(&source, json!({})).await;
    assert_eq!(report.record.status, RunStatus::Running);
    assert_eq!((report.waiting.len(), report.waiting[0].prompt.as_str()), (1, "Pay 2.0?"));
    let report = resume(&world, &source, &report, answers(json!({"sure": "yes"}))).await;
    assert_eq!(report.waiting[0].name, "colour");
    let report = resume(&world, &source, &report, answers(json!({"colour": 2}))).await;
    assert_eq!(report.result().unwrap(), json!("blue"));
    assert_eq!(*world.tools.paid.lock().unwrap(), [json!(1)], "nothing is done twice");
    let rows = world.store.journal(report.record.id).await.unwrap();
    assert_eq!(journal::verify(report.record.id, &rows), Ok(()));
    let plan = world.plan(&source);
    let replay = world.engine.replay(report.record.id, Some(plan), RunOptions::default(), world.cancel.clone()).await;
    assert_eq!(replay.unwrap().drift, None);
}

#[tokio::test]
async fn what_is_beside_a_question_goes_on_until_only_the_question_is_left() {
    let source = format!(
        "{HEAD}behavior: {{steps: [{{name: both, parallel: {{branches: {{a: [{{name: sure, human: {{ask: text}}}}], b: [{{name: w, wait: {{for: 30ms}}}}, {{name: p, tool: pay, args: {{n: 1}}}}]}}}}}}]}}\n"
    );
    let world = World::new([]);
    let report = world.run(&source, json!({})).await;
    assert_eq!((report.waiting.len(), world.tools.paid.lock().unwrap().len()), (1, 1));
    let report = resume(&world, &source, &report, answers(json!({"sure": "text"}))).await;
    assert_eq!(report.result().unwrap(), json!({"a": "text", "b": 2.0}));
    assert_eq!(world.tools.paid.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_person_may_say_no_or_nothing() {
    let source = |more: &str| format!("{HEAD}behavior: {{steps: [{{name: sure, human: {{ask: approve{more}}}}}]}}\n");
    let world = World::new([]);
    let run = async |source: String, list: Value| {
        let plan = world.plan(&source);
        world.engine.run(&plan, json!({}), answers(list), world.cancel.clone()).await.unwrap().result()
    };
    assert_eq!(run(source(""), json!({"sure": false})).await.unwrap_err().kind, ErrorKind::HumanRejected);
    assert_eq!(run(source(""), json!({"sure": "hm"})).await.unwrap_err().kind, ErrorKind::ValidationInput);
    // Nobody answers, and the time is over when the run goes on.
    let timed = source(", timeout: 20ms");
    let report = world.run(&timed, json!({})).await;
    assert_eq!(report.waiting.len(), 1);
    tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    let report = resume(&world, &timed, &report, RunOptions::default()).await;
    let late = report.result();
    assert!(late.as_ref().is_err_and(|error| error.kind == ErrorKind::HumanTimeout), "{late:?}");
}

#[tokio::test]
async fn a_tool_may_be_called_when_a_person_agrees() {
    let source = format!(
        "{}behavior: {{steps: [{{name: p, tool: pay, args: {{n: 1}}}}]}}\n",
        HEAD.replace("effect: write", "effect: write, confirm: always")
    );
    let world = World::new([]);
    let report = world.run(&source, json!({})).await;
    assert_eq!(report.waiting[0].name, "pay");
    assert!(world.tools.paid.lock().unwrap().is_empty());
    let refused = resume(&world, &source, &report, answers(json!({"pay": "no"}))).await;
    assert_eq!(refused.result().unwrap_err().kind, ErrorKind::HumanRejected);
    let report = world.run(&source, json!({})).await;
    let agreed = resume(&world, &source, &report, answers(json!({"pay": "yes"}))).await;
    assert_eq!(agreed.result().unwrap(), json!(2.0));
}

/// A run with branches, tools that must not be called twice, a person, an agent inside and a saga.
const WHOLE: &str = "
behavior:
  state: {initial: {log: []}, reducers: {log: append}}
  steps:
    - {name: book, tool: pay, args: {n: 1}, compensate: [{name: unbook, tool: pay, args: {n: -1}}]}
    - name: both
      parallel:
        branches:
          a:
            - {name: car, tool: pay, args: {n: 2}, compensate: [{name: uncar, tool: pay, args: {n: -2}}]}
            - {name: note, set: {log: car}}
          b:
            - {name: ask, llm: Which hotel?}
            - name: each
              map: {over: '[3, 4]', concurrency: 2, do: [{name: hotel, tool: pay, args: {n: '{{ item }}'}}]}
            - {name: note2, set: {log: hotel}}
    - {name: sure, human: {ask: approve, prompt: Sure?}}
    - {name: child, agent: helper, input: {n: 5}}
    - {name: fail, when: 'state.log.size() == 2', raise: {code: tool.timeout, message: too late}}
";

const HELPER: &str = "
identity: {agent_id: helper, name: Helper}
interface: {inputs: {type: object, properties: {n: {type: number}}}}
integration: {tools: [{name: pay, kind: builtin, effect: write}]}
behavior: {steps: [{name: p, tool: pay, args: {n: '{{ inputs.n }}'}}, {name: end, return: done}]}
";

async fn world_with_helper() -> World {
    let world = World::new([Reply::Text("the big one"), Reply::Text("the big one")]);
    let plan = world.plan(HELPER);
    let spec = aikit_core::record::NewSpec {
        agent: plan.agent.id.clone(),
        version: plan.agent.version.clone(),
        name: plan.agent.name.clone(),
        description: None,
        source: HELPER.into(),
        digest: plan.digest.clone(),
    };
    world.store.put_spec(spec).await.unwrap();
    world
}

/// Every payment, in an order that does not depend on which branch was first.
fn paid(world: &World) -> Vec<i64> {
    let mut paid: Vec<i64> = world.tools.paid.lock().unwrap().iter().map(|n| n.as_f64().unwrap() as i64).collect();
    paid.sort_unstable();
    paid
}

/// What the tool of a step pays.
fn amount(address: &str) -> i64 {
    match address {
        "book" => 1,
        "both/a/car" => 2,
        "both/b/each[0]/hotel" => 3,
        "both/b/each[1]/hotel" => 4,
        "book/compensate/unbook" => -1,
        "both/a/car/compensate/uncar" => -2,
        "p" => 5,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_process_may_die_at_any_record() {
    let source = format!("{HEAD}{WHOLE}");
    let options = || answers(json!({"sure": true}));
    let world = world_with_helper().await;
    let plan = world.plan(&source);
    let whole = world.engine.run(&plan, json!({}), options(), world.cancel.clone()).await.unwrap();
    let error = whole.result().unwrap_err();
    assert_eq!(error.kind, ErrorKind::ToolTimeout);
    assert_eq!(paid(&world), [-2, -1, 1, 2, 3, 4, 5]);
    let mut resumed = 0;
    for death in 1..200 {
        let world = world_with_helper().await;
        world.store.die_behind(death);
        let run = world.engine.run(&plan, json!({}), options(), world.cancel.clone());
        let alive = tokio::select! {
            report = run => Some(report.unwrap()),
            () = world.store.dead() => None,
        };
        let alive = match alive {
            Some(report) => {
                assert!(resumed > 20, "the run has more records than that");
                assert_eq!(report.result().unwrap_err().kind, error.kind);
                return;
            }
            None => world,
        };
        // The process is gone; another one finds what was durable.
        alive.store.revive();
        let runs = alive.store.runs(None, 10).await.unwrap();
        let Some(parent) = runs.iter().find(|run| run.agent == plan.agent.id) else { continue };
        if parent.status != RunStatus::Running {
            assert_eq!(parent.error.as_ref().unwrap().kind, error.kind, "it died behind its end");
            continue;
        }
        let once = |doubts| {
            let options = RunOptions { doubts: Arc::new(doubts), ..options() };
            alive.engine.resume(parent.id, Some(plan.clone()), options, alive.cancel.clone())
        };
        let report = match once(Doubts::default()).await {
            Ok(report) => report,
            Err(doubt) => {
                // It died between the request and its answer: a person looks whether it happened.
                assert_eq!(doubt.kind, ErrorKind::ToolDenied, "death {death}: {doubt}");
                let mut doubts = Doubts { repeat: true, ..Doubts::default() };
                for effect in doubt.detail.unwrap()["doubtful"].as_array().unwrap() {
                    let address = effect["address"].as_str().unwrap();
                    let amount = amount(address);
                    if paid(&alive).contains(&amount) {
                        doubts.outcomes.insert(address.into(), json!(amount * 2));
                    }
                }
                once(doubts).await.unwrap()
            }
        };
        let result = report.result();
        assert_eq!(result.as_ref().unwrap_err().kind, error.kind, "death {death}: {result:?}");
        assert_eq!(paid(&alive), [-2, -1, 1, 2, 3, 4, 5], "death {death}");
        let rows = alive.store.journal(parent.id).await.unwrap();
        assert_eq!(journal::verify(parent.id, &rows), Ok(()), "death {death}");
        resumed += 1;
    }
    panic!("the run never came to its end");
}
