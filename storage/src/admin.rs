use std::sync::Arc;

use aikit_core::{
    TenantId,
    record::{StoreError, TenantRecord},
};
use serde_json::{Map, Value};
use sqlx::sqlite::SqliteRow;

use crate::{
    codec::{self, Columns},
    failure::Failure,
    sqlite::{Durability, Engine, WriteTx},
};

/// A tenant to be created.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTenant {
    /// The slug that names it.
    pub id: TenantId,
    /// The name that people read.
    pub name: String,
    /// The plan, visible to documents as `tenant.plan`.
    pub plan: String,
    /// Limits and defaults: an object.
    pub config: Value,
}

impl NewTenant {
    /// A tenant of plan `free` with an empty configuration.
    pub fn new(id: TenantId, name: impl Into<String>) -> Self {
        Self { id, name: name.into(), plan: "free".to_owned(), config: Value::Object(Map::new()) }
    }
}

/// Creates, lists and configures tenants. Has no access to what they hold.
#[derive(Debug, Clone)]
pub struct Admin {
    engine: Arc<Engine>,
}

impl Admin {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }

    /// Creates a tenant; one of that name is [`StoreError::Conflict`].
    pub async fn create_tenant(&self, tenant: NewTenant) -> Result<TenantRecord, StoreError> {
        let outcome = async {
            let mut tx = self.engine.write(Durability::Disk).await?;
            if insert(&mut tx, &tenant).await? {
                let record = fetch(&mut tx, &tenant.id).await?;
                tx.commit().await?;
                Ok(record)
            } else {
                Err(Failure::conflict(format!("tenant `{}` exists already", tenant.id)))
            }
        };
        self.engine.settle(outcome.await)
    }

    /// The tenant of that name, created if it is missing. An existing one is left as it is.
    pub async fn ensure_tenant(&self, tenant: NewTenant) -> Result<TenantRecord, StoreError> {
        if let Some(found) = self.tenant(&tenant.id).await? {
            return Ok(found);
        }
        let outcome = async {
            let mut tx = self.engine.write(Durability::Disk).await?;
            insert(&mut tx, &tenant).await?;
            let record = fetch(&mut tx, &tenant.id).await?;
            tx.commit().await?;
            Ok(record)
        };
        self.engine.settle(outcome.await)
    }

    /// Every tenant, sorted by id.
    pub async fn tenants(&self) -> Result<Vec<TenantRecord>, StoreError> {
        let outcome = async {
            let mut connection = self.engine.read().await?;
            let rows = sqlx::query("select id, name, plan, config, created_at from tenant order by id")
                .fetch_all(&mut *connection)
                .await?;
            rows.iter().map(record).collect()
        };
        self.engine.settle(outcome.await)
    }

    /// One tenant.
    pub async fn tenant(&self, id: &TenantId) -> Result<Option<TenantRecord>, StoreError> {
        let outcome = async {
            let mut connection = self.engine.read().await?;
            select(&mut connection, id).await
        };
        self.engine.settle(outcome.await)
    }

    /// Replaces a tenant's configuration, which is an object.
    pub async fn set_config(&self, id: &TenantId, config: &Value) -> Result<TenantRecord, StoreError> {
        let outcome = async {
            let config = object(config)?;
            let mut tx = self.engine.write(Durability::Disk).await?;
            sqlx::query("update tenant set config = $2 where id = $1")
                .bind(id.as_str())
                .bind(config)
                .execute(&mut *tx)
                .await?;
            let record = fetch(&mut tx, id).await?;
            tx.commit().await?;
            Ok(record)
        };
        self.engine.settle(outcome.await)
    }
}

/// True if it was inserted, false if it was there.
async fn insert(tx: &mut WriteTx, tenant: &NewTenant) -> Result<bool, Failure> {
    let done = sqlx::query(
        "insert into tenant (id, name, plan, config, created_at) values ($1, $2, $3, $4, $5) on conflict (id) do nothing",
    )
    .bind(tenant.id.as_str())
    .bind(&tenant.name)
    .bind(&tenant.plan)
    .bind(object(&tenant.config)?)
    .bind(codec::time(codec::now())?)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

async fn select(connection: &mut sqlx::SqliteConnection, id: &TenantId) -> Result<Option<TenantRecord>, Failure> {
    sqlx::query("select id, name, plan, config, created_at from tenant where id = $1")
        .bind(id.as_str())
        .fetch_optional(connection)
        .await?
        .as_ref()
        .map(record)
        .transpose()
}

/// The tenant, which has to be there.
pub(crate) async fn fetch(connection: &mut sqlx::SqliteConnection, id: &TenantId) -> Result<TenantRecord, Failure> {
    select(connection, id).await?.ok_or_else(|| Failure::not_found("tenant", id))
}

fn record(row: &SqliteRow) -> Result<TenantRecord, Failure> {
    let row = Columns(row);
    Ok(TenantRecord {
        id: row.parsed("id")?,
        name: row.get("name")?,
        plan: row.get("plan")?,
        config: row.json("config")?,
        created_at: row.time("created_at")?,
    })
}

fn object(config: &Value) -> Result<String, Failure> {
    if !config.is_object() {
        return Err(Failure::refused("a tenant's configuration is an object"));
    }
    codec::json(config)
}
