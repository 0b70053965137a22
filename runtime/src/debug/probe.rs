//! Scripts of a run under the debugger: each has a probe, which tells it where to stop and holds it there.

use std::sync::{Arc, Mutex, PoisonError};

use aikit_core::{ErrorKind, RunError};
use aikit_spec::plan::ScriptPlan;
use serde_json::{Value, json};
use tokio::sync::{OwnedMutexGuard, oneshot, watch};

use super::{
    DebugEvent, Debugger, Frame, FrameKind, Held, Inner, MAIN, Moment, Reason, Stopped, Thread, ThreadId,
    breakpoint::filled,
    frame::Entered,
    script::{
        GLOBALS, LOCALS, ScriptFrame, ScriptOrder, ScriptReason, ScriptReport, ScriptWatch, Shown, UPVALUES,
        WatchedLine, Wishes,
    },
};

type Answer = oneshot::Sender<Result<Value, String>>;

/// A script that runs.
pub(super) struct Running {
    thread: ThreadId,
    /// The lines of the document on which its code stands, from 1.
    first: u32,
    last: u32,
    watch: watch::Sender<ScriptWatch>,
    pub(super) pauses: u64,
    /// Who waits for the value of an expression.
    asked: Option<Answer>,
}

/// The debugger's hold on one script. Dropping it says that the script has ended.
pub struct ScriptProbe {
    debugger: Arc<Debugger>,
    script: u64,
    thread: ThreadId,
    watch: Wishes,
    /// Kept from a stop until the script goes on.
    turn: Mutex<Option<OwnedMutexGuard<()>>>,
}

impl Drop for ScriptProbe {
    fn drop(&mut self) {
        self.debugger.lock().scripts.remove(&self.script);
    }
}

impl Debugger {
    /// A script of a document begins on a thread.
    pub fn script(self: &Arc<Self>, thread: ThreadId, plan: &ScriptPlan) -> ScriptProbe {
        let lines = plan.code.lines().count().max(1);
        self.lines(thread, plan.first_line + 1, plan.first_line + u32::try_from(lines).unwrap_or(u32::MAX))
    }

    /// A script begins whose breakpoints say themselves to which script they belong.
    pub fn cell(self: &Arc<Self>) -> ScriptProbe {
        self.lines(MAIN, 0, u32::MAX)
    }

    fn lines(self: &Arc<Self>, thread: ThreadId, first: u32, last: u32) -> ScriptProbe {
        let mut inner = self.lock();
        let script = inner.next_script;
        inner.next_script += 1;
        let (sender, watch) = watch::channel(ScriptWatch::default());
        inner.scripts.insert(script, Running { thread, first, last, watch: sender, pauses: 0, asked: None });
        let entry = matches!(inner.going, super::Going::In | super::Going::Pause);
        inner.watch_script(script, entry);
        drop(inner);
        ScriptProbe { debugger: self.clone(), script, thread, watch, turn: Mutex::new(None) }
    }
}

impl Inner {
    /// Tells the scripts that run what to stop at.
    pub(super) fn watch_scripts(&mut self) {
        let all: Vec<u64> = self.scripts.keys().copied().collect();
        all.into_iter().for_each(|script| self.watch_script(script, false));
    }

    fn watch_script(&mut self, script: u64, entry: bool) {
        let Some(running) = self.scripts.get(&script) else { return };
        let inside = |line: u32| (running.first..=running.last).contains(&line);
        let lines = self.lines.iter().filter(|breakpoint| inside(breakpoint.line));
        let code = "script.error";
        let caught = self.threads.get(&running.thread).is_some_and(|thread| thread.catches(code));
        let watch = ScriptWatch {
            lines: lines
                .map(|breakpoint| WatchedLine {
                    id: breakpoint.id,
                    line: breakpoint.line,
                    source: breakpoint.source.clone(),
                    condition: breakpoint.condition.clone(),
                    wanted: breakpoint.log.as_deref().map(wanted).unwrap_or_default(),
                })
                .collect(),
            entry,
            errors: self.filters.failed || (self.filters.uncaught && !caught),
            raised: self.filters.raised,
            pauses: running.pauses,
        };
        running.watch.send_replace(watch);
    }

