//! The template engine with everything in it bounded: the filters and operators that can grow a value are weighed before
//! or after they work, out of one allowance for a rendering.

use std::sync::OnceLock;

use minijinja::{
    Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value, filters,
    machinery::{Instruction, Instructions},
    value::{Kwargs, Rest, ValueKind, ValueOrKwargs},
};

use super::values::{TOO_LARGE, take, text, to_json, weigh};

/// Bytes that one rendering may build, intermediate values included.
pub(super) const ALLOWANCE: usize = 64 << 20;
/// How deep macros may call each other.
const MAX_RECURSION: usize = 100;

const CONCAT: &str = "__concat";
const ADD: &str = "__add";
const MUL: &str = "__mul";
const SLICE: &str = "__slice";
const LIST: &str = "__list";
const MAP: &str = "__map";
/// Do not cache the filter between instructions.
const UNCACHED: u8 = !0;

/// What is left of the allowance of one rendering.
struct Room(usize);

fn room<'s>(state: &'s mut State<'_, '_>) -> &'s mut usize {
    &mut state.get_or_insert_extension(Room(ALLOWANCE)).0
}

/// The engine that every rendering starts from.
pub(super) fn environment() -> Environment<'static> {
    static BASE: OnceLock<Environment<'static>> = OnceLock::new();
    BASE.get_or_init(build).clone()
}

fn build() -> Environment<'static> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_recursion_limit(MAX_RECURSION);
    env.set_debug(false);
    env.set_formatter(|out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value| {
        out.write_str(&text(value, room(state))?).map_err(Error::from)
    });
    env.remove_global("debug");
    for name in super::FILTERS {
        if let Some(filter) = builtin(name) {
            env.add_filter(*name, move |state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>| {
                let args = args.into_values();
                foresee(name, &args, room(state))?;
                let result = filter.call(state, &args)?;
                weigh(&result, room(state), 0)?;
                Ok::<Value, Error>(result)
            });
        }
    }
    env.add_filter("tojson", tojson);
    env.add_filter("string", |state: &mut State<'_, '_>, value: Value| text(&defined(value)?, room(state)));
    env.add_filter(CONCAT, |state: &mut State<'_, '_>, left: Value, right: Value| {
        let mut joined = text(&defined(left)?, room(state))?;
        joined.push_str(&text(&defined(right)?, room(state))?);
        Ok::<String, Error>(joined)
    });
    env.add_filter(ADD, |state: &mut State<'_, '_>, left: Value, right: Value| add(room(state), left, right));
    env.add_filter(MUL, |state: &mut State<'_, '_>, left: Value, right: Value| multiply(room(state), left, right));
    env.add_filter(SLICE, slice);
    env.add_filter(LIST, |state: &mut State<'_, '_>, items: Rest<Value>| {
        let list = Value::from(items.0);
        weigh(&list, room(state), 0)?;
        Ok::<Value, Error>(list)
    });
    env.add_filter(MAP, |state: &mut State<'_, '_>, parts: Rest<Value>| {
        let pairs = parts.0.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone()));
        let map = Value::from_pairs(pairs);
        weigh(&map, room(state), 0)?;
        Ok::<Value, Error>(map)
    });
    env
}

/// Replaces the instructions that grow values by calls of the weighed filters. Each stands for exactly one instruction
/// with the same effect on the stack, so that jumps stay right.
pub(super) fn weigh_instructions(instructions: &mut Instructions<'_>) {
    let mut at = 0;
    while let Some(instruction) = instructions.get_mut(at) {
        let weighed = match instruction {
            Instruction::StringConcat => Some((CONCAT, 2)),
            Instruction::Add => Some((ADD, 2)),
            Instruction::Mul => Some((MUL, 2)),
            Instruction::Slice => Some((SLICE, 4)),
            Instruction::BuildList(Some(count)) if *count > 0 => Some((LIST, *count)),
            Instruction::BuildMap(pairs) if *pairs > 0 => Some((MAP, *pairs * 2)),
            _ => None,
        };
        if let Some((name, count)) = weighed
            && let Ok(count) = u16::try_from(count)
        {
            *instruction = Instruction::ApplyFilter(name, Some(count), UNCACHED);
        }
        at += 1;
    }
}

fn add(room: &mut usize, left: Value, right: Value) -> Result<Value, Error> {
    let (left, right) = (defined(left)?, defined(right)?);
    if let Some(sum) = arithmetic(&left, &right, i64::checked_add, |a, b| a + b) {
        return sum;
    }
    weigh(&left, room, 0)?;
    weigh(&right, room, 0)?;
    match (left.as_str(), right.as_str()) {
        (Some(a), Some(b)) => Ok(Value::from(format!("{a}{b}"))),
        (None, None) if is_list(&left) && is_list(&right) => {
            Ok(Value::from(left.try_iter()?.chain(right.try_iter()?).collect::<Vec<_>>()))
        }
        _ => Err(unsupported("+", &left, &right)),
    }
}

