//! Failures of a cell, in the words and lines of the cell.

use aikit_core::{Diagnostic, ErrorKind, LineIndex, RunError, render};

use crate::{
    cell::CellError,
    engine::tools::stopped,
    ports::{ScriptError, StopCause},
};

/// A document or a magic that was refused: every finding with its excerpt.
pub(super) fn diagnostics(ename: &str, name: &str, source: &str, list: &[Diagnostic]) -> Box<CellError> {
    let index = LineIndex::new(source);
    let errors = list.iter().filter(|d| d.is_error()).count();
    let first = list.iter().find(|d| d.is_error()).or(list.first());
    let evalue = match first {
        Some(first) if errors > 1 => format!("{} [{}] (and {} more)", first.message, first.code, errors - 1),
        Some(first) => format!("{} [{}]", first.message, first.code),
        None => "the cell was refused".into(),
    };
    let traceback = list
        .iter()
        .flat_map(|d| render::plain(d, name, source, &index).lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    Box::new(CellError {
        ename: ename.into(),
        evalue,
        traceback,
        diagnostics: list.to_vec(),
        trace: Vec::new(),
        cause: None,
    })
}

/// An error of the engine.
pub(super) fn run(error: RunError) -> Box<CellError> {
    if error.kind == ErrorKind::Cancelled {
        return interrupted(false);
    }
    let mut traceback = vec![format!("{}: {}", error.kind, error.message)];
    traceback.extend(error.trace.iter().map(|place| format!("  at {}, line {}", place.source, place.line)));
    traceback.extend(error.help.iter().map(|help| format!("help: {help}")));
    Box::new(CellError {
        ename: error.kind.code().into(),
        evalue: error.message.clone(),
        traceback,
        diagnostics: Vec::new(),
        trace: error.trace.clone(),
        cause: Some(error),
    })
}

/// A person's interrupt; `lost` when the interpreter had to be killed.
pub(super) fn interrupted(lost: bool) -> Box<CellError> {
    let evalue = if lost { LOST } else { "interrupted" };
    Box::new(CellError {
        ename: "KeyboardInterrupt".into(),
        evalue: evalue.into(),
        traceback: vec![format!("KeyboardInterrupt: {evalue}")],
        diagnostics: Vec::new(),
        trace: Vec::new(),
        cause: None,
    })
}

const LOST: &str =
    "interrupted; the interpreter did not react and was restarted: its globals are gone, `vars` are back";

/// A script that was stopped from outside.
pub(super) fn stop(cause: StopCause, state_lost: bool) -> Box<CellError> {
    if cause == StopCause::Interrupt {
        return interrupted(state_lost);
    }
    let mut error = stopped(cause);
    if state_lost {
        error.message.push_str("; the interpreter was restarted: its globals are gone, `vars` are back");
    }
    run(error)
}

/// A script that threw.
pub(super) fn script(error: ScriptError) -> Box<CellError> {
    if error.cause.as_ref().is_some_and(|cause| cause.kind == ErrorKind::Cancelled) {
        return interrupted(false);
    }
    let (ename, evalue) = match &error.cause {
        Some(cause) => (cause.kind.code().to_owned(), cause.message.clone()),
        None => (error.name.clone(), error.message.clone()),
    };
    let mut traceback = vec![format!("{ename}: {evalue}")];
    let inner = error.cause.iter().flat_map(|cause| &cause.trace);
    traceback.extend(inner.chain(&error.trace).map(|place| match place.column {
        Some(column) => format!("  at {}, line {}, column {column}", place.source, place.line),
        None => format!("  at {}, line {}", place.source, place.line),
    }));
    traceback.extend(error.cause.iter().filter_map(|cause| cause.help.as_ref()).map(|help| format!("help: {help}")));
    Box::new(CellError { ename, evalue, traceback, diagnostics: Vec::new(), trace: error.trace, cause: error.cause })
}

/// A magic that was used in a wrong way, or names something that does not exist.
pub(super) fn usage(evalue: impl Into<String>, help: &str) -> Box<CellError> {
    let evalue = evalue.into();
    Box::new(CellError {
        ename: "MagicError".into(),
        traceback: vec![format!("MagicError: {evalue}"), format!("help: {help}")],
        evalue,
        diagnostics: Vec::new(),
        trace: Vec::new(),
        cause: None,
    })
}
