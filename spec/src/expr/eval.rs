//! The evaluation of an expression, and its errors in words.

use std::sync::{Arc, LazyLock};

use cel::{Context, Env, ExecutionError, Value as Cel, extensions};
use serde_json::Value;

use super::{
    bound::{Budget, TOO_MUCH, bound},
    check::analyse,
    parse::{contained, parse},
    values::{from_json, to_json},
};
use crate::roots::{Analysis, UndefinedVariable, Wanted, missing, value_at};

/// CEL's standard library and its texts. It never changes.
static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    // Declaring twice is the only way to fail, and nothing is declared twice; without it the standard library remains.
    let _ = env.add_extension(extensions::strings);
    Arc::new(env)
});

/// Evaluates over a scope; the error is a sentence for people.
pub(super) fn eval(source: &str, scope: &Value) -> Result<Value, String> {
    contained(source, || evaluate(source, scope)).unwrap_or_else(|| Err(format!("`{source}` cannot be evaluated")))
}

fn evaluate(source: &str, scope: &Value) -> Result<Value, String> {
    let mut parsed = parse(source).map_err(|e| e.message)?;
    let analysis = analyse(&parsed);
    if let Some(path) = &analysis.result_path {
        let absent = || missing(path, scope).map_or_else(|| format!("`{path}` is not defined"), |u| u.to_string());
        return value_at(path, scope).cloned().ok_or_else(absent);
    }
    bound(&mut parsed.tree);
    let roots = Wanted::new(&analysis.paths).roots(scope);
    let budget = Budget::new();
    let mut context = Context::with_env(ENVIRONMENT.clone());
    budget.declare(&mut context).map_err(|e| e.to_string())?;
    for (name, value) in &roots {
        context.add_variable_as_val(name.as_str(), from_json(value));
    }
    let result = Cel::resolve(&parsed.tree, &context);
    if budget.is_spent() {
        return Err(TOO_MUCH.to_owned());
    }
    let value = result.map_err(|error| explain(&error, &analysis, scope))?;
    to_json(&value).map_err(|what| format!("`{source}` gives {what}"))
}

fn explain(error: &ExecutionError, analysis: &Analysis, scope: &Value) -> String {
    if let Some(unknown) = analysis.unknown_functions.first() {
        return match &unknown.suggestion {
            Some(name) => format!("{unknown}; did you mean `{name}`?"),
            None => unknown.to_string(),
        };
    }
    let absent = || analysis.paths.iter().filter_map(|path| missing(path, scope));
    let named = |name: &str| absent().find(|undefined: &UndefinedVariable| undefined.name == name);
    match error {
        ExecutionError::NoSuchKey(name) | ExecutionError::UndeclaredReference(name) => {
            named(name).map_or_else(|| format!("`{name}` is not defined"), |undefined| undefined.to_string())
        }
        ExecutionError::NoSuchOverload(overload) => {
            let types: Vec<&str> = overload.argument_types().iter().map(|name| word(name)).collect();
            match (sign(overload.function()), types.as_slice()) {
                ("access", [of, ..]) => {
                    absent().next().map_or_else(|| format!("{of} has no members"), |undefined| undefined.to_string())
                }
                (sign, [left, right]) if !overload.is_member_function() => {
                    format!("`{sign}` does not work on {left} and {right}")
                }
                (sign, types) => format!("`{sign}` does not work on {}", types.join(", ")),
            }
        }
        ExecutionError::UnexpectedType { got, want } => format!("{} stands where {} is needed", word(got), word(want)),
        ExecutionError::IndexOutOfBounds(index) => match absent().next() {
            Some(undefined) => undefined.to_string(),
            None => {
                format!("the list has no item {}", to_json(index).map_or_else(|_| "there".into(), |i| i.to_string()))
            }
        },
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "division by zero".to_owned(),
        ExecutionError::Overflow(..) => "the result is too large a number".to_owned(),
        ExecutionError::DuplicateKey(_) => "a key stands twice in an object".to_owned(),
        ExecutionError::InvalidArgumentCount { expected, actual } => {
            format!("a function takes {expected} arguments and was given {actual}")
        }
        ExecutionError::FunctionError { function, message } if function.is_empty() => message.clone(),
        ExecutionError::FunctionError { function, message } => format!("`{function}`: {message}"),
        other => other.to_string(),
    }
}

/// An operator as it is written.
fn sign(function: &str) -> &str {
    match function {
        "_._" | "_?._" | "_[_]" | "_[?_]" => "access",
        "@in" => "in",
        other => {
            let sign = other.trim_matches('_');
            if sign.is_empty() { other } else { sign }
        }
    }
}

/// A type in words.
fn word(name: &str) -> &str {
    match name {
        "string" => "a text",
        "int" | "uint" | "double" => "a number",
        "bool" => "true or false",
        "null_type" | "null" => "null",
        "list" | "iterable" => "a list",
        "map" => "an object",
        "bytes" => "bytes",
        "google.protobuf.Timestamp" => "a point in time",
        "google.protobuf.Duration" => "a duration",
        other => other,
    }
}
