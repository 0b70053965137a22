//! Memory, knowledge and context.

use aikit_core::memory::Share;
use aikit_yaml::Node;
use serde_json::{Value, json};

use super::{Lowering, at, dynamic, template};
use crate::{
    agent::{
        self, Chunking, ConversationMode, KnowledgeBase, KnowledgeKind, LayerSource, Learning, MemoryBackend,
        MemoryKind, MemoryScope, MemoryWriter, MountStrategy, MountType, OneOrMany, Step,
    },
    expr::Expr,
    plan::{
        BlockPlan, CompressionPlan, ContextPlan, EmbeddingPlan, EpisodicPlan, KnowledgePlan, LayerPlan,
        LayerPlanSource, MemoryPlan, MemoryStep, MemoryTool, RagPlan, RecallPlan, SemanticPlan, StepKind, ToolKind,
        ToolPlan, TriggerPlan,
    },
    words::ModelRef,
};

/// Turns that a conversation keeps where it does not say how many.
const TURNS: u32 = 50;

/// What turns texts into vectors where nothing is said: it needs no network and no weights.
const EMBEDDING: &str = "hashing/384";

impl Lowering<'_> {
    pub(super) fn memory(&mut self, root: &Node) -> MemoryPlan {
        let document = self.document;
        let memory = document.memory.clone().unwrap_or_default();
        let node = at(root, &["memory"]);
        let inside = |keys: &[&str]| node.and_then(|node| at(node, keys));
        let episodic = memory.episodic.clone().unwrap_or_default();
        let graph = episodic.hnsw_config.clone().unwrap_or_default();
        let semantic = memory.semantic.clone().unwrap_or_default();
        let policy = memory.write_policy.clone().unwrap_or_default();
        let security = &document.governance.security;
        let blocks = memory.blocks.iter().zip(inside(&["blocks"]).map(Node::items).unwrap_or_default());
        let triggers = inside(&["recall", "triggers"]).map(Node::items).unwrap_or_default();
        MemoryPlan {
            enabled: memory.enabled.unwrap_or(true),
            in_process: memory.backend == Some(MemoryBackend::Inmemory),
            episodic: EpisodicPlan {
                namespace: inside(&["episodic", "namespace"]).and_then(template),
                share: share(episodic.scope),
                days: episodic.retention_days,
                entries: episodic.max_entries,
                graph: (episodic.provider != Some(agent::EpisodicProvider::Inmemory)).then(|| {
                    (graph.m.unwrap_or(16), graph.ef_construction.unwrap_or(200), graph.ef_search.unwrap_or(64))
                }),
                embedding: self.embedding(root, episodic.embedding.as_ref()),
            },
            semantic: SemanticPlan {
                namespace: inside(&["semantic", "namespace"]).and_then(template),
                temporal: semantic.enable_temporal.unwrap_or(true),
                conflict: semantic.conflict.unwrap_or(agent::FactConflict::Latest),
                relations: semantic.relations.clone(),
            },
            learn: memory.procedural.as_ref().map_or(Learning::Off, |p| p.learn.unwrap_or(Learning::Suggest)),
            blocks: blocks
                .map(|(block, node)| BlockPlan {
                    label: block.label.0.clone(),
                    max_chars: block.max_chars,
                    value: node.get("value").and_then(template),
                    writable: block.writable.unwrap_or(true),
                    share: share(block.scope),
                })
                .collect(),
            who: policy.who.unwrap_or(MemoryWriter::Agent),
            filter: inside(&["write_policy", "filter"]).and_then(expr),
            redact: if policy.redact.unwrap_or(true) { security.redact.clone() } else { Vec::new() },
            recall: memory.recall.as_ref().map(|recall| RecallPlan {
                top_k: recall.top_k.unwrap_or(8),
                tokens: recall.budget_tokens,
                triggers: triggers.iter().filter_map(expr).collect(),
            }),
            knowledge: memory.knowledge_bases.iter().map(|base| self.knowledge(root, base)).collect(),
            rag: self.rag(root),
            readable: security.permits.fs_read.clone(),
            turns: document.interface.conversation.as_ref().and_then(|conversation| {
                let many = matches!(conversation.mode, None | Some(ConversationMode::Multi));
                many.then_some(conversation.max_turns.unwrap_or(TURNS))
            }),
        }
    }

    fn knowledge(&mut self, root: &Node, base: &KnowledgeBase) -> KnowledgePlan {
        let chunk = base.chunk.clone().unwrap_or_default();
        let Chunking { by, size, overlap } = chunk;
        KnowledgePlan {
            name: base.name.0.clone(),
            sources: match &base.source {
                Some(OneOrMany::One(source)) => vec![source.clone()],
                Some(OneOrMany::Many(sources)) => sources.clone(),
                None => Vec::new(),
            },
            cut: (by.unwrap_or(agent::ChunkUnit::Tokens), size.unwrap_or(512), overlap.unwrap_or(64)),
            embedding: self.embedding(root, base.embedding.as_ref()),
            refresh: base.refresh.unwrap_or(agent::KnowledgeRefresh::OnChange),
            unsupported: match base.kind.unwrap_or(KnowledgeKind::Documents) {
                KnowledgeKind::Documents if base.refresh == Some(agent::KnowledgeRefresh::Cron) => {
                    Some("refresh: cron")
                }
                KnowledgeKind::Documents => None,
                KnowledgeKind::Vector => Some("vector"),
                KnowledgeKind::Graph => Some("graph"),
                KnowledgeKind::Sql => Some("sql"),
                KnowledgeKind::Mcp => Some("mcp"),
            },
        }
    }

    fn rag(&self, root: &Node) -> Option<RagPlan> {
        let rag = self.document.context_policy.as_ref()?.rag.as_ref().filter(|rag| rag.enabled.unwrap_or(true))?;
        let node = at(root, &["context_policy", "rag"])?;
        Some(RagPlan {
            knowledge: rag.knowledge.iter().map(|name| name.0.0.clone()).collect(),
            namespace: node.get("namespace").and_then(template),
            mode: rag.mode.unwrap_or(agent::SearchMode::Hybrid),
            fusion: rag.fusion.unwrap_or(agent::Fusion::Rrf),
            top_k: rag.top_k.unwrap_or(8),
            min_score: rag.min_score.unwrap_or(0.0),
            query: node.get("query").and_then(template),
            cite: rag.cite.unwrap_or(true),
            trigger: match node.get("trigger").and_then(Node::as_str) {
                None | Some("always") => TriggerPlan::Always,
                Some("tool") => TriggerPlan::Tool,
                Some(_) => node.get("trigger").and_then(expr).map_or(TriggerPlan::Always, TriggerPlan::When),
            },
        })
    }

    /// The embedding model that a part names, or the document, or the one that needs nothing.
    fn embedding(&mut self, root: &Node, named: Option<&ModelRef>) -> EmbeddingPlan {
        let document = self.document;
        let named = named.or(document.intelligence.embedding_model.as_ref());
        let name = named.map_or(EMBEDDING, |model| model.0.as_str());
        EmbeddingPlan { model: self.model_plan(root, name), declared: named.is_some() }
    }

    fn model_plan(&mut self, root: &Node, name: &str) -> crate::plan::ModelPlan {
        if let Some(known) = self.models.get(name) {
            return known.clone();
        }
        // A model that is not declared is one for this use alone: it does not become one that can be asked.
        let (provider, model) = name.split_once('/').unwrap_or(("", name));
        crate::plan::ModelPlan { range: root.range, ..crate::plan::ModelPlan::new(provider, model) }
    }

    pub(super) fn context(&mut self, root: &Node) -> ContextPlan {
        let document = self.document;
        let policy = document.context_policy.clone().unwrap_or_default();
        let window = policy.window_management.clone().unwrap_or_default();
        let nodes = at(root, &["context_policy", "layers"]).map(Node::items).unwrap_or_default();
        let mut layers: Vec<LayerPlan> =
            policy.layers.iter().zip(nodes).map(|(layer, node)| layer_plan(layer, node)).collect();
        layers.extend(policy.context_mounts.iter().map(mount));
        let compression = policy.compression.as_ref().filter(|c| c.enabled.unwrap_or(true)).map(|compression| {
            let named = compression.model.as_ref().or(document.intelligence.compression_model.as_ref());
            CompressionPlan {
                trigger: compression.trigger.unwrap_or(0.8),
                method: compression.method.unwrap_or(agent::CompressionMethod::Summary),
                model: named.map(|model| self.model_plan(root, &model.0)),
                keep_last: compression.keep_last.unwrap_or(6) as usize,
            }
        });
        ContextPlan {
            window: window.max_tokens,
            reserve: window.reserve_output.unwrap_or(1024),
            by_relevance: window.retention_priority == Some(agent::RetentionPriority::Relevance)
                || window.strategy == Some(agent::WindowStrategy::SemanticPrioritization),
            layers,
            compression,
            quarantine: policy.quarantine.as_ref().is_none_or(|quarantine| quarantine.enabled.unwrap_or(true)),
        }
    }

    /// What a model can do with the memory, as tools, unless the document's rules for tools forbid it.
    pub(super) fn memory_tools(&self, root: &Node, memory: &MemoryPlan, declared: &[ToolPlan]) -> Vec<ToolPlan> {
        let writes = memory.enabled && memory.who == MemoryWriter::Agent;
        let episodic = memory.enabled && self.document.memory.as_ref().is_some_and(|memory| memory.episodic.is_some());
        let labels: Vec<&str> =
            memory.blocks.iter().filter(|block| block.writable).map(|block| block.label.as_str()).collect();
        let searches = memory.rag.as_ref().is_some_and(|rag| matches!(rag.trigger, TriggerPlan::Tool));
        let query = json!({"type": "string", "minLength": 1, "description": "What is searched for."});
        let top_k = json!({"type": "integer", "minimum": 1, "maximum": 100, "description": "How many at most."});
        let search = |query: &Value| {
            json!({
                "type": "object", "properties": {"query": query, "top_k": top_k}, "required": ["query"],
                "additionalProperties": false,
            })
        };
        let offered = [
            (
                episodic && writes,
                MemoryTool::Remember,
                "remember",
                "Keeps something for later conversations: a preference, a decision, what was agreed. Write one plain sentence.",
                json!({
                    "type": "object",
                    "properties": {
                        "text": {"type": "string", "minLength": 1, "description": "What is remembered."},
                        "metadata": {"type": "object", "description": "What belongs to it."},
                    },
                    "required": ["text"], "additionalProperties": false,
                }),
            ),
            (
                episodic,
                MemoryTool::Recall,
                "recall",
                "Searches what was remembered in earlier conversations.",
                search(&query),
            ),
            (
                writes && !labels.is_empty(),
                MemoryTool::UpdateBlock,
                "memory_update_block",
                "Replaces the text of a block of the memory, which is shown in every conversation.",
                json!({
                    "type": "object",
                    "properties": {
                        "label": {"enum": labels, "description": "The block."},
                        "text": {"type": "string", "description": "Its new text, whole."},
                    },
                    "required": ["label", "text"], "additionalProperties": false,
                }),
            ),
            (
                searches,
                MemoryTool::SearchKnowledge,
                "search_knowledge",
                "Searches the agent's documents and gives passages with their sources.",
                search(&query),
            ),
        ];
        let permits = super::tools::permits(self.document, root);
        let granted = offered.into_iter().filter(|(offered, _, name, ..)| {
            *offered && permits.refuses(name).is_none() && declared.iter().all(|tool| tool.name != *name)
        });
        granted
            .map(|(_, tool, name, description, input)| ToolPlan {
                name: name.to_owned(),
                description: description.to_owned(),
                input,
                kind: ToolKind::Memory(tool),
                repeatable: matches!(tool, MemoryTool::Recall | MemoryTool::SearchKnowledge),
                ..self.builtin(name, None, root)
            })
            .collect()
    }
}

