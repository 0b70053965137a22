"""Models and stores that fail: a clear error, nothing lost, the kernel alive."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from home import aikit


def chunk(text: str, **more) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None} | more
    return b"data: " + json.dumps({"id": "x", "object": "chat.completion.chunk", "choices": [choice]}).encode() + b"\n\n"


class Provider(BaseHTTPRequestHandler):
    """A model provider in the wire format of OpenAI whose models fail, each in its own way."""

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        getattr(self, request["model"].replace("-", "_"))()

    def answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def stream(self, *parts: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for part in parts:
            self.wfile.write(part)
            self.wfile.flush()

    def good(self) -> None:
        self.stream(chunk("All "), chunk("well"), chunk("", finish_reason="stop"), b"data: [DONE]\n\n")

    def refuses(self) -> None:
        self.answer(401, b'{"error": {"message": "the key is not known here", "type": "invalid_request_error"}}')

    def unknown(self) -> None:
        self.answer(404, b'{"error": {"message": "no such model"}}')

    def not_json(self) -> None:
        self.answer(200, b"<html>a proxy's greeting</html>", "text/html")

    def breaks(self) -> None:
        self.stream(chunk("So far "))
        self.connection.close()

    def garbles(self) -> None:
        self.stream(chunk("So far "), b"data: {not json\n\n")

    def reports(self) -> None:
        self.stream(chunk("So far "), b'data: {"error": {"message": "overloaded in the middle"}}\n\n')

    def silent(self) -> None:
        time.sleep(8)

    def stalls(self) -> None:
        self.stream(chunk("So far "))
        time.sleep(8)

    def no_object(self) -> None:
        self.stream(chunk('{"size": '), chunk('"large"}'), chunk("", finish_reason="stop"), b"data: [DONE]\n\n")


@pytest.fixture(scope="module")
def provider():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()


def agent(url: str, model: str, output: str = "") -> str:
    """An agent that asks one model once."""
    return f"""\
identity: {{agent_id: on-{model}, name: On {model}}}
intelligence:
  models:
    default: {{provider: openai-compatible, model: {model}, base_url: "{url}", timeout: 2s}}
behavior:
  steps:
    - name: ask
      llm: {{prompt: Hello{output}}}
"""


def test_a_model_that_answers(connect, provider):
    client = connect("yaml")
    client.ok(agent(provider, "good"))
    assert "All well" in client.ok("%run on-good").shown


@pytest.mark.parametrize(
    ("model", "texts"),
    [
        ("refuses", ["the key is not known here"]),
        ("unknown", ["no such model"]),
        ("not-json", []),
        ("breaks", []),
        ("garbles", []),
        ("reports", ["overloaded in the middle"]),
        ("silent", ["2s"]),
        ("stalls", ["2s"]),
    ],
)
def test_a_model_that_fails(connect, provider, model, texts):
    client = connect("yaml")
    client.ok(agent(provider, model))
    began = time.monotonic()
    client.fails(f"%run on-{model}", "ask", *texts, timeout=30)
    assert time.monotonic() - began < 20
    assert "failed" in client.ok(f"%runs on-{model}").shown
    # The same from a script, where it can be caught.
    assert client.ok("%%lua\n1 + 1").result == "2"


def test_a_model_that_nobody_runs(connect):
    client = connect("yaml")
    client.ok(agent("http://127.0.0.1:9/v1", "nowhere"))
    client.fails("%run on-nowhere", "127.0.0.1:9", timeout=30)


def test_an_answer_in_the_wrong_form(connect, provider):
    client = connect("yaml")
    schema = "{type: object, properties: {size: {type: integer}}, required: [size]}"
    client.ok(agent(provider, "no-object", f", output: {{schema: {schema}}}"))
    client.fails("%run on-no-object", "large", "integer", timeout=30)


def test_a_waiting_model_is_interrupted(connect, provider):
    client = connect("yaml")
    client.ok(agent(provider, "stalls").replace("timeout: 2s", "timeout: 60s"))
    for code in ("%run on-stalls",):
        msg_id = client.begin(code)
        client.running(msg_id)
        time.sleep(0.5)
        began = time.monotonic()
        client.interrupt()
        assert client.end(msg_id).content["ename"] == "KeyboardInterrupt"
        assert time.monotonic() - began < 1


# The store ------------------------------------------------------------------------------------------------------


def test_a_locked_database(connect):
    client = connect("lua")
    client.ok('ctx.storage.set("kept", 1)')
    database = sqlite3.connect(Path(os.environ["AIKIT_HOME"]) / "aikit.db", isolation_level=None)
    database.execute("begin exclusive")
    try:
        # Cells that need no store go on.
        assert client.ok("1 + 1", timeout=2).result == "2"
        client.fails('ctx.storage.set("kept", 2)', "lock", timeout=40)
        ended = aikit("--format", "json", "spec", "list", timeout=40)
        assert ended.returncode in (0, 5)
        if ended.returncode == 5:
            assert "lock" in json.loads(ended.stderr)["error"]["message"].lower()
    finally:
        database.execute("rollback")
        database.close()
    assert client.ok('ctx.storage.get("kept")').result == "1"
    client.ok('ctx.storage.set("kept", 3)')
    assert client.ok('ctx.storage.get("kept")').result == "3"


@pytest.mark.parametrize("content", [b"this is no database" * 100, b"SQLite format 3\0" + b"\xff" * 4000])
def test_a_file_that_is_no_database(tmp_path, content):
    file = tmp_path / "x.db"
    file.write_bytes(content)
    ended = aikit("--db", str(file), "spec", "list")
    assert ended.returncode == 5, ended
    assert "x.db" in ended.stderr and "panicked" not in ended.stderr
    assert file.read_bytes() == content


def test_a_database_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    ended = aikit("--db", str(tmp_path / "file" / "x.db"), "spec", "list")
    assert ended.returncode == 5 and "x.db" in ended.stderr
    ended = aikit("--db", str(tmp_path), "spec", "list")
    assert ended.returncode == 5 and str(tmp_path) in ended.stderr


def test_a_full_disk(fresh, tmp_path):
    """The database cannot grow; what was there before is there after."""
    import resource
    import signal

    from home import program

    argv = [str(program()), "--db", str(tmp_path / "x.db"), "kernel", "start", "--language", "lua", "-f"]
    kernel = fresh("lua", argv=[*argv, "{connection_file}"])
    with kernel.client() as client:
        client.ok('ctx.storage.set("kept", 1)')
        size = max(file.stat().st_size for file in tmp_path.iterdir())
        resource.prlimit(kernel.process.pid, resource.RLIMIT_FSIZE, (size + 8192, size + 8192))
        failed = None
        for n in range(200):
            cell = client.run(f'ctx.storage.set("large{n}", ("x"):rep(20000))')
            if cell.status == "error":
                failed = cell
                break
        assert failed, "the limit was never met"
        assert kernel.alive(), (kernel.process.returncode, signal.SIGXFSZ)
        assert client.ok('ctx.storage.get("kept")').result == "1"
        assert client.ok("1 + 1").result == "2"
