//! A Lua script under a debugger: the hook decides where it stands still, the thread waits inside the hook for orders.
//! Lines are looked at only while something needs them.

use std::time::{Duration, Instant};

use aikit_core::{Language, Place, RunError};
use aikit_runtime::{
    debug::script::{
        GLOBALS, LOCALS, PAUSED, Resume, ScriptFrame, ScriptOrder, ScriptReason, ScriptReport, ScriptWatch, Shown,
        UPVALUES, WatchedLine, Wishes,
    },
    scripts::engine::{EngineHost, HostEvent},
};
use mlua::{Function, HookTriggers, Lua, Table, Thread, Value, debug::Debug, thread::ThreadStatus};
use serde_json::Value as Json;

use crate::{
    engine::{TICK, hook},
    frames::{self, Variable},
    state::State,
    surface,
    values::{self, Show},
};

/// How many frames are shown.
const FRAMES: usize = 64;
/// How long an expression of a person may run.
const PATIENCE: Duration = Duration::from_secs(2);

/// The globals as an expression in a frame sees them: its variables in front.
const SCOPE: &str = "
local setmetatable = setmetatable
return function(names, values, globals)
    return setmetatable({}, {
        __index = function(_, key)
            if names[key] then return values[key] end
            return globals[key]
        end,
        __newindex = function(_, key, value)
            if names[key] then values[key] = value else globals[key] = value end
        end,
    })
end";

/// Where [`SCOPE`] is kept.
const SCOPE_KEY: &str = "aikit.scope";

/// Prepares a state for debuggers, before any script runs.
pub(crate) fn prepare(lua: &Lua) -> mlua::Result<()> {
    let scope: Function = lua.load(SCOPE).set_name("=[aikit]").eval()?;
    lua.set_named_registry_value(SCOPE_KEY, scope)?;
    values::prepare(lua)
}

/// Until when a script runs on.
#[derive(Debug, Clone)]
enum Until {
    Breakpoint,
    Line,
    /// A line of this coroutine at most this deep, or any line once it has given up the control.
    Depth {
        thread: Thread,
        depth: usize,
    },
}

/// A script's side of the debugger.
pub(crate) struct Debugging {
    wishes: Wishes,
    wanted: ScriptWatch,
    until: Until,
    /// The pauses that have been obeyed.
    pauses: u64,
    /// Since when an expression of the person runs; the hooks are quiet meanwhile.
    evaluating: Option<Instant>,
}

impl Debugging {
    pub fn new(mut wishes: Wishes) -> Self {
        let wanted = wishes.borrow_and_update().clone();
        let until = if wanted.entry { Until::Line } else { Until::Breakpoint };
        let pauses = wanted.pauses;
        Self { wishes, wanted, until, pauses, evaluating: None }
    }

    fn refresh(&mut self) {
        if self.wishes.has_changed().unwrap_or(false) {
            self.wanted = self.wishes.borrow_and_update().clone();
        }
    }

    /// Whether the next line may be the end of a move.
    fn moves(&self) -> bool {
        !matches!(self.until, Until::Breakpoint) || self.wanted.pauses != self.pauses
    }

    /// Whether lines have to be looked at.
    fn needs_lines(&self) -> bool {
        self.moves() || !self.wanted.lines.is_empty()
    }

    /// Whether an expression of the person has run for too long.
    fn is_late(&self) -> bool {
        self.evaluating.is_some_and(|since| since.elapsed() > PATIENCE)
    }
}

/// What the hook looks at.
pub(crate) fn triggers(lines: bool) -> HookTriggers {
    let triggers = HookTriggers::new().every_nth_instruction(TICK);
    if lines { triggers.every_line() } else { triggers }
}

/// Looks at lines from here on, or no more, in the coroutine that runs and those that it makes.
pub(crate) fn arm(lua: &Lua, state: &State) -> mlua::Result<()> {
    let lines = state.lock().debugging.as_ref().is_some_and(Debugging::needs_lines);
    let hooked = state.clone();
    lua.set_global_hook(triggers(lines), move |lua, debug| hook(lua, debug, &hooked))
}

