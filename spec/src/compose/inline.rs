//! Prompts and scripts that stand in files of their own.

use aikit_core::{Diagnostic, codes};
use aikit_yaml::{Entry, Node, NodeKind};

use super::{Composer, implied};

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
