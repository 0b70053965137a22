// The `aikit` program: where it is, what it is started with, what it says.

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import * as vscode from "vscode";

export const log = vscode.window.createOutputChannel("aikit", { log: true });

/** The settings of the extension. */
export function settings(): vscode.WorkspaceConfiguration {
  return vscode.workspace.getConfiguration("aikit");
}

/** The program: the one of the settings, or the first that is found. */
export function program(): string | undefined {
  const named = settings().get<string>("path")?.trim();
  if (named) {
    const path = named.startsWith("~/") ? join(homedir(), named.slice(2)) : named;
    return existsSync(path) ? path : undefined;
  }
  const name = process.platform === "win32" ? "aikit.exe" : "aikit";
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), join(homedir(), ".cargo", "bin")];
  return folders.filter(Boolean).map((folder) => join(folder, name)).find(existsSync);
}

/** Says that there is no program, and offers what would help. */
export async function explainMissing(): Promise<void> {
  const named = settings().get<string>("path")?.trim();
  const what = named ? `There is no program at ${named}.` : "The aikit program is not on the PATH.";
  const choice = await vscode.window.showErrorMessage(what, "Open Settings", "How to Install");
  if (choice === "Open Settings") {
    await vscode.commands.executeCommand("workbench.action.openSettings", "aikit.path");
  } else if (choice === "How to Install") {
    await vscode.commands.executeCommand("workbench.action.openWalkthrough", "aikit.aikit#start");
  }
}

/** What every call of the program is given. */
export function globals(tenant?: string): string[] {
  const chosen = tenant || settings().get<string>("tenant")?.trim();
  const database = settings().get<string>("database")?.trim();
  return [...(chosen ? ["--tenant", chosen] : []), ...(database ? ["--db", database] : [])];
}

/** What the program said at its end. */
export interface Said {
  code: number;
  out: string;
  err: string;
}

/** Runs the program to its end. */
export function say(args: string[], options: { tenant?: string; input?: string; cwd?: string } = {}): Promise<Said> {
  const path = program();
  if (!path) {
    return Promise.resolve({ code: -1, out: "", err: "the aikit program was not found" });
  }
  return new Promise((resolve) => {
    const all = [...args, ...globals(options.tenant)];
    log.debug(`aikit ${all.join(" ")}`);
    const limits = { maxBuffer: 64 << 20, timeout: 600_000, cwd: options.cwd ?? folder() };
    const child = execFile(path, all, limits, (error, out, err) => {
      const code = error ? (typeof error.code === "number" ? error.code : -1) : 0;
      resolve({ code, out, err: err || (code === -1 && error ? error.message : "") });
    });
    child.stdin?.end(options.input ?? "");
  });
}

/** Runs the program and reads its JSON; `undefined` where it failed. */
export async function ask<T>(args: string[], tenant?: string): Promise<T | undefined> {
  const said = await say([...args, "--format", "json"], tenant ? { tenant } : {});
  if (said.code !== 0) {
    log.warn(`aikit ${args.join(" ")}: ${said.err.trim()}`);
    return undefined;
  }
  try {
    return JSON.parse(said.out) as T;
  } catch {
    log.error(`aikit ${args.join(" ")} did not answer with JSON`);
    return undefined;
  }
}

/** The folder in which the program works. */
export function folder(): string {
  return vscode.workspace.workspaceFolders?.[0]?.uri.fsPath ?? homedir();
}
