//! `scripted/<file>`: answers and failures from a file.

use std::{fs, path::Path, time::Duration};

use aikit_runtime::ports::{Message, ModelRequest, Role, StopReason};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::support::{Outcome, ask, ask_until, registry, request};

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

async fn play(folder: &Path, model: &str, user: &str) -> Outcome {
    ask(&registry(Some(folder)), &request(model, user)).await
}

const SUPPORT: &str = r#"[
  { "match": { "contains": "REFUND" }, "json": { "category": "billing" }, "usage": { "input_tokens": 70, "output_tokens": 7 } },
  { "match": { "regex": "order \\d+", "turn": 0 }, "tool_calls": [{ "name": "lookup", "arguments": { "id": 7 } }, { "name": "broken", "arguments": "{\"id\":" }] },
  { "match": { "system": "pirate" }, "text": "Arr!" },
  { "text": "first" },
  { "text": "second", "stop": "length" },
  { "chunks": ["a b", "c"] }
]"#;

#[tokio::test]
async fn entries_are_chosen_by_match_and_by_turn() {
    let folder = folder(&[("support.script.json", SUPPORT), ("demo/deep.script.json", r#"[{ "text": "deep" }]"#)]);
    let registry = registry(Some(folder.path()));
    let turn = |n: usize, user: &str| {
        let mut request = request("scripted/support", user);
        for _ in 0..n {
            request.messages.push(Message::text(Role::Assistant, "…"));
            request.messages.push(Message::text(Role::User, user));
        }
        request
    };
    let said = async |request: ModelRequest| ask(&registry, &request).await.response().clone();

    let refund = said(turn(0, "I want a refund")).await;
    assert_eq!((refund.content.as_str(), refund.usage.output_tokens), (r#"{"category":"billing"}"#, 7));
    assert!(refund.simulated);

    let calls = said(turn(0, "Where is order 7?")).await;
    let shown: Vec<String> = calls.tool_calls.iter().map(|c| format!("{} {} {}", c.id, c.name, c.arguments)).collect();
    assert_eq!(shown, [r#"call_1 lookup {"id":7}"#, r#"call_2 broken "{\"id\":""#]);
    assert_eq!(calls.stop, StopReason::ToolCalls);

    let mut pirate = turn(1, "Hello");
    pirate.messages.insert(0, Message::text(Role::System, "You are a Pirate."));
    assert_eq!(said(pirate).await.content, "Arr!");

    assert_eq!(said(turn(0, "Hello")).await.content, "first");
    assert_eq!(said(turn(1, "order 7")).await.stop, StopReason::Length);
    let chunks = ask(&registry, &turn(2, "Hello")).await;
    assert_eq!((chunks.streamed.len(), chunks.text().as_str()), (2, "a bc"));

    let spent = ask(&registry, &turn(3, "Hello")).await;
    assert_eq!(
        spent.error(),
        "provider.invalid: the script `support` has no answer for turn 4: no `match` holds, and 3 of its entries have none"
    );
    for name in ["scripted/demo/deep", "scripted/demo/deep.script.json"] {
        assert_eq!(play(folder.path(), name, "").await.response().content, "deep");
    }
}

#[tokio::test]
async fn failures() {
    for (entry, streamed, expected, wait) in [
        (r#"{ "error": { "kind": "refusal", "message": "I must not." } }"#, "", "provider.refusal: I must not.", None),
        (
            r#"{ "error": { "kind": "provider.rate_limit", "retry_after_ms": 1200 } }"#,
            "",
            "provider.rate_limit: simulated: provider.rate_limit",
            Some(1200),
        ),
        (
            r#"{ "text": "The answer is", "error": { "kind": "unavailable" } }"#,
            "The answer is",
            "provider.unavailable: simulated: provider.unavailable after 4 tokens",
            None,
        ),
        (r#"{ "error": { "kind": "timeout" } }"#, "", "provider.timeout: simulated: provider.timeout", None),
    ] {
        let folder = folder(&[("x.script.json", &format!("[{entry}]"))]);
        let outcome = play(folder.path(), "scripted/x", "hi").await;
        assert_eq!(outcome.error(), expected);
        assert_eq!(outcome.text(), streamed);
        let waits = outcome.result.unwrap_err().retry_after.map(|wait| wait.as_millis());
        assert_eq!(waits, wait, "{entry}");
    }
    let folder = folder(&[("x.script.json", r#"[{ "text": "{\"category\": " }]"#)]);
    assert_eq!(play(folder.path(), "scripted/x", "hi").await.text(), "{\"category\": ");
}

#[tokio::test]
async fn delays_run_into_the_timeout_and_can_be_cancelled() {
    let folder =
        folder(&[("x.script.json", r#"[{ "text": "one two three", "delay_ms": 20, "chunk_delay_ms": 60000 }]"#)]);
    let mut slow = request("scripted/x", "hi");
    slow.timeout = Duration::from_millis(120);
    let outcome = ask(&registry(Some(folder.path())), &slow).await;
    assert_eq!(outcome.error(), "provider.timeout: scripted/x did not finish its answer within 120ms");
    assert_eq!(outcome.text(), "one ");

    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(80)).await;
        stop.cancel();
    });
    let outcome = ask_until(&registry(Some(folder.path())), &request("scripted/x", "hi"), &cancel).await;
    assert_eq!(outcome.error(), "cancelled: the run was cancelled");
}

#[tokio::test]
async fn names_do_not_lead_outside() {
    let root = folder(&[("secret.script.json", r#"[{ "text": "secret" }]"#), ("scripts/ok.script.json", "[]")]);
    let scripts = root.path().join("scripts");
    #[cfg(unix)]
    std::os::unix::fs::symlink(root.path().join("secret.script.json"), scripts.join("link.script.json")).unwrap();
    let absolute = format!("scripted/{}/secret", root.path().display());
    for model in [
        "scripted/../secret",
        "scripted/./../secret",
        "scripted/a/../../secret",
        "scripted/link",
        "scripted/",
        &absolute,
        "scripted/..\\secret",
    ] {
        let outcome = play(&scripts, model, "").await;
        assert!(outcome.error().starts_with("provider.invalid: "), "{model}: {}", outcome.error());
        assert!(!outcome.error().contains(&root.path().display().to_string()) || model == absolute);
    }
}

#[tokio::test]
async fn mistakes_in_a_script_are_told() {
    let error = async |text: &str| {
        let folder = folder(&[("x.script.json", text)]);
        play(folder.path(), "scripted/x", "hi").await.error()
    };
    for (text, expected) in [
        ("{}", "cannot be read: invalid type: map, expected a sequence at line 1 column 0"),
        (r#"[{ "txet": "a" }]"#, "unknown field `txet`"),
        (r#"[{}]"#, "says nothing in entry 1"),
        (r#"[{ "text": "a", "json": 1 }]"#, "has both `text` and `json` in entry 1"),
        (r#"[{ "text": "ab", "chunks": ["a"] }]"#, "do not add up"),
        (r#"[{ "match": { "regex": "(" }, "text": "a" }]"#, "`(` is not a regular expression"),
        (r#"[{ "error": { "kind": "lazy" } }]"#, "`lazy` is no kind of provider error; known are auth, rate_limit"),
    ] {
        let error = error(text).await;
        assert!(error.starts_with("provider.invalid: the script `x` ") && error.contains(expected), "{text}\n{error}");
    }
    let folder = folder(&[("a.script.json", "[]"), ("b.script.json", "[]")]);
    let missing = play(folder.path(), "scripted/c", "").await;
    assert_eq!(missing.help(), "Known are: auto, a, b.");
    let unset = ask(&registry(None), &request("scripted/c", "")).await;
    assert!(unset.help().contains("scripted/auto"));
}
