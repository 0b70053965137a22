//! Changes that a person can accept.

use aikit_core::{Diagnostic, DiagnosticCode, Edit, TextRange};
use aikit_yaml::Segment;

use crate::snapshot::Snapshot;

/// What kind of change it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActionKind {
    /// Mends one finding.
    QuickFix,
    /// Mends everything that can be mended without a choice.
    FixAll,
    /// Says the same in another way.
    Rewrite,
}

/// A change that a person can accept as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// What it does, as an imperative.
    pub title: String,
    /// What kind of change it is.
    pub kind: ActionKind,
    /// The edits; they do not overlap.
    pub edits: Vec<Edit>,
    /// Whether it is the obvious one.
    pub preferred: bool,
    /// The finding that it mends.
    pub mends: Option<(DiagnosticCode, TextRange)>,
}

/// The changes that are possible in a range.
pub fn actions(snapshot: &Snapshot, range: TextRange) -> Vec<Action> {
    let touching = |finding: &&Diagnostic| finding.range.start <= range.end && range.start <= finding.range.end;
    let mut found: Vec<Action> = snapshot.diagnostics().iter().filter(touching).flat_map(quick_fixes).collect();
    found.extend(full_form(snapshot, range));
    found.extend(fix_all(snapshot));
    found
}

/// The changes that mend one finding.
pub fn quick_fixes(finding: &Diagnostic) -> Vec<Action> {
    let fix = |(at, fix): (usize, &aikit_core::Fix)| Action {
        title: fix.title.clone(),
        kind: ActionKind::QuickFix,
        edits: fix.edits.clone(),
        preferred: at == 0,
        mends: Some((finding.code, finding.range)),
    };
    finding.fixes.iter().enumerate().map(fix).collect()
}

/// The preferred fix of every finding that has just one, where they do not touch each other.
fn fix_all(snapshot: &Snapshot) -> Option<Action> {
    let mut edits: Vec<Edit> = Vec::new();
    let mut fixes = 0;
    for finding in snapshot.diagnostics() {
        let [fix] = finding.fixes.as_slice() else { continue };
        let apart = |edit: &Edit| {
            let clear = |other: &Edit| edit.range.end < other.range.start || other.range.end < edit.range.start;
            edits.iter().all(clear)
        };
        if fix.edits.iter().all(apart) {
            edits.extend(fix.edits.iter().cloned());
            fixes += 1;
        }
    }
    edits.sort_by_key(|edit| edit.range);
    (fixes > 1).then(|| Action {
        title: format!("Fix all {fixes} findings that have a fix"),
        kind: ActionKind::FixAll,
        edits,
        preferred: false,
        mends: None,
    })
}

/// `llm: text` with room for a model and tools. Offered only where the prompt surely stays what it is.
fn full_form(snapshot: &Snapshot, range: TextRange) -> Option<Action> {
    let outline = snapshot.outline();
    let touched = |id: &usize| outline.node(*id).key.touches(range.start as usize);
    let id = outline.ids().find(|id| outline.name(*id) == Some("llm") && touched(id))?;
    let value = outline.value_range(id)?;
    let (text, lines, key) = (snapshot.text(), snapshot.lines(), outline.node(id).key);
    let column = key.start - lines.line_range(lines.line_of(key.start as usize))?.start;
    let at = key.end as usize + 1;
    // A text of several lines moves to the right as it is.
    let mut moved = format!("\n{}prompt:", " ".repeat(column as usize + 2));
    for (number, line) in text.get(at..value.end as usize)?.split('\n').enumerate() {
        if number > 0 {
            moved.push('\n');
            moved.push_str(if line.trim().is_empty() { "" } else { "  " });
        }
        moved.push_str(line);
    }
    let edit = Edit { range: TextRange::new(at, value.end as usize), text: moved };
    let mut path = outline.path(id);
    let before = snapshot.root()?.node_at_path(&path)?.as_str()?.to_owned();
    path.push(Segment::Key("prompt".into()));
    let edited = snapshot.edited(&edit);
    let after = edited.root()?.node_at_path(&path)?.as_str()?;
    (edited.parsed().is_valid() && after == before).then(|| Action {
        title: "Write `llm` as a mapping with `prompt`".into(),
        kind: ActionKind::Rewrite,
        edits: vec![edit],
        preferred: false,
        mends: None,
    })
}
