"""Executions: counts, history, queued cells, user expressions, outputs."""

from __future__ import annotations

import pytest

from dialects import LUA, both


@both
def test_a_cell_is_framed_by_busy_and_idle(connect, dialect):
    client = connect(dialect.language)
    cell = client.ok(dialect.say("hello"))
    assert cell.types() == ["busy", "execute_input", "stream", "idle"]
    assert cell.text() == "hello\n"
    assert cell.of("execute_input")[0]["execution_count"] == cell.count
    assert all(message["parent_header"] == cell.reply["parent_header"] for message in cell.iopub)


@both
def test_the_count_moves_only_for_what_is_stored(connect, dialect):
    client = connect(dialect.language)
    first = client.ok("1").count
    quiet = client.ok(dialect.say("unheard") + "\n1", silent=True)
    assert (quiet.count, quiet.types()) == (first, ["busy", "idle"])
    unstored = client.ok("2", store_history=False)
    assert unstored.count == first
    assert "execute_result" in unstored.types()
    # `silent` wins over `store_history`.
    assert client.ok("3", silent=True, store_history=True).count == first
    assert client.ok("4").count == first + 1
    failed = client.fails(dialect.throw, "on purpose")
    assert failed.count == first + 2
    assert client.ok("5").count == first + 3
    stored = client.ask("history_request", hist_access_type="range", session=0, start=first, raw=True, output=False)
    assert [entry[2] for entry in stored["history"]] == ["1", "4", dialect.throw, "5"]


@both
def test_a_silent_failure_is_told_in_the_reply_alone(connect, dialect):
    client = connect(dialect.language)
    cell = client.fails(dialect.throw, "on purpose", silent=True)
    assert cell.types() == ["busy", "idle"]


@both
def test_stop_on_error_refuses_what_was_queued_and_nothing_later(connect, dialect):
    client = connect(dialect.language)
    before = client.ok("1").count
    failing = client.begin(dialect.busy(300) + "\n" + dialect.throw, stop_on_error=True)
    queued = [client.begin(dialect.say(f"queued {n}")) for n in range(3)]
    question = client.send("shell", "kernel_info_request", {})
    assert client.end(failing).status == "error"
    for msg_id in queued:
        cell = client.end(msg_id)
        assert cell.status == "error"
        assert cell.content["ename"] == "Aborted"
        assert cell.types() == ["busy", "idle"]
    assert client.reply(question)["content"]["status"] == "ok"
    later = client.ok(dialect.say("later"))
    assert (later.text(), later.count) == ("later\n", before + 2)


@both
def test_without_stop_on_error_the_queue_goes_on(connect, dialect):
    client = connect(dialect.language)
    failing = client.begin(dialect.busy(200) + "\n" + dialect.throw, stop_on_error=False)
    queued = client.begin(dialect.say("queued"))
    assert client.end(failing).status == "error"
    assert client.end(queued).text() == "queued\n"


def test_one_clients_failure_leaves_the_queue_of_another_alone(connect):
    one, other = connect("lua"), connect("lua")
    failing = one.begin(LUA.busy(300) + "\n" + LUA.throw, stop_on_error=True)
    one.running(failing)
    queued = other.begin(LUA.say("mine"))
    assert one.end(failing).status == "error"
    assert other.end(queued).text() == "mine\n"


@both
def test_user_expressions_succeed_and_fail_one_by_one(connect, dialect):
    client = connect(dialect.language)
    bad = "nope.nope" if dialect.lua else "nope"
    expressions = {"sum": "seen + 1", "bad": bad, "broken": "(", "text": '"x"', "number": 7}
    cell = client.ok(dialect.keep("seen", 41), user_expressions=expressions)
    found = cell.content["user_expressions"]
    assert found["sum"] == {"status": "ok", "data": {"text/plain": "42"}, "metadata": {}}
    assert found["text"]["status"] == "ok"
    for name in ("bad", "broken", "number"):
        assert found[name]["status"] == "error", found[name]
        assert found[name]["ename"] and found[name]["evalue"] and found[name]["traceback"]
    assert client.fails(dialect.throw, user_expressions={"x": "1"}).content["user_expressions"] == {}


def test_user_expressions_of_the_agent_kernel_are_javascript(connect):
    cell = connect("yaml").ok("%%js\nglobalThis.seen = [1, 2]; undefined", user_expressions={"n": "seen.length"})
    assert cell.content["user_expressions"]["n"]["data"]["text/plain"] == "2"


