//! Just enough of English to make a simulated answer readable: words, keywords, numbers, quotations.

/// Words that carry no meaning of their own.
const STOPWORDS: &[&str] = &[
    "a", "about", "after", "all", "also", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by", "can",
    "do", "does", "each", "every", "for", "from", "get", "give", "had", "has", "have", "he", "her", "here", "his",
    "how", "i", "if", "in", "into", "is", "it", "its", "just", "let", "make", "me", "my", "no", "not", "now", "of",
    "on", "one", "only", "or", "our", "out", "please", "she", "should", "so", "some", "tell", "than", "that", "the",
    "their", "them", "then", "there", "these", "they", "this", "those", "to", "up", "us", "use", "was", "we", "were",
    "what", "when", "where", "which", "who", "why", "will", "with", "would", "you", "your",
];

/// The words of a text, in order.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '’')
        .map(|w| w.trim_matches(['\'', '’']))
        .filter(|w| !w.is_empty())
}

/// Whether two words are forms of one: equal, plural and singular, or alike up to a short ending (`calculate`,
/// `calculation`).
pub(super) fn alike(a: &str, b: &str) -> bool {
    let (a, b) = (a.to_lowercase(), b.to_lowercase());
    let shared = a.chars().zip(b.chars()).take_while(|(x, y)| x == y).count();
    let singular = |word: &str| word.strip_suffix('s').filter(|stem| stem.len() > 2).map(str::to_string);
    a == b
        || singular(&a).as_ref() == Some(&b)
        || singular(&b).as_ref() == Some(&a)
        || (shared >= 4 && shared + 3 >= a.chars().count().max(b.chars().count()))
}

/// The words that a text is about, each once: the frequent ones first, then in the order of the text.
pub(super) fn keywords(text: &str) -> Vec<String> {
    let mut found: Vec<(String, usize)> = Vec::new();
    for word in words(text).filter(|word| word.chars().count() > 2 && !word.chars().all(|c| c.is_ascii_digit())) {
        let lower = word.to_lowercase();
        if STOPWORDS.contains(&lower.as_str()) {
            continue;
        }
        match found.iter_mut().find(|(known, _)| *known == lower) {
            Some((_, count)) => *count += 1,
            None => found.push((lower, 1)),
        }
    }
    found.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    found.into_iter().map(|(word, _)| word).collect()
}

/// The beginning of a text on one line, at most `limit` characters, cut between words.
pub(super) fn gist(text: &str, limit: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let Some((end, _)) = line.char_indices().nth(limit) else { return line };
    let cut = line[..end].rfind(' ').unwrap_or(end);
    format!("{}…", line[..cut].trim_end_matches([',', '.', ';', ':', ' ']))
}

/// The numbers of a text in order, with the place behind each.
pub(super) fn numbers(text: &str) -> Vec<(f64, usize)> {
    let bytes = text.as_bytes();
    let mut numbers = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        // Part of a word or of a version: `A4`, `v1.2`.
        let attached = at > 0
            && (bytes[at - 1].is_ascii_alphanumeric()
                || bytes[at - 1] == b'_'
                || (bytes[at - 1] == b'.' && at > 1 && bytes[at - 2].is_ascii_alphanumeric()));
        if !bytes[at].is_ascii_digit() || attached {
            at += 1;
            continue;
        }
        let minus = at > 0 && bytes[at - 1] == b'-' && (at == 1 || matches!(bytes[at - 2], b' ' | b'(' | b':' | b'='));
        let start = if minus { at - 1 } else { at };
        while at < bytes.len() && bytes[at].is_ascii_digit() {
            at += 1;
        }
        if at + 1 < bytes.len() && bytes[at] == b'.' && bytes[at + 1].is_ascii_digit() {
            at += 1;
            while at < bytes.len() && bytes[at].is_ascii_digit() {
                at += 1;
            }
        }
        if let Ok(number) = text[start..at].parse::<f64>() {
            numbers.push((number, at));
        }
    }
    numbers
}

