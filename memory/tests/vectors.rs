//! The graph finds what the exact index finds.

use aikit_memory::vector::{Flat, Hnsw, HnswParameters, Index, Scratch};
use proptest::prelude::*;

/// Numbers that look random and are the same again from the same seed (xorshift64*).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// About normal, by the sum of four uniform ones.
    fn normal(&mut self) -> f32 {
        (0..4).map(|_| (self.next() >> 40) as f32 / (1u64 << 24) as f32 - 0.5).sum::<f32>() * 1.7
    }

    fn vector(&mut self, dimensions: usize) -> Vec<f32> {
        (0..dimensions).map(|_| self.normal()).collect()
    }
}

/// Vectors around so many centres; without a centre, in all directions.
fn data(seed: u64, count: usize, dimensions: usize, centres: usize) -> Vec<Vec<f32>> {
    let mut numbers = Numbers(seed | 1);
    let middles: Vec<Vec<f32>> = (0..centres).map(|_| numbers.vector(dimensions)).collect();
    let one = |at: usize| {
        let mut vector = numbers.vector(dimensions);
        if let Some(middle) = middles.get(at % centres.max(1)) {
            vector.iter_mut().zip(middle).for_each(|(x, middle)| *x = *x * 0.4 + middle);
        }
        vector
    };
    (0..count).map(one).collect()
}

/// The part of the ten nearest vectors that the graph finds.
fn recall(vectors: &[Vec<f32>], gone: impl Fn(u64) -> bool, queries: &[Vec<f32>], parameters: HnswParameters) -> f64 {
    let dimensions = vectors[0].len();
    let (mut flat, mut graph) = (Flat::new(dimensions), Hnsw::new(dimensions, parameters));
    for (key, vector) in (0u64..).zip(vectors) {
        assert!(flat.insert(key, vector) && graph.insert(key, vector));
    }
    for key in (0..vectors.len() as u64).filter(|key| gone(*key)) {
        assert!(flat.remove(key) && graph.remove(key));
    }
    assert_eq!(flat.len(), graph.len());
    let mut scratch = Scratch::default();
    let (mut found, mut wanted) = (0, 0);
    for query in queries {
        let (exact, near) = (flat.search(query, 10), graph.search(&mut scratch, query, 10));
        assert!(near.is_sorted_by(|a, b| a.score >= b.score));
        assert!(near.iter().all(|near| !gone(near.key)));
        wanted += exact.len();
        found += exact.iter().filter(|one| near.iter().any(|near| near.key == one.key)).count();
    }
    found as f64 / wanted.max(1) as f64
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn most_of_the_nearest_are_found(seed in 1u64..u64::MAX, centres in prop_oneof![Just(0usize), 2usize..40]) {
        let all = data(seed, 820, 24, centres);
        let (vectors, queries) = all.split_at(800);
        let parameters = HnswParameters { seed, ..HnswParameters::default() };
        let found = recall(vectors, |_| false, queries, parameters);
        prop_assert!(found >= 0.95, "recall {found}");
        let found = recall(vectors, |key| key % 3 == 0, queries, parameters);
        prop_assert!(found >= 0.95, "recall {found} with a third removed");
    }

    #[test]
    fn the_exact_index_is_exact(seed in 1u64..u64::MAX, gone in 1u64..7) {
        let all = data(seed, 320, 17, 3);
        let mut flat = Flat::new(17);
        for (key, vector) in (0u64..).zip(&all[..300]) {
            flat.insert(key, vector);
        }
        for key in (0..300).filter(|key| key % gone == 0) {
            prop_assert!(flat.remove(key));
            prop_assert!(!flat.remove(key));
        }
        for query in &all[300..] {
            let found = flat.search(query, 7);
            let cosine = |v: &[f32]| {
                let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
                product(query, v) / (product(v, v) * product(query, query)).sqrt()
            };
            let mut wanted: Vec<(u64, f32)> =
                (0u64..300).filter(|key| key % gone != 0).map(|key| (key, cosine(&all[key as usize]))).collect();
            wanted.sort_by(|a, b| b.1.total_cmp(&a.1));
            wanted.truncate(7);
            prop_assert_eq!(found.len(), wanted.len());
            for (found, wanted) in found.iter().zip(&wanted) {
                prop_assert!((found.score - wanted.1).abs() < 1e-4);
            }
        }
    }
}

#[test]
fn the_same_vectors_make_the_same_graph() {
    let all = data(7, 620, 16, 5);
    let build = || {
        let mut graph = Hnsw::new(16, HnswParameters::default());
        for (key, vector) in (0u64..).zip(&all[..600]) {
            graph.insert(key, vector);
        }
        let mut scratch = Scratch::default();
        all[600..].iter().map(|query| graph.search_with(&mut scratch, query, 5, 5)).collect::<Vec<_>>()
    };
    assert_eq!(build(), build());
}

#[test]
fn an_index_grows_into_a_graph_and_back() {
    let all = data(3, 460, 8, 0);
    let mut index = Index::with_limit(8, HnswParameters::default(), 200);
    for (key, vector) in (0u64..).zip(&all[..400]) {
        assert!(index.insert(key, vector));
    }
    assert!(!index.insert(1000, &[1.0; 7]), "a vector of another length");
    let keys = |at: usize, index: &mut Index| index.search(&all[at], 3).iter().map(|near| near.key).collect::<Vec<_>>();
    let exact: Vec<_> = (400..410).map(|at| keys(at, &mut index)).collect();
    assert!(index.is_exact());
    for query in &all[400..] {
        index.search(query, 3);
    }
    assert!(!index.is_exact());
    let again: Vec<_> = (400..410).map(|at| keys(at, &mut index)).collect();
    assert_eq!(exact, again);
    for key in 0..350 {
        assert!(index.remove(key));
    }
    assert_eq!(index.search(&all[399], 1)[0].key, 399);
    assert!(index.is_exact());
    assert_eq!(index.len(), 50);
}

#[test]
fn a_known_key_is_replaced() {
    let mut graph = Hnsw::new(2, HnswParameters::default());
    assert!(graph.search(&mut Scratch::default(), &[1.0, 0.0], 3).is_empty());
    graph.insert(1, &[1.0, 0.0]);
    graph.insert(2, &[0.0, 1.0]);
    graph.insert(1, &[0.0, -1.0]);
    let found = graph.search(&mut Scratch::default(), &[0.0, -1.0], 3);
    assert_eq!(found.iter().map(|near| near.key).collect::<Vec<_>>(), [1, 2]);
    assert_eq!((graph.len(), graph.tombs()), (2, 1));
}
