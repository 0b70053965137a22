//! The rows that a store keeps, free of SQL. The acting user, the times and the tenant are the store's own columns:
//! none of these types lets a caller claim them.

use chrono::{DateTime, Utc};
use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{AgentId, RunError, RunId, SessionId, TenantId, UserId};

/// A tenant as the administrator sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TenantRecord {
    /// The slug that names it.
    pub id: TenantId,
    /// The name that people read.
    pub name: String,
    /// The plan, free text, visible to documents as `tenant.plan`.
    pub plan: String,
    /// Tenant configuration: limits and defaults, the layer between profile and document.
    pub config: Value,
    /// When it was created.
    pub created_at: DateTime<Utc>,
}

/// Where a version of a specification stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpecStatus {
    /// May be changed.
    Draft,
    /// The one version that runs by default. Immutable.
    Active,
    /// Was active once. Immutable.
    Deprecated,
}

impl SpecStatus {
    /// The word in stores and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            SpecStatus::Draft => "draft",
            SpecStatus::Active => "active",
            SpecStatus::Deprecated => "deprecated",
        }
    }
}

/// A specification to be stored. It has passed the checks; `source` is kept byte for byte.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewSpec {
    /// The agent.
    pub agent: AgentId,
    /// `identity.version`.
    pub version: Version,
    /// `identity.name`.
    pub name: String,
    /// `identity.description`, for lists.
    pub description: Option<String>,
    /// The document as written.
    pub source: String,
    /// SHA-256 of `source`, lower-case hex.
    pub digest: String,
}

/// One stored version of a specification.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpecRecord {
    /// The agent.
    pub agent: AgentId,
    /// Its version.
    pub version: Version,
    /// The name that people read.
    pub name: String,
    /// For lists.
    pub description: Option<String>,
    /// Where it stands.
    pub status: SpecStatus,
    /// The document as written.
    pub source: String,
    /// SHA-256 of `source`, lower-case hex.
    pub digest: String,
    /// Who stored it.
    pub created_by: UserId,
    /// When it was first stored.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// One change in the life of a specification.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpecChange {
    /// Ordinal within the agent, from 1.
    pub seq: i64,
    /// Which version changed.
    pub version: Version,
    /// `created`, `updated`, `promoted`, `deprecated` or `deleted`.
    pub change: String,
    /// Digest of the source after the change.
    pub digest: String,
    /// Who did it.
    pub actor: UserId,
    /// When.
    pub at: DateTime<Utc>,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// In progress, or left behind by a process that died.
    Running,
    /// Ended with a result.
    Succeeded,
    /// Ended with an error.
    Failed,
    /// Stopped by a person.
    Cancelled,
}

impl RunStatus {
    /// The word in stores and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            RunStatus::Running => "running",
            RunStatus::Succeeded => "succeeded",
            RunStatus::Failed => "failed",
            RunStatus::Cancelled => "cancelled",
        }
    }
}

/// A run that begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewRun {
    /// The run.
    pub id: RunId,
    /// The agent that runs.
    pub agent: AgentId,
    /// Its version.
    pub version: Version,
    /// Digest of the document that runs.
    pub spec_digest: String,
    /// The inputs as validated.
    pub inputs: Value,
    /// The run that called this one, if any.
    pub parent: Option<RunId>,
}

/// What a run used, summed over its journal.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens sent to models.
    pub input_tokens: u64,
    /// Tokens received from models.
    pub output_tokens: u64,
    /// Money in US dollars, as far as the model's pricing is declared.
    pub cost_usd: f64,
    /// Number of model calls.
    pub model_calls: u64,
    /// Number of tool calls.
    pub tool_calls: u64,
}

impl Usage {
    /// Adds what `other` used.
    pub fn add(&mut self, other: &Usage) {
        self.input_tokens += other.input_tokens;
        self.output_tokens += other.output_tokens;
        self.cost_usd += other.cost_usd;
        self.model_calls += other.model_calls;
        self.tool_calls += other.tool_calls;
    }
}

