//! Editor features as plain data over immutable [`Snapshot`]s of documents, and over cells. Nothing here knows a protocol,
//! nothing blocks, nothing fails: where nothing is known, nothing is offered. Places are byte offsets.

mod actions;
pub mod cell;
mod complete;
mod graph;
mod hints;
mod hover;
mod index;
mod interface;
mod lexer;
mod names;
mod navigate;
mod outline;
mod scripts;
mod site;
mod snapshot;
mod structure;
mod tokens;
mod workspace;

pub use crate::{
    actions::{Action, ActionKind, actions, quick_fixes},
    complete::{Completion, CompletionKind, complete},
    graph::{GraphBranch, GraphStep, graph},
    hints::{Inlay, Lens, LensAction, Link, inlays, lenses, links},
    hover::{Hover, hover},
    index::{Occurrence, Role, Symbol, SymbolKind},
    interface::{Case, Example, Interface, interface},
    names::Surroundings,
    navigate::{RenameError, declared, definition, prepare_rename, references, rename, symbol_at},
    scripts::{Script, Signature, scripts, signature},
    snapshot::Snapshot,
    structure::{DocumentSymbol, Fold, FoldKind, document_symbols, folds, selections},
    tokens::{Token, TokenKind, tokens},
    workspace::{Location, Workspace, WorkspaceSymbol},
};
pub use aikit_spec::{CheckContext, Checked, OutlineItem, compose::Setting};
