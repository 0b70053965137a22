"""Subscribers: welcome, two clients, a stalled one, a vanished one, a flood."""

from __future__ import annotations

import threading
import time

import pytest
import zmq

from dialects import LUA, both


def test_the_first_word_is_the_welcome_and_the_second_starting(fresh):
    kernel = fresh("lua")
    client = kernel.client(subscribe=False)
    client.subscribe(wait=False)
    first, second = client.receive("iopub", 20), client.receive("iopub", 5)
    assert (first["msg_type"], first["content"], first["parent_header"]) == (
        "iopub_welcome",
        {"subscription": ""},
        {},
    )
    assert (second["msg_type"], second["content"]) == ("status", {"execution_state": "starting"})


def test_every_subscription_is_welcomed_with_its_topic(connect):
    client = connect("lua")
    client.sockets["iopub"].subscribe("topic ü")
    welcome = client.wait("iopub", lambda message: message["msg_type"] == "iopub_welcome")
    assert welcome["content"] == {"subscription": "topic ü"}
    # A topic that is no text is not welcomed, and does no harm.
    client.sockets["iopub"].subscribe(b"\xff\xfe")
    assert client.ok("1").result == "1"


def test_a_late_client_misses_nothing_of_its_first_request(fresh):
    kernel = fresh("lua")
    with kernel.client() as first:
        first.ok("1")
    for _ in range(10):
        with kernel.client(subscribe=False) as late:
            # Subscribes without waiting, as most front ends do, and asks at once.
            late.subscribe(wait=False)
            msg_id = late.begin('print("seen")')
            cell = late.end(msg_id)
            assert cell.types() == ["busy", "execute_input", "stream", "idle"]


def test_nothing_is_lost_behind_the_welcome(connect):
    """Requests on control are answered at once, so that a subscription that counts too late shows."""
    kernel = connect("lua").kernel
    for _ in range(60):
        with kernel.client() as late:
            msg_id = late.send("control", "kernel_info_request", {})
            assert [message["content"]["execution_state"] for message in late.until_idle(msg_id, 5)] == ["busy", "idle"]


def test_two_clients_see_the_same_outputs(connect):
    one, other = connect("lua"), connect("lua")
    msg_id = one.begin('print("for all") display.html("<i>x</i>") return 7')
    mine, theirs = one.end(msg_id).iopub, other.until_idle(msg_id)
    assert [m["header"]["msg_id"] for m in mine] == [m["header"]["msg_id"] for m in theirs]
    assert [m["content"] for m in mine] == [m["content"] for m in theirs]
    # And each the other's, from globals that they share.
    one.ok("shared = 5")
    msg_id = other.begin("shared")
    assert other.end(msg_id).result == "5"
    assert "execute_result" in [message["msg_type"] for message in one.until_idle(msg_id)]


def test_a_kernel_without_subscribers_works(fresh):
    kernel = fresh("lua")
    with kernel.client(subscribe=False) as client:
        msg_id = client.begin('print("to nobody") return 1')
        assert client.reply(msg_id, timeout=20)["content"]["status"] == "ok"


def test_a_vanished_client_leaves_the_kernel_to_the_others(connect):
    stays = connect("lua")
    for _ in range(5):
        gone = stays.kernel.client()
        gone.begin(LUA.lines(2000, 100) + " " + LUA.busy(100), allow_stdin=True)
        gone.close()
    # One that vanishes while it is asked something.
    asked = stays.kernel.client()
    msg_id = asked.begin(LUA.ask("anybody?"), allow_stdin=True)
    asked.reply(msg_id, "stdin", 30)
    asked.close()
    stays.interrupt()
    assert stays.ok("1 + 1").result == "2"


def test_a_stalled_subscriber_delays_nobody(connect):
    reader = connect("lua")
    stalled = reader.kernel.client(subscribe=False)
    # Holds one message, and a socket buffer of a few: soon the kernel's writes to it block.
    stalled.context.setsockopt(zmq.RCVBUF, 4096)
    stalled.subscribe(queue=1)
    alone = min(elapsed(reader) for _ in range(2))
    beside = min(elapsed(reader) for _ in range(2))
    assert beside < 5 * alone + 1
    began = time.monotonic()
    for _ in range(20):
        reader.ok("1")
    assert time.monotonic() - began < 2
    stalled.close()


def elapsed(client) -> float:
    """The time of a cell with 8 MB of output, as this client sees it."""
    began = time.monotonic()
    cell = client.ok(LUA.lines(8000, 1000), 30)
    assert len(cell.text()) == 8_000_000
    return time.monotonic() - began


@both
def test_fifty_megabytes_of_output_arrive_whole(connect, dialect):
    client = connect(dialect.language)
    client.ok("1")
    cell = client.ok(dialect.lines(5000, 10_000), 50)
    assert len(cell.text()) == 50_000_000
    assert cell.types()[-1] == "idle"
    assert client.ok("1 + 1").result == "2"


def test_an_output_that_nobody_takes_is_bounded(fresh):
    """100 MB while the only subscriber does not read: what is left out is said, and the memory comes back."""
    kernel = fresh("lua")
    client = kernel.client()
    client.ok("1")
    before = kernel.memory()
    with kernel.client(subscribe=False) as stalled:
        stalled.context.setsockopt(zmq.RCVBUF, 4096)
        stalled.subscribe(queue=1)
        most = [0]
        done = threading.Event()

        def watch() -> None:
            while not done.is_set():
                most[0] = max(most[0], kernel.memory())
                time.sleep(0.05)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            reply = client.begin(LUA.lines(10_000, 10_000))
            assert client.end(reply, 50).status == "ok"
        finally:
            done.set()
            watcher.join()
        assert most[0] - before < 300 << 20, f"{(most[0] - before) >> 20} MiB"
        last = client.ok("1 + 1")
        assert last.result == "2"
        # The stalled one wakes up: what it missed is told, and the end of what it saw is the present.
        end = time.monotonic() + 30
        text, idle = "", False
        while not idle and time.monotonic() < end:
            message = stalled.receive("iopub", 5)
            assert message is not None, "the stalled client was cut off"
            if message["msg_type"] == "stream" and message["content"]["name"] == "stderr":
                text += message["content"]["text"]
            own = message["parent_header"].get("msg_id") == last.reply["parent_header"]["msg_id"]
            idle = own and message["content"].get("execution_state") == "idle"
        assert idle and "skipped" in text, text


@pytest.mark.parametrize("count", [20_000])
def test_many_small_outputs_are_in_order(connect, count):
    client = connect("lua")
    cell = client.ok(f"for i = 1, {count} do print(i) end", 30)
    assert cell.text() == "".join(f"{i}\n" for i in range(1, count + 1))
    # They are put together: a front end with one message per line would crawl.
    assert len(cell.of("stream")) < count / 10
