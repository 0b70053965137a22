//! Finds the trailing expression of a cell, whose value is the cell's result, by asking Lua's own parser.

use mlua::{Function, Lua, chunk::ChunkMode};

/// How many lines from the end are tried as the beginning of the trailing expression.
const LINES: usize = 200;

/// Compiles a cell so that it returns its trailing expression, if it has one. Line numbers stay as they are. The function
/// takes the identity function as its argument: the expression is given to that, because a call that is returned as it
/// stands would be a tail call, whose line an error could not name.
pub(crate) fn compile(lua: &Lua, chunk: &str, code: &str) -> mlua::Result<Function> {
    let load = |text: &str| lua.load(text).set_name(format!("={chunk}")).set_mode(ChunkMode::Text).into_function();
    let returning = |before: &str, expression: &str| {
        load(&format!("{before}return {expression}")).ok()?;
        // On its own line the bracket would be a second line for debuggers; behind a comment it has to be.
        let expression = expression.trim_end();
        load(&format!("{before}return (...)({expression})"))
            .or_else(|_| load(&format!("{before}return (...)({expression}\n)")))
            .ok()
    };
    if let Some(function) = returning("", code) {
        return Ok(function);
    }
    let whole = load(code);
    for at in starts(code) {
        let (before, mut expression) = code.split_at(at);
        if let Some(rest) = expression.trim_start().strip_prefix("return")
            && !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_')
        {
            expression = rest.trim_end().trim_end_matches(';');
        } else if expression.trim_start().starts_with(['(', '{', '[', '"', '\''])
            && whole.is_ok()
            && !before.trim_end().ends_with(';')
        {
            // `f` and `(x)` on two lines are one call to Lua: only where that reading fails it may be split.
            continue;
        }
        if load(before).is_err() {
            continue;
        }
        if let Some(function) = returning(before, expression) {
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
    let mut all: Vec<usize> = std::iter::once(0).chain(lines).chain(semicolons).collect();
    all.sort_unstable();
    all.reverse();
    all.truncate(LINES);
    all
}
