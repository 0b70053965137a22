//! What the user typed, over all of their sessions.

use std::collections::HashSet;

use aikit_core::record::{HistoryEntry, StoreError};
use futures::TryStreamExt;
use sqlx::sqlite::SqliteRow;

use super::TenantStore;
use crate::{
    codec::{self, Columns},
    failure::Failure,
    glob::Glob,
    sqlite::Durability,
};

impl TenantStore {
    /// Records an executed input of this session. The same line again replaces it.
    pub async fn add_history(&self, line: i64, input: &str, output: Option<&str>) -> Result<(), StoreError> {
        let outcome = async {
            let mut tx = self.engine.write(Durability::Process).await?;
            self.touch_session(&mut tx).await?;
            sqlx::query(
                "insert into history (tenant_id, session_id, line, input, output, at) values ($1, $2, $3, $4, $5, $6)
                 on conflict (tenant_id, session_id, line) do update
                 set input = excluded.input, output = excluded.output, at = excluded.at",
            )
            .bind(self.scope.tenant.as_str())
            .bind(self.scope.session.to_string())
            .bind(line)
            .bind(input)
            .bind(output)
            .bind(codec::time(codec::now())?)
            .execute(&mut *tx)
            .await?;
            tx.commit().await
        };
        self.engine.settle(outcome.await)
    }

    /// The newest `n` inputs of this user, oldest first, over all sessions.
    pub async fn history_tail(&self, n: u32) -> Result<Vec<HistoryEntry>, StoreError> {
        let outcome = async {
            let mut connection = self.engine.read().await?;
            let rows = sqlx::query(
                "select s.ordinal, h.line, h.input, h.output
                 from session s join history h on h.tenant_id = s.tenant_id and h.session_id = s.id
                 where s.tenant_id = $1 and s.user_id = $2
                 order by s.ordinal desc, h.line desc limit $3",
            )
            .bind(self.scope.tenant.as_str())
            .bind(self.scope.user.as_str())
            .bind(i64::from(n))
            .fetch_all(&mut *connection)
            .await?;
            rows.iter().rev().map(entry).collect()
        };
        self.engine.settle(outcome.await)
    }

    /// Inputs of one session: 0 is this one, a positive number an absolute ordinal, a negative number counts back from this
    /// one. Lines from `start` (inclusive) to `stop` (exclusive, `None` to the end).
    pub async fn history_range(
        &self,
        session: i64,
        start: i64,
        stop: Option<i64>,
    ) -> Result<Vec<HistoryEntry>, StoreError> {
        let outcome = async {
            let mut connection = self.engine.read().await?;
            let ordinal = if session > 0 {
                session
            } else {
                let (own, highest) = self.ordinals(&mut connection).await?;
                // A session that is not recorded yet will be the next one.
                own.unwrap_or(highest + 1).saturating_add(session)
            };
            let rows = sqlx::query(
                "select s.ordinal, h.line, h.input, h.output
                 from session s join history h on h.tenant_id = s.tenant_id and h.session_id = s.id
                 where s.tenant_id = $1 and s.user_id = $2 and s.ordinal = $3 and h.line >= $4 and ($5 is null or h.line < $5)
                 order by h.line",
            )
            .bind(self.scope.tenant.as_str())
            .bind(self.scope.user.as_str())
            .bind(ordinal)
            .bind(start)
            .bind(stop)
            .fetch_all(&mut *connection)
            .await?;
            rows.iter().map(entry).collect()
        };
        self.engine.settle(outcome.await)
    }

    /// Inputs that match a glob (`*`, `?`), oldest first, at most the newest `n`; `unique` keeps the newest of equal ones.
    pub async fn history_search(&self, pattern: &str, n: u32, unique: bool) -> Result<Vec<HistoryEntry>, StoreError> {
        let outcome = async {
            let glob = Glob::new(pattern);
            let mut connection = self.engine.read().await?;
            let mut rows = sqlx::query(
                "select s.ordinal, h.line, h.input, h.output
                 from session s join history h on h.tenant_id = s.tenant_id and h.session_id = s.id
                 where s.tenant_id = $1 and s.user_id = $2
                 order by s.ordinal desc, h.line desc",
            )
            .bind(self.scope.tenant.as_str())
            .bind(self.scope.user.as_str())
            .fetch(&mut *connection);
            let (mut found, mut seen) = (Vec::new(), HashSet::new());
            while found.len() < n as usize
                && let Some(row) = rows.try_next().await?
            {
                let entry = entry(&row)?;
                if glob.matches(&entry.input) && (!unique || seen.insert(entry.input.clone())) {
                    found.push(entry);
                }
            }
            found.reverse();
            Ok(found)
        };
        self.engine.settle(outcome.await)
    }
}

fn entry(row: &SqliteRow) -> Result<HistoryEntry, Failure> {
    let row = Columns(row);
    Ok(HistoryEntry {
        session: row.get("ordinal")?,
        line: row.get("line")?,
        input: row.get("input")?,
        output: row.get("output")?,
    })
}
