"""The community's conformance suite, with every attribute set, for the three kernels."""

from __future__ import annotations

import jupyter_kernel_test as jkt

# A picture of one black pixel.
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mNgAAAAAgAB5Sfe/AAAAABJRU5ErkJggg=="
OPERATIONS = ("tail", "range", "search")

AGENT = """\
identity:
  agent_id: conformance
  name: Conformance
behavior:
  steps:
    - name: answer
      return: "42"
"""


class AgentKernel(jkt.KernelTests):
    """Cells are agent documents; magics make something else of them."""

    kernel_name = "aikit"
    language_name = "yaml"
    file_extension = ".yaml"
    code_hello_world = '%%lua\nprint("hello, world")'
    code_stderr = '%%js\nconsole.error("careful")'
    completion_samples = [
        {"text": "%prom", "matches": {"%promote"}},
        {"text": "%%age", "matches": {"%%agent"}},
        {"text": "iden", "matches": {"identity"}},
        {"text": "%%lua\nstring.rep", "matches": {"rep"}},
        {"text": "%%js\nJSON.stri", "matches": {"stringify"}},
    ]
    complete_code_samples = [AGENT, "%tenant", "%%lua\nreturn 1", "%%js\n1 + 1", "# a remark"]
    incomplete_code_samples = ["identity: {agent_id: a,", 'identity:\n  name: "A', "%%lua\nfor i = 1, 3 do", "%%js\nif (x) {"]
    invalid_code_samples = ["%nothing", "identity: ]", "%%lua\nx = = 1", "%%js\nlet 1x"]
    code_page_something = "%help"
    code_generate_error = "identity:\n  agent_id: Not A Slug\n"
    code_execute_result = [
        {"code": AGENT},
        {"code": "%%lua\n6 * 7", "result": "42"},
        {"code": "%%js\n[1, 2].length", "result": "2"},
        {"code": "%%js\n({a: [1]})", "mime": "application/json", "result": {"a": [1]}},
    ]
    code_display_data = [
        {"code": "%tenant", "mime": "text/html"},
        {"code": "%agents", "mime": "text/plain"},
        {"code": '%%lua\ndisplay.svg("<svg/>")', "mime": "image/svg+xml"},
        {"code": '%%js\ndisplay.markdown("*x*")', "mime": "text/markdown"},
    ]
    code_history_pattern = "*lua?6*"
    supported_history_operations = OPERATIONS
    code_inspect_sample = "%promote"
    code_clear_output = '%%lua\nprint("gone") display.clear()'


class LuaKernel(jkt.KernelTests):
    """Cells are Lua."""

    kernel_name = "aikit-lua"
    language_name = "lua"
    file_extension = ".lua"
    code_hello_world = 'print("hello, world")'
    code_stderr = 'eprint("careful")'
    completion_samples = [
        {"text": "pri", "matches": {"print"}},
        {"text": "string.rep", "matches": {"rep"}},
        {"text": "ctx.storage.", "matches": {"delete", "get", "list", "set"}},
        {"text": "%prom", "matches": {"%promote"}},
    ]
    complete_code_samples = ["x = 1", "return 1", "6 * 7", "for i = 1, 3 do print(i) end", "-- a remark", "%tenant"]
    incomplete_code_samples = ["for i = 1, 3 do", "function f(", 'x = "', "x = [[a", "x ="]
    invalid_code_samples = ["x = = 1", "end", "for for", "%nothing"]
    code_page_something = "%help ctx.storage.get"
    code_generate_error = 'error("on purpose")'
    code_execute_result = [
        {"code": "6 * 7", "result": "42"},
        {"code": 'local a = "x"\nreturn a .. "y"', "result": "xy"},
        {"code": "{1, 2}", "mime": "application/json", "result": [1, 2]},
    ]
    code_display_data = [
        {"code": 'display.html("<b>x</b>")', "mime": "text/html"},
        {"code": 'display.markdown("*x*")', "mime": "text/markdown"},
        {"code": 'display.svg("<svg/>")', "mime": "image/svg+xml"},
        {"code": f'display.png("{PIXEL}")', "mime": "image/png"},
        {"code": "display.json({a = 1})", "mime": "application/json"},
        {"code": "display.table({{a = 1}, {a = 2}})", "mime": "text/html"},
        {"code": 'display.vega({mark = "bar"})', "mime": "application/vnd.vegalite.v5+json"},
        {"code": "display.progress(1, 2)", "mime": "text/plain"},
    ]
    code_history_pattern = "6 ?*"
    supported_history_operations = OPERATIONS
    code_inspect_sample = "ctx.storage.get"
    code_clear_output = 'print("gone") display.clear(true)'


