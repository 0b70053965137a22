// The Test Explorer: the examples and tests of agents, and suites, run by `aikit test`.

import * as vscode from "vscode";
import { interfaceOf } from "./client";
import { say } from "./program";

interface Tested {
  name: string;
  example: number | null;
  line: number;
  result: "passed" | "ran" | "failed" | "errored";
  seconds: number;
  messages: string[];
  differences?: { path: string; expected: unknown; actual: unknown }[];
}

let controller: vscode.TestController;

export function register(context: vscode.ExtensionContext): void {
  controller = vscode.tests.createTestController("aikit", "aikit");
  context.subscriptions.push(controller);
  controller.createRunProfile("Run", vscode.TestRunProfileKind.Run, run, true);
  controller.resolveHandler = async (item) => {
    if (!item) {
      await discover();
    } else if (item.uri) {
      await describe(await vscode.workspace.openTextDocument(item.uri));
    }
  };
  controller.refreshHandler = discover;
  const changed = (document: vscode.TextDocument): void => {
    if (document.languageId === "aikit") {
      void describe(document);
    }
  };
  let waiting: NodeJS.Timeout | undefined;
  context.subscriptions.push(
    vscode.workspace.onDidOpenTextDocument(changed),
    vscode.workspace.onDidSaveTextDocument(changed),
    vscode.workspace.onDidChangeTextDocument(({ document }) => {
      clearTimeout(waiting);
      waiting = setTimeout(() => changed(document), 400);
    }),
    vscode.workspace.onDidDeleteFiles(({ files }) => files.forEach((file) => controller.items.delete(file.toString()))),
  );
  vscode.workspace.textDocuments.forEach(changed);
}

async function discover(): Promise<void> {
  const files = await vscode.workspace.findFiles("**/*.{agent,aikit,suite}.{yaml,yml}", "**/{node_modules,target}/**", 2000);
  for (const file of files) {
    await describe(await vscode.workspace.openTextDocument(file));
  }
}

/** Lists the examples and cases of a document. */
async function describe(document: vscode.TextDocument): Promise<void> {
  const found = await interfaceOf(document).catch(() => undefined);
  if (found === undefined) {
    return;
  }
  const id = document.uri.toString();
  if (!found || found.examples.length + found.cases.length === 0) {
    controller.items.delete(id);
    return;
  }
  const parent = controller.items.get(id) ?? controller.createTestItem(id, found.agent, document.uri);
  parent.label = found.agent;
  const item = (key: string, label: string, one: { inputs: unknown; range: { start: vscode.Position; end: vscode.Position } }): vscode.TestItem => {
    const item = controller.createTestItem(`${id}#${key}`, label, document.uri);
    item.description = JSON.stringify(one.inputs);
    item.range = new vscode.Range(one.range.start.line, 0, one.range.end.line, 0);
    return item;
  };
  parent.children.replace([
    ...found.examples.map((example, at) => item(`example ${at}`, `Example ${at + 1}`, example)),
    ...found.cases.map((one) => item(one.name, one.name, one)),
  ]);
  controller.items.add(parent);
}

async function run(request: vscode.TestRunRequest, token: vscode.CancellationToken): Promise<void> {
  const run = controller.createTestRun(request);
  const wanted = new Map<vscode.TestItem, vscode.TestItem[]>();
  const add = (item: vscode.TestItem): void => {
    const parent = item.parent;
    if (!parent) {
      const children: vscode.TestItem[] = [];
      item.children.forEach((child) => !request.exclude?.includes(child) && children.push(child));
      wanted.set(item, children);
    } else if (!request.exclude?.includes(item)) {
      wanted.set(parent, [...(wanted.get(parent) ?? []), item]);
    }
  };
  (request.include ?? [...controller.items].map(([, item]) => item)).forEach(add);
  for (const [parent, items] of wanted) {
    if (token.isCancellationRequested) {
      break;
    }
    items.forEach((item) => run.started(item));
    await runDocument(run, parent, items);
  }
  run.end();
}

async function runDocument(run: vscode.TestRun, parent: vscode.TestItem, items: vscode.TestItem[]): Promise<void> {
  const uri = parent.uri;
  if (!uri) {
    return;
  }
  const document = await vscode.workspace.openTextDocument(uri);
  if (document.isDirty) {
    await document.save();
  }
  const name = (item: vscode.TestItem): string => item.id.slice(uri.toString().length + 1);
  const asked = (item: vscode.TestItem): string[] => {
    const number = /^example (\d+)$/.exec(name(item));
    return number ? ["--example", number[1]] : ["--case", name(item)];
  };
  const said = await say(["test", uri.fsPath, "--format", "json", ...items.flatMap(asked)]);
  let tests: Tested[] = [];
  try {
    tests = (JSON.parse(said.out) as { tests: Tested[] }[])[0]?.tests ?? [];
  } catch {
    const message = new vscode.TestMessage(said.err.trim() || "aikit test failed");
    items.forEach((item) => run.errored(item, message));
    return;
  }
  for (const item of items) {
    const test = tests.find((test) => test.name === name(item));
    const took = (test?.seconds ?? 0) * 1000;
    if (!test) {
      run.skipped(item);
    } else if (test.result === "passed" || test.result === "ran") {
      run.passed(item, took);
    } else {
      const messages = (test.differences ?? []).map((one, at) => {
        const text = (value: unknown): string => (value === undefined ? "nothing" : JSON.stringify(value, null, 2));
        return vscode.TestMessage.diff(test.messages[at] ?? one.path, text(one.expected), text(one.actual));
      });
      const all = messages.length > 0 ? messages : test.messages.map((text) => new vscode.TestMessage(text));
      all.forEach((message) => {
        if (item.range) {
          message.location = new vscode.Location(uri, item.range.start);
        }
      });
      (test.result === "failed" ? run.failed : run.errored).call(run, item, all, took);
    }
    run.appendOutput(`${test?.result ?? "skipped"}  ${parent.label}, ${item.label}\r\n`, undefined, item);
    test?.messages.forEach((text) => run.appendOutput(`    ${text}\r\n`, undefined, item));
  }
}

/** Runs all examples of a document. */
export async function test(uri: vscode.Uri): Promise<void> {
  await describe(await vscode.workspace.openTextDocument(uri));
  const item = controller.items.get(uri.toString());
  if (!item) {
    void vscode.window.showInformationMessage("This document has no tests: `tests` and `interface.examples` of an agent hold them, or a suite.");
    return;
  }
  await vscode.commands.executeCommand("workbench.panel.testResults.view.focus");
  await run(new vscode.TestRunRequest([item]), new vscode.CancellationTokenSource().token);
}
