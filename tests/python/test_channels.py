"""Standard input, control, comms, history, restart."""

from __future__ import annotations

import signal
import time
import uuid

import pytest

from dialects import JS, LUA, both
from wire import Silence

# Standard input -------------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("password", [False, True], ids=["plain", "password"])
def test_a_cell_asks_the_person(connect, dialect, password):
    client = connect(dialect.language)
    msg_id = client.begin(dialect.ask("name? ", password), allow_stdin=True)
    request = client.reply(msg_id, "stdin")
    assert request["msg_type"] == "input_request"
    assert request["content"] == {"prompt": "name? ", "password": password}
    client.send("stdin", "input_reply", {"value": "Ada 🦀"})
    assert client.end(msg_id).text() == "got Ada 🦀\n"


@both
def test_no_question_where_none_is_allowed(connect, dialect):
    client = connect(dialect.language)
    client.fails(dialect.ask("name? "), "input", allow_stdin=False)
    assert client.quiet("stdin")


def test_stale_answers_are_not_taken(connect):
    client = connect("lua")
    client.send("stdin", "input_reply", {"value": "stale"})
    time.sleep(0.1)
    msg_id = client.begin(LUA.ask("?"), allow_stdin=True)
    client.reply(msg_id, "stdin")
    client.send("stdin", "input_reply", {"value": "fresh"})
    assert client.end(msg_id).text() == "got fresh\n"


def test_a_question_waits_for_a_stdin_socket_that_connects_late(connect):
    """A front end opens its sockets one after the other, and may execute before the last one stands."""
    client = connect("lua", late=("stdin",))
    msg_id = client.begin(LUA.ask("?"), allow_stdin=True)
    client.running(msg_id)
    time.sleep(0.3)
    client.open("stdin")
    client.reply(msg_id, "stdin")
    client.send("stdin", "input_reply", {"value": "late"})
    assert client.end(msg_id).text() == "got late\n"


def test_only_the_client_that_executes_is_asked(connect):
    one, other = connect("lua"), connect("lua")
    msg_id = one.begin(LUA.ask("?"), allow_stdin=True)
    one.reply(msg_id, "stdin")
    assert other.quiet("stdin")
    other.send("stdin", "input_reply", {"value": "intruder"})
    time.sleep(0.2)
    one.send("stdin", "input_reply", {"value": "mine"})
    assert one.end(msg_id).text() == "got mine\n"


@both
def test_an_interrupt_ends_the_wait_for_an_answer(connect, dialect):
    client = connect(dialect.language)
    client.ok(dialect.keep("before", 1))
    msg_id = client.begin(dialect.ask("?"), allow_stdin=True)
    client.reply(msg_id, "stdin")
    client.interrupt()
    assert client.end(msg_id, 3).content["ename"] == "KeyboardInterrupt"
    assert client.ok("before").result == "1"


# Control --------------------------------------------------------------------------------------------------------


@both
def test_control_is_answered_while_a_cell_runs(connect, dialect):
    client = connect(dialect.language)
    client.ok("1")
    msg_id = client.begin(dialect.endless)
    client.running(msg_id)
    began = time.monotonic()
    assert client.kernel_info("control", 2)["implementation"] == "aikit"
    # A client that reconnects asks on shell.
    assert client.kernel_info("shell", 2)["status"] == "ok"
    assert time.monotonic() - began < 1
    reply = client.ask("debug_request", "control", 2, type="request", seq=1, command="debugInfo")
    assert reply["success"] is True and reply["body"]["isStarted"] is False
    client.interrupt()
    assert client.end(msg_id).content["ename"] == "KeyboardInterrupt"


def test_control_requests_are_framed_by_busy_and_idle(connect):
    client = connect("lua")
    msg_id = client.send("control", "kernel_info_request", {})
    reply = client.reply(msg_id, "control")
    assert reply["parent_header"]["msg_id"] == msg_id
    states = [message["content"]["execution_state"] for message in client.until_idle(msg_id)]
    assert states == ["busy", "idle"]


def test_an_interrupt_without_a_running_cell_harms_nothing(connect):
    client = connect("lua")
    for _ in range(3):
        client.interrupt()
    assert client.ok("1 + 1").result == "2"


@pytest.mark.parametrize("restart", [False, True], ids=["for-good", "restart"])
@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_a_shutdown_is_answered_and_leaves_nothing_behind(fresh, restart, busy):
    kernel = fresh("lua")
    client = kernel.client()
    client.ok("1")
    children = kernel.children()
    assert children, "scripts run in a process of their own"
    running = client.begin(LUA.endless) if busy else None
    if running:
        client.running(running)
    msg_id = client.send("control", "shutdown_request", {"restart": restart})
    assert client.reply(msg_id, "control")["content"] == {"status": "ok", "restart": restart}
    assert client.output(msg_id, "shutdown_reply") == {"status": "ok", "restart": restart}
    assert kernel.process.wait(8) == 0, kernel.output()
    if running:
        assert client.reply(running, timeout=2)["content"]["status"] == "error"
    end = time.monotonic() + 5
    while any(child.is_running() for child in children) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(child.is_running() for child in children)


def test_a_restarted_kernel_is_another_session_on_the_same_ports(fresh):
    from jupyter_client.manager import KernelManager

    manager = KernelManager(kernel_name="aikit-lua")
    manager.start_kernel()
    try:
        client = manager.client()
        client.start_channels()
        client.wait_for_ready(timeout=20)
        client.execute_interactive("kept = 1 vars.kept = 1", timeout=15)
        before = client.execute_interactive("kept", timeout=15)
        manager.restart_kernel()
        client.wait_for_ready(timeout=20)
        after = client.execute_interactive("kept", timeout=15)
        assert before["header"]["session"] != after["header"]["session"]
        assert after["content"]["execution_count"] == 1
        assert client.execute_interactive("assert(kept == nil)", timeout=15)["content"]["status"] == "ok"
        client.stop_channels()
    finally:
        manager.shutdown_kernel(now=True)


