//! Cells under a debugger. What a person wants to stop at outlives each cell; a [`Debugger`] of its own holds the one that
//! runs.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Breakpoint, DebugEvent, Debugger, Filters, Frame, FrameKind, Move, ScriptProbe};

/// The text of a cell and the line (from 1) of it that is meant.
pub type CellLine = (Arc<str>, u32);

/// The debugger of a session's cells.
pub struct CellDebugger {
    inner: Mutex<Inner>,
    tell: mpsc::UnboundedSender<DebugEvent>,
}

#[derive(Default)]
struct Inner {
    on: bool,
    filters: Filters,
    /// What is to stop, by the text of the cell.
    wanted: BTreeMap<Arc<str>, Vec<Breakpoint>>,
    /// The scripts that ran, by name.
    scripts: BTreeMap<String, Arc<str>>,
    /// The documents that were stored, by agent and version: the cell, and how many of its lines stand before them.
    documents: BTreeMap<String, (Arc<str>, u32)>,
    current: Option<Current>,
}

/// The cell that runs.
struct Current {
    debugger: Arc<Debugger>,
    /// The cell with the document whose agent runs, and how many of its lines stand before that.
    document: Option<(Arc<str>, u32)>,
}

/// A cell that runs under a debugger, until this is dropped.
pub struct HeldCell {
    cells: Arc<CellDebugger>,
    /// Its debugger.
    pub debugger: Arc<Debugger>,
}

impl Drop for HeldCell {
    fn drop(&mut self) {
        self.cells.lock().current = None;
    }
}

impl CellDebugger {
    /// One that is off.
    pub fn new(tell: mpsc::UnboundedSender<DebugEvent>) -> Arc<Self> {
        Arc::new(Self { inner: Mutex::default(), tell })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From here on cells are debugged.
    pub fn start(&self) {
        self.lock().on = true;
    }

    /// From here on they are not; a cell that stands still goes on.
    pub fn stop(&self) {
        let current = {
            let mut inner = self.lock();
            inner.on = false;
            inner.wanted.clear();
            inner.filters = Filters::default();
            inner.apply();
            inner.current.as_ref().map(|current| current.debugger.clone())
        };
        // One that does not stand still goes on anyway.
        while let Some(Ok(Some(_))) = current.as_ref().map(|debugger| debugger.go(Move::On)) {}
    }

    /// Whether cells are debugged.
    pub fn is_on(&self) -> bool {
        self.lock().on
    }

    /// Replaces the breakpoints of a cell.
    pub fn set_lines(&self, cell: &str, breakpoints: Vec<Breakpoint>) {
        let mut inner = self.lock();
        if breakpoints.is_empty() {
            inner.wanted.remove(cell);
        } else {
            inner.wanted.insert(cell.into(), breakpoints);
        }
        inner.apply();
    }

    /// Which failures stop a cell.
    pub fn set_filters(&self, filters: Filters) {
        let mut inner = self.lock();
        inner.filters = filters;
        inner.apply();
    }

    /// The debugger of the cell that runs.
    pub fn current(&self) -> Option<Arc<Debugger>> {
        self.lock().current.as_ref().map(|current| current.debugger.clone())
    }

    /// In which cell a frame stands.
    pub fn place(&self, frame: &Frame) -> Option<CellLine> {
        let inner = self.lock();
        // The frame below those of a script is the cell.
        let script = frame.script.as_ref().map_or(&frame.name, |(script, _)| script);
        let known = frame.script.is_some() || frame.kind == FrameKind::Run;
        if let Some(cell) = inner.scripts.get(script).filter(|_| known) {
            return Some((cell.clone(), frame.line));
        }
        let (cell, before) = inner.current.as_ref()?.document.clone()?;
        Some((cell, frame.line + before))
    }

    /// A cell has stored a document, which begins behind some lines of it.
    pub fn stored(&self, agent: String, cell: &str, before: u32) {
        self.lock().documents.insert(agent, (cell.into(), before));
    }

    /// A script begins that is a cell; the probe holds it, if cells are debugged.
    pub fn script(
        self: &Arc<Self>,
        name: &str,
        cell: &str,
        cancel: &CancellationToken,
    ) -> Option<(HeldCell, ScriptProbe)> {
        let held = {
            let mut inner = self.lock();
            // Also without a debugger: its functions may be called by a cell that has one.
            inner.scripts.insert(name.to_owned(), cell.into());
            self.enter(&mut inner, name, None, cancel)?
        };
        let probe = held.debugger.cell();
        Some((held, probe))
    }

    /// A cell begins that runs an agent.
    pub fn run(self: &Arc<Self>, agent: &str, cancel: &CancellationToken) -> Option<HeldCell> {
        let mut inner = self.lock();
        let document = inner.documents.get(agent).cloned();
        self.enter(&mut inner, agent, document, cancel)
    }

    fn enter(
        self: &Arc<Self>,
        inner: &mut Inner,
        name: &str,
        document: Option<(Arc<str>, u32)>,
        cancel: &CancellationToken,
    ) -> Option<HeldCell> {
        if !inner.on {
            return None;
        }
        let debugger = Arc::new(Debugger::new(self.tell.clone(), cancel.clone()));
        debugger.begin(name, json!({}));
        inner.current = Some(Current { debugger: debugger.clone(), document });
        inner.apply();
        Some(HeldCell { cells: self.clone(), debugger })
    }
}

impl Inner {
    /// Tells the cell that runs what is wanted now.
    fn apply(&self) {
        let Some(Current { debugger, document }) = &self.current else { return };
        let mut lines = Vec::new();
        for (name, cell) in &self.scripts {
            let own = self.wanted.get(cell).into_iter().flatten();
            lines.extend(own.map(|one| Breakpoint { source: Some(name.clone()), ..one.clone() }));
        }
        if let Some((cell, before)) = document {
            let inside = self.wanted.get(cell).into_iter().flatten().filter(|one| one.line > *before);
            lines.extend(inside.map(|one| Breakpoint { line: one.line - before, ..one.clone() }));
        }
        debugger.set_lines(lines);
        debugger.set_filters(self.filters);
    }
}
