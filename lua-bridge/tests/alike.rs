//! Lua programs behave alike with and without a debugger: what they print, give and raise, and where.

use std::sync::{Arc, Mutex};

use aikit_core::{Language, RunError};
use aikit_lua_bridge::LuaFactory;
use aikit_runtime::{
    cell::CellEvent,
    debug::script::{PAUSED, Resume, ScriptOrder, ScriptWatch, WatchedLine, Wishes},
    ports::{HostCalls, ScriptJob, ScriptLimits, ScriptMode, ScriptOutcome, Scripts, Vars},
    scripts::ThreadScripts,
};
use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

struct Host {
    text: Mutex<String>,
    stops: Mutex<usize>,
    wishes: Option<Wishes>,
}

#[async_trait]
impl HostCalls for Host {
    async fn call(&self, method: &str, _: Vec<Value>) -> Result<Value, RunError> {
        if method == PAUSED {
            *self.stops.lock().unwrap() += 1;
            return Ok(serde_json::to_value(ScriptOrder::Go { how: Resume::In }).unwrap());
        }
        Ok(json!(7))
    }

    fn emit(&self, event: CellEvent) {
        if let CellEvent::Stream { text, .. } = event {
            self.text.lock().unwrap().push_str(&text);
        }
    }

    fn watch(&self) -> Option<Wishes> {
        self.wishes.clone()
    }
}

/// What a program did, and how often it stood still.
async fn run(code: &str, watch: Option<ScriptWatch>) -> (String, usize) {
    let scripts = ThreadScripts::new([Arc::new(LuaFactory) as Arc<_>], Vars::default());
    let wishes = watch.map(|watch| watch::channel(watch).1);
    let host = Arc::new(Host { text: Mutex::default(), stops: Mutex::default(), wishes });
    let job = ScriptJob {
        language: Language::Lua,
        name: "Cell".into(),
        code: code.into(),
        line_offset: 0,
        mode: ScriptMode::Cell,
        limits: ScriptLimits::default(),
        context: json!({}),
    };
    let outcome = match scripts.run(job, host.clone(), CancellationToken::new()).await {
        ScriptOutcome::Done { value } => format!("{:?}", value.map(|value| value.text)),
        ScriptOutcome::Failed { error } => {
            let lines: Vec<u32> = error.trace.iter().map(|place| place.line).collect();
            format!("{}: {} at {lines:?}", error.name, error.message)
        }
        other => format!("{other:?}"),
    };
    let text = host.text.lock().unwrap().clone();
    let stops = *host.stops.lock().unwrap();
    (format!("{outcome}\n{text}"), stops)
}

const PROGRAMS: &[&str] = &[
    "local fs = {}\nfor i = 1, 3 do fs[i] = function() i = i + 1 return i end end\nfs[1]() + fs[1]() + fs[2]()",
    "local function fact(n) if n < 2 then return 1 end return n * fact(n - 1) end\nfact(12)",
    "local function loop(n) if n == 0 then return 'done' end return loop(n - 1) end\nloop(300)",
    "local co = coroutine.wrap(function(a) local b = coroutine.yield(a + 1)\n local c = coroutine.yield(b * 2) return c .. '!' end)\nco(1) .. co(5) .. co('x')",
    "local co = coroutine.create(function() error({ code = 7 }) end)\nlocal ok, e = coroutine.resume(co)\nprint(ok, e.code, coroutine.status(co))",
    "local ok, e = pcall(function() local x = nil; return x.y end)\nprint(ok, e)\nlocal ok2, e2 = pcall(error, 'plain', 0)\nprint(e2)",
    "xpcall(function() error('inner') end, function(e) print('handled', e) end)\nselect('#', pcall(error))",
    "local t = setmetatable({}, { __index = function(t, k) return k .. k end, __call = function(self, x) return x + 1 end, __add = function(a, b) return 'sum' end, __close = function() print('closed') end })\ndo local c <close> = t end\nt.ab .. t(1) .. (t + t)",
    "for k = 10, 1, -4 do print(k) end\nlocal i = 0\nwhile true do i = i + 1 if i > 3 then break end end\nrepeat local j = i i = i - 1 until j < 2\ni",
    "for i = 1, 3 do\n  for j = 1, 3 do\n    if j == 2 then goto continue end\n    print(i, j)\n    ::continue::\n  end\nend",
    "local function va(...) local a, b = ... return select('#', ...), a, b, { ... } end\nlocal n, a, b, all = va(nil, 2, nil)\nprint(n, a, b, #{ va(1, 2, 3) })",
    "local list = { 3, 1, 2 }\ntable.sort(list, function(a, b) return a > b end)\ntable.concat(list, ',') .. ('abc'):gsub('%w', function(c) return c:upper() .. '.' end)",
    "local f = load('local a = ... return a * 2')\nf(21)",
    "local s = 0\nfor w in string.gmatch('a bb ccc', '%a+') do s = s + #w end\ns // 2, s % 4, 7 // 2.0, 1 << 4, ~0, 'x' .. 1",
    "local function a()\n  local function b()\n    error('deep')\n  end\n  b()\nend\n\na()",
    "local x <const> = 5\nlocal t = { x, [x] = x, f = function(self) return self[1] end }\nt:f() + t[5]",
    "return nil + 1",
    "local t = {}\nfor i = 1, 50 do t[#t + 1] = i % 7 end\nlocal sum = 0\nfor _, v in ipairs(t) do sum = sum + v end\nsum",
    "print(debug == nil, os == nil, io == nil, debug)\nprint(ctx.now())",
    "vars.n = 1\nvars.n = vars.n + 1\nvars.n",
];

#[tokio::test]
async fn programs_behave_alike_under_a_debugger() {
    for code in PROGRAMS {
        let (plain, _) = run(code, None).await;
        let lines = u32::try_from(code.lines().count()).unwrap();
        let watched = |line| WatchedLine {
            id: u64::from(line),
            line,
            source: None,
            condition: Some("nothing ~= nil".into()),
            wanted: Vec::new(),
        };
        let conditions = ScriptWatch { lines: (1..=lines).map(watched).collect(), ..ScriptWatch::default() };
        let steps = ScriptWatch { entry: true, errors: true, ..ScriptWatch::default() };
        let (quiet, stops) = run(code, Some(ScriptWatch::default())).await;
        assert_eq!((quiet.as_str(), stops), (plain.as_str(), 0), "{code}");
        assert_eq!(run(code, Some(conditions)).await, (plain.clone(), 0), "{code}");
        let (stepped, stops) = run(code, Some(steps)).await;
        assert_eq!(stepped, plain, "{code}");
        assert!(stops > 0, "{code}");
    }
}
