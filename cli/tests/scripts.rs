//! The interpreters in their worker process: soft stops, kills, limits, and what survives them.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use aikit_core::{ErrorKind, Language, RunError};
use aikit_runtime::{
    cell::CellEvent,
    ports::{Completeness, HostCalls, ScriptJob, ScriptLimits, ScriptMode, ScriptOutcome, Scripts, StopCause},
    scripts::ProcessScripts,
};
use async_trait::async_trait;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

#[derive(Default)]
struct Host {
    text: Mutex<String>,
    calls: AtomicUsize,
    abandoned: Arc<AtomicUsize>,
}

struct Abandoned(Arc<AtomicUsize>);

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl HostCalls for Host {
    async fn call(&self, method: &str, args: Vec<Value>) -> Result<Value, RunError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        match method {
            "storage.get" => Ok(json!(args)),
            "agents.run" => {
                let _abandoned = Abandoned(self.abandoned.clone());
                std::future::pending().await
            }
            _ => Err(RunError::new(ErrorKind::ToolDenied, format!("no {method} here"))),
        }
    }

    fn emit(&self, event: CellEvent) {
        if let CellEvent::Stream { text, .. } = event {
            self.text.lock().unwrap().push_str(&text);
        }
    }
}

struct Session {
    scripts: Arc<ProcessScripts>,
    host: Arc<Host>,
}

impl Session {
    fn new() -> Self {
        let program = PathBuf::from(env!("CARGO_BIN_EXE_aikit"));
        Self { scripts: Arc::new(ProcessScripts::new(program, vec!["script-worker".into()])), host: Arc::default() }
    }

    fn job(language: Language, code: &str) -> ScriptJob {
        ScriptJob {
            language,
            name: "Cell 1".into(),
            code: code.into(),
            line_offset: 0,
            mode: ScriptMode::Cell,
            limits: ScriptLimits::default(),
            context: json!({ "tenant": { "id": "acme" } }),
        }
    }

    async fn run(&self, language: Language, code: &str) -> ScriptOutcome {
        self.scripts.run(Self::job(language, code), self.host.clone(), CancellationToken::new()).await
    }

    async fn text(&self, language: Language, code: &str) -> String {
        match self.run(language, code).await {
            ScriptOutcome::Done { value } => value.map_or("-".into(), |value| value.text),
            other => format!("{other:?}"),
        }
    }

    /// Runs and interrupts once the script is at work; gives the outcome and how long the stop took.
    async fn interrupt(&self, language: Language, code: &str) -> (ScriptOutcome, Duration) {
        let cancel = CancellationToken::new();
        let run = self.scripts.run(Self::job(language, code), self.host.clone(), cancel.clone());
        let stopped = async {
            tokio::time::sleep(Duration::from_millis(150)).await;
            cancel.cancel();
            Instant::now()
        };
        let (outcome, since) = tokio::join!(run, stopped);
        (outcome, since.elapsed())
    }
}

fn stopped(cause: StopCause, state_lost: bool) -> ScriptOutcome {
    ScriptOutcome::Stopped { cause, state_lost }
}

#[tokio::test]
async fn a_loop_stops_softly_and_the_globals_live() {
    let session = Session::new();
    let lua = (
        Language::Lua,
        "kept = 42",
        "kept",
        &[
            "while true do end",
            "while true do pcall(function() while true do end end) end",
            "xpcall(function() while true do end end, function() while true do end end)",
            "while true do coroutine.wrap(function() while true do end end)() end",
            "while true do print('x') end",
            "ctx.agents.run('x')",
        ][..],
    );
    let js = (
        Language::Js,
        "var kept = 42",
        "kept",
        &[
            "while (true) {}",
            "while (true) { try { while (true) {} } catch {} finally { while (true) {} } }",
            "function* g() { while (true) yield 1 } for (const x of g()) {}",
            "while (true) await null",
            "while (true) console.log('x')",
            "await ctx.agents.run('x')",
        ][..],
    );
    for (language, set, get, loops) in [lua, js] {
        session.run(language, set).await;
        for code in loops {
            let (outcome, took) = session.interrupt(language, code).await;
            assert_eq!(outcome, stopped(StopCause::Interrupt, false), "{code}");
            // The promise is 100 ms; a busy machine is given more.
            assert!(took < Duration::from_secs(1), "{code}: {took:?}");
            assert_eq!(session.text(language, get).await, "42", "{code}");
        }
    }
    assert!(session.host.abandoned.load(Ordering::SeqCst) >= 1, "calls end with their script");
}

