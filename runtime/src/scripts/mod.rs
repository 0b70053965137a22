//! Scripts behind the [`Scripts`](crate::ports::Scripts) port: what an interpreter has to offer ([`engine`]), and where
//! interpreters live.

pub mod engine;
