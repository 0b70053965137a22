//! The functions of a script that stands still: what a person sees in them, and expressions there.

use std::time::Instant;

use aikit_core::Language;
use aikit_runtime::debug::script::{GLOBALS, LOCALS, ScriptFrame, Shown, UPVALUES};
use boa_engine::{Context, JsResult, JsString, JsValue};
use serde_json::Value as Json;

use crate::{
    debug::{Passed, error_text},
    look,
    probes::{Site, Table},
    show, source,
    state::State,
    surface,
    values::{self, Show},
    vars,
};

/// How many frames are shown.
const FRAMES: usize = 64;
/// Words that look like names but cannot always be read as such.
const WORDS: &[&str] = &["await", "yield", "let", "static", "arguments", "eval", "async"];

/// A function of a script on the stack.
#[derive(Clone)]
pub(crate) struct At {
    pub name: String,
    pub line: u32,
    pub source: String,
    pub passed: Option<Passed>,
}

impl At {
    /// A place where something is evaluated that nobody is shown.
    pub fn place(passed: Option<Passed>) -> Self {
        Self { name: String::new(), line: 0, source: String::new(), passed }
    }
}

pub(crate) fn name_of(table: &Table, function: usize, called: &str) -> String {
    match table.functions.get(function).and_then(|known| known.name.clone()) {
        _ if function == 0 => "main".to_owned(),
        Some(name) => name,
        None if called.is_empty() => "function".to_owned(),
        None => called.to_owned(),
    }
}

/// The functions of scripts on the stack, innermost first. Where the innermost stands is known by its place.
pub(crate) fn levels(here: Option<&Site>, state: &State, context: &Context) -> Vec<At> {
    let all: Vec<_> = context.stack_trace().map(|frame| frame.position()).collect();
    let debugging = state.debugging.borrow();
    let passed = debugging.as_ref().map(|debugging| debugging.passed.as_slice()).unwrap_or_default();
    let mut found: Vec<At> = Vec::new();
    for (above, at) in all.iter().enumerate() {
        let chunk = at.path.to_string();
        let innermost = found.is_empty();
        let position = at.position.map(|position| (position.line_number(), position.column_number()));
        let place = match here.filter(|_| innermost) {
            Some(site) => state.source_of(&chunk).map(|source| (source, site.line, site.column)),
            None => position.and_then(|(line, column)| state.located(&chunk, line, column)),
        };
        let Some((source, line, column)) = place else { continue };
        let passed = passed.get(all.len() - above).cloned().flatten();
        let called = at.function_name.to_std_string_lossy();
        let (name, passed) = match state.table_of(&chunk) {
            Some(table) => {
                let function =
                    here.filter(|_| innermost).map_or_else(|| table.function_at(line, column), |s| s.function);
                let fits = |passed: &Passed| table.site(passed.site).is_some_and(|site| site.function == function);
                (name_of(&table, function, &called), passed.filter(fits))
            }
            None if called.is_empty() || called.starts_with('<') => ("main".to_owned(), None),
            None => (called, None),
        };
        found.push(At { name, line, source, passed });
        if found.len() == FRAMES {
            break;
        }
    }
    found
}

/// The frames with their variables, and what is global.
pub(crate) fn capture(frames: &[At], state: &State, context: &mut Context) -> (Vec<ScriptFrame>, Shown) {
    let read: Vec<_> = frames.iter().map(|frame| variables(frame, state, context)).collect();
    let globals = seen(state, context);
    let mut show = Show::some(context);
    let shown = frames.iter().zip(read).map(|(frame, (locals, upvalues))| ScriptFrame {
        name: frame.name.clone(),
        source: frame.source.clone(),
        language: Language::Js,
        line: frame.line,
        locals: show.variables(LOCALS, locals),
        upvalues: show.variables(UPVALUES, upvalues),
    });
    let shown = shown.collect();
    (shown, Show::some(context).variables(GLOBALS, globals))
}

type Variables = Vec<(String, Option<JsValue>)>;

/// The variables of a frame and those of the functions around it, as far as it sees them.
fn variables(frame: &At, state: &State, context: &mut Context) -> (Variables, Variables) {
    let none = (Vec::new(), Vec::new());
    let Some(passed) = &frame.passed else { return none };
    let Some(table) = state.table(passed.site) else { return none };
    let Some(site) = table.site(passed.site) else { return none };
    let (own, outer) = table.names(site);
    let readable = |names: Vec<&str>| -> Vec<String> {
        let plain = names.into_iter().filter(|name| look::is_name(name) && !WORDS.contains(name));
        plain.map(str::to_owned).collect()
    };
    let (mut own, outer) = (readable(own), readable(outer));
    if table.functions.get(site.function).is_some_and(|known| known.own_this) {
        own.insert(0, "this".to_owned());
    }
    let mut values = read(passed, own.iter().chain(&outer), state, context).into_iter();
    let own = own.into_iter().map(|name| (name, values.next().flatten())).collect();
    (own, outer.into_iter().map(|name| (name, values.next().flatten())).collect())
}

