//! A host in memory: answers some calls, records what is emitted, stops on demand.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use aikit_core::{ErrorKind, Language, RunError};
use aikit_js_bridge::JsFactory;
use aikit_runtime::{
    cell::{CellEvent, Stream},
    debug::script::{PAUSED, ScriptOrder, ScriptReport, Wishes},
    ports::{
        Completeness, Inspection, ScriptCompletion, ScriptError, ScriptJob, ScriptLimits, ScriptMode, ScriptOutcome,
        StopCause, Vars,
    },
    scripts::engine::{EngineFactory, EngineHost, HostEvent, ScriptEngine, StopFlag},
};
use serde_json::{Value, json};

/// What the host keeps from script to script.
#[derive(Default)]
pub struct World {
    pub vars: Vars,
    storage: Mutex<HashMap<String, Value>>,
    pub calls: Mutex<Vec<(String, Vec<Value>)>>,
}

struct Host {
    world: Arc<World>,
    events: Mutex<Vec<CellEvent>>,
    sender: mpsc::Sender<HostEvent>,
    inbox: Mutex<mpsc::Receiver<HostEvent>>,
    next: Mutex<u64>,
    stop: StopFlag,
    debugger: Option<Debugger>,
}

/// Answers a script that stands still.
pub type Orders = Box<dyn FnMut(ScriptReport) -> ScriptOrder + Send>;

/// A debugger: what it wants of a script, and what it does when that stands still.
pub struct Debugger {
    pub wishes: Wishes,
    pub orders: Mutex<Orders>,
}

impl Host {
    fn paused(&self, args: &[Value]) -> Result<Value, RunError> {
        let report = serde_json::from_value(args[0].clone()).unwrap();
        let debugger = self.debugger.as_ref().unwrap();
        let order = (debugger.orders.lock().unwrap())(report);
        Ok(serde_json::to_value(order).unwrap())
    }

    fn answer(&self, method: &str, args: &[Value]) -> Result<Value, RunError> {
        let key = || args[0].as_str().unwrap_or_default().to_owned();
        if method == PAUSED {
            return self.paused(args);
        }
        let mut storage = self.world.storage.lock().unwrap();
        match method {
            "now" => Ok(json!(1_700_000_000_000_u64)),
            "id" => Ok(json!("id-1")),
            "storage.get" => Ok(storage.get(&key()).cloned().unwrap_or(Value::Null)),
            "storage.set" => {
                storage.insert(key(), args[1].clone());
                Ok(Value::Null)
            }
            "input" => Ok(json!("a line")),
            "tools.call" if args[0] == "vars" => Ok(Value::Object(self.world.vars.snapshot().into_iter().collect())),
            "tools.call" => Err(RunError::new(ErrorKind::ToolNotFound, format!("there is no tool `{}`", key()))
                .with_help("ctx.tools.list() names them")),
            other => Err(RunError::new(ErrorKind::Internal, format!("{other} is not here"))),
        }
    }
}

impl EngineHost for Host {
    fn vars(&self) -> &Vars {
        &self.world.vars
    }

    fn start(&self, method: &str, args: Vec<Value>) -> u64 {
        let number = {
            let mut next = self.next.lock().unwrap();
            *next += 1;
            *next
        };
        self.world.calls.lock().unwrap().push((method.to_owned(), args.clone()));
        match method {
            // Answered by the script's own speed, in any order.
            "ai.complete" => {
                let delay = Duration::from_millis(args.get(1).and_then(|o| o["delay"].as_u64()).unwrap_or(0));
                let (sender, text) = (self.sender.clone(), args[0].clone());
                thread::spawn(move || {
                    thread::sleep(delay);
                    let _ = sender.send(HostEvent::Answer { call: number, result: Ok(text) });
                });
            }
            "agents.list" => {}
            _ => {
                let result = self.answer(method, &args);
                let _ = self.sender.send(HostEvent::Answer { call: number, result });
            }
        }
        number
    }

    fn wait(&self, deadline: Option<Instant>) -> HostEvent {
        if self.stop.raised().is_some() {
            return HostEvent::Stopped;
        }
        let inbox = self.inbox.lock().unwrap();
        match deadline {
            None => inbox.recv().unwrap_or(HostEvent::Stopped),
            Some(at) => inbox.recv_timeout(at.saturating_duration_since(Instant::now())).unwrap_or(HostEvent::Deadline),
        }
    }

    fn emit(&self, event: CellEvent) {
        self.events.lock().unwrap().push(event);
    }

    fn stop(&self) -> &StopFlag {
        &self.stop
    }

    fn watch(&self) -> Option<Wishes> {
        self.debugger.as_ref().map(|debugger| debugger.wishes.clone())
    }
}

