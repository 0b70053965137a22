//! Anthropic's Messages API: what is sent, and what is made of its streams.

use std::time::Duration;

use aikit_runtime::ports::{
    Effort, Message, ModelDelta, ModelRequest, OutputForm, Role, StopReason, ToolCall, ToolChoice, ToolSpec,
};
use serde_json::json;

use crate::{
    server::{Act, Server, head, json as json_answer, send, sse},
    support::{Outcome, ask, registry, request_to},
};

const STREAM: &str = concat!(
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-x-2026\",\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":11,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":4,\"output_tokens\":1}}}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    "event: ping\ndata: {\"type\": \"ping\"}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Grüß \"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Gott 🦀\"}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":9}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);

/// A stream of these blocks: the start and the deltas of each.
fn stream(blocks: &[(&str, &[&str])], stop: &str) -> Vec<Act> {
    let mut acts = vec![sse(), send("data: {\"type\":\"message_start\",\"message\":{\"model\":\"m\"}}\n\n")];
    for (index, (start, deltas)) in blocks.iter().enumerate() {
        acts.push(send(format!(
            "data: {{\"type\":\"content_block_start\",\"index\":{index},\"content_block\":{start}}}\n\n"
        )));
        for delta in *deltas {
            acts.push(send(format!(
                "data: {{\"type\":\"content_block_delta\",\"index\":{index},\"delta\":{delta}}}\n\n"
            )));
        }
    }
    acts.push(send(format!("data: {{\"type\":\"message_delta\",\"delta\":{{\"stop_reason\":\"{stop}\"}}}}\n\n")));
    acts.push(send("data: {\"type\":\"message_stop\"}\n\n"));
    acts
}

async fn answer(acts: Vec<Act>) -> Outcome {
    let server = Server::start(acts).await;
    ask(&registry(None), &request_to(&server.url, "anthropic/claude-x")).await
}

#[tokio::test]
async fn a_stream_is_one_answer_however_it_is_cut() {
    for size in [1, 7, 64, STREAM.len()] {
        let mut acts = vec![sse()];
        acts.extend(STREAM.as_bytes().chunks(size).map(send));
        let outcome = answer(acts).await;
        let response = outcome.response();
        assert_eq!(response.content, "Grüß Gott 🦀", "pieces of {size}");
        assert_eq!(outcome.text(), response.content);
        assert_eq!((response.usage.input_tokens, response.usage.output_tokens), (15, 9));
        assert_eq!((response.stop, response.model.as_str()), (StopReason::Stop, "claude-x-2026"));
    }
    let whole = r#"{"type":"message","model":"m","content":[{"type":"text","text":"hi"},{"type":"tool_use","id":"t","name":"f","input":{"a":1}}],"stop_reason":"tool_use","usage":{"input_tokens":1,"output_tokens":2}}"#;
    let outcome = answer(json_answer("200 OK", "", whole)).await;
    assert_eq!((outcome.response().content.as_str(), outcome.response().tool_calls.len()), ("hi", 1));
}