def test_a_termination_signal_ends_the_kernel(fresh):
    kernel = fresh("js")
    with kernel.client() as client:
        client.ok("1")
        running = client.begin(JS.endless)
        client.running(running)
        kernel.signal(signal.SIGTERM)
        assert kernel.process.wait(8) == 0


# Comms ----------------------------------------------------------------------------------------------------------


def test_a_comm_shows_and_sets_the_shared_values(connect):
    client = connect("lua")
    client.ok("vars.shown = {1, 2}")
    comm = uuid.uuid4().hex

    def tell(**data) -> dict:
        msg_id = client.send("shell", "comm_msg", {"comm_id": comm, "data": data})
        messages = client.until_idle(msg_id)
        assert [message["msg_type"] for message in messages] == ["status", "comm_msg", "status"]
        return messages[1]["content"]["data"]

    opened = client.send("shell", "comm_open", {"comm_id": comm, "target_name": "aikit.vars", "data": {}})
    snapshot = client.until_idle(opened)[1]["content"]
    assert snapshot["comm_id"] == comm
    assert snapshot["data"]["vars"]["shown"] == [1, 2]
    assert client.ask("comm_info_request")["comms"] == {comm: {"target_name": "aikit.vars"}}
    assert client.ask("comm_info_request", target_name="other")["comms"] == {}
    assert "shown" in tell(method="list")["names"]
    assert tell(method="get", name="shown")["value"] == [1, 2]
    assert tell(method="set", name="from_client", value={"a": 1})["changes"] == [
        {"name": "from_client", "value": {"a": 1}}
    ]
    assert client.ok("vars.from_client.a").result == "1"
    assert tell(method="nonsense")["method"] == "error"
    assert tell(method="get")["method"] == "error"
    # What a cell changes reaches the comm before the cell is idle.
    cell = client.ok("vars.by_cell = 7")
    assert cell.of("comm_msg")[0]["data"]["changes"] == [{"name": "by_cell", "value": 7}]
    closed = client.send("shell", "comm_close", {"comm_id": comm, "data": {}})
    client.until_idle(closed)
    assert client.ask("comm_info_request")["comms"] == {}
    assert client.ok("vars.by_cell = 8").of("comm_msg") == []


def test_an_unknown_comm_target_is_closed(connect):
    client = connect("lua")
    opened = client.send("shell", "comm_open", {"comm_id": "c", "target_name": "jupyter.widget", "data": {}})
    messages = client.until_idle(opened)
    assert messages[1]["msg_type"] == "comm_close"
    assert messages[1]["content"]["comm_id"] == "c"
    # Messages for a comm that is not there are no failure.
    client.until_idle(client.send("shell", "comm_msg", {"comm_id": "c", "data": {}}))
    client.until_idle(client.send("shell", "comm_close", {"comm_id": "c", "data": {}}))


# History --------------------------------------------------------------------------------------------------------


def test_history_is_read_by_tail_range_and_search(fresh):
    kernel = fresh("lua")
    client = kernel.client()
    mark = uuid.uuid4().hex[:8]
    codes = [f'"{mark} {n % 2}"' for n in range(4)] + ["6 * 7"]
    for code in codes:
        client.ok(code)

    def history(**content) -> list:
        return client.ask("history_request", **({"raw": True, "output": False} | content))["history"]

    tail = history(hist_access_type="tail", n=5)
    assert [entry[2] for entry in tail] == codes
    assert [entry[1] for entry in tail] == [1, 2, 3, 4, 5]
    session = tail[0][0]
    assert history(hist_access_type="tail", n=1, output=True) == [[session, 5, ["6 * 7", "42"]]]
    assert history(hist_access_type="tail", n=0) == []
    middle = history(hist_access_type="range", session=session, start=2, stop=4)
    assert [entry[1] for entry in middle] == [2, 3]
    assert [entry[2] for entry in history(hist_access_type="range", session=0, start=5)] == ["6 * 7"]
    assert len(history(hist_access_type="search", pattern=f"*{mark}*")) == 4
    assert len(history(hist_access_type="search", pattern=f"*{mark}*", unique=True)) == 2
    newest = history(hist_access_type="search", pattern=f"*{mark} ?*", n=1)
    assert [entry[1] for entry in newest] == [4]
    assert history(hist_access_type="search", pattern=mark) == []
    wrong = client.ask("history_request", hist_access_type="everything")
    assert wrong["status"] == "error" and "tail" in wrong["evalue"]


def test_history_outlives_the_kernel(fresh):
    mark = uuid.uuid4().hex
    with fresh("lua").client() as client:
        client.ok(f'"{mark}"')
    with fresh("lua").client() as client:
        found = client.ask("history_request", hist_access_type="search", pattern=f"*{mark}*", raw=True, output=True)
        assert [entry[2] for entry in found["history"]] == [[f'"{mark}"', mark]]


def test_heartbeat_echoes_bytes(connect):
    import zmq

    client = connect("lua")
    info = client.kernel.info
    socket = client.context.socket(zmq.REQ)
    socket.connect(f"tcp://{info['ip']}:{info['hb_port']}")
    for beat in (b"ping", b"", bytes(range(256)) * 100):
        socket.send(beat)
        if not socket.poll(2000):
            raise Silence("no heartbeat")
        assert socket.recv() == beat
