//! The specification language `aikit-v1.0.0`: document kinds as Rust types, their JSON Schema, the checks, templates and
//! expressions, and the lowering to a [`plan::Plan`]. Parsing and analysis never fail, block or panic: they return what
//! could be understood, and diagnostics.

use aikit_core::{Diagnostic, TenantId, TextRange};

pub mod agent;
mod aliases;
pub mod application;
pub mod cell;
mod check;
mod checks;
pub mod compose;
pub mod diff;
pub mod expr;
#[cfg(test)]
mod generated;
pub mod limits;
mod lower;
mod memo;
pub mod parts;
pub mod plan;
pub mod roots;
pub mod schema;
pub mod short;
mod structure;
pub mod template;
pub mod test_suite;
pub mod words;

pub use check::{check, check_parsed};

/// What surrounds a document when it is checked.
#[derive(Debug, Clone, Default)]
pub struct CheckContext {
    /// The tenant in whose scope the document is used; a document that names another is refused.
    pub tenant: Option<TenantId>,
    /// Providers that can be used; empty means that they are not checked.
    pub providers: Vec<String>,
    /// Built-in tools that can be used; empty means that they are not checked.
    pub builtins: Vec<BuiltinTool>,
    /// The bounds of outer layers; the document can only make them tighter.
    pub limits: Vec<limits::LimitLayer>,
    /// Where the document stands, and what is laid over it.
    pub around: compose::Setting,
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
    /// What the document describes.
    pub kind: schema::Kind,
    /// The executable form of an agent; `None` if any diagnostic is an error, and for every other kind.
    pub plan: Option<plan::Plan>,
    /// The executable form of a suite of tests; `None` if any diagnostic is an error, and for every other kind.
    pub suite: Option<plan::SuitePlan>,
    /// Who the document says it is, where that much of it is readable.
    pub identity: Option<plan::PlanAgent>,
    /// Its blocks, tools, models and steps, for overviews. There for broken documents too, as far as they go.
    pub outline: Vec<OutlineItem>,
    /// All findings, in the order of their places.
    pub diagnostics: Vec<Diagnostic>,
}

/// A part of a document with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutlineItem {
    /// `block`, `model`, `tool`, or the kind key of a step: `llm`, `tool`, `switch`, ….
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// All of it.
    pub range: TextRange,
    /// Its name in the text.
    pub name_range: TextRange,
    /// What it contains.
    pub children: Vec<OutlineItem>,
}

impl Checked {
    /// Whether the document is refused.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
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
    let parsed = aikit_yaml::parse(source);
    if !parsed.is_valid() {
        return Err(parsed.diagnostics);
    }
    match parsed.documents.as_slice() {
        [] => Ok(serde_json::Value::Null),
        [document] => Ok(document.root.to_json()),
        [_, second, ..] => {
            let message = "the text holds several documents; one value is expected";
            Err(vec![Diagnostic::new(aikit_core::codes::YAML_SYNTAX, second.range, message)])
        }
    }
}
