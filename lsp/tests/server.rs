//! The server over a pipe in memory, driven by a client that speaks the wire format.

use std::{sync::Arc, time::Duration};

use aikit_core::Diagnostic;
use aikit_lsp::{Analysis, Snapshot, Surroundings};
use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf},
    task::JoinHandle,
    time::timeout,
};

struct Language;

#[async_trait]
impl Analysis for Language {
    fn setting(&self, _: &std::path::Path, _: &[std::path::PathBuf]) -> aikit_lsp::Setting {
        aikit_lsp::Setting::default()
    }

    async fn findings(&self, snapshot: &Snapshot) -> Vec<Diagnostic> {
        snapshot.diagnostics().to_vec()
    }

    async fn surroundings(&self) -> Surroundings {
        Surroundings { agents: vec!["greeter".into()], ..Surroundings::default() }
    }
}

const URI: &str = "file:///a.agent.yaml";
const TEXT: &str = "identity:\n  agent_id: a\n  name: A\nbehavior:\n  steps:\n    - name: one\n      llm: Hi 😀\n    - name: two\n      when: steps.one.output == 'x'\n      llm: 'Say {{ steps.one.output }}'\n";

struct Client {
    from: BufReader<ReadHalf<DuplexStream>>,
    to: WriteHalf<DuplexStream>,
    next: i64,
    passed: Vec<Value>,
    server: JoinHandle<()>,
}

impl Client {
    async fn start(buffer: usize, capabilities: Value) -> (Self, Value) {
        Self::in_folders(buffer, capabilities, Value::Null).await
    }

    async fn in_folders(buffer: usize, capabilities: Value, folders: Value) -> (Self, Value) {
        let (ours, theirs) = tokio::io::duplex(buffer);
        let (input, output) = tokio::io::split(theirs);
        let server = tokio::spawn(aikit_lsp::serve(input, output, Arc::new(Language)));
        let (from, to) = tokio::io::split(ours);
        let mut client = Self { from: BufReader::new(from), to, next: 0, passed: Vec::new(), server };
        let about =
            client.ask("initialize", json!({ "capabilities": capabilities, "workspaceFolders": folders })).await;
        client.tell("initialized", json!({})).await;
        (client, about["result"].clone())
    }

    async fn write(&mut self, message: Value) {
        let body = message.to_string();
        let frame = format!("Content-Length: {}\r\n\r\n{body}", body.len());
        self.to.write_all(frame.as_bytes()).await.unwrap();
    }

    async fn read(&mut self) -> Value {
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.from.read_line(&mut line).await.unwrap();
            match line.trim_end() {
                "" => break,
                header => {
                    if let Some(value) = header.strip_prefix("Content-Length: ") {
                        length = value.parse().unwrap();
                    }
                }
            }
        }
        let mut body = vec![0; length];
        self.from.read_exact(&mut body).await.unwrap();
        serde_json::from_slice(&body).unwrap()
    }

    async fn tell(&mut self, method: &str, params: Value) {
        self.write(json!({ "jsonrpc": "2.0", "method": method, "params": params })).await;
    }

    async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let id = self.next;
        self.write(json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })).await;
        loop {
            let message = timeout(Duration::from_secs(10), self.read()).await.expect(method);
            if message["id"] == id {
                return message;
            }
            self.passed.push(message);
        }
    }

    async fn result(&mut self, method: &str, params: Value) -> Value {
        let answer = self.ask(method, params).await;
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].clone()
    }

    async fn published(&mut self) -> Value {
        loop {
            let found = self.passed.iter().position(|m| m["method"] == "textDocument/publishDiagnostics");
            if let Some(at) = found {
                return self.passed.remove(at)["params"].clone();
            }
            let message = timeout(Duration::from_secs(10), self.read()).await.expect("findings");
            self.passed.push(message);
        }
    }

    async fn open(&mut self, text: &str) {
        let document = json!({ "uri": URI, "languageId": "aikit", "version": 1, "text": text });
        self.tell("textDocument/didOpen", json!({ "textDocument": document })).await;
    }

    async fn change(&mut self, version: i64, changes: Value) {
        let document = json!({ "uri": URI, "version": version });
        self.tell("textDocument/didChange", json!({ "textDocument": document, "contentChanges": changes })).await;
    }
}

