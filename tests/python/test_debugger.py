"""Cells under the debugger, by the requests that JupyterLab sends."""

import time

import pytest
from ipykernel.compiler import murmur2_x86

CELLS = {
    "lua": """local function twice(n)
  local result = n * 2
  return result
end
local sum = 0
for i = 1, 2 do
  sum = sum + twice(i)
end
sum""",
    "js": """function twice(n) {
  let result = n * 2;
  return result;
}
let sum = 0;
for (const i of [1, 2]) {
  sum += twice(i);
}
sum""",
}

AGENT = """%%agent
identity: {agent_id: looked-at, name: Looked at}
behavior:
  steps:
    - name: one
      set: {a: 1}
    - name: two
      script:
        lua: |
          local b = ctx.state.a + 1
          return b
    - name: last
      return: '{{ steps.two.output }}'
"""


class Debugger:
    """The debugger of JupyterLab."""

    def __init__(self, client):
        self.client = client
        self.seq = 0

    def send(self, command, **arguments):
        content = {"type": "request", "seq": self.seq, "command": command}
        self.seq += 1
        if arguments:
            content["arguments"] = arguments
        return self.client.send("control", "debug_request", content)

    def reply(self, msg_id):
        return self.client.reply(msg_id, "control")["content"]

    def ask(self, command, **arguments):
        answer = self.reply(self.send(command, **arguments))
        assert answer["type"] == "response" and answer["command"] == command
        assert answer["success"], answer
        return answer["body"]

    def refused(self, command, **arguments):
        answer = self.reply(self.send(command, **arguments))
        assert not answer["success"]
        return answer["message"]

    def event(self, name):
        fits = lambda message: message["msg_type"] == "debug_event" and message["content"]["event"] == name  # noqa: E731
        return self.client.wait("iopub", fits)["content"]["body"]

    def start(self):
        # The first message has no arguments.
        self.info = self.ask("debugInfo")
        self.ask("initialize", clientID="jupyterlab", adapterID="", linesStartAt1=True, columnsStartAt1=True)
        self.event("initialized")
        self.ask("attach")
        return self

    def dump(self, code):
        path = self.ask("dumpCell", code=code)["sourcePath"]
        info = self.info
        assert path == f"{info['tmpFilePrefix']}{murmur2_x86(code, info['hashSeed'])}{info['tmpFileSuffix']}"
        return path

    def breakpoints(self, path, *lines):
        asked = [{"line": line} if isinstance(line, int) else line for line in lines]
        body = self.ask("setBreakpoints", source={"path": path}, breakpoints=asked, sourceModified=False)
        return [(one["verified"], one.get("line")) for one in body["breakpoints"]]

    def frames(self):
        return self.ask("stackTrace", threadId=1)["stackFrames"]

    def variables(self, frame, scope=0):
        found = self.ask("scopes", frameId=frame["id"])["scopes"][scope]
        listed = self.ask("variables", variablesReference=found["variablesReference"])["variables"]
        return {one["name"]: one["value"] for one in listed}


@pytest.fixture
def debugger(connect):
    started = []

    def start(language):
        started.append(Debugger(connect(language)).start())
        return started[-1]

    yield start
    for one in started:
        one.ask("disconnect", restart=False, terminateDebuggee=False)


