//! Whatever a client asks, in whatever order: each request has exactly one answer, and every message is one of the protocol.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock, Mutex},
};

use aikit_core::{ErrorKind, Language, RunError};
use aikit_dap::{Launcher, Program, Session, cells::Cells};
use aikit_runtime::{
    debug::{
        CellDebugger, ScriptProbe,
        script::{ScriptFrame, ScriptOrder, ScriptReason, ScriptReport, Shown},
    },
    ports::Vars,
};
use async_trait::async_trait;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

static SCHEMA: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../protocol.json")).expect("the schema is JSON"));

static VALIDATORS: Mutex<BTreeMap<String, jsonschema::Validator>> = Mutex::new(BTreeMap::new());

/// Holds a message against its definition.
fn conforms(message: &Value) -> Result<(), TestCaseError> {
    let capital = |name: &str| name[..1].to_uppercase() + &name[1..];
    let name = match message["type"].as_str() {
        Some("event") => format!("{}Event", capital(message["event"].as_str().unwrap_or("?"))),
        _ if message["success"] == false => "ErrorResponse".to_owned(),
        _ => format!("{}Response", capital(message["command"].as_str().filter(|name| !name.is_empty()).unwrap_or("?"))),
    };
    // Jupyter's own requests are not in it.
    if SCHEMA["definitions"][&name].is_object() {
        let mut known = VALIDATORS.lock().unwrap();
        let validator = known.entry(name.clone()).or_insert_with(|| {
            let mut schema = SCHEMA.clone();
            schema["$ref"] = json!(format!("#/definitions/{name}"));
            jsonschema::draft4::new(&schema).expect("the definition is a schema")
        });
        let errors: Vec<String> = validator.iter_errors(message).map(|error| error.to_string()).collect();
        prop_assert!(errors.is_empty(), "{name}: {errors:?}: {message}");
    }
    Ok(())
}

struct Nothing;

#[async_trait]
impl Launcher for Nothing {
    async fn program(&self, path: &str) -> Result<Program, RunError> {
        Err(RunError::new(ErrorKind::SpecInvalid, format!("there is no `{path}`")).with_help("name another"))
    }

    async fn recorded(&self, run: &str, _: Option<&str>) -> Result<Program, RunError> {
        Err(RunError::new(ErrorKind::SpecInvalid, format!("there is no run `{run}`")))
    }
}

const CODE: &str = "local a = 1\nlocal b = a + 1\nreturn b";

/// Stands still at each line, again and again, as a script does.
async fn script(probe: ScriptProbe) {
    let frames = |line| {
        let shown = |value| Shown { value, cut: Vec::new() };
        let locals = shown(json!({ "a": [1, { "b": "x" }], "n": line }));
        vec![ScriptFrame {
            name: "main".into(),
            source: "Cell 1".into(),
            language: Language::Lua,
            line,
            locals,
            upvalues: shown(json!({})),
        }]
    };
    let globals = Shown { value: json!({ "g": true }), cut: Vec::new() };
    for turn in 0..1000 {
        let line = turn % 3 + 1;
        let mut report =
            ScriptReport::Stopped { reason: ScriptReason::Step, frames: frames(line), globals: globals.clone() };
        loop {
            let Ok(order) = probe.paused(vec![serde_json::to_value(&report).unwrap()]).await else { return };
            report = match serde_json::from_value(order).unwrap() {
                ScriptOrder::Evaluate { text, .. } => {
                    let result = if text.contains('?') { Err("wrong".into()) } else { Ok(json!(text)) };
                    ScriptReport::Changed { result, frames: frames(line), globals: globals.clone() }
                }
                ScriptOrder::Page { .. } => ScriptReport::Page { result: Err("gone".into()) },
                ScriptOrder::Go { .. } | ScriptOrder::Never => break,
            };
        }
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2..12_i64).prop_map(Value::from),
        Just(json!(u64::MAX)),
        Just(json!(1.5)),
        prop_oneof![
            Just(""),
            Just("a"),
            Just("n"),
            Just("a = ?"),
            Just(":back"),
            Just(":on"),
            Just("g.🦀"),
            Just(CODE),
            Just("/aikit/cells/1.lua")
        ]
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,4}", inner, 0..3).prop_map(|map| json!(map)),
        ]
    })
}

