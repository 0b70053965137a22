//! The shape of a document: symbols, folds, ever larger selections.

use aikit_core::TextRange;
use aikit_spec::OutlineItem;

use crate::{
    index::{Role, SymbolKind},
    outline::{Id, Outline, Written},
    snapshot::{Snapshot, floor},
};

/// A part of a document, for an outline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentSymbol {
    /// Its name.
    pub name: String,
    /// What it is: `block`, `model`, `tool`, `prompt`, `credential`, `input`, or the kind of a step: `llm`, `switch`, ….
    pub kind: &'static str,
    /// All of it.
    pub range: TextRange,
    /// Its name in the text.
    pub selection: TextRange,
    /// Its parts.
    pub children: Vec<DocumentSymbol>,
}

/// The parts of a document, as far as it can be read.
pub fn document_symbols(snapshot: &Snapshot) -> Vec<DocumentSymbol> {
    let mut symbols: Vec<DocumentSymbol> = snapshot.checked().outline.iter().map(symbol).collect();
    // What the outline of the checks leaves out.
    for found in snapshot.index().occurrences.iter().filter(|found| found.role == Role::Declaration) {
        if !matches!(found.symbol.kind, SymbolKind::Prompt | SymbolKind::Secret | SymbolKind::Input) {
            continue;
        }
        if let Some(block) = symbols.iter_mut().find(|block| block.range.contains_range(found.range)) {
            block.children.push(DocumentSymbol {
                name: found.symbol.name.clone(),
                kind: found.symbol.kind.word(),
                range: found.range,
                selection: found.range,
                children: Vec::new(),
            });
            block.children.sort_by_key(|child| child.range.start);
        }
    }
    symbols
}

fn symbol(item: &OutlineItem) -> DocumentSymbol {
    let children: Vec<DocumentSymbol> = item.children.iter().map(symbol).collect();
    let range = children.iter().fold(item.range.cover(item.name_range), |range, child| range.cover(child.range));
    DocumentSymbol { name: item.name.clone(), kind: item.kind, range, selection: item.name_range, children }
}

/// What a fold hides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoldKind {
    /// Keys or items.
    Region,
    /// A text of several lines.
    Text,
    /// Lines of comments.
    Comment,
}

/// Lines that can be folded into their first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fold {
    /// From the beginning of the first line's content to the end of the last.
    pub range: TextRange,
    /// What it hides.
    pub kind: FoldKind,
}

/// Everything that can be folded, in the order of the text.
pub fn folds(snapshot: &Snapshot) -> Vec<Fold> {
    let (text, outline) = (snapshot.text(), snapshot.outline());
    let ends = outline.ends();
    let mut folds: Vec<Fold> = Vec::new();
    for id in outline.ids() {
        let node = outline.node(id);
        let end = trimmed(text, node.key.start as usize, ends[id]);
        let range = TextRange::new(node.key.start as usize, end);
        // An item and its first key begin in the same line; the item is the larger one.
        let again = folds.last().is_some_and(|fold| fold.range == range);
        if !again && snapshot.slice(range).contains('\n') {
            let text = matches!(node.written, Written::Block(_) | Written::Scalar(_));
            folds.push(Fold { range, kind: if text { FoldKind::Text } else { FoldKind::Region } });
        }
    }
    folds.extend(comments(snapshot));
    folds.sort_by_key(|fold| (fold.range.start, std::cmp::Reverse(fold.range.end)));
    folds
}

/// Runs of comment lines.
fn comments(snapshot: &Snapshot) -> Vec<Fold> {
    let text = snapshot.text();
    let outline = snapshot.outline();
    let inside: Vec<TextRange> = outline
        .ids()
        .filter_map(|id| match outline.node(id).written {
            Written::Block(range) => Some(range),
            _ => None,
        })
        .collect();
    let mut folds = Vec::new();
    let mut run: Option<(usize, usize, u32)> = None;
    let mut close = |run: Option<(usize, usize, u32)>| {
        if let Some((start, end, 2..)) = run {
            folds.push(Fold { range: TextRange::new(start, end), kind: FoldKind::Comment });
        }
    };
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = at + line.len() - line.trim_start().len();
        let block = inside.partition_point(|range| (range.end as usize) <= start);
        let in_block = inside.get(block).is_some_and(|range| (range.start as usize) <= start);
        if line.trim_start().starts_with('#') && !in_block {
            let end = at + line.trim_end().len();
            run = Some(run.map_or((start, end, 1), |(first, _, lines)| (first, end, lines + 1)));
        } else {
            close(run.take());
        }
        at += line.len();
    }
    close(run);
    folds
}

