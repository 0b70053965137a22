//! `aikit run`: an agent from the command line, its answer streaming to the terminal.

use std::{
    io::{IsTerminal, Read, Write},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use aikit_core::{ErrorKind, RunError};
use aikit_runtime::{
    cell::{CellEvent, Stream},
    engine::{Engine, RunOptions},
    event::RunEvent,
    view::{self, RunView},
};
use aikit_spec::plan::Plan;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

/// What to run, on which inputs.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// A stored agent (NAME or NAME@VERSION), or a file that holds its document.
    pub agent: String,
    /// Inputs: key=value; a value that reads as JSON is JSON, any other is text.
    #[arg(value_name = "KEY=VALUE")]
    pub inputs: Vec<String>,
    /// Inputs as a JSON or YAML mapping: the text itself, @FILE, or - for standard input.
    #[arg(long, value_name = "TEXT|@FILE|-")]
    pub input: Option<String>,
    /// Write the answer while it is being written.
    #[arg(long)]
    pub stream: bool,
    /// Write the run's card, with its graph and timeline, as an HTML page.
    #[arg(long, value_name = "FILE")]
    pub html: Option<std::path::PathBuf>,
}

/// How a run from the command line went wrong before or while it ran.
pub enum Failure {
    /// The document was refused; the findings belong to this source.
    Refused {
        /// The file.
        name: String,
        /// Its text.
        source: String,
        /// What was found.
        diagnostics: Vec<aikit_core::Diagnostic>,
    },
    /// The engine's error.
    Run(RunError),
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        Failure::Run(error)
    }
}

fn usage(message: String) -> Failure {
    Failure::Run(RunError::new(ErrorKind::ValidationInput, message))
}

/// Runs the agent and prints what came of it; `json` asks for the record instead of text.
pub async fn run(engine: &Engine, args: &RunArgs, json: bool, cancel: CancellationToken) -> Result<(), Failure> {
    let (plan, name) = load(engine, &args.agent).await?;
    let inputs = inputs(args)?;
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
    printer.end();
    let view = RunView::new(report.record.clone(), &report.journal);
    if let Some(file) = &args.html {
        let page = page(&view);
        std::fs::write(file, page).map_err(|e| usage(format!("{} cannot be written: {e}", file.display())))?;
    }
    let mut out = std::io::stdout().lock();
    let written = if json {
        let record = json!({ "run": report.record, "simulated": view.simulated });
        serde_json::to_writer_pretty(&mut out, &record).map_err(std::io::Error::other).and_then(|()| writeln!(out))
    } else if out.is_terminal() || args.stream {
        writeln!(out, "{}", view::text(&view))
    } else {
        match &report.record.output {
            Some(Value::String(text)) => writeln!(out, "{text}"),
            Some(value) => writeln!(out, "{value:#}"),
            None => Ok(()),
        }
    };
    // A reader that went away (`aikit run … | head`) is no failure of the run.
    let _ = written;
    report.result().map(drop).map_err(Failure::Run)
}

/// The plan of a stored agent, or of a file where the argument names one.
async fn load(engine: &Engine, agent: &str) -> Result<(Arc<Plan>, String), Failure> {
    let path = Path::new(agent);
    let is_file = agent.contains(['/', '.']) && !agent.contains('@') || path.is_file();
    if !is_file {
        return Ok((engine.load(agent).await?, agent.to_owned()));
    }
    let source = std::fs::read_to_string(path)
        .map_err(|e| usage(format!("{agent} cannot be read: {e}")))?;
    let checked = engine.check(&source).await;
    match checked.plan {
        Some(plan) => Ok((Arc::new(plan), agent.to_owned())),
        None => Err(Failure::Refused { name: agent.to_owned(), source, diagnostics: checked.diagnostics }),
    }
}

fn inputs(args: &RunArgs) -> Result<Map<String, Value>, Failure> {
    let mut inputs = Map::new();
    if let Some(input) = &args.input {
        let text = if input == "-" {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map_err(|e| usage(format!("standard input: {e}")))?;
            text
        } else if let Some(file) = input.strip_prefix('@') {
            std::fs::read_to_string(file).map_err(|e| usage(format!("{file} cannot be read: {e}")))?
        } else {
            input.clone()
        };
        match aikit_spec::parse_value(&text) {
            Ok(Value::Object(map)) => inputs.extend(map),
            Ok(Value::Null) => {}
            Ok(_) => return Err(usage("--input must be a mapping of names to values".into())),
            Err(diagnostics) => {
                return Err(Failure::Refused { name: "--input".into(), source: text, diagnostics });
            }
        }
    }
    for pair in &args.inputs {
        // The same grammar as `%run`, one pair at a time, so that quotes of the shell are enough.
        let (key, value) =
            pair.split_once('=').ok_or_else(|| usage(format!("`{pair}` is not of the form key=value")))?;
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
            let mut out = std::io::stdout().lock();
            if state.as_ref().is_some_and(|current| current != address) {
                let _ = writeln!(out);
            }
            let _ = write!(out, "{text}").and_then(|()| out.flush());
            *state = Some(address.clone());
        }
    }

    fn output(&self, event: CellEvent) {
        let mut err = std::io::stderr().lock();
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
            let _ = writeln!(std::io::stdout());
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
