//! Which names a template or an expression may read, and the search for those that cannot exist.
//!
//! The checker builds one [`Roots`] for each place of a document, analyses the scalar and asks for what is surely wrong:
//!
//! ```
//! use aikit_spec::{roots::Roots, template};
//!
//! let inputs = serde_json::json!({"type": "object", "properties": {"question": {"type": "string"}}});
//! let roots = Roots::standard().with_inputs(&inputs).with_step("classify", None);
//! let analysis = template::check("{{ inputs.qestion }} {{ steps.classify.output }}").unwrap();
//! let undefined = analysis.undefined(&roots);
//! assert_eq!(undefined.len(), 1);
//! assert_eq!(undefined[0].to_string(), "`inputs.qestion` is not defined; `inputs` has: question");
//! assert_eq!(undefined[0].suggestion.as_deref(), Some("question"));
//! ```
//!
//! Ranges are bytes of the decoded scalar; the way back into the document is the caller's.

use std::{fmt, sync::LazyLock};

use aikit_core::TextRange;
use imbl::OrdMap;
use serde_json::Value;

mod analysis;
mod nearest;
pub(crate) mod rewrite;
mod scope;

use analysis::is_plain;
pub use analysis::{
    Analysis, Comparison, FunctionUse, Literal, ResultType, Segment, SegmentName, SyntaxError, VariablePath,
};
pub use nearest::nearest;
pub(crate) use scope::{Wanted, missing, value_at};

/// How many known names a message lists before it cuts off.
const LISTED: usize = 12;

/// What is known about a value before the run.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Shape {
    /// Nothing: every access is accepted.
    #[default]
    Any,
    /// A text, a number, a boolean or null: it has no members. Holds the word for people.
    Scalar(&'static str),
    /// A list whose items have this shape.
    List(Box<Shape>),
    /// An object.
    Object {
        /// The members that are known. Every step sees those before it and adds its own: the maps share what they have in
        /// common.
        members: OrdMap<String, Shape>,
        /// Whether there may be others.
        open: bool,
    },
}

impl Shape {
    /// An object with exactly these members.
    pub fn closed<N: Into<String>>(members: impl IntoIterator<Item = (N, Shape)>) -> Shape {
        Shape::Object { members: members.into_iter().map(|(name, shape)| (name.into(), shape)).collect(), open: false }
    }

    /// What a JSON Schema promises. Where it combines schemas or says nothing about its members, nothing is known.
    pub fn from_schema(schema: &Value) -> Shape {
        shape_of(schema, schema, 0)
    }
}

/// Deeper than this nothing is known; it also ends schemas that contain themselves.
const SCHEMA_DEPTH: usize = 16;

fn shape_of(schema: &Value, root: &Value, depth: usize) -> Shape {
    let Some(object) = schema.as_object() else { return Shape::Any };
    if depth > SCHEMA_DEPTH {
        return Shape::Any;
    }
    if let Some(reference) = object.get("$ref") {
        let target = reference.as_str().and_then(|r| r.strip_prefix('#')).and_then(|pointer| root.pointer(pointer));
        return target.map_or(Shape::Any, |target| shape_of(target, root, depth + 1));
    }
    const COMBINING: &[&str] =
        &["allOf", "anyOf", "oneOf", "not", "if", "patternProperties", "dependentSchemas", "$dynamicRef"];
    if COMBINING.iter().any(|key| object.contains_key(*key)) {
        return Shape::Any;
    }
    let declared = match object.get("type") {
        Some(Value::String(name)) => name.as_str(),
        None if object.contains_key("properties") => "object",
        _ => return Shape::Any,
    };
    match declared {
        "object" => {
            let Some(properties) = object.get("properties").and_then(Value::as_object) else { return Shape::Any };
            let members =
                properties.iter().map(|(name, schema)| (name.clone(), shape_of(schema, root, depth + 1))).collect();
            let open = object.get("additionalProperties").is_some_and(|more| *more != Value::Bool(false));
            Shape::Object { members, open }
        }
        "array" => {
            Shape::List(Box::new(object.get("items").map_or(Shape::Any, |items| shape_of(items, root, depth + 1))))
        }
        "string" => Shape::Scalar("a text"),
        "integer" | "number" => Shape::Scalar("a number"),
        "boolean" => Shape::Scalar("true or false"),
        "null" => Shape::Scalar("null"),
        _ => Shape::Any,
    }
}

/// What can be read of a step that has run.
fn step_shape(output: Shape) -> Shape {
    Shape::closed([
        ("output", output),
        ("status", Shape::Scalar("a text")),
        ("error", Shape::Any),
        ("attempts", Shape::Scalar("a number")),
    ])
}

