//! Documents that mean harm are answered with a finding, in bounded time and memory.

use std::{fmt::Write, sync::Arc};

use aikit_spec::{
    CheckContext, check,
    compose::{Files, Setting},
};

/// A workspace in which every file extends and imports the next one.
#[derive(Debug)]
struct Endless;

impl Files for Endless {
    fn read(&self, path: &str) -> Result<String, String> {
        let number: u32 = path.trim_end_matches(".yaml").parse().unwrap_or(0);
        Ok(format!("extends: ./{}.yaml\nidentity: {{agent_id: a, name: A}}\n", number + 1))
    }
}

fn findings(source: &str) -> Vec<String> {
    let around = Setting { files: Some(Arc::new(Endless)), path: "0.yaml".into(), env: None };
    let context = CheckContext { around, ..CheckContext::default() };
    let checked = check(source, &context);
    checked.diagnostics.iter().map(|found| format!("{} {}", found.code, found.message)).collect()
}

const HEAD: &str = "identity: {agent_id: a, name: A}\n";

#[test]
fn chains_without_end_are_cut() {
    let found = findings("extends: ./1.yaml\nidentity: {agent_id: a, name: A}\n");
    assert!(found.iter().any(|one| one.contains("AK0212") && one.contains("extend each other")), "{found:?}");
}

#[test]
fn schemas_that_grow_are_cut() {
    let mut source = format!("{HEAD}schemas:\n");
    for n in 0..40 {
        let members: String = (0..40).fold(String::new(), |mut text, m| {
            let _ = write!(text, "p{m}: {{$ref: '#/schemas/s{m}'}}, ");
            text
        });
        let _ = writeln!(source, "  s{n}: {{type: object, properties: {{{members}}}}}");
    }
    source.push_str("interface: {inputs: {$ref: '#/schemas/s0'}}\n");
    assert!(findings(&source).iter().all(|one| !one.starts_with("AK01")), "it is a valid document");
}

#[test]
fn expressions_patterns_and_templates_are_bounded() {
    let deep = format!("{}1{}", "(".repeat(5000), ")".repeat(5000));
    let long = "inputs.a + ".repeat(5000);
    let regex = "(a{1000}){1000}";
    let source = format!(
        "{HEAD}governance:\n  guardrails: [{{name: g, on: input, use: regex, rule: \"{regex}\"}}]\nbehavior:\n  steps:\n    \
         - {{name: one, when: \"{deep} == 1\", llm: Hi.}}\n    - {{name: two, when: \"{long}1 > 0\", llm: Hi.}}\n    \
         - {{name: three, llm: \"{{{{ {deep} }}}}\"}}\n"
    );
    let found = findings(&source);
    for code in ["AK0105", "AK0303"] {
        assert!(found.iter().any(|one| one.starts_with(code)), "{code}: {found:?}");
    }
}

#[test]
fn deep_and_wide_documents_are_answered() {
    for source in [
        format!("{HEAD}metadata: {}{}\n", "[".repeat(10_000), "]".repeat(10_000)),
        format!("{HEAD}behavior: {}\n", "{steps: [".repeat(5000)),
        format!("{HEAD}behavior:\n  steps:\n{}", "    - {name: same, llm: Hi.}\n".repeat(20_000)),
        format!("a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n{}", "d: [*c, *c]\n".repeat(1000)),
        "\u{0}\u{1}\u{feff}{{{{[[[[&*!|>%@`".repeat(1000),
    ] {
        assert!(!findings(&source).is_empty());
    }
}