/// The longest piece of a text that looks like arithmetic: numbers, brackets and at least one operator between them.
pub(super) fn arithmetic(text: &str) -> Option<String> {
    let piece = |c: char| c.is_ascii_digit() || c.is_whitespace() || "+-*/%^().,".contains(c);
    let is_sum = |text: &str| {
        let digits = text.chars().filter(char::is_ascii_digit).count();
        let inner = text.trim_start_matches(['-', '+', '(', ' ']);
        digits >= 2 && inner.starts_with(|c: char| c.is_ascii_digit()) && inner.contains(['+', '-', '*', '/', '%', '^'])
    };
    text.split(|c| !piece(c))
        .map(|candidate| candidate.trim_matches(|c: char| c.is_whitespace() || ".,+*/%^".contains(c)))
        .map(|candidate| candidate.trim_end_matches(['-', ' ']))
        .filter(|candidate| is_sum(candidate))
        .max_by_key(|candidate| candidate.len())
        .map(str::to_string)
}

/// The first quotation in a text, in any of the usual marks.
pub(super) fn quoted(text: &str) -> Option<&str> {
    [('"', '"'), ('“', '”'), ('„', '“'), ('«', '»'), ('`', '`')].iter().find_map(|(open, close)| {
        let start = text.find(*open)? + open.len_utf8();
        let end = start + text[start..].find(*close)?;
        Some(text[start..end].trim()).filter(|inner| !inner.is_empty())
    })
}

/// The value that follows a mention of `name` in a text: `order 4711`, `city: Berlin`, `order_id = 7`.
pub(super) fn after_mention<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let parts: Vec<String> = name_words(name).filter(|part| part != "id").collect();
    let offset = |word: &str| word.as_ptr() as usize - text.as_ptr() as usize;
    let all: Vec<&str> = words(text).collect();
    let mention = all.iter().position(|word| parts.iter().any(|part| alike(part, word)))?;
    let next = all[mention + 1..].iter().find(|word| !STOPWORDS.contains(&word.to_lowercase().as_str()))?;
    let end = offset(all[mention]) + all[mention].len();
    // A sentence that ends in between says that the next word belongs to something else.
    (!text[end..offset(next)].contains(['.', '?', '!', '\n'])).then_some(*next)
}

/// The words of an identifier: `order_id`, `order-id` and `orderId` are `order`, `id`.
pub(super) fn name_words(name: &str) -> impl Iterator<Item = String> {
    let mut spaced = String::new();
    for c in name.chars() {
        if c.is_uppercase() {
            spaced.push(' ');
        }
        spaced.push(if c.is_alphanumeric() { c } else { ' ' });
    }
    spaced.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().into_iter()
}

/// Words in common between a text and a description, names of things counted, words without meaning not.
pub(super) fn affinity(text: &str, description: &str) -> usize {
    let wanted = keywords(text);
    keywords(description).iter().filter(|word| wanted.iter().any(|other| alike(word, other))).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_their_signs() {
        let found = |text: &str| numbers(text).into_iter().map(|(n, _)| n).collect::<Vec<_>>();
        assert_eq!(found("add 2 and -3.5 (4)"), [2.0, -3.5, 4.0]);
        assert_eq!(found("A4 order #4711, 2-3 days. v1.2."), [4711.0, 2.0, 3.0]);
        assert!(found("none").is_empty());
    }

    #[test]
    fn arithmetic_is_found_in_prose() {
        for (text, expected) in [
            ("What is 6 * 7?", Some("6 * 7")),
            ("Compute (2 + 3) * -4.5, please.", Some("(2 + 3) * -4.5")),
            ("Order 4711 is late.", None),
            ("2026 was fine", None),
        ] {
            assert_eq!(arithmetic(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn values_follow_their_names() {
        assert_eq!(after_mention("Where is order 4711?", "order_id"), Some("4711"));
        assert_eq!(after_mention("The city is Berlin.", "city"), Some("Berlin"));
        assert_eq!(after_mention("Which city? Say it.", "city"), None);
        assert_eq!(after_mention("nothing", "city"), None);
    }

    #[test]
    fn keywords_are_frequent_first() {
        assert_eq!(keywords("The invoice is wrong. Send the invoice again!"), ["invoice", "wrong", "send", "again"]);
    }

    #[test]
    fn gists_are_cut_between_words() {
        assert_eq!(gist("one  two\nthree", 100), "one two three");
        assert_eq!(gist("one two three", 9), "one two…");
        assert_eq!(gist("äöüäöüäöü", 3), "äöü…");
    }
}
