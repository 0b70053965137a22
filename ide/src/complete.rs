//! What can be typed at a place of a document.

mod snippet;

use aikit_core::TextRange;
use aikit_spec::{compose::PRESETS, expr, schema::view, template};
use aikit_yaml::Segment;

use crate::{
    names::{self, Named, Surroundings},
    outline::Outline,
    site::{self, Site},
    snapshot::{Snapshot, floor},
};

/// What a candidate is, for icons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompletionKind {
    /// A key of the language.
    Key,
    /// A word of the language.
    Word,
    /// A name that the document or its surroundings declare.
    Reference,
    /// A value that a text can read.
    Variable,
    /// A function.
    Function,
    /// A magic of a cell.
    Magic,
    /// Several lines with places to fill in.
    Snippet,
}

impl CompletionKind {
    /// The kind as Jupyter's clients know it.
    pub fn as_str(self) -> &'static str {
        match self {
            CompletionKind::Key => "property",
            CompletionKind::Word => "keyword",
            CompletionKind::Reference => "reference",
            CompletionKind::Variable => "variable",
            CompletionKind::Function => "function",
            CompletionKind::Magic => "magic",
            CompletionKind::Snippet => "snippet",
        }
    }
}

/// A candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// What a person sees.
    pub label: String,
    /// What it is.
    pub kind: CompletionKind,
    /// What it replaces.
    pub replace: TextRange,
    /// What is inserted.
    pub insert: String,
    /// What is inserted where places to fill in are understood: `$1`, `${1:word}`, `$0`; `$`, `}` and `\\` are escaped.
    pub snippet: Option<String>,
    /// A few words beside the label.
    pub detail: String,
    /// What it means, in a sentence or two.
    pub doc: String,
}

/// The candidates at a byte offset of a document, best first.
pub fn complete(snapshot: &Snapshot, offset: usize) -> Vec<Completion> {
    let text = snapshot.text();
    let offset = floor(text, offset);
    let place = Place { text, offset, snapshot, outline: snapshot.outline(), around: snapshot.around() };
    let mut found = match site::at(snapshot, offset) {
        Site::Key { path, token } => place.keys(&path, token),
        Site::Value { path, token } => place.values(&path, token),
        Site::Open { path, token } => {
            let mut found = place.keys(&path, token);
            found.extend(place.values(&path, token));
            found
        }
        Site::Block { path, content } => place.embedded(&path, content),
        Site::Nowhere => Vec::new(),
    };
    let typed = |candidate: &Completion| {
        let typed = text.get(candidate.replace.start as usize..offset).unwrap_or("");
        candidate.label.starts_with(typed.trim_start_matches(['"', '\'']))
    };
    found.retain(typed);
    found
}

struct Place<'p> {
    text: &'p str,
    offset: usize,
    snapshot: &'p Snapshot,
    outline: &'p Outline,
    around: &'p Surroundings,
}

