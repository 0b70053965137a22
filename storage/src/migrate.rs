//! The schema: embedded migrations, applied in order in one transaction.

use aikit_core::record::StoreError;
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, Executor, Row, SqliteConnection};

use crate::{codec, failure::Failure, sqlite::WriteTx};

/// One file of `migrations/`.
pub(crate) struct Migration {
    pub(crate) number: i64,
    pub(crate) name: &'static str,
    pub(crate) sql: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/migrations.rs"));

/// Marks a file as ours (`PRAGMA application_id`): the letters `AIKT`.
const APPLICATION_ID: i64 = 0x41_49_4b_54;

impl Migration {
    /// Tells an edited migration from the one that a database was made with.
    fn digest(&self) -> String {
        hex(&Sha256::digest(self.sql))
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a database file says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing is in it.
    Empty,
    /// Every migration of this version is applied.
    Current,
    /// Migrations are missing.
    Behind,
}

/// Looks at the database and refuses one that is not ours, newer, or made by other migrations. Writes nothing.
pub(crate) async fn inspect(connection: &mut SqliteConnection) -> Result<State, Failure> {
    let row = sqlx::query(
        "select (select application_id from pragma_application_id) as application_id,
                (select count(*) from sqlite_schema) as objects,
                (select count(*) from sqlite_schema where type = 'table' and name = 'schema_migration') as ours",
    )
    .fetch_one(&mut *connection)
    .await?;
    if row.try_get::<i64, _>("objects")? == 0 {
        return Ok(State::Empty);
    }
    if row.try_get::<i64, _>("application_id")? != APPLICATION_ID || row.try_get::<i64, _>("ours")? == 0 {
        return Err(unusable("it is the database of another program"));
    }
    let applied = sqlx::query("select number, name, digest from schema_migration order by number")
        .fetch_all(&mut *connection)
        .await?;
    for row in &applied {
        let (number, name): (i64, &str) = (row.try_get("number")?, row.try_get("name")?);
        let Some(known) = SQLITE.iter().find(|migration| migration.number == number) else {
            return Err(unusable(format!("it was written by a newer aikit (schema {number}, `{name}`); update aikit")));
        };
        if known.digest() != row.try_get::<&str, _>("digest")? {
            return Err(unusable(format!("its schema {number}, `{name}`, is not the one of this aikit")));
        }
    }
    Ok(if applied.len() == SQLITE.len() { State::Current } else { State::Behind })
}

/// Brings the schema up to date. Another process may do the same at the same time: the second finds nothing to do.
pub(crate) async fn apply(mut tx: WriteTx) -> Result<(), Failure> {
    let state = inspect(&mut tx).await?;
    if state == State::Empty {
        tx.execute(AssertSqlSafe(format!("pragma application_id = {APPLICATION_ID}"))).await?;
        tx.execute(
            "create table schema_migration (
               number integer not null primary key, name text not null, digest text not null, applied_at text not null
             ) strict",
        )
        .await?;
    }
    if state != State::Current {
        let last: Option<i64> =
            sqlx::query_scalar("select max(number) from schema_migration").fetch_one(&mut *tx).await?;
        for migration in SQLITE.iter().filter(|migration| Some(migration.number) > last) {
            tracing::debug!(number = migration.number, name = migration.name, "applying a migration");
            sqlx::raw_sql(migration.sql).execute(&mut *tx).await?;
            sqlx::query("insert into schema_migration (number, name, digest, applied_at) values ($1, $2, $3, $4)")
                .bind(migration.number)
                .bind(migration.name)
                .bind(migration.digest())
                .bind(codec::time(codec::now())?)
                .execute(&mut *tx)
                .await?;
        }
    }
    tx.commit().await
}

fn unusable(message: impl Into<String>) -> Failure {
    Failure::Store(StoreError::Unusable(message.into()))
}
