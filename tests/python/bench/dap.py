"""Measures the debug adapter beside debugpy, in one run, on the same machine.

    AIKIT_BIN=target/release/aikit python tests/python/bench/dap.py

The same loop in Lua, in JavaScript and in Python, over standard input and output. Before anything is timed both stop at the
same statement and show the same variable. Times are what the client sees. Step back is ours alone. The last part runs a loop
in a document with a debugger attached and no breakpoint, and without a debugger.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from queue import Queue

STEPS = int(os.environ.get("STEPS", "300"))
STARTS = int(os.environ.get("STARTS", "7"))
RUNS = int(os.environ.get("RUNS", "5"))

LOOPS = {
    "lua": """local total = 0
for i = 1, 100000 do
  total = total + i
  total = total - 1
end
return total""",
    "js": """let total = 0;
for (let i = 1; i < 100000; i++) {
  total = total + i;
  total = total - 1;
}
return total;""",
    "python": """total = 0
for i in range(1, 100000):
  total = total + i
  total = total - 1
print(total)
""",
}
BUSY = {
    "lua": "local total = 0\nfor i = 1, 3000000 do\n  total = total + i % 7\nend\nreturn total",
    "js": "let total = 0;\nfor (let i = 1; i < 300000; i++) {\n  total = total + i % 7;\n}\nreturn total;",
}


def document(folder: Path, name: str, language: str, code: str) -> Path:
    body = "\n".join("          " + line for line in code.split("\n"))
    path = folder / f"{name}.agent.yaml"
    path.write_text(
        f"identity: {{agent_id: {name}, name: {name}}}\nbehavior:\n  steps:\n    - name: work\n      script:\n        {language}: |\n"
        f"{body}\n    - name: last\n      return: '{{{{ steps.work.output }}}}'\n"
    )
    return path


class Adapter:
    """A debug adapter and the only client on it."""

    def __init__(self, argv: list[str], environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=os.environ | environment
        )
        self.inbox: Queue[dict | None] = Queue()
        self.kept: list[dict] = []
        self.seq = 0
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        out = self.process.stdout
        while header := out.readline():
            length = 0
            while header.strip():
                if header.lower().startswith(b"content-length:"):
                    length = int(header.split(b":")[1])
                header = out.readline()
            self.inbox.put(json.loads(out.read(length)))
        self.inbox.put(None)

    def send(self, command: str, arguments: dict) -> int:
        self.seq += 1
        body = json.dumps({"seq": self.seq, "type": "request", "command": command, "arguments": arguments}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()
        return self.seq

    def until(self, wanted) -> dict:
        for at, message in enumerate(self.kept):
            if wanted(message):
                return self.kept.pop(at)
        while True:
            message = self.inbox.get(timeout=60)
            if message is None:
                raise SystemExit("the adapter ended")
            if wanted(message):
                return message
            self.kept.append(message)

    def answer(self, number: int) -> dict:
        found = self.until(lambda message: message.get("request_seq") == number)
        if not found["success"]:
            raise SystemExit(f"refused: {found}")
        return found.get("body") or {}

    def ask(self, command: str, **arguments) -> dict:
        return self.answer(self.send(command, arguments))

    def event(self, name: str) -> dict:
        return self.until(lambda message: message.get("event") == name).get("body") or {}

    def begin(self, program: Path, lines: list[int], **launch) -> None:
        """Launches a program; it stops at the lines."""
        self.ask("initialize", adapterID="bench", pathFormat="path", linesStartAt1=True, columnsStartAt1=True)
        launched = self.send("launch", {"program": str(program)} | launch)
        self.event("initialized")
        self.ask("setBreakpoints", source={"path": str(program)}, breakpoints=[{"line": line} for line in lines])
        self.ask("setExceptionBreakpoints", filters=[])
        self.ask("configurationDone")
        self.answer(launched)

    def step(self, command: str = "next") -> None:
        self.kept.clear()
        self.ask(command, threadId=self.thread)
        self.event("stopped")

    def look(self) -> tuple[int, dict[str, str]]:
        """The line and the variables of the innermost frame."""
        frame = self.ask("stackTrace", threadId=self.thread, startFrame=0, levels=20)["stackFrames"][0]
        scope = self.ask("scopes", frameId=frame["id"])["scopes"][0]
        found = self.ask("variables", variablesReference=scope["variablesReference"])["variables"]
        return frame["line"], {one["name"]: one["value"] for one in found}

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def timed(work) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def spread(values: list[float]) -> str:
    ordered = sorted(values)
    return f"p50 {statistics.median(ordered):8.2f} ms   p99 {ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]:8.2f} ms"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="aikit-bench-") as name:
        folder = Path(name)
        ours = {"AIKIT_HOME": str(folder / "home")}
        program = str(Path(os.environ["AIKIT_BIN"]).absolute())
        python = folder / "loop.py"
        python.write_text(LOOPS["python"])
        # The name of the peer, what is launched, the first line of the loop's body.
        candidates = {
            "aikit, Lua": ([program, "dap"], ours, document(folder, "loop-lua", "lua", LOOPS["lua"]), 9, {}),
            "aikit, JavaScript": ([program, "dap"], ours, document(folder, "loop-js", "js", LOOPS["js"]), 9, {}),
            "debugpy": (
                [sys.executable, "-m", "debugpy.adapter"], {}, python, 3,
                {"console": "internalConsole", "justMyCode": True, "python": [sys.executable]},
            ),
        }  # fmt: skip
        for label, (argv, environment, path, line, launch) in candidates.items():
            starts = []
            for _ in range(STARTS):
                adapter = Adapter(argv, environment)
                began = time.perf_counter()
                adapter.begin(path, [line], **launch)
                adapter.thread = adapter.event("stopped")["threadId"]
                starts.append((time.perf_counter() - began) * 1000)
                adapter.stop()
            adapter = Adapter(argv, environment)
            adapter.begin(path, [line], **launch)
            adapter.thread = adapter.event("stopped")["threadId"]
            where, variables = adapter.look()
            assert (where, variables["total"], variables["i"]) == (line, "0", "1"), (label, where, variables)
            adapter.ask("setBreakpoints", source={"path": str(path)}, breakpoints=[])
            steps = [timed(adapter.step) for _ in range(STEPS)]

            def whole() -> None:
                adapter.step()
                adapter.look()

            looks = [timed(whole) for _ in range(STEPS)]
            print(f"{label}")
            print(f"  launch to first stop          {spread(starts)}")
            print(f"  next                          {spread(steps)}")
            print(f"  next, stack, scopes, values   {spread(looks)}")
            if "aikit" in label:
                backs = [timed(lambda: adapter.step("stepBack")) for _ in range(STEPS)]
                print(f"  step back                     {spread(backs)}")
            adapter.stop()
        for language, code in BUSY.items():
            path = document(folder, f"busy-{language}", language, code)

            def run(debugged: bool) -> float:
                adapter = Adapter([program, "dap"], ours)
                began = time.perf_counter()
                adapter.begin(path, [], noDebug=not debugged)
                adapter.event("terminated")
                took = (time.perf_counter() - began) * 1000
                adapter.stop()
                return took

            with_it, without = [], []
            for _ in range(RUNS):
                with_it.append(run(True))
                without.append(run(False))
            a, b = statistics.median(with_it), statistics.median(without)
            print(f"{language}: a loop with a debugger attached and no breakpoint {a:.1f} ms, without {b:.1f} ms ({a / b:.2f}x)")


if __name__ == "__main__":
    main()
