//! What can be wrong in a text, and the words for it.

use aikit_core::{Diagnostic, TextRange, codes};

/// A mistake in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub kind: ProblemKind,
    /// Where a person would look for it.
    pub range: TextRange,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is explained by its message")]
pub enum ProblemKind {
    MissingColon,
    SecondColon,
    MappingHere,
    ListHere,
    ListAmongKeys,
    MissingDash,
    Indentation,
    StrayText,
    BehindValue,
    BehindQuote,
    SecondRoot,
    UnclosedQuote,
    UnclosedBracket,
    StrayBracket,
    ClosingBracketIndent,
    FlowIndent,
    MissingComma,
    ExtraComma,
    UnexpectedCharacter,
    ControlCharacter,
    Tab,
    Template,
    TemplateLine,
    Escape,
    BlockHeader,
    BlockIndent,
    BlockLeadingSpaces,
    LongKey,
    MultilineKey,
    SecondAnchor,
    SecondTag,
    PropertyBeforeDash,
    AliasProperty,
    EmptyName,
    TagSyntax,
    TagHandle,
    Directive,
    SecondVersion,
    DirectiveAlone,
    BehindMarker,
    MarkerInside,
    TooDeep,
}

impl Problem {
    /// The diagnostic for it, in words that help somebody who does not know the grammar, with a fix where one is sure.
    pub fn diagnostic(&self, text: &str) -> Diagnostic {
        use ProblemKind::*;
        let at = self.range.slice(text);
        let (message, help) = match self.kind {
            MissingColon => {
                ("this line is neither a `key: value` nor the continuation of a text", "add a colon behind the key")
            }
            SecondColon => (
                "a second `: ` stands in this value",
                "quote the text if the colon belongs to it, or begin the mapping on a line of its own",
            ),
            MappingHere => ("a mapping cannot begin here", "begin the mapping on a line of its own"),
            ListHere => ("a list cannot begin here", "begin the list on a line of its own"),
            ListAmongKeys => ("an item of a list stands among the keys of a mapping", "check the indentation"),
            MissingDash => ("an item of the list must begin with `- `", "check the indentation"),
            Indentation => ("this does not fit the mapping around it", "indent all keys of a mapping alike"),
            StrayText => ("this text belongs to no key", "check the indentation and the quotes"),
            BehindValue => ("something stands behind the value", "quote the whole value, or remove what is too much"),
            BehindQuote => ("something stands behind the closing quote", "quote the whole value"),
            SecondRoot => ("the document has its content already", "begin another document with `---`"),
            UnclosedQuote => ("the quoted text does not end", "add the closing quote"),
            UnclosedBracket => match at.starts_with('{') {
                true => ("`{` is not closed", "put `}` behind the last entry"),
                false => ("`[` is not closed", "put `]` behind the last item"),
            },
            StrayBracket => ("this bracket closes nothing", "remove it, or open it before"),
            ClosingBracketIndent => ("the closing bracket is not indented", "indent it more than the key"),
            FlowIndent => ("this line is part of a bracket and not indented", "indent it more than the key"),
            MissingComma => ("a comma is missing", "put `,` between the parts of a bracket"),
            ExtraComma => ("nothing stands before this comma", "remove it"),
            UnexpectedCharacter => {
                let message = format!("a value cannot begin with `{}`", at.chars().next().unwrap_or(' '));
                return Diagnostic::new(codes::YAML_SYNTAX, self.range, message).with_help("quote the value");
            }
            ControlCharacter => {
                let code = at.chars().next().map_or(0, u32::from);
                let message = format!("the control character U+{code:04X} cannot stand in YAML");
                return Diagnostic::new(codes::YAML_SYNTAX, self.range, message)
                    .with_help("write it as an escape in double quotes");
            }
            Tab => {
                return Diagnostic::new(codes::YAML_TAB, self.range, "tabs cannot indent YAML")
                    .with_help("indent with spaces")
                    .with_fix("Replace with spaces", self.range, "  ".repeat(self.range.len()));
            }
            Template => return unquoted_template(text, self.range),
            TemplateLine => {
                let message = "a template stands where a key or an item should";
                return Diagnostic::new(codes::YAML_UNQUOTED_TEMPLATE, self.range, message).with_help(
                    "templates belong into values; use `switch`, `when` or `map` to choose or repeat steps",
                );
            }
            Escape => ("this escape is not known", "write `\\\\` for a backslash, or use single quotes"),
            BlockHeader => {
                ("this is not a header of a block text", "`|` or `>`, then `1`…`9` and `+` or `-` if needed")
            }
            BlockIndent => {
                ("this line is indented less than the text that it belongs to", "indent all lines of the text alike")
            }
            BlockLeadingSpaces => {
                ("an empty line above the text has more spaces than the text", "remove the spaces of the empty line")
            }
            LongKey => ("a key has at most 1,024 characters", "write long keys behind `? `"),
            MultilineKey => ("a key must stand on one line", "write it on one line, or behind `? `"),
            SecondAnchor => ("a value has one anchor", "remove one of them"),
            SecondTag => ("a value has one tag", "remove one of them"),
            PropertyBeforeDash => {
                ("a tag or an anchor cannot stand before `- ` on the same line", "put it on the line above")
            }
            AliasProperty => ("an alias has neither tag nor anchor", "remove the tag or the anchor"),
            EmptyName => ("a name is missing", "write the name directly behind the sign"),
            TagSyntax => ("this is not a tag", "write `!name`, `!!name` or `!<uri>` and a blank behind it"),
            TagHandle => ("this tag's prefix is not declared", "declare it above `---` with `%TAG`"),
            Directive => ("this directive cannot be read", "`%YAML 1.2` or `%TAG !e! prefix`"),
            SecondVersion => ("the version stands here twice", "remove one of the directives"),
            DirectiveAlone => ("behind directives the document must begin with `---`", "add a line `---`"),
            BehindMarker => ("nothing but a comment can stand behind `...`", "begin a new line"),
            MarkerInside => ("the document ends inside this", "close it before the marker"),
            TooDeep => {
                let message = format!("the document is nested more than {} levels deep", crate::MAX_DEPTH);
                return Diagnostic::new(codes::YAML_LIMIT, self.range, message);
            }
        };
        let diagnostic = Diagnostic::new(codes::YAML_SYNTAX, self.range, message).with_help(help);
        match self.fix(text) {
            Some((title, range, insert)) => diagnostic.with_fix(title, range, insert),
            None => diagnostic,
        }
    }

