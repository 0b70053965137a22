//! What the engine's ports are bound to.

pub mod store;
