//! Whatever the text, parsing ends, gives places inside the text, and never panics.

use aikit_core::TextRange;
use aikit_yaml::{Node, parse};
use proptest::prelude::*;

fn well_placed(text: &str, node: &Node) {
    inside(text, node.range);
    for entry in node.entries() {
        inside(text, entry.key.range);
        well_placed(text, &entry.value);
    }
    for item in node.items() {
        well_placed(text, item);
    }
    for offset in 0..=text.len().min(40) {
        let hit = node.path_at(offset);
        assert!(node.node_at_path(&hit.path).is_some(), "{} at {offset}", hit.path);
    }
}

fn inside(text: &str, range: TextRange) {
    assert!(text.get(range.start as usize..range.end as usize).is_some(), "{range:?} in {text:?}");
}

fn survives(text: &str) {
    let parsed = parse(text);
    for document in &parsed.documents {
        well_placed(text, &document.root);
        let _ = document.root.to_json();
    }
    for diagnostic in &parsed.diagnostics {
        inside(text, diagnostic.range);
        for edit in diagnostic.fixes.iter().flat_map(|fix| &fix.edits) {
            inside(text, edit.range);
        }
    }
}

const SAMPLE: &str = "\
spec_version: aikit-v1.0.0
identity: &id {agent_id: héllo, name: \"Hello \\u00e9\"}
behavior:
  steps:
    - name: one # comment
      script:
        lua: |
          local x = 1
          return x
    - ? [complex]
      : 'it''s'
    - <<: *id
      text: >-
        folded
        text
";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn fragments(parts in prop::collection::vec(prop::sample::select(&[
        "a", "é", "😀", ": ", ":", "- ", "? ", "\n", "\r\n", "\r", "  ", " ", "\t", "{", "}", "[", "]", ",", "|", ">", "|-\n",
        ">2\n", "\"", "'", "\\", "\\x", "\\u12", "#", " # c", "&a ", "*a", "!!str ", "!t ", "!<", "<<", "---\n", "...\n",
        "%YAML 1.2\n", "%TAG ! x\n", "{{ x }}", "{%", "@", "`", "~", "0x", "yes", "\u{feff}", "\u{0}", "\u{85}", "\u{2028}", "-", "a: ", "a: |\n  ",
    ][..]), 0..24)) {
        survives(&parts.concat());
    }

    #[test]
    fn any_text(text in any::<String>()) {
        survives(&text);
    }

    #[test]
    fn cuts_and_insertions(at in 0..SAMPLE.len(), len in 0..40usize, insert in "[ -~\n\té]{0,3}") {
        let start = (0..=at).rev().find(|i| SAMPLE.is_char_boundary(*i)).unwrap_or(0);
        let end = (start + len..SAMPLE.len()).find(|i| SAMPLE.is_char_boundary(*i)).unwrap_or(SAMPLE.len());
        survives(&[&SAMPLE[..start], &insert, &SAMPLE[end..]].concat());
        survives(&SAMPLE[..start]);
    }
}
