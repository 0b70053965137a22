//! Kind `Agent` as Rust types. The doc comments are the hover texts and the descriptions of the generated schema.
//!
//! The types refuse unknown keys in the schema (`schemars(deny_unknown_fields)`), not in serde: the structural check, which
//! speaks with places, runs first, and `x-…` keys are welcome everywhere. `x-aikit-planned` lists keys (or values) that the
//! language knows at that place but this version does not execute; `x-aikit-aliases` maps accepted spellings to the
//! canonical one.

mod behavior;
mod governance;
mod identity;
mod integration;
mod intelligence;
mod interface;

pub use behavior::{
    AssertBody, AssertStep, Behavior, BehaviorType, ErrorCase, Jitter, Join, LlmBody, LlmStep, LoopStep, MapStep,
    ParallelStep, Retry, STEP_KINDS, ScriptStep, State, Step, SwitchCase, Workflow,
};
pub use governance::{Budget, ExecutionBudget, Governance, ResourceLimits, Secret, SecretOrigin, Security};
pub(crate) use identity::FIRST_VERSION;
pub use identity::Identity;
pub use integration::{BuiltinToolSpec, Integration, ScriptTool, ToolEntry, ToolSpec};
pub use intelligence::{
    Cognition, Intelligence, InvalidOutput, Message, MessageRole, Model, ModelParameters, Output, Pricing, Prompt,
    PromptRef, PromptUse, Prompts,
};
pub use interface::{Example, Interface};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

/// An agent: who it is, what goes in and out, which models and tools it uses, and what it does.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend(
    "x-aikit-planned" = [
        "context_policy", "extends", "imports", "memory", "network", "observability", "overlays", "schemas", "storage",
        "tests",
    ],
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
    pub kind: Kind,
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
#[schemars(extend("x-aikit-planned" = ["Application", "Library", "Overlay", "Preset", "TestSuite"]))]
pub enum Kind {
    /// One agent.
    #[default]
    Agent,
}
