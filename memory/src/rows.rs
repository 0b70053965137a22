//! Memories in the process: they end with it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use aikit_core::{
    memory::{
        Document, Episode, Fact, FactChange, NewEpisode, NewPassage, NewProcedure, Part, PartState, Passage, Procedure,
        ProcedureStatus, Retention, Space,
    },
    record::StoreError,
};
use aikit_runtime::ports::{Clock, MemoryStore};
use async_trait::async_trait;
use chrono::Duration;
use serde_json::Value;
use std::sync::Arc;

/// Rows in maps. It serves one scope, so that whose they are needs not be asked.
pub struct ProcessRows {
    clock: Arc<dyn Clock>,
    spaces: Mutex<HashMap<Space, Rows>>,
}

#[derive(Default)]
struct Rows {
    states: BTreeMap<Part, PartState>,
    episodes: Vec<Episode>,
    facts: Vec<Fact>,
    procedures: Vec<Procedure>,
    blocks: BTreeMap<String, String>,
    documents: BTreeMap<String, Document>,
    passages: Vec<Passage>,
    turns: Vec<Value>,
}

impl Rows {
    fn next(&mut self, part: Part) -> u64 {
        let state = self.states.entry(part).or_default();
        state.last += 1;
        state.last
    }

    fn removed(&mut self, part: Part, count: usize) {
        self.states.entry(part).or_default().removed += count as u64;
    }

    fn drop_document(&mut self, source: &str) -> bool {
        let before = self.passages.len();
        self.passages.retain(|passage| passage.source != source);
        let gone = before - self.passages.len();
        self.removed(Part::Passages, gone);
        self.documents.remove(source).is_some()
    }
}

impl ProcessRows {
    /// Nothing remembered yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, spaces: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Space, Rows>> {
        self.spaces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, space: &Space, work: impl FnOnce(&mut Rows) -> T) -> T {
        work(self.lock().entry(space.clone()).or_default())
    }
}

#[async_trait]
impl MemoryStore for ProcessRows {
    async fn memory_state(&self, space: &Space, part: Part) -> Result<PartState, StoreError> {
        Ok(self.with(space, |rows| rows.states.get(&part).copied().unwrap_or_default()))
    }

    async fn add_episode(&self, space: &Space, episode: NewEpisode, keep: Retention) -> Result<u64, StoreError> {
        let now = self.clock.now();
        Ok(self.with(space, |rows| {
            let id = rows.next(Part::Episodes);
            let NewEpisode { text, metadata, vector } = episode;
            rows.episodes.push(Episode { id, text, metadata, vector, created_at: now });
            let before = rows.episodes.len();
            if let Some(days) = keep.days {
                let oldest = now - Duration::days(i64::from(days));
                rows.episodes.retain(|episode| episode.id == id || episode.created_at > oldest);
            }
            if let Some(most) = keep.entries {
                let surplus = rows.episodes.len().saturating_sub(usize::try_from(most).unwrap_or(usize::MAX));
                rows.episodes.drain(..surplus);
            }
            let gone = before - rows.episodes.len();
            rows.removed(Part::Episodes, gone);
            id
        }))
    }

    async fn episodes(&self, space: &Space, after: u64) -> Result<Vec<Episode>, StoreError> {
        Ok(self.with(space, |rows| rows.episodes.iter().filter(|episode| episode.id > after).cloned().collect()))
    }

    async fn remove_episode(&self, space: &Space, id: u64) -> Result<bool, StoreError> {
        Ok(self.with(space, |rows| {
            let before = rows.episodes.len();
            rows.episodes.retain(|episode| episode.id != id);
            let gone = before - rows.episodes.len();
            rows.removed(Part::Episodes, gone);
            gone > 0
        }))
    }

    async fn facts(&self, space: &Space) -> Result<Vec<Fact>, StoreError> {
        Ok(self.with(space, |rows| rows.facts.clone()))
    }

