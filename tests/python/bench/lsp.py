"""Measures the language server beside yaml-language-server, in one run, on the same machine.

    AIKIT_BIN=target/release/aikit YAML_LANGUAGE_SERVER=…/bin/yaml-language-server python tests/python/bench/lsp.py

Both get the same documents and the same edits over standard input and output; yaml-language-server checks against the
schema of agents. Before anything is timed their answers are compared: the same mistake must be told on the same line, and
the same key offered. Times are what the client sees.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from queue import Empty, Queue

ROOT = Path(__file__).resolve().parents[3]
SIZES = {"3 KB": 3_000, "30 KB": 30_000, "100 KB": 100_000, "1 MB": 1_000_000}
EDITS = {"3 KB": 60, "30 KB": 60, "100 KB": 100, "1 MB": 20}
STARTS = 7


class Server:
    """A language server and the only client on it."""

    def __init__(self, name: str, argv: list[str]) -> None:
        self.name = name
        began = time.perf_counter()
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.inbox: Queue[dict] = Queue()
        self.next = 0
        threading.Thread(target=self._read, daemon=True).start()
        self.ask("initialize", {"processId": os.getpid(), "rootUri": None, "capabilities": {"textDocument": {"publishDiagnostics": {"versionSupport": True}}}})
        self.started = time.perf_counter() - began
        self.tell("initialized", {})
        schemas = {(ROOT / "schemas" / "agent.schema.json").as_uri(): "*.agent.yaml"}
        self.settings = {"yaml": {"schemas": schemas, "validate": True, "completion": True, "maxItemsComputed": 5000}}
        self.tell("workspace/didChangeConfiguration", {"settings": self.settings})

    def _read(self) -> None:
        out = self.process.stdout
        while header := out.readline():
            length = 0
            while header.strip():
                if header.lower().startswith(b"content-length:"):
                    length = int(header.split(b":")[1])
                header = out.readline()
            body = out.read(length)
            if len(body) < length or not body:
                return
            message = json.loads(body)
            if "id" in message and "method" in message:
                # What the server asks is answered beside the measurement.
                sections = message.get("params", {}).get("items", [])
                answer = [self.settings.get(item.get("section", "")) for item in sections] if message["method"] == "workspace/configuration" else None
                self._write({"jsonrpc": "2.0", "id": message["id"], "result": answer})
            else:
                self.inbox.put(message)

    def _write(self, message: dict) -> None:
        body = json.dumps(message).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def tell(self, method: str, params: object) -> None:
        self._write({"jsonrpc": "2.0", "method": method, "params": params})

    def until(self, wanted, seconds: float = 60) -> dict:
        while True:
            try:
                message = self.inbox.get(timeout=seconds)
            except Empty:
                raise TimeoutError(self.name) from None
            if wanted(message):
                return message

    def ask(self, method: str, params: object) -> object:
        self.next += 1
        asked = self.next
        self._write({"jsonrpc": "2.0", "id": asked, "method": method, "params": params})
        return self.until(lambda message: message.get("id") == asked).get("result")

    def open(self, text: str) -> None:
        self.version, self.uri = 1, f"file:///bench-{len(text)}.agent.yaml"
        document = {"uri": self.uri, "languageId": "yaml", "version": 1, "text": text}
        self.tell("textDocument/didOpen", {"textDocument": document})
        self.diagnostics()

    def change(self, line: int, start: int, end: int, text: str) -> None:
        self.version += 1
        place = {"start": {"line": line, "character": start}, "end": {"line": line, "character": end}}
        changes = [{"range": place, "text": text}]
        self.tell("textDocument/didChange", {"textDocument": {"uri": self.uri, "version": self.version}, "contentChanges": changes})

    def diagnostics(self, wanted=lambda found: True) -> list[dict]:
        """The next findings for which `wanted` holds."""
        def is_it(message: dict) -> bool:
            params = message.get("params") or {}
            return message.get("method") == "textDocument/publishDiagnostics" and params["uri"] == self.uri and wanted(params["diagnostics"])

        return self.until(is_it)["params"]["diagnostics"]

    def complete(self, line: int, character: int) -> list[str]:
        place = {"textDocument": {"uri": self.uri}, "position": {"line": line, "character": character}}
        found = self.ask("textDocument/completion", place) or []
        return [item["label"] for item in (found["items"] if isinstance(found, dict) else found)]

    def close(self) -> None:
        self.tell("textDocument/didClose", {"textDocument": {"uri": self.uri}})

    def memory(self) -> float:
        """The resident memory in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1000

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def document(size: int) -> str:
    head = (
        "identity:\n  agent_id: bench\n  name: Bench\ninterface:\n  inputs:\n    type: object\n"
        "    properties: {text: {type: string}}\nbehavior:\n  steps:\n"
    )
    steps = []
    length = len(head)
    while length < size:
        number = len(steps)
        steps.append(
            f"    - name: step_{number}\n      description: The step of number {number} # a remark\n"
            f"      llm:\n        prompt: Summarise {{{{ inputs.text }}}} in one line of {number} words\n        max_iterations: 3\n"
            f"      when: inputs.text != 'no {number}'\n      timeout: 30s\n"
        )
        length += len(steps[-1])
    return head + "".join(steps)


