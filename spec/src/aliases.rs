//! Accepted spellings are moved to their canonical place before anything else looks at the document.

use std::borrow::Cow;

use aikit_core::{Diagnostic, Edit, Fix, LineIndex, TextRange, codes};
use aikit_yaml::{Entry, Node, NodeKind, Scalar};
use serde_json::{Map, Value};

use crate::schema::{self, Kind};

/// The document with canonical keys. The nodes keep their places; a document that has no others is not copied.
pub(crate) fn canonical<'n>(source: &str, root: &'n Node) -> (Cow<'n, Node>, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let kind = Kind::of(root);
    if is_canonical(root, kind) {
        return (Cow::Borrowed(root), diagnostics);
    }
    let mut root = root.clone();
    if let NodeKind::Mapping(entries) = &mut root.kind {
        bare_version(entries, &mut diagnostics);
        match kind {
            Kind::Agent => {}
            Kind::Application => {
                unfold(entries);
                return (Cow::Owned(root), diagnostics);
            }
            _ => return (Cow::Owned(root), diagnostics),
        }
        flat_keys(Some(source), entries, &mut diagnostics);
        for entry in entries {
            if let (Some(block), NodeKind::Mapping(inner)) = (block_schema(entry.name()), &mut entry.value.kind) {
                renamed_keys(inner, block, &mut diagnostics);
            }
        }
    }
    (Cow::Owned(root), diagnostics)
}

/// A part of an agent's document with canonical keys.
pub(crate) fn canonical_patch(root: &Node) -> (Node, Vec<Diagnostic>) {
    let mut root = root.clone();
    let mut diagnostics = Vec::new();
    if let NodeKind::Mapping(entries) = &mut root.kind {
        flat_keys(None, entries, &mut diagnostics);
        for entry in entries {
            if let (Some(block), NodeKind::Mapping(inner)) = (block_schema(entry.name()), &mut entry.value.kind) {
                renamed_keys(inner, block, &mut diagnostics);
            }
        }
    }
    (root, diagnostics)
}

fn block_schema(name: &str) -> Option<&'static Value> {
    schema::root(Kind::Agent).get("properties")?.get(name).map(schema::resolve)
}

fn is_canonical(root: &Node, kind: Kind) -> bool {
    let entries = root.entries();
    match kind {
        Kind::Agent => {}
        Kind::Application => {
            return !entries
                .iter()
                .any(|entry| is_bare_version(entry) || matches!(entry.name(), "spec" | "apiVersion"));
        }
        _ => return !entries.iter().any(is_bare_version),
    }
    let flat = schema::root(Kind::Agent).get("x-aikit-aliases").and_then(Value::as_object);
    root.entries().iter().all(|entry| {
        let inner = block_schema(entry.name()).and_then(|block| block.get("x-aikit-aliases")?.as_object());
        let renamed = |inner: &Map<String, Value>| entry.value.entries().iter().any(|e| inner.contains_key(e.name()));
        !is_bare_version(entry)
            && !flat.is_some_and(|flat| flat.contains_key(entry.name()))
            && !inner.is_some_and(renamed)
    })
}

fn is_bare_version(entry: &Entry) -> bool {
    entry.name() == "spec_version" && entry.value.scalar().is_some_and(|scalar| scalar.text == "1.0.0")
}

