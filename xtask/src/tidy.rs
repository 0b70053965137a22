//! The rules of the house that no compiler checks.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use crate::{
    codegen,
    shell::{Done, metadata, root},
};

/// Which crate may depend on which. A new edge is a decision: it is made here, with ARCHITECTURE.md.
const MAY_DEPEND: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("yaml", &["core"]),
    ("spec", &["core", "yaml"]),
    ("ide", &["core", "yaml", "spec"]),
    ("runtime", &["core", "spec"]),
    ("memory", &["core", "runtime"]),
    ("models", &["core", "runtime"]),
    ("tools", &["core", "runtime", "spec"]),
    ("storage", &["core"]),
    ("lua-bridge", &["core", "runtime"]),
    ("js-bridge", &["core", "runtime"]),
    ("transport", &[]),
    ("kernel", &["core", "ide", "runtime"]),
    ("lsp", &["core", "ide"]),
    ("dap", &["core", "runtime", "spec", "transport"]),
    (
        "cli",
        &[
            "core",
            "dap",
            "ide",
            "js-bridge",
            "kernel",
            "lsp",
            "lua-bridge",
            "memory",
            "models",
            "runtime",
            "spec",
            "storage",
            "tools",
            "transport",
            "yaml",
        ],
    ),
    (
        "testing",
        &["core", "ide", "js-bridge", "lsp", "lua-bridge", "memory", "models", "runtime", "spec", "storage", "tools"],
    ),
    ("xtask", &["core"]),
];

/// A file that is longer holds more than one idea.
const LINES: usize = 750;

/// What no file of ours may hold, and why.
const FORBIDDEN: &[(&str, &str)] = &[
    (concat!("#[", "ignore"), "a test that does not run is no test"),
    (concat!("todo", "!("), "unfinished code"),
    (concat!("unimplemented", "!("), "unfinished code"),
    (concat!("dbg", "!("), "left over from debugging"),
    (concat!("/ro", "ot/"), "a path of one machine"),
    (concat!("/wo", "rk/"), "a path of one machine"),
];

const TEXTS: &[&str] =
    &["rs", "toml", "md", "py", "txt", "yaml", "yml", "json", "ipynb", "sql", "ts", "js", "css", "html", "svg", "lua"];

/// Checks everything and lists all that is wrong.
pub fn run() -> Done {
    let mut problems = Vec::new();
    dependencies(&metadata()?, &mut problems);
    let files = tracked()?;
    for file in &files {
        let extension = Path::new(file).extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if !TEXTS.contains(&extension) || file.starts_with("yaml/tests/suite/") {
            continue;
        }
        // A file that was deleted and not committed yet is still listed.
        let Ok(text) = fs::read_to_string(root().join(file)) else { continue };
        content(file, extension, &text, &mut problems);
    }
    migrations(&files, &mut problems);
    problems.extend(codegen::stale()?);
    if problems.is_empty() {
        println!("{} files are tidy", files.len());
        return Ok(());
    }
    Err(problems.join("\n"))
}

fn tracked() -> Done<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .map_err(|error| format!("git cannot be started: {error}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

fn dependencies(metadata: &Value, problems: &mut Vec<String>) {
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let short = name.strip_prefix("aikit-").unwrap_or(name);
        let Some((_, allowed)) = MAY_DEPEND.iter().find(|(from, _)| *from == short) else {
            problems.push(format!("{name}: the crate is not in the table of xtask/src/tidy.rs"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let dev = dependency["kind"] == "dev";
            let Some(on) = dependency["name"].as_str().and_then(|name| name.strip_prefix("aikit-")) else { continue };
            if !dev && !allowed.contains(&on) {
                problems.push(format!("{name}: may not depend on aikit-{on} (the table is in xtask/src/tidy.rs)"));
            }
        }
    }
}

fn content(file: &str, extension: &str, text: &str, problems: &mut Vec<String>) {
    if extension == "rs" && text.lines().count() > LINES {
        problems.push(format!("{file}: more than {LINES} lines; split it by ideas"));
    }
    for (number, line) in text.lines().enumerate() {
        for (word, why) in FORBIDDEN {
            if line.contains(word) {
                problems.push(format!("{file}:{}: `{word}`: {why}", number + 1));
            }
        }
    }
}

/// Both engines have the same migrations.
fn migrations(files: &[String], problems: &mut Vec<String>) {
    let of = |engine: &str| -> Vec<&str> {
        let prefix = format!("migrations/{engine}/");
        files.iter().filter_map(|file| file.strip_prefix(&prefix)).collect()
    };
    let (sqlite, postgres) = (of("sqlite"), of("postgres"));
    if sqlite != postgres {
        problems.push(format!("migrations: sqlite has {sqlite:?}, postgres has {postgres:?}"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_new_edge_is_refused() {
        let package = |name: &str, on: &str, kind: Value| json!({ "packages": [{ "name": name, "dependencies": [{ "name": on, "kind": kind }] }] });
        let mut problems = Vec::new();
        dependencies(&package("aikit-core", "aikit-spec", Value::Null), &mut problems);
        dependencies(&package("aikit-new", "serde", Value::Null), &mut problems);
        assert_eq!(problems.len(), 2, "{problems:?}");
        dependencies(&package("aikit-spec", "aikit-yaml", Value::Null), &mut problems);
        dependencies(&package("aikit-core", "aikit-testing", json!("dev")), &mut problems);
        assert_eq!(problems.len(), 2, "{problems:?}");
    }

    #[test]
    fn places_are_named() {
        let mut problems = Vec::new();
        content("a.rs", "rs", &format!("fine\nx {}\n", FORBIDDEN[3].0), &mut problems);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].starts_with("a.rs:2: "), "{problems:?}");
    }
}
