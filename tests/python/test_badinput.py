"""Mistakes of people and of scripts: an error with a place and a fix, and the kernel goes on."""

from __future__ import annotations

import time

import pytest

from dialects import JS, LUA, Dialect

GOOD = """\
identity:
  agent_id: good
  name: Good
interface:
  inputs: {type: object, properties: {n: {type: integer}}, required: [n], additionalProperties: false}
behavior:
  steps:
    - name: answer
      script:
        lua: return ctx.inputs.n + 1
"""


def alive(client) -> None:
    """The kernel serves cells of every language."""
    assert client.ok("%%lua\n1 + 1").result == "2"
    assert client.ok("%%js\n1 + 1").result == "2"


@pytest.mark.parametrize(
    ("code", "texts"),
    [
        ("identity:\n  agent_id: x\n  nmae: X\n", ["Cell", "3:3", "nmae", "name"]),
        ("identity: {agent_id: x, name: X}\nbehaviour: {}\n", ["2:1", "behaviour", "behavior"]),
        ("identity: {agent_id: Not A Slug, name: X}\n", ["1:", "agent_id"]),
        ("identity: {agent_id: x, name: X\n", ["1:"]),
        ("identity:\n\tagent_id: x\n", ["2:1", "tab"]),
        ("- a\n- b\n", ["1:1"]),
        ("just text", ["1:1"]),
        ("identity: {agent_id: a, name: A}\nidentity: {agent_id: b, name: B}\n", ["2:1", "identity"]),
        (
            "identity: {agent_id: x, name: X}\nintelligence:\n  models: {fast: {provider: opnai, model: m}}\n",
            ["3:", "opnai", "openai"],
        ),
        (
            "identity: {agent_id: x, name: X}\nbehavior:\n  steps:\n    - name: a\n      script: {lua: 'x = = 1'}\n",
            ["5:", "="],
        ),
        (
            "identity: {agent_id: x, name: X}\nbehavior:\n  steps:\n    - name: a\n      script: {js: 'let 1x'}\n",
            ["5:"],
        ),
        (
            "identity: {agent_id: x, name: X}\nbehavior:\n  steps:\n    - name: a\n      return: '{{ nope.x }}'\n",
            ["5:", "nope"],
        ),
    ],
)
def test_an_invalid_document_is_refused_with_place_and_fix(connect, code, texts):
    client = connect("yaml")
    cell = client.fails(code, *texts)
    diagnostics = cell.reply["metadata"]["aikit"]["diagnostics"]
    assert diagnostics and all(found["code"].startswith("AK") for found in diagnostics)
    assert "no agents" in client.ok("%runs").shown or "nmae" not in client.ok("%agents").shown


@pytest.mark.parametrize(
    ("code", "texts"),
    [
        ("%nope", ["%nope", "%help"]),
        ("%agnets", ["%agnets", "%agents"]),
        ("%%lau\nprint(1)", ["%%lau", "%%lua"]),
        ("%run", ["%run", "NAME"]),
        ("%run nope", ["nope", "good"]),
        ("%run godo n=1", ["godo", "good"]),
        ("%run good", ["n"]),
        ("%run good n=text", ["n", "integer"]),
        ("%run good n=1 m=2", ["m"]),
        ("%run good@9.9.9 n=1", ["9.9.9"]),
        ("%run good@new n=1", ["new"]),
        ("%run Not-A-Slug", ["Not-A-Slug"]),
        ("%%run good\nn: [", []),
        ("%show nope", ["nope", "%runs"]),
        ("%promote good", ["version"]),
        ("%promote good@x", ["x"]),
        ("%promote nope@1.0.0", ["nope"]),
        ("%history nope", ["nope"]),
        ("%save good", ["FILE"]),
        ("%save nope /tmp/never.yaml", ["nope"]),
        ("%save good /no/such/folder/good.yaml", ["/no/such/folder"]),
        ("%help nope", ["nope"]),
        ('%%lua\nctx.agents.run("godo")', ["godo", "line 2"]),
        ('%%lua\nctx.tools.call("calclate")', ["calclate", "calculate", "line 2"]),
        ('%%lua\nctx.ai.complete("x", {model = "nope/m"})', ["nope", "scripted", "line 2"]),
        ('%%lua\nctx.ai.complete("x", {model = "scripted/no-such-file"})', ["no-such-file"]),
        ('%%lua\nctx.ai.complete("x", {model = "no slash"})', ["no slash"]),
        ("%%lua\nctx.ai.complete()", ["prompt"]),
        ("%%lua\nctx.storage.set(nil, 1)", ["key"]),
        ("%%lua\nvars.f = function() end", ["function", "line 2"]),
        ("%%lua\ndisplay.vega(7)", ["line 2"]),
        ('%%js\nawait ctx.agents.run("godo")', ["godo", "line 2"]),
        ('%%js\nawait ctx.tools.call("calclate")', ["calclate", "calculate"]),
        ('%%js\nawait ctx.ai.complete("x", {model: "nope/m"})', ["nope", "scripted"]),
        ("%%js\nawait ctx.storage.set(null, 1)", ["key"]),
        ("%%js\nvars.f = () => {}", ["function"]),
    ],
)
def test_a_mistake_is_answered_with_help(connect, code, texts):
    client = connect("yaml")
    client.ok(GOOD)
    client.fails(code, *texts)
    alive(client)