/// The names that can be read at one place of a document.
#[derive(Debug, Clone, PartialEq)]
pub struct Roots {
    members: OrdMap<String, Shape>,
}

impl Roots {
    /// What exists everywhere: `inputs`, `state` and `steps` (nothing known about the first two, no steps yet), `tenant`,
    /// `agent`, `user`, `session`, `execution`, `now`, and the aliases `tenant_id` and `agent_id`.
    pub fn standard() -> Roots {
        let text = || Shape::Scalar("a text");
        let number = || Shape::Scalar("a number");
        let tenant = [("id", text()), ("name", text()), ("plan", text())];
        let agent = [("id", text()), ("version", text()), ("name", text())];
        let members = [
            ("inputs", Shape::Any),
            ("state", Shape::Any),
            ("steps", Shape::closed::<String>([])),
            ("tenant", Shape::closed(tenant)),
            ("agent", Shape::closed(agent)),
            ("user", Shape::closed([("id", text())])),
            ("session", Shape::closed([("id", text())])),
            ("execution", Shape::closed([("id", text()), ("attempt", number())])),
            ("now", text()),
            ("tenant_id", text()),
            ("agent_id", text()),
        ];
        Roots { members: members.into_iter().map(|(name, shape)| (name.to_owned(), shape)).collect() }
    }

    /// Adds or replaces a root, for instance `output` in a step's `save`.
    pub fn with(mut self, name: impl Into<String>, shape: Shape) -> Roots {
        self.members.insert(name.into(), shape);
        self
    }

    /// Says what `inputs` holds.
    pub fn with_inputs(self, schema: &Value) -> Roots {
        self.with("inputs", Shape::from_schema(schema))
    }

    /// Says what `state` holds.
    pub fn with_state(self, schema: &Value) -> Roots {
        self.with("state", Shape::from_schema(schema))
    }

    /// Adds an earlier step with what is known of its output.
    pub fn with_step(mut self, name: impl Into<String>, output: Option<&Value>) -> Roots {
        // Most steps declare no output: they have one shape in common.
        static PLAIN: LazyLock<Shape> = LazyLock::new(|| step_shape(Shape::Any));
        let step = output.map_or_else(|| PLAIN.clone(), |schema| step_shape(Shape::from_schema(schema)));
        let steps = self.members.entry("steps".to_owned()).or_default();
        match steps {
            Shape::Object { members, .. } => {
                members.insert(name.into(), step);
            }
            other => *other = Shape::closed([(name.into(), step)]),
        }
        self
    }

    /// The names of the roots, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }

    /// What is known about the value at a path of names, for completion.
    pub fn shape(&self, path: &[&str]) -> Option<&Shape> {
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(self.members.get(*first)?, |shape, name| match shape {
            Shape::Object { members, .. } => members.get(*name),
            _ => None,
        })
    }

    pub(crate) fn shape_at(&self, path: &VariablePath) -> Option<&Shape> {
        let (first, rest) = path.segments.split_first()?;
        rest.iter().try_fold(self.members.get(&first.name.to_string())?, |shape, segment| {
            match (shape, &segment.name) {
                (Shape::Object { members, .. }, SegmentName::Name(name)) => members.get(name),
                (Shape::List(items), SegmentName::Index(_)) => Some(&**items),
                _ => None,
            }
        })
    }

    fn check(&self, path: &VariablePath) -> Option<UndefinedVariable> {
        // The guard takes care of the last name only; what it stands on must exist.
        let checked = path.segments.len() - usize::from(path.guarded);
        let (first, rest) = path.segments.get(..checked)?.split_first()?;
        let SegmentName::Name(root) = &first.name else { return None };
        let Some(mut shape) = self.members.get(root) else {
            return Some(UndefinedVariable::new(path, 0, Missing::Unknown, self.members.keys().cloned().collect()));
        };
        for (at, segment) in rest.iter().enumerate() {
            shape = match (shape, &segment.name) {
                (Shape::Object { members, open }, SegmentName::Name(name)) => match members.get(name) {
                    Some(member) => member,
                    None if *open => return None,
                    None => {
                        let known = members.keys().cloned().collect();
                        return Some(UndefinedVariable::new(path, at + 1, Missing::Unknown, known));
                    }
                },
                (Shape::List(items), SegmentName::Index(_)) => items,
                (Shape::Scalar(what), SegmentName::Name(_)) => {
                    return Some(UndefinedVariable::new(path, at + 1, Missing::NoMembers(what), Vec::new()));
                }
                _ => return None,
            };
        }
        None
    }
}

