//! The host surface as JavaScript sees it, built from [`aikit_core::surface`]: `ctx`, `display`, `input`, and what every
//! console has: `console`, timers.

use std::time::{Duration, Instant};

use aikit_core::{
    Place, RunError,
    surface::{MEMBERS, Member, MemberKind},
};
use aikit_runtime::{
    cell::{CellEvent, Stream},
    ports::{ScriptJob, ScriptMode},
    scripts::engine::HostEvent,
};
use boa_engine::{
    Context, JsArgs, JsError, JsNativeError, JsObject, JsResult, JsString, JsValue, NativeFunction,
    error::RuntimeLimitError,
    object::{
        FunctionObjectBuilder,
        builtins::{JsFunction, JsPromise},
    },
    property::{PropertyDescriptor, PropertyKey},
};
use boa_gc::{Finalize, Trace};
use serde_json::{Value as Json, json};

use crate::{
    convert::{to_js, to_json},
    debug, failure, look, show,
    source::{CONSTANT, GUARD},
    state::{Call, State, Task, Timer},
    vars,
};

/// How many frames are looked at for the place of a host call.
const FRAMES: usize = 64;

/// The error that leaves a script which has to stop. No `catch` and no `finally` sees it.
pub(crate) fn stopped() -> JsError {
    RuntimeLimitError::LoopIteration.into()
}

