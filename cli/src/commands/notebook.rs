//! `aikit notebook run`: a notebook from top to bottom, without Jupyter.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use aikit_core::codes;
use aikit_kernel::notebook::{self, Notebook, NotebookError, Progress, Report, RunOptions};
use serde_json::{Value, json};

use super::Outcome;
use crate::{
    argv::Format,
    compose::{self, Composition},
    context::Context,
    exit::Exit,
    failure::Failure,
    render,
};

/// What `aikit notebook` can do.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Run the cells of a notebook and print what they put out
    Run(Run),
}

/// Arguments of `aikit notebook run`.
#[derive(Debug, clap::Args)]
pub struct Run {
    /// The notebook
    #[arg(value_name = "IN.ipynb")]
    pub file: PathBuf,
    /// Write the notebook with its outputs; by default nothing is written
    #[arg(short, long, value_name = "OUT.ipynb")]
    pub output: Option<PathBuf>,
    /// Write the notebook as a page
    #[arg(long, value_name = "OUT.html")]
    pub html: Option<PathBuf>,
    /// Go on behind cells that fail
    #[arg(long)]
    pub allow_errors: bool,
    /// How many seconds a cell may take
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<u64>,
    /// The model behind `ctx.ai` in cells, as PROVIDER/MODEL
    #[arg(long, value_name = "PROVIDER/MODEL", default_value = compose::MODEL, env = "AIKIT_MODEL", hide_env_values = true)]
    pub model: String,
    /// Print nothing but the result
    #[arg(short, long)]
    pub quiet: bool,
}

impl From<NotebookError> for Failure {
    fn from(error: NotebookError) -> Self {
        let failure = Failure::new(Exit::Refused, error.message).with_code(error.code);
        match error.help {
            Some(help) => failure.with_help(help),
            None => failure,
        }
    }
}

/// Runs one of the commands.
pub async fn run(context: &Context, command: Command) -> Result<Outcome, Failure> {
    let Command::Run(args) = command;
    context.without_reports("notebook run")?;
    let notebook = Notebook::parse(&read(&args.file)?).map_err(|error| {
        let failure = Failure::from(error);
        Failure { message: format!("{}: {}", args.file.display(), failure.message), ..failure }
    })?;
    let database = context.database().await?;
    let scope = context.scope(&database).await?;
    let session =
        compose::session(&database, scope, "notebook", &Composition::new(context, args.model.clone())?).await?;
    let session = std::sync::Arc::new(session);
    let options = RunOptions { timeout: args.timeout.map(Duration::from_secs), allow_errors: args.allow_errors };
    let show = context.format == Format::Human && !args.quiet;
    let mut open_line = false;
    let mut printer = |progress: Progress<'_>| {
        if show {
            // A reader that went away is no reason to stop working.
            let _ = print(&mut io::stdout().lock(), &progress, &mut open_line);
        }
    };
    let report = notebook::run(notebook, session, &options, &mut printer).await;
    database.close().await;
    if let Some(file) = &args.output {
        report.notebook.write(file)?;
    }
    if let Some(file) = &args.html {
        std::fs::write(file, notebook::to_html(&report.notebook))
            .map_err(|error| Failure::new(Exit::Refused, format!("{} cannot be written: {error}", file.display())))?;
    }
    Ok(outcome(context, &args.file, &report))
}

fn read(file: &Path) -> Result<String, Failure> {
    let bytes = std::fs::read(file).map_err(|error| {
        let exit = if error.kind() == io::ErrorKind::NotFound { Exit::NotFound } else { Exit::Refused };
        Failure::new(exit, format!("{} cannot be read: {error}", file.display())).with_code(codes::FILE_UNREADABLE)
    })?;
    String::from_utf8(bytes).map_err(|_| {
        Failure::new(Exit::Refused, format!("{} is no notebook: it is not text", file.display()))
            .with_code(codes::NOT_A_NOTEBOOK)
    })
}

fn outcome(context: &Context, file: &Path, report: &Report) -> Outcome {
    let exit = if report.failure.is_some() { Exit::RunFailed } else { Exit::Ok };
    let failure = report.failure.as_ref();
    if context.format == Format::Json {
        let failure = failure.map(|failure| {
            json!({
                "cell": failure.index + 1, "ename": failure.ename, "evalue": failure.evalue,
                "traceback": failure.traceback,
            })
        });
        return Outcome { text: render::pretty(&json!({ "executed": report.executed, "failure": failure })), exit };
    }
    let file = file.display();
    let text = match failure {
        None => format!("{file}: {}, no errors\n", render::counted(report.executed, "cell")),
        Some(failure) => format!("{file}: cell {} failed: {}: {}\n", failure.index + 1, failure.ename, failure.evalue),
    };
    Outcome { text, exit }
}

/// Prints what happens. A stream may leave its line open, to go on with it.
fn print(out: &mut impl Write, progress: &Progress<'_>, open_line: &mut bool) -> io::Result<()> {
    let stream = matches!(progress, Progress::Output { output, .. } if output["output_type"] == "stream");
    if !stream && std::mem::take(open_line) {
        writeln!(out)?;
    }
    match progress {
        Progress::Begin { index, of, source } => {
            writeln!(out, "── cell {} of {of} {}", index + 1, "─".repeat(40))?;
            source.lines().try_for_each(|line| writeln!(out, "  │ {line}"))
        }
        Progress::Output { output, .. } => {
            let text = text(output);
            write!(out, "{text}")?;
            match (text.ends_with('\n'), stream) {
                (false, false) => writeln!(out),
                (ended, true) => {
                    *open_line = !ended;
                    Ok(())
                }
                (true, false) => Ok(()),
            }
        }
        Progress::End { .. } => writeln!(out),
    }
}

/// An output as text.
fn text(output: &Value) -> String {
    let field = |name: &str| output.get(name).and_then(Value::as_str).unwrap_or_default();
    match field("output_type") {
        "stream" => field("text").to_owned(),
        "error" => {
            let lines = output.get("traceback").and_then(Value::as_array).into_iter().flatten();
            lines.filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
        }
        _ => {
            let data = output.get("data");
            let plain = data.and_then(|data| data.get("text/plain")).and_then(Value::as_str);
            plain.unwrap_or("[an output without a text form]").to_owned()
        }
    }
}