fn trimmed(text: &str, start: usize, end: usize) -> usize {
    start + text.get(start..end).unwrap_or("").trim_end().len()
}

/// Ever larger ranges around an offset, the smallest first; each lies inside of the next.
pub fn selections(snapshot: &Snapshot, offset: usize) -> Vec<TextRange> {
    let text = snapshot.text();
    let offset = floor(text, offset);
    let outline = snapshot.outline();
    let ends = outline.ends();
    let mut ranges = vec![word(text, offset)];
    if let Some(id) = innermost(outline, &ends, offset) {
        if let Some(embedded) = snapshot.index().embedded_at(offset) {
            ranges.extend(braces(text, embedded.range, offset));
        }
        let mut at = id;
        while at != 0 {
            let node = outline.node(at);
            match node.written {
                Written::Scalar(range) | Written::Flow(range) | Written::Block(range) if range.touches(offset) => {
                    ranges.extend(within_brackets(text, range).filter(|inner| inner.touches(offset)));
                    ranges.push(without_blanks(text, range));
                }
                Written::Below if offset > node.key.end as usize => {
                    let first = outline.children(at).first().map(|child| outline.node(*child).key.start as usize);
                    ranges.extend(first.map(|first| TextRange::new(first, trimmed(text, first, ends[at]))));
                }
                _ => {}
            }
            ranges.push(TextRange::new(node.key.start as usize, trimmed(text, node.key.start as usize, ends[at])));
            at = node.parent;
        }
    }
    ranges.push(TextRange::new(0, text.len()));
    let mut chain: Vec<TextRange> = Vec::new();
    for range in ranges {
        if chain.last().is_none_or(|last| range.contains_range(*last) && range != *last) && range.touches(offset) {
            chain.push(range);
        }
    }
    chain
}

/// The deepest node around an offset.
fn innermost(outline: &Outline, ends: &[usize], offset: usize) -> Option<Id> {
    let around = |id: &Id| outline.node(*id).key.start as usize <= offset && offset <= ends[*id];
    let mut found = None;
    let mut at = 0;
    while let Some(child) = outline.children(at).iter().copied().rev().find(around) {
        found = Some(child);
        at = child;
    }
    found
}

/// What stands between the quotes or brackets of a value that has both.
fn within_brackets(text: &str, range: TextRange) -> Option<TextRange> {
    let written = range.slice(text);
    let pairs = [("\"", "\""), ("'", "'"), ("{", "}"), ("[", "]")];
    let inner = pairs.iter().find_map(|(open, close)| written.strip_prefix(open)?.strip_suffix(close))?;
    Some(TextRange::new(range.start as usize + 1, range.start as usize + 1 + inner.len()))
}

fn without_blanks(text: &str, range: TextRange) -> TextRange {
    let written = range.slice(text);
    let start = range.start as usize + written.len() - written.trim_start().len();
    TextRange::new(start, start + written.trim().len())
}

fn word(text: &str, offset: usize) -> TextRange {
    let is_word = |c: &char| c.is_alphanumeric() || matches!(c, '_' | '-');
    let before: usize = text[..offset].chars().rev().take_while(is_word).map(char::len_utf8).sum();
    let behind: usize = text[offset..].chars().take_while(is_word).map(char::len_utf8).sum();
    TextRange::new(offset - before, offset + behind)
}

/// The `{{ … }}` around an offset: what stands in it, and with its braces.
fn braces(text: &str, range: TextRange, offset: usize) -> Vec<TextRange> {
    let (Some(before), Some(behind)) = (text.get(range.start as usize..offset), text.get(offset..range.end as usize))
    else {
        return Vec::new();
    };
    let open = before.rfind("{{").filter(|open| !before[*open..].contains("}}"));
    let (Some(open), Some(close)) = (open, behind.find("}}")) else { return Vec::new() };
    let start = range.start as usize + open;
    let end = offset + close + 2;
    let inner = text.get(start + 2..end - 2).unwrap_or("");
    let blanks = inner.len() - inner.trim_start().len();
    let inner_start = start + 2 + blanks;
    vec![TextRange::new(inner_start, inner_start + inner.trim().len()), TextRange::new(start, end)]
}
