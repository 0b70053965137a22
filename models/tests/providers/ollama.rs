//! Ollama's own chat endpoint.

use aikit_runtime::ports::{Effort, Message, ModelRequest, Role, StopReason, ToolCall, ToolChoice, ToolSpec};
use serde_json::json;

use crate::{
    server::{Act, Server, head, json as json_answer, send},
    support::{Outcome, ask, registry, request, request_to},
};

const STREAM: &str = concat!(
    "{\"model\":\"qwen3\",\"created_at\":\"2026-01-01T00:00:00Z\",\"message\":{\"role\":\"assistant\",\"content\":\"Grüß \"},\"done\":false}\n",
    "{\"model\":\"qwen3\",\"created_at\":\"2026-01-01T00:00:00Z\",\"message\":{\"role\":\"assistant\",\"content\":\"Gott 🦀\"},\"done\":false}\n",
    "{\"model\":\"qwen3\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done_reason\":\"stop\",\"done\":true,\"prompt_eval_count\":26,\"eval_count\":9}\n",
);

fn ndjson() -> Act {
    head("200 OK", "application/x-ndjson", "")
}

async fn answer(acts: Vec<Act>) -> Outcome {
    let server = Server::start(acts).await;
    ask(&registry(None), &request_to(&server.url, "ollama/qwen3")).await
}

#[tokio::test]
async fn a_stream_is_one_answer_however_it_is_cut() {
    for size in [1, 5, 64, STREAM.len()] {
        let mut acts = vec![ndjson()];
        acts.extend(STREAM.as_bytes().chunks(size).map(send));
        let outcome = answer(acts).await;
        let response = outcome.response();
        assert_eq!(response.content, "Grüß Gott 🦀", "pieces of {size}");
        assert_eq!(outcome.text(), response.content);
        assert_eq!((response.usage.input_tokens, response.usage.output_tokens), (26, 9));
        assert_eq!(response.stop, StopReason::Stop);
    }
}

#[tokio::test]
async fn what_is_sent() {
    let mut server = Server::start(vec![ndjson(), send(STREAM)]).await;
    let call = ToolCall { id: "call_1".into(), name: "lookup".into(), arguments: json!({ "order": 7 }) };
    let mut request = ModelRequest {
        messages: vec![
            Message::text(Role::User, "Where is order 7?"),
            Message { tool_calls: vec![call], ..Message::text(Role::Assistant, "") },
            Message { tool_call_id: Some("call_1".into()), ..Message::text(Role::Tool, "sent") },
        ],
        tools: vec![ToolSpec { name: "lookup".into(), description: "Finds.".into(), parameters: json!({}) }],
        output_schema: Some(json!({ "type": "object" })),
        api_key: None,
        ..request_to(&server.url, "ollama/qwen3")
    };
    request.parameters.max_tokens = Some(10);
    request.parameters.seed = Some(3);
    ask(&registry(None), &request).await.response();
    let received = server.received().await;
    assert!(received.head.starts_with("POST /api/chat HTTP/1.1\r\n"), "{}", received.head);
    assert!(!received.head.contains("authorization"), "{}", received.head);
    assert_eq!(
        received.body,
        json!({
            "model": "qwen3",
            "messages": [
                { "role": "user", "content": "Where is order 7?" },
                { "role": "assistant", "content": "", "tool_calls": [{ "function": { "name": "lookup", "arguments": { "order": 7 } } }] },
                { "role": "tool", "tool_name": "lookup", "content": "sent" },
            ],
            "stream": true,
            "tools": [{ "type": "function", "function": { "name": "lookup", "description": "Finds.", "parameters": {} } }],
            "format": { "type": "object" },
            "options": { "num_predict": 10, "seed": 3 },
        })
    );
}

