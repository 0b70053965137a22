//! Lua cells over threads of this process, with a host that answers from memory.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use aikit_core::{ErrorKind, Language, RunError};
use aikit_lua_bridge::LuaFactory;
use aikit_runtime::{
    cell::CellEvent,
    ports::{Completeness, HostCalls, ScriptJob, ScriptLimits, ScriptMode, ScriptOutcome, Scripts, StopCause, Vars},
    scripts::ThreadScripts,
};
use async_trait::async_trait;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// Answers `storage.get` with its arguments, refuses `tools.call`, never answers `agents.run`.
#[derive(Default)]
struct Host {
    text: Mutex<String>,
    shown: Mutex<usize>,
}

#[async_trait]
impl HostCalls for Host {
    async fn call(&self, method: &str, args: Vec<Value>) -> Result<Value, RunError> {
        match method {
            "storage.get" => Ok(json!({ "args": args })),
            "storage.list" => Ok(json!([])),
            "now" => Ok(json!(1_700_000_000_000_u64)),
            "agents.run" => std::future::pending().await,
            _ => Err(RunError::new(ErrorKind::ToolDenied, format!("no {method} here")).with_help("ask first")),
        }
    }

    fn emit(&self, event: CellEvent) {
        match event {
            CellEvent::Stream { text, .. } => self.text.lock().unwrap().push_str(&text),
            CellEvent::Display { .. } => *self.shown.lock().unwrap() += 1,
            _ => {}
        }
    }
}

struct Session {
    scripts: ThreadScripts,
    host: Arc<Host>,
    cells: u32,
}

impl Session {
    fn new() -> Self {
        let factory = Arc::new(LuaFactory);
        Self { scripts: ThreadScripts::new([factory as Arc<_>], Vars::default()), host: Arc::default(), cells: 0 }
    }

    fn job(&mut self, code: &str) -> ScriptJob {
        self.cells += 1;
        ScriptJob {
            language: Language::Lua,
            name: format!("Cell {}", self.cells),
            code: code.into(),
            line_offset: 0,
            mode: ScriptMode::Cell,
            limits: ScriptLimits::default(),
            context: json!({ "tenant": { "id": "acme" }, "user": { "id": "ann" }, "session": { "id": "s" } }),
        }
    }

    async fn run(&mut self, code: &str) -> ScriptOutcome {
        let job = self.job(code);
        self.scripts.run(job, self.host.clone(), CancellationToken::new()).await
    }

    /// The text of the value, or the error with its innermost line.
    async fn say(&mut self, code: &str) -> String {
        match self.run(code).await {
            ScriptOutcome::Done { value } => value.map_or("-".into(), |value| value.text),
            ScriptOutcome::Failed { error } => {
                let place = error.trace.first().map_or("?".into(), |place| format!("{}:{}", place.source, place.line));
                format!("{} at {place}: {}", error.name, error.message)
            }
            ScriptOutcome::Stopped { cause, .. } => format!("stopped: {cause:?}"),
        }
    }
}