impl Analysis {
    /// The variables that surely do not exist, each with its place. What is guarded (`default`, `is defined`, `has`) and
    /// what cannot be decided before the run is not reported.
    pub fn undefined(&self, roots: &Roots) -> Vec<UndefinedVariable> {
        self.paths.iter().filter_map(|path| roots.check(path)).collect()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    Unknown,
    NoMembers(&'static str),
    TooShort(usize),
}

/// A variable that cannot exist. Its `Display` is the sentence of the diagnostic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UndefinedVariable {
    /// The path up to and including the name that does not exist, as it reads in the source.
    pub path: String,
    /// The part of the path that exists; empty when the root itself does not.
    pub parent: String,
    /// The name that does not exist.
    pub name: String,
    /// The place of that name.
    pub range: TextRange,
    /// What was probably meant, as it would stand in place of `range`.
    pub suggestion: Option<String>,
    /// The names that exist there, sorted.
    pub known: Vec<String>,
    missing: Missing,
    /// How the name that was probably meant has to be written, where it takes more than a replacement.
    instead: Option<String>,
}

impl UndefinedVariable {
    fn new(path: &VariablePath, at: usize, missing: Missing, known: Vec<String>) -> Self {
        let segment = &path.segments[at];
        let name = segment.name.to_string();
        let parent = path.prefix(at);
        let mut suggestion = nearest(&name, known.iter().map(String::as_str)).map(str::to_owned);
        let mut instead = None;
        // `inputs.user-name` reads as a subtraction; only steps may be written so.
        if !parent.is_empty() && parent != "steps" {
            let start = format!("{name}-");
            let quoted = known.iter().find(|name| suggestion.as_ref() == Some(name) && !is_plain(name));
            let quoted = quoted.or_else(|| known.iter().find(|name| name.starts_with(&start)));
            if let Some(quoted) = quoted {
                instead = Some(format!("{parent}[{quoted:?}]"));
                suggestion = None;
            }
        }
        Self { path: path.prefix(at + 1), parent, name, range: segment.range, suggestion, known, missing, instead }
    }

    /// Whether the name is that of a step, so that it is the reference to a step that is wrong.
    pub fn is_step(&self) -> bool {
        self.parent == "steps"
    }
}

impl fmt::Display for UndefinedVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not defined; ", self.path)?;
        match self.missing {
            Missing::NoMembers(what) => return write!(f, "`{}` is {what}", self.parent),
            Missing::TooShort(1) => return write!(f, "`{}` has 1 item", self.parent),
            Missing::TooShort(length) => return write!(f, "`{}` has {length} items", self.parent),
            Missing::Unknown => {}
        }
        match self.parent.as_str() {
            "" => f.write_str("there is: ")?,
            parent if self.known.is_empty() => return write!(f, "`{parent}` is empty here"),
            parent => write!(f, "`{parent}` has: ")?,
        }
        f.write_str(&list(&self.known))?;
        self.instead.as_ref().map_or(Ok(()), |instead| write!(f, "; write `{instead}`"))
    }
}

/// Names for a message, cut off where there are too many.
pub(crate) fn list<N: AsRef<str>>(names: &[N]) -> String {
    let shown: Vec<&str> = names.iter().take(LISTED).map(AsRef::as_ref).collect();
    let more = names.len().saturating_sub(LISTED);
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}

