//! Vectors without a model: what a text is made of, hashed. Texts that share words, or parts of words, are near each other.

use std::collections::BTreeMap;

use aikit_core::{ErrorKind, RunError, record::Usage};
use aikit_runtime::ports::{EmbedRequest, EmbedResponse, Embedder, ModelError};
use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::tokens::count_tokens;

/// How long vectors are where the model's name does not say it.
const DIMENSIONS: usize = 384;

/// The lengths that can be asked for.
const LENGTHS: std::ops::RangeInclusive<usize> = 16..=8192;

/// Lengths of the parts of words, in characters.
const PARTS: [usize; 3] = [3, 4, 5];

/// What a whole word counts beside one of its parts.
const WORD: f32 = 3.0;

/// Deterministic vectors of length one, the same on every machine. A model's name is the vectors' length, as in
/// `hashing/512`; any other name stands for 384. A text without a letter or a digit gives zeros.
pub struct HashingEmbedder;

#[async_trait]
impl Embedder for HashingEmbedder {
    async fn embed(&self, request: &EmbedRequest, cancel: &CancellationToken) -> Result<EmbedResponse, ModelError> {
        if cancel.is_cancelled() {
            return Err(RunError::cancelled().into());
        }
        let dimensions = match request.model.parse::<usize>() {
            Ok(length) if LENGTHS.contains(&length) => length,
            Ok(length) => {
                let message = format!("vectors of `hashing` cannot have {length} numbers");
                let help = format!("Choose {} to {}, as in `hashing/512`.", LENGTHS.start(), LENGTHS.end());
                return Err(RunError::new(ErrorKind::ProviderInvalid, message).with_help(help).into());
            }
            Err(_) => DIMENSIONS,
        };
        let vectors = request.texts.iter().map(|text| vector(text, dimensions)).collect();
        let input_tokens = request.texts.iter().map(|text| count_tokens(text)).sum();
        let usage = Usage { input_tokens, model_calls: 1, ..Usage::default() };
        Ok(EmbedResponse { vectors, usage, model: dimensions.to_string() })
    }
}

fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    let mut counts: BTreeMap<u64, (u32, f32)> = BTreeMap::new();
    let mut add = |hash: u64, weight: f32| counts.entry(hash).or_insert((0, weight)).0 += 1;
    let text = text.to_lowercase();
    let mut before: Option<&str> = None;
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        add(hash(b'w', &[word]), WORD);
        if let Some(before) = before.replace(word) {
            add(hash(b'2', &[before, word]), 1.0);
        }
        let framed: Vec<char> = std::iter::once('^').chain(word.chars()).chain(std::iter::once('$')).collect();
        for length in PARTS {
            for part in framed.windows(length) {
                add(hash(b'c', &[&part.iter().collect::<String>()]), 1.0);
            }
        }
    }
    let mut vector = vec![0.0f32; dimensions];
    for (hash, (count, weight)) in counts {
        // Said twice is not meant twice.
        let value = (count as f32).sqrt() * weight;
        let at = (hash >> 1) as usize % dimensions;
        vector[at] += if hash & 1 == 0 { value } else { -value };
    }
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|value| *value /= length);
    }
    vector
}

/// FNV-1a with its bits spread: stable over machines and versions, which the standard hasher is not.
fn hash(kind: u8, texts: &[&str]) -> u64 {
    let bytes = texts.iter().flat_map(|text| text.bytes().chain(std::iter::once(0)));
    let mut hash = std::iter::once(kind)
        .chain(bytes)
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: &str, b: &str) -> f32 {
        vector(a, DIMENSIONS).iter().zip(vector(b, DIMENSIONS)).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn texts_that_share_words_are_near() {
        let question = "How do I reset my password?";
        let close = near(question, "Resetting a password: open the settings and choose a new password.");
        let far = near(question, "The train to Vienna leaves at nine.");
        assert!(close > 0.25 && far < 0.15 && close > 2.0 * far, "{close} {far}");
        assert!(near("Größe", "größe") > 0.999);
        assert!(near("color", "colour") > near("color", "shape"));
    }

    #[test]
    fn vectors_have_length_one_and_never_change() {
        for dimensions in [16, 384, 512] {
            let vector = vector("Hello, world", dimensions);
            assert_eq!(vector.len(), dimensions);
            let length: f32 = vector.iter().map(|value| value * value).sum();
            assert!((length - 1.0).abs() < 1e-5, "{length}");
        }
        assert_eq!(vector("… !", 16), vec![0.0; 16]);
        // Stored vectors outlive a version: these places and signs are a promise.
        let filled: Vec<(usize, bool)> =
            vector("a", 384).iter().enumerate().filter(|(_, v)| **v != 0.0).map(|(i, v)| (i, *v > 0.0)).collect();
        assert_eq!(filled, [(13, false), (39, false)]);
    }
}
