//! How steps follow each other: `needs`, joins, `goto`, sagas, hooks, guardrails, reducers, graphs and state machines.

use std::sync::Arc;

use aikit_core::{ErrorKind, RunError};
use aikit_runtime::{
    engine::{RunOptions, RunReport},
    journal::Record,
    people::Answers,
};
use serde_json::{Value, json};

use crate::support::{Reply, World};

const HEAD: &str = "identity: {agent_id: flow, name: Flow}\nintegration: {tools: [double, hang, {name: pay, kind: builtin, effect: write}]}\n";

fn document(behavior: &str) -> String {
    format!("{HEAD}{behavior}")
}

/// Runs a document to its end and replays it: the replay is the same journal.
async fn run(world: &World, source: &str) -> RunReport {
    let report = world.run(source, json!({})).await;
    let plan = world.plan(source);
    let replay = world.engine.replay(report.record.id, Some(plan), RunOptions::default(), world.cancel.clone()).await;
    let replay = replay.unwrap();
    assert_eq!(replay.drift.map(|drift| drift.to_string()), None, "{:#?}", addresses(&report));
    assert_eq!(replay.report.journal, report.journal);
    report
}

async fn gives(source: &str) -> Value {
    let world = World::new([]);
    let report = run(&world, &document(source)).await;
    report.result().unwrap_or_else(|error| panic!("{error}\n{:#?}", addresses(&report)))
}

async fn fails(source: &str) -> (World, RunError) {
    let world = World::new([]);
    let error = run(&world, &document(source)).await.result().unwrap_err();
    (world, error)
}

/// The steps that began, in order.
fn addresses(report: &RunReport) -> Vec<String> {
    let started = |row| match Record::read(row) {
        Some(Record::StepStarted { address }) => Some(address),
        _ => None,
    };
    report.journal.iter().filter_map(started).collect()
}

#[tokio::test]
async fn needs_make_a_list_a_graph() {
    let source = document(
        "
behavior:
  state: {initial: {log: 0}}
  steps:
    - {name: slow, wait: {for: 60ms}}
    - {name: quick, tool: double, args: {n: 1}}
    - {name: both, needs: [slow, quick], set: {log: '{{ steps.quick.output }}'}}
    - {name: reads, return: '{{ state.log }}'}
",
    );
    let world = World::new([]);
    let report = run(&world, &source).await;
    assert_eq!(report.result().unwrap(), json!(2.0));
    let ended: Vec<String> = report
        .journal
        .iter()
        .filter_map(|row| match Record::read(row) {
            Some(Record::StepEnded { address, .. }) => Some(address),
            _ => None,
        })
        .collect();
    assert_eq!(ended, ["quick", "slow", "both", "reads"], "what is ready does not wait for the slow one");
}

#[tokio::test]
async fn branches_are_joined_as_the_document_says() {
    for (join, branches, expected) in [
        (
            "any",
            "{a: [{name: a, tool: hang, args: {n: 1}}], b: [{name: b, tool: double, args: {n: 2}}]}",
            json!({"b": 4.0}),
        ),
        (
            "2",
            "{a: [{name: a, tool: hang, args: {n: 1}}], b: [{name: b, set: {x: 1}}], c: [{name: c, set: {y: 1}}]}",
            json!({"b": {"x": 1}, "c": {"y": 1}}),
        ),
        ("1", "{a: [{name: a, raise: tool.failed}], b: [{name: b, tool: double, args: {n: 2}}]}", json!({"b": 4.0})),
    ] {
        let source = format!("behavior: {{steps: [{{name: p, parallel: {{join: {join}, branches: {branches}}}}}]}}\n");
        assert_eq!(gives(&source).await, expected, "{join}");
    }
}

#[tokio::test]
async fn a_failing_branch_ends_the_others_or_waits_for_them() {
    let source = |on_fail: &str| {
        format!(
            "behavior: {{steps: [{{name: p, parallel: {{on_fail: {on_fail}, branches: {{a: [{{name: a, wait: {{for: 50ms}}}}, {{name: last, tool: pay, args: {{n: 1}}}}], b: [{{name: b, raise: tool.failed}}]}}}}}}]}}\n"
        )
    };
    let (world, error) = fails(&source("cancel")).await;
    assert_eq!((error.kind, world.tools.paid.lock().unwrap().len()), (ErrorKind::ToolFailed, 0));
    let (world, error) = fails(&source("wait")).await;
    assert_eq!((error.kind, world.tools.paid.lock().unwrap().len()), (ErrorKind::ToolFailed, 1));
}

