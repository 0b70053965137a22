// Notebooks on aikit without Python: a controller for `.ipynb` whose cells go to `aikit kernel start --stdio`.

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import * as vscode from "vscode";
import { explainMissing, folder, globals, log, program } from "./program";

/** A Jupyter message as the program writes it. */
interface Message {
  channel: "shell" | "control" | "iopub" | "stdin" | "error";
  header: { msg_id?: string; msg_type: string };
  parent_header: { msg_id?: string };
  content: Record<string, unknown>;
}

const LANGUAGES = ["aikit", "yaml", "lua", "javascript"];
const text = new TextEncoder();

/** One notebook's kernel. */
class Kernel {
  private readonly process: ChildProcessWithoutNullStreams;
  private readonly waiting = new Map<string, (message: Message) => void>();
  private sent = 0;
  readonly ended: Promise<void>;

  constructor(path: string) {
    this.process = spawn(path, ["kernel", "start", "--stdio", "--language", "yaml", ...globals()], { cwd: folder() });
    this.process.stderr.on("data", (data: Buffer) => log.warn(data.toString().trimEnd()));
    // A kernel that is gone takes no more messages; its end is told below.
    this.process.stdin.on("error", () => undefined);
    this.ended = new Promise((resolve) => {
      this.process.on("error", (error) => (log.error(String(error)), resolve()));
      this.process.on("close", () => resolve());
    });
    createInterface({ input: this.process.stdout }).on("line", (line) => {
      const message = JSON.parse(line) as Message;
      this.waiting.get(message.parent_header.msg_id ?? "")?.(message);
    });
  }

  private send(channel: string, msg_type: string, content: object, parent_header: object = {}): string {
    this.sent += 1;
    const header = { msg_id: `cell-${this.sent}`, msg_type, session: "vscode", username: "", version: "5.4", date: new Date().toISOString() };
    this.process.stdin.write(`${JSON.stringify({ channel, header, parent_header, metadata: {}, content })}\n`);
    return header.msg_id;
  }

  /** Runs code; every message about it goes to `heard` until all is said. Gives whether it ended well. */
  execute(code: string, heard: (message: Message) => void): Promise<boolean> {
    const id = this.send("shell", "execute_request", { code, silent: false, store_history: true, allow_stdin: true, stop_on_error: true });
    let reply: Message | undefined;
    let idle = false;
    const done = new Promise<boolean>((resolve) => {
      this.waiting.set(id, (message) => {
        if (message.channel === "stdin") {
          void this.answer(message);
        } else if (message.channel === "shell") {
          reply = message;
        } else if (message.header.msg_type === "status") {
          idle = message.content["execution_state"] === "idle";
        } else {
          heard(message);
        }
        if (reply && idle) {
          resolve(reply.content["status"] === "ok");
        }
      });
    });
    return Promise.race([done, this.ended.then(() => false)]).finally(() => this.waiting.delete(id));
  }

  private async answer(question: Message): Promise<void> {
    const prompt = String(question.content["prompt"] ?? "");
    const value = await vscode.window.showInputBox({ prompt, password: question.content["password"] === true, ignoreFocusOut: true });
    if (value === undefined) {
      this.interrupt();
    } else {
      this.send("stdin", "input_reply", { value }, question.header);
    }
  }

  interrupt(): void {
    this.send("control", "interrupt_request", {});
  }

  stop(): void {
    this.process.stdin.end();
    setTimeout(() => this.process.kill(), 8000).unref();
  }
}

/** The output of a cell for a message of its kernel. */
function output(message: Message): vscode.NotebookCellOutput | undefined {
  const { content } = message;
  switch (message.header.msg_type) {
    case "stream": {
      const item = content["name"] === "stderr" ? vscode.NotebookCellOutputItem.stderr : vscode.NotebookCellOutputItem.stdout;
      return new vscode.NotebookCellOutput([item(String(content["text"]))]);
    }
    case "display_data":
    case "update_display_data":
    case "execute_result": {
      const data = Object.entries((content["data"] ?? {}) as Record<string, unknown>);
      const display = (content["transient"] as { display_id?: string } | undefined)?.display_id;
      return new vscode.NotebookCellOutput(
        data.map(([mime, value]) => item(mime, value)),
        { ...(content["metadata"] as object), ...(display ? { display } : {}) },
      );
    }
    case "error": {
      const trace = ((content["traceback"] as string[] | undefined) ?? []).join("\n");
      const error = { name: String(content["ename"]), message: String(content["evalue"]), stack: trace };
      return new vscode.NotebookCellOutput([vscode.NotebookCellOutputItem.error(error)]);
    }
    default:
      return undefined;
  }
}

function item(mime: string, value: unknown): vscode.NotebookCellOutputItem {
  if (mime.startsWith("image/") && mime !== "image/svg+xml") {
    return new vscode.NotebookCellOutputItem(Buffer.from(String(value), "base64"), mime);
  }
  const plain = Array.isArray(value) ? value.join("") : typeof value === "string" ? value : JSON.stringify(value, null, 2);
  return new vscode.NotebookCellOutputItem(text.encode(plain), mime);
}

