//! The memory over rows that others change as well.

use std::sync::Arc;

use aikit_core::{
    AgentId,
    memory::{Document, NewEpisode, NewFact, NewProcedure, ProcedureStatus, Retention, Share, Space, Vector},
};
use aikit_memory::{MemoryService, ProcessRows};
use aikit_runtime::ports::{
    Memory, MemoryStore, SystemClock,
    memory::{Conflict, Cut, FactOutcome, FactSearch, FuseBy, GraphSettings, Search, SearchBy, Unit},
};
use chrono::{Duration, Utc};
use serde_json::json;

fn space(namespace: &str) -> Space {
    let agent = AgentId::new("keeper").unwrap();
    Space { namespace: namespace.into(), share: Share::User, agent, in_process: false }
}

fn two() -> (Arc<dyn MemoryStore>, MemoryService, MemoryService) {
    let rows: Arc<dyn MemoryStore> = Arc::new(ProcessRows::new(Arc::new(SystemClock)));
    let service = || MemoryService::new(rows.clone(), Arc::new(SystemClock));
    (rows.clone(), service(), service())
}

fn episode(text: &str, vector: Option<[f32; 2]>) -> NewEpisode {
    let vector = vector.map(|values| Vector { model: "m/2".into(), values: values.into() });
    NewEpisode { text: text.into(), metadata: json!({}), vector }
}

fn search(text: &str, vector: Option<[f32; 2]>, by: SearchBy) -> Search {
    Search {
        text: text.into(),
        vector: vector.map(|values| Vector { model: "m/2".into(), values: values.into() }),
        by,
        fuse: FuseBy::Rrf,
        top_k: 10,
        min_score: 0.0,
        graph: Some(GraphSettings::default()),
    }
}

async fn texts(service: &MemoryService, search: &Search) -> Vec<String> {
    service.recall(&space("a"), search).await.unwrap().into_iter().map(|hit| hit.item.text).collect()
}

#[tokio::test]
async fn what_others_write_and_remove_is_seen() {
    let (_, one, other) = two();
    let place = space("a");
    let tea = search("tea", None, SearchBy::Hybrid);
    assert!(texts(&one, &tea).await.is_empty());
    let id = other.remember(&place, episode("green tea", None), Retention::default()).await.unwrap();
    other.remember(&place, episode("black tea too", None), Retention::default()).await.unwrap();
    assert_eq!(texts(&one, &tea).await, ["green tea", "black tea too"]);
    assert!(other.forget(&place, id).await.unwrap() && !one.forget(&place, id).await.unwrap());
    assert_eq!(texts(&one, &tea).await, ["black tea too"]);
    // Another space, and the one in the process, hold nothing of it.
    assert!(one.recall(&space("b"), &tea).await.unwrap().is_empty());
    assert!(one.recall(&Space { in_process: true, ..place }, &tea).await.unwrap().is_empty());
}

#[tokio::test]
async fn searches_by_meaning_and_by_words_become_one() {
    let (_, one, _) = two();
    for (text, vector) in [("alpha", [1.0, 0.0]), ("beta words", [0.9, 0.4]), ("gamma words", [-1.0, 0.0])] {
        one.remember(&space("a"), episode(text, Some(vector)), Retention::default()).await.unwrap();
    }
    let east = Some([1.0, 0.0]);
    assert_eq!(texts(&one, &search("words", east, SearchBy::Vector)).await, ["alpha", "beta words"]);
    assert_eq!(texts(&one, &search("words", east, SearchBy::Bm25)).await, ["beta words", "gamma words"]);
    assert_eq!(texts(&one, &search("words", east, SearchBy::Hybrid)).await[0], "beta words");
    let weighted = Search { fuse: FuseBy::Weighted, ..search("words", east, SearchBy::Hybrid) };
    assert_eq!(texts(&one, &weighted).await.len(), 3);
    let strict = Search { min_score: 0.95, ..search("nothing", east, SearchBy::Hybrid) };
    assert_eq!(texts(&one, &strict).await, ["alpha"]);
    // Without a vector there are words; vectors of another model are not compared.
    assert_eq!(texts(&one, &search("alpha", None, SearchBy::Vector)).await, ["alpha"]);
    let mut foreign = search("nothing", east, SearchBy::Vector);
    foreign.vector = Some(Vector { model: "other/3".into(), values: vec![1.0, 0.0, 0.0] });
    assert!(texts(&one, &foreign).await.is_empty());
}

