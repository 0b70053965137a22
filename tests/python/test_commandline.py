"""`aikit notebook run` and `aikit kernel`: what people can do wrong."""

from __future__ import annotations

import json
import os
import resource
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from home import aikit

REFUSED, USAGE, MISSING, FAILED, STORE = 1, 2, 3, 4, 5


def write(folder: Path, *cells: str, kernel: str = "aikit-lua", language: str = "lua") -> Path:
    book = new_notebook(cells=[new_code_cell(source) for source in cells])
    book.metadata["kernelspec"] = {"name": kernel, "display_name": kernel, "language": language}
    path = folder / "in.ipynb"
    nbformat.write(book, path)
    return path


def test_a_notebook_runs_as_nbclient_runs_it(tmp_path):
    path = write(
        tmp_path,
        'print("one") vars.n = 1',
        "%%js\nvars.n + 1",
        'display.markdown("**old**", {id = "it"})',
        'display.markdown("**new**", {id = "it", update = true})',
        "%tenant",
        'eprint("careful") return {a = 1}',
    )
    out, html = tmp_path / "out.ipynb", tmp_path / "out.html"
    ended = aikit("notebook", "run", str(path), "-o", str(out), "--html", str(html))
    assert ended.returncode == 0, ended.stderr
    mine = nbformat.read(out, as_version=4)
    nbformat.validate(mine)
    theirs = nbformat.read(path, as_version=4)
    NotebookClient(theirs, timeout=30).execute()

    def shape(book) -> list:
        return [[(output.output_type, sorted(output.get("data", {}))) for output in cell.outputs] for cell in book.cells]

    assert shape(mine) == shape(theirs)
    assert mine.cells[2].outputs == theirs.cells[2].outputs
    assert [cell.execution_count for cell in mine.cells] == [cell.execution_count for cell in theirs.cells]
    page = html.read_text()
    assert "one" in page and "<script src=" not in page
    # The notebook itself is left alone.
    assert all(not cell.outputs for cell in nbformat.read(path, as_version=4).cells)


def test_a_failing_cell_is_the_exit_code_and_its_place_the_message(tmp_path):
    path = write(tmp_path, "print(1)", 'local x\nerror("on purpose")', "print(3)")
    out = tmp_path / "out.ipynb"
    ended = aikit("notebook", "run", str(path), "-o", str(out))
    assert ended.returncode == FAILED, ended
    assert "on purpose" in ended.stderr + ended.stdout and "line 2" in ended.stderr + ended.stdout
    # What was done until then is written.
    cells = nbformat.read(out, as_version=4).cells
    assert [output.output_type for cell in cells for output in cell.outputs][:2] == ["stream", "error"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "notebook"),
        ("this is no notebook", "notebook"),
        ("{", "notebook"),
        ("[]", "notebook"),
        ("{}", "notebook"),
        ('{"cells": 7, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}', "cells"),
        ('{"cells": [7], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}', "cell"),
        ('{"cells": [{"cell_type": "code", "source": 7}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}', "source"),
        ('{"cells": [], "metadata": {}, "nbformat": 3, "nbformat_minor": 0}', "format 3"),
        ('{"cells": [], "metadata": {}, "nbformat": 99, "nbformat_minor": 0}', "format 99"),
        ('{"worksheets": [], "metadata": {}, "nbformat": 3, "nbformat_minor": 0}', "format 3"),
        ("\0\0\0\0", "notebook"),
    ],
)
def test_what_is_no_notebook_is_refused(tmp_path, text, named):
    path, out = tmp_path / "in.ipynb", tmp_path / "out.ipynb"
    path.write_text(text)
    ended = aikit("notebook", "run", str(path), "-o", str(out))
    assert ended.returncode == REFUSED, ended
    assert "in.ipynb" in ended.stderr and named in ended.stderr, ended.stderr
    assert "panicked" not in ended.stderr and not out.exists()
    failure = json.loads(aikit("--format", "json", "notebook", "run", str(path)).stderr)
    assert failure["error"]["message"]


