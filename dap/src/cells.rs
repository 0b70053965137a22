//! The cells of a notebook under the debugger, as Jupyter's `debug_request` wants it: the protocol's own requests, and those
//! that Jupyter adds to it.

use std::{collections::BTreeMap, sync::Arc};

use aikit_core::{Language, LineIndex};
use aikit_runtime::{
    debug::{CellDebugger, DebugEvent, Filters, Frame, Move, Sites},
    ports::Vars,
};
use aikit_spec::{
    CheckContext,
    cell::{self, CellKind},
};
use serde_json::{Map, Value, json};
use tokio::sync::{Mutex, mpsc};

use crate::{
    breakpoints::{self, Placed},
    session::capabilities,
    view::{self, Answer, View},
};

/// What the paths of cells begin with. They are names; no file lies there.
const PREFIX: &str = "/aikit/cells/";
/// The seed of the hash in the paths.
const SEED: u32 = 0xc70f_6907;

/// The debugger of one session's cells.
pub struct Cells {
    state: Mutex<State>,
    told: Mutex<mpsc::UnboundedReceiver<DebugEvent>>,
    /// Events that follow an answer.
    then: (mpsc::UnboundedSender<Value>, Mutex<mpsc::UnboundedReceiver<Value>>),
    cells: Arc<CellDebugger>,
}

struct State {
    cells: Arc<CellDebugger>,
    vars: Vars,
    language: Language,
    view: View,
    /// The texts of cells by the paths that clients know.
    dumped: BTreeMap<String, Arc<str>>,
    /// What was asked for, by path, as it is told again.
    asked: BTreeMap<String, Value>,
    filters: Filters,
    next_breakpoint: u64,
    next_message: u64,
    /// The thread that stands still, if one does.
    stopped: Option<u64>,
}

impl Cells {
    /// The face of a debugger that tells what happens through `told`; `language` is that of cells without a magic.
    pub fn new(
        cells: Arc<CellDebugger>,
        told: mpsc::UnboundedReceiver<DebugEvent>,
        vars: Vars,
        language: Language,
    ) -> Self {
        let (then, following) = mpsc::unbounded_channel();
        let state = State {
            cells: cells.clone(),
            vars,
            language,
            view: View::default(),
            dumped: BTreeMap::new(),
            asked: BTreeMap::new(),
            filters: Filters::default(),
            next_breakpoint: 0,
            next_message: 0,
            stopped: None,
        };
        Self { state: Mutex::new(state), told: Mutex::new(told), then: (then, Mutex::new(following)), cells }
    }

    /// Answers a request.
    pub async fn request(&self, request: &Value) -> Value {
        let mut state = self.state.lock().await;
        let command = request["command"].as_str().unwrap_or_default();
        let answer = state.answer(command, &request["arguments"]).await.map(untyped);
        state.next_message += 1;
        let mut response = json!({
            "type": "response", "seq": state.next_message, "request_seq": request["seq"].as_i64().unwrap_or(0),
            "command": command, "success": answer.is_ok(),
        });
        match answer {
            Ok(body) => response["body"] = if body.is_null() { json!({}) } else { body },
            Err(message) => {
                response["message"] = json!(message);
                response["body"] = json!({ "error": { "id": 1, "format": message, "showUser": true } });
            }
        }
        for (event, body) in std::mem::take(&mut state.view.then) {
            let event = state.event(event, body);
            // It is heard as long as this lives.
            let _ = self.then.0.send(event);
        }
        response
    }

    /// Whether a cell stands still.
    pub fn is_held(&self) -> bool {
        self.cells.current().is_some_and(|debugger| debugger.is_held())
    }

    /// The next event. One caller at a time hears them.
    pub async fn event(&self) -> Value {
        let mut told = self.told.lock().await;
        let mut then = self.then.1.lock().await;
        loop {
            let event = tokio::select! {
                biased;
                Some(event) = then.recv() => return event,
                event = told.recv() => event,
            };
            let Some(event) = event else { return std::future::pending().await };
            let mut state = self.state.lock().await;
            if !self.cells.is_on() {
                continue;
            }
            if let Some((event, body)) = state.told(event) {
                return state.event(event, body);
            }
        }
    }
}

impl State {
    fn event(&mut self, event: &str, body: Value) -> Value {
        self.next_message += 1;
        json!({ "type": "event", "seq": self.next_message, "event": event, "body": body })
    }

    /// What an event of the debugger is to a client.
    fn told(&mut self, event: DebugEvent) -> Option<(&'static str, Value)> {
        Some(match event {
            DebugEvent::Stopped(at) => {
                self.view.forget();
                self.stopped = Some(at.thread);
                ("stopped", view::stopped(&at))
            }
            DebugEvent::Output { text, .. } => {
                ("output", json!({ "category": "console", "output": format!("{text}\n") }))
            }
            DebugEvent::ThreadStarted(id) => ("thread", json!({ "reason": "started", "threadId": id })),
            DebugEvent::ThreadEnded(id) => ("thread", json!({ "reason": "exited", "threadId": id })),
        })
    }

