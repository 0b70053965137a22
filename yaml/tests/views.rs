//! The tree for others: serde, JSON Schema, edits.

use aikit_core::Edit;
use aikit_yaml::{Path, Segment, Yaml, edits, from_node, parse};
use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Plain,
    Size(u8),
    Named { name: String },
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Sample {
    name: String,
    ratio: f64,
    count: Option<u32>,
    kinds: Vec<Kind>,
    #[serde(default)]
    nested: Option<Box<Sample>>,
}

#[test]
fn values_for_serde() {
    let text = "name: 'é'\nratio: 1.5\ncount:\nkinds: [plain, size: 3, named: {name: x}]\n";
    let parsed = parse(text);
    let sample: Sample = from_node(&parsed.documents[0].root).unwrap();
    let kinds = vec![Kind::Plain, Kind::Size(3), Kind::Named { name: "x".into() }];
    assert_eq!(sample, Sample { name: "é".into(), ratio: 1.5, count: None, kinds, nested: None });
}

#[test]
fn what_does_not_fit_has_its_place() {
    for (text, place) in [
        ("name: [a]\nratio: 1\nkinds: []\n", "[a]"),
        ("name: a\nratio: high\nkinds: []\n", "high"),
        ("name: a\nratio: 1\nkinds: [size: 999]\n", "999"),
        ("name: a\nratio: 1\nkinds: [sise: 1]\n", "sise"),
        ("name: a\nratio: 1\nkinds: []\nnam: b\n", "nam"),
        ("name: a\nratio: 1\nkinds: []\nnested: {name: b, ratio: true}\n", "true"),
        ("ratio: 1\nkinds: []", "ratio: 1\nkinds: []"),
    ] {
        let parsed = parse(text);
        let error = from_node::<Sample>(&parsed.documents[0].root).unwrap_err();
        assert_eq!(error.range.slice(text), place, "{error}");
    }
}

#[test]
fn aliases_and_merged_keys_are_instances_too() {
    let text = "base: &b {port: 80}\none: *b\ntwo: {<<: *b, port: eighty}\n";
    let schema = json!({"additionalProperties": {"properties": {"port": {"type": "integer"}}, "required": ["port"]}});
    let validator = jsonschema::options_for::<Yaml>().build(&schema).unwrap();
    let parsed = parse(text);
    let root = &parsed.documents[0].root;
    let errors: Vec<&str> = validator
        .iter_errors(root)
        .map(|error| root.node_at_pointer(error.instance_path().as_str()).range.slice(text))
        .collect();
    assert_eq!(errors, ["eighty"]);
}

fn json_values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-1000i64..1000).prop_map(Value::from),
        (-1e3..1e3f64).prop_map(Value::from),
        "[a-c \\n\t:#'\"{}\\[\\],.é~0-9-]{0,6}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop::sample::select(vec![
            "yes", "null", "~", "012", "1e3", "a: b", "a #b", "- x", "---", "", " ", "x:", "{{ y }}", "@a", "!t", "&a"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,3}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn our_nodes_validate_like_json(value in json_values(), wanted in json_values()) {
        let text = value.to_string();
        let parsed = parse(&text);
        let root = &parsed.documents[0].root;
        for schema in [
            json!({"const": wanted}), json!({"enum": [value]}), json!({"type": ["string", "array"], "minItems": 1, "maxLength": 3}),
            json!({"type": "object", "propertyNames": {"maxLength": 2}, "minProperties": 2}), json!({"uniqueItems": true, "items": {"type": "number"}}),
        ] {
            let ours = jsonschema::options_for::<Yaml>().build(&schema).unwrap();
            let theirs = jsonschema::validator_for(&schema).unwrap();
            prop_assert_eq!(ours.is_valid(root), theirs.is_valid(&root.to_json()), "{} against {}", text, schema);
        }
    }

    #[test]
    fn scalars_are_written_so_that_they_read_the_same(text in any::<String>()) {
        let written = edits::scalar(&text);
        let parsed = parse(&written);
        prop_assert!(parsed.is_valid(), "{:?} {:?}", written, parsed.diagnostics);
        prop_assert_eq!(parsed.documents[0].root.as_str(), Some(text.as_str()), "{:?}", written);
    }

    #[test]
    fn what_was_put_in_reads_back(value in json_values(), at in 0..PATHS.len()) {
        let parsed = parse(DOCUMENT);
        let root = &parsed.documents[0].root;
        let path = path(PATHS[at]);
        let edit = edits::replace(DOCUMENT, root, &path, &value).unwrap();
        let after = apply(DOCUMENT, &edit);
        let again = parse(&after);
        prop_assert!(again.is_valid(), "{}\n{:?}", after, again.diagnostics);
        prop_assert_eq!(again.documents[0].root.node_at_path(&path).unwrap().to_json(), value.clone(), "{}", after);
        // Everything else is as it was.
        let mut before = root.to_json();
        *before.pointer_mut(&pointer(&path)).unwrap() = value.clone();
        prop_assert_eq!(again.documents[0].root.to_json(), before, "{}", after);

        let Some(edit) = edits::insert(DOCUMENT, root, &path, "added", &value) else { return Ok(()) };
        let after = apply(DOCUMENT, &edit);
        let again = parse(&after);
        prop_assert!(again.is_valid(), "{}\n{:?}", after, again.diagnostics);
        let mut before = root.to_json();
        before.pointer_mut(&pointer(&path)).unwrap()["added"] = value;
        prop_assert_eq!(again.documents[0].root.to_json(), before, "{}", after);
    }
}

