//! What the interpreter's Rust functions share while a script runs.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aikit_core::Place;
use aikit_runtime::scripts::engine::EngineHost;

use crate::vars::Cached;

/// How many scripts are remembered by name, for functions that outlive the cell that defined them.
const SOURCES: usize = 10_000;

/// Shared by all functions of one interpreter.
#[derive(Clone, Default)]
pub(crate) struct State(Arc<Mutex<Inner>>);

#[derive(Default)]
pub(crate) struct Inner {
    /// The host of the running script.
    pub host: Option<Arc<dyn EngineHost>>,
    /// How often the hook asked the running script to stop.
    pub stops: u64,
    /// Instructions run so far, and at most.
    pub ticks: u64,
    pub budget: Option<u64>,
    /// Where the last error was raised, innermost first.
    pub trace: Vec<Place>,
    /// Shared values that were read as tables, by name.
    pub cached: HashMap<String, Cached>,
    sources: VecDeque<(String, u32)>,
    first_source: u64,
}

impl State {
    pub fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The host of the running script; functions that outlive a run find none.
    pub fn host(&self) -> mlua::Result<Arc<dyn EngineHost>> {
        self.lock().host.clone().ok_or_else(|| mlua::Error::runtime("no script is running"))
    }
}

impl Inner {
    /// Registers a script and gives the chunk name under which Lua knows it.
    pub fn add_source(&mut self, name: &str, line_offset: u32) -> String {
        if self.sources.len() == SOURCES {
            self.sources.pop_front();
            self.first_source += 1;
        }
        let number = self.first_source + self.sources.len() as u64;
        self.sources.push_back((name.to_owned(), line_offset));
        format!("=\u{1}{number}")
    }

    /// The place that a chunk name and a line mean to a person.
    pub fn place(&self, chunk: &str, line: u32) -> Option<Place> {
        let number: u64 = chunk.trim_start_matches('=').strip_prefix('\u{1}')?.parse().ok()?;
        let (source, offset) = self.sources.get(usize::try_from(number.checked_sub(self.first_source)?).ok()?)?;
        Some(Place { source: source.clone(), line: line + offset, column: None })
    }
}
