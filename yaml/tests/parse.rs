//! What a text is read as: trees with places, diagnostics, recovery, bounds.

use std::fmt::Write;

use aikit_core::LineIndex;
use aikit_yaml::{MAX_DEPTH, Node, NodeKind, Part, ScalarStyle, parse};
use expect_test::{Expect, expect};
use serde_json::json;

/// Prints the tree with the source text of every node, then the diagnostics.
fn dump(text: &str) -> String {
    fn node_lines(out: &mut String, text: &str, node: &Node, depth: usize) {
        let tag = node.tag.as_deref().map(|tag| format!("{tag} ")).unwrap_or_default();
        let _ = match &node.kind {
            NodeKind::Null => writeln!(out, "{tag}nothing {:?}", node.range.slice(text)),
            NodeKind::Scalar(s) => {
                let source = node.range.slice(text);
                let block = matches!(s.style, ScalarStyle::Literal | ScalarStyle::Folded);
                let place = if block { format!(" line {} indent {}", s.first_line, s.indent) } else { String::new() };
                writeln!(out, "{tag}{} = {source:?}{place}", s.value)
            }
            NodeKind::Sequence(_) => writeln!(out, "{tag}sequence {:?}", node.range.slice(text)),
            NodeKind::Mapping(_) => writeln!(out, "{tag}mapping {:?}", node.range.slice(text)),
        };
        for entry in node.entries() {
            let merged = if entry.merged { " (merged)" } else { "" };
            let _ = write!(out, "{:depth$}{}{merged}: ", "", entry.key.range.slice(text), depth = depth * 2 + 2);
            node_lines(out, text, &entry.value, depth + 1);
        }
        for item in node.items() {
            let _ = write!(out, "{:depth$}- ", "", depth = depth * 2 + 2);
            node_lines(out, text, item, depth + 1);
        }
    }
    let parsed = parse(text);
    let lines = LineIndex::new(text);
    let mut out = String::new();
    for document in &parsed.documents {
        node_lines(&mut out, text, &document.root, 0);
    }
    for d in &parsed.diagnostics {
        let at = lines.position(text, d.range.start as usize);
        let slice = d.range.slice(text);
        let _ = writeln!(out, "{} {}:{} {slice:?} {}", d.code, at.line + 1, at.column + 1, d.message);
    }
    out
}

fn check(text: &str, expect: Expect) {
    expect.assert_eq(&dump(text));
}