#[tokio::test]
async fn goto_leads_to_a_step_of_a_list_around() {
    let source = "
behavior:
  state: {initial: {tries: 0}}
  steps:
    - {name: again, set: {tries: '{{ state.tries + 1 }}'}}
    - name: inside
      switch:
        - when: state.tries < 3
          do:
            - {name: check, assert: 'state.tries > 2', on_error: [{match: assertion.failed, goto: again}]}
    - {name: end, return: '{{ state.tries }}'}
";
    assert_eq!(gives(source).await, json!(3));
}

#[tokio::test]
async fn what_was_done_is_undone_the_last_first() {
    let source = "
behavior:
  steps:
    - {name: book, tool: pay, args: {n: 1}, compensate: [{name: unbook, tool: pay, args: {n: -1}}]}
    - name: inside
      parallel:
        branches:
          a: [{name: car, tool: pay, args: {n: 2}, compensate: [{name: uncar, tool: pay, args: {n: '{{ 0 - output }}'}}]}]
          b: [{name: hotel, tool: pay, args: {n: 3}, compensate: [{name: unhotel, raise: tool.failed}]}]
    - {name: never, tool: pay, args: {n: 5}, when: 'false', compensate: [{name: unnever, tool: pay, args: {n: -5}}]}
    - {name: fail, raise: {code: tool.timeout, message: no}}
";
    let (world, error) = fails(source).await;
    assert_eq!(error.kind, ErrorKind::ToolTimeout);
    assert_eq!(*world.tools.paid.lock().unwrap(), [json!(1), json!(2), json!(3), json!(-4.0), json!(-1)]);
    assert_eq!(error.detail.unwrap()["not_undone"][0]["step"], "inside/b/hotel");
    // An error that is handled undoes only what failed.
    let handled = source.replace(
        "    - {name: fail,",
        "    - {name: after, tool: pay, args: {n: 7}}\n    - {name: fail, on_error: [{match: '*', use: 1}],",
    );
    let world = World::new([]);
    run(&world, &document(&handled)).await.result().unwrap();
    assert_eq!(*world.tools.paid.lock().unwrap(), [json!(1), json!(2), json!(3), json!(7)]);
    // And nothing is undone where the document says so.
    let kept = source.replace("behavior:\n", "behavior:\n  orchestration: {on_error: fail}\n");
    let (world, _) = fails(&kept).await;
    assert_eq!(*world.tools.paid.lock().unwrap(), [json!(1), json!(2), json!(3)]);
}

#[tokio::test]
async fn a_step_that_is_tried_again_undoes_its_first_attempt() {
    let source = "
behavior:
  state: {initial: {tries: 0}}
  steps:
    - name: whole
      retry: {max_attempts: 2, on: ['assertion.*'], initial_delay: 1ms}
      subflow: trip
    - {name: end, return: ok}
  subflows:
    trip:
      steps:
        - {name: pay1, tool: pay, args: {n: 1}, compensate: [{name: back, tool: pay, args: {n: -1}}]}
        - {name: check, assert: 'false'}
";
    let (world, error) = fails(source).await;
    assert_eq!(error.kind, ErrorKind::AssertionFailed);
    assert_eq!(*world.tools.paid.lock().unwrap(), [json!(1), json!(-1), json!(1), json!(-1)]);
}

#[tokio::test]
async fn a_run_goes_on_behind_a_step_that_failed_where_it_may() {
    let source = "
behavior:
  orchestration: {on_error: continue}
  steps:
    - {name: bad, raise: tool.failed}
    - {name: end, return: '{{ steps.bad.status }} {{ steps.bad.error.code }}'}
";
    assert_eq!(gives(source).await, json!("failed tool.failed"));
}

#[tokio::test]
async fn a_step_that_takes_too_long_is_broken_off_and_replayed_without_waiting() {
    let source = "
behavior:
  steps:
    - name: slow
      timeout: 30ms
      subflow: inside
      on_error: [{match: tool.timeout, do: [{name: instead, set: {x: 1}}]}]
    - {name: end, return: '{{ steps.slow.error.code }}'}
  subflows: {inside: {steps: [{name: w, wait: {for: 1h}}, {name: never, tool: pay, args: {n: 1}}]}}
";
    let world = World::new([]);
    let report = run(&world, &document(source)).await;
    assert_eq!(report.result().unwrap(), json!("tool.timeout"));
    assert!(world.tools.paid.lock().unwrap().is_empty());
}

