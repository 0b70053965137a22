//! `cargo xtask bench`: programs that measure a face beside its peer, in one run on one machine.

use std::process::Command;

use crate::{
    node, python,
    shell::{Done, aikit, cargo, metadata, root, run},
};

/// The kernel beside ipykernel, and beside a bare echo on the same sockets.
pub fn kernel() -> Done {
    let program = aikit(true)?;
    run(&mut cargo(&["build", "--locked", "--release", "-p", "aikit-kernel", "--example", "echo_kernel"]))?;
    let target = metadata()?["target_directory"].as_str().unwrap_or_default().to_owned();
    run(Command::new(python::tests()?)
        .arg("tests/python/bench/kernel.py")
        .current_dir(root())
        .env("AIKIT_BIN", program)
        .env("AIKIT_ECHO_BIN", format!("{target}/release/examples/echo_kernel")))
}

/// The check of documents beside ajv and check-jsonschema.
pub fn check() -> Done {
    run(&mut cargo(&["build", "--locked", "--release", "-p", "aikit-spec", "--example", "check-bench"]))?;
    let target = metadata()?["target_directory"].as_str().unwrap_or_default().to_owned();
    run(Command::new(python::peers()?)
        .arg("tests/python/bench/check.py")
        .current_dir(root())
        .env("AIKIT_BIN", aikit(true)?)
        .env("AIKIT_CHECK_BENCH", format!("{target}/release/examples/check-bench"))
        .env("NODE_PATH", node::ajv()?))
}

/// The YAML front end beside other parsers.
pub fn yaml() -> Done {
    run(&mut cargo(&["run", "--locked", "--release", "--quiet", "-p", "aikit-yaml", "--example", "yaml-bench"]))
}

/// The language server beside yaml-language-server.
pub fn lsp() -> Done {
    run(Command::new("python3")
        .arg("tests/python/bench/lsp.py")
        .current_dir(root())
        .env("AIKIT_BIN", aikit(true)?)
        .env("YAML_LANGUAGE_SERVER", node::yaml_language_server()?))
}

/// The debug adapter beside debugpy.
pub fn dap() -> Done {
    run(Command::new(python::peers()?)
        .arg("tests/python/bench/dap.py")
        .current_dir(root())
        .env("AIKIT_BIN", aikit(true)?))
}

/// The run engine, beside plain inserts into SQLite.
pub fn engine() -> Done {
    run(&mut cargo(&["build", "--locked", "--release", "-p", "aikit-testing", "--example", "engine-bench"]))?;
    let target = metadata()?["target_directory"].as_str().unwrap_or_default().to_owned();
    run(Command::new("python3")
        .arg("tests/python/bench/engine.py")
        .current_dir(root())
        .env("AIKIT_ENGINE_BENCH", format!("{target}/release/examples/engine-bench")))
}

/// Search by vectors, beside hnswlib.
pub fn vectors() -> Done {
    run(&mut cargo(&["build", "--locked", "--release", "-p", "aikit-memory", "--example", "vectors"]))?;
    let target = metadata()?["target_directory"].as_str().unwrap_or_default().to_owned();
    run(Command::new(python::vectors()?)
        .arg("tests/python/bench/vectors.py")
        .current_dir(root())
        .env("CARGO_TARGET_DIR", target))
}
