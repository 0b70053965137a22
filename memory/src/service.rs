//! The memory port over rows: it searches, decides and cuts; the rows are kept by others.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use aikit_core::{
    ErrorKind, RunError,
    memory::{
        Document, Episode, Fact, FactChange, NewEpisode, NewFact, NewPassage, NewProcedure, Part, Passage, Procedure,
        Retention, Space,
    },
    record::StoreError,
};
use aikit_runtime::ports::{
    Clock, Memory, MemoryStore,
    memory::{Conflict, Cut, FactOutcome, FactSearch, GraphSettings, Hit, Search},
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::{
    chunk, graph,
    indexed::{Entry, Indexed},
    rows::ProcessRows,
    text::Bm25,
    vector::HnswParameters,
};

/// Spaces whose indexes stay in memory; the one that was asked longest ago leaves first.
const SPACES: usize = 32;

/// How often a change of facts is decided anew when others change them at the same time.
const ATTEMPTS: usize = 8;

/// The memory of one scope.
pub struct MemoryService {
    kept: Arc<dyn MemoryStore>,
    process: Arc<dyn MemoryStore>,
    clock: Arc<dyn Clock>,
    episodes: Indexes<Episode>,
    passages: Indexes<Passage>,
}

impl MemoryService {
    /// Over the rows of a scope; what is to live in the process is kept here.
    pub fn new(kept: Arc<dyn MemoryStore>, clock: Arc<dyn Clock>) -> Self {
        let process = Arc::new(ProcessRows::new(clock.clone()));
        Self { kept, process, clock, episodes: Indexes::default(), passages: Indexes::default() }
    }

    fn rows(&self, space: &Space) -> &Arc<dyn MemoryStore> {
        if space.in_process { &self.process } else { &self.kept }
    }
}

/// The indexes of the spaces that were searched last.
struct Indexes<T>(Mutex<Vec<(Space, Shared<T>)>>);

type Shared<T> = Arc<Mutex<Indexed<T>>>;

impl<T> Default for Indexes<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Entry> Indexes<T> {
    fn of(&self, space: &Space) -> Shared<T> {
        let mut spaces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = spaces.iter().position(|(known, _)| known == space).map(|at| spaces.remove(at));
        let entry = known.unwrap_or_else(|| (space.clone(), Shared::default()));
        let index = entry.1.clone();
        spaces.push(entry);
        let surplus = spaces.len().saturating_sub(SPACES);
        spaces.drain(..surplus);
        index
    }

    /// Brings the index of a space up to date and searches it, beside the tasks of the runtime: a large one takes its time.
    async fn search<F>(
        &self,
        rows: &Arc<dyn MemoryStore>,
        space: &Space,
        part: Part,
        search: &Search,
        load: impl Fn(u64) -> F,
    ) -> Result<Vec<Hit<T>>, RunError>
    where
        F: Future<Output = Result<Vec<T>, StoreError>>,
    {
        let index = self.of(space);
        // The state is asked first: entries that are added meanwhile are loaded again by the next search, and replace
        // themselves.
        let state = rows.memory_state(space, part).await.map_err(failed)?;
        let known = index.lock().unwrap_or_else(PoisonError::into_inner).state;
        let fresh = match known {
            known if known == state => Vec::new(),
            known if known.removed == state.removed => load(known.last).await.map_err(failed)?,
            _ => load(0).await.map_err(failed)?,
        };
        let search = search.clone();
        let work = move || {
            let mut index = index.lock().unwrap_or_else(PoisonError::into_inner);
            if known.removed != state.removed {
                *index = Indexed::default();
            }
            index.extend(fresh, state, search.graph.map(parameters));
            index.search(&search)
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| RunError::new(ErrorKind::Internal, format!("the search broke off: {error}")))
    }
}

fn parameters(graph: GraphSettings) -> HnswParameters {
    let GraphSettings { m, ef_construction, ef_search } = graph;
    HnswParameters { m, ef_construction, ef_search, ..HnswParameters::default() }
}

fn failed(error: StoreError) -> RunError {
    RunError::new(ErrorKind::StoreFailed, error.to_string())
}

/// The best by their words, and how well they fit.
fn by_words<T>(items: Vec<T>, text: &str, top_k: usize, words: impl Fn(&T) -> String) -> Vec<Hit<T>> {
    let mut index = Bm25::new();
    let mut all: HashMap<u64, T> = HashMap::new();
    for (key, item) in (0u64..).zip(items) {
        index.insert(key, &words(&item));
        all.insert(key, item);
    }
    let found = index.search(text, top_k);
    found.into_iter().filter_map(|one| Some(Hit { item: all.remove(&one.key)?, score: one.score })).collect()
}

#[async_trait]
impl Memory for MemoryService {
    async fn remember(&self, space: &Space, episode: NewEpisode, keep: Retention) -> Result<u64, RunError> {
        self.rows(space).add_episode(space, episode, keep).await.map_err(failed)
    }

    async fn recall(&self, space: &Space, search: &Search) -> Result<Vec<Hit<Episode>>, RunError> {
        let rows = self.rows(space);
        self.episodes.search(rows, space, Part::Episodes, search, |after| rows.episodes(space, after)).await
    }

    async fn forget(&self, space: &Space, episode: u64) -> Result<bool, RunError> {
        self.rows(space).remove_episode(space, episode).await.map_err(failed)
    }

    async fn learn_fact(
        &self,
        space: &Space,
        fact: NewFact,
        conflict: Conflict,
        now: DateTime<Utc>,
    ) -> Result<FactOutcome, RunError> {
        let rows = self.rows(space);
        for _ in 0..ATTEMPTS {
            let basis = rows.memory_state(space, Part::Facts).await.map_err(failed)?;
            let known = rows.facts(space).await.map_err(failed)?;
            let decided = graph::decide(&known, &fact, conflict, now);
            if !decided.record {
                return Ok(decided.outcome);
            }
            let rests = decided.superseded.iter().filter_map(|(_, rest)| rest.clone());
            let recorded = rests.chain([fact.clone()]).collect();
            let superseded = decided.superseded.iter().map(|(id, _)| *id).collect();
            match rows.change_facts(space, FactChange { basis, superseded, recorded, at: now }).await {
                Ok(()) => return Ok(decided.outcome),
                Err(StoreError::Conflict(_)) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Err(RunError::new(ErrorKind::StoreFailed, "others change the facts all the time").with_help("try again"))
    }

    async fn facts(&self, space: &Space, search: &FactSearch) -> Result<Vec<Hit<Fact>>, RunError> {
        let all = self.rows(space).facts(space).await.map_err(failed)?;
        let holding = graph::as_of(&all, search.valid_at, search.known_at);
        let words = |fact: &Fact| format!("{} {} {}", fact.subject, fact.relation.replace('_', " "), fact.object);
        let mut hits = by_words(holding.clone(), &search.text, search.top_k, words);
        // What is connected with what was found comes behind it.
        let mut at = 0;
        while hits.len() < search.top_k && at < hits.len() {
            let (near, score) = (hits[at].item.clone(), hits[at].score / 2.0);
            for fact in
                [&near.subject, &near.object].into_iter().flat_map(|thing| graph::neighbourhood(&holding, thing, 1))
            {
                if hits.len() < search.top_k && hits.iter().all(|hit| hit.item.id != fact.id) {
                    hits.push(Hit { item: fact, score });
                }
            }
            at += 1;
        }
        hits.sort_by(|a, b| b.score.total_cmp(&a.score));
        Ok(hits)
    }

    async fn learn_procedure(&self, space: &Space, procedure: NewProcedure) -> Result<u64, RunError> {
        self.rows(space).add_procedure(space, procedure).await.map_err(failed)
    }

    async fn procedures(&self, space: &Space, text: &str, top_k: usize) -> Result<Vec<Hit<Procedure>>, RunError> {
        let all = self.rows(space).procedures(space).await.map_err(failed)?;
        Ok(by_words(all, text, top_k, |procedure| procedure.task.clone()))
    }

    async fn block(&self, space: &Space, label: &str) -> Result<Option<String>, RunError> {
        self.rows(space).block(space, label).await.map_err(failed)
    }

    async fn set_block(&self, space: &Space, label: &str, text: &str) -> Result<(), RunError> {
        self.rows(space).set_block(space, label, text).await.map_err(failed)
    }

    fn cut(&self, text: &str, cut: Cut) -> Vec<NewPassage> {
        let passages = chunk::cut(text, cut).into_iter();
        passages
            .map(|passage| NewPassage {
                text: text[passage.range.clone()].to_owned(),
                headings: passage.headings,
                start: passage.range.start as u64,
                end: passage.range.end as u64,
                vector: None,
            })
            .collect()
    }

    async fn documents(&self, space: &Space) -> Result<Vec<Document>, RunError> {
        self.rows(space).documents(space).await.map_err(failed)
    }

    async fn put_document(&self, space: &Space, document: Document, passages: Vec<NewPassage>) -> Result<(), RunError> {
        self.rows(space).put_document(space, document, passages).await.map_err(failed)
    }

    async fn remove_document(&self, space: &Space, source: &str) -> Result<bool, RunError> {
        self.rows(space).remove_document(space, source).await.map_err(failed)
    }

    async fn search(&self, space: &Space, search: &Search) -> Result<Vec<Hit<Passage>>, RunError> {
        let rows = self.rows(space);
        self.passages.search(rows, space, Part::Passages, search, |after| rows.passages(space, after)).await
    }

    async fn turns(&self, space: &Space, most: u32) -> Result<Vec<Value>, RunError> {
        self.rows(space).turns(space, most).await.map_err(failed)
    }

    fn blank(&self) -> Arc<dyn Memory> {
        let rows = Arc::new(ProcessRows::new(self.clock.clone()));
        Arc::new(Self::new(rows, self.clock.clone()))
    }

    async fn add_turns(&self, space: &Space, turns: Vec<Value>, keep: u32) -> Result<(), RunError> {
        self.rows(space).add_turns(space, turns, keep).await.map_err(failed)
    }
}
