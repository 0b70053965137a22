"""Measures the check of documents beside ajv and check-jsonschema, in one run, on the same machine.

    AIKIT_BIN=… AIKIT_CHECK_BENCH=… NODE_PATH=… python tests/python/bench/check.py

All get the same thousand documents of 150 lines, a tenth of them broken, and the committed schema of agents; before
anything is timed they must agree on which documents are broken. The peers check the schema alone; aikit checks everything
else as well.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = ROOT / "schemas" / "agent.schema.json"
COUNT = 1000

NODE = """
const fs = require("fs"), yaml = require("js-yaml"), Ajv = require("ajv/dist/2020").default;
const [schema, folder] = process.argv.slice(2);
const validate = new Ajv({strict: false, allErrors: true}).compile(JSON.parse(fs.readFileSync(schema)));
const files = fs.readdirSync(folder).sort().map(name => folder + "/" + name);
const texts = files.map(file => fs.readFileSync(file, "utf8"));
texts.slice(0, 20).forEach(text => validate(yaml.load(text)));
const both = [], alone = [], broken = [];
texts.forEach((text, at) => {
  const t0 = process.hrtime.bigint();
  const value = yaml.load(text);
  const t1 = process.hrtime.bigint();
  if (!validate(value)) broken.push(at);
  const t2 = process.hrtime.bigint();
  both.push(Number(t2 - t0) / 1e9); alone.push(Number(t2 - t1) / 1e9);
});
const q = (list, at) => list.sort((a, b) => a - b)[Math.floor((list.length - 1) * at)];
console.log(JSON.stringify({broken, read_p50: q(both, 0.5), read_p95: q(both, 0.95), alone_p50: q(alone, 0.5), alone_p95: q(alone, 0.95)}));
"""


def document(number: int, broken: bool) -> str:
    """About 150 lines, as people write them."""
    lines = [
        f"# Document {number}",
        "spec_version: aikit-v1.0.0",
        "kind: Agent",
        "identity:",
        f"  agent_id: agent-{number}",
        f"  name: Agent {number}",
        "  version: 1.2.3",
        "  description: An agent that is made for a measurement.",
        "  tags: [one, two, three]",
        "interface:",
        "  inputs:",
        "    type: object",
        "    properties:",
        "      question: {type: string}",
        "      urgent: {type: boolean}",
        "      items: {type: array, items: {type: string}}",
        "    required: [question]",
        "governance:",
        "  budget:",
        "    per_execution: {llm_calls: 200, tokens: 100000, usd: 1.5}",
        "  security:",
        "    resource_limits: {max_wall: 5m, max_steps: 100}",
        "intelligence:",
        "  models:",
        "    fast: {provider: scripted, model: auto, timeout: 30s}",
        "    careful: {provider: scripted, model: auto, parameters: {temperature: 0.2, max_tokens: 800}}",
        "  model: fast",
        "  prompts:",
        "    system: You answer {{ inputs.question }} for {{ tenant.name }}.",
        "integration:",
        "  tools:",
        "    - name: double",
        "      kind: lua",
        "      input: {type: object, properties: {n: {type: number}}, required: [n]}",
        "      code: return ctx.inputs.n * 2",
        "behavior:",
        "  state:",
        "    initial: {count: 0}",
        "  steps:",
    ]
    step = 0
    while len(lines) < 150:
        step += 1
        before = f"{{{{ steps.step-{step - 1}.output }}}}" if step > 1 else "{{ inputs.question }}"
        lines += [
            f"    - name: step-{step}",
            f"      when: state.count < {step + 10} && has(inputs.question)",
            "      llm:",
            f"        prompt: \"Work on this: {before}\"",
            "        model: careful",
            "      retry: {max_attempts: 3, on: [provider.*]}",
            f"      save: {{count: state.count + {step}}}",
        ]
    if broken:
        at = next(index for index, line in enumerate(lines) if "model: careful" in line)
        lines[at] = "        modle: careful"
    return "\n".join(lines) + "\n"


def timed(argv: list[str]) -> tuple[float, subprocess.CompletedProcess]:
    began = time.perf_counter()
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return time.perf_counter() - began, done


def one_core(argv: list[str]) -> list[str]:
    return ["taskset", "-c", "0", *argv]


def main() -> None:
    aikit, inside = os.environ["AIKIT_BIN"], os.environ["AIKIT_CHECK_BENCH"]
    with tempfile.TemporaryDirectory() as folder:
        names = []
        for number in range(COUNT):
            path = Path(folder, f"{number:04}.agent.yaml")
            path.write_text(document(number, number % 10 == 3))
            names.append(str(path))
        expected = [number for number in range(COUNT) if number % 10 == 3]

        ours = json.loads(subprocess.run(one_core([inside, folder]), capture_output=True, text=True, check=True).stdout)
        script = Path(folder, "..", "ajv-bench.cjs").resolve()
        script.write_text(NODE)
        node = subprocess.run(one_core(["node", str(script), str(SCHEMA), folder]), capture_output=True, text=True, check=True)
        script.unlink()
        peer = json.loads(node.stdout)
        took, done = timed(one_core([aikit, "check", "--format", "json", folder]))
        found = {Path(one["file"]).name for one in json.loads(done.stdout) if one["severity"] == "error"}
        assert found == {f"{number:04}.agent.yaml" for number in expected}, "aikit disagrees"
        assert peer["broken"] == expected, "ajv disagrees"
        assert ours["with_errors"] == len(expected)
        python = [sys.executable, "-m", "check_jsonschema", "--schemafile", str(SCHEMA), "--output-format", "json"]
        slow, done = timed(one_core([*python, *names]))
        told = json.loads(done.stdout)
        wrong = {Path(one["filename"]).name for one in told["errors"]}
        assert wrong == found, "check-jsonschema disagrees"

        def row(what: str, mine: float, theirs: float | None, unit: float, name: str) -> None:
            ratio = "" if theirs is None else f"{theirs / mine:8.1f} ×"
            other = "" if theirs is None else f"{theirs * unit:10.3f}"
            print(f"{what:<58}{mine * unit:10.3f}{other:>12}{ratio:>12}")

        print(f"{COUNT} documents of 150 lines, a tenth of them broken; one core\n")
        print(f"{'':<58}{'aikit':>10}{'peer':>12}{'ratio':>12}")
        row("everything, from text to plan, p50 (ms)", ours["check_p50"], None, 1e3, "")
        row("everything, from text to plan, p95 (ms; goal 1)", ours["check_p95"], None, 1e3, "")
        row("from text to schema errors, p50 (ms; ajv with js-yaml)", ours["check_p50"], peer["read_p50"], 1e3, "ajv")
        row("schema alone, all errors, p50 (ms; ajv)", ours["jsonschema_p50"], peer["alone_p50"], 1e3, "ajv")
        row("the same with words, places and fixes, p50 (ms; ajv)", ours["structure_p50"], peer["alone_p50"], 1e3, "ajv")
        row("command line, all of them (s; check-jsonschema)", took, slow, 1, "check-jsonschema")
        print(f"\ncommand line: {COUNT / took:,.0f} documents per second on one core (goal 1,000)")


if __name__ == "__main__":
    main()
