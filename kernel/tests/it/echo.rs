//! An engine for tests: each line of a cell is a command.
//!
//! | line | does |
//! |---|---|
//! | `print TEXT`, `eprint TEXT` | a line on stdout, on stderr |
//! | `flood BYTES LINE` | lines on stdout until that many bytes are out |
//! | `display MIME TEXT` | a rich output |
//! | `show ID TEXT`, `update ID TEXT` | an output with an id, its update |
//! | `clear`, `clear wait` | clears the outputs |
//! | `input PROMPT`, `password PROMPT` | asks and prints the answer |
//! | `sleep MS` | waits, ends at once when interrupted |
//! | `set NAME JSON` | sets a shared value |
//! | `page TEXT` | text for the pager |
//! | `fail TEXT` | ends with an error |
//! | `panic TEXT` | panics |
//! | anything else | is the result |

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use aikit_core::{Language, Scope, TenantId, UserId, record::HistoryEntry};
use aikit_runtime::{
    cell::{
        CellEngine, CellError, CellEvent, CellIo, CellOutcome, CellRequest, HistoryQuery, InputError, MimeBundle,
        Stream,
    },
    ports::{Completeness, Inspection, ScriptCompletion, Vars},
};
use async_trait::async_trait;
use serde_json::{Map, json};
use tokio_util::sync::CancellationToken;

/// The engine.
pub struct Echo {
    scope: Scope,
    vars: Vars,
    history: Mutex<Vec<HistoryEntry>>,
}

impl Echo {
    /// A fresh one.
    pub fn new() -> Arc<Self> {
        let tenant = TenantId::new("echo").expect("a slug");
        let user = UserId::new("tester").expect("a name");
        Arc::new(Self { scope: Scope::new(tenant, user), vars: Vars::default(), history: Mutex::default() })
    }
}

fn error(ename: &str, evalue: &str) -> Box<CellError> {
    Box::new(CellError {
        ename: ename.to_owned(),
        evalue: evalue.to_owned(),
        traceback: vec![format!("{ename}: {evalue}")],
        diagnostics: Vec::new(),
        trace: Vec::new(),
        cause: None,
    })
}

fn bundle(mime: &str, text: &str) -> MimeBundle {
    let mut data = MimeBundle::from([("text/plain".to_owned(), json!(text))]);
    data.insert(mime.to_owned(), json!(text));
    data
}

async fn run(
    echo: &Echo,
    line: &str,
    io: &dyn CellIo,
    cancel: &CancellationToken,
    outcome: &mut (Option<MimeBundle>, Option<String>),
) -> Result<(), Box<CellError>> {
    let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
    let text = |stream, text: &str| io.emit(CellEvent::Stream { stream, text: format!("{text}\n") });
    let display = |data, id: Option<&str>, update| {
        io.emit(CellEvent::Display { data, metadata: Map::new(), id: id.map(str::to_owned), update });
    };
    match command {
        "print" => text(Stream::Stdout, rest),
        "eprint" => text(Stream::Stderr, rest),
        "flood" => {
            let (bytes, line) = rest.split_once(' ').unwrap_or((rest, "x"));
            let mut left: usize = bytes.parse().expect("a number");
            while left > 0 && !cancel.is_cancelled() {
                text(Stream::Stdout, line);
                left = left.saturating_sub(line.len() + 1);
                tokio::task::consume_budget().await;
            }
        }
        "display" => {
            let (mime, content) = rest.split_once(' ').unwrap_or((rest, ""));
            display(bundle(mime, content), None, false);
        }
        "show" | "update" => {
            let (id, content) = rest.split_once(' ').unwrap_or((rest, ""));
            display(bundle("text/plain", content), Some(id), command == "update");
        }
        "clear" => io.emit(CellEvent::Clear { wait: rest == "wait" }),
        "input" | "password" => match io.input(rest, command == "password").await {
            Ok(answer) => text(Stream::Stdout, &answer),
            Err(InputError::Interrupted) => return Err(error("KeyboardInterrupt", "interrupted")),
            Err(refused) => return Err(error("InputError", &refused.to_string())),
        },
        "sleep" => {
            let wait = Duration::from_millis(rest.parse().expect("a number"));
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = cancel.cancelled() => return Err(error("KeyboardInterrupt", "interrupted")),
            }
        }
        "set" => {
            let (name, value) = rest.split_once(' ').expect("a name and a value");
            echo.vars.set(name, serde_json::from_str(value).expect("JSON"));
        }
        "page" => outcome.1 = Some(rest.to_owned()),
        "fail" => return Err(error("EchoError", rest)),
        "panic" => panic!("{rest}"),
        "" => {}
        _ => outcome.0 = Some(MimeBundle::from([("text/plain".to_owned(), json!(line))])),
    }
    Ok(())
}

