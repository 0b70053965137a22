//! One thing that is done with the memory, as it stands in the journal, and what does it.

use std::sync::Arc;

use aikit_core::{
    ErrorKind, RunError,
    memory::{Fact, NewEpisode, NewFact, NewProcedure, ProcedureStatus, Retention, Space},
    record::Usage,
};
use aikit_spec::{
    agent::{FactConflict, Fusion, SearchMode},
    plan::MemoryPlan,
};
use serde::Serialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    engine::Engine,
    journal::SideEffect,
    ports::{
        Memory,
        memory::{Conflict, FactOutcome, FactSearch, FuseBy, GraphSettings, Hit, Search, SearchBy},
    },
};

/// What is done. Serialised, it is the request of an effect.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(crate) enum Op {
    /// Writes an episode.
    Remember { space: Space, text: String, metadata: Value },
    /// Records a fact.
    RememberFact { space: Space, fact: NewFact },
    /// Writes a procedure.
    RememberProcedure { space: Space, task: String, steps: Value, status: ProcedureStatus },
    /// Writes a block.
    SetBlock { space: Space, label: String, text: String },
    /// Removes an episode.
    Forget { space: Space, id: u64 },
    /// Searches episodes.
    Recall { space: Space, query: String, top_k: u32 },
    /// Searches facts.
    RecallFacts { space: Space, query: String, top_k: u32 },
    /// Searches procedures.
    RecallProcedures { space: Space, query: String, top_k: u32 },
    /// Reads blocks: label and space of each.
    Blocks { blocks: Vec<(String, Space)> },
    /// Searches knowledge: the bases and their spaces.
    Retrieve { bases: Vec<(String, Space)>, query: String, top_k: u32, min_score: f64, by: SearchBy, fuse: FuseBy },
    /// Reads the turns of the conversation.
    Turns { space: Space, most: u32 },
    /// Adds turns to the conversation.
    AddTurns { space: Space, turns: Vec<Value>, keep: u32 },
    /// Reads a file of the workspace into the context.
    ReadFile { path: String },
}

impl Op {
    /// What it changes outside. Reading knowledge again does no harm, so it counts as reading.
    pub fn class(&self) -> SideEffect {
        match self {
            Op::Remember { .. }
            | Op::RememberFact { .. }
            | Op::RememberProcedure { .. }
            | Op::SetBlock { .. }
            | Op::Forget { .. }
            | Op::AddTurns { .. } => SideEffect::Write,
            _ => SideEffect::Read,
        }
    }

    /// Whether texts are turned into vectors for it.
    pub fn takes_tokens(&self) -> bool {
        matches!(self, Op::Remember { .. } | Op::Recall { .. } | Op::Retrieve { .. })
    }

    /// What people call it.
    pub fn label(&self) -> &'static str {
        match self {
            Op::Remember { .. } => "remember",
            Op::RememberFact { .. } => "remember fact",
            Op::RememberProcedure { .. } => "remember procedure",
            Op::SetBlock { .. } => "write block",
            Op::Forget { .. } => "forget",
            Op::Recall { .. } => "recall",
            Op::RecallFacts { .. } => "recall facts",
            Op::RecallProcedures { .. } => "recall procedures",
            Op::Blocks { .. } => "read blocks",
            Op::Retrieve { .. } => "retrieve",
            Op::Turns { .. } => "read conversation",
            Op::AddTurns { .. } => "write conversation",
            Op::ReadFile { .. } => "read file",
        }
    }
}

/// Something that was found, as a list of it goes to steps and models.
#[derive(Debug, Clone, serde::Deserialize)]
pub(crate) struct Found {
    /// Its text.
    pub text: String,
    /// Where it comes from, for passages.
    #[serde(default)]
    pub citation: Option<String>,
}

/// Performs operations for one caller.
#[derive(Clone)]
pub(crate) struct Desk {
    pub engine: Engine,
    pub memory: Arc<MemoryPlan>,
    pub cancel: CancellationToken,
}

impl Desk {
    /// The port.
    pub(super) fn port(&self) -> &Arc<dyn Memory> {
        &self.engine.ports().memory
    }

    /// Performs one operation.
    pub async fn perform(&self, op: Op) -> Result<(Value, Usage), RunError> {
        let mut usage = Usage::default();
        let value = self.value(op, &mut usage).await?;
        Ok((value, usage))
    }

