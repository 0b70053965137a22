// The steps of a document as a picture beside the editor: it follows the cursor and, while debugging, the current step.

import { randomBytes } from "node:crypto";
import * as vscode from "vscode";
import { graph, type GraphStep } from "./client";

let panel: vscode.WebviewPanel | undefined;
let shown: vscode.TextDocument | undefined;

/** Opens the picture of a document beside it. */
export async function show(document: vscode.TextDocument): Promise<void> {
  shown = document;
  if (!panel) {
    const beside = { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true };
    panel = vscode.window.createWebviewPanel("aikit.graph", "Steps", beside, { enableScripts: true, localResourceRoots: [] });
    panel.webview.html = page();
    panel.onDidDispose(() => (panel = undefined));
    panel.webview.onDidReceiveMessage(async (message: { line?: number; ready?: boolean }) => {
      if (message.ready) {
        await draw();
      } else if (shown && message.line !== undefined) {
        const editor = await vscode.window.showTextDocument(shown, vscode.ViewColumn.One);
        const place = new vscode.Range(message.line, 0, message.line, 0);
        editor.selection = new vscode.Selection(place.start, place.start);
        editor.revealRange(place, vscode.TextEditorRevealType.InCenterIfOutsideViewport);
      }
    });
  }
  panel.title = `Steps of ${vscode.workspace.asRelativePath(document.uri)}`;
  await draw();
}

async function draw(): Promise<void> {
  if (!panel || !shown) {
    return;
  }
  const steps = await graph(shown).catch(() => undefined);
  // While the document has errors the last picture stays, greyed.
  await panel.webview.postMessage(steps ? { steps: steps.map(plain) } : { stale: true });
  const editor = vscode.window.visibleTextEditors.find((editor) => editor.document === shown);
  if (editor) {
    await panel.webview.postMessage({ cursor: editor.selection.active.line });
  }
}

interface Drawn {
  name: string;
  kind: string;
  from: number;
  to: number;
  branches: { label: string; steps: Drawn[] }[];
}

function plain(step: GraphStep): Drawn {
  const branches = step.branches.map(({ label, steps }) => ({ label, steps: steps.map(plain) }));
  return { name: step.name, kind: step.kind, from: step.range.start.line, to: step.range.end.line, branches };
}

export function register(context: vscode.ExtensionContext): void {
  let waiting: NodeJS.Timeout | undefined;
  context.subscriptions.push(
    vscode.workspace.onDidChangeTextDocument(({ document }) => {
      if (document === shown) {
        clearTimeout(waiting);
        waiting = setTimeout(() => void draw(), 150);
      }
    }),
    vscode.window.onDidChangeTextEditorSelection(({ textEditor, selections }) => {
      if (textEditor.document === shown) {
        void panel?.webview.postMessage({ cursor: selections[0]?.active.line ?? 0 });
      }
    }),
    vscode.window.onDidChangeActiveTextEditor(async (editor) => {
      if (panel && editor?.document.languageId === "aikit" && editor.document !== shown) {
        await show(editor.document);
      }
    }),
    vscode.debug.onDidChangeActiveStackItem(async (item) => {
      if (!panel || !(item instanceof vscode.DebugStackFrame) || item.session.type !== "aikit") {
        await panel?.webview.postMessage({ stopped: null });
        return;
      }
      const trace = (await item.session.customRequest("stackTrace", { threadId: item.threadId })) as { stackFrames: { id: number; line: number }[] };
      const frame = trace.stackFrames.find((frame) => frame.id === item.frameId);
      await panel.webview.postMessage({ stopped: frame ? frame.line - 1 : null });
    }),
  );
}

function page(): string {
  const nonce = randomBytes(16).toString("hex");
  return `<!doctype html>
<html><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'nonce-${nonce}'; script-src 'nonce-${nonce}'">
<style nonce="${nonce}">
body { font-family: var(--vscode-font-family); color: var(--vscode-foreground); padding: 16px; }
.list { display: flex; flex-direction: column; align-items: center; }
.step { display: flex; flex-direction: column; align-items: center; }
.line { width: 1px; height: 18px; background: var(--vscode-editorWidget-border, #888); }
.box { min-width: 140px; padding: 6px 12px; border: 1px solid var(--vscode-editorWidget-border, #888); border-radius: 6px;
  background: var(--vscode-editorWidget-background); cursor: pointer; text-align: left; font: inherit; color: inherit; }
.box:focus-visible { outline: 1px solid var(--vscode-focusBorder); }
.kind { opacity: .7; font-size: .85em; }
.cursor > .box { border-color: var(--vscode-focusBorder); box-shadow: 0 0 0 1px var(--vscode-focusBorder); }
.stopped > .box { background: var(--vscode-editor-stackFrameHighlightBackground, #ffff0033); border-color: var(--vscode-debugIcon-breakpointCurrentStackframeForeground, #cca700); }
.branches { display: flex; gap: 20px; margin-top: 8px; padding: 8px 12px; border: 1px dashed var(--vscode-editorWidget-border, #888); border-radius: 8px; }
.label { font-size: .85em; opacity: .8; margin-bottom: 6px; max-width: 220px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.stale { opacity: .45; }
</style></head>
<body><div id="graph" class="list" role="tree" aria-label="Steps"></div>
<script nonce="${nonce}">
const api = acquireVsCodeApi(), root = document.getElementById("graph");
let boxes = [];
function element(tag, name, text) { const made = document.createElement(tag); made.className = name; if (text !== undefined) made.textContent = text; return made; }
function list(steps, into) {
  steps.forEach((step, at) => {
    if (at > 0) into.append(element("div", "line"));
    const whole = element("div", "step"), box = element("button", "box");
    box.append(element("div", "", step.name), element("div", "kind", step.kind));
    box.title = step.name + " (" + step.kind + "), line " + (step.from + 1);
    box.onclick = () => api.postMessage({ line: step.from });
    whole.append(box);
    boxes.push({ step, whole });
    if (step.branches.length > 0) {
      const branches = element("div", "branches");
      for (const branch of step.branches) {
        const way = element("div", "list"), label = element("div", "label", branch.label);
        label.title = branch.label;
        way.append(label);
        list(branch.steps, way);
        branches.append(way);
      }
      whole.append(branches);
    }
    into.append(whole);
  });
}
function mark(name, line) {
  let best;
  for (const { step, whole } of boxes) {
    whole.classList.remove(name);
    if (line !== null && step.from <= line && line <= step.to && (!best || step.to - step.from <= best.size)) best = { whole, size: step.to - step.from };
  }
  best?.whole.classList.add(name);
}
let cursor = null, stopped = null;
addEventListener("message", ({ data }) => {
  if (data.steps) { boxes = []; root.replaceChildren(); root.classList.remove("stale"); list(data.steps, root); }
  if (data.stale) root.classList.add("stale");
  if ("cursor" in data) cursor = data.cursor;
  if ("stopped" in data) stopped = data.stopped;
  mark("cursor", cursor);
  mark("stopped", stopped);
});
api.postMessage({ ready: true });
</script></body></html>`;
}
