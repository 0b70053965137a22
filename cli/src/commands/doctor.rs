//! `aikit doctor`: looks at everything that aikit needs and says what is missing.

use std::process::Command as Process;

use serde_json::{Value, json};

use super::Outcome;
use crate::{argv::Format, context::Context, exit::Exit, failure::Failure, kernelspec, render};

/// Arguments of `aikit doctor`: none.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// How one thing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Fine,
    /// Works without it, with less.
    Note,
    /// Something will fail.
    Broken,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    what: &'static str,
    verdict: Verdict,
    text: String,
}

/// Looks at one thing after the other; a broken one does not hide the next.
pub async fn run(context: &Context) -> Result<Outcome, Failure> {
    context.without_reports("doctor")?;
    let (store, broken) = store(context).await;
    let findings = vec![version(), store, sandbox(), kernels(), program("python"), program("jupyter")];
    let exit = match broken {
        Some(failure) => failure.exit,
        None if findings.iter().any(|finding| finding.verdict == Verdict::Broken) => Exit::Refused,
        None => Exit::Ok,
    };
    Ok(Outcome { text: show(&findings, context.format), exit })
}

fn show(findings: &[Finding], format: Format) -> String {
    let word = |verdict| match verdict {
        Verdict::Fine => "ok",
        Verdict::Note => "note",
        Verdict::Broken => "broken",
    };
    if format == Format::Json {
        let all: Vec<Value> = findings
            .iter()
            .map(|finding| json!({ "what": finding.what, "verdict": word(finding.verdict), "text": finding.text }))
            .collect();
        return render::pretty(&all);
    }
    let rows: Vec<Vec<String>> = findings
        .iter()
        .map(|finding| vec![word(finding.verdict).to_owned(), finding.what.to_owned(), finding.text.clone()])
        .collect();
    aikit_core::render::table(&["", "what", ""], &rows) + "\n"
}

fn version() -> Finding {
    let place = std::env::current_exe().map_or_else(|error| error.to_string(), |path| path.display().to_string());
    Finding { what: "aikit", verdict: Verdict::Fine, text: format!("{} at {place}", env!("CARGO_PKG_VERSION")) }
}

/// Opens the store, enters the scope and writes: the own tenant is created, or a key is set and removed.
async fn store(context: &Context) -> (Finding, Option<Failure>) {
    let tried = async {
        let store = context.store().await?;
        let key = format!("aikit/doctor/{}", uuid::Uuid::now_v7());
        store.kv_set(&key, &Value::Null).await?;
        store.kv_delete(&key).await?;
        Ok::<_, Failure>(store.tenant().await?)
    };
    let db = context.profile.db.display();
    match tried.await {
        Ok(tenant) => {
            let text = format!("{db} can be written; tenant {}, user {}", tenant.id, context.profile.user);
            (Finding { what: "store", verdict: Verdict::Fine, text }, None)
        }
        Err(failure) => {
            let help = failure.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
            let text = format!("{}{help}", failure.message);
            (Finding { what: "store", verdict: Verdict::Broken, text }, Some(failure))
        }
    }
}

/// Whether the operating system can lock scripts in.
fn sandbox() -> Finding {
    let what = "sandbox";
    match landlock_version() {
        Some(version) => {
            Finding { what, verdict: Verdict::Fine, text: format!("Landlock version {version}: scripts see no files") }
        }
        None => Finding {
            what,
            verdict: Verdict::Note,
            text: "no Landlock here: scripts are held by the interpreters' own sandbox and by resource limits"
                .to_owned(),
        },
    }
}

#[cfg(target_os = "linux")]
fn landlock_version() -> Option<i64> {
    const CREATE_RULESET_VERSION: u32 = 1;
    // SAFETY: with this flag the call reads no memory of ours; it answers with a number.
    let version = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0usize, CREATE_RULESET_VERSION)
    };
    (version > 0).then_some(version)
}

#[cfg(not(target_os = "linux"))]
fn landlock_version() -> Option<i64> {
    None
}

fn kernels() -> Finding {
    let what = "kernels";
    let env = |name: &str| std::env::var_os(name);
    let found: Vec<_> =
        kernelspec::search_folders(&env).iter().flat_map(|folder| kernelspec::installed(folder)).collect();
    let names: Vec<&str> = found.iter().map(|kernel| kernel.name.as_str()).collect();
    if found.is_empty() {
        let text = "none are installed; `aikit kernel install` does it".to_owned();
        return Finding { what, verdict: Verdict::Note, text };
    }
    match found.iter().find(|kernel| !kernel.program.is_file()) {
        Some(stale) => Finding {
            what,
            verdict: Verdict::Broken,
            text: format!(
                "{} starts {}, which is not there; `aikit kernel install` mends it",
                stale.folder.display(),
                stale.program.display()
            ),
        },
        None => Finding { what, verdict: Verdict::Fine, text: names.join(", ") },
    }
}

/// Whether another program answers to `--version`. None is needed to run notebooks; Jupyter is, to open them.
fn program(what: &'static str) -> Finding {
    let name = if what == "python" { "python3" } else { what };
    let answer = Process::new(name).arg("--version").output().ok().filter(|output| output.status.success());
    match answer {
        Some(output) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let parts: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).take(3).collect();
            Finding { what, verdict: Verdict::Fine, text: parts.join(", ") }
        }
        None => Finding {
            what,
            verdict: Verdict::Note,
            text: format!("`{name}` is not found; needed only to open notebooks in JupyterLab"),
        },
    }
}
