use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::builtin::{Builtin, Failure};

/// How many names an error lists.
const SHOWN: usize = 12;

/// `json_query`: a part of a value.
pub(crate) struct JsonQuery;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// The value, or a text that holds JSON.
    value: Value,
    /// The way to the part: `customer.name`, `items[0].price`, `items[-1]` for the last, `items[*].price` for a list of
    /// all, `["odd name"]`; or a JSON pointer such as `/items/0/price`. Empty for the whole.
    path: String,
    /// What to give in place of an error when the way leads nowhere.
    #[serde(default)]
    default: Option<Value>,
}

/// One step of a way.
#[derive(Debug, Clone, PartialEq)]
enum Step {
    Name(String),
    Index(i64),
    All,
}

impl Builtin for JsonQuery {
    const NAME: &'static str = "json_query";
    const DESCRIPTION: &'static str =
        "Takes a part out of a JSON value by a path such as `items[0].price` or `items[*].price`.";
    type Args = Args;

    fn call(args: Args) -> Result<Value, Failure> {
        let value = match args.value {
            Value::String(text) => {
                serde_json::from_str(&text).map_err(|error| Failure::from(format!("the text is not JSON: {error}")))?
            }
            value => value,
        };
        let steps = steps(&args.path)?;
        match (follow(&value, &steps, "the value"), args.default) {
            (Ok(found), _) => Ok(found),
            (Err(_), Some(default)) => Ok(default),
            (Err(failure), None) => Err(failure),
        }
    }
}

fn follow(value: &Value, steps: &[Step], so_far: &str) -> Result<Value, Failure> {
    let Some((step, rest)) = steps.split_first() else { return Ok(value.clone()) };
    let is = |what: &str| Failure::from(format!("{so_far} is {}, not {what}", kind(value)));
    match step {
        Step::Name(name) => {
            let object = value.as_object().ok_or_else(|| is("an object"))?;
            let part = object.get(name).ok_or_else(|| {
                let names: Vec<&str> = object.keys().take(SHOWN).map(String::as_str).collect();
                let known =
                    if names.is_empty() { "it is empty".to_string() } else { format!("it has: {}", names.join(", ")) };
                Failure::from(format!("{so_far} has no `{name}`")).with_help(known)
            })?;
            let here = if so_far == "the value" {
                format!("`{name}`")
            } else {
                format!("{}.{name}`", so_far.trim_end_matches('`'))
            };
            follow(part, rest, &here)
        }
        // A pointer does not say whether `0` is a place or a name.
        Step::Index(index) if value.is_object() => {
            follow(value, &[&[Step::Name(index.to_string())], rest].concat(), so_far)
        }
        Step::Index(index) => {
            let list = value.as_array().ok_or_else(|| is("a list"))?;
            let at = if *index < 0 { list.len() as i64 + index } else { *index };
            let part = usize::try_from(at).ok().and_then(|at| list.get(at));
            let part =
                part.ok_or_else(|| Failure::from(format!("{so_far} has {} items, none at {index}", list.len())))?;
            follow(part, rest, &format!("{}[{index}]`", so_far.trim_end_matches('`')))
        }
        Step::All => {
            let here = format!("{}[*]`", so_far.trim_end_matches('`'));
            let each = |part| follow(part, rest, &here);
            match value {
                Value::Array(list) => list.iter().map(each).collect(),
                Value::Object(object) => object.values().map(each).collect(),
                _ => Err(is("a list or an object")),
            }
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn steps(path: &str) -> Result<Vec<Step>, Failure> {
    let path = path.trim();
    if let Some(pointer) = path.strip_prefix('/') {
        let part = |part: &str| {
            let name = part.replace("~1", "/").replace("~0", "~");
            name.parse().ok().filter(|index: &i64| *index >= 0).map(Step::Index).unwrap_or(Step::Name(name))
        };
        return Ok(pointer.split('/').map(part).collect());
    }
    let path = path.strip_prefix('$').unwrap_or(path);
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let wrong = || Failure::from(format!("`[` is not closed in the path `{path}`"));
            let (step, behind) = match inner.chars().next().filter(|c| matches!(c, '"' | '\'')) {
                Some(quote) => {
                    let end = inner[1..].find(quote).ok_or_else(wrong)? + 1;
                    let behind = inner[end + 1..].trim_start().strip_prefix(']').ok_or_else(wrong)?;
                    (Step::Name(inner[1..end].to_string()), behind)
                }
                None => {
                    let end = inner.find(']').ok_or_else(wrong)?;
                    (bracket(inner[..end].trim())?, &inner[end + 1..])
                }
            };
            steps.push(step);
            rest = behind;
            continue;
        }
        rest = rest.strip_prefix('.').unwrap_or(rest);
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        match &rest[..end] {
            "" => return Err(Failure::from(format!("the path `{path}` has an empty part"))),
            "*" => steps.push(Step::All),
            name => steps.push(Step::Name(name.to_string())),
        }
        rest = &rest[end..];
    }
    Ok(steps)
}

fn bracket(text: &str) -> Result<Step, Failure> {
    match text {
        "*" => Ok(Step::All),
        text => text.parse().map(Step::Index).map_err(|_| {
            Failure::from(format!("`[{text}]` is not a step of a path"))
                .with_help("a number, `*`, or a name in quotation marks; conditions are not supported")
        }),
    }
}
