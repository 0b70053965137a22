"""Completion, inspection, completeness; positions are code points."""

from __future__ import annotations

import pytest

BEFORE = ["", "é", "🦀", "👩‍👩‍👧 ", "e\u0301", "日本語", "\t", "a\n🦀\n"]
"""Text of one, two, three and four bytes, of one and two UTF-16 units, of one and several code points per glyph."""


def complete(client, code: str, cursor: int | None = None) -> dict:
    cursor = len(code) if cursor is None else cursor
    reply = client.ask("complete_request", code=code, cursor_pos=cursor)
    assert reply["status"] == "ok"
    return reply


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("language", ["lua", "js"])
def test_completion_counts_code_points(connect, language, before):
    client = connect(language)
    code = f'x = "{before}".. string.re' if language == "lua" else f"x = `{before}` + JSON.stri"
    word, match = ("re", "rep") if language == "lua" else ("stri", "stringify")
    reply = complete(client, code + " + 1", len(code))
    assert match in reply["matches"]
    assert (reply["cursor_start"], reply["cursor_end"]) == (len(code) - len(word), len(code))
    assert code[reply["cursor_start"] : reply["cursor_end"]] == word


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("language", ["lua", "js"])
def test_inspection_counts_code_points(connect, language, before):
    client = connect(language)
    quoted = f"--[[{before}]] " if language == "lua" else f"/*{before}*/ "
    code = f"{quoted}ctx.storage.get"
    inside = len(code) - 2
    reply = client.ask("inspect_request", code=code + "('k')", cursor_pos=inside, detail_level=0)
    assert reply["found"] is True
    assert "ctx.storage.get" in reply["data"]["text/plain"]
    # The cursor is in what stands before: there is nothing to say of `ctx`.
    reply = client.ask("inspect_request", code=code, cursor_pos=1, detail_level=0)
    assert "ctx.storage.get" not in reply["data"].get("text/plain", "")


@pytest.mark.parametrize("language", ["lua", "js"])
def test_live_globals_are_completed_and_inspected(connect, language):
    client = connect(language)
    if language == "lua":
        client.ok("zebra_table = {stripes = 7, stroke = function(a, b) end} zebra_number = 42")
    else:
        client.ok("globalThis.zebra_table = {stripes: 7, stroke(a, b) {}}; globalThis.zebra_number = 42; undefined")
    assert set(complete(client, "zebra_")["matches"]) == {"zebra_number", "zebra_table"}
    assert set(complete(client, "zebra_table.str")["matches"]) == {"stripes", "stroke"}
    types = complete(client, "zebra_table.str")["metadata"]["_jupyter_types_experimental"]
    assert {entry["text"] for entry in types} == {"stripes", "stroke"}
    assert all(entry["type"] for entry in types)
    shown = client.ask("inspect_request", code="zebra_number", cursor_pos=3, detail_level=0)
    assert shown["found"] and "42" in shown["data"]["text/plain"]
    missing = client.ask("inspect_request", code="no_such_thing", cursor_pos=3, detail_level=0)
    assert (missing["status"], missing["found"], missing["data"]) == ("ok", False, {})
    for detail in (0, 1):
        assert client.ask("inspect_request", code="vars", cursor_pos=4, detail_level=detail)["found"]


@pytest.mark.parametrize("language", ["lua", "js"])
def test_completion_runs_nothing_of_the_person(connect, language):
    client = connect(language)
    if language == "lua":
        client.ok("touched = 0 trap = setmetatable({}, {__index = function() touched = touched + 1 end})")
    else:
        client.ok("globalThis.touched = 0; globalThis.trap = {get inner() { touched++; return {} }}; undefined")
    complete(client, "trap.inner.x")
    client.ask("inspect_request", code="trap.inner.x", cursor_pos=12, detail_level=1)
    assert client.ok("touched").result == "0"


@pytest.mark.parametrize("before", ["", "# 🦀\n", "# 日本語\n\n"])
def test_an_agent_cell_completes_keys(connect, before):
    client = connect("yaml")
    code = before + "identity:\n  agent_id: a\n  nam"
    reply = complete(client, code)
    assert "name" in [match.strip(": ") for match in reply["matches"]]
    assert (reply["cursor_start"], reply["cursor_end"]) == (len(code) - 3, len(code))


@pytest.mark.parametrize("language", ["yaml", "lua", "js"])
def test_magics_are_completed_and_explained(connect, language):
    client = connect(language)
    reply = complete(client, "%prom")
    assert (reply["matches"], reply["cursor_start"], reply["cursor_end"]) == (["%promote"], 0, 5)
    assert "%%lua" in complete(client, "%%")["matches"]
    shown = client.ask("inspect_request", code="%promote x", cursor_pos=4, detail_level=0)
    assert shown["found"] and "version" in shown["data"]["text/plain"]


@pytest.mark.parametrize("language", ["yaml", "lua", "js"])
def test_a_cell_magic_switches_the_language_of_completion(connect, language):
    client = connect(language)
    for code, match in (
        ("%%lua\n-- 🦀\nstring.re", "rep"),
        ("%%js\n// 🦀\nJSON.stri", "stringify"),
        ("%%agent\n# 🦀\nidenti", "identity"),
    ):
        reply = complete(client, code)
        assert match in [text.strip(": ") for text in reply["matches"]], (code, reply)
        assert code[reply["cursor_start"] : reply["cursor_end"]] == code.split("\n")[-1].split(".")[-1]
    shown = client.ask("inspect_request", code="%%lua\nprint", cursor_pos=8, detail_level=0)
    assert shown["found"]


@pytest.mark.parametrize("language", ["yaml", "lua", "js"])
def test_stored_agents_are_completed(connect, language):
    client = connect(language)
    document = "identity:\n  agent_id: completed-{}\n  name: C\nbehavior:\n  steps:\n    - name: a\n      return: x\n"
    client.ok("%%agent\n" + document.format(language))
    matches = complete(client, "%run completed-")["matches"]
    assert any(f"completed-{language}" in match for match in matches), matches


def test_completeness_of_odd_texts(connect):
    client = connect("lua")
    for code in ("", "\0", "🦀", "\n" * 1000, "(" * 5000, "x" * 100_000, "%%", "%", "%%lua", "%%js\n", "%%nope\n1"):
        for language in ("lua", "js", "yaml"):
            reply = connect(language).ask("is_complete_request", code=code)
            assert reply["status"] in ("complete", "incomplete", "invalid", "unknown")
            complete(client, code)
