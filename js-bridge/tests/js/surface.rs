//! The host surface: calls, outputs, shared values.

use std::time::Duration;

use aikit_core::ErrorKind;
use aikit_runtime::{
    cell::{CellEvent, Stream},
    ports::{ScriptMode, ScriptOutcome},
};
use serde_json::json;

use crate::host::session;

#[test]
fn host_calls_are_promises() {
    session(|s| {
        assert_eq!(s.text("ctx.tenant.name + ' ' + ctx.user.id + ' ' + ctx.app_id"), "acme u1 null");
        assert_eq!(s.json("await ctx.storage.set('k', { a: 1 }); await ctx.storage.get('k')"), json!({ "a": 1 }));
        assert_eq!(s.json("[ctx.now(), ctx.id()]"), json!([1_700_000_000_000_u64, "id-1"]));
        assert_eq!(s.text("await input('Name?')"), "a line");
        assert_eq!(s.text("ctx.storage.get('k') instanceof Promise"), "true");
        // A call that nobody awaits is still made to its end.
        s.text("ctx.storage.set('later', 1); 0");
        assert_eq!(s.text("ctx.storage.get('later')"), "1");
    });
}

#[test]
fn calls_run_side_by_side() {
    session(|s| {
        let ran = s.run(
            "const texts = [];
            await Promise.all([['a', 300], ['b', 100], ['c', 200]].map(async ([t, delay]) =>
                texts.push(await ctx.ai.complete(t, { delay }))));
            texts.join('')",
        );
        let ScriptOutcome::Done { value: Some(value) } = ran.outcome else { panic!("{:?}", ran.outcome) };
        assert_eq!(value.text, "bca");
        assert!(ran.took < Duration::from_millis(590), "{:?}", ran.took);
        // An immediate call does not lose the answers of the others.
        assert_eq!(s.text("const p = ctx.ai.complete('x'); for (let i = 0; i < 50; i++) ctx.now(); await p"), "x");
    });
}

#[test]
fn host_errors_can_be_caught() {
    session(|s| {
        let caught = "try { await ctx.tools.call('nope') } catch (e) { [e instanceof Error, e.code, e.kind, e.message, e.help] }";
        let code = format!("let got; {}; got", caught.replace("[e ins", "got = [e ins"));
        assert_eq!(
            s.json(&code),
            json!([true, "tool.not_found", "tool.not_found", "there is no tool `nope`", "ctx.tools.list() names them"])
        );
        let error = s.error("let x = 1\nlet y = await ctx.tools.call('nope')");
        let cause = error.cause.expect("the host error");
        assert_eq!((cause.kind, cause.help.as_deref()), (ErrorKind::ToolNotFound, Some("ctx.tools.list() names them")));
        assert_eq!((error.name.as_str(), error.trace[0].line), ("tool.not_found", 2));
        // Through a function that does not await, and never awaited at all.
        let error = s.error("function f() {\n  return ctx.tools.call('nope')\n}\nawait f()");
        assert_eq!(error.cause.map(|e| e.kind), Some(ErrorKind::ToolNotFound));
        let error = s.error("0\nctx.tools.call('nope')\n1");
        assert_eq!((error.cause.map(|e| e.kind), error.trace[0].line), (Some(ErrorKind::ToolNotFound), 2));
        let error = s.error("0\nctx.storage.get(() => 1)");
        assert!(error.message.starts_with("argument 1 of `ctx.storage.get` holds a function"), "{}", error.message);
    });
}

#[test]
fn outputs_arrive() {
    session(|s| {
        let ran = s.run(
            "console.log('a', 1, { b: [2] }, 'c'); console.info('%s is %d%%', 'x', 5); console.error('bad');
            console.warn([]); console.assert(1 === 2, 'no'); console.log()",
        );
        assert_eq!(ran.written(Stream::Stdout), "a 1 { b: [ 2 ] } c\nx is 5%\n\n");
        assert_eq!(ran.written(Stream::Stderr), "bad\n[]\nAssertion failed: no\n");
        let ran =
            s.run("display.html('<b>x</b>'); display.table([{ a: 1 }]); ctx.log.info('m', { k: 1 }); display.clear()");
        assert!(matches!(&ran.events[0], CellEvent::Display { data, .. } if data["text/html"] == "<b>x</b>"));
        assert!(matches!(&ran.events[1], CellEvent::Display { .. }));
        assert!(matches!(&ran.events[2], CellEvent::Log { level, message, .. } if level == "info" && message == "m"));
        assert_eq!(ran.events[3], CellEvent::Clear { wait: false });
        let error = s.error("0\ndisplay.html(5)");
        assert_eq!(error.trace[0].line, 2);
    });
}

