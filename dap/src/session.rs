//! One client: its requests, each answered once, and the events of the run.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use aikit_core::RunError;
use aikit_runtime::{
    cell::{CellEvent, Stream},
    engine::{RunOptions, RunReport},
    event::RunEvent,
};
use aikit_spec::plan::{BehaviorPlan, Plan, StepPlan};
use aikit_transport::frames;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Launcher, Program,
    control::{Breakpoint, Control, Told, evaluate},
};

/// Numbers the messages and hands them to the writer.
#[derive(Clone)]
struct Client {
    next: Arc<AtomicU64>,
    out: mpsc::UnboundedSender<Value>,
}

impl Client {
    fn send(&self, mut message: Value) {
        message["seq"] = json!(self.next.fetch_add(1, Ordering::SeqCst) + 1);
        // Without a writer the session is ending.
        let _ = self.out.send(message);
    }

    fn event(&self, event: &str, body: Value) {
        self.send(json!({ "type": "event", "event": event, "body": body }));
    }

    fn output(&self, category: &str, text: &str) {
        self.event("output", json!({ "category": category, "output": text }));
    }
}

/// What a request comes to.
type Answer = Result<Value, String>;

/// A program that was launched.
struct Launched {
    program: Program,
    path: String,
    inputs: Value,
    debug: bool,
}

struct Session {
    client: Client,
    launcher: Arc<dyn Launcher>,
    control: Arc<Control>,
    cancel: CancellationToken,
    launched: Option<Launched>,
    configured: bool,
    started: bool,
    next_breakpoint: u64,
    plan: Option<Arc<Plan>>,
    path: String,
    text: String,
}

/// Serves one client to its end.
pub async fn serve(
    input: impl AsyncRead + Unpin + Send,
    mut output: impl AsyncWrite + Unpin + Send + 'static,
    launcher: Arc<dyn Launcher>,
) {
    let (out, mut messages) = mpsc::unbounded_channel::<Value>();
    let writer = tokio::spawn(async move {
        while let Some(message) = messages.recv().await {
            if output.write_all(&frames::frame(&message)).await.is_err() || output.flush().await.is_err() {
                return;
            }
        }
    });
    let client = Client { next: Arc::default(), out };
    let (tell, mut told) = mpsc::unbounded_channel();
    let cancel = CancellationToken::new();
    let control = Arc::new(Control::new(tell, cancel.clone()));
    let mut session = Session {
        client: client.clone(),
        launcher,
        control,
        cancel: cancel.clone(),
        launched: None,
        configured: false,
        started: false,
        next_breakpoint: 1,
        plan: None,
        path: String::new(),
        text: String::new(),
    };
    let speaker = client.clone();
    let teller = tokio::spawn(async move {
        while let Some(told) = told.recv().await {
            match told {
                Told::Stopped(body) => speaker.event("stopped", body),
                Told::Output(text) => speaker.output("console", &format!("{text}\n")),
            }
        }
    });
    let mut input = BufReader::new(input);
    loop {
        match frames::read(&mut input).await {
            Ok(Some(message)) => {
                if !session.take(message).await {
                    break;
                }
            }
            Ok(None) => break,
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                client.output("important", &format!("a message was not JSON and was passed over: {error}\n"));
            }
            Err(_) => break,
        }
    }
    session.control.terminate();
    cancel.cancel();
    teller.abort();
    drop((session, client));
    // Everything that was said reaches a client that still listens.
    let _ = tokio::time::timeout(std::time::Duration::from_secs(1), writer).await;
}

impl Session {
    /// Takes a message; whether the session goes on.
    async fn take(&mut self, message: Value) -> bool {
        if message["type"] != "request" {
            return true;
        }
        let command = message["command"].as_str().unwrap_or_default().to_owned();
        let arguments = &message["arguments"];
        let answer = self.answer(&command, arguments).await;
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
        self.afterwards(&command).await;
        command != "disconnect"
    }

    /// What follows an answer, in the order that the protocol asks for.
    async fn afterwards(&mut self, command: &str) {
        match command {
            "initialize" => self.client.event("initialized", json!({})),
            "launch" | "configurationDone" if self.configured && !self.started => self.start(),
            _ => {}
        }
    }

