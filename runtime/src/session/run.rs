//! Running an agent from a cell: tokens stream while it works, the card stands when it is done.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use aikit_spec::cell::{CellParts, RunArgument};
use serde_json::{Map, Value};

use super::{CellRun, errors};
use crate::{
    cell::{CellError, CellEvent, CellIo, Stream},
    engine::{RunOptions, RunReport},
    event::{Observer, RunEvent},
    people,
    view::{self, RunView},
};

/// How often the progress line is redrawn at most.
const REDRAW: Duration = Duration::from_millis(100);

impl CellRun<'_> {
    /// `%%run NAME` with the inputs as the body.
    pub(super) async fn run_cell(&self, argument: &str, parts: &CellParts<'_>) -> Result<(), Box<CellError>> {
        let mut argument = RunArgument::parse(argument).map_err(|e| errors::usage(e.message, USAGE))?;
        match aikit_spec::parse_value(parts.body) {
            Ok(Value::Null) => {}
            Ok(Value::Object(body)) => argument.inputs.extend(body),
            Ok(_) => return Err(errors::usage("the inputs must be a mapping of names to values", USAGE)),
            Err(diagnostics) => {
                let shifted: Vec<_> =
                    diagnostics.iter().map(|d| super::document::shifted(d, parts.body_start)).collect();
                let (name, code) = (&self.request.name, &self.request.code);
                return Err(errors::diagnostics("SpecificationError", name, code, &shifted));
            }
        }
        self.run_agent(argument).await
    }

    /// Runs an agent and shows its card.
    pub(super) async fn run_agent(&self, argument: RunArgument) -> Result<(), Box<CellError>> {
        let engine = &self.session.engine;
        let reference = match &argument.version {
            Some(version) => format!("{}@{version}", argument.agent),
            None => argument.agent.to_string(),
        };
        let plan = engine.load(&reference).await.map_err(errors::run)?;
        let live = Arc::new(Live::new(self.io.clone(), &reference));
        let kept = live.clone();
        let version = format!("{}@{}", plan.agent.id, plan.agent.version);
        let held = self.session.debugger.as_ref().and_then(|cells| cells.run(&version, &self.cancel));
        let options = RunOptions {
            observer: Some(live.clone().observer()),
            output: Some(Arc::new(move |event| kept.output(event))),
            parent: None,
            depth: 0,
            source_name: reference.clone(),
            debugger: held.as_ref().map(|held| held.debugger.clone()),
            stubs: Arc::default(),
            people: self.people(),
            doubts: Arc::default(),
            tape: None,
        };
        let inputs = Value::Object(argument.inputs);
        let report = engine.run(&plan, inputs, options, self.cancel.clone()).await.map_err(errors::run)?;
        live.finish();
        self.finished(&report, argument.target)
    }

    /// Shows the card of a run and shares its output.
    pub(super) fn finished(&self, report: &RunReport, target: Option<String>) -> Result<(), Box<CellError>> {
        self.io.emit(CellEvent::Display {
            data: view::bundle(&RunView::new(report.record.clone(), &report.journal)),
            metadata: Map::new(),
            id: Some(format!("run-{}", report.record.id)),
            update: false,
        });
        if !report.waiting.is_empty() {
            let answers = report.waiting.iter().map(|question| format!("{}=…", question.name));
            let answers = answers.collect::<Vec<_>>().join(" ");
            let go_on = format!("`%resume {} {answers}` goes on with it", report.record.id);
            self.io.emit(CellEvent::Stream { stream: Stream::Stderr, text: people::waits(report, &go_on) });
            return Ok(());
        }
        let output = report.result().map_err(errors::run)?;
        let vars = self.session.engine.ports().scripts.vars();
        vars.set("last", output.clone());
        if let Some(target) = target {
            vars.set(target, output);
        }
        Ok(())
    }
}

pub(super) const USAGE: &str = "%run NAME[@VERSION] [key=value …] [-> VAR], or %%run with the inputs in the body";

/// What a run shows while it works: its steps on a line of progress, its tokens as they come. All of it makes way for the
/// card, unless a script of the run printed or displayed something, which stays.
pub(super) struct Live {
    io: Arc<dyn CellIo>,
    title: String,
    keep: AtomicBool,
    state: Mutex<LiveState>,
}

struct LiveState {
    steps: usize,
    current: String,
    shown: bool,
    drawn: Instant,
    streaming: Option<String>,
}

impl Live {
    pub(super) fn new(io: Arc<dyn CellIo>, title: &str) -> Self {
        let state =
            LiveState { steps: 0, current: String::new(), shown: false, drawn: Instant::now(), streaming: None };
        Self { io, title: title.to_owned(), keep: AtomicBool::new(false), state: Mutex::new(state) }
    }

    pub(super) fn observer(self: Arc<Self>) -> Observer {
        Arc::new(move |event| self.see(event))
    }

    pub(super) fn output(&self, event: CellEvent) {
        self.keep.store(true, Ordering::Relaxed);
        self.io.emit(event);
    }

    fn see(&self, event: &RunEvent) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            RunEvent::StepStarted { address, kind } => {
                state.steps += 1;
                state.current = format!("{address} ({kind})");
                self.progress(&mut state);
            }
            RunEvent::EffectStarted { address, kind, label } => {
                state.current = format!("{address}: {} {label}", kind.as_str());
                self.progress(&mut state);
            }
            RunEvent::Token { address, text } => {
                if state.streaming.as_ref().is_some_and(|current| current != address) {
                    self.print("\n");
                }
                state.streaming = Some(address.clone());
                self.print(text);
            }
            _ => {}
        }
    }

    fn print(&self, text: &str) {
        self.io.emit(CellEvent::Stream { stream: Stream::Stdout, text: text.to_owned() });
    }

    fn progress(&self, state: &mut LiveState) {
        if state.shown && state.drawn.elapsed() < REDRAW {
            return;
        }
        let line = format!("{} · step {} · {}", self.title, state.steps, state.current);
        let data = [
            ("text/plain".to_owned(), Value::String(line.clone())),
            ("text/html".to_owned(), Value::String(format!("<em style=\"opacity:.65\">{}</em>", view::escape(&line)))),
        ];
        let update = state.shown;
        state.shown = true;
        state.drawn = Instant::now();
        self.io.emit(CellEvent::Display {
            data: data.into(),
            metadata: Map::new(),
            id: Some(format!("progress-{}", self.title)),
            update,
        });
    }

    pub(super) fn finish(&self) {
        if self.keep.load(Ordering::Relaxed) {
            if self.state.lock().unwrap_or_else(PoisonError::into_inner).streaming.is_some() {
                self.print("\n");
            }
        } else {
            self.io.emit(CellEvent::Clear { wait: true });
        }
    }
}
