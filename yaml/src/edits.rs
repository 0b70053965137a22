//! Changes at a path that leave the rest of a text as its author wrote it: comments, quotes, order and blank lines.

use aikit_core::{Edit, TextRange};
use serde_json::Value;

use crate::{Node, NodeKind, ScalarStyle, Segment, resolve, syntax::quoted};

/// How many columns a level of indentation has in what is written anew.
const STEP: usize = 2;

/// The edit that puts `value` in the place of the node at `path`; nothing where no node stands.
pub fn replace(text: &str, root: &Node, path: &[Segment], value: &Value) -> Option<Edit> {
    let node = root.node_at_path(path)?;
    let start = node.range.start as usize;
    let line = line_start(text, start);
    let column = start - line;
    let absent = matches!(node.kind, NodeKind::Null);
    let put = |from: usize, text: String| Some(Edit { range: TextRange::new(from, node.range.end as usize), text });
    let before = text[..start].trim_end_matches([' ', '\t']).len();
    if (0..path.len()).any(|depth| root.node_at_path(&path[..depth]).is_some_and(|above| is_flow(text, above))) {
        return if absent { put(before, format!(" {}", one_line(value))) } else { put(start, one_line(value)) };
    }
    if is_one_line(value) {
        return if absent && !path.is_empty() {
            put(before, format!(" {}", one_line(value)))
        } else {
            put(start, one_line(value))
        };
    }
    let begins_line = text[line..start].trim_matches(' ').is_empty() && !absent;
    match path.last() {
        Some(Segment::Key(_)) if !begins_line => {
            let indent = key_column(text, root, path) + STEP;
            put(before, format!("\n{}{}", " ".repeat(indent), write(value, indent)))
        }
        Some(Segment::Index(_)) if absent => {
            let indent = key_column(text, root, path) + STEP;
            put(before, format!(" {}", write(value, indent)))
        }
        _ => put(start, write(value, column)),
    }
}

/// The edit that adds `key: value` behind the last entry of the mapping at `path`; nothing where none stands or the key is
/// there already.
pub fn insert(text: &str, root: &Node, path: &[Segment], key: &str, value: &Value) -> Option<Edit> {
    let node = root.node_at_path(path)?;
    if node.get(key).is_some() {
        return None;
    }
    let key = scalar(key);
    let NodeKind::Mapping(entries) = &node.kind else { return None };
    let flow = is_flow(text, node);
    let Some(last) = entries.iter().rfind(|entry| !entry.merged) else {
        let close = node.range.end as usize - usize::from(flow);
        return flow.then(|| Edit { range: TextRange::empty(close), text: format!("{key}: {}", one_line(value)) });
    };
    if flow {
        let end = last.range().end.max(last.key.range.end) as usize;
        return Some(Edit { range: TextRange::empty(end), text: format!(", {key}: {}", one_line(value)) });
    }
    let start = last.key.range.start as usize;
    let column = start - line_start(text, start);
    // Behind the comment on the line of the last value.
    let end = last.range().end as usize;
    let end = text[end..].find('\n').map_or(text.len(), |length| end + length);
    let end = text[..end].trim_end().len();
    Some(Edit { range: TextRange::empty(end), text: format!("\n{}", entry(&key, value, column)) })
}

/// The edit that takes away the entry or item at `path` with its lines.
pub fn remove(text: &str, root: &Node, path: &[Segment]) -> Option<Edit> {
    let (last, above) = path.split_last()?;
    let parent = root.node_at_path(above)?;
    let flow = is_flow(text, parent);
    let parts: Vec<TextRange> = match &parent.kind {
        NodeKind::Mapping(entries) => entries.iter().filter(|entry| !entry.merged).map(crate::Entry::range).collect(),
        NodeKind::Sequence(items) => items.iter().map(|item| item.range).collect(),
        _ => return None,
    };
    let at = match last {
        Segment::Key(key) => {
            parent.entries().iter().filter(|entry| !entry.merged).position(|entry| entry.name() == key)?
        }
        Segment::Index(index) => Some(*index).filter(|index| *index < parts.len())?,
    };
    if flow {
        // With the comma behind it, or the one before the last.
        let range = match (parts.get(at + 1), at.checked_sub(1)) {
            (Some(next), _) => TextRange { end: next.start, ..parts[at] },
            (None, Some(before)) => TextRange { start: parts[before].end, ..parts[at] },
            (None, None) => parts[at],
        };
        return Some(Edit { range, text: String::new() });
    }
    let start = line_start(text, parts[at].start as usize);
    let first_on_line = text[start..parts[at].start as usize].trim_start_matches([' ', '-', '?']).is_empty();
    let compact = parts[at].start as usize > start
        && text[start..parts[at].start as usize].contains('-')
        && matches!(last, Segment::Key(_));
    if compact && let Some(next) = parts.get(at + 1) {
        // The next key takes its place behind the dash.
        return Some(Edit { range: TextRange { start: parts[at].start, end: next.start }, text: String::new() });
    }
    if parts.len() == 1 || !first_on_line {
        let empty = if matches!(parent.kind, NodeKind::Mapping(_)) { "{}" } else { "[]" };
        return Some(Edit { range: parent.range, text: empty.to_owned() });
    }
    let end =
        text[parts[at].end as usize..].find('\n').map_or(text.len(), |length| parts[at].end as usize + length + 1);
    Some(Edit { range: TextRange::new(start, end), text: String::new() })
}

