"""`jupyter console` in a pseudo-terminal, with the keys that a person presses."""

from __future__ import annotations

import os
import re
import sys

import pexpect
import pytest

from wire import Kernel

ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[=>()][0-9A-B]?)")


class Console:
    """A terminal with `jupyter console` in it."""

    def __init__(self, *args: str) -> None:
        # The library that reads the keys would ask the terminal where its cursor is; nobody would answer.
        env = os.environ | {"PROMPT_TOOLKIT_NO_CPR": "1", "TERM": "xterm"}
        self.child = pexpect.spawn(
            sys.executable,
            ["-m", "jupyter_console", "--ZMQTerminalInteractiveShell.kernel_timeout=30", *args],
            env=env,
            timeout=20,
            dimensions=(40, 160),
            encoding="utf-8",
            codec_errors="replace",
        )
        self.seen = ""

    def expect(self, pattern: str) -> None:
        """Waits for text, whatever colours it has."""
        end = re.compile(pattern)
        while not (found := end.search(ESCAPES.sub("", self.seen))):
            try:
                self.seen += self.child.read_nonblocking(4096, timeout=20)
            except (pexpect.TIMEOUT, pexpect.EOF):
                raise AssertionError(f"{pattern!r} did not come; the terminal shows:\n{ESCAPES.sub('', self.seen)}")
        self.seen = ESCAPES.sub("", self.seen)[found.end() :]

    def ready(self) -> None:
        """Waits for the first prompt and, as slow hands do, until iopub is connected too: the console asks only shell
        whether the kernel is there, and a state that it missed is one that it waits for for ever."""
        self.expect(r"In \[\d+\]: ")
        self.child.expect(pexpect.TIMEOUT, timeout=1)

    def type(self, text: str) -> None:
        self.child.send(text + "\r")

    def leave(self) -> None:
        """Leaves as people do; the kernel goes with the console."""
        self.child.sendcontrol("d")
        self.expect("really want to exit")
        self.type("y")
        self.child.expect(pexpect.EOF, timeout=20)
        self.child.close()


@pytest.fixture
def console():
    opened: list[Console] = []

    def start(*args: str) -> Console:
        opened.append(Console(*args))
        return opened[-1]

    yield start
    for one in opened:
        one.child.close(force=True)


@pytest.mark.parametrize(
    ("kernel", "hello", "ask", "loop", "keep", "kept"),
    [
        ("aikit-lua", 'print("hel" .. "lo")', 'input("name? ") .. "!"', "while true do end", "x = 41", "x + 1"),
        ("aikit-js", 'console.log("hel" + "lo")', 'await input("name? ") + "!"', "while (true) {}", "x = 41", "x + 1"),
    ],
    ids=["lua", "js"],
)
def test_a_session_at_the_console(console, kernel, hello, ask, loop, keep, kept):
    screen = console("--kernel", kernel)
    screen.expect(r"aikit \d+\.\d+")
    screen.ready()
    screen.type(hello)
    screen.expect(r"\nhello")
    screen.expect(r"In \[2\]: ")
    screen.type(keep)
    screen.expect(r"In \[3\]: ")
    screen.type(ask)
    screen.expect(r"name\? ")
    screen.type("Ada")
    screen.expect(r"Out\[3\]:\s*Ada!")
    screen.expect(r"In \[4\]: ")
    screen.type(loop)
    # Nothing tells that the loop runs; the console hears the busy state at once.
    screen.child.expect(pexpect.TIMEOUT, timeout=1)
    screen.child.sendcontrol("c")
    screen.expect("KeyboardInterrupt")
    screen.expect(r"In \[5\]: ")
    screen.type(kept)
    screen.expect(r"Out\[5\]:\s*42")
    screen.expect(r"In \[6\]: ")
    screen.leave()


def test_a_line_that_is_not_complete_goes_on_in_the_next(console):
    screen = console("--kernel", "aikit-lua")
    screen.ready()
    screen.type("for i = 1, 2 do")
    screen.expect(r"\.\.\.: ")
    screen.type('print("turn " .. i) end')
    screen.type("")
    screen.expect("turn 1")
    screen.expect("turn 2")
    screen.expect(r"In \[2\]: ")
    screen.leave()


def test_the_agent_kernel_at_the_console(console):
    screen = console("--kernel", "aikit")
    screen.ready()
    screen.type("%tenant")
    screen.expect("plan")
    screen.expect(r"In \[2\]: ")
    screen.type("%help %run")
    screen.expect("Runs an agent")
    screen.expect(r"In \[3\]: ")
    screen.leave()


def test_the_console_joins_a_running_kernel(console, fresh):
    kernel: Kernel = fresh("lua")
    with kernel.client() as client:
        client.ok("from_client = 42")
        screen = console("--existing", kernel.connection_file)
        screen.ready()
        screen.type("from_client")
        screen.expect(r"Out\[2\]:\s*42")
        screen.expect(r"In \[3\]: ")
        screen.type("from_console = 7")
        screen.expect(r"In \[4\]: ")
        screen.child.close(force=True)
        assert client.ok("from_console").result == "7"
