//! What each group of methods does when all is well, and what it refuses.

use aikit_core::{
    ErrorKind, RunError,
    record::{NewRun, RunEnd, RunStatus, SpecStatus, StoreError, Usage},
};
use aikit_storage::NewTenant;
use serde_json::{Value, json};

use crate::support::*;

#[tokio::test]
async fn tenants() {
    let database = two_tenants().await;
    let admin = database.admin();
    let mut initech = NewTenant::new(tenant_id("initech"), "Initech");
    initech.config = json!({ "limits": { "tokens": 10 } });
    let created = admin.create_tenant(initech.clone()).await.unwrap();
    assert_eq!((created.plan.as_str(), &created.config), ("free", &initech.config));
    assert!(matches!(admin.create_tenant(initech.clone()).await, Err(StoreError::Conflict(_))));
    initech.name = "Other".to_owned();
    assert_eq!(admin.ensure_tenant(initech).await.unwrap(), created);
    let ids: Vec<_> = admin.tenants().await.unwrap().into_iter().map(|tenant| tenant.id.to_string()).collect();
    assert_eq!(ids, ["acme", "globex", "initech"]);

    let changed = admin.set_config(&tenant_id("initech"), &json!({ "limits": {} })).await.unwrap();
    assert_eq!(changed.config, json!({ "limits": {} }));
    assert_eq!(database.enter(&scope("initech", "ada", 1), "t").await.unwrap().tenant().await.unwrap(), changed);
    assert!(matches!(admin.set_config(&tenant_id("initech"), &json!([])).await, Err(StoreError::Failed(_))));
    assert!(matches!(admin.set_config(&tenant_id("nobody"), &json!({})).await, Err(StoreError::NotFound { .. })));
    assert_eq!(admin.tenant(&tenant_id("nobody")).await.unwrap(), None);
}

#[tokio::test]
async fn versions_are_ordered_as_semver() {
    let database = two_tenants().await;
    let store = acme(&database).await;
    for version in ["1.9.0", "1.10.0-rc.1", "1.10.0"] {
        store.put_spec(spec("support", version, version)).await.unwrap();
    }
    let versions: Vec<_> =
        store.spec_versions(&agent("support")).await.unwrap().into_iter().map(|s| s.version.to_string()).collect();
    assert_eq!(versions, ["1.10.0", "1.10.0-rc.1", "1.9.0"]);
    assert_eq!(store.spec(&agent("support"), None).await.unwrap().unwrap().version.to_string(), "1.10.0");
    let error = store.put_spec(spec("support", "1.9.5", "late")).await.unwrap_err();
    assert_eq!(error.to_string(), "version 1.9.5 of `support` is not newer than 1.10.0, which is stored");
}

