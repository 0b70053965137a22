//! Colours that no grammar of an editor can know: what each name means, and the languages inside of texts.

use aikit_core::{TextRange, surface::GLOBALS};
use aikit_yaml::{Node, NodeKind};

use crate::{
    index::{Embedded, Index, Role, SymbolKind},
    lexer::{Grammar, Lexeme, lex},
    snapshot::Snapshot,
};

/// What a piece of a document is, for its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// A key of the language.
    Key,
    /// A word of the language, as `workflow`.
    Word,
    /// A name; the kind says of what.
    Name(SymbolKind),
    /// A name from outside of the document: a provider, a model of a provider.
    External,
    /// A variable in a template, an expression or a script.
    Variable,
    /// What stands behind a dot.
    Property,
    /// What is called, filters included.
    Function,
    /// A keyword of the language inside.
    Keyword,
    /// A quoted text of the language inside.
    Text,
    /// A number.
    Number,
    /// A sign.
    Operator,
    /// A comment of the language inside.
    Comment,
    /// `{{`, `}}`, `{%`, `%}`.
    Brace,
}

/// A coloured piece of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// Where.
    pub range: TextRange,
    /// What it is.
    pub kind: TokenKind,
    /// Whether the name is declared here.
    pub declaration: bool,
    /// Whether the name comes with the host surface of scripts.
    pub host: bool,
}

/// The tokens of a document, in order; none reaches over the end of a line, none overlaps another.
pub fn tokens(snapshot: &Snapshot) -> Vec<Token> {
    let mut found = Vec::new();
    let index = snapshot.index();
    if let Some(root) = snapshot.root() {
        keys(root, &mut found);
    }
    for value in &index.values {
        found.push(token(value.range, if value.word { TokenKind::Word } else { TokenKind::External }));
    }
    for embedded in &index.embedded {
        inside(embedded, &mut found);
    }
    let mut all: Vec<Token> = found.into_iter().flat_map(|token| around_names(token, index)).collect();
    all.extend(index.occurrences.iter().map(|one| Token {
        declaration: one.role == Role::Declaration,
        ..token(one.range, TokenKind::Name(one.symbol.kind))
    }));
    all = all.into_iter().flat_map(|token| lines_of(token, snapshot.text())).collect();
    all.sort_by_key(|token| token.range);
    let mut end = 0;
    all.retain(|token| {
        let free = token.range.start >= end;
        end = if free { token.range.end } else { end };
        free
    });
    all
}

fn token(range: TextRange, kind: TokenKind) -> Token {
    Token { range, kind, declaration: false, host: false }
}

fn keys(node: &Node, found: &mut Vec<Token>) {
    match &node.kind {
        NodeKind::Mapping(entries) => {
            for entry in entries.iter().filter(|entry| !entry.merged) {
                found.push(token(entry.key.range, TokenKind::Key));
                keys(&entry.value, found);
            }
        }
        NodeKind::Sequence(items) => items.iter().for_each(|item| keys(item, found)),
        NodeKind::Scalar(_) | NodeKind::Null => {}
    }
}

/// The lexemes of an embedded text.
fn inside(embedded: &Embedded, found: &mut Vec<Token>) {
    let text = &embedded.text;
    let lexemes = lex(embedded.grammar, text);
    let piece = |at: Option<usize>| at.and_then(|at| lexemes.get(at)).map_or("", |(range, _)| range.slice(text));
    for (at, (range, lexeme)) in lexemes.iter().enumerate() {
        let before = piece(at.checked_sub(1));
        let kind = match lexeme {
            Lexeme::Comment => TokenKind::Comment,
            Lexeme::Text => TokenKind::Text,
            Lexeme::Number => TokenKind::Number,
            Lexeme::Keyword => TokenKind::Keyword,
            Lexeme::Operator => TokenKind::Operator,
            Lexeme::Brace => TokenKind::Brace,
            Lexeme::Name if piece(Some(at + 1)) == "(" => TokenKind::Function,
            Lexeme::Name if before == "|" && embedded.grammar == Grammar::Template => TokenKind::Function,
            Lexeme::Name if before == "." => TokenKind::Property,
            Lexeme::Name => TokenKind::Variable,
        };
        let name = range.slice(text);
        let host = embedded.is_script() && before != "." && GLOBALS.iter().any(|(global, _)| *global == name);
        found.push(Token { host, ..token(embedded.place(*range), kind) });
    }
}

/// What is left of a token around the names in it.
fn around_names(whole: Token, index: &Index) -> Vec<Token> {
    let mut left = Vec::new();
    let mut start = whole.range.start;
    let first = index.occurrences.partition_point(|one| one.range.end <= whole.range.start);
    for one in index.occurrences[first..].iter().take_while(|one| one.range.start < whole.range.end) {
        left.push((start, one.range.start));
        start = one.range.end;
    }
    left.push((start, whole.range.end));
    let part = |(start, end): (u32, u32)| Token { range: TextRange { start, end }, ..whole };
    left.into_iter().filter(|(start, end)| start < end).map(part).collect()
}

/// The pieces of a token line by line, without indentation.
fn lines_of(whole: Token, text: &str) -> Vec<Token> {
    let mut at = whole.range.start as usize;
    let mut parts = Vec::new();
    for line in whole.range.slice(text).split('\n') {
        let indent = line.len() - line.trim_start().len();
        let range = TextRange::new(at + indent, at + line.trim_end().len());
        if !range.is_empty() && !line.trim().is_empty() {
            parts.push(Token { range, ..whole });
        }
        at += line.len() + 1;
    }
    parts
}
