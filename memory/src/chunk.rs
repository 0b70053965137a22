//! Texts are cut into passages that are searched and cited. A passage knows where it stands in its text and below which
//! headings.

use std::ops::Range;

use aikit_core::memory::word_tokens;
use aikit_runtime::ports::memory::{Cut, Unit};

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// Its bytes in the text.
    pub range: Range<usize>,
    /// The headings above it, the outermost first.
    pub headings: Vec<String>,
}

/// Cuts a text. Passages stand in its order; nothing but blanks is left out, and none is empty.
pub fn cut(text: &str, cut: Cut) -> Vec<Passage> {
    let sections = sections(text);
    let mut passages = Vec::new();
    if cut.unit == Unit::Headings {
        for section in &sections {
            let inside = pieces(text, section.range.clone(), cut);
            passages.extend(inside.into_iter().map(|range| Passage { range, headings: section.headings.clone() }));
        }
        return passages;
    }
    for range in pieces(text, 0..text.len(), cut) {
        // The section in which most people would look for it: the one where it begins.
        let at = sections.partition_point(|section| section.range.start <= range.start);
        let headings = at.checked_sub(1).map(|at| sections[at].headings.clone()).unwrap_or_default();
        passages.push(Passage { range, headings });
    }
    passages
}

/// Parts of a range that are `size` long at most and have `overlap` in common.
fn pieces(text: &str, range: Range<usize>, cut: Cut) -> Vec<Range<usize>> {
    let atoms: Vec<Range<usize>> = match cut.unit {
        Unit::Chars => {
            let inside = text[range.clone()].char_indices();
            inside.map(|(at, c)| range.start + at..range.start + at + c.len_utf8()).collect()
        }
        Unit::Sentences => sentences(text, range),
        Unit::Tokens | Unit::Headings => atoms(text, range),
    };
    let cost = |atom: &str| match cut.unit {
        Unit::Chars | Unit::Sentences => 1,
        Unit::Tokens | Unit::Headings => word_tokens(atom),
    };
    let (size, overlap) = (cut.size.max(1), cut.overlap.min(cut.size.saturating_sub(1)));
    let costs: Vec<usize> = atoms.iter().map(|atom| cost(&text[atom.clone()])).collect();
    let mut pieces = Vec::new();
    let mut from = 0;
    while from < atoms.len() {
        let (mut to, mut length) = (from, 0);
        while to < atoms.len() && (to == from || length + costs[to] <= size) {
            length += costs[to];
            to += 1;
        }
        if to < atoms.len() && matches!(cut.unit, Unit::Tokens | Unit::Headings) {
            to = better_end(text, &atoms, from, to);
        }
        let piece = trimmed(text, atoms[from].start..atoms[to - 1].end);
        if !piece.is_empty() {
            pieces.push(piece);
        }
        if to == atoms.len() {
            break;
        }
        let (mut next, mut common) = (to, 0);
        while next > from + 1 && common + costs[next - 1] <= overlap {
            next -= 1;
            common += costs[next];
        }
        from = next;
    }
    pieces
}

/// The end of a paragraph, else of a sentence, in the last third of a passage; else where it is full.
fn better_end(text: &str, atoms: &[Range<usize>], from: usize, to: usize) -> usize {
    let least = from + (to - from) * 2 / 3;
    let between = |at: usize| &text[atoms[at - 1].end..atoms[at].start];
    let ends = (least.max(from + 1)..=to).rev();
    let paragraph = ends.clone().find(|at| between(*at).matches('\n').count() > 1);
    paragraph.or_else(|| ends.clone().find(|at| ends_sentence(&text[atoms[at - 1].clone()]))).unwrap_or(to)
}

fn ends_sentence(word: &str) -> bool {
    word.trim_end_matches(['"', '\'', ')', '”', '’', '»', ']']).ends_with(['.', '!', '?', '…', '。', '！', '？'])
}

fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let inside = &text[range.clone()];
    let start = range.start + (inside.len() - inside.trim_start().len());
    start..(range.start + inside.trim_end().len()).max(start)
}

/// What blanks separate.
fn atoms(text: &str, range: Range<usize>) -> Vec<Range<usize>> {
    let mut atoms = Vec::new();
    let mut begun: Option<usize> = None;
    for (at, c) in text[range.clone()].char_indices() {
        let at = range.start + at;
        match (c.is_whitespace(), begun) {
            (true, Some(start)) => {
                atoms.push(start..at);
                begun = None;
            }
            (false, None) => begun = Some(at),
            // What is written without blanks may be cut anywhere.
            (false, Some(start)) if at - start >= 48 => {
                atoms.push(start..at);
                begun = Some(at);
            }
            _ => {}
        }
    }
    atoms.extend(begun.map(|start| start..range.end));
    atoms
}

