//! The host's side: the interpreters of one session in a worker process. A soft stop first, the kill after a grace time,
//! then a fresh worker with the shared values restored.

use std::{
    collections::HashMap,
    path::PathBuf,
    process::Stdio,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aikit_core::{Language, RunError};
use async_trait::async_trait;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::{mpsc, oneshot},
    time::{Instant, interval, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::protocol::{self, FromWorker, MAX_FRAME, Question, ToWorker, Told, VERSION};
use crate::{
    debug::script::{ScriptWatch, Wishes},
    ports::{
        Completeness, HostCalls, Inspection, ScriptCompletion, ScriptError, ScriptJob, ScriptOutcome, Scripts,
        StopCause, Vars,
    },
};

/// How long a script may take to obey a soft stop.
const GRACE: Duration = Duration::from_millis(1200);
/// How often the worker's memory is looked at while a script runs.
const WATCH: Duration = Duration::from_millis(40);
/// Memory of a worker whose scripts hold nothing; a script's own bound comes on top.
const BASELINE: u64 = 96 << 20;
/// How long a worker may take to say hello.
const HELLO: Duration = Duration::from_secs(10);

/// The [`Scripts`] port over a worker process, which starts with the first script.
pub struct ProcessScripts {
    program: PathBuf,
    args: Vec<String>,
    vars: Vars,
    worker: tokio::sync::Mutex<Option<Arc<Worker>>>,
    next: AtomicU64,
}

impl ProcessScripts {
    /// Workers are started as `program args…`; the program calls [`serve`](super::worker::serve) over its standard input
    /// and output. Its environment is empty.
    pub fn new(program: PathBuf, args: Vec<String>) -> Self {
        Self { program, args, vars: Vars::default(), worker: tokio::sync::Mutex::new(None), next: AtomicU64::new(1) }
    }

    /// The walls that the operating system puts around a worker, for `doctor`. Starts one if none runs.
    pub async fn walls(&self) -> Result<Vec<String>, String> {
        self.worker().await.map(|worker| worker.walls.clone())
    }

    /// The running worker, or a new one.
    async fn worker(&self) -> Result<Arc<Worker>, String> {
        let mut slot = self.worker.lock().await;
        if let Some(worker) = slot.as_ref().filter(|worker| !worker.is_dead()) {
            return Ok(worker.clone());
        }
        let worker = Worker::start(&self.program, &self.args, self.vars.clone()).await?;
        *slot = Some(worker.clone());
        Ok(worker)
    }

    async fn ask(&self, language: Language, code: &str, question: Question) -> Option<Told> {
        let worker = self.worker().await.ok()?;
        let id = self.next.fetch_add(1, Ordering::SeqCst);
        let (reply, answer) = oneshot::channel();
        lock(&worker.routes).insert(id, Route::Ask(reply));
        worker.send(ToWorker::Ask { id, language, code: code.to_owned(), question });
        answer.await.ok()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Who waits for an answer of the worker.
enum Route {
    Job { host: Arc<dyn HostCalls>, reply: oneshot::Sender<ScriptOutcome>, cancel: CancellationToken },
    Ask(oneshot::Sender<Told>),
}

/// A worker process and who waits for it.
struct Worker {
    pid: Option<u32>,
    walls: Vec<String>,
    requests: mpsc::UnboundedSender<Vec<u8>>,
    routes: Mutex<HashMap<u64, Route>>,
    /// The revision of the shared values that the worker has.
    sent: Mutex<u64>,
    /// Why it was killed and for which job, once it was.
    killed: Mutex<Option<(u64, StopCause)>>,
    kill: CancellationToken,
    dead: CancellationToken,
}

impl Worker {
    async fn start(program: &PathBuf, args: &[String], vars: Vars) -> Result<Arc<Self>, String> {
        let failed = |e: std::io::Error| format!("the script worker cannot be started: {e}");
        let mut child = Command::new(program)
            .args(args)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err("the script worker has no pipes".into());
        };
        tokio::spawn(async move {
            let mut lines = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                tracing::warn!(target: "aikit::worker", "{line}");
            }
        });
        let mut stdout = BufReader::with_capacity(64 << 10, stdout);
        let hello = tokio::time::timeout(HELLO, read(&mut stdout)).await;
        let walls = match hello {
            Ok(Ok(Some(FromWorker::Hello { version: VERSION, walls }))) => walls,
            Ok(Ok(Some(_))) => return Err("the script worker is of another version; restart aikit".into()),
            Ok(Ok(None)) => return Err("the script worker ended at once".into()),
            Ok(Err(e)) => return Err(format!("the script worker does not speak the protocol: {e}")),
            Err(_) => return Err("the script worker did not answer".into()),
        };
        let (requests, outbox) = mpsc::unbounded_channel();
        let worker = Arc::new(Worker {
            pid: child.id(),
            walls,
            requests,
            routes: Mutex::default(),
            sent: Mutex::new(0),
            killed: Mutex::new(None),
            kill: CancellationToken::new(),
            dead: CancellationToken::new(),
        });
        tokio::spawn(write(stdin, outbox));
        tokio::spawn(serve(worker.clone(), child, stdout, vars));
        Ok(worker)
    }

    fn is_dead(&self) -> bool {
        self.dead.is_cancelled() || self.kill.is_cancelled()
    }

    fn send(&self, message: ToWorker) {
        match protocol::encode(&message) {
            // A worker that is gone is noticed by its reader.
            Ok(frame) => drop(self.requests.send(frame)),
            Err(error) => {
                tracing::warn!(%error, "a message to the script worker was refused");
                if let ToWorker::Answer { id, call, .. } = message {
                    let error = RunError::new(aikit_core::ErrorKind::ScriptError, error.to_string());
                    if let Ok(frame) = protocol::encode(&ToWorker::Answer { id, call, result: Err(error) }) {
                        drop(self.requests.send(frame));
                    }
                }
            }
        }
    }

    /// Ends the process for a job that nothing else can end.
    fn end(&self, job: u64, cause: StopCause) {
        lock(&self.killed).get_or_insert((job, cause));
        self.kill.cancel();
    }

    /// Resident memory in bytes, where the system tells.
    fn memory(&self) -> Option<u64> {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.pid?)).ok()?;
        let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
        Some(pages * PAGE)
    }
}

