//! The memory of agents as one scope sees it. No method takes a tenant, a user or a session.

use std::sync::Arc;

use aikit_core::{
    RunError,
    memory::{
        Document, Episode, Fact, NewEpisode, NewFact, NewPassage, NewProcedure, Passage, Procedure, Retention, Space,
        Vector,
    },
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SearchBy {
    /// By meaning: the vectors that are near.
    Vector,
    /// By words.
    Bm25,
    /// By both.
    Hybrid,
}

/// How the results of two searches become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FuseBy {
    /// By their ranks (reciprocal rank fusion).
    Rrf,
    /// By their scores, in equal parts.
    Weighted,
}

/// What is searched for.
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    /// In words.
    pub text: String,
    /// As a vector; without one only words are searched.
    pub vector: Option<Vector>,
    /// How.
    pub by: SearchBy,
    /// How results become one.
    pub fuse: FuseBy,
    /// How many at most.
    pub top_k: usize,
    /// How well a text has to fit, from 0 to 1: by the cosine or by its words, whichever is better.
    pub min_score: f64,
    /// The graph of a large index; without one every vector is compared.
    pub graph: Option<GraphSettings>,
}

/// How the graph of a large index is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GraphSettings {
    /// Neighbours of a vector.
    pub m: usize,
    /// Candidates when a vector is added.
    pub ef_construction: usize,
    /// Candidates in a search.
    pub ef_search: usize,
}

impl Default for GraphSettings {
    fn default() -> Self {
        Self { m: 16, ef_construction: 200, ef_search: 64 }
    }
}

/// Something that was found, and how well it fits: 1 is the best.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit<T> {
    /// What was found.
    pub item: T,
    /// How well it fits, from 0 to 1. By ranks, 1 is what every search found first.
    pub score: f64,
}

/// What happens when a new fact contradicts one that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conflict {
    /// The new one holds from its beginning on.
    Latest,
    /// Both are kept.
    KeepBoth,
    /// Nothing is recorded; who asked is told what stands against it.
    Ask,
}

/// What became of a new fact.
#[derive(Debug, Clone, PartialEq)]
pub enum FactOutcome {
    /// It was recorded.
    Recorded,
    /// It was known.
    Known,
    /// It was recorded in place of these.
    Replaces(Vec<Fact>),
    /// It was not recorded: these stand against it.
    Contradicts(Vec<Fact>),
}

/// Which facts are wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct FactSearch {
    /// In words.
    pub text: String,
    /// When they hold.
    pub valid_at: DateTime<Utc>,
    /// As they were known then.
    pub known_at: DateTime<Utc>,
    /// How many at most.
    pub top_k: usize,
}

/// How a text is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// What is counted.
    pub unit: Unit,
    /// How long a passage is at most.
    pub size: usize,
    /// How much two passages have in common.
    pub overlap: usize,
}

/// What is counted when a text is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Tokens, about ([`aikit_core::memory::tokens`]).
    Tokens,
    /// Characters.
    Chars,
    /// Sentences.
    Sentences,
    /// Sections of Markdown, of so many tokens at most.
    Headings,
}

/// What agents remember. Vectors are made by the caller; the memory compares them.
#[async_trait]
pub trait Memory: Send + Sync {
    /// Writes an episode; its id. What the retention says leaves in the same moment.
    async fn remember(&self, space: &Space, episode: NewEpisode, keep: Retention) -> Result<u64, RunError>;

    /// The episodes that fit, the best first.
    async fn recall(&self, space: &Space, search: &Search) -> Result<Vec<Hit<Episode>>, RunError>;

    /// Removes an episode; true if it was there.
    async fn forget(&self, space: &Space, episode: u64) -> Result<bool, RunError>;

    /// Records a fact.
    async fn learn_fact(
        &self,
        space: &Space,
        fact: NewFact,
        conflict: Conflict,
        now: DateTime<Utc>,
    ) -> Result<FactOutcome, RunError>;

    /// The facts that fit and what is connected with them, the best first.
    async fn facts(&self, space: &Space, search: &FactSearch) -> Result<Vec<Hit<Fact>>, RunError>;

    /// Writes a procedure; its id.
    async fn learn_procedure(&self, space: &Space, procedure: NewProcedure) -> Result<u64, RunError>;

    /// The procedures whose task fits, the best first.
    async fn procedures(&self, space: &Space, text: &str, top_k: usize) -> Result<Vec<Hit<Procedure>>, RunError>;

    /// The text of a block, where one was written.
    async fn block(&self, space: &Space, label: &str) -> Result<Option<String>, RunError>;

    /// Writes a block.
    async fn set_block(&self, space: &Space, label: &str, text: &str) -> Result<(), RunError>;

    /// Cuts a text; touches nothing.
    fn cut(&self, text: &str, cut: Cut) -> Vec<NewPassage>;

    /// The documents of a space, sorted by source.
    async fn documents(&self, space: &Space) -> Result<Vec<Document>, RunError>;

    /// Writes a document in place of the one of the same source.
    async fn put_document(&self, space: &Space, document: Document, passages: Vec<NewPassage>) -> Result<(), RunError>;

    /// Removes a document; true if it was there.
    async fn remove_document(&self, space: &Space, source: &str) -> Result<bool, RunError>;

    /// The passages that fit, the best first.
    async fn search(&self, space: &Space, search: &Search) -> Result<Vec<Hit<Passage>>, RunError>;

    /// The turns of a conversation, the oldest first, at most the newest so many.
    async fn turns(&self, space: &Space, most: u32) -> Result<Vec<Value>, RunError>;

    /// A memory that holds nothing and ends with its last user, for tests.
    fn blank(&self) -> Arc<dyn Memory>;

    /// Adds turns to a conversation, of which the newest `keep` stay.
    async fn add_turns(&self, space: &Space, turns: Vec<Value>, keep: u32) -> Result<(), RunError>;
}
