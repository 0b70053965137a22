//! A JavaScript script under a debugger. The interpreter has no hook: where something is to stop, calls stand before the
//! statements (see [`crate::probes`]); a script that nothing wants to stop runs as it is, and its guards alone see a pause.

use std::{
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant},
};

use aikit_runtime::{
    debug::script::{PAUSED, Resume, ScriptOrder, ScriptReason, ScriptReport, ScriptWatch, WatchedLine, Wishes},
    ports::ScriptJob,
};
use boa_engine::{
    Context, JsArgs, JsError, JsResult, JsString, JsValue, NativeFunction, object::builtins::JsFunction,
    property::PropertyDescriptor,
};
use serde_json::Value as Json;

use crate::{
    failure,
    frames::{At, capture, evaluate, levels, name_of, page},
    probes::{AT, BACK, CAUGHT, ENTER, ON, Probes, Site, THROWN, Table},
    state::State,
    surface, values,
};

/// How long an expression of a person may run.
const PATIENCE: Duration = Duration::from_secs(2);

/// Until when a script runs on.
#[derive(Debug, Clone, Copy)]
enum Until {
    Breakpoint,
    Line,
    /// A line at most this deep.
    Depth(usize),
    /// A line of this call of an async function, whatever runs meanwhile.
    Call(f64),
}

/// The last place that a function has passed.
#[derive(Clone)]
pub(crate) struct Passed {
    pub site: u32,
    pub look: Option<JsFunction>,
    call: Option<f64>,
}

/// A script's side of the debugger.
pub(crate) struct Debugging {
    wishes: Wishes,
    wanted: ScriptWatch,
    until: Until,
    /// The pauses that have been obeyed.
    pauses: u64,
    /// Since when an expression of the person runs; the probes are quiet meanwhile.
    pub evaluating: Option<Instant>,
    /// Whether the script has probes.
    probed: bool,
    /// The script that runs, as the interpreter knows it.
    chunk: String,
    /// The breakpoints by script and line, as they take effect.
    stops: HashMap<(u32, u32), Vec<WatchedLine>>,
    /// The last places of the functions that run, by their depth.
    pub passed: Vec<Option<Passed>>,
    /// What was thrown last and has been shown.
    shown: Option<JsValue>,
    /// The number of the last call of an async function.
    calls: f64,
}

impl Debugging {
    fn moves(&self) -> bool {
        !matches!(self.until, Until::Breakpoint) || self.wanted.pauses != self.pauses
    }
}

/// Begins to debug a script, if a debugger wants it. The probes that it needs, if any.
pub(crate) fn begin(state: &State, job: &ScriptJob, wishes: Option<Wishes>) -> Option<Probes> {
    let mut wishes = wishes?;
    let wanted = wishes.borrow_and_update().clone();
    let first = job.line_offset + 1;
    let last = job.line_offset + u32::try_from(job.code.lines().count().max(1)).unwrap_or(u32::MAX);
    let own = wanted.lines.iter().filter(|watched| {
        watched.source.as_ref().is_none_or(|source| *source == job.name) && (first..=last).contains(&watched.line)
    });
    let lines: BTreeSet<u32> = own.map(|watched| watched.line).collect();
    let probed =
        wanted.entry || wanted.raised || wanted.pauses > 0 || !lines.is_empty() || job.code.contains("debugger");
    let until = if wanted.entry { Until::Line } else { Until::Breakpoint };
    let pauses = wanted.pauses;
    *state.debugging.borrow_mut() = Some(Debugging {
        wishes,
        wanted,
        until,
        pauses,
        evaluating: None,
        probed,
        chunk: String::new(),
        stops: HashMap::new(),
        passed: Vec::new(),
        shown: None,
        calls: 0.0,
    });
    state.debugged.set(true);
    probed.then(|| Probes::new(state.next_site(), &job.code, job.line_offset, lines))
}

/// The script is known now.
pub(crate) fn ready(state: &State, chunk: &str, table: Option<Table>, context: &mut Context) {
    if let Some(mut table) = table {
        table.chunk = chunk.to_owned();
        state.add_table(table);
    }
    if let Some(debugging) = state.debugging.borrow_mut().as_mut() {
        debugging.chunk = chunk.to_owned();
    }
    settle(state, context);
}

