//! Decides where a run stops, holds it there, and remembers where it has been.

use std::sync::{Mutex, MutexGuard, PoisonError};

use aikit_core::{ErrorKind, RunError, TextRange};
use aikit_runtime::debug::{Debugger, Site};
use aikit_spec::{
    expr::{self, Expr},
    template::{self, Template},
};
use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::{Mutex as Turn, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::variables::Variables;

/// A breakpoint on a step.
#[derive(Debug, Clone, Default)]
pub struct Breakpoint {
    /// Its number.
    pub id: u64,
    /// Line of the document, from 1.
    pub line: u32,
    /// Or the name of a step.
    pub step: Option<String>,
    /// CEL; the run stops only if it holds.
    pub condition: Option<String>,
    /// The run stops from this hit on.
    pub hits_wanted: Option<u64>,
    /// A text that is put out instead of stopping; `{…}` holds CEL.
    pub log: Option<String>,
    /// How often it was met.
    pub hits: u64,
}

/// How the run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Going {
    /// To the next breakpoint.
    On,
    /// To the next step at most this deep.
    Step(usize),
    /// To the next step.
    Pause,
}

/// A place where the run has been.
#[derive(Debug, Clone)]
pub struct Been {
    /// The place.
    pub site: Site,
    /// The error, where the step had failed.
    pub error: Option<RunError>,
}

/// What the client is to be told.
pub enum Told {
    /// The run stands still.
    Stopped(Value),
    /// A log point was passed.
    Output(String),
}

struct Inner {
    breakpoints: Vec<Breakpoint>,
    functions: Vec<Breakpoint>,
    on_error: bool,
    going: Going,
    entry: bool,
    been: Vec<Been>,
    /// Where the client looks, while the run is held.
    looking: Option<usize>,
    held: Option<oneshot::Sender<()>>,
    variables: Variables,
}

/// The debugger of one run.
pub struct Control {
    inner: Mutex<Inner>,
    /// One branch stops at a time.
    turn: Turn<()>,
    tell: mpsc::UnboundedSender<Told>,
    cancel: CancellationToken,
}

impl Control {
    /// A debugger that tells where the run stops.
    pub fn new(tell: mpsc::UnboundedSender<Told>, cancel: CancellationToken) -> Self {
        let inner = Inner {
            breakpoints: Vec::new(),
            functions: Vec::new(),
            on_error: false,
            going: Going::On,
            entry: false,
            been: Vec::new(),
            looking: None,
            held: None,
            variables: Variables::default(),
        };
        Self { inner: Mutex::new(inner), turn: Turn::new(()), tell, cancel }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the breakpoints on lines.
    pub fn set_breakpoints(&self, breakpoints: Vec<Breakpoint>) {
        self.lock().breakpoints = breakpoints;
    }

    /// Replaces the breakpoints on names.
    pub fn set_functions(&self, functions: Vec<Breakpoint>) {
        self.lock().functions = functions;
    }

    /// Whether a failed step stops the run.
    pub fn stop_on_errors(&self, stop: bool) {
        self.lock().on_error = stop;
    }

    /// The run stops before its first step.
    pub fn stop_on_entry(&self) {
        self.lock().entry = true;
    }

    /// The run stops before the next step.
    pub fn pause(&self) {
        self.lock().going = Going::Pause;
    }

    /// Ends the run.
    pub fn terminate(&self) {
        self.cancel.cancel();
        self.lock().held = None;
    }

    /// Whether the run stands still.
    pub fn is_held(&self) -> bool {
        self.lock().looking.is_some()
    }

    /// Where the client looks.
    pub fn looked_at(&self) -> Option<Been> {
        let inner = self.lock();
        inner.been.get(inner.looking?).cloned()
    }

    /// Works with the values of the place that the client looks at.
    pub fn with_variables<T>(&self, work: impl FnOnce(&mut Variables) -> T) -> T {
        work(&mut self.lock().variables)
    }

    /// Goes on to the next breakpoint. In the past that is one in the past, or where the run is held.
    pub fn resume(&self) -> Option<Value> {
        let matches = |inner: &Inner, been: &Been| inner.stops_at(&been.site);
        self.forward(Going::On, matches)
    }

    /// Goes on to the next step that is not inside the one that is looked at.
    pub fn next(&self) -> Option<Value> {
        let depth = self.looked_at().map_or(usize::MAX, |been| been.site.depth);
        self.forward(Going::Step(depth), move |_, been| been.site.depth <= depth)
    }

    /// Goes on to the very next step.
    pub fn step_in(&self) -> Option<Value> {
        self.forward(Going::Step(usize::MAX), |_, _| true)
    }

    /// Goes on behind the step in which the one that is looked at stands.
    pub fn step_out(&self) -> Option<Value> {
        let depth = self.looked_at().map_or(0, |been| been.site.depth);
        match depth.checked_sub(1) {
            None => self.resume(),
            Some(outer) => self.forward(Going::Step(outer), move |_, been| been.site.depth <= outer),
        }
    }

    /// Moves towards the present; lets the run go when it is there already. Gives the stop, if it is one in the past.
    fn forward(&self, going: Going, wanted: impl Fn(&Inner, &Been) -> bool) -> Option<Value> {
        let mut inner = self.lock();
        let at = inner.looking?;
        let present = inner.been.len() - 1;
        inner.variables.clear();
        if at < present {
            let found = (at + 1..present).find(|&i| wanted(&inner, &inner.been[i])).unwrap_or(present);
            inner.looking = Some(found);
            return Some(stopped("step", &inner.been[found]));
        }
        inner.going = going;
        inner.looking = None;
        if let Some(held) = inner.held.take() {
            // The run may have been ended meanwhile.
            let _ = held.send(());
        }
        None
    }

    /// Looks at the step before.
    pub fn step_back(&self) -> Option<Value> {
        self.backward(|_, _| true)
    }

    /// Looks at the last breakpoint before, or at the first step.
    pub fn reverse(&self) -> Option<Value> {
        self.backward(|inner, been| inner.stops_at(&been.site))
    }

    fn backward(&self, wanted: impl Fn(&Inner, &Been) -> bool) -> Option<Value> {
        let mut inner = self.lock();
        let at = inner.looking?;
        inner.variables.clear();
        let found = (0..at).rev().find(|&i| wanted(&inner, &inner.been[i])).unwrap_or(0);
        inner.looking = Some(found);
        Some(stopped(if found == 0 { "entry" } else { "step" }, &inner.been[found]))
    }

    async fn visit(&self, site: Site, error: Option<&RunError>) -> Result<(), RunError> {
        let _turn = self.turn.lock().await;
        if self.cancel.is_cancelled() {
            return Err(RunError::cancelled());
        }
        let released = {
            let mut inner = self.lock();
            inner.been.push(Been { site: site.clone(), error: error.cloned() });
            let reason = match error {
                Some(_) => inner.on_error.then_some("exception"),
                None => inner.reason(&site, &self.tell),
            };
            let Some(reason) = reason else { return Ok(()) };
            inner.looking = Some(inner.been.len() - 1);
            inner.variables.clear();
            let (held, released) = oneshot::channel();
            inner.held = Some(held);
            let been = inner.been.last().map(|been| stopped(reason, been)).unwrap_or_default();
            // The client may be gone; then the run is ended by what ended the client.
            let _ = self.tell.send(Told::Stopped(been));
            released
        };
        tokio::select! {
            released = released => released.map_err(|_| RunError::cancelled()),
            () = self.cancel.cancelled() => Err(RunError::cancelled()),
        }
    }
}

impl Inner {
    /// Whether a breakpoint stands here, whatever its hits.
    fn stops_at(&self, site: &Site) -> bool {
        let here = |breakpoint: &&Breakpoint| fits(breakpoint, site) && breakpoint.log.is_none();
        self.breakpoints
            .iter()
            .chain(&self.functions)
            .filter(here)
            .any(|breakpoint| breakpoint.condition.as_deref().is_none_or(|condition| holds(condition, &site.scope)))
    }