    async fn value(&self, op: Op, usage: &mut Usage) -> Result<Value, RunError> {
        let (memory, episodic) = (self.port(), &self.memory.episodic);
        match op {
            Op::Remember { space, text, metadata } => {
                let vector = self.embed_one(&episodic.embedding, &text, usage).await?;
                let keep = Retention { days: episodic.days, entries: episodic.entries };
                let id = memory.remember(&space, NewEpisode { text, metadata, vector }, keep).await?;
                Ok(json!({ "outcome": "remembered", "id": id }))
            }
            Op::RememberFact { space, fact } => {
                let now = self.engine.ports().clock.now();
                let conflict = match self.memory.semantic.conflict {
                    FactConflict::Latest => Conflict::Latest,
                    FactConflict::KeepBoth => Conflict::KeepBoth,
                    FactConflict::Ask => Conflict::Ask,
                };
                let outcome = memory.learn_fact(&space, fact, conflict, now).await?;
                let facts = |facts: Vec<Fact>| facts.iter().map(|fact| fact_value(fact, None)).collect::<Vec<_>>();
                Ok(match outcome {
                    FactOutcome::Recorded => json!({ "outcome": "recorded" }),
                    FactOutcome::Known => json!({ "outcome": "known" }),
                    FactOutcome::Replaces(old) => json!({ "outcome": "replaced", "facts": facts(old) }),
                    FactOutcome::Contradicts(old) => json!({ "outcome": "conflict", "facts": facts(old) }),
                })
            }
            Op::RememberProcedure { space, task, steps, status } => {
                let id = memory.learn_procedure(&space, NewProcedure { task, steps, status }).await?;
                Ok(json!({ "outcome": "remembered", "id": id }))
            }
            Op::SetBlock { space, label, text } => {
                memory.set_block(&space, &label, &text).await?;
                Ok(json!({ "outcome": "remembered", "label": label }))
            }
            Op::Forget { space, id } => Ok(json!(memory.forget(&space, id).await?)),
            Op::Recall { space, query, top_k } => {
                let vector = self.embed_one(&episodic.embedding, &query, usage).await?;
                let search = Search {
                    text: query,
                    vector,
                    by: SearchBy::Hybrid,
                    fuse: FuseBy::Rrf,
                    top_k: top_k as usize,
                    min_score: 0.0,
                    graph: episodic.graph.map(|(m, ef_construction, ef_search)| GraphSettings {
                        m: m as usize,
                        ef_construction: ef_construction as usize,
                        ef_search: ef_search as usize,
                    }),
                };
                let hits = memory.recall(&space, &search).await?;
                let shown = hits.iter().map(|Hit { item, score }| {
                    json!({
                        "id": item.id, "text": item.text, "score": score, "metadata": item.metadata,
                        "created_at": item.created_at.to_rfc3339(),
                    })
                });
                Ok(shown.collect())
            }
            Op::RecallFacts { space, query, top_k } => {
                let now = self.engine.ports().clock.now();
                let search = FactSearch { text: query, valid_at: now, known_at: now, top_k: top_k as usize };
                let hits = memory.facts(&space, &search).await?;
                Ok(hits.iter().map(|hit| fact_value(&hit.item, Some(hit.score))).collect())
            }
            Op::RecallProcedures { space, query, top_k } => {
                let hits = memory.procedures(&space, &query, top_k as usize).await?;
                let shown = hits.iter().map(|Hit { item, score }| {
                    json!({
                        "id": item.id, "text": item.task, "score": score, "steps": item.steps, "status": item.status,
                        "created_at": item.created_at.to_rfc3339(),
                    })
                });
                Ok(shown.collect())
            }
            Op::Blocks { blocks } => {
                let mut shown = serde_json::Map::new();
                for (label, space) in blocks {
                    let text = memory.block(&space, &label).await?;
                    shown.insert(label, json!(text));
                }
                Ok(Value::Object(shown))
            }
            Op::Retrieve { bases, query, top_k, min_score, by, fuse } => {
                self.retrieve(bases, &query, top_k, min_score, by, fuse, usage).await
            }
            Op::Turns { space, most } => Ok(Value::Array(memory.turns(&space, most).await?)),
            Op::AddTurns { space, turns, keep } => {
                memory.add_turns(&space, turns, keep).await?;
                Ok(Value::Null)
            }
            Op::ReadFile { path } => {
                let bytes = self.readable_file(&path).await?;
                String::from_utf8(bytes)
                    .map(Value::String)
                    .map_err(|_| RunError::new(ErrorKind::ToolFailed, format!("`{path}` is not a text")))
            }
        }
    }
}

/// A fact as steps see it.
fn fact_value(fact: &Fact, score: Option<f64>) -> Value {
    let mut value = json!({
        "id": fact.id, "text": format!("{} {} {}", fact.subject, fact.relation.replace('_', " "), fact.object),
        "subject": fact.subject, "relation": fact.relation, "object": fact.object,
        "valid_from": fact.valid_from.to_rfc3339(), "valid_to": fact.valid_to.map(|at| at.to_rfc3339()),
        "recorded_at": fact.recorded_at.to_rfc3339(),
    });
    if let Some(score) = score {
        value["score"] = json!(score);
    }
    value
}

/// How the language's words for searching are said to the port.
pub(super) fn search_by(mode: SearchMode) -> SearchBy {
    match mode {
        SearchMode::Vector => SearchBy::Vector,
        SearchMode::Bm25 => SearchBy::Bm25,
        SearchMode::Hybrid => SearchBy::Hybrid,
    }
}

/// The same for the ways in which results become one.
pub(super) fn fuse_by(fusion: Fusion) -> FuseBy {
    match fusion {
        Fusion::Rrf => FuseBy::Rrf,
        Fusion::Weighted => FuseBy::Weighted,
    }
}
