//! Programs behave alike with and without a debugger: what they print, give and throw, and where.

use std::sync::Mutex;

use aikit_runtime::{
    debug::script::{Resume, ScriptOrder, ScriptReport, ScriptWatch, WatchedLine},
    ports::{ScriptMode, ScriptOutcome},
};
use proptest::prelude::*;
use tokio::sync::watch;

use crate::host::{Debugger, Ran, Session, session};

/// How a program is run under a debugger.
#[derive(Clone, Copy, Debug)]
enum How {
    /// Every probe is there, and hardly any is looked at.
    Quiet,
    /// A breakpoint on every line, which never holds, so that an expression is evaluated in each of them.
    Conditions,
    /// Step by step.
    Steps,
}

fn debugger(how: How, lines: u32) -> Debugger {
    let line = |line: u32, condition: &str| WatchedLine {
        id: u64::from(line),
        line,
        source: None,
        condition: Some(condition.into()),
        wanted: Vec::new(),
    };
    let watch = match how {
        How::Quiet => ScriptWatch { lines: vec![line(1, "false")], ..ScriptWatch::default() },
        How::Conditions => {
            let lines = (1..=lines).map(|number| line(number, "typeof nothing !== 'undefined'")).collect();
            ScriptWatch { lines, ..ScriptWatch::default() }
        }
        How::Steps => ScriptWatch { entry: true, raised: true, errors: true, ..ScriptWatch::default() },
    };
    let (_, wishes) = watch::channel(watch);
    let go = |report: ScriptReport| {
        assert!(matches!(report, ScriptReport::Stopped { .. }));
        ScriptOrder::Go { how: Resume::In }
    };
    Debugger { wishes, orders: Mutex::new(Box::new(go)) }
}

fn job(session: &mut Session, code: &str) -> aikit_runtime::ports::ScriptJob {
    let job = session.job(code, ScriptMode::Cell);
    aikit_runtime::ports::ScriptJob { name: "Cell".into(), ..job }
}

fn shown(ran: Ran) -> String {
    let outcome = match ran.outcome {
        // The interpreter has two words for a name that is not initialized yet, and knows no place with one of them.
        ScriptOutcome::Failed { error } if error.name == "ReferenceError" => error.name,
        ScriptOutcome::Failed { error } => {
            let trace: Vec<_> = error.trace.iter().map(|place| format!("{}:{:?}", place.line, place.column)).collect();
            format!("{}: {} at {}", error.name, error.message, trace.join(" "))
        }
        other => format!("{other:?}"),
    };
    // A script may show such an error as well.
    let words = |text: String, name| text.replace(&format!("{name} is not defined"), "access of uninitialized binding");
    ["a", "b", "c"].into_iter().fold(format!("{outcome}\n{:?}", ran.events), words)
}

/// Runs a program in all ways, each time on a fresh interpreter, and gives what it did, or what differs.
fn alike(code: &str) -> Result<String, String> {
    let lines = u32::try_from(code.lines().count()).unwrap();
    let run = |how: Option<How>| {
        let (sender, receiver) = std::sync::mpsc::channel();
        let code = code.to_owned();
        session(move |session| {
            let job = job(session, &code);
            let ran = session.run_watched(&job, None, how.map(|how| debugger(how, lines)));
            sender.send(shown(ran)).unwrap();
        });
        receiver.recv().unwrap()
    };
    let plain = run(None);
    for how in [How::Quiet, How::Conditions, How::Steps] {
        let other = run(Some(how));
        if other != plain {
            return Err(format!("{code}\nplain: {plain}\n{how:?}: {other}\n"));
        }
    }
    Ok(plain)
}

