//! The command line, driven as a person or a script drives it: the real program, a folder of its own for each test.

use std::{
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

const HELLO: &str = "identity: {agent_id: hello, name: Hello}
interface:
  inputs:
    type: object
    properties: {name: {type: string}, message: {type: string, default: Greet me}}
    required: [name]
intelligence:
  prompts: {system: 'You greet {{ inputs.name }}.'}
";

const FLOW: &str = "identity: {agent_id: flow, name: Flow}
interface:
  inputs: {type: object, properties: {text: {type: string}}, required: [text]}
behavior:
  type: sequential
  workflow:
    steps:
      - name: count
        script:
          lua: |
            local n = 0
            for _ in ctx.inputs.text:gmatch('%S+') do n = n + 1 end
            print('counting')
            return n
      - name: finish
        return: {words: '{{ steps.count.output }}'}
";

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        home.write("hello.yaml", HELLO);
        home.write("flow.yaml", FLOW);
        home
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aikit"));
        command.args(args).current_dir(self.path()).env_clear().env("AIKIT_HOME", self.path()).env("USER", "ada");
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).stdin(Stdio::null()).output().unwrap()
    }

    /// Exit code, standard output and standard error.
    fn say(&self, args: &[&str]) -> (i32, String, String) {
        let output = self.run(args);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    fn ok(&self, args: &[&str]) -> String {
        let (code, out, err) = self.say(args);
        assert_eq!(code, 0, "{args:?}: {out}{err}");
        out
    }

    fn json(&self, args: &[&str]) -> Value {
        let mut all = args.to_vec();
        all.extend(["--format", "json"]);
        serde_json::from_str(&self.ok(&all)).unwrap()
    }
}

#[test]
fn a_document_is_checked_stored_promoted_and_run() {
    let home = Home::new();
    assert!(home.ok(&["check", "hello.yaml", "flow.yaml"]).contains("checked 2 documents: no findings"));
    home.ok(&["spec", "create", "hello.yaml"]);
    assert!(home.ok(&["spec", "list"]).contains("hello"));
    assert_eq!(home.ok(&["spec", "get", "hello"]), HELLO);
    home.ok(&["spec", "promote", "hello@0.1.0"]);
    assert!(home.ok(&["spec", "history", "hello"]).contains("promoted"));
    let answer = home.ok(&["run", "hello", "name=Ada"]);
    assert!(answer.starts_with("[simulated]"), "{answer}");
    let record = home.json(&["run", "hello@0.1.0", "name=Ada"]);
    assert_eq!((&record["run"]["status"], &record["simulated"]), (&"succeeded".into(), &true.into()));
}

#[test]
fn a_file_runs_with_its_scripts_in_a_process_of_their_own() {
    let home = Home::new();
    let (code, out, err) = home.say(&["run", "flow.yaml", "text=a b c", "--html", "card.html"]);
    assert_eq!((code, err.as_str()), (0, "counting\n"));
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), serde_json::json!({ "words": 3 }));
    assert!(std::fs::read_to_string(home.path().join("card.html")).unwrap().contains("<svg"));
    let mut child = home
        .command(&["run", "flow.yaml", "--input", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"text: one two").unwrap();
    assert!(String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap().contains("\"words\": 2"));
}

