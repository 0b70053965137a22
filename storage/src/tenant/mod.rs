//! The data of one tenant.

mod events;
mod facts;
mod history;
mod knowledge;
mod kv;
mod memory;
mod runs;
mod session;
mod specs;

use std::sync::Arc;

use aikit_core::{
    Scope,
    record::{StoreError, TenantRecord},
};

use crate::{admin, sqlite::Engine};

/// The data that one scope sees. Made by [`Database::enter`](crate::Database::enter) alone. Every statement carries the
/// tenant of the scope, which cannot be changed.
#[derive(Debug, Clone)]
pub struct TenantStore {
    engine: Arc<Engine>,
    scope: Scope,
    /// What opened the session.
    kind: String,
}

impl TenantStore {
    pub(crate) fn new(engine: Arc<Engine>, scope: Scope, kind: String) -> Self {
        Self { engine, scope, kind }
    }

    /// The scope that was entered.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The tenant of this scope.
    pub async fn tenant(&self) -> Result<TenantRecord, StoreError> {
        let outcome = async {
            let mut connection = self.engine.read().await?;
            admin::fetch(&mut connection, &self.scope.tenant).await
        };
        self.engine.settle(outcome.await)
    }
}
