//! `aikit run`: an agent from the command line, its answer streaming to the terminal.

use std::{
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use aikit_core::{Diagnostic, LineIndex};
use aikit_runtime::{
    cell::{CellEvent, Stream},
    engine::{Engine, RunOptions},
    event::RunEvent,
    view::{self, RunView},
};
use aikit_spec::plan::Plan;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::Outcome;
use crate::{
    argv::Format,
    compose::{self, Composition},
    context::Context,
    exit::Exit,
    failure::Failure,
    render,
    source::{Report, Source},
};

/// Arguments of `aikit run`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A stored agent (NAME or NAME@VERSION), or a file that holds its document
    pub agent: String,
    /// Inputs: key=value; a value that reads as JSON is JSON, any other is text
    #[arg(value_name = "KEY=VALUE")]
    pub inputs: Vec<String>,
    /// Inputs as a JSON or YAML mapping: the text itself, @FILE, or - for standard input
    #[arg(long, value_name = "TEXT|@FILE|-")]
    pub input: Option<String>,
    /// Write the answer while it is being written
    #[arg(long)]
    pub stream: bool,
    /// Write the run's card, with its graph and timeline, as an HTML page
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// Runs the agent and says what came of it. The answer goes to standard output, what scripts print to standard error.
pub async fn run(context: &Context, args: Args) -> Result<Outcome, Failure> {
    context.without_reports("run")?;
    let database = context.database().await?;
    let scope = context.scope(&database).await?;
    let engine = compose::engine(&database, scope, "cli", &Composition::new(compose::MODEL.to_owned())?).await?;
    let (plan, name) = load(context, &engine, &args.agent).await?;
    let inputs = inputs(context, &args)?;
    let cancel = CancellationToken::new();
    tokio::spawn(interrupts(cancel.clone()));
    let json = context.format == Format::Json;
    let printer = Arc::new(Printer::new(args.stream && !json));
    let (observer, output) = (printer.clone(), printer.clone());
    let options = RunOptions {
        observer: Some(Arc::new(move |event| observer.see(event))),
        output: Some(Arc::new(move |event| output.output(event))),
        parent: None,
        depth: 0,
        source_name: name,
    };
    let report = engine.run(&plan, Value::Object(inputs), options, cancel).await?;
    engine.ports().scripts.shutdown().await;
    printer.end();
    let view = RunView::new(report.record.clone(), &report.journal);
    if let Some(file) = &args.html {
        std::fs::write(file, page(&view))
            .map_err(|error| Failure::new(Exit::Refused, format!("{} cannot be written: {error}", file.display())))?;
    }
    let result = report.result();
    if json {
        let text = render::pretty(&json!({ "run": report.record, "simulated": view.simulated }));
        let exit = result.err().map_or(Exit::Ok, |error| Failure::from(error).exit);
        return Ok(Outcome { text, exit });
    }
    let output = result?;
    Ok(Outcome::ok(if io::stdout().is_terminal() || args.stream {
        format!("{}\n", view::text(&view))
    } else {
        match &output {
            Value::String(text) => format!("{text}\n"),
            value => format!("{value:#}\n"),
        }
    }))
}

/// The first interrupt ends the run in order, the second at once.
async fn interrupts(cancel: CancellationToken) {
    if tokio::signal::ctrl_c().await.is_ok() {
        cancel.cancel();
    }
    if tokio::signal::ctrl_c().await.is_ok() {
        std::process::exit(Exit::Interrupted.code().into());
    }
}

/// The plan of a stored agent, or of a file where the argument names one.
async fn load(context: &Context, engine: &Engine, agent: &str) -> Result<(Arc<Plan>, String), Failure> {
    let is_file = agent.contains(['/', '.']) && !agent.contains('@') || Path::new(agent).is_file();
    if !is_file {
        return Ok((engine.load(agent).await?, agent.to_owned()));
    }
    let source = Source::read(agent);
    if let Some(diagnostic) = source.unreadable.clone() {
        let exit = if source.missing { Exit::NotFound } else { Exit::Refused };
        return Err(refused(context, exit, source, vec![diagnostic]));
    }
    let checked = engine.check(&source.text).await;
    match checked.plan {
        Some(plan) => Ok((Arc::new(plan), agent.to_owned())),
        None => Err(refused(context, Exit::Refused, source, checked.diagnostics)),
    }
}

fn refused(context: &Context, exit: Exit, source: Source, diagnostics: Vec<Diagnostic>) -> Failure {
    let report = Report { index: LineIndex::new(&source.text), source, diagnostics };
    Failure::reported(exit, render::reports(&[report], context.format, context.color))
}

fn inputs(context: &Context, args: &Args) -> Result<Map<String, Value>, Failure> {
    let mut inputs = Map::new();
    if let Some(input) = &args.input {
        let source = match input.strip_prefix('@') {
            Some(file) => Source::read(file),
            None if input == "-" => Source::read("-"),
            None => Source { name: "--input".into(), text: input.clone(), unreadable: None, missing: false },
        };
        if let Some(diagnostic) = source.unreadable.clone() {
            return Err(refused(context, Exit::Refused, source, vec![diagnostic]));
        }
        match aikit_spec::parse_value(&source.text) {
            Ok(Value::Object(map)) => inputs.extend(map),
            Ok(Value::Null) => {}
            Ok(_) => return Err(Failure::usage("--input must be a mapping of names to values")),
            Err(diagnostics) => return Err(refused(context, Exit::Refused, source, diagnostics)),
        }
    }
    for pair in &args.inputs {
        let (key, value) =
            pair.split_once('=').ok_or_else(|| Failure::usage(format!("`{pair}` is not of the form key=value")))?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        inputs.insert(key.to_owned(), value);
    }
    Ok(inputs)
}

/// Writes tokens to standard output and what scripts print to standard error.
struct Printer {
    stream: bool,
    state: Mutex<Option<String>>,
}

impl Printer {
    fn new(stream: bool) -> Self {
        Self { stream, state: Mutex::new(None) }
    }

    fn see(&self, event: &RunEvent) {
        if !self.stream {
            return;
        }
        if let RunEvent::Token { address, text } = event {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let mut out = io::stdout().lock();
            if state.as_ref().is_some_and(|current| current != address) {
                let _ = writeln!(out);
            }
            let _ = write!(out, "{text}").and_then(|()| out.flush());
            *state = Some(address.clone());
        }
    }

    fn output(&self, event: CellEvent) {
        let mut err = io::stderr().lock();
        let _ = match event {
            CellEvent::Stream { stream: Stream::Stdout | Stream::Stderr, text } => write!(err, "{text}"),
            CellEvent::Display { data, update: false, .. } => match data.get("text/plain") {
                Some(Value::String(text)) => writeln!(err, "{text}"),
                _ => Ok(()),
            },
            _ => Ok(()),
        };
    }

    fn end(&self) {
        if self.stream && self.state.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            let _ = writeln!(io::stdout());
        }
    }
}

fn page(view: &RunView) -> String {
    let card = view::bundle(view).remove("text/html");
    let card = card.as_ref().and_then(Value::as_str).unwrap_or_default();
    format!(
        "<!doctype html><meta charset=\"utf-8\"><title>{}</title><body style=\"margin:24px\">{card}</body>\n",
        view::escape(&format!("{} · run {}", view.name, view.record.id))
    )
}
