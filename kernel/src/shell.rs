//! The shell channel: which request may run when, and what answers it.
//!
//! Requests of one client are served in their order, and only one execution is under way in the whole kernel. A client
//! whose own requests are done is therefore answered while another client's cell runs. Questions about the kernel itself
//! are answered at once, so that a client that reconnects sees a busy kernel and not a dead one. While a debugger holds a
//! cell, only executions wait for it.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use tokio::{sync::Notify, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    complete,
    core::{Core, Failure},
    execute::{self, Executed},
    history,
    info::kernel_info,
    message::{Channel, Message, Outgoing},
    request::Fields,
};

/// How long after a failure executions are refused that were sent before their sender could know of it.
const AFTERMATH: Duration = Duration::from_millis(100);

type Client = Vec<Bytes>;

/// The requests that wait.
#[derive(Default)]
pub struct ShellQueue {
    waiting: Mutex<VecDeque<Waiting>>,
    arrived: Notify,
}

struct Waiting {
    request: Message,
    /// Why it will be refused when its turn comes.
    aborted: Option<&'static str>,
}

impl Waiting {
    fn kind(&self) -> &str {
        &self.request.header.msg_type
    }

    fn is_execution(&self) -> bool {
        self.kind() == "execute_request" && self.aborted.is_none()
    }

    /// Whether it only asks about code.
    fn is_question(&self) -> bool {
        matches!(self.kind(), "complete_request" | "inspect_request" | "is_complete_request" | "history_request")
    }

    /// Whether the answer depends on nothing that the client's earlier requests do.
    fn is_about_the_kernel(&self) -> bool {
        matches!(self.kind(), "kernel_info_request" | "comm_info_request" | "connect_request")
    }
}

impl ShellQueue {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a request.
    pub fn push(&self, request: Message) {
        self.waiting().push_back(Waiting { request, aborted: None });
        self.arrived.notify_one();
    }

    /// Refuses the executions that wait: those of one client, or all.
    pub fn abort(&self, client: Option<&[Bytes]>, why: &'static str) {
        for waiting in self.waiting().iter_mut() {
            if waiting.is_execution() && client.is_none_or(|client| client == waiting.request.identities) {
                waiting.aborted = Some(why);
            }
        }
        self.arrived.notify_one();
    }

    /// Looks again at what waits: a cell stands still now.
    pub fn wake(&self) {
        self.arrived.notify_one();
    }

    /// Takes the first request that may run beside those that are under way; `held` says that a cell stands still.
    fn next(&self, busy: &HashSet<Client>, executing: bool, held: bool) -> Option<Waiting> {
        let stands_still = held;
        let mut waiting = self.waiting();
        let mut held: HashSet<&[Bytes]> = busy.iter().map(Vec::as_slice).collect();
        let mut executing = executing;
        let mut found = None;
        for (at, candidate) in waiting.iter().enumerate() {
            let client = candidate.request.identities.as_slice();
            let free = !(held.contains(client) || executing && candidate.is_execution());
            if free || candidate.is_about_the_kernel() || stands_still && candidate.is_question() {
                found = Some(at);
                break;
            }
            held.insert(client);
            executing |= candidate.is_execution();
        }
        drop(held);
        waiting.remove(found?)
    }
}

struct Done {
    client: Option<Client>,
    execution: bool,
    failed: bool,
}

