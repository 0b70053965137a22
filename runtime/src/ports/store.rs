use aikit_core::{
    AgentId, RunId,
    record::{
        Charge, EventRecord, HistoryEntry, JournalRow, NewRun, NewSpec, RunEnd, RunRecord, SpecChange, SpecRecord,
        StoreError, TenantRecord,
    },
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use semver::Version;
use serde_json::Value;

/// The store as one scope sees it. No method takes a tenant: a parameter that does not exist cannot be wrong.
#[async_trait]
pub trait Store: Send + Sync {
    /// The tenant of this scope.
    async fn tenant(&self) -> Result<TenantRecord, StoreError>;

    /// Stores a draft. The same version with the same digest is a no-op; a draft may be replaced; an active or deprecated
    /// version is immutable; a version lower than the highest one stored is a conflict.
    async fn put_spec(&self, spec: NewSpec) -> Result<SpecRecord, StoreError>;

    /// One version; without `version` the active one, else the highest draft.
    async fn spec(&self, agent: &AgentId, version: Option<&Version>) -> Result<Option<SpecRecord>, StoreError>;

    /// For each agent the version that [`Store::spec`] gives without a version, sorted by agent.
    async fn specs(&self) -> Result<Vec<SpecRecord>, StoreError>;

    /// All versions of an agent, the newest first (by semver).
    async fn spec_versions(&self, agent: &AgentId) -> Result<Vec<SpecRecord>, StoreError>;

    /// Makes a version the active one; the former active one becomes deprecated, in the same transaction.
    async fn promote_spec(&self, agent: &AgentId, version: &Version) -> Result<SpecRecord, StoreError>;

    /// What happened to an agent's versions, the newest first.
    async fn spec_history(&self, agent: &AgentId) -> Result<Vec<SpecChange>, StoreError>;

    /// Records the start of a run with its first journal rows.
    async fn begin_run(&self, run: NewRun, first: Vec<JournalRow>) -> Result<(), StoreError>;

    /// Appends rows to a journal, all or none. `seq` must continue the journal without a gap.
    async fn append_journal(&self, run: RunId, rows: Vec<JournalRow>) -> Result<(), StoreError>;

    /// Appends the last rows and records the end, in one transaction.
    async fn end_run(&self, run: RunId, rows: Vec<JournalRow>, end: RunEnd) -> Result<(), StoreError>;

    /// One run.
    async fn run(&self, run: RunId) -> Result<Option<RunRecord>, StoreError>;

    /// The newest runs, of one agent or of all.
    async fn runs(&self, agent: Option<&AgentId>, limit: u32) -> Result<Vec<RunRecord>, StoreError>;

    /// The whole journal of a run, in order.
    async fn journal(&self, run: RunId) -> Result<Vec<JournalRow>, StoreError>;

    /// The value under a key of the tenant's key-value space.
    async fn kv_get(&self, key: &str) -> Result<Option<Value>, StoreError>;

    /// Sets a key.
    async fn kv_set(&self, key: &str, value: &Value) -> Result<(), StoreError>;

    /// Removes a key; true if it was there.
    async fn kv_delete(&self, key: &str) -> Result<bool, StoreError>;

    /// The keys with a prefix, sorted.
    async fn kv_list(&self, prefix: &str) -> Result<Vec<String>, StoreError>;

    /// The value of a key; where it has none, it gets this one, and the answer is `None`. Of many that ask at once one is the
    /// first.
    async fn kv_claim(&self, key: &str, value: &Value) -> Result<Option<Value>, StoreError>;

    /// Tells the tenant's others that something happened; gives the number of the event.
    async fn emit_event(&self, run: RunId, name: &str, payload: &Value) -> Result<u64, StoreError>;

    /// The first event of one of these names behind a number, told by another run since a point in time.
    async fn next_event(
        &self,
        run: RunId,
        names: &[String],
        behind: u64,
        since: DateTime<Utc>,
    ) -> Result<Option<EventRecord>, StoreError>;

    /// Adds to quotas, all or none; gives the first that would be exceeded, and what is used of it.
    async fn charge(&self, charges: &[Charge]) -> Result<Option<(usize, f64)>, StoreError>;

    /// Records an executed input of this session.
    async fn add_history(&self, line: i64, input: &str, output: Option<&str>) -> Result<(), StoreError>;

    /// The newest `n` inputs of this user, oldest first, over all sessions.
    async fn history_tail(&self, n: u32) -> Result<Vec<HistoryEntry>, StoreError>;

    /// Inputs of one session: 0 is this one, a positive number an absolute ordinal, a negative number counts back from this
    /// one. Lines from `start` (inclusive) to `stop` (exclusive, `None` to the end).
    async fn history_range(&self, session: i64, start: i64, stop: Option<i64>)
    -> Result<Vec<HistoryEntry>, StoreError>;

    /// Inputs that match a glob (`*`, `?`), oldest first, at most the newest `n`; `unique` keeps the newest of equal ones.
    async fn history_search(&self, pattern: &str, n: u32, unique: bool) -> Result<Vec<HistoryEntry>, StoreError>;
}
