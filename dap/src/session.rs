//! One client: its requests, each answered once, and the events of its run.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use aikit_runtime::debug::{DebugEvent, Frame};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{
    Launcher,
    breakpoints::{Breakpoints, Target},
    run::Run,
    view::{self, View},
};

/// Numbers the messages and hands them to the writer.
#[derive(Clone)]
pub struct Client {
    next: Arc<AtomicU64>,
    out: mpsc::UnboundedSender<Value>,
    /// Whether the client shows progress, and whether some is under way.
    shows_progress: Arc<AtomicBool>,
    works: Arc<AtomicBool>,
}

/// The one progress of a session: its run.
const PROGRESS: &str = "run";

impl Client {
    fn send(&self, mut message: Value) {
        message["seq"] = json!(self.next.fetch_add(1, Ordering::SeqCst) + 1);
        // Without a writer the session is ending.
        let _ = self.out.send(message);
    }

    /// Sends an event.
    pub fn event(&self, event: &str, body: Value) {
        self.send(json!({ "type": "event", "event": event, "body": body }));
    }

    /// Says that the run works, to a client that shows progress.
    pub fn working(&self, title: &str) {
        if self.shows_progress.load(Ordering::SeqCst) && !self.works.swap(true, Ordering::SeqCst) {
            self.event("progressStart", json!({ "progressId": PROGRESS, "title": title, "cancellable": false }));
        }
    }

    /// Says what it works on.
    pub fn works_on(&self, what: &str) {
        if self.works.load(Ordering::SeqCst) {
            self.event("progressUpdate", json!({ "progressId": PROGRESS, "message": what }));
        }
    }

    /// Says that it stands still or has ended.
    pub fn rests(&self) {
        if self.works.swap(false, Ordering::SeqCst) {
            self.event("progressEnd", json!({ "progressId": PROGRESS }));
        }
    }

    /// Sends a text that the client shows.
    pub fn output(&self, category: &str, text: &str) {
        self.event("output", json!({ "category": category, "output": text }));
    }
}

/// What a request comes to.
type Answer = Result<Value, String>;

/// The debugging session of one client.
pub struct Session {
    client: Client,
    launcher: Arc<dyn Launcher>,
    breakpoints: Breakpoints,
    view: View,
    run: Option<Run>,
    /// The arguments of the last launch.
    arguments: Value,
    configured: bool,
    /// Events that follow the answer.
    then: Vec<(&'static str, Value)>,
}

impl Session {
    /// A session whose messages go to `out`.
    pub fn new(out: mpsc::UnboundedSender<Value>, launcher: Arc<dyn Launcher>) -> Self {
        Self {
            client: Client { next: Arc::default(), out, shows_progress: Arc::default(), works: Arc::default() },
            launcher,
            breakpoints: Breakpoints::default(),
            view: View::default(),
            run: None,
            arguments: Value::Null,
            configured: false,
            then: Vec::new(),
        }
    }

    /// Takes a message; whether the session goes on.
    pub async fn take(&mut self, message: Value) -> bool {
        if message["type"] != "request" {
            return true;
        }
        let command = message["command"].as_str().unwrap_or_default().to_owned();
        let answer = self.answer(&command, &message["arguments"]).await;
        let mut response = json!({
            "type": "response", "request_seq": message["seq"].as_i64().unwrap_or(0), "command": command,
            "success": answer.is_ok(),
        });
        match answer {
            Ok(Value::Null) => {}
            Ok(body) => response["body"] = body,
            Err(message) => {
                response["message"] = json!(message);
                response["body"] = json!({ "error": { "id": 1, "format": message, "showUser": true } });
            }
        }
        self.client.send(response);
        for (event, body) in std::mem::take(&mut self.then) {
            self.client.event(event, body);
        }
        if let Some(run) = self.run.as_mut().filter(|run| self.configured && !run.started()) {
            run.start(&self.client);
        }
        command != "disconnect"
    }