/// The edit that renames the key at the end of `path`; nothing where it does not stand or the name is taken.
pub fn rename(root: &Node, path: &[Segment], name: &str) -> Option<Edit> {
    let (Segment::Key(key), above) = path.split_last()? else { return None };
    let parent = root.node_at_path(above)?;
    let entry = parent.entry(key).filter(|entry| !entry.merged && parent.get(name).is_none())?;
    let text = match entry.key.scalar()?.style {
        ScalarStyle::SingleQuoted => format!("'{}'", name.replace('\'', "''")),
        ScalarStyle::DoubleQuoted => Value::String(name.to_owned()).to_string(),
        _ => scalar(name),
    };
    Some(Edit { range: entry.key.range, text })
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |at| at + 1)
}

/// The column of the key, or of the dash, above the node at `path`.
fn key_column(text: &str, root: &Node, path: &[Segment]) -> usize {
    let Some((last, above)) = path.split_last() else { return 0 };
    let Some(parent) = root.node_at_path(above) else { return 0 };
    let start = match last {
        Segment::Key(key) => parent.entry(key).map(|entry| entry.key.range.start),
        Segment::Index(_) => Some(parent.range.start),
    };
    start.map_or(0, |start| start as usize - line_start(text, start as usize))
}

/// A text as a YAML scalar on one line: plain if it reads as the same text, or else quoted.
pub fn scalar(text: &str) -> String {
    let plain = text
        .chars()
        .next()
        .is_some_and(|first| first.is_alphanumeric() || matches!(first, '_' | '/' | '.' | '$' | '('))
        && !text.ends_with([' ', ':', '\t'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.contains([',', '[', ']', '{', '}', '"', '\\'])
        && !text.chars().any(char::is_control)
        && resolve::plain(text).is_string()
        && resolve::doubt(text).is_none()
        && !text.starts_with("...");
    if plain {
        return text.to_owned();
    }
    if text.chars().any(|c| c.is_control() || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}')) {
        // JSON's escapes are YAML's; the separators of lines stand for themselves in neither.
        return Value::String(text.to_owned())
            .to_string()
            .replace('\u{7f}', "\\x7f")
            .replace('\u{85}', "\\N")
            .replace('\u{feff}', "\\ufeff");
    }
    quoted(text)
}

fn one_line(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        Value::Array(items) => format!("[{}]", items.iter().map(one_line).collect::<Vec<_>>().join(", ")),
        Value::Object(members) => {
            let members = members.iter().map(|(key, value)| format!("{}: {}", scalar(key), one_line(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// Whether a value is written on one line.
fn is_one_line(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.is_empty(),
        Value::Array(items) => !items.iter().any(|item| item.is_object() || item.is_array()),
        _ => true,
    }
}

/// Whether a collection is written in brackets.
fn is_flow(text: &str, node: &Node) -> bool {
    matches!(node.kind, NodeKind::Mapping(_) | NodeKind::Sequence(_)) && node.range.slice(text).starts_with(['{', '['])
}

fn entry(key: &str, value: &Value, column: usize) -> String {
    let indent = " ".repeat(column);
    if is_one_line(value) {
        return format!("{indent}{key}: {}", one_line(value));
    }
    format!("{indent}{key}:\n{}{}", " ".repeat(column + STEP), write(value, column + STEP))
}

/// A value in block style; its first line is written at `column` by the caller.
fn write(value: &Value, column: usize) -> String {
    let lines: Vec<String> = match value {
        _ if is_one_line(value) => return one_line(value),
        Value::Object(members) => members.iter().map(|(key, value)| entry(&scalar(key), value, column)).collect(),
        Value::Array(items) => {
            let indent = " ".repeat(column);
            items.iter().map(|item| format!("{indent}- {}", write(item, column + STEP))).collect()
        }
        _ => Vec::new(),
    };
    lines.join("\n").trim_start().to_owned()
}