#[tokio::test]
async fn a_document_is_cut_and_its_old_passages_are_gone() {
    let (_, one, other) = two();
    let place = space("a");
    let cut = Cut { unit: Unit::Headings, size: 100, overlap: 0 };
    let document = |digest: &str| Document { source: "a.md".into(), digest: digest.into() };
    one.put_document(&place, document("1"), one.cut("# Tea\nGreen.\n# Coffee\nBlack.", cut)).await.unwrap();
    let found = other.search(&place, &search("coffee", None, SearchBy::Bm25)).await.unwrap();
    assert_eq!(found[0].item.cut.headings, ["Coffee"]);
    one.put_document(&place, document("2"), one.cut("# Water", cut)).await.unwrap();
    assert!(other.search(&place, &search("coffee", None, SearchBy::Bm25)).await.unwrap().is_empty());
    assert_eq!(other.documents(&place).await.unwrap(), [document("2")]);
}

#[tokio::test]
async fn facts_are_asked_of_any_time() {
    let (_, one, other) = two();
    let place = space("a");
    let now = Utc::now();
    let fact = |object: &str, days: i64| NewFact {
        subject: "ada".into(),
        relation: "lives_in".into(),
        object: object.into(),
        valid_from: Some(now - Duration::days(days)),
        valid_to: None,
    };
    assert_eq!(one.learn_fact(&place, fact("london", 20), Conflict::Latest, now).await.unwrap(), FactOutcome::Recorded);
    let later = now + Duration::hours(1);
    let outcome = other.learn_fact(&place, fact("paris", 10), Conflict::Latest, later).await.unwrap();
    assert!(matches!(outcome, FactOutcome::Replaces(_)));
    let ask = async |days: i64, known_at| {
        let search = FactSearch { text: "ada".into(), valid_at: now - Duration::days(days), known_at, top_k: 5 };
        let found = one.facts(&place, &search).await.unwrap();
        found.into_iter().map(|hit| hit.item.object).collect::<Vec<_>>()
    };
    assert_eq!(ask(15, later).await, ["london"]);
    assert_eq!(ask(5, later).await, ["paris"]);
    assert_eq!(ask(5, now).await, ["london"], "as it was known before");
    assert!(ask(30, later).await.is_empty());
}

#[tokio::test]
async fn many_who_write_facts_at_once_lose_none() {
    let (_, one, other) = two();
    let (one, other) = (Arc::new(one), Arc::new(other));
    let tasks: Vec<_> = (0..8)
        .map(|n: usize| {
            let service = if n.is_multiple_of(2) { one.clone() } else { other.clone() };
            tokio::spawn(async move {
                let fact = NewFact {
                    subject: format!("s{n}"),
                    relation: "is".into(),
                    object: "there".into(),
                    valid_from: None,
                    valid_to: None,
                };
                service.learn_fact(&space("a"), fact, Conflict::Latest, Utc::now()).await.unwrap()
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), FactOutcome::Recorded);
    }
    let now = Utc::now();
    let search = FactSearch { text: "there".into(), valid_at: now, known_at: now, top_k: 20 };
    assert_eq!(one.facts(&space("a"), &search).await.unwrap().len(), 8);
}

#[tokio::test]
async fn procedures_are_found_by_their_task() {
    let (_, one, _) = two();
    let new = |task: &str| NewProcedure { task: task.into(), steps: json!(["x"]), status: ProcedureStatus::Active };
    for task in ["refund an order", "book a flight"] {
        one.learn_procedure(&space("a"), new(task)).await.unwrap();
    }
    let found = one.procedures(&space("a"), "refund", 5).await.unwrap();
    assert_eq!(found.iter().map(|hit| hit.item.task.as_str()).collect::<Vec<_>>(), ["refund an order"]);
}
