//! What is generated from the code and committed, so that people read it and reviews see it change.

use std::{fmt::Write, fs, process::Stdio};

use aikit_core::{
    codes,
    surface::{GLOBALS, MEMBERS, MemberKind},
};

use crate::shell::{Done, aikit, root};

/// A page and what makes it.
type Page = (&'static str, fn() -> String);

/// Pages that are made from tables of `aikit-core`.
const PAGES: &[Page] = &[("docs/diagnostics.md", diagnostics), ("docs/host-surface.md", surface)];

/// Writes everything that is generated.
pub fn write() -> Done {
    let write =
        |path: &str, text: &[u8]| fs::write(root().join(path), text).map_err(|error| format!("{path}: {error}"));
    for (path, make) in PAGES {
        write(path, make().as_bytes())?;
    }
    for kind in ["agent", "application", "test-suite", "library", "overlay", "preset"] {
        let program = aikit(false)?;
        let printed = |args: &[&str]| {
            let done = std::process::Command::new(&program).arg("schema").args(args).stderr(Stdio::inherit()).output();
            let done = done.map_err(|error| format!("aikit schema: {error}"))?;
            if done.status.success() { Ok(done.stdout) } else { Err("aikit schema failed".to_owned()) }
        };
        write(&format!("schemas/{kind}.schema.json"), &printed(&[kind])?)?;
        write(&format!("docs/reference/{kind}.md"), &printed(&[kind, "--reference"])?)?;
    }
    Ok(())
}

/// The pages that are not what would be generated. The schemas are held by a test of their crate.
pub fn stale() -> Done<Vec<String>> {
    let stale = PAGES.iter().filter(|(path, make)| {
        let committed = fs::read_to_string(root().join(path)).unwrap_or_default();
        committed != make()
    });
    Ok(stale.map(|(path, _)| format!("{path}: stale; `cargo xtask codegen` writes it anew")).collect())
}

fn diagnostics() -> String {
    let mut page = String::from(
        "# Diagnostic codes\n\nEvery finding has a code that never changes its meaning, and a page with a wrong and a right \
         example, which\n`aikit explain CODE` prints.\nWritten by `cargo xtask codegen` from the table in `core/src/codes.rs`.\n\n\
         | code | severity | meaning |\n|---|---|---|\n",
    );
    for (code, severity, meaning) in codes::TABLE {
        // A String takes whatever is written to it.
        let _ = writeln!(page, "| [{code}](diagnostics/{code}.md) | {} | {meaning} |", severity.as_str());
    }
    page
}

fn surface() -> String {
    let mut page = String::from(
        "# What scripts can ask of the host\n\nThe same names in Lua and in JavaScript. Written by `cargo xtask codegen` from \
         the table in `core/src/surface.rs`.\n\nA *call* is answered by the host: in Lua the script waits, in JavaScript it \
         gets a promise. An *output* is shown or logged and\ngives nothing back.\n",
    );
    for (name, doc) in GLOBALS {
        let _ = write!(page, "\n## `{name}`\n\n{doc}\n");
        let members: Vec<_> = MEMBERS.iter().filter(|member| member.path.split('.').next() == Some(*name)).collect();
        if members.is_empty() {
            continue;
        }
        page.push_str("\n| signature | kind | meaning |\n|---|---|---|\n");
        for member in members {
            let kind = match member.kind {
                MemberKind::Value => "value",
                MemberKind::Call => "call",
                MemberKind::Emit => "output",
                MemberKind::Immediate => "answered at once",
            };
            let signature = member.signature().replace('|', "\\|");
            let _ = writeln!(page, "| `{signature}` | {kind} | {} |", member.doc.replace('|', "\\|"));
        }
    }
    page
}
