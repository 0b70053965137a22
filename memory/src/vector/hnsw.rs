//! A hierarchical navigable small world (Malkov and Yashunin, 2016): a graph in which a walk from neighbour to neighbour comes
//! near to a vector after a few hundred steps, however many vectors there are.
//!
//! Vectors are normalised, so the inner product is the cosine. The levels of vectors follow from a seed and their place: the
//! same vectors in the same order make the same graph.

use std::{
    cmp::{Ordering, Reverse},
    collections::{BinaryHeap, HashMap},
};

use super::{Near, dot, nearest_first, normalise};

/// The levels at most; a graph of 16⁸ vectors has eight.
const LEVELS: usize = 16;

/// What a graph is built with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HnswParameters {
    /// Neighbours of a vector above the lowest level; on the lowest twice as many.
    pub m: usize,
    /// Candidates that are looked at when a vector is added.
    pub ef_construction: usize,
    /// Candidates that are looked at in a search.
    pub ef_search: usize,
    /// Where the levels come from.
    pub seed: u64,
}

impl Default for HnswParameters {
    /// 16 neighbours, 200 and 64 candidates.
    fn default() -> Self {
        Self { m: 16, ef_construction: 200, ef_search: 64, seed: 0x5eed }
    }
}

/// A vector by its place, and how near it is; ordered by nearness.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Candidate {
    score: f32,
    node: u32,
}

impl Eq for Candidate {}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then(other.node.cmp(&self.node))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What a search needs besides the graph, kept from one search to the next.
#[derive(Debug, Default)]
pub struct Scratch {
    /// The search in which a vector was last seen.
    seen: Vec<u32>,
    search: u32,
    open: BinaryHeap<Candidate>,
    found: BinaryHeap<Reverse<Candidate>>,
    query: Vec<f32>,
}

impl Scratch {
    fn begin(&mut self, nodes: usize) {
        self.seen.resize(nodes.max(self.seen.len()), 0);
        self.search = self.search.wrapping_add(1);
        if self.search == 0 {
            self.seen.fill(0);
            self.search = 1;
        }
        self.open.clear();
        self.found.clear();
    }

    fn visit(&mut self, node: u32) -> bool {
        let seen = &mut self.seen[node as usize];
        let new = *seen != self.search;
        *seen = self.search;
        new
    }
}

/// The graph.
#[derive(Debug)]
pub struct Hnsw {
    parameters: HnswParameters,
    dimensions: usize,
    keys: Vec<u64>,
    values: Vec<f32>,
    /// The place of what is not removed.
    places: HashMap<u64, u32>,
    removed: Vec<bool>,
    /// Neighbours on the lowest level: for each vector their number, then room for twice `m`.
    ground: Vec<u32>,
    /// Neighbours above: for each level of a vector their number, then room for `m`.
    upper: Vec<u32>,
    /// Where the upper levels of a vector begin, and how many they are.
    upper_at: Vec<(u32, u8)>,
    entry: Option<u32>,
    top: usize,
    scratch: Scratch,
}

impl Hnsw {
    /// An empty graph for vectors of this length.
    pub fn new(dimensions: usize, parameters: HnswParameters) -> Self {
        let parameters = HnswParameters { m: parameters.m.clamp(2, 64), ..parameters };
        Self {
            parameters,
            dimensions,
            keys: Vec::new(),
            values: Vec::new(),
            places: HashMap::new(),
            removed: Vec::new(),
            ground: Vec::new(),
            upper: Vec::new(),
            upper_at: Vec::new(),
            entry: None,
            top: 0,
            scratch: Scratch::default(),
        }
    }

    /// The length of its vectors.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// How many vectors it holds.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// How many removed vectors the graph still walks over.
    pub fn tombs(&self) -> usize {
        self.keys.len() - self.places.len()
    }

