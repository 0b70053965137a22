use serde::{Deserialize, Serialize};

use crate::{DiagnosticCode, TextRange};

/// How much a diagnostic weighs. Only errors refuse a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The document is refused.
    Error,
    /// Accepted, very likely not meant.
    Warning,
    /// Accepted; the reader should know.
    Information,
    /// A suggestion.
    Hint,
}

/// One finding about a document: the same object in the editor, in a notebook, in `aikit check` and at the store's door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// The stable code, explained by `aikit explain`.
    pub code: DiagnosticCode,
    /// How much it weighs.
    pub severity: Severity,
    /// What is wrong, in one sentence, without the place.
    pub message: String,
    /// What would put it right, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Where, in bytes of the document.
    pub range: TextRange,
    /// Other places that belong to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Related>,
    /// Edits that would mend it; the first is the preferred one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fixes: Vec<Fix>,
}

/// A second place of a [`Diagnostic`], for instance the first of two equal names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Related {
    /// What is at that place.
    pub message: String,
    /// Where.
    pub range: TextRange,
}

/// A set of edits that a person can accept as one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fix {
    /// What accepting does, as an imperative: `Rename to "prompts"`.
    pub title: String,
    /// The edits; they do not overlap.
    pub edits: Vec<Edit>,
}

/// Replaces a range of the document with a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// What is replaced; empty for an insertion.
    pub range: TextRange,
    /// What stands there afterwards.
    pub text: String,
}

impl Diagnostic {
    /// A diagnostic with the code's own severity, no related places and no fixes.
    pub fn new(code: DiagnosticCode, range: TextRange, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            message: message.into(),
            help: None,
            range,
            related: Vec::new(),
            fixes: Vec::new(),
        }
    }

    /// Says what would put it right.
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds a related place.
    pub fn with_related(mut self, range: TextRange, message: impl Into<String>) -> Self {
        self.related.push(Related { message: message.into(), range });
        self
    }

    /// Adds a fix that replaces one range.
    pub fn with_fix(mut self, title: impl Into<String>, range: TextRange, text: impl Into<String>) -> Self {
        self.fixes.push(Fix { title: title.into(), edits: vec![Edit { range, text: text.into() }] });
        self
    }

    /// Whether the document is refused because of it.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}