#[tokio::test]
async fn a_cell_has_the_value_of_its_last_expression() {
    let mut session = Session::new();
    for (code, said) in [
        ("1 + 1", "2"),
        ("x = 5", "-"),
        ("x", "5"),
        ("local y = x * 2\ny", "10"),
        ("local y = 1; y + 1", "2"),
        ("-- nothing", "-"),
        ("return 'a', 2", "a\t2"),
        ("function f(n)\n  return n + 1\nend\nf(2)", "3"),
        ("{ b = { 1, 2 }, a = 'x' }", "{a = \"x\", b = {1, 2}}"),
        ("ctx.tenant.id .. '/' .. ctx.user.id", "acme/ann"),
        ("json.encode({ list = json.array {}, none = json.null })", r#"{"list":[],"none":null}"#),
        ("json.decode('[1, {\"a\": true}]')[2].a", "true"),
    ] {
        assert_eq!(session.say(code).await, said, "{code}");
    }
}

#[tokio::test]
async fn errors_name_the_line_of_the_cell() {
    let mut session = Session::new();
    for (code, said) in [
        ("local a = 1\nerror('boom')", "RuntimeError at Cell 1:2: boom"),
        ("x = = 1", "SyntaxError at Cell 2:1: unexpected symbol near '='"),
        ("f = function()\n  local t = nil\n  return t.x\nend", "-"),
        ("f()", "RuntimeError at Cell 3:3: attempt to index a nil value (local 't')"),
        ("error({ code = 5 })", "RuntimeError at Cell 5:1: {code = 5}"),
        ("\nreturn ctx.tools.call('x');", "tool.denied at Cell 6:2: no tools.call here"),
        (
            "local ok, e = pcall(ctx.tools.call, 'x')\nreturn e.code .. ': ' .. tostring(e)",
            "tool.denied: no tools.call here",
        ),
        ("select(2, pcall(error, 'x'))", "x"),
        (
            "ctx.storage.get(print)",
            "script.error at Cell 9:1: argument 1 of `ctx.storage.get` holds a function, which cannot leave the script",
        ),
        (
            "vars.a = { print }",
            "script.error at Cell 10:1: `vars.a` holds a function at `1`, which cannot leave the script",
        ),
        ("display.html(5)", "script.error at Cell 11:1: display.html: `html` must be a string, not a number"),
        ("dofile('x')", "RuntimeError at Cell 12:1: attempt to call a nil value (global 'dofile')"),
        ("coroutine.yield()", "RuntimeError at ?: coroutine.yield was called outside a coroutine"),
    ] {
        assert_eq!(session.say(code).await, said, "{code}");
    }
}

#[tokio::test]
async fn values_are_shared_by_name() {
    let mut session = Session::new();
    session.scripts.vars().set("given", json!({ "list": [1, 2], "deep": { "a": 1 } }));
    assert_eq!(session.say("vars.given.deep.a = 2\nvars.given.list[3] = 3\nvars.own = { 'x' }").await, "-");
    assert_eq!(session.scripts.vars().get("given"), Some(json!({ "list": [1, 2, 3], "deep": { "a": 2 } })));
    assert_eq!(session.scripts.vars().get("own"), Some(json!(["x"])));
    assert_eq!(session.say("vars.own = nil; local n = 0; for k in pairs(vars) do n = n + 1 end; n").await, "1");
    // What the host changed meanwhile is seen.
    session.scripts.vars().set("given", json!([]));
    assert_eq!(session.say("#vars.given").await, "0");
}

#[tokio::test]
async fn the_host_answers_and_outputs_come_through() {
    let mut session = Session::new();
    assert_eq!(session.say("ctx.storage.get('k', 1).args[1]").await, "k");
    assert_eq!(session.say("#ctx.storage.list()").await, "0");
    assert_eq!(session.say("ctx.now()").await, "1700000000000");
    assert_eq!(session.say("print('a', { 1 }, nil)\ndisplay.html('<b>x</b>')").await, "-");
    assert_eq!(*session.host.text.lock().unwrap(), "a\t{1}\tnil\n");
    assert_eq!(*session.host.shown.lock().unwrap(), 1);
}

#[tokio::test]
async fn hostile_loops_stop_and_the_state_lives() {
    let mut session = Session::new();
    session.run("kept = 42").await;
    for code in [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "xpcall(function() while true do end end, function() while true do end end)",
        "local c = coroutine.wrap(function() while true do end end)\nwhile true do pcall(c) end",
        "while true do coroutine.wrap(function() pcall(function() while true do end end) end)() end",
        "table.sort({ 3, 2, 1 }, function() while true do end end)",
        "string.gsub('aaa', 'a', function() while true do pcall(error) end end)",
        "setmetatable({}, { __index = function() while true do end end }).x = nil; local t = setmetatable({}, { __index = function() while true do end end }); return t.x",
        "ctx.agents.run('x')",
        "pcall(ctx.agents.run, 'x'); while true do end",
    ] {
        let job = session.job(code);
        let cancel = CancellationToken::new();
        let stop = cancel.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(30)).await;
            stop.cancel();
        });
        let run = session.scripts.run(job, session.host.clone(), cancel);
        let outcome = tokio::time::timeout(Duration::from_secs(5), run).await.unwrap_or_else(|_| panic!("{code}"));
        assert_eq!(outcome, ScriptOutcome::Stopped { cause: StopCause::Interrupt, state_lost: false }, "{code}");
        assert_eq!(session.say("kept").await, "42", "{code}");
    }
}

