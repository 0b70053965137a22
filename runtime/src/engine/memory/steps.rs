//! Memory in a run: its steps, its tools, and what is learned of a run that went well. Everything passes the gate.

use aikit_core::{RunError, memory::ProcedureStatus};
use aikit_spec::{
    agent::{Learning, MemoryKind},
    plan::{MemoryStep, MemoryTool},
};
use serde_json::{Value, json};

use super::{
    Desk, Op,
    write::{Decision, Place},
};
use crate::{
    engine::Execution,
    gate::Effect,
    journal::{EffectKind, Record},
};

/// What the tools of a model find where it does not say how many.
const TOP_K: u32 = 8;

impl Execution {
    /// Whose memory it is.
    pub(in crate::engine) fn memory_place<'a>(&'a self, scope: &'a Value) -> Place<'a> {
        Place { memory: &self.plan.memory, tenant: &self.engine.scope.tenant, agent: &self.plan.agent.id, scope }
    }

    /// Performs an operation through the gate.
    pub(in crate::engine) async fn memory_effect(&self, address: &str, op: Op) -> Result<Value, RunError> {
        if op.takes_tokens() {
            self.gate.afford_tokens()?;
        }
        let request = serde_json::to_value(&op).map_err(|error| {
            RunError::new(aikit_core::ErrorKind::Internal, format!("the request cannot be recorded: {error}"))
        })?;
        let effect = Effect {
            address: address.to_owned(),
            kind: EffectKind::Memory,
            class: op.class(),
            label: op.label().to_owned(),
            request,
        };
        let desk =
            Desk { engine: self.engine.clone(), memory: self.plan.memory.clone(), cancel: self.gate.cancel().clone() };
        // Boxed: what a search needs would otherwise stand on the stack of every step.
        Box::pin(self.gate.effect(effect, desk.perform(op))).await
    }

    /// Writes what a step or a model wants to be remembered.
    async fn keep_memory(
        &self,
        address: &str,
        value: Value,
        into: MemoryKind,
        label: Option<&str>,
    ) -> Result<Value, RunError> {
        let scope = self.scope();
        match self.memory_place(&scope).remember(value, into, label)? {
            Decision::Write(op) => self.memory_effect(address, op).await,
            Decision::Leave(why) => Ok(json!({ "outcome": why })),
        }
    }

    /// What fits a query, as a list.
    pub(in crate::engine) async fn look_up(
        &self,
        address: &str,
        query: String,
        from: MemoryKind,
        top_k: u32,
    ) -> Result<Value, RunError> {
        let scope = self.scope();
        if from == MemoryKind::Block {
            let blocks = self.block_texts(address).await?;
            return Ok(blocks
                .into_iter()
                .map(|(label, text, _)| json!({ "id": label, "text": text, "score": 1.0 }))
                .collect());
        }
        match self.memory_place(&scope).recall(query, from, top_k)? {
            Some(op) => self.memory_effect(address, op).await,
            None => Ok(json!([])),
        }
    }

    /// Passages of knowledge that fit a query, as a list.
    pub(in crate::engine) async fn search_knowledge(
        &self,
        address: &str,
        query: String,
        from: &[String],
        top_k: u32,
        min_score: f64,
    ) -> Result<Value, RunError> {
        let scope = self.scope();
        let op = self.memory_place(&scope).retrieve(query, from, top_k, min_score)?;
        self.memory_effect(address, op).await
    }

    /// The blocks as they are now: label, text, and whether the agent may change it. Empty ones are left out.
    pub(in crate::engine) async fn block_texts(&self, address: &str) -> Result<Vec<(String, String, bool)>, RunError> {
        if self.plan.memory.blocks.is_empty() || !self.plan.memory.enabled {
            return Ok(Vec::new());
        }
        let scope = self.scope();
        let written = self.memory_effect(address, self.memory_place(&scope).blocks()?).await?;
        let mut texts = Vec::new();
        for block in &self.plan.memory.blocks {
            let text = match (written.get(&block.label).and_then(Value::as_str), &block.value) {
                (Some(text), _) => text.to_owned(),
                (None, Some(first)) => first.render_text(&scope).map_err(|e| self.expression_error(e))?,
                (None, None) => String::new(),
            };
            if !text.is_empty() {
                texts.push((block.label.clone(), text, block.writable));
            }
        }
        Ok(texts)
    }