@pytest.mark.parametrize("language", ["lua", "js"])
def test_a_cell_stops_shows_its_variables_and_goes_on(debugger, language):
    lab, code = debugger(language), CELLS[language]
    client, path = lab.client, lab.dump(CELLS[language])
    assert lab.breakpoints(path, 3) == [(True, 3)]
    lab.ask("setExceptionBreakpoints", filters=["uncaught"])
    lab.ask("configurationDone")
    msg_id = client.begin(code)
    for n in [1, 2]:
        stop = lab.event("stopped")
        assert stop["reason"] == "breakpoint" and stop["threadId"] == 1
        frames = lab.frames()
        assert [(frame["name"], frame["line"], frame["source"]["path"]) for frame in frames[:2]] == [
            ("twice", 3, path), ("main", 7, path),
        ]  # fmt: skip
        assert frames[2]["source"]["path"] == path
        assert lab.variables(frames[0])["result"] == str(2 * n)
        assert lab.variables(frames[1])["i"] == str(n)
        assert lab.ask("evaluate", expression="n + 40", frameId=frames[0]["id"], context="repl")["result"] == str(40 + n)
        assert lab.ask("debugInfo")["stoppedThreads"] == [1]
        lab.ask("continue", threadId=1)
    assert client.end(msg_id).result == "6"
    assert lab.ask("debugInfo")["stoppedThreads"] == []
    # Without breakpoints it does not stop.
    lab.breakpoints(path)
    assert client.ok(code).result == "6"


@pytest.mark.parametrize("language", ["lua", "js"])
def test_steps_and_the_way_back(debugger, language):
    lab, code = debugger(language), CELLS[language]
    path = lab.dump(code)
    lab.breakpoints(path, {"line": 7, "condition": "i == 2"})
    msg_id = lab.client.begin(code)
    assert lab.event("stopped")["reason"] == "breakpoint"
    seen = []
    for command in ["stepIn", "next", "stepOut"]:
        lab.ask(command, threadId=1)
        lab.event("stopped")
        seen.append((lab.frames()[0]["name"], lab.frames()[0]["line"]))
    assert seen[:2] == [("twice", 2), ("twice", 3)] and seen[2][0] == "main"
    frame = lab.frames()[0]["id"]
    lab.ask("evaluate", expression=":back in", frameId=frame)
    lab.event("stopped")
    assert (lab.frames()[0]["name"], lab.frames()[0]["line"]) == ("twice", 3)
    lab.ask("evaluate", expression=":on")
    lab.event("stopped")
    lab.ask("continue", threadId=1)
    assert lab.client.end(msg_id).result == "6"


def test_a_breakpoint_in_another_cell_stops_the_one_that_calls_it(debugger):
    lab = debugger("lua")
    code = "function thrice(n)\n  local result = n * 3\n  return result\nend"
    path = lab.dump(code)
    lab.client.ok(code)
    assert lab.breakpoints(path, 3) == [(True, 3)]
    msg_id = lab.client.begin("\n\nthrice(5)")
    assert lab.event("stopped")["reason"] == "breakpoint"
    frames = lab.frames()
    assert (frames[0]["source"]["path"], frames[0]["line"]) == (path, 3)
    assert frames[1]["source"]["path"] != path and frames[1]["line"] == 3
    lab.ask("continue", threadId=1)
    assert lab.client.end(msg_id).result == "15"


def test_the_steps_of_an_agent_stop_in_the_cell_of_its_document(debugger):
    lab = debugger("yaml")
    path = lab.dump(AGENT)
    lab.client.ok(AGENT)
    assert lab.breakpoints(path, 5, 11) == [(True, 5), (True, 11)]
    msg_id = lab.client.begin("%run looked-at")
    assert lab.event("stopped")["reason"] == "breakpoint"
    frame = lab.frames()[0]
    assert (frame["name"], frame["line"], frame["source"]["path"]) == ("one (set)", 5, path)
    lab.ask("next", threadId=1)
    lab.event("stopped")
    frame = lab.frames()[0]
    assert (frame["name"], frame["line"]) == ("two (script)", 7)
    assert lab.ask("evaluate", expression="state.a + 1", frameId=frame["id"])["result"] == "2"
    lab.ask("continue", threadId=1)
    lab.event("stopped")
    frame = lab.frames()[0]
    assert (frame["name"], frame["line"], frame["source"]["path"]) == ("main", 11, path)
    assert lab.variables(frame)["b"] == "2"
    lab.ask("continue", threadId=1)
    assert lab.client.end(msg_id).status == "ok"


