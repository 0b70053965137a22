"""Runs that wait for people, and runs whose process is killed: each command is a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from home import aikit, program

ASKS = """
identity: {agent_id: asks, name: Asks}
governance: {security: {permits: {exec: [sh]}}}
integration:
  tools:
    - {name: note, kind: command, argv: [sh, -c, 'echo "$0" >> ledger.txt', "{{ args.text }}"], input: {type: object, properties: {text: {type: string}}}}
behavior:
  steps:
    - {name: first, tool: note, args: {text: first}}
    - {name: sure, human: {ask: approve, prompt: "Go on?"}}
    - {name: second, tool: note, args: {text: second}}
    - {name: end, return: done}
"""


def document(folder: Path, text: str) -> Path:
    path = folder / "asks.agent.yaml"
    path.write_text(text)
    checked = aikit("check", str(path))
    assert checked.returncode == 0 and "AK08" not in checked.stdout, checked.stdout
    return path


def newest() -> dict:
    """The newest run, if there is one."""
    runs = json.loads(aikit("runs", "list", "--format", "json").stdout)
    return runs[0] if runs else {"status": "none"}


def ledger(folder: Path) -> list[str]:
    return (folder / "ledger.txt").read_text().split()


def test_a_run_waits_for_a_person_in_another_process(tmp_path):
    path = document(tmp_path, ASKS)
    ended = aikit("run", str(path), "--format", "json")
    assert ended.returncode == 6, ended.stdout + ended.stderr
    waits = json.loads(ended.stdout)
    assert waits["waiting"][0]["name"] == "sure" and ledger(tmp_path) == ["first"]
    run = waits["run"]["id"]
    wrong = aikit("resume", run, "--spec", str(path), "--answer", "sure=perhaps")
    assert wrong.returncode == 2 and "answer yes or no" in wrong.stderr, wrong.stderr
    still = aikit("resume", run, "--spec", str(path))
    assert still.returncode == 6 and "sure: Go on?" in still.stdout, still.stdout + still.stderr
    ended = aikit("resume", run, "--spec", str(path), "--answer", "sure=yes")
    assert (ended.returncode, ended.stdout.strip()) == (0, "done"), ended.stderr
    assert ledger(tmp_path) == ["first", "second"]
    replayed = aikit("replay", run, "--spec", str(path))
    assert replayed.returncode == 0 and ledger(tmp_path) == ["first", "second"], replayed.stdout


def test_a_killed_run_goes_on_without_doing_anything_twice(tmp_path):
    path = document(tmp_path, ASKS.replace('{name: sure, human: {ask: approve, prompt: "Go on?"}}', "{name: sure, wait: {for: 6s}}"))
    process = subprocess.Popen([str(program()), "run", str(path)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    waited = time.monotonic() + 30
    # What the tool did is durable before anything else happens.
    while not (newest()["status"] == "running" and '"kind":"effect.ended"' in aikit("runs", "export", "last").stdout):
        assert time.monotonic() < waited and process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert newest()["status"] == "running"
    ended = aikit("resume", "last", "--spec", str(path))
    assert (ended.returncode, ended.stdout.strip()) == (0, "done"), ended.stdout + ended.stderr
    assert ledger(tmp_path) == ["first", "second"]


def test_a_notebook_goes_on_with_the_answer(tmp_path):
    agent = ASKS.replace("    - {name: first, tool: note, args: {text: first}}\n", "").replace(
        "    - {name: second, tool: note, args: {text: second}}\n", ""
    )
    agent = agent[: agent.index("governance")] + agent[agent.index("behavior") :]
    cells = [agent.strip(), "%run asks", "%resume last sure=yes -> out", "%%js\nvars.out"]
    notebook = new_notebook(cells=[new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "aikit", "display_name": "aikit"}
    path, out = tmp_path / "asks.ipynb", tmp_path / "out.ipynb"
    nbformat.write(notebook, path)
    ended = aikit("notebook", "run", str(path), "--output", str(out))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    done = nbformat.read(out, as_version=4)
    said = "".join(output.get("text", "") for output in done.cells[1].outputs)
    assert "waits for a person" in said and "%resume" in said
    assert "done" in json.dumps(done.cells[3].outputs)
