//! Errors between host and JavaScript. A host error is an `Error` with `code`, `kind`, `help` and `detail`; uncaught it
//! becomes the host error again.

use aikit_core::{Place, RunError};
use aikit_runtime::ports::ScriptError;
use boa_engine::{
    Context, JsData, JsError, JsNativeError, JsObject, JsString, JsSymbol, JsValue, builtins::error::Error,
    error::EngineError, property::PropertyDescriptor,
};
use boa_gc::{Finalize, Trace};

use crate::{convert::to_js, look, show, source::Map, state::State};

/// How many frames of a traceback are kept.
const FRAMES: usize = 32;

/// The host error behind an `Error`, and where the call was made.
#[derive(Debug, Trace, Finalize, JsData)]
struct HostError {
    #[unsafe_ignore_trace]
    error: RunError,
    #[unsafe_ignore_trace]
    called_at: Option<Place>,
}

/// A host error as JavaScript sees it.
pub(crate) fn from_host(error: RunError, called_at: Option<Place>, context: &mut Context) -> JsError {
    let object = JsNativeError::error().with_message(error.message.clone()).into_opaque(context);
    let code = JsString::from(error.kind.code());
    let set = |name: &str, value: JsValue| {
        let property = PropertyDescriptor::builder().value(value).writable(true).enumerable(true).configurable(true);
        object.insert_property(JsString::from(name), property);
    };
    set("code", code.clone().into());
    set("kind", code.into());
    if let Some(help) = &error.help {
        set("help", JsString::from(help.as_str()).into());
    }
    if let Some(detail) = &error.detail
        && let Ok(detail) = to_js(detail, context)
    {
        let property = PropertyDescriptor::builder().value(detail).writable(true).enumerable(true).configurable(true);
        object.insert_property(JsString::from("detail"), property);
    }
    let mark = JsObject::from_proto_and_data(None, HostError { error, called_at });
    let hidden = PropertyDescriptor::builder().value(mark).writable(false).enumerable(false).configurable(false);
    object.insert_property(mark_key(context), hidden);
    JsError::from_opaque(object.into())
}

fn mark_key(context: &Context) -> JsSymbol {
    let state = State::of(context);
    let mut mark = state.error_mark.borrow_mut();
    mark.get_or_insert_with(|| JsSymbol::new(Some(JsString::from("host error"))).unwrap_or_else(JsSymbol::unscopables))
        .clone()
}

/// What ended a script means to a person.
pub(crate) fn describe(state: &State, error: &JsError, context: &mut Context) -> ScriptError {
    let trace = trace(state, error);
    let plain =
        |name: &str, message: String| ScriptError { name: name.to_owned(), message, trace: trace.clone(), cause: None };
    if let Some(engine) = error.as_engine() {
        return match limit(engine) {
            Some(()) => {
                plain("RangeError", "the call stack is exhausted: functions call each other too deeply".to_owned())
            }
            None => plain("InternalError", engine.to_string()),
        };
    }
    if let Some(native) = error.as_native() {
        let name = if native.is_uri() { "URIError".to_owned() } else { native.kind().to_string() };
        return plain(&name, native.message().to_owned());
    }
    let Some(value) = error.as_opaque() else { return plain("Error", show::error_line(error)) };
    let Some(object) = value.as_object().filter(|object| object.is::<Error>()) else {
        return plain("Error", show::result(value, context));
    };
    let mark = look::own(&object, &mark_key(context).into());
    if let Some(mark) = mark.and_then(|mark| mark.value().and_then(JsValue::as_object))
        && let Some(host) = mark.downcast_ref::<HostError>()
    {
        let trace = if trace.is_empty() { host.called_at.iter().cloned().collect() } else { trace };
        let cause = host.error.clone();
        return ScriptError {
            name: cause.kind.code().into(),
            message: cause.message.clone(),
            trace,
            cause: Some(cause),
        };
    }
    let (name, message) = name_and_message(&object);
    plain(&name, message)
}

/// Whether a limit of the interpreter is behind an error; it may be wrapped as a mistake of the interpreter.
fn limit(error: &EngineError) -> Option<()> {
    match error {
        EngineError::RuntimeLimit(_) => Some(()),
        EngineError::Panic(panic) => {
            let source = std::error::Error::source(panic)?;
            let boxed = source.downcast_ref::<Box<JsError>>().map(AsRef::as_ref);
            limit(boxed.or(source.downcast_ref::<JsError>())?.as_engine()?)
        }
    }
}