/// A step that reads or writes memory, if it is one.
pub(super) fn step(step: &Step, node: &Node) -> Option<StepKind> {
    let text = |node: &Node, key: &str| node.get(key).and_then(template);
    if let (Some(body), Some(node)) = (&step.remember, node.get("remember")) {
        return Some(StepKind::Memory(MemoryStep::Remember {
            value: dynamic(node.get("value")?),
            into: body.into.unwrap_or(if body.label.is_some() { MemoryKind::Block } else { MemoryKind::Episodic }),
            label: body.label.as_ref().map(|label| label.0.clone()),
        }));
    }
    if let (Some(body), Some(node)) = (&step.recall, node.get("recall")) {
        return Some(StepKind::Memory(MemoryStep::Recall {
            query: text(node, "query")?,
            from: body.from.unwrap_or(MemoryKind::Episodic),
            top_k: body.top_k.unwrap_or(8),
        }));
    }
    let (body, node) = (step.retrieve.as_ref()?, node.get("retrieve")?);
    Some(StepKind::Memory(MemoryStep::Retrieve {
        query: text(node, "query")?,
        from: body.from.iter().map(|name| name.0.0.clone()).collect(),
        top_k: body.top_k.unwrap_or(8),
        min_score: body.min_score.unwrap_or(0.0),
    }))
}