    /// A message that could not be read has no number that could be answered.
    pub fn unreadable(&self, error: &str) {
        self.client.output("important", &format!("a message was not JSON and was passed over: {error}\n"));
    }

    /// Waits for the next event of the run and passes it on.
    pub async fn event(&mut self) {
        let told = match &mut self.run {
            Some(run) => run.told.recv().await,
            None => None,
        };
        match told {
            Some(DebugEvent::Stopped(at)) => {
                self.view.forget();
                self.client.rests();
                self.client.event("stopped", view::stopped(&at));
            }
            Some(DebugEvent::Output { text, line }) => {
                let source = self.source();
                let body =
                    json!({ "category": "console", "output": format!("{text}\n"), "line": line, "source": source });
                self.client.event("output", body);
            }
            Some(DebugEvent::ThreadStarted(id)) => {
                self.client.event("thread", json!({ "reason": "started", "threadId": id }));
            }
            Some(DebugEvent::ThreadEnded(id)) => {
                self.client.event("thread", json!({ "reason": "exited", "threadId": id }));
            }
            None => std::future::pending().await,
        }
    }

    /// Ends the run, and says no more.
    pub async fn end(&mut self) {
        if let Some(run) = self.run.take() {
            run.replace().await;
        }
    }

    async fn answer(&mut self, command: &str, arguments: &Value) -> Answer {
        match command {
            "initialize" => {
                let shows = arguments["supportsProgressReporting"].as_bool().unwrap_or(false);
                self.client.shows_progress.store(shows, Ordering::SeqCst);
                self.then.push(("initialized", json!({})));
                Ok(capabilities())
            }
            "launch" => self.launch(arguments).await,
            "attach" => Err("there is nothing to attach to: launch a document or a recorded run".into()),
            "configurationDone" => {
                self.configured = true;
                Ok(Value::Null)
            }
            "restart" => self.restart(arguments).await,
            "setBreakpoints" => {
                let target = self.run.as_ref().map(target);
                let shown = self.breakpoints.set_lines(arguments, target.as_ref());
                self.apply();
                Ok(shown)
            }
            "setFunctionBreakpoints" => {
                let target = self.run.as_ref().map(target);
                let shown = self.breakpoints.set_names(arguments, target.as_ref());
                self.apply();
                Ok(shown)
            }
            "setExceptionBreakpoints" => {
                let shown = self.breakpoints.set_filters(arguments);
                self.apply();
                Ok(shown)
            }
            "breakpointLocations" => {
                let number = |name: &str| arguments[name].as_u64().and_then(|line| u32::try_from(line).ok());
                let from = number("line").ok_or("`line` must be a line")?;
                let to = number("endLine").unwrap_or(from);
                let lines = self.run()?.sites.between(from, to);
                Ok(json!({ "breakpoints": lines.iter().map(|line| json!({ "line": line })).collect::<Vec<_>>() }))
            }
            "loadedSources" => Ok(json!({ "sources": [self.source()] })),
            "source" => Ok(json!({ "content": self.run()?.program.text, "mimeType": "text/yaml" })),
            "terminate" => {
                match &self.run {
                    Some(run) if run.started() => run.debugger.terminate(),
                    _ => self.then.push(("terminated", json!({}))),
                }
                Ok(Value::Null)
            }
            "disconnect" => {
                if let Some(run) = &self.run {
                    run.debugger.terminate();
                }
                Ok(Value::Null)
            }
            // Every request is answered in its turn, so there is nothing left to be cancelled.
            "cancel" => Ok(Value::Null),
            other => {
                let Some(run) = &self.run else {
                    let known = view::COMMANDS.contains(&other);
                    return match other {
                        "threads" => Ok(json!({ "threads": [] })),
                        _ if known => Err("nothing is launched".into()),
                        _ => Err(format!("`{other}` is not supported")),
                    };
                };
                let source = source(run);
                let place = |frame: &Frame| (source.clone(), frame.line);
                let held = run.debugger.is_held();
                let answer = self.view.answer(&run.debugger, &place, other, arguments).await;
                if held && !run.debugger.is_held() {
                    self.client.working(&run.program.name);
                }
                self.then.append(&mut self.view.then);
                answer
            }
        }
    }

