//! A script under a debugger: where it stops, what is seen there, how it goes on.

use std::sync::{Arc, Mutex};

use aikit_runtime::{
    debug::script::{Resume, ScriptFrame, ScriptOrder, ScriptReason, ScriptReport, ScriptWatch, Shown, WatchedLine},
    ports::{ScriptMode, ScriptOutcome},
};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::host::{Debugger, Ran, Session, session};

/// What a test does at a stop: orders, in turn; then the script goes on to its end.
struct Stop {
    reason: ScriptReason,
    frames: Vec<ScriptFrame>,
    globals: Shown,
    results: Vec<Result<Value, String>>,
}

fn at(lines: &[u32]) -> ScriptWatch {
    let line = |line: &u32| WatchedLine {
        id: u64::from(*line),
        line: *line,
        source: None,
        condition: None,
        wanted: Vec::new(),
    };
    ScriptWatch { lines: lines.iter().map(line).collect(), errors: true, ..ScriptWatch::default() }
}

fn entry() -> ScriptWatch {
    ScriptWatch { entry: true, ..ScriptWatch::default() }
}

fn go(how: Resume) -> ScriptOrder {
    ScriptOrder::Go { how }
}

fn ask(frame: usize, text: &str) -> ScriptOrder {
    ScriptOrder::Evaluate { frame, text: text.into() }
}

/// Runs a cell with orders, which are given one after the other; without more, it goes on.
fn debug(session: &mut Session, code: &str, watch: ScriptWatch, orders: Vec<ScriptOrder>) -> (Vec<Stop>, Ran) {
    let stops: Arc<Mutex<Vec<Stop>>> = Arc::default();
    let (_sender, wishes) = watch::channel(watch);
    let (seen, mut orders) = (stops.clone(), orders.into_iter());
    let answer = move |report| {
        let mut stops = seen.lock().unwrap();
        match report {
            ScriptReport::Stopped { reason, frames, globals } => {
                stops.push(Stop { reason, frames, globals, results: Vec::new() });
            }
            ScriptReport::Changed { result, frames, globals } => {
                let last = stops.last_mut().unwrap();
                (last.frames, last.globals) = (frames, globals);
                last.results.push(result);
            }
            ScriptReport::Page { result } => stops.last_mut().unwrap().results.push(result),
        }
        orders.next().unwrap_or(go(Resume::On))
    };
    let job = session.job(code, ScriptMode::Cell);
    let debugger = Debugger { wishes, orders: Mutex::new(Box::new(answer)) };
    let ran = session.run_watched(&job, None, Some(debugger));
    let stops = std::mem::take(&mut *stops.lock().unwrap());
    (stops, ran)
}

/// Lines with the innermost function, in the order in which a script stops.
fn lines(stops: &[Stop]) -> Vec<(u32, &str)> {
    stops.iter().map(|stop| (stop.frames[0].line, stop.frames[0].name.as_str())).collect()
}

const NESTED: &str = "\
const base = 10;
function add(a, b = 1) {
  let sum = a + b;
  for (const extra of [1, 2]) {
    sum += extra;
  }
  return sum;
}
const list = [1, 2].map(x => add(x, base));
let last = add(5); list.push(last);
list.join()";

#[test]
fn a_breakpoint_stops_with_frames_and_variables() {
    session(|session| {
        let (stops, ran) = debug(session, NESTED, at(&[5]), vec![]);
        assert_eq!(lines(&stops), [(5, "add"); 6]);
        let frames: Vec<_> = stops[0].frames.iter().map(|frame| (frame.name.as_str(), frame.line)).collect();
        assert_eq!(frames, [("add", 5), ("function", 9), ("main", 9)]);
        let add = &stops[0].frames[0];
        assert_eq!(add.locals.value["a"], 1);
        assert_eq!(
            (&add.locals.value["b"], &add.locals.value["sum"], &add.locals.value["extra"]),
            (&json!(10), &json!(11), &json!(1))
        );
        assert_eq!(stops[0].frames[1].locals.value["x"], 1);
        let main = &stops[0].frames[2].locals.value;
        assert_eq!((&main["base"], &main["last"]), (&json!(10), &json!("<undefined>")));
        assert_eq!(ran.outcome, session.run("'14,15,9'").outcome);
        assert_eq!(stops[0].reason, ScriptReason::Breakpoint { hit: vec![(5, vec![])], step: false });
    });
}

