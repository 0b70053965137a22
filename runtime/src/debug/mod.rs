//! The debugger of a run: where it stops, what can be seen there, and the way back through what has been. Plain data and
//! channels; protocols translate. A run without a debugger pays nothing.

mod breakpoint;
mod cells;
mod frame;
mod probe;
pub mod script;
mod sites;
mod travel;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aikit_core::{ErrorKind, RunError};
use serde_json::Value;
use tokio::sync::{Mutex as Turn, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

pub use self::{
    breakpoint::{Breakpoint, Hits, evaluate},
    cells::{CellDebugger, CellLine, HeldCell},
    frame::{CallSite, Frame, FrameKind, Moment, StepSite},
    probe::ScriptProbe,
    sites::{Sites, Spot},
    travel::Move,
};
use self::{
    frame::Entered,
    script::{Resume, ScriptOrder, Shown},
};

/// A thread of a run: the run itself, a branch, an item of a map.
pub type ThreadId = u64;

/// The thread with which a run begins.
pub const MAIN: ThreadId = 1;

/// Why a run stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It is about to begin.
    Entry,
    /// A move came to its end.
    Step,
    /// A person went there.
    Goto,
    /// A breakpoint on a line.
    Breakpoint,
    /// A breakpoint on a name.
    FunctionBreakpoint,
    /// Something failed.
    Exception,
    /// A person wanted it.
    Pause,
}

/// A stop, now or in the past.
#[derive(Debug, Clone, PartialEq)]
pub struct Stopped {
    /// The thread that stopped; the others wait.
    pub thread: ThreadId,
    /// Why.
    pub reason: Reason,
    /// What failed, if something did.
    pub text: Option<String>,
    /// The breakpoints that were hit.
    pub hit: Vec<u64>,
}

/// What a debugger tells of its own accord.
#[derive(Debug, Clone, PartialEq)]
pub enum DebugEvent {
    /// The run stands still.
    Stopped(Stopped),
    /// A log point was passed.
    Output {
        /// Its text.
        text: String,
        /// Where, from 1.
        line: u32,
    },
    /// A branch began.
    ThreadStarted(ThreadId),
    /// A branch ended.
    ThreadEnded(ThreadId),
}

/// Which failures stop a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Filters {
    /// Every step that fails.
    pub failed: bool,
    /// Steps that fail with an error that no `on_error` around them takes.
    pub uncaught: bool,
    /// Errors that a script raises, also those that it catches.
    pub raised: bool,
}

/// How the run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Going {
    /// To the next breakpoint.
    On,
    /// To the next place of this thread, or of one that it came from, that is at most this deep.
    Step { thread: ThreadId, depth: usize },
    /// To the very next place, calls and lines of scripts included.
    In,
    /// To the very next place, because a person wants to look.
    Pause,
}

/// Whom a held run waits for.
enum Held {
    Engine(oneshot::Sender<()>),
    Script { script: u64, order: oneshot::Sender<ScriptOrder> },
}

struct Thread {
    name: String,
    parent: Option<ThreadId>,
    stack: Vec<Entered>,
    ended: bool,
}

struct Inner {
    lines: Vec<Breakpoint>,
    names: Vec<Breakpoint>,
    filters: Filters,
    going: Going,
    entry: bool,
    threads: BTreeMap<ThreadId, Thread>,
    been: Vec<Arc<Moment>>,
    /// Where the client looks, while the run is held.
    looking: Option<usize>,
    held: Option<Held>,
    /// The failure that is on its way out has been shown.
    shown: bool,
    scripts: BTreeMap<u64, probe::Running>,
    next_script: u64,
}

/// The debugger of one run.
pub struct Debugger {
    inner: Mutex<Inner>,
    /// One thread stops at a time; the others wait for it where they are.
    turn: Arc<Turn<()>>,
    tell: mpsc::UnboundedSender<DebugEvent>,
    cancel: CancellationToken,
}

