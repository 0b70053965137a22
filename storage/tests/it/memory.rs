//! What is remembered comes back, and what should leave leaves.

use std::collections::BTreeMap;

use aikit_core::{
    memory::{
        Document, FactChange, NewEpisode, NewFact, NewPassage, NewProcedure, Part, PartState, ProcedureStatus,
        Retention, Share, Space, Vector,
    },
    record::StoreError,
};
use aikit_storage::TenantStore;
use chrono::{TimeZone, Utc};
use proptest::prelude::*;
use serde_json::json;

use crate::support::*;

fn space(namespace: &str) -> Space {
    Space { namespace: namespace.into(), share: Share::User, agent: agent("support"), in_process: false }
}

fn episode(text: &str) -> NewEpisode {
    NewEpisode { text: text.into(), metadata: json!({}), vector: None }
}

async fn texts(store: &TenantStore, space: &Space) -> Vec<String> {
    store.episodes(space, 0).await.unwrap().into_iter().map(|episode| episode.text).collect()
}

#[tokio::test]
async fn episodes_come_back_and_the_oldest_leave() {
    let store = acme(&two_tenants().await).await;
    let place = space("notes");
    let vector = Vector { model: "hashing/3".into(), values: vec![1.0, -0.5, f32::MIN_POSITIVE] };
    let new = NewEpisode { text: "likes tea".into(), metadata: json!({"n": 1}), vector: Some(vector.clone()) };
    assert_eq!(store.add_episode(&place, new, Retention::default()).await.unwrap(), 1);
    let kept = store.episodes(&place, 0).await.unwrap();
    assert_eq!(
        (kept[0].text.as_str(), &kept[0].metadata, &kept[0].vector),
        ("likes tea", &json!({"n": 1}), &Some(vector))
    );

    let three = Retention { entries: Some(3), days: None };
    for text in ["a", "b", "c", "d"] {
        store.add_episode(&place, episode(text), three).await.unwrap();
    }
    assert_eq!(texts(&store, &place).await, ["b", "c", "d"]);
    assert_eq!(store.memory_state(&place, Part::Episodes).await.unwrap(), PartState { last: 5, removed: 2 });
    assert_eq!(store.episodes(&place, 4).await.unwrap().len(), 1);

    assert!(store.remove_episode(&place, 5).await.unwrap());
    assert!(!store.remove_episode(&place, 5).await.unwrap());
    // An id is never given again.
    assert_eq!(store.add_episode(&place, episode("e"), three).await.unwrap(), 6);

    // What lives for no day is gone with the next word.
    store.add_episode(&space("short"), episode("gone"), Retention { days: Some(0), entries: None }).await.unwrap();
    assert_eq!(texts(&store, &space("short")).await, [""; 0]);
    store.add_episode(&space("short"), episode("new"), Retention { days: Some(1), entries: None }).await.unwrap();
    assert_eq!(texts(&store, &space("short")).await, ["new"]);
    assert_eq!(store.memory_state(&space("short"), Part::Episodes).await.unwrap().removed, 1);
}

#[tokio::test]
async fn facts_change_as_a_whole_and_nothing_is_lost() {
    let store = acme(&two_tenants().await).await;
    let place = space("facts");
    let fact = |object: &str| NewFact {
        subject: "ada".into(),
        relation: "lives_in".into(),
        object: object.into(),
        valid_from: None,
        valid_to: Some(Utc.timestamp_opt(2_000_000_000, 0).unwrap()),
    };
    let at = Utc.timestamp_opt(1_700_000_000, 0).unwrap();
    let change = |basis, superseded, object| FactChange { basis, superseded, recorded: vec![fact(object)], at };
    store.change_facts(&place, change(PartState::default(), vec![], "london")).await.unwrap();
    let stale = store.change_facts(&place, change(PartState::default(), vec![1], "rome")).await;
    assert!(matches!(stale, Err(StoreError::Conflict(_))), "{stale:?}");
    let basis = store.memory_state(&place, Part::Facts).await.unwrap();
    store.change_facts(&place, change(basis, vec![1], "paris")).await.unwrap();
    let all = store.facts(&place).await.unwrap();
    let told: Vec<_> = all.iter().map(|f| (f.id, f.object.as_str(), f.superseded_at, f.valid_from)).collect();
    assert_eq!(told, [(1, "london", Some(at), at), (2, "paris", None, at)]);
    assert_eq!(all[1].valid_to, fact("").valid_to);
}

#[tokio::test]
async fn a_procedure_is_written_once_and_becomes_active() {
    let store = acme(&two_tenants().await).await;
    let place = space("ways");
    let new = |status| NewProcedure { task: "refund".into(), steps: json!(["find", "pay"]), status };
    let id = store.add_procedure(&place, new(ProcedureStatus::Suggested)).await.unwrap();
    assert_eq!(store.add_procedure(&place, new(ProcedureStatus::Active)).await.unwrap(), id);
    assert_eq!(store.add_procedure(&place, new(ProcedureStatus::Suggested)).await.unwrap(), id);
    let all = store.procedures(&place).await.unwrap();
    assert_eq!((all.len(), all[0].status), (1, ProcedureStatus::Active));
    let other = NewProcedure { steps: json!(["pay"]), ..new(ProcedureStatus::Suggested) };
    assert_ne!(store.add_procedure(&place, other).await.unwrap(), id);
}