class JavaScriptKernel(jkt.KernelTests):
    """Cells are JavaScript."""

    kernel_name = "aikit-js"
    language_name = "javascript"
    file_extension = ".js"
    code_hello_world = 'console.log("hello, world")'
    code_stderr = 'console.error("careful")'
    completion_samples = [
        {"text": "JSON.stri", "matches": {"stringify"}},
        {"text": "ctx.storage.", "matches": {"delete", "get", "list", "set"}},
        {"text": "%prom", "matches": {"%promote"}},
    ]
    complete_code_samples = ["let x = 1", "6 * 7", "for (const i of [1]) { i }", "await 1", "// a remark", "%tenant"]
    incomplete_code_samples = ["if (x) {", "f(", "x = `a", "/* a", "[1,"]
    invalid_code_samples = ["let 1x", "}", "for for", "%nothing"]
    code_page_something = "%help ctx.storage.get"
    code_generate_error = 'throw new Error("on purpose")'
    code_execute_result = [
        {"code": "6 * 7", "result": "42"},
        {"code": "await Promise.resolve(7)", "result": "7"},
        {"code": "[1, 2]", "mime": "application/json", "result": [1, 2]},
    ]
    code_display_data = [
        {"code": 'display.html("<b>x</b>")', "mime": "text/html"},
        {"code": 'display.markdown("*x*")', "mime": "text/markdown"},
        {"code": 'display.svg("<svg/>")', "mime": "image/svg+xml"},
        {"code": f'display.png("{PIXEL}")', "mime": "image/png"},
        {"code": "display.json({a: 1})", "mime": "application/json"},
        {"code": "display.table([{a: 1}, {a: 2}])", "mime": "text/html"},
        {"code": 'display.vega({mark: "bar"})', "mime": "application/vnd.vegalite.v5+json"},
        {"code": "display.progress(1, 2)", "mime": "text/plain"},
    ]
    code_history_pattern = "6 ?*"
    supported_history_operations = OPERATIONS
    code_inspect_sample = "ctx.storage.get"
    code_clear_output = 'console.log("gone"); display.clear(true)'


class AgentKernelWelcome(jkt.IopubWelcomeTests):
    kernel_name = "aikit"
    support_iopub_welcome = True


class LuaKernelWelcome(jkt.IopubWelcomeTests):
    kernel_name = "aikit-lua"
    support_iopub_welcome = True


class JavaScriptKernelWelcome(jkt.IopubWelcomeTests):
    kernel_name = "aikit-js"
    support_iopub_welcome = True


def test_every_attribute_is_set():
    """An attribute that is left alone would take its test away without a word."""
    for base, classes in (
        (jkt.KernelTests, (AgentKernel, LuaKernel, JavaScriptKernel)),
        (jkt.IopubWelcomeTests, (AgentKernelWelcome, LuaKernelWelcome, JavaScriptKernelWelcome)),
    ):
        data = (str, bool, list, tuple)
        names = [name for name, value in vars(base).items() if isinstance(value, data) and not name.startswith("_")]
        for case in classes:
            missing = [name for name in names if name not in vars(case)]
            assert not missing, f"{case.__name__}: {missing}"