#[test]
fn what_is_wrong_is_said_with_a_code_and_an_exit_code() {
    let home = Home::new();
    home.write("typo.yaml", &HELLO.replace("prompts", "promts"));
    home.write("lua.yaml", &FLOW.replace("return n", "return = n"));
    home.write("fails.yaml", &FLOW.replace("return n", "error('no luck')"));
    home.write("latin1.yaml", "");
    std::fs::write(home.path().join("latin1.yaml"), b"name: caf\xe9").unwrap();
    for (args, code, said) in [
        (&["check", "typo.yaml"][..], 1, "did you mean `prompts`?"),
        (&["check", "lua.yaml"], 1, "--> lua.yaml:14:13"),
        (&["check", "missing.yaml"], 3, "there is no such file"),
        (&["check", "latin1.yaml"], 1, "save the file as UTF-8"),
        (&["run", "typo.yaml"], 1, "AK0101"),
        (&["run", "hello.yaml"], 1, "\"name\" is a required property"),
        (&["run", "hello.yaml", "name"], 2, "`name` is not of the form key=value"),
        (&["run", "nobody"], 3, "there is no agent `nobody`"),
        (&["run", "fails.yaml", "text=x"], 4, "no luck"),
        (&["spec", "promote", "nobody@1.0.0"], 3, "nobody"),
        (&["spec", "get", "nobody"], 3, "nobody"),
        (&["--tenant", "acme", "spec", "list"], 3, "`aikit tenant create acme` makes it"),
        (&["--tenant", "Not A Slug", "spec", "list"], 2, "for example `acme`"),
        (&["kernel", "start", "-f", "nothing.json"], 3, "nothing.json"),
        (&["--db", "hello.yaml", "spec", "list"], 5, "choose another file with --db"),
        (&["explain", "AK9999"], 3, "AK9999"),
        (&["frobnicate"], 2, "unrecognized subcommand"),
    ] {
        let (got, out, err) = home.say(args);
        assert_eq!(got, code, "{args:?}: {out}{err}");
        assert!(format!("{out}{err}").contains(said), "{args:?}: {out}{err}");
    }
    let (_, _, err) = home.say(&["run", "fails.yaml", "text=x"]);
    assert!(err.contains("line 14"), "{err}");
}

#[test]
fn documents_are_laid_out_and_broken_ones_left_alone() {
    let home = Home::new();
    home.write("wide.yaml", "identity:   {agent_id: a,name: A} # who\nbehavior:\n    type: chat\n");
    let laid_out = "identity: {agent_id: a, name: A} # who\nbehavior:\n  type: chat\n";
    let read = |name: &str| std::fs::read_to_string(home.path().join(name)).unwrap();
    let broken = "identity: {agent_id: a\nbehavior: x\n";
    home.write("broken.yaml", broken);
    let (exit, out, _) = home.say(&["fmt", "--check", "wide.yaml"]);
    assert_eq!((exit, out.as_str()), (1, "would change wide.yaml\n1 would change, 0 unchanged\n"));
    let (exit, out, _) = home.say(&["fmt", "broken.yaml", "wide.yaml"]);
    assert_eq!(exit, 1);
    assert!(out.contains("broken.yaml:1:11") && out.contains("changed wide.yaml"), "{out}");
    assert_eq!((read("wide.yaml").as_str(), read("broken.yaml").as_str()), (laid_out, broken));
    assert_eq!(home.ok(&["fmt", "wide.yaml"]), "0 changed, 1 unchanged\n");
    assert_eq!(home.say(&["fmt", "none.yaml"]).0, 3);
    let left: Vec<_> = std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("new-")), "{left:?}");
}

#[test]
fn examples_are_tests() {
    let home = Home::new();
    let examples = "  examples:
    - inputs: {text: a b}
      outputs: {words: 2}
    - {inputs: {text: ''}, outputs: {words: 1}}
    - inputs: {text: a}
    - inputs: {}
";
    let suite = FLOW.replace("behavior:", &format!("{examples}behavior:")).replace("required: [text]", "required: []");
    home.write("suite.yaml", &suite);
    let (exit, out, _) = home.say(&["test", "suite.yaml", "--junit", "out.xml"]);
    assert_eq!(exit, 4, "{out}");
    assert!(out.contains("passed  suite.yaml:5 example 0\n"), "{out}");
    assert!(out.contains("failed  suite.yaml:7 example 1\n        /words is 0, expected 1\n"), "{out}");
    assert!(out.contains("ran     suite.yaml:8 example 2\n"), "{out}");
    assert!(out.contains("errored suite.yaml:9 example 3\n        [script.error]"), "{out}");
    assert!(out.ends_with("4 tests: 1 passed, 1 ran without an expectation, 2 failed\n"), "{out}");
    let report = std::fs::read_to_string(home.path().join("out.xml")).unwrap();
    assert!(report.contains("tests=\"4\" failures=\"1\" errors=\"1\""), "{report}");
    assert!(report.contains("<failure message=\"/words is 0, expected 1\">"), "{report}");
    let told = home.json(&["test", "suite.yaml", "--example", "0"]);
    assert_eq!((&told[0]["tests"][0]["result"], &told[0]["tests"][0]["line"]), (&"passed".into(), &5.into()));
    assert_eq!(home.say(&["test", "suite.yaml", "--example", "9"]).0, 3);
}

