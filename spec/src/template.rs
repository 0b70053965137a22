//! Text with `{{ … }}`: Jinja as minijinja understands it, strict about undefined names, bounded in work.
//!
//! A rendering is bounded in instructions, in bytes that it builds and in bytes that it puts out; whatever the template
//! is, it ends. Names of steps may hold hyphens. A template stands alone: there is nothing to include.

use aikit_core::TextRange;
use minijinja::{
    AutoEscape, Error, ErrorKind,
    machinery::{CodeGenerator, ast, eval, make_string_output},
};
use serde_json::Value;

use crate::{
    EvalError,
    roots::{Analysis, Wanted, missing, rewrite::Rewritten},
};

mod check;
mod engine;
mod values;

pub use check::{FILTERS, FUNCTIONS, TESTS, check};

/// Instructions that one rendering may take.
const FUEL: u64 = 1_000_000;
/// Bytes that one rendering may put out.
const MAX_OUTPUT: usize = 8 << 20;
/// Longer parts of a template are not shown in a message.
const SHOWN: usize = 60;

/// A template of the document. Its syntax has been checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    /// The decoded text.
    pub source: String,
    /// The scalar in the document.
    pub range: TextRange,
}

impl Template {
    /// Renders over a scope (an object with the roots of the specification: `inputs`, `state`, `steps`, …).
    /// A template that is exactly one `{{ … }}` gives the native value, any other a text.
    pub fn render(&self, scope: &Value) -> Result<Value, EvalError> {
        render(&self.source, scope).map_err(|message| EvalError { message, range: self.range })
    }

    /// Renders to a text; a native value is written as JSON.
    pub fn render_text(&self, scope: &Value) -> Result<String, EvalError> {
        Ok(match self.render(scope)? {
            Value::String(text) => text,
            other => other.to_string(),
        })
    }
}

fn render(source: &str, scope: &Value) -> Result<Value, String> {
    let rewritten = check::rewrite(source).map_err(|e| e.message)?;
    let tree = check::tree(&rewritten).map_err(|e| e.message)?;
    let (analysis, repeated) = check::analyse(&rewritten, &tree).map_err(|e| e.message)?;
    let roots = values::members_from_json(&Wanted::new(&analysis.paths).roots(scope));
    let native = check::native(&rewritten.text, &tree);
    run(&rewritten, &tree, native, roots, repeated).map_err(|error| explain(&error, &rewritten, &analysis, scope))
}

fn run(
    rewritten: &Rewritten,
    tree: &ast::Stmt<'_>,
    native: Option<&ast::Expr<'_>>,
    roots: minijinja::Value,
    repeated: usize,
) -> Result<Value, Error> {
    let mut env = engine::environment();
    // Plain text inside loops is not weighed while it is put out; the longer it is, the fewer turns there are.
    let turns = (engine::ALLOWANCE / repeated.max(1)) as u64;
    env.set_fuel(Some(FUEL.min(turns)));
    let mut code = CodeGenerator::new("template", &rewritten.text);
    match native {
        Some(expression) => code.compile_expr(expression),
        None => code.compile_stmt(tree),
    }
    let (mut instructions, blocks) = code.finish();
    engine::weigh_instructions(&mut instructions);
    let mut text = String::new();
    let value = {
        let mut output = make_string_output(&mut text);
        eval(&env, &instructions, roots, &blocks, &mut output, AutoEscape::None)?.0
    };
    match (native, value) {
        (Some(_), Some(value)) => values::to_json(&value, &mut MAX_OUTPUT.clone()),
        _ if text.len() > MAX_OUTPUT => Err(Error::new(ErrorKind::OutOfFuel, values::TOO_LARGE)),
        _ => Ok(Value::String(text)),
    }
}

/// The engine's error in words that name the variable, or show the part of the template that failed.
fn explain(error: &Error, rewritten: &Rewritten, analysis: &Analysis, scope: &Value) -> String {
    if let Some(unknown) = analysis.unknown_functions.first() {
        return match &unknown.suggestion {
            Some(name) => format!("{unknown}; did you mean `{name}`?"),
            None => unknown.to_string(),
        };
    }
    let place = error.range().map(|range| rewritten.original(range.start, range.end));
    let shown = error
        .range()
        .and_then(|range| rewritten.text.get(range))
        .map(str::trim)
        .filter(|text| !text.is_empty() && text.len() <= SHOWN && !text.contains('\n'));
    match error.kind() {
        ErrorKind::UndefinedError => {
            let absent = || analysis.paths.iter().filter_map(|path| Some((path.range, missing(path, scope)?)));
            let touches = |range: TextRange| place.is_some_and(|p| p.contains_range(range) || range.contains_range(p));
            // Without a place the first absent one it is; with one, another may stand in a branch that was not taken.
            let fallback = || absent().next().filter(|_| place.is_none());
            match (absent().find(|(range, _)| touches(*range)).or_else(fallback), shown) {
                (Some((_, undefined)), _) => undefined.to_string(),
                (None, Some(text)) => format!("`{text}` is not defined"),
                (None, None) => "a variable is not defined".to_owned(),
            }
        }
        ErrorKind::OutOfFuel if error.detail() == Some(values::TOO_LARGE) => values::TOO_LARGE.to_owned(),
        ErrorKind::OutOfFuel => "the template takes too many steps; is there a loop over too many items?".to_owned(),
        kind => {
            let message = error.detail().map_or_else(|| kind.to_string(), str::to_owned);
            shown.map_or_else(|| message.clone(), |text| format!("{message}, in `{text}`"))
        }
    }
}

#[cfg(test)]
mod tests;
