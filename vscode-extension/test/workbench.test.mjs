// The extension as a person uses it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { open } from "./workbench.mjs";

const BROKEN = `identity:
  agent_idd: broken
  name: Broken
`;

const FLOW = `identity: {agent_id: flow, name: Flow}
interface:
  inputs:
    type: object
    properties: {text: {type: string}}
    required: [text]
  examples:
    - inputs: {text: a b}
      outputs: {words: 2}
    - inputs: {text: a}
      outputs: {words: 7}
behavior:
  steps:
    - name: count
      script:
        lua: |
          local words = 0
          for _ in ctx.inputs.text:gmatch('%S+') do
            words = words + 1
          end
          return words
    - name: finish
      return: {words: '{{ steps.count.output }}'}
`;

const SUITE = `kind: TestSuite
agent: ./flow.agent.yaml
cases:
  - {name: counts three, input: {text: a b c}, expect: {output: {words: 3}}}
  - {name: counts none, input: {text: ""}, expect: {output: {words: 0}}}
`;

const NOTEBOOK = {
  nbformat: 4,
  nbformat_minor: 5,
  metadata: { language_info: { name: "lua" } },
  cells: [
    { cell_type: "code", id: "a", execution_count: null, metadata: {}, outputs: [], source: ["vars.n = 6\n", "print('from lua')\n", "return vars.n * 7"] },
  ],
};

let bench;

before(async () => {
  bench = await open({
    "broken.agent.yaml": BROKEN,
    "flow.agent.yaml": FLOW,
    "flow.suite.yaml": SUITE,
    "plain.yaml": FLOW.replace("agent_id: flow", "agent_id: plain"),
    "book.ipynb": JSON.stringify(NOTEBOOK),
  });
});

after(() => bench?.close());

let number = 0;
afterEach(async (context) => {
  number += 1;
  await bench?.picture(`${number}-${context.name.replaceAll(/\W+/g, "-")}`);
});

test("a mistake is underlined, listed, and mended by its fix", async () => {
  await bench.file("broken.agent.yaml");
  await bench.page.waitForSelector(".squiggly-error");
  await bench.go(2, 5);
  await bench.fixes("Rename to `agent_id`");
  await bench.page.keyboard.press("Enter");
  await bench.page.waitForSelector(".squiggly-error", { state: "detached" });
  await bench.page.keyboard.press("Control+s");
  const text = () => readFileSync(join(bench.folder, "broken.agent.yaml"), "utf8");
  for (let tries = 0; tries < 100 && !text().includes("agent_id: broken"); tries += 1) {
    await new Promise((done) => setTimeout(done, 100));
  }
  assert.match(text(), /agent_id: broken/);
});

test("completion and hover know the language", async () => {
  await bench.go(3, 15);
  await bench.page.keyboard.press("Enter");
  await bench.page.keyboard.type("desc");
  await bench.page.keyboard.press("Control+Space");
  await bench.see(".suggest-widget.visible .monaco-list-row", "description");
  await bench.page.keyboard.press("Escape");
  await bench.command("View: Revert and Close Editor");
  await bench.file("flow.agent.yaml");
  await bench.go(1, 3);
  await bench.command("Show or Focus Hover");
  await bench.see(".monaco-hover", "identity");
});

test("a file that declares an agent is one, whatever its name", async () => {
  await bench.file("plain.yaml");
  await bench.see(".statusbar-item", "aikit agent");
  await bench.see(".codelens-decoration", "Debug");
});

test("the debugger stops in Lua, shows its variables, and steps back", async () => {
  await bench.file("flow.agent.yaml");
  await bench.see(".codelens-decoration", "Run");
  await bench.go(19);
  await bench.page.keyboard.press("F9");
  await bench.page.waitForSelector(".codicon-debug-breakpoint");
  await bench.page.keyboard.press("F5");
  await bench.see(".quick-input-list .monaco-list-row", "Example 1");
  await bench.page.keyboard.press("Enter");
  await bench.page.waitForSelector(".debug-top-stack-frame-line");
  await bench.see(".debug-variables .monaco-list-row", "words");
  await bench.see(".debug-call-stack .monaco-list-row", "count (script)");
  await bench.picture("stopped");
  await bench.page.keyboard.press("F10");
  await bench.see(".debug-variables .monaco-list-row", /words\s*[:=]?\s*1/);
  await bench.page.locator(".codicon-debug-step-back").first().click();
  await bench.see(".debug-variables .monaco-list-row", /words\s*[:=]?\s*0/);
  await bench.page.keyboard.press("Shift+F5");
  await bench.page.waitForSelector(".debug-top-stack-frame-line", { state: "detached" });
});