    /// A step that reads or writes memory.
    pub(in crate::engine) async fn memory_step(&self, address: &str, step: &MemoryStep) -> Result<Value, RunError> {
        let scope = self.scope();
        let query = |template: &aikit_spec::template::Template| {
            template.render_text(&scope).map_err(|e| self.expression_error(e))
        };
        match step {
            MemoryStep::Remember { value, into, label } => {
                let value = self.resolve(value, &scope)?;
                self.keep_memory(address, value, *into, label.as_deref()).await
            }
            MemoryStep::Recall { query: text, from, top_k } => self.look_up(address, query(text)?, *from, *top_k).await,
            MemoryStep::Retrieve { query: text, from, top_k, min_score } => {
                self.search_knowledge(address, query(text)?, from, *top_k, *min_score).await
            }
        }
    }

    /// A call of a tool of the memory by a model. The arguments fit its schema.
    pub(in crate::engine) async fn memory_tool(
        &self,
        address: &str,
        tool: MemoryTool,
        args: &Value,
    ) -> Result<Value, RunError> {
        let text = |name: &str| args.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let top_k = args.get("top_k").and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok()).unwrap_or(TOP_K);
        match tool {
            MemoryTool::Remember => self.keep_memory(address, args.clone(), MemoryKind::Episodic, None).await,
            MemoryTool::Recall => self.look_up(address, text("query"), MemoryKind::Episodic, top_k).await,
            MemoryTool::UpdateBlock => {
                let label = text("label");
                self.keep_memory(address, Value::String(text("text")), MemoryKind::Block, Some(&label)).await
            }
            MemoryTool::SearchKnowledge => {
                let (from, min_score) = match &self.plan.memory.rag {
                    Some(rag) => (rag.knowledge.clone(), rag.min_score),
                    None => (Vec::new(), 0.0),
                };
                self.search_knowledge(address, text("query"), &from, top_k, min_score).await
            }
        }
    }

    /// Keeps the tools that led to an answer, where the agent learns: the journal says which they were.
    pub(in crate::engine) async fn learn(&self, address: &str, task: &str) -> Result<(), RunError> {
        let status = match self.plan.memory.learn {
            Learning::Off => return Ok(()),
            Learning::Suggest => ProcedureStatus::Suggested,
            Learning::Auto => ProcedureStatus::Active,
        };
        if !self.plan.memory.enabled || self.plan.memory.who == aikit_spec::agent::MemoryWriter::Never {
            return Ok(());
        }
        let records: Vec<Record> = self.gate.rows().iter().filter_map(Record::read).collect();
        let worked = |number: u64| {
            records
                .iter()
                .any(|record| matches!(record, Record::EffectEnded { effect, error: None, .. } if *effect == number))
        };
        // Looking things up in the memory is no part of what has worked.
        let own = |label: &str| self.plan.memory_tools.iter().all(|tool| tool.name != label);
        let calls = records.iter().filter_map(|record| match record {
            Record::EffectStarted { effect, kind: EffectKind::Tool, address: at, label, request, .. }
                if at == address && worked(*effect) && own(label) =>
            {
                Some(json!({ "tool": label, "args": request.get("args") }))
            }
            _ => None,
        });
        let steps: Vec<Value> = calls.collect();
        if steps.is_empty() || task.trim().is_empty() {
            return Ok(());
        }
        let scope = self.scope();
        let op = self.memory_place(&scope).learned(task.to_owned(), steps, status)?;
        self.memory_effect(address, op).await.map(drop)
    }
}
