//! The way from text to tree, with recovery after syntax errors.

use aikit_core::{Diagnostic, TextRange, codes};
use saphyr_parser::{Parser, ScanError};

use crate::{
    MAX_BYTES, Parsed,
    builder::{self, Builder, LimitReached},
    places::Places,
};

/// How many lines are left out in search of a tree behind a syntax error.
const MAX_RECOVERIES: usize = 8;

/// Larger broken texts keep only what stands before the error.
const MAX_RECOVERY_BYTES: usize = 128 << 10;

/// Reads a text. The first syntax error is reported; the tree then leaves out the lines that do not fit, so that what
/// stands around them can still be worked with.
pub fn parse(text: &str) -> Parsed {
    if text.len() > MAX_BYTES {
        let message = format!("the text is larger than {} MiB", MAX_BYTES >> 20);
        let diagnostic = Diagnostic::new(codes::YAML_LIMIT, TextRange::empty(0), message);
        return Parsed { documents: Vec::new(), diagnostics: vec![diagnostic] };
    }
    let places = Places::new(text);
    let first = Attempt::run(text, &places);
    let mut parsed = first.parsed;
    if let Some(error) = first.error {
        let line = recover(text, &places, &error, &mut parsed);
        let diagnostic = explain(&places, &error, line);
        // The beginning of a template may have been reported as one already.
        parsed.diagnostics.retain(|other| other.range.start != diagnostic.range.start);
        parsed.diagnostics.push(diagnostic);
    }
    parsed.diagnostics.sort_by_key(|diagnostic| diagnostic.range);
    parsed
}

/// One run of the parser over a text.
struct Attempt {
    parsed: Parsed,
    error: Option<Failure>,
}

/// A syntax error in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Failure {
    offset: usize,
    line: u32,
    info: String,
}

impl Failure {
    fn new(places: &Places<'_>, error: &ScanError) -> Self {
        let offset = places.offset(*error.marker());
        Self { offset, line: places.lines.line_of(offset), info: error.info().to_owned() }
    }
}

impl Attempt {
    fn run(text: &str, places: &Places<'_>) -> Self {
        let mut builder = Builder::new(places);
        let mut parser = Parser::new_from_str(text);
        let mut error = None;
        while let Some(event) = parser.next_event() {
            match event {
                Ok((event, span)) => match builder.event(event, span) {
                    Ok(()) => {}
                    Err(LimitReached) => break,
                },
                Err(scan_error) => {
                    error = Some(Failure::new(places, &scan_error));
                    break;
                }
            }
        }
        builder.finish();
        let parsed = Parsed { documents: builder.documents, diagnostics: builder.diagnostics };
        Self { parsed, error }
    }
}

/// Leaves out line by line what the parser stumbles over and keeps the tree that reaches furthest. Gives the line that
/// was left out first: the likely culprit of the first error.
fn recover(text: &str, places: &Places<'_>, error: &Failure, parsed: &mut Parsed) -> u32 {
    let mut culprit = error.line;
    if text.len() > MAX_RECOVERY_BYTES {
        return culprit;
    }
    let mut patched = text.to_owned();
    let mut error = error.clone();
    for round in 0..MAX_RECOVERIES {
        // A line that lacks its colon is noticed only at the next token, so the line above is tried as well.
        let above = (0..error.line).rev().find(|line| !places.trimmed_line(*line).is_empty());
        let candidates = [Some(error.line), above];
        let attempts = candidates.into_iter().flatten().map(|line| {
            let trial = without_line(&patched, places, line);
            let attempt = Attempt::run(&trial, places);
            (line, trial, attempt)
        });
        // The line above wins only by reaching further; on a draw the message decides.
        let noticed_late = error.info.contains("simple key expect");
        let best = attempts.max_by_key(|(line, _, attempt)| {
            let reach = attempt.error.as_ref().map_or(usize::MAX, |error| error.offset);
            (reach, (*line == error.line) != noticed_late)
        });
        let Some((line, trial, attempt)) = best else { break };
        if round == 0 {
            culprit = line;
        }
        patched = trial;
        let diagnostics = std::mem::take(&mut parsed.diagnostics);
        *parsed = Parsed { documents: attempt.parsed.documents, diagnostics };
        match attempt.error {
            Some(next) => error = next,
            None => break,
        }
    }
    culprit
}

/// The text with one line blanked; every byte keeps its place.
fn without_line(text: &str, places: &Places<'_>, line: u32) -> String {
    let Some(range) = places.lines.line_range(line) else { return text.to_owned() };
    let blank: String =
        range.slice(text).bytes().map(|b| if matches!(b, b'\n' | b'\r') { char::from(b) } else { ' ' }).collect();
    [&text[..range.start as usize], &blank, &text[range.end as usize..]].concat()
}

