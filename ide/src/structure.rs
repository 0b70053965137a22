//! The shape of a document: what can be folded, what a selection grows to.

use aikit_core::TextRange;

use crate::{
    complete::floor,
    outline::{Outline, Written},
};

/// The parts of more than one line, each from the line of its key to its last line, as lines from 0.
pub fn folds(text: &str) -> Vec<(u32, u32)> {
    let outline = Outline::new(text);
    let line_of = |offset: usize| text[..offset.min(text.len())].matches('\n').count() as u32;
    let fold = |id: usize| {
        let first = outline.node(id).line;
        let last = line_of(end(text, &outline, id));
        (last > first).then_some((first, last))
    };
    let mut folds: Vec<(u32, u32)> = outline.ids().filter_map(fold).collect();
    folds.sort_unstable();
    folds.dedup_by_key(|(first, _)| *first);
    folds
}

/// The ranges around an offset, the smallest first; each lies in the next.
pub fn selections(text: &str, offset: usize) -> Vec<TextRange> {
    let outline = Outline::new(text);
    let offset = floor(text, offset);
    let mut ranges = Vec::new();
    for id in outline.ids() {
        let node = outline.node(id);
        if let Written::Scalar(range) | Written::Flow(range) | Written::Block(range) = node.written {
            let written = range.slice(text).trim_end();
            ranges.push(TextRange::new(range.start as usize, range.start as usize + written.len()));
        }
        ranges.push(node.key);
        ranges.push(TextRange::new(node.key.start as usize, end(text, &outline, id)));
    }
    ranges.push(TextRange::new(0, text.len()));
    ranges.retain(|range| (range.start as usize) <= offset && offset <= range.end as usize);
    ranges.sort_by_key(|range| range.end - range.start);
    let mut nested: Vec<TextRange> = Vec::new();
    for range in ranges {
        if nested.last().is_none_or(|last| *last != range && range.contains_range(*last)) {
            nested.push(range);
        }
    }
    nested
}

/// Where everything that belongs to a node ends.
fn end(text: &str, outline: &Outline<'_>, id: usize) -> usize {
    let node = outline.node(id);
    let own = match node.written {
        Written::Below => node.key.end,
        Written::Scalar(range) | Written::Flow(range) | Written::Block(range) => range.end,
    } as usize;
    let own = text[..own.min(text.len())].trim_end().len().max(node.key.end as usize);
    node.children.iter().map(|child| end(text, outline, *child)).fold(own, usize::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "identity:\n  agent_id: a\n  name: A\nbehavior:\n  steps:\n    - name: one\n      llm: |\n        Hi\n        there\n\n";

    #[test]
    fn parts_fold_and_selections_grow() {
        assert_eq!(folds(TEXT), [(0, 2), (3, 8), (4, 8), (5, 8), (6, 8)]);
        let grown = selections(TEXT, TEXT.find("Hi").unwrap());
        assert!(grown.len() >= 4, "{grown:?}");
        assert!(grown.windows(2).all(|pair| pair[1].contains_range(pair[0])));
        assert_eq!(grown.last().unwrap().slice(TEXT), TEXT);
    }
}