#[tokio::test]
async fn what_is_sent() {
    let mut server = Server::start([vec![sse()], vec![send(STREAM)]].concat()).await;
    let call = |id: &str| ToolCall { id: id.into(), name: "lookup".into(), arguments: json!({ "order": 7 }) };
    let result = |id: &str| Message { tool_call_id: Some(id.into()), ..Message::text(Role::Tool, "sent") };
    let thought = json!({ "type": "thinking", "thinking": "hm", "signature": "s" });
    let mut request = ModelRequest {
        messages: vec![
            Message::text(Role::System, "Be kind."),
            Message::text(Role::User, "Where are they?"),
            Message {
                tool_calls: vec![call("a"), call("b")],
                continuation: Some(json!({ "anthropic": [thought] })),
                ..Message::text(Role::Assistant, "")
            },
            result("a"),
            result("b"),
            Message::text(Role::User, "Well?"),
        ],
        tools: vec![ToolSpec {
            name: "lookup".into(),
            description: "Finds.".into(),
            parameters: json!({ "type": "object" }),
        }],
        tool_choice: Some(ToolChoice::Tool("lookup".into())),
        ..request_to(&server.url, "anthropic/claude-x")
    };
    request.parameters.temperature = Some(0.5);
    request.parameters.top_k = Some(40);
    request.parameters.stop = vec!["END".into()];
    request.extra = json!({ "metadata": { "user_id": "u" }, "model": "other" }).as_object().cloned().unwrap();
    ask(&registry(None), &request).await.response();
    let received = server.received().await;
    assert!(received.head.starts_with("POST /v1/messages HTTP/1.1\r\n"), "{}", received.head);
    for header in ["x-api-key: sk-very-secret\r\n", "anthropic-version: 2023-06-01\r\n"] {
        assert!(received.head.contains(header), "{}", received.head);
    }
    assert!(!received.head.contains("authorization"), "{}", received.head);
    assert_eq!(
        received.body,
        json!({
            "model": "claude-x",
            "max_tokens": 4096,
            "system": "Be kind.",
            "messages": [
                { "role": "user", "content": [{ "type": "text", "text": "Where are they?" }] },
                { "role": "assistant", "content": [
                    thought,
                    { "type": "tool_use", "id": "a", "name": "lookup", "input": { "order": 7 } },
                    { "type": "tool_use", "id": "b", "name": "lookup", "input": { "order": 7 } },
                ] },
                { "role": "user", "content": [
                    { "type": "tool_result", "tool_use_id": "a", "content": "sent" },
                    { "type": "tool_result", "tool_use_id": "b", "content": "sent" },
                    { "type": "text", "text": "Well?" },
                ] },
            ],
            "stream": true,
            "tools": [{ "name": "lookup", "description": "Finds.", "input_schema": { "type": "object" } }],
            "tool_choice": { "type": "tool", "name": "lookup" },
            "stop_sequences": ["END"],
            "temperature": 0.5,
            "top_k": 40,
            "metadata": { "user_id": "u" },
        })
    );

    request.parameters.reasoning = Some(Effort::Low);
    ask(&registry(None), &request).await.response();
    let body = server.received().await.body;
    assert_eq!(body["thinking"], json!({ "type": "enabled", "budget_tokens": 1024 }));
    assert_eq!(body["max_tokens"], 5120);
    assert_eq!((body.get("tool_choice"), body.get("temperature"), body.get("top_k")), (None, None, None));
}