/// Every so many instructions: the person may want something else.
pub(crate) fn on_tick(lua: &Lua, state: &State) -> mlua::Result<()> {
    {
        let mut inner = state.lock();
        let Some(debugging) = &mut inner.debugging else { return Ok(()) };
        if debugging.is_late() {
            return Err(mlua::Error::runtime("the expression took too long"));
        }
        debugging.refresh();
        if debugging.evaluating.is_some() || !debugging.needs_lines() {
            return Ok(());
        }
    }
    arm(lua, state)
}

/// A new line.
pub(crate) fn on_line(lua: &Lua, debug: &Debug<'_>, state: &State) -> mlua::Result<()> {
    let line = debug.current_line().and_then(|line| u32::try_from(line).ok()).unwrap_or(0);
    let (moving, watched, needed) = {
        let mut inner = state.lock();
        match &mut inner.debugging {
            Some(debugging) if debugging.evaluating.is_some() => return Ok(()),
            Some(debugging) => {
                debugging.refresh();
                let watched = debugging.wanted.lines.iter().any(|watched| watched.line == line);
                (debugging.moves(), watched, debugging.needs_lines())
            }
            None => (false, false, false),
        }
    };
    if !needed {
        // A coroutine that was made while lines were looked at.
        return arm(lua, state);
    }
    if !moving && !watched {
        return Ok(());
    }
    let place = debug.source().short_src.and_then(|chunk| state.lock().place(&chunk, line));
    let Some(place) = place else { return Ok(()) };
    let step = moving && arrived(lua, state);
    let paused = state.lock().debugging.as_ref().is_some_and(|debugging| debugging.wanted.pauses != debugging.pauses);
    let hit = if watched { breakpoints(lua, state, &place) } else { Vec::new() };
    let reason = match (hit.is_empty(), paused, step) {
        (false, paused, step) => ScriptReason::Breakpoint { hit, step: step || paused },
        (true, true, _) => ScriptReason::Pause,
        (true, false, true) => ScriptReason::Step,
        (true, false, false) => return Ok(()),
    };
    stop(lua, state, reason)
}

/// An error that nothing in the script catches was raised.
pub(crate) fn on_error(lua: &Lua, state: &State, text: &str) -> mlua::Result<()> {
    let wanted = {
        let mut inner = state.lock();
        let Some(debugging) = &mut inner.debugging else { return Ok(()) };
        debugging.refresh();
        debugging.evaluating.is_none() && debugging.wanted.errors
    };
    // There is no room to look at anything when the stack is full.
    if !wanted || text.contains("stack overflow") {
        return Ok(());
    }
    stop(lua, state, ScriptReason::Error { text: text.to_owned() })
}

/// Whether a move has come to its end.
fn arrived(lua: &Lua, state: &State) -> bool {
    let Some(until) = state.lock().debugging.as_ref().map(|debugging| debugging.until.clone()) else { return false };
    match until {
        Until::Breakpoint => false,
        Until::Line => true,
        Until::Depth { thread, depth } => match thread.status() {
            ThreadStatus::Running => levels(lua, state).len() <= depth,
            // It waits for the coroutine that runs here.
            ThreadStatus::Normal => false,
            ThreadStatus::Resumable | ThreadStatus::Finished | ThreadStatus::Error => true,
        },
    }
}

/// The breakpoints of a line whose conditions hold, with the values that they want.
fn breakpoints(lua: &Lua, state: &State, place: &Place) -> Vec<(u64, Vec<Json>)> {
    let watched: Vec<_> = match &state.lock().debugging {
        Some(debugging) => {
            let here = |watched: &&WatchedLine| {
                watched.line == place.line && watched.source.as_ref().is_none_or(|source| *source == place.source)
            };
            debugging.wanted.lines.iter().filter(here).cloned().collect()
        }
        None => Vec::new(),
    };
    let value = |text: &str| evaluate(lua, state, 0, text);
    let holds = |condition: &Option<String>| match condition {
        None => true,
        Some(text) => value(text).is_ok_and(|value| !matches!(value, Json::Null | Json::Bool(false))),
    };
    let wanted = |texts: &[String]| {
        let values = texts.iter().map(|text| value(text).unwrap_or_else(|error| Json::String(format!("<{error}>"))));
        values.collect()
    };
    watched
        .into_iter()
        .filter(|watched| holds(&watched.condition))
        .map(|watched| (watched.id, wanted(&watched.wanted)))
        .collect()
}

