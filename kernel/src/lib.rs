//! A Jupyter kernel over any [`aikit_runtime::cell::CellEngine`]: the wire, the channels, the order of things. It knows
//! nothing of agents; cells are the engine's, editor features are `aikit_ide`'s.

mod comm;
mod complete;
pub mod connection;
mod control;
mod core;
mod debug;
mod execute;
mod history;
pub mod info;
pub mod inprocess;
mod iopub;
mod kernel;
pub mod message;
pub mod notebook;
mod orphan;
mod request;
mod shell;
mod sockets;
mod stdin;
pub mod stdio;
mod transport;
pub mod wire;

pub use crate::{
    comm::VARS_TARGET,
    core::ExitReason,
    debug::{DebugPort, SharedDebugger},
    kernel::{KernelError, KernelHandle, KernelOptions, Limits, Remote, start},
};
