//! Every built-in tool through the port: what it gives, how it fails, and whether its schema says the truth.

use std::collections::BTreeMap;

use aikit_core::ErrorKind;
use aikit_runtime::ports::Tools;
use aikit_tools::BuiltinTools;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    tool: String,
    args: Value,
    /// The result; null is a result too.
    #[serde(default, deserialize_with = "some")]
    gives: Option<Value>,
    /// The message of the error.
    fails: Option<String>,
    /// Part of what would help.
    help: Option<String>,
    /// The arguments do not fit the schema.
    #[serde(default)]
    invalid: bool,
}

fn some<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

#[tokio::test]
async fn cases() {
    let tools = BuiltinTools::new();
    let schemas: BTreeMap<String, Value> = tools.list().into_iter().map(|tool| (tool.name, tool.input)).collect();
    let cases: Vec<Case> = serde_json::from_str(include_str!("cases.json")).unwrap();
    for case in &cases {
        let shown = format!("{} {}", case.tool, case.args);
        let valid = jsonschema::is_valid(&schemas[&case.tool], &case.args);
        assert_eq!(valid, !case.invalid, "{shown}: the schema says otherwise");
        let result = tools.call(&case.tool, case.args.clone(), &CancellationToken::new()).await;
        match (&case.gives, &case.fails, result) {
            (Some(expected), None, Ok(value)) => assert_eq!(value, *expected, "{shown}"),
            (None, Some(expected), Err(error)) => {
                assert_eq!((error.kind, &error.message), (ErrorKind::ToolFailed, expected), "{shown}");
                let help = error.help.unwrap_or_default();
                assert!(help.contains(case.help.as_deref().unwrap_or_default()), "{shown}\n{help}");
            }
            (_, _, result) => panic!("{shown}\n{result:?}"),
        }
    }
    // What touches the outside is the engine's to call.
    let outside: Vec<String> = aikit_runtime::engine::outside_tools().into_iter().map(|tool| tool.name).collect();
    for name in schemas.keys().filter(|name| !outside.contains(name)) {
        let of_tool = || cases.iter().filter(|case| case.tool == *name);
        assert!(of_tool().any(|case| case.gives.is_some()), "no case shows what {name} gives");
        assert!(
            of_tool().any(|case| case.fails.is_some()) || name.starts_with("text_"),
            "no case shows how {name} fails"
        );
    }
}

#[test]
fn the_list_reads_well() {
    for tool in BuiltinTools::new().list() {
        let mut letters = tool.name.chars();
        assert!(letters.next().is_some_and(|c| c.is_ascii_lowercase()), "{}", tool.name);
        assert!(
            letters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-')),
            "{}",
            tool.name
        );
        assert!(tool.description.ends_with('.') && !tool.description.contains("  "), "{}", tool.description);
        assert_eq!(tool.input["type"], "object", "{}", tool.input);
        assert_eq!(tool.input["additionalProperties"], false, "{}", tool.input);
        jsonschema::validator_for(&tool.input).unwrap();
        for (name, property) in tool.input["properties"].as_object().unwrap() {
            assert!(property["description"].is_string(), "{} says nothing of {name}", tool.name);
        }
    }
}

#[tokio::test]
async fn unknown_tools_and_cancelled_calls() {
    let tools = BuiltinTools::new();
    let error = tools.call("calculater", json!({}), &CancellationToken::new()).await.unwrap_err();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (ErrorKind::ToolNotFound, "there is no built-in tool `calculater`")
    );
    assert!(error.help.unwrap().contains("calculate"));

    let cancelled = CancellationToken::new();
    cancelled.cancel();
    let error = tools.call("calculate", json!({ "expression": "1" }), &cancelled).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Cancelled);
}

#[tokio::test]
async fn large_arguments_end_in_a_clear_error_or_in_time() {
    let tools = BuiltinTools::new();
    let call = async |tool: &str, args: Value| tools.call(tool, args, &CancellationToken::new()).await;
    let message = |result: Result<Value, aikit_core::RunError>| result.unwrap_err().message;
    let huge = "x".repeat(5 << 20);
    assert!(message(call("text_stats", json!({ "text": huge })).await).contains("is not accepted"));
    assert!(message(call("calculate", json!({ "expression": "1+".repeat(9000) })).await).contains("longer than 10000"));
    assert!(
        message(call("calculate", json!({ "expression": "(".repeat(9000) })).await).contains("nested more than 100")
    );
    assert!(
        message(call("calculate", json!({ "expression": "-".repeat(9000) })).await).contains("nested more than 100")
    );
    let long = "y".repeat(6000);
    assert!(message(call("text_similarity", json!({ "a": long, "b": "" })).await).contains("at most 5000"));
    let close = "z".repeat(3000);
    assert_eq!(call("text_similarity", json!({ "a": close, "b": close })).await.unwrap()["edits"], 0);
    let backtracking = json!({ "text": "a".repeat(100_000), "pattern": "(a*)*b" });
    assert_eq!(call("regex_find", backtracking).await.unwrap()["count"], 0);
    assert_eq!(
        call("parse_csv", json!({ "text": "a,b\n".to_string() + &"1,2\n".repeat(50_000) }))
            .await
            .unwrap()
            .as_array()
            .unwrap()
            .len(),
        50_000
    );
}

fn run(tool: &str, args: Value) -> Result<Value, aikit_core::RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(BuiltinTools::new().call(tool, args, &CancellationToken::new()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_brings_a_tool_down(text in "[-+*/^%(),.e0-9a-z \"';\n\r\\[\\]{}*?ä🦀:T]{0,60}", other in ".{0,30}") {
        for (tool, args) in [
            ("calculate", json!({ "expression": text })),
            ("date_diff", json!({ "from": text, "to": other })),
            ("date_format", json!({ "date": "2026-03-01", "format": text })),
            ("date_format", json!({ "date": "2026-03-01", "format": format!("%{text}"), "offset": other })),
            ("json_query", json!({ "value": { "a": [1, { "b": null }] }, "path": text })),
            ("parse_csv", json!({ "text": text })),
            ("regex_find", json!({ "text": other, "pattern": text })),
            ("text_stats", json!({ "text": text })),
            ("text_similarity", json!({ "a": text, "b": other })),
            ("format_table", json!({ "rows": [{ text.clone(): other.clone() }] })),
        ] {
            if let Err(error) = run(tool, args) {
                prop_assert_eq!(error.kind, ErrorKind::ToolFailed, "{}", error);
            }
        }
    }

    #[test]
    fn tables_survive_csv(cells in proptest::collection::vec("[a-z,\"\n; ]{1,8}", 2)) {
        let quoted: Vec<String> = cells.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect();
        let text = format!("one,two\n{},{}\n", quoted[0], quoted[1]);
        prop_assert_eq!(run("parse_csv", json!({ "text": text })).unwrap(), json!([{ "one": cells[0], "two": cells[1] }]));
    }
}
