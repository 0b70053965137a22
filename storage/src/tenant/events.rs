//! Events of the tenant, and what it has used of its quotas.

use aikit_core::{
    RunId,
    record::{Charge, EventRecord, StoreError},
};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::{Row, sqlite::SqliteRow};

use super::TenantStore;
use crate::{
    codec::{self, Columns},
    failure::Failure,
    sqlite::Durability,
};

impl TenantStore {
    /// Tells the tenant's others that something happened; gives the number of the event.
    pub async fn emit_event(&self, run: RunId, name: &str, payload: &Value) -> Result<u64, StoreError> {
        let outcome = async {
            let payload = codec::json(payload)?;
            let mut tx = self.engine.write(Durability::Process).await?;
            let row = sqlx::query(
                "insert into event (tenant_id, number, name, payload, run_id, at)
                 values ($1, (select coalesce(max(number), 0) + 1 from event where tenant_id = $1), $2, $3, $4, $5)
                 returning number",
            )
            .bind(self.scope.tenant.as_str())
            .bind(name)
            .bind(payload)
            .bind(run.to_string())
            .bind(codec::time(codec::now())?)
            .fetch_one(&mut *tx)
            .await?;
            let number: i64 = row.try_get("number")?;
            tx.commit().await?;
            Ok(number.unsigned_abs())
        };
        self.engine.settle(outcome.await)
    }

    /// The first event of one of these names behind a number, told by another run since a point in time.
    pub async fn next_event(
        &self,
        run: RunId,
        names: &[String],
        behind: u64,
        since: DateTime<Utc>,
    ) -> Result<Option<EventRecord>, StoreError> {
        let outcome = async {
            let mut connection = self.engine.read().await?;
            sqlx::query(
                "select number, name, payload, run_id, at from event
                 where tenant_id = $1 and number > $2 and run_id <> $3 and at >= $4
                   and name in (select value from json_each($5))
                 order by number limit 1",
            )
            .bind(self.scope.tenant.as_str())
            .bind(codec::count(behind))
            .bind(run.to_string())
            .bind(codec::time(since)?)
            .bind(codec::json(&json!(names))?)
            .fetch_optional(&mut *connection)
            .await?
            .as_ref()
            .map(event)
            .transpose()
        };
        self.engine.settle(outcome.await)
    }

    /// Adds to quotas, all or none; gives the first that would be exceeded, and what is used of it.
    pub async fn charge(&self, charges: &[Charge]) -> Result<Option<(usize, f64)>, StoreError> {
        let outcome = async {
            let mut tx = self.engine.write(Durability::Process).await?;
            for (at, charge) in charges.iter().enumerate() {
                let row = sqlx::query("select used from quota where tenant_id = $1 and key = $2 and started = $3")
                    .bind(self.scope.tenant.as_str())
                    .bind(&charge.key)
                    .bind(charge.started)
                    .fetch_optional(&mut *tx)
                    .await?;
                let used: f64 = row.map(|row| row.try_get("used")).transpose()?.unwrap_or(0.0);
                if charge.limit.is_some_and(|limit| used >= limit || used + charge.amount > limit) {
                    return Ok(Some((at, used)));
                }
                sqlx::query(
                    "insert into quota (tenant_id, key, started, used) values ($1, $2, $3, $4)
                     on conflict (tenant_id, key, started) do update set used = excluded.used",
                )
                .bind(self.scope.tenant.as_str())
                .bind(&charge.key)
                .bind(charge.started)
                .bind((used + charge.amount).max(0.0))
                .execute(&mut *tx)
                .await?;
            }
            tx.commit().await?;
            Ok(None)
        };
        self.engine.settle(outcome.await)
    }

    /// The value of a key, or this one, which it has from now on: of many that ask at once one is the first.
    pub async fn kv_claim(&self, key: &str, value: &Value) -> Result<Option<Value>, StoreError> {
        let outcome = async {
            let value = codec::json(value)?;
            let mut tx = self.engine.write(Durability::Disk).await?;
            let row = sqlx::query("select value from kv where tenant_id = $1 and key = $2")
                .bind(self.scope.tenant.as_str())
                .bind(key)
                .fetch_optional(&mut *tx)
                .await?;
            if let Some(row) = row {
                return Columns(&row).json("value").map(Some);
            }
            sqlx::query("insert into kv (tenant_id, key, value, updated_by, updated_at) values ($1, $2, $3, $4, $5)")
                .bind(self.scope.tenant.as_str())
                .bind(key)
                .bind(value)
                .bind(self.scope.user.as_str())
                .bind(codec::time(codec::now())?)
                .execute(&mut *tx)
                .await?;
            tx.commit().await?;
            Ok(None)
        };
        self.engine.settle(outcome.await)
    }
}

fn event(row: &SqliteRow) -> Result<EventRecord, Failure> {
    let columns = Columns(row);
    let number: i64 = columns.get("number")?;
    Ok(EventRecord {
        number: number.unsigned_abs(),
        name: columns.get("name")?,
        payload: columns.json("payload")?,
        run: columns.parsed("run_id")?,
        at: columns.time("at")?,
    })
}