    async fn answer(&mut self, command: &str, arguments: &Value) -> Answer {
        let moved = |stopped: Option<Value>| {
            if let Some(body) = stopped {
                self.client.event("stopped", body);
            }
        };
        let held = || if self.control.is_held() { Ok(()) } else { Err("the run does not stand still".to_owned()) };
        match command {
            "initialize" => Ok(capabilities()),
            "launch" => self.launch(arguments).await,
            "attach" => Err("there is nothing to attach to: launch a document".into()),
            "configurationDone" => {
                self.configured = true;
                Ok(Value::Null)
            }
            "setBreakpoints" => Ok(self.set_breakpoints(arguments)),
            "setFunctionBreakpoints" => Ok(self.set_functions(arguments)),
            "setExceptionBreakpoints" => {
                let filters = arguments["filters"].as_array().map_or(&[][..], Vec::as_slice);
                self.control.stop_on_errors(filters.iter().any(|filter| filter == "failed"));
                Ok(json!({ "breakpoints": filters.iter().map(|_| json!({ "verified": true })).collect::<Vec<_>>() }))
            }
            "threads" => Ok(json!({ "threads": [{ "id": 1, "name": "run" }] })),
            "stackTrace" => Ok(self.stack(arguments)),
            "scopes" => held().map(|()| self.scopes()),
            "variables" => {
                let number = |name: &str| arguments[name].as_u64().unwrap_or(0) as usize;
                let (reference, start, count) = (number("variablesReference"), number("start"), number("count"));
                let inside = self.control.with_variables(|variables| variables.inside(reference, start, count));
                inside.map(|inside| json!({ "variables": inside })).ok_or_else(|| "the value is gone".into())
            }
            "evaluate" => {
                let been = self.control.looked_at().ok_or("the run does not stand still")?;
                let text = arguments["expression"].as_str().unwrap_or_default();
                let value = evaluate(text, &been.site.scope)?;
                Ok(Value::Object(self.control.with_variables(|variables| variables.shown(&value))))
            }
            "exceptionInfo" => {
                let been = self.control.looked_at().ok_or("the run does not stand still")?;
                let error = been.error.ok_or("the step has not failed")?;
                Ok(json!({
                    "exceptionId": error.kind.code(), "description": error.message, "breakMode": "userUnhandled",
                    "details": { "message": error.message, "typeName": error.kind.code() },
                }))
            }
            "continue" => {
                held()?;
                moved(self.control.resume());
                Ok(json!({ "allThreadsContinued": true }))
            }
            "next" => held().map(|()| moved(self.control.next())).map(|()| Value::Null),
            "stepIn" => held().map(|()| moved(self.control.step_in())).map(|()| Value::Null),
            "stepOut" => held().map(|()| moved(self.control.step_out())).map(|()| Value::Null),
            "stepBack" => held().map(|()| moved(self.control.step_back())).map(|()| Value::Null),
            "reverseContinue" => held().map(|()| moved(self.control.reverse())).map(|()| Value::Null),
            "pause" => {
                self.control.pause();
                Ok(Value::Null)
            }
            "loadedSources" => Ok(json!({ "sources": [self.source()] })),
            "source" => Ok(json!({ "content": self.text, "mimeType": "text/yaml" })),
            "terminate" | "disconnect" => {
                self.control.terminate();
                Ok(Value::Null)
            }
            "cancel" => Ok(Value::Null),
            other => Err(format!("`{other}` is not supported")),
        }
    }

    async fn launch(&mut self, arguments: &Value) -> Answer {
        if self.launched.is_some() || self.started {
            return Err("a run is launched already".into());
        }
        let path = arguments["program"].as_str().ok_or("`program` must name the document")?.to_owned();
        let program = self.launcher.program(&path).await.map_err(|error| error.message)?;
        let debug = !arguments["noDebug"].as_bool().unwrap_or(false);
        if arguments["stopOnEntry"].as_bool().unwrap_or(false) {
            self.control.stop_on_entry();
        }
        let inputs = match &arguments["inputs"] {
            Value::Null => json!({}),
            inputs => inputs.clone(),
        };
        self.plan = Some(program.plan.clone());
        self.path.clone_from(&path);
        self.text.clone_from(&program.text);
        self.launched = Some(Launched { program, path, inputs, debug });
        Ok(Value::Null)
    }