#[test]
fn a_document_that_cannot_be_tried_is_named_in_every_report() {
    let home = Home::new();
    home.write("good.yaml", FLOW);
    home.write("bad.yaml", "agent: [\n");
    let (exit, out, _) = home.say(&["test", "good.yaml", "bad.yaml", "--junit", "out.xml"]);
    assert_eq!(exit, 1, "{out}");
    assert!(out.contains("--> bad.yaml:"), "{out}");
    let report = std::fs::read_to_string(home.path().join("out.xml")).unwrap();
    assert!(report.contains("<testsuite name=\"bad.yaml\" tests=\"1\" failures=\"0\" errors=\"1\""), "{report}");
    let (exit, out, _) = home.say(&["test", "good.yaml", "bad.yaml", "--tap"]);
    assert_eq!((exit, out.as_str()), (1, "TAP version 14\nnot ok 1 - bad.yaml\n# the document has errors\n1..1\n"));
    let (exit, out, _) = home.say(&["test", "good.yaml", "bad.yaml", "--format", "json"]);
    let told: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((exit, &told[1]["file"], &told[1]["error"]), (1, &"bad.yaml".into(), &"the document has errors".into()));
}

#[test]
fn tenants_do_not_see_each_other() {
    let home = Home::new();
    home.ok(&["tenant", "create", "acme"]);
    home.ok(&["tenant", "create", "umbrella"]);
    home.ok(&["--tenant", "acme", "spec", "create", "hello.yaml"]);
    assert!(home.ok(&["--tenant", "acme", "spec", "list"]).contains("hello"));
    let (code, _, err) = home.say(&["--tenant", "umbrella", "run", "hello", "name=x"]);
    assert_eq!(code, 3, "{err}");
    let (missing, _, same) = home.say(&["--tenant", "umbrella", "run", "never", "name=x"]);
    assert_eq!((missing, same.replace("never", "hello")), (3, err));
}