    async fn answer(&mut self, command: &str, arguments: &Value) -> Answer {
        match command {
            "debugInfo" => return Ok(self.info()),
            "initialize" => {
                self.view.then.push(("initialized", json!({})));
                return Ok(capabilities());
            }
            "attach" | "launch" => {
                self.cells.start();
                self.cells.set_filters(self.filters);
                return Ok(Value::Null);
            }
            "disconnect" | "terminate" => {
                self.cells.stop();
                self.view.forget();
                self.asked.clear();
                self.stopped = None;
                return Ok(Value::Null);
            }
            "configurationDone" | "cancel" => return Ok(Value::Null),
            "dumpCell" => return Ok(self.dump(arguments["code"].as_str().ok_or("`code` must be a text")?)),
            "source" => return self.source(arguments),
            "modules" => return Ok(json!({ "modules": [], "totalModules": 0 })),
            "loadedSources" => return Ok(self.sources()),
            "inspectVariables" => return Ok(self.inspect()),
            "richInspectVariables" => return self.rich(arguments).await,
            _ => {}
        }
        if !self.cells.is_on() {
            return Err("the debugger is not started".into());
        }
        match command {
            "setBreakpoints" => self.set_lines(arguments),
            "setFunctionBreakpoints" => Ok(json!({ "breakpoints": [] })),
            "setExceptionBreakpoints" => {
                let (filters, shown) = breakpoints::filters(arguments);
                self.filters = filters;
                self.cells.set_filters(filters);
                Ok(shown)
            }
            "copyToGlobals" => self.copy(arguments).await,
            "evaluate" if arguments["expression"].as_str().is_some_and(|text| text.trim().starts_with(':')) => {
                self.travel(arguments["expression"].as_str().unwrap_or_default().trim())
            }
            known => self.look(known, arguments).await,
        }
    }

    /// What a client needs to find its way, also after it was reloaded.
    fn info(&self) -> Value {
        let asked =
            self.asked.iter().map(|(source, breakpoints)| json!({ "source": source, "breakpoints": breakpoints }));
        let held = self.cells.current().is_some_and(|debugger| debugger.is_held());
        let stopped: Vec<u64> = self.stopped.filter(|_| held).into_iter().collect();
        json!({
            "isStarted": self.cells.is_on(),
            "hashMethod": "Murmur2",
            "hashSeed": SEED,
            "tmpFilePrefix": PREFIX,
            "tmpFileSuffix": suffix(self.language),
            "breakpoints": asked.collect::<Vec<_>>(),
            "stoppedThreads": stopped,
            "richRendering": true,
            "exceptionPaths": ["failed", "uncaught", "raised"],
            "copyToGlobals": true,
        })
    }

    fn dump(&mut self, code: &str) -> Value {
        let path = self.path(code);
        self.dumped.insert(path.clone(), code.into());
        json!({ "sourcePath": path })
    }

    fn path(&self, code: &str) -> String {
        format!("{PREFIX}{}{}", murmur2(code.as_bytes(), SEED), suffix(self.language))
    }

    fn source(&self, arguments: &Value) -> Answer {
        let path = arguments["source"]["path"].as_str().unwrap_or_default();
        let code = self.dumped.get(path).ok_or_else(|| format!("there is no cell `{path}`"))?;
        Ok(json!({ "content": code.as_ref() }))
    }

    fn sources(&self) -> Value {
        let all = self.dumped.keys().map(|path| json!({ "name": name(path), "path": path }));
        json!({ "sources": all.collect::<Vec<_>>() })
    }

    fn set_lines(&mut self, arguments: &Value) -> Answer {
        let path = arguments["source"]["path"].as_str().unwrap_or_default();
        let code = self.dumped.get(path).cloned().ok_or_else(|| format!("there is no cell `{path}`"))?;
        let (sites, before) = sites(&code, self.language);
        let (mut shown, mut kept) = (Vec::new(), Vec::new());
        for asked in arguments["breakpoints"].as_array().into_iter().flatten() {
            self.next_breakpoint += 1;
            let Placed { shown: mut placed, kept: breakpoint } =
                breakpoints::place_in(self.next_breakpoint, asked, &sites, before);
            placed["source"] = json!({ "name": name(path), "path": path });
            shown.push(placed);
            kept.extend(breakpoint);
        }
        self.cells.set_lines(&code, kept);
        if shown.is_empty() {
            self.asked.remove(path);
        } else {
            self.asked.insert(path.to_owned(), arguments["breakpoints"].clone());
        }
        Ok(json!({ "breakpoints": shown }))
    }

    /// What a run that stands still is asked.
    async fn look(&mut self, command: &str, arguments: &Value) -> Answer {
        let Some(debugger) = self.cells.current() else {
            return match command {
                // The one that cells run on.
                "threads" => Ok(json!({ "threads": [{ "id": aikit_runtime::debug::MAIN, "name": "cells" }] })),
                known if view::COMMANDS.contains(&known) => Err("no cell is running".into()),
                other => Err(format!("`{other}` is not supported")),
            };
        };
        let cells = self.cells.clone();
        let suffix = suffix(self.language);
        let places = move |frame: &Frame| match cells.place(frame) {
            Some((code, line)) => {
                let path = format!("{PREFIX}{}{suffix}", murmur2(code.as_bytes(), SEED));
                (json!({ "name": name(&path), "path": path }), line)
            }
            None => (json!({ "name": frame.name }), frame.line),
        };
        let answer = self.view.answer(&debugger, &places, command, arguments).await;
        if !debugger.is_held() {
            self.stopped = None;
        }
        answer
    }

