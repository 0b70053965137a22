"""Measures the kernel beside ipykernel and beside a kernel that does nothing, in one run, on the same machine.

    AIKIT_BIN=target/release/aikit AIKIT_ECHO_BIN=target/release/examples/echo_kernel python tests/python/bench/kernel.py

All are driven by the same client over the same sockets. The kernels take turns, so that what else the machine does
touches all of them. Times are what the client sees: they hold the client's own work, which is the same for all.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from home import Home, program, target  # noqa: E402
from wire import Client, Kernel  # noqa: E402

STARTS = 7
LIBRARY_STARTS = 5
CELLS = 200
BLOCK = 20
REQUESTS = 50
FLOODS = 5
INTERRUPTS = 15
LINES = 10_000


@dataclass(frozen=True)
class Subject:
    """A kernel, and the cells in its language."""

    name: str
    argv: list[str]
    print_lines: str
    complete: str
    inspect: str
    endless: str | None


def subjects(echo: Path | None) -> list[Subject]:
    start = [str(program()), "kernel", "start", "-f", "{connection_file}", "--language"]
    found = [
        Subject(
            "ipykernel",
            [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            f"for i in range({LINES}): print('line', i)",
            "pri",
            "print",
            "while True: pass",
        ),
        Subject(
            "aikit-lua",
            [*start, "lua"],
            f'for i = 1, {LINES} do print("line", i) end',
            "pri",
            "print",
            "while true do end",
        ),
        Subject(
            "aikit-js",
            [*start, "js"],
            f'for (let i = 0; i < {LINES}; i++) console.log("line", i)',
            "JSO",
            "JSON",
            "while (true) {}",
        ),
    ]
    if echo:
        lines = f"flood {LINES * 10} line 1234"
        found.append(Subject("echo", [str(echo), "{connection_file}"], lines, "pri", "print", None))
    return found


@contextmanager
def running(subject: Subject) -> Iterator[Client]:
    """A kernel of the subject that is ready, and its client."""
    kernel = Kernel(subject.name, subject.argv)
    client = None
    try:
        # So often that what is measured is the kernel and not the client's pauses.
        client = kernel.client(retry=1)
        ready(client)
        yield client
    finally:
        if client:
            client.close()
        kernel.process.kill()
        kernel.process.wait()
        kernel.stop()


def ready(client: Client) -> None:
    """Waits for what a front end waits for: an answer on shell, and the idle state on iopub."""
    msg_id = client.send("shell", "kernel_info_request", {})
    client.reply(msg_id, timeout=30)
    client.until_idle(msg_id, timeout=30)


def timed(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return (time.perf_counter() - began) * 1e3


class Results:
    """Samples by metric and subject."""

    def __init__(self) -> None:
        self.samples: dict[tuple[str, str], list[float]] = {}

    def add(self, metric: str, subject: str, value: float) -> None:
        self.samples.setdefault((metric, subject), []).append(value)

    def value(self, metric: str, subject: str, quantile: float = 0.5) -> float | None:
        found = sorted(self.samples.get((metric, subject), []))
        if not found:
            return None
        return statistics.median(found) if quantile == 0.5 else found[min(len(found) - 1, int(len(found) * quantile))]


def measure_starts(results: Results, kernels: list[Subject]) -> None:
    for _ in range(STARTS):
        for subject in kernels:
            began = time.perf_counter()
            with running(subject) as client:
                results.add("start", subject.name, (time.perf_counter() - began) * 1e3)
                results.add("rss", subject.name, client.kernel.memory() / 1e6)
                client.ok("1")
                results.add("first", subject.name, (time.perf_counter() - began) * 1e3)
                results.add("rss used", subject.name, client.kernel.memory() / 1e6)


def measure_library_starts(results: Results, kernels: list[Subject]) -> None:
    """The same through jupyter_client, whose pauses between attempts to connect come on top."""
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import KernelManager

    for _ in range(LIBRARY_STARTS):
        for subject in kernels:
            began = time.perf_counter()
            manager = KernelManager()
            manager._kernel_spec = KernelSpec(argv=subject.argv, display_name=subject.name, language="any")
            manager.start_kernel(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            client = manager.client()
            client.start_channels()
            client.wait_for_ready(timeout=30)
            results.add("library start", subject.name, (time.perf_counter() - began) * 1e3)
            client.stop_channels()
            manager.shutdown_kernel(now=True)


def measure_requests(results: Results, clients: dict[str, Client], kernels: list[Subject]) -> None:
    def rounds(metric: str, count: int, block: int, action: Callable[[Client, Subject], object]) -> None:
        for subject in kernels:
            action(clients[subject.name], subject)
        for _ in range(count // block):
            for subject in kernels:
                for _ in range(block):
                    results.add(metric, subject.name, timed(lambda: action(clients[subject.name], subject)))

    rounds("execute", CELLS, BLOCK, lambda client, _: client.ok("1"))
    rounds("lines", FLOODS, 1, lambda client, subject: client.ok(subject.print_lines, 30))

    def complete(client: Client, subject: Subject) -> None:
        content = client.ask("complete_request", code=subject.complete, cursor_pos=len(subject.complete))
        assert content["matches"], f"{subject.name} completes nothing"

    def inspect(client: Client, subject: Subject) -> None:
        code = subject.inspect
        cursor = 0 if subject.name == "echo" else len(code)
        content = client.ask("inspect_request", code=code, cursor_pos=cursor, detail_level=0)
        assert content["found"], f"{subject.name} finds nothing"

    rounds("complete", REQUESTS, 10, complete)
    rounds("inspect", REQUESTS, 10, inspect)


def measure_interrupts(results: Results, clients: dict[str, Client], kernels: list[Subject]) -> None:
    for _ in range(INTERRUPTS):
        for subject in kernels:
            if subject.endless is None:
                continue
            client = clients[subject.name]
            msg_id = client.begin(subject.endless)
            client.running(msg_id)
            time.sleep(0.05)
            began = time.perf_counter()
            client.send("control", "interrupt_request", {})
            client.reply(msg_id, timeout=10)
            results.add("interrupt", subject.name, (time.perf_counter() - began) * 1e3)
            client.until_idle(msg_id)


@dataclass(frozen=True)
class Row:
    """A line of the table. `better` is how many times better than ipykernel aikit has to be."""

    title: str
    metric: str
    unit: str
    quantile: float = 0.5
    better: float | None = None
    at_most: float | None = None


ROWS = [
    Row("start to ready", "start", "ms", better=5),
    Row("… in jupyter_client", "library start", "ms"),
    Row("start to first result", "first", "ms"),
    Row("execute, p50", "execute", "ms", better=1),
    Row("execute, p95", "execute", "ms", 0.95, better=1),
    Row(f"{LINES} printed lines", "lines", "ms"),
    Row("complete", "complete", "ms"),
    Row("inspect", "inspect", "ms"),
    Row("interrupt, p50", "interrupt", "ms"),
    Row("interrupt, worst", "interrupt", "ms", 1.0, at_most=100),
    Row("RSS when ready", "rss", "MB", better=3),
    Row("RSS after a cell", "rss used", "MB"),
]
FACES = ("aikit-lua", "aikit-js")


def report(results: Results, names: list[str]) -> tuple[str, list[dict], bool]:
    """The table as text and as data, and whether every goal is met."""
    lines = [["", *names, *(f"{face} is" for face in FACES), "goal", ""]]
    data, all_met = [], True
    for row in ROWS:
        values = {name: results.value(row.metric, name, row.quantile) for name in names}
        base = values["ipykernel"]
        ratios = {face: base / values[face] for face in FACES}
        goal, met = "", None
        if row.better:
            goal = "ahead" if row.better == 1 else f"≥ {row.better:g}×"
            met = all(ratio >= row.better for ratio in ratios.values())
        if row.at_most:
            goal, met = f"≤ {row.at_most:g} {row.unit}", all(values[face] <= row.at_most for face in FACES)
        shown = ["–" if value is None else f"{value:.{2 if value < 10 else 1}f} {row.unit}" for value in values.values()]
        verdict = {None: "", True: "met", False: "MISSED"}[met]
        lines.append([row.title, *shown, *(f"{ratio:.1f}× better" for ratio in ratios.values()), goal, verdict])
        data.append({"metric": row.title, "unit": row.unit, "values": values, "ratios": ratios, "met": met})
        all_met &= met is not False
    if "echo" in names:
        worst = {face: results.value("execute", face) / results.value("execute", "echo") for face in FACES}
        met = all(ratio <= 2 for ratio in worst.values())
        blank = [""] * len(names)
        lines.append(
            [
                "execute over echo",
                *blank,
                *(f"{ratio:.2f}× echo" for ratio in worst.values()),
                "≤ 2×",
                "met" if met else "MISSED",
            ]
        )
        data.append({"metric": "execute over echo", "ratios": worst, "met": met})
        all_met &= met
    widths = [max(len(line[at]) for line in lines) for at in range(len(lines[0]))]
    text = "\n".join(
        "  ".join(cell.ljust(width) if at == 0 else cell.rjust(width) for at, (cell, width) in enumerate(zip(line, widths)))
        for line in lines
    )
    return text, data, all_met


def main() -> int:
    parser = argparse.ArgumentParser(description="Measures the kernel beside ipykernel.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to a file, too")
    parser.add_argument("--check", action="store_true", help="fail when a goal is missed")
    options = parser.parse_args()
    folder = program().parent
    echo = Path(os.environ.get("AIKIT_ECHO_BIN", folder / "examples" / "echo_kernel")).absolute()
    home = Home()
    home.enter()
    try:
        kernels = subjects(echo if echo.is_file() else None)
        print(f"{program()}  ({os.cpu_count()} processors, {platform.machine()}, Python {platform.python_version()})")
        if folder == target() / "debug":
            print("This is an unoptimised build: for figures that count build with --release and set AIKIT_BIN.")
        if not echo.is_file():
            print(f"Without the bare echo: {echo} does not exist (cargo build -p aikit-kernel --example echo_kernel).")
        results = Results()
        measure_starts(results, kernels)
        measure_library_starts(results, kernels)
        clients: dict[str, Client] = {}
        opened = [Kernel(subject.name, subject.argv) for subject in kernels]
        try:
            for subject, kernel in zip(kernels, opened):
                clients[subject.name] = kernel.client()
                ready(clients[subject.name])
            measure_requests(results, clients, kernels)
            measure_interrupts(results, clients, kernels)
        finally:
            for client in clients.values():
                client.close()
            for kernel in opened:
                kernel.stop()
        text, data, met = report(results, [subject.name for subject in kernels])
        print(text)
        if options.json:
            options.json.write_text(json.dumps(data, indent=2) + "\n")
        return 0 if met or not options.check else 1
    finally:
        home.leave()


if __name__ == "__main__":
    sys.exit(main())
