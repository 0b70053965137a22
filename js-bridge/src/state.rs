//! What the interpreter's Rust functions share while a script runs.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    rc::Rc,
    sync::Arc,
    time::Instant,
};

use aikit_core::{ErrorKind, Place, RunError};
use aikit_runtime::{
    ports::{StopCause, Vars},
    scripts::{display::Emitter, engine::EngineHost},
};
use boa_engine::{
    Context, JsObject, JsSymbol, JsValue, builtins::promise::ResolvingFunctions, job::Job,
    object::builtins::JsFunction, property::PropertyKey,
};

use crate::{debug::Debugging, probes::Table, source::Map, vars::Cached};

/// How many scripts are remembered by name, for functions that outlive the cell that defined them.
const SOURCES: usize = 2000;
/// What a call of the guard counts of the instruction budget.
const GUARD_COST: u64 = 10;

/// Shared by all functions of one interpreter.
#[derive(Clone, Default)]
pub(crate) struct State(Rc<Inner>);

#[derive(Default)]
pub(crate) struct Inner {
    /// The host of the running script.
    host: RefCell<Option<Arc<dyn EngineHost>>>,
    /// The shared values of the session, once a script has run.
    pub vars: RefCell<Option<Vars>>,
    /// Shared values that were read as objects, by name.
    pub cached: RefCell<BTreeMap<String, Cached>>,
    /// What the rich outputs of the running script remember.
    pub emitter: RefCell<Emitter>,
    /// Calls of the host that are not answered yet.
    pub calls: RefCell<HashMap<u64, Call>>,
    /// Answers that arrived while the script waited for another one.
    pub answers: RefCell<VecDeque<(u64, Result<serde_json::Value, RunError>)>>,
    /// Promise reactions that are due.
    pub jobs: RefCell<VecDeque<Job>>,
    /// Timers of the running script.
    pub timers: RefCell<Timers>,
    /// Rejected promises that nobody handles.
    pub rejected: RefCell<Vec<JsObject>>,
    /// The key under which an `Error` carries the host error that it stands for.
    pub error_mark: RefCell<Option<JsSymbol>>,
    /// The object behind `vars`.
    pub vars_object: RefCell<Option<JsObject>>,
    /// The built-in functions that ours call.
    pub builtins: RefCell<Builtins>,
    /// Globals that were declared by `const`.
    pub constants: RefCell<HashSet<String>>,
    /// The object behind `ctx`, kept when a script gives the name another value.
    pub ctx: RefCell<Option<JsObject>>,
    /// Instructions run so far, and at most.
    spent: Cell<u64>,
    budget: Cell<Option<u64>>,
    /// State of the generator behind `Math.random` in isolated scripts, whose clock is the host's as well.
    pub seed: Cell<Option<u64>>,
    /// The debugger's hold on the running script.
    pub debugging: RefCell<Option<Debugging>>,
    /// Whether there is one.
    pub debugged: Cell<bool>,
    /// The names of the language's and the host's globals.
    pub known: RefCell<HashSet<PropertyKey>>,
    /// Where scripts can stand still, by the number of their first place.
    tables: RefCell<Vec<Rc<Table>>>,
    sources: RefCell<Sources>,
}

/// A call that the host has not answered yet.
pub(crate) struct Call {
    pub functions: ResolvingFunctions,
    pub called_at: Option<Place>,
}

/// Functions of the language, taken before a script could replace them.
#[derive(Default)]
pub(crate) struct Builtins {
    pub function_text: Option<JsFunction>,
}

/// Timers that are set.
#[derive(Default)]
pub(crate) struct Timers {
    next: u32,
    set: BTreeMap<u32, Timer>,
}

/// A function to call later.
pub(crate) struct Timer {
    pub due: Instant,
    pub every: Option<std::time::Duration>,
    pub task: Task,
}

/// What a timer does.
pub(crate) enum Task {
    /// Calls a function of the script.
    Call { function: JsFunction, args: Vec<JsValue> },
    /// Runs a job of the interpreter.
    Job(Job),
}

impl Timers {
    pub fn set(&mut self, timer: Timer) -> u32 {
        self.next = self.next.wrapping_add(1);
        self.set.insert(self.next, timer);
        self.next
    }

    pub fn clear(&mut self, id: u32) {
        self.set.remove(&id);
    }

    pub fn clear_all(&mut self) {
        self.set.clear();
    }

    /// When the next timer is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.set.values().map(|timer| timer.due).min()
    }

    /// Takes the timer that is due first, with its id.
    pub fn take_due(&mut self, now: Instant) -> Option<(u32, Timer)> {
        let (_, id) = self.set.iter().filter(|(_, timer)| timer.due <= now).map(|(id, t)| (t.due, *id)).min()?;
        self.set.remove(&id).map(|timer| (id, timer))
    }

    /// Sets a repeating timer again.
    pub fn again(&mut self, id: u32, timer: Timer) {
        self.set.insert(id, timer);
    }
}

#[derive(Default)]
struct Sources {
    known: HashMap<String, Known>,
    order: VecDeque<String>,
}

