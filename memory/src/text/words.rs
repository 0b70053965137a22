/// The words of a text in lower case: runs of letters and digits in any script. Scripts that are written without spaces
/// (Chinese, Japanese) have no such runs: there each character is a word, and each pair of neighbours another one.
pub fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut before: Option<char> = None;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let dense = is_dense(c);
        // An apostrophe between letters is part of a word (`don't`), and so is a mark that stands over a letter.
        let inner = matches!(c, '\'' | '’') && !word.is_empty() && rest.peek().is_some_and(|next| next.is_alphabetic());
        if !dense && (c.is_alphanumeric() || is_mark(c) && !word.is_empty()) {
            word.extend(c.to_lowercase());
        } else if inner {
            word.push('\'');
        } else if !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if dense {
            words.push(c.to_string());
            words.extend(before.map(|before| [before, c].iter().collect()));
        }
        before = dense.then_some(c);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Han, Hiragana, Katakana: written without spaces.
fn is_dense(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}')
}

/// Combining marks.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{fe20}'..='\u{fe2f}')
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn texts_fall_into_words() {
        for (text, expected) in [
            ("Hello, WORLD! 42", vec!["hello", "world", "42"]),
            ("Straße über-morgen", vec!["straße", "über", "morgen"]),
            ("don't 'quote' it", vec!["don't", "quote", "it"]),
            ("東京 tower", vec!["東", "京", "東京", "tower"]),
            ("e\u{301}te\u{301}", vec!["e\u{301}te\u{301}"]),
            ("Привет мир", vec!["привет", "мир"]),
            (" … ", vec![]),
        ] {
            assert_eq!(words(text), expected, "{text}");
        }
    }
}
