//! `scripted/auto`: answers that follow from the request alone.

use aikit_runtime::ports::{Message, ModelRequest, Role, StopReason, ToolSpec};
use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{ask, registry, request};

async fn says(request: ModelRequest) -> String {
    let outcome = ask(&registry(None), &request).await;
    assert!(outcome.response().simulated);
    assert_eq!(outcome.text(), outcome.response().content);
    outcome.response().content.clone()
}

fn with_system(system: &str, user: &str) -> ModelRequest {
    let mut request = request("scripted/auto", user);
    request.messages.insert(0, Message::text(Role::System, system));
    request
}

#[tokio::test]
async fn prose_follows_the_message_and_the_instructions() {
    let user = "My invoice is wrong. The invoice shows two licences, but I ordered one licence.";
    let check = async |request: ModelRequest, expected: Expect| expected.assert_eq(&says(request).await);
    check(
        request("scripted/auto", user),
        expect!["[simulated] Regarding “My invoice is wrong. The invoice shows two licences, but I ordered one licence.”. The main points are invoice, wrong and shows."],
    )
    .await;
    check(
        with_system("Answer in one sentence.", user),
        expect![
            "[simulated] You asked: “My invoice is wrong. The invoice shows two licences, but I ordered one licence.”."
        ],
    )
    .await;
    check(with_system("Answer with bullet points.", user), expect![[r#"
        [simulated] On “My invoice is wrong. The invoice shows two licences, but I ordered one licence.”. The main points:

        - invoice
        - wrong
        - shows"#]]).await;
    check(with_system("You are a clerk. Answer in detail.", user), expect!["[simulated] On “My invoice is wrong. The invoice shows two licences, but I ordered one licence.”. The main points are invoice, wrong and shows. “invoice” is mentioned 2 times. “wrong” is mentioned once. “shows” is mentioned once. The instructions were: “You are a clerk. Answer in detail.”. No model was asked; this text follows from the request alone."]).await;
    check(
        request("scripted/auto", r#"{"question": "Why is the sky blue?", "limit": 3}"#),
        expect!["[simulated] On “Why is the sky blue? limit: 3”. The main points are sky, blue and limit."],
    )
    .await;
    check(request("scripted/auto", ""), expect!["[simulated] The request holds no text."]).await;
}

#[tokio::test]
async fn the_same_request_gives_the_same_answer() {
    let one = says(request("scripted/auto", "Tell me about kernels.")).await;
    assert_eq!(one, says(request("scripted/auto", "Tell me about kernels.")).await);
    assert_ne!(one, says(request("scripted/auto", "Tell me about shells.")).await);
}

#[tokio::test]
async fn limits_are_obeyed() {
    let mut request = request("scripted/auto", "Tell me about kernels.");
    request.parameters.max_tokens = Some(5);
    let outcome = ask(&registry(None), &request).await;
    let response = outcome.response();
    assert_eq!((response.content.as_str(), response.stop), ("[simulated] You aske", StopReason::Length));
    assert_eq!((response.usage.input_tokens, response.usage.output_tokens), (6, 5));
    request.parameters.max_tokens = None;
    request.parameters.stop = vec!["main".into()];
    assert!(says(request).await.ends_with("The "));
}

fn tools() -> Vec<ToolSpec> {
    let tool = |name: &str, description: &str, properties: Value, required: Value| ToolSpec {
        name: name.into(),
        description: description.into(),
        parameters: json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false }),
    };
    vec![
        tool(
            "lookup_order",
            "Finds an order of the shop by its number.",
            json!({ "order_id": { "type": "integer" } }),
            json!(["order_id"]),
        ),
        tool(
            "calculate",
            "Evaluates an arithmetic expression.",
            json!({ "expression": { "type": "string" } }),
            json!(["expression"]),
        ),
        tool(
            "weather",
            "The weather forecast for a place.",
            json!({ "city": { "type": "string" }, "days": { "type": "integer", "minimum": 1, "maximum": 7 }, "unit": { "enum": ["celsius", "fahrenheit"] } }),
            json!(["city", "days"]),
        ),
        tool(
            "sum",
            "Adds numbers.",
            json!({ "numbers": { "type": "array", "items": { "type": "number" } } }),
            json!(["numbers"]),
        ),
    ]
}

#[tokio::test]
async fn tools_are_chosen_by_their_words() {
    for (user, expected) in [
        ("Where is order 4711?", r#"lookup_order {"order_id":4711}"#),
        ("What is 6 * 7?", r#"calculate {"expression":"6 * 7"}"#),
        ("Will it rain in Berlin? I need the weather for 3 days.", r#"weather {"city":"Berlin","days":3}"#),
        ("Please add the numbers 1, 2.5 and 40.", r#"sum {"numbers":[1,2.5,40]}"#),
        ("Use sum and calculate on 1 + 2", r#"calculate {"expression":"1 + 2"} sum {"numbers":[1,2]}"#),
        ("Good morning!", ""),
    ] {
        let outcome = ask(&registry(None), &ModelRequest { tools: tools(), ..request("scripted/auto", user) }).await;
        let response = outcome.response();
        let calls: Vec<String> = response.tool_calls.iter().map(|c| format!("{} {}", c.name, c.arguments)).collect();
        assert_eq!(calls.join(" "), expected, "{user}");
        assert_eq!(response.stop == StopReason::ToolCalls, !calls.is_empty(), "{user}");
    }
}

#[tokio::test]
async fn results_of_tools_are_told() {
    let mut request = ModelRequest { tools: tools(), ..request("scripted/auto", "What is 6 * 7?") };
    let first = ask(&registry(None), &request).await.response().clone();
    let result = Message { tool_call_id: Some(first.tool_calls[0].id.clone()), ..Message::text(Role::Tool, "42") };
    request.messages.push(Message { tool_calls: first.tool_calls, ..Message::text(Role::Assistant, "") });
    request.messages.push(result);
    assert_eq!(says(request.clone()).await, "[simulated] On “What is 6 * 7?”: calculate gave 42.");

    request.output_schema = Some(json!({ "properties": { "value": { "type": "number" } }, "required": ["value"] }));
    assert_eq!(says(request.clone()).await, r#"{"value":42}"#);

    // A new question starts over.
    request.output_schema = None;
    request.messages.push(Message::text(Role::User, "And 2 + 2?"));
    assert_eq!(ask(&registry(None), &request).await.response().tool_calls.len(), 1);
}

fn ticket() -> Value {
    json!({
        "type": "object",
        "properties": {
            "category": { "enum": ["bug", "billing", "other"] },
            "priority": { "type": "integer", "minimum": 1, "maximum": 5 },
            "score": { "type": "number", "minimum": 0, "maximum": 1 },
            "urgent": { "type": "boolean" },
            "title": { "type": "string", "maxLength": 30 },
            "summary": { "type": "string" },
            "tags": { "type": "array", "items": { "type": "string" }, "maxItems": 2 },
            "order": { "type": ["string", "null"], "pattern": "^[A-Z]{2}-[0-9]{3}$" },
        },
        "required": ["category", "priority", "score", "urgent", "title", "summary", "tags", "order"],
    })
}

#[tokio::test]
async fn structured_answers_draw_on_the_message() {
    let ask = async |user: &str| {
        let request = ModelRequest { output_schema: Some(ticket()), ..request("scripted/auto", user) };
        serde_json::to_string_pretty(&serde_json::from_str::<Value>(&says(request).await).unwrap()).unwrap()
    };
    expect![[r#"
        {
          "category": "billing",
          "priority": 2,
          "score": 0.41,
          "urgent": true,
          "title": "Bill order wrong urgent",
          "summary": "[simulated] On “The bill for order XY-123 is wrong. This is urgent, priority 2!”.",
          "tags": [
            "bill",
            "order"
          ],
          "order": "XY-123"
        }"#]].assert_eq(&ask("Classify the ticket as bug, billing or other.\n\nThe bill for order XY-123 is wrong. This is urgent, priority 2!").await);
    expect![[r#"
        {
          "category": "bug",
          "priority": 3,
          "score": 0.27,
          "urgent": false,
          "title": "App bug crashes urgent",
          "summary": "[simulated] On “The app has a bug: it crashes. Not urgent.”.",
          "tags": [
            "app",
            "bug"
          ],
          "order": "AA-111"
        }"#]]
    .assert_eq(
        &ask("Classify the ticket as bug, billing or other.\n\nThe app has a bug: it crashes. Not urgent.").await,
    );
}

#[tokio::test]
async fn instances_are_valid() {
    let tree = json!({
        "$defs": { "node": { "type": "object", "properties": {
            "name": { "type": "string" }, "children": { "type": "array", "items": { "$ref": "#/$defs/node" } },
        }, "required": ["name", "children"] } },
        "$ref": "#/$defs/node",
    });
    for schema in [
        json!({}),
        json!(true),
        json!({ "const": { "a": [1] } }),
        json!({ "enum": [3, "x", null] }),
        json!({ "type": "null" }),
        json!({ "type": "string", "minLength": 50, "maxLength": 60 }),
        json!({ "type": "string", "maxLength": 3 }),
        json!({ "type": "string", "pattern": "^v[0-9]+\\.[0-9]+$" }),
        json!({ "type": "string", "format": "date-time" }),
        json!({ "type": "integer", "exclusiveMinimum": 5, "exclusiveMaximum": 7 }),
        json!({ "type": "integer", "minimum": 10, "multipleOf": 7 }),
        json!({ "type": "number", "exclusiveMinimum": 0, "maximum": 0.001 }),
        json!({ "type": "number", "maximum": -3 }),
        json!({ "type": "number", "multipleOf": 0.25, "minimum": 1.1, "maximum": 2 }),
        json!({ "type": "array", "minItems": 4, "uniqueItems": true, "items": { "type": "string" } }),
        json!({ "type": "array", "minItems": 3, "uniqueItems": true, "items": { "enum": ["a", "b", "c"] } }),
        json!({ "type": "array", "minItems": 3, "maxItems": 3, "uniqueItems": true, "items": { "type": "integer", "minimum": 0, "maximum": 2 } }),
        json!({ "type": "array", "prefixItems": [{ "type": "integer" }, { "type": "string" }], "items": false }),
        json!({ "type": "array", "items": { "type": "object", "properties": { "n": { "type": "number" } }, "required": ["n"] } }),
        json!({ "type": "object", "required": ["free"], "properties": {} }),
        json!({ "type": "object", "required": ["x"], "additionalProperties": { "type": "integer" } }),
        json!({ "type": "object", "minProperties": 2, "properties": { "a": {}, "b": {}, "c": {} }, "required": ["c"] }),
        json!({ "allOf": [
            { "type": "object", "properties": { "a": { "type": "integer", "minimum": 3 } }, "required": ["a"] },
            { "properties": { "a": { "maximum": 4 }, "b": { "const": 1 } }, "required": ["b"] },
        ] }),
        json!({ "oneOf": [{ "type": "object", "properties": { "kind": { "const": "a" } }, "required": ["kind"] }, { "type": "integer" }] }),
        json!({ "anyOf": [{ "$ref": "#/definitions/x" }, { "type": "null" }], "definitions": { "x": { "type": "boolean" } } }),
        ticket(),
        tree,
    ] {
        let validator = jsonschema::validator_for(&schema).unwrap();
        for user in [
            "",
            "Classify order 4711 and XY-123 as bug: “too late” by 3 days, 2.5 hours, a or b.",
            r#"{"a": 9, "name": "x"}"#,
        ] {
            let request = ModelRequest { output_schema: Some(schema.clone()), ..request("scripted/auto", user) };
            let answer = says(request).await;
            let instance: Value =
                serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{schema}: {error}: {answer}"));
            let violations: Vec<String> = validator.iter_errors(&instance).map(|error| error.to_string()).collect();
            assert!(violations.is_empty(), "{schema}\n{user}\n{answer}\n{violations:?}");
        }
    }
}

#[tokio::test]
async fn schemas_without_a_finite_instance_come_to_an_end() {
    let endless = json!({ "type": "object", "properties": { "next": { "$ref": "#" } }, "required": ["next"] });
    let circle = json!({ "$ref": "#" });
    for schema in [endless, circle] {
        says(ModelRequest { output_schema: Some(schema), ..request("scripted/auto", "hello") }).await;
    }
}

fn any_schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        (0u8..20, 0u8..20)
            .prop_map(|(low, more)| json!({ "type": "string", "minLength": low, "maxLength": low + more })),
        (-50i32..50, 0i32..50)
            .prop_map(|(low, more)| json!({ "type": "integer", "minimum": low, "maximum": low + more })),
        (-50i32..50, 0i32..50)
            .prop_map(|(low, more)| json!({ "type": "number", "minimum": low, "maximum": low + more })),
        Just(json!({ "type": "boolean" })),
        proptest::collection::vec("[a-c]{1,3}", 1..4).prop_map(|options| json!({ "enum": options })),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            (proptest::collection::btree_map("[a-d]", inner.clone(), 0..4), any::<bool>()).prop_map(|(properties, all)| {
                let required: Vec<&String> = if all { properties.keys().collect() } else { Vec::new() };
                json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
            }),
            (inner, 0u8..3, 0u8..3).prop_map(|(items, low, more)| {
                json!({ "type": "array", "items": items, "minItems": low, "maxItems": low + more })
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_schema_gets_a_valid_instance(schema in any_schema(), user in "[a-d0-9 .-]{0,40}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let request = ModelRequest { output_schema: Some(schema.clone()), ..request("scripted/auto", &user) };
        let answer = runtime.block_on(says(request));
        let instance: Value = serde_json::from_str(&answer).unwrap();
        prop_assert!(jsonschema::is_valid(&schema, &instance), "{schema}\n{answer}");
    }

    #[test]
    fn no_message_brings_it_down(system in ".{0,60}", user in ".{0,200}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut request = with_system(&system, &user);
        request.tools = tools();
        let outcome = runtime.block_on(ask(&registry(None), &request));
        prop_assert!(!outcome.response().content.is_empty() || !outcome.response().tool_calls.is_empty());
    }
}