fn at(line: u32, character: u32) -> Value {
    json!({ "textDocument": { "uri": URI }, "position": { "line": line, "character": character } })
}

fn range(line: u32, start: u32, end: u32) -> Value {
    json!({ "start": { "line": line, "character": start }, "end": { "line": line, "character": end } })
}

#[tokio::test]
async fn findings_follow_the_text() {
    let (mut client, about) = Client::start(1 << 20, json!({})).await;
    assert_eq!(about["serverInfo"]["name"], "aikit");
    assert_eq!(about["capabilities"]["positionEncoding"], "utf-16");
    client.open(&TEXT.replace("agent_id", "agent_idd")).await;
    let findings = client.published().await;
    let first = &findings["diagnostics"][0];
    assert_eq!((&first["code"], &first["range"]), (&json!("AK0101"), &range(1, 2, 11)), "{findings}");
    let context = json!({ "diagnostics": [] });
    let asked = json!({ "textDocument": { "uri": URI }, "range": range(1, 3, 3), "context": context });
    let actions = client.result("textDocument/codeAction", asked).await;
    assert_eq!(actions[0]["title"], "Rename to `agent_id`", "{actions}");
    assert_eq!(actions[0]["edit"]["changes"][URI][0]["newText"], "agent_id");
    client.change(2, json!([{ "range": range(1, 2, 11), "text": "agent_id" }])).await;
    let findings = client.published().await;
    assert_eq!((&findings["version"], &findings["diagnostics"]), (&json!(2), &json!([])));
    // Behind a character of two UTF-16 units, and with a line end of Windows.
    client
        .change(3, json!([{ "range": range(6, 16, 16), "text": "!\r" }, { "range": range(8, 18, 21), "text": "onee" }]))
        .await;
    let findings = client.published().await;
    assert_eq!(findings["diagnostics"][0]["range"], range(8, 18, 22), "{findings}");
    client.tell("textDocument/didClose", json!({ "textDocument": { "uri": URI } })).await;
    assert_eq!(client.published().await["diagnostics"], json!([]));
}