const PROGRAMS: &[&str] = &[
    // Closures see their own turn of the loop.
    "let fs = []; for (let i = 0; i < 3; i++) fs.push(() => i++);\nfs.map(f => f() + f()).join()",
    "var fs = [];\nfor (var i = 0; i < 3; i++) { fs.push(() => i) }\nfs.map(f => f()).join()",
    "const make = () => { let n = 0; return { up() { return ++n }, get n() { return n }, set n(v) { n = v } } };\nconst a = make(), b = make(); a.up(); a.up(); b.n = 7; [a.n, b.n].join()",
    // Generators and iterators.
    "function* g(n) { try { for (let i = 0; i < n; i++) { const got = yield i; if (got) console.log(got) } } finally { console.log('done') } }\nconst it = g(3); it.next(); it.next('x');\nconsole.log(JSON.stringify(it.return(9)));\n[...g(3)].join() + Array.from(g(2))",
    "function* inner() { const x = yield 1; return x * 2 }\nfunction* outer() { const r = yield* inner(); yield r; return [yield, yield] }\nconst o = outer(); [o.next().value, o.next(5).value, o.next().value, o.next('a').value, JSON.stringify(o.next('b').value)].join()",
    "const it = { *[Symbol.iterator]() { yield* [1, 2]; try { yield 3 } finally { console.log('closed') } } };\nfor (const x of it) { if (x === 3) break; console.log(x) }\nconst [p, ...rest] = it; rest.length",
    // Async.
    "const log = []; async function a(n) { log.push(`in ${n}`); await null; log.push(`mid ${n}`); for (let i = 0; i < n; i++) await new Promise(r => setTimeout(r, 0)); log.push(`out ${n}`); return n }\nconst got = await Promise.all([a(3), a(1), a(2)]);\nlog.join() + got",
    "async function* ticks() { let i = 0; while (i < 3) yield await Promise.resolve(i++) }\nlet sum = 0; for await (const t of ticks()) sum += t;\nsum",
    "async function f() { try { await Promise.reject(new Error('no')) } catch (e) { return e.message } finally { console.log('finally') } }\nawait f()",
    "const f = async x => x + await x * 2, g = async (a, b = 2) => { const c = await a; return c + b };\n(await f(3)) + (await g(Promise.resolve(1)))",
    "Promise.resolve().then(() => console.log('micro')); setTimeout(() => console.log('macro'), 0); console.log('now');\n(async () => { await 0; console.log('after') })();\n'end'",
    "await Promise.allSettled([1, Promise.reject(2)]).then(all => all.map(x => x.status).join())",
    "async function f() { throw new TypeError('late') }\nawait f()",
    // Labels, switches, jumps.
    "let out = []; outer: for (let i = 0; i < 4; i++) { inner: for (let j = 0; ; j++) { if (j > i) continue outer; if (i === 3) break outer; if (j === 1) break inner; out.push(i * 10 + j) } out.push('x') }\nout.join()",
    "let n = 0; block: { n = 1; if (n) break block; n = 2 }\nn",
    "const s = x => { switch (x) { case 1: let a = 'one'; return a; case f(): return 'two'; default: return 'other'; case 4: { break } } return 'end' }; function f() { return 3 }\nlet r = []; for (const x of [1, 2, 3, 4, 5]) { try { r.push(s(x)) } catch (e) { r.push(e.name) } }\nr.join()",
    "let i = 0; do i++; while (i < 5) i; do { if (i++ > 8) break } while (true)\ni",
    "for (var i = 0, j = 10; i < j; i++, j--); i + ',' + j",
    "let t = ''; for (const k in { a: 1, b: 2, __proto__: { c: 3 } }) t += k; for (t in 'xy') ; t",
    "if (0) console.log('no')\nelse if (1) console.log('yes')\nelse console.log('never')\nif (1) if (0) 1; else console.log('inner')\nfor (;;) { break }\nwhile (false) ;\n'ok'",
    // try, catch, finally.
    "const f = n => { try { if (n) throw n; return 'try' } catch (e) { if (e > 1) return 'catch' ; throw 'again' } finally { if (n === 3) return 'finally' } };\n[0, 2, 3].map(f).join() + (() => { try { return f(1) } catch (e) { return e } })()",
    "function f() { for (const x of [1, 2]) { try { continue } finally { console.log(x) } } try { return 1 } finally { return 2 } }\nf()",
    "try { null.x } catch { console.log('caught') }\ntry { throw { a: 1, b: [2] } } catch ({ a, b: [c] }) { console.log(a + c) }\ntry { undefinedName } catch ({ name, message }) { name + message }\n0",
    "try { try { throw 1 } finally { console.log('f') } } catch (e) { var e = 5 } e",
    // Destructuring, spread, defaults.
    "const { a, b: { c = 4, ...d } = {}, ...e } = { a: 1, b: { x: 2, y: 3 }, z: 5 }; const [f, , g = f, ...h] = [1, 2, undefined, 3, 4];\nJSON.stringify([a, c, d, e, f, g, h])",
    "function f(a, { b = a, c } = {}, [d] = [b], ...rest) { return JSON.stringify([a, b, c, d, rest]) }\nf(1) + f(1, { c: 2 }, [3], 4, 5) + f.length",
    "let x = 1, y = 2; [x, y] = [y, x]; ({ x, y = 9 } = { x: 5 });\nconst o = { ...{ x, y }, [x + 'k']: 1, 'a-b': 2, m() { return super.toString === Object.prototype.toString } }; JSON.stringify(o) + o.m()",
    "function f(a, b = () => a, c = b()) { var a = 2; return [a, b(), c].join() }\nf(1) + Math.max(...[1, 2], ...new Set([3]))",
    // Classes.
    "class A { #p = 1; static s = 'st'; static #count = 0; x = this.#p + 1; f = () => { const v = this.#p; return v * 10 }; static { this.s += '!'; A.#count++ } constructor(p) { if (p) this.#p = p } get p() { return this.#p } set p(v) { this.#p = v } #m() { return 'm' + this.#p } m() { return this.#m() } static has(o) { return #p in o } static get count() { return A.#count } }\nclass B extends A { y = super.m(); constructor() { const before = 1; super(before + 4); this.z = new.target === B } m() { return 'B' + super.m() } }\nconst b = new B(); b.p = 8; [b.x, b.y, b.z, b.m(), b.f(), A.s, A.has(b), A.has({}), A.count].join()",
    "class Base { constructor() { this.name = new.target.name } }\nclass D extends Base { constructor(early) { if (early) { return { name: 'other' } } super() } }\n[new D().name, new D(1).name, (() => { try { return new (class extends Base { constructor() { this.x = 1 } })() } catch (e) { return e.name } })()].join()",
    "const C = class Named { static make = n => new Named(n); constructor(n) { this.n = n } [Symbol.toPrimitive]() { return this.n } static async *gen() { yield* [1] } };\nC.make(4) + 1 + C.name",
    "class E extends Error { constructor(m, extra) { super(m); this.extra = extra } }\nfunction f() { throw new E('bad', 5) }\nf()",
    // Getters, proxies, symbols, tagged templates.
    "const seen = []; const p = new Proxy({}, { get(t, k) { seen.push(String(k)); return 1 }, has(t, k) { seen.push('has ' + String(k)); return false } });\np.a; 'b' in p; with_(p); function with_(o) { return o.c } seen.join()",
    "function tag(strings, ...values) { return strings.raw.join('|') + values.join() + (strings === tag.last); }\nconst t = x => tag`a${x}\\n${x + 1}`; t(1) + t(2)",
    "const o = { get a() { console.log('got'); return 1 }, toString() { return 'O' }, valueOf() { return 41 } };\n`${o}` + (o + o.a) + [o]",
    // Automatic semicolons.
    "let a = 1\nlet b = a\n++b\nconst c = [a, b]\n;[a, b] = [b, a]\nconst f = function () { return\n1 }\nf()\n;(() => { a += 10 })()\nvar s = a\n+ b\n/1/g\ns",
    "const f = () => {\n  return (\n    1 +\n    2\n  )\n}\nlet x\nx\n=\n5\nif (x) x++\nelse x--\nthrow_: x\n`${f()}${x}`",
    "let i = 0\nwhile (i < 3) i++\ndo i--\nwhile (i > 1)\nfor (const k of [1]) i += k\ni",
    "const a = 1, b = 2 // note\n/* c */ const d = a /* e */ + b\nd // last",
    // Expressions.
    "let log = []; const t = (x, v) => (log.push(x), v);\nt(1, false) || (t(2, true) && t(3, null)) || (t(4, null) ?? t(0, 0));\n(t(5), t(6)), t(7) ? t(8) : t(9); log.join()",
    "const o = { a: { b: [() => 5] } }; [o?.a?.b?.[0]?.(), o.x?.y.z, o.x?.(), o?.['a']?.b.length, delete o?.a].join()",
    "let n = 1; n += n++ + ++n; n **= 2; n ||= 5; let u; u ??= n; u &&= u - 1; [n, u, void 0, typeof u, (-n) ** 1 || 0].join()",
    "const f = x => y => z => [x, y, z]; const g = () => ({ a: 1 }), h = a => { return a => a }; JSON.stringify([f(1)(2)(3), g(), h()(2), (x => (x, x + 1))(1)])",
    "(function () { return typeof this })() + (function () { 'use strict'; return typeof this })() + (() => typeof this)()",
    // eval, strict mode, arguments, hoisting.
    "function f(a) { var x = 1; eval('var y = x + a; x = 5'); return x + y }\nf(2) + eval('let q = 3; q * 2') + (0, eval)('typeof f')",
    "function f(a, b) { arguments[0] = 9; b = 8; return a + ',' + arguments[1] + ',' + arguments.length }\nfunction g(a) { 'use strict'; arguments[0] = 9; return a }\nconst h = function () { return (() => arguments[0])() };\nf(1, 2) + g(1) + h('in')",
    "'use strict'\nlet r = []; try { undeclared = 1 } catch (e) { r.push(e.name) } try { Object.freeze([]).push(1) } catch (e) { r.push(e.name) }\nr.join()",
    "function f() { return typeof g + typeof x + (typeof y === 'undefined') ; function g() {} var x = 1; if (0) { var y } }\nf() + before(); function before() { return 'hoisted' }",
    "{ function inner() { return 1 } } if (true) { function other() { return 2 } }\ntypeof inner + typeof other",
    "function f() { try { return x } catch (e) { return e.name } let x = 1 }\nfunction g() { const a = () => b; let b = 2; return a() }\nf() + g() + (() => { try { typeof t; let t } catch (e) { return e.name } })()",
    "var eval_ = eval; function f(eval) { return eval('1 + 1') }\nf(x => x + '!') + eval_('2')",
    "function f(undefined, NaN) { return [undefined, NaN].join() }\nlet async = 1, of = 2, get = 3, set = 4, let_ = 5; f(1, 2) + async + of + get + set",
    "const fact = function self(n) { return n < 2 ? 1 : n * self(n - 1) }; fact(10) + (function () { return arguments.callee.length })(1, 2)",
    // Text of functions is what was written.
    "function f(a) { 'use strict'; const b = a; return b }\nconst g = (x) => { let y = x; return y };\nf.toString() + g",
    "async function f() { await 1; throw 2 }\nclass A { m() { return 1 } }\nString(f) + A",
    // Errors have their places.
    "function deep(n) {\n  if (n === 0) return missing.value;\n  return deep(n - 1);\n}\nconst go = () => deep(2);\n  go()",
    "const a = { b: {} };\nlet text = 'é🦀'; a.b.c.d",
    "const list = [3, 1];\nlist.map(x =>\n  x.toFixed(200))",
    "let x = 1; const k = 2;\n x = 3; k = 4",
    "function f() {\n  for (const x of [1, 2]) {\n    if (x === 2) throw new Error('at ' + x);\n  }\n}\nf()",
    "const over = n => n > 30 ? null.x : over(n + 1);\nover(0)",
    "throw 'text'",
    "await ctx.tools.call('none', {})",
    "vars.total = 1; vars.list = [1]; vars.list.push(2); console.log(vars.total, JSON.stringify(vars.list)); ctx.now() > 0",
];

