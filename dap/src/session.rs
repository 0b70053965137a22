//! One client: its requests, each answered once, and the events of its run.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use aikit_runtime::debug::{DebugEvent, Move, Reason, Stopped};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{
    Launcher,
    breakpoints::{Breakpoints, Target},
    handles::{Handles, Owner, Wanted},
    run::Run,
    show,
};

/// Numbers the messages and hands them to the writer.
#[derive(Clone)]
pub struct Client {
    next: Arc<AtomicU64>,
    out: mpsc::UnboundedSender<Value>,
}

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
    handles: Handles,
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
            client: Client { next: Arc::default(), out },
            launcher,
            breakpoints: Breakpoints::default(),
            handles: Handles::default(),
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
                self.handles.clear();
                self.client.event("stopped", stopped(&at));
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
            "threads" => {
                let threads = self.run.as_ref().map(|run| run.debugger.threads()).unwrap_or_default();
                let shown = threads.iter().map(|(id, name)| json!({ "id": id, "name": name }));
                Ok(json!({ "threads": shown.collect::<Vec<_>>() }))
            }
            "stackTrace" => {
                let source = self.source();
                let debugger = self.held()?.debugger.clone();
                Ok(show::stack(&debugger, &mut self.handles, &source, arguments))
            }
            "scopes" => {
                let owner = self.frame(arguments)?;
                let debugger = self.held()?.debugger.clone();
                show::scopes(&debugger, &mut self.handles, owner).ok_or_else(|| "the frame is gone".into())
            }
            "variables" => self.variables(arguments).await,
            "evaluate" => self.evaluate(arguments).await,
            "setVariable" => self.set_variable(arguments).await,
            "completions" => {
                let owner = self.frame(arguments)?;
                let text = arguments["text"].as_str().unwrap_or_default();
                let column = arguments["column"].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(1);
                Ok(json!({ "targets": show::completions(&self.held()?.debugger, owner, text, column) }))
            }
            "exceptionInfo" => {
                let thread = arguments["threadId"].as_u64().unwrap_or(aikit_runtime::debug::MAIN);
                let found = show::exception(&self.held()?.debugger, thread);
                found.ok_or_else(|| "nothing has failed here".into())
            }
            "continue" => self.go(Move::On).map(|()| json!({ "allThreadsContinued": true })),
            "next" => self.go(Move::Next).map(|()| Value::Null),
            "stepIn" => self.go(Move::In).map(|()| Value::Null),
            "stepOut" => self.go(Move::Out).map(|()| Value::Null),
            "stepBack" => {
                let fine = arguments["granularity"] == "instruction";
                self.go(if fine { Move::BackIn } else { Move::Back }).map(|()| Value::Null)
            }
            "reverseContinue" => self.go(Move::BackOn).map(|()| Value::Null),
            "pause" => {
                self.run()?.debugger.pause();
                Ok(Value::Null)
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
            other => Err(format!("`{other}` is not supported")),
        }
    }

    fn run(&self) -> Result<&Run, String> {
        self.run.as_ref().ok_or_else(|| "nothing is launched".into())
    }

    fn held(&self) -> Result<&Run, String> {
        let run = self.run()?;
        if run.debugger.is_held() { Ok(run) } else { Err("the run does not stand still".into()) }
    }

    /// The frame that a request means: the innermost of what is looked at, if it names none.
    fn frame(&self, arguments: &Value) -> Result<Owner, String> {
        let debugger = &self.held()?.debugger;
        match arguments["frameId"].as_u64().and_then(|id| usize::try_from(id).ok()) {
            Some(id) => self.handles.owner(id).ok_or_else(|| "the frame is gone".into()),
            None => {
                let moment = debugger.looked_at().ok_or("the run does not stand still")?;
                Ok(Owner { moment, frame: 0 })
            }
        }
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
        self.handles.clear();
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

    fn go(&mut self, how: Move) -> Result<(), String> {
        let at = self.run()?.debugger.go(how)?;
        self.handles.clear();
        if let Some(at) = at {
            self.then.push(("stopped", stopped(&at)));
        }
        Ok(())
    }

    async fn evaluate(&mut self, arguments: &Value) -> Answer {
        let Owner { moment, frame } = self.frame(arguments)?;
        let debugger = self.held()?.debugger.clone();
        let text = arguments["expression"].as_str().unwrap_or_default();
        let value = debugger.evaluate(moment, frame, text).await?;
        Ok(Value::Object(self.handles.shown(&value)))
    }

    async fn variables(&mut self, arguments: &Value) -> Answer {
        let debugger = self.held()?.debugger.clone();
        let number = |name: &str| arguments[name].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let (reference, start, count) = (number("variablesReference"), number("start"), number("count"));
        if let Some(Wanted { owner, path, start, count }) = self.handles.wanted(reference, start, count) {
            // A script that went on cannot be asked any more: what was read is shown.
            if let Ok(shown) = debugger.page(owner.moment, owner.frame, path, start, count).await {
                let page = self.handles.page(reference, start, shown);
                return page.map(|page| json!({ "variables": page })).ok_or_else(|| "the value is gone".into());
            }
        }
        let indexed = arguments["filter"].as_str().map(|filter| filter == "indexed");
        let inside = self.handles.inside(reference, indexed, start, count);
        inside.map(|inside| json!({ "variables": inside })).ok_or_else(|| "the value is gone".into())
    }

    async fn set_variable(&mut self, arguments: &Value) -> Answer {
        let debugger = self.held()?.debugger.clone();
        let reference = arguments["variablesReference"].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let (name, value) =
            (arguments["name"].as_str().unwrap_or_default(), arguments["value"].as_str().unwrap_or_default());
        let is_name = |name: &str| {
            !name.is_empty()
                && !name.starts_with(|c: char| c.is_ascii_digit())
                && name.chars().all(|c| c.is_alphanumeric() || c == '_')
        };
        let owner = self.handles.owner_of(reference).filter(|_| is_name(name));
        let Some(Owner { moment, frame }) = owner.filter(|owner| debugger.is_live_script(owner.moment)) else {
            return Err("only the variables of a script that stands still can be changed".into());
        };
        debugger.evaluate(moment, frame, &format!("{name} = {value}")).await?;
        let value = debugger.evaluate(moment, frame, name).await?;
        let mut shown = self.handles.shown(&value);
        let text = shown.remove("result").unwrap_or_default();
        shown.insert("value".into(), text);
        Ok(Value::Object(shown))
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

fn stopped(at: &Stopped) -> Value {
    let reason = match at.reason {
        Reason::Entry => "entry",
        Reason::Step => "step",
        Reason::Breakpoint => "breakpoint",
        Reason::FunctionBreakpoint => "function breakpoint",
        Reason::Exception => "exception",
        Reason::Pause => "pause",
    };
    let mut body = json!({ "reason": reason, "threadId": at.thread, "allThreadsStopped": true });
    if let Some(text) = &at.text {
        body["text"] = json!(text);
    }
    if !at.hit.is_empty() {
        body["hitBreakpointIds"] = json!(at.hit);
    }
    body
}

fn capabilities() -> Value {
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
