//! Lua, JavaScript, CEL and templates as far as colours and names need them: a text is cut into lexemes, whatever it holds.

use aikit_core::TextRange;

mod rules;

use rules::{Rules, rules};

/// A language that stands inside of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grammar {
    Lua,
    Js,
    Cel,
    /// A text with `{{ … }}`; what stands outside of the braces is no lexeme.
    Template,
}

impl Grammar {
    /// The grammar of a language of the schema.
    pub(crate) fn of(language: &str) -> Option<Self> {
        match language {
            "lua" => Some(Grammar::Lua),
            "js" => Some(Grammar::Js),
            "cel" => Some(Grammar::Cel),
            "template" | "dynamic" => Some(Grammar::Template),
            _ => None,
        }
    }
}

/// What a piece of a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lexeme {
    Comment,
    /// With its quotes.
    Text,
    Number,
    Keyword,
    Name,
    Operator,
    /// `{{`, `}}`, `{%`, `%}`.
    Brace,
}

/// The lexemes of a text in their order. Blanks and what is not understood lie between them.
pub(crate) fn lex(grammar: Grammar, text: &str) -> Vec<(TextRange, Lexeme)> {
    let mut lexer = Lexer { text, at: 0, found: Vec::new() };
    match grammar {
        Grammar::Template => lexer.template(),
        _ => {
            lexer.code(rules(grammar), text.len());
        }
    }
    lexer.found
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    found: Vec<(TextRange, Lexeme)>,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn push(&mut self, len: usize, lexeme: Lexeme) {
        let end = crate::snapshot::floor(self.text, self.at + len.max(1)).max(self.at);
        // A character is never cut.
        let end = if end == self.at { self.at + self.rest().chars().next().map_or(1, char::len_utf8) } else { end };
        self.found.push((TextRange::new(self.at, end), lexeme));
        self.at = end;
    }

    fn template(&mut self) {
        while let Some(open) = self.rest().find('{') {
            self.at += open;
            let Some(mark) = self.rest().get(..2) else { return };
            let close = match mark {
                "{{" => "}}",
                "{%" => "%}",
                "{#" => {
                    let len = self.rest().find("#}").map_or(self.rest().len(), |at| at + 2);
                    self.push(len, Lexeme::Comment);
                    continue;
                }
                _ => {
                    self.at += 1;
                    continue;
                }
            };
            self.push(2, Lexeme::Brace);
            let end = self.rest().find(close).map_or(self.text.len(), |at| self.at + at);
            self.code(rules(Grammar::Template), end);
            if self.rest().starts_with(close) {
                self.push(2, Lexeme::Brace);
            }
        }
    }

    /// Lexes up to `end`, or to the brace that closes an interpolation.
    fn code(&mut self, rules: &Rules, end: usize) {
        // How deep the braces are nested in each open template literal.
        let mut interpolations: Vec<usize> = Vec::new();
        while self.at < end {
            let rest = &self.text[self.at..end];
            let Some(c) = rest.chars().next() else { return };
            if c.is_whitespace() {
                self.at += c.len_utf8();
            } else if let Some(len) = rules.comment(rest) {
                self.push(len, Lexeme::Comment);
            } else if c == '`' && rules.literals {
                self.literal(end, 1, &mut interpolations);
            } else if c == '}' && interpolations.last() == Some(&0) {
                interpolations.pop();
                self.literal(end, 1, &mut interpolations);
            } else if let Some(len) = rules.text(rest) {
                self.push(len, Lexeme::Text);
            } else if c.is_ascii_digit() {
                let len = number(rest);
                self.push(len, Lexeme::Number);
            } else if c.is_alphabetic() || matches!(c, '_' | '$') {
                let len = rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '$'))).unwrap_or(rest.len());
                let keyword = rules.keywords.contains(&&rest[..len]);
                self.push(len, if keyword { Lexeme::Keyword } else { Lexeme::Name });
            } else if c == '/' && rules.literals && self.begins_value() {
                let len = regex(rest);
                self.push(len, Lexeme::Text);
            } else {
                match (c, interpolations.last_mut()) {
                    ('{', Some(depth)) => *depth += 1,
                    ('}', Some(depth)) => *depth = depth.saturating_sub(1),
                    _ => {}
                }
                self.push(c.len_utf8(), Lexeme::Operator);
            }
        }
    }

    /// A template literal of JavaScript, from its backtick or from the brace behind an interpolation.
    fn literal(&mut self, end: usize, from: usize, interpolations: &mut Vec<usize>) {
        let rest = &self.text[self.at..end];
        let bytes = rest.as_bytes();
        let mut at = from;
        while at < bytes.len() {
            match bytes[at] {
                b'\\' => at += 1,
                b'`' => return self.push(at + 1, Lexeme::Text),
                b'$' if bytes.get(at + 1) == Some(&b'{') => {
                    interpolations.push(0);
                    return self.push(at + 2, Lexeme::Text);
                }
                _ => {}
            }
            at += 1;
        }
        self.push(rest.len(), Lexeme::Text);
    }

    /// Whether what comes next begins a value, so that a slash begins a regular expression.
    fn begins_value(&self) -> bool {
        match self.found.last() {
            None => true,
            Some((range, Lexeme::Operator)) => !matches!(range.slice(self.text), ")" | "]" | "}"),
            Some((_, Lexeme::Keyword | Lexeme::Comment)) => true,
            Some(_) => false,
        }
    }
}

