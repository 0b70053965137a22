//! What is being typed, or stands, at an offset of a document.

use std::sync::Arc;

use aikit_core::TextRange;
use aikit_yaml::Segment;

use crate::outline::{Below, Line, Outline, Reader, Written, flow_place, lines};

/// A place of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Site {
    /// A key of the mapping at `path`.
    Key {
        /// The mapping.
        path: Vec<Segment>,
        /// The key as far as it is written.
        token: TextRange,
    },
    /// The value at `path`.
    Value {
        /// The value.
        path: Vec<Segment>,
        /// What is written of it, quotes included.
        token: TextRange,
    },
    /// A value at `path` of which nothing is written that says whether it is a scalar or the first key of a mapping.
    Open {
        /// The value.
        path: Vec<Segment>,
        /// What is written.
        token: TextRange,
    },
    /// The lines of a block text at `path`.
    Block {
        /// The value.
        path: Vec<Segment>,
        /// The lines.
        content: TextRange,
    },
    /// A comment, or a place where nothing can stand.
    Nowhere,
}

/// What is at `offset`.
pub(crate) fn at(text: &Arc<str>, offset: usize) -> Site {
    let mut reader = Reader::new(text);
    for line in lines(text) {
        if line.end >= offset {
            return on_line(text, reader, line, offset);
        }
        reader.read(line);
    }
    Site::Nowhere
}

fn on_line(text: &str, mut reader: Reader, line: Line, offset: usize) -> Site {
    if let Some(id) = reader.taken(line.start.min(offset)) {
        return inside(text, reader.outline(), id, offset);
    }
    let before = text.get(line.start..offset).unwrap_or("");
    if in_comment(before) {
        return Site::Nowhere;
    }
    // The line up to the word that is being typed: dashes open items.
    let mut start = line.start + (before.len() - before.trim_start().len());
    let mut dashes = false;
    while let Some(rest) = text.get(start..offset).and_then(|rest| rest.strip_prefix('-')) {
        if !rest.is_empty() && !rest.starts_with(' ') {
            break;
        }
        if rest.is_empty() {
            return Site::Nowhere;
        }
        dashes = true;
        start = offset - rest.trim_start().len();
    }
    let typed = text.get(start..offset).unwrap_or("");
    if has_colon(typed) || typed.starts_with(['{', '[', '"', '\'']) {
        reader.read(line);
        return behind_colon(text, reader.outline(), offset);
    }
    let token = TextRange::new(start, word_end(text, start, offset, line.end));
    if dashes {
        reader.read(Line { end: start, ..line });
        let outline = reader.outline();
        let id = outline.last();
        return Site::Open { path: outline.path(id), token };
    }
    match reader.below(start - line.start, false) {
        Below::Key(owner) => Site::Key { path: reader.outline().path(owner), token },
        Below::Value(0) => Site::Key { path: Vec::new(), token },
        Below::Value(id) => Site::Open { path: reader.outline().path(id), token },
        Below::Item(_) | Below::Nowhere => Site::Nowhere,
    }
}

/// A value on the line of its key, or inside of a collection or a text that began before.
fn behind_colon(text: &str, outline: &Outline, offset: usize) -> Site {
    let id = outline.last();
    match inside(text, outline, id, offset) {
        Site::Nowhere if outline.node(id).written == Written::Below && offset >= outline.node(id).key.end as usize => {
            Site::Value { path: outline.path(id), token: TextRange::empty(offset) }
        }
        found => found,
    }
}