#[test]
fn steps_go_over_into_and_out_of_functions() {
    session(|session| {
        use Resume::{In, Out, Over};
        let walk = |session: &mut Session, moves: &[Resume]| {
            let orders = moves.iter().map(|how| go(*how)).collect();
            let (stops, _) = debug(session, NESTED, entry(), orders);
            stops.iter().map(|stop| (stop.frames[0].line, stop.frames[0].name.clone())).collect::<Vec<_>>()
        };
        let at = |list: &[(u32, &str)]| list.iter().map(|(l, n)| (*l, (*n).to_owned())).collect::<Vec<_>>();
        assert_eq!(walk(session, &[Over; 3]), at(&[(1, "main"), (9, "main"), (10, "main"), (11, "main")]));
        assert_eq!(
            walk(session, &[Over, In, In, Over, Over, Over, Over, Over, Out, Out]),
            at(&[
                (1, "main"),
                (9, "main"),
                (9, "function"),
                (3, "add"),
                (4, "add"),
                (5, "add"),
                (4, "add"),
                (5, "add"),
                (7, "add"),
                (9, "function"),
                (10, "main"),
            ])
        );
    });
}

#[test]
fn conditions_counts_and_values_are_of_the_language() {
    session(|session| {
        let mut watch = at(&[5]);
        watch.lines[0].condition = Some("extra === 2 && a > 1".into());
        watch.lines[0].wanted = vec!["sum".into(), "nothing.here".into(), "[a, b]".into()];
        let (stops, _) = debug(session, NESTED, watch, vec![]);
        let hits: Vec<_> = stops.iter().map(|stop| stop.reason.clone()).collect();
        let missing = "<ReferenceError: nothing is not defined>";
        let hit = |sum: u32, a: u32, b: u32| ScriptReason::Breakpoint {
            hit: vec![(5, vec![json!(sum), json!(missing), json!([a, b])])],
            step: false,
        };
        assert_eq!(hits, [hit(13, 2, 10), hit(7, 5, 1)]);
    });
}

#[test]
fn expressions_see_and_change_what_the_script_sees() {
    session(|session| {
        let code = "function f(a) {\n  'use strict';\n  let b = a * 2;\n  { let c = 3; g(() => b + c); }\n  return b;\n}\nfunction g(h) {\n  return h();\n}\nf(4)";
        let orders = vec![
            ask(0, "h"),
            ask(1, "b + c"),
            ask(1, "b = 100"),
            ask(1, "({ a, c })"),
            ask(1, "const z = a; z + 1"),
            ask(0, "b"),
            ask(1, "while (true) {}"),
            ask(1, "let q ="),
            ask(9, "1"),
            ask(2, "[1, 2].map(x => x * 2)"),
            ask(1, "this"),
            go(Resume::On),
        ];
        let (stops, ran) = debug(session, code, at(&[8]), orders);
        let results = &stops[0].results;
        assert_eq!(results[0], Ok(json!("<Function (anonymous)>")));
        assert_eq!(results[1], Ok(json!(11)));
        assert_eq!(results[3], Ok(json!({ "a": 4, "c": 3 })));
        assert_eq!(results[4], Ok(json!(5)));
        assert_eq!(results[5], Err("ReferenceError: b is not defined".into()));
        assert_eq!(results[6], Err("the expression took too long".into()));
        assert!(results[7].as_ref().unwrap_err().starts_with("SyntaxError"), "{:?}", results[7]);
        assert_eq!(results[8], Err("there is no such frame".into()));
        assert_eq!(results[9], Ok(json!([2, 4])));
        assert_eq!(results[10], Ok(json!("<undefined>")));
        assert_eq!(stops[0].frames[1].locals.value["b"], 100);
        assert_eq!(ran.outcome, session.run("100").outcome);
    });
}

