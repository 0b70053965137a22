use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::words::{
    AgentRef, DurationText, EnvName, ExprText, HostGlob, JsCode, JsonSchemaObject, LuaCode, McpGlob, ModelRef, Name,
    TemplateText, ToolGlob, by_json_type,
};

/// What the agent may do and use.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend("x-aikit-not-executed" = ["compliance"]))]
pub struct Governance {
    /// Tools, secrets and limits.
    #[serde(default)]
    pub security: Security,
    /// What one run may use up.
    #[serde(default)]
    pub budget: Budget,
    /// How often and how much within a time, for all runs together.
    pub rate_limits: Option<RateLimits>,
    /// What the law and the house ask for.
    pub compliance: Option<Compliance>,
    /// Rules for what goes in and comes out.
    #[serde(default)]
    pub guardrails: Vec<Guardrail>,
}

/// Tools, secrets and limits.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Security {
    /// Tools that may be used; `*` stands for anything. Empty means every declared tool.
    #[serde(default)]
    pub allowed_tools: Vec<ToolGlob>,
    /// Tools that may not be used; `*` stands for anything. Denying wins over allowing.
    #[serde(default)]
    pub denied_tools: Vec<ToolGlob>,
    /// Tools that may be used only if a person says yes; where nobody can be asked, they are denied.
    #[serde(default)]
    pub ask_tools: Vec<AskTool>,
    /// What may be reached outside of aikit. What is not named here cannot be reached.
    #[serde(default)]
    pub permits: Permits,
    /// Kept for old documents; tenants are always separated.
    #[schemars(extend("default" = "strict"))]
    pub tenant_isolation: Option<TenantIsolation>,
    /// How far scripts are shut off. The operator's setting holds where it is stricter.
    #[schemars(extend("default" = "strict"))]
    pub sandbox: Option<Sandbox>,
    /// What never stands in logs, spans and memories: regular expressions, or the kinds `email`, `phone`, `card`, `iban`
    /// and `ip`.
    #[serde(default)]
    pub redact: Vec<String>,
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
#[schemars(extend("x-aikit-not-executed" = ["max_cpu_percent", "max_storage_mb"]))]
pub struct ResourceLimits {
    /// Wall time; five minutes unless said otherwise.
    pub max_wall: Option<DurationText>,
    /// Steps, repeated ones counted; 200 unless said otherwise.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_steps: Option<u32>,
    /// Memory of one script in MiB; 512 unless said otherwise.
    #[schemars(range(min = 1, max = 65536))]
    pub max_memory_mb: Option<u32>,
    /// Runs of the agent at the same time.
    #[schemars(range(min = 1, max = 100_000), extend("default" = 10))]
    pub max_concurrent_executions: Option<u32>,
    /// The share of one processor, in percent.
    #[schemars(range(min = 1, max = 100), extend("default" = 50))]
    pub max_cpu_percent: Option<u32>,
    /// Storage at most, in MiB.
    #[schemars(range(min = 1, max = 100_000_000), extend("default" = 1024))]
    pub max_storage_mb: Option<u64>,
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
#[schemars(extend("x-aikit-not-supported" = ["file", "vault"]))]
pub enum SecretOrigin {
    /// An environment variable that the operator lets through.
    Env,
    /// The tenant's configuration.
    Tenant,
    /// A file that the operator lets through.
    File,
    /// A vault of the operator.
    Vault,
}

/// What a run may use up.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend("x-aikit-not-executed" = ["on_exceed"]))]
pub struct Budget {
    /// Bounds of one run; a run that reaches one stops.
    #[serde(default)]
    pub per_execution: ExecutionBudget,
    /// What happens at a bound. This version always stops.
    #[schemars(extend("default" = "stop"))]
    pub on_exceed: Option<OnExceed>,
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

by_json_type! {
    /// A tool that may be used only if a person says yes.
    pub enum AskTool {
        /// Always.
        is_string => Always(ToolGlob),
        /// Under a condition.
        is_object => When(AskToolWhen),
    }
}

/// A tool that may be used only if a person says yes, under a condition.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct AskToolWhen {
    /// The tool; `*` stands for anything.
    pub tool: ToolGlob,
    /// A CEL condition in which `args` holds the arguments; a person is asked if it holds.
    pub when: Option<ExprText>,
}

/// What may be reached outside of aikit.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Permits {
    /// Hosts; `*` stands for anything.
    #[serde(default)]
    pub net: Vec<HostGlob>,
    /// Files that may be read, below the workspace; `*` and `**` stand for anything.
    #[serde(default)]
    pub fs_read: Vec<String>,
    /// Files that may be written, below the workspace; `*` and `**` stand for anything.
    #[serde(default)]
    pub fs_write: Vec<String>,
    /// Programs that may be started, by the name with which they are called.
    #[serde(default)]
    pub exec: Vec<String>,
    /// Environment variables that the document may read.
    #[serde(default)]
    pub env_allow: Vec<EnvName>,
    /// Tools of MCP servers, as `server/tool`; `*` stands for anything.
    #[serde(default)]
    pub mcp: Vec<McpGlob>,
    /// Agents that may be called by the Agent2Agent protocol.
    #[serde(default)]
    pub a2a: Vec<AgentRef>,
}

