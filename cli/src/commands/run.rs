//! `aikit run`: an agent from the command line, its answer streaming to the terminal.

use std::{
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use aikit_core::{Diagnostic, LineIndex};
use aikit_runtime::{
    cell::{CellEvent, Stream},
    engine::{Engine, RunOptions, RunReport},
    event::RunEvent,
    people::waits,
    view::{self, RunView},
};
use aikit_spec::{
    compose::{Composed, document},
    plan::Plan,
    schema::Kind,
};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::{Outcome, tape::TapeArgs};
use crate::{
    argv::Format,
    compose::{self, Composition},
    context::Context,
    exit::Exit,
    failure::Failure,
    files,
    people::people,
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
    /// Lay this overlay of the document over it, or the document of kind Overlay in this file
    #[arg(long, value_name = "NAME|FILE")]
    pub env: Option<String>,
    /// Write the answer while it is being written
    #[arg(long)]
    pub stream: bool,
    /// The answer of a person whom the run asks: the name of the step or tool, and what they say
    #[arg(long = "answer", value_name = "NAME=VALUE")]
    pub answers: Vec<String>,
    /// Write the run's card, with its graph and timeline, as an HTML page
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    #[command(flatten)]
    pub tape: TapeArgs,
}

/// Runs the agent and says what came of it. The answer goes to standard output, what scripts print to standard error.
pub async fn run(context: &Context, args: Args) -> Result<Outcome, Failure> {
    context.without_reports("run")?;
    let database = context.database().await?;
    let scope = context.scope(&database).await?;
    let composition = Composition::new(context, compose::MODEL.to_owned())?.beside(&args.agent);
    let engine = compose::engine(&database, scope, "cli", &composition).await?;
    let (plan, name) = load(context, &engine, &args.agent, args.env.clone()).await?;
    let mut inputs = input(context, args.input.as_deref())?;
    inputs.extend(pairs(&args.inputs)?);
    let printer = Arc::new(Printer::new(args.stream && context.format != Format::Json));
    let tape = args.tape.tape()?;
    let options =
        RunOptions { tape: tape.clone(), people: Some(people(pairs(&args.answers)?)), ..printer.options(name) };
    let report = engine.run(&plan, Value::Object(inputs), options, interrupts()).await?;
    engine.ports().scripts.shutdown().await;
    printer.end();
    args.tape.keep(&engine, &report, tape.as_deref()).await?;
    outcome(context, &report, args.stream, args.html.as_deref())
}

/// What came of a run, for a person or a program.
pub fn outcome(context: &Context, report: &RunReport, stream: bool, html: Option<&Path>) -> Result<Outcome, Failure> {
    let view = RunView::new(report.record.clone(), &report.journal);
    if let Some(file) = html {
        std::fs::write(file, page(&view))
            .map_err(|error| Failure::new(Exit::Refused, format!("{} cannot be written: {error}", file.display())))?;
    }
    let result = report.result();
    let waits = !report.waiting.is_empty();
    if context.format == Format::Json {
        let mut value = json!({ "run": report.record, "simulated": view.simulated });
        if waits {
            value["waiting"] = json!(report.waiting);
        }
        let exit = result.err().map_or(if waits { Exit::Waiting } else { Exit::Ok }, |error| Failure::from(error).exit);
        return Ok(Outcome { text: render::pretty(&value), exit });
    }
    if waits {
        return Ok(Outcome { text: waiting(report), exit: Exit::Waiting });
    }
    let output = result?;
    Ok(Outcome::ok(if io::stdout().is_terminal() || stream {
        format!("{}\n", view::text(&view))
    } else {
        match &output {
            Value::String(text) => format!("{text}\n"),
            value => format!("{value:#}\n"),
        }
    }))
}

/// How a run that waits for a person goes on.
fn waiting(report: &RunReport) -> String {
    let answers = report.waiting.iter().map(|question| format!("--answer {}=…", question.name));
    let answers = answers.collect::<Vec<_>>().join(" ");
    waits(report, &format!("`aikit resume {} {answers}` goes on with it", report.record.id))
}

/// A token for a run: the first interrupt ends it in order, the second at once.
pub fn interrupts() -> CancellationToken {
    let cancel = CancellationToken::new();
    let token = cancel.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            token.cancel();
        }
        if tokio::signal::ctrl_c().await.is_ok() {
            std::process::exit(Exit::Interrupted.code().into());
        }
    });
    cancel
}