    fn run(&self) -> Result<&Run, String> {
        self.run.as_ref().ok_or_else(|| "nothing is launched".into())
    }

    async fn launch(&mut self, arguments: &Value) -> Answer {
        if self.run.is_some() {
            return Err("a run is launched already".into());
        }
        let path = arguments["program"].as_str();
        let program = match (arguments["run"].as_str(), path) {
            (Some(run), path) => self.launcher.recorded(run, path).await,
            (None, Some(path)) => self.launcher.program(path).await,
            (None, None) => return Err("`program` must name the document, or `run` a recorded run".into()),
        };
        let program = program.map_err(|error| match error.help {
            Some(help) => format!("{}\n{help}", error.message),
            None => error.message,
        })?;
        let run = Run::new(program, arguments);
        let target = target(&run);
        self.breakpoints.apply(&run.debugger, &target);
        // What was set before the document was known has a place now.
        let placed = self.breakpoints.all(&target);
        self.then.extend(
            placed.into_iter().map(|shown| ("breakpoint", json!({ "reason": "changed", "breakpoint": shown }))),
        );
        self.then.push(("process", json!({ "name": run.program.name, "startMethod": "launch" })));
        drop(target);
        self.arguments = arguments.clone();
        self.run = Some(run);
        Ok(Value::Null)
    }

    async fn restart(&mut self, arguments: &Value) -> Answer {
        let Some(run) = self.run.take() else { return Err("nothing is launched".into()) };
        run.replace().await;
        self.view.forget();
        let arguments = match &arguments["arguments"] {
            Value::Object(_) => arguments["arguments"].clone(),
            _ => self.arguments.clone(),
        };
        self.launch(&arguments).await
    }

    fn apply(&self) {
        if let Some(run) = &self.run {
            self.breakpoints.apply(&run.debugger, &target(run));
        }
    }

    fn source(&self) -> Value {
        self.run.as_ref().map(source).unwrap_or_else(|| json!({}))
    }
}

fn target(run: &Run) -> Target<'_> {
    let path = run.program.path.as_deref().unwrap_or(&run.program.name);
    Target { sites: &run.sites, path, source: source(run) }
}

fn source(run: &Run) -> Value {
    let program = &run.program;
    match &program.path {
        Some(path) => json!({ "name": program.name, "path": path }),
        // A document without a file is asked for by number.
        None => json!({ "name": program.name, "sourceReference": 1 }),
    }
}

/// What the adapter can do.
pub fn capabilities() -> Value {
    json!({
        "supportsConfigurationDoneRequest": true,
        "supportsConditionalBreakpoints": true,
        "supportsHitConditionalBreakpoints": true,
        "supportsLogPoints": true,
        "supportsFunctionBreakpoints": true,
        "supportsBreakpointLocationsRequest": true,
        "supportsEvaluateForHovers": true,
        "supportsStepBack": true,
        "supportsSteppingGranularity": true,
        "supportsSetVariable": true,
        "supportsSetExpression": true,
        "supportsRestartFrame": true,
        "supportsGotoTargetsRequest": true,
        "supportsCompletionsRequest": true,
        "supportsRestartRequest": true,
        "supportsTerminateRequest": true,
        "supportsCancelRequest": true,
        "supportsLoadedSourcesRequest": true,
        "supportsExceptionInfoRequest": true,
        "exceptionBreakpointFilters": [
            {
                "filter": "failed", "label": "Steps that fail", "default": false,
                "description": "Stops where a step or a script has failed, before `on_error` is looked at.",
            },
            {
                "filter": "uncaught", "label": "Uncaught failures", "default": true,
                "description": "Stops where a step or a script has failed and no `on_error` around it takes the error.",
            },
            {
                "filter": "raised", "label": "Errors that scripts throw", "default": false,
                "description": "Stops where JavaScript throws, also where the script itself catches the error.",
            },
        ],
    })
}