#[tokio::test]
async fn reducers_make_one_value_of_two() {
    let source = "
behavior:
  state:
    initial: {list: [0], most: 1, sum: 1, map: {a: 1}}
    reducers: {list: append, most: max, sum: sum, map: merge}
  steps:
    - name: p
      parallel:
        branches:
          a: [{name: a, set: {list: [1, 2], most: 5, sum: 10, map: {b: 2}}}]
          b: [{name: b, set: {list: 3, most: 3, sum: 100, map: {c: 3}}}]
    - {name: end, return: '{{ state }}'}
";
    let expected = json!({"list": [0, 1, 2, 3], "most": 5, "sum": 111, "map": {"a": 1, "b": 2, "c": 3}});
    assert_eq!(gives(source).await, expected);
    let (_, error) = fails(&source.replace("{list: append, most: max, sum: sum, map: merge}", "{}")).await;
    assert!(error.message.contains("both write"), "{error}");
    assert_eq!(error.kind, ErrorKind::ValidationState);
}

#[tokio::test]
async fn hooks_run_around_steps_requests_and_calls() {
    let source = document(
        "
behavior:
  state: {initial: {log: []}, reducers: {log: append}}
  hooks:
    before_run: [{name: h1, set: {log: begin}}]
    before_step: [{name: h2, set: {log: '<{{ step.name }}'}}]
    after_step: [{name: h3, set: {log: '{{ step.name }} {{ step.status }}>'}}]
    before_tool: [{name: h4, set: {log: '{{ call.tool }} {{ call.args.n }}'}}]
    after_llm: [{name: h5, set: {log: '{{ call.response.content }}'}}]
  steps:
    - {name: twice, tool: double, args: {n: 4}}
    - {name: say, llm: Hello}
    - {name: end, return: '{{ state.log }}'}
",
    );
    let world = World::new([Reply::Text("hi")]);
    let report = run(&world, &source).await;
    let expected = json!(["begin", "<twice", "double 4", "twice done>", "<say", "hi", "say done>", "<end"]);
    assert_eq!(report.result().unwrap(), expected);
}

#[tokio::test]
async fn guardrails_block_redact_warn_and_ask() {
    let source = |rail: &str| {
        document(&format!(
            "governance: {{guardrails: [{rail}]}}\nbehavior: {{steps: [{{name: t, tool: double, args: {{n: 4}}}}, {{name: end, return: 'call 555-1234 now'}}]}}\n"
        ))
    };
    let world = World::new([]);
    let redacted =
        run(&world, &source("{name: phone, on: output, use: regex, rule: '\\d{3}-\\d{4}', action: redact}")).await;
    assert_eq!(redacted.result().unwrap(), json!("call [redacted] now"));
    let warned =
        run(&world, &source("{name: phone, on: output, use: cel, rule: 'value.size() > 3', action: warn}")).await;
    assert_eq!(warned.result().unwrap(), json!("call 555-1234 now"));
    assert!(warned.journal.iter().any(|row| row.kind == "guardrail.broken"));
    let blocked =
        run(&world, &source("{name: big, on: tool_call, use: schema, schema: {properties: {n: {maximum: 3}}}}")).await;
    let error = blocked.result().unwrap_err();
    assert_eq!(error.code(), "guardrail.blocked");
    assert!(error.message.contains("big"), "{error}");
    let asking = world.plan(&source("{name: sure, on: tool_result, use: cel, rule: 'value > 7.0', action: ask}"));
    for (answer, passes) in [(json!("yes"), true), (json!(false), false)] {
        let people = Answers([("sure".to_owned(), answer)].into_iter().collect());
        let options = RunOptions { people: Some(Arc::new(people)), ..RunOptions::default() };
        let report = world.engine.run(&asking, json!({}), options, world.cancel.clone()).await.unwrap();
        assert_eq!(report.result().is_ok(), passes);
    }
}

#[tokio::test]
async fn a_graph_follows_the_first_open_edge() {
    let source = "
behavior:
  type: state_graph
  state: {initial: {n: 0}}
  graph:
    nodes:
      - {name: count, set: {n: '{{ state.n + 1 }}'}}
      - {name: done, return: '{{ state.n }}'}
    edges:
      - {from: count, to: count}
      - {from: count, to: done, when: state.n >= 3, priority: 5}
";
    assert_eq!(gives(source).await, json!(3));
    let endless = source.replace("state.n >= 3", "state.n >= 300");
    let (_, error) = fails(&endless).await;
    assert_eq!(error.kind, ErrorKind::BudgetExceeded);
    assert!(error.message.contains("100 nodes"), "{error}");
}

