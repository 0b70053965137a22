//! Cells: magics, and where the features of a document or of a script begin.

use std::sync::Arc;

use aikit_core::{Language, TextRange, surface};
use aikit_spec::{
    CheckContext,
    cell::{self, CellKind, MAGICS, MagicInfo},
};
use aikit_yaml::{Problem, ProblemKind, SyntaxTree};

use crate::{
    complete::{Completion, CompletionKind, complete},
    hover::{Hover, hover},
    names::Surroundings,
    snapshot::{Snapshot, floor},
};

/// Whether a cell can be run as it stands, as far as its text tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ready {
    /// It can.
    Complete,
    /// More is to come; the next line begins with this.
    Incomplete(String),
    /// No further text can make it valid.
    Invalid,
    /// The interpreter of this language knows: the body begins at this offset of the cell.
    Ask(Language, usize),
}

/// What a feature has to look at.
enum Part<'c> {
    /// The magic in the line that begins here.
    Magic { line: &'c str, start: usize },
    /// A document that begins here.
    Document { body: &'c str, start: usize },
    /// A script that begins here.
    Script { language: Language, start: usize },
    /// Nothing that is known.
    Other,
}

/// Either an answer, or the script that its interpreter has to answer for: language, and where its text begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<T> {
    /// The answer.
    Known(T),
    /// The interpreter of this language knows; the body begins at this offset of the cell.
    Ask(Language, usize),
}

fn part(code: &str, offset: usize, language: Language) -> Part<'_> {
    let line_start = code[..offset].rfind('\n').map_or(0, |at| at + 1);
    let line = code[line_start..].lines().next().unwrap_or("");
    let parts = cell::parts(code, language);
    if line.starts_with('%') && (line_start < parts.body_start || parts.body.trim().is_empty() || line_start == 0) {
        return Part::Magic { line, start: line_start };
    }
    if offset < parts.body_start {
        return Part::Other;
    }
    match parts.kind {
        CellKind::Code(Language::Yaml) => Part::Document { body: parts.body, start: parts.body_start },
        CellKind::Code(language) => Part::Script { language, start: parts.body_start },
        CellKind::Run | CellKind::Magics => Part::Other,
    }
}

/// The candidates at a byte offset of a cell. `language` is what a cell without a magic is written in.
pub fn complete_cell(
    code: &str,
    offset: usize,
    language: Language,
    around: &Arc<Surroundings>,
) -> Answer<Vec<Completion>> {
    let offset = floor(code, offset);
    match part(code, offset, language) {
        Part::Magic { line, start } => Answer::Known(magic(line, start, offset, around)),
        Part::Script { language, start } => Answer::Ask(language, start),
        Part::Document { body, start } => {
            let mut found = complete(&Snapshot::new(body, Arc::clone(around)), offset - start);
            for candidate in &mut found {
                candidate.replace = shifted(candidate.replace, start);
            }
            Answer::Known(found)
        }
        Part::Other => Answer::Known(Vec::new()),
    }
}

/// What stands at a byte offset of a cell.
pub fn hover_cell(code: &str, offset: usize, language: Language, around: &Arc<Surroundings>) -> Answer<Option<Hover>> {
    let offset = floor(code, offset);
    match part(code, offset, language) {
        Part::Magic { line, start } => {
            let name = line.split_whitespace().next().unwrap_or("");
            let range = TextRange::new(start, start + name.len());
            let info = cell::magic(name);
            Answer::Known(info.map(|info| Hover { range, markdown: format!("`{}`\n\n{}", info.usage, info.doc) }))
        }
        Part::Script { language, start } => Answer::Ask(language, start),
        Part::Document { body, start } => Answer::Known(
            hover(&Snapshot::new(body, Arc::clone(around)), offset - start)
                .map(|hover| Hover { range: shifted(hover.range, start), markdown: hover.markdown }),
        ),
        Part::Other => Answer::Known(None),
    }
}

/// Whether a cell can be run as it stands.
pub fn is_complete(code: &str, language: Language) -> Ready {
    let parts = cell::parts(code, language);
    if parts.diagnostics.iter().any(aikit_core::Diagnostic::is_error) {
        return Ready::Invalid;
    }
    match parts.kind {
        CellKind::Magics => Ready::Complete,
        CellKind::Code(Language::Yaml) | CellKind::Run => document(parts.body),
        CellKind::Code(language) if parts.body.trim().is_empty() && parts.cell_magic.is_some() => {
            let _ = language;
            Ready::Incomplete(String::new())
        }
        CellKind::Code(language) => Ready::Ask(language, parts.body_start),
    }
}