    /// Moves by commands, for clients that have no buttons for it.
    fn travel(&mut self, text: &str) -> Answer {
        let how = match text {
            ":back" => Move::Back,
            ":back in" => Move::BackIn,
            ":back on" => Move::BackOn,
            ":next" => Move::Next,
            ":in" => Move::In,
            ":out" => Move::Out,
            ":on" => Move::On,
            _ => return Err("the commands are :back, :back in, :back on, :next, :in, :out and :on".into()),
        };
        let debugger = self.cells.current().ok_or("no cell is running")?;
        self.view.go(&debugger, how)?;
        Ok(json!({ "result": text, "variablesReference": 0 }))
    }

    /// The values that the cells share; where a script stands still, those that all of its functions see.
    fn inspect(&mut self) -> Value {
        let shared: Map<String, Value> = self.vars.snapshot().into_iter().collect();
        json!({ "variables": self.view.list(Value::Object(shared)) })
    }

    async fn rich(&mut self, arguments: &Value) -> Answer {
        let name = arguments["variableName"].as_str().unwrap_or_default();
        let value = if arguments["frameId"].is_null() {
            self.vars.get(name).ok_or_else(|| format!("there is no shared value `{name}`"))?
        } else {
            let debugger = self.cells.current().ok_or("no cell is running")?;
            self.view.value(&debugger, arguments, name).await?
        };
        let text = match &value {
            Value::String(text) => text.clone(),
            other => format!("{other:#}"),
        };
        let mut data = Map::from_iter([("text/plain".to_owned(), Value::String(text))]);
        if value.is_object() || value.is_array() {
            data.insert("application/json".into(), value);
        }
        Ok(json!({ "data": data, "metadata": {} }))
    }

    /// Keeps a value of a frame for the cells that follow.
    async fn copy(&mut self, arguments: &Value) -> Answer {
        let text = |name: &str| arguments[name].as_str().unwrap_or_default();
        let (from, to) = (text("srcVariableName"), text("dstVariableName"));
        let is_name =
            to.chars().all(|c| c.is_alphanumeric() || c == '_') && !to.starts_with(|c: char| c.is_ascii_digit());
        if to.is_empty() || !is_name {
            return Err(format!("`{to}` cannot be the name of a shared value"));
        }
        let debugger = self.cells.current().ok_or("no cell is running")?;
        let frame = json!({ "frameId": arguments["srcFrameId"] });
        let value = self.view.value(&debugger, &frame, from).await?;
        self.vars.set(to, value);
        Ok(Value::Null)
    }
}

/// The places of a cell where it can stop, and how many of its lines stand before them.
fn sites(code: &str, language: Language) -> (Sites, u32) {
    let parts = cell::parts(code, language);
    match parts.kind {
        CellKind::Code(Language::Yaml) => {
            let checked = aikit_spec::check(parts.body, &CheckContext::default());
            let sites = checked.plan.map(|plan| Sites::of(&plan, parts.body)).unwrap_or_default();
            (sites, parts.body_line)
        }
        CellKind::Code(language) => (Sites::of_script(language, parts.body, parts.body_line + 1), 0),
        CellKind::Run | CellKind::Magics => {
            let lines = LineIndex::new(code).line_count();
            (Sites::default(), u32::try_from(lines).unwrap_or(0))
        }
    }
}

/// JupyterLab shows the type of a variable in place of its value, unless it is one of Python's or there is none.
fn untyped(mut body: Value) -> Value {
    let variables = body.get_mut("variables").and_then(Value::as_array_mut);
    for variable in variables.into_iter().flatten().filter_map(Value::as_object_mut) {
        variable.remove("type");
    }
    body
}

fn suffix(language: Language) -> &'static str {
    match language {
        Language::Yaml => ".yaml",
        Language::Lua => ".lua",
        Language::Js => ".js",
    }
}

fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The hash that Jupyter's clients know cells by.
fn murmur2(data: &[u8], seed: u32) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = seed ^ u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let mut key = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(M);
        key ^= key >> 24;
        hash = hash.wrapping_mul(M) ^ key.wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (at, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * at);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_have_the_hashes_that_jupyter_computes() {
        // As ipykernel's `murmur2_x86` gives them.
        for (text, hash) in [
            ("", 0xedd3_9288),
            ("a", 0x8129_eeee),
            ("abc", 0xc7bb_dbb5),
            ("print(1)", 0xe0f1_e860),
            ("x = 'é🦀'\n", 0x3e3e_80e6),
        ] {
            assert_eq!(murmur2(text.as_bytes(), SEED), hash, "{text}");
        }
    }
}
