//! The exact index: every vector is looked at.

use std::collections::HashMap;

use super::{Near, dot, nearest_first, normalise};

/// Vectors of one length, one behind the other.
#[derive(Debug, Clone, Default)]
pub struct Flat {
    dimensions: usize,
    keys: Vec<u64>,
    values: Vec<f32>,
    places: HashMap<u64, usize>,
}

impl Flat {
    /// An empty index for vectors of this length.
    pub fn new(dimensions: usize) -> Self {
        Self { dimensions, ..Self::default() }
    }

    /// The length of its vectors.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// How many vectors it holds.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Adds a vector, or replaces the one under this key. One of another length is not taken: false.
    pub fn insert(&mut self, key: u64, vector: &[f32]) -> bool {
        if vector.len() != self.dimensions {
            return false;
        }
        let place = match self.places.get(&key) {
            Some(place) => *place,
            None => {
                self.places.insert(key, self.keys.len());
                self.keys.push(key);
                self.values.resize(self.values.len() + self.dimensions, 0.0);
                self.keys.len() - 1
            }
        };
        let kept = &mut self.values[place * self.dimensions..][..self.dimensions];
        kept.copy_from_slice(vector);
        normalise(kept);
        true
    }

    /// Removes a vector; true if it was there. The last one takes its place.
    pub fn remove(&mut self, key: u64) -> bool {
        let Some(place) = self.places.remove(&key) else { return false };
        let last = self.keys.len() - 1;
        self.keys.swap_remove(place);
        if place != last {
            self.places.insert(self.keys[place], place);
            self.values.copy_within(last * self.dimensions..(last + 1) * self.dimensions, place * self.dimensions);
        }
        self.values.truncate(last * self.dimensions);
        true
    }

    /// Every vector with its key, normalised, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &[f32])> {
        self.keys.iter().copied().zip(self.values.chunks_exact(self.dimensions.max(1)))
    }

    /// The nearest vectors, the nearest first.
    pub fn search(&self, query: &[f32], count: usize) -> Vec<Near> {
        if query.len() != self.dimensions || count == 0 {
            return Vec::new();
        }
        let mut query = query.to_vec();
        normalise(&mut query);
        // Twice as many as wanted, cut when it is full: cheaper than a heap while most vectors are too far away.
        let room = count.saturating_mul(2).min(self.len().max(1));
        let mut found: Vec<Near> = Vec::with_capacity(room);
        let mut bar = f32::NEG_INFINITY;
        for (key, vector) in self.iter() {
            let score = dot(&query, vector);
            if score < bar {
                continue;
            }
            found.push(Near { key, score });
            if found.len() >= count.saturating_mul(2) {
                found.select_nth_unstable_by(count - 1, nearest_first);
                found.truncate(count);
                bar = found[count - 1].score;
            }
        }
        found.sort_unstable_by(nearest_first);
        found.truncate(count);
        found
    }
}
