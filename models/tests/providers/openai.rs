//! OpenAI's chat completions: what is sent, and what is made of the answers that servers are known to give.

use aikit_runtime::ports::{
    Effort, Message, ModelDelta, ModelRequest, OutputForm, Role, StopReason, ToolCall, ToolChoice, ToolSpec,
};
use expect_test::expect;
use serde_json::json;

use crate::{
    server::{Act, Server, head, json as json_answer, send, sse},
    support::{Outcome, ask, registry, request_to},
};

const STREAM: &str = concat!(
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"model\":\"gpt-x-2026\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null},\"finish_reason\":null}]}\n\n",
    ": keep-alive\n\n",
    "data: {\"model\":\"gpt-x-2026\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Grüß \"},\"finish_reason\":null}]}\n\n",
    "data: {\"model\":\"gpt-x-2026\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Gott 🦀\"},\"finish_reason\":null}]}\n\n",
    "data: {\"model\":\"gpt-x-2026\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    "data: {\"model\":\"gpt-x-2026\",\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":5,\"total_tokens\":16}}\n\n",
    "data: [DONE]\n\n",
);

async fn answer(acts: Vec<Act>) -> Outcome {
    let server = Server::start(acts).await;
    ask(&registry(None), &request_to(&server.url, "openai/gpt-x")).await
}

#[tokio::test]
async fn a_stream_is_one_answer_however_it_is_cut() {
    for size in [1, 2, 3, 7, 64, STREAM.len()] {
        let mut acts = vec![sse()];
        acts.extend(STREAM.as_bytes().chunks(size).map(send));
        let outcome = answer(acts).await;
        let response = outcome.response();
        assert_eq!(response.content, "Grüß Gott 🦀", "pieces of {size}");
        assert_eq!(outcome.text(), response.content);
        assert_eq!((response.usage.input_tokens, response.usage.output_tokens), (11, 5));
        assert_eq!((response.stop, response.model.as_str()), (StopReason::Stop, "gpt-x-2026"));
        assert!(!response.simulated);
    }
}

#[tokio::test]
async fn crlf_and_chunked_transfer() {
    let body = STREAM.replace('\n', "\r\n");
    let mut acts =
        vec![send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")];
    for piece in body.as_bytes().chunks(33) {
        acts.push(send([format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat()));
    }
    acts.push(send("0\r\n\r\n"));
    assert_eq!(answer(acts).await.response().content, "Grüß Gott 🦀");
}

#[tokio::test]
async fn what_is_sent() {
    let mut server = Server::start(vec![sse(), send(STREAM)]).await;
    let call = ToolCall { id: "call_9".into(), name: "lookup".into(), arguments: json!({ "order": 7 }) };
    let request = ModelRequest {
        messages: vec![
            Message::text(Role::System, "Be kind."),
            Message::text(Role::User, "Where is order 7?"),
            Message { tool_calls: vec![call], ..Message::text(Role::Assistant, "") },
            Message { tool_call_id: Some("call_9".into()), ..Message::text(Role::Tool, "{\"state\":\"sent\"}") },
        ],
        tools: vec![ToolSpec {
            name: "lookup".into(),
            description: "Finds an order.".into(),
            parameters: json!({ "type": "object" }),
        }],
        output_schema: Some(json!({ "type": "object", "required": ["answer"] })),
        ..request_to(&format!("{}/v1/", server.url), "openai/gpt-x")
    };
    let mut request = request;
    request.parameters.temperature = Some(0.5);
    request.parameters.max_tokens = Some(64);
    request.parameters.stop = vec!["END".into()];
    ask(&registry(None), &request).await.response();
    let received = server.received().await;
    assert!(received.head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{}", received.head);
    assert!(received.head.contains("authorization: Bearer sk-very-secret\r\n"), "{}", received.head);
    expect![[r#"
        {
          "model": "gpt-x",
          "messages": [
            {
              "role": "system",
              "content": "Be kind."
            },
            {
              "role": "user",
              "content": "Where is order 7?"
            },
            {
              "role": "assistant",
              "content": null,
              "tool_calls": [
                {
                  "id": "call_9",
                  "type": "function",
                  "function": {
                    "name": "lookup",
                    "arguments": "{\"order\":7}"
                  }
                }
              ]
            },
            {
              "role": "tool",
              "tool_call_id": "call_9",
              "content": "{\"state\":\"sent\"}"
            }
          ],
          "stream": true,
          "stream_options": {
            "include_usage": true
          },
          "tools": [
            {
              "type": "function",
              "function": {
                "name": "lookup",
                "description": "Finds an order.",
                "parameters": {
                  "type": "object"
                }
              }
            }
          ],
          "response_format": {
            "type": "json_schema",
            "json_schema": {
              "name": "answer",
              "schema": {
                "type": "object",
                "required": [
                  "answer"
                ]
              }
            }
          },
          "temperature": 0.5,
          "max_tokens": 64,
          "stop": [
            "END"
          ]
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&received.body).unwrap());
}

#[tokio::test]
async fn parameters_and_what_a_document_adds() {
    let mut server = Server::start(vec![sse(), send(STREAM)]).await;
    let mut request = request_to(&format!("{}/v1", server.url), "openai/gpt-x");
    request.tools = vec![ToolSpec { name: "f".into(), description: "F.".into(), parameters: json!({}) }];
    request.tool_choice = Some(ToolChoice::Tool("f".into()));
    request.output_schema = Some(json!({ "type": "object" }));
    request.output_form = OutputForm::Strict;
    request.parameters.top_k = Some(40);
    request.parameters.reasoning = Some(Effort::Low);
    request.parameters.presence_penalty = Some(0.5);
    request.parameters.frequency_penalty = Some(-0.5);
    let extra = json!({ "user": "u", "model": "another", "stream_options": { "include_usage": false, "x": 1 } });
    request.extra = extra.as_object().cloned().unwrap();
    ask(&registry(None), &request).await.response();
    let body = server.received().await.body;
    for (key, expected) in [
        ("tool_choice", json!({ "type": "function", "function": { "name": "f" } })),
        ("top_k", json!(40)),
        ("reasoning_effort", json!("low")),
        ("presence_penalty", json!(0.5)),
        ("frequency_penalty", json!(-0.5)),
        ("user", json!("u")),
        ("model", json!("gpt-x")),
        ("stream_options", json!({ "include_usage": true, "x": 1 })),
    ] {
        assert_eq!(body[key], expected, "{key}");
    }
    assert_eq!(body["response_format"]["json_schema"]["strict"], true);

    request.output_form = OutputForm::Told;
    ask(&registry(None), &request).await.response();
    assert_eq!(server.received().await.body.get("response_format"), None);
}

fn calls(pieces: &[&str]) -> Vec<Act> {
    let mut acts = vec![sse()];
    for piece in pieces {
        acts.push(send(format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"tool_calls\":[{piece}]}}}}]}}\n\n")));
    }
    acts.push(send(
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n",
    ));
    acts
}

#[tokio::test]
async fn tool_calls_are_put_together() {
    let cases: &[(&str, &[&str], &str)] = &[
        (
            "fragments of two calls, mixed",
            &[
                r#"{"index":0,"id":"a","type":"function","function":{"name":"look","arguments":""}}"#,
                r#"{"index":1,"id":"b","type":"function","function":{"name":"sum","arguments":"{\"x\""}}"#,
                r#"{"index":0,"function":{"arguments":"{\"id\":"}}"#,
                r#"{"index":1,"function":{"arguments":":1}"}},{"index":0,"function":{"arguments":" 7}"}}"#,
            ],
            r#"a look {"id":7} | b sum {"x":1}"#,
        ),
        (
            "whole calls without index",
            &[
                r#"{"id":"a","function":{"name":"look","arguments":"{}"}}"#,
                r#"{"id":"b","function":{"name":"look","arguments":"{}"}}"#,
            ],
            "a look {} | b look {}",
        ),
        (
            "the name again with each piece, no id",
            &[
                r#"{"index":0,"function":{"name":"look","arguments":"{\"a\":"}}"#,
                r#"{"index":0,"function":{"name":"look","arguments":"2}"}}"#,
            ],
            r#"call_1 look {"a":2}"#,
        ),
        ("no arguments", &[r#"{"index":0,"id":"a","function":{"name":"now"}}"#], "a now {}"),
        (
            "arguments as an object",
            &[r#"{"index":0,"id":"a","function":{"name":"f","arguments":{"k":1}}}"#],
            r#"a f {"k":1}"#,
        ),
        (
            "broken arguments stay text",
            &[r#"{"index":0,"id":"a","function":{"name":"f","arguments":"{\"k\":"}}"#],
            r#"a f "{\"k\":""#,
        ),
        (
            "one id for two calls",
            &[
                r#"{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}"#,
                r#"{"index":1,"id":"a","function":{"name":"g","arguments":"{}"}}"#,
            ],
            "a f {} | call_2 g {}",
        ),
    ];
    for (what, pieces, expected) in cases {
        let outcome = answer(calls(pieces)).await;
        let response = outcome.response();
        let shown: Vec<String> =
            response.tool_calls.iter().map(|call| format!("{} {} {}", call.id, call.name, call.arguments)).collect();
        assert_eq!(shown.join(" | "), *expected, "{what}");
        assert_eq!(response.stop, StopReason::ToolCalls, "{what}");
        let started = outcome.streamed.iter().filter(|delta| matches!(delta, ModelDelta::ToolCallStarted { .. }));
        assert_eq!(started.count(), response.tool_calls.len(), "{what}");
    }
}

#[tokio::test]
async fn streams_that_end_in_other_ways() {
    let text = "data: {\"choices\":[{\"delta\":{\"content\":\"hello\"}}]}\n\n";
    let stop = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}]}\n\n";
    for (what, tail) in [
        ("no [DONE]", vec![send(stop)]),
        ("no blank line at the end", vec![send(stop.trim_end())]),
        ("nothing more, but open", vec![send(stop), Act::Hang]),
        ("reset behind the last word", vec![send(stop), Act::Reset]),
        ("[DONE] alone", vec![send("data: [DONE]\n\n")]),
        ("[DONE] and open", vec![send("data: [DONE]\n\n"), Act::Hang]),
    ] {
        let outcome = answer([vec![sse(), send(text)], tail].concat()).await;
        let response = outcome.response();
        assert_eq!(response.content, "hello", "{what}");
        // Nobody counted: four characters begun are a token.
        assert_eq!((response.usage.input_tokens, response.usage.output_tokens), (3, 2), "{what}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_stream() {
    let body = r#"{"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi","tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":3,"completion_tokens":4}}"#;
    let outcome = answer(json_answer("200 OK", "", body)).await;
    assert_eq!(outcome.text(), "hi");
    assert_eq!((outcome.response().tool_calls.len(), outcome.response().usage.output_tokens), (1, 4));
}

#[tokio::test]
async fn refusals() {
    let refusal = "data: {\"choices\":[{\"delta\":{\"refusal\":\"I cannot help with that.\"}}]}\n\ndata: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let filter = "data: {\"choices\":[{\"delta\":{\"content\":\"Well\"},\"finish_reason\":\"content_filter\"}]}\n\ndata: [DONE]\n\n";
    let name = "openai at http://127.0.0.1";
    for (stream, expected) in [
        (refusal, "declined to answer: I cannot help with that."),
        (filter, "declined to answer: the content filter stopped the answer"),
    ] {
        let error = answer(vec![sse(), send(stream)]).await.error();
        assert!(error.starts_with(&format!("provider.refusal: {name}")) && error.ends_with(expected), "{error}");
    }
}

#[tokio::test]
async fn errors_of_the_server() {
    let error = |code: &str, ty: &str, message: &str| {
        json!({ "error": { "message": message, "type": ty, "code": code, "param": null } }).to_string()
    };
    let cases = [
        (
            "401 Unauthorized",
            error("invalid_api_key", "", "Incorrect API key provided: sk-very-secret."),
            "provider.auth",
            "refused the credential (401): Incorrect API key provided: ….",
        ),
        ("403 Forbidden", "no".to_string(), "provider.auth", "refused the credential (403): no"),
        (
            "429 Too Many Requests",
            error("rate_limit_exceeded", "tokens", "Slow down."),
            "provider.rate_limit",
            "asks to slow down: Slow down.",
        ),
        (
            "400 Bad Request",
            error("context_length_exceeded", "invalid_request_error", "Too long."),
            "provider.context_overflow",
            "Too long.",
        ),
        (
            "400 Bad Request",
            error("", "BadRequestError", "This model's maximum context length is 10 tokens."),
            "provider.context_overflow",
            "10 tokens.",
        ),
        (
            "400 Bad Request",
            error("", "invalid_request_error", "Unknown parameter."),
            "provider.invalid",
            "rejected the request (400): Unknown parameter.",
        ),
        ("400 Bad Request", error("content_filter", "", "Filtered."), "provider.refusal", "Filtered."),
        (
            "404 Not Found",
            error("model_not_found", "", "No such model."),
            "provider.invalid",
            "rejected the request (404): No such model.",
        ),
        ("404 Not Found", "<html>nginx</html>".to_string(), "provider.invalid", "rejected the request (404)"),
        ("422 Unprocessable", r#"{"detail":"bad"}"#.to_string(), "provider.invalid", "rejected the request (422): bad"),
        (
            "500 Internal Server Error",
            error("", "server_error", "Oops."),
            "provider.unavailable",
            "failed (500): Oops.",
        ),
        ("503 Unavailable", String::new(), "provider.unavailable", "failed (503)"),
        ("504 Gateway Timeout", String::new(), "provider.timeout", "gave up waiting (504)"),
        ("307 Temporary Redirect", String::new(), "provider.invalid", "redirects to another place (307)"),
    ];
    for (status, body, kind, expected) in cases {
        let error = answer(json_answer(status, "location: http://elsewhere/\r\n", &body)).await.error();
        assert!(error.starts_with(&format!("{kind}: ")) && error.ends_with(expected), "{status} {body}\n{error}");
    }
}

#[tokio::test]
async fn errors_inside_the_stream() {
    for (event, kind) in [
        (r#"{"error":{"message":"Overloaded.","type":"server_error"}}"#, "provider.unavailable"),
        (r#"{"error":{"message":"Slow down.","code":429}}"#, "provider.rate_limit"),
        (r#"{"error":{"message":"Slow down.","code":"rate_limit_exceeded"}}"#, "provider.rate_limit"),
        (r#"{"error":{"message":"Long.","code":"context_length_exceeded"}}"#, "provider.context_overflow"),
        (r#"{"error":"plain words"}"#, "provider.unavailable"),
    ] {
        let text = "data: {\"choices\":[{\"delta\":{\"content\":\"hello\"}}]}\n\n";
        let outcome = answer(vec![sse(), send(text), send(format!("data: {event}\n\n"))]).await;
        assert!(outcome.error().starts_with(&format!("{kind}: ")), "{event}\n{}", outcome.error());
        assert_eq!(outcome.text(), "hello");
    }
}

#[tokio::test]
async fn retry_after_is_reported() {
    for (header, millis) in [
        ("retry-after: 7\r\n", 7000),
        ("retry-after-ms: 250\r\n", 250),
        ("date: Thu, 01 Jan 2026 00:00:00 GMT\r\nretry-after: Thu, 01 Jan 2026 00:00:09 GMT\r\n", 9000),
    ] {
        let outcome = answer(json_answer("429 Too Many Requests", header, "{}")).await;
        let wait = outcome.result.as_ref().unwrap_err().retry_after.unwrap();
        assert_eq!(wait.as_millis(), millis, "{header}");
    }
}

#[tokio::test]
async fn the_answer_has_another_form() {
    let name_is = |error: &str, expected: &str| assert!(error.contains(expected), "{error}");
    name_is(&answer(json_answer("200 OK", "", "{\"ok\":true}")).await.error(), "something else than a completion");
    name_is(&answer(json_answer("200 OK", "", "{\"cho")).await.error(), "not JSON");
    let page = answer(vec![head("200 OK", "text/html", ""), send("<html>")]).await;
    name_is(&page.error(), "provider.invalid: ");
    name_is(page.help(), "/v1");
    name_is(&answer(vec![sse(), send("data: {\"choices\":[{\n\n")]).await.error(), "sent a chunk that is not JSON");
    name_is(&answer(vec![sse(), send(b"data: \"\xff\xfe\"\n\n")]).await.error(), "sent a chunk that is not JSON");
}

#[tokio::test]
async fn a_compatible_server_needs_an_address() {
    let mut request = request_to("http://unused", "openai-compatible/m");
    request.base_url = None;
    let outcome = ask(&registry(None), &request).await;
    assert_eq!(outcome.error(), "provider.invalid: a model of `openai-compatible` needs a `base_url`");
}
