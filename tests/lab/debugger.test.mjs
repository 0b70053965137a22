// Cells under the debugger of JupyterLab, in a headless browser. `cargo xtask test lab` sets what is needed.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

const { AIKIT_BIN, JUPYTER, CHROMIUM, PLAYWRIGHT } = process.env;
const { chromium } = createRequire(join(PLAYWRIGHT, "package.json"))("playwright-core");

const QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];
const PATIENCE = 30_000;

const CELLS = {
  "aikit-lua": "local function twice(n)\n  local result = n * 2\n  return result\nend\ntwice(21)",
  "aikit-js": "function twice(n) {\n  let result = n * 2;\n  return result;\n}\ntwice(21)",
};

let home, server, browser, address;

before(async () => {
  home = mkdtempSync(join(tmpdir(), "aikit-lab-"));
  const work = join(home, "work");
  mkdirSync(work);
  for (const [kernel, source] of Object.entries(CELLS)) {
    const cell = { cell_type: "code", execution_count: null, id: "first", metadata: {}, outputs: [], source };
    const metadata = { kernelspec: { name: kernel, display_name: kernel } };
    writeFileSync(join(work, `${kernel}.ipynb`), JSON.stringify({ cells: [cell], metadata, nbformat: 4, nbformat_minor: 5 }));
  }
  const env = { ...process.env, HOME: home, AIKIT_HOME: join(home, "aikit"), JUPYTER_PATH: join(home, "share", "jupyter") };
  const installed = spawnSync(AIKIT_BIN, ["kernel", "install", "--prefix", home], { env, encoding: "utf8" });
  assert.equal(installed.status, 0, installed.stderr);
  const probe = createServer();
  await new Promise((done) => probe.listen(0, "127.0.0.1", done));
  const { port } = probe.address();
  await new Promise((done) => probe.close(done));
  const options = ["--no-browser", `--port=${port}`, "--ServerApp.token=", "--ServerApp.password=", "--allow-root",
    "--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"];
  server = spawn(JUPYTER, ["lab", ...options], { cwd: work, env, stdio: "ignore" });
  address = `http://127.0.0.1:${port}`;
  for (const end = Date.now() + PATIENCE; ; ) {
    const answer = await fetch(`${address}/api/status`).catch(() => null);
    if (answer?.ok) break;
    assert.ok(Date.now() < end, "JupyterLab does not start");
    await new Promise((done) => setTimeout(done, 200));
  }
  browser = await chromium.launch({ executablePath: CHROMIUM, args: QUIET });
});

after(async () => {
  await browser?.close();
  if (server) {
    const ended = new Promise((done) => server.once("exit", done));
    server.kill("SIGTERM");
    await ended;
  }
  rmSync(home, { recursive: true, force: true });
});

for (const kernel of Object.keys(CELLS)) {
  test(`a cell of ${kernel} stops at a breakpoint, shows its variables and goes on`, async () => {
    const page = await browser.newPage({ viewport: { width: 1500, height: 1000 } });
    page.setDefaultTimeout(PATIENCE);
    await page.goto(`${address}/lab/tree/${kernel}.ipynb?reset`);
    await page.waitForSelector(".jp-Notebook .cm-content");
    // The button comes to life when the kernel has said that it can be debugged.
    const bug = page.locator('.jp-DebuggerBugButton:not([aria-disabled="true"]):not([disabled])').first();
    await bug.click();
    const gutter = page.locator(".jp-Notebook .cm-breakpoint-gutter .cm-gutterElement").nth(3);
    const placed = page.locator(".jp-DebuggerBreakpoint");
    // The gutter listens a moment after it is drawn.
    for (const end = Date.now() + PATIENCE; (await placed.count()) === 0; ) {
      assert.ok(Date.now() < end, "no breakpoint was placed");
      if (await gutter.isVisible()) await gutter.click({ force: true });
      await page.waitForTimeout(1000);
    }
    assert.match(await placed.first().innerText(), /\/aikit\/cells\/\d+\.(lua|js)\s+3/);
    await page.locator(".jp-Notebook .cm-content").first().click();
    await page.keyboard.press("Shift+Enter");
    const frames = page.locator(".jp-DebuggerCallstackFrame");
    await frames.first().waitFor();
    assert.match(await frames.nth(0).innerText(), /^twice\s.*:3$/);
    assert.match(await frames.nth(1).innerText(), /^main\s.*:5$/);
    await page.locator(".jp-DebuggerVariables", { hasText: /result\W*42/ }).waitFor();
    await page.locator('button[title*="Continue"], [data-command="debugger:continue"]').first().click();
    await page.locator(".jp-OutputArea-output", { hasText: "42" }).waitFor();
    await page.close();
  });
}
