//! What the interpreter's Rust functions share while a script runs.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aikit_core::Place;
use aikit_runtime::{
    ports::Vars,
    scripts::{display::Emitter, engine::EngineHost},
};

use crate::{debug::Debugging, vars::Cached};

/// How many scripts are remembered by name, for functions that outlive the cell that defined them.
const SOURCES: usize = 10_000;

/// The longest chunk name that Lua shows whole.
const NAME: usize = 56;

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
    /// The shared values of the session, once a script has run.
    pub vars: Option<Vars>,
    /// What the rich outputs of the running script remember.
    pub emitter: Emitter,
    /// The debugger of the running script, if there is one.
    pub debugging: Option<Debugging>,
    /// Chunk names as Lua shows them, and what they stand for.
    sources: HashMap<String, String>,
    order: VecDeque<String>,
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
    /// Registers a script and gives the chunk name under which Lua knows it: its own, or the end of a long one.
    pub fn add_source(&mut self, name: &str) -> String {
        let mut start = name.len().saturating_sub(NAME);
        while !name.is_char_boundary(start) {
            start += 1;
        }
        let chunk = name[start..].replace(['\n', '\r'], " ");
        if self.sources.insert(chunk.clone(), name.to_owned()).is_none() {
            self.order.push_back(chunk.clone());
            if self.order.len() > SOURCES
                && let Some(oldest) = self.order.pop_front()
            {
                self.sources.remove(&oldest);
            }
        }
        chunk
    }

    /// The place that a chunk name and a line mean to a person.
    pub fn place(&self, chunk: &str, line: u32) -> Option<Place> {
        let source = self.sources.get(chunk)?;
        Some(Place { source: source.clone(), line, column: None })
    }

    /// Takes `chunk:line: ` off the front of a message of Lua.
    pub fn split_place<'t>(&self, text: &'t str) -> (Option<Place>, &'t str) {
        let found = self.sources.keys().find_map(|chunk| {
            let (line, message) = text.strip_prefix(chunk.as_str())?.strip_prefix(':')?.split_once(':')?;
            Some((self.place(chunk, line.parse().ok()?)?, message.trim_start()))
        });
        match found {
            Some((place, message)) => (Some(place), message),
            None => (None, text),
        }
    }
}
