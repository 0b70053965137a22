//! What cells give, keep and throw.

use serde_json::json;

use crate::host::session;

const LONG: &str =
    "{\n  first: 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx',\n  second: 'yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy'\n}";

#[test]
fn a_cell_gives_its_last_expression() {
    session(|s| {
        for (code, expected) in [
            ("1+1", "2"),
            ("let a = 1; a + 1", "2"),
            ("let unused = 1", ""),
            ("1; let last = 2", ""),
            ("'text'", "text"),
            ("''", "''"),
            ("undefined", ""),
            ("null", "null"),
            ("{ a: 1, b: [true, 'x'] }", "{ a: 1, b: [ true, 'x' ] }"),
            ("[1, , undefined]", "[ 1, <empty>, undefined ]"),
            ("new Map([['a', 1]])", "Map(1) { 'a' => 1 }"),
            ("new Set([1, 2])", "Set(2) { 1, 2 }"),
            ("class P { constructor() { this.x = 1 } get y() { throw 1 } }; new P()", "P { x: 1 }"),
            ("({ get z() { throw 1 } })", "{ z: [Getter] }"),
            ("function f() {} f", "[Function: f]"),
            ("class C {} C", "[class C]"),
            ("async function g() {} g", "[AsyncFunction: g]"),
            ("const loop = {}; loop.me = loop; loop", "{ me: [Circular] }"),
            ("10n", "10n"),
            ("Symbol('s')", "Symbol(s)"),
            ("new Date(0)", "1970-01-01T00:00:00.000Z"),
            ("/a+b/gi", "/a+b/gi"),
            ("new Uint8Array([1, 2])", "Uint8Array(2) [ 1, 2 ]"),
            ("Object.create(null)", "[Object: null prototype] {}"),
            ("-0", "-0"),
            ("0.1 + 0.2", "0.30000000000000004"),
            ("({ deep: { a: { b: { c: { d: { e: 1 } } } } } })", "{ deep: { a: { b: { c: { d: [Object] } } } } }"),
            ("({ first: 'x'.repeat(40), second: 'y'.repeat(40) })", LONG),
            ("await 5", "5"),
            ("Promise.resolve(7)", "7"),
            ("return 8", "8"),
            ("if (true) { return 9 }", "9"),
        ] {
            assert_eq!(s.text(code), expected, "{code}");
        }
    });
}

#[test]
fn globals_last_and_may_be_declared_again() {
    session(|s| {
        s.text("const x = 1; let y = 2; class C { m() { return 1 } }\nfunction f() { return x }");
        assert_eq!(s.text("x + y + new C().m()"), "4");
        s.text("const x = 10; let y = 20; class C { m() { return 2 } }");
        assert_eq!(s.text("[x, y, new C().m(), f()]"), "[ 10, 20, 2, 10 ]");
        s.text("let { a, b: [c] } = { a: 1, b: [2] }");
        s.text("let y");
        assert_eq!(s.text("[a, c, y]"), "[ 1, 2, undefined ]");
        s.text(
            "const later = await Promise.resolve(3), { p, ...rest } = { p: 1, q: 2 }; function g() { return later }",
        );
        assert_eq!(s.text("[later, p, rest, g()]"), "[ 3, 1, { q: 2 }, 3 ]");
        s.text("for (var i = 0; i < 3; i++) await null; class D {}");
        assert_eq!(s.text("[i, typeof D]"), "[ 3, 'function' ]");
        assert_eq!(s.error_line("q"), "ReferenceError: q is not defined @ Cell 12:1:1");
        // A cell that fails keeps what it did.
        s.error("let kept = 1; throw new Error('x')");
        assert_eq!(s.text("kept"), "1");
    });
}

