//! The interpreter: one Lua state, its sandbox, and how a script is started, watched and stopped.

use std::sync::Arc;

use aikit_core::RunError;
use aikit_runtime::{
    ports::{
        Completeness, Inspection, ScriptCompletion, ScriptError, ScriptJob, ScriptMode, ScriptOutcome, ScriptValue,
        StopCause,
    },
    scripts::engine::{EngineHost, ScriptEngine},
};
use mlua::{
    Function, Lua, LuaOptions, MultiValue, ObjectLike, StdLib, Table, Value, VmState,
    debug::{Debug, DebugEvent},
};

use crate::{
    convert::{show, to_json},
    debug::{self, Debugging},
    failure, live, split,
    state::State,
    surface, vars,
};

/// After how many instructions the hook looks whether to stop.
pub(crate) const TICK: u32 = 1000;
/// How many frames of a traceback are kept.
const FRAMES: usize = 32;
/// What Lua says when an allocation is refused.
const NO_MEMORY: &str = "not enough memory";

/// The sandbox: no access to files, no binary chunks, no control over the collector's promises.
const SANDBOX: &str = r##"
dofile, loadfile, string.dump = nil, nil, nil
local load, type, collectgarbage, error = load, type, collectgarbage, error
function _G.load(chunk, name, mode, ...)
    if select("#", ...) > 0 then return load(chunk, name, "t", (...)) end
    return load(chunk, name, "t")
end
function _G.collectgarbage(option, ...)
    if option == nil or option == "collect" or option == "count" or option == "step" then
        return collectgarbage(option or "collect")
    end
    error("collectgarbage(\"" .. tostring(option) .. "\") is not available in the sandbox", 2)
end
"##;

/// Gives a chunk the identity function, see [`split::compile`].
const RUNNER: &str = "
local xpcall = xpcall
local function same(...) return ... end
return function(chunk, handler) return xpcall(chunk, handler, same) end";

/// A Lua 5.4 state whose globals are the session's.
pub struct LuaEngine {
    lua: Lua,
    state: State,
    /// Calls a chunk under `xpcall`, in Lua so that a stop can pass through it.
    runner: Function,
    handler: Function,
}

impl LuaEngine {
    /// A fresh, sandboxed state.
    pub fn new() -> mlua::Result<Self> {
        let libs = StdLib::COROUTINE | StdLib::TABLE | StdLib::STRING | StdLib::UTF8 | StdLib::MATH;
        let lua = Lua::new_with(libs, LuaOptions::new().catch_rust_panics(true))?;
        let state = State::default();
        lua.load(SANDBOX).set_name("=[aikit]").exec()?;
        surface::install(&lua, &state)?;
        surface::remember(&lua)?;
        debug::prepare(&lua)?;
        debug::arm(&lua, &state)?;
        let traced = state.clone();
        let handler = lua.create_function(move |lua, error: Value| {
            trace(lua, &traced);
            let stopped = traced.lock().host.as_ref().is_some_and(|host| host.stop().raised().is_some());
            if !stopped && traced.lock().debugging.is_some() && !is_memory(&error) {
                let text = failure::text(&traced, &error);
                debug::on_error(lua, &traced, &text)?;
            }
            Ok(error)
        })?;
        let runner = lua.load(RUNNER).set_name("=[aikit]").eval()?;
        Ok(Self { lua, state, runner, handler })
    }

