//! Steps that hold steps, attempts, errors that are handled.

use aikit_core::{ErrorKind, record::RunStatus};
use aikit_runtime::{
    engine::RunOptions,
    journal,
    ports::Store,
    view::{self, RunView},
};
use serde_json::{Value, json};

use crate::support::{Reply, World};

fn steps(list: &str) -> String {
    format!("identity: {{agent_id: bodies, name: Bodies}}\nbehavior:\n  steps:\n{list}")
}

async fn gives(list: &str, replies: Vec<Reply>) -> Value {
    World::new(replies).run(&steps(list), json!({})).await.result().unwrap()
}

#[tokio::test]
async fn branches_run_on_copies_and_come_together() {
    let source = "
    - name: both
      parallel:
        branches:
          left:
            - {name: l, set: {a: 1}}
          right:
            - {name: r, set: {b: 2}}
            - {name: r2, set: {c: '{{ state.b + 1 }}'}}
    - name: end
      return: {out: '{{ steps.both.output }}', state: '{{ state }}', l: '{{ steps.l.output.a }}'}
";
    assert_eq!(
        gives(source, vec![]).await,
        json!({"out": {"left": {"a": 1}, "right": {"c": 3}}, "state": {"a": 1, "b": 2, "c": 3}, "l": 1})
    );
    let clash = source.replace("set: {b: 2}", "set: {a: 2, b: 2}");
    let error = World::new([]).fails(&steps(&clash), json!({})).await;
    assert_eq!(error.kind, ErrorKind::ValidationState);
    assert!(error.message.contains("`left` and `right` both write `state.a`"), "{error}");
    let same = source.replace("set: {b: 2}", "set: {a: 1, b: 2}");
    assert_eq!(gives(&same, vec![]).await["state"]["a"], 1);
}

#[tokio::test]
async fn the_first_branch_that_succeeds_is_enough() {
    let source = "
    - name: race
      parallel:
        join: any
        branches:
          slow:
            - {name: s, llm: wait}
          fast:
            - {name: f, set: {a: 1}}
";
    assert_eq!(gives(source, vec![Reply::Hang]).await, json!({"fast": {"a": 1}}));
}

#[tokio::test]
async fn a_map_keeps_the_order_of_its_items() {
    for concurrency in [1, 3] {
        let source = format!(
            "
    - name: each
      map:
        over: '[1, 2, 3, 4, 5]'
        as: n
        concurrency: {concurrency}
        do:
          - {{name: twice, tool: double, args: {{n: '{{{{ n }}}}'}}}}
        collect: output + index
"
        );
        let source = format!("{}integration: {{tools: [double]}}\n", steps(&source));
        let report = World::new([]).run(&source, json!({})).await;
        assert_eq!(report.result().unwrap(), json!([2.0, 5.0, 8.0, 11.0, 14.0]));
        let view = RunView::new(report.record.clone(), &report.journal);
        assert!(view::text(&view).contains("✓ twice (tool)"), "{}", view::text(&view));
    }
    let error = World::new([])
        .fails(&steps("\n    - {name: m, map: {over: '1', do: [{name: x, set: {a: 1}}]}}\n"), json!({}))
        .await;
    assert_eq!(error.message, "`1` gives a number, not a list");
}

