//! The wall between tenants: every method of the store is tried from the wrong tenant, with full knowledge of the other's
//! names and ids, the same user name and the same session id. The stranger must get exactly the answers that they get
//! where the other tenant holds nothing, and the other tenant must keep what it has.

use std::{collections::BTreeSet, fmt::Debug, fs, path::Path};

use aikit_core::{
    Scope,
    memory::{
        Document, FactChange, NewEpisode, NewFact, NewPassage, NewProcedure, Part, PartState, ProcedureStatus,
        Retention, Share, Space, Vector,
    },
    record::{Charge, EventRecord, NewRun, StoreError},
};
use aikit_storage::{Database, TenantStore};
use chrono::DateTime;
use serde_json::json;

use crate::support::*;

/// The methods of the port, read from its source, so that a new one cannot be forgotten here.
fn port_methods() -> BTreeSet<String> {
    let ports = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/src/ports");
    ["store.rs", "memory_store.rs"].iter().flat_map(|file| methods(&ports.join(file), "async fn ")).collect()
}

fn methods(path: &Path, prefix: &str) -> BTreeSet<String> {
    let source = fs::read_to_string(path).unwrap();
    source
        .lines()
        .filter_map(|line| line.trim().strip_prefix(prefix))
        .map(|rest| rest.split(['(', '<']).next().unwrap().to_owned())
        .collect()
}

fn show<T: Debug>(result: Result<T, StoreError>) -> String {
    format!("{result:?}")
}

/// Calls one method with what `acme` holds. The sequence of calls is the alphabetical order of the names.
async fn probe(method: &str, store: &TenantStore) -> Vec<String> {
    let (support, version) = (agent("support"), "1.0.0".parse().unwrap());
    let run = run_id(10);
    match method {
        "tenant" => vec![show(store.tenant().await)],
        "put_spec" => vec![
            show(store.put_spec(spec("support", "1.0.0", "changed by a stranger")).await),
            show(store.put_spec(spec("support", "0.0.1", "older")).await),
        ],
        "spec" => vec![
            show(store.spec(&support, None).await),
            show(store.spec(&support, Some(&version)).await),
            show(store.spec(&support, Some(&"1.1.0".parse().unwrap())).await),
        ],
        "specs" => vec![show(store.specs().await)],
        "spec_versions" => vec![show(store.spec_versions(&support).await)],
        "promote_spec" => vec![
            show(store.promote_spec(&support, &"1.1.0".parse().unwrap()).await),
            show(store.promote_spec(&agent("billing"), &version).await),
        ],
        "spec_history" => vec![show(store.spec_history(&support).await)],
        "begin_run" => vec![
            show(store.begin_run(NewRun { parent: Some(run), ..new_run(run_id(99)) }, rows(0, 1)).await),
            show(store.begin_run(new_run(run_id(11)), rows(0, 1)).await),
        ],
        "append_journal" => vec![show(store.append_journal(run, rows(2, 4)).await)],
        "end_run" => vec![show(store.end_run(run, rows(2, 3), end()).await)],
        "run" => vec![show(store.run(run).await)],
        "runs" => vec![show(store.runs(None, 100).await), show(store.runs(Some(&support), 100).await)],
        "journal" => vec![show(store.journal(run).await)],
        "kv_get" => vec![show(store.kv_get("secret").await)],
        "kv_set" => vec![show(store.kv_set("secret", &json!("overwritten")).await), show(store.kv_get("secret").await)],
        "kv_delete" => vec![show(store.kv_delete("secret").await), show(store.kv_delete("secret-2").await)],
        "kv_claim" => vec![show(store.kv_claim("secret", &json!("mine")).await), show(store.kv_get("secret").await)],
        "emit_event" => vec![show(store.emit_event(run, "order.paid", &json!("a stranger's")).await)],
        "next_event" => {
            let names = ["order.paid".to_owned()];
            vec![show(store.next_event(run_id(99), &names, 0, DateTime::UNIX_EPOCH).await.map(told))]
        }
        "charge" => {
            let charge = |amount, limit| Charge { key: "support/tokens".into(), started: 0, amount, limit };
            vec![
                show(store.charge(&[charge(1.0, Some(100.0))]).await),
                show(store.charge(&[charge(99.0, Some(100.0))]).await),
            ]
        }
        "kv_list" => vec![show(store.kv_list("").await), show(store.kv_list("secret").await)],
        "add_history" => vec![show(store.add_history(1, "a stranger's input", None).await)],
        "history_tail" => vec![show(store.history_tail(100).await)],
        "history_range" => vec![
            show(store.history_range(0, 0, None).await),
            show(store.history_range(1, 0, None).await),
            show(store.history_range(-1, 0, None).await),
        ],
        "history_search" => vec![show(store.history_search("*", 100, false).await)],
        "session" => vec![show(store.session().await)],
        other => remembered(other, store).await,
    }
}