    /// Asks the script that stands still for a value, if the moment is that stop.
    pub(super) fn ask_script(
        &mut self,
        moment: usize,
        asked: ScriptOrder,
    ) -> Option<oneshot::Receiver<Result<Value, String>>> {
        let present = moment + 1 == self.been.len();
        let held_script = match &self.held {
            Some(Held::Script { script, .. }) if present => *script,
            _ => return None,
        };
        let Some(Held::Script { order, .. }) = self.held.take() else { return None };
        let (answer, waiting) = oneshot::channel();
        self.scripts.get_mut(&held_script)?.asked = Some(answer);
        // A script that ended meanwhile drops the answer.
        let _ = order.send(asked);
        Some(waiting)
    }

    /// Whether a stop at breakpoints counts: the ones that were hit, and what the log points say.
    fn script_hits(&mut self, hit: &[(u64, Vec<Value>)]) -> (Vec<u64>, Vec<String>) {
        let (mut stopping, mut logs) = (Vec::new(), Vec::new());
        for (id, values) in hit {
            let Some(breakpoint) = self.lines.iter_mut().find(|breakpoint| breakpoint.id == *id) else { continue };
            if !breakpoint.hit() {
                continue;
            }
            match &breakpoint.log {
                None => stopping.push(*id),
                Some(text) => {
                    let names = wanted(text);
                    let value = |name: &str| {
                        let at = names.iter().position(|known| known == name);
                        Ok(at.and_then(|at| values.get(at)).cloned().unwrap_or_default())
                    };
                    logs.push(filled(text, value));
                }
            }
        }
        (stopping, logs)
    }
}

/// The expressions of a log text.
fn wanted(text: &str) -> Vec<String> {
    let found = std::cell::RefCell::new(Vec::new());
    filled(text, |name| {
        found.borrow_mut().push(name.to_owned());
        Ok(Value::Null)
    });
    found.into_inner()
}

impl Thread {
    /// Where a script of this thread stands.
    fn script_moment(&self, thread: ThreadId, script: u64, frames: Vec<ScriptFrame>, globals: Shown) -> Moment {
        let mut moment = self.moment(thread);
        moment.depth = self.stack.last().map_or(0, |step: &Entered| step.depth) + frames.len();
        moment.script = Some(script);
        let shown = |frame: ScriptFrame| {
            let (name, line, locals, upvalues) = (frame.name, frame.line, frame.locals, frame.upvalues);
            let scope = json!({ LOCALS: locals.value, UPVALUES: upvalues.value, GLOBALS: globals.value });
            let cut = locals.cut.into_iter().chain(upvalues.cut).chain(globals.cut.clone()).collect();
            let script = Some((frame.source, frame.language));
            Arc::new(Frame { name, kind: FrameKind::Script, line, scope, cut, script })
        };
        let inner: Vec<Arc<Frame>> = frames.into_iter().map(shown).collect();
        moment.frames.splice(0..0, inner);
        moment
    }
}

impl ScriptProbe {
    /// What the script is to stop at, now and from now on.
    pub fn watch(&self) -> Wishes {
        self.watch.clone()
    }

    /// Answers the host call of a script that stands still.
    pub async fn paused(&self, args: Vec<Value>) -> Result<Value, RunError> {
        let unreadable =
            |error| RunError::new(ErrorKind::Internal, format!("the debugger cannot read a script: {error}"));
        let report = serde_json::from_value(args.into_iter().next().unwrap_or_default()).map_err(unreadable)?;
        serde_json::to_value(self.report(report).await?).map_err(unreadable)
    }

