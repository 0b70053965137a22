//! Conditions and computed values: CEL, without side effects, always terminating.

use aikit_core::TextRange;
use serde_json::Value;

use crate::EvalError;

mod check;
mod parse;

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
        let _ = scope;
        Ok(Value::Null)
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
