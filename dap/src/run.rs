//! A run under the debugger: what was launched, its start and its end.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use aikit_core::RunError;
use aikit_runtime::{
    cell::{CellEvent, Stream},
    debug::{DebugEvent, Debugger, Sites},
    engine::{RunOptions, RunReport},
    event::RunEvent,
    people,
};
use serde_json::{Value, json};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{Program, session::Client};

/// The exit code of a run that failed.
const FAILED: i32 = 4;

/// A program that was launched, before and while it runs.
pub struct Run {
    /// What runs.
    pub program: Arc<Program>,
    /// Where it can stop.
    pub sites: Sites,
    /// Its debugger.
    pub debugger: Arc<Debugger>,
    /// What the debugger tells.
    pub told: mpsc::UnboundedReceiver<DebugEvent>,
    inputs: Value,
    debug: bool,
    cancel: CancellationToken,
    /// Its end is not told: another run takes its place.
    quiet: Arc<AtomicBool>,
    task: Option<JoinHandle<()>>,
}

impl Run {
    /// A run of a program as the arguments of `launch` want it.
    pub fn new(program: Program, arguments: &Value) -> Self {
        let (tell, told) = mpsc::unbounded_channel();
        let cancel = CancellationToken::new();
        let debugger = Arc::new(Debugger::new(tell, cancel.clone()));
        let is = |name: &str| arguments[name].as_bool().unwrap_or(false);
        if is("stopOnEntry") {
            debugger.stop_on_entry();
        }
        let inputs = match &arguments["inputs"] {
            Value::Null => json!({}),
            inputs => inputs.clone(),
        };
        Self {
            sites: Sites::of(&program.plan, &program.text),
            program: Arc::new(program),
            debugger,
            told,
            inputs,
            debug: !is("noDebug"),
            cancel,
            quiet: Arc::default(),
            task: None,
        }
    }

    /// Whether it has begun.
    pub fn started(&self) -> bool {
        self.task.is_some()
    }

    /// Begins.
    pub fn start(&mut self, client: &Client) {
        let (program, inputs, cancel) = (self.program.clone(), self.inputs.clone(), self.cancel.clone());
        let (client, quiet) = (client.clone(), self.quiet.clone());
        let (tokens, prints) = (client.clone(), client.clone());
        let options = RunOptions {
            observer: Some(Arc::new(move |event| match event {
                RunEvent::Token { text, .. } => tokens.output("stdout", text),
                RunEvent::StepStarted { address, kind } => tokens.works_on(&format!("{address} ({kind})")),
                _ => {}
            })),
            output: Some(Arc::new(move |event| match event {
                CellEvent::Stream { stream: Stream::Stderr, text } => prints.output("stderr", &text),
                CellEvent::Stream { text, .. } => prints.output("stdout", &text),
                _ => {}
            })),
            source_name: program.path.clone().unwrap_or_else(|| program.name.clone()),
            debugger: self.debug.then(|| self.debugger.clone()),
            ..RunOptions::default()
        };
        client.working(&program.name);
        self.task = Some(tokio::spawn(async move {
            let engine = &program.engine;
            let (ended, drift) = match program.recorded {
                None => (engine.run(&program.plan, inputs, options, cancel).await, None),
                Some(run) => match engine.replay(run, Some(program.plan.clone()), options, cancel).await {
                    Ok(replay) => (Ok(replay.report), replay.drift),
                    Err(error) => (Err(error), None),
                },
            };
            engine.ports().scripts.shutdown().await;
            client.rests();
            if quiet.load(Ordering::SeqCst) {
                return;
            }
            if let Some(drift) = drift {
                client.output("important", &format!("the replay left the recorded run: {drift}\n"));
            }
            let code = match ended.as_ref().map_err(Clone::clone).and_then(RunReport::result) {
                Ok(_) if ended.as_ref().is_ok_and(|report| !report.waiting.is_empty()) => {
                    for report in ended.iter() {
                        let go_on = format!("`aikit resume {}` goes on with it", report.record.id);
                        client.output("console", &people::waits(report, &go_on));
                    }
                    0
                }
                Ok(output) => {
                    client.output("console", &format!("\n{output:#}\n"));
                    0
                }
                Err(error) => {
                    client.output("stderr", &failure(&error));
                    FAILED
                }
            };
            client.event("exited", json!({ "exitCode": code }));
            client.event("terminated", json!({}));
        }));
    }

    /// Ends it, and says nothing more of it.
    pub async fn replace(mut self) {
        self.quiet.store(true, Ordering::SeqCst);
        self.debugger.terminate();
        if let Some(task) = self.task.take() {
            // A task that panicked has nothing to say either.
            let _ = task.await;
        }
    }
}

fn failure(error: &RunError) -> String {
    let places: String =
        error.trace.iter().map(|place| format!("  at {}, line {}\n", place.source, place.line)).collect();
    let help = error.help.as_ref().map(|help| format!("  {help}\n")).unwrap_or_default();
    format!("{}: {}\n{places}{help}", error.kind, error.message)
}