/// Ends it.
pub(crate) fn end(state: &State, context: &mut Context) {
    let ended = state.debugging.borrow_mut().take();
    if ended.is_some() {
        state.debugged.set(false);
        look_at_all(false, context);
    }
}

type Native = fn(&[JsValue], &mut Context) -> JsResult<JsValue>;

/// Puts the functions that probes call into a fresh context.
pub(crate) fn install(context: &mut Context) -> JsResult<()> {
    let natives: [(&str, usize, Native); 5] = [
        (AT, 2, |args, context| {
            let state = State::of(context);
            if state.debugged.get() {
                at(args, &state, context)?;
            }
            Ok(JsValue::undefined())
        }),
        (BACK, 3, |args, context| {
            let state = State::of(context);
            if state.debugged.get() {
                pass(args, None, &state, context);
            }
            Ok(args.get_or_undefined(2).clone())
        }),
        (THROWN, 1, |args, context| {
            let value = args.last().cloned().unwrap_or_default();
            raised(&value, context)?;
            Ok(value)
        }),
        (CAUGHT, 1, |args, context| {
            raised(args.get_or_undefined(0), context)?;
            Ok(JsValue::undefined())
        }),
        (ENTER, 0, |_, context| {
            let state = State::of(context);
            let mut debugging = state.debugging.borrow_mut();
            let calls = debugging.as_mut().map_or(0.0, |debugging| {
                debugging.calls += 1.0;
                debugging.calls
            });
            Ok(JsValue::from(calls))
        }),
    ];
    let global = context.global_object();
    for (name, length, native) in natives {
        let native = NativeFunction::from_copy_closure(move |_, args, context| native(args, context));
        let function = surface::function(context, native, name, length);
        let fixed = PropertyDescriptor::builder().value(function).writable(false).enumerable(false).configurable(false);
        global.define_property_or_throw(JsString::from(name), fixed, context)?;
    }
    look_at_all(false, context);
    let known = global.own_property_keys(context)?;
    State::of(context).known.borrow_mut().extend(known);
    Ok(())
}

/// Whether statements that call nothing are looked at.
fn look_at_all(on: bool, context: &mut Context) {
    let fixed = PropertyDescriptor::builder().value(on).writable(false).enumerable(false).configurable(true);
    context.global_object().insert_property(JsString::from(ON), fixed);
}

/// Takes in what the person wants by now.
fn refresh(state: &State, context: &mut Context) {
    let changed = match state.debugging.borrow_mut().as_mut() {
        Some(debugging) if debugging.wishes.has_changed().unwrap_or(false) => {
            debugging.wanted = debugging.wishes.borrow_and_update().clone();
            true
        }
        _ => false,
    };
    if changed {
        settle(state, context);
    }
}

/// Works out where breakpoints take effect and whether everything has to be looked at.
fn settle(state: &State, context: &mut Context) {
    let on = {
        let mut debugging = state.debugging.borrow_mut();
        let Some(debugging) = debugging.as_mut() else { return };
        debugging.stops.clear();
        for watched in &debugging.wanted.lines {
            let table = match &watched.source {
                Some(source) => state.table_of_source(source),
                None => state.table_of(&debugging.chunk),
            };
            if let Some(table) = table
                && let Some(line) = table.bind(watched.line)
            {
                debugging.stops.entry((table.base, line)).or_default().push(watched.clone());
            }
        }
        // A breakpoint may have come where its line calls nothing and was not watched when the text was prepared.
        debugging.probed && (debugging.moves() || !debugging.stops.is_empty())
    };
    look_at_all(on, context);
}

/// Every loop and function: the person may want something else.
pub(crate) fn on_guard(state: &State, context: &mut Context) -> JsResult<()> {
    {
        let debugging = state.debugging.borrow();
        let Some(debugging) = debugging.as_ref() else { return Ok(()) };
        if let Some(since) = debugging.evaluating {
            return if since.elapsed() > PATIENCE { Err(surface::stopped()) } else { Ok(()) };
        }
    }
    refresh(state, context);
    let reason = match state.debugging.borrow().as_ref() {
        // Where there are no probes, the guards are the places where it can stand still.
        Some(debugging) if !debugging.probed && debugging.moves() => {
            let paused = debugging.wanted.pauses != debugging.pauses;
            if paused { ScriptReason::Pause } else { ScriptReason::Step }
        }
        _ => return Ok(()),
    };
    stop(reason, None, state, context)
}