fn number(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        let exponent = matches!(bytes[at - 1], b'e' | b'E') && !text.starts_with("0x");
        match bytes[at] {
            b'+' | b'-' if exponent => {}
            b'.' if bytes.get(at + 1).is_some_and(u8::is_ascii_digit) => {}
            byte if byte.is_ascii_alphanumeric() || byte == b'_' => {}
            _ => return at,
        }
        at += 1;
    }
    at
}

fn regex(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut class = false;
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'\n' => return 1,
            b'[' => class = true,
            b']' => class = false,
            b'/' if !class => {
                let flags = bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
                return at + 1 + flags;
            }
            _ => {}
        }
        at += 1;
    }
    1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn show(grammar: Grammar, text: &str) -> String {
        let shown = lex(grammar, text).into_iter().map(|(range, lexeme)| {
            let mark = match lexeme {
                Lexeme::Comment => "#",
                Lexeme::Text => "t",
                Lexeme::Number => "n",
                Lexeme::Keyword => "k",
                Lexeme::Name => "",
                Lexeme::Operator => "o",
                Lexeme::Brace => "b",
            };
            format!("{mark}‹{}›", range.slice(text))
        });
        shown.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn languages_are_cut_at_the_right_places() {
        assert_eq!(
            show(Grammar::Lua, "local x = [[a\nb]] -- c\nreturn ctx.now() + 0x1F --[[d]] 'e\\''"),
            "k‹local› ‹x› o‹=› t‹[[a\nb]]› #‹-- c› k‹return› ‹ctx› o‹.› ‹now› o‹(› o‹)› o‹+› n‹0x1F› #‹--[[d]]› t‹'e\\''›"
        );
        assert_eq!(
            show(Grammar::Js, "const r = /a[/]b/g; `x ${ {a: 1}.a } y` / 2 // z"),
            "k‹const› ‹r› o‹=› t‹/a[/]b/g› o‹;› t‹`x ${› o‹{› ‹a› o‹:› n‹1› o‹}› o‹.› ‹a› t‹} y`› o‹/› n‹2› #‹// z›"
        );
        assert_eq!(
            show(Grammar::Template, "Hi {{ user.name|upper }}{# no #}{% if x %}y{% endif %} {{ 'a"),
            "b‹{{› ‹user› o‹.› ‹name› o‹|› ‹upper› b‹}}› #‹{# no #}› b‹{%› k‹if› ‹x› b‹%}› b‹{%› k‹endif› b‹%}› b‹{{› t‹'a›"
        );
        assert_eq!(
            show(Grammar::Cel, "size(a) >= 1.5 && true"),
            "‹size› o‹(› ‹a› o‹)› o‹>› o‹=› n‹1.5› o‹&› o‹&› k‹true›"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_cut_into_pieces_in_order(text in "([ -~\n\u{e9}🦀]|\\{\\{|\\}\\}|\\[\\[|--|`|\\$\\{){0,40}") {
            for grammar in [Grammar::Lua, Grammar::Js, Grammar::Cel, Grammar::Template] {
                let mut end = 0;
                for (range, _) in lex(grammar, &text) {
                    prop_assert!(range.start >= end && !range.is_empty());
                    prop_assert!(text.get(range.start as usize..range.end as usize).is_some());
                    end = range.end;
                }
            }
        }
    }
}
