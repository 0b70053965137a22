//! Cassettes and fixtures, as a person makes and uses them.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

const AGENT: &str = "identity: {agent_id: clerk, name: Clerk}
interface: {inputs: {type: object, properties: {message: {type: string}}, required: [message]}}
intelligence:
  model: scripted/clerk.yaml
integration: {tools: [calculator]}
behavior:
  steps:
    - {name: ask, llm: {prompt: '{{ inputs.message }}', tools: [calculator]}}
    - {name: sum, tool: calculator, args: {expression: 6 * 7}}
    - {name: end, return: {said: '{{ steps.ask.output }}', sum: '{{ steps.sum.output }}'}}
";

/// A model's script: one rule that holds for everything.
const SCRIPT: &str = "- {reply: I am here}\n";

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        home.write("clerk.agent.yaml", AGENT);
        home.write("clerk.yaml", SCRIPT);
        home
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap()
    }

    fn say(&self, args: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aikit"));
        command.args(args).current_dir(self.path()).env_clear().env("AIKIT_HOME", self.path()).env("USER", "ada");
        let output = command.stdin(Stdio::null()).output().unwrap();
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        (output.status.code().unwrap(), text)
    }

    fn ok(&self, args: &[&str]) -> String {
        let (code, text) = self.say(args);
        assert_eq!(code, 0, "{args:?}: {text}");
        text
    }
}

#[test]
fn a_cassette_is_recorded_replayed_and_added_to() {
    let home = Home::new();
    let run = |more: &[&str]| home.say(&[&["run", "clerk.agent.yaml", "message=hi"], more].concat());
    assert_eq!(run(&["--record", "c.json"]).0, 0);
    let cassette: Value = serde_json::from_str(&home.read("c.json")).unwrap();
    assert_eq!(cassette["aikit_cassette"], 1);
    let kinds: Vec<_> = cassette["entries"].as_array().unwrap().iter().map(|entry| &entry["kind"]).collect();
    assert_eq!(kinds, ["model", "tool"]);

    // The model is gone; its answer is not, and a person may change it.
    std::fs::remove_file(home.path().join("clerk.yaml")).unwrap();
    home.write("c.json", &home.read("c.json").replace("I am here", "I am on tape"));
    let (code, text) = run(&["--cassette", "c.json"]);
    assert_eq!((code, serde_json::from_str::<Value>(&text).unwrap()["said"].clone()), (0, json!("I am on tape")));

    let (code, text) = home.say(&["run", "clerk.agent.yaml", "message=ho", "--cassette", "c.json"]);
    assert_eq!(code, 4, "{text}");
    assert!(
        text.contains("/messages/0/content: recorded \"hi\", now \"ho\"") && text.contains("--cassette-mode auto"),
        "{text}"
    );

    home.write("clerk.yaml", SCRIPT);
    let before = home.read("c.json");
    home.ok(&["run", "clerk.agent.yaml", "message=ho", "--cassette", "c.json", "--cassette-mode", "auto"]);
    let after: Value = serde_json::from_str(&home.read("c.json")).unwrap();
    assert_eq!(after["entries"].as_array().unwrap().len(), 3);
    assert!(home.read("c.json").contains("I am on tape") && before.len() < home.read("c.json").len());
    home.ok(&["run", "clerk.agent.yaml", "message=ho", "--cassette", "c.json"]);

    home.ok(&["run", "clerk.agent.yaml", "message=ho", "--cassette", "new.json", "--cassette-mode", "record"]);
    assert!(home.read("new.json").contains("I am here"));
    for (text, why) in
        [(before.replace("\"hi\"", "\"hu\""), "does not fit its digest"), (before[..99].into(), "not JSON")]
    {
        home.write("bad.json", &text);
        let (code, said) = run(&["--cassette", "bad.json"]);
        assert_eq!(code, 1, "{said}");
        assert!(said.contains(why) && said.contains("bad.json"), "{said}");
    }
    assert_eq!(run(&["--cassette", "none.json"]).0, 3);
}

