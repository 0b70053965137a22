//! What the engine's ports are bound to.

pub mod secrets;
pub mod store;
