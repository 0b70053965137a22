use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::builtin::{Builtin, Failure};

/// `text_split`: a text in pieces that are not longer than wanted.
pub(crate) struct TextSplit;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// The text.
    text: String,
    /// How many characters a piece has at most.
    #[schemars(range(min = 1, max = 1_000_000))]
    size: usize,
    /// How many characters at its beginning a piece shares with the one before.
    #[serde(default)]
    overlap: usize,
}

impl Builtin for TextSplit {
    const NAME: &'static str = "text_split";
    const DESCRIPTION: &'static str = "Splits a text into pieces of bounded length: between paragraphs if it can, else between sentences, else words.";
    type Args = Args;

    fn call(args: Args) -> Result<Value, Failure> {
        if args.overlap >= args.size {
            return Err(Failure::from("`overlap` must be less than `size`"));
        }
        let chars: Vec<char> = args.text.chars().collect();
        let (mut pieces, mut start) = (Vec::new(), 0);
        while start < chars.len() {
            let end = end_of_piece(&chars, start, args.size, args.overlap);
            let piece: String = chars[start..end].iter().collect();
            if !piece.trim().is_empty() {
                pieces.push(piece.trim().to_owned());
            }
            if end == chars.len() {
                break;
            }
            start = end - args.overlap;
        }
        Ok(json!(pieces))
    }
}

/// Where a piece that begins at `start` ends: behind the best border that does not leave it too short. It is longer than the overlap, so
/// that every piece brings something new.
fn end_of_piece(chars: &[char], start: usize, size: usize, overlap: usize) -> usize {
    let most = start.saturating_add(size);
    if most >= chars.len() {
        return chars.len();
    }
    let least = start + (size / 4).max(overlap + 1).min(size);
    let borders: [&dyn Fn(usize) -> bool; 3] = [
        &|at| chars[at - 1] == '\n' && at >= 2 && chars[at - 2] == '\n',
        &|at| chars[at - 1].is_whitespace() && at >= 2 && matches!(chars[at - 2], '.' | '!' | '?' | '\n'),
        &|at| chars[at - 1].is_whitespace(),
    ];
    let behind = |border: &&dyn Fn(usize) -> bool| (least.max(1)..=most).rev().find(|&at| border(at));
    borders.iter().find_map(behind).unwrap_or(most)
}
