//! The index of a namespace: exact while it is small, a graph when it has grown and is asked often.

use super::{Flat, Hnsw, HnswParameters, Near, Scratch};

/// Up to so many vectors all of them are looked at.
pub const FLAT_LIMIT: usize = 20_000;

/// Searches of a large index before a graph is built: one answer of a short process is not worth the building.
const WARM: u32 = 16;

/// Vectors of one namespace of one tenant.
#[derive(Debug)]
pub struct Index {
    parameters: HnswParameters,
    limit: usize,
    searches: u32,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Flat(Flat),
    Graph(Box<Hnsw>, Scratch),
}

impl Index {
    /// An empty index that is exact up to [`FLAT_LIMIT`] vectors.
    pub fn new(dimensions: usize, parameters: HnswParameters) -> Self {
        Self::with_limit(dimensions, parameters, FLAT_LIMIT)
    }

    /// An empty index that is exact up to so many vectors.
    pub fn with_limit(dimensions: usize, parameters: HnswParameters, limit: usize) -> Self {
        Self { parameters, limit, searches: 0, kind: Kind::Flat(Flat::new(dimensions)) }
    }

    /// The length of its vectors.
    pub fn dimensions(&self) -> usize {
        match &self.kind {
            Kind::Flat(flat) => flat.dimensions(),
            Kind::Graph(graph, _) => graph.dimensions(),
        }
    }

    /// How many vectors it holds.
    pub fn len(&self) -> usize {
        match &self.kind {
            Kind::Flat(flat) => flat.len(),
            Kind::Graph(graph, _) => graph.len(),
        }
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether every vector is looked at.
    pub fn is_exact(&self) -> bool {
        matches!(self.kind, Kind::Flat(_))
    }

    /// Adds or replaces a vector; false for one of another length.
    pub fn insert(&mut self, key: u64, vector: &[f32]) -> bool {
        match &mut self.kind {
            Kind::Flat(flat) => flat.insert(key, vector),
            Kind::Graph(graph, _) => graph.insert(key, vector),
        }
    }

    /// Removes a vector; true if it was there.
    pub fn remove(&mut self, key: u64) -> bool {
        match &mut self.kind {
            Kind::Flat(flat) => flat.remove(key),
            Kind::Graph(graph, _) => graph.remove(key),
        }
    }

    /// The nearest vectors, the nearest first.
    pub fn search(&mut self, query: &[f32], count: usize) -> Vec<Near> {
        self.searches = self.searches.saturating_add(1);
        self.settle();
        match &mut self.kind {
            Kind::Flat(flat) => flat.search(query, count),
            Kind::Graph(graph, scratch) => graph.search(scratch, query, count),
        }
    }

    /// Takes the kind that fits: a graph of what is large and asked often, a new one when a third of it is removed vectors.
    fn settle(&mut self) {
        let next = match &self.kind {
            Kind::Flat(flat) if flat.len() > self.limit && self.searches > WARM => {
                let mut graph = Hnsw::new(flat.dimensions(), self.parameters);
                for (key, vector) in flat.iter() {
                    graph.insert(key, vector);
                }
                Kind::Graph(Box::new(graph), Scratch::default())
            }
            Kind::Graph(graph, _) if graph.len() <= self.limit / 2 || graph.tombs() > graph.len() / 2 => {
                let mut flat = Flat::new(graph.dimensions());
                for (key, vector) in graph.iter() {
                    flat.insert(key, vector);
                }
                // It is small again, or becomes a graph without tombs with the next search.
                Kind::Flat(flat)
            }
            _ => return,
        };
        self.kind = next;
    }
}
