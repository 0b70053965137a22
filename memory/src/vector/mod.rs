//! Search by meaning: the vectors that are nearest to a vector, by the cosine of the angle between them.
//!
//! An index holds the vectors of one namespace of one tenant and nothing else: there is no filter that could be forgotten.

mod dot;
mod flat;
mod hnsw;
mod index;

pub use dot::{dot, normalise};
pub use flat::Flat;
pub use hnsw::{Hnsw, HnswParameters, Scratch};
pub use index::{FLAT_LIMIT, Index};

/// A vector that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Near {
    /// The key that it was added under.
    pub key: u64,
    /// The cosine, from -1 to 1.
    pub score: f32,
}

/// The order of results: the nearest first, and of equally near ones the one with the smaller key.
pub(crate) fn nearest_first(a: &Near, b: &Near) -> std::cmp::Ordering {
    b.score.total_cmp(&a.score).then(a.key.cmp(&b.key))
}
