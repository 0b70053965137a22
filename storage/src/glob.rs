//! Globs of history searches. They are matched here and not in SQL: engines differ in their patterns, and a hostile pattern
//! must not keep a connection busy. `*` is any text, `?` one character, everything else itself, brackets included.

/// A pattern taken apart once and matched against many texts.
pub(crate) struct Glob(Vec<char>);

impl Glob {
    pub(crate) fn new(pattern: &str) -> Self {
        let mut chars: Vec<char> = pattern.chars().collect();
        chars.dedup_by(|a, b| *a == '*' && *b == '*');
        Self(chars)
    }

    /// Whether the whole of `text` matches. Time is bounded by the product of the lengths, space by the text.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut at, mut in_text) = (0, 0);
        // Where to go on when what follows the last star does not fit: one character further.
        let mut retry: Option<(usize, usize)> = None;
        while in_text < text.len() {
            match self.0.get(at) {
                Some('*') => {
                    retry = Some((at + 1, in_text));
                    at += 1;
                }
                Some(&c) if c == '?' || c == text[in_text] => {
                    at += 1;
                    in_text += 1;
                }
                _ => {
                    let Some((after_star, from)) = retry else { return false };
                    retry = Some((after_star, from + 1));
                    (at, in_text) = (after_star, from + 1);
                }
            }
        }
        self.0[at..].iter().all(|c| *c == '*')
    }
}

#[cfg(test)]
mod tests {
    use super::Glob;

    #[test]
    fn patterns() {
        let cases = [
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("?", "ä", true),
            ("?", "", false),
            ("run*", "run support", true),
            ("run*", "%run support", false),
            ("*run*", "%run support", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("*.lua", "x.lua.lua", true),
            ("[a-z]", "[a-z]", true),
            ("[a-z]", "b", false),
            ("a**b", "ab", true),
            ("%_", "xy", false),
            ("line\n*", "line\nother", true),
            ("*?*?", "x", false),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(Glob::new(pattern).matches(text), expected, "{pattern:?} on {text:?}");
        }
    }

    #[test]
    fn a_hostile_pattern_is_no_harm() {
        assert!(!Glob::new(&"a*".repeat(200)).matches(&format!("{}b", "a".repeat(199))));
    }
}
