//! The project's chores: `cargo xtask …`. Each command sets up what it needs.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

mod bench;
mod codegen;
mod demo;
mod node;
mod python;
mod shell;
mod test;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "cargo xtask COMMAND

  demo           build, run the quick-start notebook, show what came out
  lab [OPTION…]  open the notebooks in a JupyterLab of one's own; options go to `jupyter lab`
  test [PART]    run everything, or one part: tidy, lint, rust, python, lab, vscode
  tidy           check the rules of the house
  codegen        write what is generated: schemas, reference pages
  vsix           package the extension for VS Code
  setup          install what the tests need, and nothing else
  bench check    measure the check of documents beside ajv and check-jsonschema
  bench dap      measure the debug adapter beside debugpy
  bench engine   measure the run engine, beside plain inserts into SQLite
  bench kernel   measure the kernel beside ipykernel
  bench lsp      measure the language server beside yaml-language-server
  bench vectors  measure search by vectors beside hnswlib
  bench yaml     measure the YAML front end beside other parsers
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        ["demo"] => demo::demo(),
        ["lab", more @ ..] => demo::lab(more),
        ["test"] => test::run(None),
        ["test", part] => test::run(Some(part)),
        ["tidy"] => tidy::run(),
        ["codegen"] => codegen::write(),
        ["vsix"] => test::vsix(),
        ["setup"] => python::tests().map(drop),
        ["bench", "check"] => bench::check(),
        ["bench", "dap"] => bench::dap(),
        ["bench", "engine"] => bench::engine(),
        ["bench", "kernel"] => bench::kernel(),
        ["bench", "lsp"] => bench::lsp(),
        ["bench", "vectors"] => bench::vectors(),
        ["bench", "yaml"] => bench::yaml(),
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