#[tokio::test]
async fn what_only_a_kill_can_stop_ends_and_vars_are_back() {
    let session = Session::new();
    let backtracking = "return string.find(('a'):rep(40), ('a?'):rep(40) .. ('a'):rep(40) .. 'b')";
    let lua = (
        Language::Lua,
        "vars.kept = { list = { 1, 2 } }; lost = 1",
        backtracking,
        "json.encode({ vars.kept.list[2], lost == nil })",
    );
    let js = (
        Language::Js,
        "vars.kept = { list: [1, 2] }; var lost = 1",
        "/^(a+)+$/.test('a'.repeat(60) + 'b')",
        "JSON.stringify([vars.kept.list[1], typeof lost === 'undefined'])",
    );
    for (language, set, hang, get) in [lua, js] {
        session.run(language, set).await;
        let (outcome, took) = session.interrupt(language, hang).await;
        assert_eq!(outcome, stopped(StopCause::Interrupt, true));
        assert!(took < Duration::from_secs(4), "{took:?}");
        assert_eq!(session.text(language, get).await, "[2,true]");
    }
}

#[tokio::test]
async fn limits_of_time_and_memory_hold() {
    let session = Session::new();
    let lua = (Language::Lua, "while true do end", "local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end");
    let js = (Language::Js, "while (true) {}", "const t = []; while (true) t.push('x'.repeat(100000) + t.length)");
    for (language, slow, greedy) in [lua, js] {
        let mut job = Session::job(language, slow);
        job.limits.wall = Duration::from_millis(100);
        let outcome = session.scripts.run(job, session.host.clone(), CancellationToken::new()).await;
        assert_eq!(outcome, stopped(StopCause::Time, false));
        let mut job = Session::job(language, greedy);
        job.limits.memory = 64 << 20;
        let outcome = session.scripts.run(job, session.host.clone(), CancellationToken::new()).await;
        assert!(matches!(outcome, ScriptOutcome::Stopped { cause: StopCause::Memory, .. }), "{outcome:?}");
        assert_eq!(session.text(language, "1 + 1").await, "2");
    }
}

#[tokio::test]
async fn output_is_whole_and_in_order() {
    let session = Session::new();
    assert_eq!(session.text(Language::Lua, "for i = 1, 10000 do print(i) end").await, "-");
    let expected: String = (1..=10_000).map(|i| format!("{i}\n")).collect();
    assert!(*session.host.text.lock().unwrap() == expected);
    // What was printed before a kill is not lost.
    session.host.text.lock().unwrap().clear();
    let code = "print('before')\nreturn string.find(('a'):rep(40), ('a?'):rep(40) .. ('a'):rep(40) .. 'b')";
    session.interrupt(Language::Lua, code).await;
    assert_eq!(*session.host.text.lock().unwrap(), "before\n");
}

#[tokio::test]
async fn calls_cross_and_isolated_scripts_run_beside_a_cell() {
    let session = Session::new();
    let code = "local n = 0 for i = 1, 500 do n = n + ctx.storage.get(i)[1] end return n";
    assert_eq!(session.text(Language::Lua, code).await, "125250");
    assert_eq!(session.host.calls.load(Ordering::SeqCst), 500);
    let cancel = CancellationToken::new();
    let cell =
        session.scripts.run(Session::job(Language::Lua, "while true do end"), session.host.clone(), cancel.clone());
    let beside = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let mut job = Session::job(Language::Lua, "return ctx.inputs.n + 1");
        job.mode = ScriptMode::Isolated { inputs: json!({ "n": 1 }), state: json!({}), steps: json!({}) };
        let outcome = session.scripts.run(job, session.host.clone(), CancellationToken::new()).await;
        cancel.cancel();
        outcome
    };
    let (cell, beside) = tokio::join!(cell, beside);
    assert_eq!(cell, stopped(StopCause::Interrupt, false));
    assert!(matches!(beside, ScriptOutcome::Done { value: Some(value) } if value.text == "2"));
}

#[tokio::test]
async fn the_worker_sees_no_files_and_no_environment() {
    let session = Session::new();
    let code =
        "return json.encode({ io == nil, os == nil, require == nil, package == nil, debug == nil, dofile == nil })";
    assert_eq!(session.text(Language::Lua, code).await, "[true,true,true,true,true,true]");
    if cfg!(target_os = "linux") {
        let walls = session.scripts.walls().await.unwrap();
        assert!(!walls.is_empty(), "{walls:?}");
    }
    assert_eq!(
        session.scripts.is_complete(Language::Lua, "x = ").await,
        Completeness::Incomplete { indent: "".into() }
    );
    session.scripts.shutdown().await;
    assert_eq!(session.text(Language::Lua, "2").await, "2");
}
