//! Names that a document declares, and what can be read inside its texts.

use aikit_core::surface::{GLOBALS, MEMBERS, MemberKind};
use aikit_spec::{
    CheckContext,
    roots::{Roots, Shape},
    schema::at_path,
};
use aikit_yaml::{Node, Segment};
use serde_json::Value;

use crate::{
    outline::{Id, Outline},
    snapshot::Snapshot,
};

/// What surrounds a document.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// Providers, built-in tools and the tenant.
    pub context: CheckContext,
    /// The tenant's agents.
    pub agents: Vec<String>,
}

/// A name that can stand somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) detail: String,
    pub(crate) doc: String,
}

impl Named {
    fn new(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { name: name.into(), detail: detail.into(), doc: String::new() }
    }
}

/// The names of a namespace: `builtin`, `model`, `prompt`, `provider`, `secret`, `step`, `tool`.
pub(crate) fn declared(outline: &Outline, around: &Surroundings, namespace: &str) -> Vec<Named> {
    let keys = |path: &[&str], detail: &str| -> Vec<Named> {
        let block = outline.under(path);
        let children = block.map(|id| outline.children(id)).unwrap_or_default();
        children.iter().filter_map(|child| Some(Named::new(outline.name(*child)?, detail))).collect()
    };
    let items = |path: &[&str], detail: &str| -> Vec<Named> {
        let list = outline.under(path).map(|id| outline.children(id)).unwrap_or_default();
        list.iter().filter_map(|child| Some(Named::new(outline.scalar_of(*child, "name")?, detail))).collect()
    };
    let builtins = || {
        around.context.builtins.iter().map(|tool| Named {
            name: tool.name.clone(),
            detail: "built-in tool".into(),
            doc: tool.description.clone(),
        })
    };
    match namespace {
        "builtin" => builtins().collect(),
        "model" => {
            let block = outline.under(&["intelligence", "models"]);
            let of = |id: &Id| {
                let written = |key| outline.scalar_of(*id, key).unwrap_or("?");
                Some(Named::new(outline.name(*id)?, format!("{}/{}", written("provider"), written("model"))))
            };
            let mut all: Vec<Named> =
                block.map(|id| outline.children(id)).unwrap_or_default().iter().filter_map(of).collect();
            all.push(Named::new("scripted/auto", "simulated model"));
            all
        }
        "prompt" => keys(&["intelligence", "prompts", "templates"], "prompt"),
        "secret" => keys(&["governance", "security", "secrets"], "credential"),
        "provider" => around.context.providers.iter().map(|name| Named::new(name, "provider")).collect(),
        "step" => {
            let of = |(name, id): (String, Id)| Named {
                name,
                detail: kind_of(outline, id).map_or_else(|| "step".into(), |kind| format!("{kind} step")),
                doc: outline.scalar_of(id, "description").unwrap_or_default().to_owned(),
            };
            steps(outline).into_iter().map(of).collect()
        }
        "tool" => {
            let tools = outline.under(&["integration", "tools"]).map(|id| outline.children(id)).unwrap_or_default();
            let name = |id: &Id| outline.scalar(*id).or_else(|| outline.scalar_of(*id, "name"));
            let of = |id: &Id| {
                let name = name(id)?;
                let known = builtins().find(|tool| tool.name == name);
                Some(known.unwrap_or_else(|| Named {
                    name: name.to_owned(),
                    detail: outline.scalar_of(*id, "kind").map_or_else(|| "tool".into(), |kind| format!("{kind} tool")),
                    doc: outline.scalar_of(*id, "description").unwrap_or_default().to_owned(),
                }))
            };
            tools.iter().filter_map(of).collect()
        }
        "subflow" => keys(&["behavior", "subflows"], "subflow"),
        "state" => keys(&["behavior", "state_machine", "states"], "state"),
        "knowledge_base" => items(&["memory", "knowledge_bases"], "knowledge base"),
        "mcp_server" => items(&["integration", "mcp_servers"], "MCP server"),
        "agent" if outline.under(&["workflows"]).is_some() => items(&["agents"], "agent of the application"),
        "agent" => around.agents.iter().map(|name| Named::new(name, "agent")).collect(),
        _ => Vec::new(),
    }
}

/// What a step does, by its kind key.
fn kind_of(outline: &Outline, step: Id) -> Option<&'static str> {
    aikit_spec::agent::STEP_KINDS.iter().copied().find(|kind| outline.child(step, kind).is_some())
}

/// The steps of the document, nested ones included, with their nodes.
pub(crate) fn steps(outline: &Outline) -> Vec<(String, Id)> {
    let block = outline.under(&["behavior", "steps"]).or_else(|| outline.under(&["behavior", "workflow", "steps"]));
    let Some(block) = block else { return Vec::new() };
    let mut found = Vec::new();
    let mut open: Vec<Id> = vec![block];
    while let Some(at) = open.pop() {
        for child in outline.children(at) {
            let is_step = matches!(outline.node(*child).step, Segment::Index(_));
            if let Some(name) = outline.scalar_of(*child, "name").filter(|_| is_step) {
                found.push((name.to_owned(), *child));
            }
            open.push(*child);
        }
    }
    found.sort_by_key(|(_, id)| *id);
    found
}

/// What the text at `path` is written in. Inside of a value of the author's own, that of the value.
pub(crate) fn language_at(root: Option<&Node>, path: &[Segment]) -> Option<&'static str> {
    (0..=path.len()).rev().find_map(|len| {
        let view = at_path(root, &path[..len])?;
        Some(view.language.filter(|language| len == path.len() || *language == "dynamic"))
    })?
}