/// The diagnostic for a syntax error, in words that help somebody who does not know the grammar.
fn explain(places: &Places<'_>, error: &Failure, culprit: u32) -> Diagnostic {
    let line = places.trimmed_line(culprit);
    for candidate in [culprit, error.line] {
        if let Some(range) = template_value(places, candidate) {
            return builder::unquoted_template(places.text, range);
        }
    }
    if let Some(tab) = tab_in_indentation(places, error.line) {
        return Diagnostic::new(codes::YAML_TAB, tab, "tabs cannot indent YAML")
            .with_help("indent with spaces")
            .with_fix("Replace with spaces", tab, "  ".repeat(tab.len()));
    }
    let range = if culprit == error.line { rest_of_line(places, error.offset) } else { line };
    let (message, help) = describe(&error.info, range.slice(places.text));
    let diagnostic = Diagnostic::new(codes::YAML_SYNTAX, range, message);
    match help {
        Some(help) => diagnostic.with_help(help),
        None => diagnostic,
    }
}

fn rest_of_line(places: &Places<'_>, offset: usize) -> TextRange {
    let rest = places.text.get(offset..).unwrap_or("");
    let line = rest.split(['\n', '\r']).next().unwrap_or("");
    TextRange::new(offset, offset + line.trim_end().len())
}

/// A value on `line` that begins with `{{` or `{%` without quotes.
fn template_value(places: &Places<'_>, line: u32) -> Option<TextRange> {
    let range = places.trimmed_line(line);
    let text = range.slice(places.text);
    let value = text.strip_prefix("- ").unwrap_or(text).trim_start();
    let begins = |value: &str| value.starts_with("{{") || value.starts_with("{%");
    let value = if begins(value) { value } else { value.split_once(": ")?.1.trim_start() };
    begins(value).then(|| TextRange::new(range.end as usize - value.len(), range.end as usize))
}

fn tab_in_indentation(places: &Places<'_>, line: u32) -> Option<TextRange> {
    let range = places.lines.line_range(line)?;
    let text = range.slice(places.text);
    let indentation = &text[..text.len() - text.trim_start_matches([' ', '\t']).len()];
    let first = indentation.find('\t')?;
    let tabs = indentation[first..].len() - indentation[first..].trim_start_matches('\t').len();
    let start = range.start as usize + first;
    Some(TextRange::new(start, start + tabs))
}

/// Message and help for what the parser says. `at` is the text in question.
fn describe(info: &str, at: &str) -> (String, Option<&'static str>) {
    let (message, help) = match info {
        _ if info.contains("simple key expect") => {
            ("this line is neither a `key: value` nor the continuation of a text", Some("add a colon behind the key"))
        }
        "mapping values are not allowed in this context" => (
            "a second `: ` stands in this value",
            Some("quote the text if the colon belongs to it, or check the indentation"),
        ),
        "illegal placement of ':' indicator" => (
            "a bracket is not closed, or a text with a colon lacks its quotes",
            Some("close the bracket or quote the text"),
        ),
        "mapping keys are not allowed in this context" => ("a key cannot stand here", Some("check the indentation")),
        "invalid indentation" | "while parsing a block mapping, did not find expected key" => {
            ("this does not fit the mapping around it", Some("check the indentation and the quotes"))
        }
        "while parsing a block collection, did not find expected '-' indicator" => {
            ("an item of the list must begin with `- `", Some("check the indentation"))
        }
        "block sequence entries are not allowed in this context" => {
            ("a list cannot begin here", Some("begin the list on a line of its own"))
        }
        "invalid indentation in quoted scalar" | "while scanning a quoted scalar, found unexpected end of stream" => {
            ("the quoted text does not end", Some("add the closing quote"))
        }
        "while parsing a flow mapping, did not find expected ',' or '}'" => {
            ("`{` is not closed, or a comma is missing", Some("put `,` between the entries and `}` behind the last"))
        }
        "while parsing a flow sequence, expected ',' or ']'" => {
            ("`[` is not closed, or a comma is missing", Some("put `,` between the items and `]` behind the last"))
        }
        "invalid indentation in flow construct" => {
            ("the bracket above is not closed", Some("close it with `]` or `}`"))
        }
        "misplaced bracket" => ("this bracket closes nothing", None),
        "recursion limit exceeded" => ("the brackets are nested too deep", None),
        "while parsing node, found unknown anchor" => {
            ("no anchor of that name stands above", Some("define it with `&name` before using it with `*name`"))
        }
        "while parsing a quoted scalar, found unknown escape character" => {
            ("this escape is not known", Some("write `\\\\` for a backslash, or use single quotes"))
        }
        "wrongly indented line in block scalar" => {
            ("this line is indented less than the text that it belongs to", Some("indent all lines of the text alike"))
        }
        _ if info.contains("trailing content after double") => {
            ("something stands behind the closing quote", Some("quote the whole value"))
        }
        _ if info.starts_with("unexpected character") => {
            let first = at.chars().next().unwrap_or(' ');
            return (format!("a value cannot begin with `{first}`"), Some("quote the value"));
        }
        _ => return (info.to_owned(), None),
    };
    (message.to_owned(), help)
}