/// The plan of a stored agent, or of a file where the argument names one.
async fn load(
    context: &Context,
    engine: &Engine,
    agent: &str,
    env: Option<String>,
) -> Result<(Arc<Plan>, String), Failure> {
    let is_file = agent.contains(['/', '.']) && !agent.contains('@') || Path::new(agent).is_file();
    if !is_file && env.is_some() {
        return Err(Failure::usage("--env is for documents in files; a stored agent has been put together already"));
    }
    if !is_file {
        return Ok((engine.load(agent).await?, agent.to_owned()));
    }
    Ok((file_plan(context, engine, agent, env).await?, agent.to_owned()))
}

/// The plan of the document in a file.
pub async fn file_plan(
    context: &Context,
    engine: &Engine,
    file: &str,
    env: Option<String>,
) -> Result<Arc<Plan>, Failure> {
    let source = readable(context, file)?;
    let checked = engine.check_at(&source.text, files::beside(file, env)).await;
    match checked.plan {
        Some(plan) => Ok(Arc::new(plan)),
        None if !checked.has_errors() => Err(no_agent(file, checked.kind)),
        None => Err(refused(context, Exit::Refused, source, checked.diagnostics)),
    }
}

/// Only agents are run and stored.
pub fn no_agent(file: &str, kind: Kind) -> Failure {
    let failure = Failure::new(Exit::Refused, format!("{file} is a document of kind `{}`, not an agent", kind.word()));
    match kind {
        Kind::TestSuite => failure.with_help(format!("`aikit test {file}` runs its cases")),
        _ => failure.with_help(format!("`aikit check {file}` says whether it is sound")),
    }
}

/// The text of a file; one that cannot be read is reported as `check` does.
fn readable(context: &Context, file: &str) -> Result<Source, Failure> {
    let source = Source::read(file);
    let Some(diagnostic) = source.unreadable.clone() else { return Ok(source) };
    let exit = if source.missing { Exit::NotFound } else { Exit::Refused };
    Err(refused(context, exit, source, vec![diagnostic]))
}

/// A document with everything that it is made of; one that cannot be read is reported as `check` does.
pub fn composed(context: &Context, file: &str, env: Option<String>) -> Result<(Source, Composed), Failure> {
    let source = readable(context, file)?;
    match document(&source.text, &files::beside(file, env)) {
        Some(composed) => Ok((source, composed)),
        None => {
            let diagnostics = aikit_yaml::parse(&source.text).diagnostics;
            Err(refused(context, Exit::Refused, source, diagnostics))
        }
    }
}

/// A document that has errors, as a failure that tells them.
pub fn refused(context: &Context, exit: Exit, source: Source, diagnostics: Vec<Diagnostic>) -> Failure {
    let report = Report { index: LineIndex::new(&source.text), source, diagnostics };
    Failure::reported(exit, render::reports(&[report], context.format, context.color))
}

/// The inputs of `--input`.
fn input(context: &Context, input: Option<&str>) -> Result<Map<String, Value>, Failure> {
    let Some(input) = input else { return Ok(Map::new()) };
    let source = match input.strip_prefix('@') {
        Some(file) => Source::read(file),
        None if input == "-" => Source::read("-"),
        None => Source { name: "--input".into(), text: input.to_owned(), unreadable: None, missing: false },
    };
    if let Some(diagnostic) = source.unreadable.clone() {
        return Err(refused(context, Exit::Refused, source, vec![diagnostic]));
    }
    match aikit_spec::parse_value(&source.text) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(Value::Null) => Ok(Map::new()),
        Ok(_) => Err(Failure::usage("--input must be a mapping of names to values")),
        Err(diagnostics) => Err(refused(context, Exit::Refused, source, diagnostics)),
    }
}

/// Inputs as `key=value`.
pub fn pairs(pairs: &[String]) -> Result<Map<String, Value>, Failure> {
    let pair = |pair: &String| {
        let (key, value) =
            pair.split_once('=').ok_or_else(|| Failure::usage(format!("`{pair}` is not of the form key=value")))?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        Ok((key.to_owned(), value))
    };
    pairs.iter().map(pair).collect()
}

/// Writes tokens to standard output and what scripts print to standard error.
pub struct Printer {
    stream: bool,
    state: Mutex<Option<String>>,
}

impl Printer {
    /// Prints what a run says while it works; tokens only with `stream`.
    pub fn new(stream: bool) -> Self {
        Self { stream, state: Mutex::new(None) }
    }

    /// Options of a run that this prints.
    pub fn options(self: &Arc<Self>, source_name: String) -> RunOptions {
        let (observer, output) = (self.clone(), self.clone());
        RunOptions {
            observer: Some(Arc::new(move |event| observer.see(event))),
            output: Some(Arc::new(move |event| output.output(event))),
            parent: None,
            depth: 0,
            source_name,
            debugger: None,
            stubs: Arc::default(),
            people: None,
            doubts: Arc::default(),
            tape: None,
        }
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

    /// Ends the line of tokens.
    pub fn end(&self) {
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