/// Stands still until the order to go on comes.
fn stop(lua: &Lua, state: &State, reason: ScriptReason) -> mlua::Result<()> {
    let host = state.host()?;
    let (frames, globals) = capture(lua, state);
    let mut report = ScriptReport::Stopped { reason, frames, globals };
    loop {
        match ask(host.as_ref(), &report) {
            // The script is being stopped: the hook sees to that.
            Err(_) => return Ok(()),
            Ok(ScriptOrder::Never) => return Ok(()),
            Ok(ScriptOrder::Go { how }) => {
                let (thread, depth) = (lua.current_thread(), levels(lua, state).len());
                if let Some(debugging) = &mut state.lock().debugging {
                    debugging.refresh();
                    debugging.pauses = debugging.wanted.pauses;
                    debugging.until = match how {
                        Resume::On => Until::Breakpoint,
                        Resume::In => Until::Line,
                        Resume::Over => Until::Depth { thread, depth },
                        Resume::Out => Until::Depth { thread, depth: depth.saturating_sub(1) },
                    };
                }
                return arm(lua, state);
            }
            Ok(ScriptOrder::Evaluate { frame, text }) => {
                let result = evaluate(lua, state, frame, &text);
                let (frames, globals) = capture(lua, state);
                report = ScriptReport::Changed { result, frames, globals };
            }
            Ok(ScriptOrder::Page { frame, path, start, count }) => {
                report = ScriptReport::Page { result: page(lua, state, frame, &path, start, count) };
            }
        }
    }
}

fn ask(host: &dyn EngineHost, report: &ScriptReport) -> Result<ScriptOrder, RunError> {
    let report = serde_json::to_value(report).map_err(|_| RunError::cancelled())?;
    let number = host.start(PAUSED, vec![report]);
    loop {
        match host.wait(None) {
            HostEvent::Answer { call, result } if call == number => {
                return serde_json::from_value(result?).map_err(|_| RunError::cancelled());
            }
            HostEvent::Answer { .. } => {}
            HostEvent::Stopped | HostEvent::Deadline => return Err(RunError::cancelled()),
        }
    }
}

/// A function of a script on the stack.
struct Level {
    level: usize,
    name: String,
    source: String,
    line: u32,
}

/// The functions of scripts on the stack, innermost first.
fn levels(lua: &Lua, state: &State) -> Vec<Level> {
    let mut found = Vec::new();
    for level in 0.. {
        let seen = lua.inspect_stack(level, |debug| {
            let (names, source) = (debug.names(), debug.source());
            let name = match (names.name, source.what) {
                (_, "main") => "main".to_owned(),
                (Some(name), _) => name.into_owned(),
                (None, _) => match source.line_defined {
                    Some(line) => format!("function at line {line}"),
                    None => "function".to_owned(),
                },
            };
            (source.short_src.map(|chunk| chunk.into_owned()), debug.current_line(), name)
        });
        let Some((chunk, line, name)) = seen else { break };
        let line = line.and_then(|line| u32::try_from(line).ok());
        if let (Some(chunk), Some(line)) = (chunk, line)
            && let Some(place) = state.lock().place(&chunk, line)
        {
            found.push(Level { level, name, source: place.source, line });
        }
        if found.len() == FRAMES {
            break;
        }
    }
    found
}

/// The frames with their variables, and what is global.
fn capture(lua: &Lua, state: &State) -> (Vec<ScriptFrame>, Shown) {
    let mut show = Show::some(lua);
    let mut frames = Vec::new();
    for Level { level, name, source, line } in levels(lua, state) {
        // A frame that cannot be read is shown without variables.
        let mut group = |group: &str, variables: mlua::Result<Vec<Variable>>| {
            let variables = variables.unwrap_or_default();
            show.variables(group, variables.into_iter().map(|variable| (variable.name, variable.value)))
        };
        let locals = group(LOCALS, frames::locals(lua, level));
        let upvalues = group(UPVALUES, frames::upvalues(lua, level));
        frames.push(ScriptFrame { name, source, language: Language::Lua, line, locals, upvalues });
    }
    let globals = Show::some(lua).variables(GLOBALS, surface::seen(lua, state));
    (frames, globals)
}

