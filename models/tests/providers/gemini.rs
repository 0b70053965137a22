//! Google's Gemini API: what is sent, and what is made of its streams.

use std::time::Duration;

use aikit_runtime::ports::{Effort, Message, ModelRequest, Role, StopReason, ToolCall, ToolChoice, ToolSpec};
use serde_json::json;

use crate::{
    server::{Act, Server, head, json as json_answer, send, sse},
    support::{Outcome, ask, registry, request_to},
};

const STREAM: &str = concat!(
    "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"thinking\",\"thought\": true},{\"text\": \"Grüß \"}],\"role\": \"model\"},\"index\": 0}],\"usageMetadata\": {\"promptTokenCount\": 11,\"totalTokenCount\": 11},\"modelVersion\": \"gemini-x-001\"}\r\n\r\n",
    "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"Gott 🦀\"}],\"role\": \"model\"},\"finishReason\": \"STOP\",\"index\": 0}],\"usageMetadata\": {\"promptTokenCount\": 11,\"candidatesTokenCount\": 6,\"thoughtsTokenCount\": 3,\"totalTokenCount\": 20},\"modelVersion\": \"gemini-x-001\"}\r\n\r\n",
);

async fn answer(acts: Vec<Act>) -> Outcome {
    let server = Server::start(acts).await;
    ask(&registry(None), &request_to(&server.url, "gemini/gemini-x")).await
}

fn chunk(chunk: serde_json::Value) -> Vec<Act> {
    vec![sse(), send(format!("data: {chunk}\n\n"))]
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
        assert_eq!((response.usage.input_tokens, response.usage.output_tokens), (11, 9));
        assert_eq!((response.stop, response.model.as_str()), (StopReason::Stop, "gemini-x-001"));
        assert_eq!(response.continuation, None);
    }
    let whole = r#"[{"candidates":[{"content":{"parts":[{"text":"a"}]}}]},{"candidates":[{"content":{"parts":[{"text":"b"}]},"finishReason":"MAX_TOKENS"}]}]"#;
    let outcome = answer(json_answer("200 OK", "", whole)).await;
    assert_eq!((outcome.response().content.as_str(), outcome.response().stop), ("ab", StopReason::Length));
}

#[tokio::test]
async fn what_is_sent() {
    let mut server = Server::start(vec![sse(), send(STREAM)]).await;
    let call = ToolCall { id: "call_1".into(), name: "lookup".into(), arguments: json!({ "order": 7 }) };
    let result = |text: &str| Message { tool_call_id: Some("call_1".into()), ..Message::text(Role::Tool, text) };
    let mut request = ModelRequest {
        messages: vec![
            Message::text(Role::System, "Be kind."),
            Message::text(Role::User, "Where is order 7?"),
            Message { tool_calls: vec![call], ..Message::text(Role::Assistant, "Wait.") },
            result("{\"state\":\"sent\"}"),
            result("plain"),
        ],
        tools: vec![
            ToolSpec {
                name: "lookup".into(),
                description: "Finds.".into(),
                parameters: json!({ "type": "object", "additionalProperties": false, "properties": { "order": { "type": "integer" } } }),
            },
            ToolSpec { name: "now".into(), description: "Tells.".into(), parameters: json!({ "type": "object" }) },
        ],
        tool_choice: Some(ToolChoice::Tool("lookup".into())),
        ..request_to(&format!("{}/v1beta", server.url), "gemini/gemini-x")
    };
    request.parameters.top_k = Some(40);
    request.parameters.max_tokens = Some(64);
    request.parameters.reasoning = Some(Effort::Off);
    request.extra = json!({ "safetySettings": [], "generationConfig": { "topK": 1, "candidateCount": 1 } })
        .as_object()
        .cloned()
        .unwrap();
    ask(&registry(None), &request).await.response();
    let received = server.received().await;
    let line = "POST /v1beta/models/gemini-x:streamGenerateContent?alt=sse HTTP/1.1\r\n";
    assert!(received.head.starts_with(line), "{}", received.head);
    assert!(received.head.contains("x-goog-api-key: sk-very-secret\r\n"), "{}", received.head);
    assert_eq!(
        received.body,
        json!({
            "contents": [
                { "role": "user", "parts": [{ "text": "Where is order 7?" }] },
                { "role": "model", "parts": [
                    { "text": "Wait." }, { "functionCall": { "name": "lookup", "args": { "order": 7 } } },
                ] },
                { "role": "user", "parts": [
                    { "functionResponse": { "name": "lookup", "response": { "state": "sent" } } },
                    { "functionResponse": { "name": "lookup", "response": { "result": "plain" } } },
                ] },
            ],
            "systemInstruction": { "parts": [{ "text": "Be kind." }] },
            "tools": [{ "functionDeclarations": [
                { "name": "lookup", "description": "Finds.", "parameters": {
                    "type": "OBJECT", "properties": { "order": { "type": "INTEGER" } }, "propertyOrdering": ["order"],
                } },
                { "name": "now", "description": "Tells." },
            ] }],
            "toolConfig": { "functionCallingConfig": { "mode": "ANY", "allowedFunctionNames": ["lookup"] } },
            "generationConfig": {
                "topK": 40, "maxOutputTokens": 64, "thinkingConfig": { "thinkingBudget": 0 }, "candidateCount": 1,
            },
            "safetySettings": [],
        })
    );
}