    fn execute(&mut self, job: &ScriptJob, host: &Arc<dyn EngineHost>) -> mlua::Result<Ended> {
        let chunk = {
            let mut inner = self.state.lock();
            inner.trace.clear();
            inner.stops = 0;
            inner.ticks = 0;
            inner.budget = job.limits.instructions;
            inner.emitter = Default::default();
            inner.vars = Some(host.vars().clone());
            inner.host = Some(host.clone());
            inner.debugging = host.watch().map(Debugging::new);
            inner.add_source(&job.name)
        };
        // Also where the script before was debugged and this one is not.
        debug::arm(&self.lua, &self.state)?;
        let used = self.lua.used_memory();
        let limit = usize::try_from(job.limits.memory).unwrap_or(usize::MAX);
        self.lua.set_memory_limit(limit.max(used.saturating_add(64 << 10)))?;
        surface::set_values(&self.lua, job)?;
        if let ScriptMode::Isolated { .. } = job.mode {
            // A run that is replayed has to draw the same numbers.
            self.lua.globals().get::<Table>("math")?.call_function::<()>("randomseed", 1)?;
        }
        // Line numbers of Lua are then lines of the cell or document, in messages that a script catches too.
        let lines = "\n".repeat(job.line_offset as usize);
        let compiled = match job.mode {
            ScriptMode::Expression => {
                let text = format!("{lines}return (...)({}\n)", job.code);
                self.lua.load(text).set_name(format!("={chunk}")).set_mode(mlua::chunk::ChunkMode::Text).into_function()
            }
            _ => split::compile(&self.lua, &chunk, &format!("{lines}{}", job.code)),
        };
        let function = match compiled {
            Ok(function) => function,
            Err(error @ mlua::Error::SyntaxError { .. }) => {
                return Ok(Ended::Failed(failure::syntax(&self.state, &error)));
            }
            Err(error) => return Err(error),
        };
        let thread = self.lua.create_thread(self.runner.clone())?;
        let mut returned: MultiValue = thread.resume((function, &self.handler))?;
        if host.stop().raised().is_some() {
            return Ok(Ended::Stopped);
        }
        if thread.is_resumable() {
            return Ok(Ended::Failed(yielded()));
        }
        let succeeded = matches!(returned.pop_front(), Some(Value::Boolean(true)));
        let value = returned.pop_front().unwrap_or(Value::Nil);
        if !succeeded {
            if is_memory(&value) {
                return Ok(Ended::NoMemory);
            }
            return Ok(Ended::Failed(failure::describe(&self.lua, &self.state, &value)));
        }
        // More than one value is a list, as a function call that returns several shows it.
        let all: Vec<Value> = std::iter::once(value).chain(returned).collect();
        Ok(Ended::Done(self.value(&all)))
    }

    fn value(&self, values: &[Value]) -> Option<ScriptValue> {
        match values {
            [] | [Value::Nil] => None,
            [value] => {
                let text = match value {
                    Value::String(text) => text.to_string_lossy(),
                    other => show(other),
                };
                let text = if text.is_empty() { "\"\"".to_owned() } else { text };
                Some(ScriptValue { json: to_json(&self.lua, value).ok(), text })
            }
            several => {
                let json: Option<Vec<_>> = several.iter().map(|value| to_json(&self.lua, value).ok()).collect();
                let text = several.iter().map(show).collect::<Vec<_>>().join("\t");
                Some(ScriptValue { json: json.map(serde_json::Value::Array), text })
            }
        }
    }
}

/// How a script ended, before the shared values were sent.
enum Ended {
    Done(Option<ScriptValue>),
    Failed(ScriptError),
    Stopped,
    NoMemory,
}

impl ScriptEngine for LuaEngine {
    fn run(&mut self, job: &ScriptJob, host: &Arc<dyn EngineHost>) -> ScriptOutcome {
        let ended = self.execute(job, host);
        // What follows is the host's own work, for which the script's bound does not count.
        let _ = self.lua.set_memory_limit(0);
        let synced = vars::sync(&self.lua, &self.state, host.as_ref());
        let debugging = {
            let mut inner = self.state.lock();
            inner.host = None;
            inner.debugging.take()
        };
        drop(debugging);
        let stopped = |cause| ScriptOutcome::Stopped { cause, state_lost: false };
        if let Some(cause) = host.stop().raised() {
            return stopped(cause);
        }
        match ended {
            Ok(Ended::Stopped) => stopped(StopCause::Interrupt),
            Ok(Ended::NoMemory) => {
                // What the script held only through its stack is garbage now.
                let _ = self.lua.gc_collect();
                stopped(StopCause::Memory)
            }
            Err(error) if is_memory_error(&error) => {
                let _ = self.lua.gc_collect();
                stopped(StopCause::Memory)
            }
            Ok(Ended::Failed(error)) => ScriptOutcome::Failed { error },
            Ok(Ended::Done(value)) => match synced {
                Ok(()) => ScriptOutcome::Done { value },
                Err(error) => ScriptOutcome::Failed { error: shared(error) },
            },
            Err(error) => ScriptOutcome::Failed {
                error: ScriptError {
                    name: "InternalError".into(),
                    message: error.to_string(),
                    trace: Vec::new(),
                    cause: None,
                },
            },
        }
    }