impl Place<'_> {
    fn view(&self, path: &[Segment]) -> Option<view::SchemaView> {
        view::at_path(self.snapshot.root(), path)
    }

    fn keys(&self, path: &[Segment], token: TextRange) -> Vec<Completion> {
        let Some(view) = self.view(path) else { return Vec::new() };
        let id = self.outline.find(path);
        let children = id.map(|id| self.outline.children(id)).unwrap_or_default();
        let others: Vec<&str> = children
            .iter()
            .filter(|child| self.outline.node(**child).key != token)
            .filter_map(|child| self.outline.name(*child))
            .collect();
        let chosen = view.one_of.iter().any(|key| others.contains(key));
        // A colon that stands there already is not written twice.
        let colon = if self.text[token.end as usize..].trim_start_matches(' ').starts_with(':') { "" } else { ":" };
        let mut properties: Vec<_> = view
            .properties
            .iter()
            .filter(|property| !others.contains(&property.name))
            .filter(|property| !(chosen && view.one_of.contains(&property.name)))
            .collect();
        properties.sort_by_key(|property| !property.required);
        let of = |property: &&view::PropertyView| {
            let nested = matches!(property.type_name.as_str(), "a mapping" | "a list");
            let space = if colon.is_empty() || nested { "" } else { " " };
            Completion {
                label: property.name.to_owned(),
                kind: CompletionKind::Key,
                replace: token,
                insert: format!("{}{colon}{space}", property.name),
                snippet: (!colon.is_empty()).then(|| snippet::behind_key(self.text, token, property)).flatten(),
                detail: format!("{}{}", property.type_name, if property.required { ", required" } else { "" }),
                doc: property.description.to_owned(),
            }
        };
        let mut found: Vec<Completion> = properties.iter().map(of).collect();
        if others.is_empty() {
            found.extend(snippet::at(self.text, path, token));
        }
        found
    }

    fn values(&self, path: &[Segment], token: TextRange) -> Vec<Completion> {
        let language = names::language_at(self.snapshot.root(), path);
        if let Some(language) = language.filter(|language| !matches!(*language, "extends" | "path" | "patch")) {
            return self.text_in(language, path, token);
        }
        let Some(view) = self.view(path) else { return Vec::new() };
        let word = |label: &str, detail: &str, doc: &str| Completion {
            label: label.to_owned(),
            kind: CompletionKind::Word,
            replace: token,
            insert: label.to_owned(),
            snippet: None,
            detail: detail.to_owned(),
            doc: doc.to_owned(),
        };
        let mut found: Vec<Completion> =
            view.values.iter().map(|value| word(value.value, "", value.description)).collect();
        if view.type_name == "`true` or `false`" {
            found.extend([word("true", "", ""), word("false", "", "")]);
        }
        if view.language == Some("extends") {
            found.extend(PRESETS.iter().map(|preset| word(preset.name, "preset", preset.description)));
        }
        let by_format = view.format.filter(|format| format.name == "agent-ref").map(|_| "agent");
        if let Some(namespace) = view.reference.or(by_format) {
            let names = names::declared(self.outline, self.around, namespace);
            found.extend(names.into_iter().map(|named| self.named(named, CompletionKind::Reference, token)));
        }
        found
    }

    fn named(&self, named: Named, kind: CompletionKind, replace: TextRange) -> Completion {
        Completion {
            label: named.name.clone(),
            kind,
            replace,
            insert: named.name,
            snippet: None,
            detail: named.detail,
            doc: named.doc,
        }
    }

    fn embedded(&self, path: &[Segment], content: TextRange) -> Vec<Completion> {
        let language = names::language_at(self.snapshot.root(), path).unwrap_or("template");
        self.text_in(language, path, content)
    }

    /// Names inside a text.
    fn text_in(&self, language: &str, path: &[Segment], token: TextRange) -> Vec<Completion> {
        let before = self.text.get(token.start as usize..self.offset).unwrap_or("");
        let chain = Chain::before(before);
        let replace = TextRange::new(self.offset - chain.word.len(), self.offset);
        let language = if language == "condition" { "cel" } else { language };
        match language {
            "lua" | "js" => {
                let found = names::surface(&chain.owners);
                let kind = |named: &Named| {
                    let path = [chain.owners.as_slice(), &[named.name.as_str()]].concat().join(".");
                    if names::is_call(&path) { CompletionKind::Function } else { CompletionKind::Variable }
                };
                found.into_iter().map(|named| (kind(&named), named)).map(|(k, n)| self.named(n, k, replace)).collect()
            }
            "template" | "dynamic" if !in_braces(before) => Vec::new(),
            "template" | "dynamic" if before[..before.len() - chain.word.len()].trim_end().ends_with('|') => {
                let filter = |name: &&str| Named { name: (*name).into(), detail: "filter".into(), doc: String::new() };
                template::FILTERS.iter().map(filter).map(|f| self.named(f, CompletionKind::Function, replace)).collect()
            }
            "template" | "dynamic" | "cel" => {
                let roots = names::roots(self.snapshot, path);
                let variables = if chain.owners.is_empty() {
                    let shape = |name: &str| roots.shape(&[name]).map(names::shape_name).unwrap_or_default();
                    let named = |name: &str| Named { name: name.into(), detail: shape(name), doc: String::new() };
                    roots.names().map(named).collect()
                } else {
                    roots.shape(&chain.owners).map(names::members).unwrap_or_default()
                };
                let mut found: Vec<Completion> =
                    variables.into_iter().map(|named| self.named(named, CompletionKind::Variable, replace)).collect();
                if language == "cel" && chain.owners.is_empty() && !chain.word.is_empty() {
                    let function =
                        |name: &&str| Named { name: (*name).into(), detail: "function".into(), doc: String::new() };
                    let functions = expr::FUNCTIONS.iter().map(function);
                    found.extend(functions.map(|named| self.named(named, CompletionKind::Function, replace)));
                }
                found
            }
            _ => Vec::new(),
        }
    }
}

/// Whether a text up to the cursor ends inside `{{ … }}` or `{% … %}`.
pub(crate) fn in_braces(before: &str) -> bool {
    [("{{", "}}"), ("{%", "%}")].iter().any(|(open, close)| {
        let opened = before.rfind(open);
        opened.is_some_and(|opened| before.rfind(close).is_none_or(|closed| closed < opened))
    })
}

/// A dotted name before the cursor.
pub(crate) struct Chain<'t> {
    pub(crate) owners: Vec<&'t str>,
    pub(crate) word: &'t str,
}

