//! `aikit kernel`: the kernelspecs, and the kernel that they start.

use std::path::{Path, PathBuf};

use aikit_core::{Language, render::table};
use aikit_kernel::{KernelOptions, Remote, connection::ConnectionInfo};
use clap::ValueEnum;
use serde_json::{Value, json};
use tokio::io::{stdin, stdout};

use super::Outcome;
use crate::{
    adapters::debug,
    argv::{Format, Global},
    compose::{self, Composition},
    context::Context,
    exit::Exit,
    failure::Failure,
    kernelspec::{self, Binding, Installed},
    profile, render,
};

/// What `aikit kernel` can do.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Tell Jupyter of the kernels: agents, Lua, JavaScript
    Install(Install),
    /// Run a kernel; Jupyter calls this
    Start(Start),
    /// List the kernels that Jupyter finds
    List,
    /// Take the kernels away again
    Uninstall(Place),
}

/// Arguments of `aikit kernel install`.
#[derive(Debug, clap::Args)]
pub struct Install {
    /// Where to.
    #[command(flatten)]
    pub place: Place,
}

/// Arguments of `aikit kernel start`.
#[derive(Debug, clap::Args)]
pub struct Start {
    /// The connection file that Jupyter wrote
    #[arg(short = 'f', long, value_name = "FILE", required_unless_present = "stdio")]
    pub connection_file: Option<PathBuf>,
    /// Speak over standard input and output: a message a line, as on Jupyter Server's WebSocket
    #[arg(long, conflicts_with = "connection_file")]
    pub stdio: bool,
    /// What a cell without a magic is written in
    #[arg(long, value_enum, default_value_t)]
    pub language: CellLanguage,
    /// The model behind `ctx.ai` in cells, as PROVIDER/MODEL
    #[arg(long, value_name = "PROVIDER/MODEL", default_value = compose::MODEL, env = "AIKIT_MODEL", hide_env_values = true)]
    pub model: String,
}

/// The language of a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum CellLanguage {
    /// Agents
    #[default]
    Yaml,
    /// Lua
    Lua,
    /// JavaScript
    Js,
}

impl From<CellLanguage> for Language {
    fn from(language: CellLanguage) -> Self {
        match language {
            CellLanguage::Yaml => Language::Yaml,
            CellLanguage::Lua => Language::Lua,
            CellLanguage::Js => Language::Js,
        }
    }
}

/// Where kernels are installed.
#[derive(Debug, clap::Args)]
pub struct Place {
    /// For the current user (the default)
    #[arg(long)]
    pub user: bool,
    /// Below a folder, as in PREFIX/share/jupyter/kernels
    #[arg(long, value_name = "PREFIX", conflicts_with = "sys_prefix")]
    pub prefix: Option<PathBuf>,
    /// For the Python environment in use: the activated one, or that of python3
    #[arg(long)]
    pub sys_prefix: bool,
    /// The first part of the kernels' names
    #[arg(long, default_value = kernelspec::NAME)]
    pub name: String,
}

/// Runs one of the commands. What was given of the global options is kept in the kernels that are installed.
pub fn run(context: &Context, global: &Global, command: Command) -> Result<Outcome, Failure> {
    context.without_reports("kernel")?;
    match command {
        Command::Install(args) => install(context, global, &args.place),
        Command::Start(_) => Err(Failure::new(Exit::Internal, "a kernel is started on its own")),
        Command::List => Ok(list(context)),
        Command::Uninstall(place) => uninstall(context, &place),
    }
}

/// Runs a kernel to its end. An interrupt from the keyboard stops the cell that runs, a termination ends the kernel.
pub async fn start(context: &Context, args: Start) -> Result<Outcome, Failure> {
    let connection = match &args.connection_file {
        Some(file) => Some(
            ConnectionInfo::read(file)
                .map_err(|error| Failure::new(Exit::NotFound, format!("{}: {error}", file.display())))?,
        ),
        None => None,
    };
    let database = context.database().await?;
    let scope = context.scope(&database).await?;
    let composition = Composition::new(context, args.model)?;
    let session = compose::session(&database, scope, "kernel", &composition).await?;
    let (session, debugger) = debug::debugged(session, args.language.into());
    let begun = |remote: Remote| {
        tokio::spawn(async move { signals(remote).await });
    };
    match connection {
        None => {
            let language = args.language.into();
            aikit_kernel::stdio::serve(session, language, Some(debugger), stdin(), stdout(), begun).await;
        }
        Some(connection) => {
            let mut options = KernelOptions::new(args.language.into(), std::env::temp_dir());
            options.debugger = Some(debugger);
            options.username = context.profile.user.to_string();
            options.parent = std::env::var("JPY_PARENT_PID").ok().and_then(|pid| pid.parse().ok());
            let kernel = aikit_kernel::start(&connection, session, options)
                .await
                .map_err(|error| Failure::new(Exit::Refused, error.to_string()))?;
            begun(kernel.remote());
            kernel.wait().await;
        }
    }
    database.close().await;
    Ok(Outcome::ok(""))
}