/// Something that a run told the tenant's others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventRecord {
    /// Its number within the tenant, from 1.
    pub number: u64,
    /// Its name.
    pub name: String,
    /// What was told.
    pub payload: Value,
    /// The run that told it.
    pub run: RunId,
    /// When.
    pub at: DateTime<Utc>,
}

/// Something that counts against a quota of the tenant.
#[derive(Debug, Clone, PartialEq)]
pub struct Charge {
    /// The quota.
    pub key: String,
    /// When its window of time began, in seconds since 1970.
    pub started: i64,
    /// How much more is used; less than nothing gives back.
    pub amount: f64,
    /// How much may be used in the window.
    pub limit: Option<f64>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunEnd {
    /// `Succeeded`, `Failed` or `Cancelled`.
    pub status: RunStatus,
    /// The result of a run that succeeded.
    pub output: Option<Value>,
    /// The error of one that did not.
    pub error: Option<RunError>,
    /// What it used.
    pub usage: Usage,
}

/// A stored run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The run.
    pub id: RunId,
    /// The agent that ran.
    pub agent: AgentId,
    /// Its version.
    pub version: Version,
    /// Digest of the document that ran.
    pub spec_digest: String,
    /// Where it stands.
    pub status: RunStatus,
    /// The inputs.
    pub inputs: Value,
    /// The result, when it succeeded.
    pub output: Option<Value>,
    /// The error, when it did not.
    pub error: Option<RunError>,
    /// What it used.
    pub usage: Usage,
    /// The run that called this one.
    pub parent: Option<RunId>,
    /// The session that started it.
    pub session: SessionId,
    /// Who started it.
    pub started_by: UserId,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
}

/// One record of a run's journal, as stored. `body` is the runtime's; stores treat it as opaque.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JournalRow {
    /// Position in the journal, from 0, without gaps.
    pub seq: u64,
    /// The kind of record, for lists and filters: `run.started`, `step.started`, `effect.model`, …
    pub kind: String,
    /// When it was appended.
    pub at: DateTime<Utc>,
    /// The record.
    pub body: Value,
    /// SHA-256 over the previous row's hash and this row's canonical text, lower-case hex.
    pub hash: String,
}

/// A session in the store: a kernel, a command, a connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// The session.
    pub id: SessionId,
    /// `kernel`, `cli`, `lsp`, …
    pub kind: String,
    /// Who opened it.
    pub user: UserId,
    /// When it was opened.
    pub opened_at: DateTime<Utc>,
    /// When it was last used.
    pub seen_at: DateTime<Utc>,
}

/// One executed cell or line of input, for history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// Ordinal of the session, from 1, in order of opening.
    pub session: i64,
    /// The execution count within the session.
    pub line: i64,
    /// What was typed.
    pub input: String,
    /// The plain-text result, where one was recorded.
    pub output: Option<String>,
}

/// Why a store refused. The same for a thing that is missing and a thing that is another tenant's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Nothing of that name here.
    #[error("{what} `{name}` was not found")]
    NotFound {
        /// What was looked for.
        what: &'static str,
        /// Under which name.
        name: String,
    },
    /// It exists already with other content, or is not newer than what is there.
    #[error("{0}")]
    Conflict(String),
    /// An active or deprecated version cannot be changed.
    #[error("version {version} of `{agent}` is {status} and cannot be changed; store a newer version")]
    Immutable {
        /// The agent.
        agent: String,
        /// The version.
        version: String,
        /// `active` or `deprecated`.
        status: &'static str,
    },
    /// Another writer holds the database longer than the time allowed.
    #[error("the database is locked by another process: {0}")]
    Busy(String),
    /// The disk is full or the quota is spent.
    #[error("the disk is full: {0}")]
    Full(String),
    /// The file is not a database, or is damaged, or comes from a newer aikit.
    #[error("the database cannot be used: {0}")]
    Unusable(String),
    /// Anything else.
    #[error("the store failed: {0}")]
    Failed(String),
}
