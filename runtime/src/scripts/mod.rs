//! Scripts behind the [`Scripts`](crate::ports::Scripts) port: what an interpreter has to offer ([`engine`]), what it can
//! show ([`display`]), interpreters
//! on threads of this process ([`ThreadScripts`]), and in a worker process that can be killed ([`ProcessScripts`]).

pub mod display;
pub mod engine;
mod process;
mod protocol;
mod sandbox;
mod threads;
pub mod worker;

pub use process::ProcessScripts;
pub use threads::ThreadScripts;
