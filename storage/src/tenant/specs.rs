//! Specifications: versions, their status, their history.

use std::collections::BTreeMap;

use aikit_core::{
    AgentId,
    record::{NewSpec, SpecChange, SpecRecord, SpecStatus, StoreError},
};
use semver::Version;
use sha2::{Digest, Sha256};
use sqlx::{SqliteConnection, sqlite::SqliteRow};

use super::TenantStore;
use crate::{
    codec::{self, Columns},
    failure::Failure,
    migrate::hex,
    sqlite::{Durability, WriteTx},
};

impl TenantStore {
    /// Stores a draft. The same version with the same digest is a no-op; a draft may be replaced; an active or deprecated
    /// version is immutable; a new version lower than the highest one stored is a conflict.
    pub async fn put_spec(&self, spec: NewSpec) -> Result<SpecRecord, StoreError> {
        let outcome = async {
            if hex(&Sha256::digest(&spec.source)) != spec.digest {
                return Err(Failure::refused("the digest of the specification is not that of its source"));
            }
            let mut tx = self.engine.write(Durability::Disk).await?;
            let versions = self.select_versions(&mut tx, &spec.agent).await?;
            let change = match versions.iter().find(|stored| stored.version == spec.version) {
                Some(stored) if stored.digest == spec.digest => return Ok(stored.clone()),
                Some(stored) if stored.status == SpecStatus::Draft => "updated",
                Some(stored) => {
                    return Err(Failure::Store(StoreError::Immutable {
                        agent: spec.agent.to_string(),
                        version: spec.version.to_string(),
                        status: stored.status.as_str(),
                    }));
                }
                None => match versions.first() {
                    Some(highest) if spec.version < highest.version => {
                        return Err(Failure::conflict(format!(
                            "version {} of `{}` is not newer than {}, which is stored",
                            spec.version, spec.agent, highest.version
                        )));
                    }
                    _ => "created",
                },
            };
            let now = codec::time(codec::now())?;
            sqlx::query(
                "insert into spec (tenant_id, agent_id, version, name, description, status, source, digest,
                                   created_by, created_at, updated_at)
                 values ($1, $2, $3, $4, $5, 'draft', $6, $7, $8, $9, $9)
                 on conflict (tenant_id, agent_id, version) do update
                 set name = excluded.name, description = excluded.description, source = excluded.source,
                     digest = excluded.digest, updated_at = excluded.updated_at",
            )
            .bind(self.scope.tenant.as_str())
            .bind(spec.agent.as_str())
            .bind(spec.version.to_string())
            .bind(&spec.name)
            .bind(&spec.description)
            .bind(&spec.source)
            .bind(&spec.digest)
            .bind(self.scope.user.as_str())
            .bind(&now)
            .execute(&mut *tx)
            .await?;
            self.record_change(&mut tx, &spec.agent, &spec.version, change, &spec.digest, Some(&spec.source)).await?;
            let stored = self.select_version(&mut tx, &spec.agent, &spec.version).await?;
            tx.commit().await?;
            Ok(stored)
        };
        self.engine.settle(outcome.await)
    }

    /// One version; without `version` the active one, else the highest draft.
    pub async fn spec(&self, agent: &AgentId, version: Option<&Version>) -> Result<Option<SpecRecord>, StoreError> {
        let versions = self.spec_versions(agent).await?;
        Ok(match version {
            Some(version) => versions.into_iter().find(|spec| spec.version == *version),
            None => by_default(versions),
        })
    }

    /// For each agent the version that [`TenantStore::spec`] gives without a version, sorted by agent.
    pub async fn specs(&self) -> Result<Vec<SpecRecord>, StoreError> {
        let outcome = async {
            let mut connection = self.engine.read().await?;
            let rows = sqlx::query("select * from spec where tenant_id = $1")
                .bind(self.scope.tenant.as_str())
                .fetch_all(&mut *connection)
                .await?;
            let mut agents: BTreeMap<AgentId, Vec<SpecRecord>> = BTreeMap::new();
            for row in &rows {
                let spec = record(row)?;
                agents.entry(spec.agent.clone()).or_default().push(spec);
            }
            Ok(agents.into_values().filter_map(|versions| by_default(newest_first(versions))).collect())
        };
        self.engine.settle(outcome.await)
    }

    /// All versions of an agent, the newest first (by semver).
    pub async fn spec_versions(&self, agent: &AgentId) -> Result<Vec<SpecRecord>, StoreError> {
        let outcome = async {
            let mut connection = self.engine.read().await?;
            self.select_versions(&mut connection, agent).await
        };
        self.engine.settle(outcome.await)
    }

    /// Makes a version the active one; the former active one becomes deprecated, in the same transaction. A deprecated
    /// version may become active again.
    pub async fn promote_spec(&self, agent: &AgentId, version: &Version) -> Result<SpecRecord, StoreError> {
        let outcome = async {
            let mut tx = self.engine.write(Durability::Disk).await?;
            let versions = self.select_versions(&mut tx, agent).await?;
            if versions.is_empty() {
                return Err(Failure::not_found("agent", agent));
            }
            let Some(chosen) = versions.iter().find(|spec| spec.version == *version) else {
                return Err(Failure::not_found("version", format!("{agent}@{version}")));
            };
            if chosen.status == SpecStatus::Active {
                return Ok(chosen.clone());
            }
            if let Some(former) = versions.iter().find(|spec| spec.status == SpecStatus::Active) {
                self.set_status(&mut tx, former, SpecStatus::Deprecated).await?;
                self.record_change(&mut tx, agent, &former.version, "deprecated", &former.digest, None).await?;
            }
            self.set_status(&mut tx, chosen, SpecStatus::Active).await?;
            self.record_change(&mut tx, agent, version, "promoted", &chosen.digest, None).await?;
            let promoted = self.select_version(&mut tx, agent, version).await?;
            tx.commit().await?;
            Ok(promoted)
        };
        self.engine.settle(outcome.await)
    }

    /// What happened to an agent's versions, the newest first.
    pub async fn spec_history(&self, agent: &AgentId) -> Result<Vec<SpecChange>, StoreError> {
        let outcome = async {
            let mut connection = self.engine.read().await?;
            let rows = sqlx::query(
                "select seq, version, change, digest, actor, at from spec_history
                 where tenant_id = $1 and agent_id = $2 order by seq desc",
            )
            .bind(self.scope.tenant.as_str())
            .bind(agent.as_str())
            .fetch_all(&mut *connection)
            .await?;
            rows.iter().map(change).collect()
        };
        self.engine.settle(outcome.await)
    }

    async fn select_versions(
        &self,
        connection: &mut SqliteConnection,
        agent: &AgentId,
    ) -> Result<Vec<SpecRecord>, Failure> {
        let rows = sqlx::query("select * from spec where tenant_id = $1 and agent_id = $2")
            .bind(self.scope.tenant.as_str())
            .bind(agent.as_str())
            .fetch_all(connection)
            .await?;
        Ok(newest_first(rows.iter().map(record).collect::<Result<_, _>>()?))
    }

    async fn select_version(
        &self,
        connection: &mut SqliteConnection,
        agent: &AgentId,
        version: &Version,
    ) -> Result<SpecRecord, Failure> {
        let row = sqlx::query("select * from spec where tenant_id = $1 and agent_id = $2 and version = $3")
            .bind(self.scope.tenant.as_str())
            .bind(agent.as_str())
            .bind(version.to_string())
            .fetch_one(connection)
            .await?;
        record(&row)
    }

    async fn set_status(&self, tx: &mut WriteTx, spec: &SpecRecord, status: SpecStatus) -> Result<(), Failure> {
        sqlx::query(
            "update spec set status = $4, updated_at = $5 where tenant_id = $1 and agent_id = $2 and version = $3",
        )
        .bind(self.scope.tenant.as_str())
        .bind(spec.agent.as_str())
        .bind(spec.version.to_string())
        .bind(status.as_str())
        .bind(codec::time(codec::now())?)
        .execute(&mut **tx)
        .await?;
        Ok(())
    }

    async fn record_change(
        &self,
        tx: &mut WriteTx,
        agent: &AgentId,
        version: &Version,
        change: &str,
        digest: &str,
        source: Option<&str>,
    ) -> Result<(), Failure> {
        sqlx::query(
            "insert into spec_history (tenant_id, agent_id, seq, version, change, digest, source, actor, at)
             select $1, $2, coalesce(max(seq), 0) + 1, $3, $4, $5, $6, $7, $8
             from spec_history where tenant_id = $1 and agent_id = $2",
        )
        .bind(self.scope.tenant.as_str())
        .bind(agent.as_str())
        .bind(version.to_string())
        .bind(change)
        .bind(digest)
        .bind(source)
        .bind(self.scope.user.as_str())
        .bind(codec::time(codec::now())?)
        .execute(&mut **tx)
        .await?;
        Ok(())
    }
}