#[test]
fn names_are_shown_as_far_as_they_are_initialized() {
    session(|session| {
        let code = "function outer(n) {\n  var early = typeof none;\n  let late = n;\n  class Box { #inside = 1; get() { return late + this.#inside; } }\n  return new Box().get();\n}\nouter(1)";
        let (stops, _) =
            debug(session, code, at(&[2, 4]), vec![go(Resume::Over), go(Resume::Over), go(Resume::In), go(Resume::In)]);
        let first = &stops[0].frames[0].locals.value;
        assert_eq!(
            (&first["late"], &first["early"], &first["n"]),
            (&json!("<not initialized>"), &json!("<undefined>"), &json!(1))
        );
        let inside = stops.last().unwrap();
        assert_eq!(inside.frames[0].name, "get", "{:?}", lines(&stops));
        assert_eq!(inside.frames[0].upvalues.value["late"], 1);
        assert_eq!(inside.frames[0].locals.value["this"], json!({}));
    });
}

#[test]
fn async_functions_are_stepped_through_their_awaits() {
    session(|session| {
        let code = "async function slow(n) {\n  const got = await ctx.ai.complete(`t${n}`);\n  const more = got + n;\n  return more;\n}\nconst both = await Promise.all([slow(1), slow(2)]);\nboth.join()";
        let (stops, ran) = debug(session, code, at(&[2]), vec![go(Resume::Over), go(Resume::On), go(Resume::Over)]);
        // The other call stops at its breakpoint on the way, then goes over its own await.
        assert_eq!(lines(&stops)[..2], [(2, "slow"), (2, "slow")]);
        assert_eq!(ran.outcome, session.run("'t11,t22'").outcome);
        let (stops, _) = debug(
            session,
            "let a = 1;\na = await ctx.ai.complete('x', { delay: 5 });\na += 'y';\na",
            entry(),
            vec![go(Resume::Over); 3],
        );
        assert_eq!(lines(&stops), [(1, "main"), (2, "main"), (3, "main"), (4, "main")]);
        assert_eq!(stops[2].frames[0].locals.value["a"], "x");
    });
}

#[test]
fn generators_keep_their_variables() {
    session(|session| {
        let code = "function* count(to) {\n  for (let i = 0; i < to; i++) {\n    const got = yield i;\n    if (got) note(got);\n  }\n}\nfunction note(x) {\n  return x;\n}\nconst it = count(3);\nit.next();\nit.next('a');\nit.next('b')";
        let (stops, _) = debug(session, code, at(&[8]), vec![]);
        assert_eq!(stops.len(), 2);
        let frames: Vec<_> = stops[1].frames.iter().map(|frame| (frame.name.as_str(), frame.line)).collect();
        assert_eq!(frames, [("note", 8), ("count", 4), ("main", 13)]);
        assert_eq!(
            (&stops[1].frames[1].locals.value["i"], &stops[1].frames[1].locals.value["got"]),
            (&json!(1), &json!("b"))
        );
    });
}

