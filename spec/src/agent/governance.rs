use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::words::{DurationText, Name, ToolGlob};

/// What the agent may do and use.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend("x-aikit-planned" = ["compliance", "guardrails", "rate_limits"]))]
pub struct Governance {
    /// Tools, secrets and limits.
    #[serde(default)]
    pub security: Security,
    /// What one run may use up.
    #[serde(default)]
    pub budget: Budget,
}

/// Tools, secrets and limits.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend("x-aikit-planned" = ["ask_tools", "permits", "redact", "sandbox", "tenant_isolation"]))]
pub struct Security {
    /// Tools that may be used; `*` stands for anything. Empty means every declared tool.
    #[serde(default)]
    pub allowed_tools: Vec<ToolGlob>,
    /// Tools that may not be used; `*` stands for anything. Denying wins over allowing.
    #[serde(default)]
    pub denied_tools: Vec<ToolGlob>,
    /// Bounds of one run. An outer layer can only make them tighter.
    #[serde(default)]
    pub resource_limits: ResourceLimits,
    /// Credentials by name, and where each comes from. The values are never part of the document.
    #[serde(default)]
    pub secrets: BTreeMap<Name, Secret>,
}

/// Bounds of one run.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend("x-aikit-planned" = ["max_concurrent_executions", "max_cpu_percent", "max_storage_mb"]))]
pub struct ResourceLimits {
    /// Wall time; five minutes unless said otherwise.
    pub max_wall: Option<DurationText>,
    /// Steps, repeated ones counted; 200 unless said otherwise.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_steps: Option<u32>,
    /// Memory of one script in MiB; 512 unless said otherwise.
    #[schemars(range(min = 1, max = 65536))]
    pub max_memory_mb: Option<u32>,
}

/// Where a credential comes from.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Secret {
    /// The place that holds it.
    pub from: SecretOrigin,
    /// Its name there.
    #[schemars(length(min = 1, max = 200))]
    pub key: String,
}

/// The place that holds a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(extend("x-aikit-planned" = ["file", "vault"]))]
pub enum SecretOrigin {
    /// An environment variable that the operator lets through.
    Env,
    /// The tenant's configuration.
    Tenant,
}

/// What a run may use up.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend("x-aikit-planned" = ["on_exceed"]))]
pub struct Budget {
    /// Bounds of one run; a run that reaches one stops.
    #[serde(default)]
    pub per_execution: ExecutionBudget,
}

/// Bounds of one run; a run that reaches one stops.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ExecutionBudget {
    /// Tokens in and out.
    #[schemars(range(max = 1_000_000_000_000u64))]
    pub tokens: Option<u64>,
    /// US dollars.
    #[schemars(range(min = 0))]
    pub usd: Option<f64>,
    /// Calls of models.
    #[schemars(range(max = 1_000_000_000))]
    pub llm_calls: Option<u64>,
    /// Calls of tools.
    #[schemars(range(max = 1_000_000_000))]
    pub tool_calls: Option<u64>,
}
