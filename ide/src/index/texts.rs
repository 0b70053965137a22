//! Names in templates and expressions.

use aikit_core::TextRange;
use aikit_spec::{
    expr,
    roots::{SegmentName, VariablePath},
    template,
};
use aikit_yaml::{Node, Segment};

use super::{Builder, Embedded, Role, Symbol, SymbolKind, place_of};
use crate::lexer::Grammar;

impl Builder<'_> {
    pub(super) fn names_in_text(&mut self, path: &[Segment], embedded: &Embedded) {
        let analysis = match embedded.grammar {
            Grammar::Cel => expr::check(&embedded.text),
            _ if embedded.text.contains('{') => template::check(&embedded.text),
            _ => return,
        };
        let Ok(analysis) = analysis else { return };
        for variable in &analysis.paths {
            if let Some((symbol, range)) = self.variable(path, variable) {
                self.add(symbol, embedded.place(range), Role::Read);
            }
        }
    }

    fn variable(&self, path: &[Segment], variable: &VariablePath) -> Option<(Symbol, TextRange)> {
        let name = |at: usize| {
            let segment = variable.segments.get(at)?;
            match &segment.name {
                SegmentName::Name(name) => Some((name.as_str(), name_place(segment.range, name))),
                SegmentName::Index(_) => None,
            }
        };
        let (root, place) = name(0)?;
        let kind = match root {
            "steps" => SymbolKind::Step,
            "state" => SymbolKind::State,
            "inputs" => SymbolKind::Input,
            "agent" | "tenant" | "user" | "session" | "execution" | "now" | "output" | "error" | "index" => {
                return None;
            }
            _ => return Some((Symbol::new(SymbolKind::Item, root).of(self.item(path, root)?), place)),
        };
        let (name, place) = name(1)?;
        Some((Symbol::new(kind, name), place))
    }

    /// The place of the innermost step around `path` that goes through a list under this name.
    fn item(&self, path: &[Segment], name: &str) -> Option<String> {
        let inside = |at: &usize| {
            let key = |at: usize, key: &str| path.get(at) == Some(&Segment::Key(key.into()));
            key(*at, "map") && (key(at + 1, "do") || key(at + 1, "collect"))
        };
        (0..path.len()).rev().filter(inside).find_map(|at| {
            let map = path.get(..=at)?;
            let declared = self.root.node_at_path(map)?.get("as").and_then(Node::as_str).unwrap_or("item");
            (declared == name).then(|| place_of(map))
        })
    }
}

/// The name itself, where the segment is `["name"]`.
fn name_place(range: TextRange, name: &str) -> TextRange {
    match range.len().checked_sub(name.len()) {
        Some(2) => TextRange::new(range.start as usize + 1, range.end as usize - 1),
        Some(4) => TextRange::new(range.start as usize + 2, range.end as usize - 2),
        _ => range,
    }
}
