//! Scripts that do not end by themselves.

use std::time::Duration;

use aikit_runtime::ports::{ScriptMode, ScriptOutcome, StopCause};

use crate::host::{Session, session};

const ENDLESS: &[(&str, &str)] = &[
    ("a loop", "while (true) {}"),
    ("a loop in a function", "function f() { for (;;); } f()"),
    ("a loop that catches", "while (true) { try { while (true) {} } catch {} finally { for (;;) {} } }"),
    ("a finally that loops", "try { while (true) {} } finally { while (true) {} }"),
    ("an array callback", "[1].map(() => { while (true) {} })"),
    ("a callback that catches", "while (true) { try { [1].forEach(() => { do {} while (true) }) } catch {} }"),
    ("calls without a loop", "function f(n) { return n ? f(n - 1) + f(n - 1) : 1 } [60].map(f)"),
    ("arrows without a loop", "const g = n => n ? g(n - 1) + g(n - 1) : 1; [60].map(g)"),
    ("a sort", "[3, 2, 1].sort(() => { for (;;) {} })"),
    ("a getter", "JSON.stringify({ get a() { while (true) {} } })"),
    ("a conversion", "`${{ toString() { while (true) {} } }}`"),
    ("a proxy", "new Proxy({}, { get() { while (true) {} } }).x"),
    ("a promise reaction", "Promise.resolve().then(() => { while (true) {} }); 1"),
    ("a chain of promises", "(function f() { return Promise.resolve().then(f) })()"),
    ("an async loop", "while (true) await null"),
    (
        "an async function that catches",
        "async function f() { while (true) try { await null; for (;;) {} } catch {} } await f()",
    ),
    ("a generator", "function* g() { while (true) yield 1 } for (const x of g()) {}"),
    ("a spread generator", "function* g() { while (true) yield 1 } [...g()]"),
    (
        "a generator's return",
        "function* g() { try { yield 1 } finally { while (true) {} } } for (const x of g()) break",
    ),
    ("a replacement", "'a'.replace(/a/, () => { while (true) {} })"),
    ("a class", "class A { static { while (true) {} } }"),
    ("a constructor", "class B { x = (() => { while (true) {} })() } new B()"),
    ("a timer", "setInterval(() => {}, 1)"),
    ("a timer that loops", "setTimeout(() => { while (true) {} }, 1)"),
    ("a call without an answer", "await ctx.agents.list()"),
    ("a result's toJSON", "({ toJSON() { while (true) {} } })"),
    ("a thenable", "await { then() { while (true) {} } }"),
];

fn stopped(s: &mut Session, code: &str) -> Duration {
    let job = s.job(code, ScriptMode::Cell);
    let delay = Duration::from_millis(60);
    let ran = s.run_job(&job, Some(delay));
    let expected = ScriptOutcome::Stopped { cause: StopCause::Interrupt, state_lost: false };
    assert_eq!(ran.outcome, expected, "{code}");
    ran.took.saturating_sub(delay)
}

#[test]
fn every_script_can_be_stopped() {
    session(|s| {
        s.text("let state = 42; vars.kept = 1");
        for (name, code) in ENDLESS {
            let late = stopped(s, code);
            // The promise is 100 ms; a busy machine is given more.
            assert!(late < Duration::from_secs(2), "{name}: stopped {late:?} after it was asked to");
            assert_eq!(s.text("state"), "42", "after {name}");
        }
        // What a stopped script leaves behind does not add up.
        for _ in 0..100 {
            let job = s.job("(function f(n) { while (n === 0) {} f(n - 1) })(50)", ScriptMode::Cell);
            s.run_job(&job, Some(Duration::ZERO));
        }
        assert_eq!(s.text("(function depth(n) { return n ? depth(n - 1) : 'deep' })(1000)"), "deep");
        assert_eq!(s.error_line("\nnope"), format!("ReferenceError: nope is not defined @ {}:2:1", last_cell(s)));
    });
}

fn last_cell(s: &mut Session) -> String {
    let next = s.job("", ScriptMode::Cell).name;
    let number: u32 = next.trim_start_matches("Cell ").parse().expect("a number");
    format!("Cell {}", number - 1)
}

#[test]
fn instructions_are_bounded() {
    session(|s| {
        s.limits.instructions = Some(1_000_000);
        for code in [
            "while (true) {}",
            "[1].map(() => { while (true) {} })",
            "while (true) await null",
            "(function f() { return Promise.resolve().then(f) })()",
        ] {
            let expected = ScriptOutcome::Stopped { cause: StopCause::Instructions, state_lost: false };
            assert_eq!(s.run(code).outcome, expected, "{code}");
        }
        assert_eq!(s.text("let n = 0; for (let i = 0; i < 1000; i++) n += i; n"), "499500");
    });
}

#[test]
fn depth_is_bounded_without_a_crash() {
    session(|s| {
        for code in [
            "function f() { return f() } f()",
            "function f() { return [1].map(f) } f()",
            "const o = { get a() { return this.a } }; o.a",
            "class A { constructor() { new A() } } new A()",
            "let p = new Proxy({}, { get(t, k, r) { return r[k] } }); p.x",
            "async function f() { await f() } await f()",
            "function f() { return Reflect.apply(f, null, []) } f()",
            "function f() { return eval('f()') } f()",
            "const a = []; a[0] = a; a.toString(); function f() { try { f() } finally { f() } } f()",
        ] {
            let error = s.error(code);
            assert_eq!(error.name, "RangeError", "{code}: {error:?}");
        }
        assert_eq!(s.text("1 + 1"), "2");
    });
}
