//! The JavaScript interpreter against a host in memory.

mod alike;
mod any;
mod debug;
mod host;
mod live;
mod stopping;
mod surface;
mod values;
