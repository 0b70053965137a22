use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::builtin::{Builtin, Failure, number};

/// Words that a person reads in a minute.
const WORDS_PER_MINUTE: usize = 230;

/// `text_stats`: what can be counted in a text.
pub(crate) struct TextStats;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// The text.
    text: String,
}

impl Builtin for TextStats {
    const NAME: &'static str = "text_stats";
    const DESCRIPTION: &'static str =
        "Counts the characters, words, sentences, lines and paragraphs of a text, and estimates the time to read it.";
    type Args = Args;

    fn call(args: Args) -> Result<Value, Failure> {
        let text = args.text.as_str();
        let words: Vec<&str> = text
            .split_whitespace()
            .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()))
            .filter(|w| !w.is_empty())
            .collect();
        let letters: usize = words.iter().map(|word| word.chars().count()).sum();
        let mean = if words.is_empty() { 0.0 } else { letters as f64 / words.len() as f64 };
        let longest = words.iter().rev().max_by_key(|word| word.chars().count());
        let paragraphs = text
            .lines()
            .map(|line| line.trim().is_empty())
            .fold((0, true), |(count, was_blank), blank| (count + usize::from(was_blank && !blank), blank));
        Ok(json!({
            "characters": text.chars().count(),
            "words": words.len(),
            "sentences": sentences(text),
            "lines": text.lines().count(),
            "paragraphs": paragraphs.0,
            "longest_word": longest,
            "mean_word_length": number((mean * 100.0).round() / 100.0),
            "reading_seconds": (words.len() * 60).div_ceil(WORDS_PER_MINUTE),
        }))
    }
}

/// Pieces that end with a full stop, a question mark or an exclamation mark and white space, or with the text.
fn sentences(text: &str) -> usize {
    let (mut count, mut said, mut ended) = (0, false, false);
    for c in text.chars() {
        if c.is_whitespace() {
            count += usize::from(said && ended);
            said &= !ended;
            ended = false;
        } else if matches!(c, '.' | '!' | '?' | '…') {
            ended = true;
        } else if c.is_alphanumeric() {
            (said, ended) = (true, false);
        }
    }
    count + usize::from(said)
}