#[test]
fn kernels_are_installed_listed_and_taken_away() {
    let home = Home::new();
    let prefix = home.path().join("prefix");
    let prefix = prefix.to_str().unwrap();
    home.ok(&["kernel", "install", "--prefix", prefix]);
    for (name, language) in [("aikit", "yaml"), ("aikit-lua", "lua"), ("aikit-js", "js")] {
        let file = Path::new(prefix).join("share/jupyter/kernels").join(name).join("kernel.json");
        let spec: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let argv: Vec<&str> = spec["argv"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(argv.ends_with(&["kernel", "start", "--language", language, "-f", "{connection_file}"]), "{argv:?}");
    }
    home.ok(&["kernel", "uninstall", "--prefix", prefix]);
    assert_eq!(home.say(&["kernel", "uninstall", "--prefix", prefix]).0, 3);
}

#[test]
fn every_code_is_explained_and_every_shell_is_served() {
    let home = Home::new();
    assert!(home.ok(&["explain"]).contains("AK0101"));
    assert!(home.ok(&["explain", "AK0101"]).contains("AK0101"));
    for shell in ["bash", "zsh", "fish"] {
        assert!(home.ok(&["completions", shell]).contains("aikit"));
    }
    let schema: Value = serde_json::from_str(&home.ok(&["schema"])).unwrap();
    assert!(schema["$schema"].is_string());
    assert!(home.ok(&["doctor"]).contains("store"));
}

#[test]
fn a_run_is_listed_shown_replayed_and_forked() {
    let home = Home::new();
    home.ok(&["spec", "create", "flow.yaml"]);
    home.ok(&["run", "flow", "text=a b"]);
    assert!(home.ok(&["runs", "list", "flow"]).contains("succeeded"));
    assert!(home.ok(&["runs", "show", "last"]).contains("count (script)"));
    let journal = home.ok(&["runs", "export", "last"]);
    assert!(journal.lines().count() > 4 && journal.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
    assert!(home.ok(&["replay", "last"]).contains("all the same"));
    home.write("changed.yaml", &FLOW.replace("n + 1", "n + 2"));
    let (code, out, _) = home.say(&["replay", "last", "--spec", "changed.yaml"]);
    assert_eq!(code, 4);
    assert!(out.starts_with("drift at record 2, step `count`"), "{out}");
    assert!(home.ok(&["fork", "last", "text=a b c"]).contains("\"words\": 3"));
    let (code, _, err) = home.say(&["resume", "last"]);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("has ended"), "{err}");
    assert_eq!(home.say(&["runs", "show", "nothing"]).0, 3);
}

#[test]
fn the_notebooks_of_the_project_run_and_become_pages() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../notebooks");
    for name in ["quick-start", "polyglot-tour", "experiment"] {
        let home = Home::new();
        let notebook = folder.join(format!("{name}.ipynb"));
        let said = home.ok(&["notebook", "run", notebook.to_str().unwrap(), "-o", "out.ipynb", "--html", "out.html"]);
        assert!(said.contains("no errors"), "{said}");
        let out: Value = serde_json::from_slice(&std::fs::read(home.path().join("out.ipynb")).unwrap()).unwrap();
        let outputs = out["cells"].as_array().unwrap().iter().filter(|cell| cell["outputs"][0].is_object()).count();
        assert!(outputs >= 4, "{name}: {outputs} cells have outputs");
        assert!(std::fs::read_to_string(home.path().join("out.html")).unwrap().contains("<section"));
    }
}

#[test]
fn what_is_no_notebook_is_refused_and_a_failing_cell_stops_the_run() {
    let home = Home::new();
    home.write("none.ipynb", "kind: Agent");
    home.write("old.ipynb", r#"{"nbformat": 3, "worksheets": []}"#);
    let cells = ["print('one')", "error('two')", "print('three')"]
        .map(|code| serde_json::json!({ "cell_type": "code", "metadata": {}, "outputs": [], "source": code }));
    let failing = serde_json::json!({
        "nbformat": 4, "nbformat_minor": 5, "cells": cells, "metadata": { "kernelspec": { "name": "aikit-lua" } },
    });
    home.write("failing.ipynb", &failing.to_string());
    for (args, code, said) in [
        (&["notebook", "run", "none.ipynb"][..], 1, "a notebook is a JSON file"),
        (&["notebook", "run", "old.ipynb"], 1, "format 3"),
        (&["notebook", "run", "missing.ipynb"], 3, "missing.ipynb"),
        (&["notebook", "run", "failing.ipynb", "-o", "out.ipynb"], 4, "cell 2 failed: RuntimeError: two"),
        (&["notebook", "run", "failing.ipynb", "--allow-errors"], 0, "three"),
    ] {
        let (got, out, err) = home.say(args);
        assert_eq!(got, code, "{args:?}: {out}{err}");
        assert!(format!("{out}{err}").contains(said), "{args:?}: {out}{err}");
    }
    let out = std::fs::read_to_string(home.path().join("out.ipynb")).unwrap();
    assert!(out.contains("one\\n") && !out.contains("three\\n"), "what ran is kept: {out}");
}

#[test]
fn every_example_is_clean_and_has_a_suite_that_passes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let folder = folder.to_str().unwrap();
    let home = Home::new();
    let found = home.json(&["check", folder]);
    let problems: Vec<&serde_json::Value> = found
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["severity"] != "information" || one["code"] != "AK0801")
        .collect();
    assert!(problems.is_empty(), "{problems:#?}");
    let names = |end: &str, folder: &Path| {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let names = entries.filter_map(|name| Some(name.to_str()?.strip_suffix(end)?.to_owned()));
        names.collect::<std::collections::BTreeSet<_>>()
    };
    let agents = names(".agent.yaml", Path::new(folder));
    assert_eq!(agents, names(".suite.yaml", &Path::new(folder).join("tests")));
    assert!(agents.len() >= 20, "{agents:?}");
    let told = home.json(&["test", folder]);
    let tests = || told.as_array().unwrap().iter().flat_map(|suite| suite["tests"].as_array().unwrap());
    assert!(tests().all(|test| test["result"] == "passed"), "{told:#}");
    assert!(tests().count() >= 30);
}