#[test]
fn a_run_becomes_a_test() {
    let home = Home::new();
    home.ok(&["run", "clerk.agent.yaml", "message=hi"]);
    let (code, text) = home.say(&["fixture", "last"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("--agent FILE"), "{text}");
    home.ok(&["fixture", "last", "--agent", "clerk.agent.yaml", "--out", "tests/hi.suite.yaml"]);
    let suite = home.read("tests/hi.suite.yaml");
    assert!(suite.contains("agent: ../clerk.agent.yaml") && suite.contains("cassette: ./hi.cassette.json"), "{suite}");
    assert_eq!(home.say(&["fixture", "last", "--agent", "clerk.agent.yaml", "--out", "tests/hi.suite.yaml"]).0, 1);

    std::fs::remove_file(home.path().join("clerk.yaml")).unwrap();
    let told = home.ok(&["test", "tests"]);
    assert!(told.contains("1 test: 1 passed, 0 failed"), "{told}");
    home.write("clerk.agent.yaml", &AGENT.replace("'{{ inputs.message }}'", "'Say: {{ inputs.message }}'"));
    let (code, told) = home.say(&["test", "tests/hi.suite.yaml"]);
    assert_eq!(code, 4, "{told}");
    assert!(told.contains("/messages/0/content: recorded \"hi\", now \"Say: hi\""), "{told}");
    home.write("clerk.agent.yaml", &AGENT.replace("6 * 7", "6 * 8"));
    assert!(home.say(&["test", "tests/hi.suite.yaml"]).1.contains("request of tool `calculator`"));
    std::fs::remove_file(home.path().join("tests/hi.cassette.json")).unwrap();
    let (code, told) = home.say(&["test", "tests/hi.suite.yaml"]);
    assert!(code == 4 && told.contains("cannot be read"), "{told}");

    // A stored agent is named; a run that failed is expected to fail.
    home.write("clerk.agent.yaml", &AGENT.replace("expression: 6 * 7", "expression: 1 / 0"));
    home.write("clerk.yaml", SCRIPT);
    home.ok(&["spec", "create", "clerk.agent.yaml"]);
    assert_eq!(home.say(&["run", "clerk", "message=hi"]).0, 4);
    home.ok(&["fixture", "last", "--out", "fails.suite.yaml"]);
    assert!(home.read("fails.suite.yaml").contains("agent: clerk\n"));
    home.ok(&["test", "fails.suite.yaml"]);
}

#[test]
fn tests_run_side_by_side_and_are_told_in_order() {
    let home = Home::new();
    let case = |n: usize| {
        format!(
            "  - {{name: case {n}, input: {{message: m{n}}}, script: [answer {n}], expect: {{output: {{said: answer {n}}}}}}}\n"
        )
    };
    let cases: String = (0..12).map(case).collect();
    home.write("a.suite.yaml", &format!("kind: TestSuite\nagent: ./clerk.agent.yaml\ncases:\n{cases}"));
    let one = home.ok(&["test", "a.suite.yaml", "--jobs", "1"]);
    assert_eq!(one, home.ok(&["test", "a.suite.yaml", "--jobs", "8"]));
    assert_eq!(one, home.ok(&["test", "a.suite.yaml"]));
    let names: Vec<&str> = one.lines().filter_map(|line| line.split_once("case ").map(|(_, n)| n)).collect();
    assert_eq!(names, (0..12).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(home.say(&["test", "a.suite.yaml", "--jobs", "0"]).0, 2);
}

#[test]
fn a_judge_is_asked_for_a_mark() {
    let home = Home::new();
    home.write("strict.yaml", "- {reply: '{\"score\": 0.4, \"reason\": \"too short\"}'}\n");
    let suite = |model: &str, more: &str| {
        format!(
            "kind: TestSuite\nagent: ./clerk.agent.yaml\ncases:\n  - name: one\n    input: {{message: hi}}\n    script: [hello{more}]\n    judge: {{model: {model}, rubric: Is it kind?, min: 0.5}}\n"
        )
    };
    home.write("a.suite.yaml", &suite("scripted/strict.yaml", ""));
    let (code, told) = home.say(&["test", "a.suite.yaml"]);
    assert!(code == 4 && told.contains("judge is {\"score\":0.4,\"reason\":\"too short\"}"), "{told}");
    // A real one answers by the script of the case.
    home.write("b.suite.yaml", &suite("openai/gpt", ", '{\"score\": 0.9, \"reason\": \"kind\"}'"));
    home.ok(&["test", "b.suite.yaml"]);
    home.write("c.suite.yaml", &suite("openai/gpt", "").replace("    script: [hello]\n", ""));
    let (code, told) = home.say(&["test", "c.suite.yaml"]);
    assert!(code == 4 && told.contains("--live-judges"), "{told}");
}