/// Steps in the form `name`, `agent`, `input`, `output: text`: the text names what of the state the output becomes.
pub(crate) fn named_outputs(root: &mut Node) {
    match &mut root.kind {
        NodeKind::Mapping(entries) => {
            let is_step = entries.iter().any(|entry| entry.name() == "name")
                && entries.iter().any(|entry| entry.name() == "agent" && entry.value.as_str().is_some())
                && !entries.iter().any(|entry| entry.name() == "save");
            for entry in entries.iter_mut() {
                match entry.value.as_str().map(str::to_owned) {
                    Some(name) if is_step && entry.name() == "output" => {
                        let at = entry.value.range;
                        let implied =
                            |text: &str| Node { range: at, tag: None, kind: NodeKind::Scalar(Scalar::implied(text)) };
                        let saved = Entry { key: implied(&name), value: implied("output"), merged: false };
                        entry.key.kind = NodeKind::Scalar(Scalar::implied("save"));
                        entry.value.kind = NodeKind::Mapping(vec![saved]);
                    }
                    _ => named_outputs(&mut entry.value),
                }
            }
        }
        NodeKind::Sequence(items) => items.iter_mut().for_each(named_outputs),
        NodeKind::Scalar(_) | NodeKind::Null => {}
    }
}

/// Whether a document has steps of that form.
pub(crate) fn names_outputs(root: &Node) -> bool {
    root.get("agent").is_some_and(|agent| agent.as_str().is_some())
        && root.get("output").is_some_and(|output| output.as_str().is_some())
        && root.get("name").is_some()
        || root.entries().iter().any(|entry| names_outputs(&entry.value))
        || root.items().iter().any(names_outputs)
}

/// The envelope `apiVersion`, `kind`, `metadata`, `spec` that other systems use: what stands in `spec` stands at the top.
fn unfold(entries: &mut Vec<Entry>) {
    entries.retain(|entry| entry.name() != "apiVersion");
    let Some(at) = entries.iter().position(|entry| entry.name() == "spec") else { return };
    if let NodeKind::Mapping(inner) = &mut entries[at].value.kind {
        let inner = std::mem::take(inner);
        entries.splice(at..=at, inner);
    }
}

/// `spec_version: 1.0.0` → `aikit-v1.0.0`.
fn bare_version(entries: &mut [Entry], diagnostics: &mut Vec<Diagnostic>) {
    let Some(entry) = entries.iter_mut().find(|entry| entry.name() == "spec_version") else { return };
    let range = entry.value.range;
    let NodeKind::Scalar(scalar) = &mut entry.value.kind else { return };
    if scalar.text == "1.0.0" {
        let canonical = format!("aikit-v{}", scalar.text);
        diagnostics.push(
            Diagnostic::new(codes::ALIAS_KEY, range, format!("`{}` is short for `{canonical}`", scalar.text)).with_fix(
                format!("Write `{canonical}`"),
                range,
                canonical.as_str(),
            ),
        );
        scalar.value = Value::String(canonical.clone());
        scalar.text = canonical;
    }
}

/// `tools:` at the top level → `integration.tools`.
fn flat_keys(source: Option<&str>, entries: &mut Vec<Entry>, diagnostics: &mut Vec<Diagnostic>) {
    let aliases = schema::root(Kind::Agent).get("x-aikit-aliases").and_then(Value::as_object);
    let mut at = 0;
    while at < entries.len() {
        let target = aliases.and_then(|aliases| aliases.get(entries[at].name())).and_then(Value::as_str);
        let Some((block, key)) = target.and_then(|target| target.split_once('.')) else {
            at += 1;
            continue;
        };
        let range = entries[at].key.range;
        let name = entries[at].name().to_owned();
        let home = entries.iter().position(|entry| entry.name() == block);
        match home.map(|home| &entries[home].value.kind) {
            Some(NodeKind::Mapping(inner)) => {
                if let Some(other) = inner.iter().find(|entry| entry.name() == key) {
                    let message = format!("`{name}` stands here and as `{block}.{key}`");
                    diagnostics.push(
                        Diagnostic::new(codes::DUPLICATE_NAME, range, message)
                            .with_related(other.key.range, "the other one stands here"),
                    );
                    entries.remove(at);
                    continue;
                }
            }
            // The block has another mistake, which is reported; the flat key stays a stray one.
            Some(_) => {
                at += 1;
                continue;
            }
            None => {}
        }
        let message = format!("`{name}` belongs to `{block}`: `{block}.{key}`");
        let mut diagnostic = Diagnostic::new(codes::ALIAS_KEY, range, message);
        // A block that only exists because another flat key was moved is not in the text.
        if let Some(source) = source {
            let written = home.map(|home| &entries[home]).filter(|home| home.key.range.slice(source).contains(block));
            let home_value = written.map(|home| &home.value);
            diagnostic.fixes.extend(moving_fix(source, &entries[at], block, key, home_value));
        }
        diagnostics.push(diagnostic);

        let mut moved = entries.remove(at);
        let moved_range = moved.range();
        if let NodeKind::Scalar(scalar) = &mut moved.key.kind {
            scalar.text = key.to_owned();
        }
        match entries.iter_mut().find(|entry| entry.name() == block) {
            Some(Entry { value: Node { kind: NodeKind::Mapping(inner), .. }, .. }) => inner.push(moved),
            _ => {
                let key = Node { range, tag: None, kind: NodeKind::Scalar(Scalar::implied(block)) };
                let value = Node { range: moved_range, tag: None, kind: NodeKind::Mapping(vec![moved]) };
                entries.push(Entry { key, value, merged: false });
            }
        }
    }
}

