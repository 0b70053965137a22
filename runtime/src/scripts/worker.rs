//! The worker's side: both interpreters behind the protocol, in a process that can be killed.

use std::{
    collections::HashMap,
    io::{self, Read, Write},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use aikit_core::RunError;
use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::{
    engine::EngineFactory,
    protocol::{self, FromWorker, Question, ToWorker, Told, VERSION},
    sandbox,
    threads::ThreadScripts,
};
use crate::{
    cell::{CellEvent, Stream},
    debug::script::{ScriptWatch, Wishes},
    ports::{HostCalls, Scripts, StopCause, Vars},
};

/// Text of a stream is sent when this much has come together …
const CHUNK: usize = 16 << 10;
/// … or when it is this old.
const AGE: Duration = Duration::from_millis(10);

/// Serves scripts until the host closes the pipe; then the process ends at once, whatever the scripts do. Call it first
/// thing in `main`: the walls of the operating system have to stand before any thread starts.
pub fn serve(
    factories: Vec<Arc<dyn EngineFactory>>,
    mut from: impl Read + Send + 'static,
    to: impl Write + Send + 'static,
) -> io::Result<()> {
    let walls = sandbox::enclose();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let out = Arc::new(Out { to: Mutex::new(Box::new(to)), vars: Vars::default(), sent: Mutex::new(0) });
    out.send(&FromWorker::Hello { version: VERSION, walls });
    let scripts = Arc::new(ThreadScripts::new(factories, out.vars.clone()));
    let (messages, inbox) = mpsc::unbounded_channel();
    thread::Builder::new().name("host-reader".into()).spawn(move || {
        while let Ok(Some(message)) = protocol::read::<ToWorker>(&mut from) {
            if messages.send(message).is_err() {
                break;
            }
        }
        std::process::exit(0);
    })?;
    runtime.block_on(dispatch(scripts, out, inbox));
    Ok(())
}

type Jobs = Arc<Mutex<HashMap<u64, Arc<RemoteHost>>>>;

async fn dispatch(scripts: Arc<ThreadScripts>, out: Arc<Out>, mut inbox: mpsc::UnboundedReceiver<ToWorker>) {
    let jobs: Jobs = Arc::default();
    tokio::spawn(flush_regularly(jobs.clone()));
    while let Some(message) = inbox.recv().await {
        match message {
            ToWorker::Run { id, job, vars, watch } => {
                out.take(vars);
                let host = Arc::new(RemoteHost::new(id, out.clone(), watch));
                lock(&jobs).insert(id, host.clone());
                let (scripts, out, jobs) = (scripts.clone(), out.clone(), jobs.clone());
                tokio::spawn(async move {
                    let cancel = host.cancel.clone();
                    let mut outcome = scripts.run(*job, host.clone(), cancel).await;
                    // The interpreters know one soft stop; the host said what it was for.
                    if let crate::ports::ScriptOutcome::Stopped { cause: cause @ StopCause::Interrupt, .. } =
                        &mut outcome
                        && let Some(why) = *lock(&host.cause)
                    {
                        *cause = why;
                    }
                    host.flush();
                    out.send_vars();
                    lock(&jobs).remove(&id);
                    out.send(&FromWorker::Outcome { id, outcome });
                });
            }
            ToWorker::Watch { id, watch } => {
                if let Some(sender) = lock(&jobs).get(&id).and_then(|host| host.watch.as_ref()) {
                    sender.send_replace(watch);
                }
            }
            ToWorker::Stop { id, cause } => {
                if let Some(host) = lock(&jobs).get(&id) {
                    lock(&host.cause).get_or_insert(cause);
                    host.cancel.cancel();
                }
            }
            ToWorker::Answer { id, call, result } => {
                let waiting = lock(&jobs).get(&id).and_then(|host| lock(&host.waiting).remove(&call));
                if let Some(waiting) = waiting {
                    // A script that was stopped waits no more.
                    let _ = waiting.send(result);
                }
            }
            ToWorker::Ask { id, language, code, question } => {
                let (scripts, out) = (scripts.clone(), out.clone());
                tokio::spawn(async move {
                    let answer = match question {
                        Question::Complete { cursor } => {
                            Told::Completions { list: scripts.complete(language, &code, cursor).await }
                        }
                        Question::Inspect { cursor } => {
                            Told::Inspection { found: scripts.inspect(language, &code, cursor).await }
                        }
                        Question::IsComplete => {
                            Told::Completeness { state: scripts.is_complete(language, &code).await }
                        }
                    };
                    out.send(&FromWorker::Told { id, answer });
                });
            }
        }
    }
}

/// Sends streams that have grown old while the script computes on.
async fn flush_regularly(jobs: Jobs) {
    loop {
        tokio::time::sleep(AGE).await;
        let hosts: Vec<_> = lock(&jobs).values().cloned().collect();
        hosts.iter().for_each(|host| host.flush());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The way to the host. Writing blocks when the host does not read, which holds a script that prints without end.
struct Out {
    to: Mutex<Box<dyn Write + Send>>,
    vars: Vars,
    /// The revision of the shared values that the host has.
    sent: Mutex<u64>,
}

impl Out {
    fn send(&self, message: &FromWorker) {
        let frame = protocol::encode(message).or_else(|e| match message {
            // A value too large to cross ends its script with an error instead of the worker.
            FromWorker::Outcome { id, .. } => {
                protocol::encode(&FromWorker::Outcome { id: *id, outcome: too_large(&e) })
            }
            _ => Err(e),
        });
        let Ok(frame) = frame else { return };
        let mut to = lock(&self.to);
        if to.write_all(&frame).and_then(|()| to.flush()).is_err() {
            // Nobody is there any more.
            std::process::exit(0);
        }
    }

    /// Changes from the host; they need not go back.
    fn take(&self, changes: Vec<crate::ports::VarChange>) {
        let mut sent = lock(&self.sent);
        let (own, _) = self.vars.changes_since(*sent);
        changes.into_iter().for_each(|change| self.vars.apply(change));
        *sent = self.vars.changes_since(u64::MAX).1;
        drop(sent);
        if !own.is_empty() {
            self.send(&FromWorker::Vars { changes: own });
        }
    }

    fn send_vars(&self) {
        let mut sent = lock(&self.sent);
        let (changes, revision) = self.vars.changes_since(*sent);
        *sent = revision;
        if !changes.is_empty() {
            self.send(&FromWorker::Vars { changes });
        }
    }
}

fn too_large(error: &io::Error) -> crate::ports::ScriptOutcome {
    crate::ports::ScriptOutcome::Failed {
        error: crate::ports::ScriptError {
            name: "ValueError".into(),
            message: format!("the result cannot leave the script: {error}"),
            trace: Vec::new(),
            cause: None,
        },
    }
}

/// The host as one script of the worker sees it.
struct RemoteHost {
    id: u64,
    out: Arc<Out>,
    cancel: CancellationToken,
    cause: Mutex<Option<StopCause>>,
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Result<Value, RunError>>>>,
    pending: Mutex<Option<Pending>>,
    watch: Option<watch::Sender<ScriptWatch>>,
}

/// Text of one stream that has not been sent yet.
struct Pending {
    stream: Stream,
    text: String,
    since: Instant,
}

impl RemoteHost {
    fn new(id: u64, out: Arc<Out>, watch: Option<ScriptWatch>) -> Self {
        Self {
            id,
            out,
            cancel: CancellationToken::new(),
            cause: Mutex::new(None),
            next: AtomicU64::new(1),
            waiting: Mutex::default(),
            pending: Mutex::new(None),
            watch: watch.map(|watch| watch::channel(watch).0),
        }
    }

    fn flush(&self) {
        let mut pending = lock(&self.pending);
        self.send_pending(&mut pending);
        drop(pending);
        self.out.send_vars();
    }

    /// Sent under the lock, so that outputs keep their order.
    fn send_pending(&self, pending: &mut Option<Pending>) {
        if let Some(Pending { stream, text, .. }) = pending.take() {
            self.out.send(&FromWorker::Emit { id: self.id, events: vec![CellEvent::Stream { stream, text }] });
        }
    }
}

#[async_trait]
impl HostCalls for RemoteHost {
    async fn call(&self, method: &str, args: Vec<Value>) -> Result<Value, RunError> {
        self.flush();
        let call = self.next.fetch_add(1, Ordering::SeqCst);
        let (reply, answer) = oneshot::channel();
        lock(&self.waiting).insert(call, reply);
        self.out.send(&FromWorker::Call { id: self.id, call, method: method.to_owned(), args });
        answer.await.unwrap_or_else(|_| Err(RunError::cancelled()))
    }

    fn watch(&self) -> Option<Wishes> {
        self.watch.as_ref().map(watch::Sender::subscribe)
    }

    fn emit(&self, event: CellEvent) {
        let mut pending = lock(&self.pending);
        match event {
            CellEvent::Stream { stream, text } => {
                if pending.as_ref().is_some_and(|p| p.stream != stream) {
                    self.send_pending(&mut pending);
                }
                let p = pending.get_or_insert_with(|| Pending { stream, text: String::new(), since: Instant::now() });
                p.text.push_str(&text);
                if p.text.len() >= CHUNK || p.since.elapsed() >= AGE {
                    self.send_pending(&mut pending);
                }
            }
            event => {
                self.send_pending(&mut pending);
                self.out.send(&FromWorker::Emit { id: self.id, events: vec![event] });
            }
        }
    }
}
