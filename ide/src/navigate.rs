//! From a name to where it is declared and used, and to another name.

use std::fmt;

use aikit_core::{Edit, TextRange};
use aikit_spec::words;
use aikit_yaml::Node;

use crate::{
    index::{Index, Occurrence, Role, Symbol, SymbolKind},
    snapshot::{Snapshot, floor},
};

/// The symbol at an offset, with its place there.
pub fn symbol_at(snapshot: &Snapshot, offset: usize) -> Option<Occurrence> {
    snapshot.index().at(floor(snapshot.text(), offset)).cloned()
}

/// Everything that the document declares, in the order of the text.
pub fn declared(snapshot: &Snapshot) -> Vec<(Symbol, TextRange)> {
    let all = snapshot.index().occurrences.iter().filter(|one| one.role == Role::Declaration);
    all.map(|one| (one.symbol.clone(), one.range)).collect()
}

/// Where the name at an offset is declared, inside of the document: names, and the anchors of aliases.
pub fn definition(snapshot: &Snapshot, offset: usize) -> Vec<TextRange> {
    let offset = floor(snapshot.text(), offset);
    match snapshot.index().at(offset) {
        Some(found) => snapshot.index().declarations(&found.symbol),
        None => anchor(snapshot.text(), offset).into_iter().collect(),
    }
}

/// Every place of the name at an offset, inside of the document, in order.
pub fn references(snapshot: &Snapshot, offset: usize) -> Vec<Occurrence> {
    let index = snapshot.index();
    let Some(found) = index.at(floor(snapshot.text(), offset)) else { return Vec::new() };
    index.of(&found.symbol).cloned().collect()
}

/// Why a name cannot be changed, in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenameError(pub String);

impl fmt::Display for RenameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RenameError {}

/// The name at an offset, if it can be changed.
pub fn prepare_rename(snapshot: &Snapshot, offset: usize) -> Result<Occurrence, RenameError> {
    let Some(found) = symbol_at(snapshot, offset) else {
        return Err(RenameError("there is no name here that could be changed".into()));
    };
    let (word, name) = (found.symbol.kind.word(), &found.symbol.name);
    if found.symbol.kind == SymbolKind::Tool && is_builtin(snapshot, name) {
        return Err(RenameError(format!("`{name}` comes with aikit; its name cannot be changed")));
    }
    let declared = found.symbol.kind == SymbolKind::Agent || !snapshot.index().declarations(&found.symbol).is_empty();
    if !declared {
        return Err(RenameError(format!("the {word} `{name}` is not declared in this document")));
    }
    if let Some(layer) = inherited(snapshot, name) {
        return Err(RenameError(format!("the {word} `{name}` comes from {layer}; its name is changed there")));
    }
    Ok(found)
}

/// The document from which a name comes, if this one extends one that has it.
fn inherited(snapshot: &Snapshot, name: &str) -> Option<String> {
    fn holds(node: &Node, name: &str) -> bool {
        node.as_str() == Some(name)
            || node.entries().iter().any(|entry| entry.name() == name || holds(&entry.value, name))
            || node.items().iter().any(|item| holds(item, name))
    }
    if !snapshot.text().contains("extends") {
        return None;
    }
    let composed = aikit_spec::compose::document(snapshot.text(), &snapshot.around().context.around)?;
    composed.layers.into_iter().skip(1).find(|layer| holds(&layer.root, name)).map(|layer| layer.label)
}

/// The edits inside of the document that give the name at an offset another one.
pub fn rename(snapshot: &Snapshot, offset: usize, name: &str) -> Result<Vec<Edit>, RenameError> {
    let found = prepare_rename(snapshot, offset)?;
    check_name(&found.symbol, name)?;
    let taken = Symbol { name: name.to_owned(), ..found.symbol.clone() };
    if taken != found.symbol && !snapshot.index().declarations(&taken).is_empty() {
        return Err(RenameError(format!("there is a {} `{name}` already", found.symbol.kind.word())));
    }
    rename_symbol(snapshot, &found.symbol, name)
}

