//! `cargo xtask test`: everything, part by part, with one sum at the end.

use std::{process::Command, time::Instant};

use crate::{
    node, python,
    shell::{Done, aikit, cargo, root, run as run_program, watch},
    tidy,
};

/// How many checks passed and failed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Count {
    passed: u64,
    failed: u64,
}

impl Count {
    fn one(ok: bool) -> Self {
        Self { passed: u64::from(ok), failed: u64::from(!ok) }
    }

    fn add(&mut self, other: Count) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

type Part = (&'static str, fn() -> Done<Count>);

const PARTS: &[Part] =
    &[("tidy", tidied), ("lint", lint), ("rust", rust), ("python", python), ("lab", lab), ("vscode", vscode)];

/// Runs all parts, or one. A part that fails does not hide the others.
pub fn run(only: Option<&str>) -> Done {
    if let Some(name) = only
        && PARTS.iter().all(|(part, _)| *part != name)
    {
        let names: Vec<&str> = PARTS.iter().map(|(name, _)| *name).collect();
        return Err(format!("there is no part `{name}`; the parts are {}", names.join(", ")));
    }
    let mut sum = Count::default();
    for (name, part) in PARTS.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)) {
        println!("\n==== {name} ====");
        let began = Instant::now();
        let count = part().unwrap_or_else(|message| {
            println!("{message}");
            Count::one(false)
        });
        println!("{name}: {} passed, {} failed, {:.0} s", count.passed, count.failed, began.elapsed().as_secs_f64());
        sum.add(count);
    }
    println!("\n{} passed, {} failed", sum.passed, sum.failed);
    if sum.failed == 0 { Ok(()) } else { Err("the tests failed".to_owned()) }
}

fn tidied() -> Done<Count> {
    tidy::run().map(|()| Count::one(true))
}

fn lint() -> Done<Count> {
    let mut count = Count::one(watch(&mut cargo(&["fmt", "--all", "--", "--check"]), |_| {})?);
    let clippy = ["clippy", "--locked", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"];
    count.add(Count::one(watch(&mut cargo(&clippy), |_| {})?));
    Ok(count)
}

fn rust() -> Done<Count> {
    let mut count = Count::default();
    let mut command = cargo(&["test", "--locked", "--workspace", "--no-fail-fast"]);
    let ok = watch(command.env("RUST_BACKTRACE", "0"), |line| count.add(result_of(line)))?;
    if !ok && count.failed == 0 {
        count.failed = 1;
    }
    Ok(count)
}

/// `test result: ok. 3 passed; 0 failed; …`
fn result_of(line: &str) -> Count {
    let Some(rest) = line.strip_prefix("test result: ") else { return Count::default() };
    let number = |word: &str| {
        let before = rest.split(word).next().unwrap_or_default().trim_end();
        before.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
    };
    Count { passed: number(" passed"), failed: number(" failed") }
}

fn python() -> Done<Count> {
    let program = aikit(false)?;
    watch(&mut cargo(&["build", "--locked", "--quiet", "-p", "aikit-kernel", "--example", "echo_kernel"]), |_| {})?;
    let (python, mcp_server) = (python::tests()?, node::mcp_server()?);
    let mut count = Count::default();
    let mut command = std::process::Command::new(python);
    command.args(["-m", "pytest", "--color=no", "tests/python"]).current_dir(root());
    command.env("AIKIT_BIN", program).env("MCP_SERVER", mcp_server);
    let ok = watch(&mut command, |line| {
        if line.starts_with("====") {
            count = summary_of(line);
        }
    })?;
    if !ok && count.failed == 0 {
        count.failed = 1;
    }
    Ok(count)
}

/// Packages the extension for VS Code.
pub fn vsix() -> Done {
    let extension = node::extension()?;
    for script in ["check", "package"] {
        run_program(Command::new("npm").args(["run", "--silent", script]).current_dir(&extension))?;
    }
    Ok(())
}

/// The extension in a real workbench.
fn vscode() -> Done<Count> {
    vsix()?;
    let (program, server, browser) = (aikit(false)?, node::code_server()?, node::chromium()?);
    in_browser(|| {
        let mut command = Command::new("npm");
        command.args(["run", "--silent", "test"]).current_dir(root().join("vscode-extension"));
        command.env("AIKIT_BIN", &program).env("CODE_SERVER", &server).env("CHROMIUM", &browser);
        command
    })
}

/// The debugger of JupyterLab.
fn lab() -> Done<Count> {
    let (program, environment, browser) = (aikit(false)?, python::lab()?, node::chromium()?);
    let packages = node::extension()?;
    in_browser(|| {
        let mut command = Command::new("node");
        command.args(["--test", "--test-reporter=tap", "tests/lab/debugger.test.mjs"]).current_dir(root());
        command.env("AIKIT_BIN", &program).env("JUPYTER", environment.join("bin/jupyter"));
        command.env("CHROMIUM", &browser).env("PLAYWRIGHT", &packages);
        command
    })
}

/// Runs tests of Node that steer a browser.
fn in_browser(command: impl Fn() -> Command) -> Done<Count> {
    let attempt = || -> Done<Count> {
        let mut count = Count::default();
        let ok = watch(&mut command(), |line| {
            let number = |word: &str| line.strip_prefix(word).and_then(|rest| rest.trim().parse::<u64>().ok());
            count.passed += number("# pass ").unwrap_or_default();
            count.failed += number("# fail ").unwrap_or_default() + number("# cancelled ").unwrap_or_default();
        })?;
        if !ok && count.failed == 0 {
            count.failed = 1;
        }
        Ok(count)
    };
    let count = attempt()?;
    if count.failed == 0 {
        return Ok(count);
    }
    // Keys go to a browser on a machine that may be busy: what is broken fails twice.
    println!("{} failed in the browser; once more", count.failed);
    attempt()
}

/// `==== 2 failed, 30 passed, 1 error in 3.21s ====`
fn summary_of(line: &str) -> Count {
    let mut count = Count::default();
    let words: Vec<&str> = line.split([' ', ',', '=']).filter(|word| !word.is_empty()).collect();
    for pair in words.windows(2) {
        let Ok(number) = pair[0].parse::<u64>() else { continue };
        match pair[1] {
            "passed" => count.passed += number,
            "failed" | "error" | "errors" => count.failed += number,
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_read() {
        let line = "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s";
        assert_eq!(result_of(line), Count { passed: 3, failed: 2 });
        assert_eq!(result_of("running 3 tests"), Count::default());
        let line = "========== 2 failed, 30 passed, 1 error in 3.21s ==========";
        assert_eq!(summary_of(line), Count { passed: 30, failed: 3 });
    }
}