/// The name and message of an error, without running its getters.
pub(crate) fn name_and_message(object: &JsObject) -> (String, String) {
    let name = look::text_property(object, "name").filter(|name| !name.is_empty());
    // A class that extends `Error` is mostly meant by its own name.
    let class = look::class_name(object).filter(|_| name.as_deref() == Some("Error"));
    let name = class.or(name).unwrap_or_else(|| "Error".to_owned());
    (name, look::text_property(object, "message").unwrap_or_default())
}

/// Where an error was thrown, innermost first, in lines of cells.
pub(crate) fn trace(state: &State, error: &JsError) -> Vec<Place> {
    // The interpreter gives its backtrace only as text; it stands behind the error's own text.
    let text = error.to_string();
    let mut frames: Vec<&str> = text.lines().rev().map_while(|line| line.strip_prefix("    at ")).collect();
    frames.reverse();
    let mut missing = missing_name(error);
    let mut places: Vec<Place> = Vec::new();
    let mut unplaced = None;
    for frame in frames {
        let Some((_, at)) = frame.strip_suffix(')').and_then(|frame| frame.rsplit_once(" (")) else { continue };
        let Some((chunk, line, column)) = at.rsplit_once(':').and_then(|(rest, column)| {
            let (chunk, line) = rest.rsplit_once(':')?;
            Some((chunk, line, column))
        }) else {
            continue;
        };
        let position = line.parse().ok().zip(column.parse().ok());
        let name = missing.take();
        if position.is_none() && name.is_none() {
            // Nothing is known of where in its cell this frame is.
            unplaced = unplaced.or_else(|| state.place(chunk, None, None));
            continue;
        }
        places.extend(state.place(chunk, position, name.as_deref()));
        if places.len() == FRAMES {
            break;
        }
    }
    if places.is_empty() {
        places.extend(unplaced);
    }
    places
}

/// The name that an error says is not there. The interpreter knows no place for it.
fn missing_name(error: &JsError) -> Option<String> {
    let message = match (error.as_native(), error.as_opaque().and_then(JsValue::as_object)) {
        (Some(native), _) if native.is_reference() => native.message().to_owned(),
        (None, Some(object)) if object.is::<Error>() => look::text_property(&object, "message")?,
        _ => return None,
    };
    message.strip_suffix(" is not defined").filter(|name| look::is_name(name)).map(str::to_owned)
}

/// A text that does not parse.
pub(crate) fn syntax(name: &str, line_offset: u32, error: &Syntax) -> ScriptError {
    let place = error.place.map(|(line, column)| Place {
        source: name.to_owned(),
        line: line + line_offset,
        column: Some(column),
    });
    ScriptError {
        name: "SyntaxError".into(),
        message: error.message.clone(),
        trace: place.into_iter().collect(),
        cause: None,
    }
}

/// What the parser says.
#[derive(Debug, Clone)]
pub(crate) struct Syntax {
    pub message: String,
    /// Line and column, from 1, where the parser names them.
    pub place: Option<(u32, u32)>,
    /// Whether the text ended too early.
    pub incomplete: bool,
}

impl Syntax {
    /// Takes a message of the parser apart; the place is one of the text that was parsed.
    pub fn of(error: &JsError, code: &str, map: &Map) -> Syntax {
        let text = error.as_native().map_or_else(|| show::error_line(error), |native| native.message().to_owned());
        let lower = text.to_lowercase();
        let incomplete = ["abrupt end", "unterminated multiline comment", "unterminated template literal"]
            .iter()
            .any(|sign| lower.contains(sign));
        let parsed = text.rfind(" at line ").and_then(|i| {
            let (line, column) = text[i + 9..].split_once(", col ")?;
            let column: String = column.chars().take_while(char::is_ascii_digit).collect();
            Some((i, (line.parse().ok()?, column.parse().ok()?)))
        });
        let end = || {
            let line = code.trim_end().lines().count().max(1);
            let column = code.trim_end().lines().last().map_or(1, |line| line.chars().count() + 1);
            (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
        };
        let (message, place) = match parsed {
            Some((i, (line, column))) => (&text[..i], Some(map.locate(line, column).unwrap_or_else(end))),
            None => (text.as_str(), Some(end())),
        };
        let message = match message.strip_prefix("abrupt end") {
            Some(_) => "the code ends too early".to_owned(),
            None => message.to_owned(),
        };
        Syntax { message, place, incomplete }
    }
}
