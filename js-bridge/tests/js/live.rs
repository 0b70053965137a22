//! Completion, inspection, and whether code is complete.

use aikit_runtime::ports::Completeness;

use crate::host::{Session, session};

fn names(s: &mut Session, code: &str) -> Vec<String> {
    s.complete(code).into_iter().map(|found| format!("{} {}", found.text, found.kind)).collect()
}

#[test]
fn completion_knows_live_values() {
    session(|s| {
        s.text("let message = 'x'; const messy = { inner: { deep: 1 }, get boom() { throw 1 } }; class Mess { hi() {} }; function messUp(a, b) {}; let mess = new Mess()");
        assert_eq!(names(s, "mess"), ["mess object", "messUp function", "message string", "messy object"]);
        assert_eq!(names(s, "1 + Mes"), ["Mess class"]);
        assert!(names(s, "messy.").contains(&"inner object".to_owned()));
        assert!(names(s, "messy.").contains(&"boom property".to_owned()));
        assert_eq!(names(s, "messy.inner.de"), ["deep number"]);
        assert_eq!(names(s, "messy?.inner?.de"), ["deep number"]);
        assert_eq!(names(s, "mess.h").first().map(String::as_str), Some("hasOwnProperty function"));
        assert_eq!(names(s, "message.toUp"), ["toUpperCase function"]);
        assert_eq!(names(s, "'a'.toUp"), ["toUpperCase function"]);
        assert_eq!(names(s, "[1].conc"), ["concat function"]);
        assert_eq!(names(s, "ctx.sto"), ["storage object"]);
        assert_eq!(names(s, "ctx.storage.g"), ["get function"]);
        assert_eq!(names(s, "whil"), ["while keyword"]);
        assert_eq!(names(s, "f().x"), Vec::<String>::new());
        assert!(names(s, "").iter().all(|name| !name.contains("aikit")));
        s.text("vars.score = 1");
        assert_eq!(names(s, "vars.sc"), ["score variable"]);
        assert_eq!(names(s, "Math.ma"), ["max function"]);
    });
}

#[test]
fn inspection_shows_what_is_there() {
    session(|s| {
        s.text("function add(a, b = 2) { return a + b }; let n = 5; const o = { list: [1, 2], get g() { throw 1 } }; vars.v = { a: 1 }");
        for (code, ty, text) in [
            ("n", "number", "5"),
            ("o.list", "Array", "[ 1, 2 ]"),
            ("o", "Object", "{ list: [ 1, 2 ], g: [Getter] }"),
            ("add(", "function", "function add(a, b = 2) { return a + b }"),
            ("Math.max", "function", "max(arg1, arg2)"),
            ("ctx.storage.get", "function", "ctx.storage.get(key: string): Promise<any>"),
            ("ctx.now", "function", "ctx.now(): number"),
            ("vars.v", "Object", "{ a: 1 }"),
            ("while", "keyword", "while"),
        ] {
            let found = s.inspect(code).unwrap_or_else(|| panic!("{code}"));
            assert_eq!((found.ty.as_str(), found.text.as_str()), (ty, text), "{code}");
        }
        assert!(s.inspect("ctx.storage.get").and_then(|found| found.doc).is_some());
        assert!(s.inspect("ctx").and_then(|found| found.doc).is_some());
        assert!(s.inspect("o.g").is_none());
        assert!(s.inspect("nothing.here").is_none());
        assert!(s.inspect("").is_none());
    });
}

#[test]
fn completeness_is_the_parsers() {
    session(|s| {
        for code in [
            "1 + 1",
            "",
            "let a = 1;",
            "await f()",
            "return 1",
            "for await (const x of y) {}",
            "{ a: 1 }",
            "`a\nb`",
            "await f(\n)",
        ] {
            assert_eq!(s.is_complete(code), Completeness::Complete, "{code}");
        }
        for (code, indent) in [
            ("function f() {", "  "),
            ("  if (x) {\n    y()", "    "),
            ("f(1,", ""),
            ("const a = [", "  "),
            ("`abc", ""),
            ("/* abc", ""),
            ("await f(", "  "),
            ("for (const x of await y) {", "  "),
            ("a +", ""),
            ("x =>", "  "),
        ] {
            assert_eq!(s.is_complete(code), Completeness::Incomplete { indent: indent.into() }, "{code}");
        }
        for (code, at) in [("let = = 1", 1), ("a\n)", 2), ("'abc", 1), ("await f(]", 1), ("x\ny z", 2)] {
            match s.is_complete(code) {
                Completeness::Invalid { line, .. } => assert_eq!(line, Some(at), "{code}"),
                other => panic!("{code}: {other:?}"),
            }
        }
    });
}
