//! Kind `Agent` as Rust types. The doc comments are the hover texts and the descriptions of the generated schema.
//!
//! The types refuse unknown keys in the schema (`schemars(deny_unknown_fields)`), not in serde: the structural check, which
//! speaks with places, runs first, and `x-…` keys are welcome everywhere. `x-aikit-not-executed` lists keys that this version
//! reads and does nothing about; `x-aikit-not-supported` those, and words, at which a run fails; `x-aikit-aliases` maps
//! accepted spellings to the canonical one.

mod actions;
mod behavior;
mod context;
mod governance;
mod identity;
mod integration;
mod intelligence;
mod interface;
mod machine;
mod memory;
mod network;
mod observability;
mod steps;

pub use actions::*;
pub use behavior::*;
pub use context::*;
pub use governance::*;
pub use identity::*;
pub use integration::*;
pub use intelligence::*;
pub use interface::*;
pub use machine::*;
pub use memory::*;
pub use network::*;
pub use observability::*;
pub use steps::*;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    test_suite::TestCase,
    words::{AgentPatch, ExtendsText, FilePath, JsonSchemaObject, Name, Sha256Text},
};

/// An agent: who it is, what goes in and out, which models and tools it uses, and what it does.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend(
    "x-aikit-not-executed" = ["network", "observability", "storage"],
    "x-aikit-aliases" = {
        "agent_id": "identity.agent_id",
        "author": "identity.author",
        "budget": "governance.budget",
        "capabilities": "integration.capabilities",
        "category": "identity.category",
        "cognition": "intelligence.cognition",
        "compliance": "governance.compliance",
        "compression": "context_policy.compression",
        "conversation": "interface.conversation",
        "description": "identity.description",
        "guardrails": "governance.guardrails",
        "graph": "behavior.graph",
        "hooks": "behavior.hooks",
        "id": "identity.agent_id",
        "inputs": "interface.inputs",
        "knowledge_bases": "memory.knowledge_bases",
        "license": "identity.license",
        "mcp_servers": "integration.mcp_servers",
        "model": "intelligence.model",
        "models": "intelligence.models",
        "name": "identity.name",
        "orchestration": "behavior.orchestration",
        "outputs": "interface.outputs",
        "prompts": "intelligence.prompts",
        "rag": "context_policy.rag",
        "rate_limits": "governance.rate_limits",
        "routing": "intelligence.routing",
        "security": "governance.security",
        "state": "behavior.state",
        "state_machine": "behavior.state_machine",
        "state_schema": "behavior.state_schema",
        "steps": "behavior.steps",
        "tags": "identity.tags",
        "tenant_id": "identity.tenant_id",
        "tools": "integration.tools",
        "version": "identity.version",
        "workflow": "behavior.workflow",
    },
))]
pub struct AgentDocument {
    /// The version of the specification language.
    #[serde(default)]
    pub spec_version: SpecVersion,
    /// The version of the file format.
    pub format_version: Option<FormatVersion>,
    /// What the document describes.
    #[serde(default)]
    pub kind: AgentKind,
    /// Who the agent is.
    pub identity: Identity,
    /// What goes in and what comes out.
    #[serde(default)]
    pub interface: Interface,
    /// What the agent may do and use.
    #[serde(default)]
    pub governance: Governance,
    /// The tools that the agent can use.
    #[serde(default)]
    pub integration: Integration,
    /// The models, the prompts and the form of the answer.
    #[serde(default)]
    pub intelligence: Intelligence,
    /// What the agent does: a chat, or steps.
    #[serde(default)]
    pub behavior: Behavior,
    /// What a model is shown besides its prompt, and what leaves when there is too much.
    pub context_policy: Option<ContextPolicy>,
    /// What the agent remembers from run to run.
    pub memory: Option<Memory>,
    /// What runs leave behind.
    pub storage: Option<Storage>,
    /// What can be seen of runs from outside: traces, metrics, logs and the journal.
    pub observability: Option<Observability>,
    /// How the agent meets other agents.
    pub network: Option<Network>,
    /// JSON Schemas by name, for use as `$ref: "#/schemas/<name>"`.
    #[serde(default)]
    pub schemas: BTreeMap<Name, JsonSchemaObject>,
    /// Other documents whose parts can be used.
    #[serde(default)]
    pub imports: Vec<Import>,
    /// A preset or document that this one begins with.
    pub extends: Option<ExtendsText>,
    /// What is different in an environment: name to what is merged over the document.
    #[serde(default)]
    pub overlays: BTreeMap<Name, AgentPatch>,
    /// What is to be expected of the agent.
    #[serde(default)]
    pub tests: Vec<TestCase>,
    /// Anything; aikit keeps it and does not read it.
    #[serde(default)]
    pub metadata: Map<String, Value>,
}

/// The version of the specification language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
pub enum SpecVersion {
    /// The first version.
    #[default]
    #[serde(rename = "aikit-v1.0.0")]
    V1,
}

/// The version of the file format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum FormatVersion {
    /// The first version.
    #[serde(rename = "1")]
    V1,
}

/// What a document describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
pub enum AgentKind {
    /// One agent.
    #[default]
    Agent,
}

/// Another document whose parts can be used.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Import {
    /// Where it is: a file, relative to this one.
    pub from: FilePath,
    /// The name under which its parts are used, as in `tool: <name>.search`.
    #[serde(rename = "as")]
    pub name: Name,
    /// The parts that are used; all of them unless said otherwise.
    #[serde(default)]
    pub only: Vec<Name>,
    /// SHA-256 of the file in lower-case hex; another content is refused.
    pub sha256: Option<Sha256Text>,
}
