//! The vocabulary that every aikit crate shares. No I/O, no runtime, no protocol.
//!
//! * [`ids`] and [`Scope`]: who acts, checked at the door, so that the inside never sees a malformed name.
//! * [`TextRange`] and [`LineIndex`]: places in source text.
//! * [`Diagnostic`] and [`DiagnosticCode`]: what is wrong, where, and what would fix it, the same in every face.
//! * [`RunError`] and [`ErrorKind`]: the closed taxonomy of what can go wrong while a run executes.
//! * [`memory`]: what agents remember.
//! * [`record`]: the rows that the store keeps, free of SQL.
//! * [`surface`]: what Lua and JavaScript can call, defined once.

pub mod codes;
mod diagnostic;
mod error;
pub mod ids;
mod language;
pub mod memory;
pub mod record;
pub mod render;
mod scope;
pub mod surface;
mod text;

pub use codes::DiagnosticCode;
pub use diagnostic::{Diagnostic, Edit, Fix, Related, Severity};
pub use error::{ErrorKind, Place, RunError};
pub use ids::{AgentId, ApplicationId, InvalidId, RunId, SessionId, TenantId, UserId};
pub use language::Language;
pub use scope::Scope;
pub use text::{LineIndex, Position, TextRange};
