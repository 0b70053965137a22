"""Measures the graph of vectors beside hnswlib (https://github.com/nmslib/hnswlib), on the same data, on the same machine.

    cargo build --release -p aikit-memory --example vectors
    pip install -r tests/python/bench/vectors-requirements.txt
    python tests/python/bench/vectors.py [COUNT [DIMENSIONS]]

Both get the same vectors in the same order, one thread, the same `M` and `ef_construction`. Searches are compared at equal
recall: for each the smallest `ef` that finds so much of what an exact search finds. Times are those of one search; hnswlib's
include its call from Python, which takes about a microsecond.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import hnswlib
import numpy

ROOT = Path(__file__).resolve().parents[3]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
OURS = TARGET / "release" / "examples" / "vectors"
M, EF_CONSTRUCTION = 16, 200
EFS = [10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512]
RECALLS = [0.90, 0.95, 0.99]
QUERIES = 1000


def data(count: int, dimensions: int) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Vectors around centres, as those of texts lie: each has many that are near and more that are not."""
    random = numpy.random.default_rng(7)
    centres = random.standard_normal((max(count // 100, 1), dimensions), dtype=numpy.float32)

    def some(number: int) -> numpy.ndarray:
        near = centres[random.integers(0, len(centres), number)]
        return near + 0.6 * random.standard_normal((number, dimensions), dtype=numpy.float32)

    return some(count), some(QUERIES)


def spread(times: list[float]) -> dict[str, float]:
    times = sorted(times)
    return {"p50": statistics.median(times), "p95": times[int(len(times) * 0.95)]}


def resident() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def theirs(base: numpy.ndarray, queries: numpy.ndarray) -> dict:
    scaled = base / numpy.linalg.norm(base, axis=1, keepdims=True)
    exact = []
    for query in queries:
        likeness = scaled @ (query / numpy.linalg.norm(query))
        exact.append(set(numpy.argpartition(-likeness, 10)[:10].tolist()))
    del scaled
    before = resident()
    index = hnswlib.Index(space="cosine", dim=base.shape[1])
    index.init_index(max_elements=len(base), ef_construction=EF_CONSTRUCTION, M=M, random_seed=7)
    index.set_num_threads(1)
    began = time.perf_counter()
    index.add_items(base, num_threads=1)
    build = time.perf_counter() - began
    taken = resident() - before
    searches = []
    for ef in EFS:
        index.set_ef(ef)
        found, times = 0, []
        for round in range(3):
            for query, wanted in zip(queries, exact):
                began = time.perf_counter()
                keys, _ = index.knn_query(query, k=10, num_threads=1)
                took = (time.perf_counter() - began) * 1e6
                if round:
                    times.append(took)
                else:
                    found += len(wanted & set(keys[0].tolist()))
        searches.append({"ef": ef, "recall": found / (10 * len(queries)), "microseconds": spread(times)})
    return {"build_seconds": build, "graph_bytes": taken, "searches": searches}


def ours(base: numpy.ndarray, queries: numpy.ndarray) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        files = [str(Path(folder) / name) for name in ("base.f32", "queries.f32")]
        base.tofile(files[0])
        queries.tofile(files[1])
        numbers = [str(number) for number in (base.shape[1], M, EF_CONSTRUCTION, *EFS)]
        return json.loads(subprocess.run([str(OURS), *files, *numbers], check=True, capture_output=True, text=True).stdout)


def at_recall(report: dict, recall: float) -> dict | None:
    return next((search for search in report["searches"] if search["recall"] >= recall), None)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    dimensions = int(sys.argv[2]) if len(sys.argv) > 2 else 384
    if not OURS.is_file():
        raise SystemExit(f"{OURS} does not exist: cargo build --release -p aikit-memory --example vectors")
    base, queries = data(count, dimensions)
    mine, peer = ours(base, queries), theirs(base, queries)
    print(f"{count} vectors of {dimensions} numbers, M {M}, ef_construction {EF_CONSTRUCTION}, one thread")
    print(f"{'':24}{'aikit':>12}{'hnswlib':>12}{'ratio':>8}")

    def line(name: str, one: float, other: float, unit: str) -> None:
        print(f"{name:24}{one:>9.1f} {unit:2}{other:>9.1f} {unit:2}{one / other:>8.2f}")

    line("build", mine["build_seconds"], peer["build_seconds"], "s")
    line("memory", mine["graph_bytes"] / 1e6, peer["graph_bytes"] / 1e6, "MB")
    for recall in RECALLS:
        one, other = at_recall(mine, recall), at_recall(peer, recall)
        if one is None or other is None:
            print(f"recall {recall}: not reached with ef {EFS[-1]}")
            continue
        for part in ("p50", "p95"):
            name = f"recall {recall:.2f} {part} (ef {one['ef']}/{other['ef']})"
            line(name, one["microseconds"][part], other["microseconds"][part], "µs")
    print(f"{'exact search, p50':24}{mine['flat_microseconds']['p50']:>9.1f} µs")
    print(json.dumps({"aikit": mine, "hnswlib": peer}))


if __name__ == "__main__":
    main()