    /// The script stands still; the answer is what it is to do.
    async fn report(&self, report: ScriptReport) -> Result<ScriptOrder, RunError> {
        let debugger = &self.debugger;
        match report {
            ScriptReport::Stopped { reason, frames, globals } => {
                let turn = debugger.turn.clone().lock_owned().await;
                *self.turn.lock().unwrap_or_else(PoisonError::into_inner) = Some(turn);
                let order = self.stop(reason, frames, globals).await;
                self.taken(order)
            }
            ScriptReport::Changed { result, frames, globals } => {
                {
                    let mut inner = debugger.lock();
                    let Some(thread) = inner.threads.get(&self.thread) else { return Err(RunError::cancelled()) };
                    let moment = thread.script_moment(self.thread, self.script, frames, globals);
                    // An assignment shows at once.
                    if let Some(last) = inner.been.last_mut() {
                        let error = last.error.clone();
                        *last = Arc::new(Moment { error, ..moment });
                    }
                }
                let order = self.answered(result).await;
                self.taken(order)
            }
            ScriptReport::Page { result } => {
                let order = self.answered(result).await;
                self.taken(order)
            }
        }
    }

    /// Gives an answer to who waits for it, and waits for what comes next.
    async fn answered(&self, result: Result<Value, String>) -> Result<ScriptOrder, RunError> {
        let (held, order) = oneshot::channel();
        {
            let mut inner = self.debugger.lock();
            let asked = inner.scripts.get_mut(&self.script).and_then(|running| running.asked.take());
            inner.held = Some(Held::Script { script: self.script, order: held });
            if let Some(asked) = asked {
                // A client that is gone needs no answer.
                let _ = asked.send(result);
            }
        }
        self.wait(order).await
    }

    /// An order that was received; one to go on lets the others stop.
    fn taken(&self, order: Result<ScriptOrder, RunError>) -> Result<ScriptOrder, RunError> {
        if !matches!(order, Ok(ScriptOrder::Evaluate { .. } | ScriptOrder::Page { .. })) {
            self.end_turn();
        }
        order
    }

    fn end_turn(&self) {
        *self.turn.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn stop(
        &self,
        reason: ScriptReason,
        frames: Vec<ScriptFrame>,
        globals: Shown,
    ) -> Result<ScriptOrder, RunError> {
        let debugger = &self.debugger;
        let (held, order) = oneshot::channel();
        let stopped = {
            let mut inner = debugger.lock();
            let line = frames.first().map_or(1, |frame| frame.line);
            let (why, text, hit) = match reason {
                ScriptReason::Step => (Reason::Step, None, Vec::new()),
                ScriptReason::Pause => (Reason::Pause, None, Vec::new()),
                ScriptReason::Error { text } => {
                    inner.shown = true;
                    (Reason::Exception, Some(text), Vec::new())
                }
                ScriptReason::Breakpoint { hit, step } => {
                    let (hit, logs) = inner.script_hits(&hit);
                    logs.into_iter().for_each(|text| debugger.tell(DebugEvent::Output { text, line }));
                    match (hit.is_empty(), step) {
                        (false, _) => (Reason::Breakpoint, None, hit),
                        (true, true) => (Reason::Step, None, hit),
                        (true, false) => return Ok(ScriptOrder::Never),
                    }
                }
            };
            let Some(thread) = inner.threads.get(&self.thread) else { return Err(RunError::cancelled()) };
            let mut moment = thread.script_moment(self.thread, self.script, frames, globals);
            if let Some(text) = &text {
                moment.error = Some(RunError::new(ErrorKind::ScriptError, text.clone()));
            }
            inner.stop_at(moment, Held::Script { script: self.script, order: held });
            Stopped { thread: self.thread, reason: why, text, hit }
        };
        debugger.tell(DebugEvent::Stopped(stopped));
        self.wait(order).await
    }

    async fn wait(&self, order: oneshot::Receiver<ScriptOrder>) -> Result<ScriptOrder, RunError> {
        tokio::select! {
            order = order => order.map_err(|_| RunError::cancelled()),
            () = self.debugger.cancel.cancelled() => Err(RunError::cancelled()),
        }
    }
}