    /// Why the run stops here, if it does.
    fn reason(&mut self, site: &Site, tell: &mpsc::UnboundedSender<Told>) -> Option<&'static str> {
        let mut reason = None;
        let lines = self.breakpoints.iter_mut().map(|breakpoint| (breakpoint, "breakpoint"));
        let names = self.functions.iter_mut().map(|breakpoint| (breakpoint, "function breakpoint"));
        for (breakpoint, why) in lines.chain(names) {
            let wanted = |breakpoint: &Breakpoint| {
                breakpoint.condition.as_deref().is_none_or(|condition| holds(condition, &site.scope))
            };
            if !fits(breakpoint, site) || !wanted(breakpoint) {
                continue;
            }
            breakpoint.hits += 1;
            if breakpoint.hits_wanted.is_some_and(|wanted| breakpoint.hits < wanted) {
                continue;
            }
            match &breakpoint.log {
                Some(text) => drop(tell.send(Told::Output(filled(text, &site.scope)))),
                None => reason = reason.or(Some(why)),
            }
        }
        if std::mem::take(&mut self.entry) {
            return Some("entry");
        }
        reason.or(match self.going {
            Going::Step(depth) if site.depth <= depth => Some("step"),
            Going::Pause => Some("pause"),
            _ => None,
        })
    }
}

fn fits(breakpoint: &Breakpoint, site: &Site) -> bool {
    match &breakpoint.step {
        Some(step) => *step == site.name,
        None => breakpoint.line == site.line,
    }
}

fn stopped(reason: &str, been: &Been) -> Value {
    let mut body = json!({ "reason": reason, "threadId": 1, "allThreadsStopped": true });
    if let Some(error) = &been.error {
        body["text"] = json!(format!("{}: {}", error.kind, error.message));
    }
    body
}

fn holds(condition: &str, scope: &Value) -> bool {
    evaluate(condition, scope).is_ok_and(|value| value == Value::Bool(true))
}

/// The value of an expression, or of a text with `{{ … }}`.
pub fn evaluate(text: &str, scope: &Value) -> Result<Value, String> {
    if text.contains("{{") {
        template::check(text).map_err(|error| error.message)?;
        let template = Template { source: text.to_owned(), range: TextRange::default() };
        return template.render(scope).map_err(|error| error.message);
    }
    expr::check(text).map_err(|error| error.message)?;
    Expr { source: text.to_owned(), range: TextRange::default() }.eval(scope).map_err(|error| error.message)
}

/// A log text with the values of its `{…}`.
fn filled(text: &str, scope: &Value) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('{') {
        out.push_str(before);
        let Some((inner, behind)) = behind.split_once('}') else {
            out.push('{');
            rest = behind;
            break;
        };
        match evaluate(inner, scope) {
            Ok(Value::String(value)) => out.push_str(&value),
            Ok(value) => out.push_str(&value.to_string()),
            Err(error) => out.push_str(&format!("<{error}>")),
        }
        rest = behind;
    }
    out + rest
}

#[async_trait]
impl Debugger for Control {
    async fn before(&self, site: Site) -> Result<(), RunError> {
        self.visit(site, None).await
    }

    async fn failed(&self, site: Site, error: &RunError) -> Result<(), RunError> {
        if error.kind == ErrorKind::Cancelled {
            return Ok(());
        }
        self.visit(site, Some(error)).await
    }
}
