use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    agent::context::OneOrMany,
    words::{DurationText, ExprText, ModelRef, Name, SizeText, TemplateText},
};

/// What the agent remembers from run to run.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Memory {
    /// Whether it remembers anything.
    #[schemars(extend("default" = true))]
    pub enabled: Option<bool>,
    /// Where memories live.
    #[schemars(extend("default" = "sqlite"))]
    pub backend: Option<MemoryBackend>,
    /// What happened.
    pub episodic: Option<EpisodicMemory>,
    /// What is known: things and how they are related.
    pub semantic: Option<SemanticMemory>,
    /// What has worked before.
    pub procedural: Option<ProceduralMemory>,
    /// Texts that are always in the context and that the agent may change.
    #[serde(default)]
    pub blocks: Vec<MemoryBlock>,
    /// Who may write what.
    pub write_policy: Option<WritePolicy>,
    /// What is looked up.
    pub recall: Option<RecallPolicy>,
    /// Documents and tables that can be searched.
    #[serde(default)]
    pub knowledge_bases: Vec<KnowledgeBase>,
}

/// Where memories live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MemoryBackend {
    /// In the process; they end with it.
    Inmemory,
    /// In the tenant's store.
    Sqlite,
    /// In the tenant's store as well: which engine it is, the operator says.
    Postgresql,
}

/// What happened.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct EpisodicMemory {
    /// How it is searched.
    #[schemars(extend("default" = "hnsw"))]
    pub provider: Option<EpisodicProvider>,
    /// Where it lives; always inside the tenant.
    pub namespace: Option<TemplateText>,
    /// After how many days a memory is deleted.
    #[schemars(range(max = 36_500))]
    pub retention_days: Option<u32>,
    /// How many memories at most; the oldest leave.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub max_entries: Option<u64>,
    /// The index of `hnsw`.
    pub hnsw_config: Option<HnswConfig>,
    /// The model that turns texts into vectors; `intelligence.embedding_model` unless said otherwise.
    pub embedding: Option<ModelRef>,
    /// Who shares memories.
    #[schemars(extend("default" = "user"))]
    pub scope: Option<MemoryScope>,
}

/// How episodes are searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EpisodicProvider {
    /// One by one.
    Inmemory,
    /// By an index of vectors.
    Hnsw,
}

/// A hierarchical navigable small world (Malkov and Yashunin, 2016).
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct HnswConfig {
    /// Neighbours of a vector.
    #[schemars(range(min = 2, max = 64), extend("default" = 16))]
    pub m: Option<u32>,
    /// How many candidates are looked at when a vector is added.
    #[schemars(range(min = 1, max = 100_000), extend("default" = 200))]
    pub ef_construction: Option<u32>,
    /// How many candidates are looked at in a search.
    #[schemars(range(min = 1, max = 100_000), extend("default" = 64))]
    pub ef_search: Option<u32>,
}

/// Who shares memories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MemoryScope {
    /// One conversation.
    Session,
    /// One person.
    User,
    /// Everybody who uses the agent.
    Agent,
    /// Every agent of the tenant.
    Tenant,
}

/// What is known: things and how they are related.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend("x-aikit-not-executed" = ["entities"]))]
pub struct SemanticMemory {
    /// Where the graph lives.
    #[schemars(extend("default" = "sqlite_graph"))]
    pub provider: Option<SemanticProvider>,
    /// Where it lives; always inside the tenant.
    pub namespace: Option<TemplateText>,
    /// Whether the graph knows since when something holds.
    #[schemars(extend("default" = true))]
    pub enable_temporal: Option<bool>,
    /// Kept for old documents; the store always separates tenants.
    pub rls_enabled: Option<bool>,
    /// Kinds of things.
    #[serde(default)]
    pub entities: Vec<String>,
    /// Kinds of relations.
    #[serde(default)]
    pub relations: Vec<String>,
    /// What happens when a new fact contradicts an old one.
    #[schemars(extend("default" = "latest"))]
    pub conflict: Option<FactConflict>,
}

/// Where the graph lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SemanticProvider {
    /// In the file of the store.
    SqliteGraph,
    /// In PostgreSQL.
    PostgresqlGraph,
}

/// What happens when a new fact contradicts an old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FactConflict {
    /// The new one holds.
    Latest,
    /// Both are kept.
    KeepBoth,
    /// A person decides.
    Ask,
}

/// What has worked before.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ProceduralMemory {
    /// Where it lives.
    #[schemars(extend("default" = "sqlite"))]
    pub provider: Option<ProceduralProvider>,
    /// Kept for old documents; tables have the names that the store gives them.
    pub table_prefix: Option<String>,
    /// Whether the agent learns by itself.
    #[schemars(extend("default" = "suggest"))]
    pub learn: Option<Learning>,
}

/// Where procedures live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProceduralProvider {
    /// In the file of the store.
    Sqlite,
    /// In PostgreSQL.
    Postgresql,
}

/// Whether the agent learns by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Learning {
    /// No.
    Off,
    /// A person decides what is kept.
    Suggest,
    /// Yes.
    Auto,
}

