//! What something in a document means.

use aikit_core::{TextRange, surface::member};
use aikit_spec::schema::view;
use aikit_yaml::Segment;

use crate::{
    complete::{Chain, floor, in_braces},
    names::{self, Surroundings},
    outline::Outline,
    site::{self, Site},
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
pub fn hover(text: &str, offset: usize, around: &Surroundings) -> Option<Hover> {
    let offset = floor(text, offset);
    let outline = Outline::new(text);
    if let Some(found) = key_at(&outline, offset) {
        return key(text, &outline, found);
    }
    match site::at(text, offset) {
        Site::Key { path, token } => {
            let name = token.slice(text).trim_matches(['"', '\'']).to_owned();
            let path = [path, vec![Segment::Key(name)]].concat();
            describe(text, &path, token)
        }
        Site::Value { path, token } | Site::Open { path, token } => value(text, &outline, &path, token, offset, around),
        Site::Block { path, content } => {
            let language = language_at(text, &path)?;
            inside(text, &outline, language, &path, content, offset)
        }
        Site::Nowhere => None,
    }
}

/// The node whose key an offset touches.
fn key_at(outline: &Outline<'_>, offset: usize) -> Option<usize> {
    outline.ids().find(|id| {
        let node = outline.node(*id);
        let touches = (node.key.start as usize) <= offset && offset <= node.key.end as usize;
        touches && matches!(node.step, Segment::Key(_))
    })
}

fn key(text: &str, outline: &Outline<'_>, id: usize) -> Option<Hover> {
    describe(text, &outline.path(id), outline.node(id).key)
}

fn view_at(text: &str, path: &[Segment]) -> Option<view::SchemaView> {
    let parsed = aikit_yaml::parse(text);
    view::at_path(parsed.documents.first().map(|document| &document.root), path)
}

fn language_at(text: &str, path: &[Segment]) -> Option<&'static str> {
    let parsed = aikit_yaml::parse(text);
    names::language_at(parsed.documents.first().map(|document| &document.root), path)
}

/// A key: what it means, what stands under it, what holds without it.
fn describe(text: &str, path: &[Segment], range: TextRange) -> Option<Hover> {
    let view = view_at(text, path)?;
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
    Some(Hover { range, markdown })
}

fn value(
    text: &str,
    outline: &Outline<'_>,
    path: &[Segment],
    token: TextRange,
    offset: usize,
    around: &Surroundings,
) -> Option<Hover> {
    if let Some(language) = language_at(text, path) {
        return inside(text, outline, language, path, token, offset);
    }
    let view = view_at(text, path)?;
    let written = token.slice(text).trim_matches(['"', '\'']);
    if let Some(value) = view.values.iter().find(|value| value.value == written) {
        return Some(Hover { range: token, markdown: format!("**{written}**\n\n{}", value.description) });
    }
    let named = names::declared(outline, around, view.reference?).into_iter().find(|named| named.name == written)?;
    Some(Hover { range: token, markdown: format!("**{}**: {}\n\n{}", named.name, named.detail, named.doc) })
}

/// A name inside a text.
fn inside(
    text: &str,
    outline: &Outline<'_>,
    language: &str,
    path: &[Segment],
    token: TextRange,
    offset: usize,
) -> Option<Hover> {
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
        "lua" | "js" => {
            let member = member(&dotted)?;
            Some(Hover { range, markdown: format!("`{}`\n\n{}", member.signature(), member.doc) })
        }
        "template" | "dynamic" if !in_braces(before) => None,
        "template" | "dynamic" | "cel" => {
            let roots = crate::names::roots(outline, path);
            let shape = roots.shape(&names)?;
            let members: Vec<String> = crate::names::members(shape).into_iter().map(|named| named.name).collect();
            let mut markdown = format!("**{dotted}**: {}", crate::names::shape_name(shape));
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
    use super::*;

    fn say(marked: &str) -> String {
        let offset = marked.find('‸').unwrap();
        let text = marked.replace('‸', "");
        match hover(&text, offset, &Surroundings::default()) {
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
        assert_eq!(say("# a rem‸ark\n"), "-");
    }
}
