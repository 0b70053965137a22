//! The JavaScript interpreter against a host in memory.

mod any;
mod host;
mod live;
mod stopping;
mod surface;
mod values;
