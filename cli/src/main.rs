//! `aikit`: the only place that knows every crate. It reads the command line and the environment, wires adapters to ports
//! and turns outcomes into text and exit codes.

mod adapters;
mod argv;
mod commands;
mod compose;
mod context;
mod exit;
mod failure;
mod files;
mod kernelspec;
mod logging;
mod people;
mod profile;
mod render;
mod source;

use std::{
    io::{self, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
};

use clap::Parser;

use crate::{
    argv::{Argv, Command},
    commands::Outcome,
    context::Context,
    exit::Exit,
    failure::Failure,
};

fn main() -> ExitCode {
    // Before anything starts a thread: the worker builds its walls first.
    if std::env::args_os().nth(1).is_some_and(|first| first == compose::WORKER) {
        return commands::worker::run();
    }
    let argv = Argv::parse();
    logging::start();
    let format = argv.global.format;
    let exit = match catch_unwind(AssertUnwindSafe(|| dispatch(argv))) {
        Ok(Ok(outcome)) => write(&mut io::stdout(), &outcome.text).map_or(Exit::Internal, |()| outcome.exit),
        Ok(Err(failure)) => write(&mut io::stderr(), &failure.render(format)).map_or(Exit::Internal, |()| failure.exit),
        // The panic has been printed by its hook.
        Err(_) => Exit::Internal,
    };
    ExitCode::from(exit.code())
}

/// Writes a text. A reader that has seen enough (`| head`) is no failure.
fn write(to: &mut impl Write, text: &str) -> io::Result<()> {
    match to.write_all(text.as_bytes()).and_then(|()| to.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

fn dispatch(argv: Argv) -> Result<Outcome, Failure> {
    let context = Context::new(&argv.global)?;
    match argv.command {
        Command::Schema(args) => commands::schema::run(&context, &args),
        Command::Expand(args) => commands::expand::run(&context, &args),
        Command::Diff(args) => commands::diff::run(&context, &args),
        Command::New(args) => commands::new::run(&context, &args),
        Command::Migrate(args) => commands::migrate::run(&context, &args),
        Command::Fmt(args) => commands::fmt::run(&context, &args),
        Command::Explain(args) => commands::explain::run(&context, &args),
        Command::Completions(args) => Ok(commands::completions::run(&args)),
        Command::Kernel(commands::kernel::Command::Start(args)) => serve(commands::kernel::start(&context, args)),
        Command::Kernel(command) => commands::kernel::run(&context, &argv.global, command),
        Command::Dap(args) => serve(commands::dap::run(&context, args)),
        Command::Lsp(args) => serve(commands::lsp::run(&context, args)),
        Command::Notebook(command) => serve(commands::notebook::run(&context, command)),
        Command::Test(args) => serve(commands::test::run(&context, args)),
        Command::Run(args) => serve(commands::run::run(&context, args)),
        Command::Runs(command) => wait(commands::runs::run(&context, command)),
        Command::Replay(args) => serve(commands::runs::replay(&context, args)),
        Command::Resume(args) => serve(commands::runs::resume(&context, args)),
        Command::Fork(args) => serve(commands::runs::fork(&context, args)),
        Command::Fixture(args) => wait(commands::fixture::run(&context, args)),
        Command::Check(args) => wait(commands::check::run(&context, args)),
        Command::Config(command) => wait(commands::config::run(&context, command)),
        Command::Spec(command) => wait(commands::spec::run(&context, command)),
        Command::Tenant(command) => wait(commands::tenant::run(&context, command)),
        Command::Doctor(_) => wait(commands::doctor::run(&context)),
        Command::ScriptWorker => Err(Failure::usage("the script worker is started by aikit itself")),
    }
}

/// Runs a command that talks to the store. One thread is enough for a single request after another.
fn wait(work: impl Future<Output = Result<Outcome, Failure>>) -> Result<Outcome, Failure> {
    block_on(tokio::runtime::Builder::new_current_thread(), work)
}

/// Runs a command that does many things at once.
fn serve(work: impl Future<Output = Result<Outcome, Failure>>) -> Result<Outcome, Failure> {
    block_on(tokio::runtime::Builder::new_multi_thread(), work)
}

fn block_on(
    mut builder: tokio::runtime::Builder,
    work: impl Future<Output = Result<Outcome, Failure>>,
) -> Result<Outcome, Failure> {
    let runtime = builder
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Internal, format!("the runtime cannot start: {error}")))?;
    let outcome = runtime.block_on(work);
    // A read of standard input cannot be called off; the process ends without it.
    runtime.shutdown_background();
    outcome
}
