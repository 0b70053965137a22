// The parts of the extension, put together.

import * as vscode from "vscode";
import * as client from "./client";
import * as debugging from "./debugging";
import * as graph from "./graph";
import { askInputs } from "./inputs";
import * as notebook from "./notebook";
import { explainMissing, globals, log, program, say, settings, ask } from "./program";
import * as tenants from "./tenants";
import * as testing from "./testing";

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  context.subscriptions.push(log);
  debugging.register(context);
  testing.register(context);
  graph.register(context);
  notebook.register(context);
  const tree = tenants.register(context);
  commands(context, tree);
  status(context);
  detect(context);
  context.subscriptions.push(
    vscode.workspace.onDidChangeConfiguration(async (change) => {
      if (["path", "tenant", "database"].some((name) => change.affectsConfiguration(`aikit.${name}`))) {
        tree.refresh();
        await client.start();
      }
    }),
  );
  await client.start();
}

export function deactivate(): Promise<void> {
  return client.stop();
}

function commands(context: vscode.ExtensionContext, tree: { refresh(): void }): void {
  const add = (name: string, run: (...args: never[]) => unknown): void => {
    context.subscriptions.push(vscode.commands.registerCommand(name, run));
  };
  const trusted = (): boolean => {
    if (!vscode.workspace.isTrusted) {
      void vscode.window.showWarningMessage("Agents run in trusted folders only.");
    }
    return vscode.workspace.isTrusted;
  };
  add("aikit.run", async (uri?: string | vscode.Uri, more?: { example?: number }) => {
    const document = trusted() ? await saved(uri) : undefined;
    const inputs = document && (await askInputs(document.uri, more?.example));
    if (document && inputs) {
      await runInTerminal(document.uri, inputs);
      tree.refresh();
    }
  });
  add("aikit.debug", async (uri?: string | vscode.Uri, more?: { line?: number }) => {
    const document = trusted() ? await saved(uri) : undefined;
    if (document) {
      await debugging.debug(document.uri, more?.line);
    }
  });
  add("aikit.test", async (uri?: string | vscode.Uri) => {
    const document = trusted() ? await saved(uri) : undefined;
    if (document) {
      await testing.test(document.uri);
    }
  });
  add("aikit.store", async (uri?: string | vscode.Uri) => {
    const document = trusted() ? await saved(uri) : undefined;
    if (!document) {
      return;
    }
    const said = await say(["spec", "create", document.uri.fsPath]);
    const again = said.code === 0 ? said : await say(["spec", "update", document.uri.fsPath]);
    if (again.code === 0) {
      void vscode.window.showInformationMessage(again.out.trim());
    } else {
      void vscode.window.showErrorMessage(again.err.trim().split("\n")[0] ?? "The agent was not stored.");
    }
    tree.refresh();
  });
  add("aikit.references", async (uri: string, more: { position: vscode.Position }) => {
    const document = await vscode.workspace.openTextDocument(vscode.Uri.parse(uri));
    const place = new vscode.Position(more.position.line, more.position.character);
    const found = await vscode.commands.executeCommand<vscode.Location[]>("vscode.executeReferenceProvider", document.uri, place);
    await vscode.commands.executeCommand("editor.action.showReferences", document.uri, place, found);
  });
  add("aikit.graph", async () => {
    const document = vscode.window.activeTextEditor?.document;
    if (document?.languageId === "aikit") {
      await graph.show(document);
    }
  });
  add("aikit.new", async () => {
    const document = await vscode.workspace.openTextDocument({ language: "aikit", content: "" });
    const editor = await vscode.window.showTextDocument(document);
    await editor.insertSnippet(
      new vscode.SnippetString(
        [
          "identity:",
          "  agent_id: ${1:my-agent}",
          "  name: ${2:My agent}",
          "interface:",
          "  inputs:",
          "    type: object",
          "    properties:",
          "      ${3:question}: {type: string}",
          "    required: [${3:question}]",
          "intelligence:",
          "  prompts:",
          '    system: "${4:You answer in one sentence.} {{ inputs.${3:question} \\}\\}"',
          "$0",
        ].join("\n"),
      ),
    );
  });
  add("aikit.replay", (node: tenants.RunNode) => debugging.replay(node.run.id, node.tenant));
  add("aikit.restart", client.start);
  add("aikit.log", () => log.show());
  add("aikit.tenant", async () => {
    const known = (await ask<{ id: string; plan: string }[]>(["tenant", "list"])) ?? [];
    const items = [
      { label: "Default", description: "that of the operating system's user", id: "" },
      ...known.map(({ id, plan }) => ({ label: id, description: plan, id })),
    ];
    const choice = await vscode.window.showQuickPick(items, { title: "The tenant to act for" });
    if (choice) {
      await settings().update("tenant", choice.id || undefined, vscode.ConfigurationTarget.Workspace);
    }
  });
}

