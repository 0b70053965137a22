//! The one entry for documents: text → diagnostics, outline and plan.

use aikit_core::{AgentId, Diagnostic, Severity, TextRange, codes};
use aikit_yaml::{Document, Node, NodeKind, Parsed};
use semver::Version;

use crate::{
    CheckContext, Checked, OutlineItem, agent, aliases, checks, lower, plan::PlanAgent, schema::Kind, structure,
};

/// Checks an agent document and lowers it. The same function stands behind every face.
///
/// ```
/// use aikit_spec::{CheckContext, check};
///
/// let checked = check("identity: {agent_id: hello, name: Hello}\n", &CheckContext::default());
/// assert!(checked.plan.is_some());
///
/// let checked = check("identity: {agent_id: hello, nane: Hello}\n", &CheckContext::default());
/// assert_eq!(checked.diagnostics[0].help.as_deref(), Some("did you mean `name`?"));
/// ```
pub fn check(source: &str, context: &CheckContext) -> Checked {
    check_parsed(source, &aikit_yaml::parse(source), context)
}

/// The same for a text that has been parsed already.
pub fn check_parsed(source: &str, parsed: &Parsed, context: &CheckContext) -> Checked {
    let broken = !parsed.is_valid();
    let mut diagnostics = parsed.diagnostics.clone();
    let mut documents = parsed.documents.iter();
    let Some(Document { root, .. }) = documents.next().filter(|document| !document.root.is_null()) else {
        if !broken {
            let message = "the document is empty";
            diagnostics.push(
                Diagnostic::new(codes::YAML_EMPTY, TextRange::empty(0), message)
                    .with_help("begin with `identity:` and in it `agent_id:` and `name:`"),
            );
        }
        return Checked { kind: Kind::Agent, plan: None, identity: None, outline: Vec::new(), diagnostics };
    };
    if let Some(second) = documents.next() {
        let message = "a file with several documents is not supported by this version";
        let at = second.root.entries().first().map_or(second.range, |entry| entry.key.range);
        diagnostics.push(Diagnostic::new(codes::NOT_SUPPORTED, at, message));
    }
    let (root, aliases) = aliases::canonical(source, root);
    let root = root.as_ref();
    // A broken text has gaps: what is missing in the tree may well stand in the text.
    if !broken {
        let structural = structure::check(source, root);
        let semantic = match root.kind {
            NodeKind::Mapping(_) => checks::check(source, root, context, &structural),
            _ => Vec::new(),
        };
        diagnostics.extend(aliases);
        diagnostics.extend(structural);
        diagnostics.extend(semantic);
    }
    diagnostics.sort_by_key(|diagnostic| (diagnostic.range, diagnostic.severity));
    let mut plan = None;
    let kind = Kind::of(root);
    if kind == Kind::Agent && !diagnostics.iter().any(Diagnostic::is_error) {
        match lower::lower(source, root, context) {
            Ok(lowered) => plan = Some(lowered),
            Err(message) => {
                let message = format!("aikit accepted this document and cannot read it; please report this: {message}");
                let mut diagnostic = Diagnostic::new(codes::INVALID_VALUE, root.range, message);
                diagnostic.severity = Severity::Error;
                diagnostics.push(diagnostic);
            }
        }
    }
    Checked { kind, identity: identity(root), outline: outline(root), plan, diagnostics }
}

/// Who the document says it is; `None` where id, name or version are missing or malformed.
pub(crate) fn identity(root: &Node) -> Option<PlanAgent> {
    let identity = root.get("identity")?;
    let text = |key| identity.get(key).and_then(Node::as_str);
    let version = if identity.get("version").is_some() { text("version")? } else { agent::FIRST_VERSION };
    Some(PlanAgent {
        id: AgentId::new(text("agent_id")?).ok()?,
        name: text("name")?.to_owned(),
        version: Version::parse(version).ok()?,
        description: text("description").map(str::to_owned),
    })
}

/// Blocks, declared things and steps, with their places.
fn outline(root: &Node) -> Vec<OutlineItem> {
    root.entries()
        .iter()
        .filter(|entry| !entry.merged)
        .map(|entry| {
            let children = match entry.name() {
                "behavior" => {
                    let steps = entry.value.get("steps").or_else(|| entry.value.get("workflow")?.get("steps"));
                    step_outline(steps.map(Node::items).unwrap_or_default())
                }
                "integration" => {
                    let tools = entry.value.get("tools").map(Node::items).unwrap_or_default();
                    tools.iter().filter_map(|tool| item("tool", tool, tool.get("name").unwrap_or(tool))).collect()
                }
                "intelligence" => {
                    let models = entry.value.get("models").map(Node::entries).unwrap_or_default();
                    let model = |entry: &aikit_yaml::Entry| OutlineItem {
                        kind: "model",
                        name: entry.name().to_owned(),
                        range: entry.range(),
                        name_range: entry.key.range,
                        children: Vec::new(),
                    };
                    models.iter().map(model).collect()
                }
                _ => Vec::new(),
            };
            OutlineItem {
                kind: "block",
                name: entry.name().to_owned(),
                range: entry.range(),
                name_range: entry.key.range,
                children,
            }
        })
        .collect()
}

fn item(kind: &'static str, node: &Node, name: &Node) -> Option<OutlineItem> {
    let text = name.as_str()?.to_owned();
    Some(OutlineItem { kind, name: text, range: node.range, name_range: name.range, children: Vec::new() })
}

fn step_outline(steps: &[Node]) -> Vec<OutlineItem> {
    let step = |step: &Node| {
        let kind = crate::agent::STEP_KINDS.iter().copied().find(|kind| step.get(kind).is_some()).unwrap_or("step");
        let mut outlined = item(kind, step, step.get("name")?)?;
        for body in crate::checks::bodies(step) {
            outlined.children.extend(step_outline(body.steps.items()));
        }
        Some(outlined)
    };
    steps.iter().filter_map(step).collect()
}
