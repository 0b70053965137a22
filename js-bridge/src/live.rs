//! Completion and inspection from the live globals, without running any code: own properties along the prototype chain,
//! no getters, no proxies.

use aikit_core::surface::{GLOBALS, MEMBERS, MemberKind, member};
use aikit_runtime::ports::{Inspection, ScriptCompletion};
use boa_engine::{
    Context, JsObject, JsString, JsValue, JsVariant,
    builtins::proxy::Proxy,
    property::{PropertyDescriptor, PropertyKey},
};

use crate::{look, show, source::HIDDEN, state::State, vars};

const KEYWORDS: &[&str] = &[
    "async",
    "await",
    "break",
    "case",
    "catch",
    "class",
    "const",
    "continue",
    "debugger",
    "default",
    "delete",
    "do",
    "else",
    "export",
    "extends",
    "false",
    "finally",
    "for",
    "function",
    "if",
    "import",
    "in",
    "instanceof",
    "let",
    "new",
    "null",
    "of",
    "return",
    "static",
    "super",
    "switch",
    "this",
    "throw",
    "true",
    "try",
    "typeof",
    "undefined",
    "var",
    "void",
    "while",
    "with",
    "yield",
];

/// How long the text of an inspected value may be.
const SHOWN: usize = 2000;

/// A name before the cursor, `a.b?.c` taken apart: what comes before the last separator, and the word after it.
struct Chain<'c> {
    owners: Vec<&'c str>,
    word: &'c str,
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

fn chain(code: &str) -> Option<Chain<'_>> {
    let word_start =
        |text: &str| text.rfind(|c| !is_word(c)).map_or(0, |i| i + text[i..].chars().next().map_or(1, char::len_utf8));
    let mut start = word_start(code);
    let word = &code[start..];
    let mut owners = Vec::new();
    while let Some(before) = code[..start].strip_suffix('.') {
        let before = before.strip_suffix('?').unwrap_or(before);
        start = word_start(before);
        let owner = &before[start..];
        if owner.is_empty() || owner.starts_with(|c: char| c.is_ascii_digit()) {
            // The owner is an expression, whose value is not known without running it.
            return literal(before).map(|owner| Chain { owners: vec![owner], word });
        }
        owners.insert(0, owner);
    }
    Some(Chain { owners, word })
}

/// The global that stands for a literal before a dot.
fn literal(before: &str) -> Option<&'static str> {
    if before.ends_with(['"', '\'', '`']) {
        return Some("String.prototype");
    }
    before.ends_with(']').then_some("Array.prototype").filter(|_| before.trim_start_matches(['[']).len() < before.len())
}

fn up_to(code: &str, cursor: usize) -> &str {
    let mut end = cursor.min(code.len());
    while !code.is_char_boundary(end) {
        end -= 1;
    }
    &code[..end]
}

/// Candidates at a byte offset.
pub(crate) fn complete(context: &mut Context, state: &State, code: &str, cursor: usize) -> Vec<ScriptCompletion> {
    let Some(Chain { owners, word }) = chain(up_to(code, cursor)) else { return Vec::new() };
    let mut found: Vec<ScriptCompletion> = Vec::new();
    let mut add = |text: &str, kind: &str| {
        let wanted = text.starts_with(word) && look::is_name(text) && !text.starts_with(HIDDEN);
        if wanted && !found.iter().any(|known| known.text == text) {
            found.push(ScriptCompletion { text: text.to_owned(), kind: kind.to_owned() });
        }
    };
    if owners.is_empty() {
        names_of(&context.global_object(), context, true, &mut add);
        KEYWORDS.iter().for_each(|keyword| add(keyword, "keyword"));
    } else {
        surface_names(&owners, &mut add);
        if owners == ["vars"] {
            let vars = state.vars.borrow().clone();
            vars.iter().flat_map(|vars| vars.names()).for_each(|name| add(&name, "variable"));
        }
        if let Some(object) = value_of(context, state, &owners).and_then(|value| holder(&value, context)) {
            names_of(&object, context, !word.is_empty(), &mut add);
        }
    }
    found.sort_by(|a, b| a.text.cmp(&b.text));
    found
}

/// The object whose properties a value has.
fn holder(value: &JsValue, context: &Context) -> Option<JsObject> {
    let constructors = context.intrinsics().constructors();
    match value.variant() {
        JsVariant::Object(object) => Some(object),
        JsVariant::String(_) => Some(constructors.string().prototype()),
        JsVariant::Integer32(_) | JsVariant::Float64(_) => Some(constructors.number().prototype()),
        JsVariant::Boolean(_) => Some(constructors.boolean().prototype()),
        JsVariant::BigInt(_) => Some(constructors.bigint().prototype()),
        JsVariant::Symbol(_) => Some(constructors.symbol().prototype()),
        JsVariant::Null | JsVariant::Undefined => None,
    }
}

/// The names along the prototype chain. What every object has is offered once something of it is typed.
fn names_of(object: &JsObject, context: &mut Context, typed: bool, add: &mut impl FnMut(&str, &str)) {
    let root = context.intrinsics().constructors().object().prototype();
    let mut next = Some(object.clone());
    for _ in 0..100 {
        let Some(current) = next else { return };
        let of_all = JsObject::equals(&current, &root) && !JsObject::equals(&current, object);
        if current.is::<Proxy>() || of_all && !typed {
            return;
        }
        for key in current.own_property_keys(context).unwrap_or_default() {
            if let (PropertyKey::String(name), Some(found)) = (&key, look::own(&current, &key)) {
                add(&name.to_std_string_lossy(), kind(&found));
            }
        }
        next = current.prototype();
    }
}

