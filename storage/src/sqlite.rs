//! The SQLite engine: connections, transactions, and what its errors mean.
//!
//! One connection writes, a few read. Every write is a transaction that takes the write lock at its beginning (`BEGIN
//! IMMEDIATE`), so that two processes queue up instead of failing half-way.

use std::{
    fs, io,
    ops::{Deref, DerefMut},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use aikit_core::record::StoreError;
use sqlx::{
    Executor, Sqlite, SqliteConnection, SqlitePool,
    pool::PoolConnection,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{Options, failure::Failure, migrate};

/// What a commit promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// The change is on the disk when the call returns (`synchronous = FULL`). For tenants, specifications and journals: a
    /// run continues from its journal, and an effect whose record a power cut took would be repeated.
    Disk,
    /// The change survives the death of the process; a power cut may cost the last moments, never consistency
    /// (`synchronous = NORMAL`). For key-value data and history, which scripts write in loops.
    Process,
}

/// An open SQLite database.
#[derive(Debug)]
pub(crate) struct Engine {
    writer: SqlitePool,
    readers: SqlitePool,
    /// The file, for error messages.
    place: String,
    state: Arc<WriterState>,
}

/// What is known of the one writing connection. Only its holder looks, so plain loads and stores are enough.
#[derive(Debug, Default)]
struct WriterState {
    /// A transaction was begun and not committed.
    open: AtomicBool,
    /// `synchronous` stands at NORMAL.
    relaxed: AtomicBool,
}

/// A write transaction. Dropped without [`WriteTx::commit`], it is rolled back.
pub(crate) struct WriteTx {
    connection: PoolConnection<Sqlite>,
    state: Arc<WriterState>,
}

impl WriteTx {
    pub(crate) async fn commit(mut self) -> Result<(), Failure> {
        self.connection.execute("commit").await?;
        self.state.open.store(false, Ordering::Release);
        Ok(())
    }
}

impl Deref for WriteTx {
    type Target = SqliteConnection;
    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}

impl DerefMut for WriteTx {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}

impl Engine {
    /// Opens a file, or a database in memory where there is none, and brings its schema up to date.
    pub(crate) async fn open(path: Option<&Path>, options: &Options) -> Result<Self, StoreError> {
        if let Some(path) = path {
            create_private(path)?;
        }
        let state = Arc::new(WriterState::default());
        let base = SqliteConnectOptions::new()
            .foreign_keys(true)
            .busy_timeout(options.busy_timeout)
            // Keeps the write-ahead log from staying at its largest size for ever.
            .pragma("journal_size_limit", "67108864");
        let base = match path {
            Some(path) => base.filename(path).create_if_missing(false),
            None => base.in_memory(true),
        };
        let writer = writer_pool(&state, options).connect_lazy_with(base.clone().synchronous(SqliteSynchronous::Full));
        let readers = match path {
            // A second connection to memory would see another database.
            None => writer.clone(),
            Some(_) => {
                pool(options).max_connections(options.readers).connect_lazy_with(base.pragma("query_only", "on"))
            }
        };
        let place = path.map_or_else(|| "memory".to_owned(), |path| path.display().to_string());
        let engine = Self { writer, readers, place, state };
        engine.settle(engine.prepare(path.is_some()).await)?;
        Ok(engine)
    }

    async fn prepare(&self, file: bool) -> Result<(), Failure> {
        let mut connection = self.writer.acquire().await?;
        // First look, then touch: a foreign database stays as it is.
        let state = migrate::inspect(&mut connection).await?;
        if file {
            // The mode is kept in the file, so that readers and later connections find it.
            let mode: String = sqlx::query_scalar("pragma journal_mode = wal").fetch_one(&mut *connection).await?;
            if mode != "wal" {
                tracing::warn!(place = %self.place, mode, "no write-ahead log on this file system; readers will wait for writers");
            }
        }
        drop(connection);
        match state {
            migrate::State::Current => Ok(()),
            migrate::State::Empty | migrate::State::Behind => migrate::apply(self.write(Durability::Disk).await?).await,
        }
    }

    /// Begins a write transaction.
    pub(crate) async fn write(&self, durability: Durability) -> Result<WriteTx, Failure> {
        let mut connection = self.writer.acquire().await?;
        // Changing the level costs a statement, so it is done only when it differs; inside a transaction it is not allowed.
        let relax = durability == Durability::Process;
        if self.state.relaxed.load(Ordering::Acquire) != relax {
            connection.execute(if relax { "pragma synchronous = normal" } else { "pragma synchronous = full" }).await?;
            self.state.relaxed.store(relax, Ordering::Release);
        }
        self.state.open.store(true, Ordering::Release);
        connection.execute("begin immediate").await?;
        Ok(WriteTx { connection, state: self.state.clone() })
    }

    /// A connection for reading. Each statement sees a consistent state.
    pub(crate) async fn read(&self) -> Result<PoolConnection<Sqlite>, Failure> {
        Ok(self.readers.acquire().await?)
    }

    /// Releases the file; what is still running fails.
    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Turns the outcome of an operation into what callers see: the place is named here, and nowhere else.
    pub(crate) fn settle<T>(&self, outcome: Result<T, Failure>) -> Result<T, StoreError> {
        outcome.map_err(|failure| match failure {
            Failure::Store(StoreError::Unusable(message)) => StoreError::Unusable(format!("{}: {message}", self.place)),
            Failure::Store(error) => error,
            Failure::Damaged(message) => StoreError::Unusable(format!("{}: {message}", self.place)),
            Failure::Sql(error) => self.explain(&error),
        })
    }

    fn explain(&self, error: &sqlx::Error) -> StoreError {
        let place = &self.place;
        match error {
            sqlx::Error::Database(error) => {
                let code = error.code().and_then(|code| code.parse::<i32>().ok()).unwrap_or(0);
                by_result_code(code, format!("{place}: {} (SQLite {code})", error.message()))
            }
            sqlx::Error::PoolTimedOut => {
                StoreError::Busy(format!("{place}: other writes of this process take too long"))
            }
            sqlx::Error::PoolClosed => StoreError::Failed(format!("{place} has been closed")),
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
                StoreError::Unusable(format!("{place}: {error}"))
            }
            _ => StoreError::Failed(format!("{place}: {error}")),
        }
    }
}