/// What the text at `path` can read: what every text can, the steps before it, and what the steps around it bring.
pub(crate) fn roots(snapshot: &Snapshot, path: &[Segment]) -> Roots {
    let outline = snapshot.outline();
    let own = outline.find(path).unwrap_or(usize::MAX);
    let value = |id: Id| {
        let parsed = aikit_yaml::parse(outline.source(id));
        Some(parsed.documents.first()?.root.to_json())
    };
    let under = |path: &[&str]| value(outline.under(path)?);
    let mut roots = Roots::standard();
    if let Some(inputs) = under(&["interface", "inputs"]) {
        roots = roots.with_inputs(&inputs);
    }
    roots = match under(&["behavior", "state_schema"]) {
        Some(schema) => roots.with_state(&schema),
        None => roots.with("state", Shape::closed(written_state(outline).into_iter().map(|key| (key, Shape::Any)))),
    };
    for (name, id) in steps(outline) {
        if id < own && !path.starts_with(&outline.path(id)) {
            let output = outline.child(id, "output").and_then(value);
            roots = roots.with_step(name, output.as_ref().filter(|schema| Value::is_object(schema)));
        }
    }
    for (at, segment) in path.iter().enumerate() {
        let Segment::Key(key) = segment else { continue };
        let next = match path.get(at + 1) {
            Some(Segment::Key(next)) => next.as_str(),
            Some(Segment::Index(_)) => "#",
            None => "",
        };
        let number = || Shape::Scalar("a number");
        let text = || Shape::Scalar("a text");
        match (key.as_str(), next) {
            ("map", "do" | "collect") => {
                let declared = path.get(..=at).and_then(|map| outline.find(map));
                let name = declared.and_then(|map| outline.scalar_of(map, "as")).unwrap_or("item").to_owned();
                roots = roots.with(name, Shape::Any).with("index", number());
                if next == "collect" {
                    roots = roots.with("output", Shape::Any);
                }
            }
            ("loop", "do" | "while") => roots = roots.with("index", number()),
            ("on_error", "#") => {
                roots = roots.with("error", Shape::closed([("code", text()), ("message", text())]));
            }
            ("save", _) if path.len() == at + 2 => {
                let step = path.get(..at).and_then(|step| outline.find(step));
                let output = step.and_then(|step| outline.child(step, "output")).and_then(value);
                roots = roots.with("output", output.as_ref().map_or(Shape::Any, Shape::from_schema));
            }
            _ => {}
        }
    }
    roots
}

/// What the document says about a variable: the description in the schema of the inputs or of the state, the kind of a
/// step.
pub(crate) fn described(snapshot: &Snapshot, names: &[&str]) -> Option<String> {
    let outline = snapshot.outline();
    let (schema, rest) = match names {
        ["inputs", rest @ ..] => (outline.under(&["interface", "inputs"])?, rest),
        ["state", rest @ ..] => (outline.under(&["behavior", "state_schema"])?, rest),
        ["steps", name, rest @ ..] => {
            let (_, step) = steps(outline).into_iter().find(|(step, _)| step == name)?;
            match rest {
                [] => return outline.scalar_of(step, "description").map(str::to_owned),
                ["output", rest @ ..] => (outline.child(step, "output")?, rest),
                _ => return None,
            }
        }
        _ => return None,
    };
    let at = rest.iter().try_fold(schema, |at, name| outline.child(outline.child(at, "properties")?, name))?;
    outline.scalar_of(at, "description").map(str::to_owned)
}

/// The keys of the state that the document writes.
fn written_state(outline: &Outline) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let initial = outline.under(&["behavior", "state", "initial"]);
    let mut add = |id: Option<Id>| {
        for child in id.map(|id| outline.children(id)).unwrap_or_default() {
            if let Some(name) = outline.name(*child) {
                let name = name.strip_prefix("state.").unwrap_or(name);
                names.push(name.split('.').next().unwrap_or(name).to_owned());
            }
        }
    };
    add(initial);
    for (_, step) in steps(outline) {
        add(outline.child(step, "set"));
        add(outline.child(step, "save"));
    }
    names.sort();
    names.dedup();
    names
}

/// The members of a shape, with what they are.
pub(crate) fn members(shape: &Shape) -> Vec<Named> {
    let Shape::Object { members, .. } = shape else { return Vec::new() };
    members.iter().map(|(name, shape)| Named::new(name, shape_name(shape))).collect()
}

/// A shape in words.
pub(crate) fn shape_name(shape: &Shape) -> String {
    match shape {
        Shape::Any => "anything".into(),
        Shape::Scalar(what) => (*what).to_owned(),
        Shape::List(_) => "a list".into(),
        Shape::Object { .. } => "an object".into(),
    }
}

/// The next names of the host surface below `owners`; the globals without one.
pub(crate) fn surface(owners: &[&str]) -> Vec<Named> {
    if owners.is_empty() {
        return GLOBALS
            .iter()
            .map(|(name, doc)| Named { name: (*name).into(), detail: "host".into(), doc: (*doc).into() })
            .collect();
    }
    let prefix = format!("{}.", owners.join("."));
    let mut found: Vec<Named> = Vec::new();
    for member in MEMBERS {
        let Some(rest) = member.path.strip_prefix(&prefix) else { continue };
        let named = match rest.split_once('.') {
            Some((group, _)) => Named::new(group, "host"),
            None => Named { name: rest.into(), detail: member.signature(), doc: member.doc.into() },
        };
        if !found.iter().any(|known| known.name == named.name) {
            found.push(named);
        }
    }
    found
}

/// Whether the member is called rather than read.
pub(crate) fn is_call(path: &str) -> bool {
    aikit_core::surface::member(path).is_some_and(|member| member.kind != MemberKind::Value)
}
