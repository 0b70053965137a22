//! The one entry for documents: text → diagnostics, outline and plan.

use std::borrow::Cow;

use aikit_core::{AgentId, Diagnostic, Severity, TextRange, codes};
use aikit_yaml::{Document, Node, NodeKind, Parsed};
use semver::Version;

use crate::{
    CheckContext, Checked, OutlineItem, agent, aliases, checks, compose, lower, plan::PlanAgent, schema::Kind, short,
    structure,
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
    // A template without quotes and a key that stands twice leave no gap: what they stand in can be judged.
    let leaves_gap = |finding: &Diagnostic| {
        finding.is_error() && !matches!(finding.code, codes::YAML_UNQUOTED_TEMPLATE | codes::YAML_DUPLICATE_KEY)
    };
    let broken = parsed.diagnostics.iter().any(leaves_gap);
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
        return Checked {
            kind: Kind::Agent,
            plan: None,
            suite: None,
            identity: None,
            outline: Vec::new(),
            diagnostics,
        };
    };
    // A file may hold several documents; an agent among them is the one that is run.
    let others: Vec<&Node> = documents.map(|document| &document.root).filter(|root| !root.is_null()).collect();
    let is_agent = |root: &&Node| root.get("kind").is_none() && root.entry("identity").is_some();
    let (root, others) = match others.iter().position(is_agent) {
        Some(at) if Kind::of(root) != Kind::Agent => {
            let rest: Vec<&Node> = others.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, root)| *root).collect();
            (others[at], [vec![root], rest].concat())
        }
        _ => (root, others),
    };
    if !broken {
        for root in others {
            let stages = stages(source, root, context);
            diagnostics.extend(judged(source, &stages.root, context, &stages));
            diagnostics.extend(stages.diagnostics);
        }
    }
    let stages = stages(source, root, context);
    let root = &*stages.root;
    // A broken text has gaps: what is missing in the tree may well stand in the text.
    if !broken {
        diagnostics.extend(judged(source, root, context, &stages));
        diagnostics.extend(overlays(source, root, context, &diagnostics));
        diagnostics.extend(stages.diagnostics);
    }
    diagnostics.sort_by_key(|diagnostic| (diagnostic.range, diagnostic.severity));
    let mut plan = None;
    let kind = Kind::of(root);
    let sound = !diagnostics.iter().any(Diagnostic::is_error);
    let suite = (kind == Kind::TestSuite && sound).then(|| lower::suite(source, root)).flatten();
    if kind == Kind::Agent && !diagnostics.iter().any(Diagnostic::is_error) {
        let imported = compose::with_files(root, &context.around);
        let root = imported.as_ref().map_or(root, |(root, _)| root);
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
    Checked { kind, suite, identity: identity(root), outline: outline(root), plan, diagnostics }
}

/// A document on its way to its canonical form.
struct Stages<'n> {
    root: Cow<'n, Node>,
    /// What the way itself has to say.
    diagnostics: Vec<Diagnostic>,
    /// The keys by which other documents came in.
    foreign: Vec<TextRange>,
}

/// Short form, then aliases, then what the document is made of.
fn stages<'n>(source: &str, root: &'n Node, context: &CheckContext) -> Stages<'n> {
    let short = short::expand(source, root);
    let (root, mut diagnostics) = match short {
        Some(short) => {
            let (root, aliases) = aliases::canonical_patch(&short.root);
            // What stands in a short document without belonging there is reported as it is in a long one.
            let aliases = aliases.into_iter().filter(|finding| finding.code != codes::ALIAS_KEY);
            (Cow::Owned(root), short.diagnostics.into_iter().chain(aliases).collect())
        }
        None => aliases::canonical(source, root),
    };
    let mut root = root;
    if aliases::names_outputs(&root) {
        aliases::named_outputs(root.to_mut());
    }
    let foreign = ["extends", "imports"].into_iter().filter_map(|key| Some(root.entry(key)?.value.range)).collect();
    if Kind::of(&root) == Kind::Agent && compose::is_composed(&root, &context.around) {
        let composed = compose::compose(source, &root, &context.around);
        diagnostics.extend(composed.diagnostics);
        return Stages { root: Cow::Owned(composed.root), diagnostics, foreign };
    }
    Stages { root, diagnostics, foreign }
}

/// What is wrong with a canonical document.
fn judged(source: &str, root: &Node, context: &CheckContext, stages: &Stages<'_>) -> Vec<Diagnostic> {
    let structural = structure::check(source, root);
    let imported = compose::with_files(root, &context.around);
    let (root, imports) =
        imported.map_or_else(|| (Cow::Borrowed(root), Vec::new()), |(root, found)| (Cow::Owned(root), found));
    let semantic = match root.kind {
        NodeKind::Mapping(_) => checks::check(source, &root, context, &structural),
        _ => Vec::new(),
    };
    let mut all: Vec<Diagnostic> = structural.into_iter().chain(semantic).collect();
    // What another document brought in is not the author's to mend here, and what is unused of it is no news.
    all.retain_mut(|finding| {
        let foreign = stages.foreign.iter().any(|range| range.contains_range(finding.range))
            && finding.code != codes::IMPORT_FAILED
            && !root.get("imports").is_some_and(|imports| own_finding(imports, finding));
        if foreign {
            finding.fixes.clear();
            finding.help.get_or_insert_with(|| "it comes from the document that is named here".to_owned());
        }
        !foreign || finding.severity < Severity::Hint
    });
    all.extend(imports);
    all
}

/// Whether a finding is about the import itself: it stands at one of its keys or values but `from`.
fn own_finding(imports: &Node, finding: &Diagnostic) -> bool {
    imports.items().iter().any(|import| {
        import.entries().iter().any(|entry| {
            entry.key.range == finding.range
                || entry.name() != "from" && entry.value.range.contains_range(finding.range)
        })
    })
}

/// What is wrong only with an overlay laid over the document; `known` was found without.
fn overlays(source: &str, root: &Node, context: &CheckContext, known: &[Diagnostic]) -> Vec<Diagnostic> {
    if context.around.env.is_some() || known.iter().any(Diagnostic::is_error) || Kind::of(root) != Kind::Agent {
        return Vec::new();
    }
    let mut all = Vec::new();
    for (entry, laid_over) in compose::overlaid(root) {
        let structural = structure::check(source, &laid_over);
        let semantic = checks::check(source, &laid_over, context, &structural);
        let fresh = structural.into_iter().chain(semantic);
        all.extend(
            fresh
                .filter(|finding| {
                    let same = |other: &Diagnostic| other.code == finding.code && other.message == finding.message;
                    finding.severity < Severity::Hint && !known.iter().any(same)
                })
                .map(|mut finding| {
                    if !entry.value.range.contains_range(finding.range) {
                        // It stands in the document and is wrong only because of the overlay.
                        let was = finding.range;
                        finding.range = entry.key.range;
                        finding.fixes.clear();
                        return finding.with_related(was, "this part of the document");
                    }
                    finding
                }),
        );
    }
    all
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