/// An interpreter with its host.
pub struct Session {
    engine: Box<dyn ScriptEngine>,
    pub world: Arc<World>,
    cell: u32,
    pub limits: ScriptLimits,
}

/// What one script did.
pub struct Ran {
    pub outcome: ScriptOutcome,
    pub events: Vec<CellEvent>,
    pub took: Duration,
}

/// Runs a test on a thread with the stack that interpreters get.
pub fn session(test: impl FnOnce(&mut Session) + Send + 'static) {
    let body = move || {
        let mut session =
            Session { engine: JsFactory.create(), world: Arc::default(), cell: 0, limits: ScriptLimits::default() };
        test(&mut session);
    };
    let thread = thread::Builder::new().stack_size(64 << 20).spawn(body).unwrap();
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

impl Session {
    pub fn job(&mut self, code: &str, mode: ScriptMode) -> ScriptJob {
        self.cell += 1;
        ScriptJob {
            language: Language::Js,
            name: format!("Cell {}", self.cell),
            code: code.to_owned(),
            line_offset: 0,
            mode,
            limits: self.limits,
            context: json!({
                "tenant": { "id": "t1", "name": "acme", "plan": "free" }, "user": { "id": "u1" },
                "app_id": null, "session": { "id": "s1" },
            }),
        }
    }

    pub fn run_job(&mut self, job: &ScriptJob, stop_after: Option<Duration>) -> Ran {
        self.run_watched(job, stop_after, None)
    }

    pub fn run_watched(&mut self, job: &ScriptJob, stop_after: Option<Duration>, debugger: Option<Debugger>) -> Ran {
        let (sender, inbox) = mpsc::channel();
        let host = Arc::new(Host {
            world: self.world.clone(),
            events: Mutex::default(),
            sender: sender.clone(),
            inbox: Mutex::new(inbox),
            next: Mutex::new(0),
            stop: StopFlag::default(),
            debugger,
        });
        if let Some(delay) = stop_after {
            let stop = host.stop.clone();
            thread::spawn(move || {
                thread::sleep(delay);
                stop.raise(StopCause::Interrupt);
                let _ = sender.send(HostEvent::Stopped);
            });
        }
        let engine_host: Arc<dyn EngineHost> = host.clone();
        let began = Instant::now();
        let outcome = self.engine.run(job, &engine_host);
        let took = began.elapsed();
        let events = std::mem::take(&mut *host.events.lock().unwrap());
        Ran { outcome, events, took }
    }

    pub fn run(&mut self, code: &str) -> Ran {
        let job = self.job(code, ScriptMode::Cell);
        self.run_job(&job, None)
    }

    /// The text of a cell's value; empty if it has none.
    #[track_caller]
    pub fn text(&mut self, code: &str) -> String {
        match self.run(code).outcome {
            ScriptOutcome::Done { value } => value.map(|value| value.text).unwrap_or_default(),
            other => panic!("{code}: {other:?}"),
        }
    }

    /// The value of a cell as JSON.
    #[track_caller]
    pub fn json(&mut self, code: &str) -> Value {
        match self.run(code).outcome {
            ScriptOutcome::Done { value } => value.and_then(|value| value.json).unwrap_or(Value::Null),
            other => panic!("{code}: {other:?}"),
        }
    }

    #[track_caller]
    pub fn error(&mut self, code: &str) -> ScriptError {
        match self.run(code).outcome {
            ScriptOutcome::Failed { error } => error,
            other => panic!("{code}: {other:?}"),
        }
    }

    /// The error of a cell as one line: `Name: message @ Cell:line:column …`.
    #[track_caller]
    pub fn error_line(&mut self, code: &str) -> String {
        let error = self.error(code);
        let mut text = format!("{}: {}", error.name, error.message);
        for place in error.trace {
            text.push_str(&format!(" @ {}:{}:{}", place.source, place.line, place.column.unwrap_or(0)));
        }
        text
    }

    pub fn complete(&mut self, code: &str) -> Vec<ScriptCompletion> {
        self.engine.complete(code, code.len())
    }

    pub fn inspect(&mut self, code: &str) -> Option<Inspection> {
        self.engine.inspect(code, code.len())
    }

    pub fn is_complete(&mut self, code: &str) -> Completeness {
        self.engine.is_complete(code)
    }
}

impl Ran {
    /// What was written to a stream.
    pub fn written(&self, wanted: Stream) -> String {
        self.events
            .iter()
            .filter_map(|event| match event {
                CellEvent::Stream { stream, text } if *stream == wanted => Some(text.as_str()),
                _ => None,
            })
            .collect()
    }
}
