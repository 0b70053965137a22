//! Completion and inspection from the live globals, without running any code: raw access only.

use aikit_core::surface::{GLOBALS, MEMBERS, MemberKind, member};
use aikit_runtime::ports::{Completeness, Inspection, ScriptCompletion};
use mlua::{Lua, Table, Value};

use crate::{convert::show, manual, state::State};

const KEYWORDS: &[&str] = &[
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in", "local", "nil",
    "not", "or", "repeat", "return", "then", "true", "until", "while",
];

/// How long the text of an inspected value may be.
const SHOWN: usize = 2000;

/// A name before the cursor, `a.b:c` taken apart: what comes before the last separator, and the word after it.
struct Chain<'c> {
    owners: Vec<&'c str>,
    word: &'c str,
}

fn chain(code: &str) -> Option<Chain<'_>> {
    let word_start = |text: &str| {
        text.rfind(|c: char| !(c.is_alphanumeric() || c == '_'))
            .map_or(0, |i| i + text[i..].chars().next().map_or(1, char::len_utf8))
    };
    let mut start = word_start(code);
    let word = &code[start..];
    let mut owners = Vec::new();
    while let Some(before) = code[..start].strip_suffix(['.', ':']) {
        start = word_start(before);
        let owner = &before[start..];
        if owner.is_empty() {
            // The owner is an expression, whose value is not known without running it.
            return None;
        }
        owners.insert(0, owner);
    }
    Some(Chain { owners, word })
}

fn up_to(code: &str, cursor: usize) -> &str {
    let mut end = cursor.min(code.len());
    while !code.is_char_boundary(end) {
        end -= 1;
    }
    &code[..end]
}

/// Candidates at a byte offset.
pub(crate) fn complete(lua: &Lua, state: &State, code: &str, cursor: usize) -> Vec<ScriptCompletion> {
    let Some(Chain { owners, word }) = chain(up_to(code, cursor)) else { return Vec::new() };
    let mut found: Vec<ScriptCompletion> = Vec::new();
    let mut add = |text: &str, kind: &str| {
        if text.starts_with(word) && is_name(text) && !found.iter().any(|known| known.text == text) {
            found.push(ScriptCompletion { text: text.to_owned(), kind: kind.to_owned() });
        }
    };
    if owners.is_empty() {
        KEYWORDS.iter().for_each(|keyword| add(keyword, "keyword"));
        names_of(&lua.globals(), &mut add);
    } else {
        surface_names(&owners, &mut add);
        if owners == ["vars"] {
            let vars = state.lock().vars.clone();
            vars.iter().flat_map(|vars| vars.names()).for_each(|name| add(&name, "variable"));
        }
        match value_of(lua, state, &owners) {
            Some(Value::Table(table)) => {
                names_of(&table, &mut add);
                if let Some(index) = index_of(&table) {
                    names_of(&index, &mut add);
                }
            }
            Some(Value::String(_)) => {
                if let Ok(Some(string)) = lua.globals().raw_get::<Option<Table>>("string") {
                    names_of(&string, &mut add);
                }
            }
            _ => {}
        }
    }
    found.sort_by(|a, b| a.text.cmp(&b.text));
    found
}

fn names_of(table: &Table, add: &mut impl FnMut(&str, &str)) {
    for (key, value) in table.clone().pairs::<Value, Value>().flatten() {
        if let Value::String(name) = key {
            add(&name.to_string_lossy(), value.type_name());
        }
    }
}

/// The next segments of the surface's paths below `owners`.
fn surface_names(owners: &[&str], add: &mut impl FnMut(&str, &str)) {
    let prefix = format!("{}.", owners.join("."));
    for member in MEMBERS {
        let Some(rest) = member.path.strip_prefix(&prefix) else { continue };
        match rest.split_once('.') {
            Some((group, _)) => add(group, "table"),
            None if member.kind == MemberKind::Value => add(rest, "property"),
            None => add(rest, "function"),
        }
    }
}