    /// Begins the run, once it is launched and configured.
    fn start(&mut self) {
        let Some(Launched { program, path, inputs, debug }) = self.launched.take() else { return };
        self.started = true;
        let (client, cancel) = (self.client.clone(), self.cancel.clone());
        let (tokens, prints) = (client.clone(), client.clone());
        let control = self.control.clone();
        let options = RunOptions {
            observer: Some(Arc::new(move |event| {
                if let RunEvent::Token { text, .. } = event {
                    tokens.output("stdout", text);
                }
            })),
            output: Some(Arc::new(move |event| match event {
                CellEvent::Stream { stream: Stream::Stderr, text } => prints.output("stderr", &text),
                CellEvent::Stream { text, .. } => prints.output("stdout", &text),
                _ => {}
            })),
            source_name: path,
            debugger: debug.then_some(control as Arc<_>),
            ..RunOptions::default()
        };
        tokio::spawn(async move {
            let ended = program.engine.run(&program.plan, inputs, options, cancel).await;
            program.engine.ports().scripts.shutdown().await;
            let code = match ended.as_ref().map_err(Clone::clone).and_then(RunReport::result) {
                Ok(output) => {
                    client.output("console", &format!("\n{output:#}\n"));
                    0
                }
                Err(error) => {
                    client.output("stderr", &failure(&error));
                    4
                }
            };
            client.event("exited", json!({ "exitCode": code }));
            client.event("terminated", json!({}));
        });
    }

    fn source(&self) -> Value {
        let name = self.path.rsplit(['/', '\\']).next().unwrap_or(&self.path);
        json!({ "name": name, "path": self.path })
    }

    fn breakpoint(&mut self, asked: &Value) -> Breakpoint {
        let text = |name: &str| asked[name].as_str().filter(|text| !text.trim().is_empty()).map(str::to_owned);
        let id = self.next_breakpoint;
        self.next_breakpoint += 1;
        Breakpoint {
            id,
            line: asked["line"].as_u64().unwrap_or(0) as u32,
            condition: text("condition"),
            hits_wanted: text("hitCondition").and_then(|text| text.trim_start_matches(['>', '=', ' ']).parse().ok()),
            log: text("logMessage"),
            ..Breakpoint::default()
        }
    }

    fn set_breakpoints(&mut self, arguments: &Value) -> Value {
        let lines = self.plan.as_ref().map(|plan| step_lines(plan));
        let mut kept = Vec::new();
        let mut shown = Vec::new();
        for asked in arguments["breakpoints"].as_array().cloned().unwrap_or_default() {
            let mut breakpoint = self.breakpoint(&asked);
            let wrong = breakpoint.condition.as_deref().and_then(|text| aikit_spec::expr::check(text).err());
            // Before the document is known, a breakpoint counts for the line that it was set on.
            let line = match &lines {
                None => Some(breakpoint.line),
                Some(lines) => lines.iter().copied().find(|line| *line >= breakpoint.line).or(lines.last().copied()),
            };
            shown.push(match (line, wrong) {
                (_, Some(error)) => json!({
                    "id": breakpoint.id, "verified": false, "line": breakpoint.line,
                    "message": format!("the condition cannot be read: {}", error.message),
                }),
                (None, _) => json!({
                    "id": breakpoint.id, "verified": false, "line": breakpoint.line,
                    "message": "the document has no steps to stop at",
                }),
                (Some(line), None) => {
                    breakpoint.line = line;
                    let shown = json!({
                        "id": breakpoint.id, "verified": true, "line": line, "source": arguments["source"].clone(),
                    });
                    kept.push(breakpoint);
                    shown
                }
            });
        }
        self.control.set_breakpoints(kept);
        json!({ "breakpoints": shown })
    }

    fn set_functions(&mut self, arguments: &Value) -> Value {
        let mut kept = Vec::new();
        let mut shown = Vec::new();
        for asked in arguments["breakpoints"].as_array().cloned().unwrap_or_default() {
            let mut breakpoint = self.breakpoint(&asked);
            breakpoint.step = asked["name"].as_str().map(str::to_owned);
            shown.push(json!({ "id": breakpoint.id, "verified": breakpoint.step.is_some() }));
            kept.push(breakpoint);
        }
        self.control.set_functions(kept);
        json!({ "breakpoints": shown })
    }

    /// The step that is looked at, the steps in which it stands, and the run.
    fn stack(&self, arguments: &Value) -> Value {
        let Some(been) = self.control.looked_at() else { return json!({ "stackFrames": [], "totalFrames": 0 }) };
        let site = &been.site;
        let frame = |id: usize, name: String, line: u32| json!({ "id": id, "name": name, "line": line, "column": 1, "source": self.source() });
        let mut frames = vec![frame(1, format!("{} ({})", site.name, site.kind), site.line)];
        let address = without_rounds(&site.address);
        for (outer, line) in self.plan.as_ref().map(|plan| outer_steps(plan, &address)).unwrap_or_default() {
            frames.push(frame(frames.len() + 1, outer, line));
        }
        if let Some(plan) = &self.plan {
            frames.push(frame(frames.len() + 1, plan.agent.name.clone(), 1));
        }
        let total = frames.len();
        let start = arguments["startFrame"].as_u64().unwrap_or(0) as usize;
        let levels = match arguments["levels"].as_u64() {
            None | Some(0) => usize::MAX,
            Some(levels) => levels as usize,
        };
        let frames: Vec<Value> = frames.into_iter().skip(start).take(levels).collect();
        json!({ "stackFrames": frames, "totalFrames": total })
    }