fn newest_first(mut versions: Vec<SpecRecord>) -> Vec<SpecRecord> {
    versions.sort_by(|a, b| b.version.cmp(&a.version));
    versions
}

/// The version that is meant when none is named. `versions` stand newest first.
fn by_default(versions: Vec<SpecRecord>) -> Option<SpecRecord> {
    let at = versions
        .iter()
        .position(|spec| spec.status == SpecStatus::Active)
        .or_else(|| versions.iter().position(|spec| spec.status == SpecStatus::Draft))?;
    versions.into_iter().nth(at)
}

fn record(row: &SqliteRow) -> Result<SpecRecord, Failure> {
    const STATUSES: [(&str, SpecStatus); 3] =
        [("draft", SpecStatus::Draft), ("active", SpecStatus::Active), ("deprecated", SpecStatus::Deprecated)];
    let row = Columns(row);
    Ok(SpecRecord {
        agent: row.parsed("agent_id")?,
        version: row.parsed("version")?,
        name: row.get("name")?,
        description: row.get("description")?,
        status: row.word("status", &STATUSES)?,
        source: row.get("source")?,
        digest: row.get("digest")?,
        created_by: row.parsed("created_by")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

fn change(row: &SqliteRow) -> Result<SpecChange, Failure> {
    let row = Columns(row);
    Ok(SpecChange {
        seq: row.get("seq")?,
        version: row.parsed("version")?,
        change: row.get("change")?,
        digest: row.get("digest")?,
        actor: row.parsed("actor")?,
        at: row.time("at")?,
    })
}
