//! From text to CEL's tree, within bounds.

use std::panic::{AssertUnwindSafe, catch_unwind};

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

/// A parsed expression with the way back to its text.
pub(super) struct Parsed {
    pub(super) tree: Expression,
    pub(super) info: SourceInfo,
    pub(super) rewritten: Rewritten,
}

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
    // The generated parser is large and not ours: whatever it does must not end the process.
    let parsed = catch_unwind(AssertUnwindSafe(|| {
        Parser::new().enable_optional_syntax(true).parse_with_source_info(&rewritten.text)
    }));
    match parsed {
        Ok(Ok((tree, info))) => Ok(Parsed { tree, info, rewritten }),
        Ok(Err(errors)) => {
            let Some(error) = errors.errors.into_iter().next() else {
                return refuse("the expression cannot be parsed".to_owned());
            };
            Err(SyntaxError { message: plain(&error.msg), range: place(&rewritten, error.pos) })
        }
        Err(_) => refuse("the expression cannot be parsed".to_owned()),
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
fn plain(message: &str) -> String {
    let message = message.trim();
    let short = message.split(" expecting ").next().unwrap_or(message);
    let short = short.strip_prefix("Syntax error: ").unwrap_or(short);
    short.replace("'<EOF>'", "the end").replace("<EOF>", "the end")
}
