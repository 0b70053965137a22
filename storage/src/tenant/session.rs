//! The session behind a scope.

use aikit_core::record::{SessionRecord, StoreError};
use sqlx::Row;

use super::TenantStore;
use crate::{
    codec::{self, Columns},
    failure::Failure,
    sqlite::WriteTx,
};

impl TenantStore {
    /// The record of this session; none until it wrote a run or an input.
    pub async fn session(&self) -> Result<Option<SessionRecord>, StoreError> {
        let outcome = async {
            let mut connection = self.engine.read().await?;
            let row = sqlx::query(
                "select id, kind, user_id, opened_at, seen_at from session
                 where tenant_id = $1 and id = $2 and user_id = $3",
            )
            .bind(self.scope.tenant.as_str())
            .bind(self.scope.session.to_string())
            .bind(self.scope.user.as_str())
            .fetch_optional(&mut *connection)
            .await?;
            let Some(row) = &row else { return Ok(None) };
            let row = Columns(row);
            Ok(Some(SessionRecord {
                id: row.parsed("id")?,
                kind: row.get("kind")?,
                user: row.parsed("user_id")?,
                opened_at: row.time("opened_at")?,
                seen_at: row.time("seen_at")?,
            }))
        };
        self.engine.settle(outcome.await)
    }

    /// Records the session, or that it is still used. Sessions that write nothing leave no row: a command that only reads
    /// does not count as one of the user's sessions.
    pub(super) async fn touch_session(&self, tx: &mut WriteTx) -> Result<(), Failure> {
        let (tenant, session) = (self.scope.tenant.as_str(), self.scope.session.to_string());
        let user = self.scope.user.as_str();
        let now = codec::time(codec::now())?;
        let touched = sqlx::query("update session set seen_at = $4 where tenant_id = $1 and id = $2 and user_id = $3")
            .bind(tenant)
            .bind(&session)
            .bind(user)
            .bind(&now)
            .execute(&mut **tx)
            .await?;
        if touched.rows_affected() == 1 {
            return Ok(());
        }
        let done = sqlx::query(
            "insert into session (tenant_id, id, user_id, kind, ordinal, opened_at, seen_at)
             select $1, $2, $3, $4, coalesce(max(ordinal), 0) + 1, $5, $5
             from session where tenant_id = $1 and user_id = $3
             on conflict (tenant_id, id) do nothing",
        )
        .bind(tenant)
        .bind(&session)
        .bind(user)
        .bind(&self.kind)
        .bind(&now)
        .execute(&mut **tx)
        .await?;
        if done.rows_affected() == 1 {
            Ok(())
        } else {
            // The id belongs to another user of the tenant.
            Err(Failure::not_found("session", session))
        }
    }

    /// The ordinal of this session, if it has been recorded, and the highest one of this user.
    pub(super) async fn ordinals(
        &self,
        connection: &mut sqlx::SqliteConnection,
    ) -> Result<(Option<i64>, i64), Failure> {
        let row = sqlx::query(
            "select max(case when id = $3 then ordinal end) as own, coalesce(max(ordinal), 0) as highest
             from session where tenant_id = $1 and user_id = $2",
        )
        .bind(self.scope.tenant.as_str())
        .bind(self.scope.user.as_str())
        .bind(self.scope.session.to_string())
        .fetch_one(connection)
        .await?;
        Ok((row.try_get("own")?, row.try_get("highest")?))
    }
}
