//! Runs with a past: replayed, resumed behind every record, forked.

use std::sync::Arc;

use aikit_core::{
    ErrorKind, RunId,
    record::{JournalRow, NewSpec, RunStatus},
};
use aikit_runtime::{
    engine::{Fork, RunOptions, RunReport},
    journal,
    past::Doubts,
    ports::Store,
};
use serde_json::{Map, json};

use crate::support::{Reply, World};

const SOURCE: &str = "
identity: {agent_id: past, name: Past}
interface:
  inputs: {type: object, properties: {text: {type: string}}, required: [text]}
integration: {tools: [double]}
behavior:
  type: sequential
  state: {initial: {seen: 0}}
  workflow:
    steps:
      - name: classify
        llm: {prompt: 'Classify at {{ now }}: {{ inputs.text }}'}
      - name: work
        script:
          lua: |
            now
            id
            storage.set [\"k\", {\"a\": 1}]
            ai.complete [\"say\"]
            tools.call [\"double\", {\"n\": 4}]
      - name: twice
        tool: double
        args: {n: 21}
      - name: note
        set: {seen: '{{ steps.twice.output }}'}
      - name: answer
        llm: {prompt: 'Answer {{ steps.classify.output }} {{ state.seen }}'}
      - name: finish
        return: {kind: '{{ steps.classify.output }}', answer: '{{ steps.answer.output }}', work: '{{ steps.work.output }}'}
";

fn replies() -> [Reply; 3] {
    [Reply::Text("bug"), Reply::Text("said"), Reply::Text("done")]
}

/// A world with a finished run, its document stored.
async fn recorded() -> (World, RunReport) {
    let world = World::new(replies());
    store(&world, SOURCE).await;
    let report = world.run(SOURCE, json!({"text": "it crashes"})).await;
    assert_eq!(report.result().unwrap(), json!({"kind": "bug", "answer": "done", "work": 8.0}));
    (world, report)
}

async fn store(world: &World, source: &str) {
    let plan = world.plan(source);
    let spec = NewSpec {
        agent: plan.agent.id.clone(),
        version: plan.agent.version.clone(),
        name: plan.agent.name.clone(),
        description: None,
        source: source.into(),
        digest: plan.digest.clone(),
    };
    world.store.put_spec(spec).await.unwrap();
}

#[tokio::test]
async fn a_replay_is_the_same_journal_and_asks_nobody() {
    let (world, report) = recorded().await;
    let replay =
        world.engine.replay(report.record.id, None, RunOptions::default(), world.cancel.clone()).await.unwrap();
    assert_eq!(replay.drift, None);
    assert_eq!(replay.report.journal, report.journal);
    assert_eq!(replay.report.record.output, report.record.output);
    assert_eq!(world.model.requests.lock().unwrap().len(), 3, "no model was asked again");
    assert_eq!(world.store.runs.lock().unwrap().len(), 1, "nothing was stored");
}

#[tokio::test]
async fn a_changed_prompt_is_drift_at_its_step() {
    let (world, report) = recorded().await;
    for (from, to, at) in [
        ("Answer {{", "Reply {{", Some("answer")),
        ("n: 21", "n: 22", Some("twice")),
        ("[\\\"say\\\"]", "[\\\"shout\\\"]", Some("work")),
        ("return: {kind", "return: {sort", None),
    ] {
        let (from, to) = (from.replace("\\\"", "\""), to.replace("\\\"", "\""));
        let changed = SOURCE.replace(&from, &to);
        assert_ne!(changed, SOURCE, "{from}");
        let plan = world.plan(&changed);
        let replay = world
            .engine
            .replay(report.record.id, Some(plan), RunOptions::default(), world.cancel.clone())
            .await
            .unwrap();
        let drift = replay.drift.unwrap_or_else(|| panic!("{from} is no drift"));
        match at {
            Some(step) => assert_eq!(drift.address.as_deref(), Some(step), "{from}"),
            None => assert_eq!(drift.found["status"], "done", "{drift:?}"),
        }
    }
    assert_eq!(world.model.requests.lock().unwrap().len(), 3);
}

/// A world in which the process died when `rows` were durable.
async fn died(report: &RunReport, rows: &[JournalRow]) -> World {
    let asked = rows.iter().filter(|row| row.kind == "effect.ended" && is_model(rows, row)).count();
    let world = World::new(replies().into_iter().skip(asked));
    store(&world, SOURCE).await;
    let mut record = report.record.clone();
    record.status = RunStatus::Running;
    (record.output, record.ended_at) = (None, None);
    world.store.runs.lock().unwrap().insert(record.id, record);
    world.store.rows.lock().unwrap().insert(report.record.id, rows.to_vec());
    world
}

fn is_model(rows: &[JournalRow], ended: &JournalRow) -> bool {
    rows.iter().any(|row| row.kind == "effect.started.model" && row.body["effect"] == ended.body["effect"])
}

#[tokio::test]
async fn a_run_that_died_at_any_record_goes_on_and_repeats_nothing() {
    let (_, report) = recorded().await;
    let id: RunId = report.record.id;
    let writes = |rows: &[JournalRow]| {
        let started = |row: &&JournalRow| row.kind == "effect.started.storage";
        rows.iter().filter(started).count()
    };
    for cut in 1..report.journal.len() {
        let rows = &report.journal[..cut];
        let world = died(&report, rows).await;
        let last = rows.last().unwrap();
        let resume = |repeat| {
            let doubts = Arc::new(Doubts { repeat, ..Doubts::default() });
            world.engine.resume(id, None, RunOptions { doubts, ..RunOptions::default() }, world.cancel.clone())
        };
        let mut resumed = resume(false).await;
        if last.kind == "effect.started.storage" {
            // The process died while something was being changed: a person decides.
            let error = resumed.unwrap_err();
            assert_eq!(error.kind, ErrorKind::ToolDenied, "cut {cut}");
            assert_eq!(world.store.rows.lock().unwrap()[&id].len(), cut, "nothing was added");
            resumed = resume(true).await;
        }
        let resumed = resumed.unwrap_or_else(|error| panic!("cut {cut} behind {}: {error}", last.kind));
        assert_eq!(resumed.result(), report.result(), "cut {cut} behind {}", last.kind);
        let stored = world.store.journal(id).await.unwrap();
        assert_eq!(journal::verify(id, &stored), Ok(()), "cut {cut}");
        assert_eq!(&stored[..cut], rows);
        let expected: Vec<&str> = report.journal.iter().map(|row| row.kind.as_str()).collect();
        let found: Vec<&str> = stored.iter().map(|row| row.kind.as_str()).collect();
        assert_eq!(found, expected, "cut {cut}: each record once, also what was open");
        assert_eq!(writes(&stored), 1);
        assert_eq!(world.store.runs.lock().unwrap()[&id].status, RunStatus::Succeeded);
    }
    let world = died(&report, &report.journal[..3]).await;
    world.store.runs.lock().unwrap().get_mut(&id).unwrap().status = RunStatus::Failed;
    let error = world.engine.resume(id, None, RunOptions::default(), world.cancel.clone()).await.unwrap_err();
    assert!(error.message.contains("has ended"), "{error}");
}

#[tokio::test]
async fn a_fork_takes_over_what_is_the_same_and_leaves_its_parent_alone() {
    // The time of the run is another one in a fork; without it, only what was changed is different.
    let source = SOURCE.replace("at {{ now }}", "");
    let world = World::new(replies().into_iter().chain(["forked", "later", "last"].map(Reply::Text)));
    store(&world, &source).await;
    let report = world.run(&source, json!({"text": "it crashes"})).await;
    let id = report.record.id;
    let asked = || world.model.requests.lock().unwrap().len();
    let fork = |fork: Fork| world.engine.fork(id, fork, RunOptions::default(), world.cancel.clone());

    let same = fork(Fork::default()).await.unwrap();
    assert_eq!((same.result(), asked()), (report.result(), 3), "everything was known");
    assert_eq!((same.record.parent, same.record.id == id), (Some(id), false));
    assert_eq!(journal::verify(same.record.id, &same.journal), Ok(()));

    let plan = world.plan(&source.replace("Answer {{", "Reply {{"));
    let changed = fork(Fork { plan: Some(plan), ..Fork::default() }).await.unwrap();
    assert_eq!((changed.result().unwrap()["answer"].clone(), asked()), (json!("forked"), 4), "only one prompt is new");

    // From before the write on, the script would write again: only when that is allowed.
    let seq = report.journal.iter().find(|row| row.kind == "effect.started.storage").unwrap().seq;
    let early = Fork { at: Some(seq), ..Fork::default() };
    let denied = fork(early.clone()).await.unwrap().result().unwrap_err();
    assert_eq!(denied.kind, ErrorKind::ToolDenied);
    assert!(denied.message.contains("storage `k` again"), "{denied}");
    let allowed = fork(Fork { repeat: true, ..early }).await.unwrap();
    assert_eq!((asked(), allowed.journal.iter().any(|row| row.kind == "effect.started.storage")), (6, true));

    assert_eq!(world.store.journal(id).await.unwrap(), report.journal, "the parent is untouched");
    let inputs = Map::from_iter([("text".to_owned(), json!(7))]);
    let error = fork(Fork { inputs, ..Fork::default() }).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::ValidationInput);
    let unknown = world.engine.fork(RunId::generate(), Fork::default(), RunOptions::default(), world.cancel.clone());
    assert_eq!(unknown.await.unwrap_err().kind, ErrorKind::AgentNotFound);
}
