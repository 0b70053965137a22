//! Places and programs.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

/// Success, or what went wrong in words.
pub type Done<T = ()> = Result<T, String>;

/// The folder of the workspace.
pub fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}

/// Where things are kept that are dear to make and easy to lose.
pub fn cache() -> Done<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = folder("XDG_CACHE_HOME").or_else(|| folder("HOME").map(|home| home.join(".cache")));
    cache.map(|cache| cache.join("aikit")).ok_or_else(|| "HOME is not set: there is no place for a cache".to_owned())
}

/// `cargo` with arguments.
pub fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(root());
    command
}

/// What `cargo metadata` says of the workspace.
pub fn metadata() -> Done<Value> {
    let output = cargo(&["metadata", "--format-version", "1", "--no-deps", "--locked"])
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata is not JSON: {error}"))
}

/// Builds the program and says where it lies.
pub fn aikit(release: bool) -> Done<PathBuf> {
    // The same features as in the tests, so that nothing is built twice.
    let mut args = vec!["build", "--locked", "--workspace", "--bin", "aikit"];
    if release {
        args.push("--release");
    }
    run(&mut cargo(&args))?;
    let target = metadata()?["target_directory"].as_str().map(PathBuf::from).unwrap_or_default();
    Ok(target.join(if release { "release" } else { "debug" }).join("aikit"))
}

/// Runs a program to its end; what it says is seen as it comes.
pub fn run(command: &mut Command) -> Done {
    let name = shown(command);
    let status = command.status().map_err(|error| format!("{name} cannot be started: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{name} failed: {status}")) }
}

/// Runs a program, passes on what it says and gives every line of it to `see`; whether it succeeded.
pub fn watch(command: &mut Command, mut see: impl FnMut(&str)) -> Done<bool> {
    let name = shown(command);
    let failed = |error: std::io::Error| format!("{name} cannot be run: {error}");
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(failed)?;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let line = line.map_err(failed)?;
            println!("{line}");
            see(&line);
        }
    }
    Ok(child.wait().map_err(failed)?.success())
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
