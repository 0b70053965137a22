//! Finds the trailing expression of a cell, whose value is the cell's result, by asking Lua's own parser.

use mlua::{Function, Lua};

/// How many lines from the end are tried as the beginning of the trailing expression.
const LINES: usize = 200;

/// Compiles a cell so that it returns its trailing expression, if it has one. Line numbers stay as they are.
pub(crate) fn compile(lua: &Lua, chunk: &str, code: &str) -> mlua::Result<Function> {
    let load = |text: &str| lua.load(text).set_name(chunk).set_mode(mlua::ChunkMode::Text).into_function();
    let whole = load(code);
    if let Ok(function) = load(&format!("return {code}")) {
        // `return` alone would hide a cell that only holds a comment; that cell compiles as it stands.
        return Ok(function);
    }
    for at in starts(code) {
        let (before, expression) = code.split_at(at);
        // `f` and `(x)` on two lines are one call to Lua: only where that reading fails it may be split.
        let glued = expression.trim_start().starts_with(['(', '{', '[', '"', '\'']);
        if glued && whole.is_ok() && !before.trim_end().ends_with(';') {
            continue;
        }
        if load(before).is_err() {
            continue;
        }
        if let Ok(function) = load(&format!("{before}return {expression}")) {
            return Ok(function);
        }
    }
    whole
}

/// Offsets at which the trailing expression may begin, the last first: behind semicolons of the last line that holds
/// anything, then at the beginnings of lines.
fn starts(code: &str) -> Vec<usize> {
    let end = code.trim_end().len();
    let body = &code[..end];
    let line = body.rfind('\n').map_or(0, |i| i + 1);
    let semicolons = body[line..].match_indices(';').map(|(i, _)| line + i + 1).filter(|i| *i < end);
    let lines = body.match_indices('\n').map(|(i, _)| i + 1);
    let mut all: Vec<usize> = lines.chain(semicolons).collect();
    all.sort_unstable();
    all.reverse();
    all.truncate(LINES);
    all
}
