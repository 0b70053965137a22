//! After any edit the tree is that of a full parse.

use aikit_yaml::{Problem, SyntaxKind, SyntaxTree};
use proptest::prelude::*;
use serde_json::Value;

const DOCUMENT: &str = "\
# head
spec_version: aikit-v1.0.0
identity: {name: Ada, tags: [a, \"b\"]} # who
behavior:
  # all
  steps:
    - id: one
      script: |
        local x = 1

        return x
      save: answer
    # between
    - id: two
      llm:
        prompt: \"Hello
          {{ city }}\"
    -
      - nested
      - - twice
    - ? complex
      : value
    - text over
      lines
  list:
  - same
  - column: 1
  output: answer
governance:
  limits: &limits
    cost: 0.5
  more: *limits
# tail
";

/// The parts of a tree that can be compared.
type Shape = Vec<(SyntaxKind, u32, u32, usize)>;

fn shape(tree: &SyntaxTree, text: &str) -> (Shape, Vec<Problem>) {
    let root = tree.root(text);
    let nodes =
        root.descendants().map(|node| (node.kind(), node.range().start, node.range().end, node.descendants().count()));
    (nodes.collect(), tree.problems().to_vec())
}

fn follow(text: &mut String, tree: &mut SyntaxTree, at: usize, len: usize, insert: &str) {
    let floor = |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let (start, end) = (floor(at), floor(at + len));
    let before = text.clone();
    text.replace_range(start..end, insert);
    tree.edit(text, start..end, insert.len());
    let full = SyntaxTree::parse(text);
    let ((got, told), (expected, expected_told)) = (shape(tree, text), shape(&full, text));
    let differs =
        got.iter().zip(&expected).position(|(got, expected)| got != expected).unwrap_or(got.len().min(expected.len()));
    assert!(
        got == expected && told == expected_told,
        "after {start}..{end} became {insert:?}: from node {differs} on\n{:?}\nin place of\n{:?}\n{told:?}\nin place of {expected_told:?}\n{before}\n--- became\n{text}",
        &got[differs..got.len().min(differs + 8)],
        &expected[differs..expected.len().min(differs + 8)],
    );
}

#[test]
fn every_small_edit_of_a_document() {
    for insert in [
        "",
        "x",
        " ",
        "\n",
        "  ",
        ":",
        ": ",
        "- ",
        "#",
        " #",
        "\"",
        "'",
        "[",
        "{",
        "}",
        "|",
        "\n- a",
        "\n  b: c\n",
        "&a ",
        "---\n",
        "\t",
    ] {
        for at in 0..=DOCUMENT.len() {
            for len in [0, 1, 3, 17] {
                if at + len > DOCUMENT.len() {
                    continue;
                }
                let mut text = DOCUMENT.to_owned();
                let mut tree = SyntaxTree::parse(&text);
                follow(&mut text, &mut tree, at, len, insert);
            }
        }
    }
}

#[test]
fn every_deleted_byte_of_the_test_suite() {
    let cases: serde_json::Map<String, Value> = serde_json::from_str(include_str!("yaml-test-suite.json")).unwrap();
    for case in cases.values() {
        let source = case["in"].as_str().unwrap();
        for at in 0..source.len() {
            let mut text = source.to_owned();
            let mut tree = SyntaxTree::parse(&text);
            follow(&mut text, &mut tree, at, 1, "");
        }
    }
}

/// An edit that reaches further than it seems to, found by fuzzing.
#[test]
fn an_edit_far_from_what_it_changes() {
    // A bracket is read again without the lines below because of a quote in them, which the edit closes.
    let mut text = "k: {[ k\n\"b&:\n v'\n -}\ny:\n:\tky:\n1:\n".to_owned();
    let mut tree = SyntaxTree::parse(&text);
    follow(&mut text, &mut tree, 16, 2, "\"b");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn rows_of_edits(edits in prop::collection::vec((0..DOCUMENT.len(), 0..12usize, prop::sample::select(vec![
        "", "", "a", "key: v\n", "\n", "\n    ", "\n  ", "  ", "- ", "- a: b\n", ": ", "\"", "'", "[", "]", "{", "}", ",", "#", " # c\n", "|\n", ">-\n",
        "&a ", "*a", "!!str ", "? ", "---\n", "...\n", "%YAML 1.2\n", "{{ x }}", "é", "😀", "\t", "\r\n", "\u{feff}", "\u{1}",
    ])), 1..12)) {
        let mut text = DOCUMENT.to_owned();
        let mut tree = SyntaxTree::parse(&text);
        for (at, len, insert) in edits {
            follow(&mut text, &mut tree, at, len, insert);
        }
    }
}