/// A text that is always in the context.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct MemoryBlock {
    /// Its name.
    pub label: Name,
    /// Its length at most, in characters.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub max_chars: Option<u32>,
    /// What it holds at first.
    pub value: Option<TemplateText>,
    /// Whether the agent may change it.
    #[schemars(extend("default" = true))]
    pub writable: Option<bool>,
    /// Who shares it.
    #[schemars(extend("default" = "user"))]
    pub scope: Option<MemoryScope>,
}

/// Who may write what.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct WritePolicy {
    /// Who writes.
    #[schemars(extend("default" = "agent"))]
    pub who: Option<MemoryWriter>,
    /// A CEL condition; only what it holds for is kept.
    pub filter: Option<ExprText>,
    /// Whether `governance.security.redact` counts.
    #[schemars(extend("default" = true))]
    pub redact: Option<bool>,
}

/// Who writes memories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MemoryWriter {
    /// The model, by its tools, and steps.
    Agent,
    /// Steps only.
    Step,
    /// Nobody.
    Never,
}

/// What is looked up.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct RecallPolicy {
    /// How many memories at most.
    #[schemars(range(min = 1, max = 1000), extend("default" = 8))]
    pub top_k: Option<u32>,
    /// How many tokens they may take.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub budget_tokens: Option<u32>,
    /// When is looked up: CEL conditions, of which one has to hold; for every question unless said otherwise.
    #[serde(default)]
    pub triggers: Vec<ExprText>,
}

/// Documents or tables that can be searched.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct KnowledgeBase {
    /// Its name.
    pub name: Name,
    /// What it is.
    #[schemars(extend("default" = "documents"))]
    pub kind: Option<KnowledgeKind>,
    /// Files below the workspace, `*` and `**` stand for anything. Naming them here allows reading them; where
    /// `governance.security.permits.fs_read` is written, it has to allow them too.
    pub source: Option<OneOrMany>,
    /// How texts are cut.
    pub chunk: Option<Chunking>,
    /// The model that turns texts into vectors; `intelligence.embedding_model` unless said otherwise.
    pub embedding: Option<ModelRef>,
    /// When it is read anew.
    #[schemars(extend("default" = "on_change"))]
    pub refresh: Option<KnowledgeRefresh>,
}

/// What a knowledge base is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(extend("x-aikit-not-supported" = ["graph", "mcp", "sql", "vector"]))]
pub enum KnowledgeKind {
    /// Texts.
    Documents,
    /// Vectors that exist already.
    Vector,
    /// A graph.
    Graph,
    /// Tables.
    Sql,
    /// Resources of an MCP server.
    Mcp,
}

/// How texts are cut.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Chunking {
    /// What is counted.
    #[schemars(extend("default" = "tokens"))]
    pub by: Option<ChunkUnit>,
    /// How long a piece is.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = 512))]
    pub size: Option<u32>,
    /// How much two pieces have in common.
    #[schemars(range(max = 1_000_000), extend("default" = 64))]
    pub overlap: Option<u32>,
}

/// What is counted when texts are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChunkUnit {
    /// Tokens.
    Tokens,
    /// Characters.
    Chars,
    /// Sentences.
    Sentences,
    /// Headings of Markdown.
    Headings,
}

/// When a knowledge base is read anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("x-aikit-not-supported" = ["cron"]))]
pub enum KnowledgeRefresh {
    /// When a file changes.
    OnChange,
    /// By the clock.
    Cron,
    /// When somebody says so.
    Manual,
}

/// What runs leave behind.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Storage {
    /// Files that runs produce.
    pub artifacts: Option<Artifacts>,
    /// Places from which a run can go on.
    pub checkpoints: Option<Checkpoints>,
    /// Conversations.
    pub sessions: Option<Sessions>,
}

/// Files that runs produce.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Artifacts {
    /// Where they live.
    #[schemars(extend("default" = "fs"))]
    pub backend: Option<ArtifactBackend>,
    /// After how many days they are deleted.
    #[schemars(range(max = 36_500))]
    pub retention_days: Option<u32>,
    /// How much a tenant may keep, in GB.
    #[schemars(range(min = 0))]
    pub tenant_quota_gb: Option<f64>,
    /// The largest one.
    pub max_size: Option<SizeText>,
}

/// Where artifacts live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ArtifactBackend {
    /// In the file system.
    Fs,
    /// In the file of the store.
    Sqlite,
    /// In PostgreSQL.
    Postgresql,
}

/// Places from which a run can go on.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Checkpoints {
    /// How often there is one.
    #[schemars(extend("default" = "step"))]
    pub every: Option<CheckpointInterval>,
    /// How many are kept.
    #[schemars(range(max = 1_000_000), extend("default" = 50))]
    pub keep: Option<u32>,
}

/// How often there is a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CheckpointInterval {
    /// Behind every step.
    Step,
    /// Behind every turn.
    Turn,
    /// Behind every tool.
    Tool,
    /// Never.
    Never,
}

/// Conversations.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Sessions {
    /// How long one lives without a word.
    pub ttl: Option<DurationText>,
}
