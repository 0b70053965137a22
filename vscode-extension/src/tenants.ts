// The tree of tenants, their agents with versions, and their runs.

import * as vscode from "vscode";
import { ask, say } from "./program";

interface Tenant {
  id: string;
  plan: string;
}

interface Spec {
  agent: string;
  version: string;
  status: string;
  name?: string;
}

interface RunRecord {
  id: string;
  agent?: string;
  version?: string;
  status: string;
  started_at?: string;
}

type Node =
  | { kind: "tenant"; tenant: string; plan: string }
  | { kind: "agents" | "runs"; tenant: string }
  | { kind: "agent"; tenant: string; agent: string; specs: Spec[] }
  | { kind: "version"; tenant: string; spec: Spec }
  | { kind: "run"; tenant: string; run: RunRecord };

/** What a command of the tree is given. */
export type RunNode = Extract<Node, { kind: "run" }>;

class Tree implements vscode.TreeDataProvider<Node> {
  private readonly changed = new vscode.EventEmitter<void>();
  readonly onDidChangeTreeData = this.changed.event;

  refresh(): void {
    this.changed.fire();
  }

  getTreeItem(node: Node): vscode.TreeItem {
    const { Collapsed, None, Expanded } = vscode.TreeItemCollapsibleState;
    switch (node.kind) {
      case "tenant": {
        const item = new vscode.TreeItem(node.tenant, Expanded);
        item.description = node.plan;
        item.iconPath = new vscode.ThemeIcon("organization");
        return item;
      }
      case "agents":
        return new vscode.TreeItem("Agents", Expanded);
      case "runs":
        return new vscode.TreeItem("Runs", Collapsed);
      case "agent": {
        const item = new vscode.TreeItem(node.agent, Collapsed);
        item.description = node.specs[0]?.version ?? "";
        item.iconPath = new vscode.ThemeIcon("hubot");
        return item;
      }
      case "version": {
        const item = new vscode.TreeItem(node.spec.version, None);
        item.description = node.spec.status;
        item.iconPath = new vscode.ThemeIcon("file-code");
        item.command = { command: "aikit.openAgent", title: "Open", arguments: [`${node.spec.agent}@${node.spec.version}`, node.tenant] };
        return item;
      }
      case "run": {
        const item = new vscode.TreeItem(node.run.agent ?? node.run.id, None);
        item.description = [node.run.status, node.run.started_at?.slice(0, 19).replace("T", " ")].filter(Boolean).join(", ");
        item.iconPath = new vscode.ThemeIcon(icon(node.run.status));
        item.contextValue = "run";
        item.tooltip = node.run.id;
        item.command = { command: "aikit.openRun", title: "Open", arguments: [node.run.id, node.tenant] };
        return item;
      }
    }
  }

  async getChildren(node?: Node): Promise<Node[]> {
    if (!vscode.workspace.isTrusted) {
      return [];
    }
    switch (node?.kind) {
      case undefined: {
        const tenants = (await ask<Tenant[]>(["tenant", "list"])) ?? [];
        return tenants.map(({ id, plan }) => ({ kind: "tenant", tenant: id, plan }));
      }
      case "tenant":
        return [
          { kind: "agents", tenant: node.tenant },
          { kind: "runs", tenant: node.tenant },
        ];
      case "agents": {
        const specs = (await ask<Spec[]>(["spec", "list"], node.tenant)) ?? [];
        const byAgent = new Map<string, Spec[]>();
        specs.forEach((spec) => byAgent.set(spec.agent, [...(byAgent.get(spec.agent) ?? []), spec]));
        return [...byAgent].map(([agent, specs]) => ({ kind: "agent", tenant: node.tenant, agent, specs }));
      }
      case "agent": {
        const all = (await ask<Spec[]>(["spec", "list", node.agent], node.tenant)) ?? node.specs;
        return all.map((spec) => ({ kind: "version", tenant: node.tenant, spec }));
      }
      case "runs": {
        const runs = (await ask<RunRecord[]>(["runs", "list"], node.tenant)) ?? [];
        return runs.map((run) => ({ kind: "run", tenant: node.tenant, run }));
      }
      default:
        return [];
    }
  }
}

function icon(status: string): string {
  return { succeeded: "pass", failed: "error", running: "sync", cancelled: "circle-slash" }[status] ?? "history";
}

/** Shows texts of the program as documents that cannot be changed. */
class Stored implements vscode.TextDocumentContentProvider {
  async provideTextDocumentContent(uri: vscode.Uri): Promise<string> {
    const tenant = new URLSearchParams(uri.query).get("tenant") ?? "";
    const name = uri.path.replace(/^\/(.*)\.[a-z.]+$/, "$1");
    const args = uri.authority === "run" ? ["runs", "show", name] : ["spec", "get", name];
    const said = await say(args, { tenant });
    return said.code === 0 ? said.out : said.err;
  }
}

export function register(context: vscode.ExtensionContext): { refresh(): void } {
  const tree = new Tree();
  const open = async (authority: string, name: string, tenant: string, language: string): Promise<void> => {
    const path = `/${name}.${language === "aikit" ? "agent.yaml" : "log"}`;
    const uri = vscode.Uri.from({ scheme: "aikit", authority, path, query: `tenant=${encodeURIComponent(tenant)}` });
    const document = await vscode.workspace.openTextDocument(uri);
    await vscode.languages.setTextDocumentLanguage(document, language);
    await vscode.window.showTextDocument(document, { preview: true });
  };
  context.subscriptions.push(
    vscode.window.registerTreeDataProvider("aikit.tenants", tree),
    vscode.workspace.registerTextDocumentContentProvider("aikit", new Stored()),
    vscode.commands.registerCommand("aikit.refresh", () => tree.refresh()),
    vscode.commands.registerCommand("aikit.openAgent", (name: string, tenant: string) => open("agent", name, tenant, "aikit")),
    vscode.commands.registerCommand("aikit.openRun", (run: string, tenant: string) => open("run", run, tenant, "plaintext")),
    vscode.workspace.onDidGrantWorkspaceTrust(() => tree.refresh()),
  );
  return tree;
}
