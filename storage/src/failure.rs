use aikit_core::record::StoreError;

/// What can end an operation inside this crate. Database errors become a [`StoreError`] at one place, where the name of
/// the database is known: [`crate::sqlite::Engine::settle`].
#[derive(Debug)]
pub(crate) enum Failure {
    Sql(sqlx::Error),
    Store(StoreError),
    /// A row that was read is not what was written.
    Damaged(String),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Failure::Sql(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Failure::Store(error)
    }
}

impl Failure {
    pub(crate) fn not_found(what: &'static str, name: impl ToString) -> Self {
        Failure::Store(StoreError::NotFound { what, name: name.to_string() })
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Failure::Store(StoreError::Conflict(message.into()))
    }

    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Failure::Store(StoreError::Failed(message.into()))
    }
}
