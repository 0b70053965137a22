use schemars::JsonSchema;
use serde::Deserialize;

use crate::words::{ConditionText, ExprText, FilePath, KnowledgeRef, ModelRef, Name, TemplateText, by_json_type};

/// What a model is shown besides its prompt, and what leaves when there is too much.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ContextPolicy {
    /// What stays in the window of the model.
    pub window_management: Option<WindowManagement>,
    /// Parts of the context, the first ones first.
    #[serde(default)]
    pub layers: Vec<ContextLayer>,
    /// Files and resources that are always there.
    #[serde(default)]
    pub context_mounts: Vec<ContextMount>,
    /// Passages of knowledge that fit the question.
    pub rag: Option<Rag>,
    /// Makes long conversations shorter.
    pub compression: Option<Compression>,
    /// Keeps texts of strangers out of the system prompt.
    pub quarantine: Option<Quarantine>,
}

/// What stays in the window of the model.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct WindowManagement {
    /// How it is chosen.
    #[schemars(extend("default" = "rolling_window"))]
    pub strategy: Option<WindowStrategy>,
    /// Tokens of a request at most, its answer included, counted roughly; nothing leaves unless it is said.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub max_tokens: Option<u32>,
    /// Tokens that are kept free for the answer.
    #[schemars(range(max = 10_000_000), extend("default" = 1024))]
    pub reserve_output: Option<u32>,
    /// What is worth keeping.
    #[schemars(extend("default" = "recency"))]
    pub retention_priority: Option<RetentionPriority>,
}

/// How the content of the window is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WindowStrategy {
    /// The newest messages stay.
    RollingWindow,
    /// The messages that fit the question stay.
    SemanticPrioritization,
    /// The layers say it.
    Custom,
}

/// What is worth keeping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RetentionPriority {
    /// What is new.
    Recency,
    /// What fits the question.
    Relevance,
}

/// A part of the context.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ContextLayer {
    /// Its name.
    pub name: Name,
    /// Where it comes from.
    pub source: LayerSource,
    /// What leaves first when there is too much.
    #[schemars(extend("default" = "medium"))]
    pub priority: Option<LayerPriority>,
    /// Whether it always stays.
    #[schemars(extend("default" = false))]
    pub pinned: Option<bool>,
    /// Tokens at most.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub max_tokens: Option<u32>,
    /// A CEL condition; the layer is there only if it holds.
    pub when: Option<ExprText>,
    /// The text, for `text`; it may be a template.
    pub text: Option<TemplateText>,
    /// The file, for `file`.
    pub path: Option<FilePath>,
    /// The resource, for `mcp_resource`.
    pub uri: Option<String>,
    /// The knowledge base, for `knowledge`.
    pub knowledge: Option<KnowledgeRef>,
}

/// Where a layer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("x-aikit-not-supported" = ["mcp_resource", "script"]))]
pub enum LayerSource {
    /// A file of the workspace.
    File,
    /// A text of this document.
    Text,
    /// The memory.
    Memory,
    /// A knowledge base.
    Knowledge,
    /// A resource of an MCP server.
    McpResource,
    /// A script.
    Script,
}

/// What leaves first when there is too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LayerPriority {
    /// Never; the run fails rather.
    Critical,
    /// Last.
    High,
    /// In the middle.
    Medium,
    /// First.
    Low,
}

/// A file or resource that is always there.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["path"]}, {"required": ["uri"]}], "x-aikit-not-executed" = ["refresh"]))]
pub struct ContextMount {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: MountType,
    /// A file or artifact.
    pub path: Option<FilePath>,
    /// An address or resource.
    pub uri: Option<String>,
    /// The name under which prompts read it.
    #[serde(rename = "as")]
    pub name: Option<Name>,
    /// Where it stands.
    #[schemars(extend("default" = "inject_start"))]
    pub strategy: Option<MountStrategy>,
    /// How often it is read.
    #[schemars(extend("default" = "once"))]
    pub refresh: Option<Refresh>,
}

/// What is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("x-aikit-not-supported" = ["artifact", "mcp_resource", "url"]))]
pub enum MountType {
    /// A file of the workspace.
    File,
    /// A resource of an MCP server.
    McpResource,
    /// A page.
    Url,
    /// What a run has produced.
    Artifact,
}

