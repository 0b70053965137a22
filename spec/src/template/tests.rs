use expect_test::{Expect, expect};
use serde_json::json;

use super::*;

fn scope() -> Value {
    json!({
        "inputs": {"question": "Why <b>?", "urgent": true, "n": 3, "f": 2.5, "tags": ["a", "b"], "doc": {"z": 1, "a": [null]}, "user-name": "U", "none": null},
        "state": {"count": 2},
        "steps": {"my-step": {"output": {"items": [{"name": "x"}]}}, "my": {"output": 10}, "step": {"output": 1}},
        "tenant": {"id": "acme", "name": "Acme"},
        "agent": {"id": "support", "version": "1.0.0", "name": "Support"},
    })
}

fn render(source: &str) -> Result<Value, String> {
    super::render(source, &scope())
}

#[test]
fn a_lone_expression_keeps_its_type() {
    for (source, expected) in [
        ("{{ inputs.n }}", json!(3)),
        (" {{ inputs.f }}\n", json!(2.5)),
        ("{{- inputs.doc -}}", json!({"z": 1, "a": [null]})),
        ("{{ inputs.tags }}", json!(["a", "b"])),
        ("{{ inputs.urgent }}", json!(true)),
        ("{{ inputs.none }}", json!(null)),
        ("{{ inputs.question }}", json!("Why <b>?")),
        ("{{ inputs.n + 1 }}", json!(4)),
        ("{{ inputs.n / 2 }}", json!(1.5)),
        ("{{ inputs.n + 0.5 }}", json!(3.5)),
        ("{{ inputs.tags + ['c'] }}", json!(["a", "b", "c"])),
        ("{{ inputs.tags | map('upper') }}", json!(["A", "B"])),
        ("{{ {'a': inputs.n, 'b': [1, inputs.f]} }}", json!({"a": 3, "b": [1, 2.5]})),
        ("{{ inputs.n > 2 and inputs.urgent }}", json!(true)),
        ("{{ range(3) }}", json!([0, 1, 2])),
        ("{{ steps.my-step.output.items[0].name }}", json!("x")),
        ("{{ steps['my-step'].output.items | length }}", json!(1)),
        ("{{ steps.my.output - steps.step.output }}", json!(9)),
        ("{{ inputs['user-name'] }}", json!("U")),
        ("{{ tenant_id }}", json!("acme")),
        ("{{ agent_id }}", json!("support")),
        ("{{ inputs.question[0:3] }}", json!("Why")),
        ("{{ inputs.tags[::-1] }}", json!(["b", "a"])),
        ("{{ 'x' * 3 }}", json!("xxx")),
        ("{{ inputs.n * 2.5 }}", json!(7.5)),
    ] {
        assert_eq!(render(source), Ok(expected), "{source}");
    }
}

