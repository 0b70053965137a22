//! What something in a document means.

use aikit_core::{TextRange, surface::member};
use aikit_spec::{
    compose::{self, PRESETS},
    schema::view::{self, SchemaView},
};
use aikit_yaml::Segment;

use crate::{
    complete::{Chain, in_braces},
    names::{self, Named},
    outline::Outline,
    site::{self, Site},
    snapshot::{Snapshot, floor},
};

/// An explanation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hover {
    /// What is explained.
    pub range: TextRange,
    /// The explanation, as Markdown.
    pub markdown: String,
}

/// What stands at a byte offset of a document.
pub fn hover(snapshot: &Snapshot, offset: usize) -> Option<Hover> {
    let text = snapshot.text();
    let offset = floor(text, offset);
    let outline = snapshot.outline();
    if let Some(found) = key_at(outline, offset) {
        return describe(snapshot, &outline.path(found), outline.node(found).key);
    }
    match site::at(snapshot, offset) {
        Site::Key { path, token } => {
            let name = token.slice(text).trim_matches(['"', '\'']).to_owned();
            describe(snapshot, &[path, vec![Segment::Key(name)]].concat(), token)
        }
        Site::Value { path, token } | Site::Open { path, token } => value(snapshot, &path, token, offset),
        Site::Block { path, content } => {
            let language = names::language_at(snapshot.root(), &path)?;
            inside(snapshot, language, &path, content, offset)
        }
        Site::Nowhere => None,
    }
}

/// The node whose key an offset touches.
fn key_at(outline: &Outline, offset: usize) -> Option<usize> {
    outline.ids().find(|id| {
        let node = outline.node(*id);
        node.key.touches(offset) && matches!(node.step, Segment::Key(_))
    })
}

fn view_at(snapshot: &Snapshot, path: &[Segment]) -> Option<SchemaView> {
    view::at_path(snapshot.root(), path)
}

/// A key: what it means, what stands under it, what holds without it.
fn describe(snapshot: &Snapshot, path: &[Segment], range: TextRange) -> Option<Hover> {
    let view = view_at(snapshot, path)?;
    let Some(Segment::Key(name)) = path.last() else { return None };
    let mut markdown = format!("**{name}**: {}\n\n{}", view.type_name, view.description);
    if let Some(format) = view.format {
        markdown.push_str(&format!("\n\nMust be {}.", format.rule));
    }
    if !view.values.is_empty() {
        let words: Vec<String> = view.values.iter().map(|value| format!("`{}`", value.value)).collect();
        markdown.push_str(&format!("\n\nOne of {}.", words.join(", ")));
    }
    if let Some(default) = view.default {
        markdown.push_str(&format!("\n\nDefault: `{default}`"));
    }
    if let Some(replaced) = replaced(snapshot, path) {
        markdown.push_str(&format!("\n\n{replaced}"));
    }
    Some(Hover { range, markdown })
}

/// What a value of this document stands over, in a document that is made of others.
fn replaced(snapshot: &Snapshot, path: &[Segment]) -> Option<String> {
    if !snapshot.text().contains("extends") {
        return None;
    }
    let composed = compose::document(snapshot.text(), &snapshot.around().context.around)?;
    let origin = composed.origin_below(path)?;
    Some(format!("Lies over what {} says in line {}.", origin.layer, origin.line))
}

fn value(snapshot: &Snapshot, path: &[Segment], token: TextRange, offset: usize) -> Option<Hover> {
    let language = names::language_at(snapshot.root(), path);
    if language == Some("extends") {
        let name = token.slice(snapshot.text()).trim_matches(['"', '\'']);
        let preset = PRESETS.iter().find(|preset| Some(preset.name) == name.split('@').next())?;
        let markdown = format!("**{}** {}\n\n{}", preset.name, preset.version, preset.description);
        return Some(Hover { range: token, markdown });
    }
    if let Some(language) = language {
        return inside(snapshot, language, path, token, offset);
    }
    let view = view_at(snapshot, path)?;
    let written = token.slice(snapshot.text()).trim_matches(['"', '\'']);
    if let Some(value) = view.values.iter().find(|value| value.value == written) {
        return Some(Hover { range: token, markdown: format!("**{written}**\n\n{}", value.description) });
    }
    let by_format = view.format.filter(|format| format.name == "agent-ref").map(|_| "agent");
    let namespace = view.reference.or(by_format)?;
    let declared = names::declared(snapshot.outline(), snapshot.around(), namespace);
    // An agent may stand with its version.
    let name = written.split('@').next().unwrap_or(written);
    let named = declared.into_iter().find(|named| named.name == name)?;
    Some(Hover { range: token, markdown: say(&named) })
}