def test_an_expression_that_never_ends_is_interrupted(connect):
    client = connect("js")
    msg_id = client.begin("1", user_expressions={"x": "(() => { while (true) {} })()"})
    client.output(msg_id, "execute_result")
    client.interrupt()
    expressions = client.end(msg_id).content["user_expressions"]
    assert expressions["x"]["ename"] == "KeyboardInterrupt"


@both
def test_outputs_keep_their_order(connect, dialect):
    client = connect(dialect.language)
    error = "eprint" if dialect.lua else "console.error"
    code = f"""{dialect.say("one")}
{error}("two")
display.html("<b>three</b>")
{dialect.say("four")}
display.clear(true)
5"""
    cell = client.ok(code)
    outputs = [message["content"] for message in cell.iopub[2:-1]]
    kinds = [content.get("name") or ("wait" in content and "clear") or "data" for content in outputs]
    assert kinds == ["stdout", "stderr", "data", "stdout", "clear", "data"]
    assert outputs[4] == {"wait": True}
    assert cell.result == "5"


@both
def test_a_shown_output_is_updated_in_place(connect, dialect):
    client = connect(dialect.language)
    options = '{id = "it"}' if dialect.lua else '{id: "it"}'
    update = '{id = "it", update = true}' if dialect.lua else '{id: "it", update: true}'
    shown = client.ok(f'display.markdown("old", {options})').of("display_data")
    assert shown[0]["transient"] == {"display_id": "it"}
    # From another cell, as a progress bar of a long computation would be.
    updated = client.ok(f'display.markdown("new", {update})').of("update_display_data")
    assert updated[0]["transient"] == {"display_id": "it"}
    assert updated[0]["data"]["text/markdown"] == "new"
    progress = client.ok("display.progress(1, 2)\ndisplay.progress(2, 2)")
    assert len(progress.of("display_data")) == 1
    assert len(progress.of("update_display_data")) == 1
    first, second = progress.of("display_data")[0], progress.of("update_display_data")[0]
    assert first["transient"] == second["transient"] != {}


def test_every_rich_output_has_a_text(connect):
    client = connect("lua")
    cell = client.ok("""
display.html("<p>A <b>word</b></p>")
display.table({{name = "a", size = 1}, {name = "b", size = 2}})
display.vega({mark = "bar", data = {values = {{x = 1}}}})
display.json({a = {1, 2}})
display.progress(1, 4, "reading")
""")
    texts = [content["data"]["text/plain"] for content in cell.of("display_data")]
    assert len(texts) == 5 and all(text.strip() for text in texts), texts
    assert "word" in texts[0] and "<b>" not in texts[0]
    assert "size" in texts[1] and "2" in texts[1]
    assert "25" in texts[4] or "1/4" in texts[4], texts[4]


@pytest.mark.parametrize("language", ["yaml", "lua", "js"])
def test_an_empty_cell_is_no_error(connect, language):
    client = connect(language)
    for code in ("", "\n\n", "   "):
        assert client.ok(code).types() == ["busy", "execute_input", "idle"]


def test_languages_share_values_and_nothing_else(connect):
    client = connect("yaml")
    client.ok('%%lua\nvars.list = {1, 2, {deep = "ünïcode 🦀"}} only_lua = 1')
    assert client.ok("%%js\nvars.list[2].deep").result == "ünïcode 🦀"
    assert client.ok("%%js\nvars.list.length + vars.list[1]").result == "5"
    client.ok("%%js\nvars.answer = {value: 42.5, none: null, yes: true}; undefined")
    assert client.ok("%%lua\nvars.answer.value").result == "42.5"
    assert client.ok("%%js\ntypeof only_lua").result == "undefined"
    assert "answer" in client.ok("%vars").shown


def test_a_suite_in_a_cell_is_run(connect):
    client = connect("yaml")
    client.ok("identity: {agent_id: suite-cell, name: Suite}\n")
    suite = "kind: TestSuite\nagent: suite-cell\ncases:\n  - {name: one, script: [Hello], expect: {output: ~/hello/i}}\n  - {name: two, script: [Bye], expect: {output: Hello}}\n"
    shown = client.ok(suite).of("execute_result")[0]["data"]
    assert "passed  one\n" in shown["text/plain"] and "failed  two\n" in shown["text/plain"]
    assert shown["text/plain"].endswith("1 of 2 passed") and "<table>" in shown["text/html"]
    client.fails("kind: TestSuite\nagent: suite-cell\ncases: [{name: one, expct: {}}]\n", "AK0101")
    assert "no errors" in client.ok("kind: Library\nname: parts\n").of("execute_result")[0]["data"]["text/plain"]
