//! Jupyter's kernelspecs: a folder per kernel with a `kernel.json` and a logo.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use aikit_core::Language;
use aikit_kernel::{info, message::PROTOCOL_VERSION};
use serde_json::{Value, json};

use crate::{profile::Env, source};

/// The languages that get a kernel each.
pub const LANGUAGES: [Language; 3] = [Language::Yaml, Language::Lua, Language::Js];

/// The first part of the kernels' names, unless another is chosen.
pub const NAME: &str = "aikit";

const LOGO: &str = include_str!("logo.svg");

/// What the kernels start with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// This program.
    pub program: PathBuf,
    /// Global options that were given at the installation and hold for every start.
    pub options: Vec<String>,
    /// The first part of the kernels' names.
    pub name: String,
}

impl Binding {
    /// The name of the folder of a language.
    pub fn folder(&self, language: Language) -> String {
        let standard = info::kernel_name(language);
        format!("{}{}", self.name, standard.strip_prefix(NAME).unwrap_or(standard))
    }

    /// The content of `kernel.json`.
    pub fn kernel_json(&self, language: Language) -> Value {
        let mut argv = vec![self.program.display().to_string()];
        argv.extend(self.options.iter().cloned());
        argv.extend(
            ["kernel", "start", "--language", language.keyword(), "-f", "{connection_file}"].map(str::to_owned),
        );
        let title = match language {
            Language::Yaml => "agents",
            other => other.title(),
        };
        json!({
            "argv": argv,
            "display_name": format!("{} ({title})", self.name),
            "language": info::language_info(language)["name"],
            "interrupt_mode": "message",
            // The schema of kernelspecs wants three numbers.
            "kernel_protocol_version": format!("{PROTOCOL_VERSION}.0"),
            "metadata": { "debugger": true, "aikit": { "version": env!("CARGO_PKG_VERSION") } },
        })
    }
}

/// Writes the three kernelspecs below `folder`. Each file is replaced in one step, `kernel.json` last, so that a client
/// that looks at the same time sees the old kernel or the new one.
pub fn install(folder: &Path, binding: &Binding) -> io::Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    for language in LANGUAGES {
        let kernel = folder.join(binding.folder(language));
        fs::create_dir_all(&kernel)?;
        source::replace(&kernel.join("logo-svg.svg"), LOGO.as_bytes())?;
        let text = crate::render::pretty(&binding.kernel_json(language));
        source::replace(&kernel.join("kernel.json"), text.as_bytes())?;
        written.push(kernel);
    }
    Ok(written)
}

/// A kernel of ours that is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The kernel's name.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// The program that it starts.
    pub program: PathBuf,
}

/// The kernels of ours below `folder`, sorted by name. What cannot be read is not ours.
pub fn installed(folder: &Path) -> Vec<Installed> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<Installed> = entries.filter_map(|entry| ours(&entry.ok()?.path())).collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// A kernel of ours says so in its metadata.
fn ours(folder: &Path) -> Option<Installed> {
    let text = fs::read_to_string(folder.join("kernel.json")).ok()?;
    let kernel: Value = serde_json::from_str(&text).ok()?;
    kernel.pointer("/metadata/aikit")?;
    let program = PathBuf::from(kernel.pointer("/argv/0")?.as_str()?);
    Some(Installed { name: folder.file_name()?.to_str()?.to_owned(), folder: folder.to_owned(), program })
}

/// Removes a kernel.
pub fn remove(kernel: &Installed) -> io::Result<()> {
    fs::remove_dir_all(&kernel.folder)
}

/// The kernels of a data folder of Jupyter or of a prefix.
pub fn below_prefix(prefix: &Path) -> PathBuf {
    prefix.join("share/jupyter/kernels")
}

/// Where kernels of the person lie.
pub fn user_folder(env: Env<'_>) -> Option<PathBuf> {
    let folder = |name: &str| env(name).map(PathBuf::from).filter(|path| !path.as_os_str().is_empty());
    let data = if let Some(data) = folder("JUPYTER_DATA_DIR") {
        data
    } else if cfg!(windows) {
        folder("APPDATA")?.join("jupyter")
    } else if cfg!(target_os = "macos") {
        folder("HOME")?.join("Library/Jupyter")
    } else if let Some(data) = folder("XDG_DATA_HOME") {
        data.join("jupyter")
    } else {
        folder("HOME")?.join(".local/share/jupyter")
    };
    Some(data.join("kernels"))
}

/// The prefix of the Python environment that is in use: the activated one, else what `python3` says.
pub fn sys_prefix(env: Env<'_>) -> Option<PathBuf> {
    let active = ["VIRTUAL_ENV", "CONDA_PREFIX"].iter().find_map(|name| env(name).filter(|value| !value.is_empty()));
    active.map(PathBuf::from).or_else(|| {
        let code = "import sys; print(sys.prefix)";
        let output =
            Command::new("python3").args(["-c", code]).output().ok().filter(|output| output.status.success())?;
        let text = String::from_utf8(output.stdout).ok()?;
        Some(PathBuf::from(text.trim())).filter(|path| path.is_absolute())
    })
}

/// Every folder in which Jupyter looks for kernels, the first that counts first.
pub fn search_folders(env: Env<'_>) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = Vec::new();
    if let Some(paths) = env("JUPYTER_PATH") {
        folders.extend(std::env::split_paths(&paths).map(|path| path.join("kernels")));
    }
    folders.extend(user_folder(env));
    folders.extend(sys_prefix(env).map(|prefix| below_prefix(&prefix)));
    for system in ["/usr/local", "/usr"] {
        folders.push(below_prefix(Path::new(system)));
    }
    let mut seen = Vec::new();
    folders.retain(|folder| {
        let new = !seen.contains(folder);
        seen.push(folder.clone());
        new
    });
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(program: &str) -> Binding {
        Binding { program: program.into(), options: vec!["--tenant".into(), "acme".into()], name: "aikit".into() }
    }

    #[test]
    fn installing_twice_replaces_and_removing_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        install(folder.path(), &binding("/old")).unwrap();
        install(folder.path(), &binding("/new")).unwrap();
        let found = installed(folder.path());
        let names: Vec<_> = found.iter().map(|kernel| kernel.name.as_str()).collect();
        assert_eq!(names, ["aikit", "aikit-js", "aikit-lua"]);
        for kernel in &found {
            assert_eq!(kernel.program, Path::new("/new"));
            assert_eq!(fs::read_dir(&kernel.folder).unwrap().count(), 2, "no left-overs");
            remove(kernel).unwrap();
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn foreign_kernels_are_not_ours() {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in [("python3", r#"{"argv": ["python3"]}"#), ("broken", "{"), ("empty", "")] {
            fs::create_dir(folder.path().join(name)).unwrap();
            fs::write(folder.path().join(name).join("kernel.json"), content).unwrap();
        }
        fs::write(folder.path().join("file"), "").unwrap();
        assert_eq!(installed(folder.path()), []);
    }

    #[test]
    fn what_jupyter_reads() {
        assert_eq!(
            binding("/bin/aikit").kernel_json(Language::Js),
            json!({
                "argv": [
                    "/bin/aikit", "--tenant", "acme", "kernel", "start", "--language", "js", "-f", "{connection_file}"
                ],
                "display_name": "aikit (JavaScript)",
                "language": "javascript",
                "interrupt_mode": "message",
                "kernel_protocol_version": "5.5.0",
                "metadata": { "debugger": true, "aikit": { "version": env!("CARGO_PKG_VERSION") } },
            })
        );
    }
}
