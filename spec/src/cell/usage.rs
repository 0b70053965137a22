use aikit_core::{AgentId, Diagnostic, TextRange, codes};

use super::{ArgumentError, MAGICS, Magic, RunArgument, VersionedName, magic};
use crate::roots::nearest;

/// What is wrong with a magic as it is written.
pub(super) fn check(written: &Magic, signs: usize) -> Option<Diagnostic> {
    let prefix = &"%%"[..signs];
    let full = format!("{prefix}{}", written.name);
    let Some(info) = magic(&full) else { return Some(unknown(written, prefix, &full)) };
    let words: Vec<&str> = written.argument.split_whitespace().collect();
    let problem = match (info.name, words.as_slice()) {
        ("%run" | "%%run", _) => RunArgument::parse(&written.argument).err(),
        ("%promote", [name]) => match VersionedName::parse(name) {
            Ok(VersionedName { version: Some(_), .. }) => None,
            Ok(_) => Some(whole(written, "the version is missing")),
            Err(error) => Some(error),
        },
        ("%save", [name, _, ..]) => VersionedName::parse(name).err(),
        ("%history", [name]) | ("%runs", [name]) => {
            AgentId::new(*name).err().map(|error| whole(written, &error.to_string()))
        }
        ("%runs", []) | ("%help", [] | [_]) | ("%show" | "%replay", [_]) => None,
        ("%history" | "%promote", []) => Some(whole(written, "the name of an agent is missing")),
        ("%save", _) => Some(whole(written, "the name of an agent and a file are needed")),
        ("%fork" | "%resume", [run, ..]) => fork_inputs(written, run.len()).err(),
        ("%show" | "%replay" | "%fork" | "%resume", []) => Some(whole(written, "the id of a run is missing")),
        (_, []) => None,
        ("%runs" | "%help" | "%show" | "%replay" | "%history" | "%promote", _) => {
            Some(whole(written, "one argument is enough"))
        }
        _ => Some(whole(written, &format!("`{full}` takes no argument"))),
    };
    problem.map(|ArgumentError { message, range }| {
        let start = written.argument_range.start;
        let inside = TextRange { start: start + range.start, end: start + range.end };
        let place = if inside.is_empty() { written.name_range } else { inside };
        Diagnostic::new(codes::MAGIC_USAGE, place, message).with_help(format!("usage: {}", info.usage))
    })
}

/// What follows the run in a `%fork` or `%resume` reads as what follows the agent in a `%run`.
fn fork_inputs(written: &Magic, run: usize) -> Result<RunArgument, ArgumentError> {
    let start = written.argument.len() - written.argument.trim_start().len();
    let blank = "x".repeat(start + run);
    RunArgument::parse(&format!("{blank}{}", &written.argument[start + run..]))
}

fn whole(written: &Magic, message: &str) -> ArgumentError {
    ArgumentError { message: message.to_owned(), range: TextRange::new(0, written.argument.len()) }
}

fn unknown(written: &Magic, prefix: &str, full: &str) -> Diagnostic {
    let diagnostic = Diagnostic::new(codes::UNKNOWN_MAGIC, written.name_range, format!("there is no magic `{full}`"));
    let names = || MAGICS.iter().map(|magic| magic.name);
    let other = if prefix == "%" { format!("%{full}") } else { full[1..].to_owned() };
    // The same name with the other number of signs comes first, then names of the same kind, then any.
    let meant = names()
        .find(|name| *name == other)
        .or_else(|| nearest(full, names().filter(|name| name.starts_with("%%") == (prefix == "%%"))))
        .or_else(|| nearest(full, names()));
    match meant {
        Some(name) => diagnostic.with_fix(format!("Change to `{name}`"), written.name_range, name),
        None => diagnostic.with_help("`%help` lists all magics"),
    }
}
