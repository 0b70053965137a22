use expect_test::{Expect, expect};
use serde_json::json;

use super::*;

fn scope() -> Value {
    json!({
        "inputs": {"question": "Why?", "urgent": true, "n": 3, "f": 2.5, "whole": 3.0, "big": u64::MAX, "tags": ["a", "b"], "doc": {"z": 1, "a": [null]}, "none": null, "user-name": "U",
            "docs": [{"title": "x", "n": 1}, {"title": "y", "n": 2}]},
        "state": {"count": 2},
        "steps": {"my-step": {"output": {"kind": "bug"}}, "my": {"output": 10}, "step": {"output": 1}},
        "tenant": {"id": "acme"},
        "output": {"text": "hi"},
        "now": "2026-08-01T12:00:00Z",
    })
}

fn eval(source: &str) -> Result<Value, String> {
    Expr { source: source.into(), range: TextRange::default() }.eval(&scope()).map_err(|e| e.message)
}

#[test]
fn expressions_give_json() {
    for (source, expected) in [
        ("inputs.n > 3", json!(false)),
        ("inputs.f > 2", json!(true)),
        ("inputs.n > 2.5", json!(true)),
        ("inputs.whole == 3", json!(true)),
        ("inputs.n == inputs.whole", json!(true)),
        ("inputs.n + 1", json!(4)),
        ("inputs.n + 0.5", json!(3.5)),
        ("inputs.f * 2", json!(5.0)),
        ("7 / 2", json!(3)),
        ("7 / 2.0", json!(3.5)),
        ("inputs.big > 3", json!(true)),
        ("inputs.n in [1, 2, 3]", json!(true)),
        ("'a' in inputs.tags && !('c' in inputs.tags)", json!(true)),
        ("'z' in inputs.doc", json!(true)),
        ("inputs.question + '!'", json!("Why?!")),
        ("inputs.tags + ['c']", json!(["a", "b", "c"])),
        ("inputs.doc", json!({"z": 1, "a": [null]})),
        ("{'b': inputs.n, 'a': inputs.tags}", json!({"a": ["a", "b"], "b": 3})),
        ("steps.my-step.output.kind == 'bug'", json!(true)),
        ("steps['my-step'].output.kind", json!("bug")),
        ("steps.my.output - steps.step.output", json!(9)),
        ("inputs['user-name']", json!("U")),
        ("tenant_id == 'acme'", json!(true)),
        ("inputs.docs.exists(d, d.title == 'y')", json!(true)),
        ("inputs.docs.all(d, d.n > 0)", json!(true)),
        ("inputs.docs.exists_one(d, d.n == 1)", json!(true)),
        ("inputs.docs.filter(d, d.n > 1).map(d, d.title)", json!(["y"])),
        ("inputs.docs.map(d, d.n > 1, d.title)", json!(["y"])),
        ("inputs.doc.map(k, k)", json!(["a", "z"])),
        ("[1, 2, 3].map(x, [x, x * 2])", json!([[1, 2], [2, 4], [3, 6]])),
        ("has(inputs.question) && !has(inputs.nothing)", json!(true)),
        ("inputs.?nothing.orValue('x')", json!("x")),
        ("size(inputs.tags) == 2 && inputs.question.size() == 4", json!(true)),
        ("inputs.question.startsWith('W') && inputs.question.matches('^W.*')", json!(true)),
        ("inputs.question.lowerAscii()", json!("why?")),
        ("inputs.tags.join(',')", json!("a,b")),
        ("inputs.none == null", json!(true)),
        ("inputs.urgent ? 'now' : 'later'", json!("now")),
        ("timestamp(now) > timestamp('2020-01-01T00:00:00Z')", json!(true)),
        ("duration('90s') + duration('1m')", json!("150s")),
        ("timestamp(now) + duration('1h')", json!("2026-08-01T13:00:00+00:00")),
        ("string(inputs.n) + 'x'", json!("3x")),
        ("int('12') + 1", json!(13)),
        ("output.text", json!("hi")),
        ("type(inputs.n) == int", json!(true)),
        ("inputs.n == 'x'", json!(false)),
        ("inputs.nothing == 1 || true", json!(true)),
    ] {
        assert_eq!(eval(source), Ok(expected), "{source}");
    }
}

fn fails(source: &str, expected: Expect) {
    expected.assert_eq(&eval(source).unwrap_err());
}

