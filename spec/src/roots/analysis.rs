use std::fmt;

use aikit_core::TextRange;

use super::{Roots, Shape};

/// What a template or an expression reads and calls. Ranges are bytes of the decoded text.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Analysis {
    /// Every read of a variable of the scope, in the order of the text; names that the text itself binds (loops, `set`,
    /// comprehensions) are left out.
    pub paths: Vec<VariablePath>,
    /// Functions, filters and tests that do not exist, with what was probably meant.
    pub unknown_functions: Vec<FunctionUse>,
    /// What comes out, as far as the text alone tells.
    pub result: ResultType,
    /// The path that the whole text is, where it is nothing else.
    pub result_path: Option<VariablePath>,
    /// Every comparison of a path with a literal.
    pub comparisons: Vec<Comparison>,
    /// The path and the text, where the whole expression compares the two.
    pub equality: Option<(VariablePath, String)>,
    /// Whether the text is exactly one `{{ … }}`, so that its value keeps its type. Always true for an expression.
    pub native: bool,
}

impl Analysis {
    /// The type of the result with what is known of the variables.
    pub fn result_in(&self, roots: &Roots) -> ResultType {
        let shape = self.result_path.as_ref().and_then(|path| roots.shape_at(path));
        match shape {
            Some(Shape::Scalar("true or false")) => ResultType::Bool,
            Some(Shape::Scalar(what)) => ResultType::NotBool(what),
            Some(Shape::List(_)) => ResultType::NotBool("a list"),
            Some(Shape::Object { .. }) => ResultType::NotBool("an object"),
            Some(Shape::Any) | None => self.result,
        }
    }

    /// Whether nothing of the scope is read.
    pub fn is_constant(&self) -> bool {
        self.paths.is_empty()
    }
}

/// A comparison of a path with a literal.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// What is compared.
    pub path: VariablePath,
    /// With what.
    pub literal: Literal,
    /// Whether it asks for equality, rather than for order or difference.
    pub equals: bool,
}

/// A literal of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Literal {
    /// A text.
    Text(String),
    /// A number.
    Number,
    /// True or false.
    Bool,
}

/// A variable that is read, for example `steps.classify.output`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariablePath {
    /// Root first. A computed member (`inputs[key]`) ends the path before it.
    pub segments: Vec<Segment>,
    /// The place of the whole path.
    pub range: TextRange,
    /// Whether the text takes care of its absence itself: `default`, `is defined`, `has(…)`, `.?`.
    pub guarded: bool,
}

impl VariablePath {
    /// The names in order; an index is written in digits.
    pub fn names(&self) -> Vec<String> {
        self.segments.iter().map(|segment| segment.name.to_string()).collect()
    }

    /// The first `count` segments as people write them.
    pub(crate) fn prefix(&self, count: usize) -> String {
        let mut text = String::new();
        for segment in self.segments.iter().take(count) {
            match &segment.name {
                SegmentName::Index(index) => text.push_str(&format!("[{index}]")),
                SegmentName::Name(name) if text.is_empty() => text.push_str(name),
                SegmentName::Name(name) if is_plain(name) || text == "steps" => {
                    text.push('.');
                    text.push_str(name);
                }
                SegmentName::Name(name) => text.push_str(&format!("[{name:?}]")),
            }
        }
        text
    }
}

impl fmt::Display for VariablePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.prefix(self.segments.len()))
    }
}

/// Whether a name can stand behind a dot.
pub(super) fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The name or the index.
    pub name: SegmentName,
    /// Its place.
    pub range: TextRange,
}

/// What a segment selects by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SegmentName {
    /// A member of an object.
    Name(String),
    /// An item of a list; negative counts from the end in templates.
    Index(i64),
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SegmentName::Name(name) => f.write_str(name),
            SegmentName::Index(index) => write!(f, "{index}"),
        }
    }
}

/// A function, filter or test that does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionUse {
    /// What the text calls it: `function`, `filter`, `test` or `type`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Its place.
    pub range: TextRange,
    /// What was probably meant.
    pub suggestion: Option<String>,
}

impl fmt::Display for FunctionUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no {} `{}`", self.kind, self.name)
    }
}

/// The type of a result as far as the text alone tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResultType {
    /// It depends on the values.
    #[default]
    Unknown,
    /// True or false, whatever the values are.
    Bool,
    /// Surely not true or false; the word says what it is, for example `a number`.
    NotBool(&'static str),
}

/// A text that cannot be parsed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SyntaxError {
    /// What is wrong, as a sentence fragment for people.
    pub message: String,
    /// Where, in bytes of the decoded text.
    pub range: TextRange,
}
