//! The tenant's key-value space.

use aikit_core::record::StoreError;
use serde_json::Value;
use sqlx::Row;

use super::TenantStore;
use crate::{
    codec::{self, Columns},
    failure::Failure,
    sqlite::Durability,
};

/// The longest key, in bytes.
const MAX_KEY: usize = 512;

impl TenantStore {
    /// The value under a key of the tenant's key-value space.
    pub async fn kv_get(&self, key: &str) -> Result<Option<Value>, StoreError> {
        let outcome = async {
            let mut connection = self.engine.read().await?;
            sqlx::query("select value from kv where tenant_id = $1 and key = $2")
                .bind(self.scope.tenant.as_str())
                .bind(key)
                .fetch_optional(&mut *connection)
                .await?
                .map(|row| Columns(&row).json("value"))
                .transpose()
        };
        self.engine.settle(outcome.await)
    }

    /// Sets a key: one to 512 bytes without a NUL.
    pub async fn kv_set(&self, key: &str, value: &Value) -> Result<(), StoreError> {
        let outcome = async {
            check_key(key)?;
            let value = codec::json(value)?;
            let mut tx = self.engine.write(Durability::Process).await?;
            sqlx::query(
                "insert into kv (tenant_id, key, value, updated_by, updated_at) values ($1, $2, $3, $4, $5)
                 on conflict (tenant_id, key) do update
                 set value = excluded.value, updated_by = excluded.updated_by, updated_at = excluded.updated_at",
            )
            .bind(self.scope.tenant.as_str())
            .bind(key)
            .bind(value)
            .bind(self.scope.user.as_str())
            .bind(codec::time(codec::now())?)
            .execute(&mut *tx)
            .await?;
            tx.commit().await
        };
        self.engine.settle(outcome.await)
    }

    /// Removes a key; true if it was there.
    pub async fn kv_delete(&self, key: &str) -> Result<bool, StoreError> {
        let outcome = async {
            let mut tx = self.engine.write(Durability::Process).await?;
            let done = sqlx::query("delete from kv where tenant_id = $1 and key = $2")
                .bind(self.scope.tenant.as_str())
                .bind(key)
                .execute(&mut *tx)
                .await?;
            tx.commit().await?;
            Ok(done.rows_affected() > 0)
        };
        self.engine.settle(outcome.await)
    }

    /// The keys with a prefix, sorted by code point.
    pub async fn kv_list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let outcome = async {
            let mut connection = self.engine.read().await?;
            // Two comparisons instead of a pattern: they use the index on every engine, and nothing has to be escaped.
            let rows = sqlx::query(
                "select key from kv where tenant_id = $1 and key >= $2 and ($3 is null or key < $3) order by key",
            )
            .bind(self.scope.tenant.as_str())
            .bind(prefix)
            .bind(first_behind(prefix))
            .fetch_all(&mut *connection)
            .await?;
            rows.iter().map(|row| Ok(row.try_get("key")?)).collect()
        };
        self.engine.settle(outcome.await)
    }
}

fn check_key(key: &str) -> Result<(), Failure> {
    if key.is_empty() {
        Err(Failure::refused("a key cannot be empty"))
    } else if key.len() > MAX_KEY {
        Err(Failure::refused(format!("a key of {} bytes is longer than the {MAX_KEY} allowed", key.len())))
    } else if key.contains('\0') {
        Err(Failure::refused("a key cannot hold a NUL character"))
    } else {
        Ok(())
    }
}

/// The least text that is greater than every text with this prefix; none where there is no such text.
fn first_behind(prefix: &str) -> Option<String> {
    let mut kept = prefix;
    while let Some(last) = kept.chars().next_back() {
        kept = &kept[..kept.len() - last.len_utf8()];
        // A range of characters skips the surrogates by itself.
        if let Some(next) = (last..=char::MAX).nth(1) {
            return Some(format!("{kept}{next}"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::first_behind;

    #[test]
    fn the_end_of_a_prefix() {
        assert_eq!(first_behind("ab").as_deref(), Some("ac"));
        assert_eq!(first_behind("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(first_behind("a\u{d7ff}").as_deref(), Some("a\u{e000}"));
        assert_eq!(first_behind("\u{10ffff}"), None);
        assert_eq!(first_behind(""), None);
    }
}
