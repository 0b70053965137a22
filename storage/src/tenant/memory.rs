//! What agents remember: episodes, blocks, the turns of conversations. Whose it is follows from the scope.

use aikit_core::{
    memory::{Episode, NewEpisode, Part, PartState, Retention, Share, Space, Vector},
    record::StoreError,
};
use chrono::Duration;
use serde_json::Value;
use sqlx::sqlite::SqliteRow;

use super::TenantStore;
use crate::{
    codec::{self, Columns, damaged},
    failure::Failure,
    sqlite::{Durability, WriteTx},
};

/// The longest name of a space, in bytes.
const MAX_NAMESPACE: usize = 512;

impl TenantStore {
    /// Who shares a space, seen from this scope: another user's memory has no name here.
    pub(super) fn owner(&self, space: &Space) -> Result<String, Failure> {
        if space.namespace.is_empty() || space.namespace.len() > MAX_NAMESPACE || space.namespace.contains('\0') {
            return Err(Failure::refused(format!("a namespace has 1 to {MAX_NAMESPACE} bytes and no NUL character")));
        }
        Ok(match space.share {
            Share::Session => format!("session:{}:{}", self.scope.user, self.scope.session),
            Share::User => format!("user:{}", self.scope.user),
            Share::Agent => format!("agent:{}", space.agent),
            Share::Tenant => "tenant".to_owned(),
        })
    }

    /// Counts entries that are added to a list of a space, and those that are removed; the id of the last one added.
    pub(super) async fn advance(
        &self,
        tx: &mut WriteTx,
        space: &Space,
        part: Part,
        added: usize,
        removed: u64,
    ) -> Result<u64, Failure> {
        let last: i64 = sqlx::query_scalar(
            "insert into memory_space (tenant_id, owner, namespace, part, last_id, removed)
             values ($1, $2, $3, $4, $5, $6)
             on conflict (tenant_id, owner, namespace, part) do update
             set last_id = memory_space.last_id + excluded.last_id, removed = memory_space.removed + excluded.removed
             returning last_id",
        )
        .bind(self.scope.tenant.as_str())
        .bind(self.owner(space)?)
        .bind(&space.namespace)
        .bind(part.as_str())
        .bind(codec::count(added as u64))
        .bind(codec::count(removed))
        .fetch_one(&mut **tx)
        .await?;
        u64::try_from(last).map_err(|_| damaged("last_id", &last.to_string()))
    }

    /// How far a list of a space has come.
    pub async fn memory_state(&self, space: &Space, part: Part) -> Result<PartState, StoreError> {
        let outcome = async {
            let mut connection = self.engine.read().await?;
            self.state(&mut connection, space, part).await
        };
        self.engine.settle(outcome.await)
    }

    pub(super) async fn state(
        &self,
        connection: &mut sqlx::SqliteConnection,
        space: &Space,
        part: Part,
    ) -> Result<PartState, Failure> {
        let row = sqlx::query(
            "select last_id, removed from memory_space
             where tenant_id = $1 and owner = $2 and namespace = $3 and part = $4",
        )
        .bind(self.scope.tenant.as_str())
        .bind(self.owner(space)?)
        .bind(&space.namespace)
        .bind(part.as_str())
        .fetch_optional(connection)
        .await?;
        let Some(row) = &row else { return Ok(PartState::default()) };
        let row = Columns(row);
        Ok(PartState { last: row.count("last_id")?, removed: row.count("removed")? })
    }