#[tokio::test]
async fn a_draft_may_change_and_an_active_version_may_not() {
    let database = two_tenants().await;
    let store = acme(&database).await;
    let (support, one) = (agent("support"), "1.0.0".parse().unwrap());
    let first = store.put_spec(spec("support", "1.0.0", "a")).await.unwrap();
    assert_eq!((first.status, first.created_by.as_str()), (SpecStatus::Draft, "ada"));
    assert_eq!(store.put_spec(spec("support", "1.0.0", "a")).await.unwrap(), first);
    let second = store.put_spec(spec("support", "1.0.0", "b")).await.unwrap();
    assert_eq!((second.source.as_str(), second.created_at), ("b", first.created_at));

    assert_eq!(store.promote_spec(&support, &one).await.unwrap().status, SpecStatus::Active);
    assert_eq!(store.promote_spec(&support, &one).await.unwrap().status, SpecStatus::Active);
    let error = store.put_spec(spec("support", "1.0.0", "c")).await.unwrap_err();
    assert!(matches!(error, StoreError::Immutable { status: "active", .. }));
    assert_eq!(store.put_spec(spec("support", "1.0.0", "b")).await.unwrap().status, SpecStatus::Active);

    store.put_spec(spec("support", "1.1.0", "d")).await.unwrap();
    // A newer draft does not run until it is promoted.
    assert_eq!(store.spec(&support, None).await.unwrap().unwrap().version, one);
    store.promote_spec(&support, &"1.1.0".parse().unwrap()).await.unwrap();
    let statuses: Vec<_> = store.spec_versions(&support).await.unwrap().into_iter().map(|s| s.status).collect();
    assert_eq!(statuses, [SpecStatus::Active, SpecStatus::Deprecated]);
    // Back to the earlier one.
    assert_eq!(store.promote_spec(&support, &one).await.unwrap().status, SpecStatus::Active);

    let changes: Vec<_> = store
        .spec_history(&support)
        .await
        .unwrap()
        .into_iter()
        .map(|change| format!("{} {} {} {}", change.seq, change.version, change.change, change.actor))
        .collect();
    assert_eq!(
        changes,
        [
            "8 1.0.0 promoted ada",
            "7 1.1.0 deprecated ada",
            "6 1.1.0 promoted ada",
            "5 1.0.0 deprecated ada",
            "4 1.1.0 created ada",
            "3 1.0.0 promoted ada",
            "2 1.0.0 updated ada",
            "1 1.0.0 created ada",
        ]
    );
}

#[tokio::test]
async fn what_specifications_refuse() {
    let database = two_tenants().await;
    let store = acme(&database).await;
    let mut forged = spec("support", "1.0.0", "a");
    forged.source = "b".to_owned();
    assert!(matches!(store.put_spec(forged).await, Err(StoreError::Failed(_))));
    let missing = store.promote_spec(&agent("support"), &"1.0.0".parse().unwrap()).await.unwrap_err();
    assert_eq!(missing.to_string(), "agent `support` was not found");
    store.put_spec(spec("support", "1.0.0", "a")).await.unwrap();
    let missing = store.promote_spec(&agent("support"), &"2.0.0".parse().unwrap()).await.unwrap_err();
    assert_eq!(missing.to_string(), "version `support@2.0.0` was not found");
    assert_eq!(store.spec(&agent("support"), Some(&"2.0.0".parse().unwrap())).await.unwrap(), None);
    assert_eq!(store.spec_history(&agent("other")).await.unwrap(), []);
}

#[tokio::test]
async fn a_run_and_its_journal() {
    let database = two_tenants().await;
    let store = acme(&database).await;
    assert_eq!(store.session().await.unwrap(), None);
    let id = run_id(10);
    store.begin_run(new_run(id), rows(0, 2)).await.unwrap();
    store.append_journal(id, rows(2, 5)).await.unwrap();
    store.append_journal(id, vec![]).await.unwrap();
    let started = store.run(id).await.unwrap().unwrap();
    assert_eq!((started.status, started.ended_at, started.started_by.as_str()), (RunStatus::Running, None, "ada"));
    assert_eq!(store.session().await.unwrap().unwrap().kind, "test");

    let end = RunEnd {
        status: RunStatus::Failed,
        output: None,
        error: Some(RunError::new(ErrorKind::ProviderTimeout, "no answer").with_help("ask again")),
        usage: Usage { input_tokens: u64::MAX, output_tokens: 7, cost_usd: f64::NAN, model_calls: 1, tool_calls: 2 },
    };
    store.end_run(id, rows(5, 6), end.clone()).await.unwrap();
    assert_eq!(store.journal(id).await.unwrap(), rows(0, 6));
    let ended = store.run(id).await.unwrap().unwrap();
    assert_eq!((ended.status, ended.error, ended.output), (RunStatus::Failed, end.error, None));
    assert_eq!((ended.usage.output_tokens, ended.usage.cost_usd), (7, 0.0));
    assert!(ended.ended_at.unwrap() >= ended.started_at);
}

