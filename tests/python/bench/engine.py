"""The run engine: what a run, a step and a row cost, beside plain inserts by SQLite's own library in the same folder."""

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time

ROWS = 2000


def plain(folder, batch):
    """Rows in a second that plain inserts make durable, with the settings of aikit's store."""
    path = os.path.join(folder, f"plain-{batch}.db")
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")
    connection.execute(
        "create table journal (tenant_id text, run_id text, seq integer, kind text, at text, body text, hash text,"
        " primary key (tenant_id, run_id, seq)) strict"
    )
    body, digest = json.dumps({"record": "step.started", "address": "step-1"}), "0" * 64
    begun = time.perf_counter()
    for start in range(0, ROWS, batch):
        connection.execute("begin immediate")
        for seq in range(start, min(start + batch, ROWS)):
            connection.execute(
                "insert into journal values (?, ?, ?, ?, ?, ?, ?)",
                ("acme", "run", seq, "step.started", "2030-01-01T00:00:00Z", body, digest),
            )
        connection.execute("commit")
    return ROWS / (time.perf_counter() - begun)


def steps(figures):
    """What a step costs, in short and in long runs."""
    for place, goal in (("in memory", "goal 50 us"), ("durable", "goal 300 us")):
        measured = figures["step_" + place.replace(" ", "_")]
        for kind, does in (("set", "writes the state"), ("tool", "calls a tool")):
            for count in (20, 500):
                figure = measured[f"{kind}_us_of_{count}"]
                yield f"one of {count} steps that {does}, {place}", f"{figure:.1f} us", goal


def main():
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_FOLDER")) as folder:
        out = subprocess.run([os.environ["AIKIT_ENGINE_BENCH"], folder], check=True, capture_output=True, text=True)
        figures = json.loads(out.stdout)
        peers = {batch: plain(folder, batch) for batch in (1, 100)}
    lines = [
        ("from text to first step, p50", f"{figures['instantiate']['p50_ms']:.3f} ms", ""),
        ("from text to first step, p95", f"{figures['instantiate']['p95_ms']:.3f} ms", "goal 2 ms"),
        *steps(figures),
        (
            f"{figures['concurrent']['runs']} runs at the same time (2 s of waiting in each)",
            f"{figures['concurrent']['seconds']:.2f} s",
            f"{figures['concurrent']['succeeded']} succeeded, {figures['concurrent']['bytes_per_run']} bytes a run",
        ),
        (
            f"{figures['idle']['agents']} idle agents of 20 steps",
            f"{figures['idle']['bytes_per_agent']} bytes each",
            "goal 1 MB",
        ),
    ]
    for name, batch, key in (("one row", 1, "one_row_per_second"), ("a hundred rows", 100, "hundred_rows_per_second")):
        own, peer = figures["append"][key], peers[batch]
        lines.append(
            (f"journal rows per second, {name} in a transaction", f"{own:.0f}", f"plain SQLite {peer:.0f}: {own / peer:.2f}x")
        )
    width = max(len(name) for name, _, _ in lines)
    for name, figure, note in lines:
        print(f"{name:<{width}}  {figure:>16}  {note}".rstrip())
    if os.environ.get("BENCH_JSON"):
        json.dump({"figures": figures, "plain": peers}, sys.stdout)


if __name__ == "__main__":
    main()
