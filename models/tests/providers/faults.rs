//! What can happen to a connection, in whichever format.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::{
    server::{Act, Server, head, send, sse},
    support::{Outcome, ask, ask_until, registry, request_to},
};

const EVENT: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"twelve chars\"}}]}\n\n";
const ANTHROPIC: &str = concat!(
    "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"twelve chars\"}}\n\n",
);
const GEMINI: &str = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"twelve chars\"}]}}]}\n\n";
const LINE: &str = "{\"message\":{\"content\":\"twelve chars\"},\"done\":false}\n";

async fn answer(acts: Vec<Act>, limit: Duration) -> Outcome {
    answer_of("openai/m", acts, limit).await
}

async fn answer_of(model: &str, acts: Vec<Act>, limit: Duration) -> Outcome {
    let server = Server::start(acts).await;
    let mut request = request_to(&server.url, model);
    request.timeout = limit;
    ask(&registry(None), &request).await
}

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(150);

#[tokio::test]
async fn streams_that_break() {
    let chunked = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let cases = [
        ("closed in the middle", vec![sse(), send(EVENT)], "broke off after 3 tokens"),
        ("reset in the middle", vec![sse(), send(EVENT), Act::Reset], "broke off after 3 tokens: "),
        ("cut inside an event", vec![sse(), send(EVENT), send(&EVENT[..20])], "broke off after 3 tokens"),
        ("cut inside a character", vec![sse(), send(EVENT), send(b"data: \"\xf0\x9f")], "broke off after 3 tokens"),
        ("cut inside a chunk", vec![send(chunked), send(format!("200\r\n{EVENT}"))], "broke off after 3 tokens"),
        ("closed without an answer", vec![sse()], "closed the connection before it answered"),
        ("closed before the head", vec![], "closed the connection: "),
        ("no HTTP", vec![send("hello?\r\n\r\n")], "closed the connection: "),
    ];
    for (what, acts, expected) in cases {
        let error = answer(acts, LONG).await.error();
        assert!(error.starts_with("provider.unavailable: ") && error.contains(expected), "{what}: {error}");
    }
}

#[tokio::test]
async fn time_runs_out() {
    let slow: Vec<Act> = (0..100).flat_map(|_| [send(EVENT), Act::Wait(20)]).collect();
    let cases = [
        ("before the head", vec![Act::Hang], SHORT, "did not begin to answer within 150ms"),
        ("behind the head", vec![sse(), Act::Hang], SHORT, "did not begin to answer within 150ms"),
        (
            "in the middle",
            vec![sse(), send(EVENT), Act::Hang],
            SHORT,
            "did not finish its answer within 150ms (3 tokens arrived)",
        ),
        ("slow tokens", [vec![sse()], slow].concat(), SHORT, "did not finish its answer within 150ms"),
        ("silence", vec![sse(), send(EVENT), Act::Hang], LONG, "fell silent for 400ms after 3 tokens"),
    ];
    for (what, acts, limit, expected) in cases {
        let started = Instant::now();
        let error = answer(acts, limit).await.error();
        assert!(error.starts_with("provider.timeout: ") && error.contains(expected), "{what}: {error}");
        assert!(started.elapsed() < Duration::from_secs(5), "{what}");
    }
}

#[tokio::test]
async fn every_format_tells_a_broken_stream_from_a_slow_one() {
    for (model, event) in [("anthropic/m", ANTHROPIC), ("gemini/m", GEMINI), ("openai/m", EVENT)] {
        let half = &event[..event.len() / 2];
        let drip: Vec<Act> = (0..100).flat_map(|_| [send(event), Act::Wait(20)]).collect();
        for (acts, limit, kind, expected) in [
            (vec![sse(), send(event)], LONG, "provider.unavailable", "broke off after 3 tokens"),
            (vec![sse(), send(event), send(half)], LONG, "provider.unavailable", "broke off after 3 tokens"),
            (vec![sse(), send(event), Act::Reset], LONG, "provider.unavailable", "broke off after 3 tokens"),
            (vec![], LONG, "provider.unavailable", "closed the connection"),
            (vec![sse(), send(event), Act::Hang], LONG, "provider.timeout", "fell silent for 400ms"),
            (vec![Act::Hang], SHORT, "provider.timeout", "did not begin to answer within 150ms"),
            ([vec![sse()], drip].concat(), SHORT, "provider.timeout", "did not finish its answer within 150ms"),
            (vec![sse(), send(event), send("data: {oh\n\n")], LONG, "provider.invalid", "not JSON"),
        ] {
            let error = answer_of(model, acts, limit).await.error();
            assert!(error.starts_with(kind) && error.contains(expected), "{model}: {error}");
        }
    }
}

#[tokio::test]
async fn slow_is_not_broken() {
    let mut acts = vec![sse()];
    acts.extend((0..8).flat_map(|_| [send(EVENT), Act::Wait(100)]));
    acts.push(send("data: [DONE]\n\n"));
    assert_eq!(answer(acts, LONG).await.text(), "twelve chars".repeat(8));
}

#[tokio::test]
async fn cancellation_closes_the_connection() {
    for (model, acts) in [
        ("openai/m", vec![Act::Hang]),
        ("openai/m", vec![sse(), send(EVENT), Act::Hang]),
        ("anthropic/m", vec![sse(), send(ANTHROPIC), Act::Hang]),
        ("gemini/m", vec![sse(), send(GEMINI), Act::Hang]),
        ("ollama/m", vec![head("200 OK", "application/x-ndjson", ""), send(LINE), Act::Hang]),
    ] {
        let mut server = Server::start(acts).await;
        let request = request_to(&server.url, model);
        let cancel = CancellationToken::new();
        let stop = cancel.clone();
        let (outcome, cancelled) = tokio::join!(
            async {
                let outcome = ask_until(&registry(None), &request, &cancel).await;
                (outcome, Instant::now())
            },
            async {
                server.received().await;
                tokio::time::sleep(Duration::from_millis(100)).await;
                stop.cancel();
                Instant::now()
            }
        );
        assert_eq!(outcome.0.error(), "cancelled: the run was cancelled");
        assert!(outcome.1.duration_since(cancelled) < Duration::from_millis(500));
        server.client_gone().await;
    }
}

#[tokio::test]
async fn answers_are_bounded() {
    let long = format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n", "x".repeat(1 << 20));
    let outcome = answer(vec![sse(), send(&long), send("data: [DONE]\n\n")], LONG).await;
    assert_eq!(outcome.response().content.len(), 1 << 20);

    let error = answer(vec![sse(), send(long.repeat(3))], LONG).await.error();
    assert!(error.starts_with("provider.invalid: ") && error.ends_with("is larger than 2097152 bytes"), "{error}");
}

#[tokio::test]
async fn nothing_listens() {
    let outcome = ask(&registry(None), &request_to("http://127.0.0.1:1/v1", "openai/m")).await;
    assert!(outcome.error().starts_with("provider.unavailable: cannot reach openai at http://127.0.0.1:1: "));
    assert!(outcome.help().contains("port"));
    let error = ask(&registry(None), &request_to("http://no-such-host.invalid/v1", "openai/m")).await.error();
    assert!(error.starts_with("provider.unavailable: "), "{error}");
}

#[tokio::test]
async fn a_credential_that_cannot_be_sent() {
    let mut request = request_to("http://127.0.0.1:1", "openai/m");
    request.api_key = Some(aikit_runtime::ports::Secret::new("line\nbreak"));
    let error = ask(&registry(None), &request).await.error();
    assert_eq!(
        error,
        "provider.auth: the credential for openai at http://127.0.0.1:1 holds characters that cannot be sent"
    );
}
