"""What agents remember, through the command line: each run is a process of its own."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from home import aikit

KEEPER = """
identity: {agent_id: keeper, name: Keeper}
interface:
  inputs: {type: object, properties: {text: {type: string}, keep: {type: boolean, default: false}}, required: [text]}
memory:
  episodic: {scope: user, max_entries: 3}
  blocks: [{label: human, value: nobody}]
governance: {security: {redact: [email]}}
behavior:
  steps:
    - name: keep
      when: inputs.keep
      remember: {value: "{{ inputs.text }}"}
    - name: name
      when: inputs.keep
      remember: {label: human, value: "{{ inputs.text }}"}
    - name: find
      recall: {query: "{{ inputs.text }}", top_k: 2}
    - name: human
      recall: {from: block, query: human}
    - name: both
      return: {found: "{{ steps.find.output }}", human: "{{ steps.human.output }}"}
"""


def run(path: Path, *more: str, **inputs) -> dict:
    ended = aikit("run", str(path), "--input", json.dumps(inputs), "--format", "json", *more)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return json.loads(ended.stdout)["run"]


def document(folder: Path, text: str) -> Path:
    path = folder / "keeper.agent.yaml"
    path.write_text(text)
    return path


def test_a_process_recalls_what_another_one_remembered(tmp_path):
    path = document(tmp_path, KEEPER)
    checked = aikit("check", str(path))
    assert checked.returncode == 0 and "AK08" not in checked.stdout, checked.stdout
    for text in ["Ada likes green tea", "write to ada@example.org", "the invoice is number 42"]:
        run(path, text=text, keep=True)
    output = run(path, text="which tea?")["output"]
    assert output["found"][0]["text"] == "Ada likes green tea"
    assert 0 < output["found"][0]["score"] <= 1
    assert output["human"] == [{"id": "human", "text": "the invoice is number 42", "score": 1.0}]
    found = run(path, text="write an email")["output"]["found"]
    assert found[0]["text"] == "write to [email]"
    # The oldest leaves.
    run(path, text="a fourth one", keep=True)
    assert all("tea" not in one["text"] for one in run(path, text="green tea")["output"]["found"])


def test_a_run_with_memory_is_replayed(tmp_path):
    path = document(tmp_path, KEEPER.replace("keeper", "replayed"))
    first = run(path, text="tea at five", keep=True)
    run(path, text="tea at six", keep=True)
    ended = aikit("replay", first["id"], "--spec", str(path), "--format", "json")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert json.loads(ended.stdout)["run"]["output"] == first["output"]


def test_a_tenant_sees_nothing_of_another(tmp_path):
    path = document(tmp_path, KEEPER.replace("keeper", "walled"))
    run(path, text="the secret of the house", keep=True)
    created = aikit("tenant", "create", "globex")
    assert created.returncode == 0, created.stderr
    output = run(path, "--tenant", "globex", text="the secret of the house")["output"]
    assert output == {"found": [], "human": [{"id": "human", "text": "nobody", "score": 1.0}]}


def test_a_notebook_keeps_what_a_cell_remembers(tmp_path):
    cells = [
        'ctx.memory.remember({text = "Ada likes tea", metadata = {n = 1}})',
        'return ctx.memory.recall("tea", {top_k = 1})[1].text',
        '%%js\nconst kept = await ctx.memory.recall("tea");\nawait ctx.memory.forget(kept[0].id)',
        'return #ctx.memory.recall("tea")',
    ]
    book = new_notebook(cells=[new_code_cell(source) for source in cells])
    book.metadata["kernelspec"] = {"name": "aikit-lua", "display_name": "aikit-lua", "language": "lua"}
    path, out = tmp_path / "in.ipynb", tmp_path / "out.ipynb"
    nbformat.write(book, path)
    ended = aikit("notebook", "run", str(path), "-o", str(out))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    ran = nbformat.read(out, as_version=4)
    values = [cell.outputs[-1]["data"]["text/plain"] for cell in ran.cells[1:]]
    assert values == ["Ada likes tea", "true", "0"]


READER = """
identity: {agent_id: reader, name: Reader}
interface: {inputs: {type: object, properties: {text: {type: string}}, required: [text]}}
memory:
  knowledge_bases: [{name: handbook, source: "docs/**/*.md", chunk: {by: headings, size: 80, overlap: 0}}]
intelligence: {embedding_model: hashing/384}
behavior:
  steps:
    - name: find
      retrieve: {query: "{{ inputs.text }}", top_k: 1}
"""


def test_documents_beside_the_agent_are_read_when_they_change(tmp_path):
    path = document(tmp_path, READER)
    pages = tmp_path / "docs" / "rules"
    pages.mkdir(parents=True)
    page = pages / "shop.md"
    page.write_text("# Shop\n## Refunds\nMoney is sent back within 14 days.\n## Shipping\nWe ship on Fridays.\n")
    (tmp_path / "secret.md").write_text("# Secret\nMoney is under the carpet.\n")
    found = run(path, text="When is the money sent back?")["output"]
    assert [one["citation"] for one in found] == ["docs/rules/shop.md > Shop > Refunds"]
    assert page.read_bytes()[found[0]["start"] : found[0]["end"]].decode() == found[0]["text"]
    page.write_text("# Shop\n## Refunds\nMoney is sent back within 30 days.\n")
    assert "30 days" in run(path, text="When is the money sent back?")["output"][0]["text"]
    page.unlink()
    assert run(path, text="When is the money sent back?")["output"] == []
