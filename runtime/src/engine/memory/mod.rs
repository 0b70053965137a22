//! What agents remember: steps, tools of the model and host calls become operations ([`Op`]) that are performed in one place
//! ([`Desk`]). In a run each is an effect and passes the gate.

mod embedding;
mod host;
mod knowledge;
mod op;
mod redact;
mod steps;
mod write;

pub(super) use self::{
    embedding::offline,
    op::{Desk, Found, Op},
};