#[tokio::test]
async fn the_form_of_an_answer() {
    let mut server = Server::start(vec![sse(), send(STREAM)]).await;
    let mut request = request_to(&server.url, "gemini/gemini-x");
    request.output_schema = Some(json!({ "type": "object", "properties": { "n": { "type": "integer" } } }));
    ask(&registry(None), &request).await.response();
    let config = &server.received().await.body["generationConfig"];
    assert_eq!(config["responseMimeType"], "application/json");
    assert_eq!(config["responseSchema"]["properties"]["n"]["type"], "INTEGER");

    request.tools = vec![ToolSpec { name: "f".into(), description: String::new(), parameters: json!({}) }];
    ask(&registry(None), &request).await.response();
    let body = server.received().await.body;
    assert_eq!(body.get("generationConfig"), None);
    assert!(body["systemInstruction"]["parts"][0]["text"].as_str().unwrap().contains("JSON Schema"));
}

#[tokio::test]
async fn calls_and_their_signatures() {
    let parts = json!([
        { "functionCall": { "name": "look", "args": { "id": 7 } }, "thoughtSignature": "sig" },
        { "functionCall": { "id": "x", "name": "now" } },
    ]);
    let acts = chunk(json!({ "candidates": [{ "content": { "parts": parts }, "finishReason": "STOP" }] }));
    let mut server = Server::start(acts).await;
    let mut request = request_to(&server.url, "gemini/gemini-x");
    let outcome = ask(&registry(None), &request).await;
    let response = outcome.response();
    let calls: Vec<String> =
        response.tool_calls.iter().map(|c| format!("{} {} {}", c.id, c.name, c.arguments)).collect();
    assert_eq!(calls, [r#"call_1 look {"id":7}"#, "x now {}"]);
    assert_eq!(response.stop, StopReason::ToolCalls);

    // What was signed comes back as it was.
    server.received().await;
    request.messages.push(Message::answered(response));
    ask(&registry(None), &request).await.response();
    assert_eq!(server.received().await.body["contents"][1], json!({ "role": "model", "parts": parts }));
}

#[tokio::test]
async fn refusals_and_errors() {
    for (chunk_value, expected) in [
        (json!({ "promptFeedback": { "blockReason": "SAFETY" } }), "provider.refusal"),
        (json!({ "candidates": [{ "finishReason": "PROHIBITED_CONTENT" }] }), "provider.refusal"),
        (json!({ "candidates": [{ "finishReason": "MALFORMED_FUNCTION_CALL" }] }), "provider.invalid"),
        (json!({ "error": { "code": 503, "message": "overloaded", "status": "UNAVAILABLE" } }), "provider.unavailable"),
        (json!({ "models": [] }), "provider.invalid"),
    ] {
        let told = answer(chunk(chunk_value)).await.error();
        assert!(told.starts_with(&format!("{expected}: ")), "{told}");
    }
    for (status, words, expected) in [
        (
            "400 Bad Request",
            "The input token count (2000000) exceeds the maximum number of tokens allowed (1048576).",
            "provider.context_overflow",
        ),
        ("400 Bad Request", "API key not valid. Please pass a valid API key.", "provider.auth"),
        ("400 Bad Request", "Invalid JSON payload", "provider.invalid"),
        ("403 Forbidden", "no", "provider.auth"),
        ("404 Not Found", "models/gemini-x is not found", "provider.invalid"),
        ("429 Too Many Requests", "quota", "provider.rate_limit"),
        ("500 Internal Server Error", "oh", "provider.unavailable"),
        ("504 Gateway Timeout", "oh", "provider.timeout"),
    ] {
        let body = json!([{ "error": { "code": 1, "message": words } }]).to_string();
        let told = answer(json_answer(status, "", &body)).await.error();
        assert!(told.starts_with(&format!("{expected}: ")), "{status}: {told}");
    }
    let body =
        json!({ "error": { "message": "quota", "details": [{ "@type": "x/RetryInfo", "retryDelay": "1.5s" }] } });
    let busy = answer(json_answer("429 Too Many Requests", "", &body.to_string())).await;
    assert_eq!(busy.result.unwrap_err().retry_after, Some(Duration::from_millis(1500)));
    let html = answer(vec![head("200 OK", "text/html", ""), send("<html>")]).await;
    assert!(html.error().starts_with("provider.invalid: "), "{}", html.error());
    let named = ask(&registry(None), &request_to("http://127.0.0.1:1", "gemini/../x?y")).await;
    assert!(named.error().contains("is not the name of a model"), "{}", named.error());
}