/// Serves the channel until the kernel ends; executions that still wait then are refused.
pub async fn serve(core: Arc<Core>) {
    let mut running = JoinSet::new();
    let mut busy = HashSet::new();
    let mut known: HashSet<Client> = HashSet::new();
    let mut failures: HashMap<Client, (Instant, DateTime<Utc>)> = HashMap::new();
    let mut executing = false;
    loop {
        while let Some(mut next) = core.shell.next(&busy, executing, core.stands_still()) {
            let client = next.request.identities.clone();
            if known.insert(client.clone()) {
                core.transport.settle().await;
            }
            if next.is_execution()
                && let Some((at, when)) = failures.get(&client)
            {
                let sent_before = next.request.header.date.is_some_and(|date| date < *when);
                if at.elapsed() < AFTERMATH && sent_before {
                    next.aborted = Some(FAILED_BEFORE);
                }
            }
            if next.is_execution() && core.closing.is_cancelled() {
                next.aborted = Some("the kernel is shutting down");
            }
            let execution = next.is_execution();
            executing |= execution;
            // A question beside a cell of the same client that stands still does not end its turn.
            let holds = !next.is_about_the_kernel() && !busy.contains(&client);
            if holds {
                busy.insert(client.clone());
            }
            let cancel = execution.then(|| core.begin_execution(next.request.header.as_parent()));
            let core = core.clone();
            running.spawn(async move {
                let failed = match (next.aborted, cancel) {
                    (Some(why), _) => refuse(&core, &next.request, why),
                    (None, Some(cancel)) => execute_one(&core, &next.request, cancel).await,
                    (None, None) => answer_one(&core, &next.request).await,
                };
                Done { client: holds.then_some(client), execution, failed }
            });
        }
        tokio::select! {
            Some(done) = running.join_next() => {
                let Ok(Done { client, execution, failed }) = done else { continue };
                executing &= !execution;
                let Some(client) = client else { continue };
                if failed {
                    core.shell.abort(Some(&client), FAILED_BEFORE);
                    failures.retain(|_, (at, _)| at.elapsed() < AFTERMATH);
                    failures.insert(client.clone(), (Instant::now(), Utc::now()));
                }
                busy.remove(&client);
            }
            () = core.shell.arrived.notified() => {}
            () = core.closing.cancelled(), if running.is_empty() => return,
        }
    }
}

const FAILED_BEFORE: &str = "an earlier cell failed";

/// Answers an execution that will not take place. Its status is an error and not the deprecated `aborted`.
fn refuse(core: &Core, request: &Message, why: &str) -> bool {
    let parent = request.header.as_parent();
    core.busy(&parent);
    let mut content = Failure::new("Aborted", format!("this cell was not run: {why}")).content();
    content["execution_count"] = core.count().into();
    core.reply(Channel::Shell, request, content);
    core.idle(&parent);
    false
}

/// Executes; says whether the client's waiting executions are to be refused.
async fn execute_one(core: &Arc<Core>, request: &Message, cancel: CancellationToken) -> bool {
    let parent = request.header.as_parent();
    core.busy(&parent);
    let executed = core.guarded(async { Ok(execute::execute(core, request, cancel).await) }).await;
    let Executed { content, metadata, abort_others } = executed.unwrap_or_else(|failure| Executed {
        content: failure.content(),
        metadata: Map::new(),
        abort_others: false,
    });
    let reply = Outgoing::reply(request, "execute_reply", content);
    core.transport.send(Channel::Shell, Outgoing { metadata, ..reply });
    core.end_execution();
    core.idle(&parent);
    abort_others
}

/// Serves everything else.
async fn answer_one(core: &Core, request: &Message) -> bool {
    let parent = request.header.as_parent();
    core.busy(&parent);
    match core.guarded(answer(core, request)).await {
        Ok(Some(content)) => core.reply(Channel::Shell, request, content),
        Ok(None) => {}
        Err(failure) if request.header.msg_type.ends_with("_request") => {
            core.reply(Channel::Shell, request, failure.content());
        }
        Err(failure) => tracing::warn!(msg_type = request.header.msg_type, "a message was dropped: {}", failure.evalue),
    }
    core.idle(&parent);
    false
}

/// The content of the reply, for messages that have one.
async fn answer(core: &Core, request: &Message) -> Result<Option<Value>, Failure> {
    if let Some(defect) = &request.defect {
        return Err(Failure::new("InvalidRequest", defect.clone()));
    }
    let fields = Fields(&request.content);
    let content = match request.header.msg_type.as_str() {
        "kernel_info_request" => kernel_info(core.language, core.debugger.is_some()),
        "complete_request" => complete::complete(core, fields).await?,
        "inspect_request" => complete::inspect(core, fields).await?,
        "is_complete_request" => complete::is_complete(core, fields).await?,
        "history_request" => {
            core.recorder.settled().await;
            history::history(&*core.engine, fields).await?
        }
        "comm_info_request" => core.comms.info(request)?,
        "connect_request" => core.transport.ports(),
        "comm_open" => return Ok(core.comms.open(&core.iopub, request).map(|()| None)?),
        "comm_msg" => return Ok(core.comms.message(&core.iopub, request).map(|()| None)?),
        "comm_close" => return Ok(core.comms.close(request).map(|()| None)?),
        _ => return Err(unknown(request)),
    };
    Ok(Some(content))
}

/// No handler has this type.
pub fn unknown(request: &Message) -> Failure {
    let shown: String = request.header.msg_type.chars().take(80).collect();
    Failure::new("UnknownRequest", format!("this kernel does not know `{shown}` on this channel"))
}
