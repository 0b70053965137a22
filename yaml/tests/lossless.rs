//! Every byte of a text is in the tree, and nothing twice, whatever the text is.

use aikit_yaml::{SyntaxKind, SyntaxNode, SyntaxTree};
use proptest::prelude::*;
use serde_json::Value;

/// Checks that children lie inside their parents in order, and that the leaves and the blanks between them are the text.
fn tiles(text: &str) {
    let tree = SyntaxTree::parse(text);
    let root = tree.root(text);
    assert_eq!(root.range().slice(text), text);
    nested(root);
    let mut at = 0;
    let mut rebuilt = String::new();
    for leaf in root.descendants().filter(|node| node.children().next().is_none()) {
        let range = leaf.range();
        // A mapping whose entries are all empty, or a text that holds nothing, has no leaf.
        if range.is_empty() {
            continue;
        }
        let (start, end) = (range.start as usize, range.end as usize);
        assert!(start >= at, "{:?} begins before {at} in {text:?}", leaf);
        let gap = &text[at..start];
        assert!(gap.chars().all(|c| matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{feff}')), "{gap:?} is lost in {text:?}");
        rebuilt.push_str(gap);
        rebuilt.push_str(leaf.text());
        at = end;
    }
    let rest = &text[at..];
    assert!(rest.chars().all(|c| matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{feff}')), "{rest:?} is lost in {text:?}");
    rebuilt.push_str(rest);
    assert_eq!(rebuilt, text);
    for problem in tree.problems() {
        assert!(
            text.get(problem.range.start as usize..problem.range.end as usize).is_some(),
            "{problem:?} in {text:?}"
        );
    }
}

fn nested(node: SyntaxNode<'_>) {
    let mut at = node.range().start;
    for child in node.children() {
        assert!(child.range().start >= at && child.range().end <= node.range().end, "{child:?} in {node:?}");
        at = child.range().end;
        nested(child);
    }
}

/// Checks that every decoded byte leads to the source and back.
fn maps(text: &str) {
    let tree = SyntaxTree::parse(text);
    for scalar in tree.root(text).descendants().filter(|node| node.kind().is_scalar()) {
        let Some(decoded) = scalar.decoded() else { continue };
        let segments = scalar.segments();
        let whole = scalar.range();
        let mut last = whole.start as usize;
        for (offset, character) in decoded.char_indices() {
            let source = segments.to_source(offset);
            assert!(source >= last && source <= text.len(), "{offset} of {decoded:?} in {text:?}");
            last = source;
            let back = segments.to_decoded(source).unwrap();
            assert!(back <= offset, "{offset} leads to {source} and back to {back} in {text:?}");
            let piece = segments
                .pieces()
                .iter()
                .find(|piece| piece.decoded.touches(offset) && (piece.decoded.end as usize) > offset)
                .unwrap();
            if piece.verbatim {
                assert!(text[source..].starts_with(character), "{character:?} at {source} in {text:?}");
                assert_eq!(back, offset, "in {text:?}");
            }
        }
    }
}

fn suite() -> Vec<String> {
    let cases: serde_json::Map<String, Value> = serde_json::from_str(include_str!("yaml-test-suite.json")).unwrap();
    cases.values().map(|case| case["in"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_test_suite() {
    for text in suite() {
        tiles(&text);
        maps(&text);
        // The same with the other line break.
        let windows = text.replace('\n', "\r\n");
        tiles(&windows);
        maps(&windows);
    }
}

#[test]
fn the_documents_of_this_repository() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let mut seen = 0;
    for folder in ["examples", "tests/specs", "docs"] {
        for entry in std::fs::read_dir(format!("{root}/{folder}")).unwrap() {
            let path = entry.unwrap().path();
            if let Ok(text) = std::fs::read_to_string(&path) {
                tiles(&text);
                maps(&text);
                seen += 1;
            }
        }
    }
    assert!(seen > 10);
}

#[test]
fn cut_test_cases() {
    for text in suite() {
        for at in (0..text.len()).filter(|at| text.is_char_boundary(*at)) {
            tiles(&text[..at]);
            tiles(&text[at..]);
        }
    }
}

fn fragments() -> impl Strategy<Value = String> {
    let parts = [
        "a",
        "é",
        "😀",
        ": ",
        ":",
        "- ",
        "-",
        "? ",
        "?",
        "\n",
        "\n",
        "\n  ",
        "\n    ",
        "\r\n",
        "\r",
        "  ",
        " ",
        "\t",
        "{",
        "}",
        "[",
        "]",
        ", ",
        ",",
        "|\n",
        ">\n",
        "|-\n  ",
        ">2\n",
        "\"",
        "'",
        "\\",
        "\\x",
        "\\n",
        "\\u12",
        "#",
        " # c",
        "&a ",
        "&b\n",
        "*a",
        "!!str ",
        "!t ",
        "!<x> ",
        "<<",
        "---\n",
        "--- ",
        "...\n",
        "%YAML 1.2\n",
        "%TAG !e! x\n",
        "{{ x }}",
        "{% if %}\n",
        "@",
        "`",
        "~",
        "\u{feff}",
        "\u{0}",
        "\u{85}",
        "key: ",
        "key:\n",
        "a: b\n",
        "  c: d\n",
        "- e\n",
    ];
    prop::collection::vec(prop::sample::select(parts.to_vec()), 0..24).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn fragments_of_yaml(text in fragments()) {
        tiles(&text);
        maps(&text);
    }

    #[test]
    fn any_text(text in any::<String>()) {
        tiles(&text);
        maps(&text);
    }
}

#[test]
fn the_tree_says_what_it_holds() {
    let text = "# c\na: &x [1, 'b'] # d\n";
    let tree = SyntaxTree::parse(text);
    let kinds: Vec<SyntaxKind> = tree.root(text).descendants().map(|node| node.kind()).collect();
    use SyntaxKind::*;
    assert_eq!(
        kinds,
        [
            Comment,
            Document,
            Mapping,
            Entry,
            Plain,
            Colon,
            Anchor,
            Sequence,
            Bracket,
            Plain,
            Comma,
            SingleQuoted,
            Bracket,
            Comment
        ]
    );
}
