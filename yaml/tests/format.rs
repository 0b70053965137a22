//! The layout: what it does to a text, that doing it twice does nothing more, and that no meaning changes.

use aikit_yaml::{SyntaxTree, format, parse};
use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::Value;

fn check(text: &str, expect: Expect) {
    let formatted = format(text).expect("the text is valid");
    expect.assert_eq(&formatted);
    assert_eq!(format(&formatted).as_deref(), Some(formatted.as_str()), "twice");
}

#[test]
fn indentation_blanks_and_empty_lines() {
    check(
        "\n\n# head\na:    1\nb:\n      - x\n      -   y:   2   # why\n          z: [1,2 , {k: v,l: w}]\n\n\n\n      # between\n      - - p\n        - q\nc:\n- same\n-\n  k: v\nd: {  }\n\n\n",
        expect![[r#"
            # head
            a: 1
            b:
              - x
              - y: 2 # why
                z: [1, 2, {k: v, l: w}]

              # between
              - - p
                - q
            c:
              - same
              - k: v
            d: {}
        "#]],
    );
}

#[test]
fn texts_keep_their_lines() {
    check(
        "a:\n     code: |\n            one\n              two\n\n            three\n     fold: >-\n       x\n       y\n     explicit: |2\n         deep\n     quote: \"a\n         b\"\n     plain: some\n       words\n     # end\nb: |+\n  kept\n\n",
        expect![[r#"
            a:
              code: |
                one
                  two

                three
              fold: >-
                x
                y
              explicit: |2
                  deep
              quote: "a
                b"
              plain: some
                words
            # end
            b: |+
              kept

        "#]],
    );
}

#[test]
fn properties_keys_and_documents() {
    check(
        "%YAML 1.2\n---   # first\na: &x   !!map\n   k:   *x\n? [1,2]\n:   v\n*x : y\n? long\n: - 1\n  - 2\n...\n---\n- !t   &y z\n- &m\n  k: v\n",
        expect![[r#"
            %YAML 1.2
            --- # first
            a: &x !!map
              k: *x
            ? [1, 2]
            : v
            *x : y
            ? long
            : - 1
              - 2
            ...
            ---
            - !t &y z
            - &m
              k: v
        "#]],
    );
}

#[test]
fn broken_texts_are_left_alone() {
    assert_eq!(format("a: [1\nb: 2\n"), None);
}

/// Formats a text and checks that nothing is lost; gives whether it could be done.
fn holds(text: &str) -> bool {
    let Some(formatted) = format(text) else { return false };
    let values = |text: &str| parse(text).documents.iter().map(|document| document.root.to_json()).collect::<Vec<_>>();
    assert_eq!(values(text), values(&formatted), "{text:?} became {formatted:?}");
    assert_eq!(format(&formatted).as_deref(), Some(formatted.as_str()), "twice, of {text:?}");
    true
}

#[test]
fn the_test_suite() {
    let cases: serde_json::Map<String, Value> = serde_json::from_str(include_str!("yaml-test-suite.json")).unwrap();
    let (mut done, mut left) = (0, Vec::new());
    for (id, case) in &cases {
        let text = case["in"].as_str().unwrap();
        if !SyntaxTree::parse(text).problems().is_empty() {
            continue;
        }
        if holds(text) {
            done += 1;
        } else {
            left.push(id.as_str());
        }
    }
    assert!(left.len() * 10 < done, "{done} formatted, left alone: {left:?}");
}

#[test]
fn the_examples() {
    let mut seen = 0;
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            assert!(holds(&std::fs::read_to_string(&path).unwrap()), "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn fragments(parts in prop::collection::vec(prop::sample::select(vec![
        "a: 1\n", "b:\n", "  c: d\n", "  - e\n", "- f\n", "    - g: h\n", "      i: j\n", "# k\n", "  # l\n", "\n", "m: |\n", "    text\n", "  n: [1, 2]\n",
        "o: {p: q}\n", "r: &x s\n", "t: *x\n", "? u\n", ": v\n", "w: \"a\n   b\"\n", "---\n", "...\n", "y: !!str z # c\n", ">-\n", "  folded\n", "\r\n",
    ]), 0..14)) {
        holds(&parts.concat());
    }
}

#[test]
fn lines_end_as_they_did() {
    assert_eq!(format("a:   1\r\nb: |\r\n  x\r\n").as_deref(), Some("a: 1\r\nb: |\r\n  x\r\n"));
    assert_eq!(format("a:   1\nb: |\r\n  x\n").as_deref(), Some("a: 1\r\nb: |\r\n  x\r\n"));
    assert_eq!(
        format("{\n  f/o\n \r:-\t\r\n: !!sar,\n}\n").and_then(|text| format(&text)),
        format("{\n  f/o\n \r:-\t\r\n: !!sar,\n}\n")
    );
}