/// What the guard keeps, so that it needs no look-up.
#[derive(Trace, Finalize)]
struct Guard(#[unsafe_ignore_trace] State);

/// Puts the surface into the globals.
pub(crate) fn install(context: &mut Context, state: &State) -> JsResult<()> {
    let global = context.global_object();
    let guard = NativeFunction::from_copy_closure_with_captures(
        |_, _, guard: &Guard, context| {
            if guard.0.debugged.get() {
                debug::on_guard(&guard.0, context)?;
            }
            if guard.0.guard() { Err(stopped()) } else { Ok(JsValue::undefined()) }
        },
        Guard(state.clone()),
    );
    let guard = function(context, guard, GUARD, 0);
    let fixed = PropertyDescriptor::builder().value(guard).writable(false).enumerable(false).configurable(false);
    global.define_property_or_throw(JsString::from(GUARD), fixed, context)?;

    let constant = NativeFunction::from_fn_ptr(|_, args, context| {
        let name = args.get_or_undefined(0).to_string(context)?.to_std_string_lossy();
        if State::of(context).constants.borrow().contains(&name) {
            let message = format!("`{name}` is a constant: it cannot be assigned to");
            return Err(JsNativeError::typ().with_message(message).into());
        }
        Ok(JsValue::undefined())
    });
    let constant = function(context, constant, CONSTANT, 1);
    let fixed = PropertyDescriptor::builder().value(constant).writable(false).enumerable(false).configurable(false);
    global.define_property_or_throw(JsString::from(CONSTANT), fixed, context)?;

    for member in MEMBERS.iter().filter(|member| member.kind != MemberKind::Value) {
        let native = match member.kind {
            MemberKind::Emit => NativeFunction::from_copy_closure(move |_, args, context| emit(member, args, context)),
            MemberKind::Immediate => {
                NativeFunction::from_copy_closure(move |_, args, context| immediate(member, args, context))
            }
            MemberKind::Call | MemberKind::Value => {
                NativeFunction::from_copy_closure(move |_, args, context| call(member, args, context))
            }
        };
        let mut path: Vec<&str> = member.path.split('.').collect();
        let name = path.pop().unwrap_or(member.path);
        let mut object = global.clone();
        for part in path {
            let key = PropertyKey::from(JsString::from(part));
            let next = look::own(&object, &key).and_then(|found| found.value().and_then(JsValue::as_object));
            object = match next {
                Some(next) => next,
                None => {
                    let next = JsObject::with_object_proto(context.intrinsics());
                    add(&object, part, next.clone(), JsObject::equals(&object, &global));
                    if part == "ctx" {
                        *state.ctx.borrow_mut() = Some(next.clone());
                    }
                    next
                }
            };
        }
        let function = function(context, native, name, member.params.iter().filter(|p| !p.optional).count());
        add(&object, name, function, JsObject::equals(&object, &global));
    }
    let vars = vars::object(context)?;
    *state.vars_object.borrow_mut() = Some(vars.clone());
    add(&global, "vars", vars, true);
    console(context, &global);
    timers(context, &global);
    hide_guards(context, state)
}

/// Makes a function that scripts can call.
pub(crate) fn function(context: &Context, native: NativeFunction, name: &str, length: usize) -> JsFunction {
    FunctionObjectBuilder::new(context.realm(), native).name(JsString::from(name)).length(length).build()
}

/// Adds what a script may replace. Globals are not enumerable, as those of the language.
pub(crate) fn add(object: &JsObject, name: &str, value: impl Into<JsValue>, global: bool) {
    let property = PropertyDescriptor::builder().value(value).writable(true).enumerable(!global).configurable(true);
    object.insert_property(JsString::from(name), property);
}

/// Sets the members of `ctx` that are values of the job.
pub(crate) fn set_values(context: &mut Context, state: &State, job: &ScriptJob) -> JsResult<()> {
    let Some(ctx) = state.ctx.borrow().clone() else { return Ok(()) };
    let mut values: Vec<(&str, JsValue)> = Vec::new();
    for name in ["tenant", "user", "app_id", "session"] {
        values.push((name, to_js(job.context.get(name).unwrap_or(&Json::Null), context)?));
    }
    let empty = json!({});
    let (inputs, run_state, steps) = match &job.mode {
        ScriptMode::Isolated { inputs, state, steps } => (inputs, state, steps),
        ScriptMode::Cell | ScriptMode::Expression => (&empty, &empty, &empty),
    };
    for (name, value) in [("inputs", inputs), ("state", run_state), ("steps", steps)] {
        values.push((name, to_js(value, context)?));
    }
    for (name, value) in values {
        add(&ctx, name, value, false);
    }
    Ok(())
}

fn arguments(path: &str, args: &[JsValue], context: &mut Context) -> JsResult<Vec<Json>> {
    // An argument that is given as `undefined` is one that is left out.
    let given = args.len() - args.iter().rev().take_while(|value| value.is_undefined()).count();
    let mut converted = Vec::with_capacity(given);
    for (i, value) in args[..given].iter().enumerate() {
        let json = to_json(value, context).map_err(|why| why.into_js(&format!("argument {} of `{path}`", i + 1)))?;
        converted.push(json);
    }
    Ok(converted)
}

/// The innermost line of a cell that is being executed.
fn called_at(state: &State, context: &Context) -> Option<Place> {
    context.stack_trace().take(FRAMES).find_map(|frame| {
        let at = frame.position();
        let position = at.position?;
        state.place(&at.path.to_string(), Some((position.line_number(), position.column_number())), None)
    })
}

/// A call that the host answers: a promise.
fn call(member: &'static Member, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let state = State::of(context);
    let (promise, functions) = JsPromise::new_pending(context);
    let called_at = called_at(&state, context);
    let started = arguments(member.path, args, context).and_then(|args| {
        let host = state.host().map_err(|error| failure::from_host(error, None, context))?;
        vars::sync(context, &state).map_err(|error| failure::from_host(error, called_at.clone(), context))?;
        Ok(host.start(member.method(), args))
    });
    match started {
        Ok(number) => {
            state.calls.borrow_mut().insert(number, Call { functions, called_at });
        }
        Err(error) if error.as_engine().is_some() => return Err(error),
        // As in an async function, every failure arrives through the promise.
        Err(error) => {
            let reason = error.into_opaque(context)?;
            functions.reject.call(&JsValue::undefined(), &[reason], context)?;
        }
    }
    Ok(promise.into())
}

/// A call that is answered before the script goes on.
fn immediate(member: &'static Member, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let args = arguments(member.path, args, context)?;
    let state = State::of(context);
    match ask(&state, member.method(), args) {
        Some(Ok(value)) => to_js(&value, context),
        Some(Err(error)) => Err(failure::from_host(error, called_at(&state, context), context)),
        None => Err(stopped()),
    }
}

/// Asks the host and waits for the answer; `None` when the script has to stop.
pub(crate) fn ask(state: &State, method: &str, args: Vec<Json>) -> Option<Result<Json, RunError>> {
    let host = match state.host() {
        Ok(host) => host,
        Err(error) => return Some(Err(error)),
    };
    let number = host.start(method, args);
    loop {
        match host.wait(None) {
            HostEvent::Answer { call, result } if call == number => return Some(result),
            HostEvent::Answer { call, result } => state.answers.borrow_mut().push_back((call, result)),
            HostEvent::Stopped | HostEvent::Deadline => return None,
        }
    }
}

/// An output: nothing to wait for.
fn emit(member: &'static Member, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let args = arguments(member.path, args, context)?;
    let state = State::of(context);
    let event = state.emitter.borrow_mut().event(member, &args);
    let sent = event.and_then(|event| state.host().map(|host| host.emit(event)));
    match sent {
        Ok(()) => Ok(JsValue::undefined()),
        Err(error) => Err(failure::from_host(error, called_at(&state, context), context)),
    }
}

fn write(stream: Stream, text: String, context: &Context) -> JsResult<JsValue> {
    // A function that outlives its cell, in a timer for instance, has nowhere to print to.
    if let Ok(host) = State::of(context).host() {
        host.emit(CellEvent::Stream { stream, text });
    }
    Ok(JsValue::undefined())
}

fn console(context: &Context, global: &JsObject) {
    let console = JsObject::with_object_proto(context.intrinsics());
    for (name, stream) in [
        ("log", Stream::Stdout),
        ("info", Stream::Stdout),
        ("debug", Stream::Stdout),
        ("dir", Stream::Stdout),
        ("warn", Stream::Stderr),
        ("error", Stream::Stderr),
        ("trace", Stream::Stderr),
    ] {
        let native = NativeFunction::from_copy_closure(move |_, args, context| {
            let text = show::printed(args, context) + "\n";
            write(stream, text, context)
        });
        add(&console, name, function(context, native, name, 0), false);
    }
    let native = NativeFunction::from_copy_closure(|_, args, context| {
        if args.get_or_undefined(0).to_boolean() {
            return Ok(JsValue::undefined());
        }
        let text = show::printed(args.get(1..).unwrap_or_default(), context);
        let colon = if text.is_empty() { "" } else { ": " };
        write(Stream::Stderr, format!("Assertion failed{colon}{text}\n"), context)
    });
    add(&console, "assert", function(context, native, "assert", 0), false);
    add(global, "console", console, true);
}

fn timers(context: &Context, global: &JsObject) {
    for (name, repeats) in [("setTimeout", false), ("setInterval", true)] {
        let native = NativeFunction::from_copy_closure(move |_, args, context| {
            let Some(callback) = args.get_or_undefined(0).as_function() else {
                let message = format!("the first argument of `{name}` must be a function");
                return Err(JsNativeError::typ().with_message(message).into());
            };
            let delay = match args.get(1) {
                Some(delay) => delay.to_number(context)?,
                None => 0.0,
            };
            // As in browsers, what is no number is no delay; a week is for ever.
            let delay = if delay.is_nan() { 0.0 } else { delay.clamp(0.0, 604_800_000.0) };
            let every = Duration::from_secs_f64(delay.max(if repeats { 1.0 } else { 0.0 }) / 1000.0);
            let rest = args.get(2..).unwrap_or_default().to_vec();
            let state = State::of(context);
            let id = state.timers.borrow_mut().set(Timer {
                due: Instant::now() + every,
                every: repeats.then_some(every),
                task: Task::Call { function: callback, args: rest },
            });
            Ok(JsValue::from(id))
        });
        add(global, name, function(context, native, name, 2), true);
    }
    for name in ["clearTimeout", "clearInterval"] {
        let native = NativeFunction::from_copy_closure(|_, args, context| {
            if let Some(id) = args.get_or_undefined(0).as_number() {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "ids are whole numbers")]
                State::of(context).timers.borrow_mut().clear(id as u32);
            }
            Ok(JsValue::undefined())
        });
        add(global, name, function(context, native, name, 1), true);
    }
    let native = NativeFunction::from_copy_closure(|_, args, context| {
        let Some(callback) = args.get_or_undefined(0).as_function() else {
            let message = "the argument of `queueMicrotask` must be a function";
            return Err(JsNativeError::typ().with_message(message).into());
        };
        let done = JsPromise::resolve(JsValue::undefined(), context)?;
        done.then(Some(callback), None, context)?;
        Ok(JsValue::undefined())
    });
    add(global, "queueMicrotask", function(context, native, "queueMicrotask", 1), true);
}

/// The text of a function is shown as it was written, without our guards.
fn hide_guards(context: &mut Context, state: &State) -> JsResult<()> {
    let prototype = context.intrinsics().constructors().function().prototype();
    let key = JsString::from("toString");
    state.builtins.borrow_mut().function_text = prototype.get(key, context)?.as_function();
    let native = NativeFunction::from_copy_closure(|this, args, context| {
        let Some(original) = State::of(context).builtins.borrow().function_text.clone() else {
            return Ok(JsValue::undefined());
        };
        let text = original.call(this, args, context)?;
        Ok(match text.as_string() {
            Some(text) => JsString::from(crate::source::without_guards(&text.to_std_string_lossy())).into(),
            None => text,
        })
    });
    add(&prototype, "toString", function(context, native, "toString", 0), true);
    Ok(())
}
