"""Random conversations with the debug adapter: whatever is asked and in whatever order, it answers once and lives on."""

import json
import random
import subprocess
import threading
from queue import Empty, Queue

import pytest

from home import program

AGENT = """identity: {agent_id: stepped, name: Stepped}
interface:
  inputs: {type: object, properties: {n: {type: integer, default: 3}}}
behavior:
  steps:
    - name: one
      script:
        lua: |
          local sum = 0
          for i = 1, 3 do
            sum = sum + i
          end
          return sum
    - name: both
      parallel:
        branches:
          left: [{name: l, set: {a: '{{ steps.one.output }}'}}]
          right: [{name: r, set: {b: 2}}]
    - name: failing
      when: inputs.n > 5
      assert: {that: 'false', message: too large}
    - name: last
      return: '{{ steps.one.output }}'
"""

REQUESTS = [
    "initialize", "launch", "attach", "configurationDone", "setBreakpoints", "setFunctionBreakpoints",
    "setExceptionBreakpoints", "breakpointLocations", "threads", "stackTrace", "scopes", "variables", "setVariable",
    "evaluate", "completions", "exceptionInfo", "continue", "next", "stepIn", "stepOut", "stepBack", "reverseContinue",
    "pause", "setExpression", "restartFrame", "goto", "loadedSources", "source", "restart", "terminate", "cancel", "gotoTargets", "nonsense", "",
]  # fmt: skip


class Adapter:
    def __init__(self):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen([str(program()), "dap"], **pipes)
        self.heard = Queue()
        self.answers = {}
        self.seq = 0
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        out = self.process.stdout
        while header := out.readline():
            length = int(header.split(b":")[1])
            while out.readline().strip():
                pass
            self.heard.put(json.loads(out.read(length)))
        self.heard.put(None)

    def send(self, command, arguments):
        self.seq += 1
        message = {"seq": self.seq, "type": "request", "command": command, "arguments": arguments}
        body = json.dumps(message).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()
        return self.seq

    def listen(self, seconds):
        """Takes what comes within a time; every answer must be to a request that was not answered."""
        try:
            while True:
                message = self.heard.get(timeout=seconds)
                assert message is not None, self.process.stderr.read().decode()
                if message["type"] == "response":
                    asked = message["request_seq"]
                    assert asked not in self.answers, f"{message['command']} is answered twice"
                    self.answers[asked] = message
        except Empty:
            pass


def value(chance: random.Random):
    return chance.choice([
        None, True, 0, 1, 2, 7, 99, -1, 2**63, 1.5, "", "one", "sum", "steps.one.output", "i + 1", "🦀", "x" * 2000, [], [1], {}, {"line": 9},
    ])  # fmt: skip


def arguments(chance: random.Random, command: str, path: str):
    """Arguments that make sense, with some that do not."""
    known = {
        "launch": {"program": path, "stopOnEntry": chance.random() < 0.7, "inputs": {"n": chance.choice([1, 9])}},
        "setBreakpoints": {"source": {"path": path}, "breakpoints": [{"line": chance.randrange(30)} for _ in range(3)]},
        "setFunctionBreakpoints": {"breakpoints": [{"name": chance.choice(["one", "both", "nobody"])}]},
        "setExceptionBreakpoints": {"filters": chance.choice([[], ["all"], ["uncaught"], ["x"]])},
        "breakpointLocations": {"source": {"path": path}, "line": 1, "endLine": 40},
        "stackTrace": {"threadId": chance.randrange(4)},
        "scopes": {"frameId": chance.randrange(6)},
        "variables": {"variablesReference": chance.randrange(12), "start": 0, "count": chance.choice([0, 1, 1000])},
        "setVariable": {"variablesReference": chance.randrange(8), "name": "sum", "value": "1"},
        "evaluate": {"expression": chance.choice(["sum", "1 +", "steps", "error()"]), "frameId": chance.randrange(6)},
        "completions": {"text": "steps.o", "column": chance.randrange(12), "frameId": 1},
        "exceptionInfo": {"threadId": 1},
        "setExpression": {"expression": "sum", "value": "7", "frameId": chance.randrange(6)},
        "gotoTargets": {"source": {"path": path}, "line": chance.randrange(20)},
        "goto": {"threadId": 1, "targetId": chance.randrange(20)},
        "restartFrame": {"frameId": chance.randrange(6)},
    }.get(command, {"threadId": chance.randrange(4)})
    for name in list(known):
        if chance.random() < 0.1:
            known[name] = value(chance)
    return value(chance) if chance.random() < 0.05 else known


@pytest.mark.parametrize("seed", range(24))
def test_every_request_is_answered_once(tmp_path, seed):
    chance = random.Random(seed)
    path = tmp_path / "stepped.agent.yaml"
    path.write_text(AGENT)
    adapter = Adapter()
    try:
        if chance.random() < 0.8:
            adapter.send("initialize", {"adapterID": "aikit"})
            adapter.send("launch", {"program": str(path), "stopOnEntry": True})
            adapter.send("configurationDone", {})
        for _ in range(60):
            command = chance.choice(REQUESTS)
            adapter.send(command, arguments(chance, command, str(path)))
            if chance.random() < 0.3:
                adapter.listen(0.02)
        for _ in range(100):
            if len(adapter.answers) == adapter.seq:
                break
            adapter.listen(0.2)
        missing = set(range(1, adapter.seq + 1)) - set(adapter.answers)
        assert not missing, f"no answer to {missing}"
        last = adapter.send("disconnect", {"terminateDebuggee": True})
        while last not in adapter.answers:
            message = adapter.heard.get(timeout=20)
            assert message is not None
            if message["type"] == "response":
                adapter.answers[message["request_seq"]] = message
        assert adapter.answers[last]["success"]
        assert adapter.process.wait(timeout=10) == 0
        assert b"panicked" not in adapter.process.stderr.read()
    finally:
        adapter.process.kill()
        adapter.process.wait()