    /// Writes an episode and removes what the retention says, in one transaction; its id.
    pub async fn add_episode(&self, space: &Space, episode: NewEpisode, keep: Retention) -> Result<u64, StoreError> {
        let outcome = async {
            let metadata = codec::json(&episode.metadata)?;
            let (owner, now) = (self.owner(space)?, codec::now());
            let expires = keep.days.and_then(|days| now.checked_add_signed(Duration::days(i64::from(days))));
            let expires = expires.map(codec::time).transpose()?;
            let (now, vector) = (codec::time(now)?, episode.vector.as_ref());
            let mut tx = self.engine.write(Durability::Process).await?;
            let id = self.advance(&mut tx, space, Part::Episodes, 1, 0).await?;
            sqlx::query(
                "insert into memory_episode (tenant_id, owner, namespace, id, text, metadata, model, vector, created_by,
                                             created_at, expires_at)
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            )
            .bind(self.scope.tenant.as_str())
            .bind(&owner)
            .bind(&space.namespace)
            .bind(codec::count(id))
            .bind(&episode.text)
            .bind(metadata)
            .bind(vector.map(|vector| vector.model.as_str()))
            .bind(vector.map(|vector| blob(&vector.values)))
            .bind(self.scope.user.as_str())
            .bind(&now)
            .bind(expires)
            .execute(&mut *tx)
            .await?;
            let mut gone = sqlx::query(
                "delete from memory_episode
                 where tenant_id = $1 and owner = $2 and namespace = $3 and id <> $4 and expires_at <= $5",
            )
            .bind(self.scope.tenant.as_str())
            .bind(&owner)
            .bind(&space.namespace)
            .bind(codec::count(id))
            .bind(&now)
            .execute(&mut *tx)
            .await?
            .rows_affected();
            if let Some(most) = keep.entries {
                gone += sqlx::query(
                    "delete from memory_episode
                     where tenant_id = $1 and owner = $2 and namespace = $3 and id <= (
                       select id from memory_episode where tenant_id = $1 and owner = $2 and namespace = $3
                       order by id desc limit 1 offset $4)",
                )
                .bind(self.scope.tenant.as_str())
                .bind(&owner)
                .bind(&space.namespace)
                .bind(codec::count(most))
                .execute(&mut *tx)
                .await?
                .rows_affected();
            }
            if gone > 0 {
                self.advance(&mut tx, space, Part::Episodes, 0, gone).await?;
            }
            tx.commit().await?;
            Ok(id)
        };
        self.engine.settle(outcome.await)
    }

    /// The episodes whose id is greater and that have not expired, by id.
    pub async fn episodes(&self, space: &Space, after: u64) -> Result<Vec<Episode>, StoreError> {
        let outcome = async {
            let mut connection = self.engine.read().await?;
            let rows = sqlx::query(
                "select id, text, metadata, model, vector, created_at from memory_episode
                 where tenant_id = $1 and owner = $2 and namespace = $3 and id > $4
                   and (expires_at is null or expires_at > $5)
                 order by id",
            )
            .bind(self.scope.tenant.as_str())
            .bind(self.owner(space)?)
            .bind(&space.namespace)
            .bind(codec::count(after))
            .bind(codec::time(codec::now())?)
            .fetch_all(&mut *connection)
            .await?;
            rows.iter().map(episode).collect()
        };
        self.engine.settle(outcome.await)
    }

    /// Removes an episode; true if it was there.
    pub async fn remove_episode(&self, space: &Space, id: u64) -> Result<bool, StoreError> {
        let outcome = async {
            let mut tx = self.engine.write(Durability::Process).await?;
            let done = sqlx::query(
                "delete from memory_episode where tenant_id = $1 and owner = $2 and namespace = $3 and id = $4",
            )
            .bind(self.scope.tenant.as_str())
            .bind(self.owner(space)?)
            .bind(&space.namespace)
            .bind(codec::count(id))
            .execute(&mut *tx)
            .await?;
            let gone = done.rows_affected();
            if gone > 0 {
                self.advance(&mut tx, space, Part::Episodes, 0, gone).await?;
            }
            tx.commit().await?;
            Ok(gone > 0)
        };
        self.engine.settle(outcome.await)
    }

    /// The text of a block.
    pub async fn block(&self, space: &Space, label: &str) -> Result<Option<String>, StoreError> {
        let outcome = async {
            let mut connection = self.engine.read().await?;
            let value = sqlx::query_scalar(
                "select value from memory_block where tenant_id = $1 and owner = $2 and namespace = $3 and label = $4",
            )
            .bind(self.scope.tenant.as_str())
            .bind(self.owner(space)?)
            .bind(&space.namespace)
            .bind(label)
            .fetch_optional(&mut *connection)
            .await?;
            Ok(value)
        };
        self.engine.settle(outcome.await)
    }

    /// Writes a block.
    pub async fn set_block(&self, space: &Space, label: &str, text: &str) -> Result<(), StoreError> {
        let outcome = async {
            let mut tx = self.engine.write(Durability::Process).await?;
            sqlx::query(
                "insert into memory_block (tenant_id, owner, namespace, label, value, updated_by, updated_at)
                 values ($1, $2, $3, $4, $5, $6, $7)
                 on conflict (tenant_id, owner, namespace, label) do update
                 set value = excluded.value, updated_by = excluded.updated_by, updated_at = excluded.updated_at",
            )
            .bind(self.scope.tenant.as_str())
            .bind(self.owner(space)?)
            .bind(&space.namespace)
            .bind(label)
            .bind(text)
            .bind(self.scope.user.as_str())
            .bind(codec::time(codec::now())?)
            .execute(&mut *tx)
            .await?;
            tx.commit().await
        };
        self.engine.settle(outcome.await)
    }

    /// The newest turns of a conversation, the oldest first.
    pub async fn turns(&self, space: &Space, most: u32) -> Result<Vec<Value>, StoreError> {
        let outcome = async {
            let mut connection = self.engine.read().await?;
            let rows = sqlx::query(
                "select turn from memory_turn where tenant_id = $1 and owner = $2 and namespace = $3
                 order by id desc limit $4",
            )
            .bind(self.scope.tenant.as_str())
            .bind(self.owner(space)?)
            .bind(&space.namespace)
            .bind(i64::from(most))
            .fetch_all(&mut *connection)
            .await?;
            rows.iter().rev().map(|row| Columns(row).json("turn")).collect()
        };
        self.engine.settle(outcome.await)
    }

    /// Adds turns, of which the newest `keep` stay, in one transaction.
    pub async fn add_turns(&self, space: &Space, turns: Vec<Value>, keep: u32) -> Result<(), StoreError> {
        let outcome = async {
            let texts = turns.iter().map(codec::json).collect::<Result<Vec<_>, _>>()?;
            let (owner, now) = (self.owner(space)?, codec::time(codec::now())?);
            let mut tx = self.engine.write(Durability::Process).await?;
            let last = self.advance(&mut tx, space, Part::Turns, texts.len(), 0).await?;
            let first = last - texts.len() as u64 + 1;
            for (id, turn) in (first..).zip(texts) {
                sqlx::query(
                    "insert into memory_turn (tenant_id, owner, namespace, id, turn, created_at)
                     values ($1, $2, $3, $4, $5, $6)",
                )
                .bind(self.scope.tenant.as_str())
                .bind(&owner)
                .bind(&space.namespace)
                .bind(codec::count(id))
                .bind(turn)
                .bind(&now)
                .execute(&mut *tx)
                .await?;
            }
            // Ids of turns have no gaps.
            sqlx::query("delete from memory_turn where tenant_id = $1 and owner = $2 and namespace = $3 and id <= $4")
                .bind(self.scope.tenant.as_str())
                .bind(&owner)
                .bind(&space.namespace)
                .bind(codec::count(last.saturating_sub(u64::from(keep))))
                .execute(&mut *tx)
                .await?;
            tx.commit().await
        };
        self.engine.settle(outcome.await)
    }
}

fn episode(row: &SqliteRow) -> Result<Episode, Failure> {
    let row = Columns(row);
    Ok(Episode {
        id: row.count("id")?,
        text: row.get("text")?,
        metadata: row.json("metadata")?,
        vector: vector(&row)?,
        created_at: row.time("created_at")?,
    })
}

/// A vector as bytes: little-endian 32-bit floats.
pub(super) fn blob(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// The vector of a row, where it has one.
pub(super) fn vector(row: &Columns<'_>) -> Result<Option<Vector>, Failure> {
    let (model, bytes): (Option<String>, Option<&[u8]>) = (row.get("model")?, row.get("vector")?);
    let (Some(model), Some(bytes)) = (model, bytes) else { return Ok(None) };
    let (values, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(damaged("vector", &format!("{} bytes", bytes.len())));
    }
    Ok(Some(Vector { model, values: values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect() }))
}