#[test]
fn errors_stop_where_they_are_raised_or_where_they_end_the_script() {
    session(|session| {
        let code = "function check(n) {\n  const limit = 3;\n  if (n > limit) throw new RangeError('too much');\n  return null.x;\n}\nlet got = 0;\ntry { check(1); } catch (error) { got = 1; }\ntry {\n  check(5);\n} catch {\n  got = 2;\n}\ncheck(9)";
        let raised = ScriptWatch { raised: true, errors: true, ..ScriptWatch::default() };
        let (stops, _) = debug(session, code, raised, vec![]);
        let texts: Vec<_> = stops
            .iter()
            .map(|stop| match &stop.reason {
                ScriptReason::Error { text } => (stop.frames[0].line, text.split(':').next().unwrap().to_owned()),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(texts[0], (7, "TypeError".into()));
        assert_eq!(texts[1], (3, "RangeError".into()));
        assert_eq!(texts.last().unwrap(), &(3, "RangeError".into()));
        assert_eq!(texts.len(), 3, "{texts:?}");
        assert_eq!(stops[1].frames[0].locals.value["n"], 5);
        // Without wishes that need probes the stop shows the frames alone.
        let (stops, ran) = debug(session, code, at(&[]), vec![]);
        assert_eq!(stops.len(), 1);
        let frames: Vec<_> = stops[0].frames.iter().map(|frame| (frame.name.as_str(), frame.line)).collect();
        assert_eq!(frames[0].1, 3);
        let ScriptOutcome::Failed { error } = ran.outcome else { panic!() };
        assert_eq!((error.name.as_str(), error.trace[0].line), ("RangeError", 3));
        let (stops, _) = debug(session, code, at(&[2]), vec![]);
        let last = stops.last().unwrap();
        assert!(matches!(last.reason, ScriptReason::Error { .. }));
        assert_eq!((last.frames[0].name.as_str(), &last.frames[0].locals.value["n"]), ("check", &json!(9)));
    });
}

#[test]
fn a_debugger_statement_stops_and_a_line_without_statements_moves_down() {
    session(|session| {
        let (stops, _) = debug(session, "let a = 1;\ndebugger;\na", at(&[]), vec![]);
        assert_eq!(lines(&stops), [(2, "main")]);
        let (stops, _) = debug(session, "let a = {\n  b: 1,\n};\n\n// here\na.b", at(&[4]), vec![]);
        assert_eq!(lines(&stops), [(6, "main")]);
    });
}

#[test]
fn large_values_are_shown_in_part_and_by_pages() {
    session(|session| {
        let code = "const rows = Array.from({ length: 500 }, (_, i) => ({ i }));\nconst self = { rows, get bad() { throw 1 }, map: new Map([['k', 1]]), when: new Date(0) };\nself.self = self;\nself.rows.length";
        let page = ScriptOrder::Page { frame: 0, path: vec!["locals".into(), "rows".into()], start: 490, count: 50 };
        let (stops, _) = debug(session, code, at(&[4]), vec![page, go(Resume::On)]);
        let locals = &stops[0].frames[0].locals;
        assert_eq!(locals.value["rows"].as_array().unwrap().len(), 100);
        assert!(locals.cut.iter().any(|cut| cut.path == ["locals", "rows"] && cut.total == 500));
        let shown = &locals.value["self"];
        assert_eq!(
            (&shown["bad"], &shown["self"], &shown["map"]),
            (&json!("<getter>"), &json!("<circular>"), &json!({ "k": 1 }))
        );
        let page: Shown = serde_json::from_value(stops[0].results[0].clone().unwrap()).unwrap();
        assert_eq!(page.value[9], json!({ "i": 499 }));
        assert_eq!(stops[0].globals.value["ctx"]["tenant"]["id"], "t1");
    });
}

#[test]
fn a_pause_stops_a_loop_that_has_no_probes() {
    session(|session| {
        let code = "let i = 0;\nwhile (i < 1e9) {\n  i++;\n}";
        let (sender, wishes) = watch::channel(ScriptWatch::default());
        let stops: Arc<Mutex<Vec<ScriptReport>>> = Arc::default();
        let seen = stops.clone();
        let orders = move |report: ScriptReport| {
            let mut seen = seen.lock().unwrap();
            seen.push(report);
            match seen.len() {
                1 => ask(0, "i > 0"),
                2 => ask(0, "i = 2e9"),
                _ => go(Resume::On),
            }
        };
        std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(50));
            sender.send_modify(|watch| watch.pauses += 1);
            std::thread::sleep(std::time::Duration::from_secs(20));
        });
        let job = session.job(code, ScriptMode::Cell);
        let ran = session.run_watched(&job, None, Some(Debugger { wishes, orders: Mutex::new(Box::new(orders)) }));
        assert!(matches!(ran.outcome, ScriptOutcome::Done { .. }), "{:?}", ran.outcome);
        let stops = stops.lock().unwrap();
        let ScriptReport::Stopped { reason: ScriptReason::Pause, frames, .. } = &stops[0] else {
            panic!("{:?}", stops[0])
        };
        assert_eq!((frames[0].name.as_str(), frames[0].line), ("main", 2));
        assert!(matches!(&stops[1], ScriptReport::Changed { result: Ok(Value::Bool(true)), .. }));
    });
}
