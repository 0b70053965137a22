//! `aikit runs`, `aikit replay`, `aikit resume` and `aikit fork`: runs that have been.

use std::sync::Arc;

use aikit_core::{AgentId, RunId, record::RunRecord, render::table};
use aikit_runtime::{
    engine::{self, Engine, RunOptions},
    past::Doubts,
    people::open_questions,
    view::{self, RunView},
};
use aikit_spec::plan::Plan;
use serde_json::json;

use super::{
    Outcome,
    run::{self, Printer},
};
use crate::{
    argv::Format,
    compose::{self, Composition},
    context::Context,
    exit::Exit,
    failure::Failure,
    people::people,
    render,
};

/// What `aikit runs` can do.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List the newest runs, or those of one agent
    List(List),
    /// Show a run: answer, steps, what it used; with --format json its whole journal
    Show(Show),
    /// Print a run's journal, one record in each line
    Export(Show),
}

/// Arguments of `aikit runs list`.
#[derive(Debug, clap::Args)]
pub struct List {
    /// An agent
    pub agent: Option<String>,
    /// How many
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub limit: u32,
}

/// A run.
#[derive(Debug, clap::Args)]
pub struct Show {
    /// The run, or `last`
    pub run: String,
}

/// Arguments of `aikit replay`.
#[derive(Debug, clap::Args)]
pub struct Replay {
    /// The run, or `last`
    pub run: String,
    /// The document to replay it with, instead of the stored one
    #[arg(long, value_name = "FILE")]
    pub spec: Option<String>,
}

/// Arguments of `aikit resume`.
#[derive(Debug, clap::Args)]
pub struct Resume {
    /// The run, or `last`
    pub run: String,
    /// The document that ran, where it is not stored
    #[arg(long, value_name = "FILE")]
    pub spec: Option<String>,
    /// Perform an effect again that may have changed something already
    #[arg(long)]
    pub repeat: bool,
    /// What an effect gave that did happen before the process died: the step or tool, and its result
    #[arg(long = "outcome", value_name = "NAME=RESULT")]
    pub outcomes: Vec<String>,
    /// The answer of a person whom the run asks: the name of the step or tool, and what they say
    #[arg(long = "answer", value_name = "NAME=VALUE")]
    pub answers: Vec<String>,
}

/// Arguments of `aikit fork`.
#[derive(Debug, clap::Args)]
pub struct Fork {
    /// The run, or `last`
    pub run: String,
    /// Inputs that are different: key=value
    #[arg(value_name = "KEY=VALUE")]
    pub inputs: Vec<String>,
    /// The document to run, instead of the stored one
    #[arg(long, value_name = "FILE")]
    pub spec: Option<String>,
    /// The record from which on everything is new; by default only what is asked differently is
    #[arg(long, value_name = "SEQ")]
    pub at: Option<u64>,
    /// Perform effects again that changed something in the parent run
    #[arg(long)]
    pub repeat: bool,
    /// Write the answer while it is being written
    #[arg(long)]
    pub stream: bool,
}

/// The engine of the person who asks, with the workspace of a document where one is named.
pub(super) async fn open(context: &Context, file: Option<&String>) -> Result<Engine, Failure> {
    let database = context.database().await?;
    let scope = context.scope(&database).await?;
    let composition = Composition::new(context, compose::MODEL.to_owned())?;
    let composition = match file {
        Some(file) => composition.beside(file),
        None => composition,
    };
    compose::engine(&database, scope, "cli", &composition).await
}

/// The run of this id; `last` is the newest.
pub(super) async fn find(engine: &Engine, text: &str) -> Result<RunId, Failure> {
    let missing = |what: String| {
        Failure::new(Exit::NotFound, what)
            .with_code(aikit_core::codes::UNKNOWN_RUN)
            .with_help("`aikit runs list` lists the newest runs")
    };
    if text == "last" {
        let newest = engine.ports().store.runs(None, 1).await?;
        return newest.first().map(|run| run.id).ok_or_else(|| missing("there is no run yet".into()));
    }
    let id = text.parse().map_err(|_| missing(format!("`{text}` is not the id of a run")))?;
    match engine.ports().store.run(id).await? {
        Some(_) => Ok(id),
        None => Err(missing(format!("there is no run `{id}`"))),
    }
}

async fn plan(context: &Context, engine: &Engine, file: Option<&String>) -> Result<Option<Arc<Plan>>, Failure> {
    match file {
        Some(file) => run::file_plan(context, engine, file, None).await.map(Some),
        None => Ok(None),
    }
}