impl Debugger {
    /// A debugger that tells where the run stops; `cancel` is the run's token.
    pub fn new(tell: mpsc::UnboundedSender<DebugEvent>, cancel: CancellationToken) -> Self {
        let main = Thread { name: "run".into(), parent: None, stack: Vec::new(), ended: false };
        let inner = Inner {
            lines: Vec::new(),
            names: Vec::new(),
            filters: Filters::default(),
            going: Going::On,
            entry: false,
            threads: BTreeMap::from([(MAIN, main)]),
            been: Vec::new(),
            looking: None,
            held: None,
            shown: false,
            scripts: BTreeMap::new(),
            next_script: 1,
        };
        Self { inner: Mutex::new(inner), turn: Arc::default(), tell, cancel }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client may be gone; then the run is ended by what ended the client.
    fn tell(&self, event: DebugEvent) {
        let _ = self.tell.send(event);
    }

    /// Replaces the breakpoints on lines. One that stays keeps its hits.
    pub fn set_lines(&self, breakpoints: Vec<Breakpoint>) {
        let mut inner = self.lock();
        inner.lines = breakpoint::keep_hits(&inner.lines, breakpoints);
        inner.watch_scripts();
    }

    /// Replaces the breakpoints on names of steps, tools and models.
    pub fn set_names(&self, breakpoints: Vec<Breakpoint>) {
        let mut inner = self.lock();
        inner.names = breakpoint::keep_hits(&inner.names, breakpoints);
    }

    /// Which failures stop the run.
    pub fn set_filters(&self, filters: Filters) {
        let mut inner = self.lock();
        inner.filters = filters;
        inner.watch_scripts();
    }

    /// The run stops before its first step.
    pub fn stop_on_entry(&self) {
        self.lock().entry = true;
    }

    /// The run stops as soon as it can.
    pub fn pause(&self) {
        let mut inner = self.lock();
        if inner.looking.is_none() {
            inner.going = Going::Pause;
            inner.scripts.values_mut().for_each(|script| script.pauses += 1);
            inner.watch_scripts();
        }
    }

    /// Ends the run.
    pub fn terminate(&self) {
        self.cancel.cancel();
        let mut inner = self.lock();
        inner.held = None;
        inner.looking = None;
    }

    /// Whether the run stands still.
    pub fn is_held(&self) -> bool {
        self.lock().looking.is_some()
    }

    /// The threads that have not ended, with their names.
    pub fn threads(&self) -> Vec<(ThreadId, String)> {
        let inner = self.lock();
        let alive = inner.threads.iter().filter(|(_, thread)| !thread.ended);
        alive.map(|(id, thread)| (*id, thread.name.clone())).collect()
    }

    /// Where a thread stands, or stood when the moment was that is looked at.
    pub fn at(&self, thread: ThreadId) -> Option<usize> {
        let inner = self.lock();
        let looking = inner.looking?;
        (0..=looking).rev().find(|&i| inner.been[i].thread == thread)
    }

    /// The moment that is looked at.
    pub fn looked_at(&self) -> Option<usize> {
        self.lock().looking
    }

    /// A moment by its number.
    pub fn moment(&self, number: usize) -> Option<Arc<Moment>> {
        self.lock().been.get(number).cloned()
    }

    /// Whether a frame is one of a script that stands still, so that its values can be changed.
    pub fn is_live_script(&self, moment: usize, frame: usize) -> bool {
        let inner = self.lock();
        let is_script = |moment: &Moment| moment.frames.get(frame).is_some_and(|frame| frame.kind == FrameKind::Script);
        moment + 1 == inner.been.len()
            && matches!(inner.held, Some(Held::Script { .. }))
            && inner.been.get(moment).is_some_and(|moment| is_script(moment))
    }

    /// The value of an expression in a frame: in a script that stands still its own language, elsewhere CEL or a text with
    /// `{{ … }}`.
    pub async fn evaluate(&self, moment: usize, frame: usize, text: &str) -> Result<Value, String> {
        let found = self.moment(moment).and_then(|moment| moment.frames.get(frame).cloned());
        let found = found.ok_or("there is no such frame")?;
        if found.kind != FrameKind::Script {
            return evaluate(text, &found.scope);
        }
        let waiting = self.lock().ask_script(moment, ScriptOrder::Evaluate { frame, text: text.to_owned() });
        match waiting {
            Some(answer) => answer.await.unwrap_or_else(|_| Err("the script has ended".into())),
            None => evaluate(text, &found.variables()),
        }
    }
}

impl Debugger {
    /// A page of a table of which a frame of a script that stands still shows a part.
    pub async fn page(
        &self,
        moment: usize,
        frame: usize,
        path: Vec<String>,
        start: usize,
        count: usize,
    ) -> Result<Shown, String> {
        let waiting = self.lock().ask_script(moment, ScriptOrder::Page { frame, path, start, count });
        let answer = waiting.ok_or("the script went on")?.await;
        let shown = answer.unwrap_or_else(|_| Err("the script has ended".into()))?;
        serde_json::from_value(shown).map_err(|error| error.to_string())
    }
}

/// What the engine calls.
impl Debugger {
    /// The run begins: the frame below all others.
    pub fn begin(&self, name: &str, scope: Value) {
        let frame =
            Frame { name: name.to_owned(), kind: FrameKind::Run, line: 1, scope, cut: Arc::default(), script: None };
        let run = Entered { frame: Arc::new(frame), address: String::new(), depth: 0, catches: Vec::new() };
        if let Some(thread) = self.lock().threads.get_mut(&MAIN) {
            thread.stack = vec![run];
        }
    }

