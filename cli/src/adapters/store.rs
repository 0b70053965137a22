//! The store port over a tenant's store.

use aikit_core::{
    AgentId, RunId,
    record::{
        Charge, EventRecord, HistoryEntry, JournalRow, NewRun, NewSpec, RunEnd, RunRecord, SpecChange, SpecRecord,
        StoreError, TenantRecord,
    },
};
use aikit_runtime::ports::Store;
use aikit_storage::TenantStore;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use semver::Version;
use serde_json::Value;

/// Hands every method of the port on. Neither crate knows the other; they share the records of `aikit_core`.
pub struct StoreAdapter(TenantStore);

impl StoreAdapter {
    /// The port over a store that was entered.
    pub fn new(store: TenantStore) -> Self {
        Self(store)
    }
}

#[async_trait]
impl Store for StoreAdapter {
    async fn tenant(&self) -> Result<TenantRecord, StoreError> {
        self.0.tenant().await
    }

    async fn put_spec(&self, spec: NewSpec) -> Result<SpecRecord, StoreError> {
        self.0.put_spec(spec).await
    }

    async fn spec(&self, agent: &AgentId, version: Option<&Version>) -> Result<Option<SpecRecord>, StoreError> {
        self.0.spec(agent, version).await
    }

    async fn specs(&self) -> Result<Vec<SpecRecord>, StoreError> {
        self.0.specs().await
    }

    async fn spec_versions(&self, agent: &AgentId) -> Result<Vec<SpecRecord>, StoreError> {
        self.0.spec_versions(agent).await
    }

    async fn promote_spec(&self, agent: &AgentId, version: &Version) -> Result<SpecRecord, StoreError> {
        self.0.promote_spec(agent, version).await
    }

    async fn spec_history(&self, agent: &AgentId) -> Result<Vec<SpecChange>, StoreError> {
        self.0.spec_history(agent).await
    }

    async fn begin_run(&self, run: NewRun, first: Vec<JournalRow>) -> Result<(), StoreError> {
        self.0.begin_run(run, first).await
    }

    async fn append_journal(&self, run: RunId, rows: Vec<JournalRow>) -> Result<(), StoreError> {
        self.0.append_journal(run, rows).await
    }

    async fn end_run(&self, run: RunId, rows: Vec<JournalRow>, end: RunEnd) -> Result<(), StoreError> {
        self.0.end_run(run, rows, end).await
    }

    async fn run(&self, run: RunId) -> Result<Option<RunRecord>, StoreError> {
        self.0.run(run).await
    }

    async fn runs(&self, agent: Option<&AgentId>, limit: u32) -> Result<Vec<RunRecord>, StoreError> {
        self.0.runs(agent, limit).await
    }

    async fn journal(&self, run: RunId) -> Result<Vec<JournalRow>, StoreError> {
        self.0.journal(run).await
    }

    async fn kv_get(&self, key: &str) -> Result<Option<Value>, StoreError> {
        self.0.kv_get(key).await
    }

    async fn kv_set(&self, key: &str, value: &Value) -> Result<(), StoreError> {
        self.0.kv_set(key, value).await
    }

    async fn kv_delete(&self, key: &str) -> Result<bool, StoreError> {
        self.0.kv_delete(key).await
    }

    async fn kv_list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        self.0.kv_list(prefix).await
    }

    async fn kv_claim(&self, key: &str, value: &Value) -> Result<Option<Value>, StoreError> {
        self.0.kv_claim(key, value).await
    }

    async fn emit_event(&self, run: RunId, name: &str, payload: &Value) -> Result<u64, StoreError> {
        self.0.emit_event(run, name, payload).await
    }

    async fn next_event(
        &self,
        run: RunId,
        names: &[String],
        behind: u64,
        since: DateTime<Utc>,
    ) -> Result<Option<EventRecord>, StoreError> {
        self.0.next_event(run, names, behind, since).await
    }

    async fn charge(&self, charges: &[Charge]) -> Result<Option<(usize, f64)>, StoreError> {
        self.0.charge(charges).await
    }

    async fn add_history(&self, line: i64, input: &str, output: Option<&str>) -> Result<(), StoreError> {
        self.0.add_history(line, input, output).await
    }

    async fn history_tail(&self, n: u32) -> Result<Vec<HistoryEntry>, StoreError> {
        self.0.history_tail(n).await
    }

    async fn history_range(
        &self,
        session: i64,
        start: i64,
        stop: Option<i64>,
    ) -> Result<Vec<HistoryEntry>, StoreError> {
        self.0.history_range(session, start, stop).await
    }

    async fn history_search(&self, pattern: &str, n: u32, unique: bool) -> Result<Vec<HistoryEntry>, StoreError> {
        self.0.history_search(pattern, n, unique).await
    }
}