fn multiply(room: &mut usize, left: Value, right: Value) -> Result<Value, Error> {
    let (left, right) = (defined(left)?, defined(right)?);
    if let Some(product) = arithmetic(&left, &right, i64::checked_mul, |a, b| a * b) {
        return product;
    }
    let (value, times) = if left.kind() == ValueKind::Number { (&right, &left) } else { (&left, &right) };
    let Ok(times) = usize::try_from(times.clone()) else { return Err(unsupported("*", &left, &right)) };
    let mut weight = usize::MAX;
    weigh(value, &mut weight, 0)?;
    take(room, (usize::MAX - weight).saturating_mul(times))?;
    match value.as_str() {
        Some(text) => Ok(Value::from(text.repeat(times))),
        None if is_list(value) => {
            let items: Vec<Value> = value.try_iter()?.collect();
            Ok(Value::from(std::iter::repeat_n(items, times).flatten().collect::<Vec<_>>()))
        }
        None => Err(unsupported("*", &left, &right)),
    }
}

fn word(kind: ValueKind) -> &'static str {
    match kind {
        ValueKind::None => "null",
        ValueKind::Bool => "a boolean",
        ValueKind::Number => "a number",
        ValueKind::String => "a text",
        ValueKind::Seq | ValueKind::Iterable => "a list",
        ValueKind::Map => "an object",
        _ => "this value",
    }
}

fn is_list(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable)
}

/// The operation where both are numbers: whole while both are whole.
fn arithmetic(
    left: &Value,
    right: &Value,
    whole: fn(i64, i64) -> Option<i64>,
    float: fn(f64, f64) -> f64,
) -> Option<Result<Value, Error>> {
    if left.kind() != ValueKind::Number || right.kind() != ValueKind::Number {
        return None;
    }
    if left.is_integer() && right.is_integer() {
        let exact = i64::try_from(left.clone()).ok().zip(i64::try_from(right.clone()).ok());
        if let Some(result) = exact.and_then(|(a, b)| whole(a, b)) {
            return Some(Ok(Value::from(result)));
        }
    }
    let both = f64::try_from(left.clone()).and_then(|a| Ok((a, f64::try_from(right.clone())?)));
    Some(both.map(|(a, b)| Value::from(float(a, b))))
}

fn unsupported(sign: &str, left: &Value, right: &Value) -> Error {
    let message = format!("`{sign}` does not work on {} and {}", word(left.kind()), word(right.kind()));
    Error::new(ErrorKind::InvalidOperation, message)
}

fn defined(value: Value) -> Result<Value, Error> {
    if value.is_undefined() { Err(Error::from(ErrorKind::UndefinedError)) } else { Ok(value) }
}

/// Takes room for results that are much larger than their operands, before they are built.
fn foresee(name: &str, args: &[Value], room: &mut usize) -> Result<(), Error> {
    let length = |at: usize| args.get(at).and_then(Value::as_str).map_or(0, str::len);
    let size = |at: usize| args.get(at).and_then(|value| usize::try_from(value.clone()).ok());
    match name {
        "replace" => {
            let hits = match (args.first().and_then(Value::as_str), args.get(1).and_then(Value::as_str)) {
                (Some(text), Some(from)) => text.matches(from).count(),
                _ => 0,
            };
            take(room, hits.saturating_mul(length(2)))
        }
        "join" => {
            let items = args.first().and_then(Value::len).unwrap_or(0);
            take(room, items.saturating_mul(length(1)))?;
            args.first().map_or(Ok(()), |list| weigh(list, room, 0))
        }
        "indent" => {
            let lines = args.first().and_then(Value::as_str).map_or(0, |text| text.lines().count() + 1);
            let kwargs = args.last().cloned().and_then(|last| Kwargs::try_from(last).ok());
            let width = kwargs.and_then(|kwargs| kwargs.get::<usize>("width").ok()).or(size(1)).unwrap_or(4);
            take(room, lines.saturating_mul(width))
        }
        "batch" | "slice" => take(room, size(1).unwrap_or(0).saturating_mul(16)),
        "format" => {
            let widest = args.first().and_then(Value::as_str).unwrap_or("");
            let widest = widest.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse::<usize>().ok());
            let given = (1..args.len()).filter_map(size);
            take(room, widest.chain(given).filter(|width| *width < usize::MAX).max().unwrap_or(0))
        }
        _ => Ok(()),
    }
}

