"""Tools that reach outside, driven by `aikit run`: real MCP servers, a real service with its own description, programs."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from home import aikit

FAILED = 4

SERVER = '''
import asyncio, os, sys
from mcp.server import MCPServer

app = MCPServer("calc")

@app.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b

@app.tool()
def environment() -> list[str]:
    """Names the environment variables."""
    return sorted(os.environ)

@app.tool()
def secret() -> str:
    """Gives the token that the server was started with."""
    return os.environ.get("TOKEN", "none")

@app.tool()
async def hang() -> str:
    """Never answers."""
    await asyncio.sleep(1000)
    return ""

@app.tool()
def die() -> str:
    """Dies."""
    print("goodbye", file=sys.stderr, flush=True)
    os._exit(1)

if os.path.exists("more"):
    @app.tool()
    def extra() -> str:
        """Is new."""
        return "extra"

if len(sys.argv) > 1:
    app.run("streamable-http", port=int(sys.argv[1]))
else:
    app.run("stdio")
'''

SHOP = '''
import sys
import uvicorn
from fastapi import FastAPI, Header, HTTPException
from pydantic import BaseModel

app = FastAPI(title="Shop", servers=[{"url": "/"}])

class Item(BaseModel):
    name: str
    price: float | None = None

items = {1: Item(name="tea", price=2.5)}

@app.get("/items/{item_id}", operation_id="read_item")
def read_item(item_id: int, tag: list[str] | None = None):
    """Reads one item."""
    if item_id not in items:
        raise HTTPException(404, "no such item")
    return items[item_id]

@app.put("/items/{item_id}", operation_id="put_item")
def put_item(item_id: int, item: Item):
    items[item_id] = item
    return {"stored": item_id}

@app.get("/search", operation_id="search")
def search(q: str, limit: int = 10, authorization: str = Header("")):
    return {"q": q, "limit": limit, "authorization": authorization}

uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
'''


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def serve(tmp_path):
    """Starts a program that listens on the port that it is given, and gives the port."""
    started: list[subprocess.Popen] = []

    def start(code: str) -> int:
        port = free_port()
        script = tmp_path / f"serve-{port}.py"
        script.write_text(code)
        started.append(subprocess.Popen([sys.executable, str(script), str(port)], stderr=subprocess.DEVNULL))
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return port
            except OSError:
                assert started[-1].poll() is None and time.monotonic() < deadline, "the server does not come up"
                time.sleep(0.05)

    yield start
    for process in started:
        process.kill()
        process.wait()


def document(folder: Path, permits: dict, integration: dict, steps: list, name: str = "tools") -> Path:
    """A document as JSON, which is YAML."""
    document = {
        "identity": {"agent_id": name, "name": "Tools"},
        "governance": {
            "security": {
                "permits": permits,
                "secrets": {"token": {"from": "env", "key": "SHOP_API_KEY"}},
                "resource_limits": {"max_wall": "40s"},
            }
        },
        "integration": integration,
        "behavior": {"steps": steps},
    }
    path = folder / f"{name}.yaml"
    path.write_text(json.dumps(document))
    return path


def run(path: Path, **options) -> dict:
    """Runs a document and gives the run, which has succeeded."""
    ended = aikit("run", "--format", "json", str(path), **options)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return json.loads(ended.stdout)["run"]


def replay(path: Path, identity: str) -> None:
    ended = aikit("replay", identity, "--spec", str(path))
    assert ended.returncode == 0, ended.stdout + ended.stderr


def children(marker: str) -> list[str]:
    """The processes whose command line holds a text."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        line = " ".join(process.info["cmdline"] or [])
        if marker in line and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(line)
    return found


def gone(marker: str) -> None:
    deadline = time.monotonic() + 10
    while children(marker):
        assert time.monotonic() < deadline, children(marker)
        time.sleep(0.05)


def caught(name: str, **step) -> dict:
    return {"name": name, **step, "on_error": [{"match": "*", "use": "{{ error.code }}: {{ error.message }}"}]}


def outputs(*names: str) -> dict:
    return {"name": "end", "return": {name: "{{ steps.%s.output }}" % name for name in names}}