/// An analysis as text, for tests.
#[cfg(test)]
pub(crate) fn describe(source: &str, analysis: &Analysis) -> String {
    let mut text = String::new();
    for path in &analysis.paths {
        let parts: Vec<&str> = path.segments.iter().map(|segment| segment.range.slice(source)).collect();
        let guarded = if path.guarded { " guarded" } else { "" };
        text.push_str(&format!("{path}{guarded} <- {:?} {parts:?}\n", path.range.slice(source)));
    }
    for function in &analysis.unknown_functions {
        let suggestion = function.suggestion.as_deref().unwrap_or("-");
        text.push_str(&format!("{function} at {:?}, rather {suggestion}\n", function.range.slice(source)));
    }
    text.push_str(&format!("{:?}{}\n", analysis.result, if analysis.native { " native" } else { "" }));
    text
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::*;

    fn undefined(roots: &Roots, template: &str) -> String {
        let analysis = crate::template::check(template).unwrap();
        let lines = analysis
            .undefined(roots)
            .into_iter()
            .map(|u| format!("{u} -> {:?} at {:?}\n", u.suggestion, u.range.slice(template)));
        lines.collect()
    }

    #[test]
    fn only_what_is_surely_undefined_is_reported() {
        let inputs = json!({
            "type": "object",
            "properties": {
                "question": {"type": "string"},
                "user-name": {"type": "string"},
                "open": {"type": "object", "properties": {"a": {}}, "additionalProperties": true},
                "free": {"type": "object"},
                "either": {"anyOf": [{"type": "object", "properties": {"a": {}}}, {"type": "null"}]},
                "docs": {"type": "array", "items": {"$ref": "#/$defs/doc"}},
            },
            "$defs": {"doc": {"type": "object", "properties": {"title": {"type": "string"}, "next": {"$ref": "#/$defs/doc"}}}},
        });
        let output = json!({"type": "object", "properties": {"kind": {"enum": ["a"]}}, "additionalProperties": false});
        let roots =
            Roots::standard().with_inputs(&inputs).with_step("classify", Some(&output)).with_step("my-step", None);
        expect![[r#"
            `inputs.qestion` is not defined; `inputs` has: docs, either, free, open, question, user-name -> Some("question") at "qestion"
            `inputs.question.x` is not defined; `inputs.question` is a text -> None at "x"
            `input` is not defined; there is: agent, agent_id, execution, inputs, now, session, state, steps, tenant, tenant_id, user -> Some("inputs") at "input"
            `inputs.user` is not defined; `inputs` has: docs, either, free, open, question, user-name; write `inputs["user-name"]` -> None at "user"
            `name` is not defined; there is: agent, agent_id, execution, inputs, now, session, state, steps, tenant, tenant_id, user -> None at "name"
        "#]].assert_eq(&undefined(
            &roots,
            "{{ inputs.qestion }} {{ inputs.question.x }} {{ input.question }} {{ inputs.user-name }}",
        ));
        expect![[r#"
            `inputs.docs[0].titel` is not defined; `inputs.docs[0]` has: next, title -> Some("title") at "titel"
            `inputs.docs[0].next.next.x` is not defined; `inputs.docs[0].next.next` has: next, title -> None at "x"
        "#]].assert_eq(&undefined(&roots, "{{ inputs.open.b }} {{ inputs.free.b }} {{ inputs.either.b }} {{ inputs.docs[0].titel }} {{ inputs.docs[0].next.next.x }}"));
        expect![[r#"
            `steps.clasify` is not defined; `steps` has: classify, my-step -> Some("classify") at "clasify"
            `steps.classify.output.kindd` is not defined; `steps.classify.output` has: kind -> Some("kind") at "kindd"
            `steps.my-stp` is not defined; `steps` has: classify, my-step -> Some("my-step") at "my-stp"
            `steps.my-step.outptu` is not defined; `steps.my-step` has: attempts, error, output, status -> Some("output") at "outptu"
        "#]].assert_eq(&undefined(&roots, "{{ steps.clasify.output }} {{ steps.classify.output.kindd }} {{ steps.my-step.output.x }} {{ steps.my-stp.output }} {{ steps.my-step.outptu }}"));
        expect![[r#"
            `input` is not defined; there is: agent, agent_id, execution, inputs, now, session, state, steps, tenant, tenant_id, user -> Some("inputs") at "input"
            `tenant.nam` is not defined; `tenant` has: id, name, plan -> Some("name") at "nam"
        "#]].assert_eq(&undefined(
            &roots,
            "{{ inputs.x | default(1) }} {{ input.x | default(1) }} {{ tenant.nam }} {{ tenant_id }}",
        ));
        expect![[r#"
            `steps.a` is not defined; `steps` is empty here -> None at "a"
        "#]]
        .assert_eq(&undefined(&Roots::standard(), "{{ steps.a.output }}"));
    }

    #[test]
    fn the_type_of_a_path_comes_from_its_schema() {
        let inputs = json!({"properties": {"urgent": {"type": "boolean"}, "n": {"type": "integer"}, "l": {"type": "array"}, "x": {}}});
        let roots = Roots::standard().with_inputs(&inputs);
        for (source, expected) in [
            ("inputs.urgent", ResultType::Bool),
            ("inputs.n", ResultType::NotBool("a number")),
            ("inputs['l']", ResultType::NotBool("a list")),
            ("inputs.x", ResultType::Unknown),
            ("inputs.n > 1", ResultType::Bool),
        ] {
            assert_eq!(crate::expr::check(source).unwrap().result_in(&roots), expected, "{source}");
        }
    }
}
