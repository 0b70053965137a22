"""Notebooks through nbclient: ours, and one for each kernel."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from home import KERNELS, ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def notebook(kernel: str, *cells: str) -> nbformat.NotebookNode:
    metadata = {"kernelspec": {"name": kernel, "display_name": kernel, "language": "x"}}
    return new_notebook(cells=[new_markdown_cell("# Title"), *map(new_code_cell, cells)], metadata=metadata)


def execute(book: nbformat.NotebookNode, folder: Path, **options) -> nbformat.NotebookNode:
    NotebookClient(book, timeout=60, resources={"metadata": {"path": str(folder)}}, **options).execute()
    nbformat.validate(book)
    return book


@pytest.mark.timeout(120)
@pytest.mark.parametrize("path", NOTEBOOKS or [ROOT / "notebooks" / "none.ipynb"], ids=lambda path: path.stem)
def test_a_notebook_of_the_project_runs_offline(path, tmp_path):
    book = nbformat.read(path, as_version=4)
    assert book.metadata.kernelspec.name in KERNELS.values()
    execute(book, tmp_path)
    cells = [cell for cell in book.cells if cell.cell_type == "code" and cell.source.strip()]
    assert cells and any(cell.outputs for cell in cells)
    assert all(output.output_type != "error" for cell in cells for output in cell.outputs)
    # What people commit is free of the runs of one machine.
    for cell in nbformat.read(path, as_version=4).cells:
        assert not cell.get("outputs"), f"{path.name} holds outputs"


@pytest.mark.parametrize("kernel", KERNELS.values())
def test_each_kernel_is_driven_by_nbclient(kernel, tmp_path):
    book = notebook(
        kernel,
        '%%lua\nvars.n = 20\nprint("from lua")',
        "%%js\nvars.n = vars.n + 22; console.error('from js'); vars.n",
        '%%lua\ndisplay.markdown("**first**", {id = "it"})',
        '%%lua\ndisplay.markdown("**second**", {id = "it", update = true}) return vars.n',
        '%%lua\nprint("gone") display.clear() print("stays")',
    )
    execute(book, tmp_path)
    outputs = [cell.get("outputs") for cell in book.cells[1:]]
    assert outputs[0] == [{"output_type": "stream", "name": "stdout", "text": "from lua\n"}]
    assert outputs[1][-1]["data"]["text/plain"] == "42"
    # The update of a later cell reaches the output of the earlier one.
    assert outputs[2][0]["data"]["text/markdown"] == "**second**"
    assert outputs[3][-1]["data"]["text/plain"] == "42"
    assert outputs[4] == [{"output_type": "stream", "name": "stdout", "text": "stays\n"}]


def test_an_agent_is_defined_and_run_in_a_notebook(tmp_path):
    book = notebook(
        "aikit",
        "identity: {agent_id: greeter, name: Greeter}\n"
        "intelligence:\n  models: {default: {provider: scripted, model: auto}}\n"
        "behavior:\n  steps:\n    - name: greet\n      llm: {prompt: 'Greet {{ inputs.name }}'}\n",
        "%run greeter name=Ada -> greeting",
        "%%js\nJSON.stringify(vars.greeting)",
    )
    execute(book, tmp_path)
    card = [output for output in book.cells[2].outputs if "data" in output][-1]
    assert "<svg" in card["data"]["text/html"]
    assert "simulated" in card["data"]["text/plain"]
    assert "Ada" in book.cells[3].outputs[-1]["data"]["text/plain"]


@pytest.mark.parametrize("kernel", KERNELS.values())
def test_a_failing_cell_stops_the_notebook_unless_errors_are_allowed(kernel, tmp_path):
    cells = ("%%lua\nprint(1)", "%%lua\nerror('on purpose')", "%%lua\nprint(3)")
    with pytest.raises(CellExecutionError, match="on purpose"):
        execute(notebook(kernel, *cells), tmp_path)
    book = execute(notebook(kernel, *cells), tmp_path, allow_errors=True)
    assert [cell.outputs[0].output_type for cell in book.cells[1:]] == ["stream", "error", "stream"]


def test_a_notebook_may_not_ask(tmp_path):
    with pytest.raises(CellExecutionError, match="input"):
        execute(notebook("aikit-lua", 'input("?")'), tmp_path)
