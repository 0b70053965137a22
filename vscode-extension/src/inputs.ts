// Asks a person for the inputs of a run.

import * as vscode from "vscode";
import { type Inputs, interfaceOf, type Schema } from "./client";

const last = new Map<string, Inputs>();

/** The inputs for a run of a document; `undefined` where the person called it off. */
export async function askInputs(uri: vscode.Uri, example?: number): Promise<Inputs | undefined> {
  const document = await vscode.workspace.openTextDocument(uri);
  const found = await interfaceOf(document);
  if (!found) {
    return {};
  }
  if (example !== undefined) {
    return found.examples[example]?.inputs ?? {};
  }
  const properties = Object.entries(found.inputs.properties ?? {});
  const required = new Set(found.inputs.required ?? []);
  if (properties.length === 0 || (required.size === 0 && properties.every(([, schema]) => schema.default !== undefined))) {
    return {};
  }
  if (found.examples.length > 0) {
    const items: (vscode.QuickPickItem & { inputs?: Inputs })[] = found.examples.map((one, at) => ({
      label: `Example ${at + 1}`,
      description: JSON.stringify(one.inputs),
      inputs: one.inputs,
    }));
    items.push({ label: "Enter other inputs…" });
    const choice = await vscode.window.showQuickPick(items, { title: `Inputs of ${found.agent}` });
    if (!choice || choice.inputs) {
      return choice?.inputs;
    }
  }
  const before = last.get(uri.toString()) ?? {};
  const inputs: Inputs = {};
  for (const [at, [name, schema]] of properties.entries()) {
    const title = `Inputs of ${found.agent} (${at + 1} of ${properties.length})`;
    const value = await askValue(title, name, schema, required.has(name), before[name]);
    if (value === undefined) {
      return undefined;
    }
    if (value !== nothing) {
      inputs[name] = value;
    }
  }
  last.set(uri.toString(), inputs);
  return inputs;
}

const nothing = Symbol("nothing");

async function askValue(title: string, name: string, schema: Schema, required: boolean, before: unknown): Promise<unknown> {
  const prompt = [schema.description ?? schema.title ?? name, required ? "" : "(may be left empty)"].filter(Boolean).join(" ");
  const choices = schema.enum ?? (schema.type === "boolean" ? [true, false] : undefined);
  if (choices) {
    const items: (vscode.QuickPickItem & { value: unknown })[] = choices.map((value) => ({ label: String(value), value }));
    if (!required) {
      items.unshift({ label: "(nothing)", value: nothing });
    }
    return (await vscode.window.showQuickPick(items, { title, placeHolder: prompt }))?.value;
  }
  const shown = before ?? schema.default;
  const text = await vscode.window.showInputBox({
    title,
    prompt,
    placeHolder: name,
    value: shown === undefined ? "" : typeof shown === "string" ? shown : JSON.stringify(shown),
    ignoreFocusOut: true,
    validateInput: (text) => problem(text, schema, required),
  });
  if (text === undefined) {
    return undefined;
  }
  return text === "" && !required ? nothing : read(text, schema);
}

/** The value that a text stands for. Where a text may stand, it is one. */
export function read(text: string, schema: Schema): unknown {
  const types = [schema.type ?? []].flat();
  if (types.includes("string")) {
    return text;
  }
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function problem(text: string, schema: Schema, required: boolean): string | undefined {
  const types = [schema.type ?? []].flat();
  if (text === "") {
    return required && !types.includes("string") ? "A value is needed." : undefined;
  }
  const value = read(text, schema);
  const is = value === null ? "null" : Array.isArray(value) ? "array" : typeof value;
  const fits = types.length === 0 || types.includes(is) || (is === "number" && types.includes("integer") && Number.isInteger(value));
  return fits ? undefined : `This must be ${types.join(" or ")}, as JSON.`;
}
