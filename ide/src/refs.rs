//! Where names are declared and used: definition, references, rename.

use aikit_core::TextRange;
use aikit_spec::schema::at_path;
use aikit_yaml::Segment;

use crate::{
    complete::{floor, in_braces},
    names,
    outline::{Id, Outline, Written},
};

/// A name with all its places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// `model`, `prompt`, `secret`, `step` or `tool`.
    pub namespace: &'static str,
    /// The name.
    pub name: String,
    /// Where it is declared; `None` for what the document only uses.
    pub declaration: Option<TextRange>,
    /// Where it is used.
    pub uses: Vec<TextRange>,
}

impl Symbol {
    /// Every place, in the order of the text.
    pub fn places(&self) -> Vec<TextRange> {
        let mut all: Vec<TextRange> = self.declaration.iter().chain(&self.uses).copied().collect();
        all.sort();
        all
    }
}

const NAMESPACES: &[&str] = &["model", "prompt", "secret", "step", "tool"];

/// Every name of a document.
pub fn symbols(text: &str) -> Vec<Symbol> {
    let outline = Outline::new(text);
    let mut symbols = Vec::new();
    for namespace in NAMESPACES {
        for (name, range) in declarations(&outline, namespace) {
            symbols.push(Symbol { namespace, name, declaration: Some(range), uses: Vec::new() });
        }
    }
    let parsed = aikit_yaml::parse(text);
    let root = parsed.documents.first().map(|document| &document.root);
    for id in outline.ids() {
        let (Written::Scalar(range) | Written::Block(range)) = outline.node(id).written else { continue };
        let path = outline.path(id);
        if let Some(language @ ("template" | "dynamic" | "cel")) = names::language_at(root, &path) {
            for (name, place) in steps_read(text, range, language) {
                used(&mut symbols, "step", &name, place);
            }
        }
        let Some(view) = at_path(root, &path) else { continue };
        let reference = view.reference.and_then(|wanted| NAMESPACES.iter().find(|namespace| **namespace == wanted));
        if let Some(namespace) = reference {
            let inner = bare(text, range);
            if symbols.iter().all(|symbol| symbol.declaration != Some(inner)) {
                used(&mut symbols, namespace, inner.slice(text), inner);
            }
        }
    }
    symbols
}

/// The symbol at a byte offset.
pub fn symbol_at(text: &str, offset: usize) -> Option<Symbol> {
    let offset = floor(text, offset);
    let touches = |range: &TextRange| (range.start as usize) <= offset && offset <= range.end as usize;
    symbols(text).into_iter().find(|symbol| symbol.places().iter().any(touches))
}

/// Whether a name can take the place of another.
pub fn is_name(name: &str) -> bool {
    aikit_spec::words::format("name").is_some_and(|format| (format.accepts)(name))
}

fn used(symbols: &mut Vec<Symbol>, namespace: &'static str, name: &str, place: TextRange) {
    match symbols.iter_mut().find(|symbol| symbol.namespace == namespace && symbol.name == name) {
        Some(symbol) => symbol.uses.push(place),
        None => symbols.push(Symbol { namespace, name: name.to_owned(), declaration: None, uses: vec![place] }),
    }
}

/// A scalar without its quotes.
fn bare(text: &str, range: TextRange) -> TextRange {
    let written = range.slice(text);
    let quoted = written.len() >= 2 && written.starts_with(['"', '\'']) && written.ends_with(['"', '\'']);
    if quoted { TextRange::new(range.start as usize + 1, range.end as usize - 1) } else { range }
}

fn declarations(outline: &Outline<'_>, namespace: &str) -> Vec<(String, TextRange)> {
    let keys = |path: &[&str]| -> Vec<(String, TextRange)> {
        let children = outline.under(path).map(|id| outline.children(id)).unwrap_or_default();
        children.iter().filter_map(|id| Some((outline.name(*id)?.to_owned(), outline.node(*id).key))).collect()
    };
    let named = |id: Id| -> Option<(String, TextRange)> {
        let child = outline.child(id, "name")?;
        let Written::Scalar(range) = outline.node(child).written else { return None };
        Some((outline.scalar(child)?.to_owned(), bare(outline.text(), range)))
    };
    match namespace {
        "model" => keys(&["intelligence", "models"]),
        "prompt" => keys(&["intelligence", "prompts", "templates"]),
        "secret" => keys(&["governance", "security", "secrets"]),
        "step" => names::steps(outline).into_iter().filter_map(|(_, id)| named(id)).collect(),
        "tool" => {
            let tools = outline.under(&["integration", "tools"]).map(|id| outline.children(id)).unwrap_or_default();
            let of = |id: &Id| match outline.node(*id).written {
                Written::Scalar(range) => Some((outline.scalar(*id)?.to_owned(), bare(outline.text(), range))),
                _ => named(*id),
            };
            tools.iter().filter_map(of).collect()
        }
        _ => Vec::new(),
    }
}

/// The steps that a text reads: `steps.NAME` and `steps["NAME"]`.
fn steps_read(text: &str, range: TextRange, language: &str) -> Vec<(String, TextRange)> {
    let content = range.slice(text);
    let mut found = Vec::new();
    for (at, _) in content.match_indices("steps") {
        let before = &content[..at];
        let inside_name = before.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
        if inside_name || (language != "cel" && !in_braces(before)) {
            continue;
        }
        let rest = &content[at + "steps".len()..];
        let (skip, rest) = match rest.as_bytes() {
            [b'.', ..] => (1, &rest[1..]),
            [b'[', b'"' | b'\'', ..] => (2, &rest[2..]),
            _ => continue,
        };
        let len = rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-'))).unwrap_or(rest.len());
        if len > 0 {
            let start = range.start as usize + at + "steps".len() + skip;
            found.push((rest[..len].to_owned(), TextRange::new(start, start + len)));
        }
    }
    found
}

/// The way to a place, for links between views.
pub fn path_at(text: &str, offset: usize) -> Vec<Segment> {
    let outline = Outline::new(text);
    let offset = floor(text, offset) as u32;
    let last = outline.ids().filter(|id| outline.node(*id).key.start <= offset).last();
    last.map(|id| outline.path(id)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "intelligence:\n  models:\n    fast: {provider: scripted, model: auto}\n  model: fast\nintegration:\n  tools:\n    - calculate\nbehavior:\n  steps:\n    - name: one\n      llm: {prompt: Hi, model: fast}\n    - name: two\n      needs: [one]\n      when: steps.one.output == 'x'\n      tool: calculate\n      args: {a: '{{ steps.one.output }} one'}\n    - name: three\n      llm: |\n        Say {{ steps[\"one\"].output }} and steps.one\n";

    #[test]
    fn a_name_has_all_its_places() {
        let all = symbols(TEXT);
        let find = |namespace: &str, name: &str| {
            all.iter().find(|symbol| symbol.namespace == namespace && symbol.name == name).unwrap()
        };
        let one = find("step", "one");
        assert_eq!((one.declaration.is_some(), one.uses.len()), (true, 4), "{one:?}");
        assert_eq!(find("model", "fast").uses.len(), 2);
        assert_eq!(find("tool", "calculate").uses.len(), 1);
        assert!(one.places().iter().all(|place| place.slice(TEXT) == "one"));
        let at = TEXT.find("steps[\"one").unwrap() + 8;
        assert_eq!(symbol_at(TEXT, at).unwrap(), *one);
        assert_eq!(symbol_at(TEXT, 0), None);
        assert!(is_name("new-name") && !is_name("New"));
    }
}