@pytest.mark.parametrize("language", ["lua", "js"])
def test_a_kernel_whose_cell_stands_still_answers(debugger, language):
    lab, code = debugger(language), CELLS[language]
    client = lab.client
    lab.breakpoints(lab.dump(code), 3)
    msg_id = client.begin(code)
    lab.event("stopped")
    began = time.monotonic()
    assert client.kernel_info("control", 2)["debugger"] is True
    assert client.kernel_info("shell", 2)["supported_features"] == ["debugger"]
    assert client.ask("is_complete_request", timeout=2, code="x = (")["status"] in ("incomplete", "unknown")
    later = client.begin("1")
    # An answer behind it says that it has arrived.
    assert client.ask("complete_request", timeout=2, code="ctx.", cursor_pos=4)["status"] == "ok"
    client.interrupt()
    assert client.end(later).status == "error"
    assert client.end(msg_id).content["ename"] == "KeyboardInterrupt"
    assert lab.ask("debugInfo")["stoppedThreads"] == []
    lab.ask("setBreakpoints", source={"path": lab.dump(code)}, breakpoints=[])
    assert client.ok(code).result == "6"


def test_shared_values_are_shown_in_full(debugger):
    lab = debugger("js")
    code = "vars.list = [1, 2, 3];\nlet here = { deep: [true] };\nhere"
    lab.client.ok("vars.list = [1]")
    variables = lab.ask("inspectVariables")["variables"]
    assert ("list", "[1]") in [(one["name"], one["value"]) for one in variables]
    rich = lab.ask("richInspectVariables", variableName="list")["data"]
    assert rich["application/json"] == [1] and "1" in rich["text/plain"]
    lab.breakpoints(lab.dump(code), 3)
    msg_id = lab.client.begin(code)
    lab.event("stopped")
    frame = lab.frames()[0]["id"]
    assert lab.ask("richInspectVariables", variableName="here", frameId=frame)["data"]["application/json"] == {"deep": [True]}
    lab.ask("copyToGlobals", srcVariableName="here", dstVariableName="kept", srcFrameId=frame)
    assert "cannot be the name" in lab.refused("copyToGlobals", srcVariableName="here", dstVariableName="a b", srcFrameId=frame)
    lab.ask("continue", threadId=1)
    lab.client.end(msg_id)
    assert lab.client.ok("vars.kept.deep[0]").result == "true"


def test_a_client_that_was_reloaded_finds_its_breakpoints(debugger):
    lab, code = debugger("lua"), CELLS["lua"]
    path = lab.dump(code)
    lab.breakpoints(path, 2, 3)
    info = lab.ask("debugInfo")
    assert info["isStarted"] and info["breakpoints"] == [{"source": path, "breakpoints": [{"line": 2}, {"line": 3}]}]
    assert lab.ask("source", source={"path": path})["content"] == code
    assert lab.ask("modules") == {"modules": [], "totalModules": 0}
    assert "no cell" in lab.refused("source", source={"path": "/else/where"})
    assert "supported" in lab.refused("nonsense")
    lab.breakpoints(path)


def test_disconnecting_lets_a_cell_go_on(debugger):
    lab, code = debugger("js"), CELLS["js"]
    lab.breakpoints(lab.dump(code), 3)
    msg_id = lab.client.begin(code)
    lab.event("stopped")
    lab.ask("disconnect")
    assert lab.client.end(msg_id).result == "6"
    assert lab.ask("debugInfo")["isStarted"] is False
    assert "not started" in lab.refused("setBreakpoints", source={"path": lab.dump(code)}, breakpoints=[])


def test_the_kernelspec_lights_the_debugger_up():
    from jupyter_client.kernelspec import KernelSpecManager

    for name in ["aikit", "aikit-lua", "aikit-js"]:
        assert KernelSpecManager().get_kernel_spec(name).metadata["debugger"] is True