fn say(named: &Named) -> String {
    format!("**{}**: {}\n\n{}", named.name, named.detail, named.doc).trim_end().to_owned()
}

/// A name inside a text.
fn inside(snapshot: &Snapshot, language: &str, path: &[Segment], token: TextRange, offset: usize) -> Option<Hover> {
    let text = snapshot.text();
    let rest = text.get(offset..token.end as usize)?;
    let end = offset + rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-')).unwrap_or(rest.len());
    let before = text.get(token.start as usize..end)?;
    let Chain { owners, word } = Chain::before(before);
    if word.is_empty() {
        return None;
    }
    let range = TextRange::new(end - word.len(), end);
    let names = [owners.as_slice(), &[word]].concat();
    let dotted = names.join(".");
    match language {
        "lua" | "js" => match member(&dotted) {
            Some(member) => Some(Hover { range, markdown: format!("`{}`\n\n{}", member.signature(), member.doc) }),
            None => {
                let named = names::surface(&owners).into_iter().find(|named| named.name == word)?;
                (!named.doc.is_empty()).then(|| Hover { range, markdown: say(&named) })
            }
        },
        "template" | "dynamic" if !in_braces(before) => None,
        "template" | "dynamic" | "cel" => {
            let roots = names::roots(snapshot, path);
            let shape = roots.shape(&names)?;
            let members: Vec<String> = names::members(shape).into_iter().map(|named| named.name).collect();
            let mut markdown = format!("**{dotted}**: {}", names::shape_name(shape));
            if let Some(doc) = names::described(snapshot, &names) {
                markdown.push_str(&format!("\n\n{doc}"));
            }
            if !members.is_empty() {
                markdown.push_str(&format!("\n\nHas {}.", members.join(", ")));
            }
            Some(Hover { range, markdown })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn say(marked: &str) -> String {
        let offset = marked.find('‸').unwrap();
        let text = marked.replace('‸', "");
        match hover(&Snapshot::new(text.as_str(), Arc::default()), offset) {
            Some(hover) => format!("{}: {}", hover.range.slice(&text), hover.markdown.replace("\n\n", " / ")),
            None => "-".to_owned(),
        }
    }

    #[test]
    fn keys_words_and_names_are_explained() {
        assert!(say("iden‸tity:\n  name: A\n").starts_with("identity: **identity**: a mapping / "));
        let said = say("behavior:\n  type: sequ‸ential\n");
        assert!(said.starts_with("sequential: **sequential** / The steps run"), "{said}");
        let said = say("behavior:\n  steps:\n    - name: a\n      llm: 'Hi {{ tena‸nt.id }}'\n");
        assert_eq!(said, "tenant: **tenant**: an object / Has id, name, plan.");
        let said =
            say("behavior:\n  steps:\n    - name: a\n      script:\n        lua: |\n          ctx.storage.g‸et('k')\n");
        assert!(said.starts_with("get: `ctx.storage.get(key: string): any` / The value stored"), "{said}");
        let said = say("extends: rou‸ter\nidentity: {agent_id: a, name: A}\n");
        assert!(said.starts_with("router: **router** 1.0.0 / Finds out"), "{said}");
        let said = say("extends: router\nidentity: {agent_id: a, name: A}\ninter‸face: {inputs: {type: object}}\n");
        assert!(said.ends_with("Lies over what preset router@1.0.0 says in line 7."), "{said}");
        assert_eq!(say("# a rem‸ark\n"), "-");
    }
}