const COMMANDS: &[&str] = &[
    "initialize",
    "launch",
    "attach",
    "configurationDone",
    "setBreakpoints",
    "setFunctionBreakpoints",
    "setExceptionBreakpoints",
    "breakpointLocations",
    "threads",
    "stackTrace",
    "scopes",
    "variables",
    "setVariable",
    "setExpression",
    "evaluate",
    "completions",
    "exceptionInfo",
    "continue",
    "next",
    "stepIn",
    "stepOut",
    "stepBack",
    "reverseContinue",
    "pause",
    "gotoTargets",
    "goto",
    "restartFrame",
    "loadedSources",
    "source",
    "modules",
    "restart",
    "terminate",
    "cancel",
    "dumpCell",
    "debugInfo",
    "inspectVariables",
    "richInspectVariables",
    "copyToGlobals",
    "nonsense",
    "",
];

const NAMES: &[&str] = &[
    "threadId",
    "frameId",
    "variablesReference",
    "start",
    "count",
    "name",
    "value",
    "expression",
    "source",
    "line",
    "breakpoints",
    "filters",
    "targetId",
    "text",
    "column",
    "program",
    "run",
    "code",
    "variableName",
    "srcFrameId",
    "srcVariableName",
    "dstVariableName",
    "granularity",
    "context",
];

fn request() -> impl Strategy<Value = (&'static str, Value)> {
    let fitting = prop::collection::btree_map(prop::sample::select(NAMES), value(), 0..5)
        .prop_map(|map| json!(map.into_iter().collect::<BTreeMap<_, _>>()));
    let sensible = prop_oneof![
        Just(json!({ "threadId": 1, "frameId": 1, "variablesReference": 1, "line": 2, "targetId": 0 })),
        Just(
            json!({ "code": CODE, "expression": "n", "value": "1", "name": "n", "frameId": 1, "variablesReference": 1 })
        ),
        Just(
            json!({ "source": { "path": "x" }, "breakpoints": [{ "line": 2 }, { "line": 99 }], "filters": ["raised"] })
        ),
    ];
    let arguments = prop_oneof![3 => fitting, 3 => sensible, 1 => value()];
    (prop::sample::select(COMMANDS), arguments)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_editor_gets_one_answer_to_each_request(requests in prop::collection::vec(request(), 1..30)) {
        runtime().block_on(async {
            let (out, mut said) = mpsc::unbounded_channel();
            let mut session = Session::new(out, Arc::new(Nothing));
            for (at, (command, arguments)) in (1..).zip(&requests) {
                let message = json!({ "type": "request", "seq": at, "command": command, "arguments": arguments });
                prop_assert!(session.take(message).await);
                let mut answers = 0;
                while let Ok(message) = said.try_recv() {
                    conforms(&message)?;
                    if message["type"] == "response" {
                        prop_assert_eq!(&message["request_seq"], &json!(at));
                        prop_assert_eq!(&message["command"], &json!(command));
                        answers += 1;
                    }
                }
                prop_assert_eq!(answers, 1, "{}", command);
            }
            Ok(())
        })?;
    }

    #[test]
    fn a_notebook_gets_one_answer_to_each_request(
        requests in prop::collection::vec(request(), 1..30), started in any::<bool>(),
    ) {
        runtime().block_on(async {
            let (tell, told) = mpsc::unbounded_channel();
            let debugger = CellDebugger::new(tell);
            let cells = Cells::new(debugger.clone(), told, Vars::default(), Language::Lua);
            if started {
                debugger.start();
            }
            let cancel = CancellationToken::new();
            let held = debugger.script("Cell 1", CODE, &cancel);
            let (_held, probe) = held.unzip();
            let script = probe.map(|probe| tokio::spawn(script(probe)));
            for (at, (command, arguments)) in (1..).zip(&requests) {
                tokio::task::yield_now().await;
                let message = json!({ "type": "request", "seq": at, "command": command, "arguments": arguments });
                let answer = cells.request(&message).await;
                conforms(&answer)?;
                prop_assert_eq!(&answer["request_seq"], &json!(at));
                prop_assert_eq!(&answer["command"], &json!(command));
                loop {
                    tokio::select! {
                        biased;
                        event = cells.event() => conforms(&event)?,
                        () = tokio::task::yield_now() => break,
                    }
                }
            }
            cancel.cancel();
            if let Some(script) = script {
                prop_assert!(script.await.is_ok());
            }
            Ok(())
        })?;
    }
}
