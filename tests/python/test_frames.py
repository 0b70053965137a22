"""What arrives damaged, forged or in pieces ends nothing."""

from __future__ import annotations

import json
import random
import socket
import uuid

import pytest


CHANNELS = ("shell", "control", "stdin")


def header(msg_type: str = "execute_request", **more) -> bytes:
    fields = {"msg_id": uuid.uuid4().hex, "session": "s", "username": "u", "date": "2026-01-01T00:00:00Z"}
    return json.dumps(fields | {"msg_type": msg_type, "version": "5.3"} | more).encode()


@pytest.mark.parametrize("channel", ["shell", "control"])
def test_a_wrong_key_gets_no_answer(connect, channel):
    client = connect("lua")
    client.drain()
    with client.kernel.client(key="another key", subscribe=False) as stranger:
        stranger.send(channel, "kernel_info_request", {})
        stranger.send(channel, "shutdown_request", {"restart": False})
        stranger.send(channel, "execute_request", {"code": "stranger = 1"})
        assert stranger.quiet(channel, 0.5)
    assert client.quiet("iopub", 0.2)
    assert client.ok("stranger == nil").result == "true"


@pytest.mark.parametrize("signature", [b"", b"0" * 64, b"zz", b"\xff" * 64, b"x" * 100_000])
def test_a_wrong_signature_gets_no_answer(connect, signature):
    client = connect("lua")
    client.frames("shell", b"<IDS|MSG>", signature, header(), b"{}", b"{}", b'{"code": "1"}')
    assert client.quiet("shell")


def test_a_message_is_taken_once(connect):
    client = connect("lua")
    client.ok("times = 0")
    parts = [header(), b"{}", b"{}", b'{"code": "times = times + 1"}']
    frames = [b"<IDS|MSG>", client.session.sign(parts), *parts]
    for _ in range(3):
        client.frames("shell", *frames)
    assert client.ok("times").result == "1"


@pytest.mark.parametrize("channel", CHANNELS)
def test_random_frames_are_dropped(connect, channel):
    client = connect("lua")
    chance = random.Random(7)
    client.frames(channel, b"")
    client.frames(channel, b"<IDS|MSG>")
    client.frames(channel, b"no", b"delimiter", b"here", b"{}", b"{}", b"{}", b"{}")
    for count in range(1, 9):
        client.frames(channel, b"<IDS|MSG>", *[b"{}"] * count)
    for _ in range(200):
        frames = [chance.randbytes(chance.randrange(40)) for _ in range(chance.randrange(1, 9))]
        if chance.random() < 0.5:
            frames.insert(chance.randrange(len(frames) + 1), b"<IDS|MSG>")
        client.frames(channel, *frames)
    assert client.quiet(channel)
    assert client.kernel_info("control")["status"] == "ok"
    assert client.ok("1 + 1").result == "2"


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize(
    "bad",
    [b"", b"{", b"[]", b"null", b"7", b'"text"', b"\xff\xfe", b'{"a": NaN}', b"[" * 100_000, b'{"msg_type": 7}', b"{}"],
    ids=lambda bad: repr(bad[:16]),
)
def test_signed_nonsense_as_header_is_dropped(connect, channel, bad):
    client = connect("lua")
    client.signed(channel, bad)
    assert client.quiet(channel, 0.1)


@pytest.mark.parametrize("channel", ["shell", "control"])
@pytest.mark.parametrize("part", ["parent", "metadata", "content"])
@pytest.mark.parametrize("bad", [b"", b"{", b"[]", b"\xff", b'{"a": ' * 10_000], ids=lambda bad: repr(bad[:8]))
def test_who_can_be_answered_is_told_what_is_wrong(connect, channel, part, bad):
    client = connect("lua")
    kind = "execute_request" if channel == "shell" else "kernel_info_request"
    head = header(kind)
    client.signed(channel, head, **{part: bad})
    reply = client.reply(json.loads(head)["msg_id"], channel)
    assert reply["msg_type"] == kind.replace("request", "reply")
    content = reply["content"]
    assert content["status"] == "error" and part in content["evalue"], content
    assert content["ename"] and isinstance(content["traceback"], list)


@pytest.mark.parametrize(
    ("msg_type", "content", "named"),
    [
        ("execute_request", {}, "code"),
        ("execute_request", {"code": 7}, "code"),
        ("execute_request", {"code": ["a"]}, "code"),
        ("execute_request", {"code": "1", "silent": "yes"}, "silent"),
        ("execute_request", {"code": "1", "store_history": 1}, "store_history"),
        ("execute_request", {"code": "1", "user_expressions": ["x"]}, "user_expressions"),
        ("execute_request", {"code": "1", "allow_stdin": {}}, "allow_stdin"),
        ("complete_request", {"code": "x", "cursor_pos": "1"}, "cursor_pos"),
        ("complete_request", {"cursor_pos": 1}, "code"),
        ("inspect_request", {"code": None}, "code"),
        ("is_complete_request", {"code": False}, "code"),
        ("history_request", {}, "hist_access_type"),
        ("history_request", {"hist_access_type": "tail", "n": "many"}, "n"),
        ("history_request", {"hist_access_type": "search", "pattern": 1}, "pattern"),
        ("comm_info_request", {"target_name": 1}, "target_name"),
        ("nonsense_request", {}, "nonsense_request"),
        ("\0 weird \U0001f980_request", {}, "weird"),
    ],
)
def test_a_wrong_type_is_named(connect, msg_type, content, named):
    client = connect("lua")
    reply = client.ask(msg_type, **content)
    assert reply["status"] == "error" and named in reply["evalue"], reply
    assert reply["ename"] and isinstance(reply["traceback"], list)


