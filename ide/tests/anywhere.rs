//! Whatever a document holds and wherever the cursor stands: no feature panics, every place lies in the text, and what is
//! offered keeps its own promises.

use std::{fs, path::PathBuf, sync::Arc};

use aikit_core::{Edit, Language, TextRange};
use aikit_ide::{
    Snapshot, Surroundings, Workspace, actions, cell, complete, definition, document_symbols, folds, hover, inlays,
    lenses, links, references, rename, scripts, selections, signature, tokens,
};
use proptest::{prelude::*, sample::Index};

/// The documents of the examples and of the literate pages, broken ones included.
fn documents() -> Vec<String> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    for folder in ["examples", "tests/specs", "tests/editor"] {
        let Ok(entries) = fs::read_dir(root.join(folder)) else { continue };
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            let Ok(text) = fs::read_to_string(&path) else { continue };
            if path.extension().is_some_and(|extension| extension == "yaml") {
                found.push(text);
                continue;
            }
            for block in text.split("```yaml\n").skip(1) {
                found.push(block.split("```").next().unwrap_or("").replace('‸', ""));
            }
        }
    }
    assert!(found.len() > 50, "the documents were not found");
    found
}

fn snapshot(text: &str) -> Snapshot {
    Snapshot::new(text, Arc::new(Surroundings { agents: vec!["other".into()], ..Surroundings::default() }))
}

#[track_caller]
fn inside(text: &str, range: TextRange) {
    assert!(text.get(range.start as usize..range.end as usize).is_some(), "{range:?} does not fit: {text}");
}

fn apply(text: &str, edits: &[Edit]) -> String {
    let mut edits: Vec<&Edit> = edits.iter().collect();
    edits.sort_by_key(|edit| edit.range);
    assert!(edits.windows(2).all(|pair| pair[0].range.end <= pair[1].range.start), "edits overlap: {edits:?}");
    let mut text = text.to_owned();
    for edit in edits.iter().rev() {
        inside(&text, edit.range);
        text.replace_range(edit.range.start as usize..edit.range.end as usize, &edit.text);
    }
    text
}

/// What depends on the cursor.
fn at(snapshot: &Snapshot, offset: usize) {
    let text = snapshot.text();
    for candidate in complete(snapshot, offset) {
        inside(text, candidate.replace);
        assert!(candidate.replace.touches(offset.min(text.len())) || !text.is_char_boundary(offset));
    }
    if let Some(hover) = hover(snapshot, offset) {
        inside(text, hover.range);
    }
    definition(snapshot, offset).into_iter().for_each(|range| inside(text, range));
    let chain = selections(snapshot, offset);
    chain.iter().for_each(|range| inside(text, *range));
    assert!(chain.windows(2).all(|pair| pair[1].contains_range(pair[0]) && pair[0] != pair[1]));
    signature(snapshot, offset);
    for action in actions(snapshot, TextRange::empty(offset)) {
        apply(text, &action.edits);
    }
    let places = references(snapshot, offset);
    places.iter().for_each(|one| inside(text, one.range));
    if let Ok(edits) = rename(snapshot, offset, "renamed") {
        assert_eq!(edits.len(), places.len());
        let renamed = snapshot_of(&apply(text, &edits), snapshot);
        if !snapshot.checked().has_errors() {
            assert!(!renamed.checked().has_errors(), "{:?}\n{}", renamed.diagnostics(), renamed.text());
        }
    }
    cell::hover_cell(text, offset, Language::Yaml, &Arc::default());
    cell::complete_cell(text, offset, Language::Lua, &Arc::default());
}

fn snapshot_of(text: &str, like: &Snapshot) -> Snapshot {
    Snapshot::new(text, Arc::new(like.around().clone()))
}

/// What concerns the whole document.
fn everywhere(snapshot: &Snapshot) {
    let text = snapshot.text();
    let all = tokens(snapshot);
    all.iter().for_each(|token| inside(text, token.range));
    assert!(all.windows(2).all(|pair| pair[0].range.end <= pair[1].range.start), "tokens overlap");
    assert!(all.iter().all(|token| !token.range.is_empty() && !token.range.slice(text).contains('\n')));
    folds(snapshot).iter().for_each(|fold| inside(text, fold.range));
    links(snapshot).iter().for_each(|link| inside(text, link.range));
    lenses(snapshot).iter().for_each(|lens| inside(text, lens.range));
    inlays(snapshot, TextRange::new(0, text.len()))
        .iter()
        .for_each(|inlay| inside(text, TextRange::empty(inlay.offset)));
    snapshot.diagnostics().iter().for_each(|finding| inside(text, finding.range));
    for script in scripts(snapshot) {
        inside(text, script.line(1));
        inside(text, script.place(TextRange::new(0, script.code.len())));
    }
    let mut open = document_symbols(snapshot);
    while let Some(symbol) = open.pop() {
        inside(text, symbol.range);
        assert!(symbol.range.contains_range(symbol.selection));
        open.extend(symbol.children);
    }
    let mut workspace = Workspace::default();
    workspace.insert("a", snapshot.clone());
    workspace.symbols("");
    cell::is_complete(text, Language::Yaml);
}

#[test]
fn every_cursor_of_every_document() {
    for text in documents() {
        let snapshot = snapshot(&text);
        everywhere(&snapshot);
        for offset in (0..=text.len() + 1).step_by(3) {
            at(&snapshot, offset);
        }
    }
}

#[test]
fn every_document_while_it_is_typed() {
    for text in documents() {
        for end in (0..text.len()).step_by(23).filter(|end| text.is_char_boundary(*end)) {
            let snapshot = snapshot(&text[..end]);
            everywhere(&snapshot);
            at(&snapshot, end);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_mutation(
        which: Index,
        cuts in prop::collection::vec((any::<Index>(), 0usize..12, "[ -~\n\t\u{e9}🦀]{0,3}|\\{\\{ |: |- |\\|\n|\"|---\n|&a |\\*a"), 1..4),
        cursor: Index,
    ) {
        let documents = documents();
        let mut text = which.get(&documents).clone();
        for (place, len, insert) in cuts {
            let boundary = |mut offset: usize| {
                while !text.is_char_boundary(offset) {
                    offset -= 1;
                }
                offset
            };
            let start = boundary(place.index(text.len() + 1));
            let end = boundary((start + len).min(text.len())).max(start);
            text.replace_range(start..end, &insert);
        }
        let snapshot = snapshot(&text);
        everywhere(&snapshot);
        at(&snapshot, cursor.index(text.len() + 1));
    }
}