fn share(scope: Option<MemoryScope>) -> Share {
    match scope {
        Some(MemoryScope::Session) => Share::Session,
        None | Some(MemoryScope::User) => Share::User,
        Some(MemoryScope::Agent) => Share::Agent,
        Some(MemoryScope::Tenant) => Share::Tenant,
    }
}

fn layer_plan(layer: &agent::ContextLayer, node: &Node) -> LayerPlan {
    let source = match layer.source {
        LayerSource::Text => node.get("text").and_then(template).map(LayerPlanSource::Text),
        LayerSource::File => layer.path.as_ref().map(|path| LayerPlanSource::File(path.0.clone())),
        LayerSource::Memory => Some(LayerPlanSource::Memory),
        LayerSource::Knowledge => {
            Some(LayerPlanSource::Knowledge(layer.knowledge.as_ref().map(|name| name.0.0.clone())))
        }
        LayerSource::McpResource => Some(LayerPlanSource::Unsupported("mcp_resource")),
        LayerSource::Script => Some(LayerPlanSource::Unsupported("script")),
    };
    LayerPlan {
        name: layer.name.0.clone(),
        source: source.unwrap_or(LayerPlanSource::Unsupported("layer without a text")),
        priority: layer.priority.unwrap_or(agent::LayerPriority::Medium),
        pinned: layer.pinned.unwrap_or(false),
        max_tokens: layer.max_tokens,
        when: node.get("when").and_then(expr),
        at_end: false,
    }
}

fn mount(mount: &agent::ContextMount) -> LayerPlan {
    let named = mount.name.as_ref().map(|name| name.0.clone());
    let path = mount.path.as_ref().map(|path| path.0.clone());
    LayerPlan {
        name: named.or_else(|| path.clone()).unwrap_or_else(|| "mount".to_owned()),
        source: match (mount.kind, mount.strategy, path) {
            (_, Some(MountStrategy::Tool), _) => LayerPlanSource::Unsupported("strategy: tool"),
            (MountType::File, _, Some(path)) => LayerPlanSource::File(path),
            (MountType::File, _, None) => LayerPlanSource::Unsupported("file without a path"),
            (MountType::McpResource, ..) => LayerPlanSource::Unsupported("mcp_resource"),
            (MountType::Url, ..) => LayerPlanSource::Unsupported("url"),
            (MountType::Artifact, ..) => LayerPlanSource::Unsupported("artifact"),
        },
        priority: agent::LayerPriority::High,
        pinned: true,
        max_tokens: None,
        when: None,
        at_end: mount.strategy == Some(MountStrategy::InjectEnd),
    }
}

fn expr(node: &Node) -> Option<Expr> {
    Some(Expr { source: node.as_str()?.to_owned(), range: node.range })
}
