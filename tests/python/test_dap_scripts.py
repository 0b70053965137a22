"""The scripts of a document under the debug adapter: both languages by the same requests."""

from queue import Empty

import pytest

from test_dap import Adapter

AGENT = """identity: {agent_id: mixed, name: Mixed}
behavior:
  steps:
    - name: js
      script:
        js: |
          const rows = [1, 2, 3];
          function twice(n) {
            let result = n * 2;
            return result;
          }
          let total = 0;
          for (const row of rows) {
            total += twice(row);
          }
          return total;
    - name: lua
      script:
        lua: |
          local rows = {1, 2, 3}
          local function twice(n)
            local result = n * 2
            return result
          end
          local total = 0
          for _, row in ipairs(rows) do
            total = total + twice(row)
          end
          return total
    - name: last
      return: '{{ steps.js.output }} {{ steps.lua.output }}'
"""

# The lines of `return result`, of the call, and of the last line of each script.
LINES = {"js": (10, 14, 16), "lua": (23, 27, 29)}


class Client(Adapter):
    """Asks and waits, as an editor does."""

    def __init__(self):
        super().__init__()
        self.events = []

    def wait(self, wanted):
        while True:
            message = self.heard.get(timeout=20)
            assert message is not None, self.process.stderr.read().decode()
            if message["type"] == "response":
                self.answers[message["request_seq"]] = message
            else:
                self.events.append(message)
            if wanted(message):
                return message

    def ask(self, command, **arguments):
        number = self.send(command, arguments)
        answer = self.wait(lambda message: message.get("request_seq") == number)
        assert answer["success"], answer
        return answer.get("body")

    def refused(self, command, **arguments):
        number = self.send(command, arguments)
        answer = self.wait(lambda message: message.get("request_seq") == number)
        assert not answer["success"], answer
        return answer["message"]

    def stopped(self):
        return self.wait(lambda message: message.get("event") == "stopped")["body"]

    def ended(self):
        self.wait(lambda message: message.get("event") == "terminated")

    def stack(self):
        return self.ask("stackTrace", threadId=1)["stackFrames"]

    def where(self):
        frame = self.stack()[0]
        return frame["name"], frame["line"]

    def scope(self, frame, name):
        for scope in self.ask("scopes", frameId=frame["id"])["scopes"]:
            if scope["name"] == name:
                found = self.ask("variables", variablesReference=scope["variablesReference"])["variables"]
                return scope["variablesReference"], {variable["name"]: variable["value"] for variable in found}
        raise AssertionError(f"there is no scope {name}")

    def launch(self, path, breakpoints=(), filters=("uncaught",), **arguments):
        self.ask("initialize", adapterID="aikit")
        self.ask("launch", program=str(path), **arguments)
        body = self.ask("setBreakpoints", source={"path": str(path)}, breakpoints=list(breakpoints))
        self.ask("setExceptionBreakpoints", filters=list(filters))
        self.ask("configurationDone")
        return body["breakpoints"]


@pytest.fixture
def client(tmp_path):
    adapter = Client()
    yield adapter
    adapter.process.kill()
    adapter.process.wait()


@pytest.fixture
def document(tmp_path):
    def write(text=AGENT):
        path = tmp_path / "mixed.agent.yaml"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("language", ["js", "lua"])
def test_a_breakpoint_in_a_script(client, document, language):
    inner, call, _ = LINES[language]
    path = str(document())
    placed = client.launch(path, [{"line": inner}])
    assert [(one["verified"], one["line"]) for one in placed] == [(True, inner)]
    assert client.stopped()["reason"] == "breakpoint"
    frames = client.stack()
    shown = [(frame["name"], frame["line"]) for frame in frames]
    assert shown[:2] == [("twice", inner), ("main", call)]
    assert shown[2][0] == f"{language} (script)"
    reference, names = client.scope(frames[0], "Locals")
    assert (names["n"], names["result"]) == ("1", "2")
    _, outer = client.scope(frames[1], "Locals")
    assert (outer["row"], outer["total"], outer["rows"]) == ("1", "0", "[1, 2, 3]")
    assert client.ask("evaluate", frameId=frames[1]["id"], expression="row + total + 40")["result"] == "41"
    assert client.ask("setVariable", variablesReference=reference, name="result", value="100")["value"] == "100"
    client.ask("setBreakpoints", source={"path": path}, breakpoints=[])
    client.ask("continue", threadId=1)
    client.ended()
    said = "".join(event["body"]["output"] for event in client.events if event.get("event") == "output")
    assert "110" in said and "12" in said


@pytest.mark.parametrize("language", ["js", "lua"])
def test_steps_lead_into_a_script_through_it_and_out(client, document, language):
    inner, call, last = LINES[language]
    path = str(document())
    client.launch(path, [{"line": call, "hitCondition": "== 2"}, {"line": call, "logMessage": "row {row}"}])
    assert client.stopped()["reason"] == "breakpoint"
    assert client.where() == ("main", call)
    client.ask("stepIn", threadId=1)
    assert client.stopped()["reason"] == "step"
    assert client.where() == ("twice", inner - 1)
    client.ask("next", threadId=1)
    client.stopped()
    assert client.where() == ("twice", inner)
    client.ask("stepOut", threadId=1)
    client.stopped()
    name, line = client.where()
    assert name == "main" and line in (call - 1, call)
    client.ask("stepBack", threadId=1, granularity="instruction")
    client.stopped()
    assert client.where() == ("twice", inner)
    client.ask("continue", threadId=1)
    client.stopped()
    client.ask("setBreakpoints", source={"path": path}, breakpoints=[{"line": last}])
    client.ask("continue", threadId=1)
    assert client.stopped()["reason"] == "breakpoint"
    assert client.where() == ("main", last)
    assert client.scope(client.stack()[0], "Locals")[1]["total"] == "12"
    client.ask("continue", threadId=1)
    client.ended()
    logged = [event["body"]["output"] for event in client.events if event.get("event") == "output"]
    assert [text for text in logged if text.startswith("row ")] == ["row 1\n", "row 2\n"]


def test_a_step_leads_from_the_document_into_javascript(client, document):
    client.launch(document(), stopOnEntry=True)
    assert client.stopped()["reason"] == "entry"
    assert client.where() == ("js (script)", 4)
    client.ask("stepIn", threadId=1)
    client.stopped()
    assert client.where() == ("main", 7)
    client.ask("stepOut", threadId=1)
    client.stopped()
    assert client.where() == ("lua (script)", 17)
    client.ask("continue", threadId=1)
    client.ended()


def test_a_pause_and_an_end_reach_javascript_that_no_probe_watches(client, document):
    endless = AGENT.replace("total += twice(row);", "while (true) { total++; }")
    client.launch(document(endless))
    with pytest.raises(Empty):
        client.heard.get(timeout=1)
    client.ask("pause", threadId=1)
    assert client.stopped()["reason"] == "pause"
    assert client.where() == ("main", 14)
    client.ask("terminate")
    client.ended()


def test_errors_stop_where_they_are_thrown(client, document):
    throwing = AGENT.replace("return result;", "try { throw new RangeError('much') } catch { return null.x }", 1)
    client.launch(document(throwing), filters=["raised", "uncaught"])
    for text in ["RangeError: much", "TypeError"]:
        stop = client.stopped()
        assert stop["reason"] == "exception" and text in stop["text"]
        client.ask("continue", threadId=1)
    client.ended()
