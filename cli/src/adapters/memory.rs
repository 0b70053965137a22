//! The rows of the memory over a tenant's store.

use aikit_core::{
    memory::{
        Document, Episode, Fact, FactChange, NewEpisode, NewPassage, NewProcedure, Part, PartState, Passage, Procedure,
        Retention, Space,
    },
    record::StoreError,
};
use aikit_runtime::ports::MemoryStore;
use aikit_storage::TenantStore;
use async_trait::async_trait;
use serde_json::Value;

/// Hands every method of the port on.
pub struct MemoryRows(TenantStore);

impl MemoryRows {
    /// The port over a store that was entered.
    pub fn new(store: TenantStore) -> Self {
        Self(store)
    }
}

#[async_trait]
impl MemoryStore for MemoryRows {
    async fn memory_state(&self, space: &Space, part: Part) -> Result<PartState, StoreError> {
        self.0.memory_state(space, part).await
    }

    async fn add_episode(&self, space: &Space, episode: NewEpisode, keep: Retention) -> Result<u64, StoreError> {
        self.0.add_episode(space, episode, keep).await
    }

    async fn episodes(&self, space: &Space, after: u64) -> Result<Vec<Episode>, StoreError> {
        self.0.episodes(space, after).await
    }

    async fn remove_episode(&self, space: &Space, id: u64) -> Result<bool, StoreError> {
        self.0.remove_episode(space, id).await
    }

    async fn facts(&self, space: &Space) -> Result<Vec<Fact>, StoreError> {
        self.0.facts(space).await
    }

    async fn change_facts(&self, space: &Space, change: FactChange) -> Result<(), StoreError> {
        self.0.change_facts(space, change).await
    }

    async fn add_procedure(&self, space: &Space, procedure: NewProcedure) -> Result<u64, StoreError> {
        self.0.add_procedure(space, procedure).await
    }

    async fn procedures(&self, space: &Space) -> Result<Vec<Procedure>, StoreError> {
        self.0.procedures(space).await
    }

    async fn block(&self, space: &Space, label: &str) -> Result<Option<String>, StoreError> {
        self.0.block(space, label).await
    }

    async fn set_block(&self, space: &Space, label: &str, text: &str) -> Result<(), StoreError> {
        self.0.set_block(space, label, text).await
    }

    async fn documents(&self, space: &Space) -> Result<Vec<Document>, StoreError> {
        self.0.documents(space).await
    }

    async fn put_document(
        &self,
        space: &Space,
        document: Document,
        passages: Vec<NewPassage>,
    ) -> Result<(), StoreError> {
        self.0.put_document(space, document, passages).await
    }

    async fn remove_document(&self, space: &Space, source: &str) -> Result<bool, StoreError> {
        self.0.remove_document(space, source).await
    }

    async fn passages(&self, space: &Space, after: u64) -> Result<Vec<Passage>, StoreError> {
        self.0.passages(space, after).await
    }

    async fn turns(&self, space: &Space, most: u32) -> Result<Vec<Value>, StoreError> {
        self.0.turns(space, most).await
    }

    async fn add_turns(&self, space: &Space, turns: Vec<Value>, keep: u32) -> Result<(), StoreError> {
        self.0.add_turns(space, turns, keep).await
    }
}