/** What the kernel is given for a cell: the language of the cell is the magic that it needs. */
export function code(language: string, source: string): string {
  const magic = { lua: "%%lua", javascript: "%%js" }[language];
  return magic && !source.trimStart().startsWith("%%") ? `${magic}\n${source}` : source;
}

class Controller {
  private readonly controller: vscode.NotebookController;
  private readonly kernels = new Map<string, Kernel>();
  private readonly queues = new Map<string, Promise<void>>();
  private order = 0;

  constructor() {
    this.controller = vscode.notebooks.createNotebookController("aikit", "jupyter-notebook", "aikit");
    this.controller.description = "Agents, Lua and JavaScript";
    this.controller.detail = "Without Python";
    this.controller.supportedLanguages = LANGUAGES;
    this.controller.supportsExecutionOrder = true;
    this.controller.executeHandler = (cells, notebook) => this.queue(cells, notebook);
    this.controller.interruptHandler = (notebook) => this.kernels.get(notebook.uri.toString())?.interrupt();
  }

  private queue(cells: vscode.NotebookCell[], notebook: vscode.NotebookDocument): Promise<void> {
    const key = notebook.uri.toString();
    const runs = cells.map((cell) => ({ cell, execution: this.controller.createNotebookCellExecution(cell) }));
    const before = this.queues.get(key) ?? Promise.resolve();
    const after = before.then(async () => {
      let ok = true;
      for (const { cell, execution } of runs) {
        // Behind a cell that failed nothing runs.
        if (ok) {
          ok = await this.run(key, cell, execution);
        } else {
          execution.start();
          execution.end(undefined);
        }
      }
    });
    this.queues.set(key, after);
    return after;
  }

  private async run(key: string, cell: vscode.NotebookCell, execution: vscode.NotebookCellExecution): Promise<boolean> {
    this.order += 1;
    execution.executionOrder = this.order;
    execution.start(Date.now());
    await execution.clearOutput();
    const kernel = await this.kernel(key);
    if (!kernel) {
      execution.end(false, Date.now());
      return false;
    }
    // Outputs are written one behind the other.
    let written: Promise<void> = Promise.resolve();
    let clear = false;
    const then = (write: () => Thenable<void>): void => {
      written = written.then(write).catch((error) => log.error(String(error)));
    };
    const ok = await kernel.execute(code(cell.document.languageId, cell.document.getText()), (message) => {
      if (message.header.msg_type === "clear_output") {
        clear = message.content["wait"] === true;
        if (!clear) {
          then(() => execution.clearOutput());
        }
        return;
      }
      const made = output(message);
      if (!made) {
        return;
      }
      const update = message.header.msg_type === "update_display_data";
      const replace = clear;
      clear = false;
      then(() => {
        const outputs = cell.outputs;
        if (replace) {
          return execution.replaceOutput(made);
        }
        const known = outputs.find((known) => update && known.metadata?.["display"] === made.metadata?.["display"]);
        if (known) {
          return execution.replaceOutputItems(made.items, known);
        }
        const last = outputs.at(-1);
        const stream = message.header.msg_type === "stream" && last?.items[0]?.mime === made.items[0]?.mime ? last : undefined;
        return stream ? execution.appendOutputItems(made.items, stream) : execution.appendOutput(made);
      });
    });
    await written;
    execution.end(ok, Date.now());
    return ok;
  }

  private async kernel(key: string): Promise<Kernel | undefined> {
    const running = this.kernels.get(key);
    if (running) {
      return running;
    }
    if (!vscode.workspace.isTrusted) {
      void vscode.window.showWarningMessage("Cells run in trusted folders only.", "Manage Trust").then((choice) => {
        return choice && vscode.commands.executeCommand("workbench.trust.manage");
      });
      return undefined;
    }
    const path = program();
    if (!path) {
      await explainMissing();
      return undefined;
    }
    const kernel = new Kernel(path);
    this.kernels.set(key, kernel);
    void kernel.ended.then(() => this.kernels.get(key) === kernel && this.kernels.delete(key));
    return kernel;
  }

  /** Ends the kernel of a notebook. */
  close(key: string): void {
    this.kernels.get(key)?.stop();
    this.kernels.delete(key);
  }

  dispose(): void {
    this.kernels.forEach((kernel) => kernel.stop());
    this.controller.dispose();
  }
}

export function register(context: vscode.ExtensionContext): void {
  const controller = new Controller();
  context.subscriptions.push(
    controller,
    vscode.workspace.onDidCloseNotebookDocument((notebook) => controller.close(notebook.uri.toString())),
    vscode.commands.registerCommand("aikit.restartKernel", () => {
      const notebook = vscode.window.activeNotebookEditor?.notebook;
      if (notebook) {
        controller.close(notebook.uri.toString());
      }
    }),
  );
}
