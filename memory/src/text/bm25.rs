//! BM25 (Robertson and Zaragoza, 2009): rare words count more, repeated ones less and less, long texts are no better.

use std::collections::HashMap;

use super::words;

/// How soon a repeated word stops counting.
const K1: f64 = 1.2;
/// How much the length of a text counts.
const B: f64 = 0.75;

/// A text that was found by its words.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranked {
    /// The key that it was added under.
    pub key: u64,
    /// BM25's weight, 0 or more.
    pub weight: f64,
    /// The weight as a part of that of a text of average length that holds every word once, and 1 where it is more.
    pub score: f64,
}

/// An index of words.
#[derive(Debug, Clone, Default)]
pub struct Bm25 {
    /// For each word the texts that hold it, and how often.
    postings: HashMap<String, HashMap<u64, u32>>,
    /// Words of each text.
    texts: HashMap<u64, Vec<String>>,
    words: u64,
}

impl Bm25 {
    /// An empty index.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many texts it holds.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Adds a text, or replaces the one under this key.
    pub fn insert(&mut self, key: u64, text: &str) {
        self.remove(key);
        let words = words(text);
        self.words += words.len() as u64;
        for word in &words {
            *self.postings.entry(word.clone()).or_default().entry(key).or_default() += 1;
        }
        self.texts.insert(key, words);
    }

    /// Removes a text; true if it was there.
    pub fn remove(&mut self, key: u64) -> bool {
        let Some(words) = self.texts.remove(&key) else { return false };
        self.words -= words.len() as u64;
        for word in words {
            if let Some(texts) = self.postings.get_mut(&word) {
                texts.remove(&key);
                if texts.is_empty() {
                    self.postings.remove(&word);
                }
            }
        }
        true
    }

    /// The texts that share words with the query, the best first; equal ones by their keys.
    pub fn search(&self, query: &str, count: usize) -> Vec<Ranked> {
        let mut asked = words(query);
        asked.sort_unstable();
        asked.dedup();
        let all = self.texts.len() as f64;
        let average = (self.words as f64 / all.max(1.0)).max(1.0);
        let (mut weights, mut most): (HashMap<u64, f64>, f64) = (HashMap::new(), 0.0);
        for word in &asked {
            let texts = self.postings.get(word);
            let holding = texts.map_or(0, HashMap::len) as f64;
            let rarity = ((all - holding + 0.5) / (holding + 0.5)).ln_1p();
            most += rarity;
            for (key, times) in texts.into_iter().flatten() {
                let (times, length) = (f64::from(*times), self.texts.get(key).map_or(0, Vec::len) as f64);
                let weight = rarity * times * (K1 + 1.0) / (times + K1 * (1.0 - B + B * length / average));
                *weights.entry(*key).or_default() += weight;
            }
        }
        let score = |weight: f64| if most > 0.0 { (weight / most).min(1.0) } else { 0.0 };
        let mut found: Vec<Ranked> =
            weights.into_iter().map(|(key, weight)| Ranked { key, weight, score: score(weight) }).collect();
        found.sort_unstable_by(|a, b| b.weight.total_cmp(&a.weight).then(a.key.cmp(&b.key)));
        found.truncate(count);
        found
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The formula, word by word, over all texts.
    fn by_hand(texts: &[String], query: &str, at: usize) -> f64 {
        let all: Vec<Vec<String>> = texts.iter().map(|text| words(text)).collect();
        let average = all.iter().map(Vec::len).sum::<usize>() as f64 / all.len() as f64;
        let mut asked = words(query);
        asked.sort();
        asked.dedup();
        let weight = |word: &String| {
            let holding = all.iter().filter(|words| words.contains(word)).count() as f64;
            let rarity = (1.0 + (all.len() as f64 - holding + 0.5) / (holding + 0.5)).ln();
            let times = all[at].iter().filter(|other| *other == word).count() as f64;
            rarity * times * 2.2 / (times + 1.2 * (0.25 + 0.75 * all[at].len() as f64 / average.max(1.0)))
        };
        asked.iter().map(weight).sum()
    }

    proptest! {
        #[test]
        fn weights_are_those_of_the_formula(
            texts in prop::collection::vec("([a-e]{1,2} ){0,8}", 1..12), query in "([a-e]{1,2} ){1,4}"
        ) {
            let mut index = Bm25::new();
            for (key, text) in (0u64..).zip(&texts) {
                index.insert(key, "replaced");
                index.insert(key, text);
            }
            index.insert(99, "gone a b c");
            prop_assert!(index.remove(99) && !index.remove(99));
            let found = index.search(&query, 100);
            prop_assert!(found.is_sorted_by(|a, b| a.weight >= b.weight));
            for (at, _) in texts.iter().enumerate() {
                let weight = found.iter().find(|found| found.key == at as u64).map_or(0.0, |found| found.weight);
                prop_assert!((weight - by_hand(&texts, &query, at)).abs() < 1e-9);
            }
            prop_assert!(found.iter().all(|found| (0.0..=1.0).contains(&found.score)));
        }
    }

    #[test]
    fn a_rare_word_counts_more() {
        let mut index = Bm25::new();
        for (key, text) in [(1, "the refund policy"), (2, "the the the"), (3, "the shipping policy"), (4, "the end")] {
            index.insert(key, text);
        }
        let keys = |query: &str| index.search(query, 10).iter().map(|found| found.key).collect::<Vec<_>>();
        assert_eq!(keys("refund the")[0], 1);
        assert_eq!(keys("POLICY"), [1, 3]);
        assert!(keys("nothing").is_empty());
        assert!(Bm25::new().search("the", 3).is_empty());
    }
}
