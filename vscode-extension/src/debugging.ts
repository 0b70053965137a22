// The debug adapter: `aikit dap`, and configurations for those who write none.

import * as vscode from "vscode";
import { askInputs } from "./inputs";
import { explainMissing, globals, program } from "./program";

class Adapter implements vscode.DebugAdapterDescriptorFactory {
  async createDebugAdapterDescriptor(session: vscode.DebugSession): Promise<vscode.DebugAdapterDescriptor | undefined> {
    const path = program();
    if (!path) {
      await explainMissing();
      return undefined;
    }
    const tenant: unknown = session.configuration["tenant"];
    return new vscode.DebugAdapterExecutable(path, ["dap", ...globals(typeof tenant === "string" ? tenant : undefined)]);
  }
}

class Configurations implements vscode.DebugConfigurationProvider {
  /** F5 without a configuration debugs the document of the editor. */
  async resolveDebugConfiguration(
    _folder: vscode.WorkspaceFolder | undefined,
    configuration: vscode.DebugConfiguration,
  ): Promise<vscode.DebugConfiguration | undefined | null> {
    if (configuration.type || configuration.request || configuration.name) {
      return configuration;
    }
    const document = vscode.window.activeTextEditor?.document;
    if (document?.languageId !== "aikit") {
      return undefined;
    }
    return { type: "aikit", request: "launch", name: "Debug this agent", program: document.uri.fsPath };
  }

  async resolveDebugConfigurationWithSubstitutedVariables(
    _folder: vscode.WorkspaceFolder | undefined,
    configuration: vscode.DebugConfiguration,
  ): Promise<vscode.DebugConfiguration | undefined | null> {
    const path: unknown = configuration["program"];
    if (configuration["run"] || typeof path !== "string") {
      return configuration;
    }
    const uri = vscode.Uri.file(path);
    await vscode.workspace.openTextDocument(uri).then((document) => document.isDirty && document.save());
    if (configuration["inputs"] === undefined || Object.keys(configuration["inputs"] as object).length === 0) {
      const inputs = await askInputs(uri);
      if (!inputs) {
        // The person called it off.
        return undefined;
      }
      configuration["inputs"] = inputs;
    }
    return configuration;
  }

  provideDebugConfigurations(): vscode.DebugConfiguration[] {
    return [{ type: "aikit", request: "launch", name: "Debug this agent", program: "${file}" }];
  }
}

/** Debugs a document; with a step, up to there. */
export async function debug(uri: vscode.Uri, line?: number): Promise<void> {
  if (line !== undefined) {
    const place = new vscode.Location(uri, new vscode.Position(line, 0));
    const there = vscode.debug.breakpoints.some(
      (known) =>
        known instanceof vscode.SourceBreakpoint &&
        known.location.uri.toString() === uri.toString() &&
        known.location.range.start.line === line,
    );
    if (!there) {
      vscode.debug.addBreakpoints([new vscode.SourceBreakpoint(place)]);
    }
  }
  const configuration = { type: "aikit", request: "launch", name: "Debug agent", program: uri.fsPath };
  await vscode.debug.startDebugging(vscode.workspace.getWorkspaceFolder(uri), configuration);
}

/** Walks through a run that has been. */
export async function replay(run: string, tenant?: string): Promise<void> {
  const configuration = { type: "aikit", request: "launch", name: `Replay ${run}`, run, stopOnEntry: true, ...(tenant ? { tenant } : {}) };
  await vscode.debug.startDebugging(undefined, configuration);
}

export function register(context: vscode.ExtensionContext): void {
  const configurations = new Configurations();
  context.subscriptions.push(
    vscode.debug.registerDebugAdapterDescriptorFactory("aikit", new Adapter()),
    vscode.debug.registerDebugConfigurationProvider("aikit", configurations),
    vscode.debug.registerDebugConfigurationProvider("aikit", configurations, vscode.DebugConfigurationProviderTriggerKind.Dynamic),
  );
}