/// Runs one of the commands.
pub async fn run(context: &Context, command: Command) -> Result<Outcome, Failure> {
    context.without_reports("runs")?;
    let engine = open(context, None).await?;
    match command {
        Command::List(args) => list(context, &engine, &args).await,
        Command::Show(args) => {
            let (record, journal) = engine.recorded(find(&engine, &args.run).await?).await?;
            Ok(Outcome::ok(match context.format {
                Format::Json => render::pretty(&json!({ "run": record, "journal": journal })),
                _ => format!("{}\n", view::text(&RunView::new(record, &journal))),
            }))
        }
        Command::Export(args) => {
            let (_, journal) = engine.recorded(find(&engine, &args.run).await?).await?;
            // A row holds nothing that JSON does not have.
            let line = |row| serde_json::to_string(row).unwrap_or_default() + "\n";
            Ok(Outcome::ok(journal.iter().map(line).collect::<String>()))
        }
    }
}

async fn list(context: &Context, engine: &Engine, args: &List) -> Result<Outcome, Failure> {
    let agent = args
        .agent
        .as_ref()
        .map(|name| AgentId::new(name).map_err(|error| Failure::usage(error.to_string())))
        .transpose()?;
    let runs = engine.ports().store.runs(agent.as_ref(), args.limit).await?;
    if context.format == Format::Json {
        return Ok(Outcome::ok(render::pretty(&runs)));
    }
    let row = |run: &RunRecord| {
        vec![
            run.id.to_string(),
            format!("{}@{}", run.agent, run.version),
            run.status.as_str().to_owned(),
            run.started_at.format("%Y-%m-%d %H:%M:%SZ").to_string(),
            format!("{}", run.usage.input_tokens + run.usage.output_tokens),
        ]
    };
    let rows: Vec<_> = runs.iter().map(row).collect();
    Ok(Outcome::ok(table(&["run", "agent", "status", "started", "tokens"], &rows) + "\n"))
}

/// Replays a run and says where it drifts.
pub async fn replay(context: &Context, args: Replay) -> Result<Outcome, Failure> {
    context.without_reports("replay")?;
    let engine = open(context, args.spec.as_ref()).await?;
    let id = find(&engine, &args.run).await?;
    let plan = plan(context, &engine, args.spec.as_ref()).await?;
    let printer = Arc::new(Printer::new(false));
    let replay = engine.replay(id, plan, printer.options(String::new()), run::interrupts()).await?;
    engine.ports().scripts.shutdown().await;
    let exit = if replay.drift.is_some() { Exit::RunFailed } else { Exit::Ok };
    if context.format == Format::Json {
        let text = render::pretty(&json!({ "run": replay.report.record, "drift": replay.drift }));
        return Ok(Outcome { text, exit });
    }
    let text = match &replay.drift {
        None => format!("replayed run {id}: {} records, all the same\n", replay.report.journal.len()),
        Some(drift) => drift.to_string() + "\n",
    };
    Ok(Outcome { text, exit })
}

/// Goes on with a run whose process died, or that waits for a person.
pub async fn resume(context: &Context, args: Resume) -> Result<Outcome, Failure> {
    context.without_reports("resume")?;
    let engine = open(context, args.spec.as_ref()).await?;
    let id = find(&engine, &args.run).await?;
    let plan = plan(context, &engine, args.spec.as_ref()).await?;
    let printer = Arc::new(Printer::new(false));
    let answers = run::pairs(&args.answers)?;
    let (_, journal) = engine.recorded(id).await?;
    for question in open_questions(&journal) {
        let answer = answers.get(&question.address).or_else(|| answers.get(&question.name));
        if let Some(Err(problem)) = answer.cloned().map(|answer| question.accept(answer)) {
            return Err(Failure::usage(format!("the answer to `{}` does not fit: {problem}", question.name)));
        }
    }
    let doubts = Arc::new(Doubts { repeat: args.repeat, outcomes: run::pairs(&args.outcomes)? });
    let options = RunOptions { people: Some(people(answers)), doubts, ..printer.options(String::new()) };
    let report = engine.resume(id, plan, options, run::interrupts()).await?;
    engine.ports().scripts.shutdown().await;
    run::outcome(context, &report, false, None)
}

/// Runs again with something changed.
pub async fn fork(context: &Context, args: Fork) -> Result<Outcome, Failure> {
    context.without_reports("fork")?;
    let engine = open(context, args.spec.as_ref()).await?;
    let id = find(&engine, &args.run).await?;
    let plan = plan(context, &engine, args.spec.as_ref()).await?;
    let fork = engine::Fork { at: args.at, inputs: run::pairs(&args.inputs)?, plan, repeat: args.repeat };
    let printer = Arc::new(Printer::new(args.stream && context.format != Format::Json));
    let report = engine.fork(id, fork, printer.options(String::new()), run::interrupts()).await?;
    engine.ports().scripts.shutdown().await;
    printer.end();
    run::outcome(context, &report, args.stream, None)
}
