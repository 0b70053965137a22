use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::builtin::{Builtin, Failure, number};

/// The longest text that is compared character by character.
const MAX_CHARACTERS: usize = 5_000;

/// `text_similarity`: how alike two texts are.
pub(crate) struct TextSimilarity;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// One text.
    a: String,
    /// The other text.
    b: String,
    /// Whether upper and lower case are the same.
    #[serde(default)]
    ignore_case: bool,
}

impl Builtin for TextSimilarity {
    const NAME: &'static str = "text_similarity";
    const DESCRIPTION: &'static str = "Compares two texts: the edits between them, and their likeness by characters and by \
        words from 0 (nothing in common) to 1 (equal).";
    type Args = Args;

    fn call(args: Args) -> Result<Value, Failure> {
        let prepare = |text: &str| if args.ignore_case { text.to_lowercase() } else { text.to_string() };
        let (a, b) = (prepare(&args.a), prepare(&args.b));
        let (first, second): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
        let longest = first.len().max(second.len());
        if longest > MAX_CHARACTERS {
            return Err(Failure::from(format!(
                "a text has {longest} characters; at most {MAX_CHARACTERS} can be compared"
            ))
            .with_help("compare parts of it"));
        }
        let distance = edits(&first, &second);
        let by_characters = if longest == 0 { 1.0 } else { 1.0 - distance as f64 / longest as f64 };
        let words = |text: &'_ str| -> BTreeSet<String> {
            text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_string).collect()
        };
        let (one, other) = (words(&a), words(&b));
        let all = one.union(&other).count();
        let by_words = if all == 0 { 1.0 } else { one.intersection(&other).count() as f64 / all as f64 };
        Ok(json!({ "edits": distance, "characters": rounded(by_characters), "words": rounded(by_words) }))
    }
}

fn rounded(share: f64) -> Value {
    number((share * 10_000.0).round() / 10_000.0)
}

/// The fewest insertions, deletions and replacements that lead from one text to the other.
fn edits(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
