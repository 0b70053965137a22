//! Where the run stands, as a client sees it: frames, scopes, values, completions.

use aikit_core::Language;
use aikit_runtime::debug::{
    Debugger, FrameKind, ThreadId,
    script::{GLOBALS, LOCALS, UPVALUES},
};
use serde_json::{Value, json};

use crate::{
    handles::{Handles, Owner},
    view::Places,
};

/// How many completions are offered.
const OFFERED: usize = 200;

/// The frames of a thread, a page of them.
pub fn stack(debugger: &Debugger, handles: &mut Handles, places: &Places<'_>, arguments: &Value) -> Value {
    let thread = arguments["threadId"].as_u64().unwrap_or(aikit_runtime::debug::MAIN);
    let found = debugger.at(thread).and_then(|number| Some((number, debugger.moment(number)?)));
    let Some((number, moment)) = found else { return json!({ "stackFrames": [], "totalFrames": 0 }) };
    let page = |name: &str| arguments[name].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    let levels = match page("levels") {
        0 => usize::MAX,
        levels => levels,
    };
    let frames: Vec<Value> = moment
        .frames
        .iter()
        .enumerate()
        .skip(page("startFrame"))
        .take(levels)
        .map(|(frame, shown)| {
            let hint = if shown.kind == FrameKind::Run { "subtle" } else { "normal" };
            let (source, line) = places(shown);
            json!({
                "id": handles.frame(Owner { moment: number, frame }), "name": shown.name, "line": line, "column": 1,
                "source": source, "presentationHint": hint,
            })
        })
        .collect();
    json!({ "stackFrames": frames, "totalFrames": moment.frames.len() })
}

/// The groups of variables of a frame.
pub fn scopes(debugger: &Debugger, handles: &mut Handles, owner: Owner) -> Option<Value> {
    let moment = debugger.moment(owner.moment)?;
    let frame = moment.frames.get(owner.frame)?;
    let scope = |(name, value): (&'static str, Value)| {
        let count = value.as_object().map_or(0, serde_json::Map::len);
        let first = usize::from(frame.script.as_ref().is_some_and(|(_, language)| *language == Language::Lua));
        let script = if frame.kind == FrameKind::Script { script_group(name) } else { None };
        let script = script.map(|group| (group, first));
        let mut scope = json!({
            "name": name, "namedVariables": count, "expensive": false,
            "variablesReference": handles.group(value, owner, script, &frame.cut),
        });
        if name == "Locals" {
            scope["presentationHint"] = "locals".into();
        }
        scope
    };
    Some(json!({ "scopes": frame.groups().into_iter().map(scope).collect::<Vec<_>>() }))
}

/// The variables of a script by the name that people see.
fn script_group(name: &str) -> Option<&'static str> {
    match name {
        "Locals" => Some(LOCALS),
        "Upvalues" => Some(UPVALUES),
        "Globals" => Some(GLOBALS),
        _ => None,
    }
}

/// What failed where a thread stands.
pub fn exception(debugger: &Debugger, thread: ThreadId) -> Option<Value> {
    let moment = debugger.moment(debugger.at(thread)?)?;
    let error = moment.error.as_ref()?;
    let trace: Vec<String> =
        error.trace.iter().map(|place| format!("at {}, line {}", place.source, place.line)).collect();
    Some(json!({
        "exceptionId": error.kind.code(), "description": error.message, "breakMode": "userUnhandled",
        "details": {
            "message": error.message, "typeName": error.kind.code(), "stackTrace": trace.join("\n"),
        },
    }))
}

/// Names that can stand at a column of a text in the debug console.
pub fn completions(debugger: &Debugger, owner: Owner, text: &str, column: usize) -> Vec<Value> {
    let before: String = text.chars().take(column.saturating_sub(1)).collect();
    let start = before
        .rfind(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.'))
        .map_or(0, |i| i + before[i..].chars().next().map_or(1, char::len_utf8));
    let mut path: Vec<&str> = before[start..].split('.').collect();
    let word = path.pop().unwrap_or_default();
    let Some(moment) = debugger.moment(owner.moment) else { return Vec::new() };
    let Some(frame) = moment.frames.get(owner.frame) else { return Vec::new() };
    let mut value = frame.variables();
    for name in path {
        value = value.get(name).cloned().unwrap_or_default();
    }
    let names = value.as_object().into_iter().flatten();
    names
        .filter(|(name, _)| name.starts_with(word))
        .take(OFFERED)
        .map(|(name, _)| json!({ "label": name, "type": "variable", "length": word.chars().count(), "start": column.saturating_sub(1).saturating_sub(word.chars().count()) }))
        .collect()
}