/// The blocks of a page, by the heading above them.
fn blocks(page: &str) -> Vec<(String, String)> {
    let (mut heading, mut blocks, mut open) = (String::new(), Vec::new(), None::<String>);
    for line in page.lines() {
        match &mut open {
            Some(text) if line == "```" => {
                blocks.push((heading.clone(), std::mem::take(text)));
                open = None;
            }
            Some(text) => {
                text.push_str(line);
                text.push('\n');
            }
            None if line == "```yaml" => open = Some(String::new()),
            None => heading = line.strip_prefix("## ").map_or(heading, str::to_owned),
        }
    }
    blocks
}

#[test]
fn every_code_has_a_page_whose_examples_are_true() {
    let home = Home::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/diagnostics");
    let codes = home.json(&["explain"]);
    let mut shown = 0;
    for code in codes.as_array().unwrap() {
        let (code, summary) = (code["code"].as_str().unwrap(), code["summary"].as_str().unwrap());
        let page = std::fs::read_to_string(folder.join(format!("{code}.md"))).unwrap_or_default();
        assert!(page.starts_with(&format!("# {code}\n\n{summary}\n\n")), "{code}: {page}");
        for (heading, text) in blocks(&page) {
            shown += 1;
            home.write("example.yaml", &text);
            let (_, found, _) = home.say(&["check", "example.yaml", "--format", "json"]);
            let found: Vec<serde_json::Value> = serde_json::from_str(&found).unwrap();
            if heading == "Wrong" {
                assert!(found.iter().any(|one| one["code"] == code), "{code}: {found:#?}");
            } else {
                let fine = found.iter().all(|one| one["code"] != code && one["severity"] != "error");
                assert!(fine, "{code}: {found:#?}");
            }
        }
    }
    assert!(shown > 110, "{shown}");
    assert!(home.ok(&["explain", "ak0101"]).contains("## Right"));
}

/// Every document in the handbook is one that a person may copy.
#[test]
fn the_documents_of_the_handbook_are_sound() {
    let home = Home::new();
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let mut shown = 0;
    for entry in std::fs::read_dir(docs).unwrap().map(|entry| entry.unwrap().path()) {
        let Ok(page) = std::fs::read_to_string(&entry) else { continue };
        for (heading, text) in blocks(&page) {
            // A piece of a document cannot stand alone.
            if !["identity:", "kind:", "agent:"].iter().any(|key| text.contains(key)) {
                continue;
            }
            shown += 1;
            home.write("example.yaml", &text);
            let (_, found, _) = home.say(&["check", "example.yaml", "--format", "json"]);
            let found: serde_json::Value = serde_json::from_str(&found).unwrap();
            let fine = found.as_array().unwrap().iter().all(|one| one["severity"] != "error");
            assert!(fine, "{}: {heading}\n{text}\n{found:#}", entry.display());
        }
    }
    assert!(shown >= 10, "{shown}");
}