    fn complete(&mut self, code: &str, cursor: usize) -> Vec<ScriptCompletion> {
        live::complete(&self.lua, &self.state, code, cursor)
    }

    fn inspect(&mut self, code: &str, cursor: usize) -> Option<Inspection> {
        live::inspect(&self.lua, &self.state, code, cursor)
    }

    fn is_complete(&mut self, code: &str) -> Completeness {
        live::is_complete(&self.lua, code)
    }
}

/// The hook.
pub(crate) fn hook(lua: &Lua, debug: &Debug<'_>, state: &State) -> mlua::Result<VmState> {
    match debug.event() {
        DebugEvent::Line => debug::on_line(lua, debug, state)?,
        _ => {
            debug::on_tick(lua, state)?;
            state.lock().ticks += u64::from(TICK);
        }
    }
    watch(state)
}

/// Looks whether to stop. A stop first yields, which no `pcall` can catch; where a yield is not possible (inside a
/// callback of the host) an error is raised, and so on in turn until the script is out.
fn watch(state: &State) -> mlua::Result<VmState> {
    let mut inner = state.lock();
    let Some(host) = inner.host.clone() else { return Ok(VmState::Continue) };
    if inner.budget.is_some_and(|budget| inner.ticks > budget) {
        host.stop().raise(StopCause::Instructions);
    }
    if host.stop().raised().is_none() {
        return Ok(VmState::Continue);
    }
    inner.stops += 1;
    if inner.stops % 2 == 1 { Ok(VmState::Yield) } else { Err(mlua::Error::runtime("the script was stopped")) }
}

/// Remembers the frames of the script at the place of an error, innermost first.
fn trace(lua: &Lua, state: &State) {
    let mut frames = Vec::new();
    for level in 1.. {
        let Some((source, line)) = lua.inspect_stack(level, |debug| {
            (debug.source().short_src.map(|name| name.into_owned()), debug.current_line())
        }) else {
            break;
        };
        if let (Some(source), Some(line)) = (source, line) {
            frames.push((source, line));
        }
        if frames.len() == FRAMES {
            break;
        }
    }
    let mut inner = state.lock();
    inner.trace = frames
        .into_iter()
        .filter_map(|(source, line)| inner.place(&source, u32::try_from(line).unwrap_or(u32::MAX)))
        .collect();
}

fn is_memory(value: &Value) -> bool {
    match value {
        Value::String(text) => text.as_bytes() == NO_MEMORY.as_bytes(),
        Value::Error(error) => is_memory_error(error),
        _ => false,
    }
}

fn is_memory_error(error: &mlua::Error) -> bool {
    match error {
        mlua::Error::MemoryError(_) => true,
        mlua::Error::CallbackError { cause, .. } => is_memory_error(cause),
        _ => false,
    }
}

fn yielded() -> ScriptError {
    ScriptError {
        name: "RuntimeError".into(),
        message: "coroutine.yield was called outside a coroutine".into(),
        trace: Vec::new(),
        cause: None,
    }
}

fn shared(error: RunError) -> ScriptError {
    ScriptError {
        name: error.kind.code().into(),
        message: error.message.clone(),
        trace: Vec::new(),
        cause: Some(error),
    }
}

/// Stands in where no Lua state could be made, and says why.
pub(crate) struct Broken(pub Arc<str>);

impl ScriptEngine for Broken {
    fn run(&mut self, _: &ScriptJob, _: &Arc<dyn EngineHost>) -> ScriptOutcome {
        ScriptOutcome::Failed {
            error: ScriptError {
                name: "InternalError".into(),
                message: format!("Lua cannot be started: {}", self.0),
                trace: Vec::new(),
                cause: None,
            },
        }
    }

    fn complete(&mut self, _: &str, _: usize) -> Vec<ScriptCompletion> {
        Vec::new()
    }

    fn inspect(&mut self, _: &str, _: usize) -> Option<Inspection> {
        None
    }

    fn is_complete(&mut self, _: &str) -> Completeness {
        Completeness::Unknown
    }
}
