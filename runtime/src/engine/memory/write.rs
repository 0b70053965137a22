//! From what a document, a model or a script says to an operation: where it goes, whether it is kept, what is taken out.

use aikit_core::{
    AgentId, ErrorKind, RunError, TenantId,
    memory::{NewFact, ProcedureStatus, Share, Space},
};
use aikit_spec::{
    agent::{MemoryKind, MemoryWriter},
    plan::{BlockPlan, MemoryPlan},
    template::Template,
};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{
    Op,
    op::{fuse_by, search_by},
    redact::Redaction,
};
use crate::ports::memory::{FuseBy, SearchBy};

/// The namespace of what belongs to no agent.
const SHARED: &str = "shared";

/// Whose memory it is, and by which rules.
pub(crate) struct Place<'a> {
    pub memory: &'a MemoryPlan,
    pub tenant: &'a TenantId,
    pub agent: &'a AgentId,
    /// What templates and conditions see.
    pub scope: &'a Value,
}

/// What becomes of something that is to be remembered.
pub(crate) enum Decision {
    /// It is written.
    Write(Op),
    /// It is not, and this is why: `off` or `filtered`.
    Leave(&'static str),
}

impl Place<'_> {
    /// A space below the tenant, whatever its name says.
    fn space(&self, named: Option<&Template>, share: Share, part: &str) -> Result<Space, RunError> {
        let namespace = match named {
            Some(template) => template.render_text(self.scope).map_err(failed)?,
            None if share == Share::Tenant => SHARED.to_owned(),
            None => self.agent.to_string(),
        };
        let own = format!("{}/", self.tenant);
        let below = namespace.strip_prefix(&own).unwrap_or(&namespace).trim_matches('/');
        let below = if below.is_empty() { self.agent.as_str() } else { below };
        let namespace = if part.is_empty() { below.to_owned() } else { format!("{below}/{part}") };
        Ok(Space { namespace, share, agent: self.agent.clone(), in_process: self.memory.in_process })
    }

    fn episodes(&self) -> Result<Space, RunError> {
        let episodic = &self.memory.episodic;
        self.space(episodic.namespace.as_ref(), episodic.share, "")
    }

    fn facts(&self) -> Result<Space, RunError> {
        self.space(self.memory.semantic.namespace.as_ref(), self.memory.episodic.share, "")
    }

    fn procedures(&self) -> Result<Space, RunError> {
        self.space(None, self.memory.episodic.share, "")
    }

    /// The turns of the session.
    pub fn conversation(&self) -> Result<Space, RunError> {
        self.space(None, Share::Session, "")
    }

    /// The block of a label.
    pub fn block(&self, label: &str) -> Result<(&BlockPlan, Space), RunError> {
        let Some(block) = self.memory.blocks.iter().find(|block| block.label == label) else {
            let labels: Vec<&str> = self.memory.blocks.iter().map(|block| block.label.as_str()).collect();
            return Err(RunError::new(ErrorKind::ValidationInput, format!("the memory has no block `{label}`"))
                .with_help(format!("its blocks are: {}", labels.join(", "))));
        };
        Ok((block, self.space(None, block.share, "")?))
    }

    /// Every block is read at once.
    pub fn blocks(&self) -> Result<Op, RunError> {
        let blocks = self.memory.blocks.iter();
        let blocks = blocks.map(|block| Ok((block.label.clone(), self.space(None, block.share, "")?)));
        Ok(Op::Blocks { blocks: blocks.collect::<Result<_, RunError>>()? })
    }

    /// What is to be remembered.
    pub fn remember(&self, value: Value, into: MemoryKind, label: Option<&str>) -> Result<Decision, RunError> {
        if !self.memory.enabled {
            return Ok(Decision::Leave("off"));
        }
        if self.memory.who == MemoryWriter::Never {
            return Err(nobody_writes());
        }
        if let Some(filter) = &self.memory.filter {
            let mut scope = self.scope.clone();
            scope["value"] = value.clone();
            if !filter.holds(&scope).map_err(failed)? {
                return Ok(Decision::Leave("filtered"));
            }
        }
        let value = Redaction::new(&self.memory.redact)?.value(value);
        let op = match into {
            MemoryKind::Episodic => {
                let (text, metadata) = text_of(value);
                if text.trim().is_empty() {
                    return Err(RunError::new(ErrorKind::ValidationInput, "an empty text cannot be remembered"));
                }
                Op::Remember { space: self.episodes()?, text, metadata }
            }
            MemoryKind::Semantic => Op::RememberFact { space: self.facts()?, fact: self.fact(&value)? },
            MemoryKind::Procedural => {
                let (task, steps) = match &value {
                    Value::Object(map) => (map.get("task").and_then(Value::as_str), map.get("steps").cloned()),
                    Value::String(task) => (Some(task.as_str()), None),
                    _ => (None, None),
                };
                let task = task.filter(|task| !task.trim().is_empty()).ok_or_else(|| {
                    RunError::new(ErrorKind::ValidationInput, "a procedure needs a `task`")
                        .with_help("give an object with `task`, a text, and `steps`, a list")
                })?;
                let status = ProcedureStatus::Active;
                Op::RememberProcedure {
                    space: self.procedures()?,
                    task: task.to_owned(),
                    steps: steps.unwrap_or_else(|| json!([])),
                    status,
                }
            }
            MemoryKind::Block => {
                let label = label
                    .ok_or_else(|| RunError::new(ErrorKind::ValidationInput, "a block is written by its `label`"))?;
                let (block, space) = self.block(label)?;
                let (text, _) = text_of(value);
                if let Some(most) = block.max_chars.filter(|most| text.chars().count() > *most as usize) {
                    let length = text.chars().count();
                    let message = format!("{length} characters do not fit the block `{label}`, which takes {most}");
                    return Err(RunError::new(ErrorKind::ValidationInput, message).with_help("write it shorter"));
                }
                Op::SetBlock { space, label: label.to_owned(), text }
            }
        };
        Ok(Decision::Write(op))
    }