#[async_trait]
impl CellEngine for Echo {
    fn scope(&self) -> &Scope {
        &self.scope
    }

    async fn execute(&self, request: CellRequest, io: Arc<dyn CellIo>, cancel: CancellationToken) -> CellOutcome {
        let mut outcome = (None, None);
        for line in request.code.lines() {
            if let Err(error) = run(self, line, &*io, &cancel, &mut outcome).await {
                return CellOutcome::Err(error);
            }
        }
        CellOutcome::Ok { result: outcome.0, page: outcome.1 }
    }

    async fn evaluate(
        &self,
        expression: &str,
        _language: Language,
        _cancel: CancellationToken,
    ) -> Result<MimeBundle, CellError> {
        match expression.split_once(' ') {
            Some(("fail", text)) => Err(*error("EchoError", text)),
            Some(("panic", text)) => panic!("{text}"),
            _ => Ok(bundle("text/plain", expression)),
        }
    }

    async fn complete_script(&self, _language: Language, code: &str, cursor: usize) -> Vec<ScriptCompletion> {
        let word: String = code[..cursor].chars().rev().take_while(|c| c.is_alphanumeric()).collect();
        let word: String = word.chars().rev().collect();
        ["print", "page", "panic"]
            .into_iter()
            .filter(|command| command.starts_with(&word))
            .map(|command| ScriptCompletion { text: command.to_owned(), kind: "function".to_owned() })
            .collect()
    }

    async fn inspect_script(&self, _language: Language, code: &str, cursor: usize) -> Option<Inspection> {
        let rest = if cursor == code.len() { code } else { &code[cursor..] };
        (!rest.is_empty()).then(|| Inspection {
            expression: rest.to_owned(),
            ty: "command".to_owned(),
            text: format!("echoes {rest}"),
            doc: None,
        })
    }

    async fn is_complete_script(&self, _language: Language, code: &str) -> Completeness {
        match code {
            _ if code.ends_with('\\') => Completeness::Incomplete { indent: "  ".to_owned() },
            _ if code.starts_with('!') => Completeness::Invalid { message: "no command".to_owned(), line: Some(1) },
            _ => Completeness::Complete,
        }
    }

    async fn agent_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn vars(&self) -> Vars {
        self.vars.clone()
    }

    async fn add_history(&self, line: i64, input: &str, output: Option<&str>) {
        let entry = HistoryEntry { session: 1, line, input: input.to_owned(), output: output.map(str::to_owned) };
        self.history.lock().expect("no panic holds it").push(entry);
    }

    async fn history(&self, query: HistoryQuery) -> Vec<HistoryEntry> {
        let all = self.history.lock().expect("no panic holds it").clone();
        match query {
            HistoryQuery::Tail { n } => all[all.len().saturating_sub(n as usize)..].to_vec(),
            HistoryQuery::Range { start, stop, .. } => {
                let within = |entry: &HistoryEntry| entry.line >= start && stop.is_none_or(|stop| entry.line < stop);
                all.into_iter().filter(within).collect()
            }
            HistoryQuery::Search { pattern, n, unique } => {
                let needle = pattern.trim_matches('*');
                let mut found: Vec<HistoryEntry> = Vec::new();
                for entry in all.into_iter().rev() {
                    let again = unique && found.iter().any(|one| one.input == entry.input);
                    if entry.input.contains(needle) && !again && found.len() < n as usize {
                        found.insert(0, entry);
                    }
                }
                found
            }
        }
    }

    async fn shutdown(&self) {}
}