impl<'t> Chain<'t> {
    pub(crate) fn before(text: &'t str) -> Self {
        let start = |text: &str| {
            let name = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
            text.char_indices().rev().find(|(_, c)| !name(*c)).map_or(0, |(at, c)| at + c.len_utf8())
        };
        let mut at = start(text);
        let word = &text[at..];
        let mut owners = Vec::new();
        while let Some(before) = text[..at].strip_suffix('.') {
            at = start(before);
            owners.insert(0, &before[at..]);
            if before[at..].is_empty() {
                break;
            }
        }
        Self { owners, word }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aikit_spec::BuiltinTool;
    use serde_json::json;

    use super::*;

    fn around() -> Surroundings {
        let builtin =
            |name: &str| BuiltinTool { name: name.into(), description: "Calculates.".into(), input: json!({}) };
        let context = aikit_spec::CheckContext {
            tenant: None,
            providers: vec!["ollama".into(), "scripted".into()],
            builtins: vec![builtin("calculate")],
            ..aikit_spec::CheckContext::default()
        };
        Surroundings { context, agents: vec!["greeter".into(), "triage".into()] }
    }

    fn snapshot(text: &str) -> Snapshot {
        Snapshot::new(text, Arc::new(around()))
    }

    fn labels(marked: &str) -> String {
        let offset = marked.find('‸').unwrap();
        let text = marked.replace('‸', "");
        let found = complete(&snapshot(&text), offset);
        let labels: Vec<&str> = found.iter().map(|candidate| candidate.label.as_str()).collect();
        labels.join(" ")
    }

    const HEAD: &str = "identity:\n  agent_id: a\n  name: A\ninterface:\n  inputs: {type: object, properties: {ticket: {type: string}, tags: {type: array}}}\nintegration:\n  tools:\n    - calculate\n    - {name: own, kind: lua, code: 'return 1'}\nintelligence:\n  models:\n    fast: {provider: scripted, model: auto}\nbehavior:\n  state: {initial: {count: 0}}\n  steps:\n    - name: first\n      llm: Hi\n";

    fn behind(rest: &str) -> String {
        labels(&format!("{HEAD}{rest}"))
    }

    #[test]
    fn keys_are_offered_once_and_required_ones_first() {
        assert_eq!(labels("iden‸"), "identity");
        assert!(labels("‸").starts_with("identity "));
        assert_eq!(labels("identity:\n  agent_id: a\n  na‸\n"), "name");
        assert_eq!(labels("identity:\n  agent_id: a\n  agent‸\n"), "");
        assert_eq!(behind("    - name: b\n      swi‸"), "switch");
        assert_eq!(behind("    - name: b\n      llm: Hi\n      swi‸"), "", "one kind is enough");
        assert_eq!(behind("    - na‸"), "name");
        assert_eq!(labels("identity: {agent_id: a, na‸"), "name");
        assert_eq!(labels("identity:\n  broken: [\n  nam‸"), "name", "a broken line does not hide its neighbours");
    }

    #[test]
    fn words_and_names_are_offered_as_values() {
        assert_eq!(labels("behavior:\n  type: ‸"), "chat sequential workflow state_machine state_graph");
        assert_eq!(labels("behavior:\n  type: se‸"), "sequential");
        assert_eq!(labels("extends: ro‸"), "router");
        assert_eq!(labels("kind: Te‸"), "TestSuite");
        assert_eq!(labels("overlays:\n  prod:\n    intell‸"), "intelligence");
        assert_eq!(labels("kind: TestSuite\ncases:\n  - name: a\n    exp‸"), "expect");
        assert_eq!(labels("kind: Preset\ndocument:\n  behav‸"), "behavior");
        assert_eq!(behind("    - name: b\n      tool: ‸"), "calculate own");
        assert_eq!(behind("    - name: b\n      agent: gr‸"), "greeter");
        assert_eq!(behind("    - name: b\n      needs: [fi‸]"), "first");
        assert_eq!(behind("    - name: b\n      llm: {prompt: x, model: fa‸}"), "fast");
        assert_eq!(labels("intelligence:\n  models:\n    m: {provider: ol‸}"), "ollama");
    }

    #[test]
    fn texts_know_what_they_can_read() {
        assert_eq!(behind("    - name: b\n      llm: 'Hello {{ inputs.‸ }}'"), "tags ticket");
        assert_eq!(behind("    - name: b\n      llm: |\n        Hello {{ steps.first.o‸"), "output");
        assert_eq!(behind("    - name: b\n      llm: |\n        Hello {{ st‸"), "state steps");
        assert_eq!(behind("    - name: b\n      llm: |\n        Hello st‸"), "");
        assert_eq!(behind("    - name: b\n      when: state.‸"), "count");
        assert_eq!(behind("    - name: b\n      when: siz‸"), "size");
        assert_eq!(behind("    - name: b\n      when: steps.b‸"), "", "a step cannot read itself");
        assert_eq!(behind("    - name: b\n      script:\n        lua: |\n          return ctx.sto‸"), "storage");
        assert_eq!(
            behind("    - name: b\n      script:\n        js: |\n          await ctx.storage.‸"),
            "get set delete list"
        );
    }

    #[test]
    fn a_candidate_says_what_it_replaces() {
        let text = "identity:\n  nam";
        let found = complete(&snapshot(text), text.len());
        assert_eq!((found[0].replace.slice(text), found[0].insert.as_str()), ("nam", "name: "));
        let text = "identity:\n  nam: x";
        assert_eq!(complete(&snapshot(text), 15)[0].insert, "name");
    }
}
