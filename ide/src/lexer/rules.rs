//! What sets the languages apart.

use super::Grammar;

pub(super) struct Rules {
    pub(super) keywords: &'static [&'static str],
    /// What begins a comment that ends with its line.
    line_comment: Option<&'static str>,
    /// Whether `/* … */` is a comment.
    block_comment: bool,
    /// Whether `[[ … ]]` is a text, and behind `--` a comment.
    long_brackets: bool,
    /// Whether there are template literals and regular expressions.
    pub(super) literals: bool,
}

pub(super) fn rules(grammar: Grammar) -> &'static Rules {
    match grammar {
        Grammar::Lua => &LUA,
        Grammar::Js => &JS,
        Grammar::Cel => &CEL,
        Grammar::Template => &TEMPLATE,
    }
}

static LUA: Rules = Rules {
    keywords: &[
        "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in", "local", "nil",
        "not", "or", "repeat", "return", "then", "true", "until", "while",
    ],
    line_comment: Some("--"),
    block_comment: false,
    long_brackets: true,
    literals: false,
};

static JS: Rules = Rules {
    keywords: &[
        "async",
        "await",
        "break",
        "case",
        "catch",
        "class",
        "const",
        "continue",
        "default",
        "delete",
        "do",
        "else",
        "export",
        "extends",
        "false",
        "finally",
        "for",
        "function",
        "if",
        "import",
        "in",
        "instanceof",
        "let",
        "new",
        "null",
        "of",
        "return",
        "static",
        "super",
        "switch",
        "this",
        "throw",
        "true",
        "try",
        "typeof",
        "undefined",
        "var",
        "void",
        "while",
        "yield",
    ],
    line_comment: Some("//"),
    block_comment: true,
    long_brackets: false,
    literals: true,
};

static CEL: Rules = Rules {
    keywords: &["false", "in", "null", "true"],
    line_comment: Some("//"),
    block_comment: false,
    long_brackets: false,
    literals: false,
};

static TEMPLATE: Rules = Rules {
    keywords: &[
        "and",
        "call",
        "do",
        "elif",
        "else",
        "endcall",
        "endfilter",
        "endfor",
        "endif",
        "endmacro",
        "endset",
        "endwith",
        "false",
        "filter",
        "for",
        "if",
        "in",
        "is",
        "loop",
        "macro",
        "none",
        "not",
        "or",
        "raw",
        "recursive",
        "set",
        "true",
        "with",
    ],
    line_comment: None,
    block_comment: false,
    long_brackets: false,
    literals: false,
};

impl Rules {
    /// The length of the comment at the beginning of `text`.
    pub(super) fn comment(&self, text: &str) -> Option<usize> {
        if self.block_comment && text.starts_with("/*") {
            return Some(text.find("*/").map_or(text.len(), |at| at + 2));
        }
        let rest = text.strip_prefix(self.line_comment?)?;
        if self.long_brackets
            && let Some(len) = long_bracket(rest)
        {
            return Some(text.len() - rest.len() + len);
        }
        Some(text.find('\n').unwrap_or(text.len()))
    }

    /// The length of the quoted text at the beginning of `text`. One that is not closed ends with its line.
    pub(super) fn text(&self, text: &str) -> Option<usize> {
        if self.long_brackets
            && let Some(len) = long_bracket(text)
        {
            return Some(len);
        }
        let bytes = text.as_bytes();
        let quote = *bytes.first().filter(|byte| matches!(byte, b'"' | b'\''))?;
        let mut at = 1;
        while at < bytes.len() {
            match bytes[at] {
                b'\\' => at += 1,
                b'\n' => return Some(at),
                byte if byte == quote => return Some(at + 1),
                _ => {}
            }
            at += 1;
        }
        Some(bytes.len())
    }
}

/// The length of `[[ … ]]` or `[==[ … ]==]` at the beginning of `text`.
fn long_bracket(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('[')?;
    let level = inner.bytes().take_while(|byte| *byte == b'=').count();
    inner[level..].strip_prefix('[')?;
    let close = format!("]{}]", "=".repeat(level));
    Some(text.find(&close).map_or(text.len(), |at| at + close.len()))
}