#[tokio::test]
async fn tools_and_thoughts() {
    let outcome = answer(stream(
        &[
            (
                r#"{"type":"thinking","thinking":"","signature":""}"#,
                &[
                    r#"{"type":"thinking_delta","thinking":"let me see"}"#,
                    r#"{"type":"signature_delta","signature":"sig"}"#,
                ],
            ),
            (r#"{"type":"text","text":""}"#, &[r#"{"type":"text_delta","text":"I look."}"#]),
            (
                r#"{"type":"tool_use","id":"toolu_1","name":"look","input":{}}"#,
                &[
                    r#"{"type":"input_json_delta","partial_json":"{\"id\":"}"#,
                    r#"{"type":"input_json_delta","partial_json":" 7}"}"#,
                ],
            ),
            (r#"{"type":"tool_use","id":"toolu_2","name":"now","input":{}}"#, &[]),
        ],
        "tool_use",
    ))
    .await;
    let response = outcome.response();
    let calls: Vec<String> =
        response.tool_calls.iter().map(|c| format!("{} {} {}", c.id, c.name, c.arguments)).collect();
    assert_eq!(calls, [r#"toolu_1 look {"id":7}"#, "toolu_2 now {}"]);
    assert_eq!((response.content.as_str(), response.stop), ("I look.", StopReason::ToolCalls));
    let thought = json!({ "type": "thinking", "thinking": "let me see", "signature": "sig" });
    assert_eq!(response.continuation, Some(json!({ "anthropic": [thought] })));
    assert_eq!(outcome.text(), "I look.");
    assert!(outcome.streamed.contains(&ModelDelta::ToolCallStarted { name: "look".into() }));
}

#[tokio::test]
async fn a_tool_keeps_the_form_of_an_answer() {
    let input = |json: &str| format!(r#"{{"type":"input_json_delta","partial_json":{}}}"#, json!(json));
    for (schema, arguments, expected) in [
        (json!({ "type": "object" }), r#"{"n": 1}"#, r#"{"n":1}"#),
        (json!({ "type": "integer" }), r#"{"answer": 7}"#, "7"),
    ] {
        let start = r#"{"type":"tool_use","id":"t","name":"final_answer","input":{}}"#;
        let acts = stream(&[(start, &[&input(&arguments[..4]), &input(&arguments[4..])])], "tool_use");
        let mut server = Server::start(acts).await;
        let mut request = request_to(&server.url, "anthropic/claude-x");
        request.output_schema = Some(schema);
        let outcome = ask(&registry(None), &request).await;
        let response = outcome.response();
        assert_eq!((response.content.as_str(), response.stop), (expected, StopReason::Stop));
        assert!(response.tool_calls.is_empty());
        let body = server.received().await.body;
        assert_eq!(body["tool_choice"], json!({ "type": "tool", "name": "final_answer" }));

        request.tools = vec![ToolSpec { name: "f".into(), description: String::new(), parameters: json!({}) }];
        ask(&registry(None), &request).await.response();
        assert_eq!(server.received().await.body["tool_choice"], json!({ "type": "any" }));
    }
    let mut request = request_to("http://127.0.0.1:1", "anthropic/claude-x");
    request.output_schema = Some(json!({}));
    request.output_form = OutputForm::Strict;
    assert!(ask(&registry(None), &request).await.error().contains("cannot keep to a grammar"));
}

#[tokio::test]
async fn why_it_stops() {
    let text: &[(&str, &[&str])] = &[(r#"{"type":"text","text":"I will not."}"#, &[])];
    for (reason, stop) in [
        ("end_turn", StopReason::Stop),
        ("stop_sequence", StopReason::Stop),
        ("max_tokens", StopReason::Length),
        ("model_context_window_exceeded", StopReason::Length),
    ] {
        assert_eq!(answer(stream(text, reason)).await.response().stop, stop, "{reason}");
    }
    let error = answer(stream(text, "refusal")).await.error();
    assert!(error.starts_with("provider.refusal: ") && error.ends_with("I will not."), "{error}");
}

#[tokio::test]
async fn errors() {
    let error =
        |class: &str, words: &str| json!({ "type": "error", "error": { "type": class, "message": words } }).to_string();
    for (status, class, words, expected) in [
        (
            "400 Bad Request",
            "invalid_request_error",
            "prompt is too long: 210000 tokens > 200000 maximum",
            "provider.context_overflow",
        ),
        ("400 Bad Request", "invalid_request_error", "messages: at least one message is required", "provider.invalid"),
        ("401 Unauthorized", "authentication_error", "invalid x-api-key", "provider.auth"),
        ("403 Forbidden", "permission_error", "not yours", "provider.auth"),
        ("404 Not Found", "not_found_error", "model: claude-x", "provider.invalid"),
        ("413 Payload Too Large", "request_too_large", "too large", "provider.context_overflow"),
        ("429 Too Many Requests", "rate_limit_error", "slow down", "provider.rate_limit"),
        ("500 Internal Server Error", "api_error", "oh", "provider.unavailable"),
        ("504 Gateway Timeout", "timeout_error", "oh", "provider.timeout"),
        ("529 Overloaded", "overloaded_error", "Overloaded", "provider.unavailable"),
    ] {
        let body = error(class, words);
        let told = answer(json_answer(status, "", &body)).await.error();
        assert!(told.starts_with(&format!("{expected}: ")), "{status}: {told}");
        // The same in the middle of a stream.
        let acts = vec![
            sse(),
            send(&STREAM[..STREAM.find("event: ping").unwrap()]),
            send(format!("event: error\ndata: {body}\n\n")),
        ];
        let told = answer(acts).await.error();
        assert!(told.starts_with(&format!("{expected}: ")), "{status}: {told}");
    }
    let busy =
        answer(json_answer("429 Too Many Requests", "retry-after: 7\r\n", &error("rate_limit_error", "x"))).await;
    assert_eq!(busy.result.unwrap_err().retry_after, Some(Duration::from_secs(7)));
    for (acts, expected) in [
        (vec![sse(), send("data: {\"type\":\n\n")], "provider.invalid"),
        (vec![head("200 OK", "text/html", ""), send("<html>")], "provider.invalid"),
        (json_answer("200 OK", "", "{\"models\":[]}"), "provider.invalid"),
        (json_answer("200 OK", "", &error("overloaded_error", "x")), "provider.unavailable"),
    ] {
        let told = answer(acts).await.error();
        assert!(told.starts_with(&format!("{expected}: ")), "{told}");
    }
}
