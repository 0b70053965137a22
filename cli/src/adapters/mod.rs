//! What the engine's ports are bound to.

pub mod debug;
pub mod memory;
pub mod secrets;
pub mod store;
