//! The entries of one list of one space with their indexes, brought up to date before each search.

use std::collections::{BTreeMap, HashMap};

use aikit_core::memory::{Episode, PartState, Passage, Vector};
use aikit_runtime::ports::memory::{FuseBy, Hit, Search, SearchBy};

use crate::{
    text::{Bm25, reciprocal_ranks, weighted},
    vector::{HnswParameters, Index},
};

/// Candidates of each search before their results become one.
const CANDIDATES: usize = 50;

/// What can be searched by meaning and by words.
pub(crate) trait Entry: Clone + Send + 'static {
    fn id(&self) -> u64;
    /// The words that are searched.
    fn words(&self) -> String;
    /// Takes the vector out: the index keeps it.
    fn take_vector(&mut self) -> Option<Vector>;
}

impl Entry for Episode {
    fn id(&self) -> u64 {
        self.id
    }

    fn words(&self) -> String {
        self.text.clone()
    }

    fn take_vector(&mut self) -> Option<Vector> {
        self.vector.take()
    }
}

impl Entry for Passage {
    fn id(&self) -> u64 {
        self.id
    }

    fn words(&self) -> String {
        // A passage is about what its headings say.
        format!("{}\n{}", self.cut.headings.join("\n"), self.cut.text)
    }

    fn take_vector(&mut self) -> Option<Vector> {
        self.cut.vector.take()
    }
}

/// Entries by id, with an index of their words and one for the vectors of each model.
pub(crate) struct Indexed<T> {
    pub state: PartState,
    entries: HashMap<u64, T>,
    words: Bm25,
    vectors: BTreeMap<String, Vec<Index>>,
}

impl<T> Default for Indexed<T> {
    fn default() -> Self {
        Self { state: PartState::default(), entries: HashMap::new(), words: Bm25::new(), vectors: BTreeMap::new() }
    }
}

impl<T: Entry> Indexed<T> {
    /// Adds entries that are new since `state`.
    pub fn extend(&mut self, entries: Vec<T>, state: PartState, graph: Option<HnswParameters>) {
        for mut entry in entries {
            let id = entry.id();
            if let Some(vector) = entry.take_vector() {
                // A model that was changed gives vectors of another length under the same name.
                let indexes = self.vectors.entry(vector.model).or_default();
                if !indexes.iter_mut().any(|index| index.insert(id, &vector.values)) {
                    let length = vector.values.len();
                    let mut index = match graph {
                        Some(graph) => Index::new(length, graph),
                        None => Index::with_limit(length, HnswParameters::default(), usize::MAX),
                    };
                    index.insert(id, &vector.values);
                    indexes.push(index);
                }
            }
            self.words.insert(id, &entry.words());
            self.entries.insert(id, entry);
        }
        self.state = state;
    }

    /// The entries that fit, the best first.
    pub fn search(&mut self, search: &Search) -> Vec<Hit<T>> {
        let wide = search.top_k.saturating_mul(4).max(CANDIDATES);
        let by_vector = match (&search.vector, search.by) {
            (Some(vector), SearchBy::Vector | SearchBy::Hybrid) => self.near(vector, wide),
            _ => Vec::new(),
        };
        let by_words = match (&search.vector, search.by) {
            (Some(_), SearchBy::Vector) => Vec::new(),
            _ => self.words.search(&search.text, wide).iter().map(|found| (found.key, found.score)).collect(),
        };
        let mut fits: HashMap<u64, f64> = HashMap::new();
        for (key, score) in by_vector.iter().chain(&by_words) {
            let best = fits.entry(*key).or_default();
            *best = best.max(*score);
        }
        let lists: Vec<Vec<(u64, f64)>> = [by_vector, by_words].into_iter().filter(|list| !list.is_empty()).collect();
        let fused = match (&*lists, search.fuse) {
            ([only], _) => only.clone(),
            (lists, FuseBy::Rrf) => {
                let ranks: Vec<Vec<u64>> =
                    lists.iter().map(|list| list.iter().map(|(key, _)| *key).collect()).collect();
                reciprocal_ranks(&ranks)
            }
            (lists, FuseBy::Weighted) => {
                let lists: Vec<_> = lists.iter().map(|list| (1.0, list.clone())).collect();
                weighted(&lists)
            }
        };
        let fitting =
            fused.into_iter().filter(|(key, _)| fits.get(key).copied().unwrap_or_default() >= search.min_score);
        let hits = fitting.filter_map(|(key, score)| {
            Some(Hit { item: self.entries.get(&key)?.clone(), score: (score * 1e4).round() / 1e4 })
        });
        hits.take(search.top_k).collect()
    }

    /// The entries that point into the same direction, with their cosines.
    fn near(&mut self, vector: &Vector, count: usize) -> Vec<(u64, f64)> {
        let indexes = self.vectors.get_mut(&vector.model).into_iter().flatten();
        let Some(index) = indexes.into_iter().find(|index| index.dimensions() == vector.values.len()) else {
            return Vec::new();
        };
        let found = index.search(&vector.values, count);
        found
            .into_iter()
            .filter(|near| near.score > 0.0)
            .map(|near| (near.key, f64::from(near.score).min(1.0)))
            .collect()
    }
}