    fn scopes(&self) -> Value {
        let Some(been) = self.control.looked_at() else { return json!({ "scopes": [] }) };
        let scope = been.site.scope;
        const OWN: &[&str] = &["inputs", "state", "steps"];
        const RUN: &[&str] = &["tenant", "agent", "user", "session", "execution", "now", "tenant_id", "agent_id"];
        let pick = |wanted: &dyn Fn(&str) -> bool| -> Value {
            let roots = scope.as_object().into_iter().flatten().filter(|(name, _)| wanted(name));
            Value::Object(roots.map(|(name, value)| (name.clone(), value.clone())).collect())
        };
        let mut all: Vec<(String, Value)> = Vec::new();
        let locals = pick(&|name| !OWN.contains(&name) && !RUN.contains(&name));
        if locals.as_object().is_some_and(|locals| !locals.is_empty()) {
            all.push(("Locals".into(), locals));
        }
        for (title, name) in [("State", "state"), ("Steps", "steps"), ("Inputs", "inputs")] {
            all.push((title.into(), scope[name].clone()));
        }
        all.push(("Run".into(), pick(&|name| RUN.contains(&name))));
        let scopes: Vec<Value> = self.control.with_variables(|variables| {
            let scope = |(name, value): &(String, Value)| {
                json!({ "name": name, "variablesReference": variables.reference(value), "expensive": false })
            };
            all.iter().map(scope).collect()
        });
        json!({ "scopes": scopes })
    }
}

fn failure(error: &RunError) -> String {
    let places: String =
        error.trace.iter().map(|place| format!("  at {}, line {}\n", place.source, place.line)).collect();
    format!("{}: {}\n{places}", error.kind, error.message)
}

fn capabilities() -> Value {
    json!({
        "supportsConfigurationDoneRequest": true,
        "supportsConditionalBreakpoints": true,
        "supportsHitConditionalBreakpoints": true,
        "supportsLogPoints": true,
        "supportsFunctionBreakpoints": true,
        "supportsEvaluateForHovers": true,
        "supportsStepBack": true,
        "supportsTerminateRequest": true,
        "supportsLoadedSourcesRequest": true,
        "supportsExceptionInfoRequest": true,
        "exceptionBreakpointFilters": [{
            "filter": "failed", "label": "Steps that fail", "default": true,
            "description": "Stops where a step has failed, before `on_error` is looked at.",
        }],
    })
}

/// The lines on which steps begin, from 1, sorted.
fn step_lines(plan: &Plan) -> Vec<u32> {
    fn collect(steps: &[StepPlan], lines: &mut Vec<u32>) {
        for step in steps {
            lines.push(step.line + 1);
            step.bodies().iter().for_each(|body| collect(body.steps, lines));
        }
    }
    let mut lines = Vec::new();
    match &plan.behavior {
        BehaviorPlan::Steps(steps) => collect(steps, &mut lines),
        BehaviorPlan::Chat { .. } => lines.push(1),
    }
    lines.sort_unstable();
    lines
}

/// The steps in which an address stands, the innermost first.
fn outer_steps(plan: &Plan, address: &str) -> Vec<(String, u32)> {
    fn find(steps: &[StepPlan], prefix: &str, address: &str, found: &mut Vec<(String, u32)>) {
        for step in steps {
            let own = format!("{prefix}{}", step.name);
            if !address.strip_prefix(own.as_str()).is_some_and(|rest| rest.starts_with('/')) {
                continue;
            }
            for body in step.bodies() {
                find(body.steps, &body.segment.prefix(&own), address, found);
            }
            found.push((format!("{} ({})", step.name, step.kind.keyword()), step.line + 1));
        }
    }
    let mut found = Vec::new();
    if let BehaviorPlan::Steps(steps) = &plan.behavior {
        find(steps, "", address, &mut found);
    }
    found
}

/// `each[3]/mail` is a round of `each/mail`.
fn without_rounds(address: &str) -> String {
    let mut out = String::new();
    let mut rest = address;
    while let Some((before, bracket)) = rest.split_once('[') {
        out.push_str(before);
        rest = bracket.split_once(']').map_or("", |(_, behind)| behind);
    }
    out + rest
}