fn kind(found: &PropertyDescriptor) -> &'static str {
    match found.value() {
        Some(value) if value.is_callable() => type_word(value),
        Some(value) => value.type_of(),
        None => "property",
    }
}

fn type_word(value: &JsValue) -> &'static str {
    let class = value.as_object().is_some_and(|object| {
        object.is_constructor()
            && look::own(&object, &JsString::from("prototype").into()).is_some_and(|p| p.writable() == Some(false))
    });
    if class { "class" } else { "function" }
}

/// The next segments of the surface's paths below `owners`.
fn surface_names(owners: &[&str], add: &mut impl FnMut(&str, &str)) {
    let prefix = format!("{}.", owners.join("."));
    for member in MEMBERS {
        let Some(rest) = member.path.strip_prefix(&prefix) else { continue };
        match rest.split_once('.') {
            Some((group, _)) => add(group, "object"),
            None if member.kind == MemberKind::Value => add(rest, "property"),
            None => add(rest, "function"),
        }
    }
}

/// The value of a dotted name, by data properties alone.
fn value_of(context: &mut Context, state: &State, path: &[&str]) -> Option<JsValue> {
    let mut parts = path.iter().flat_map(|part| part.split('.'));
    let first = parts.next()?;
    let mut value = match first {
        "globalThis" | "this" => context.global_object().into(),
        _ => data(&context.global_object(), first)?,
    };
    for part in parts {
        let object = holder(&value, context)?;
        let is_vars = state.vars_object.borrow().as_ref().is_some_and(|vars| JsObject::equals(vars, &object));
        value = match (is_vars, object.is::<Proxy>()) {
            (true, _) => vars::peek(state, part, context)?,
            (false, true) => return None,
            (false, false) => data(&object, part)?,
        };
    }
    Some(value)
}

fn data(object: &JsObject, name: &str) -> Option<JsValue> {
    look::lookup(object, &JsString::from(name).into())?.value().cloned()
}

/// What stands at a byte offset.
pub(crate) fn inspect(context: &mut Context, state: &State, code: &str, cursor: usize) -> Option<Inspection> {
    let before = up_to(code, cursor);
    let after = &code[before.len()..];
    let end = after.find(|c| !is_word(c)).unwrap_or(after.len());
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
    let value = value_of(context, state, &owners);
    if let Some(member) = member(&expression) {
        let text = match &value {
            Some(value) if member.kind == MemberKind::Value => shorten(&show::value_text(value, context)),
            _ if member.kind == MemberKind::Call => {
                member.signature().replace(member.returns, &format!("Promise<{}>", member.returns))
            }
            _ => member.signature(),
        };
        let ty = if member.kind == MemberKind::Value { "value" } else { "function" };
        return Some(Inspection { expression, ty: ty.into(), text, doc: Some(member.doc.into()) });
    }
    let doc = GLOBALS.iter().find(|(name, _)| *name == expression).map(|(_, doc)| (*doc).to_owned());
    let Some(value) = value else {
        let keyword = KEYWORDS.contains(&expression.as_str());
        let text = expression.clone();
        return keyword.then(|| Inspection { expression, ty: "keyword".into(), text, doc: None });
    };
    let (ty, text) = match value.as_object().filter(JsObject::is_callable) {
        Some(function) => (type_word(&value).to_owned(), signature(&function, context)),
        None => (type_name(&value), shorten(&show::value_text(&value, context))),
    };
    Some(Inspection { expression, ty, text, doc })
}

fn type_name(value: &JsValue) -> String {
    match value.as_object() {
        Some(object) => look::class_name(&object).unwrap_or_else(|| "object".to_owned()),
        None if value.is_null() => "null".to_owned(),
        None => value.type_of().to_owned(),
    }
}

/// The head of a function as it was written; of a built-in, its name and how many arguments it takes.
fn signature(function: &JsObject, context: &mut Context) -> String {
    let builtins = State::of(context).builtins.borrow().function_text.clone();
    let text = builtins.and_then(|text| text.call(&function.clone().into(), &[], context).ok());
    let text = text.and_then(|text| text.as_string()).map(|text| text.to_std_string_lossy()).unwrap_or_default();
    if text.contains("[native code]") || text.is_empty() {
        let name = look::text_property(function, "name").unwrap_or_default();
        let length = data(function, "length").and_then(|length| length.as_number()).unwrap_or(0.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small whole number")]
        let params: Vec<String> = (1..=length.clamp(0.0, 9.0) as u32).map(|i| format!("arg{i}")).collect();
        return format!("{name}({})", params.join(", "));
    }
    shorten(&crate::source::without_guards(&text))
}

fn shorten(text: &str) -> String {
    if text.len() <= SHOWN {
        return text.to_owned();
    }
    format!("{}…", up_to(text, SHOWN))
}

/// The indentation of the last line, one step deeper behind what opens a block.
pub(crate) fn indent(code: &str) -> String {
    let Some(last) = code.lines().rev().find(|line| !line.trim().is_empty()) else { return String::new() };
    let base: String = last.chars().take_while(|c| c.is_whitespace()).collect();
    if last.trim_end().ends_with(['{', '(', '[', ',']) || last.trim_end().ends_with("=>") {
        let deeper = !last.trim_end().ends_with(',');
        return if deeper { base + "  " } else { base };
    }
    base
}