/// Bytes of a page on the systems whose `/proc` is read.
const PAGE: u64 = 4096;

async fn write(mut stdin: ChildStdin, mut outbox: mpsc::UnboundedReceiver<Vec<u8>>) {
    while let Some(frame) = outbox.recv().await {
        if stdin.write_all(&frame).await.is_err() || stdin.flush().await.is_err() {
            return;
        }
    }
}

async fn read(from: &mut BufReader<ChildStdout>) -> std::io::Result<Option<FromWorker>> {
    let length = match from.read_u32_le().await {
        Ok(length) => length as usize,
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(e) => return Err(e),
    };
    if length > MAX_FRAME {
        return Err(std::io::Error::other("a frame is too large"));
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body).await?;
    serde_json::from_slice(&body).map(Some).map_err(std::io::Error::other)
}

/// Reads what the worker says until it dies, then tells everybody who waits.
async fn serve(worker: Arc<Worker>, mut child: Child, mut from: BufReader<ChildStdout>, vars: Vars) {
    let reading = async {
        loop {
            match read(&mut from).await {
                Ok(Some(message)) => worker.take(message, &vars),
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(%error, "the script worker's words cannot be read");
                    break;
                }
            }
        }
    };
    tokio::pin!(reading);
    tokio::select! {
        () = &mut reading => {}
        () = worker.kill.cancelled() => {
            if let Err(error) = child.start_kill() {
                tracing::warn!(%error, "the script worker cannot be killed");
            }
            // What it said before it died still counts.
            let _ = tokio::time::timeout(Duration::from_millis(300), &mut reading).await;
        }
    }
    let _ = child.start_kill();
    let status = child.wait().await;
    worker.dead.cancel();
    let killed = *lock(&worker.killed);
    let aborted = status.as_ref().is_ok_and(|status| out_of_memory(*status));
    let waiting: Vec<_> = lock(&worker.routes).drain().collect();
    for (id, route) in waiting {
        if let Route::Job { reply, cancel, .. } = route {
            let cause = match killed {
                Some((job, cause)) if job == id => cause,
                Some(_) => StopCause::Crash,
                None if aborted => StopCause::Memory,
                None => StopCause::Crash,
            };
            cancel.cancel();
            let _ = reply.send(ScriptOutcome::Stopped { cause, state_lost: true });
        }
    }
}

