use std::{path::Path, sync::Arc, time::Duration};

use aikit_core::{Scope, record::StoreError};

use crate::{Admin, TenantStore, failure::Failure, sqlite::Engine};

/// How a database is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How long to wait for another process that holds the write lock.
    pub busy_timeout: Duration,
    /// Upper bound of the database's size in bytes; a write beyond it is [`StoreError::Full`].
    pub max_size: Option<u64>,
    /// How many connections read at the same time.
    pub readers: u32,
}

impl Default for Options {
    /// Five seconds, no bound, four readers.
    fn default() -> Self {
        Self { busy_timeout: Duration::from_secs(5), max_size: None, readers: 4 }
    }
}

/// An open store. It shows no data by itself: see [`Database::enter`]. Cheap to clone; all clones share the connections.
#[derive(Debug, Clone)]
pub struct Database {
    engine: Arc<Engine>,
}

impl Database {
    /// Opens the database in a file. The file and its folder are created where they are missing, for their owner only;
    /// a schema of an older aikit is brought up to date, one of a newer aikit is refused.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, &Options::default()).await
    }

    /// [`Database::open`] with other than the default options.
    pub async fn open_with(path: &Path, options: &Options) -> Result<Self, StoreError> {
        Ok(Self { engine: Arc::new(Engine::open(Some(path), options).await?) })
    }

    /// A database that lives in memory and ends with its last clone.
    pub async fn memory() -> Result<Self, StoreError> {
        Ok(Self { engine: Arc::new(Engine::open(None, &Options::default()).await?) })
    }

    /// Enters a scope: the only door to data. `kind` says what opens it (`kernel`, `cli`, `lsp`) and is recorded with the
    /// session. An unknown tenant is [`StoreError::NotFound`].
    pub async fn enter(&self, scope: &Scope, kind: &str) -> Result<TenantStore, StoreError> {
        let known = async {
            let mut connection = self.engine.read().await?;
            let found: Option<i64> = sqlx::query_scalar("select 1 from tenant where id = $1")
                .bind(scope.tenant.as_str())
                .fetch_optional(&mut *connection)
                .await?;
            found.ok_or_else(|| Failure::not_found("tenant", &scope.tenant))
        };
        self.engine.settle(known.await)?;
        Ok(TenantStore::new(self.engine.clone(), scope.clone(), kind.to_owned()))
    }

    /// The administrator's view: tenants, and nothing that they hold.
    pub fn admin(&self) -> Admin {
        Admin::new(self.engine.clone())
    }

    /// Waits for what is being written, folds the write-ahead log into the file and releases it. Every store that was
    /// entered through this database fails afterwards.
    pub async fn close(&self) {
        self.engine.close().await;
    }
}