const MACHINE: &str = "
behavior:
  type: state_machine
  state: {initial: {log: [], tries: 0}, reducers: {log: append, tries: sum}}
  state_machine:
    initial: draft
    states:
      draft:
        entry: [{name: in, set: {log: in}}]
        do: [{name: write, set: {log: write, tries: 1}}]
        exit: [{name: out, set: {log: out}}]
        on_done:
          - {target: review, guard: state.tries > 1, actions: [{name: way, set: {log: way}}]}
          - {target: draft}
      review:
        do: [{name: look, emit: {event: verdict, payload: {good: true}}}]
        on: {verdict: [{target: done, guard: event.payload.good}]}
        after: {10s: draft}
      done: {type: final, entry: [{name: result, return: '{{ state.log }}'}]}
";

#[tokio::test]
async fn a_state_machine_goes_from_state_to_state() {
    assert_eq!(gives(MACHINE).await, json!(["in", "write", "out", "in", "write", "out", "way"]));
}

#[tokio::test]
async fn time_and_errors_lead_on_as_well() {
    let source = "
behavior:
  type: state_machine
  state_machine:
    initial: work
    states:
      work:
        do: [{name: slow, wait: {for: 1h}}]
        after: {30ms: late}
      late:
        do: [{name: bad, raise: tool.failed}]
        on_error: [{target: done, guard: 'error.code == \"tool.failed\"'}]
      listen: {on: {never: [{target: done}]}, after: {20ms: done}}
      done: {type: final, do: [{name: end, return: over}]}
";
    assert_eq!(gives(source).await, json!("over"));
    assert_eq!(gives(&source.replace("initial: work", "initial: listen")).await, json!("over"));
}

#[tokio::test]
async fn one_run_hears_what_another_tells() {
    let listens = document("behavior: {steps: [{name: heard, wait: {event: order.paid}}]}\n");
    let tells = document("behavior: {steps: [{name: tell, emit: {event: order.paid, payload: {id: 7}}}]}\n");
    let world = World::new([]);
    let (heard, told) = tokio::join!(run(&world, &listens), async {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        world.run(&tells, json!({})).await
    });
    assert_eq!((heard.result().unwrap(), told.result().unwrap()), (json!({"id": 7}), json!({"id": 7})));
}

#[tokio::test]
async fn a_kept_state_goes_from_run_to_run() {
    let source = document(
        "behavior: {state: {initial: {n: 0}, persist: forever}, steps: [{name: s, set: {n: '{{ state.n + 1 }}'}}, {name: end, return: '{{ state.n }}'}]}\n",
    );
    let world = World::new([]);
    for expected in 1..4 {
        assert_eq!(run(&world, &source).await.result().unwrap(), json!(expected));
    }
}

#[tokio::test]
async fn an_output_is_kept_for_a_time() {
    let source = document("behavior: {steps: [{name: p, tool: pay, args: {n: 1}, cache: {ttl: 1h, key: fixed}}]}\n");
    let world = World::new([]);
    for _ in 0..3 {
        assert_eq!(run(&world, &source).await.result().unwrap(), json!(2.0));
    }
    assert_eq!(world.tools.paid.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn quotas_of_an_agent_hold_for_all_its_runs() {
    let source = document(
        "governance: {rate_limits: {tool_calls_per_minute: 2, requests_per_minute: 4}}\nbehavior: {steps: [{name: t, tool: double, args: {n: 1}}]}\n",
    );
    let world = World::new([]);
    let plan = world.plan(&source);
    let mut kinds = Vec::new();
    for _ in 0..5 {
        let report = world.engine.run(&plan, json!({}), RunOptions::default(), world.cancel.clone()).await;
        kinds.push(match report {
            Ok(report) => report.result().err().map(|error| error.message),
            Err(error) => Some(error.message),
        });
    }
    let said = |at: usize, what: &str| kinds[at].as_ref().is_some_and(|message| message.contains(what));
    assert_eq!((&kinds[0], &kinds[1]), (&None, &None));
    assert!(said(2, "tool_calls_per_minute") && said(4, "requests_per_minute"), "{kinds:?}");
}

#[tokio::test]
async fn two_runs_with_one_key_are_one() {
    let source = document(
        "interface: {inputs: {type: object, properties: {order: {type: string}}}}\nbehavior: {orchestration: {idempotency_key: inputs.order}, steps: [{name: p, tool: pay, args: {n: 1}}]}\n",
    );
    let world = World::new([]);
    let first = world.run(&source, json!({"order": "a"})).await;
    let again = world.run(&source, json!({"order": "a"})).await;
    let other = world.run(&source, json!({"order": "b"})).await;
    assert_eq!(first.record.id, again.record.id);
    assert_ne!(first.record.id, other.record.id);
    assert_eq!(world.tools.paid.lock().unwrap().len(), 2);
}