    fn fix(&self, text: &str) -> Option<(String, TextRange, String)> {
        let at = self.range.slice(text);
        let (start, end) = (self.range.start as usize, self.range.end as usize);
        match self.kind {
            ProblemKind::MissingColon => {
                let key = at.find([' ', '\t']).unwrap_or(at.len());
                Some(("Add a colon".to_owned(), TextRange::empty(start + key), ":".to_owned()))
            }
            ProblemKind::SecondColon => Some(("Quote the value".to_owned(), self.range, quoted(at))),
            ProblemKind::UnclosedQuote => {
                let quote = at.chars().next().filter(|c| matches!(c, '"' | '\''))?;
                Some((format!("Add {quote}"), TextRange::empty(end), quote.to_string()))
            }
            ProblemKind::UnclosedBracket => {
                let close = if at.starts_with('{') { "}" } else { "]" };
                Some((format!("Add `{close}`"), TextRange::empty(end), close.to_owned()))
            }
            ProblemKind::MissingComma => Some(("Add a comma".to_owned(), TextRange::empty(start), ", ".to_owned())),
            ProblemKind::StrayBracket | ProblemKind::ExtraComma => {
                Some(("Remove it".to_owned(), self.range, String::new()))
            }
            ProblemKind::ClosingBracketIndent | ProblemKind::FlowIndent => {
                Some(("Indent it".to_owned(), TextRange::empty(start), "  ".to_owned()))
            }
            _ => None,
        }
    }
}

/// The text in the quotes that need the fewest escapes.
pub(crate) fn quoted(text: &str) -> String {
    if text.contains('"') || text.contains('\\') {
        format!("'{}'", text.replace('\'', "''"))
    } else {
        format!("\"{text}\"")
    }
}

/// The diagnostic for an unquoted template, with the fix that quotes it.
pub(crate) fn unquoted_template(text: &str, range: TextRange) -> Diagnostic {
    let quoted = quoted(range.slice(text));
    Diagnostic::new(codes::YAML_UNQUOTED_TEMPLATE, range, "a value that begins with a template must be quoted")
        .with_help(format!("write {quoted}"))
        .with_fix("Quote the template", range, quoted)
}
