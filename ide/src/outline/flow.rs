//! `{…}` and `[…]`, closed or not.

use std::sync::Arc;

use aikit_core::TextRange;
use aikit_yaml::Segment;

use super::{Id, MAX_DEPTH, MAX_NODES, Node, Outline, Written, line::unquoted};

/// Where in a flow collection an offset is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FlowPlace {
    /// The way from the collection to the mapping whose key, or the value that, is being typed.
    pub(crate) path: Vec<Segment>,
    /// The token at the offset, quotes included.
    pub(crate) token: TextRange,
    /// Whether it is a key (or could be one).
    pub(crate) key: bool,
}

/// Something in a flow collection.
enum Event {
    Open {
        map: bool,
        at: usize,
    },
    Close {
        at: usize,
    },
    Comma,
    Colon,
    /// A scalar, quotes included.
    Scalar(TextRange),
}

struct Level {
    map: bool,
    /// The key whose value is awaited, or the number of the item.
    key: Option<String>,
    index: usize,
}

/// Reads a flow collection into nodes below `owner`.
pub(super) fn read(outline: &mut Outline, owner: Id, range: TextRange) {
    let text = &*Arc::clone(&outline.text);
    // The owner of each open collection, and its opening.
    let mut owners: Vec<(Id, bool, usize)> = Vec::new();
    let mut pending: Option<Id> = None;
    let line = outline.nodes[owner].line;
    for event in events(text, range) {
        if outline.nodes.len() > MAX_NODES {
            return;
        }
        let top = owners.last().copied();
        match event {
            Event::Open { map, at } => {
                let id = match (top, pending.take()) {
                    (None, _) => owner,
                    (Some(_), Some(id)) => id,
                    (Some((parent, false, _)), None) => item(outline, parent, at, line),
                    (Some((parent, true, _)), None) => parent,
                };
                owners.push((id, map, at));
            }
            Event::Close { at } => {
                if let Some((id, _, from)) = owners.pop()
                    && id != owner
                {
                    outline.nodes[id].written = Written::Flow(TextRange::new(from, at + 1));
                }
                pending = None;
            }
            Event::Comma => pending = None,
            Event::Colon => {}
            Event::Scalar(range) => match (top, pending.take()) {
                (Some((_, true, _)), Some(id)) => outline.nodes[id].written = Written::Scalar(range),
                (Some((parent, true, _)), None) => {
                    let name = unquoted(range.slice(text)).to_owned();
                    pending = Some(add(outline, parent, Segment::Key(name), range, line));
                }
                (Some((parent, false, _)), _) => {
                    let id = item(outline, parent, range.start as usize, line);
                    outline.nodes[id].key = range;
                    outline.nodes[id].written = Written::Scalar(range);
                }
                (None, _) => {}
            },
        }
    }
    for (id, _, from) in owners {
        if id != owner {
            outline.nodes[id].written = Written::Flow(TextRange::new(from, range.end as usize));
        }
    }
}

fn item(outline: &mut Outline, parent: Id, at: usize, line: u32) -> Id {
    let index = outline.nodes[parent].children.len();
    add(outline, parent, Segment::Index(index), TextRange::new(at, at + 1), line)
}

fn add(outline: &mut Outline, parent: Id, step: Segment, key: TextRange, line: u32) -> Id {
    let id = outline.nodes.len();
    outline.nodes.push(Node { parent, step, key, written: Written::Below, line, children: Vec::new() });
    outline.nodes[parent].children.push(id);
    id
}

/// What is being typed at `offset` inside of the collection `range`.
pub(crate) fn flow_place(text: &str, range: TextRange, offset: usize) -> FlowPlace {
    let mut levels: Vec<Level> = Vec::new();
    let mut token = TextRange::empty(offset);
    for event in events(text, range) {
        let (start, behind) = match &event {
            Event::Open { at, .. } | Event::Close { at } => (*at, *at + 1),
            Event::Scalar(range) => (range.start as usize, range.end as usize),
            Event::Comma | Event::Colon => (0, 0),
        };
        if start >= offset && !matches!(event, Event::Comma | Event::Colon) {
            if let Event::Scalar(range) = event
                && start == offset
            {
                token = range;
            }
            break;
        }
        match event {
            Event::Open { map, .. } => levels.push(Level { map, key: None, index: 0 }),
            Event::Close { .. } => {
                levels.pop();
            }
            Event::Comma => {
                if let Some(level) = levels.last_mut() {
                    level.key = None;
                    level.index += 1;
                }
            }
            Event::Colon => {}
            Event::Scalar(range) if behind >= offset => {
                token = range;
                break;
            }
            Event::Scalar(range) => {
                if let Some(level) = levels.last_mut().filter(|level| level.map && level.key.is_none()) {
                    level.key = Some(unquoted(range.slice(text)).to_owned());
                }
            }
        }
    }
    let key = levels.last().is_some_and(|level| level.map && level.key.is_none());
    let mut path: Vec<Segment> = Vec::new();
    for level in levels {
        match (level.map, level.key) {
            (true, Some(name)) => path.push(Segment::Key(name)),
            (true, None) => {}
            (false, _) => path.push(Segment::Index(level.index)),
        }
    }
    FlowPlace { path, token, key }
}

/// The commas and colons before an offset count by their order: an event list that is cut at the offset is enough.
fn events(text: &str, range: TextRange) -> Vec<Event> {
    let mut found = Vec::new();
    let end = (range.end as usize).min(text.len());
    let bytes = text.as_bytes();
    let mut at = range.start as usize;
    let mut depth = 0usize;
    while at < end {
        match bytes[at] {
            open @ (b'{' | b'[') => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return found;
                }
                found.push(Event::Open { map: open == b'{', at });
                at += 1;
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                found.push(Event::Close { at });
                at += 1;
            }
            b',' => {
                found.push(Event::Comma);
                at += 1;
            }
            b':' => {
                found.push(Event::Colon);
                at += 1;
            }
            b'#' if at > 0 && bytes[at - 1].is_ascii_whitespace() => {
                at = text[at..end].find('\n').map_or(end, |len| at + len);
            }
            byte if byte.is_ascii_whitespace() => at += 1,
            quote @ (b'"' | b'\'') => {
                let len = quoted(&bytes[at..end], quote);
                found.push(Event::Scalar(TextRange::new(at, at + len)));
                at += len;
            }
            _ => {
                let len = plain(&text[at..end]);
                let written = text[at..at + len].trim_end();
                found.push(Event::Scalar(TextRange::new(at, at + written.len())));
                at += len;
            }
        }
    }
    found
}

fn quoted(bytes: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quote == b'"' => at += 2,
            b'\n' => return at,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The length of a plain scalar inside of a collection.
fn plain(text: &str) -> usize {
    let mut last = ' ';
    for (at, c) in text.char_indices() {
        let ends = match c {
            ',' | '[' | ']' | '{' | '}' | '\n' => true,
            ':' => {
                text[at + 1..].chars().next().is_none_or(|next| next.is_whitespace() || matches!(next, ',' | ']' | '}'))
            }
            '#' => last.is_whitespace(),
            _ => false,
        };
        if ends {
            return at.max(1);
        }
        last = c;
    }
    text.len()
}