#[test]
fn suites_say_what_is_not_as_expected() {
    let home = Home::new();
    home.write("a.agent.yaml", "identity: {agent_id: a, name: A}\nintegration: {tools: [calculate]}\n");
    home.write(
        "a.suite.yaml",
        "kind: TestSuite
agent: ./a.agent.yaml
defaults: {stubs: {calculate: 7}}
cases:
  - {name: says hello, input: {}, script: [Hello], expect: {output: ~/hello/i}}
  - name: calls
    script: [{tool_calls: [{tool: calculate, args: {expression: 1 + 1}}]}, two]
    expect: {calls: [{tool: calculate, args: {expression: 1 + 2}}], output: three}
  - {name: too little, script: [one, two]}
  - {name: fails, script: [{error: provider.auth}], expect: {error: provider.timeout}}
",
    );
    let (exit, out, _) = home.say(&["test", "a.suite.yaml"]);
    assert_eq!(exit, 4, "{out}");
    for line in [
        "passed  a.suite.yaml:5 says hello\n",
        "failed  a.suite.yaml:6 calls\n        calls is [{\"tool\":\"calculate\",\"args\":{\"expression\":\"1 + 1\"}}], expected",
        "        output is \"two\", expected \"three\"\n",
        "failed  a.suite.yaml:9 too little\n        script is \"1 replies were not asked for\"",
        "failed  a.suite.yaml:10 fails\n        error is \"provider.auth\", expected \"provider.timeout\"\n",
        "4 tests: 1 passed, 3 failed\n",
    ] {
        assert!(out.contains(line), "{line}\n{out}");
    }
    let (_, out, _) = home.say(&["test", "a.suite.yaml", "--tap", "--case", "says hello"]);
    assert_eq!(out, "TAP version 14\nok 1 - a.suite.yaml: says hello\n1..1\n");
    assert_eq!(home.say(&["test", "a.suite.yaml", "--case", "none"]).0, 3);
}

#[test]
fn documents_are_put_together_and_compared() {
    let home = Home::new();
    home.write("base.yaml", "identity: {agent_id: base, name: Base, version: 1.0.0}\nbehavior:\n  steps:\n    - {name: one, llm: Hi.}\noverlays:\n  prod: {behavior: {steps: [{name: one, llm: Good day.}]}}\n");
    home.write("heir.yaml", "extends: ./base.yaml\nidentity: {agent_id: heir}\n");
    let long = home.ok(&["expand", "heir.yaml"]);
    assert!(long.starts_with("identity: {agent_id: heir, name: Base, version: 1.0.0}\n"), "{long}");
    let long = home.ok(&["expand", "heir.yaml", "--env", "prod", "--origin"]);
    assert!(long.contains("identity.agent_id: \"heir\"  # this document:2\n"), "{long}");
    assert!(long.contains("identity.name: \"Base\"  # base.yaml:1\n"), "{long}");
    assert!(long.contains("behavior.steps[0].llm: \"Good day.\"  # overlay prod:6\n"), "{long}");
    let short = home.ok(&["expand", "base.yaml", "--short"]);
    assert!(short.starts_with("agent: base@1.0.0\nflow:\n"), "{short}");
    let (exit, _, err) = home.say(&["expand", "heir.yaml", "--env", "pord"]);
    assert!(exit == 1 && err.contains("did you mean `prod`?"), "{err}");
    assert!(home.ok(&["run", "heir.yaml", "--env", "prod"]).contains("Good day"));
    // What is stored stands for itself.
    home.ok(&["spec", "create", "heir.yaml"]);
    std::fs::remove_file(home.path().join("base.yaml")).unwrap();
    assert!(home.ok(&["run", "heir"]).contains("Hi"));
    home.write("new.yaml", "identity: {agent_id: heir, name: Base}\ninterface: {inputs: {type: object, properties: {q: {type: string}}, required: [q]}}\nbehavior:\n  steps:\n    - {name: one, llm: Hi.}\n");
    home.write(
        "old.yaml",
        "identity: {agent_id: heir, name: Base}\nbehavior:\n  steps:\n    - {name: one, llm: Hi.}\n",
    );
    let (exit, out, _) = home.say(&["diff", "old.yaml", "new.yaml", "--fail-on-breaking"]);
    assert!(exit == 1 && out.contains("callers notice:") && out.contains("were taken before"), "{out}");
    assert_eq!(home.ok(&["diff", "old.yaml", "old.yaml"]), "no difference\n");
}