def test_a_server_over_stdio_and_over_http(tmp_path, serve):
    port = serve(SERVER)
    tmp_path.joinpath("server.py").write_text(SERVER)
    path = document(
        tmp_path,
        {
            "exec": [sys.executable],
            "net": [f"127.0.0.1:{port}"],
            "mcp": ["local/*", "web/add"],
            "env_allow": ["SHOP_API_KEY"],
        },
        {
            "tools": [{"name": "plus", "kind": "mcp", "server": "local", "tool": "add"}],
            "mcp_servers": [
                {
                    "name": "local",
                    "command": [sys.executable, str(tmp_path / "server.py")],
                    "env": {"TOKEN": "${SHOP_API_KEY}"},
                    "timeout": "10s",
                },
                {"name": "web", "url": f"http://127.0.0.1:{port}/mcp", "timeout": "10s"},
            ],
        },
        [
            {"name": "one", "mcp": "local/add", "args": {"a": 1, "b": 2}},
            {"name": "two", "tool": "plus", "args": {"a": 1, "b": 3}},
            {"name": "three", "tool": "local.add", "args": {"a": 1, "b": 4}},
            {"name": "four", "mcp": "web/add", "args": {"a": 1, "b": 5}},
            {"name": "names", "mcp": "local/environment", "args": {}},
            caught("bad", mcp="local/add", args={"a": "x", "b": 1}),
            caught("dead", mcp="local/die", args={}),
            # A server that died is started anew.
            {"name": "again", "mcp": "local/add", "args": {"a": 1, "b": 6}},
            outputs("one", "two", "three", "four", "names", "bad", "dead", "again"),
        ],
    )
    ended = run(path, env=os.environ | {"SHOP_API_KEY": "hush-hush"})
    output = ended["output"]
    assert [output[name]["result"] for name in ("one", "two", "three", "four", "again")] == [3, 4, 5, 6, 7]
    names = output["names"]["result"]
    assert "TOKEN" in names and "HOME" not in names and "AIKIT_HOME" not in names
    assert output["bad"].startswith("validation.input: ")
    assert output["dead"].startswith("mcp.unavailable: ") and "goodbye" in output["dead"]
    gone(str(tmp_path / "server.py"))
    shown = aikit("runs", "export", ended["id"], check=True).stdout
    assert "hush-hush" not in shown
    # A replay needs no server, and no credential either.
    tmp_path.joinpath("server.py").unlink()
    replay(path, ended["id"])


def test_a_server_that_hangs_is_left_and_its_program_ends(tmp_path):
    tmp_path.joinpath("server.py").write_text(SERVER)
    path = document(
        tmp_path,
        {"exec": [sys.executable], "mcp": ["local/*"]},
        {
            "mcp_servers": [
                {"name": "local", "command": [sys.executable, str(tmp_path / "server.py")], "timeout": "3s"}
            ]
        },
        [caught("hang", mcp="local/hang", args={})],
        name="hang",
    )
    assert run(path)["output"].startswith("tool.timeout: ")
    gone(str(tmp_path / "server.py"))


def test_changed_tools_are_noticed(tmp_path):
    tmp_path.joinpath("server.py").write_text(SERVER)
    path = document(
        tmp_path,
        {"exec": [sys.executable], "mcp": ["local/*"]},
        {"mcp_servers": [{"name": "local", "command": [sys.executable, "server.py"]}]},
        [{"name": "one", "mcp": "local/add", "args": {"a": 1, "b": 2}}],
        name="pinned",
    )
    run(path)
    tmp_path.joinpath("more").write_text("")
    ended = aikit("run", str(path))
    assert ended.returncode == FAILED and "`extra` is new" in ended.stderr, ended.stderr
    assert "mcp.pin_changed" in ended.stderr
    tmp_path.joinpath("more").unlink()
    run(path)


def test_the_reference_server_of_the_protocol(tmp_path):
    server = os.environ.get("MCP_SERVER")
    assert server, "name the script of @modelcontextprotocol/server-everything in MCP_SERVER, or use cargo xtask test python"
    path = document(
        tmp_path,
        {"exec": ["node"], "mcp": ["all/*"]},
        {"mcp_servers": [{"name": "all", "command": ["node", server], "timeout": "20s"}]},
        [
            {"name": "echo", "mcp": "all/echo", "args": {"message": "hello"}},
            {"name": "sum", "mcp": "all/get-sum", "args": {"a": 2, "b": 3}},
            {"name": "image", "mcp": "all/get-tiny-image", "args": {}},
            caught("none", mcp="all/nothing", args={}),
            outputs("echo", "sum", "image", "none"),
        ],
        name="everything",
    )
    ended = run(path)
    output = ended["output"]
    assert "hello" in output["echo"] and "5" in output["sum"]
    assert any(block["type"] == "image" for block in output["image"])
    assert output["none"].startswith("tool.not_found: ")
    gone(server)
    replay(path, ended["id"])