    /// A branch begins; it is a thread of its own from here on.
    pub fn fork(&self, parent: ThreadId, name: String) -> ThreadId {
        let mut inner = self.lock();
        let id = inner.threads.last_key_value().map_or(MAIN, |(last, _)| last + 1);
        let stack = inner.threads.get(&parent).map(|thread| thread.stack.clone()).unwrap_or_default();
        inner.threads.insert(id, Thread { name, parent: Some(parent), stack, ended: false });
        drop(inner);
        self.tell(DebugEvent::ThreadStarted(id));
        id
    }

    /// A branch has ended.
    pub fn join(&self, thread: ThreadId) {
        if let Some(thread) = self.lock().threads.get_mut(&thread) {
            thread.ended = true;
        }
        self.tell(DebugEvent::ThreadEnded(thread));
    }

    /// A step is about to run. The run waits while this does not return; an error ends it.
    pub async fn step(&self, thread: ThreadId, site: StepSite) -> Result<(), RunError> {
        let _turn = self.turn.clone().lock_owned().await;
        let (moment, line, name) = {
            let mut inner = self.lock();
            inner.shown = false;
            let Some(state) = inner.threads.get_mut(&thread) else { return Ok(()) };
            let (depth, line, name) = (site.depth + 1, site.line, site.name.clone());
            state.stack.retain(|entered| entered.depth < depth);
            let frame = Frame {
                name: format!("{} ({})", site.name, site.kind),
                kind: FrameKind::Step,
                line,
                scope: site.scope,
                cut: Arc::default(),
                script: None,
            };
            let (address, catches) = (site.address, site.catches);
            state.stack.push(Entered { frame: Arc::new(frame), address, depth, catches });
            (state.moment(thread), line, name)
        };
        self.visit(moment, Some(line), &name).await
    }

    /// A step is about to call a model or a tool.
    pub async fn call(&self, thread: ThreadId, site: CallSite) -> Result<(), RunError> {
        let _turn = self.turn.clone().lock_owned().await;
        let moment = {
            let inner = self.lock();
            let Some(state) = inner.threads.get(&thread) else { return Ok(()) };
            let mut moment = state.moment(thread);
            let mut scope = moment.frames.first().map(|frame| frame.scope.clone()).unwrap_or_default();
            if let Value::Object(roots) = &mut scope {
                roots.insert("request".into(), site.request);
            }
            let line = moment.frames.first().map_or(1, |frame| frame.line);
            let name = format!("{} ({})", site.name, site.kind.word());
            moment
                .frames
                .insert(0, Arc::new(Frame { name, kind: site.kind, line, scope, cut: Arc::default(), script: None }));
            moment.depth += 1;
            moment
        };
        self.visit(moment, None, &site.name).await
    }

