//! Names in Lua and JavaScript: what is reached through `ctx` by a fixed name.

use aikit_core::TextRange;

use super::{Builder, Embedded, Role, Symbol, SymbolKind};
use crate::lexer::{Lexeme, lex};

impl Builder<'_> {
    /// `tool` is the name of the tool that the script is the code of; the inputs are then its arguments.
    pub(super) fn names_in_script(&mut self, embedded: &Embedded, tool: Option<String>) {
        let lexemes = lex(embedded.grammar, &embedded.text);
        let piece = |at: usize| lexemes.get(at).map(|(range, lexeme)| (range.slice(&embedded.text), *lexeme, *range));
        let is = |at: usize, text: &str| piece(at).is_some_and(|(piece, ..)| piece == text);
        for at in 0..lexemes.len() {
            if !is(at, "ctx") || !is(at + 1, ".") || at > 0 && is(at - 1, ".") {
                continue;
            }
            let Some((group, ..)) = piece(at + 2) else { continue };
            let found = match group {
                "steps" | "state" | "inputs" => member(&piece, at + 3).map(|(name, range)| match group {
                    "steps" => (Symbol::new(SymbolKind::Step, name), range),
                    "state" => (Symbol::new(SymbolKind::State, name), range),
                    _ => match &tool {
                        Some(tool) => (Symbol::new(SymbolKind::Argument, name).of(tool), range),
                        None => (Symbol::new(SymbolKind::Input, name), range),
                    },
                }),
                "agents" if is(at + 4, "run") || is(at + 4, "get") => {
                    argument(&piece, at + 5).map(|(name, range)| (Symbol::new(SymbolKind::Agent, name), range))
                }
                "tools" if is(at + 4, "call") => {
                    argument(&piece, at + 5).map(|(name, range)| (Symbol::new(SymbolKind::Tool, name), range))
                }
                _ => None,
            };
            if let Some((symbol, range)) = found {
                self.add(symbol, embedded.place(range), Role::Read);
            }
        }
    }
}

type Piece<'t> = (&'t str, Lexeme, TextRange);

/// `.name` or `["name"]`.
fn member<'t>(piece: &impl Fn(usize) -> Option<Piece<'t>>, at: usize) -> Option<(&'t str, TextRange)> {
    match piece(at)?.0 {
        "." => piece(at + 1).filter(|(_, lexeme, _)| *lexeme == Lexeme::Name).map(|(name, _, range)| (name, range)),
        "[" => text(piece, at + 1),
        _ => None,
    }
}

/// The first argument of a call, if it is a text. Lua does without parentheses.
fn argument<'t>(piece: &impl Fn(usize) -> Option<Piece<'t>>, at: usize) -> Option<(&'t str, TextRange)> {
    text(piece, at).or_else(|| text(piece, at + 1))
}

/// A quoted text without its quotes.
fn text<'t>(piece: &impl Fn(usize) -> Option<Piece<'t>>, at: usize) -> Option<(&'t str, TextRange)> {
    let (quoted, _, range) = piece(at).filter(|(_, lexeme, _)| *lexeme == Lexeme::Text)?;
    let quote = quoted.chars().next().filter(|c| matches!(c, '"' | '\'' | '`'))?;
    let inner = quoted.strip_prefix(quote)?.strip_suffix(quote)?;
    (!inner.contains('\\')).then(|| (inner, TextRange::new(range.start as usize + 1, range.end as usize - 1)))
}
