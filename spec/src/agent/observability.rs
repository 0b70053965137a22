use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::words::{ExprText, HttpUrl};

/// What can be seen of runs from outside: traces, metrics, logs and the journal.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Observability {
    /// Spans of runs, steps, models and tools.
    pub tracing: Option<Tracing>,
    /// Counters and distributions.
    pub metrics: Option<Metrics>,
    /// Lines of log.
    pub logging: Option<Logging>,
    /// The journal of runs.
    pub events: Option<Events>,
    /// What debuggers may do.
    pub debugging: Option<Debugging>,
}

/// Spans of runs, steps, models and tools.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Tracing {
    /// Whether spans are made.
    #[schemars(extend("default" = true))]
    pub enabled: Option<bool>,
    /// Where spans go.
    #[schemars(extend("default" = "sqlite"))]
    pub exporter: Option<TraceExporter>,
    /// The collector's address, for `otlp`.
    pub endpoint: Option<HttpUrl>,
    /// The share of runs that is traced, from 0 to 1.
    #[schemars(range(min = 0, max = 1), extend("default" = 1))]
    pub sample_rate: Option<f64>,
    /// Whether attributes follow OpenTelemetry's conventions for generative AI.
    #[schemars(extend("default" = true))]
    pub gen_ai_conventions: Option<bool>,
    /// What of prompts and answers stands in spans.
    #[schemars(extend("default" = "redacted"))]
    pub capture_content: Option<CaptureContent>,
    /// Attributes of every span: name to CEL expression.
    #[serde(default)]
    pub attributes: BTreeMap<String, ExprText>,
}

/// Where spans go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TraceExporter {
    /// Nowhere.
    None,
    /// To standard output.
    Stdout,
    /// To a collector of OpenTelemetry.
    Otlp,
    /// To the store.
    Sqlite,
}

/// What of prompts and answers stands in spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CaptureContent {
    /// Nothing.
    None,
    /// Everything but what `governance.security.redact` names.
    Redacted,
    /// Everything.
    Full,
}

/// Counters and distributions.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Metrics {
    /// Whether there are any.
    #[schemars(extend("default" = true))]
    pub enabled: Option<bool>,
    /// How they are read.
    #[schemars(extend("default" = "prometheus"))]
    pub exporter: Option<MetricsExporter>,
    /// How the tenant stands in labels.
    #[schemars(extend("default" = "id"))]
    pub tenant_label: Option<TenantLabel>,
    /// For how many tenants series of their own are kept; the others share one.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = 1000))]
    pub max_tenant_series: Option<u32>,
    /// What is measured; everything unless said otherwise.
    #[serde(default)]
    pub include: Vec<Metric>,
}

/// How metrics are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MetricsExporter {
    /// Not at all.
    None,
    /// By Prometheus.
    Prometheus,
    /// By a collector of OpenTelemetry.
    Otlp,
}

/// How the tenant stands in labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TenantLabel {
    /// As a hash of its id.
    Hash,
    /// As its id.
    Id,
    /// Not at all.
    None,
}

/// Something that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// How long runs and steps take.
    Latency,
    /// Tokens in and out.
    Tokens,
    /// US dollars.
    Cost,
    /// Failures by code.
    Errors,
    /// Calls of tools.
    ToolCalls,
    /// Hits and misses of caches.
    Cache,
}

/// Lines of log.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Logging {
    /// The least that is written.
    #[schemars(extend("default" = "info"))]
    pub level: Option<LogLevel>,
    /// How a line is written.
    #[schemars(extend("default" = "json"))]
    pub format: Option<LogFormat>,
    /// What is logged besides.
    #[serde(default)]
    pub include: Vec<LogTopic>,
}

/// How important a line of log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Every detail.
    Trace,
    /// What helps to find mistakes.
    Debug,
    /// What happens.
    Info,
    /// What should be looked at.
    Warn,
    /// What failed.
    Error,
}

/// How a line of log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One object per line.
    Json,
    /// For people.
    Text,
}

/// What can be logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogTopic {
    /// Writes to the state.
    State,
    /// Calls of tools.
    Tool,
    /// Calls of models.
    Llm,
    /// Beginning and end of steps.
    Step,
}

/// The journal of runs.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Events {
    /// Whether runs are recorded. Without a journal a run cannot be resumed, replayed or forked.
    #[schemars(extend("default" = true))]
    pub journal: Option<bool>,
    /// Whether every record holds the hash of the one before.
    #[schemars(extend("default" = true))]
    pub hash_chain: Option<bool>,
    /// After how many days records are deleted.
    #[schemars(range(max = 36_500))]
    pub retention_days: Option<u32>,
}

/// What debuggers may do.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Debugging {
    /// The protocol that they speak.
    #[schemars(extend("default" = "dap"))]
    pub protocol: Option<DebugProtocol>,
    /// Whether runs may be stopped.
    #[schemars(extend("default" = true))]
    pub breakpoints: Option<bool>,
    /// Whether runs are recorded, so that they can be walked backwards.
    #[schemars(extend("default" = true))]
    pub record: Option<bool>,
}

/// The protocol that debuggers speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DebugProtocol {
    /// The Debug Adapter Protocol.
    Dap,
}