/// The same for what is remembered, in every kind of space.
async fn remembered(method: &str, store: &TenantStore) -> Vec<String> {
    let mut answers = Vec::new();
    for space in spaces() {
        let space = &space;
        answers.push(match method {
            "memory_state" => show(store.memory_state(space, Part::Episodes).await),
            "add_episode" => show(store.add_episode(space, episode("a stranger's"), Retention::default()).await),
            "episodes" => show(store.episodes(space, 0).await),
            "remove_episode" => show(store.remove_episode(space, 1).await),
            "facts" => show(store.facts(space).await),
            "change_facts" => {
                let basis = store.memory_state(space, Part::Facts).await.unwrap();
                show(store.change_facts(space, facts(basis, "a stranger's")).await)
            }
            "add_procedure" => show(store.add_procedure(space, procedure("a stranger's")).await),
            "procedures" => show(store.procedures(space).await),
            "block" => show(store.block(space, "persona").await),
            "set_block" => show(store.set_block(space, "persona", "a stranger's").await),
            "documents" => show(store.documents(space).await),
            "put_document" => {
                let document = Document { source: "other.md".into(), digest: "2".into() };
                show(store.put_document(space, document, vec![passage("a stranger's")]).await)
            }
            "remove_document" => show(store.remove_document(space, "handbook.md").await),
            "passages" => show(store.passages(space, 0).await),
            "turns" => show(store.turns(space, 10).await),
            "add_turns" => show(store.add_turns(space, vec![json!("a stranger's")], 10).await),
            other => panic!("`{other}` is not tried from the wrong tenant: add it to this list"),
        });
    }
    answers
}

/// Spaces of every kind, one of them with the name of the other tenant.
fn spaces() -> Vec<Space> {
    let shares = [Share::Session, Share::User, Share::Agent, Share::Tenant];
    let space = |share, namespace: &str| Space {
        namespace: namespace.into(),
        share,
        agent: agent("support"),
        in_process: false,
    };
    shares.into_iter().map(|share| space(share, "support")).chain([space(Share::Tenant, "acme/support")]).collect()
}

/// An event without the time at which it was told.
fn told(event: Option<EventRecord>) -> Option<(u64, String, serde_json::Value)> {
    event.map(|event| (event.number, event.name, event.payload))
}

fn episode(text: &str) -> NewEpisode {
    let vector = Vector { model: "test/2".into(), values: vec![0.5, -0.25] };
    NewEpisode { text: text.into(), metadata: json!({ "by": text }), vector: Some(vector) }
}

fn procedure(task: &str) -> NewProcedure {
    NewProcedure { task: task.into(), steps: json!(["search"]), status: ProcedureStatus::Suggested }
}

fn facts(basis: PartState, object: &str) -> FactChange {
    let fact = NewFact {
        subject: "ada".into(),
        relation: "knows".into(),
        object: object.into(),
        valid_from: None,
        valid_to: None,
    };
    FactChange { basis, superseded: Vec::new(), recorded: vec![fact], at: DateTime::UNIX_EPOCH }
}

fn passage(text: &str) -> NewPassage {
    NewPassage { text: text.into(), headings: vec!["Top".into()], start: 0, end: 9, vector: None }
}

async fn fill(store: &TenantStore) {
    store.put_spec(spec("support", "1.0.0", "acme's own")).await.unwrap();
    store.promote_spec(&agent("support"), &"1.0.0".parse().unwrap()).await.unwrap();
    store.put_spec(spec("support", "1.1.0", "acme's next")).await.unwrap();
    store.put_spec(spec("billing", "1.0.0", "acme's other")).await.unwrap();
    store.begin_run(new_run(run_id(10)), rows(0, 2)).await.unwrap();
    store.begin_run(new_run(run_id(11)), rows(0, 2)).await.unwrap();
    store.end_run(run_id(11), rows(2, 3), end()).await.unwrap();
    store.kv_set("secret", &json!({ "plan": "take over globex" })).await.unwrap();
    store.kv_set("secret-2", &json!(2)).await.unwrap();
    store.add_history(1, "%run support", Some("acme's answer")).await.unwrap();
    store.emit_event(run_id(10), "order.paid", &json!("acme's order")).await.unwrap();
    store.charge(&[Charge { key: "support/tokens".into(), started: 0, amount: 40.0, limit: None }]).await.unwrap();
    for space in &spaces() {
        store.add_episode(space, episode("acme's own"), Retention::default()).await.unwrap();
        store.change_facts(space, facts(PartState::default(), "acme's friend")).await.unwrap();
        store.add_procedure(space, procedure("acme's way")).await.unwrap();
        store.set_block(space, "persona", "acme's persona").await.unwrap();
        let document = Document { source: "handbook.md".into(), digest: "1".into() };
        store.put_document(space, document, vec![passage("acme's rules")]).await.unwrap();
        store.add_turns(space, vec![json!({ "content": "acme's question" })], 10).await.unwrap();
    }
}

