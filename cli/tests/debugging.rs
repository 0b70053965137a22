//! The debug adapter as an editor drives it: the real program over its standard streams, every message held against the
//! official schema of the protocol.

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use serde_json::{Value, json};

const FLOW: &str = "identity: {agent_id: flow, name: Flow}
interface:
  inputs: {type: object, properties: {n: {type: integer}}, required: [n]}
behavior:
  state: {initial: {sum: 0}}
  steps:
    - name: first
      set: {sum: '{{ inputs.n }}'}
    - name: each
      map:
        over: '[1, 2, 3]'
        do:
          - name: add
            script:
              lua: |
                print('adding', ctx.state.sum)
                return ctx.state.sum
            save: {state.sum: output + item}
    - name: last
      return: '{{ state.sum }}'
";

struct Client {
    child: Child,
    to: ChildStdin,
    from: mpsc::Receiver<Value>,
    next: i64,
    events: Vec<Value>,
    schema: Value,
}

fn reader(mut from: BufReader<ChildStdout>, to: &mpsc::Sender<Value>) -> Option<()> {
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if from.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line.trim().is_empty() {
                break;
            }
            length = line.trim().strip_prefix("Content-Length: ")?.parse().ok()?;
        }
        let mut body = vec![0; length];
        from.read_exact(&mut body).ok()?;
        to.send(serde_json::from_slice(&body).ok()?).ok()?;
    }
}

impl Client {
    fn start(home: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_aikit"))
            .arg("dap")
            .env_clear()
            .env("AIKIT_HOME", home)
            .env("USER", "ada")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, from) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || reader(stdout, &to));
        let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dap/protocol.json");
        let schema = serde_json::from_slice(&std::fs::read(schema).unwrap()).unwrap();
        let stdin = child.stdin.take().unwrap();
        Self { child, to: stdin, from, next: 0, events: Vec::new(), schema }
    }

    /// The next message, held against its definition.
    fn read(&mut self) -> Value {
        let message = self.from.recv_timeout(Duration::from_secs(20)).expect("a message");
        let name = match message["type"].as_str().unwrap() {
            "event" => format!("{}Event", capital(message["event"].as_str().unwrap())),
            _ if message["success"] == false => "ErrorResponse".to_owned(),
            _ => format!("{}Response", capital(message["command"].as_str().unwrap())),
        };
        if self.schema["definitions"][&name].is_object() {
            let mut schema = self.schema.clone();
            schema["$ref"] = json!(format!("#/definitions/{name}"));
            let validator = jsonschema::draft4::new(&schema).unwrap();
            let errors: Vec<String> = validator.iter_errors(&message).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{name}: {errors:?}: {message}");
        }
        message
    }

    fn ask(&mut self, command: &str, arguments: Value) -> Value {
        self.next += 1;
        let request = json!({ "seq": self.next, "type": "request", "command": command, "arguments": arguments });
        let body = request.to_string();
        write!(self.to, "Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        self.to.flush().unwrap();
        loop {
            let message = self.read();
            if message["type"] == "response" && message["request_seq"] == self.next {
                return message;
            }
            self.events.push(message);
        }
    }

    fn ok(&mut self, command: &str, arguments: Value) -> Value {
        let answer = self.ask(command, arguments);
        assert_eq!(answer["success"], true, "{command}: {answer}");
        answer["body"].clone()
    }

    fn event(&mut self, name: &str) -> Value {
        loop {
            if let Some(at) = self.events.iter().position(|event| event["event"] == name) {
                return self.events.remove(at)["body"].clone();
            }
            let message = self.read();
            self.events.push(message);
        }
    }

    /// Waits for a stop: its reason, the top frame and its line.
    fn stopped(&mut self) -> (String, String, u64) {
        let stop = self.event("stopped");
        let stack = self.ok("stackTrace", json!({ "threadId": 1 }));
        let top = &stack["stackFrames"][0];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&stop["reason"]), text(&top["name"]), top["line"].as_u64().unwrap())
    }

    fn evaluate(&mut self, expression: &str) -> Value {
        self.ok("evaluate", json!({ "expression": expression, "frameId": 1 }))["result"].clone()
    }

    fn launch(home: &Path, source: &str, breakpoints: Value, options: Value) -> Self {
        let file = home.join("flow.agent.yaml");
        std::fs::write(&file, source).unwrap();
        let mut client = Self::start(home);
        assert_eq!(client.ok("initialize", json!({ "adapterID": "aikit" }))["supportsStepBack"], true);
        client.event("initialized");
        let mut arguments = json!({ "program": file, "inputs": { "n": 10 } });
        arguments.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        client.ok("launch", arguments);
        let source = json!({ "path": file });
        let set = client.ok("setBreakpoints", json!({ "source": source, "breakpoints": breakpoints }));
        assert_eq!(set["breakpoints"].as_array().unwrap().len(), breakpoints.as_array().unwrap().len());
        client.ok("setExceptionBreakpoints", json!({ "filters": ["uncaught"] }));
        client.ok("configurationDone", json!({}));
        client
    }

    fn end(mut self) {
        self.ok("disconnect", json!({}));
        drop(self.to);
        assert!(self.child.wait().unwrap().success());
    }
}