/// Whether the process ended as one does that gets no more memory: it aborts, or the system kills it.
fn out_of_memory(status: std::process::ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    matches!(status.signal(), Some(libc::SIGABRT | libc::SIGKILL))
}

impl Worker {
    fn take(self: &Arc<Self>, message: FromWorker, vars: &Vars) {
        match message {
            FromWorker::Call { id, call, method, args } => {
                let routed = match lock(&self.routes).get(&id) {
                    Some(Route::Job { host, cancel, .. }) => Some((host.clone(), cancel.clone())),
                    _ => None,
                };
                let Some((host, cancel)) = routed else { return };
                let worker = self.clone();
                tokio::spawn(async move {
                    let result = tokio::select! {
                        result = host.call(&method, args) => result,
                        () = cancel.cancelled() => Err(RunError::cancelled()),
                    };
                    worker.send(ToWorker::Answer { id, call, result });
                });
            }
            FromWorker::Emit { id, events } => {
                let host = match lock(&self.routes).get(&id) {
                    Some(Route::Job { host, .. }) => Some(host.clone()),
                    _ => None,
                };
                if let Some(host) = host {
                    events.into_iter().for_each(|event| host.emit(event));
                }
            }
            FromWorker::Vars { changes } => {
                // The worker need not hear its own changes again.
                let mut sent = lock(&self.sent);
                let before = vars.changes_since(u64::MAX).1;
                changes.into_iter().for_each(|change| vars.apply(change));
                if *sent == before {
                    *sent = vars.changes_since(u64::MAX).1;
                }
            }
            FromWorker::Outcome { id, outcome } => {
                if let Some(Route::Job { reply, cancel, .. }) = lock(&self.routes).remove(&id) {
                    cancel.cancel();
                    let _ = reply.send(outcome);
                }
            }
            FromWorker::Told { id, answer } => {
                if let Some(Route::Ask(reply)) = lock(&self.routes).remove(&id) {
                    let _ = reply.send(answer);
                }
            }
            FromWorker::Hello { .. } => {}
        }
    }
}

/// Stops a job whose future was dropped, the hard way if it has to be.
struct Abandon {
    worker: Arc<Worker>,
    id: u64,
    armed: bool,
}

impl Drop for Abandon {
    fn drop(&mut self) {
        if !self.armed {
            return;
        }
        let (worker, id) = (self.worker.clone(), self.id);
        worker.send(ToWorker::Stop { id, cause: StopCause::Interrupt });
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                tokio::time::sleep(GRACE).await;
                if lock(&worker.routes).contains_key(&id) {
                    worker.end(id, StopCause::Interrupt);
                }
            });
        }
    }
}