#[tokio::test]
async fn what_journals_refuse() {
    let database = two_tenants().await;
    let store = acme(&database).await;
    let id = run_id(10);
    assert!(matches!(store.append_journal(id, rows(0, 1)).await, Err(StoreError::NotFound { what: "run", .. })));
    assert!(matches!(store.begin_run(new_run(id), rows(1, 2)).await, Err(StoreError::Conflict(_))));
    assert_eq!(store.run(id).await.unwrap(), None, "half a beginning");
    store.begin_run(new_run(id), rows(0, 2)).await.unwrap();
    assert!(matches!(store.begin_run(new_run(id), rows(0, 2)).await, Err(StoreError::Conflict(_))));

    let gap = store.append_journal(id, rows(3, 4)).await.unwrap_err();
    assert_eq!(gap.to_string(), format!("the journal of run {id} continues at 2, not at 3"));
    assert!(matches!(store.append_journal(id, rows(1, 3)).await, Err(StoreError::Conflict(_))));
    let mut torn = rows(2, 5);
    torn[2].seq = 9;
    assert!(matches!(store.append_journal(id, torn).await, Err(StoreError::Conflict(_))));
    assert_eq!(store.journal(id).await.unwrap().len(), 2, "all or none");
    let mut short = rows(2, 3);
    short[0].hash = "abc".to_owned();
    assert!(matches!(store.append_journal(id, short).await, Err(StoreError::Failed(_))));

    let orphan = NewRun { parent: Some(run_id(77)), ..new_run(run_id(11)) };
    assert!(matches!(store.begin_run(orphan, vec![]).await, Err(StoreError::NotFound { what: "run", .. })));
    let running = RunEnd { status: RunStatus::Running, ..end() };
    assert!(store.end_run(id, vec![], running).await.is_err());
    store.end_run(id, vec![], end()).await.unwrap();
    assert!(matches!(store.end_run(id, vec![], end()).await, Err(StoreError::Conflict(_))));
    assert!(matches!(store.append_journal(id, rows(2, 3)).await, Err(StoreError::Conflict(_))));
}

#[tokio::test]
async fn the_newest_runs_first() {
    let database = two_tenants().await;
    let store = acme(&database).await;
    for n in 1..=5u128 {
        let run = NewRun { agent: agent(if n % 2 == 0 { "even" } else { "odd" }), ..new_run(run_id(n)) };
        store.begin_run(run, vec![]).await.unwrap();
    }
    let ids = |runs: Vec<aikit_core::record::RunRecord>| runs.into_iter().map(|run| run.id).collect::<Vec<_>>();
    assert_eq!(ids(store.runs(None, 3).await.unwrap()), [5, 4, 3].map(run_id));
    assert_eq!(ids(store.runs(Some(&agent("even")), 10).await.unwrap()), [4, 2].map(run_id));
    assert_eq!(ids(store.runs(Some(&agent("none")), 10).await.unwrap()), []);
}

#[tokio::test]
async fn keys_and_values() {
    let database = two_tenants().await;
    let store = acme(&database).await;
    let values =
        [json!(null), json!(0.1 + 0.2), json!({ "b": 1, "a": ["\u{0}", "😀"] }), json!(u64::MAX), json!(5e-324)];
    for (i, value) in values.iter().enumerate() {
        let key = format!("k%_*[{i}]");
        store.kv_set(&key, value).await.unwrap();
        assert_eq!(store.kv_get(&key).await.unwrap().unwrap().to_string(), value.to_string());
    }
    store.kv_set("k%_*[0]", &json!("new")).await.unwrap();
    assert_eq!(store.kv_get("k%_*[0]").await.unwrap(), Some(json!("new")));
    assert_eq!(store.kv_get("missing").await.unwrap(), None);

    for key in ["z", "é", "Z", "k", "\u{10ffff}a"] {
        store.kv_set(key, &Value::Null).await.unwrap();
    }
    assert_eq!(store.kv_list("k%_*").await.unwrap().len(), 5);
    assert_eq!(store.kv_list("k%").await.unwrap().len(), 5);
    assert_eq!(store.kv_list("%").await.unwrap().len(), 0);
    assert_eq!(store.kv_list("\u{10ffff}").await.unwrap().len(), 1);
    let all = store.kv_list("").await.unwrap();
    assert!(all.is_sorted());
    assert_eq!(all.len(), 10);
    assert!(store.kv_delete("z").await.unwrap());
    assert!(!store.kv_delete("z").await.unwrap());

    for bad in ["", "a\0b", &"x".repeat(513)] {
        assert!(matches!(store.kv_set(bad, &Value::Null).await, Err(StoreError::Failed(_))), "{bad:?}");
    }
    let mut deep = json!(1);
    for _ in 0..200 {
        deep = json!([deep]);
    }
    assert!(matches!(store.kv_set("deep", &deep).await, Err(StoreError::Failed(_))));
}