#[tokio::test]
async fn loops_end_at_their_condition_or_their_bound() {
    let round = |head: &str| {
        format!(
            "
    - name: rounds
      loop: {{{head}, do: [{{name: up, set: {{n: '{{{{ index }}}}'}}}}]}}
    - name: end
      return: '{{{{ state.n }}}}'
"
        )
    };
    for (head, last) in
        [("while: 'index < 3', max: 10", 2), ("until: 'state.n == 4', max: 10", 4), ("while: 'true', max: 2", 1)]
    {
        assert_eq!(gives(&round(head), vec![]).await, json!(last), "{head}");
    }
    let inside = "
    - name: rounds
      loop:
        while: 'true'
        max: 5
        do:
          - {name: out, when: index == 2, return: '{{ index }}'}
";
    assert_eq!(gives(inside, vec![]).await, json!(2));
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_what_fails_is_handled() {
    let source = "
    - name: ask
      llm: hi
      retry: {max_attempts: 3, initial_delay: 1ms, jitter: none}
      on_error:
        - match: provider.rate_limit
          use: 'busy: {{ error.code }}'
        - match: '*'
          do:
            - {name: note, set: {why: '{{ error.message }}'}}
            - {name: give-up, return: 'gave up: {{ state.why }}'}
    - name: end
      return: {answer: '{{ steps.ask.output }}', attempts: '{{ steps.ask.attempts }}'}
";
    let error = Reply::Error;
    let timeouts = || [error(ErrorKind::ProviderTimeout), error(ErrorKind::ProviderTimeout)];
    let [a, b] = timeouts();
    assert_eq!(gives(source, vec![a, b, Reply::Text("yes")]).await, json!({"answer": "yes", "attempts": 3}));
    let limited = || {
        vec![
            error(ErrorKind::ProviderRateLimit),
            error(ErrorKind::ProviderRateLimit),
            error(ErrorKind::ProviderRateLimit),
        ]
    };
    assert_eq!(gives(source, limited()).await, json!({"answer": "busy: provider.rate_limit", "attempts": 3}));
    let refused = gives(source, vec![error(ErrorKind::ProviderRefusal)]).await;
    assert!(refused.as_str().unwrap().starts_with("gave up: "), "a refusal is not tried again: {refused}");
    let world = World::new([Reply::Hang]);
    world.cancel_soon();
    assert_eq!(
        world.run(&steps(source), json!({})).await.record.status,
        RunStatus::Cancelled,
        "no one handles a cancel"
    );
}

#[tokio::test]
async fn an_assertion_says_what_does_not_hold() {
    for (assert, message) in
        [("1 + 1 == 3", "`1 + 1 == 3` does not hold"), ("{that: 'false', message: 'Too {{ 1 + 1 }} bad'}", "Too 2 bad")]
    {
        let source = steps(
            &format!("\n    - {{name: check, assert: {assert}}}\n")
                .replace("assert: 1", "assert: '1")
                .replace("3}", "3'}"),
        );
        let error = World::new([]).fails(&source, json!({})).await;
        assert_eq!((error.kind, error.message.as_str()), (ErrorKind::AssertionFailed, message));
    }
}

#[tokio::test]
async fn an_agent_runs_another_one() {
    let world = World::new([Reply::Text("Hello Ada")]);
    let other = "identity: {agent_id: greeter, name: Greeter}\ninterface: {inputs: {type: object, properties: {name: {type: string}}, required: [name]}}\n";
    let plan = world.plan(other);
    let spec = aikit_core::record::NewSpec {
        agent: plan.agent.id.clone(),
        version: plan.agent.version.clone(),
        name: plan.agent.name.clone(),
        description: None,
        source: other.into(),
        digest: plan.digest.clone(),
    };
    world.store.put_spec(spec).await.unwrap();
    let source = steps("\n    - {name: greet, agent: greeter, input: {name: Ada}}\n");
    let report = world.run(&source, json!({})).await;
    assert_eq!(report.result().unwrap(), json!("Hello Ada"));
    assert_eq!(report.record.usage.model_calls, 1, "the child's calls are the parent's");
    assert_eq!(world.store.runs.lock().unwrap().len(), 2);
    let error = world.fails(&source.replace("greeter", "nobody"), json!({})).await;
    assert_eq!(error.kind, ErrorKind::AgentNotFound);
}

#[tokio::test]
async fn branches_and_rounds_are_replayed_and_resumed() {
    let source = steps(
        "
    - name: both
      parallel:
        branches:
          left:
            - {name: l, llm: left}
          right:
            - {name: r, tool: double, args: {n: 2}}
            - name: rs
              map: {over: '[1, 2, 3]', concurrency: 2, do: [{name: each, tool: double, args: {n: '{{ item }}'}}]}
    - name: shaky
      llm: shaky
      retry: {initial_delay: 1ms}
    - name: end
      return: {l: '{{ steps.l.output }}', rs: '{{ steps.rs.output }}', s: '{{ steps.shaky.output }}'}
",
    ) + "integration: {tools: [double]}\n";
    let replies = || [Reply::Text("L"), Reply::Error(ErrorKind::ProviderTimeout), Reply::Text("S")];
    let world = World::new(replies());
    let report = world.run(&source, json!({})).await;
    let result = report.result().unwrap();
    assert_eq!(result, json!({"l": "L", "rs": [2.0, 4.0, 6.0], "s": "S"}));
    let (id, plan) = (report.record.id, world.plan(&source));
    let replay =
        world.engine.replay(id, Some(plan.clone()), RunOptions::default(), world.cancel.clone()).await.unwrap();
    assert_eq!((replay.drift, replay.report.journal), (None, report.journal.clone()));
    for cut in 1..report.journal.len() {
        let rows = report.journal[..cut].to_vec();
        let asked = rows
            .iter()
            .filter(|row| row.kind == "effect.started.model")
            .filter(|start| {
                rows.iter().any(|end| end.kind == "effect.ended" && end.body["effect"] == start.body["effect"])
            })
            .count();
        let world = World::new(replies().into_iter().skip(asked));
        let mut record = report.record.clone();
        record.status = RunStatus::Running;
        world.store.runs.lock().unwrap().insert(id, record);
        world.store.rows.lock().unwrap().insert(id, rows);
        let resumed = world
            .engine
            .resume(id, Some(plan.clone()), RunOptions::default(), world.cancel.clone())
            .await
            .unwrap_or_else(|error| panic!("cut {cut}: {error}"));
        assert_eq!(resumed.result().unwrap(), result, "cut {cut}");
        let stored = world.store.journal(id).await.unwrap();
        assert_eq!((journal::verify(id, &stored), stored.len()), (Ok(()), report.journal.len()), "cut {cut}");
    }
}