fn capital(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[test]
fn a_run_is_stepped_forwards_and_backwards() {
    let home = tempfile::tempdir().unwrap();
    let mut client = Client::launch(home.path(), FLOW, json!([]), json!({ "stopOnEntry": true }));
    assert_eq!(client.stopped(), ("entry".into(), "first (set)".into(), 7));
    client.ok("next", json!({ "threadId": 1 }));
    assert_eq!(client.stopped(), ("step".into(), "each (map)".into(), 9));
    assert_eq!(client.evaluate("state.sum"), "10");
    client.ok("stepIn", json!({ "threadId": 1 }));
    assert_eq!(client.stopped(), ("step".into(), "add (script)".into(), 13));
    assert_eq!(client.evaluate("item"), "1");
    client.ok("next", json!({ "threadId": 1 }));
    assert_eq!(client.stopped(), ("step".into(), "add (script)".into(), 13));
    assert_eq!((client.evaluate("item"), client.evaluate("state.sum")), (json!("2"), json!("11")));
    let stack = client.ok("stackTrace", json!({ "threadId": 1 }));
    let names: Vec<&str> = stack["stackFrames"].as_array().unwrap().iter().filter_map(|f| f["name"].as_str()).collect();
    assert_eq!(names, ["add (script)", "each (map)", "Flow"]);

    // Back in time the old values are seen; forwards again nothing runs twice.
    client.ok("stepBack", json!({ "threadId": 1 }));
    assert_eq!(client.stopped().1, "add (script)");
    assert_eq!((client.evaluate("item"), client.evaluate("state.sum")), (json!("1"), json!("10")));
    client.ok("reverseContinue", json!({ "threadId": 1 }));
    assert_eq!(client.stopped(), ("entry".into(), "first (set)".into(), 7));
    assert_eq!(client.evaluate("state.sum"), "0");
    client.ok("continue", json!({ "threadId": 1 }));
    assert_eq!(client.stopped().1, "add (script)");
    assert_eq!(client.evaluate("item"), "2");

    let scopes = client.ok("scopes", json!({ "frameId": 1 }));
    let state = scopes["scopes"].as_array().unwrap().iter().find(|scope| scope["name"] == "State").unwrap().clone();
    let inside = client.ok("variables", json!({ "variablesReference": state["variablesReference"] }));
    assert_eq!((&inside["variables"][0]["name"], &inside["variables"][0]["value"]), (&json!("sum"), &json!("11")));
    client.ok("stepOut", json!({ "threadId": 1 }));
    assert_eq!(client.stopped(), ("step".into(), "last (return)".into(), 19));
    client.ok("continue", json!({ "threadId": 1 }));
    assert_eq!(client.event("exited")["exitCode"], 0);
    client.event("terminated");
    let said: String = client.events.iter().filter_map(|event| event["body"]["output"].as_str()).collect();
    assert_eq!(said.matches("adding").count(), 3, "{said}");
    assert!(said.contains("16"), "{said}");
    client.end();
}

#[test]
fn breakpoints_have_conditions_hits_and_logs() {
    let home = tempfile::tempdir().unwrap();
    let breakpoints = json!([
        { "line": 19, "condition": "state.sum == 16" },
        { "line": 13, "logMessage": "item {item}" },
        { "line": 8, "condition": "1 +" },
        { "line": 9, "hitCondition": "often" },
    ]);
    let mut client = Client::launch(home.path(), FLOW, breakpoints, json!({}));
    assert_eq!(client.stopped(), ("breakpoint".into(), "last (return)".into(), 19));
    let source = json!({ "path": home.path().join("flow.agent.yaml") });
    let set = |client: &mut Client, breakpoints: Value| {
        client.ok("setBreakpoints", json!({ "source": source, "breakpoints": breakpoints }))["breakpoints"].clone()
    };
    let shown = set(&mut client, json!([{ "line": 8, "condition": "1 +" }, { "line": 9, "hitCondition": "often" }]));
    assert_eq!((&shown[0]["verified"], &shown[1]["verified"]), (&json!(false), &json!(false)), "{shown}");
    // Lines between steps belong to the step around them, empty ones before the first to the first.
    let shown =
        set(&mut client, json!([{ "line": 11 }, { "line": 2 }, { "line": 99 }, { "line": 16 }, { "line": 18 }]));
    let lines: Vec<u64> = shown.as_array().unwrap().iter().map(|shown| shown["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [9, 7, 19, 16, 13]);
    let elsewhere = json!({ "source": { "path": "/other.yaml" }, "breakpoints": [{ "line": 9 }] });
    assert_eq!(client.ok("setBreakpoints", elsewhere)["breakpoints"][0]["verified"], false);
    let named = json!({ "breakpoints": [{ "name": "add" }, { "name": "nobody" }] });
    let shown = client.ok("setFunctionBreakpoints", named)["breakpoints"].clone();
    assert_eq!((&shown[0]["verified"], &shown[1]["verified"]), (&json!(true), &json!(false)));
    let said: Vec<&str> = client.events.iter().filter_map(|event| event["body"]["output"].as_str()).collect();
    assert!(said.contains(&"item 2\n"), "{said:?}");
    let all = client.ok("breakpointLocations", json!({ "source": source, "line": 1, "endLine": 99 }));
    let lines: Vec<u64> =
        all["breakpoints"].as_array().unwrap().iter().map(|shown| shown["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [7, 9, 13, 16, 17, 19]);
    client.ok("continue", json!({ "threadId": 1 }));
    client.event("terminated");
    client.end();

    let mut client = Client::launch(home.path(), FLOW, json!([{ "line": 13, "hitCondition": "2" }]), json!({}));
    assert_eq!(client.stopped().1, "add (script)");
    assert_eq!(client.evaluate("item"), "2");
    assert_eq!(client.evaluate("'{{ item }}'"), "\"'2'\"");
    assert_eq!(client.ask("evaluate", json!({ "expression": "nope" }))["success"], false);
    let offered = client.ok("completions", json!({ "frameId": 1, "text": "state.s", "column": 8 }));
    assert_eq!(offered["targets"][0]["label"], "sum");
    client.ok("restart", json!({}));
    assert_eq!(client.stopped().1, "add (script)", "the breakpoint and its count begin anew");
    assert_eq!(client.evaluate("item"), "2");
    client.ok("terminate", json!({}));
    client.event("terminated");
    client.end();
}

#[test]
fn a_step_that_fails_stops_the_run_and_says_why() {
    let home = tempfile::tempdir().unwrap();
    let broken = FLOW.replace("return ctx.state.sum", "error('no luck')");
    let mut client = Client::launch(home.path(), &broken, json!([]), json!({}));
    assert_eq!(client.stopped(), ("exception".into(), "main".into(), 17), "in the script, before it is unwound");
    let info = client.ok("exceptionInfo", json!({ "threadId": 1 }));
    assert_eq!((&info["exceptionId"], &info["description"]), (&json!("script.error"), &json!("no luck")));
    client.ok("continue", json!({ "threadId": 1 }));
    assert_eq!(client.event("exited")["exitCode"], 4);
    client.end();

    let broken = FLOW.replace("return: '{{ state.sum }}'", "assert: {that: 'state.sum == 0', message: sum}");
    let mut client = Client::launch(home.path(), &broken, json!([]), json!({}));
    assert_eq!(client.stopped(), ("exception".into(), "last (assert)".into(), 19));
    assert!(client.ok("exceptionInfo", json!({ "threadId": 1 }))["description"] == "sum");
    client.ok("stepBack", json!({ "threadId": 1 }));
    assert_eq!(client.stopped(), ("step".into(), "last (assert)".into(), 19), "before it ran");
    client.ok("stepBack", json!({ "threadId": 1 }));
    assert_eq!(client.stopped(), ("step".into(), "each (map)".into(), 9), "not into what was stepped over");
    client.ok("continue", json!({ "threadId": 1 }));
    assert_eq!(client.stopped().1, "last (assert)");
    client.ok("continue", json!({ "threadId": 1 }));
    assert_eq!(client.event("exited")["exitCode"], 4);
    client.end();

    // What `on_error` takes is no failure, unless every failure is asked for.
    let handled =
        FLOW.replace("return: '{{ state.sum }}'", "assert: {that: 'false'}\n      on_error: [{match: '*', use: fine}]");
    let mut client = Client::launch(home.path(), &handled, json!([]), json!({}));
    assert_eq!(client.event("exited")["exitCode"], 0);
    client.end();
}

const LUA: &str = "identity: {agent_id: lua, name: Lua}
behavior:
  steps:
    - name: count
      script:
        lua: |
          local function double(x)
            local y = x * 2
            return y
          end
          local list = {}
          for i = 1, 3 do
            local d = double(i)
            list[i] = d
          end
          -- done

          local routine = coroutine.wrap(function()
            local inside = 1
            coroutine.yield(inside)
          end)
          routine()
          local total = list[1] + list[2] + list[3]
          return { list = list, total = total }
    - name: last
      return: '{{ steps.count.output.total }}'
";

impl Client {
    /// The values of a group of the top frame, by name.
    fn group(&mut self, name: &str) -> Vec<(String, String)> {
        let top = self.ok("stackTrace", json!({ "threadId": 1 }))["stackFrames"][0]["id"].clone();
        let scopes = self.ok("scopes", json!({ "frameId": top }));
        let found = scopes["scopes"].as_array().unwrap().iter().find(|scope| scope["name"] == name).unwrap().clone();
        let inside = self.ok("variables", json!({ "variablesReference": found["variablesReference"] }));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        inside["variables"].as_array().unwrap().iter().map(|v| (text(&v["name"]), text(&v["value"]))).collect()
    }

    fn go(&mut self, command: &str) -> (String, String, u64) {
        self.ok(command, json!({ "threadId": 1 }));
        self.stopped()
    }
}

#[test]
fn lines_of_lua_are_stepped_and_looked_into() {
    let home = tempfile::tempdir().unwrap();
    let stop = |reason: &str, name: &str, line| (reason.to_owned(), name.to_owned(), line);
    let mut client = Client::launch(home.path(), LUA, json!([{ "line": 16 }]), json!({ "stopOnEntry": true }));
    assert_eq!(client.stopped(), stop("entry", "count (script)", 4));
    // A function comes to be where it ends.
    assert_eq!(client.go("stepIn"), stop("step", "main", 10));
    assert_eq!(client.go("next"), stop("step", "main", 11));
    assert_eq!(client.go("next"), stop("step", "main", 12));
    assert_eq!(client.go("next"), stop("step", "main", 13));
    assert_eq!(client.go("stepIn"), stop("step", "double", 8));
    assert_eq!(client.go("next"), stop("step", "double", 9));
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(client.group("Locals"), [pair("x", "1"), pair("y", "2")]);
    assert_eq!(client.evaluate("x + y * 10"), "21");
    let stack = client.ok("stackTrace", json!({ "threadId": 1 }));
    let names: Vec<&str> = stack["stackFrames"].as_array().unwrap().iter().filter_map(|f| f["name"].as_str()).collect();
    assert_eq!(names, ["double", "main", "count (script)", "Lua"]);
    // The frame below: its own language, its own variables; the step below that: CEL.
    let below = |client: &mut Client, at: usize, text: &str| {
        let frame = stack["stackFrames"][at]["id"].clone();
        client.ask("evaluate", json!({ "expression": text, "frameId": frame }))
    };
    assert_eq!(below(&mut client, 1, "i .. '/' .. #list")["body"]["result"], "\"1/0\"");
    assert_eq!(below(&mut client, 2, "agent.id")["body"]["result"], "\"lua\"");
    assert_eq!(below(&mut client, 1, "error('x')")["success"], false);
    assert_eq!(below(&mut client, 1, "(function() while true do end end)()")["success"], false);
    // A change is a change.
    let top = client.ok("stackTrace", json!({ "threadId": 1 }))["stackFrames"][0]["id"].clone();
    let scopes = client.ok("scopes", json!({ "frameId": top }));
    let reference = scopes["scopes"][0]["variablesReference"].clone();
    let set = json!({ "variablesReference": reference, "name": "y", "value": "x + 99" });
    assert_eq!(client.ok("setVariable", set)["value"], "100");
    assert_eq!(client.group("Locals"), [pair("x", "1"), pair("y", "100")]);
    assert_eq!(client.go("stepOut"), stop("step", "main", 14));
    assert_eq!(client.evaluate("d"), "100");
    // Back to what was seen, with the values of then.
    assert_eq!(client.go("stepBack"), stop("step", "main", 13));
    assert_eq!(client.go("next"), stop("step", "main", 14));
    // The comment moved to the next line that does something.
    assert_eq!(client.go("continue"), stop("breakpoint", "main", 18));
    assert_eq!(client.evaluate("list"), "[100, 4, 6]");
    // Lua makes the function where it ends, calls `wrap` where that stands, and is through.
    assert_eq!(client.go("next"), stop("step", "main", 21));
    assert_eq!(client.go("next"), stop("breakpoint", "main", 18));
    assert_eq!(client.go("next"), stop("step", "main", 22));
    assert_eq!(client.go("stepIn"), stop("step", "function at line 18", 19));
    assert_eq!(client.go("stepOut"), stop("step", "main", 23));
    assert_eq!(client.go("next"), stop("step", "main", 24));
    assert_eq!(client.go("next"), stop("step", "last (return)", 25));
    assert_eq!(client.evaluate("steps.count.output.total"), "110");
    client.ok("continue", json!({ "threadId": 1 }));
    assert_eq!(client.event("exited")["exitCode"], 0);
    client.end();
}

#[test]
fn large_tables_of_lua_are_read_by_pages() {
    let home = tempfile::tempdir().unwrap();
    let large = "made = {}\n          for n = 1, 100000 do made[n] = {n = n} end\n          vars.kept = 7\n          local routine =";
    let source = LUA.replace("local routine =", large);
    let line = source.lines().position(|line| line.contains("local total")).unwrap() + 1;
    let mut client = Client::launch(home.path(), &source, json!([{ "line": line }]), json!({}));
    assert_eq!(client.stopped().0, "breakpoint");
    let globals = client.group("Globals");
    let names: Vec<&str> = globals.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["ctx", "vars", "made"]);
    assert_eq!(globals[1].1, "{kept: 7}");
    let top = client.ok("stackTrace", json!({ "threadId": 1 }))["stackFrames"][0]["id"].clone();
    let scopes = client.ok("scopes", json!({ "frameId": top }));
    let scope = scopes["scopes"].as_array().unwrap().iter().find(|scope| scope["name"] == "Globals").unwrap();
    let inside = client.ok("variables", json!({ "variablesReference": scope["variablesReference"] }));
    let made = &inside["variables"][2];
    assert_eq!(made["indexedVariables"], 100_000);
    let page =
        json!({ "variablesReference": made["variablesReference"], "filter": "indexed", "start": 99_990, "count": 20 });
    let page = client.ok("variables", page);
    let page = page["variables"].as_array().unwrap();
    assert_eq!(page.len(), 10);
    assert_eq!((&page[9]["name"], &page[9]["value"]), (&json!("100000"), &json!("{n: 100000}")));
    client.ok("continue", json!({ "threadId": 1 }));
    client.event("exited");
    client.end();
}

#[test]
fn breakpoints_in_lua_have_conditions_hits_and_logs() {
    let home = tempfile::tempdir().unwrap();
    let breakpoints = json!([
        { "line": 8, "logMessage": "x is {x}, {x > 1 and 'large' or nobody.there}" },
        { "line": 9, "condition": "y == 4" },
        { "line": 14, "hitCondition": "== 3" },
    ]);
    let mut client = Client::launch(home.path(), LUA, breakpoints, json!({}));
    assert_eq!(client.stopped(), ("breakpoint".into(), "double".into(), 9));
    assert_eq!(client.evaluate("x"), "2");
    assert_eq!(client.go("continue"), ("breakpoint".into(), "main".into(), 14));
    assert_eq!(client.evaluate("i"), "3");
    client.ok("continue", json!({ "threadId": 1 }));
    assert_eq!(client.event("exited")["exitCode"], 0);
    let said: String = client.events.iter().filter_map(|event| event["body"]["output"].as_str()).collect();
    assert!(said.contains("x is 1, <attempt to index a nil value") && said.contains("x is 2, large"), "{said}");
    client.end();
}

#[test]
fn a_script_that_computes_is_paused_and_ended() {
    let home = tempfile::tempdir().unwrap();
    let busy = LUA.replace("local routine =", "while not stop do list[1] = list[1] + 1 end\n          local routine =");
    let mut client = Client::launch(home.path(), &busy, json!([]), json!({}));
    client.event("process");
    std::thread::sleep(Duration::from_millis(300));
    client.ok("pause", json!({ "threadId": 1 }));
    assert_eq!(client.stopped(), ("pause".into(), "main".into(), 18));
    client.ok("continue", json!({ "threadId": 1 }));
    // A breakpoint that is set while the script runs.
    let source = json!({ "path": home.path().join("flow.agent.yaml") });
    client.ok("setBreakpoints", json!({ "source": source, "breakpoints": [{ "line": 23 }] }));
    client.ok("pause", json!({ "threadId": 1 }));
    assert_eq!(client.stopped().2, 18);
    assert_eq!(client.evaluate("stop == nil"), "true");
    client.ok("evaluate", json!({ "expression": "stop = true" }));
    assert_eq!(client.go("continue"), ("breakpoint".into(), "main".into(), 23));
    // Ending it works while it stands still.
    client.ok("terminate", json!({}));
    client.event("terminated");
    client.end();
}

#[test]
fn what_makes_no_sense_is_answered_with_an_error() {
    let home = tempfile::tempdir().unwrap();
    let mut client = Client::start(home.path());
    client.to.write_all(b"Content-Length: 3\r\n\r\n{{{").unwrap();
    client.ok("initialize", json!({}));
    for (command, arguments) in [
        ("launch", json!({})),
        ("launch", json!({ "program": "/no/such/file.yaml" })),
        ("continue", json!({ "threadId": 1 })),
        ("scopes", json!({ "frameId": 99 })),
        ("variables", json!({ "variablesReference": 12345 })),
        ("evaluate", json!({})),
        ("stepBack", Value::Null),
        ("frobnicate", json!([])),
    ] {
        let answer = client.ask(command, arguments);
        assert_eq!(answer["success"], false, "{command}: {answer}");
        assert!(!answer["message"].as_str().unwrap().is_empty());
    }
    client.end();
}

#[test]
fn a_run_is_looked_at_where_it_has_been_and_where_a_frame_began() {
    let home = tempfile::tempdir().unwrap();
    let stop = json!([{ "line": 17, "hitCondition": "== 3" }]);
    let mut client = Client::launch(home.path(), FLOW, stop, json!({}));
    assert_eq!(client.stopped(), ("breakpoint".into(), "main".into(), 17));
    let source = json!({ "path": home.path().join("flow.agent.yaml") });
    let targets = |client: &mut Client, line: u32| {
        let found = client.ok("gotoTargets", json!({ "source": source, "line": line }))["targets"].clone();
        found.as_array().unwrap().iter().map(|target| target["id"].clone()).collect::<Vec<_>>()
    };
    let (steps, here) = (targets(&mut client, 13), targets(&mut client, 17));
    assert_eq!((steps.len(), here.len(), targets(&mut client, 1).len()), (3, 1, 0));
    client.ok("goto", json!({ "threadId": 1, "targetId": steps[2] }));
    assert_eq!(client.stopped(), ("goto".into(), "add (script)".into(), 13));
    assert_eq!(client.evaluate("item"), "1");
    let past = client.ask("setExpression", json!({ "expression": "a", "value": "1", "frameId": 1 }));
    assert_eq!(past["success"], false);
    client.ok("goto", json!({ "threadId": 1, "targetId": here[0] }));
    assert_eq!(client.stopped(), ("goto".into(), "main".into(), 17));
    let set = json!({ "expression": "ctx.state.sum", "value": "5", "frameId": 1 });
    assert_eq!(client.ok("setExpression", set)["value"], "5");
    let frames = client.ok("stackTrace", json!({ "threadId": 1 }))["stackFrames"].clone();
    assert_eq!(frames[2]["name"], "each (map)");
    client.ok("restartFrame", json!({ "frameId": frames[2]["id"] }));
    assert_eq!(client.stopped(), ("goto".into(), "each (map)".into(), 9));
    assert_eq!(client.evaluate("state.sum"), "10");
    client.ok("continue", json!({ "threadId": 1 }));
    assert_eq!(client.stopped().2, 17);
    client.ok("continue", json!({ "threadId": 1 }));
    client.event("terminated");
    client.end();
}

#[test]
fn a_client_that_shows_progress_hears_of_the_steps() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("flow.agent.yaml");
    std::fs::write(&file, FLOW).unwrap();
    let mut client = Client::start(home.path());
    client.ok("initialize", json!({ "adapterID": "aikit", "supportsProgressReporting": true }));
    client.ok("launch", json!({ "program": file, "inputs": { "n": 1 } }));
    client.ok("configurationDone", json!({}));
    assert_eq!(client.event("progressStart")["title"], "flow.agent.yaml");
    assert!(client.event("progressUpdate")["message"].as_str().unwrap().contains("first"));
    client.event("progressEnd");
    client.event("terminated");
    client.end();
}
