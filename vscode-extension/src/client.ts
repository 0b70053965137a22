// The language server, and what it is asked beyond the protocol.

import * as vscode from "vscode";
import { CloseAction, ErrorAction, LanguageClient, type LanguageClientOptions, TransportKind } from "vscode-languageclient/node";
import { explainMissing, globals, log, program, settings } from "./program";

/** A step of the picture, as `aikit/graph` gives it. */
export interface GraphStep {
  name: string;
  kind: string;
  range: { start: vscode.Position; end: vscode.Position };
  branches: { label: string; steps: GraphStep[] }[];
}

let client: LanguageClient | undefined;

/** Starts the server, or starts it anew. */
export async function start(): Promise<void> {
  await stop();
  const command = program();
  await vscode.commands.executeCommand("setContext", "aikit.ready", command !== undefined);
  if (!command) {
    await explainMissing();
    return;
  }
  let crashes = 0;
  const options: LanguageClientOptions = {
    documentSelector: [{ language: "aikit" }],
    outputChannel: log,
    diagnosticCollectionName: "aikit",
    errorHandler: {
      error: () => ({ action: ErrorAction.Continue }),
      closed: () => {
        crashes += 1;
        const again = crashes < 4;
        return { action: again ? CloseAction.Restart : CloseAction.DoNotRestart };
      },
    },
  };
  const server = { command, args: ["lsp", ...globals()], transport: TransportKind.stdio };
  client = new LanguageClient("aikit", "aikit", server, options);
  await client.setTrace(traceOf(settings().get("trace.server")));
  await client.start();
}

function traceOf(word: string | undefined): number {
  return word === "verbose" ? 3 : word === "messages" ? 1 : 0;
}

/** Ends the server. */
export async function stop(): Promise<void> {
  const running = client;
  client = undefined;
  // A server that is gone already cannot be stopped.
  await running?.stop().catch(() => undefined);
}

/** The steps of a document; `null` while it has errors, `undefined` without a server. */
export async function graph(document: vscode.TextDocument): Promise<GraphStep[] | null | undefined> {
  if (!client?.isRunning()) {
    return undefined;
  }
  return client.sendRequest<GraphStep[] | null>("aikit/graph", { textDocument: { uri: client.code2ProtocolConverter.asUri(document.uri) } });
}

/** What a run needs and what tests expect, as `aikit/interface` gives it. */
export interface Interface {
  agent: string;
  inputs: Schema;
  examples: { range: { start: vscode.Position; end: vscode.Position }; inputs: Inputs; outputs?: unknown }[];
  cases: { name: string; range: { start: vscode.Position; end: vscode.Position }; inputs: Inputs }[];
}

/** As much of JSON Schema as a form needs. */
export interface Schema {
  type?: string | string[];
  title?: string;
  description?: string;
  default?: unknown;
  enum?: unknown[];
  properties?: Record<string, Schema>;
  required?: string[];
}

/** The inputs of a run. */
export type Inputs = Record<string, unknown>;

/** The interface of a document; `null` where it names no agent, `undefined` without a server. */
export async function interfaceOf(document: vscode.TextDocument): Promise<Interface | null | undefined> {
  if (!client?.isRunning()) {
    return undefined;
  }
  return client.sendRequest<Interface | null>("aikit/interface", { textDocument: { uri: client.code2ProtocolConverter.asUri(document.uri) } });
}