const DOCUMENT: &str = "\
# head
name: Ada # who
flow: {a: 1, b: [x, 'y'], c: {}}
empty:
list:
  - one
  - two: 2 # why
    three: 3
  # between
  - [p]
same:
- k: v
- w
deep:
  er:
    est: |
      text

# tail
";

const PATHS: [&str; 14] = [
    "name",
    "flow",
    "flow.a",
    "flow.b.1",
    "flow.c",
    "empty",
    "list",
    "list.0",
    "list.1",
    "list.1.two",
    "same.0",
    "same.1",
    "deep.er",
    "deep.er.est",
];

fn path(text: &str) -> Path {
    let segments =
        text.split('.').map(|part| part.parse().map_or_else(|_| Segment::Key(part.to_owned()), Segment::Index));
    Path(segments.collect())
}

fn pointer(path: &Path) -> String {
    path.iter()
        .map(|segment| match segment {
            Segment::Key(key) => format!("/{key}"),
            Segment::Index(index) => format!("/{index}"),
        })
        .collect()
}

fn apply(text: &str, edit: &Edit) -> String {
    [&text[..edit.range.start as usize], &edit.text, &text[edit.range.end as usize..]].concat()
}

#[test]
fn what_is_removed_is_gone_and_nothing_else() {
    let parsed = parse(DOCUMENT);
    let root = &parsed.documents[0].root;
    for at in PATHS {
        let path = path(at);
        let after = apply(DOCUMENT, &edits::remove(DOCUMENT, root, &path).unwrap());
        let again = parse(&after);
        assert!(again.is_valid(), "{at}: {after}\n{:?}", again.diagnostics);
        let mut before = root.to_json();
        let (last, above) = path.split_last().unwrap();
        match (last, before.pointer_mut(&pointer(&Path(above.to_vec()))).unwrap()) {
            (Segment::Key(key), Value::Object(map)) => drop(map.shift_remove(key)),
            (Segment::Index(index), Value::Array(items)) => drop(items.remove(*index)),
            _ => unreachable!(),
        }
        assert_eq!(again.documents[0].root.to_json(), before, "{at}: {after}");
    }
}

#[test]
fn edits_keep_what_stands_around() {
    let parsed = parse(DOCUMENT);
    let root = &parsed.documents[0].root;
    // The lines that an edit changes.
    let check = |edit: Option<Edit>, expect: Expect| {
        let after = apply(DOCUMENT, &edit.unwrap());
        let kept: Vec<&str> = DOCUMENT.lines().collect();
        let changed: Vec<&str> = after.lines().filter(|line| !kept.contains(line)).collect();
        expect.assert_eq(&changed.join("\n"));
    };
    check(edits::rename(root, &path("flow.b"), "renamed"), expect!["flow: {a: 1, renamed: [x, 'y'], c: {}}"]);
    check(
        edits::replace(DOCUMENT, root, &path("name"), &json!({"first": "Ada", "second": ["L", {"x": 1}]})),
        expect![[r#"
            name:
              first: Ada
              second:
                - L
                - x: 1 # who"#]],
    );
    check(
        edits::replace(DOCUMENT, root, &path("empty"), &json!("now: something")),
        expect![[r#"empty: "now: something""#]],
    );
    check(edits::insert(DOCUMENT, root, &path("list.1"), "four", &json!("4")), expect![[r#"    four: "4""#]]);
    check(
        edits::insert(DOCUMENT, root, &path("flow.c"), "d", &json!([1, {"e": null}])),
        expect!["flow: {a: 1, b: [x, 'y'], c: {d: [1, {e: null}]}}"],
    );
    assert_eq!(edits::rename(root, &path("flow.b"), "a"), None, "the name is taken");
    assert_eq!(edits::insert(DOCUMENT, root, &path("flow"), "a", &json!(1)), None, "the key is there");
    assert_eq!(edits::replace(DOCUMENT, root, &path("nope"), &json!(1)), None);
}
