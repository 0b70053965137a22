//! What stands elsewhere and is used in a place: prompts and scripts in files, schemas under `schemas`.

use aikit_core::{Diagnostic, codes};
use aikit_yaml::{Entry, Node, NodeKind};

use super::{Composer, implied, relocate};
use crate::roots::nearest;

/// Where a reference to a named schema begins.
const SCHEMAS: &str = "#/schemas/";
/// Schemas that contain themselves end here; what is deeper may be anything.
const DEPTH: usize = 8;
/// How many names are replaced in one document; behind them anything is allowed.
const EXPANDED: usize = 2000;

/// Whether a document uses schemas by name.
pub(super) fn names_schemas(node: &Node) -> bool {
    reference(node).is_some()
        || node.entries().iter().any(|entry| names_schemas(&entry.value))
        || node.items().iter().any(names_schemas)
}

/// The name of `$ref: "#/schemas/<name>"`.
fn reference(node: &Node) -> Option<(&Node, &str)> {
    let target = node.get("$ref")?;
    Some((target, target.as_str()?.strip_prefix(SCHEMAS)?))
}

/// Whether what stands under `key` names a file for a prompt or a script.
pub(super) fn is_wanted(key: &str, node: &Node) -> bool {
    file_of(key, node).is_some()
        || node.entries().iter().any(|entry| is_wanted(entry.name(), &entry.value))
        || node.items().iter().any(|item| is_wanted("", item))
}

/// What a mapping that names a file stands for.
#[derive(Clone, Copy, PartialEq)]
enum Role {
    Prompt,
    Script,
    Tool,
}

fn file_of<'n>(key: &str, node: &'n Node) -> Option<(Role, &'n Node)> {
    let file = node.get("file").filter(|file| file.as_str().is_some())?;
    let role = match key {
        "prompt" | "system" => Role::Prompt,
        "script" => Role::Script,
        _ => Role::Tool,
    };
    let is_script_tool = matches!(node.get("kind").and_then(Node::as_str), Some("lua" | "js"));
    (role != Role::Tool || is_script_tool).then_some((role, file))
}

impl Composer<'_> {
    /// Puts named schemas in the place of their names.
    pub(super) fn schemas(&mut self, node: &mut Node, named: Option<&Node>, depth: usize) {
        if let Some((at, name)) = reference(node).map(|(target, name)| (target.range, name.to_owned())) {
            match named.and_then(|named| named.get(&name)) {
                Some(_) if depth >= DEPTH || self.expanded >= EXPANDED => node.kind = NodeKind::Mapping(Vec::new()),
                Some(schema) => {
                    self.expanded += 1;
                    let mut schema = schema.clone();
                    relocate(&mut schema, at);
                    self.schemas(&mut schema, named, depth + 1);
                    node.kind = schema.kind;
                }
                None => {
                    let finding = Diagnostic::new(
                        codes::UNKNOWN_NAME,
                        at,
                        format!("there is no schema `{name}` under `schemas`"),
                    );
                    let known: Vec<&str> =
                        named.map(Node::entries).unwrap_or_default().iter().map(Entry::name).collect();
                    self.diagnostics.push(match nearest(&name, known) {
                        Some(meant) => finding.with_help(format!("did you mean `{meant}`?")),
                        None => finding,
                    });
                    node.kind = NodeKind::Mapping(Vec::new());
                }
            }
            return;
        }
        match &mut node.kind {
            NodeKind::Mapping(entries) => {
                entries.iter_mut().for_each(|entry| self.schemas(&mut entry.value, named, depth));
            }
            NodeKind::Sequence(items) => items.iter_mut().for_each(|item| self.schemas(item, named, depth)),
            NodeKind::Scalar(_) | NodeKind::Null => {}
        }
    }

    /// Puts the content of files in place of their names.
    pub(super) fn inline(&mut self, key: &str, node: &mut Node) {
        if let Some((role, file)) = file_of(key, node).map(|(role, file)| (role, file.clone())) {
            let (name, at) = (file.as_str().unwrap_or_default(), file.range);
            let path = self.around.path.clone();
            let Some((text, _)) = self.file(name, at, &path) else { return };
            let content = implied(&text, at);
            match role {
                Role::Prompt => node.kind = content.kind,
                Role::Script | Role::Tool => {
                    let key = match (role, name.rsplit('.').next()) {
                        (Role::Tool, _) => "code",
                        (_, Some(language @ ("lua" | "js"))) => language,
                        _ => {
                            let message = format!("`{name}` is no script: its name ends in neither `.lua` nor `.js`");
                            self.diagnostics.push(Diagnostic::new(codes::IMPORT_FAILED, at, message));
                            return;
                        }
                    };
                    if let NodeKind::Mapping(entries) = &mut node.kind
                        && let Some(entry) = entries.iter_mut().find(|entry| entry.name() == "file")
                    {
                        *entry = Entry { key: implied(key, at), value: content, merged: false };
                    }
                }
            }
            return;
        }
        match &mut node.kind {
            NodeKind::Mapping(entries) => {
                let free = |entry: &Entry| entry.name() == "metadata" || entry.name().starts_with("x-");
                entries.iter_mut().filter(|entry| !free(entry)).for_each(|entry| {
                    let key = entry.name().to_owned();
                    self.inline(&key, &mut entry.value);
                });
            }
            NodeKind::Sequence(items) => items.iter_mut().for_each(|item| self.inline("", item)),
            NodeKind::Scalar(_) | NodeKind::Null => {}
        }
    }
}