#[tokio::test]
async fn parameters_and_what_a_document_adds() {
    let mut server = Server::start(vec![ndjson(), send(STREAM)]).await;
    let tool = |name: &str| ToolSpec { name: name.into(), description: "F.".into(), parameters: json!({}) };
    for (model, choice, effort, think, tools) in [
        ("ollama/qwen3", Some(ToolChoice::Tool("g".into())), Effort::High, json!(true), vec!["g"]),
        ("ollama/gpt-oss:20b", None, Effort::Low, json!("low"), vec!["f", "g"]),
        ("ollama/qwen3", Some(ToolChoice::None), Effort::Off, json!(false), vec![]),
    ] {
        let mut request = request_to(&server.url, model);
        request.tools = vec![tool("f"), tool("g")];
        request.tool_choice = choice;
        request.parameters.reasoning = Some(effort);
        request.parameters.top_k = Some(40);
        request.parameters.repetition_penalty = Some(1.5);
        request.extra =
            json!({ "keep_alive": "5m", "options": { "num_ctx": 8192, "top_k": 1 } }).as_object().cloned().unwrap();
        ask(&registry(None), &request).await.response();
        let body = server.received().await.body;
        assert_eq!(body["options"], json!({ "top_k": 40, "repeat_penalty": 1.5, "num_ctx": 8192 }));
        assert_eq!((&body["think"], &body["keep_alive"]), (&think, &json!("5m")));
        let sent = body["tools"].as_array().into_iter().flatten();
        assert_eq!(sent.map(|tool| tool["function"]["name"].as_str().unwrap()).collect::<Vec<_>>(), tools);
    }
}

#[tokio::test]
async fn tool_calls() {
    let stream = concat!(
        "{\"message\":{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{\"a\":1}}},{\"id\":\"x\",\"function\":{\"name\":\"g\"}}]},\"done\":false}\n",
        "{\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\"}", // no line end
    );
    let outcome = answer(vec![ndjson(), send(stream)]).await;
    let calls: Vec<String> =
        outcome.response().tool_calls.iter().map(|c| format!("{} {} {}", c.id, c.name, c.arguments)).collect();
    assert_eq!(calls, [r#"call_1 f {"a":1}"#, "x g {}"]);
    assert_eq!(outcome.response().stop, StopReason::ToolCalls);
}

#[tokio::test]
async fn errors() {
    let missing =
        answer(json_answer("404 Not Found", "", r#"{"error":"model \"qwen3\" not found, try pulling it first"}"#))
            .await;
    assert!(missing.error().starts_with("provider.invalid: ollama at http://127.0.0.1"), "{}", missing.error());
    assert_eq!(missing.help(), "Fetch it with `ollama pull qwen3`.");

    let line =
        "{\"message\":{\"content\":\"Well\"},\"done\":false}\n{\"error\":\"llama runner process has terminated\"}\n";
    let broken = answer(vec![ndjson(), send(line)]).await;
    assert!(broken.error().ends_with("failed (500): llama runner process has terminated"), "{}", broken.error());
    assert_eq!(broken.text(), "Well");

    for (acts, expected) in [
        (json_answer("500 Internal Server Error", "", r#"{"error":"out of memory"}"#), "provider.unavailable"),
        (json_answer("400 Bad Request", "", r#"{"error":"qwen3 does not support tools"}"#), "provider.invalid"),
        (json_answer("200 OK", "", "{\"models\":[]}"), "provider.invalid"),
        (vec![ndjson(), send("{\"message\":\n")], "provider.invalid"),
        (vec![ndjson(), send("{\"message\":{\"content\":\"cut\"},\"done\":fal")], "provider.unavailable"),
        (vec![head("200 OK", "text/html", ""), send("<html>")], "provider.invalid"),
    ] {
        let error = answer(acts).await.error();
        assert!(error.starts_with(&format!("{expected}: ")), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there() {
    let mut request = request("ollama/qwen3", "hi");
    request.base_url = Some("http://127.0.0.1:1".to_string());
    let outcome = ask(&registry(None), &request).await;
    assert!(outcome.error().starts_with("provider.unavailable: cannot reach ollama at http://127.0.0.1:1: "));
    assert!(outcome.help().contains("ollama serve"));
}
