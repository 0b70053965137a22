//! Small makers of the things that tests store.

use aikit_core::{
    AgentId, RunId, Scope, SessionId, TenantId, UserId,
    record::{JournalRow, NewRun, NewSpec, RunEnd, RunStatus, Usage},
};
use aikit_storage::{Database, NewTenant, TenantStore};
use serde_json::json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

pub fn tenant_id(text: &str) -> TenantId {
    TenantId::new(text).unwrap()
}

pub fn agent(text: &str) -> AgentId {
    AgentId::new(text).unwrap()
}

pub fn scope(tenant: &str, user: &str, session: u128) -> Scope {
    Scope {
        tenant: tenant_id(tenant),
        application: None,
        user: UserId::new(user).unwrap(),
        session: SessionId::from_uuid(Uuid::from_u128(session)),
    }
}

pub fn run_id(n: u128) -> RunId {
    RunId::from_uuid(Uuid::from_u128(n))
}

/// A database in memory with the tenants `acme` and `globex`.
pub async fn two_tenants() -> Database {
    let database = Database::memory().await.unwrap();
    create_tenants(&database).await;
    database
}

pub async fn create_tenants(database: &Database) {
    for id in ["acme", "globex"] {
        database.admin().ensure_tenant(NewTenant::new(tenant_id(id), id)).await.unwrap();
    }
}

/// The store of `acme`, its user `ada`, session 1.
pub async fn acme(database: &Database) -> TenantStore {
    database.enter(&scope("acme", "ada", 1), "test").await.unwrap()
}

pub fn spec(name: &str, version: &str, source: &str) -> NewSpec {
    NewSpec {
        agent: agent(name),
        version: version.parse().unwrap(),
        name: name.to_uppercase(),
        description: Some(format!("about {name}")),
        source: source.to_owned(),
        digest: Sha256::digest(source).iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

pub fn new_run(id: RunId) -> NewRun {
    NewRun {
        id,
        agent: agent("support"),
        version: "1.0.0".parse().unwrap(),
        spec_digest: "0".repeat(64),
        inputs: json!({ "question": "why?" }),
        parent: None,
    }
}

/// Journal rows numbered `from..to`.
pub fn rows(from: u64, to: u64) -> Vec<JournalRow> {
    (from..to)
        .map(|seq| JournalRow {
            seq,
            kind: "effect.model".to_owned(),
            at: chrono::DateTime::from_timestamp(1_700_000_000, 123_456_789).unwrap(),
            body: json!({ "z": seq, "a": 0.1 }),
            hash: format!("{seq:064x}"),
        })
        .collect()
}

pub fn end() -> RunEnd {
    RunEnd { status: RunStatus::Succeeded, output: Some(json!("done")), error: None, usage: Usage::default() }
}