test("the examples are tests", async () => {
  await bench.file("flow.agent.yaml");
  await bench.command("aikit: Test Agent");
  await bench.command("Testing: Focus on Test Explorer View");
  await bench.page.locator(".test-explorer .monaco-list-row", { hasText: "flow" }).first().waitFor();
  await bench.page.locator(".test-explorer .codicon-testing-failed-icon").first().waitFor();
  await bench.page.getByText("1/2", { exact: true }).first().waitFor();
});

test("a suite is run from the explorer", async () => {
  await bench.file("flow.suite.yaml");
  await bench.command("aikit: Test Agent");
  await bench.command("Testing: Focus on Test Explorer View");
  await bench.page.locator(".test-explorer .monaco-list-row", { hasText: "./flow.agent.yaml" }).first().waitFor();
  await bench.page.getByText("2/2", { exact: true }).first().waitFor();
});

test("the steps are drawn beside the editor", async () => {
  await bench.file("flow.agent.yaml");
  await bench.command("aikit: Show Steps Beside");
  const inner = bench.page.frameLocator("iframe.webview.ready").frameLocator("iframe#active-frame");
  await inner.locator(".box", { hasText: "count" }).waitFor();
  await inner.locator(".box", { hasText: "finish" }).click();
  await inner.locator(".cursor > .box", { hasText: "finish" }).waitFor();
  await bench.command("View: Close All Editors");
});

test("what is stored stands in the tree", async () => {
  await bench.file("flow.agent.yaml");
  await bench.command("aikit: Store Agent for the Tenant");
  await bench.see(".notification-toast", "stored: flow@0.1.0");
  await bench.page.locator('.activitybar [aria-label="aikit"]').first().click();
  await bench.see(".pane-body .monaco-list-row", "Agents");
  await bench.see(".pane-body .monaco-list-row", "flow");
});

test("a notebook runs its cells without Python", async () => {
  await bench.file("book.ipynb");
  await bench.page.waitForSelector(".notebookOverlay .cell");
  await bench.page.locator(".notebook-toolbar-container .kernel-label, .kernel-action-view-item").first().click();
  await bench.see(".quick-input-list .monaco-list-row", "aikit");
  await bench.page.keyboard.press("Enter");
  await bench.page.locator(".notebookOverlay .cell-list-container .monaco-list-row").first().hover();
  await bench.page.locator(".notebookOverlay .codicon-notebook-execute").first().click();
  const outputs = bench.page.frameLocator("iframe.webview.ready").frameLocator("iframe#active-frame");
  await outputs.locator(".output_container, .output", { hasText: "from lua" }).first().waitFor();
  await outputs.locator(".output_container, .output", { hasText: "42" }).first().waitFor();
});

test("in a folder that is not trusted documents are checked and nothing is run", async () => {
  const restricted = await open({ "broken.agent.yaml": BROKEN, "flow.agent.yaml": FLOW }, { trusted: false });
  try {
    await restricted.see(".statusbar-item", "Restricted Mode");
    await restricted.file("broken.agent.yaml");
    await restricted.page.waitForSelector(".squiggly-error");
    await restricted.file("flow.agent.yaml");
    await restricted.page.locator(".codelens-decoration a", { hasText: /^Run$/ }).first().click();
    await restricted.see(".notification-toast", "trusted folders only");
    assert.equal(await restricted.page.locator(".terminal-tab, .terminal-wrapper.active").count(), 0);
  } finally {
    await restricted.picture("restricted");
    await restricted.close();
  }
});
