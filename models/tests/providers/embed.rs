//! Vectors of texts: what is sent, and what is made of the answers.

use std::time::Duration;

use aikit_runtime::ports::{EmbedRequest, EmbedResponse, ModelError, Models, Secret};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{
    server::{Act, Server, head, json as json_answer, send},
    support::registry,
};

fn request(url: &str, model: &str) -> EmbedRequest {
    let (provider, model) = model.split_once('/').unwrap();
    EmbedRequest {
        provider: provider.into(),
        model: model.into(),
        base_url: (!url.is_empty()).then(|| url.to_owned()),
        texts: vec!["one".into(), "two".into()],
        timeout: Duration::from_secs(20),
        api_key: Some(Secret::new("sk-very-secret")),
    }
}

async fn embed(request: &EmbedRequest) -> Result<EmbedResponse, ModelError> {
    let embedder = registry(None).embedder(&request.provider).expect("an embedder");
    embedder.embed(request, &CancellationToken::new()).await
}

async fn answer(model: &str, acts: Vec<Act>) -> Result<EmbedResponse, ModelError> {
    let server = Server::start(acts).await;
    embed(&request(&server.url, model)).await
}

#[tokio::test]
async fn vectors_come_in_the_order_of_the_texts() {
    let openai = r#"{"object":"list","model":"e-1","data":[{"index":1,"embedding":[0.5,-1]},{"index":0,"embedding":[0,1]}],"usage":{"prompt_tokens":5,"total_tokens":5}}"#;
    let ollama = r#"{"model":"e-1","embeddings":[[0,1],[0.5,-1.0]],"prompt_eval_count":5}"#;
    for (model, body, line, sent) in [
        (
            "openai/e",
            openai,
            "POST /embeddings ",
            json!({ "model": "e", "input": ["one", "two"], "encoding_format": "float" }),
        ),
        ("ollama/e", ollama, "POST /api/embed ", json!({ "model": "e", "input": ["one", "two"] })),
    ] {
        let mut server = Server::start(json_answer("200 OK", "", body)).await;
        let response = embed(&request(&server.url, model)).await.unwrap();
        assert_eq!(response.vectors, [[0.0, 1.0], [0.5, -1.0]]);
        assert_eq!((response.usage.input_tokens, response.model.as_str()), (5, "e-1"));
        let received = server.received().await;
        assert!(
            received.head.starts_with(line) && received.head.contains("Bearer sk-very-secret"),
            "{}",
            received.head
        );
        assert_eq!(received.body, sent);
    }
}

#[tokio::test]
async fn what_is_no_vector_is_an_error() {
    let ok = |body: &str| json_answer("200 OK", "", body);
    for (model, acts, expected) in [
        ("openai/e", ok(r#"{"data":[{"index":0,"embedding":[1]}]}"#), "provider.invalid: 1 vectors for 2 texts"),
        ("openai/e", ok(r#"{"data":[{"embedding":[1]},{"embedding":[1,2]}]}"#), "provider.invalid: different lengths"),
        ("openai/e", ok(r#"{"data":[{"embedding":["x"]},{"embedding":[1]}]}"#), "provider.invalid: not numbers"),
        ("openai/e", ok("{\"data\":"), "provider.invalid: not JSON"),
        ("openai/e", ok("{}"), "provider.invalid: something else"),
        ("openai/e", vec![head("200 OK", "text/html", ""), send("<html>")], "provider.invalid: a web page"),
        ("openai/e", json_answer("401 Unauthorized", "", r#"{"error":{"message":"no"}}"#), "provider.auth: refused"),
        (
            "ollama/e",
            json_answer("404 Not Found", "", r#"{"error":"model \"e\" not found"}"#),
            "provider.invalid: does not have",
        ),
        ("ollama/e", ok(r#"{"embeddings":[[],[]]}"#), "provider.invalid: different lengths"),
        ("ollama/e", vec![], "provider.unavailable: closed the connection"),
        ("ollama/e", vec![Act::Hang], "provider.timeout: did not begin"),
    ] {
        let server = Server::start(acts).await;
        let mut asked = request(&server.url, model);
        if expected.starts_with("provider.timeout") {
            asked.timeout = Duration::from_millis(150);
        }
        let error = embed(&asked).await.unwrap_err().error;
        let (kind, words) = expected.split_once(": ").unwrap();
        assert!(error.kind.code() == kind && error.message.contains(words), "{expected}: {error}");
    }
    let busy = answer("openai/e", json_answer("429 Too Many Requests", "retry-after: 3\r\n", "{}")).await.unwrap_err();
    assert_eq!(busy.retry_after, Some(Duration::from_secs(3)));
}

#[tokio::test]
async fn hashing_needs_nothing() {
    for (model, length) in [("hashing/auto", 384), ("hashing/512", 512)] {
        let response = embed(&request("", model)).await.unwrap();
        assert_eq!(response.vectors.iter().map(Vec::len).collect::<Vec<_>>(), [length, length]);
        assert_eq!(response, embed(&request("", model)).await.unwrap());
    }
    let error = embed(&request("", "hashing/3")).await.unwrap_err().error;
    assert_eq!(error.kind.code(), "provider.invalid");
    assert!(registry(None).names().contains(&"hashing".to_owned()));
}
