//! Step names may hold hyphens, which both languages would read as a minus. `steps.my-step.output` is therefore turned
//! into `steps["my-step"].output` before it is parsed, and places are mapped back.

use aikit_core::TextRange;

/// Which language's strings and comments are skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Only what stands inside `{{ … }}` and `{% … %}` is code.
    Template,
    /// Everything is code.
    Expression,
}

/// A text with hyphenated step names quoted, and the way back.
#[derive(Debug, Clone)]
pub(crate) struct Rewritten {
    pub(crate) text: String,
    /// Stretches that were taken over as they are: new start, old start, length.
    pieces: Vec<(usize, usize, usize)>,
    old_len: usize,
}

impl Rewritten {
    pub(crate) fn new(source: &str, dialect: Dialect) -> Self {
        let mut text = String::with_capacity(source.len() + 16);
        let mut pieces = Vec::new();
        let mut copied = 0;
        let mut copy = |text: &mut String, from: usize, to: usize| {
            pieces.push((text.len(), from, to - from));
            text.push_str(&source[from..to]);
        };
        for (dot, name_end) in hyphenated(source, dialect) {
            copy(&mut text, copied, dot);
            text.push_str("[\"");
            copy(&mut text, dot + 1, name_end);
            text.push_str("\"]");
            copied = name_end;
        }
        copy(&mut text, copied, source.len());
        Self { text, pieces, old_len: source.len() }
    }

    /// The place in the source of a range of the new text. What was inserted belongs to the name that it quotes.
    pub(crate) fn original(&self, start: usize, end: usize) -> TextRange {
        let from = self
            .pieces
            .iter()
            .find(|(new, _, len)| start < new + len)
            .map_or(self.old_len, |(new, old, _)| old + start.saturating_sub(*new));
        let to = self
            .pieces
            .iter()
            .rev()
            .find(|(new, _, _)| *new < end)
            .map_or(0, |(new, old, len)| old + (end - new).min(*len));
        TextRange::new(from, to)
    }
}

/// The dot and the end of the name of every `steps.a-b`.
fn hyphenated(source: &str, dialect: Dialect) -> Vec<(usize, usize)> {
    let bytes = source.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    let mut inside = dialect == Dialect::Expression;
    let mut braces = 0usize;
    while at < bytes.len() {
        let rest = &bytes[at..];
        if !inside {
            match rest {
                [b'{', b'#', ..] => at = after(source, at + 2, "#}"),
                [b'{', b'{' | b'%', ..] => match raw_block_end(source, at) {
                    Some(end) => at = end,
                    None => {
                        inside = true;
                        at += 2;
                    }
                },
                _ => at += 1,
            }
            continue;
        }
        match rest {
            [b'}' | b'%', b'}', ..] if dialect == Dialect::Template && braces == 0 => {
                inside = false;
                at += 2;
            }
            [brace @ (b'{' | b'}'), ..] => {
                braces = if *brace == b'{' { braces + 1 } else { braces.saturating_sub(1) };
                at += 1;
            }
            [b'/', b'/', ..] if dialect == Dialect::Expression => at = after(source, at, "\n"),
            [b'"' | b'\'', ..] => at = string_end(bytes, at, dialect),
            [first, ..] if is_word(*first) => {
                let end = word_end(bytes, at);
                let member = at > 0 && source[..at].trim_end().ends_with('.');
                if &source[at..end] == "steps" && !member && bytes.get(end) == Some(&b'.') {
                    let name = hyphenated_end(bytes, end + 1);
                    if let Some(name_end) = name {
                        found.push((end, name_end));
                        at = name_end;
                        continue;
                    }
                }
                at = end;
            }
            _ => at += 1,
        }
    }
    found
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn word_end(bytes: &[u8], start: usize) -> usize {
    bytes[start..].iter().position(|b| !is_word(*b)).map_or(bytes.len(), |len| start + len)
}

/// Where `a-b-c` ends, if it holds a hyphen and begins like a name.
fn hyphenated_end(bytes: &[u8], start: usize) -> Option<usize> {
    if !bytes.get(start).is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_') {
        return None;
    }
    let first = word_end(bytes, start);
    let mut end = first;
    while bytes.get(end) == Some(&b'-') && bytes.get(end + 1).is_some_and(|b| is_word(*b)) {
        end = word_end(bytes, end + 1);
    }
    (end > first).then_some(end)
}

fn after(source: &str, from: usize, needle: &str) -> usize {
    source.get(from..).and_then(|rest| rest.find(needle)).map_or(source.len(), |len| from + len + needle.len())
}

