//! Private Python environments, one for each list of requirements.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::Command,
};

use crate::shell::{Done, cache, root, run};

/// The environment of the Python tests; gives its interpreter.
pub fn tests() -> Done<PathBuf> {
    environment("tests", &root().join("tests/python/requirements.txt"))
}

/// The environment of the programs that ours is measured beside; gives its interpreter.
pub fn peers() -> Done<PathBuf> {
    environment("peers", &root().join("tests/python/bench/requirements.txt"))
}

/// The environment with a peer for search by vectors; gives its interpreter.
pub fn vectors() -> Done<PathBuf> {
    environment("vectors", &root().join("tests/python/bench/vectors-requirements.txt"))
}

/// The environment of JupyterLab; gives its folder.
pub fn lab() -> Done<PathBuf> {
    let python = environment("lab", &root().join("tests/python/requirements-lab.txt"))?;
    Ok(python.parent().and_then(Path::parent).map(Path::to_owned).unwrap_or_default())
}

fn environment(name: &str, requirements: &Path) -> Done<PathBuf> {
    let wanted = fs::read_to_string(requirements).map_err(|error| format!("{}: {error}", requirements.display()))?;
    let mut hasher = DefaultHasher::new();
    wanted.hash(&mut hasher);
    let folder = cache()?.join(format!("venv-{name}-{:016x}", hasher.finish()));
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let complete = folder.join("complete");
    if complete.exists() {
        return Ok(python);
    }
    println!("setting up {}", folder.display());
    // What an interrupted setup left is not to be trusted.
    let _ = fs::remove_dir_all(&folder);
    run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
        .arg(requirements))?;
    fs::write(&complete, "").map_err(|error| format!("{}: {error}", complete.display()))?;
    Ok(python)
}