#[cfg(unix)]
async fn signals(remote: Remote) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return;
    };
    loop {
        tokio::select! {
            Some(()) = interrupt.recv() => remote.interrupt(),
            Some(()) = terminate.recv() => remote.stop(),
            else => return,
        }
    }
}

#[cfg(not(unix))]
async fn signals(remote: Remote) {
    while tokio::signal::ctrl_c().await.is_ok() {
        remote.interrupt();
    }
}

/// The folder of kernels that a place means.
fn folder(place: &Place) -> Result<PathBuf, Failure> {
    let env = |name: &str| std::env::var_os(name);
    if let Some(prefix) = &place.prefix {
        return Ok(kernelspec::below_prefix(&profile::absolute(prefix)));
    }
    if place.sys_prefix {
        return kernelspec::sys_prefix(&env).map(|prefix| kernelspec::below_prefix(&prefix)).ok_or_else(|| {
            Failure::new(Exit::NotFound, "there is no Python environment to install into")
                .with_help("activate one, or name its folder with --prefix")
        });
    }
    kernelspec::user_folder(&env).ok_or_else(|| {
        Failure::usage("there is no home folder to install into").with_help("name a folder with --prefix")
    })
}

fn install(context: &Context, global: &Global, place: &Place) -> Result<Outcome, Failure> {
    check_name(&place.name)?;
    let program = std::env::current_exe()
        .map_err(|error| Failure::new(Exit::Internal, format!("the program does not know where it lies: {error}")))?;
    let mut options = Vec::new();
    for (flag, value) in [("--tenant", &global.tenant), ("--as", &global.user)] {
        options.extend(value.iter().flat_map(|value| [flag.to_owned(), value.clone()]));
    }
    if let Some(db) = &global.db {
        options.extend(["--db".to_owned(), profile::absolute(db).display().to_string()]);
    }
    let binding = Binding { program, options, name: place.name.clone() };
    let folder = folder(place)?;
    let written = kernelspec::install(&folder, &binding).map_err(|error| {
        Failure::new(Exit::Refused, format!("{}: {error}", folder.display()))
            .with_help("choose a folder that you may write with --prefix or --user")
    })?;
    Ok(Outcome::ok(match context.format {
        Format::Json => render::pretty(&json!({ "installed": written })),
        _ => written.iter().map(|kernel| format!("installed {}\n", kernel.display())).collect(),
    }))
}

fn check_name(name: &str) -> Result<(), Failure> {
    // Jupyter's own rule for the names of kernels, in lower case.
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    if !name.is_empty() && name.chars().all(fine) && !name.starts_with('.') {
        return Ok(());
    }
    Err(Failure::usage(format!("`{name}` cannot be the name of a kernel"))
        .with_help("lower-case letters, digits, `-`, `_` and `.`"))
}

fn list(context: &Context) -> Outcome {
    let env = |name: &str| std::env::var_os(name);
    let found: Vec<Installed> =
        kernelspec::search_folders(&env).iter().flat_map(|folder| kernelspec::installed(folder)).collect();
    if context.format == Format::Json {
        let all: Vec<Value> = found
            .iter()
            .map(|kernel| {
                json!({
                    "name": kernel.name,
                    "folder": kernel.folder,
                    "program": kernel.program,
                    "starts": kernel.program.is_file(),
                })
            })
            .collect();
        return Outcome::ok(render::pretty(&all));
    }
    if found.is_empty() {
        return Outcome::ok("no kernels of aikit are installed; `aikit kernel install` does it\n");
    }
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|kernel| vec![kernel.name.clone(), kernel.folder.display().to_string(), state(&kernel.program)])
        .collect();
    Outcome::ok(table(&["kernel", "folder", "program"], &rows) + "\n")
}

/// The program of a kernel, and whether it is there.
fn state(program: &Path) -> String {
    let there = if program.is_file() { "" } else { " (missing: install again)" };
    format!("{}{there}", program.display())
}

fn uninstall(context: &Context, place: &Place) -> Result<Outcome, Failure> {
    let folder = folder(place)?;
    let wanted = kernelspec::LANGUAGES.map(|language| {
        Binding { program: PathBuf::new(), options: Vec::new(), name: place.name.clone() }.folder(language)
    });
    let found: Vec<Installed> =
        kernelspec::installed(&folder).into_iter().filter(|kernel| wanted.contains(&kernel.name)).collect();
    if found.is_empty() {
        return Err(Failure::new(
            Exit::NotFound,
            format!("there is no kernel `{}` in {}", place.name, folder.display()),
        )
        .with_help("`aikit kernel list` shows where kernels are"));
    }
    for kernel in &found {
        kernelspec::remove(kernel)
            .map_err(|error| Failure::new(Exit::Refused, format!("{}: {error}", kernel.folder.display())))?;
    }
    let removed: Vec<&Path> = found.iter().map(|kernel| kernel.folder.as_path()).collect();
    Ok(Outcome::ok(match context.format {
        Format::Json => render::pretty(&json!({ "removed": removed })),
        _ => removed.iter().map(|kernel| format!("removed {}\n", kernel.display())).collect(),
    }))
}