/// Everything that a tenant can see of itself.
async fn view(store: &TenantStore) -> Vec<String> {
    let mut all = Vec::new();
    for method in port_methods().iter().filter(|name| reads(name)) {
        all.extend(probe(method, store).await);
    }
    all.push(show(store.session().await));
    all
}

fn reads(method: &str) -> bool {
    ![
        "put_spec",
        "promote_spec",
        "begin_run",
        "append_journal",
        "end_run",
        "kv_set",
        "kv_delete",
        "kv_claim",
        "emit_event",
        "charge",
        "add_history",
        "add_episode",
        "remove_episode",
        "change_facts",
        "add_procedure",
        "set_block",
        "put_document",
        "remove_document",
        "add_turns",
    ]
    .contains(&method)
}

/// Times differ from one database to the next.
fn without_times(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_inclusive(|c: char| !(c.is_ascii_alphanumeric() || "-:.".contains(c))) {
        let is_time = word.len() > 20 && word.starts_with("20") && word[10..].starts_with('T');
        out.push_str(if is_time { "<time>" } else { word });
    }
    out
}

async fn strangers_answers(database: &Database, stranger: &Scope) -> Vec<(String, Vec<String>)> {
    let store = database.enter(stranger, "test").await.unwrap();
    let mut answers = Vec::new();
    let everything = port_methods();
    // Twice, so that reads are tried before and after the stranger's own writes.
    for method in everything.iter().chain(&everything) {
        let answer = probe(method, &store).await.iter().map(|text| without_times(text)).collect();
        answers.push((method.clone(), answer));
    }
    answers.push(("session".to_owned(), probe("session", &store).await.iter().map(|t| without_times(t)).collect()));
    answers
}

#[tokio::test]
async fn every_method_from_the_wrong_tenant() {
    let (with, without) = (two_tenants().await, two_tenants().await);
    let owner = acme(&with).await;
    fill(&owner).await;
    let before = view(&owner).await;

    let stranger = scope("globex", "ada", 1);
    let (seen, expected) = (strangers_answers(&with, &stranger).await, strangers_answers(&without, &stranger).await);
    assert!(seen.len() >= 2 * 20, "the port's methods were not found");
    for (seen, expected) in seen.iter().zip(&expected) {
        assert_eq!(seen, expected, "`{}` tells what another tenant holds", seen.0);
        assert!(!seen.1.iter().any(|text| text.contains("acme")), "{seen:?}");
    }
    assert_eq!(view(&owner).await, before, "a stranger changed what acme holds");
}

#[tokio::test]
async fn another_user_of_the_tenant_shares_data_but_not_history() {
    let database = two_tenants().await;
    fill(&acme(&database).await).await;
    let colleague = database.enter(&scope("acme", "bob", 2), "test").await.unwrap();
    assert!(colleague.run(run_id(10)).await.unwrap().is_some());
    assert_eq!(colleague.kv_list("").await.unwrap(), ["secret", "secret-2"]);
    assert_eq!(colleague.history_tail(10).await.unwrap(), []);
    assert_eq!(colleague.history_range(1, 0, None).await.unwrap(), []);
    // What a person remembers, or says in a conversation, is theirs; what an agent remembers is everybody's.
    for space in &spaces() {
        let theirs = matches!(space.share, Share::User | Share::Session);
        assert_eq!(colleague.episodes(space, 0).await.unwrap().is_empty(), theirs, "{space:?}");
        assert_eq!(colleague.turns(space, 9).await.unwrap().is_empty(), theirs, "{space:?}");
    }
    // The session of another user is not taken over by knowing its id.
    let thief = database.enter(&scope("acme", "bob", 1), "test").await.unwrap();
    assert_eq!(thief.turns(&spaces()[0], 9).await.unwrap(), [json!(null); 0]);
    assert!(matches!(thief.add_history(1, "x", None).await, Err(StoreError::NotFound { what: "session", .. })));
    assert_eq!(thief.session().await.unwrap(), None);
}

#[tokio::test]
async fn an_unknown_tenant_cannot_be_entered() {
    let database = two_tenants().await;
    let error = database.enter(&scope("initech", "ada", 1), "test").await.unwrap_err();
    assert_eq!(error, StoreError::NotFound { what: "tenant", name: "initech".to_owned() });
}

/// The store has the methods of the port, its scope and its session, and no others: a door that the list above does not
/// know does not exist.
#[test]
fn the_store_has_no_other_door() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tenant");
    let mut found = BTreeSet::new();
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        found.extend(methods(&path, "pub async fn "));
        found.extend(methods(&path, "pub fn "));
    }
    let mut expected = port_methods();
    expected.extend(["scope", "session"].map(str::to_owned));
    assert_eq!(found, expected);
}