#[test]
fn programs_behave_alike_under_a_debugger() {
    let mut differing = Vec::new();
    for program in PROGRAMS {
        match alike(program) {
            // A table of programs that do not parse would be alike, too.
            Ok(told) if told.starts_with("SyntaxError") => differing.push(format!("{program}\n{told}")),
            Ok(_) => {}
            Err(difference) => differing.push(difference),
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn a_stack_that_overflows_is_told_alike() {
    session(|session| {
        let code = "const over = n => over(n + 1);\nover(0)";
        for how in [How::Quiet, How::Conditions] {
            let job = job(session, code);
            let ran = session.run_watched(&job, None, Some(debugger(how, 2)));
            assert!(shown(ran).starts_with("RangeError: the call stack is exhausted"));
        }
        assert_eq!(session.text("1 + 1"), "2");
    });
}

/// Statements over the variables `a`, `b`, `c` and the function `f`, nested at most so deep.
fn statement(depth: u32) -> BoxedStrategy<String> {
    let name = || prop_oneof![Just("a"), Just("b"), Just("c")];
    let value = prop_oneof![
        (0..9_i32).prop_map(|number| number.to_string()),
        name().prop_map(str::to_owned),
        (name(), name()).prop_map(|(x, y)| format!("({x} + {y})")),
        name().prop_map(|x| format!("f({x})")),
        (name(), name()).prop_map(|(x, y)| format!("(() => {x} < {y} ? {x} : f({y}))()")),
        name().prop_map(|x| format!("[...g({x} & 3)].length")),
        (name(), name()).prop_map(|(x, y)| format!("(x => {{ const {y} = x; return {y} - 1 }})({x})")),
    ]
    .boxed();
    let simple = prop_oneof![
        (name(), value.clone()).prop_map(|(x, v)| format!("{x} = {v}")),
        (name(), value.clone()).prop_map(|(x, v)| format!("{x} += {v};")),
        (name(), value.clone()).prop_map(|(x, v)| format!("log.push({x}, {v})")),
        Just("if (log.length > 40) throw new RangeError('enough')".to_owned()),
        Just(";".to_owned()),
        Just("debugger".to_owned()),
    ];
    if depth == 0 {
        return simple.boxed();
    }
    let inner = || statement(depth - 1);
    let lines = || prop::collection::vec(inner(), 0..4).prop_map(|list| list.join("\n"));
    prop_oneof![
        3 => simple,
        1 => (value.clone(), inner(), inner()).prop_map(|(v, x, y)| format!("if ({v} > 3) {x}\nelse {y}")),
        1 => (name(), value.clone(), lines()).prop_map(|(x, v, l)| format!("{{ let {x} = {v}\n{l}\n}}")),
        1 => (name(), lines()).prop_map(|(x, l)| format!("for (let {x} = 0; {x} < 3; {x}++) {{ if (calls++ > 200) throw new Error('turns');{l}\nlog.push(() => {x}) }}")),
        1 => (name(), inner()).prop_map(|(x, l)| format!("for (const {x} of [1, 2]) {{ {l}\n }}")),
        1 => (lines(), lines(), lines()).prop_map(|(x, y, z)| format!("try {{ {x} }} catch (a) {{ {y}\nlog.push(typeof a) }} finally {{ {z} }}")),
        1 => (value, lines(), lines()).prop_map(|(v, x, y)| format!("switch ({v}) {{ case 1: {x}\nbreak\ncase 2: {y}\ndefault: log.push('d') }}")),
        1 => (lines(), value_of()).prop_map(|(l, v)| format!("await (async () => {{ {l}\nawait {v}\n{l} }})()")),
        1 => inner().prop_map(|l| format!("label: do {{ {l}\nif (log.length % 2) break label; log.push(0) }} while (log.length < 20)")),
    ]
    .boxed()
}

fn value_of() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("null"), Just("f(a)"), Just("Promise.resolve(b)")]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn made_programs_behave_alike_under_a_debugger(body in prop::collection::vec(statement(3), 1..6)) {
        let code = format!(
            "const log = []; let a = 1, b = 2, c = 3, calls = 0\nfunction f(x) {{ if (calls++ > 200) throw new Error('calls'); return x % 7 }}\nfunction* g(n) {{ while (n > 0) yield n-- }}\n{}\nawait null\nlog.map(x => typeof x === 'function' ? x() : x).join() + [a, b, c]",
            body.join("\n"),
        );
        let told = alike(&code);
        prop_assert!(told.is_ok(), "{}", told.unwrap_err());
    }
}