    /// Every vector with its key, normalised.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &[f32])> {
        let all = self.keys.iter().copied().zip(self.values.chunks_exact(self.dimensions.max(1)));
        all.zip(&self.removed).filter(|(_, removed)| !**removed).map(|(vector, _)| vector)
    }

    fn vector(&self, node: u32) -> &[f32] {
        &self.values[node as usize * self.dimensions..][..self.dimensions]
    }

    /// The room of a vector's neighbours on a level: their number, then they.
    fn slot(&self, node: u32, level: usize) -> &[u32] {
        let m = self.parameters.m;
        if level == 0 {
            &self.ground[node as usize * (2 * m + 1)..][..2 * m + 1]
        } else {
            &self.upper[self.upper_at[node as usize].0 as usize + (level - 1) * (m + 1)..][..m + 1]
        }
    }

    fn slot_mut(&mut self, node: u32, level: usize) -> &mut [u32] {
        let m = self.parameters.m;
        if level == 0 {
            &mut self.ground[node as usize * (2 * m + 1)..][..2 * m + 1]
        } else {
            &mut self.upper[self.upper_at[node as usize].0 as usize + (level - 1) * (m + 1)..][..m + 1]
        }
    }

    fn neighbours(&self, node: u32, level: usize) -> &[u32] {
        let slot = self.slot(node, level);
        &slot[1..=slot[0] as usize]
    }

    fn link(&mut self, node: u32, level: usize, neighbours: &[u32]) {
        let slot = self.slot_mut(node, level);
        slot[0] = neighbours.len() as u32;
        slot[1..=neighbours.len()].copy_from_slice(neighbours);
    }

    /// Asks the processor to fetch a vector that is needed soon.
    #[inline(always)]
    fn prefetch(&self, node: u32) {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            let vector = self.vector(node);
            for line in vector.chunks(16).take(4) {
                // SAFETY: a hint for an address inside of a slice; it reads nothing.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = node;
    }

    /// Adds a vector. One under a known key replaces it; one of another length, or beyond what the graph can number, is not
    /// taken: false.
    pub fn insert(&mut self, key: u64, vector: &[f32]) -> bool {
        if vector.len() != self.dimensions || self.keys.len() >= u32::MAX as usize {
            return false;
        }
        self.remove(key);
        let node = self.keys.len() as u32;
        let level = level(self.parameters.seed, node, self.parameters.m);
        let m = self.parameters.m;
        self.keys.push(key);
        self.places.insert(key, node);
        self.removed.push(false);
        self.values.extend_from_slice(vector);
        normalise(&mut self.values[node as usize * self.dimensions..]);
        self.ground.resize(self.ground.len() + 2 * m + 1, 0);
        self.upper_at.push((self.upper.len() as u32, level as u8));
        self.upper.resize(self.upper.len() + level * (m + 1), 0);
        let Some(entry) = self.entry else {
            (self.entry, self.top) = (Some(node), level);
            return true;
        };

        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.query.clear();
        scratch.query.extend_from_slice(self.vector(node));
        let mut at = Candidate { score: dot(&scratch.query, self.vector(entry)), node: entry };
        for above in (level + 1..=self.top).rev() {
            at = self.descend(&scratch.query, at, above);
        }
        for on in (0..=level.min(self.top)).rev() {
            self.explore(&mut scratch, at, on, self.parameters.ef_construction.max(m));
            let mut candidates: Vec<Candidate> = scratch.found.drain().map(|Reverse(candidate)| candidate).collect();
            candidates.sort_unstable_by(|a, b| b.cmp(a));
            at = candidates.first().copied().unwrap_or(at);
            let chosen = self.select(&candidates, m);
            self.link(node, on, &chosen);
            for neighbour in chosen {
                self.link_back(neighbour, node, on);
            }
        }
        if level > self.top {
            (self.entry, self.top) = (Some(node), level);
        }
        self.scratch = scratch;
        true
    }

    /// Removes a vector; true if it was there. The graph goes on walking over it and no search gives it.
    pub fn remove(&mut self, key: u64) -> bool {
        match self.places.remove(&key) {
            Some(node) => {
                self.removed[node as usize] = true;
                true
            }
            None => false,
        }
    }

    /// The nearest vectors, the nearest first.
    pub fn search(&self, scratch: &mut Scratch, query: &[f32], count: usize) -> Vec<Near> {
        self.search_with(scratch, query, count, self.parameters.ef_search)
    }

    /// The same, with another number of candidates.
    pub fn search_with(&self, scratch: &mut Scratch, query: &[f32], count: usize, ef: usize) -> Vec<Near> {
        let Some(entry) = self.entry.filter(|_| query.len() == self.dimensions && count > 0) else { return Vec::new() };
        scratch.query.clear();
        scratch.query.extend_from_slice(query);
        normalise(&mut scratch.query);
        let mut at = Candidate { score: dot(&scratch.query, self.vector(entry)), node: entry };
        for level in (1..=self.top).rev() {
            at = self.descend(&scratch.query, at, level);
        }
        self.explore(scratch, at, 0, ef.max(count));
        let all = scratch.found.drain().map(|Reverse(found)| found);
        let live = all.filter(|found| !self.removed[found.node as usize]);
        let mut found: Vec<Near> =
            live.map(|found| Near { key: self.keys[found.node as usize], score: found.score }).collect();
        found.sort_unstable_by(nearest_first);
        found.truncate(count);
        found
    }

    /// Walks to the nearest vector of a level.
    fn descend(&self, query: &[f32], mut at: Candidate, level: usize) -> Candidate {
        loop {
            let before = at.node;
            for &node in self.neighbours(before, level) {
                let score = dot(query, self.vector(node));
                if score > at.score {
                    at = Candidate { score, node };
                }
            }
            if at.node == before {
                return at;
            }
        }
    }

    /// Leaves the nearest vectors of a level in `found`: `ef` of those that are not removed, and removed ones among them.
    fn explore(&self, scratch: &mut Scratch, from: Candidate, level: usize, ef: usize) {
        scratch.begin(self.keys.len());
        scratch.visit(from.node);
        scratch.open.push(from);
        // Removed vectors lead on, but take no room from others: while the graph is built they count like any other.
        let mut live = 0;
        let counts = |node: u32| !self.removed[node as usize];
        scratch.found.push(Reverse(from));
        live += usize::from(counts(from.node));
        let query = std::mem::take(&mut scratch.query);
        while let Some(at) = scratch.open.pop() {
            let worst = scratch.found.peek().map_or(f32::NEG_INFINITY, |Reverse(worst)| worst.score);
            if live >= ef && at.score < worst {
                break;
            }
            let neighbours = self.neighbours(at.node, level);
            if let Some(first) = neighbours.first() {
                self.prefetch(*first);
            }
            for (i, &node) in neighbours.iter().enumerate() {
                if let Some(next) = neighbours.get(i + 1) {
                    self.prefetch(*next);
                }
                if !scratch.visit(node) {
                    continue;
                }
                let score = dot(&query, self.vector(node));
                let worst = scratch.found.peek().map_or(f32::NEG_INFINITY, |Reverse(worst)| worst.score);
                if live >= ef && score <= worst {
                    continue;
                }
                let candidate = Candidate { score, node };
                scratch.open.push(candidate);
                scratch.found.push(Reverse(candidate));
                live += usize::from(counts(node));
                while live > ef {
                    match scratch.found.pop() {
                        Some(Reverse(gone)) => live -= usize::from(counts(gone.node)),
                        None => break,
                    }
                }
            }
        }
        scratch.query = query;
    }

    /// Of candidates, the nearest first, those that are nearer to the vector than to each other: neighbours in all directions.
    fn select(&self, candidates: &[Candidate], most: usize) -> Vec<u32> {
        let mut chosen: Vec<u32> = Vec::with_capacity(most);
        for candidate in candidates {
            if chosen.len() >= most {
                break;
            }
            let vector = self.vector(candidate.node);
            if chosen.iter().all(|other| dot(vector, self.vector(*other)) < candidate.score) {
                chosen.push(candidate.node);
            }
        }
        chosen
    }

    /// Makes `node` a neighbour of `of`; where there is no room, the neighbours are chosen anew.
    fn link_back(&mut self, of: u32, node: u32, level: usize) {
        let room = if level == 0 { 2 * self.parameters.m } else { self.parameters.m };
        let slot = self.slot_mut(of, level);
        let count = slot[0] as usize;
        if count < room {
            slot[count + 1] = node;
            slot[0] += 1;
            return;
        }
        let center = self.vector(of);
        let all = self.neighbours(of, level).iter().copied().chain([node]);
        let mut candidates: Vec<Candidate> =
            all.map(|node| Candidate { score: dot(center, self.vector(node)), node }).collect();
        candidates.sort_unstable_by(|a, b| b.cmp(a));
        let chosen = self.select(&candidates, room);
        self.link(of, level, &chosen);
    }
}

/// The level of a vector: each holds one in `m` of those of the level below.
fn level(seed: u64, node: u32, m: usize) -> usize {
    // SplitMix64 (Steele, Lea and Flood, 2014).
    let mut x = seed.wrapping_add(u64::from(node).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^= x >> 31;
    let uniform = ((x >> 11) as f64 + 1.0) / (1u64 << 53) as f64;
    ((-uniform.ln() / (m as f64).ln()) as usize).min(LEVELS)
}