/// Where a mount stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("x-aikit-not-supported" = ["tool"]))]
pub enum MountStrategy {
    /// Before the conversation.
    InjectStart,
    /// Behind the conversation.
    InjectEnd,
    /// Behind a tool that reads it.
    Tool,
}

/// How often a mount is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Refresh {
    /// When the run begins.
    Once,
    /// In every turn.
    Turn,
}

/// Passages of knowledge that fit the question.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend("x-aikit-not-executed" = ["rerank"]))]
pub struct Rag {
    /// Whether passages are searched.
    #[schemars(extend("default" = true))]
    pub enabled: Option<bool>,
    /// The knowledge bases that are searched, by name.
    #[serde(default)]
    pub knowledge: Vec<KnowledgeRef>,
    /// Where the index lives; always inside the tenant.
    #[schemars(extend("default" = "{{tenant_id}}/{{agent_id}}/rag"))]
    pub namespace: Option<TemplateText>,
    /// How is searched.
    #[schemars(extend("default" = "hybrid"))]
    pub mode: Option<SearchMode>,
    /// How many passages at most.
    #[schemars(range(min = 1, max = 1000), extend("default" = 8))]
    pub top_k: Option<u32>,
    /// How well a passage has to fit, from 0 to 1.
    #[schemars(range(min = 0, max = 1))]
    pub min_score: Option<f64>,
    /// How the results of several searches become one.
    #[schemars(extend("default" = "rrf"))]
    pub fusion: Option<Fusion>,
    /// A model that orders the passages anew.
    pub rerank: Option<ModelRef>,
    /// What is searched for; the question unless said otherwise.
    pub query: Option<TemplateText>,
    /// Whether the answer names its sources.
    #[schemars(extend("default" = true))]
    pub cite: Option<bool>,
    /// When is searched: `always`, `tool` (the model decides), or a CEL condition.
    #[schemars(extend("default" = "always"))]
    pub trigger: Option<ConditionText>,
}

/// How is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SearchMode {
    /// By meaning.
    Vector,
    /// By words.
    Bm25,
    /// By both.
    Hybrid,
}

/// How the results of several searches become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Fusion {
    /// By their ranks (reciprocal rank fusion).
    Rrf,
    /// By their scores.
    Weighted,
}

/// Makes long conversations shorter.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend("x-aikit-not-executed" = ["preserve_pinned"]))]
pub struct Compression {
    /// Whether it is done.
    #[schemars(extend("default" = true))]
    pub enabled: Option<bool>,
    /// How full the window has to be, from 0 to 1.
    #[schemars(range(min = 0, max = 1), extend("default" = 0.8))]
    pub trigger: Option<f64>,
    /// How it is done.
    #[schemars(extend("default" = "summary"))]
    pub method: Option<CompressionMethod>,
    /// The model that does it.
    pub model: Option<ModelRef>,
    /// How many messages at the end stay as they are.
    #[schemars(range(max = 1000), extend("default" = 6))]
    pub keep_last: Option<u32>,
    /// Whether pinned layers stay as they are.
    #[schemars(extend("default" = true))]
    pub preserve_pinned: Option<bool>,
}

/// How a conversation is made shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("x-aikit-not-supported" = ["custom"]))]
pub enum CompressionMethod {
    /// By a summary.
    Summary,
    /// By what was important.
    Extract,
    /// Results of tools leave.
    DropTools,
    /// By a script.
    Custom,
}

/// Keeps texts of strangers out of the system prompt.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend("x-aikit-not-executed" = ["promote", "zones"]))]
pub struct Quarantine {
    /// Whether it is done. Memories, passages and files then stand in messages of the user, between marks.
    #[schemars(extend("default" = true))]
    pub enabled: Option<bool>,
    /// Whose texts are kept apart.
    #[serde(default)]
    pub zones: Vec<QuarantineZone>,
    /// How a text leaves.
    #[schemars(extend("default" = "never"))]
    pub promote: Option<Promotion>,
}

/// Whose texts are kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum QuarantineZone {
    /// What tools give back.
    ToolOutputs,
    /// Pages.
    Web,
    /// What people send along.
    Uploads,
}

/// How a text leaves the quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Promotion {
    /// Never.
    Never,
    /// A person lets it go.
    Manual,
    /// A guardrail lets it go.
    Validated,
}

by_json_type! {
    /// One text, or several.
    pub enum OneOrMany {
        /// One.
        is_string => One(String),
        /// Several.
        is_array => Many(Vec<String>),
    }
}