#[async_trait]
impl Scripts for ProcessScripts {
    async fn run(&self, job: ScriptJob, host: Arc<dyn HostCalls>, cancel: CancellationToken) -> ScriptOutcome {
        let worker = match self.worker().await {
            Ok(worker) => worker,
            Err(message) => {
                let error = ScriptError { name: "InternalError".into(), message, trace: Vec::new(), cause: None };
                return ScriptOutcome::Failed { error };
            }
        };
        let id = self.next.fetch_add(1, Ordering::SeqCst);
        let (wall, memory) = (job.limits.wall, job.limits.memory);
        let (reply, mut outcome) = oneshot::channel();
        let mut watched = host.watch();
        lock(&worker.routes).insert(id, Route::Job { host, reply, cancel: CancellationToken::new() });
        // A worker that died before it was registered with has told everybody already.
        if worker.is_dead() && lock(&worker.routes).remove(&id).is_some() {
            return ScriptOutcome::Stopped { cause: StopCause::Crash, state_lost: true };
        }
        {
            let mut sent = lock(&worker.sent);
            let (vars, revision) = self.vars.changes_since(*sent);
            *sent = revision;
            let watch = watched.as_mut().map(|watched| watched.borrow_and_update().clone());
            worker.send(ToWorker::Run { id, job: Box::new(job), vars, watch });
        }
        let mut abandon = Abandon { worker: worker.clone(), id, armed: true };
        let mut watch = interval(WATCH);
        let wall = sleep_until(Instant::now().checked_add(wall).unwrap_or_else(|| Instant::now() + DAY));
        let grace = sleep_until(Instant::now() + DAY);
        tokio::pin!(wall, grace);
        let mut stopping = None;
        let ended = loop {
            tokio::select! {
                biased;
                ended = &mut outcome => break ended,
                () = cancel.cancelled(), if stopping.is_none() => {
                    stopping = Some(StopCause::Interrupt);
                    grace.as_mut().reset(Instant::now() + GRACE);
                    worker.send(ToWorker::Stop { id, cause: StopCause::Interrupt });
                }
                () = &mut wall, if stopping.is_none() => {
                    stopping = Some(StopCause::Time);
                    grace.as_mut().reset(Instant::now() + GRACE);
                    worker.send(ToWorker::Stop { id, cause: StopCause::Time });
                }
                () = &mut grace, if stopping.is_some() => {
                    worker.end(id, stopping.unwrap_or(StopCause::Interrupt));
                    grace.as_mut().reset(Instant::now() + DAY);
                }
                wanted = changed(&mut watched) => worker.send(ToWorker::Watch { id, watch: wanted }),
                _ = watch.tick() => {
                    if worker.memory().is_some_and(|held| held > memory.saturating_add(BASELINE)) {
                        worker.end(id, StopCause::Memory);
                    }
                }
            }
        };
        abandon.armed = false;
        ended.unwrap_or(ScriptOutcome::Stopped { cause: StopCause::Crash, state_lost: true })
    }

    async fn complete(&self, language: Language, code: &str, cursor: usize) -> Vec<ScriptCompletion> {
        match self.ask(language, code, Question::Complete { cursor }).await {
            Some(Told::Completions { list }) => list,
            _ => Vec::new(),
        }
    }

    async fn inspect(&self, language: Language, code: &str, cursor: usize) -> Option<Inspection> {
        match self.ask(language, code, Question::Inspect { cursor }).await {
            Some(Told::Inspection { found }) => found,
            _ => None,
        }
    }

    async fn is_complete(&self, language: Language, code: &str) -> Completeness {
        match self.ask(language, code, Question::IsComplete).await {
            Some(Told::Completeness { state }) => state,
            _ => Completeness::Unknown,
        }
    }

    fn vars(&self) -> Vars {
        self.vars.clone()
    }

    async fn shutdown(&self) {
        if let Some(worker) = self.worker.lock().await.take() {
            worker.kill.cancel();
            worker.dead.cancelled().await;
        }
    }
}

/// The next time that a debugger wants something else.
async fn changed(watched: &mut Option<Wishes>) -> ScriptWatch {
    if let Some(receiver) = watched
        && receiver.changed().await.is_ok()
    {
        return receiver.borrow_and_update().clone();
    }
    std::future::pending().await
}

/// Farther away than any script runs.
const DAY: Duration = Duration::from_secs(86_400 * 365);
