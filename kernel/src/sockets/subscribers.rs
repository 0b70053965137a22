//! The iopub socket: each subscriber has a socket, a queue and a task of its own, so that one that stops reading holds up
//! nobody else.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use serde_json::json;
use tokio::{
    net::UnixStream,
    sync::Notify,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use zeromq::{Socket, SocketEvent, SocketRecv, SocketSend, XPubSocket, ZmqMessage};

use super::gate::{Connection, Door, Flow, RunDir, pass};
use crate::{
    iopub::skipped_note,
    kernel::Limits,
    message::{Outgoing, Parent},
    transport::Weight,
    wire::Wire,
};

/// How long a peer may take for the handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long a new client's first request waits for its subscription.
const SETTLE: Duration = Duration::from_millis(100);

/// The same where no connection is in sight that could bring one.
const SETTLE_ALONE: Duration = Duration::from_millis(30);

/// All subscribers.
pub struct Subscribers {
    wire: Arc<Wire>,
    limits: Limits,
    list: Mutex<Vec<Arc<Subscriber>>>,
    /// Connections that have not subscribed to anything yet.
    connecting: AtomicUsize,
    changed: Notify,
    /// The first words of the kernel, kept for the first subscriber while nothing else was said.
    first_words: Mutex<Option<ZmqMessage>>,
}

struct Subscriber {
    queue: Mutex<Queue>,
    ready: Notify,
    subscribed: AtomicBool,
    flow: Arc<Flow>,
    stop: CancellationToken,
}

#[derive(Default)]
struct Queue {
    messages: VecDeque<ZmqMessage>,
    bytes: usize,
    skipped: Option<(Parent, usize)>,
    /// From the bound on until the queue is half empty again.
    skipping: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Subscribers {
    /// Nobody has subscribed.
    pub fn new(wire: Arc<Wire>, limits: Limits) -> Self {
        Self {
            wire,
            limits,
            list: Mutex::default(),
            connecting: AtomicUsize::new(0),
            changed: Notify::new(),
            first_words: Mutex::new(None),
        }
    }

    /// Queues a message for everybody who has subscribed.
    pub fn publish(&self, message: &Outgoing, weight: Weight) {
        let mut first_words = lock(&self.first_words);
        let subscribed: Vec<_> =
            lock(&self.list).iter().filter(|one| one.subscribed.load(Ordering::Acquire)).cloned().collect();
        let is_first_word = message.parent == Parent::none() && message.msg_type == "status";
        if subscribed.is_empty() {
            *first_words = is_first_word.then(|| self.encode(message)).flatten();
            return;
        }
        drop(first_words);
        let Some(encoded) = self.encode(message) else { return };
        for one in subscribed {
            self.queue(&one, encoded.clone(), weight, &message.parent);
        }
    }

    fn queue(&self, one: &Subscriber, message: ZmqMessage, weight: Weight, parent: &Parent) {
        let bound = self.limits.output;
        let size = size_of(&message);
        let mut queue = lock(&one.queue);
        let full = queue.bytes + size > if queue.skipping { bound / 2 } else { bound };
        if weight == Weight::Output {
            queue.skipping = full;
            if full {
                match &mut queue.skipped {
                    Some((of, bytes)) if of == parent => *bytes += size,
                    _ => self.note(&mut queue, Some((parent.clone(), size))),
                }
                return;
            }
        } else if queue.bytes + size > bound.saturating_mul(4) {
            tracing::warn!("a subscriber takes nothing and was dropped");
            one.stop.cancel();
            return;
        }
        self.note(&mut queue, None);
        queue.bytes += size;
        queue.messages.push_back(message);
        drop(queue);
        one.ready.notify_one();
    }

    /// Says what was skipped so far, and begins to count for the next.
    fn note(&self, queue: &mut Queue, next: Option<(Parent, usize)>) {
        let skipped = std::mem::replace(&mut queue.skipped, next);
        if let Some(note) = skipped.and_then(|(parent, bytes)| self.encode(&skipped_note(parent, bytes))) {
            queue.bytes += size_of(&note);
            queue.messages.push_back(note);
        }
    }

    fn encode(&self, message: &Outgoing) -> Option<ZmqMessage> {
        let topic = format!("kernel.{}.{}", self.wire.session(), message.msg_type);
        self.encode_under(Bytes::from(topic), message)
    }

    fn encode_under(&self, topic: Bytes, message: &Outgoing) -> Option<ZmqMessage> {
        let mut frames = ZmqMessage::try_from(self.wire.encode(message)).ok()?;
        frames.push_front(topic);
        Some(frames)
    }

    /// Waits, shortly, for connections that have not subscribed yet.
    pub async fn settle(&self) {
        let since = Instant::now();
        loop {
            let changed = self.changed.notified();
            let connecting = self.connecting.load(Ordering::Acquire) > 0;
            if !connecting && lock(&self.list).iter().any(|one| one.subscribed.load(Ordering::Acquire)) {
                return;
            }
            let until = since + if connecting { SETTLE } else { SETTLE_ALONE };
            tokio::select! {
                () = changed => {}
                () = sleep_until(until) => return,
            }
        }
    }

    /// Whether everything that was published has gone to the system.
    pub fn is_drained(&self) -> bool {
        lock(&self.list).iter().all(|one| lock(&one.queue).messages.is_empty() && one.flow.is_drained())
    }

    /// Accepts subscribers until `closing`.
    pub async fn serve(self: Arc<Self>, door: Door, dir: Arc<RunDir>, closing: CancellationToken) {
        let mut number = 0u64;
        loop {
            let connection = tokio::select! {
                connection = door.accept() => connection,
                () = closing.cancelled() => return,
            };
            number += 1;
            let subscriber = Arc::new(Subscriber {
                queue: Mutex::default(),
                ready: Notify::new(),
                subscribed: AtomicBool::new(false),
                flow: Arc::default(),
                stop: closing.child_token(),
            });
            self.connecting.fetch_add(1, Ordering::AcqRel);
            lock(&self.list).push(subscriber.clone());
            let path = dir.socket(&format!("iopub-{number}")).to_string_lossy().into_owned();
            let subscribers = self.clone();
            let (name, limit) = door.terms();
            let dir = dir.clone();
            tokio::spawn(async move {
                let attend = subscribers.attend(&subscriber, connection, name, limit, &path);
                if let Err(error) = attend.await {
                    tracing::debug!(%error, "a subscriber was not attended to any longer");
                }
                subscriber.stop.cancel();
                lock(&subscribers.list).retain(|one| !Arc::ptr_eq(one, &subscriber));
                subscribers.has_subscribed(&subscriber);
                drop(dir);
            });
        }
    }

    /// The connection no longer counts as one that may still subscribe.
    fn has_subscribed(&self, one: &Subscriber) {
        if !one.subscribed.swap(true, Ordering::AcqRel) {
            self.connecting.fetch_sub(1, Ordering::AcqRel);
        }
        self.changed.notify_waiters();
    }

    /// The life of one subscriber.
    async fn attend(
        &self,
        one: &Arc<Subscriber>,
        connection: Connection,
        name: &'static str,
        limit: usize,
        path: &str,
    ) -> Result<(), zeromq::ZmqError> {
        let mut socket = XPubSocket::new();
        let mut events = socket.monitor();
        socket.bind(&format!("ipc://{path}")).await?;
        let private = UnixStream::connect(path).await?;
        let (flow, stop) = (one.flow.clone(), one.stop.clone());
        tokio::spawn(async move {
            pass(name, limit, connection, private, flow, stop.clone()).await;
            stop.cancel();
        });
        let connected = async {
            while let Some(event) = events.next().await {
                match event {
                    SocketEvent::Accepted(..) => return true,
                    SocketEvent::AcceptFailed(_) => return false,
                    _ => {}
                }
            }
            false
        };
        let connected = tokio::select! {
            connected = timeout(HANDSHAKE, connected) => connected.unwrap_or(false),
            () = one.stop.cancelled() => false,
        };
        // Nobody else shall come in here.
        for error in socket.unbind_all().await {
            tracing::debug!(%error, "a private socket was not unbound");
        }
        if !connected {
            return Ok(());
        }
        loop {
            while let Some(message) = one.pop() {
                self.send(&mut socket, one, message).await?;
                if let Some(received) = socket.recv().now_or_never() {
                    self.subscription(&mut socket, one, received?).await?;
                }
                if one.stop.is_cancelled() {
                    return Ok(());
                }
            }
            tokio::select! {
                received = socket.recv() => self.subscription(&mut socket, one, received?).await?,
                () = one.ready.notified() => {}
                () = one.stop.cancelled() => return Ok(()),
            }
        }
    }

    /// A subscriber says what it wants to hear; JEP 65 wants it to be welcomed.
    async fn subscription(
        &self,
        socket: &mut XPubSocket,
        one: &Arc<Subscriber>,
        event: ZmqMessage,
    ) -> Result<(), zeromq::ZmqError> {
        let Some((1, topic)) = event.get(0).and_then(|frame| frame.split_first()) else { return Ok(()) };
        // Under the lock of `publish`: what is said from now on waits in the queue, behind the welcome. A client that was
        // welcomed must not miss the next word.
        let first_words = {
            let mut first_words = lock(&self.first_words);
            self.has_subscribed(one);
            first_words.take()
        };
        if let Ok(text) = std::str::from_utf8(topic) {
            let welcome = Outgoing::broadcast(Parent::none(), "iopub_welcome", json!({ "subscription": text }));
            if let Some(welcome) = self.encode_under(Bytes::copy_from_slice(topic), &welcome) {
                self.send(socket, one, welcome).await?;
            }
        }
        if let Some(message) = first_words {
            self.send(socket, one, message).await?;
        }
        Ok(())
    }

    /// Sends, and drops the subscriber when it takes no byte for too long.
    async fn send(
        &self,
        socket: &mut XPubSocket,
        one: &Subscriber,
        message: ZmqMessage,
    ) -> Result<(), zeromq::ZmqError> {
        one.flow.queued.fetch_add(1, Ordering::Relaxed);
        let sending = socket.send(message);
        tokio::pin!(sending);
        loop {
            let before = one.flow.bytes.load(Ordering::Relaxed);
            tokio::select! {
                sent = &mut sending => return sent,
                () = one.stop.cancelled() => return Ok(()),
                () = sleep(self.limits.stall) => {
                    if one.flow.bytes.load(Ordering::Relaxed) == before {
                        tracing::warn!("a subscriber took nothing for {:?} and was dropped", self.limits.stall);
                        one.stop.cancel();
                        return Ok(());
                    }
                }
            }
        }
    }
}

impl Subscriber {
    fn pop(&self) -> Option<ZmqMessage> {
        let mut queue = lock(&self.queue);
        let message = queue.messages.pop_front()?;
        queue.bytes -= size_of(&message);
        Some(message)
    }
}

fn size_of(message: &ZmqMessage) -> usize {
    message.iter().map(Bytes::len).sum()
}
