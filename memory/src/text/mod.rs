//! Search by words, and how the results of several searches become one.

mod bm25;
mod fusion;
mod words;

pub use bm25::{Bm25, Ranked};
pub use fusion::{RRF_K, reciprocal_ranks, weighted};
pub use words::words;
