//! Conditions and computed values: CEL, without side effects, always terminating.
//!
//! The parser and the standard library are those of the `cel` crate. On top of it numbers mix freely (`1 + 0.5`), names of
//! steps may hold hyphens, objects are gone through in the order of their keys, and the work of one evaluation is bounded.

use aikit_core::TextRange;
use serde_json::Value;

use crate::EvalError;

mod bound;
mod check;
mod eval;
mod parse;
mod values;

pub use check::{FUNCTIONS, check};

/// A CEL expression of the document. Its syntax has been checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// The decoded text.
    pub source: String,
    /// The scalar in the document.
    pub range: TextRange,
}

impl Expr {
    /// Evaluates over a scope (an object with the roots of the specification: `inputs`, `state`, `steps`, …).
    pub fn eval(&self, scope: &Value) -> Result<Value, EvalError> {
        eval::eval(&self.source, scope).map_err(|message| EvalError { message, range: self.range })
    }

    /// Evaluates to a truth value; anything but a boolean is an error.
    pub fn holds(&self, scope: &Value) -> Result<bool, EvalError> {
        match self.eval(scope)? {
            Value::Bool(truth) => Ok(truth),
            other => Err(EvalError {
                message: format!("`{}` gives {other}, not true or false", self.source),
                range: self.range,
            }),
        }
    }
}

#[cfg(test)]
mod tests;