/// The edits that give a symbol another name wherever it stands in the document.
pub(crate) fn rename_symbol(snapshot: &Snapshot, symbol: &Symbol, name: &str) -> Result<Vec<Edit>, RenameError> {
    let text = snapshot.text();
    for found in snapshot.index().of(symbol) {
        let behind_dot = text[..found.range.start as usize].ends_with('.');
        let script = snapshot.index().embedded_at(found.range.start as usize).filter(|embedded| embedded.is_script());
        if script.is_some() && behind_dot && !is_identifier(name) {
            let line = snapshot.lines().line_of(found.range.start as usize) + 1;
            return Err(RenameError(format!("the script in line {line} could not read `{name}` behind a dot")));
        }
    }
    Ok(snapshot.index().of(symbol).map(|found| Edit { range: found.range, text: name.to_owned() }).collect())
}

/// Whether a symbol can have this name.
pub(crate) fn check_name(symbol: &Symbol, name: &str) -> Result<(), RenameError> {
    let by_format = |format: &str| words::format(format).is_none_or(|format| (format.accepts)(name));
    let rule = |format: &str| words::format(format).map_or("", |format| format.rule);
    let (fits, rule) = match symbol.kind {
        SymbolKind::Agent => (by_format("slug"), rule("slug")),
        SymbolKind::Step
        | SymbolKind::Tool
        | SymbolKind::Model
        | SymbolKind::Prompt
        | SymbolKind::Secret
        | SymbolKind::Subflow
        | SymbolKind::Knowledge
        | SymbolKind::Server
        | SymbolKind::MachineState
        | SymbolKind::Member => (by_format("name"), rule("name")),
        SymbolKind::Event => (by_format("event-name"), rule("event-name")),
        SymbolKind::Input | SymbolKind::State | SymbolKind::Item | SymbolKind::Argument => {
            (is_identifier(name), "a letter or `_`, then letters, digits and `_`")
        }
    };
    if fits { Ok(()) } else { Err(RenameError(format!("`{name}` is not possible: it must be {rule}"))) }
}

fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether the document takes the tool from aikit rather than declaring it.
fn is_builtin(snapshot: &Snapshot, name: &str) -> bool {
    let outline = snapshot.outline();
    let tools = outline.under(&["integration", "tools"]).map(|id| outline.children(id)).unwrap_or_default();
    tools.iter().any(|tool| {
        outline.scalar(*tool) == Some(name)
            || outline.scalar_of(*tool, "name") == Some(name) && outline.scalar_of(*tool, "kind") == Some("builtin")
    })
}

/// The anchor of the alias at an offset: the last one of that name above.
fn anchor(text: &str, offset: usize) -> Option<TextRange> {
    let is_name = |c: char| !c.is_whitespace() && !matches!(c, ',' | '[' | ']' | '{' | '}');
    let start = text[..offset].char_indices().rev().find(|(_, c)| !is_name(*c)).map_or(0, |(at, c)| at + c.len_utf8());
    let word = text[start..].split(|c| !is_name(c)).next()?;
    let name = word.strip_prefix('*').filter(|name| !name.is_empty())?;
    let anchor = format!("&{name}");
    let (at, _) = text[..start]
        .rmatch_indices(&anchor)
        .find(|(at, _)| !text[at + anchor.len()..].starts_with(is_name) && !text[..*at].ends_with(is_name))?;
    Some(TextRange::new(at, at + anchor.len()))
}

/// How often each declaration of a kind is used: the place of the declaration, the symbol, the count.
pub(crate) fn usage(index: &Index, kind: SymbolKind) -> Vec<(&Occurrence, usize)> {
    let declared =
        index.occurrences.iter().filter(|found| found.symbol.kind == kind && found.role == Role::Declaration);
    declared.map(|found| (found, index.of(&found.symbol).filter(|other| other.role == Role::Read).count())).collect()
}
