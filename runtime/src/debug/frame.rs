//! What is seen at a stop.

use std::sync::Arc;

use aikit_core::{Language, RunError};
use aikit_spec::words::ErrorGlob;
use serde_json::{Map, Value};

use super::{
    ThreadId,
    script::{Cut, GLOBALS, LOCALS, UPVALUES},
};

/// A step that is about to run.
#[derive(Debug, Clone, PartialEq)]
pub struct StepSite {
    /// Its address, unique in the run.
    pub address: String,
    /// Its name.
    pub name: String,
    /// Its kind key.
    pub kind: &'static str,
    /// Line of the document, from 1.
    pub line: u32,
    /// How many steps it stands in.
    pub depth: usize,
    /// Codes of errors that its `on_error` takes.
    pub catches: Vec<ErrorGlob>,
    /// Everything that templates and expressions can read there.
    pub scope: Value,
}

/// A call that a step is about to make.
#[derive(Debug, Clone, PartialEq)]
pub struct CallSite {
    /// [`FrameKind::Model`] or [`FrameKind::Tool`].
    pub kind: FrameKind,
    /// The model or the tool.
    pub name: String,
    /// What it is asked.
    pub request: Value,
}

/// What a frame is a frame of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// The run.
    Run,
    /// A step.
    Step,
    /// A request to a model.
    Model,
    /// A call of a tool.
    Tool,
    /// A function of a script.
    Script,
}

impl FrameKind {
    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            FrameKind::Run => "run",
            FrameKind::Step => "step",
            FrameKind::Model => "model",
            FrameKind::Tool => "tool",
            FrameKind::Script => "script",
        }
    }
}

/// A place in a place.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// What people call it.
    pub name: String,
    /// What it is.
    pub kind: FrameKind,
    /// Line of the document, from 1.
    pub line: u32,
    /// What can be read there, by name: roots of expressions; `locals`, `upvalues` and `globals` of a script.
    pub scope: Value,
    /// What is missing in the scope because it is large; a script that stands still is asked for it.
    pub cut: Arc<[Cut]>,
    /// Of a function of a script: the name of the script, and its language.
    pub script: Option<(String, Language)>,
}

/// Roots that every step sees and that do not change while the run goes on.
const RUN: &[&str] = &["tenant", "agent", "user", "session", "execution", "now", "tenant_id", "agent_id"];

impl Frame {
    /// What expressions can read there, by name.
    pub fn variables(&self) -> Value {
        if self.kind != FrameKind::Script {
            return self.scope.clone();
        }
        let groups = [GLOBALS, UPVALUES, LOCALS].into_iter().filter_map(|name| self.scope.get(name)?.as_object());
        Value::Object(groups.flatten().map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    /// What can be read there, in groups, the nearest first. Empty groups are left out.
    pub fn groups(&self) -> Vec<(&'static str, Value)> {
        const OWN: &[&str] = &["inputs", "state", "steps", "request"];
        let named = |name: &str| self.scope.get(name).cloned().unwrap_or_default();
        let mut groups: Vec<(&'static str, Value)> = match self.kind {
            FrameKind::Script => {
                vec![("Locals", named(LOCALS)), ("Upvalues", named(UPVALUES)), ("Globals", named(GLOBALS))]
            }
            FrameKind::Model | FrameKind::Tool => vec![("Request", named("request"))],
            FrameKind::Run | FrameKind::Step => {
                let pick = |wanted: &dyn Fn(&str) -> bool| -> Value {
                    let roots = self.scope.as_object().into_iter().flatten().filter(|(name, _)| wanted(name));
                    Value::Object(roots.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>())
                };
                vec![
                    ("Locals", pick(&|name| !OWN.contains(&name) && !RUN.contains(&name))),
                    ("State", named("state")),
                    ("Steps", named("steps")),
                    ("Inputs", named("inputs")),
                    ("Run", pick(&|name| RUN.contains(&name))),
                ]
            }
        };
        let first = groups[0].0;
        let is_empty = |value: &Value| match value {
            Value::Null => true,
            Value::Object(map) => map.is_empty(),
            _ => false,
        };
        let keep_first = self.kind == FrameKind::Script;
        groups.retain(|(name, value)| !is_empty(value) || (keep_first && *name == first));
        groups
    }
}

/// A place where a run has been.
#[derive(Debug, Clone, PartialEq)]
pub struct Moment {
    /// The thread.
    pub thread: ThreadId,
    /// How deep it is nested.
    pub depth: usize,
    /// The frames, innermost first.
    pub frames: Vec<Arc<Frame>>,
    /// The error, where something had failed.
    pub error: Option<RunError>,
    /// The script, where one stood still.
    pub(super) script: Option<u64>,
}

/// A step in which a thread stands.
#[derive(Debug, Clone)]
pub(super) struct Entered {
    pub frame: Arc<Frame>,
    pub address: String,
    pub depth: usize,
    pub catches: Vec<ErrorGlob>,
}
