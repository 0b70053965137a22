use aikit_core::{
    memory::{
        Document, Episode, Fact, FactChange, NewEpisode, NewPassage, NewProcedure, Part, PartState, Passage, Procedure,
        Retention, Space,
    },
    record::StoreError,
};
use async_trait::async_trait;
use serde_json::Value;

/// Where memories are kept, as one scope sees it: rows without any search.
#[async_trait]
pub trait MemoryStore: Send + Sync {
    /// How far a list of a space has come.
    async fn memory_state(&self, space: &Space, part: Part) -> Result<PartState, StoreError>;

    /// Writes an episode and removes what the retention says, in one transaction; its id.
    async fn add_episode(&self, space: &Space, episode: NewEpisode, keep: Retention) -> Result<u64, StoreError>;

    /// The episodes whose id is greater and that have not expired, by id.
    async fn episodes(&self, space: &Space, after: u64) -> Result<Vec<Episode>, StoreError>;

    /// Removes an episode; true if it was there.
    async fn remove_episode(&self, space: &Space, id: u64) -> Result<bool, StoreError>;

    /// Every fact that was ever known, by id.
    async fn facts(&self, space: &Space) -> Result<Vec<Fact>, StoreError>;

    /// Changes what is known; a conflict when the facts are not what the change was decided on.
    async fn change_facts(&self, space: &Space, change: FactChange) -> Result<(), StoreError>;

    /// Writes a procedure, or finds the same one; its id. A suggested one becomes active when it is written as such.
    async fn add_procedure(&self, space: &Space, procedure: NewProcedure) -> Result<u64, StoreError>;

    /// Every procedure, by id.
    async fn procedures(&self, space: &Space) -> Result<Vec<Procedure>, StoreError>;

    /// The text of a block.
    async fn block(&self, space: &Space, label: &str) -> Result<Option<String>, StoreError>;

    /// Writes a block.
    async fn set_block(&self, space: &Space, label: &str, text: &str) -> Result<(), StoreError>;

    /// The documents of a space, sorted by source.
    async fn documents(&self, space: &Space) -> Result<Vec<Document>, StoreError>;

    /// Writes a document with its passages in place of the one of the same source, in one transaction.
    async fn put_document(
        &self,
        space: &Space,
        document: Document,
        passages: Vec<NewPassage>,
    ) -> Result<(), StoreError>;

    /// Removes a document with its passages; true if it was there.
    async fn remove_document(&self, space: &Space, source: &str) -> Result<bool, StoreError>;

    /// The passages whose id is greater, by id.
    async fn passages(&self, space: &Space, after: u64) -> Result<Vec<Passage>, StoreError>;

    /// The newest turns of a conversation, the oldest first.
    async fn turns(&self, space: &Space, most: u32) -> Result<Vec<Value>, StoreError>;

    /// Adds turns, of which the newest `keep` stay, in one transaction.
    async fn add_turns(&self, space: &Space, turns: Vec<Value>, keep: u32) -> Result<(), StoreError>;
}
