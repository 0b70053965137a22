//! Properties that hold for any input.

use std::cell::RefCell;

use proptest::{
    collection,
    prelude::*,
    sample,
    test_runner::{Config, TestRunner},
};
use serde_json::{Map, Value};

use crate::host::session;

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        (-1e9f64..1e9).prop_map(|n| Value::from(n.trunc() + 0.25)),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            collection::vec(("[a-z_0-9 é]{0,6}", inner), 0..6)
                .prop_map(|entries| Value::Object(entries.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

#[test]
fn values_survive_the_way_through_a_script() {
    session(|s| {
        let s = RefCell::new(s);
        TestRunner::new(Config { failure_persistence: None, ..Config::default() })
            .run(&json(), |value| {
                let mut s = s.borrow_mut();
                s.world.vars.set("given", value.clone());
                s.run("vars.taken = [vars.given]; vars.copied = JSON.parse(JSON.stringify(vars.given))");
                let taken = s.world.vars.get("taken").expect("it was set");
                // JavaScript orders the keys that are numbers first; as maps they are equal.
                prop_assert_eq!(&taken[0], &value);
                prop_assert_eq!(s.world.vars.get("copied"), Some(value));
                Ok(())
            })
            .expect("every value survives");
    });
}

const PIECES: &[&str] = &[
    "let a = ",
    "{",
    "}",
    "(",
    ")",
    "=>",
    "await ",
    "return ",
    "for (x of ",
    "while (0) ",
    "`${",
    "`",
    "'",
    "/",
    "*",
    "\n",
    ";",
    "class C ",
    "x",
    "1",
    "é😀",
    "function f",
    "const x = ",
    ",",
    "x = ",
    "//",
    "?.",
    "...",
    "async ",
    "yield ",
    "\u{2028}",
    "\r",
];

#[test]
fn no_text_is_too_strange() {
    session(|s| {
        s.limits.instructions = Some(100_000);
        let s = RefCell::new(s);
        TestRunner::new(Config { failure_persistence: None, ..Config::default() })
            .run(&collection::vec(sample::select(PIECES), 0..12), |pieces| {
                let mut s = s.borrow_mut();
                let code: String = pieces.concat();
                s.is_complete(&code);
                s.complete(&code);
                s.inspect(&code);
                s.run(&code);
                Ok(())
            })
            .expect("nothing panics");
        assert_eq!(s.borrow_mut().text("6 * 7"), "42");
    });
}