#[tokio::test]
async fn history_of_inputs() {
    let database = two_tenants().await;
    let mut stores = Vec::new();
    for session in 1..=3 {
        let store = database.enter(&scope("acme", "ada", session), "kernel").await.unwrap();
        for line in 1..=3 {
            store.add_history(line, &format!("s{session} l{line}"), None).await.unwrap();
        }
        stores.push(store);
    }
    let second = &stores[1];
    second.add_history(3, "s2 l3", Some("42")).await.unwrap();
    second.add_history(4, "print([1])", None).await.unwrap();
    second.add_history(5, "s1 l1", None).await.unwrap();

    let show = |entries: Vec<aikit_core::record::HistoryEntry>| {
        entries.into_iter().map(|e| format!("{}/{} {}", e.session, e.line, e.input)).collect::<Vec<_>>()
    };
    assert_eq!(show(second.history_tail(2).await.unwrap()), ["3/2 s3 l2", "3/3 s3 l3"]);
    assert_eq!(second.history_tail(100).await.unwrap().len(), 11);
    assert_eq!(second.history_tail(0).await.unwrap(), []);
    assert_eq!(show(second.history_range(0, 1, Some(3)).await.unwrap()), ["2/1 s2 l1", "2/2 s2 l2"]);
    assert_eq!(show(second.history_range(-1, 3, None).await.unwrap()), ["1/3 s1 l3"]);
    assert_eq!(show(second.history_range(3, 2, None).await.unwrap()), ["3/2 s3 l2", "3/3 s3 l3"]);
    assert_eq!(second.history_range(0, 3, Some(4)).await.unwrap()[0].output.as_deref(), Some("42"));
    for session in [-2, 4, i64::MIN, i64::MAX] {
        assert_eq!(second.history_range(session, 0, None).await.unwrap(), [], "{session}");
    }

    assert_eq!(
        show(second.history_search("*l1", 10, false).await.unwrap()),
        ["1/1 s1 l1", "2/1 s2 l1", "2/5 s1 l1", "3/1 s3 l1"]
    );
    assert_eq!(show(second.history_search("*l1", 10, true).await.unwrap()), ["2/1 s2 l1", "2/5 s1 l1", "3/1 s3 l1"]);
    assert_eq!(show(second.history_search("*l1", 2, true).await.unwrap()), ["2/5 s1 l1", "3/1 s3 l1"]);
    assert_eq!(show(second.history_search("print([1]*", 10, false).await.unwrap()), ["2/4 print([1])"]);
    assert_eq!(second.history_search("*", 0, false).await.unwrap(), []);

    // A new session counts back from the newest one before it has an input of its own.
    let fresh = database.enter(&scope("acme", "ada", 4), "kernel").await.unwrap();
    assert_eq!(fresh.history_range(0, 0, None).await.unwrap(), []);
    assert_eq!(show(fresh.history_range(-1, 3, None).await.unwrap()), ["3/3 s3 l3"]);
}
