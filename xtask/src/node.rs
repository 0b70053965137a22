//! Node, the extension's packages, and a VS Code workbench that runs in a browser.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::shell::{Done, cache, root, run};

/// The newest line that runs on Node 20.
const CODE_SERVER: &str = "4.100.3";

/// The folder of the extension, with its packages.
pub fn extension() -> Done<PathBuf> {
    node()?;
    let folder = root().join("vscode-extension");
    let lock = folder.join("package-lock.json");
    let installed = folder.join("node_modules/.package-lock.json");
    let modified = |path: &Path| fs::metadata(path).and_then(|found| found.modified()).ok();
    if modified(&installed) < modified(&lock) || modified(&installed).is_none() {
        run(Command::new("npm").args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(&folder))?;
    }
    Ok(folder)
}

/// The folder of code-server.
pub fn code_server() -> Done<PathBuf> {
    node()?;
    let folder = cache()?.join(format!("code-server-{CODE_SERVER}"));
    let program = folder.join("node_modules/code-server");
    let complete = folder.join("complete");
    if complete.exists() {
        return Ok(program);
    }
    println!("setting up {}", folder.display());
    // What an interrupted setup left is not to be trusted.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let npm = |args: &[&str], place: &Path| {
        let mut command = Command::new("npm");
        // The headers of Debian's Node; nothing is fetched from elsewhere.
        command.args(args).current_dir(place).env("npm_config_nodedir", "/usr");
        command.env("npm_config_loglevel", "error").env("npm_config_audit", "false").env("npm_config_fund", "false");
        command
    };
    let package = format!("code-server@{CODE_SERVER}");
    run(&mut npm(&["install", "--ignore-scripts", &package], &folder))?;
    run(&mut npm(&["rebuild", "argon2", "--build-from-source"], &folder))?;
    let inner = program.join("lib/vscode");
    run(&mut npm(&["install", "--ignore-scripts", "--omit=dev"], &inner))?;
    run(&mut npm(&["install", "--ignore-scripts", "--omit=dev"], &inner.join("extensions")))?;
    run(&mut npm(&["rebuild", "@vscode/spdlog", "native-watchdog"], &inner))?;
    // The terminal's last step fails behind the one that matters.
    let _ = npm(&["rebuild", "node-pty"], &inner).stdout(Stdio::null()).stderr(Stdio::null()).status();
    fs::write(&complete, "").map_err(|error| format!("{}: {error}", complete.display()))?;
    Ok(program)
}

/// The language server that ours is measured beside.
pub fn yaml_language_server() -> Done<PathBuf> {
    const VERSION: &str = "1.19.2";
    node()?;
    let folder = cache()?.join(format!("yaml-language-server-{VERSION}"));
    let program = folder.join("node_modules/yaml-language-server/bin/yaml-language-server");
    if !program.exists() {
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let package = format!("yaml-language-server@{VERSION}");
        run(Command::new("npm")
            .args(["install", "--ignore-scripts", "--loglevel=error", &package])
            .current_dir(&folder))?;
    }
    Ok(program)
}

/// The folder of the packages that the check is measured beside.
pub fn ajv() -> Done<PathBuf> {
    const PACKAGES: [&str; 2] = ["ajv@8.20.0", "js-yaml@5.5.0"];
    node()?;
    let folder = cache()?.join(format!("ajv-{}", PACKAGES.join("-").replace(['@', '/'], "-")));
    let modules = folder.join("node_modules");
    if !modules.join("ajv").exists() {
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        run(Command::new("npm")
            .args(["install", "--ignore-scripts", "--loglevel=error"])
            .args(PACKAGES)
            .current_dir(&folder))?;
    }
    Ok(modules)
}

/// A server of the Model Context Protocol that shows all that there is; gives its script.
pub fn mcp_server() -> Done<PathBuf> {
    const PACKAGE: &str = "@modelcontextprotocol/server-everything";
    const VERSION: &str = "2026.8.31";
    node()?;
    let folder = cache()?.join(format!("mcp-server-{VERSION}"));
    let program = folder.join("node_modules").join(PACKAGE).join("dist/index.js");
    if !program.exists() {
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let package = format!("{PACKAGE}@{VERSION}");
        run(Command::new("npm")
            .args(["install", "--ignore-scripts", "--loglevel=error", &package])
            .current_dir(&folder))?;
    }
    Ok(program)
}

/// A browser without a window.
pub fn chromium() -> Done<PathBuf> {
    debian("chromium", &["chromium"])?;
    which("chromium").ok_or_else(|| "there is no program `chromium`".to_owned())
}

fn node() -> Done {
    debian("node", &["nodejs", "npm", "libnode-dev"])?;
    let output = Command::new("node").arg("--version").output().map_err(|error| format!("node: {error}"))?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_some_and(|major| major >= 20) {
        Ok(())
    } else {
        Err(format!("the editor's parts need Node 20 or newer; this is {version}"))
    }
}

/// Installs packages of Debian, unless their program is there.
fn debian(program: &str, packages: &[&str]) -> Done {
    if which(program).is_some() {
        return Ok(());
    }
    println!("installing {}", packages.join(", "));
    let apt = |args: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(args).env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    run(apt(&["update", "-qq"]).stdout(Stdio::null()))?;
    run(apt(&["install", "-qq", "-y", "--no-install-recommends"]).args(packages).stdout(Stdio::null()))
}

fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|found| found.is_file())
}