/// The values of names at a place; none for those that are not initialized yet.
fn read<'n>(
    passed: &Passed,
    names: impl Iterator<Item = &'n String>,
    state: &State,
    context: &mut Context,
) -> Vec<Option<JsValue>> {
    let getters: Vec<String> = names.map(|name| format!("()=>{name}")).collect();
    let text = format!("[{}]", getters.join(","));
    let none = vec![None; getters.len()];
    let Some(look) = &passed.look else { return none };
    let asked = quiet(state, context, |context| {
        let found = look.call(&JsValue::undefined(), &[JsString::from(text).into()], context)?;
        let Some(found) = found.as_object() else { return Ok(none.clone()) };
        let mut values = Vec::new();
        for at in 0..getters.len() {
            let getter = found.get(at, context)?.as_function();
            values.push(getter.and_then(|getter| getter.call(&JsValue::undefined(), &[], context).ok()));
        }
        Ok(values)
    });
    asked.unwrap_or(none)
}

/// Runs something that the debugger must not see.
fn quiet<T>(state: &State, context: &mut Context, run: impl FnOnce(&mut Context) -> JsResult<T>) -> JsResult<T> {
    let set = |since| {
        if let Some(debugging) = state.debugging.borrow_mut().as_mut() {
            debugging.evaluating = since;
        }
    };
    set(Some(Instant::now()));
    let result = run(context);
    set(None);
    result
}

/// Values that every function sees.
fn seen(state: &State, context: &mut Context) -> Variables {
    let mut seen = Vec::new();
    let ctx = state.ctx.borrow().clone();
    let members = ["tenant", "user", "app_id", "session", "inputs", "state", "steps"];
    if let Some(ctx) = ctx {
        let shown = boa_engine::JsObject::with_null_proto();
        for name in members {
            if let Some(value) = look::own(&ctx, &JsString::from(name).into()).and_then(|found| found.value().cloned())
            {
                surface::add(&shown, name, value, false);
            }
        }
        seen.push(("ctx".to_owned(), Some(shown.into())));
    }
    seen.push(("vars".to_owned(), vars::all(state, context)));
    let global = context.global_object();
    let keys = global.own_property_keys(context).unwrap_or_default();
    let known = state.known.borrow();
    for key in keys.iter().filter(|key| !known.contains(key)) {
        let name = key.to_string();
        if let Some(found) = look::own(&global, key).filter(|_| look::is_name(&name)) {
            seen.push((name, found.value().cloned()));
        }
    }
    seen
}

/// A page of a value, by the names that lead to it.
pub(crate) fn page(
    frame: Option<&At>,
    path: &[String],
    start: usize,
    count: usize,
    state: &State,
    context: &mut Context,
) -> Result<Json, String> {
    let gone = || "the value is gone".to_owned();
    let [group, name, inner @ ..] = path else { return Err(gone()) };
    let frame = frame.ok_or_else(gone)?;
    let variables = match group.as_str() {
        GLOBALS => seen(state, context),
        UPVALUES => variables(frame, state, context).1,
        _ => variables(frame, state, context).0,
    };
    let mut value = variables.into_iter().find(|(known, _)| known == name).and_then(|(_, value)| value);
    for name in inner {
        value = value.and_then(|value| values::entry(&value, name, context));
    }
    let shown = values::page(&value.ok_or_else(gone)?, path, start, count, context)?;
    serde_json::to_value(shown).map_err(|error| error.to_string())
}

/// The value of an expression, or of statements, in a frame. Variables that it changes are changed.
pub(crate) fn evaluate(
    frame: Option<&At>,
    text: &str,
    state: &State,
    context: &mut Context,
) -> Result<JsValue, String> {
    let frame = frame.ok_or("there is no such frame")?;
    if source::nests_too_deep(text) {
        return Err(source::TOO_DEEP.to_owned());
    }
    let question = source::question(text, &state.constants.borrow());
    let question: JsValue = JsString::from(question).into();
    let look = frame.passed.as_ref().and_then(|passed| passed.look.clone());
    let result = quiet(state, context, |context| match look {
        Some(look) => look.call(&JsValue::undefined(), &[question], context),
        // A function without probes shows only what is global.
        None => {
            let eval = context.intrinsics().objects().eval();
            eval.call(&JsValue::undefined(), &[question], context)
        }
    });
    result.map_err(|error| match error.as_engine() {
        Some(_) => "the expression took too long".to_owned(),
        None => {
            let native = error.as_native().is_some();
            if native { show::error_line(&error) } else { error_text(&error, state, context) }
        }
    })
}