/// A page of a table, by the names that lead to it.
fn page(lua: &Lua, state: &State, frame: usize, path: &[String], start: usize, count: usize) -> Result<Json, String> {
    let gone = || "the value is gone".to_owned();
    let [group, name, inner @ ..] = path else { return Err(gone()) };
    let level = levels(lua, state).get(frame).map(|found| found.level).ok_or_else(gone)?;
    let read = |variables: mlua::Result<Vec<Variable>>| {
        let variables = variables.unwrap_or_default();
        variables.into_iter().rev().find(|variable| variable.name == *name).map(|variable| variable.value)
    };
    let root = match group.as_str() {
        LOCALS => read(frames::locals(lua, level)),
        UPVALUES => read(frames::upvalues(lua, level)),
        _ => surface::seen(lua, state).into_iter().find(|(known, _)| known == name).map(|(_, value)| value),
    };
    let found = inner.iter().try_fold(root.ok_or_else(gone)?, |value, name| values::entry(lua, &value, name));
    let shown = values::page(lua, &found.ok_or_else(gone)?, path, start, count)?;
    serde_json::to_value(shown).map_err(|error| error.to_string())
}

/// The value of an expression, or of a statement, in a frame. Variables that it changes are changed.
fn evaluate(lua: &Lua, state: &State, frame: usize, text: &str) -> Result<Json, String> {
    let level = levels(lua, state).get(frame).map(|found| found.level).ok_or("there is no such frame")?;
    if let Some(debugging) = &mut state.lock().debugging {
        debugging.evaluating = Some(Instant::now());
    }
    let result = evaluate_at(lua, level, text).map_err(|error| match error {
        mlua::Error::SyntaxError { message, .. } | mlua::Error::RuntimeError(message) => first_line(&message),
        mlua::Error::CallbackError { cause, .. } => first_line(&cause.to_string()),
        other => first_line(&other.to_string()),
    });
    if let Some(debugging) = &mut state.lock().debugging {
        debugging.evaluating = None;
    }
    result
}

fn first_line(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    line.strip_prefix("expression:1: ").unwrap_or(line).to_owned()
}

fn evaluate_at(lua: &Lua, level: usize, text: &str) -> mlua::Result<Json> {
    let (locals, upvalues) = (frames::locals(lua, level)?, frames::upvalues(lua, level)?);
    let (names, values) = (lua.create_table()?, lua.create_table()?);
    // An inner variable hides an outer one of the same name.
    for variable in upvalues.iter().chain(&locals) {
        names.raw_set(variable.name.as_str(), true)?;
        values.raw_set(variable.name.as_str(), &variable.value)?;
    }
    let scope: Function = lua.named_registry_value(SCOPE_KEY)?;
    let environment: Table = scope.call((&names, &values, lua.globals()))?;
    let load = |code: String| {
        let chunk = lua.load(code).set_name("=expression").set_environment(environment.clone());
        chunk.set_mode(mlua::chunk::ChunkMode::Text).into_function()
    };
    let function = load(format!("return {text}")).or_else(|_| load(text.to_owned()))?;
    // In a coroutine of its own: inside a hook the hooks are off, and nothing could end a loop.
    let result: Value = lua.create_thread(function)?.resume(())?;
    let is_last = |list: &[Variable], at: usize| !list[at + 1..].iter().any(|other| other.name == list[at].name);
    for (list, upvalue) in [(&locals, false), (&upvalues, true)] {
        for (at, variable) in list.iter().enumerate() {
            let hidden = upvalue && locals.iter().any(|local| local.name == variable.name);
            let value: Value = values.raw_get(variable.name.as_str())?;
            if !hidden && is_last(list, at) && value != variable.value {
                frames::write(lua, level, variable, upvalue, &value)?;
            }
        }
    }
    Ok(values::whole(lua, &result))
}
