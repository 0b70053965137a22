//! Measures the indexes of vectors: `vectors BASE QUERIES DIMENSIONS [M [EF_CONSTRUCTION [EF…]]]`, both files raw little-endian
//! 32-bit floats. Prints JSON: how long the graph took to build, and for each `ef` the times of searches, the recall of ten
//! against the exact index, and what the process takes of memory.

#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use std::{env, error::Error, fs, time::Instant};

use aikit_memory::vector::{Flat, Hnsw, HnswParameters, Near, Scratch};
use serde_json::{Value, json};

/// How many neighbours are asked for.
const COUNT: usize = 10;

/// Rounds over the queries; the first one warms up.
const ROUNDS: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [base, queries, dimensions, rest @ ..] = &args[..] else {
        return Err("usage: vectors BASE QUERIES DIMENSIONS [M [EF_CONSTRUCTION [EF…]]]".into());
    };
    let dimensions: usize = dimensions.parse()?;
    let numbers = rest.iter().map(|text| text.parse()).collect::<Result<Vec<usize>, _>>()?;
    let m = numbers.first().copied().unwrap_or(16);
    let ef_construction = numbers.get(1).copied().unwrap_or(200);
    let efs = if numbers.len() > 2 { numbers[2..].to_vec() } else { vec![16, 32, 64, 128, 256] };
    let (base, queries) = (read(base)?, read(queries)?);
    let vectors = base.chunks_exact(dimensions);
    let count = vectors.len();
    let queries: Vec<&[f32]> = queries.chunks_exact(dimensions).collect();

    let before = resident();
    let mut flat = Flat::new(dimensions);
    for (key, vector) in (0u64..).zip(vectors.clone()) {
        flat.insert(key, vector);
    }
    let flat_bytes = resident().saturating_sub(before);
    let mut exact: Vec<Vec<Near>> = Vec::new();
    let mut times = Vec::new();
    for query in &queries {
        let began = Instant::now();
        exact.push(flat.search(query, COUNT));
        times.push(began.elapsed().as_secs_f64() * 1e6);
    }
    let flat_times = spread(times);
    drop(flat);

    let before = resident();
    let began = Instant::now();
    let mut graph = Hnsw::new(dimensions, HnswParameters { m, ef_construction, ..HnswParameters::default() });
    for (key, vector) in (0u64..).zip(vectors) {
        graph.insert(key, vector);
    }
    let build = began.elapsed().as_secs_f64();
    let graph_bytes = resident().saturating_sub(before);
    let mut searches = Vec::new();
    let mut scratch = Scratch::default();
    for ef in efs {
        let mut times = Vec::new();
        let mut found = 0;
        for round in 0..ROUNDS {
            for (query, exact) in queries.iter().zip(&exact) {
                let began = Instant::now();
                let near = graph.search_with(&mut scratch, query, COUNT, ef);
                let took = began.elapsed().as_secs_f64() * 1e6;
                if round == 0 {
                    found += exact.iter().filter(|one| near.iter().any(|near| near.key == one.key)).count();
                } else {
                    times.push(took);
                }
            }
        }
        let wanted: usize = exact.iter().map(Vec::len).sum();
        searches
            .push(json!({ "ef": ef, "recall": found as f64 / wanted.max(1) as f64, "microseconds": spread(times) }));
    }
    let report = json!({
        "vectors": count, "dimensions": dimensions, "queries": queries.len(), "m": m,
        "ef_construction": ef_construction, "build_seconds": build, "graph_bytes": graph_bytes,
        "flat_bytes": flat_bytes, "flat_microseconds": flat_times, "searches": searches,
    });
    println!("{report}");
    Ok(())
}

fn read(path: &str) -> Result<Vec<f32>, Box<dyn Error>> {
    let bytes = fs::read(path).map_err(|error| format!("{path}: {error}"))?;
    let (numbers, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(format!("{path} is no list of 32-bit floats").into());
    }
    Ok(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

fn spread(mut times: Vec<f64>) -> Value {
    times.sort_by(f64::total_cmp);
    let at = |part: f64| times.get(((times.len() as f64 * part) as usize).min(times.len().saturating_sub(1)));
    json!({ "p50": at(0.5), "p95": at(0.95) })
}

/// What the process holds in memory, in bytes; 0 where the system does not say it.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or_default() * 1024
}