#[tokio::test]
async fn a_document_is_replaced_with_all_its_passages() {
    let store = acme(&two_tenants().await).await;
    let place = space("handbook");
    let passage = |text: &str| NewPassage {
        text: text.into(),
        headings: vec!["Guide".into(), "Refunds".into()],
        start: 3,
        end: 9,
        vector: Some(Vector { model: "m/1".into(), values: vec![0.5] }),
    };
    let document = |digest: &str| Document { source: "a.md".into(), digest: digest.into() };
    store.put_document(&place, document("1"), vec![passage("one"), passage("two")]).await.unwrap();
    store.put_document(&place, document("2"), vec![passage("three")]).await.unwrap();
    let passages = store.passages(&place, 0).await.unwrap();
    assert_eq!(passages.len(), 1);
    assert_eq!((passages[0].id, &passages[0].cut), (3, &passage("three")));
    assert_eq!(store.documents(&place).await.unwrap(), [document("2")]);
    assert!(store.remove_document(&place, "a.md").await.unwrap());
    assert!(!store.remove_document(&place, "a.md").await.unwrap());
    assert_eq!(store.passages(&place, 0).await.unwrap(), []);
    assert_eq!(store.memory_state(&place, Part::Passages).await.unwrap(), PartState { last: 3, removed: 3 });
}

#[tokio::test]
async fn blocks_are_replaced_and_only_the_newest_turns_stay() {
    let store = acme(&two_tenants().await).await;
    let place = space("talk");
    assert_eq!(store.block(&place, "persona").await.unwrap(), None);
    for text in ["kind", "strict"] {
        store.set_block(&place, "persona", text).await.unwrap();
    }
    assert_eq!(store.block(&place, "persona").await.unwrap().as_deref(), Some("strict"));
    store.add_turns(&place, vec![json!(1), json!(2)], 3).await.unwrap();
    store.add_turns(&place, vec![json!(3), json!(4)], 3).await.unwrap();
    assert_eq!(store.turns(&place, 10).await.unwrap(), [json!(2), json!(3), json!(4)]);
    assert_eq!(store.turns(&place, 2).await.unwrap(), [json!(3), json!(4)]);
    store.add_turns(&place, Vec::new(), 1).await.unwrap();
    assert_eq!(store.turns(&place, 10).await.unwrap(), [json!(4)]);
}

#[tokio::test]
async fn names_of_spaces_are_checked() {
    let store = acme(&two_tenants().await).await;
    for name in ["", "a\0b", &"x".repeat(513)] {
        assert!(store.episodes(&space(name), 0).await.is_err(), "{name:?}");
    }
}

/// What is remembered, by tenant, owner and namespace: the texts of episodes, and a block.
type Model = BTreeMap<(usize, String, usize), (Vec<String>, Option<String>)>;

fn owner(share: Share, user: usize, session: u128) -> String {
    match share {
        Share::Session => format!("session {user} {session}"),
        Share::User => format!("user {user}"),
        Share::Agent => "agent".to_owned(),
        Share::Tenant => "tenant".to_owned(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Two tenants, two people in each, two sessions of each, all with the same names: everybody sees what is theirs and
    /// nothing else.
    #[test]
    fn everybody_sees_what_is_theirs(
        told in prop::collection::vec((0..2usize, 0..2usize, 0..2u128, 0..4usize, 0..2usize, 0..9u8, any::<bool>()), 1..40)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let database = two_tenants().await;
            let shares = [Share::Session, Share::User, Share::Agent, Share::Tenant];
            let place = |share, namespace: usize| Space { share, ..space(["notes", "globex/notes"][namespace]) };
            let enter = async |tenant: usize, user: usize, session: u128| {
                let session = 10 * (user as u128 + 1) + session;
                let scope = scope(["acme", "globex"][tenant], ["ada", "bob"][user], session);
                database.enter(&scope, "test").await.unwrap()
            };
            let mut model = Model::new();
            for (tenant, user, session, share, namespace, text, block) in told {
                let (share, text) = (shares[share], text.to_string());
                let kept = model.entry((tenant, owner(share, user, session), namespace)).or_default();
                let store = enter(tenant, user, session).await;
                if block {
                    store.set_block(&place(share, namespace), "persona", &text).await.unwrap();
                    kept.1 = Some(text);
                } else {
                    store.add_episode(&place(share, namespace), episode(&text), Retention::default()).await.unwrap();
                    kept.0.push(text);
                }
            }
            for (tenant, user, session) in (0..8u8).map(|n| (usize::from(n / 4), usize::from(n / 2 % 2), u128::from(n % 2))) {
                let store = enter(tenant, user, session).await;
                for share in shares {
                    for namespace in 0..2 {
                        let expected = model.get(&(tenant, owner(share, user, session), namespace)).cloned();
                        let space = place(share, namespace);
                        let seen = (texts(&store, &space).await, store.block(&space, "persona").await.unwrap());
                        assert_eq!(seen, expected.unwrap_or_default(), "{share:?} of {tenant}/{user}/{session}");
                    }
                }
            }
        });
    }
}
