//! Reads YAML from standard input and writes the events of the YAML test suite, or its diagnostics and exits with 1.

use std::{
    io::{Read, Write},
    process::ExitCode,
};

use aikit_yaml::{SyntaxTree, events, notation};

fn main() -> ExitCode {
    let mut bytes = Vec::new();
    if let Err(error) = std::io::stdin().read_to_end(&mut bytes) {
        return failed(&format!("standard input cannot be read: {error}"));
    }
    let Ok(text) = String::from_utf8(bytes) else { return failed("the text is not UTF-8") };
    let tree = SyntaxTree::parse(&text);
    if !tree.problems().is_empty() {
        let lines = aikit_core::LineIndex::new(&text);
        let told = tree.problems().iter().map(|problem| {
            let diagnostic = problem.diagnostic(&text);
            let at = lines.position(&text, diagnostic.range.start as usize);
            format!("{}:{}: {}: {}", at.line + 1, at.column + 1, diagnostic.code, diagnostic.message)
        });
        return failed(&told.collect::<Vec<_>>().join("\n"));
    }
    match std::io::stdout().write_all(notation(&events(&tree, &text)).as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn failed(message: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "{message}");
    ExitCode::FAILURE
}