/** The document that is meant, as it is on the disk. */
async function saved(uri?: string | vscode.Uri): Promise<vscode.TextDocument | undefined> {
  const meant = typeof uri === "string" ? vscode.Uri.parse(uri) : uri;
  const document = meant ? await vscode.workspace.openTextDocument(meant) : vscode.window.activeTextEditor?.document;
  if (document && (document.isDirty || document.isUntitled)) {
    await document.save();
  }
  return document?.isUntitled ? vscode.window.activeTextEditor?.document : document;
}

/** Runs an agent where a person sees its answer being written. */
async function runInTerminal(uri: vscode.Uri, inputs: client.Inputs): Promise<void> {
  const path = program();
  if (!path) {
    await explainMissing();
    return;
  }
  const args = ["run", uri.fsPath, "--stream", "--input", JSON.stringify(inputs), ...globals()];
  const scope = vscode.workspace.getWorkspaceFolder(uri) ?? vscode.TaskScope.Workspace;
  const name = vscode.workspace.asRelativePath(uri);
  const task = new vscode.Task({ type: "aikit", file: name }, scope, name, "aikit", new vscode.ProcessExecution(path, args));
  task.presentationOptions = { reveal: vscode.TaskRevealKind.Always, panel: vscode.TaskPanelKind.Dedicated, clear: true };
  await vscode.tasks.executeTask(task);
}

/** The tenant in the status bar. */
function status(context: vscode.ExtensionContext): void {
  const item = vscode.window.createStatusBarItem("aikit.tenant", vscode.StatusBarAlignment.Right, 50);
  item.name = "aikit tenant";
  item.command = "aikit.tenant";
  item.tooltip = "The tenant that agents run for";
  const update = (): void => {
    item.text = `$(organization) ${settings().get<string>("tenant")?.trim() || "default tenant"}`;
    const language = vscode.window.activeTextEditor?.document.languageId;
    if (language === "aikit" || vscode.window.activeNotebookEditor) {
      item.show();
    } else {
      item.hide();
    }
  };
  update();
  context.subscriptions.push(
    item,
    vscode.workspace.onDidChangeConfiguration(update),
    vscode.window.onDidChangeActiveTextEditor(update),
    vscode.window.onDidChangeActiveNotebookEditor(update),
  );
}

/** Agents in files that are called anything `.yaml`. */
function detect(context: vscode.ExtensionContext): void {
  const look = async (document: vscode.TextDocument): Promise<void> => {
    if (document.languageId !== "yaml" || document.uri.scheme === "vscode-notebook-cell" || !settings().get<boolean>("detectAgents")) {
      return;
    }
    const head = document.getText(new vscode.Range(0, 0, 200, 0));
    if (/^identity:/m.test(head) && /\bagent_id:/.test(head)) {
      await vscode.languages.setTextDocumentLanguage(document, "aikit");
    }
  };
  context.subscriptions.push(vscode.workspace.onDidOpenTextDocument(look));
  vscode.workspace.textDocuments.forEach((document) => void look(document));
}