def test_a_service_by_the_description_that_it_publishes(tmp_path, serve):
    port = serve(SHOP)
    shop = {"name": "shop", "kind": "openapi", "spec": f"http://127.0.0.1:{port}/openapi.json", "secret": "token"}
    path = document(
        tmp_path,
        {"net": [f"127.0.0.1:{port}"]},
        {"tools": [shop]},
        [
            {"name": "read", "tool": "shop.read_item", "args": {"item_id": 1}},
            {"name": "put", "tool": "shop.put_item", "args": {"item_id": 2, "body": {"name": "cup"}}},
            {"name": "back", "tool": "shop.read_item", "args": {"item_id": 2}},
            {"name": "search", "tool": "shop.search", "args": {"q": "a&b=c/ä", "limit": 3}},
            caught("gone", tool="shop.read_item", args={"item_id": 9}),
            caught("wrong", tool="shop.put_item", args={"item_id": 2, "body": {"price": 1}}),
            outputs("read", "put", "back", "search", "gone", "wrong"),
        ],
        name="shop",
    )
    ended = run(path, env=os.environ | {"SHOP_API_KEY": "hush-hush"})
    output = ended["output"]
    assert output["read"]["body"] == {"name": "tea", "price": 2.5}
    assert output["put"]["body"] == {"stored": 2}
    assert output["back"]["body"] == {"name": "cup", "price": None}
    # The credential reached the service, and is not shown when the service says it back.
    assert output["search"]["body"] == {"q": "a&b=c/ä", "limit": 3, "authorization": "Bearer …"}
    assert output["gone"].startswith("tool.failed: ") and "404" in output["gone"]
    assert output["wrong"].startswith("validation.input: ") and "name" in output["wrong"]
    replay(path, ended["id"])


def test_what_is_not_granted_is_refused_before_anything_is_sent(tmp_path, serve):
    port = serve(SHOP)
    tmp_path.joinpath("notes.md").write_text("n")
    tmp_path.joinpath("secret.txt").write_text("s")
    tmp_path.joinpath("link.md").symlink_to("/etc/passwd")
    path = document(
        tmp_path,
        # A pattern never grants the private network.
        {"net": ["*"], "fs_read": ["*.md"]},
        {"tools": ["http_fetch", "read_file", "write_file", "list_files"]},
        [
            caught("net", tool="http_fetch", args={"url": f"http://127.0.0.1:{port}/search?q=x"}),
            caught("read", tool="read_file", args={"path": "secret.txt"}),
            caught("up", tool="read_file", args={"path": "../x.md"}),
            caught("link", tool="read_file", args={"path": "link.md"}),
            caught("write", tool="write_file", args={"path": "notes.md", "text": "x"}),
            {"name": "fine", "tool": "read_file", "args": {"path": "notes.md"}},
            {"name": "list", "tool": "list_files", "args": {"pattern": "**"}},
            outputs("net", "read", "up", "link", "write", "fine", "list"),
        ],
        name="denied",
    )
    output = run(path)["output"]
    for name in ("net", "read", "up", "link", "write"):
        assert output[name].startswith("tool.denied: "), output[name]
    assert output["fine"]["text"] == "n"
    assert [file["path"] for file in output["list"]["files"]] == ["notes.md"]


def test_an_interrupt_ends_a_program_with_all_that_it_started(tmp_path):
    marker = f"300.{os.getpid()}"
    path = document(
        tmp_path,
        {"exec": ["sh"]},
        {"tools": [{"name": "nap", "kind": "command", "argv": ["sh", "-c", f"sleep {marker} & sleep {marker}"], "timeout": "5m"}]},
        [{"name": "one", "tool": "nap"}],
        name="nap",
    )
    from home import program

    process = subprocess.Popen([str(program()), "run", str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while len(children(f"sleep {marker}")) < 2:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    process.send_signal(2)
    assert process.wait(20) != 0
    gone(f"sleep {marker}")
