//! Lua and JavaScript inside of documents: where they stand, and what the host offers them.

use aikit_core::{Diagnostic, Language, TextRange, codes, surface};

use crate::{
    index::Embedded,
    lexer::Grammar,
    snapshot::{Snapshot, floor},
};

/// A script of a document.
#[derive(Debug, Clone)]
pub struct Script {
    /// Its language.
    pub language: Language,
    /// Its code.
    pub code: String,
    /// The scalar in the document.
    pub range: TextRange,
    /// The tool or step that it belongs to, for people: ``tool `convert` ``.
    pub owner: String,
    embedded: Embedded,
}

/// The scripts of a document, in order, for whoever can parse them.
pub fn scripts(snapshot: &Snapshot) -> Vec<Script> {
    let script = |embedded: &Embedded| {
        let language = match embedded.grammar {
            Grammar::Lua => Language::Lua,
            Grammar::Js => Language::Js,
            Grammar::Cel | Grammar::Template => return None,
        };
        Some(Script {
            language,
            code: embedded.text.clone(),
            range: embedded.range,
            owner: embedded.owner.clone(),
            embedded: embedded.clone(),
        })
    };
    snapshot.index().embedded.iter().filter_map(script).collect()
}

impl Script {
    /// Where a piece of the code stands in the document.
    pub fn place(&self, code: TextRange) -> TextRange {
        self.embedded.place(code)
    }

    /// The offset in the code of one in the document.
    pub fn offset(&self, document: usize) -> Option<usize> {
        self.range.touches(document).then(|| self.embedded.map.to_decoded(document)).flatten()
    }

    /// Where a line of the code, from 1, stands in the document, without its indentation.
    pub fn line(&self, number: u32) -> TextRange {
        let Some(line) = self.code.lines().nth((number as usize).saturating_sub(1)) else { return self.range };
        let start = line.as_ptr() as usize - self.code.as_ptr() as usize;
        let indent = line.len() - line.trim_start().len();
        self.place(TextRange::new(start + indent, start + line.trim_end().len()))
    }

    /// The line of the document, from 0, on which its code begins, if its lines are lines of the document.
    pub fn first_line(&self) -> Option<u32> {
        self.embedded.first_line
    }

    /// The finding for a script that does not parse. `problem` completes "the Lua of … "; `line` counts from 1.
    pub fn finding(&self, problem: &str, line: Option<u32>) -> Diagnostic {
        let code = if self.language == Language::Lua { codes::LUA_SYNTAX } else { codes::JS_SYNTAX };
        let message = format!("the {} of {} {problem}", self.language.title(), self.owner);
        Diagnostic::new(code, line.map_or(self.range, |line| self.line(line)), message)
    }
}

/// The call that an offset stands in the arguments of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The whole signature as people read it.
    pub label: String,
    /// The parameters as they stand in the label.
    pub parameters: Vec<String>,
    /// The parameter at the offset, from 0.
    pub active: usize,
    /// What the call does.
    pub doc: &'static str,
}

/// The signature of the host function whose arguments are being written at an offset.
pub fn signature(snapshot: &Snapshot, offset: usize) -> Option<Signature> {
    let text = snapshot.text();
    let offset = floor(text, offset);
    let embedded = snapshot.index().embedded_at(offset).filter(|embedded| embedded.is_script())?;
    let end = embedded.map.to_decoded(offset)?;
    let (name, active) = call_before(embedded.text.get(..end)?)?;
    let member = surface::member(name)?;
    let parameters = member
        .params
        .iter()
        .map(|param| format!("{}{}: {}", param.name, if param.optional { "?" } else { "" }, param.ty));
    Some(Signature { label: member.signature(), parameters: parameters.collect(), active, doc: member.doc })
}

/// The dotted name of the innermost call that is open at the end of a text, and how many commas stand in it.
fn call_before(text: &str) -> Option<(&str, usize)> {
    let mut depth = 0usize;
    let mut commas = 0;
    let mut quote = None;
    for (at, c) in text.char_indices().rev() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'' | '`') => quote = Some(c),
            (None, ')' | ']' | '}') => depth += 1,
            (None, '(' | '[' | '{') if depth > 0 => depth -= 1,
            (None, '(') => {
                let before = &text[..at];
                let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
                let start = before
                    .rfind(|c| !is_name(c))
                    .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
                return Some((&before[start..], commas));
            }
            (None, '[' | '{') => commas = 0,
            (None, ',') if depth == 0 => commas += 1,
            (None, ';') if depth == 0 => return None,
            _ => {}
        }
    }
    None
}