/// Keys inside a block that have another name, as `id` for `agent_id`.
fn renamed_keys(entries: &mut [Entry], block: &'static Value, diagnostics: &mut Vec<Diagnostic>) {
    let Some(aliases) = block.get("x-aikit-aliases").and_then(Value::as_object) else { return };
    for (alias, canonical) in aliases {
        let Some(canonical) = canonical.as_str() else { continue };
        if entries.iter().any(|entry| entry.name() == canonical) {
            continue;
        }
        let Some(entry) = entries.iter_mut().find(|entry| entry.name() == alias) else { continue };
        let range = entry.key.range;
        if let NodeKind::Scalar(scalar) = &mut entry.key.kind {
            scalar.text = canonical.to_owned();
            diagnostics.push(
                Diagnostic::new(codes::ALIAS_KEY, range, format!("`{alias}` is short for `{canonical}`")).with_fix(
                    format!("Rename to `{canonical}`"),
                    range,
                    canonical,
                ),
            );
        }
    }
}

/// Edits that move the lines of a top-level entry into its block; none where the document is not written in lines.
fn moving_fix(source: &str, entry: &Entry, block: &str, key: &str, home: Option<&Node>) -> Option<Fix> {
    let lines = LineIndex::new(source);
    let first = lines.line_of(entry.key.range.start as usize);
    let last = lines.line_of(entry.range().end.max(entry.range().start) as usize);
    let start = lines.line_range(first)?.start;
    let end = lines.line_range(last)?.end;
    if entry.merged || start != entry.key.range.start {
        return None;
    }
    let whole = TextRange::new(start as usize, end as usize);
    let behind_key = TextRange { start: entry.key.range.end, end };
    let text = format!("{key}{}", behind_key.slice(source));
    let text = if text.ends_with('\n') { text } else { format!("{text}\n") };
    let indented = |by: usize| {
        let line = |line: &str| if line.trim().is_empty() { line.to_owned() } else { format!("{:by$}{line}", "") };
        text.split_inclusive('\n').map(line).collect::<String>()
    };
    let title = format!("Move into `{block}`");
    let Some(home) = home else {
        return Some(Fix { title, edits: vec![Edit { range: whole, text: format!("{block}:\n{}", indented(2)) }] });
    };
    let neighbour = home.entries().first().filter(|entry| !entry.merged)?.key.range.start;
    let line = lines.line_range(lines.line_of(neighbour as usize))?.start;
    let column = (neighbour - line) as usize;
    let indentation = TextRange { start: line, end: neighbour }.slice(source);
    if column == 0 || !indentation.bytes().all(|b| b == b' ') {
        return None;
    }
    let insertion = Edit { range: TextRange::empty(line as usize), text: indented(column) };
    Some(Fix { title, edits: vec![Edit { range: whole, text: String::new() }, insertion] })
}
