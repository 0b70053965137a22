//! All SQL of aikit, behind two types.
//!
//! * [`TenantStore`] is the data of one tenant. [`Database::enter`] is the only way to one; none of its methods takes a
//!   tenant, because a parameter that does not exist cannot be wrong. A foreign thing and a missing thing give the same
//!   answer.
//! * [`Admin`] creates and lists tenants. It cannot see what a tenant holds.
//!
//! A store cannot be made, only entered:
//!
//! ```
//! # use aikit_core::{Scope, TenantId, UserId, record::StoreError};
//! use aikit_storage::{Database, NewTenant};
//!
//! # async fn example() -> Result<(), StoreError> {
//! let database = Database::memory().await?;
//! let acme = TenantId::new("acme").unwrap();
//! database.admin().create_tenant(NewTenant::new(acme.clone(), "Acme")).await?;
//! let store = database.enter(&Scope::new(acme, UserId::new("ada").unwrap()), "cli").await?;
//! store.kv_set("greeting", &"hello".into()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! ```compile_fail,E0451
//! # use aikit_storage::TenantStore;
//! fn forge(scope: aikit_core::Scope) -> TenantStore {
//!     TenantStore { engine: Default::default(), scope, kind: "cli".into() }
//! }
//! ```
//!
//! Nor can its tenant be changed, or named in a call:
//!
//! ```compile_fail,E0616
//! fn move_over(store: &mut aikit_storage::TenantStore, other: aikit_core::Scope) {
//!     store.scope = other;
//! }
//! ```
//!
//! ```compile_fail,E0061
//! async fn peek(store: &aikit_storage::TenantStore, other: &aikit_core::TenantId) {
//!     let _ = store.kv_get(other, "key").await;
//! }
//! ```
//!
//! And the administrator has no data:
//!
//! ```compile_fail,E0599
//! async fn peek(admin: &aikit_storage::Admin) {
//!     let _ = admin.kv_get("key").await;
//! }
//! ```

mod admin;
mod codec;
mod database;
mod failure;
mod glob;
mod migrate;
mod sqlite;
mod tenant;

pub use admin::{Admin, NewTenant};
pub use database::{Database, Options};
pub use tenant::TenantStore;