/// The end of `{% raw %} … {% endraw %}` that begins at `at`, if one does.
fn raw_block_end(source: &str, at: usize) -> Option<usize> {
    let tag = |text: &str, word: &str| -> Option<usize> {
        let body = text.strip_prefix("{%")?;
        let body = body.strip_prefix(['-', '+']).unwrap_or(body).trim_start();
        let tail = body.strip_prefix(word)?.trim_start();
        let tail = tail.strip_prefix(['-', '+']).unwrap_or(tail).strip_prefix("%}")?;
        Some(text.len() - tail.len())
    };
    let rest = source.get(at..)?;
    let mut from = tag(rest, "raw")?;
    while let Some(next) = rest.get(from..).and_then(|text| text.find("{%")) {
        from += next;
        if let Some(len) = tag(&rest[from..], "endraw") {
            return Some(at + from + len);
        }
        from += 2;
    }
    Some(source.len())
}

fn string_end(bytes: &[u8], start: usize, dialect: Dialect) -> usize {
    let quote = bytes[start];
    let triple = dialect == Dialect::Expression && bytes[start..].starts_with(&[quote; 3]);
    let raw = dialect == Dialect::Expression && start > 0 && matches!(bytes[start - 1], b'r' | b'R');
    let mut at = start + if triple { 3 } else { 1 };
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if !raw => at += 2,
            byte if byte == quote && !triple => return at + 1,
            byte if byte == quote && bytes[at..].starts_with(&[quote; 3]) => return at + 3,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hyphenated_steps_are_quoted_outside_of_strings() {
        use Dialect::{Expression, Template};
        for (dialect, source, expected) in [
            (Expression, "steps.my-step.output", "steps[\"my-step\"].output"),
            (Expression, "steps.a-1-b.output-steps.c.output", "steps[\"a-1-b\"].output-steps.c.output"),
            (Expression, "steps.a - 1", "steps.a - 1"),
            (Expression, "x.steps.a-b", "x.steps.a-b"),
            (Expression, "mysteps.a-b", "mysteps.a-b"),
            (Expression, "'steps.a-b' + \"\"\"steps.a-b\"\"\"", "'steps.a-b' + \"\"\"steps.a-b\"\"\""),
            (Expression, r"r'\' + steps.a-b", "r'\\' + steps[\"a-b\"]"),
            (Expression, "1 // steps.a-b", "1 // steps.a-b"),
            (Template, "steps.a-b {{ steps.a-b }}{# steps.a-b #}", "steps.a-b {{ steps[\"a-b\"] }}{# steps.a-b #}"),
            (Template, "{%- raw -%}{{ steps.a-b }}{% endraw %}", "{%- raw -%}{{ steps.a-b }}{% endraw %}"),
            (Template, "{% if steps.a-b.output %}é{% endif %}", "{% if steps[\"a-b\"].output %}é{% endif %}"),
            (Template, "{{ 'steps.a-b' }}", "{{ 'steps.a-b' }}"),
            (Template, "{{ {'x': {'y': 1}}, steps.a-b }}", "{{ {'x': {'y': 1}}, steps[\"a-b\"] }}"),
        ] {
            assert_eq!(Rewritten::new(source, dialect).text, expected, "{source}");
        }
    }

    #[test]
    fn places_map_back() {
        let source = "é + steps.a-b.output + steps.c-d";
        let rewritten = Rewritten::new(source, Dialect::Expression);
        for part in ["steps", "output", "a-b", "c-d", "é"] {
            let new = rewritten.text.rfind(part).unwrap();
            let old = source.rfind(part).unwrap();
            assert_eq!(rewritten.original(new, new + part.len()), TextRange::new(old, old + part.len()), "{part}");
        }
        let quoted = rewritten.text.find("\"a-b\"").unwrap();
        assert_eq!(rewritten.original(quoted, quoted + 5).slice(source), "a-b");
        assert_eq!(rewritten.original(0, rewritten.text.len()).slice(source), source);
        assert_eq!(rewritten.original(9999, 9999), TextRange::empty(source.len()));
    }

    proptest::proptest! {
        #[test]
        fn never_panics(source in "(steps|[a-z{}%#'\"./-]|\\\\|é| ){0,40}") {
            for dialect in [Dialect::Template, Dialect::Expression] {
                let rewritten = Rewritten::new(&source, dialect);
                for at in 0..=rewritten.text.len() {
                    let range = rewritten.original(at, at + 1);
                    assert!(range.end as usize <= source.len());
                }
            }
        }
    }
}