/// JSON without escapes for HTML: a template here feeds a model or a tool, not a page.
fn tojson(state: &mut State<'_, '_>, value: Value, indent: Option<Value>, kwargs: Kwargs) -> Result<String, Error> {
    let indent = match indent {
        Some(indent) => Some(indent),
        None => kwargs.get::<Option<Value>>("indent")?,
    };
    kwargs.assert_all_used()?;
    let json = to_json(&defined(value)?, room(state))?;
    let width = match indent {
        None => return Ok(json.to_string()),
        Some(flag) if flag.kind() == ValueKind::Bool && flag.is_true() => 2,
        Some(flag) if flag.kind() == ValueKind::Bool => return Ok(json.to_string()),
        Some(width) => usize::try_from(width)?.min(16),
    };
    let spaces = " ".repeat(width);
    let mut out = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(
        &mut out,
        serde_json::ser::PrettyFormatter::with_indent(spaces.as_bytes()),
    );
    let failed = |_| Error::new(ErrorKind::BadSerialization, "the value cannot be written as JSON");
    serde::Serialize::serialize(&json, &mut serializer).map_err(failed)?;
    String::from_utf8(out).map_err(|_| Error::new(ErrorKind::BadSerialization, TOO_LARGE))
}

/// `value[start:stop:step]`, as Python counts.
fn slice(state: &mut State<'_, '_>, value: Value, start: Value, stop: Value, step: Value) -> Result<Value, Error> {
    let value = defined(value)?;
    weigh(&value, room(state), 0)?;
    let bound = |value: &Value| if value.is_none() { Ok(None) } else { i64::try_from(value.clone()).map(Some) };
    let (start, stop, step) = (bound(&start)?, bound(&stop)?, bound(&step)?.unwrap_or(1));
    if step == 0 {
        return Err(Error::new(ErrorKind::InvalidOperation, "cannot slice by step size of 0"));
    }
    match value.as_str() {
        Some(text) => {
            let chars: Vec<char> = text.chars().collect();
            Ok(Value::from(picked(chars.len(), start, stop, step).map(|at| chars[at]).collect::<String>()))
        }
        None => {
            let items: Vec<Value> = value.try_iter()?.collect();
            Ok(Value::from(picked(items.len(), start, stop, step).map(|at| items[at].clone()).collect::<Vec<_>>()))
        }
    }
}

/// The indexes that a slice of a list of `len` items selects.
fn picked(len: usize, start: Option<i64>, stop: Option<i64>, step: i64) -> impl Iterator<Item = usize> {
    let len = len as i64;
    let (low, high) = if step > 0 { (0, len) } else { (-1, len - 1) };
    let clamp = |at: i64| if at < 0 { at.saturating_add(len).max(low) } else { at.min(high) };
    let (first, end) = match step > 0 {
        true => (start.map_or(0, clamp), stop.map_or(len, clamp)),
        false => (start.map_or(len - 1, clamp), stop.map_or(-1, clamp)),
    };
    let inside = move |at: &i64| if step > 0 { *at < end } else { *at > end };
    std::iter::successors(Some(first), move |at| at.checked_add(step)).take_while(inside).map(|at| at as usize)
}

/// The engine's filters by name; those that are replaced here are left out.
fn builtin(name: &str) -> Option<Value> {
    Some(match name {
        "abs" => Value::from_function(filters::abs),
        "attr" => Value::from_function(filters::attr),
        "batch" => Value::from_function(filters::batch),
        "bool" => Value::from_function(filters::bool),
        "capitalize" => Value::from_function(filters::capitalize),
        "chain" => Value::from_function(filters::chain),
        "count" | "length" => Value::from_function(filters::length),
        "d" | "default" => Value::from_function(filters::default),
        "dictsort" => Value::from_function(filters::dictsort),
        "e" | "escape" => Value::from_function(filters::escape),
        "first" => Value::from_function(filters::first),
        "float" => Value::from_function(filters::float),
        "format" => Value::from_function(filters::format),
        "groupby" => Value::from_function(filters::groupby),
        "indent" => Value::from_function(filters::indent),
        "int" => Value::from_function(filters::int),
        "items" => Value::from_function(filters::items),
        "join" => Value::from_function(filters::join),
        "last" => Value::from_function(filters::last),
        "lines" => Value::from_function(filters::lines),
        "list" => Value::from_function(filters::list),
        "lower" => Value::from_function(filters::lower),
        "map" => Value::from_function(filters::map),
        "max" => Value::from_function(filters::max),
        "min" => Value::from_function(filters::min),
        "pprint" => Value::from_function(filters::pprint),
        "reject" => Value::from_function(filters::reject),
        "rejectattr" => Value::from_function(filters::rejectattr),
        "replace" => Value::from_function(filters::replace),
        "reverse" => Value::from_function(filters::reverse),
        "round" => Value::from_function(filters::round),
        "safe" => Value::from_function(filters::safe),
        "select" => Value::from_function(filters::select),
        "selectattr" => Value::from_function(filters::selectattr),
        "slice" => Value::from_function(filters::slice),
        "sort" => Value::from_function(filters::sort),
        "split" => Value::from_function(filters::split),
        "sum" => Value::from_function(filters::sum),
        "title" => Value::from_function(filters::title),
        "trim" => Value::from_function(filters::trim),
        "unique" => Value::from_function(filters::unique),
        "upper" => Value::from_function(filters::upper),
        "zip" => Value::from_function(filters::zip),
        _ => return None,
    })
}