/// How tenants are separated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TenantIsolation {
    /// Always.
    Strict,
    /// Kept for old documents; it means the same.
    Relaxed,
}

/// How far scripts are shut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Sandbox {
    /// From everything that is not granted.
    Strict,
    /// Kept for old documents; it means the same.
    Moderate,
    /// Kept for old documents; it means the same.
    None,
}

/// What happens at the bound of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnExceed {
    /// The run stops.
    Stop,
    /// A person decides.
    Ask,
    /// A cheaper model goes on.
    Degrade,
}

/// How often and how much within a time.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct RateLimits {
    /// Runs in a minute.
    #[schemars(range(min = 1, max = 10_000_000), extend("default" = 60))]
    pub requests_per_minute: Option<u32>,
    /// Tokens in a day.
    #[schemars(range(min = 1, max = 1_000_000_000_000u64), extend("default" = 1_000_000))]
    pub llm_tokens_per_day: Option<u64>,
    /// US dollars in a day.
    #[schemars(range(min = 0))]
    pub cost_limit_usd_per_day: Option<f64>,
    /// Calls of tools in a minute.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub tool_calls_per_minute: Option<u32>,
    /// How many more at once.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub burst: Option<u32>,
}

/// What the law and the house ask for.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Compliance {
    /// After how many days what runs leave behind is deleted.
    #[schemars(range(max = 36_500), extend("default" = 90))]
    pub data_retention_days: Option<u32>,
    /// Whether people can ask for their data and for its deletion.
    #[schemars(extend("default" = false))]
    pub gdpr_compliant: Option<bool>,
    /// How much is written down about who did what.
    #[schemars(extend("default" = "basic"))]
    pub audit_level: Option<AuditLevel>,
    /// Where the data has to stay.
    pub residency: Option<String>,
    /// Whether everything that belongs to the agent is deleted with it.
    #[schemars(extend("default" = true))]
    pub purge_on_delete: Option<bool>,
}

/// How much is written down about who did what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AuditLevel {
    /// Nothing.
    None,
    /// Who ran what.
    Basic,
    /// Every effect.
    Detailed,
}

/// A rule for what goes in or comes out.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Guardrail {
    /// Its name.
    pub name: Name,
    /// What it looks at.
    pub on: GuardrailPoint,
    /// How it looks.
    #[serde(rename = "use")]
    pub method: GuardrailMethod,
    /// A regular expression (`regex`) or a CEL condition in which `value` is what is looked at (`cel`). Condition and
    /// expression say what is wrong: the rule acts when they hold.
    pub rule: Option<String>,
    /// JSON Schema (2020-12) that the value must fit, for `schema`.
    pub schema: Option<JsonSchemaObject>,
    /// Lua code, for `script`: `ctx.inputs.value` is what is looked at; `true` means that it is wrong.
    pub lua: Option<LuaCode>,
    /// JavaScript code, for `script`: `ctx.inputs.value` is what is looked at; `true` means that it is wrong.
    pub js: Option<JsCode>,
    /// What a model is asked, for `model`; `value` is what is looked at.
    pub prompt: Option<TemplateText>,
    /// The model that is asked.
    pub model: Option<ModelRef>,
    /// What happens when the rule is broken.
    #[schemars(extend("default" = "block"))]
    pub action: Option<GuardrailAction>,
    /// What is said when the rule is broken.
    pub message: Option<String>,
}

/// What a guardrail looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GuardrailPoint {
    /// The inputs of the run.
    Input,
    /// The result of the run.
    Output,
    /// The arguments of a tool.
    ToolCall,
    /// The result of a tool.
    ToolResult,
    /// What is going to be remembered.
    MemoryWrite,
}

/// How a guardrail looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum GuardrailMethod {
    /// A regular expression finds something in one of the texts.
    Regex,
    /// The value does not fit a schema.
    Schema,
    /// A CEL condition holds.
    Cel,
    /// A script says so.
    Script,
    /// A model says so.
    Model,
}

impl GuardrailAction {
    /// The word in documents and journals.
    pub fn word(self) -> &'static str {
        match self {
            GuardrailAction::Block => "block",
            GuardrailAction::Redact => "redact",
            GuardrailAction::Warn => "warn",
            GuardrailAction::Ask => "ask",
        }
    }
}

/// What happens when a guardrail is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum GuardrailAction {
    /// The run fails.
    Block,
    /// What was found is blacked out.
    Redact,
    /// It is written down.
    Warn,
    /// A person decides.
    Ask,
}
