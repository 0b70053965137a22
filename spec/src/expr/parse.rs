//! From text to CEL's tree, within bounds.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

use aikit_core::TextRange;
use cel::{
    common::ast::SourceInfo,
    parser::{Expression, Parser},
};

use crate::roots::{
    SyntaxError,
    rewrite::{Dialect, Rewritten},
};

/// Longer expressions are refused: a condition is not a program.
const MAX_SOURCE: usize = 4 << 10;
/// Deeper nesting is refused.
const MAX_DEPTH: usize = 24;
/// More operators, calls and members in one expression are refused; they nest in the tree.
const MAX_LINKS: usize = 256;

/// Up to here an expression is handled on the caller's stack.
const SHALLOW_DEPTH: usize = 2;
const SHALLOW_LINKS: usize = 24;
/// The generated parser takes some 100 KiB of stack for each bracket when it is not optimised.
const STACK: usize = 32 << 20;

/// Runs `work`, which parses, walks or evaluates `source`, where the stack is large enough for it; whatever the crate does,
/// it ends neither the process nor the caller.
pub(super) fn contained<T: Send>(source: &str, work: impl FnOnce() -> T + Send) -> Option<T> {
    let (depth, links) = complexity(source);
    if depth <= SHALLOW_DEPTH && links <= SHALLOW_LINKS {
        return catch_unwind(AssertUnwindSafe(work)).ok();
    }
    thread::scope(|scope| {
        let worker = thread::Builder::new().name("expression".to_owned()).stack_size(STACK).spawn_scoped(scope, work);
        worker.ok()?.join().ok()
    })
}

/// A parsed expression with the way back to its text.
pub(super) struct Parsed {
    pub(super) tree: Expression,
    pub(super) info: SourceInfo,
    pub(super) rewritten: Rewritten,
}

/// Parses within [`contained`].
pub(super) fn parse(source: &str) -> Result<Parsed, SyntaxError> {
    let whole = TextRange::new(0, source.len());
    let refuse = |message: String| Err(SyntaxError { message, range: whole });
    if source.trim().is_empty() {
        return refuse("the expression is empty".to_owned());
    }
    if source.len() > MAX_SOURCE {
        return refuse(format!("the expression is longer than {MAX_SOURCE} bytes"));
    }
    let (depth, links) = complexity(source);
    if depth > MAX_DEPTH {
        return refuse(format!("the expression is nested deeper than {MAX_DEPTH} levels"));
    }
    if links > MAX_LINKS {
        return refuse(format!("the expression has more than {MAX_LINKS} operators and members"));
    }
    let rewritten = Rewritten::new(source, Dialect::Expression);
    match Parser::new().enable_optional_syntax(true).parse_with_source_info(&rewritten.text) {
        Ok((tree, info)) => Ok(Parsed { tree, info, rewritten }),
        Err(errors) => {
            let Some(error) = errors.errors.into_iter().next() else {
                return refuse("the expression cannot be parsed".to_owned());
            };
            let range = place(&rewritten, error.pos);
            Err(SyntaxError { message: plain(&error.msg, range.slice(source)), range })
        }
    }
}

/// How deep brackets nest, and how many signs there are that make the tree deeper.
fn complexity(source: &str) -> (usize, usize) {
    let (mut depth, mut deepest, mut links) = (0usize, 0usize, 0usize);
    let mut quote = None;
    let mut escaped = false;
    for c in source.chars() {
        if let Some(open) = quote {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                _ if c == open => quote = None,
                _ => {}
            }
            continue;
        }
        match c {
            '"' | '\'' => quote = Some(c),
            '(' | '[' | '{' => {
                depth += 1;
                links += 1;
                deepest = deepest.max(depth);
            }
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '.' | '+' | '-' | '*' | '/' | '%' | '!' | '<' | '>' | '=' | '&' | '|' | '?' | ':' => links += 1,
            _ => {}
        }
    }
    (deepest, links)
}

/// The place of a line and a column (both from 1) that the parser reports: the word that begins there, or one character.
fn place(rewritten: &Rewritten, (line, column): (isize, isize)) -> TextRange {
    let text = &rewritten.text;
    let line = usize::try_from(line - 1).unwrap_or(0);
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = text.get(start..).unwrap_or("");
    let column = usize::try_from(column - 1).unwrap_or(0);
    let at = start + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at);
    let rest = text.get(at..).unwrap_or("");
    let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    let token = word.max(rest.chars().next().map_or(0, char::len_utf8));
    rewritten.original(at, at + token)
}

/// The parser's message without its jargon.
fn plain(message: &str, at: &str) -> String {
    let instead = match at {
        "and" => Some("&&"),
        "or" => Some("||"),
        "not" => Some("!"),
        "=" => Some("=="),
        _ => None,
    };
    let message = message.trim();
    let message = message.strip_prefix("Syntax error: ").unwrap_or(message);
    const JARGON: &[&str] =
        &["mismatched input", "extraneous input", "no viable alternative", "token recognition error", "missing"];
    match instead {
        Some(instead) => format!("unexpected `{at}`; write `{instead}`"),
        None if !JARGON.iter().any(|start| message.starts_with(start)) => message.to_owned(),
        None if at.is_empty() => "the expression ends too early".to_owned(),
        None => format!("unexpected `{at}`"),
    }
}
