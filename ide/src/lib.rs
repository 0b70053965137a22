//! Editor features as plain data over a text: completion and hover of documents and of cells. Nothing here knows a protocol,
//! nothing blocks, nothing fails: where nothing is known, nothing is offered. Places are byte offsets.

pub mod cell;
mod complete;
mod hover;
mod names;
mod outline;
mod refs;
mod site;
mod structure;

pub use crate::{
    complete::{Completion, CompletionKind, complete},
    hover::{Hover, hover},
    names::Surroundings,
    refs::{Symbol, is_name, path_at, symbol_at, symbols},
    structure::{folds, selections},
};
pub use aikit_spec::{CheckContext, Checked, OutlineItem};