fn sentences(text: &str, range: Range<usize>) -> Vec<Range<usize>> {
    let mut sentences = Vec::new();
    let mut start = range.start;
    let words = atoms(text, range.clone());
    for (i, word) in words.iter().enumerate() {
        let next = words.get(i + 1).map_or(range.end, |next| next.start);
        let gap = &text[word.end..next];
        if ends_sentence(&text[word.clone()]) || gap.matches('\n').count() > 1 {
            sentences.push(trimmed(text, start..word.end));
            start = next;
        }
    }
    sentences.push(trimmed(text, start..range.end));
    sentences.retain(|sentence| !sentence.is_empty());
    sentences
}

/// A part of Markdown from one heading to the next.
struct Section {
    range: Range<usize>,
    headings: Vec<String>,
}

/// The sections of a text; a text without headings is one.
fn sections(text: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = vec![Section { range: 0..text.len(), headings: Vec::new() }];
    let mut path: Vec<(usize, String)> = Vec::new();
    let (mut at, mut fence): (usize, Option<&str>) = (0, None);
    for line in text.split_inclusive('\n') {
        let begins = at;
        at += line.len();
        let content = line.trim();
        let mark = ["```", "~~~"].into_iter().find(|mark| content.starts_with(mark));
        match (fence, mark) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            _ => {}
        }
        let Some((level, title)) = heading(line).filter(|_| fence.is_none()) else { continue };
        path.retain(|(above, _)| *above < level);
        path.push((level, title.to_owned()));
        if let Some(last) = sections.last_mut() {
            last.range.end = begins;
        }
        let headings = path.iter().map(|(_, title)| title.clone()).collect();
        sections.push(Section { range: begins..text.len(), headings });
    }
    sections.retain(|section| !section.range.is_empty());
    sections
}

/// Level and text of a heading (`## Title`).
fn heading(line: &str) -> Option<(usize, &str)> {
    let line = line.strip_prefix("   ").or(line.strip_prefix("  ")).or(line.strip_prefix(' ')).unwrap_or(line);
    let level = line.len() - line.trim_start_matches('#').len();
    let rest = line.get(level..).filter(|_| (1..=6).contains(&level))?;
    if !rest.starts_with([' ', '\t', '\n', '\r']) && !rest.is_empty() {
        return None;
    }
    Some((level, rest.trim().trim_end_matches('#').trim_end()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts<'t>(text: &'t str, passages: &[Passage]) -> Vec<&'t str> {
        passages.iter().map(|passage| &text[passage.range.clone()]).collect()
    }

    #[test]
    fn sections_know_their_headings() {
        let text = "Intro.\n\n# Guide\nOne.\n## Refunds\nTwo.\n```\n# no heading\n```\n# Other #\n\n#no\nThree.";
        let passages = cut(text, Cut { unit: Unit::Headings, size: 100, overlap: 0 });
        let told: Vec<(String, &str)> =
            passages.iter().zip(texts(text, &passages)).map(|(p, text)| (p.headings.join(" > "), text)).collect();
        assert_eq!(
            told,
            [
                (String::new(), "Intro."),
                ("Guide".into(), "# Guide\nOne."),
                ("Guide > Refunds".into(), "## Refunds\nTwo.\n```\n# no heading\n```"),
                ("Other".into(), "# Other #\n\n#no\nThree."),
            ]
        );
    }

    #[test]
    fn sentences_and_their_overlap() {
        let text = "One is here. Two (is it?) follows!  Three";
        let passages = cut(text, Cut { unit: Unit::Sentences, size: 2, overlap: 1 });
        assert_eq!(texts(text, &passages), ["One is here. Two (is it?)", "Two (is it?) follows!", "follows!  Three"]);
    }

    #[test]
    fn a_passage_ends_where_a_paragraph_does() {
        let text = "alpha beta gamma delta\n\nepsilon zeta eta theta";
        let passages = cut(text, Cut { unit: Unit::Tokens, size: 6, overlap: 0 });
        assert_eq!(texts(text, &passages), ["alpha beta gamma delta", "epsilon zeta eta theta"]);
    }

    fn unit() -> impl Strategy<Value = Unit> {
        prop_oneof![Just(Unit::Tokens), Just(Unit::Chars), Just(Unit::Sentences), Just(Unit::Headings)]
    }

    proptest! {
        #[test]
        fn nothing_is_lost(
            text in "([#]{0,3} ?[a-zé東.!\n ]{0,12}){0,20}", unit in unit(), size in 1usize..20, overlap in 0usize..8
        ) {
            let passages = cut(&text, Cut { unit, size, overlap });
            let mut covered = vec![false; text.len()];
            let mut before = 0;
            for passage in &passages {
                prop_assert!(text.is_char_boundary(passage.range.start) && text.is_char_boundary(passage.range.end));
                prop_assert!(!passage.range.is_empty());
                prop_assert!(passage.range.start >= before);
                before = passage.range.start;
                covered[passage.range.clone()].fill(true);
                let inside = &text[passage.range.clone()];
                if unit == Unit::Chars {
                    prop_assert!(inside.chars().count() <= size);
                }
            }
            for (at, c) in text.char_indices() {
                prop_assert!(c.is_whitespace() || covered[at], "`{c}` at {at} is in no passage of {passages:?}");
            }
        }
    }
}