/// What SQLite's result codes mean to a person (<https://www.sqlite.org/rescode.html>). The low byte is the class.
fn by_result_code(code: i32, message: String) -> StoreError {
    const BUSY: i32 = 5;
    const LOCKED: i32 = 6;
    const READONLY: i32 = 8;
    const CORRUPT: i32 = 11;
    const FULL: i32 = 13;
    const CANTOPEN: i32 = 14;
    const NOTADB: i32 = 26;
    const PERM: i32 = 3;
    const AUTH: i32 = 23;
    /// The shared-memory file beside the database cannot grow: in practice a full disk.
    const IOERR_SHMSIZE: i32 = 10 | (19 << 8);
    match (code, code & 0xff) {
        (IOERR_SHMSIZE, _) | (_, FULL) => StoreError::Full(message),
        (_, BUSY | LOCKED) => StoreError::Busy(message),
        (_, READONLY | CORRUPT | CANTOPEN | NOTADB | PERM | AUTH) => StoreError::Unusable(message),
        _ => StoreError::Failed(message),
    }
}

fn pool(options: &Options) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        // A connection to a file does not go stale, and one to memory must not end.
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(options.busy_timeout.max(Duration::from_secs(1)) * 2)
}

fn writer_pool(state: &Arc<WriterState>, options: &Options) -> SqlitePoolOptions {
    let (connected, released) = (state.clone(), state.clone());
    let max_size = options.max_size;
    pool(options)
        .max_connections(1)
        .after_connect(move |connection, _| {
            connected.open.store(false, Ordering::Release);
            connected.relaxed.store(false, Ordering::Release);
            Box::pin(async move {
                if let Some(bytes) = max_size {
                    let page: i64 = sqlx::query_scalar("pragma page_size").fetch_one(&mut *connection).await?;
                    let pages = i64::try_from(bytes).unwrap_or(i64::MAX) / page.max(1);
                    let limit = sqlx::AssertSqlSafe(format!("pragma max_page_count = {}", pages.max(1)));
                    connection.execute(limit).await?;
                }
                Ok(())
            })
        })
        // Rolls back what was not committed, at once, so that the lock is free. Not sqlx's own transaction: after an error
        // on which SQLite has rolled back by itself (a full disk), that one counts a transaction that is no more and refuses
        // to begin another.
        .after_release(move |connection, _| {
            let open = released.open.swap(false, Ordering::AcqRel);
            Box::pin(async move {
                if open && let Err(error) = connection.execute("rollback").await {
                    tracing::trace!(%error, "nothing to roll back");
                }
                Ok(true)
            })
        })
}

/// Makes sure that the file exists, readable for its owner only, and its folder with it. An existing file keeps its mode.
fn create_private(path: &Path) -> Result<(), StoreError> {
    let failed = |error: io::Error| {
        let message = format!("{}: {error}", path.display());
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full(message),
            _ => StoreError::Unusable(message),
        }
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder).map_err(failed)?;
    }
    let mut file = fs::OpenOptions::new();
    file.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
    match file.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(failed(error)),
    }
}