fn is_name(text: &str) -> bool {
    !text.starts_with(|c: char| c.is_ascii_digit())
        && !text.is_empty()
        && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// The table that `__index` names, if it is one.
fn index_of(table: &Table) -> Option<Table> {
    table.metatable()?.raw_get::<Option<Table>>("__index").ok().flatten()
}

/// The value of a dotted name, by raw access.
fn value_of(lua: &Lua, state: &State, path: &[&str]) -> Option<Value> {
    let (first, rest) = path.split_first()?;
    let mut value = lua.globals().raw_get::<Value>(*first).ok()?;
    for (i, part) in rest.iter().enumerate() {
        let Value::Table(table) = &value else { return None };
        let next = if i == 0 && *first == "vars" {
            let json = state.lock().vars.clone()?.get(part)?;
            crate::convert::to_lua(lua, &json).ok()?
        } else {
            match table.raw_get::<Value>(*part).ok()? {
                Value::Nil => index_of(table)?.raw_get::<Value>(*part).ok()?,
                found => found,
            }
        };
        value = next;
    }
    (!value.is_nil()).then_some(value)
}

/// What stands at a byte offset.
pub(crate) fn inspect(lua: &Lua, state: &State, code: &str, cursor: usize) -> Option<Inspection> {
    let before = up_to(code, cursor);
    let after = &code[before.len()..];
    let end = after.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(after.len());
    let mut text = &code[..before.len() + end];
    if chain(text).is_none_or(|chain| chain.word.is_empty()) {
        // Behind an opening bracket, the function that is called is meant.
        text = text.trim_end().strip_suffix('(')?;
    }
    let Chain { mut owners, word } = chain(text)?;
    if word.is_empty() {
        return None;
    }
    owners.push(word);
    let expression = owners.join(".");
    if let Some(member) = member(&expression) {
        let ty = if member.kind == MemberKind::Value { "value" } else { "function" };
        let text = match value_of(lua, state, &owners) {
            Some(value) if member.kind == MemberKind::Value => shorten(&show(&value)),
            _ => member.signature(),
        };
        return Some(Inspection { expression, ty: ty.into(), text, doc: Some(member.doc.into()) });
    }
    let doc = GLOBALS.iter().find(|(name, _)| *name == expression).map(|(_, doc)| (*doc).to_owned());
    let manual = manual::entry(&expression);
    let value = value_of(lua, state, &owners);
    let ty = value.as_ref().map_or("unknown", Value::type_name).to_owned();
    let text = match (&value, manual) {
        (_, Some((signature, _))) => signature.to_owned(),
        (Some(value), None) => shorten(&show(value)),
        (None, None) => {
            let keyword = KEYWORDS.contains(&expression.as_str());
            return keyword.then(|| Inspection {
                expression: expression.clone(),
                ty: "keyword".into(),
                text: expression,
                doc: None,
            });
        }
    };
    Some(Inspection { expression, ty, text, doc: doc.or_else(|| manual.map(|(_, doc)| doc.to_owned())) })
}

fn shorten(text: &str) -> String {
    if text.len() <= SHOWN {
        return text.to_owned();
    }
    format!("{}…", up_to(text, SHOWN))
}

/// Whether the code is complete, by Lua's own parser.
pub(crate) fn is_complete(lua: &Lua, code: &str) -> Completeness {
    let load = |text: &str| {
        lua.load(text).set_name("=cell").set_mode(mlua::chunk::ChunkMode::Text).into_function().map(|_| ())
    };
    if load(&format!("return {code}")).is_ok() {
        return Completeness::Complete;
    }
    match load(code) {
        Ok(()) => Completeness::Complete,
        Err(mlua::Error::SyntaxError { incomplete_input: true, .. }) => {
            Completeness::Incomplete { indent: indent(code) }
        }
        Err(mlua::Error::SyntaxError { message, .. }) => {
            let rest = message.strip_prefix("cell:").and_then(|rest| rest.split_once(": "));
            let (line, message) = match rest {
                Some((line, message)) => (line.parse().ok(), message),
                None => (None, message.as_str()),
            };
            Completeness::Invalid { message: message.replace("<eof>", "the end of the code"), line }
        }
        Err(_) => Completeness::Unknown,
    }
}

/// The indentation of the last line, one step deeper behind what opens a block.
fn indent(code: &str) -> String {
    let Some(last) = code.lines().rev().find(|line| !line.trim().is_empty()) else { return String::new() };
    let base: String = last.chars().take_while(|c| c.is_whitespace()).collect();
    let trimmed = last.trim();
    let opens = ["then", "do", "else", "repeat"].iter().any(|word| {
        trimmed.strip_suffix(word).is_some_and(|before| !before.ends_with(|c: char| c.is_alphanumeric() || c == '_'))
    }) || trimmed.ends_with(['{', '('])
        || (trimmed.contains("function") && trimmed.ends_with(')'));
    if opens { base + "  " } else { base }
}
