//! The literate editor features in `tests/editor/*.md`: each heading has a document with a cursor `‸`, and blocks that hold
//! everything that the features say there. With `UPDATE_EXPECT=1` the blocks are rewritten.

use std::{env, fmt::Write, fs, path::PathBuf, sync::Arc};

use aikit_core::{Edit, TextRange};
use aikit_ide::{
    DocumentSymbol, Snapshot, Surroundings, actions, complete, definition, document_symbols, folds, hover, inlays,
    lenses, links, references, rename, scripts, selections, signature, tokens,
};
use aikit_spec::{BuiltinTool, CheckContext};
use serde_json::json;

fn around() -> Arc<Surroundings> {
    let input = json!({"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]});
    let echo = BuiltinTool { name: "echo".into(), description: "Says it again.".into(), input };
    let providers = ["ollama", "openai", "scripted"].map(String::from).to_vec();
    let context = CheckContext { tenant: None, providers, builtins: vec![echo], ..CheckContext::default() };
    Arc::new(Surroundings { context, agents: vec!["billing".into(), "greeter".into()] })
}

/// A range as line, column and text.
fn place(snapshot: &Snapshot, range: TextRange) -> String {
    let at = snapshot.lines().position(snapshot.text(), range.start as usize);
    let text = range.slice(snapshot.text());
    let shown = if text.chars().count() > 50 {
        let (head, tail): (String, String) =
            (text.chars().take(20).collect(), text.chars().skip(text.chars().count() - 20).collect());
        format!("{head}…{tail}")
    } else {
        text.to_owned()
    };
    format!("{}:{} {shown:?}", at.line + 1, at.column + 1)
}

fn applied(snapshot: &Snapshot, edits: &[Edit]) -> String {
    let mut edits: Vec<&Edit> = edits.iter().collect();
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.range.start));
    let mut text = snapshot.text().to_owned();
    for edit in edits {
        text.replace_range(edit.range.start as usize..edit.range.end as usize, &edit.text);
    }
    text
}

/// What changed, line by line.
fn changed(before: &str, after: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let same = |(a, b): &(&&str, &&str)| a == b;
    let head = old.iter().zip(&new).take_while(same).count();
    let rest = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(same).count();
    let mut text = String::new();
    if old.len() == new.len() {
        for (a, b) in old.iter().zip(&new).filter(|(a, b)| a != b) {
            let _ = writeln!(text, "- {a}\n+ {b}");
        }
        return text;
    }
    old[head..old.len() - tail].iter().for_each(|line| writeln!(text, "- {line}").unwrap_or_default());
    new[head..new.len() - tail].iter().for_each(|line| writeln!(text, "+ {line}").unwrap_or_default());
    text
}

