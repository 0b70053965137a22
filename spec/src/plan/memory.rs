//! What an agent remembers and knows, and how it is searched.

use aikit_core::memory::Share;

use super::{Dynamic, ModelPlan};
use crate::{
    agent::{ChunkUnit, FactConflict, Fusion, KnowledgeRefresh, Learning, MemoryKind, MemoryWriter, SearchMode},
    expr::Expr,
    template::Template,
};

/// `memory`, and what of `context_policy.rag` and `interface.conversation` it needs. A document that declares nothing of it has
/// one as well: its steps then use the defaults.
#[derive(Debug, Clone)]
pub struct MemoryPlan {
    /// `memory.enabled`: without it nothing is written, and nothing found.
    pub enabled: bool,
    /// Whether it lives in the process and ends with it.
    pub in_process: bool,
    /// What happened.
    pub episodic: EpisodicPlan,
    /// What is known.
    pub semantic: SemanticPlan,
    /// Whether the agent learns what has worked.
    pub learn: Learning,
    /// Texts that are always in the context.
    pub blocks: Vec<BlockPlan>,
    /// Who writes.
    pub who: MemoryWriter,
    /// What is kept; `value` is what is to be written.
    pub filter: Option<Expr>,
    /// What is never written: regular expressions, or kinds of personal data.
    pub redact: Vec<String>,
    /// What is looked up without being asked for.
    pub recall: Option<RecallPlan>,
    /// Documents that can be searched.
    pub knowledge: Vec<KnowledgePlan>,
    /// How knowledge comes into prompts.
    pub rag: Option<RagPlan>,
    /// Files that knowledge may come from (`governance.security.permits.fs_read`); none declared means what the bases name.
    pub readable: Vec<String>,
    /// Turns of a conversation that the next run of the session sees; none unless `interface.conversation` says so.
    pub turns: Option<u32>,
}

/// `memory.episodic`.
#[derive(Debug, Clone)]
pub struct EpisodicPlan {
    /// Where, below the tenant.
    pub namespace: Option<Template>,
    /// Who shares them.
    pub share: Share,
    /// After how many days they leave.
    pub days: Option<u32>,
    /// How many there may be.
    pub entries: Option<u64>,
    /// The index: neighbours, candidates when it is built, candidates in a search. Without one every memory is compared.
    pub graph: Option<(u32, u32, u32)>,
    /// What turns texts into vectors.
    pub embedding: EmbeddingPlan,
}

/// What turns texts into vectors.
#[derive(Debug, Clone)]
pub struct EmbeddingPlan {
    /// The model.
    pub model: ModelPlan,
    /// Whether the document names it. The model that stands in for none may be missing; words are searched alone then.
    pub declared: bool,
}

/// `memory.semantic`.
#[derive(Debug, Clone)]
pub struct SemanticPlan {
    /// Where, below the tenant.
    pub namespace: Option<Template>,
    /// Whether facts say since when they hold.
    pub temporal: bool,
    /// What happens when facts contradict each other.
    pub conflict: FactConflict,
    /// Relations that facts may have; none declared means any.
    pub relations: Vec<String>,
}

/// A text that is always in the context.
#[derive(Debug, Clone)]
pub struct BlockPlan {
    /// Its name.
    pub label: String,
    /// Its length at most, in characters.
    pub max_chars: Option<u32>,
    /// What it holds at first.
    pub value: Option<Template>,
    /// Whether the agent may change it.
    pub writable: bool,
    /// Who shares it.
    pub share: Share,
}

/// `memory.recall`.
#[derive(Debug, Clone)]
pub struct RecallPlan {
    /// How many memories at most.
    pub top_k: u32,
    /// How many tokens they may take.
    pub tokens: Option<u32>,
    /// One of these has to hold; none means always.
    pub triggers: Vec<Expr>,
}

/// A knowledge base.
#[derive(Debug, Clone)]
pub struct KnowledgePlan {
    /// Its name.
    pub name: String,
    /// Globs of files below the workspace.
    pub sources: Vec<String>,
    /// What is counted when texts are cut, how long a piece is, what two have in common.
    pub cut: (ChunkUnit, u32, u32),
    /// What turns texts into vectors.
    pub embedding: EmbeddingPlan,
    /// When it is read anew.
    pub refresh: KnowledgeRefresh,
    /// A kind that this version does not execute: a search fails.
    pub unsupported: Option<&'static str>,
}

/// How knowledge comes into prompts.
#[derive(Debug, Clone)]
pub struct RagPlan {
    /// The bases that are searched.
    pub knowledge: Vec<String>,
    /// Where the index lives, below the tenant.
    pub namespace: Option<Template>,
    /// How is searched.
    pub mode: SearchMode,
    /// How results become one.
    pub fusion: Fusion,
    /// How many passages at most.
    pub top_k: u32,
    /// How well a passage has to fit.
    pub min_score: f64,
    /// What is searched for; the question where nothing is said.
    pub query: Option<Template>,
    /// Whether the answer names its sources.
    pub cite: bool,
    /// When is searched.
    pub trigger: TriggerPlan,
}

/// When knowledge is searched.
#[derive(Debug, Clone)]
pub enum TriggerPlan {
    /// For every question.
    Always,
    /// When the model asks for it.
    Tool,
    /// When this holds.
    When(Expr),
}

/// A step that reads or writes memory.
#[derive(Debug, Clone)]
pub enum MemoryStep {
    /// Writes.
    Remember {
        /// What.
        value: Dynamic,
        /// Where.
        into: MemoryKind,
        /// The block.
        label: Option<String>,
    },
    /// Searches memories.
    Recall {
        /// For what.
        query: Template,
        /// Where.
        from: MemoryKind,
        /// How many at most.
        top_k: u32,
    },
    /// Searches knowledge.
    Retrieve {
        /// For what.
        query: Template,
        /// In which bases; none means all.
        from: Vec<String>,
        /// How many passages at most.
        top_k: u32,
        /// How well a passage has to fit.
        min_score: f64,
    },
}

impl MemoryStep {
    /// The kind key of the language.
    pub fn keyword(&self) -> &'static str {
        match self {
            MemoryStep::Remember { .. } => "remember",
            MemoryStep::Recall { .. } => "recall",
            MemoryStep::Retrieve { .. } => "retrieve",
        }
    }
}

/// What a model can do with the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryTool {
    /// Write an episode.
    Remember,
    /// Search episodes.
    Recall,
    /// Write a block.
    UpdateBlock,
    /// Search knowledge.
    SearchKnowledge,
}

impl MemoryPlan {
    /// The memory of what declares none, with a model that may be missing.
    pub fn plain(embedding: ModelPlan) -> Self {
        let embedding = EmbeddingPlan { model: embedding, declared: false };
        Self {
            enabled: true,
            in_process: false,
            episodic: EpisodicPlan {
                namespace: None,
                share: Share::User,
                days: None,
                entries: None,
                graph: Some((16, 200, 64)),
                embedding,
            },
            semantic: SemanticPlan {
                namespace: None,
                temporal: true,
                conflict: FactConflict::Latest,
                relations: Vec::new(),
            },
            learn: Learning::Off,
            blocks: Vec::new(),
            who: MemoryWriter::Agent,
            filter: None,
            redact: Vec::new(),
            recall: None,
            knowledge: Vec::new(),
            rag: None,
            readable: Vec::new(),
            turns: None,
        }
    }
}