#[test]
fn block_collections_and_multibyte_text() {
    check(
        "á: 1 # é\r\nb:\r\n  - x é y  # c\r\n  - 'q''s'\r\n  -\r\nc: \r\n",
        expect![[r#"
            mapping "á: 1 # é\r\nb:\r\n  - x é y  # c\r\n  - 'q''s'\r\n  -\r\nc: "
              á: 1 = "1"
              b: sequence "- x é y  # c\r\n  - 'q''s'\r\n  -"
                - "x é y" = "x é y"
                - "q's" = "'q''s'"
                - nothing ""
              c: nothing " "
        "#]],
    );
}

#[test]
fn flow_collections_and_json() {
    check(
        "{\"a\": [1, -2.5e1, true, null], b: {c: }, d}\n",
        expect![[r#"
        mapping "{\"a\": [1, -2.5e1, true, null], b: {c: }, d}"
          "a": sequence "[1, -2.5e1, true, null]"
            - 1 = "1"
            - -25.0 = "-2.5e1"
            - true = "true"
            - null = "null"
          b: mapping "{c: }"
            c: nothing " "
          d: nothing ""
    "#]],
    );
}

#[test]
fn block_scalars_know_where_their_content_begins() {
    check(
        "a: |\n  one\n   two\n\nb: >-  # | not this\n\n  folded\n  text\nc: |2\n   x\nd: |\nlast: !!str |\n    end\n",
        expect![[r#"
            mapping "a: |\n  one\n   two\n\nb: >-  # | not this\n\n  folded\n  text\nc: |2\n   x\nd: |\nlast: !!str |\n    end"
              a: "one\n two\n" = "|\n  one\n   two" line 1 indent 2
              b: "\nfolded text" = ">-  # | not this\n\n  folded\n  text" line 5 indent 2
              c: " x\n" = "|2\n   x" line 9 indent 2
              d: "" = "|" line 11 indent 0
              last: !!str "end\n" = "|\n    end" line 12 indent 4
        "#]],
    );
}

#[test]
fn anchors_aliases_and_merge_keys() {
    check(
        "base: &b {x: 1, y: 2}\none: *b\ntwo:\n  <<: *b\n  y: 3\nthree: {<<: [{z: 1}, *b]}\n",
        expect![[r#"
        mapping "base: &b {x: 1, y: 2}\none: *b\ntwo:\n  <<: *b\n  y: 3\nthree: {<<: [{z: 1}, *b]}"
          base: mapping "{x: 1, y: 2}"
            x: 1 = "1"
            y: 2 = "2"
          one: mapping "*b"
            x: 1 = "1"
            y: 2 = "2"
          two: mapping "<<: *b\n  y: 3"
            y: 3 = "3"
            x (merged): 1 = "1"
          three: mapping "{<<: [{z: 1}, *b]}"
            z (merged): 1 = "1"
            x (merged): 1 = "1"
            y (merged): 2 = "2"
    "#]],
    );
}

#[test]
fn tags_decide_the_type() {
    check(
        "a: !!str 12\nb: !!int x\nc: !secret k\nd: !!map\n  k: v\ne: &n !!float 3\n",
        expect![[r#"
        mapping "a: !!str 12\nb: !!int x\nc: !secret k\nd: !!map\n  k: v\ne: &n !!float 3"
          a: !!str "12" = "12"
          b: !!int "x" = "x"
          c: !secret "k" = "k"
          d: !!map mapping "k: v"
            k: "v" = "v"
          e: !!float 3.0 = "3"
        AK0001 2:10 "x" `x` does not fit its tag `!!int`
    "#]],
    );
}

#[test]
fn streams_of_documents() {
    check(
        "--- # first\na: 1\n...\n---\n- b\n---\n",
        expect![[r#"
        mapping "a: 1"
          a: 1 = "1"
        sequence "- b"
          - "b" = "b"
        nothing ""
    "#]],
    );
    check("", expect![[r#""#]]);
    check("# nothing\n", expect![[r#""#]]);
    check(
        "\u{feff}a: é\n",
        expect![[r#"
        mapping "a: é"
          a: "é" = "é"
    "#]],
    );
}

#[test]
fn doubtful_spellings() {
    check(
        "on: yes\nmode: 0644\nfine: \"no\"\nlist: [off, 007]\n",
        expect![[r#"
            mapping "on: yes\nmode: 0644\nfine: \"no\"\nlist: [off, 007]"
              on: "yes" = "yes"
              mode: 644 = "0644"
              fine: "no" = "\"no\""
              list: sequence "[off, 007]"
                - "off" = "off"
                - 7 = "007"
            AK0004 1:5 "yes" `yes` is a text in YAML 1.2, not a boolean
            AK0005 2:7 "0644" `0644` is the decimal number 644 in YAML 1.2, not an octal one
            AK0004 4:8 "off" `off` is a text in YAML 1.2, not a boolean
            AK0005 4:13 "007" `007` is the decimal number 7 in YAML 1.2, not an octal one
        "#]],
    );
}

#[test]
fn duplicate_keys_and_odd_keys() {
    check(
        "a: 1\nb: 2\na: 3\n12: x\n? [k]\n: v\n: w\n",
        expect![[r#"
            mapping "a: 1\nb: 2\na: 3\n12: x\n? [k]\n: v\n: w"
              a: 1 = "1"
              b: 2 = "2"
              12: "x" = "x"
              : "w" = "w"
            AK0002 3:1 "a" the key `a` stands twice in this mapping
            AK0001 5:3 "[k]" a key must be a text
        "#]],
    );
}

#[test]
fn unquoted_templates() {
    check(
        "a: {{ x }}\nb: {{ y }} and more\nc: 1\n",
        expect![[r#"
            mapping "a: {{ x }}\nb: {{ y }} and more\nc: 1"
              a: "{{ x }}" = "{{ x }}"
              b: "{{ y }} and more" = "{{ y }} and more"
              c: 1 = "1"
            AK0006 1:4 "{{ x }}" a value that begins with a template must be quoted
            AK0006 2:4 "{{ y }} and more" a value that begins with a template must be quoted
        "#]],
    );
    check(
        "- {{ inputs.name | default(\"x\") }}\n- ok\n",
        expect![[r#"
        sequence "- {{ inputs.name | default(\"x\") }}\n- ok"
          - "{{ inputs.name | default(\"x\") }}" = "{{ inputs.name | default(\"x\") }}"
          - "ok" = "ok"
        AK0006 1:3 "{{ inputs.name | default(\"x\") }}" a value that begins with a template must be quoted
    "#]],
    );
    check(
        "a: {% if x %}y{% endif %}\nb: 1\n",
        expect![[r#"
            mapping "a: {% if x %}y{% endif %}\nb: 1"
              a: "{% if x %}y{% endif %}" = "{% if x %}y{% endif %}"
              b: 1 = "1"
            AK0006 1:4 "{% if x %}y{% endif %}" a value that begins with a template must be quoted
        "#]],
    );
}

#[test]
fn tabs() {
    check(
        "a:\n\tb: 1\nc: 2\n",
        expect![[r#"
            mapping "a:\n\tb: 1\nc: 2"
              a: mapping "b: 1"
                b: 1 = "1"
              c: 2 = "2"
            AK0003 2:1 "\t" tabs cannot indent YAML
        "#]],
    );
}

#[test]
fn syntax_errors_leave_a_tree() {
    check(
        "a: 1\nfoo\nb: 2\n",
        expect![[r#"
        mapping "a: 1\nfoo\nb: 2"
          a: 1 = "1"
          b: 2 = "2"
        AK0001 2:1 "foo" this line is neither a `key: value` nor the continuation of a text
    "#]],
    );
    check(
        "a:\n  b: 1\n  mod\nc: 2\n",
        expect![[r#"
            mapping "a:\n  b: 1\n  mod\nc: 2"
              a: mapping "b: 1\n  mod"
                b: 1 = "1"
              c: 2 = "2"
            AK0001 3:3 "mod" this line is neither a `key: value` nor the continuation of a text
        "#]],
    );
    check(
        "a: \"open\nb: 2\n",
        expect![[r#"
            mapping "a: \"open\nb: 2"
              a: "open" = "\"open"
              b: 2 = "2"
            AK0001 1:4 "\"open" the quoted text does not end
        "#]],
    );
    check(
        "a: [1, 2\nb: 2\n",
        expect![[r#"
            mapping "a: [1, 2\nb: 2"
              a: sequence "[1, 2"
                - 1 = "1"
                - 2 = "2"
              b: 2 = "2"
            AK0001 1:4 "[1, 2" `[` is not closed
        "#]],
    );
    check(
        "a: b: c\nd: 1\n",
        expect![[r#"
            mapping "a: b: c\nd: 1"
              a: "b: c" = "b: c"
              d: 1 = "1"
            AK0001 1:4 "b: c" a second `: ` stands in this value
        "#]],
    );
    check(
        "a: 1\n b: 2\nc: 3\n",
        expect![[r#"
            mapping "a: 1\n b: 2\nc: 3"
              a: 1 = "1"
              b: 2 = "2"
              c: 3 = "3"
            AK0001 2:2 "b: 2" this does not fit the mapping around it
        "#]],
    );
    check(
        "a: 'x' y\nb: @z\nc: 3\n",
        expect![[r#"
            mapping "a: 'x' y\nb: @z\nc: 3"
              a: "x" = "'x'"
              b: "@z" = "@z"
              c: 3 = "3"
            AK0001 1:8 "y" something stands behind the closing quote
            AK0001 2:4 "@z" a value cannot begin with `@`
        "#]],
    );
    check(
        "a: *nope\nb: 1\n",
        expect![[r#"
            mapping "a: *nope\nb: 1"
              a: nothing "*nope"
              b: 1 = "1"
            AK0001 1:4 "*nope" no anchor `nope` stands above
        "#]],
    );
    check(
        "- a\nb: 1\n- c\n",
        expect![[r#"
        sequence "- a\nb: 1\n- c"
          - "a" = "a"
          - "c" = "c"
        AK0001 2:1 "b: 1" an item of the list must begin with `- `
    "#]],
    );
    check(
        "a: }\nb: 1\n",
        expect![[r#"
            mapping "a: }\nb: 1"
              a: "}" = "}"
              b: 1 = "1"
            AK0001 1:4 "}" a value cannot begin with `}`
        "#]],
    );
    check(
        "a: |\n    x\n  y\nb: 1\n",
        expect![[r#"
            mapping "a: |\n    x\n  y\nb: 1"
              a: "x\ny\n" = "|\n    x\n  y" line 1 indent 4
              b: 1 = "1"
            AK0001 3:3 "y" this line is indented less than the text that it belongs to
        "#]],
    );
}

#[test]
fn limits_are_diagnostics() {
    let deep = "[".repeat(MAX_DEPTH + 1);
    assert!(dump(&deep).contains("AK0007"), "flow");
    let deep: String = (0..MAX_DEPTH + 1).map(|i| format!("{}a:\n", " ".repeat(i))).collect();
    assert!(dump(&deep).contains("AK0007"), "block");
    let mut laughs = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (from, to) in ('a'..='y').zip('b'..='z') {
        let _ =
            writeln!(laughs, "{to}: &{to} [*{from}, *{from}, *{from}, *{from}, *{from}, *{from}, *{from}, *{from}]");
    }
    assert!(dump(&laughs).contains("AK0007"), "aliases");
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), "*a, ".repeat(10_000));
    assert!(dump(&long).contains("AK0007"), "long text");
    assert!(dump(&"a".repeat((8 << 20) + 1)).contains("AK0007"), "size");
    assert!(dump("a: &a [*a]\n").contains("AK0001"), "self reference");
}

#[test]
fn json_values() {
    let parsed = parse("a: [1, 0x10, 1.5, .inf, yes, ~]\nb: {c: \"1\"}\n");
    let root = &parsed.documents[0].root;
    assert_eq!(root.to_json(), json!({"a": [1, 16, 1.5, ".inf", "yes", null], "b": {"c": "1"}}));
    let path = root.path_at(7).path;
    assert_eq!(path.to_string(), "a[1]");
    assert_eq!(root.node_at_path(&path).unwrap().to_json(), json!(16));
}

#[test]
fn what_stands_at_an_offset() {
    let text = "a:\n  - k: v\n  - {x: y}\nb: \n";
    let root = &parse(text).documents[0].root;
    let at = |needle: &str, shift: usize| {
        let hit = root.path_at(text.find(needle).unwrap() + shift);
        (hit.path.to_string(), hit.part)
    };
    assert_eq!(at("a:", 0), ("a".into(), Part::Key));
    assert_eq!(at("k:", 1), ("a[0].k".into(), Part::Key));
    assert_eq!(at("v", 0), ("a[0].k".into(), Part::Value));
    assert_eq!(at("y}", 0), ("a[1].x".into(), Part::Value));
    assert_eq!(at("{x", 0), ("a[1]".into(), Part::Inside));
    assert_eq!(at("b: ", 3), ("b".into(), Part::Value));
}

#[test]
fn decoded_offsets_lead_back_to_the_source() {
    let text = "a: |\n  one {{ x }}\n  two é {{ y }}\nb: \"say {{ z }}\"\nc: it {{ w }}\n";
    let root = &parse(text).documents[0].root;
    for (key, needle) in [("a", "{{ x }}"), ("a", "{{ y }}"), ("b", "{{ z }}"), ("c", "{{ w }}")] {
        let node = root.get(key).unwrap();
        let start = node.as_str().unwrap().find(needle).unwrap();
        assert_eq!(node.place_in(text, start..start + needle.len()).slice(text), needle);
    }
    let escaped = "a: \"x\\n{{ y }}\"\n";
    let node = &parse(escaped).documents[0].root;
    let node = node.get("a").unwrap();
    assert_eq!(node.place_in(escaped, 2..9).slice(escaped), "{{ y }}");
}