/// Remembers where a function has come; the number of the place, the depth and whether it is a new line.
fn pass(args: &[JsValue], call: Option<f64>, state: &State, context: &mut Context) -> Option<(u32, usize, bool)> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "our own numbers")]
    let number = args.first()?.as_number()? as u32;
    let look = args.get_or_undefined(1).as_function();
    let depth = context.stack_trace().count();
    let mut debugging = state.debugging.borrow_mut();
    let debugging = debugging.as_mut().filter(|debugging| debugging.evaluating.is_none())?;
    debugging.passed.resize(depth + 1, None);
    let last = debugging.passed[depth].replace(Passed { site: number, look, call });
    let fresh = last.is_none_or(|last| {
        let table = state.table(number);
        let (Some(here), Some(there)) = (
            table.as_ref().and_then(|table| table.site(number)),
            table.as_ref().and_then(|table| table.site(last.site)),
        ) else {
            return true;
        };
        // Further on in the same line is not a new line; back in it is a loop.
        here.line != there.line || here.function != there.function || number <= last.site
    });
    Some((number, depth, fresh))
}

/// Before a statement.
fn at(args: &[JsValue], state: &State, context: &mut Context) -> JsResult<()> {
    refresh(state, context);
    let call = args.get(2).and_then(JsValue::as_number);
    let Some((number, depth, fresh)) = pass(args, call, state, context) else { return Ok(()) };
    let Some(table) = state.table(number) else { return Ok(()) };
    let Some(site) = table.site(number) else { return Ok(()) };
    let (arrived, paused, watched) = {
        let debugging = state.debugging.borrow();
        let Some(debugging) = debugging.as_ref() else { return Ok(()) };
        let arrived = fresh
            && match debugging.until {
                Until::Breakpoint => false,
                Until::Line => true,
                Until::Depth(most) => depth <= most,
                Until::Call(wanted) => call == Some(wanted),
            };
        let watched = match debugging.stops.get(&(table.base, site.line)) {
            Some(watched) if fresh && table.is_bound(site) => watched.clone(),
            _ => Vec::new(),
        };
        (arrived, debugging.wanted.pauses != debugging.pauses, watched)
    };
    let hit = breakpoints(watched, depth, state, context);
    let reason = match (hit.is_empty(), paused || site.halts, arrived) {
        (false, paused, step) => ScriptReason::Breakpoint { hit, step: step || paused },
        (true, true, _) => ScriptReason::Pause,
        (true, false, true) => ScriptReason::Step,
        (true, false, false) => return Ok(()),
    };
    stop(reason, Some(site), state, context)
}

/// Something is thrown, or was caught.
fn raised(value: &JsValue, context: &mut Context) -> JsResult<()> {
    let state = State::of(context);
    if !state.debugged.get() {
        return Ok(());
    }
    refresh(&state, context);
    {
        let mut debugging = state.debugging.borrow_mut();
        let Some(debugging) = debugging.as_mut() else { return Ok(()) };
        let known = debugging.shown.as_ref().is_some_and(|shown| JsValue::same_value(shown, value));
        if debugging.evaluating.is_some() || !debugging.wanted.raised || known {
            return Ok(());
        }
        debugging.shown = Some(value.clone());
    }
    let text = error_text(&JsError::from_opaque(value.clone()), &state, context);
    stop(ScriptReason::Error { text }, None, &state, context)
}

pub(crate) fn error_text(error: &JsError, state: &State, context: &mut Context) -> String {
    let told = failure::describe(state, error, context);
    format!("{}: {}", told.name, told.message)
}

