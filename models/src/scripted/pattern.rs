//! A short text that matches a regular expression.

use regex_syntax::hir::{Class, Hir, HirKind};

/// How many repetitions an instance may need before it is given up.
const MAX_REPEAT: u32 = 200;

/// A text of `source` that matches the pattern, else the shortest text that does. `None` if the pattern is not one that
/// this crate understands (look-around, back references).
pub(super) fn matching(pattern: &str, source: &str) -> Option<String> {
    let regex = regex::RegexBuilder::new(pattern).size_limit(1 << 20).build().ok()?;
    let whole = |text: &str| regex.find(text).is_some_and(|found| found.len() == text.len());
    let found = source.split_whitespace().map(|word| word.trim_matches(|c: char| ",.;:!?()\"“”".contains(c)));
    if let Some(word) = found.filter(|word| !word.is_empty()).find(|word| whole(word)) {
        return Some(word.to_string());
    }
    let mut text = String::new();
    write(&regex_syntax::parse(pattern).ok()?, &mut text)?;
    regex.is_match(&text).then_some(text)
}

fn write(hir: &Hir, text: &mut String) -> Option<()> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => text.push_str(std::str::from_utf8(&literal.0).ok()?),
        HirKind::Class(class) => text.push(representative(class)?),
        HirKind::Repetition(repetition) => {
            if repetition.min > MAX_REPEAT {
                return None;
            }
            for _ in 0..repetition.min {
                write(&repetition.sub, text)?;
            }
        }
        HirKind::Capture(capture) => write(&capture.sub, text)?,
        HirKind::Concat(parts) => parts.iter().try_for_each(|part| write(part, text))?,
        HirKind::Alternation(parts) => write(parts.first()?, text)?,
    }
    Some(())
}

/// A plain character of a class where it has one.
fn representative(class: &Class) -> Option<char> {
    let ranges: Vec<(char, char)> = match class {
        Class::Unicode(class) => class.ranges().iter().map(|range| (range.start(), range.end())).collect(),
        Class::Bytes(class) => class
            .ranges()
            .iter()
            .filter(|r| r.end() < 128)
            .map(|r| (char::from(r.start()), char::from(r.end())))
            .collect(),
    };
    let holds = |c: &char| ranges.iter().any(|(start, end)| (start..=end).contains(&c));
    ['a', 'A', '1', '-', ' '].into_iter().find(holds).or_else(|| ranges.first().map(|(start, _)| *start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_match() {
        for (pattern, source, expected) in [
            ("^[A-Z]{2}-[0-9]{4}$", "ticket AB-1234, please", "AB-1234"),
            ("^[A-Z]{2}-[0-9]{4}$", "no ticket", "AA-1111"),
            ("^(red|green)$", "", "red"),
            ("^[a-z][a-z0-9_-]{0,62}$", "", "a"),
            ("x+y*", "", "x"),
        ] {
            assert_eq!(matching(pattern, source).as_deref(), Some(expected), "{pattern}");
        }
        assert_eq!(matching("(?=a)b", ""), None);
        assert_eq!(matching("a{5000}", ""), None);
    }
}