@pytest.mark.parametrize(
    ("msg_type", "content"),
    [
        ("comm_open", {}),
        ("comm_open", {"comm_id": 7, "target_name": "aikit.vars"}),
        ("comm_msg", {"comm_id": []}),
        ("comm_close", {}),
        ("execute_reply", {"status": "ok"}),
        ("", {}),
    ],
)
def test_what_has_no_answer_gets_none(connect, msg_type, content):
    client = connect("lua")
    client.send("shell", msg_type, content)
    assert client.quiet("shell", 0.1)


@pytest.mark.parametrize("position", [-1, -(2**63), 2**31, 2**62, 10**30, 0.5])
def test_a_cursor_that_cannot_be_is_no_disaster(connect, position):
    client = connect("lua")
    for msg_type in ("complete_request", "inspect_request"):
        assert client.ask(msg_type, code="print", cursor_pos=position, detail_level=0)["status"] in ("ok", "error")


def test_unknown_keys_of_a_header_come_back(connect):
    client = connect("lua")
    more = {"subshell_id": None, "trace": {"span": [1, 2.5, "x"]}}
    msg_id = client.send("shell", "kernel_info_request", {}, header=more)
    reply = client.reply(msg_id)
    assert reply["parent_header"]["trace"] == more["trace"]
    assert "subshell_id" in reply["parent_header"]
    assert all(message["parent_header"]["trace"] == more["trace"] for message in client.until_idle(msg_id))


def test_buffers_are_outside_the_signature(connect):
    client = connect("lua")
    head = header("kernel_info_request")
    client.signed("shell", head, buffers=[b"\0\xff" * 1000, b""])
    assert client.reply(json.loads(head)["msg_id"])["content"]["status"] == "ok"


def test_an_oversized_message_costs_its_sender_the_connection_and_nobody_else_anything(connect):
    client = connect("lua")
    client.ok("1")
    before = client.kernel.memory()
    info = client.kernel.info
    # By hand: the client library would not announce a frame that it does not have.
    with socket.create_connection((info["ip"], info["shell_port"]), timeout=10) as raw:
        greeting = b"\xff" + b"\0" * 8 + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + b"\0" * 32
        raw.sendall(greeting)
        received = b""
        while len(received) < 64:
            received += raw.recv(64 - len(received))
        ready = b"\x05READY" + b"\x0bSocket-Type" + (6).to_bytes(4, "big") + b"DEALER"
        raw.sendall(b"\x04" + bytes([len(ready)]) + ready)
        # A frame of a tebibyte.
        raw.sendall(b"\x02" + (1 << 40).to_bytes(8, "big"))
        closed = False
        try:
            for _ in range(64):
                raw.sendall(b"x" * (1 << 20))
            while raw.recv(4096):
                pass
            closed = True
        except (ConnectionError, BrokenPipeError):
            closed = True
        assert closed
    assert client.kernel.memory() - before < 64 << 20
    assert client.ok("1 + 1").result == "2"


@pytest.mark.parametrize("port", ["shell_port", "iopub_port", "hb_port", "control_port", "stdin_port"])
def test_something_else_than_a_zeromq_peer_harms_nothing(connect, port):
    client = connect("lua")
    info = client.kernel.info
    for text in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\xff" * 4096, b"", b"\0"):
        with socket.create_connection((info["ip"], info[port]), timeout=5) as raw:
            raw.sendall(text)
    # Many that come and go at once.
    many = [socket.create_connection((info["ip"], info[port]), timeout=5) for _ in range(50)]
    for raw in many:
        raw.close()
    assert client.ok("1 + 1").result == "2"


def test_a_large_cell_arrives_whole(connect):
    client = connect("lua")
    text = "ü" * (4 << 20)
    assert client.ok(f'#"{text}"', timeout=30).result == str(8 << 20)


def test_a_client_that_comes_back_under_its_name_is_served(connect):
    first = connect("lua", identity=b"the same")
    busy = first.begin("local till = ctx.now() + 1000 while ctx.now() < till do end")
    first.running(busy)
    first.close()
    second = connect("lua", identity=b"the same")
    assert second.kernel_info()["status"] == "ok"
    assert second.ok("1 + 1").result == "2"


def test_a_connection_file_that_cannot_be_used_is_refused_with_a_reason(tmp_path):
    from home import aikit

    good = {"transport": "tcp", "ip": "127.0.0.1", "key": "k", "signature_scheme": "hmac-sha256"}
    good |= {f"{name}_port": 0 for name in ("shell", "iopub", "stdin", "control", "hb")}
    cases = [
        ("not JSON", "{"),
        ("a list", "[]"),
        ("no port", json.dumps({key: value for key, value in good.items() if key != "shell_port"})),
        ("a port", json.dumps(good | {"shell_port": 99999})),
        ("scheme", json.dumps(good | {"signature_scheme": "hmac-md2"})),
        ("curve", json.dumps(good | {"curve_publickey": "x", "curve_secretkey": "y"})),
        ("transport", json.dumps(good | {"transport": "udp"})),
    ]
    for name, text in cases:
        file = tmp_path / "connection.json"
        file.write_text(text)
        ended = aikit("kernel", "start", "-f", str(file))
        assert ended.returncode not in (0, 70, 101, -6), (name, ended)
        assert "connection.json" in ended.stderr and "panicked" not in ended.stderr, (name, ended.stderr)
    ended = aikit("kernel", "start", "-f", str(tmp_path / "missing.json"))
    assert ended.returncode == 3 and "missing.json" in ended.stderr