#[test]
fn a_text_is_filled_in() {
    for (source, expected) in [
        ("Hi {{ inputs.question }}!\n", "Hi Why <b>?!\n"),
        (
            "{{ inputs.doc }} {{ inputs.none }} {{ inputs.urgent }} {{ inputs.f }}",
            r#"{"z":1,"a":[null]} null true 2.5"#,
        ),
        ("{{ inputs.question | tojson }} x", r#""Why <b>?" x"#),
        ("{{ inputs.tags | tojson(indent=2) }} x", "[\n  \"a\",\n  \"b\"\n] x"),
        ("{{ inputs.tags | join(', ') }}.", "a, b."),
        ("{{ inputs.missing | default('none') }}.", "none."),
        ("{{ inputs.f | round }} {{ inputs.tags | length }} {{ 'ab' | upper | replace('A', 'x') }}", "2.0 2 xB"),
        ("{% for t in inputs.tags %}{{ loop.index }}{{ t }}{% if not loop.last %},{% endif %}{% endfor %}", "1a,2b"),
        ("{% if inputs.missing is defined %}a{% elif inputs.urgent %}b{% endif %}", "b"),
        ("{% set ns = namespace(x=0) %}{% for t in inputs.tags %}{% set ns.x = ns.x + 1 %}{% endfor %}{{ ns.x }}", "2"),
        ("{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(inputs.n) }}", "<3>"),
        ("{% raw %}{{ steps.a-b }}{% endraw %}", "{{ steps.a-b }}"),
        ("{{ 'a' ~ inputs.n ~ inputs.tags }}.", r#"a3["a","b"]."#),
        ("{{ '%s-%02d' | format('a', inputs.n) }}.", "a-03."),
        ("{{ inputs.doc | items | list }}.", r#"[["z",1],["a",[null]]]."#),
        ("plain", "plain"),
        ("", ""),
    ] {
        assert_eq!(render(source), Ok(json!(expected)), "{source}");
    }
}

#[test]
fn native_values_become_json_where_a_text_is_wanted() {
    let template = Template { source: "{{ inputs.doc }}".into(), range: TextRange::default() };
    assert_eq!(template.render_text(&scope()).unwrap(), r#"{"z":1,"a":[null]}"#);
}

fn fails(source: &str, expected: Expect) {
    expected.assert_eq(&render(source).unwrap_err());
}

#[test]
fn errors_name_what_is_missing() {
    fails(
        "{{ inputs.qestion }}",
        expect!["`inputs.qestion` is not defined; `inputs` has: doc, f, n, none, question, tags, urgent, user-name"],
    );
    fails("Hi {{ input.question }}", expect!["`input` is not defined; there is: agent, inputs, state, steps, tenant"]);
    fails("{{ steps.my-stp.output }}", expect!["`steps.my-stp` is not defined; `steps` has: my, my-step, step"]);
    fails("{{ inputs.question.x }}", expect!["`inputs.question.x` is not defined; `inputs.question` is a text"]);
    fails("{{ inputs.tags[5] }}", expect!["`inputs.tags[5]` is not defined; `inputs.tags` has 2 items"]);
    fails(
        "{% if inputs.missing %}x{% endif %}",
        expect!["`inputs.missing` is not defined; `inputs` has: doc, f, n, none, question, tags, urgent, user-name"],
    );
    fails(
        "{% for x in inputs.missing %}x{% endfor %}",
        expect!["`inputs.missing` is not defined; `inputs` has: doc, f, n, none, question, tags, urgent, user-name"],
    );
    fails("{% for t in inputs.tags %}{{ t.name }}{% endfor %}", expect!["`t.name` is not defined"]);
    fails("{{ inputs.question | upper | nope }}", expect!["there is no filter `nope`"]);
    fails("{{ inputs.question + 1 }}", expect!["`+` does not work on a text and a number, in `inputs.question + 1`"]);
    fails("{{ 1 / 0 }}", expect!["unable to calculate 1 / 0, in `1 / 0`"]);
    fails("{{ inputs.n(3) }}", expect!["value of type number is not callable, in `.n(3)`"]);
    fails(
        "{{ inputs.missing ~ 'x' }}",
        expect!["`inputs.missing` is not defined; `inputs` has: doc, f, n, none, question, tags, urgent, user-name"],
    );
    fails(
        "{{ [inputs.missing] }}",
        expect!["`inputs.missing` is not defined; `inputs` has: doc, f, n, none, question, tags, urgent, user-name"],
    );
    fails("{{ range }}", expect!["a function or the like cannot be written as JSON"]);
    fails("{{ debug() }}", expect!["there is no function `debug`"]);
    fails("{{ inputs.", expect!["unexpected end of input, expected identifier or integer"]);
}

#[test]
fn every_rendering_ends() {
    let doubling = "{% set a = 'xxxxxxxxxxxxxxxx' %}".to_owned() + &"{% set a = a ~ a %}".repeat(60) + "{{ a }}";
    let shared = "{% set a = [1] %}".to_owned() + &"{% set a = [a, a] %}".repeat(60) + "{{ a == a }}";
    let objects = "{% set a = 1 %}".to_owned() + &"{% set a = dict(a=a, b=a) %}".repeat(100) + "{{ a | tojson }}";
    for source in [
        "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
        "{% for a in range(10000) %}{% for b in range(10000) %}0123456789012345678901234567890123456789{% endfor %}{% endfor %}",
        "{% set x %}{% for a in range(100000) %}{{ 'x' * 100000 }}{% endfor %}{% endset %}",
        "{{ ('x' * 1000000) | replace('x', 'y' * 1000000) }}",
        "{{ range(100000) | join('x' * 100000) }}",
        "{{ 'x' | indent(9999999999, true) }}",
        "{{ '%999999999d' | format(1) }}",
        "{{ 'x' * inputs.n * 999999999 }}",
        "{{ range(100000) | batch(99999999, 'x') | list | tojson }}",
        "{% macro m(x) %}{{ m(x) }}{% endmacro %}{{ m(1) }}",
        &doubling,
        &shared,
        &objects,
    ] {
        let shown: String = source.chars().take(60).collect();
        assert!(render(source).is_err(), "{shown}");
    }
}

/// What a worker thread of the engine has.
const STACK: usize = 2 << 20;

#[test]
fn deep_and_long_templates_do_not_overflow_the_stack() {
    let run = || {
        for (open, middle, close, times) in [
            ("(", "1", ")", 400),
            ("[", "1", "]", 240),
            ("not ", "true", "", 450),
            ("-", "1", "", 450),
            ("", "1", " + 1", 249),
            ("", "inputs", ".a", 249),
            ("", "'a'", "|upper", 249),
            ("", "1", " if 1", 249),
            ("{'a':", "1", "}", 120),
        ] {
            let source = format!("{{{{ {}{middle}{} }}}}", open.repeat(times), close.repeat(times));
            let _ = check(&source);
            let _ = render(&source);
        }
        for (open, close, times) in [
            ("{% if true %}", "{% endif %}", 400),
            ("{% for x in [1] %}", "{% endfor %}", 400),
            ("{% if false %}", "{% elif false %}", 99),
            ("{% filter upper %}", "{% endfilter %}", 400),
        ] {
            let tail = if open.starts_with("{% if false") { "{% endif %}" } else { "" };
            let opens = if tail.is_empty() { open.repeat(times) } else { open.to_owned() };
            let source = format!("{opens}x{}{tail}", close.repeat(times));
            let _ = check(&source);
            let _ = render(&source);
        }
    };
    std::thread::Builder::new().stack_size(STACK).spawn(run).unwrap().join().unwrap();
}

#[test]
fn the_known_names_are_those_of_the_engine() {
    let env = engine::environment();
    let known = |kind: &str, names: &[&str]| {
        for name in names {
            let asks = format!("{{{{ {name:?} is {kind} }}}}");
            assert_eq!(env.render_str(&asks, ()).unwrap(), "true", "{kind} {name}");
        }
    };
    known("filter", FILTERS);
    known("test", TESTS);
    for name in FUNCTIONS {
        assert_eq!(env.render_str(&format!("{{{{ {name} is defined }}}}"), ()).unwrap(), "true", "{name}");
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_checked_and_rendered(source in "(\\{\\{|\\}\\}|\\{%|%\\}|if|for|x in|endif|inputs\\.n|steps\\.my-step|\\[|\\]|\\(|\\)|'|[0-9]|\\||upper|~|é| ){0,20}") {
        match check(&source) {
            Ok(analysis) => assert!(analysis.paths.iter().all(|path| source.get(path.range.start as usize..path.range.end as usize).is_some())),
            Err(error) => assert!(source.get(error.range.start as usize..error.range.end as usize).is_some()),
        }
        let _ = render(&source);
    }
}