    fn fact(&self, value: &Value) -> Result<NewFact, RunError> {
        let part = |name: &str| {
            let text = match value.get(name) {
                Some(Value::String(text)) => text.trim().to_owned(),
                None | Some(Value::Null) => String::new(),
                Some(other) => other.to_string(),
            };
            if text.is_empty() {
                let message = format!("a fact needs a `{name}`");
                return Err(RunError::new(ErrorKind::ValidationInput, message)
                    .with_help("give an object with `subject`, `relation` and `object`"));
            }
            Ok(text)
        };
        let time = |name: &str| match value.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(given) => match given.as_str().map(DateTime::parse_from_rfc3339) {
                Some(Ok(at)) => Ok(Some(at.with_timezone(&Utc))),
                _ => Err(RunError::new(ErrorKind::ValidationInput, format!("`{name}` is not a time: {given}"))
                    .with_help("write it as RFC 3339, for example 2026-05-01T00:00:00Z")),
            },
        };
        let semantic = &self.memory.semantic;
        let relation = part("relation")?;
        if !semantic.relations.is_empty() && !semantic.relations.contains(&relation) {
            let message = format!("the memory has no relation `{relation}`");
            return Err(RunError::new(ErrorKind::ValidationInput, message)
                .with_help(format!("its relations are: {}", semantic.relations.join(", "))));
        }
        let (valid_from, valid_to) =
            if semantic.temporal { (time("valid_from")?, time("valid_to")?) } else { (None, None) };
        Ok(NewFact { subject: part("subject")?, relation, object: part("object")?, valid_from, valid_to })
    }

    /// A search of memories; nothing is found where nothing is remembered.
    pub fn recall(&self, query: String, from: MemoryKind, top_k: u32) -> Result<Option<Op>, RunError> {
        if !self.memory.enabled {
            return Ok(None);
        }
        Ok(Some(match from {
            MemoryKind::Episodic => Op::Recall { space: self.episodes()?, query, top_k },
            MemoryKind::Semantic => Op::RecallFacts { space: self.facts()?, query, top_k },
            MemoryKind::Procedural => Op::RecallProcedures { space: self.procedures()?, query, top_k },
            MemoryKind::Block => self.blocks()?,
        }))
    }

    /// A search of knowledge: in these bases, or in all.
    pub fn retrieve(&self, query: String, from: &[String], top_k: u32, min_score: f64) -> Result<Op, RunError> {
        let rag = self.memory.rag.as_ref();
        let wanted = |name: &&str| from.is_empty() || from.iter().any(|from| from == name);
        let names = self.memory.knowledge.iter().map(|base| base.name.as_str()).filter(wanted);
        // The files are those of the workspace that a person works in, so the index is theirs.
        let bases = names.map(|name| {
            let namespace = rag.and_then(|rag| rag.namespace.as_ref());
            Ok((name.to_owned(), self.space(namespace, Share::User, &format!("rag/{name}"))?))
        });
        Ok(Op::Retrieve {
            bases: bases.collect::<Result<_, RunError>>()?,
            query,
            top_k,
            min_score,
            by: rag.map_or(SearchBy::Hybrid, |rag| search_by(rag.mode)),
            fuse: rag.map_or(FuseBy::Rrf, |rag| fuse_by(rag.fusion)),
        })
    }

    /// Lets an episode go.
    pub fn forget(&self, id: u64) -> Result<Op, RunError> {
        if self.memory.who == MemoryWriter::Never {
            return Err(nobody_writes());
        }
        Ok(Op::Forget { space: self.episodes()?, id })
    }

    /// What has worked, when the agent learns by itself.
    pub fn learned(&self, task: String, steps: Vec<Value>, status: ProcedureStatus) -> Result<Op, RunError> {
        let redaction = Redaction::new(&self.memory.redact)?;
        let (task, steps) = (redaction.text(&task), redaction.value(Value::Array(steps)));
        Ok(Op::RememberProcedure { space: self.procedures()?, task, steps, status })
    }
}

/// What is remembered of a value, and what belongs to it: `{text, metadata}`, a text, or anything else as JSON.
fn text_of(value: Value) -> (String, Value) {
    match value {
        Value::String(text) => (text, json!({})),
        Value::Object(map) if map.get("text").is_some_and(Value::is_string) => {
            let metadata = map.get("metadata").filter(|metadata| metadata.is_object()).cloned();
            let text = map.get("text").and_then(Value::as_str).unwrap_or_default().to_owned();
            (text, metadata.unwrap_or_else(|| json!({})))
        }
        other => (other.to_string(), json!({})),
    }
}

fn nobody_writes() -> RunError {
    RunError::new(ErrorKind::ToolDenied, "nobody may write to the memory of this agent")
        .with_help("see memory.write_policy.who")
}

fn failed(error: aikit_spec::EvalError) -> RunError {
    RunError::new(ErrorKind::ExpressionFailed, error.message)
}