fn inside(text: &str, outline: &Outline, last: usize, offset: usize) -> Site {
    // The parts of a flow collection are nodes behind the one that holds it.
    let holds = |id: &usize| match outline.node(*id).written {
        Written::Flow(range) | Written::Block(range) | Written::Scalar(range) => {
            (range.start as usize) <= offset && offset <= range.end as usize
        }
        Written::Below => false,
    };
    let mut id = last;
    let mut found = holds(&id).then_some(id);
    while id > 0 && outline.node(id).parent != id {
        id = outline.node(id).parent;
        if id == 0 {
            break;
        }
        if holds(&id) {
            found = Some(id);
        }
    }
    let Some(id) = found else { return Site::Nowhere };
    let path = outline.path(id);
    match outline.node(id).written {
        Written::Block(content) => Site::Block { path, content },
        Written::Scalar(token) => Site::Value { path, token },
        Written::Flow(range) => {
            let place = flow_place(text, range, offset);
            let path = [path, place.path].concat();
            if place.key { Site::Key { path, token: place.token } } else { Site::Value { path, token: place.token } }
        }
        Written::Below => Site::Nowhere,
    }
}

/// Whether a line up to the cursor ends inside a comment. Quotes hide the sign.
fn in_comment(before: &str) -> bool {
    let mut quote = None;
    let mut last = ' ';
    for c in before.chars() {
        match (quote, c) {
            (None, '#') if last.is_whitespace() => return true,
            (None, '"' | '\'') if last.is_whitespace() || matches!(last, ':' | '[' | '{' | ',') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            _ => {}
        }
        last = c;
    }
    false
}

fn has_colon(typed: &str) -> bool {
    typed.ends_with(':') || typed.contains(": ")
}

/// Where the word at `offset` ends.
fn word_end(text: &str, start: usize, offset: usize, line_end: usize) -> usize {
    let rest = text.get(offset..line_end).unwrap_or("");
    let word = rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '/' | '.'))).unwrap_or(rest.len());
    (offset + word).max(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(marked: &str) -> String {
        let offset = marked.find('‸').unwrap();
        let text = marked.replace('‸', "");
        let path = |path: Vec<Segment>| aikit_yaml::Path(path).to_string();
        match at(&text.as_str().into(), offset) {
            Site::Key { path: p, token } => format!("key of `{}`: {:?}", path(p), token.slice(&text)),
            Site::Value { path: p, token } => format!("value of `{}`: {:?}", path(p), token.slice(&text)),
            Site::Open { path: p, token } => format!("open `{}`: {:?}", path(p), token.slice(&text)),
            Site::Block { path: p, .. } => format!("block `{}`", path(p)),
            Site::Nowhere => "nowhere".to_owned(),
        }
    }

    #[test]
    fn places_are_told_by_their_columns() {
        for (marked, site) in [
            ("iden‸", r#"key of ``: "iden""#),
            ("‸", r#"key of ``: """#),
            ("identity:\n  agent_id: a\n  nam‸", r#"key of `identity`: "nam""#),
            ("identity:\n  agent_id: a\n  ‸", r#"key of `identity`: """#),
            ("identity:\n  ‸\nbehavior:\n", r#"open `identity`: """#),
            ("kind: Ag‸", r#"value of `kind`: "Ag""#),
            ("kind: ‸", r#"value of `kind`: """#),
            ("kind: ‸Agent", r#"value of `kind`: "Agent""#),
            ("behavior:\n  steps:\n    - na‸", r#"open `behavior.steps[0]`: "na""#),
            ("behavior:\n  steps:\n    - name: a\n      ll‸", r#"key of `behavior.steps[0]`: "ll""#),
            (
                "behavior:\n  steps:\n    - name: a\n      llm: |\n        Hello {{ in‸ }}\n",
                "block `behavior.steps[0].llm`",
            ),
            ("identity: {agent_id: a, na‸", r#"key of `identity`: "na""#),
            ("integration:\n  tools: [calc‸]", r#"value of `integration.tools[0]`: "calc""#),
            ("identity:\n  broken: [\n  nam‸", r#"key of `identity`: "nam""#),
            ("a: b # com‸ment", "nowhere"),
            ("identity:\n  name: \"a: b‸c\"", r#"value of `identity.name`: "\"a: bc\"""#),
        ] {
            assert_eq!(show(marked), site, "{marked}");
        }
    }
}
