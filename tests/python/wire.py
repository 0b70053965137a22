"""A kernel as a process, and a client that speaks to its sockets without help: nothing is retried, reordered or hidden."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import zmq
from jupyter_client.connect import write_connection_file
from jupyter_client.session import Session

from home import program

Message = dict[str, Any]
DEALERS = ("shell", "control", "stdin")


class Silence(AssertionError):
    """Nothing that fits arrived in time."""


class Kernel:
    """A kernel in a process of its own."""

    def __init__(self, language: str, argv: list[str] | None = None, env: dict[str, str] | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="kernel-", dir=os.environ["JUPYTER_RUNTIME_DIR"]))
        file, self.info = write_connection_file(str(self.folder / "connection.json"), key=uuid.uuid4().hex.encode())
        self.info["key"] = json.loads(Path(file).read_text())["key"]
        self.connection_file = file
        argv = argv or [str(program()), "kernel", "start", "--language", language, "-f", "{connection_file}"]
        self.log = (self.folder / "log").open("w+")
        self.process = subprocess.Popen(
            [part.replace("{connection_file}", file) for part in argv],
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            env=os.environ | {"JPY_PARENT_PID": str(os.getpid())} | (env or {}),
            # A signal for the group of the tests is none for the kernel.
            start_new_session=True,
            # What Python ignores stays ignored: a file that may not grow is then an error and not a signal.
            restore_signals=False,
        )

    def client(self, **options) -> Client:
        return Client(self, **options)

    def alive(self) -> bool:
        return self.process.poll() is None

    def output(self) -> str:
        """What the process wrote to its standard streams."""
        self.log.flush()
        return Path(self.log.name).read_text(errors="replace")

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def memory(self) -> int:
        """Resident bytes of the kernel and of the processes that it started."""
        root = psutil.Process(self.process.pid)
        return sum(process.memory_info().rss for process in [root, *root.children(recursive=True)])

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def stop(self) -> None:
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)
        self.log.close()


@dataclass
class Cell:
    """What came of an `execute_request`."""

    reply: Message
    iopub: list[Message] = field(default_factory=list)

    @property
    def content(self) -> dict[str, Any]:
        return self.reply["content"]

    @property
    def status(self) -> str:
        return self.content["status"]

    @property
    def count(self) -> int:
        return self.content["execution_count"]

    def of(self, msg_type: str) -> list[dict[str, Any]]:
        """The contents of the outputs of one type."""
        return [message["content"] for message in self.iopub if message["msg_type"] == msg_type]

    def text(self, name: str = "stdout") -> str:
        return "".join(content["text"] for content in self.of("stream") if content["name"] == name)

    @property
    def result(self) -> str | None:
        """The result as text."""
        found = self.of("execute_result")
        return found[0]["data"]["text/plain"] if found else None

    @property
    def shown(self) -> str:
        """The rich outputs as text, one after the other."""
        return "\n".join(str(content["data"].get("text/plain", "")) for content in self.of("display_data"))

    @property
    def failure(self) -> str:
        """Name, message and traceback of the error as one text."""
        content = self.content
        return "\n".join([content.get("ename", ""), content.get("evalue", ""), *content.get("traceback", [])])

    def types(self) -> list[str]:
        """The types of the iopub messages in order, with the state for `status`."""
        return [message["content"].get("execution_state") or message["msg_type"] for message in self.iopub]


class Client:
    """A front end. Messages that a call does not wait for stay in the inbox of their channel."""

    def __init__(
        self,
        kernel: Kernel,
        key: str | None = None,
        subscribe: bool = True,
        identity: bytes | None = None,
        retry: int = 10,
        late: tuple[str, ...] = (),
    ) -> None:
        self.kernel = kernel
        info = kernel.info
        self.session = Session(key=(info["key"] if key is None else key).encode(), username="tester")
        self.session.digest_history_size = 2**20
        self.context = zmq.Context()
        self.context.setsockopt(zmq.LINGER, 0)
        # Milliseconds between attempts to connect while the kernel is not listening yet; the library's own are 100 to 200.
        self.context.setsockopt(zmq.RECONNECT_IVL, retry)
        self.identity = identity or self.session.session.encode()
        self.sockets: dict[str, zmq.Socket] = {}
        for channel in DEALERS:
            if channel not in late:
                self.open(channel)
        self.inbox: dict[str, list[Message]] = {channel: [] for channel in (*DEALERS, "iopub")}
        if subscribe:
            self.subscribe()

    def open(self, channel: str) -> None:
        """Connects to one of the channels on which requests go."""
        socket = self.context.socket(zmq.DEALER)
        socket.identity = self.identity
        self._connect(channel, socket)

    def _connect(self, channel: str, socket: zmq.Socket) -> None:
        info = self.kernel.info
        socket.connect(f"{info['transport']}://{info['ip']}:{info[f'{channel}_port']}")
        self.sockets[channel] = socket

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Vanishes without a word."""
        self.context.destroy(linger=0)

    def subscribe(self, queue: int | None = None, wait: bool = True) -> None:
        """Subscribes to everything and waits for the welcome."""
        socket = self.context.socket(zmq.SUB)
        socket.set_hwm(0 if queue is None else queue)
        self._connect("iopub", socket)
        socket.subscribe(b"")
        if wait:
            self.wait("iopub", lambda message: message["msg_type"] == "iopub_welcome", 20)

    # Messages ---------------------------------------------------------------------------------------------------

    def send(self, channel: str, msg_type: str, content: dict[str, Any], header: dict[str, Any] | None = None) -> str:
        """Sends a message and gives its id."""
        message = self.session.msg(msg_type, content)
        message["header"] |= header or {}
        self.session.send(self.sockets[channel], message)
        return message["header"]["msg_id"]

    def frames(self, channel: str, *frames: bytes) -> None:
        """Sends bytes as they are."""
        self.sockets[channel].send_multipart(list(frames))

    def signed(self, channel: str, header: bytes, parent=b"{}", metadata=b"{}", content=b"{}", buffers=()) -> None:
        """Sends four frames as they are, with a valid signature."""
        parts = [header, parent, metadata, content]
        self.frames(channel, b"<IDS|MSG>", self.session.sign(parts), *parts, *buffers)

    def receive(self, channel: str, timeout: float) -> Message | None:
        """The next message from the socket."""
        socket = self.sockets[channel]
        if not socket.poll(max(0, timeout) * 1000):
            return None
        _, frames = self.session.feed_identities(socket.recv_multipart())
        return self.session.deserialize(frames)

    def wait(self, channel: str, fits, timeout: float = 15) -> Message:
        """The first message that fits, from the inbox or the socket."""
        inbox = self.inbox[channel]
        for at, message in enumerate(inbox):
            if fits(message):
                return inbox.pop(at)
        end = time.monotonic() + timeout
        while (message := self.receive(channel, end - time.monotonic())) is not None:
            if fits(message):
                return message
            inbox.append(message)
        state = "alive" if self.kernel.alive() else f"dead with {self.kernel.process.returncode}"
        waiting = [message["msg_type"] for message in inbox]
        raise Silence(f"nothing that fits on {channel} in {timeout} s; kernel {state}; inbox {waiting[-20:]}; "
                      f"log {self.kernel.output()[-2000:]!r}")

    def quiet(self, channel: str, seconds: float = 0.3) -> bool:
        """Whether nothing arrives for a while."""
        return not self.inbox[channel] and self.receive(channel, seconds) is None

    def drain(self, channel: str = "iopub", seconds: float = 0.2) -> list[Message]:
        """Everything that is there."""
        found, self.inbox[channel] = self.inbox[channel], []
        while (message := self.receive(channel, seconds)) is not None:
            found.append(message)
        return found

    def reply(self, msg_id: str, channel: str = "shell", timeout: float = 15) -> Message:
        """The reply to a request."""
        return self.wait(channel, lambda message: message["parent_header"].get("msg_id") == msg_id, timeout)

    def until_idle(self, msg_id: str, timeout: float = 15) -> list[Message]:
        """The iopub messages of a request, from busy to idle."""
        found: list[Message] = []
        end = time.monotonic() + timeout
        while True:
            message = self.wait(
                "iopub",
                lambda message: message["parent_header"].get("msg_id") == msg_id,
                end - time.monotonic(),
            )
            found.append(message)
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return found

    def output(self, msg_id: str, msg_type: str, timeout: float = 15) -> dict[str, Any]:
        """The content of the first output of one type."""
        return self.wait(
            "iopub",
            lambda message: message["parent_header"].get("msg_id") == msg_id and message["msg_type"] == msg_type,
            timeout,
        )["content"]

    # Requests ---------------------------------------------------------------------------------------------------

    def ask(self, msg_type: str, channel: str = "shell", timeout: float = 15, **content) -> dict[str, Any]:
        """Sends a request and gives the content of its reply."""
        return self.reply(self.send(channel, msg_type, content), channel, timeout)["content"]

    def kernel_info(self, channel: str = "shell", timeout: float = 15) -> dict[str, Any]:
        return self.ask("kernel_info_request", channel, timeout)

    def begin(self, code: str, **options) -> str:
        """Sends an `execute_request` and does not wait."""
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": False,
        }
        return self.send("shell", "execute_request", content | options)

    def end(self, msg_id: str, timeout: float = 15) -> Cell:
        """The reply and the outputs of an execution."""
        reply = self.reply(msg_id, timeout=timeout)
        return Cell(reply, self.until_idle(msg_id, timeout) if "iopub" in self.sockets else [])

    def run(self, code: str, timeout: float = 15, **options) -> Cell:
        """Executes a cell."""
        return self.end(self.begin(code, **options), timeout)

    def ok(self, code: str, timeout: float = 15, **options) -> Cell:
        """Executes a cell that must succeed."""
        cell = self.run(code, timeout, **options)
        assert cell.status == "ok", cell.failure
        return cell

    def fails(self, code: str, *texts: str, timeout: float = 15, **options) -> Cell:
        """Executes a cell that must fail with an error that says all of `texts`, ignoring case."""
        cell = self.run(code, timeout, **options)
        assert cell.status == "error", f"succeeded: {code!r}"
        assert cell.content["ename"] and cell.content["evalue"] and cell.content["traceback"], cell.content
        for text in texts:
            assert text.lower() in cell.failure.lower(), f"{text!r} is not in:\n{cell.failure}"
        return cell

    def running(self, msg_id: str) -> None:
        """Waits until an execution is under way."""
        self.output(msg_id, "execute_input")

    def interrupt(self) -> None:
        """Interrupts by message."""
        assert self.ask("interrupt_request", "control")["status"] == "ok"