    /// The last attempt of a step has failed; `on_error` has not been looked at.
    pub async fn failed(&self, thread: ThreadId, address: &str, error: &RunError) -> Result<(), RunError> {
        if error.kind == ErrorKind::Cancelled {
            return Ok(());
        }
        let _turn = self.turn.clone().lock_owned().await;
        let moment = {
            let mut inner = self.lock();
            let filters = inner.filters;
            let Some(state) = inner.threads.get_mut(&thread) else { return Ok(()) };
            if let Some(at) = state.stack.iter().rposition(|entered| entered.address == address) {
                state.stack.truncate(at + 1);
            }
            let wanted = filters.failed || (filters.uncaught && !state.catches(error.kind.code()));
            let mut moment = state.moment(thread);
            moment.error = Some(error.clone());
            if !wanted || std::mem::replace(&mut inner.shown, true) {
                inner.been.push(Arc::new(moment));
                return Ok(());
            }
            moment
        };
        let text = format!("{}: {}", error.kind, error.message);
        self.hold(moment, Reason::Exception, Some(text), Vec::new()).await
    }

    /// Remembers a moment, and holds the run there if something wants it.
    async fn visit(&self, moment: Moment, line: Option<u32>, name: &str) -> Result<(), RunError> {
        if self.cancel.is_cancelled() {
            return Err(RunError::cancelled());
        }
        let (reason, hit) = {
            let mut inner = self.lock();
            let (mut reason, hit, logs) = inner.breakpoints_at(&moment, line, name);
            if line.is_some() && std::mem::take(&mut inner.entry) {
                reason = Some(Reason::Entry);
            }
            for text in logs {
                self.tell(DebugEvent::Output { text, line: moment.frames.first().map_or(1, |frame| frame.line) });
            }
            let reason = reason.or(match inner.going {
                Going::Step { thread, depth } if moment.depth <= depth && inner.is_line(thread, moment.thread) => {
                    Some(Reason::Step)
                }
                Going::In => Some(Reason::Step),
                Going::Pause => Some(Reason::Pause),
                _ => None,
            });
            let Some(reason) = reason else {
                inner.been.push(Arc::new(moment));
                return Ok(());
            };
            (reason, hit)
        };
        self.hold(moment, reason, None, hit).await
    }

    /// Holds the run until it is let go.
    async fn hold(&self, moment: Moment, reason: Reason, text: Option<String>, hit: Vec<u64>) -> Result<(), RunError> {
        let (held, released) = oneshot::channel();
        let thread = moment.thread;
        self.lock().stop_at(moment, Held::Engine(held));
        self.tell(DebugEvent::Stopped(Stopped { thread, reason, text, hit }));
        tokio::select! {
            released = released => released.map_err(|_| RunError::cancelled()),
            () = self.cancel.cancelled() => Err(RunError::cancelled()),
        }
    }
}

impl Thread {
    /// This thread, where it stands.
    fn moment(&self, thread: ThreadId) -> Moment {
        Moment {
            thread,
            depth: self.stack.last().map_or(0, |entered| entered.depth),
            frames: self.stack.iter().rev().map(|entered| entered.frame.clone()).collect(),
            error: None,
            script: None,
        }
    }

    /// Whether an `on_error` of the steps in which it stands takes an error.
    fn catches(&self, code: &str) -> bool {
        self.stack.iter().any(|entered| entered.catches.iter().any(|glob| glob.matches(code)))
    }
}

impl Inner {
    fn stop_at(&mut self, moment: Moment, held: Held) {
        self.been.push(Arc::new(moment));
        self.looking = Some(self.been.len() - 1);
        self.held = Some(held);
        self.going = Going::On;
    }

    /// Whether `other` is a thread, or one that it came from.
    fn is_line(&self, thread: ThreadId, other: ThreadId) -> bool {
        let mut next = Some(thread);
        while let Some(id) = next {
            if id == other {
                return true;
            }
            next = self.threads.get(&id).and_then(|thread| thread.parent);
        }
        false
    }

    /// Lets a held run go.
    fn release(&mut self, going: Going, script: Resume) {
        self.going = going;
        self.looking = None;
        // The run may have been ended meanwhile.
        match self.held.take() {
            Some(Held::Engine(held)) => drop(held.send(())),
            Some(Held::Script { order, .. }) => drop(order.send(ScriptOrder::Go { how: script })),
            None => {}
        }
    }
}
