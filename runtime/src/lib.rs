//! Runs a plan or a cell in a session. The journal is the run: every effect goes through one gate that records it;
//! everything else is a pure function of the plan, the inputs and the journal.

pub mod cassette;
pub mod cell;
pub mod debug;
pub mod engine;
pub mod event;
mod gate;
pub mod journal;
pub mod past;
pub mod people;
pub mod ports;
mod quota;
mod recorded;
pub mod scripts;
pub mod session;
mod stop;
pub mod testing;
pub mod validate;
pub mod view;