def test_files_that_are_not_there_or_not_text(tmp_path):
    missing = aikit("notebook", "run", str(tmp_path / "missing.ipynb"))
    assert missing.returncode == MISSING and "missing.ipynb" in missing.stderr
    folder = aikit("notebook", "run", str(tmp_path))
    assert folder.returncode in (REFUSED, MISSING) and str(tmp_path) in folder.stderr
    binary = tmp_path / "binary.ipynb"
    binary.write_bytes(os.urandom(4096))
    assert aikit("notebook", "run", str(binary)).returncode == REFUSED
    assert aikit("notebook", "run").returncode == USAGE
    good = write(tmp_path, "print(1)")
    nowhere = aikit("notebook", "run", str(good), "-o", str(tmp_path / "no" / "folder" / "out.ipynb"))
    assert nowhere.returncode == REFUSED and "out.ipynb" in nowhere.stderr


def test_an_unknown_kernel_is_refused_with_those_that_exist(tmp_path):
    path = write(tmp_path, "1", kernel="python3", language="python")
    ended = aikit("notebook", "run", str(path))
    assert ended.returncode in (REFUSED, MISSING)
    assert "python3" in ended.stderr and "aikit-lua" in ended.stderr


def test_a_notebook_may_not_ask(tmp_path):
    ended = aikit("notebook", "run", str(write(tmp_path, 'input("name? ")')))
    assert ended.returncode == FAILED and "input" in ended.stderr + ended.stdout


def test_a_full_disk_loses_nothing(tmp_path):
    path = write(tmp_path, "print(1)")
    out = tmp_path / "out.ipynb"
    assert aikit("notebook", "run", str(path), "-o", str(out)).returncode == 0
    before = out.read_bytes()

    def no_file_may_grow() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    ended = aikit("notebook", "run", str(path), "-o", str(out), preexec_fn=no_file_may_grow, restore_signals=False)
    assert ended.returncode in (REFUSED, STORE), ended
    assert ended.stderr and "panicked" not in ended.stderr
    assert out.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["in.ipynb", "out.ipynb"]


def test_a_device_is_written_to_and_not_replaced(tmp_path):
    path, pipe = write(tmp_path, "print(1)"), tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as readers:
        read = readers.submit(pipe.read_text)
        ended = aikit("notebook", "run", str(path), "-o", str(pipe))
        assert ended.returncode == 0, ended.stderr
        assert pipe.is_fifo()
        assert nbformat.reads(read.result(20), as_version=4).cells[0].outputs


def test_kernels_are_installed_listed_and_removed(tmp_path):
    prefix = str(tmp_path / "prefix")
    assert aikit("kernel", "install", "--prefix", prefix, "--name", "mine").returncode == 0
    folder = tmp_path / "prefix" / "share" / "jupyter" / "kernels"
    assert sorted(path.name for path in folder.iterdir()) == ["mine", "mine-js", "mine-lua"]
    for kernel in folder.iterdir():
        spec = json.loads((kernel / "kernel.json").read_text())
        assert "{connection_file}" in spec["argv"]
        assert spec["interrupt_mode"] == "message"
    # Twice is once.
    assert aikit("kernel", "install", "--prefix", prefix, "--name", "mine").returncode == 0
    assert aikit("kernel", "uninstall", "--prefix", prefix, "--name", "mine").returncode == 0
    assert list(folder.iterdir()) == []
    again = aikit("kernel", "uninstall", "--prefix", prefix, "--name", "mine")
    assert again.returncode == MISSING and "mine" in again.stderr
    file = tmp_path / "file"
    file.write_text("")
    assert aikit("kernel", "install", "--prefix", str(file)).returncode == REFUSED
    assert aikit("kernel", "install", "--prefix", prefix, "--name", "No Name").returncode == USAGE


def test_jupyter_finds_the_kernels():
    from jupyter_client.kernelspec import KernelSpecManager

    specs = KernelSpecManager().get_all_specs()
    assert {"aikit", "aikit-lua", "aikit-js"} <= set(specs)
    for name in ("aikit", "aikit-lua", "aikit-js"):
        assert specs[name]["spec"]["display_name"].startswith("aikit")
