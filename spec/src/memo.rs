//! Answers about texts, kept: an editor checks the same templates and expressions again at every key.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, PoisonError},
};

/// How many bytes of text are kept; beyond that everything is forgotten.
const BYTES: usize = 4 << 20;

/// Remembers what a pure function says of texts.
pub(crate) struct Memo<T>(LazyLock<Mutex<Known<T>>>);

struct Known<T> {
    answers: HashMap<Box<str>, T>,
    bytes: usize,
}

impl<T: Clone> Memo<T> {
    pub(crate) const fn new() -> Self {
        Self(LazyLock::new(|| Mutex::new(Known { answers: HashMap::new(), bytes: 0 })))
    }

    /// What `answer` says of a text; it is asked once.
    pub(crate) fn of(&self, text: &str, answer: impl FnOnce(&str) -> T) -> T {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().answers.get(text) {
            return known.clone();
        }
        // Nobody waits while a text is read; two may read the same.
        let found = answer(text);
        let mut known = lock();
        if known.bytes + text.len() > BYTES {
            known.answers.clear();
            known.bytes = 0;
        }
        if text.len() <= BYTES && known.answers.insert(text.into(), found.clone()).is_none() {
            known.bytes += text.len();
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_once_and_little_is_kept() {
        static LENGTHS: Memo<usize> = Memo::new();
        assert_eq!(LENGTHS.of("ab", str::len), 2);
        assert_eq!(LENGTHS.of("ab", |_| unreachable!()), 2);
        let large = "x".repeat(BYTES - 1);
        assert_eq!(LENGTHS.of(&large, str::len), BYTES - 1);
        assert_eq!(LENGTHS.of("ab", |_| 7), 7);
    }
}
