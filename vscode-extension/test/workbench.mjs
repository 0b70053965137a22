// A VS Code workbench in a headless browser, with the packaged extension in it.

import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const HERE = dirname(fileURLToPath(import.meta.url));
const VSIX = resolve(HERE, "..", "aikit.vsix");

function needed(name) {
  const value = process.env[name];
  if (!value || !existsSync(value)) {
    throw new Error(`${name} must name what is tested; \`cargo xtask test vscode\` sets it`);
  }
  return resolve(value);
}

async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

/** Starts a workbench over a folder with these files. */
export async function open(files, { trusted = true } = {}) {
  const home = mkdtempSync(join(tmpdir(), "aikit-vscode-"));
  const at = (...parts) => join(home, ...parts);
  const folder = at("work");
  mkdirSync(folder);
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(folder, name), text);
  }
  const entry = join(needed("CODE_SERVER"), "out", "node", "entry.js");
  const settings = {
    "aikit.path": needed("AIKIT_BIN"),
    "workbench.startupEditor": "none",
    "workbench.tips.enabled": false,
    "telemetry.telemetryLevel": "off",
    "editor.minimap.enabled": false,
    "editor.hover.delay": 100,
    "debug.toolBarLocation": "docked",
    "security.workspace.trust.startupPrompt": "never",
    "security.workspace.trust.banner": "never",
    "extensions.ignoreRecommendations": true,
  };
  // The program is a setting of the machine, which in a browser is not the person's.
  for (const place of ["User", "Machine"]) {
    mkdirSync(at("data", place), { recursive: true });
    writeFileSync(at("data", place, "settings.json"), JSON.stringify(settings));
  }
  const env = { ...process.env, HOME: home, AIKIT_HOME: at("aikit"), USER: "ada" };
  const places = ["--user-data-dir", at("data"), "--extensions-dir", at("extensions")];
  const installed = spawnSync(process.execPath, [entry, ...places, "--install-extension", VSIX], { env, encoding: "utf8" });
  if (installed.status !== 0) {
    throw new Error(`the extension was not installed: ${installed.stdout}${installed.stderr}`);
  }
  const port = await freePort();
  const flags = ["--auth", "none", "--bind-addr", `127.0.0.1:${port}`, ...places, "--disable-telemetry", "--disable-update-check"];
  const server = spawn(process.execPath, [entry, ...flags, ...(trusted ? ["--disable-workspace-trust"] : []), folder], { env, detached: true });
  // The server starts others; all of them end with the test, however it ends.
  const end = () => {
    try {
      process.kill(-server.pid, "SIGKILL");
    } catch {
      // They have ended.
    }
  };
  process.once("exit", end);
  let said = "";
  server.stdout.on("data", (data) => (said += data));
  server.stderr.on("data", (data) => (said += data));
  const address = `http://127.0.0.1:${port}/?folder=${folder}`;
  for (let tries = 0; ; tries += 1) {
    if (await fetch(address).then((answer) => answer.ok, () => false)) {
      break;
    }
    if (tries > 200 || server.exitCode !== null) {
      throw new Error(`code-server did not start: ${said}`);
    }
    await new Promise((done) => setTimeout(done, 100));
  }
  const browser = await chromium.launch({
    executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
  page.setDefaultTimeout(30_000);
  await page.goto(address);
  await page.waitForSelector(".monaco-workbench .part.editor");
  return new Workbench(page, folder, async () => {
    await browser.close();
    end();
    rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  });
}

export class Workbench {
  constructor(page, folder, close) {
    this.page = page;
    this.folder = folder;
    this.close = close;
  }

  /** Opens a file by its name. */
  async file(name) {
    // Quick Open needs ripgrep, which code-server's package fetches from elsewhere.
    await this.command("View: Show Explorer");
    await this.page.locator(".explorer-folders-view .monaco-list-row", { hasText: name }).first().dblclick();
    await this.page.waitForSelector(`.tab.active[data-resource-name="${name}"]`);
  }

  /** Runs a command of the palette. */
  async command(title) {
    // What the palette offers follows the focus, which comes a moment behind what was done before.
    for (let tries = 0; ; tries += 1) {
      await this.page.keyboard.press("F1");
      await this.page.waitForSelector(".quick-input-widget input");
      await this.page.keyboard.type(title);
      const row = this.page.locator(".quick-input-list .monaco-list-row.focused", { hasText: title }).first();
      if (await row.waitFor({ timeout: 3000 }).then(() => true, () => tries >= 8)) {
        await row.waitFor();
        await this.page.keyboard.press("Enter");
        return;
      }
      await this.page.keyboard.press("Escape");
    }
  }

  /** Puts the cursor at a line and a column. */
  async go(line, column = 1) {
    await this.page.keyboard.press("Control+g");
    await this.page.waitForSelector(".quick-input-widget input");
    await this.page.keyboard.type(`${line}:${column}`);
    await this.page.keyboard.press("Enter");
    await this.page.waitForSelector(".quick-input-widget", { state: "hidden" });
    await this.see(".statusbar-item", `Ln ${line}, Col ${column}`);
  }

  /** Opens the list of fixes at the cursor. */
  async fixes(title) {
    // Right behind the start the editor may not know yet whom to ask.
    for (let tries = 0; ; tries += 1) {
      await this.page.keyboard.press("Control+.");
      const row = this.page.locator(".action-widget .monaco-list-row", { hasText: title }).first();
      if (await row.waitFor({ timeout: 3000 }).then(() => true, () => tries >= 8)) {
        return row.waitFor();
      }
      await this.page.keyboard.press("Escape");
    }
  }

  /** Waits for a place of the page that holds a text. */
  see(selector, text) {
    return this.page.locator(selector).filter({ hasText: text }).first().waitFor();
  }

  /** Keeps a picture for whoever looks into a failure. */
  async picture(name) {
    const into = process.env["PICTURES"];
    if (into) {
      mkdirSync(into, { recursive: true });
      await this.page.screenshot({ path: join(into, `${name}.png`) });
    }
  }
}