#[test]
fn constants_stay_what_they_are() {
    session(|s| {
        assert_eq!(
            s.error_line("const k = 1\nk = 2"),
            "TypeError: `k` is a constant: it cannot be assigned to @ Cell 1:2:1"
        );
        assert_eq!(
            s.error_line("function f() { k++ }\nf()"),
            "TypeError: `k` is a constant: it cannot be assigned to @ Cell 2:1:16 @ Cell 2:2:2"
        );
        assert_eq!(s.text("function g(k) { k = 5; return k } [g(1), k]"), "[ 5, 1 ]");
        assert_eq!(s.text("f.toString()"), "function f() { (k++) }");
        // Declared again as a variable, it is one, for earlier cells too.
        assert_eq!(s.text("let k = 10; k = 11; f(); k"), "12");
        assert!(s.error_line("let a = 1\nlet a = 2").starts_with("SyntaxError: "));
        assert!(s.error_line("await 1; const b = 1\nlet b = 2").starts_with("SyntaxError: "));
        assert_eq!(s.text("{ const k = 1; { let k = 2; k = 3 } } k"), "12");
    });
}

#[test]
fn one_call_does_not_take_the_process_down() {
    session(|s| {
        let deep = "let d = []; for (let i = 0; i < 30000; i++) d = [d];";
        for (code, expected) in [
            ("'x'.repeat(2 ** 30)", "RangeError: the text would be longer than 134217728 characters"),
            ("'x'.padEnd(2 ** 31)", "RangeError: the text would be longer than 134217728 characters"),
            (format!("{deep} JSON.stringify(d)").as_str(), "RangeError: the value nests deeper than 2000 levels"),
            ("const o = {}; o.o = [o]; JSON.stringify(o)", "TypeError: cyclic object value"),
            ("JSON.parse('['.repeat(100000))", "SyntaxError: recursion limit exceeded"),
            ("new ArrayBuffer(2 ** 40)", "RangeError: "),
            ("new Array(-1)", "RangeError: "),
        ] {
            let line = s.error_line(code);
            assert!(line.starts_with(expected), "{code}: {line}");
        }
        assert_eq!(
            s.text("'ab'.repeat(3) + 'é'.repeat(2) + ''.repeat(9) + 'x'.repeat(0) + 'a'.padStart(3, '-')"),
            "abababéé--a"
        );
        assert_eq!(s.text("JSON.stringify({ a: [1, { b: null }] }, null, 1).length"), "40");
    });
}

#[test]
fn values_cross_as_json() {
    session(|s| {
        for (code, expected) in [
            ("({ a: undefined, b: [undefined], c: null })", json!({ "b": [null], "c": null })),
            ("[1.5, 3, -0, 1e300]", json!([1.5, 3, 0, 1e300])),
            ("[10n, 2n ** 63n, 2n ** 80n]", json!([10, 9_223_372_036_854_775_808_u64, "1208925819614629174706176"])),
            ("new Date(0)", json!("1970-01-01T00:00:00.000Z")),
            ("new Date(NaN)", json!(null)),
            ("new Map([['a', 1], [2, 'b']])", json!({ "a": 1, "2": "b" })),
            ("new Map([[{ k: 1 }, 1]])", json!([[{ "k": 1 }, 1]])),
            ("new Set([1, 'a'])", json!([1, "a"])),
            ("new Uint8Array([1, 2])", json!([1, 2])),
            ("new Uint8Array([1, 2]).buffer", json!([1, 2])),
            ("[new Number(1), new String('s'), Object(true)]", json!([1, "s", true])),
            ("({ toJSON() { return { x: 1 } } })", json!({ "x": 1 })),
            ("({ get a() { return 1 } })", json!({ "a": 1 })),
            ("[/a/g]", json!(["/a/g"])),
            ("[new TypeError('bad')]", json!([{ "name": "TypeError", "message": "bad" }])),
            ("new Proxy({ a: 1 }, {})", json!({ "a": 1 })),
            ("[() => 1]", json!(null)),
            ("[NaN]", json!(null)),
        ] {
            assert_eq!(s.json(code), expected, "{code}");
        }
        for (code, message) in [
            ("vars.x = { f: { g() {} } }", "`vars.x` holds a function at `f.g`, which cannot leave the script"),
            ("vars.x = [0 / 0]", "`vars.x` holds NaN at `0`, which JSON does not have"),
            ("vars.x = Promise.resolve(1)", "`vars.x` holds a promise: await it first"),
            ("let o = {}; o.o = o; vars.x = o", "`vars.x` holds itself at `o`: a cycle cannot leave the script"),
            (
                "let d = {}; for (let i = 0; i < 500; i++) d = { d }; vars.x = d",
                "`vars.x` nests deeper than 128 levels",
            ),
            ("vars.x = Symbol()", "`vars.x` holds a symbol, which cannot leave the script"),
        ] {
            assert_eq!(s.error(code).message, message, "{code}");
        }
    });
}

