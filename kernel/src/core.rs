//! What the tasks of one kernel share.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};

use aikit_core::Language;
use aikit_runtime::cell::CellEngine;
use futures::FutureExt;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    comm::Comms,
    debug::SharedDebugger,
    history::Recorder,
    iopub::IoPub,
    message::{Channel, Message, Outgoing, Parent},
    request::BadRequest,
    shell::ShellQueue,
    stdin::Stdin,
    transport::{Inbox, SharedTransport, Weight},
};

/// Why the kernel ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitReason {
    /// A client asked for it; with `restart` its launcher starts a new one.
    Shutdown {
        /// Whether a new kernel follows.
        restart: bool,
    },
    /// The process that launched the kernel is gone.
    Orphaned,
    /// Whoever holds the handle asked for it.
    Stopped,
}

/// What failed, in the terms of replies.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// Class of the error.
    pub ename: String,
    /// One line.
    pub evalue: String,
    /// Lines to print.
    pub traceback: Vec<String>,
}

impl Failure {
    /// A failure without a traceback of its own.
    pub fn new(ename: &str, evalue: impl Into<String>) -> Self {
        let evalue = evalue.into();
        Self { ename: ename.to_owned(), traceback: vec![format!("{ename}: {evalue}")], evalue }
    }

    /// The content of an error reply.
    pub fn content(&self) -> Value {
        json!({ "status": "error", "ename": self.ename, "evalue": self.evalue, "traceback": self.traceback })
    }
}

impl From<BadRequest> for Failure {
    fn from(bad: BadRequest) -> Self {
        Failure::new("InvalidRequest", bad.0)
    }
}

/// The execution that is under way.
struct Execution {
    parent: Parent,
    cancel: CancellationToken,
}

/// The shared state of a kernel.
pub struct Core {
    pub engine: Arc<dyn CellEngine>,
    pub language: Language,
    pub transport: SharedTransport,
    pub iopub: IoPub,
    pub shell: ShellQueue,
    pub stdin: Stdin,
    pub comms: Comms,
    pub recorder: Recorder,
    pub debugger: Option<SharedDebugger>,
    /// Fires when the kernel is to end.
    pub closing: CancellationToken,
    control: mpsc::UnboundedSender<Message>,
    debug: mpsc::UnboundedSender<Message>,
    reason: Mutex<Option<ExitReason>>,
    count: AtomicI64,
    execution: Mutex<Option<Execution>>,
}

impl Core {
    /// A kernel at rest, and the receiving ends of its control channel and of the requests to its debugger.
    pub fn new(
        engine: Arc<dyn CellEngine>,
        language: Language,
        transport: SharedTransport,
        bound: usize,
        debugger: Option<SharedDebugger>,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<Message>, mpsc::UnboundedReceiver<Message>) {
        let (control, requests) = mpsc::unbounded_channel();
        let (debug, debug_requests) = mpsc::unbounded_channel();
        let iopub = IoPub::start(transport.clone(), bound);
        let core = Self {
            comms: Comms::new(engine.vars()),
            recorder: Recorder::start(engine.clone()),
            engine,
            language,
            transport,
            iopub,
            shell: ShellQueue::default(),
            stdin: Stdin::default(),
            debugger,
            closing: CancellationToken::new(),
            control,
            debug,
            reason: Mutex::new(None),
            count: AtomicI64::new(0),
            execution: Mutex::new(None),
        };
        (Arc::new(core), requests, debug_requests)
    }

    fn execution(&self) -> MutexGuard<'_, Option<Execution>> {
        self.execution.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of executions that stored history.
    pub fn count(&self) -> i64 {
        self.count.load(Ordering::SeqCst)
    }

    /// Counts one more.
    pub fn next_count(&self) -> i64 {
        self.count.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Says on iopub that work on a request begins.
    pub fn busy(&self, parent: &Parent) {
        self.iopub.publish(status(parent, "busy"), Weight::Vital);
    }

    /// Says on iopub that work on a request has ended. A client that shows one state for the whole kernel must not take
    /// that for the end of an execution that is still under way.
    pub fn idle(&self, parent: &Parent) {
        let execution = self.execution();
        self.iopub.publish(status(parent, "idle"), Weight::Vital);
        if let Some(execution) = &*execution {
            self.iopub.publish(status(&execution.parent, "busy"), Weight::Vital);
        }
    }

    /// Notes the execution that begins, for interrupts.
    pub fn begin_execution(&self, parent: Parent) -> CancellationToken {
        let cancel = CancellationToken::new();
        *self.execution() = Some(Execution { parent, cancel: cancel.clone() });
        cancel
    }

    /// Whether a debugger holds the cell that is being executed.
    pub fn stands_still(&self) -> bool {
        self.debugger.as_ref().is_some_and(|debugger| debugger.is_held())
    }

    /// What is being executed; nothing in particular, if nothing is.
    pub fn running(&self) -> Parent {
        self.execution().as_ref().map_or_else(Parent::none, |execution| execution.parent.clone())
    }

    /// Hands a request to the debugger's task.
    pub fn debug(&self, request: Message) {
        // The task lives as long as the kernel; afterwards nobody is served.
        drop(self.debug.send(request));
    }

    /// Notes that it has ended.
    pub fn end_execution(&self) {
        *self.execution() = None;
    }

    /// Stops the execution that is under way and refuses those that wait.
    pub fn interrupt(&self) {
        self.shell.abort(None, "the kernel was interrupted");
        if let Some(execution) = &*self.execution() {
            execution.cancel.cancel();
        }
    }

    /// Begins the end. The first reason stays.
    pub fn close(&self, reason: ExitReason) {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason);
        self.interrupt();
        self.closing.cancel();
    }

    /// Why the kernel ends.
    pub fn reason(&self) -> ExitReason {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or(ExitReason::Stopped)
    }

    /// Answers a request.
    pub fn reply(&self, channel: Channel, request: &Message, content: Value) {
        let msg_type = reply_type(&request.header.msg_type);
        self.transport.send(channel, Outgoing::reply(request, msg_type, content));
    }

    /// Runs a handler and turns a panic into a failure: a defect of one request is not the end of the kernel.
    pub async fn guarded<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        match AssertUnwindSafe(work).catch_unwind().await {
            Ok(result) => result,
            Err(panic) => {
                let text = panic_text(&*panic);
                tracing::error!(panic = text, "a request ended in a panic");
                Err(Failure::new("KernelError", format!("a defect of aikit ended this request: {text}")))
            }
        }
    }
}

impl Inbox for Core {
    fn deliver(&self, channel: Channel, message: Message) {
        match channel {
            Channel::Shell => self.shell.push(message),
            Channel::Stdin => self.stdin.deliver(message),
            // The receiver lives as long as the kernel; afterwards nobody is served.
            Channel::Control => drop(self.control.send(message)),
        }
    }
}

/// A state of the kernel.
pub fn status(parent: &Parent, state: &str) -> Outgoing {
    Outgoing::broadcast(parent.clone(), "status", json!({ "execution_state": state }))
}

/// The type of the reply to a type of request.
pub fn reply_type(request: &str) -> String {
    format!("{}_reply", request.strip_suffix("_request").unwrap_or(request))
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("panic without a message")
}