#[test]
fn vars_are_shared() {
    session(|s| {
        s.world.vars.set("from_lua", json!({ "list": [1, 2], "n": 1 }));
        assert_eq!(s.json("vars.from_lua.list[1] + vars.from_lua.n"), json!(3));
        s.text("vars.from_lua.list.push(3); vars.from_lua.n++; vars.made = { a: [] }; vars.made.a.push('x')");
        assert_eq!(s.world.vars.get("from_lua"), Some(json!({ "list": [1, 2, 3], "n": 2 })));
        assert_eq!(s.world.vars.get("made"), Some(json!({ "a": ["x"] })));
        assert_eq!(s.json("vars.made.b = 1; await ctx.tools.call('vars')")["made"], json!({ "a": ["x"], "b": 1 }));
        assert_eq!(s.json("['made' in vars, 'nope' in vars, vars.nope === undefined]"), json!([true, false, true]));
        assert_eq!(
            s.json("[Object.keys(vars), JSON.stringify(vars.made), { ...vars }.made.b]"),
            json!([["from_lua", "made"], "{\"a\":[\"x\"],\"b\":1}", 1])
        );
        assert_eq!(s.json("JSON.parse(JSON.stringify(vars))"), s.json("vars"));
        assert_eq!(s.text("vars"), "{ from_lua: { list: [ 1, 2, 3 ], n: 2 }, made: { a: [ 'x' ], b: 1 } }");
        s.text("delete vars.made; vars.from_lua = undefined; vars.one = null");
        assert_eq!(s.world.vars.names(), ["one"]);
        // What another language sets meanwhile stands.
        s.text("vars.shared = { v: 1 }; var held = vars.shared");
        s.world.vars.set("shared", json!({ "v": 2 }));
        assert_eq!(s.json("held.v = 99; vars.shared"), json!({ "v": 2 }));
        assert_eq!(s.json("`${vars}`.length > 0"), json!(true));
        assert_eq!(
            s.error("vars.bad = {}; vars.bad.f = () => 1").message,
            "`vars.bad` holds a function at `f`, which cannot leave the script"
        );
        assert_eq!(s.text("1"), "1");
    });
}

#[test]
fn timers_run() {
    session(|s| {
        assert_eq!(
            s.text(
                "const order = []; let n = 0;
                const late = new Promise(done => setTimeout(() => { order.push('late'); done() }, 20));
                setTimeout(x => order.push(x), 1, 'soon');
                queueMicrotask(() => order.push('first'));
                const three = new Promise(done => {
                  const id = setInterval(() => { if (++n === 3) { clearInterval(id); done() } }, 1)
                });
                await Promise.all([late, three]); order.join() + n"
            ),
            "first,soon,late3"
        );
        let error = s.error("setTimeout(() => {\n  throw new Error('in timer') }, 1); 0");
        assert_eq!((error.message.as_str(), error.trace[0].line), ("in timer", 2));
    });
}

#[test]
fn isolated_scripts_repeat_themselves() {
    let run = |s: &mut crate::host::Session| {
        let mode = ScriptMode::Isolated { inputs: json!({ "q": 1 }), state: json!({}), steps: json!({ "a": 2 }) };
        let job = s.job("return [ctx.inputs.q, ctx.steps.a, Math.random(), Date.now(), new Date().getTime()]", mode);
        let ScriptOutcome::Done { value: Some(value) } = s.run_job(&job, None).outcome else { panic!("no value") };
        value.json.expect("json")
    };
    session(move |a| {
        let first = run(a);
        assert_eq!((&first[0], &first[1], &first[3]), (&json!(1), &json!(2), &json!(1_700_000_000_000_u64)));
        session(move |b| assert_eq!(run(b), first));
    });
}

#[test]
fn expressions_are_only_that() {
    session(|s| {
        s.text("let n = 4");
        let mut run = |code: &str| {
            let job = s.job(code, ScriptMode::Expression);
            s.run_job(&job, None).outcome
        };
        for (code, expected) in [("n + 1", "5"), ("{ n }", "{ n: 4 }"), ("await n", "4"), ("n // comment", "4")] {
            match run(code) {
                ScriptOutcome::Done { value: Some(value) } => assert_eq!(value.text, expected),
                other => panic!("{code}: {other:?}"),
            }
        }
        for code in ["let m = 1", "n; n", "n)(", ""] {
            assert!(matches!(run(code), ScriptOutcome::Failed { error } if error.name == "SyntaxError"), "{code}");
        }
    });
}

#[test]
fn nothing_leads_out_of_the_sandbox() {
    session(|s| {
        let error = s.error("await import('./x.js')");
        assert!(!error.message.is_empty());
        for name in ["require", "process", "fetch", "Deno", "WebAssembly", "XMLHttpRequest"] {
            assert_eq!(s.text(&format!("typeof {name}")), "undefined", "{name}");
        }
        assert_eq!(s.text("eval('1 + 1') + new Function('a', 'return a + 1')(2)"), "5");
        assert_eq!(s.text("new Date(0).getTimezoneOffset()"), "0");
        assert_eq!(
            s.text("(function f(a) { while (a) { a-- } return a }).toString()"),
            "function f(a) { while (a) { a-- } return a }"
        );
        assert_eq!(s.text("let ctx2 = ctx; ctx = 5; ctx"), "5");
        assert_eq!(s.text("ctx2.tenant.id"), "t1");
    });
}