#[test]
fn errors_name_what_is_missing() {
    fails(
        "inputs.qestion == 'x'",
        expect![
            "`inputs.qestion` is not defined; `inputs` has: big, doc, docs, f, n, none, question, tags, urgent, user-name, whole"
        ],
    );
    fails(
        "inputs.qestion",
        expect![
            "`inputs.qestion` is not defined; `inputs` has: big, doc, docs, f, n, none, question, tags, urgent, user-name, whole"
        ],
    );
    fails(
        "input.question == 'x'",
        expect!["`input` is not defined; there is: inputs, now, output, state, steps, tenant"],
    );
    fails(
        "steps.my-stp.output.kind == 'bug'",
        expect!["`steps.my-stp` is not defined; `steps` has: my, my-step, step"],
    );
    fails("inputs.question.x == 1", expect!["`inputs.question.x` is not defined; `inputs.question` is a text"]);
    fails("inputs.none.x == 1", expect!["`inputs.none.x` is not defined; `inputs.none` is null"]);
    fails("inputs.tags[5] == 'x'", expect!["`inputs.tags[5]` is not defined; `inputs.tags` has 2 items"]);
    fails("inputs.tags['x'] == 'x'", expect!["`inputs.tags.x` is not defined; `inputs.tags` is a list"]);
    fails("inputs.docs.exists(d, d.titel == 'x')", expect!["`titel` is not defined"]);
    fails("inputs.question + 1", expect!["`+` does not work on a text and a number"]);
    fails("inputs.question > 1", expect!["`>` does not work on a text and a number"]);
    fails("!inputs.n", expect!["`!` does not work on a number"]);
    fails("inputs.n && true", expect!["`&&` does not work on a number and true or false"]);
    fails("inputs.n ? 1 : 2", expect!["a number stands where true or false is needed"]);
    fails("inputs.n.map(x, x)", expect!["a number stands where a list is needed"]);
    fails("1 / 0", expect!["division by zero"]);
    fails("9223372036854775807 + 1", expect!["the result is too large a number"]);
    fails("sise(inputs.tags)", expect!["there is no function `sise`; did you mean `size`?"]);
    fails("size(inputs.n)", expect!["`size` does not work on a number"]);
    fails("int('x')", expect!["`int`: string parse error: invalid digit found in string"]);
    fails("inputs.question.startsWith(1)", expect!["`startsWith` does not work on a text, a number"]);
    fails("inputs.?question", expect!["`inputs.?question` gives an optional value; add `.orValue(…)`"]);
    fails("0.0 / 0.0", expect!["`0.0 / 0.0` gives a number that is infinite or undefined"]);
    fails("inputs.", expect!["the expression ends too early"]);
    fails(
        "inputs.question.matches('(')",
        expect![[r#"
        `matches`: '(' not a valid regex:
        regex parse error:
            (
            ^
        error: unclosed group"#]],
    );
    fails("Foo{a: 1}", expect!["there is no type `Foo`"]);
}

#[test]
fn a_condition_must_be_true_or_false() {
    let expr = Expr { source: "inputs.n".into(), range: TextRange::new(3, 11) };
    let error = expr.holds(&scope()).unwrap_err();
    assert_eq!((error.message.as_str(), error.range), ("`inputs.n` gives 3, not true or false", expr.range));
    assert!(Expr { source: "inputs.urgent".into(), ..expr }.holds(&scope()).unwrap());
}

#[test]
fn every_evaluation_ends() {
    let long: Vec<u32> = (0..5_000).collect();
    let scope = json!({"inputs": {"l": long, "s": "x".repeat(100_000)}});
    let doubling = format!("[inputs.s]{}", ".map(x, x + x)".repeat(60));
    let shared = format!("[1]{}", ".map(x, [x, x])".repeat(60));
    for source in [
        "inputs.l.map(a, inputs.l.map(b, inputs.l.map(c, a + b + c)))",
        "inputs.l.all(a, inputs.l.all(b, inputs.l.all(c, true)))",
        "inputs.l.exists(a, inputs.l.exists(b, inputs.l.exists(c, false))) || true",
        "inputs.l.filter(a, inputs.l.filter(b, inputs.l.filter(c, true) == []) == [])",
        "inputs.l.all(a, inputs.s.matches('(a|b|c)+$') || true)",
        &doubling,
        &shared,
    ] {
        let result = Expr { source: source.into(), range: TextRange::default() }.eval(&scope);
        assert!(result.is_err(), "{source}");
    }
}

#[test]
fn deep_and_long_expressions_do_not_overflow_the_stack() {
    let run = || {
        for (open, middle, close) in [
            ("(", "1", ")"),
            ("[", "1", "]"),
            ("!", "true", ""),
            ("- ", "1", ""),
            ("", "1", " + 1"),
            ("", "true", " && true"),
            ("", "true", " || false"),
            ("", "inputs", ".a"),
            ("", "inputs", "[0]"),
            ("", "1", " == 1"),
            ("true ? ", "1", " : 1"),
            ("", "true ? 1", " : true ? 1"),
            ("size([", "1", "])"),
            ("[1].map(x, ", "1", ")"),
            ("{'a': ", "1", "}"),
        ] {
            let mut refused = 0;
            for times in [1, 5, 10, 20, 24, 40, 80, 120, 250, 300, 1000] {
                let source = format!("{}{middle}{}", open.repeat(times), close.repeat(times));
                refused += usize::from(check(&source).is_err());
                let _ = Expr { source, range: TextRange::default() }.eval(&json!({"inputs": {}}));
            }
            assert!(refused > 0, "{open}{middle}{close}");
        }
    };
    // What a worker thread of the engine has.
    std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap();
}

proptest::proptest! {
    #[test]
    fn any_text_is_checked_and_evaluated(source in "(inputs|\\.n|steps\\.my-step|\\[|\\]|\\(|\\)|'|\"|[0-9]|\\+|-|&&|\\?|:|map\\(x,|has\\(|é|\\\\| |\\{|\\}){0,16}") {
        match check(&source) {
            Ok(analysis) => assert!(analysis.paths.iter().all(|path| source.get(path.range.start as usize..path.range.end as usize).is_some())),
            Err(error) => assert!(source.get(error.range.start as usize..error.range.end as usize).is_some()),
        }
        let _ = eval(&source);
    }
}