    async fn change_facts(&self, space: &Space, change: FactChange) -> Result<(), StoreError> {
        self.with(space, |rows| {
            if rows.states.get(&Part::Facts).copied().unwrap_or_default() != change.basis {
                return Err(StoreError::Conflict("the facts have changed meanwhile".into()));
            }
            for fact in rows.facts.iter_mut().filter(|fact| change.superseded.contains(&fact.id)) {
                fact.superseded_at = Some(change.at);
            }
            rows.removed(Part::Facts, change.superseded.len());
            for new in change.recorded {
                let id = rows.next(Part::Facts);
                rows.facts.push(Fact {
                    id,
                    subject: new.subject,
                    relation: new.relation,
                    object: new.object,
                    valid_from: new.valid_from.unwrap_or(change.at),
                    valid_to: new.valid_to,
                    recorded_at: change.at,
                    superseded_at: None,
                });
            }
            Ok(())
        })
    }

    async fn add_procedure(&self, space: &Space, procedure: NewProcedure) -> Result<u64, StoreError> {
        let now = self.clock.now();
        Ok(self.with(space, |rows| {
            let same = |known: &&mut Procedure| known.task == procedure.task && known.steps == procedure.steps;
            if let Some(known) = rows.procedures.iter_mut().find(same) {
                if procedure.status == ProcedureStatus::Active {
                    known.status = ProcedureStatus::Active;
                }
                return known.id;
            }
            let id = rows.next(Part::Procedures);
            let NewProcedure { task, steps, status } = procedure;
            rows.procedures.push(Procedure { id, task, steps, status, created_at: now });
            id
        }))
    }

    async fn procedures(&self, space: &Space) -> Result<Vec<Procedure>, StoreError> {
        Ok(self.with(space, |rows| rows.procedures.clone()))
    }

    async fn block(&self, space: &Space, label: &str) -> Result<Option<String>, StoreError> {
        Ok(self.with(space, |rows| rows.blocks.get(label).cloned()))
    }

    async fn set_block(&self, space: &Space, label: &str, text: &str) -> Result<(), StoreError> {
        self.with(space, |rows| rows.blocks.insert(label.to_owned(), text.to_owned()));
        Ok(())
    }

    async fn documents(&self, space: &Space) -> Result<Vec<Document>, StoreError> {
        Ok(self.with(space, |rows| rows.documents.values().cloned().collect()))
    }

    async fn put_document(
        &self,
        space: &Space,
        document: Document,
        passages: Vec<NewPassage>,
    ) -> Result<(), StoreError> {
        self.with(space, |rows| {
            rows.drop_document(&document.source);
            for cut in passages {
                let id = rows.next(Part::Passages);
                rows.passages.push(Passage { id, source: document.source.clone(), cut });
            }
            rows.documents.insert(document.source.clone(), document);
        });
        Ok(())
    }

    async fn remove_document(&self, space: &Space, source: &str) -> Result<bool, StoreError> {
        Ok(self.with(space, |rows| rows.drop_document(source)))
    }

    async fn passages(&self, space: &Space, after: u64) -> Result<Vec<Passage>, StoreError> {
        Ok(self.with(space, |rows| rows.passages.iter().filter(|passage| passage.id > after).cloned().collect()))
    }

    async fn turns(&self, space: &Space, most: u32) -> Result<Vec<Value>, StoreError> {
        Ok(self.with(space, |rows| {
            let surplus = rows.turns.len().saturating_sub(most as usize);
            rows.turns[surplus..].to_vec()
        }))
    }

    async fn add_turns(&self, space: &Space, turns: Vec<Value>, keep: u32) -> Result<(), StoreError> {
        self.with(space, |rows| {
            rows.turns.extend(turns);
            let surplus = rows.turns.len().saturating_sub(keep as usize);
            rows.turns.drain(..surplus);
        });
        Ok(())
    }
}