#[tokio::test]
async fn every_capability_answers() {
    let pulls =
        json!({ "general": { "positionEncodings": ["utf-8", "utf-16"] }, "textDocument": { "diagnostic": {} } });
    let (mut client, about) = Client::start(1 << 20, pulls).await;
    assert_eq!(about["capabilities"]["positionEncoding"], "utf-8");
    client.open(TEXT).await;
    let document = json!({ "textDocument": { "uri": URI } });
    let report = client.result("textDocument/diagnostic", document.clone()).await;
    assert_eq!((&report["kind"], &report["items"]), (&json!("full"), &json!([])));
    assert!(client.passed.is_empty(), "a client that pulls is not pushed to");

    let found = client.result("textDocument/completion", at(9, 26)).await;
    let labels: Vec<&str> = found.as_array().unwrap().iter().filter_map(|item| item["label"].as_str()).collect();
    assert!(labels.contains(&"one"), "{labels:?}");
    let hover = client.result("textDocument/hover", at(0, 2)).await;
    assert!(hover["contents"]["value"].as_str().unwrap().starts_with("**identity**"), "{hover}");
    let definition = client.result("textDocument/definition", at(8, 19)).await;
    assert_eq!(definition[0]["range"], range(5, 12, 15));
    let mut asked = at(5, 13);
    asked["context"] = json!({ "includeDeclaration": true });
    assert_eq!(client.result("textDocument/references", asked).await.as_array().unwrap().len(), 3);
    assert_eq!(client.result("textDocument/documentHighlight", at(5, 13)).await.as_array().unwrap().len(), 3);
    assert_eq!(client.result("textDocument/prepareRename", at(5, 13)).await, range(5, 12, 15));
    let mut rename = at(5, 13);
    rename["newName"] = json!("first");
    let edit = client.result("textDocument/rename", rename.clone()).await;
    assert_eq!(edit["changes"][URI].as_array().unwrap().len(), 3);
    rename["newName"] = json!("Not A Name");
    assert!(client.ask("textDocument/rename", rename).await["error"]["message"].is_string());
    let symbols = client.result("textDocument/documentSymbol", document.clone()).await;
    assert_eq!(symbols[1]["children"][1]["name"], "two", "{symbols}");
    let symbols = client.result("workspace/symbol", json!({ "query": "on" })).await;
    assert_eq!(symbols[0]["name"], "one");
    let lenses = client.result("textDocument/codeLens", document.clone()).await;
    assert_eq!(lenses[0]["command"]["command"], "aikit.run");
    assert!(client.result("textDocument/foldingRange", document.clone()).await.as_array().unwrap().len() >= 3);
    let mut asked = document.clone();
    asked["positions"] = json!([{ "line": 6, "character": 13 }]);
    let grown = client.result("textDocument/selectionRange", asked).await;
    assert!(grown[0]["parent"]["parent"].is_object(), "{grown}");
    let tokens = client.result("textDocument/semanticTokens/full", document.clone()).await;
    // `identity:` is a key at the start; `agent_id` one line below, two columns on.
    assert_eq!(tokens["data"].as_array().unwrap()[..10], [0, 0, 8, 0, 0, 1, 2, 8, 0, 0].map(Value::from));
    let mut asked = document.clone();
    asked["range"] = range(5, 0, 40);
    let part = client.result("textDocument/semanticTokens/range", asked.clone()).await;
    assert_eq!(part["data"][0], 5);
    asked["range"] = json!({ "start": { "line": 0, "character": 0 }, "end": { "line": 11, "character": 0 } });
    let hints = client.result("textDocument/inlayHint", asked).await;
    assert_eq!(hints[0]["label"], "type: workflow", "{hints}");
    let interface = client.result("aikit/interface", document.clone()).await;
    assert_eq!(interface, json!({ "agent": "a", "inputs": { "type": "object" }, "examples": [], "cases": [] }));
    let graph = client.result("aikit/graph", document.clone()).await;
    assert_eq!((&graph[0]["name"], &graph[1]["kind"]), (&json!("one"), &json!("llm")));

    let script = "identity: {agent_id: a, name:   A} # https://example.org/a\nbehavior:\n  steps:\n    - name: one\n      script: {lua: \"ctx.log.info('x', \"}\n";
    client.change(2, json!([{ "text": script }])).await;
    let help = client.result("textDocument/signatureHelp", at(4, 39)).await;
    assert_eq!(help["signatures"][0]["activeParameter"], 1, "{help}");
    let links = client.result("textDocument/documentLink", document.clone()).await;
    assert_eq!(links[0]["target"], "https://example.org/a");
    let mut asked = document.clone();
    asked["options"] = json!({ "tabSize": 2, "insertSpaces": true });
    let laid_out = client.result("textDocument/formatting", asked).await;
    assert!(laid_out[0]["newText"].as_str().unwrap().contains("name: A}"), "{laid_out}");
    client.result("shutdown", Value::Null).await;
    client.tell("exit", Value::Null).await;
    timeout(Duration::from_secs(5), client.server).await.unwrap().unwrap();
}