fn show(feature: &str, snapshot: &Snapshot, offset: usize) -> String {
    let mut text = String::new();
    let whole = TextRange::new(0, snapshot.text().len());
    let (name, argument) = feature.split_once(' ').unwrap_or((feature, ""));
    match name {
        "complete" => {
            for one in complete(snapshot, offset) {
                let doc: String = one.doc.chars().take(40).collect();
                let replaced = one.replace.slice(snapshot.text());
                let _ =
                    writeln!(text, "{} {:?} for {replaced:?} · {} · {doc}", one.kind.as_str(), one.insert, one.detail);
            }
        }
        "snippets" => {
            for one in complete(snapshot, offset) {
                if let Some(lines) = one.snippet {
                    let _ = writeln!(text, "{}:\n{lines}", one.label);
                }
            }
        }
        "hover" => {
            if let Some(hover) = hover(snapshot, offset) {
                let _ = writeln!(text, "{}\n{}", place(snapshot, hover.range), hover.markdown);
            }
        }
        "definition" => definition(snapshot, offset)
            .iter()
            .for_each(|range| writeln!(text, "{}", place(snapshot, *range)).unwrap_or_default()),
        "references" => references(snapshot, offset)
            .iter()
            .for_each(|one| writeln!(text, "{} {:?}", place(snapshot, one.range), one.role).unwrap_or_default()),
        "rename" => match rename(snapshot, offset, argument) {
            Ok(edits) => text = changed(snapshot.text(), &applied(snapshot, &edits)),
            Err(error) => text = format!("{error}\n"),
        },
        "symbols" => {
            fn symbols(all: &[DocumentSymbol], depth: usize, text: &mut String) {
                for one in all {
                    let _ = writeln!(text, "{}{} {}", "  ".repeat(depth), one.kind, one.name);
                    symbols(&one.children, depth + 1, text);
                }
            }
            symbols(&document_symbols(snapshot), 0, &mut text);
        }
        "folds" => folds(snapshot)
            .iter()
            .for_each(|fold| writeln!(text, "{:?} {}", fold.kind, place(snapshot, fold.range)).unwrap_or_default()),
        "selections" => selections(snapshot, offset)
            .iter()
            .for_each(|range| writeln!(text, "{}", place(snapshot, *range)).unwrap_or_default()),
        "tokens" => {
            for token in tokens(snapshot) {
                let marks = [(token.declaration, " declared"), (token.host, " host")];
                let marks: String = marks.iter().filter(|(on, _)| *on).map(|(_, mark)| *mark).collect();
                let _ = writeln!(text, "{} {:?}{marks}", place(snapshot, token.range), token.kind);
            }
        }
        "actions" => {
            for action in actions(snapshot, TextRange::empty(offset)) {
                let preferred = if action.preferred { ", preferred" } else { "" };
                let _ = writeln!(text, "{} ({:?}{preferred})", action.title, action.kind);
                text.push_str(&changed(snapshot.text(), &applied(snapshot, &action.edits)));
            }
        }
        "inlays" => {
            for inlay in inlays(snapshot, whole) {
                let at = place(snapshot, TextRange::empty(inlay.offset));
                let _ = writeln!(text, "{} {}", at.trim_end_matches(" \"\""), inlay.label);
            }
        }
        "lenses" => lenses(snapshot)
            .iter()
            .for_each(|lens| writeln!(text, "{} {}", place(snapshot, lens.range), lens.title).unwrap_or_default()),
        "links" => links(snapshot)
            .iter()
            .for_each(|link| writeln!(text, "{}", place(snapshot, link.range)).unwrap_or_default()),
        "signature" => {
            if let Some(signature) = signature(snapshot, offset) {
                let active = signature.parameters.get(signature.active).map_or("-", String::as_str);
                let _ = writeln!(text, "{} at {active}", signature.label);
            }
        }
        "scripts" => {
            for script in scripts(snapshot) {
                let finding = script.finding("is odd", Some(2));
                let _ = writeln!(text, "{} | {}", place(snapshot, finding.range), finding.message);
            }
        }
        "diagnostics" => {
            for finding in snapshot.diagnostics() {
                let _ = writeln!(text, "{} {} {}", finding.code, place(snapshot, finding.range), finding.message);
            }
        }
        other => panic!("there is no feature `{other}`"),
    }
    text
}

#[test]
fn features_say_what_the_pages_promise() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/editor");
    let update = env::var_os("UPDATE_EXPECT").is_some();
    let mut failures = String::new();
    let mut cases = 0;
    let mut pages: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.sort();
    for page in pages {
        let source = fs::read_to_string(&page).unwrap();
        let mut written = String::new();
        let mut title = "";
        let mut document = (Snapshot::new("", around()), 0);
        let mut lines = source.lines();
        while let Some(line) = lines.next() {
            let _ = writeln!(written, "{line}");
            if line.starts_with('#') {
                title = line.trim_start_matches('#').trim();
            }
            let Some(feature) = line.strip_prefix("```").filter(|feature| !feature.is_empty()) else { continue };
            let block: String =
                lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect();
            if feature == "yaml" {
                let offset = block.find('‸').unwrap_or(0);
                document = (Snapshot::new(block.replace('‸', ""), around()), offset);
                written.push_str(&block);
            } else {
                let shown = show(feature, &document.0, document.1);
                cases += 1;
                if shown != block {
                    let _ = writeln!(
                        failures,
                        "{} · {title} · {feature}\nexpected:\n{block}\nfound:\n{shown}",
                        page.display()
                    );
                }
                written.push_str(&shown);
            }
            written.push_str("```\n");
        }
        if update {
            fs::write(page, written).unwrap();
        }
    }
    assert!(cases > 40, "the pages were not found");
    assert!(update || failures.is_empty(), "{failures}");
}