/// A script that ran.
struct Known {
    name: String,
    code: String,
    map: Map,
}

impl std::ops::Deref for State {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl State {
    /// The state of the interpreter that a function was called in.
    pub fn of(context: &Context) -> State {
        context.get_data::<State>().cloned().unwrap_or_default()
    }

    /// The host of the running script; functions that outlive a run find none.
    pub fn host(&self) -> Result<Arc<dyn EngineHost>, RunError> {
        self.0.host.borrow().clone().ok_or_else(|| RunError::new(ErrorKind::ScriptError, "no script is running"))
    }

    /// Begins a script.
    pub fn begin(&self, host: &Arc<dyn EngineHost>, budget: Option<u64>) {
        self.spent.set(0);
        self.budget.set(budget);
        *self.emitter.borrow_mut() = Emitter::default();
        *self.vars.borrow_mut() = Some(host.vars().clone());
        *self.host.borrow_mut() = Some(host.clone());
    }

    /// Ends a script: nothing of it is left to happen.
    pub fn end(&self) {
        *self.host.borrow_mut() = None;
        self.calls.borrow_mut().clear();
        self.answers.borrow_mut().clear();
        self.jobs.borrow_mut().clear();
        self.timers.borrow_mut().clear_all();
        self.rejected.borrow_mut().clear();
    }

    /// Counts instructions and tells whether the script has to stop.
    pub fn tick(&self, instructions: u64) -> bool {
        let spent = self.spent.get().saturating_add(instructions);
        self.spent.set(spent);
        let host = self.0.host.borrow();
        let Some(host) = host.as_ref() else { return false };
        if self.budget.get().is_some_and(|budget| spent > budget) {
            host.stop().raise(StopCause::Instructions);
        }
        host.stop().raised().is_some()
    }

    /// What the guard in loops and functions does.
    pub fn guard(&self) -> bool {
        self.tick(GUARD_COST)
    }

    /// Registers a script and gives the name under which the interpreter knows it.
    pub fn add_source(&self, name: &str, code: &str, map: Map) -> String {
        let chunk: String =
            name.chars().map(|c| if c.is_control() || c == '(' || c == ')' { ' ' } else { c }).collect();
        let mut sources = self.sources.borrow_mut();
        let known = Known { name: name.to_owned(), code: code.to_owned(), map };
        if sources.known.insert(chunk.clone(), known).is_none() {
            sources.order.push_back(chunk.clone());
            if sources.order.len() > SOURCES
                && let Some(oldest) = sources.order.pop_front()
            {
                sources.known.remove(&oldest);
            }
        }
        chunk
    }

    /// The number of the first place of the next script.
    pub fn next_site(&self) -> u32 {
        self.tables.borrow().last().map_or(0, |table| table.base + table.len())
    }

    /// Keeps the places of a script.
    pub fn add_table(&self, table: Table) {
        let mut tables = self.tables.borrow_mut();
        tables.push(Rc::new(table));
        if tables.len() > SOURCES {
            tables.remove(0);
        }
    }

    /// The script in which a place is.
    pub fn table(&self, site: u32) -> Option<Rc<Table>> {
        let tables = self.tables.borrow();
        let before = tables.partition_point(|table| table.base <= site);
        tables.get(before.checked_sub(1)?).cloned()
    }

    /// The places of the last script of a name that the interpreter knows.
    pub fn table_of(&self, chunk: &str) -> Option<Rc<Table>> {
        self.tables.borrow().iter().rev().find(|table| table.chunk == chunk).cloned()
    }

    /// The places of the last script of a name that people know.
    pub fn table_of_source(&self, name: &str) -> Option<Rc<Table>> {
        let named = |table: &&Rc<Table>| self.source_of(&table.chunk).is_some_and(|source| source == name);
        self.tables.borrow().iter().rev().find(named).cloned()
    }

    /// What people call a script.
    pub fn source_of(&self, chunk: &str) -> Option<String> {
        Some(self.sources.borrow().known.get(chunk)?.name.clone())
    }

    /// The source, line and column that a place of a chunk means; `None` for what was put around it.
    pub fn located(&self, chunk: &str, line: u32, column: u32) -> Option<(String, u32, u32)> {
        let sources = self.sources.borrow();
        let known = sources.known.get(chunk)?;
        let (line, column) = known.map.locate(line, column)?;
        Some((known.name.clone(), line, column))
    }

    /// The place that a chunk, a line and a column mean to a person. Where `name` is not defined there, the place at
    /// which the name stands.
    pub fn place(&self, chunk: &str, position: Option<(u32, u32)>, name: Option<&str>) -> Option<Place> {
        let sources = self.sources.borrow();
        let Known { name: source, code, map } = sources.known.get(chunk)?;
        let place = position.and_then(|(line, column)| map.locate(line, column));
        let named = name.and_then(|name| map.find(code, name, place));
        let (line, column) = match named.or(place) {
            Some((line, column)) => (line, Some(column)),
            None => (map.only_line(code)?, None),
        };
        Some(Place { source: source.clone(), line, column })
    }
}