@pytest.mark.parametrize(
    ("dialect", "code", "texts"),
    [
        (LUA, 'local a = 1\nerror("broken")', ["broken", "line 2"]),
        (LUA, "error({code = 7})", ["7"]),
        (LUA, "error()", []),
        (LUA, "local x\n\nreturn x.y.z", ["nil", "line 3"]),
        (LUA, "x = = 1", ["line 1"]),
        (LUA, "local function f() return f() + 1 end f()", ["stack overflow"]),
        (LUA, 'coroutine.wrap(function() error("inside") end)()', ["inside"]),
        (LUA, 'require("os")', ["require"]),
        (LUA, "os.exit()", ["os"]),
        (LUA, 'io.open("/etc/passwd")', ["io"]),
        (LUA, 'load("\\27Lua")()', []),
        (LUA, "setmetatable({}, {__gc = 1, __close = 1})()", []),
        (JS, 'const a = 1;\nthrow new Error("broken")', ["broken", "line 2"]),
        (JS, "throw {code: 7}", ["7"]),
        (JS, "throw undefined", ["undefined"]),
        (JS, "const x = undefined;\n\nx.y.z", ["line 3"]),
        (JS, "let 1x", ["line 1"]),
        (JS, "(function f() { return f() + 1 })()", []),
        (JS, 'await Promise.reject(new Error("rejected"))', ["rejected"]),
        (JS, 'await (async () => { await null; throw new Error("late") })()', ["late"]),
        (JS, "await new Promise(() => {})", ["never"]),
        (JS, 'require("fs")', ["require"]),
        (JS, 'await import("fs")', []),
        (JS, "process.exit()", ["process"]),
        (JS, 'fetch("http://localhost")', ["fetch"]),
    ],
    ids=lambda value: value.language if isinstance(value, Dialect) else None,
)
def test_a_script_that_throws_names_the_line(connect, dialect: Dialect, code, texts):
    client = connect(dialect.language)
    client.ok(dialect.keep("before", 42))
    client.fails(code, *texts, timeout=25)
    assert client.ok("before").result == "42"


def test_lines_are_those_of_the_cell(connect):
    client = connect("yaml")
    client.fails('%%lua\n-- a remark\n\nerror("here")', "line 4")
    client.fails('%%js\n// a remark\n\nthrow new Error("here")', "line 4")
    client.ok('%%lua\nfunction later()\n  error("deep")\nend')
    cell = client.fails("%%lua\nlater()", "deep")
    # Through two cells: the function and its caller.
    assert "line 3" in cell.failure and "line 2" in cell.failure


EXHAUSTION = [
    (LUA, "local t = {} while true do t[#t + 1] = ('x'):rep(1 << 20) .. #t end"),
    (LUA, "local t = {} for i = 1, 1e12 do t[i] = {} end"),
    (LUA, "local s = 'x' while true do s = s .. s end"),
    (LUA, "local s = ('x'):rep(1 << 30) return #(s .. s .. s)"),
    (LUA, "local t = {} while true do pcall(function() for i = 1, 1e6 do t[#t + 1] = {} end end) end"),
    (JS, "let s = 'x'; while (true) s += s"),
    (JS, "const t = []; while (true) { try { while (true) t.push(new Uint8Array(1 << 26)) } catch (e) {} }"),
    (JS, "new ArrayBuffer(2 ** 40)"),
    (JS, "'x'.repeat(2 ** 33)"),
]


@pytest.mark.parametrize(
    ("dialect", "code"),
    [pytest.param(dialect, code, id=f"{dialect.language}-{at}") for at, (dialect, code) in enumerate(EXHAUSTION)],
)
def test_exhausted_memory_is_an_error_and_vars_are_back(fresh, dialect: Dialect, code):
    kernel = fresh(dialect.language)
    with kernel.client() as client:
        client.ok("vars.kept = {1, 2}" if dialect.lua else "vars.kept = [1, 2]; undefined")
        cell = client.fails(code, timeout=50)
        words = ("memory", "maximum", "too large", "invalid", "longer than")
        assert any(word in cell.failure.lower() for word in words), cell.failure
        kept = client.ok("#vars.kept" if dialect.lua else "vars.kept.length").result
        assert kept == "2"
        assert kernel.memory() < 1200 << 20


def test_a_worker_that_is_killed_from_outside_is_replaced(connect):
    client = connect("lua")
    client.ok("vars.kept = {1, 2} lost = 1")
    msg_id = client.begin("while true do end")
    client.running(msg_id)
    time.sleep(0.1)
    for worker in client.kernel.children():
        worker.kill()
    cell = client.end(msg_id)
    assert cell.status == "error" and "vars" in cell.failure, cell.failure
    assert client.ok("#vars.kept").result == "2"
    assert client.ok("lost").result in (None, "nil")
    # The same between two cells.
    client.ok("lost = 2")
    for worker in client.kernel.children():
        worker.kill()
    time.sleep(0.2)
    assert client.run("#vars.kept").status in ("ok", "error")
    assert client.ok("#vars.kept").result == "2"


def test_an_agents_failure_is_told_with_its_step(connect):
    client = connect("yaml")
    client.ok("""\
identity: {agent_id: failing, name: Failing}
behavior:
  steps:
    - name: fine
      script: {lua: return 1}
    - name: broken
      script:
        lua: |
          local x = nil
          return x.y
""")
    client.fails("%run failing", "broken", "nil")
    assert "failed" in client.ok("%runs failing").shown
    alive(client)


def test_an_unknown_tenant_is_refused_before_the_kernel_starts(tmp_path):
    import json

    from jupyter_client.connect import write_connection_file

    from home import aikit

    file, _ = write_connection_file(str(tmp_path / "connection.json"))
    ended = aikit("--tenant", "nobody-here", "kernel", "start", "-f", file)
    assert ended.returncode == 3
    assert "nobody-here" in ended.stderr and "tenant create" in ended.stderr
    failure = aikit("--format", "json", "--tenant", "nobody-here", "kernel", "start", "-f", file)
    assert json.loads(failure.stderr)["error"]["help"]