#[test]
fn the_least_of_all_layers_holds_and_says_where_it_comes_from() {
    let home = Home::new();
    home.write("config.toml", "user = \"ada\"\n[limits]\nusd = 1.5\nllm_calls = 1\n");
    home.write("acme.yaml", "limits: {usd: 0.5, tokens: 900}\n");
    home.ok(&["tenant", "create", "acme", "--config", "acme.yaml"]);
    home.write("two.yaml", "identity: {agent_id: two, name: Two}\ngovernance: {budget: {per_execution: {usd: 3, tokens: 100}}}\nbehavior:\n  steps:\n    - {name: one, llm: Hi.}\n    - {name: two, llm: Ho.}\n");
    let told = home.ok(&["--tenant", "acme", "config", "show", "two.yaml", "--origin"]);
    assert!(told.contains("user: ada  # ") && told.contains("config.toml\n"), "{told}");
    assert!(told.contains("tenant: acme  # flags\n"), "{told}");
    assert!(told.contains("limits.usd: 0.5  # tenant acme\n"), "{told}");
    assert!(told.contains("limits.tokens: 100  # two.yaml\n"), "{told}");
    let (exit, _, err) = home.say(&["run", "two.yaml"]);
    assert!(exit == 4 && err.contains("budget.exceeded"), "one call is allowed by the profile: {err}");
    let found = home.json(&["check", "two.yaml"]);
    assert!(found.as_array().unwrap().iter().any(|one| one["code"] == "AK0504"), "{found:#}");
    let (exit, _, err) = home.say(&["--limits", "usb=1", "check", "two.yaml"]);
    assert!(exit == 2 && err.contains("did you mean `usd`?"), "{err}");
    home.write("config.toml", "tennant = \"x\"\n");
    let (exit, _, err) = home.say(&["config", "show"]);
    assert!(exit == 2 && err.contains("tennant"), "{err}");
}

#[test]
fn agents_begin_with_a_preset_and_old_ones_become_canonical() {
    let home = Home::new();
    assert!(home.ok(&["new"]).contains("router"));
    home.ok(&["new", "mail-sorter", "--preset", "router"]);
    assert_eq!(home.say(&["new", "mail-sorter"]).0, 1, "nothing is overwritten");
    let told = home.ok(&["check", "."]);
    assert!(told.contains("no findings"), "{told}");
    assert!(home.ok(&["test", "."]).contains("1 passed"));
    assert_eq!(home.say(&["new", "x", "--preset", "ruter"]).0, 3);
    home.write("old.yaml", "id: a\nname: A\nspec_version: 1.0.0\n");
    assert_eq!(home.say(&["migrate", "old.yaml", "--check"]).0, 1);
    assert!(home.ok(&["migrate", "old.yaml"]).contains("changed 3 places"));
    assert!(home.ok(&["check", "old.yaml"]).contains("no findings"));
    assert_eq!(home.say(&["check", "none/*.yaml"]).0, 3);
    // A script that has run, or was looked at, is looked at again without the names that it declared.
    home.write("js.yaml", "identity: {agent_id: js, name: JS}\nbehavior:\n  steps:\n    - name: one\n      script: {js: 'const x = 1; x'}\n");
    assert!(home.ok(&["check", "js.yaml", "js.yaml"]).contains("no findings"));
}