/// A document is incomplete while a bracket, a quote or a block text is open at its end, or a key has nothing below it.
fn document(body: &str) -> Ready {
    let trimmed = body.trim_end();
    let tree = SyntaxTree::parse(body);
    let parsed = aikit_yaml::read(&tree, body);
    let Some(error) = parsed.diagnostics.iter().find(|finding| finding.is_error()) else {
        let last = trimmed.lines().last().unwrap_or("");
        let indent: String = last.chars().take_while(|c| *c == ' ').collect();
        let blank_end = body.ends_with("\n\n") || body.ends_with("\n");
        return match last.trim_start() {
            text if text.starts_with('#') => Ready::Complete,
            text if text.ends_with(':') && !blank_end => Ready::Incomplete(indent + "  "),
            _ => Ready::Complete,
        };
    };
    // What is wrong at the very end may be put right by what follows.
    let open = |problem: &Problem| matches!(problem.kind, ProblemKind::UnclosedQuote | ProblemKind::UnclosedBracket);
    if tree.problems().iter().any(open) || error.range.end as usize >= trimmed.len() && !trimmed.ends_with([']', '}']) {
        return Ready::Incomplete(String::new());
    }
    Ready::Invalid
}

fn shifted(range: TextRange, by: usize) -> TextRange {
    TextRange::new(range.start as usize + by, range.end as usize + by)
}

fn magic(line: &str, start: usize, offset: usize, around: &Surroundings) -> Vec<Completion> {
    let typed = &line[..(offset - start).min(line.len())];
    let candidate = |label: &str, from: usize, detail: &str, doc: &str| Completion {
        label: label.to_owned(),
        kind: CompletionKind::Magic,
        replace: TextRange::new(start + from, offset),
        insert: label.to_owned(),
        snippet: None,
        detail: detail.to_owned(),
        doc: doc.to_owned(),
    };
    let Some((name, argument)) = typed.split_once(char::is_whitespace) else {
        let fits = |info: &&MagicInfo| {
            // One sign may become a line magic or a cell magic.
            info.name.starts_with(typed)
        };
        return MAGICS.iter().filter(fits).map(|info| candidate(info.name, 0, info.usage, info.doc)).collect();
    };
    let word = argument.rsplit(char::is_whitespace).next().unwrap_or("");
    let from = typed.len() - word.len();
    let first = argument.split_whitespace().count() <= usize::from(!word.is_empty());
    match name {
        "%run" | "%%run" | "%runs" | "%history" | "%promote" | "%save" if first => around
            .agents
            .iter()
            .filter(|agent| agent.starts_with(word))
            .map(|agent| candidate(agent, from, "agent", ""))
            .collect(),
        "%show" | "%replay" | "%fork" | "%resume" if first && "last".starts_with(word) => {
            vec![candidate("last", from, "the newest run", "")]
        }
        "%help" if first => {
            let magics = MAGICS.iter().map(|info| (info.name, info.doc));
            let members = surface::MEMBERS.iter().map(|member| (member.path, member.doc));
            let all = magics.chain(members).filter(|(name, _)| name.starts_with(word));
            all.map(|(name, doc)| candidate(name, from, "", doc)).collect()
        }
        _ => Vec::new(),
    }
}

/// The surroundings of a cell without anything that is stored.
impl From<CheckContext> for Surroundings {
    fn from(context: CheckContext) -> Self {
        Self { context, agents: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(code: &str) -> Vec<String> {
        let around = Arc::new(Surroundings { agents: vec!["greeter".into()], ..Surroundings::default() });
        match complete_cell(code, code.len(), Language::Yaml, &around) {
            Answer::Known(found) => found.into_iter().map(|candidate| candidate.label).collect(),
            Answer::Ask(language, start) => vec![format!("{language:?} from {start}")],
        }
    }

    #[test]
    fn magics_and_their_arguments_complete() {
        assert_eq!(labels("%prom"), ["%promote"]);
        assert!(labels("%%").contains(&"%%lua".to_owned()));
        assert_eq!(labels("%run gr"), ["greeter"]);
        assert_eq!(labels("%runs\n%replay l"), ["last"]);
        assert_eq!(labels("%help ctx.storage.g"), ["ctx.storage.get"]);
        assert_eq!(labels("%%lua\nstring.re"), ["Lua from 6"]);
        assert_eq!(labels("%%agent\nidenti"), ["identity"]);
    }

    #[test]
    fn cells_say_whether_they_are_whole() {
        let say = |code: &str| is_complete(code, Language::Yaml);
        for code in ["identity: {agent_id: a}", "%tenant", "# a remark", "", "a: b\n"] {
            assert_eq!(say(code), Ready::Complete, "{code}");
        }
        for code in ["identity: {agent_id: a,", "identity:\n  name: \"A", "identity:", "%%lua\n"] {
            assert!(matches!(say(code), Ready::Incomplete(_)), "{code}: {:?}", say(code));
        }
        for code in ["%nothing", "identity: ]"] {
            assert_eq!(say(code), Ready::Invalid, "{code}");
        }
        assert_eq!(say("%%js\nx"), Ready::Ask(Language::Js, 5));
    }
}
