//! Whatever the bytes: the tree holds every one of them, an edit gives the tree of a full parse, values and layout are
//! found without a panic. Run it with `cargo fuzz run parse` in `yaml`.

#![no_main]

use aikit_yaml::{SyntaxTree, events, format, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // The first bytes choose an edit, the rest is the text.
    let [at, len, cut, rest @ ..] = data else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let tree = SyntaxTree::parse(text);
    let root = tree.root(text);
    let mut end = 0;
    for leaf in root.descendants().filter(|node| node.children().next().is_none() && !node.range().is_empty()) {
        let (start, behind) = (leaf.range().start as usize, leaf.range().end as usize);
        assert!(text[end..start].chars().all(is_blank), "a gap in the tree");
        end = behind;
        let segments = leaf.segments();
        for offset in 0..leaf.decoded().map_or(0, |text| text.len()) {
            assert!(segments.to_source(offset) <= text.len());
        }
    }
    assert!(text[end..].chars().all(is_blank), "a gap in the tree");
    let _ = events(&tree, text);
    let _ = read(&tree, text);
    if let Some(formatted) = format(text) {
        assert_eq!(format(&formatted).as_deref(), Some(formatted.as_str()), "formatting twice");
    }

    let at = floor(text, usize::from(*at) * text.len() / 256);
    let behind = floor(text, at + usize::from(*len) % 16);
    let from = floor(text, usize::from(*cut) * text.len() / 256);
    let inserted = &text[from..floor(text, from + usize::from(*len) / 16)];
    let after = [&text[..at], inserted, &text[behind..]].concat();
    let mut followed = tree;
    followed.edit(&after, at..behind, inserted.len());
    let full = SyntaxTree::parse(&after);
    assert_eq!(followed.problems(), full.problems());
    let shape = |tree: &SyntaxTree| tree.root(&after).descendants().map(|node| (node.kind(), node.range())).collect::<Vec<_>>();
    assert_eq!(shape(&followed), shape(&full));
});

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{feff}')
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}
