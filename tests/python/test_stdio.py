"""The kernel on standard input and output, as an editor's notebook starts it."""

import base64
import json
import subprocess
import time

import pytest

from home import program


class Kernel:
    def __init__(self, language):
        command = [str(program()), "kernel", "start", "--stdio", "--language", language]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen(command, text=True, **pipes)
        self.sent = 0

    def send(self, channel, msg_type, content, **more):
        self.sent += 1
        msg_id = f"message-{self.sent}"
        message = {"channel": channel, "header": {"msg_id": msg_id, "msg_type": msg_type}, "content": content, **more}
        self.line(json.dumps(message))
        return msg_id

    def line(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def read(self):
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        return json.loads(line)

    def until(self, wanted):
        """All messages up to the first that `wanted` holds of."""
        seen = []
        while not seen or not wanted(seen[-1]):
            seen.append(self.read())
        return seen

    def run(self, code):
        """The outputs of a cell, and its reply."""
        asked = self.send("shell", "execute_request", {"code": code})
        return self.finish(asked)

    def finish(self, asked):
        reply, idle, outputs = None, False, []
        while not (reply and idle):
            message = self.read()
            if message["parent_header"].get("msg_id") != asked:
                continue
            kind = message["header"]["msg_type"]
            if message["channel"] == "shell":
                reply = message["content"]
            elif kind == "status":
                idle = message["content"]["execution_state"] == "idle"
            elif kind != "execute_input":
                outputs.append((kind, message["content"]))
        return outputs, reply


@pytest.fixture
def start():
    kernels = []

    def start(language):
        kernels.append(Kernel(language))
        return kernels[-1]

    yield start
    for kernel in kernels:
        kernel.process.kill()
        kernel.process.wait()


def test_cells_run_in_the_order_of_the_lines(start):
    kernel = start("lua")
    info = kernel.until(lambda message: message["header"]["msg_type"] == "status")
    assert info[-1]["content"] == {"execution_state": "starting"}
    outputs, reply = kernel.run("print('hi') return 6 * 7")
    assert [kind for kind, _ in outputs] == ["stream", "execute_result"]
    assert outputs[1][1]["data"]["text/plain"] == "42"
    assert reply["status"] == "ok"
    outputs, reply = kernel.run("error('no')")
    assert reply["status"] == "error" and "no" in reply["evalue"]


def test_an_endless_cell_is_interrupted_over_the_control_channel(start):
    kernel = start("js")
    asked = kernel.send("shell", "execute_request", {"code": "while (true) {}"})
    kernel.until(lambda message: message["header"]["msg_type"] == "execute_input")
    kernel.send("control", "interrupt_request", {})
    outputs, reply = kernel.finish(asked)
    assert reply["ename"] == "KeyboardInterrupt"
    assert kernel.run("1 + 1")[0][0][1]["data"]["text/plain"] == "2"


def test_questions_are_answered_over_the_stdin_channel(start):
    kernel = start("lua")
    asked = kernel.send("shell", "execute_request", {"code": "return input('Name? ')", "allow_stdin": True})
    question = kernel.until(lambda message: message["channel"] == "stdin")[-1]
    assert question["content"]["prompt"] == "Name? "
    kernel.send("stdin", "input_reply", {"value": "Ada"}, parent_header=question["header"])
    outputs, reply = kernel.finish(asked)
    assert reply["status"] == "ok" and "Ada" in json.dumps(outputs)


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "[]",
        '{"channel": "shell"}',
        '{"channel": "elsewhere", "header": {"msg_type": "kernel_info_request"}}',
        '{"channel": "shell", "header": {"msg_type": "kernel_info_request"}, "buffers": ["%"]}',
    ],
)
def test_a_line_that_is_no_message_is_answered_and_passed_over(start, line):
    kernel = start("lua")
    kernel.line(line)
    problem = kernel.until(lambda message: message["channel"] == "error")[-1]
    assert problem["content"]["message"]
    assert kernel.run("return 1")[1]["status"] == "ok"


def test_the_process_ends_with_a_shutdown_and_with_its_input(start):
    kernel = start("lua")
    kernel.send("control", "shutdown_request", {"restart": False})
    replies = kernel.until(lambda message: message["channel"] == "control")
    assert replies[-1]["content"] == {"status": "ok", "restart": False}
    assert kernel.process.wait(timeout=10) == 0
    kernel = start("lua")
    kernel.process.stdin.close()
    assert kernel.process.wait(timeout=10) == 0


def test_buffers_are_base64(start):
    kernel = start("lua")
    open_ = {"comm_id": "c", "target_name": "nobody", "data": {}}
    kernel.send("shell", "comm_open", open_, buffers=[base64.b64encode(b"\x00\xff").decode()])
    closed = kernel.until(lambda message: message["header"]["msg_type"] == "comm_close")
    assert closed[-1]["content"]["comm_id"] == "c"