#[tokio::test]
async fn budgets_hold() {
    let mut session = Session::new();
    let mut job = session.job("for i = 1, 1e9 do end");
    job.limits.instructions = Some(100_000);
    let outcome = session.scripts.run(job, session.host.clone(), CancellationToken::new()).await;
    assert_eq!(outcome, ScriptOutcome::Stopped { cause: StopCause::Instructions, state_lost: false });
    for code in [
        "local t = {}; while true do t[#t + 1] = ('x'):rep(1e6) .. #t end",
        "local s = 'x'; while true do s = s .. s end",
        "while true do pcall(string.rep, 'x', 1e8); keep = (keep or '') .. ('x'):rep(1e6) end",
    ] {
        let mut job = session.job(code);
        job.limits.memory = 16 << 20;
        let outcome = session.scripts.run(job, session.host.clone(), CancellationToken::new()).await;
        assert_eq!(outcome, ScriptOutcome::Stopped { cause: StopCause::Memory, state_lost: false }, "{code}");
        session.run("keep = nil").await;
    }
    let mut job = session.job("while true do end");
    job.limits.wall = Duration::from_millis(50);
    let outcome = session.scripts.run(job, session.host.clone(), CancellationToken::new()).await;
    assert_eq!(outcome, ScriptOutcome::Stopped { cause: StopCause::Time, state_lost: false });
    assert_eq!(
        session.say("local function f() return 1 + f() end\nf()").await.split(':').next(),
        Some("RuntimeError at Cell 9")
    );
}

#[tokio::test]
async fn an_isolated_script_has_a_world_of_its_own() {
    let mut session = Session::new();
    session.run("leak = 1").await;
    let mut texts = Vec::new();
    for _ in 0..2 {
        let mut job = session.job("return { leak == nil, ctx.inputs.n + 1, ctx.steps.a, math.random(1000000) }");
        job.mode = ScriptMode::Isolated { inputs: json!({ "n": 1 }), state: json!({}), steps: json!({ "a": "x" }) };
        match session.scripts.run(job, session.host.clone(), CancellationToken::new()).await {
            ScriptOutcome::Done { value: Some(value) } => texts.push(value.text),
            other => panic!("{other:?}"),
        }
    }
    assert!(texts[0].starts_with("{true, 2, \"x\", "), "{texts:?}");
    assert_eq!(texts[0], texts[1]);
}

#[tokio::test]
async fn live_names_complete_and_explain() {
    let mut session = Session::new();
    session.run("config = { name = 'a', retries = 3 }\nvars.shared = 1\ntext = 'x'").await;
    let scripts = &session.scripts;
    let names = async |code: &str| -> Vec<String> {
        scripts.complete(Language::Lua, code, code.len()).await.into_iter().map(|found| found.text).collect()
    };
    assert_eq!(names("x = config.").await, ["name", "retries"]);
    assert_eq!(names("ctx.st").await, ["state", "steps", "storage"]);
    assert_eq!(names("ctx.storage.").await, ["delete", "get", "list", "set"]);
    assert_eq!(names("vars.").await, ["shared"]);
    assert_eq!(names("text:up").await, ["upper"]);
    assert_eq!(names("f().x").await, Vec::<String>::new());
    assert!(names("con").await.contains(&"config".to_owned()));
    let found = scripts.inspect(Language::Lua, "config.retries + 1", 10).await.unwrap();
    assert_eq!((found.ty.as_str(), found.text.as_str()), ("integer", "3"));
    let found = scripts.inspect(Language::Lua, "ctx.storage.get(", 16).await.unwrap();
    assert_eq!(found.text, "ctx.storage.get(key: string): any");
    assert_eq!(scripts.inspect(Language::Lua, "string.rep", 8).await.unwrap().text, "string.rep(s, n, separator?)");
}

#[tokio::test]
async fn the_parser_says_what_is_complete() {
    let session = Session::new();
    let state = async |code: &str| session.scripts.is_complete(Language::Lua, code).await;
    assert_eq!(state("x = 1").await, Completeness::Complete);
    assert_eq!(state("x").await, Completeness::Complete);
    assert_eq!(state("for i = 1, 2 do").await, Completeness::Incomplete { indent: "  ".into() });
    assert_eq!(state("s = [[a").await, Completeness::Incomplete { indent: String::new() });
    assert!(matches!(state("x = = 1").await, Completeness::Invalid { line: Some(1), .. }));
}