#[tokio::test]
async fn agents_are_known_across_the_files_of_a_workspace() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    let uri = |name: &str| format!("file://{}", path(name).display());
    let helper = "identity:\n  agent_id: helper\n  name: Helper\n";
    let caller =
        "identity:\n  agent_id: caller\n  name: Caller\nbehavior:\n  steps:\n    - name: ask\n      agent: helper\n";
    std::fs::write(path("helper.yaml"), helper).unwrap();
    std::fs::write(path("caller.yaml"), caller).unwrap();
    let capabilities = json!({
        "window": { "workDoneProgress": true },
        "workspace": { "didChangeWatchedFiles": { "dynamicRegistration": true } },
        "textDocument": { "completion": { "completionItem": { "snippetSupport": true } } },
    });
    let folders = json!([{ "uri": uri(""), "name": "here" }]);
    let (mut client, _) = Client::in_folders(1 << 20, capabilities, folders).await;
    // The questions of the server come beside everything else; it does not wait for their answers.
    let document = json!({ "uri": uri("caller.yaml"), "languageId": "aikit", "version": 1, "text": caller });
    client.tell("textDocument/didOpen", json!({ "textDocument": document })).await;
    let place = json!({ "textDocument": { "uri": uri("caller.yaml") }, "position": { "line": 6, "character": 15 } });
    let mut definition = Value::Null;
    for _ in 0..200 {
        definition = client.result("textDocument/definition", place.clone()).await;
        if definition[0].is_object() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(definition, json!([{ "uri": uri("helper.yaml"), "range": range(1, 12, 18) }]));
    let mut rename = place.clone();
    rename["newName"] = json!("aide");
    let edit = client.result("textDocument/rename", rename).await;
    assert_eq!(edit["changes"][uri("helper.yaml")], json!([{ "range": range(1, 12, 18), "newText": "aide" }]));
    assert_eq!(edit["changes"][uri("caller.yaml")].as_array().unwrap().len(), 1);
    let symbols = client.result("workspace/symbol", json!({ "query": "HELP" })).await;
    assert_eq!(symbols[0]["location"]["uri"], uri("helper.yaml"));

    // What changes on the disk is seen when the client tells; what is open counts as it is open.
    std::fs::write(path("helper.yaml"), format!("# moved\n{helper}")).unwrap();
    std::fs::write(path("caller.yaml"), "").unwrap();
    let changes = json!([{ "uri": uri("helper.yaml"), "type": 2 }, { "uri": uri("caller.yaml"), "type": 2 }]);
    client.tell("workspace/didChangeWatchedFiles", json!({ "changes": changes })).await;
    let definition = client.result("textDocument/definition", place.clone()).await;
    assert_eq!(definition[0]["range"], range(2, 12, 18));
    std::fs::remove_file(path("helper.yaml")).unwrap();
    client
        .tell("workspace/didChangeWatchedFiles", json!({ "changes": [{ "uri": uri("helper.yaml"), "type": 3 }] }))
        .await;
    assert_eq!(client.result("textDocument/definition", place).await, json!([]));
    let asked: Vec<&str> = client.passed.iter().filter_map(|message| message["method"].as_str()).collect();
    assert!(asked.contains(&"client/registerCapability"), "{asked:?}");
    assert!(asked.contains(&"window/workDoneProgress/create"), "{asked:?}");
}

#[tokio::test]
async fn a_thousand_messages_in_any_order_are_answered_once() {
    let (mut client, _) = Client::start(64 << 20, json!({})).await;
    client.open(TEXT).await;
    let mut asked = Vec::new();
    for i in 0..1000_i64 {
        match i % 5 {
            0 => {
                let text = format!("{TEXT}# {i}\n");
                client.change(i + 2, json!([{ "text": text }])).await;
            }
            1 => {
                client
                    .change(i + 2, json!([{ "range": range(2, 8, 9), "text": if i % 2 == 0 { "" } else { "Ab" } }]))
                    .await
            }
            2 => {
                client.tell("textDocument/didClose", json!({ "textDocument": { "uri": URI } })).await;
                let cut: String = TEXT.chars().take((i as usize * 7) % 150).collect();
                client.open(&cut).await;
            }
            kind => {
                client.next += 1;
                let id = client.next;
                asked.push(id);
                let method = if kind == 3 { "textDocument/completion" } else { "textDocument/documentSymbol" };
                let line = (i % 12) as u32;
                client.write(json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": at(line, 4) })).await;
                if i % 7 == 0 {
                    client.tell("$/cancelRequest", json!({ "id": id })).await;
                }
            }
        }
    }
    while !asked.is_empty() {
        let message = timeout(Duration::from_secs(20), client.read()).await.expect("an answer to every request");
        if let Some(id) = message["id"].as_i64() {
            let place = asked.iter().position(|asked| *asked == id).expect("each request is answered once");
            asked.remove(place);
        }
    }
}

#[tokio::test]
async fn a_client_that_stops_reading_does_not_grow_the_server_without_end() {
    let (mut client, _) = Client::start(4096, json!({})).await;
    client.open(TEXT).await;
    // The pipe fills; the client goes away; the server ends.
    for i in 0..200_i64 {
        let wrote =
            timeout(Duration::from_millis(50), client.change(i + 2, json!([{ "text": "identity: [\n" }]))).await;
        if wrote.is_err() {
            break;
        }
    }
    let server = client.server;
    drop((client.from, client.to));
    timeout(Duration::from_secs(10), server).await.expect("the server ends with its client").unwrap();
}