#[test]
fn errors_name_their_place() {
    session(|s| {
        for (code, expected) in [
            ("let a = 1\nnope()", "ReferenceError: nope is not defined @ Cell 1:2:1"),
            ("function f() {\n  throw new TypeError('bad')\n}\n\nf()", "TypeError: bad @ Cell 2:2:9 @ Cell 2:5:2"),
            ("await null\nnull.x", "TypeError: cannot convert 'null' or 'undefined' to object @ Cell 3:2:6"),
            (
                "[1].map(x => {\n x.y.z })",
                "TypeError: cannot convert 'null' or 'undefined' to object @ Cell 4:2:6 @ Cell 4:1:8",
            ),
            ("throw 'text'", "Error: text"),
            ("throw { code: 5 }", "Error: { code: 5 }"),
            ("class MyError extends Error {}\nthrow new MyError('mine')", "MyError: mine @ Cell 7:2:7"),
            ("let s = ;", "SyntaxError: unexpected token ';', primary expression @ Cell 8:1:9"),
            ("let ok = 1\nlet s = 'abc", "SyntaxError: unterminated string literal @ Cell 9:2:"),
            ("function g() {", "SyntaxError: the code ends too early @ Cell 10:1:15"),
            ("Promise.reject(new Error('lost')); 5", "Error: lost @ Cell 11:1:16"),
            ("await new Promise(() => {})", "Error: the awaited promise can never be settled"),
            ("(function r() { r() })()", "RangeError: the call stack is exhausted"),
            ("((((((((", "SyntaxError: the code ends too early"),
            ("0\n\nconst { a } = null", "TypeError: Cannot destructure 'null' value @ Cell 15:3:7"),
            ("0\nimport a from 'b'", "SyntaxError: there are no modules here"),
        ] {
            let line = s.error_line(code);
            assert!(line.starts_with(expected), "{code}\n got {line}\nwant {expected}");
        }
        let deep = "(".repeat(100_000);
        assert!(s.error_line(&deep).starts_with("SyntaxError: the brackets nest too deeply"));
        assert!(s.error_line(&format!("eval('{deep}')")).contains("nest too deeply"));
        // A function of an earlier cell is named with that cell.
        s.text("function early() {\n  undefined.x\n}");
        let line = s.error_line("\n\nearly()");
        assert!(line.contains("@ Cell 19:2:") && line.contains("@ Cell 20:3:"), "{line}");
    });
}

#[test]
fn steps_count_their_lines_from_the_document() {
    session(|s| {
        let mut job = s.job("let a = 1\nthrow new Error('x')", aikit_runtime::ports::ScriptMode::Cell);
        job.line_offset = 40;
        let ran = s.run_job(&job, None);
        let aikit_runtime::ports::ScriptOutcome::Failed { error } = ran.outcome else { panic!("{:?}", ran.outcome) };
        assert_eq!((error.trace[0].line, error.trace[0].column), (42, Some(7)));
        let mut job = s.job("let a = 1\nlet", aikit_runtime::ports::ScriptMode::Cell);
        job.line_offset = 40;
        let ran = s.run_job(&job, None);
        let aikit_runtime::ports::ScriptOutcome::Failed { error } = ran.outcome else { panic!("{:?}", ran.outcome) };
        assert_eq!(error.trace[0].line, 42);
    });
}