/// The script failed with an error that nothing in it caught. Its frames are gone, what they saw is not.
pub(crate) fn on_error(error: &JsError, state: &State, context: &mut Context) {
    refresh(state, context);
    let wanted = match state.debugging.borrow().as_ref() {
        Some(debugging) => {
            let opaque = error.as_opaque();
            let known =
                debugging.shown.as_ref().zip(opaque).is_some_and(|(shown, own)| JsValue::same_value(shown, own));
            debugging.wanted.errors && !known && error.as_engine().is_none()
        }
        None => false,
    };
    if !wanted {
        return;
    }
    let places = failure::trace(state, error);
    let mut deepest = state.debugging.borrow().as_ref().map_or(0, |debugging| debugging.passed.len());
    let mut frames = Vec::new();
    for place in places {
        let Some(table) = state.table_of_source(&place.source) else {
            frames.push(At { name: "script".into(), line: place.line, source: place.source, passed: None });
            continue;
        };
        let function = table.function_at(place.line, place.column.unwrap_or(1));
        let passed = state.debugging.borrow().as_ref().and_then(|debugging| {
            let fits = |depth: &usize| {
                let passed = debugging.passed[*depth].as_ref();
                passed.and_then(|passed| table.site(passed.site)).is_some_and(|site| site.function == function)
            };
            let depth = (0..deepest).rev().find(fits)?;
            deepest = depth;
            debugging.passed[depth].clone()
        });
        let name = name_of(&table, function, "");
        frames.push(At { name, line: place.line, source: place.source, passed });
    }
    let text = error_text(error, state, context);
    // It has ended: how it is to go on does not matter.
    let _ = hold(ScriptReason::Error { text }, frames, state, context);
}

/// Stands still until the order to go on comes.
fn stop(reason: ScriptReason, here: Option<&Site>, state: &State, context: &mut Context) -> JsResult<()> {
    let frames = levels(here, state, context);
    let depth = context.stack_trace().count();
    let Some(how) = hold(reason, frames, state, context) else {
        // The script is being stopped, or it was nothing.
        return if state.tick(0) { Err(surface::stopped()) } else { Ok(()) };
    };
    if let Some(debugging) = state.debugging.borrow_mut().as_mut() {
        debugging.pauses = debugging.wanted.pauses;
        let call = debugging.passed.get(depth).cloned().flatten().and_then(|passed| passed.call);
        debugging.until = match how {
            Resume::On => Until::Breakpoint,
            Resume::In => Until::Line,
            Resume::Over => match call.filter(|_| here.is_some_and(|site| site.awaits)) {
                Some(call) => Until::Call(call),
                None => Until::Depth(depth),
            },
            Resume::Out => Until::Depth(depth.saturating_sub(1)),
        };
    }
    settle(state, context);
    Ok(())
}

/// Tells that the script stands still and answers questions until it may go on, and how; `None` if that is no news.
fn hold(reason: ScriptReason, frames: Vec<At>, state: &State, context: &mut Context) -> Option<Resume> {
    let (shown, globals) = capture(&frames, state, context);
    let mut report = ScriptReport::Stopped { reason, frames: shown, globals };
    loop {
        let asked = surface::ask(state, PAUSED, vec![serde_json::to_value(&report).ok()?])?.ok()?;
        match serde_json::from_value(asked).ok()? {
            ScriptOrder::Never => return None,
            ScriptOrder::Go { how } => {
                refresh(state, context);
                return Some(how);
            }
            ScriptOrder::Evaluate { frame, text } => {
                let result = evaluate(frames.get(frame), &text, state, context);
                let result = result.map(|value| values::whole(&value, context));
                let (shown, globals) = capture(&frames, state, context);
                report = ScriptReport::Changed { result, frames: shown, globals };
            }
            ScriptOrder::Page { frame, path, start, count } => {
                let result = page(frames.get(frame), &path, start, count, state, context);
                report = ScriptReport::Page { result };
            }
        }
    }
}

/// The breakpoints of a line whose conditions hold, with the values that they want.
fn breakpoints(watched: Vec<WatchedLine>, depth: usize, state: &State, context: &mut Context) -> Vec<(u64, Vec<Json>)> {
    let mut hit = Vec::new();
    for watched in watched {
        let passed = state.debugging.borrow().as_ref().and_then(|debugging| debugging.passed.get(depth)?.clone());
        let here = At::place(passed);
        let holds = match &watched.condition {
            Some(text) => evaluate(Some(&here), text, state, context).is_ok_and(|value| value.to_boolean()),
            None => true,
        };
        if !holds {
            continue;
        }
        let mut wanted = Vec::new();
        for text in &watched.wanted {
            wanted.push(match evaluate(Some(&here), text, state, context) {
                Ok(value) => values::whole(&value, context),
                Err(error) => Json::String(format!("<{error}>")),
            });
        }
        hit.push((watched.id, wanted));
    }
    hit
}