def percentile(times: list[float], part: float) -> float:
    return sorted(times)[min(len(times) - 1, int(len(times) * part))] * 1000


def answer(server: Server, text: str, line: int) -> tuple[set[int], bool]:
    """The lines of the findings when a key is misspelled, and whether a key that can stand above it is offered."""
    server.open(text)
    server.change(line, 6, 13, "timeoutt")
    told = {found["range"]["start"]["line"] for found in server.diagnostics(bool)}
    server.change(line, 6, 14, "timeout")
    server.diagnostics(lambda found: not found)
    # An empty line above the key, in its column.
    server.change(line, 6, 6, "\n      ")
    return told, "retry" in server.complete(line, 6)


def main() -> None:
    aikit = os.environ["AIKIT_BIN"]
    peer = os.environ["YAML_LANGUAGE_SERVER"]
    subjects = {"aikit": [aikit, "lsp"], "yaml-language-server": ["node", peer, "--stdio"]}

    starts: dict[str, list[float]] = {name: [] for name in subjects}
    for _ in range(STARTS):
        for name, argv in subjects.items():
            server = Server(name, argv)
            starts[name].append(server.started)
            server.end()
    servers = {name: Server(name, argv) for name, argv in subjects.items()}
    time.sleep(1)
    idle = {name: server.memory() for name, server in servers.items()}

    def row(what: str, values: dict[str, float], unit: str) -> None:
        ours, theirs = values["aikit"], values.get("yaml-language-server")
        peer = f"{theirs:>10.2f} {unit:<3}{theirs / ours:>8.1f}x" if theirs else f"{'no answer':>10}"
        print(f"{what:<44}{ours:>10.2f} {unit:<3}{peer}", flush=True)

    print(f"{'':<44}{'aikit':>10}    {'yaml-language-server':>14}")
    row("start, initialize answered, p50", {name: statistics.median(times) * 1000 for name, times in starts.items()}, "ms")
    row("memory, nothing open", idle, "MB")
    for label, size in SIZES.items():
        text = document(size)
        lines = text.splitlines()
        # A key in the middle of the document is broken and mended by turns.
        line = next(at for at in range(len(lines) // 2, len(lines)) if "timeout:" in lines[at])
        edits: dict[str, list[float]] = {name: [] for name in subjects}
        completions: dict[str, list[float]] = {name: [] for name in subjects}
        answers = {}
        for name, server in list(servers.items()):
            try:
                answers[name] = answer(server, text, line)
            except TimeoutError:
                print(f"{label}: {name} has not answered for a minute; it is left out from here on")
                servers.pop(name).end()
        if len(set(map(str, answers.values()))) > 1:
            raise SystemExit(f"{label}: the answers differ: {answers}")
        for at in range(EDITS[label]):
            for name, server in servers.items():
                broken = at % 2 == 0
                began = time.perf_counter()
                server.change(line + 1, 13, 13 if broken else 14, "t" if broken else "")
                server.diagnostics(bool if broken else lambda found: not found)
                edits[name].append(time.perf_counter() - began)
                began = time.perf_counter()
                server.complete(line + 1, 8)
                completions[name].append(time.perf_counter() - began)
        for server in servers.values():
            server.close()
        for what, times in {"edit to findings": edits, "completion": completions}.items():
            for part, word in ((0.5, "p50"), (0.99, "p99")):
                row(f"{label}, {what}, {word}", {name: percentile(times[name], part) for name in servers}, "ms")
    row("memory at the end", {name: server.memory() for name, server in servers.items()}, "MB")
    for server in servers.values():
        server.end()
    print("\nyaml-language-server pauses 200 ms before it checks; that is in its time from edit to findings.")


if __name__ == "__main__":
    main()
