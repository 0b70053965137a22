//! Outputs on their way to the clients: ordered, coalesced, bounded. Whoever puts something out never waits.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aikit_runtime::cell::Stream;
use serde_json::json;
use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, sleep_until},
};

use crate::{
    message::{Outgoing, Parent},
    transport::{SharedTransport, Weight},
};

/// The longest text of one stream message that coalescing makes.
const CHUNK: usize = 256 << 10;

/// How long text may wait for more text, so that a printing loop becomes few messages.
const PACE: Duration = Duration::from_millis(10);

/// Shared by everything that puts something out.
#[derive(Clone)]
pub struct IoPub(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    /// Something is in the queue.
    ready: Notify,
    /// Something is in the queue that must not wait for more text.
    urgent: Notify,
    bound: usize,
}

#[derive(Default)]
struct Queue {
    items: VecDeque<Item>,
    bytes: usize,
    /// From the bound on until the queue is half empty again, so that one note stands for many outputs.
    skipping: bool,
    closed: bool,
}

enum Item {
    Text { parent: Parent, stream: Stream, text: String },
    Message { message: Box<Outgoing>, weight: Weight, size: usize },
    Skipped { parent: Parent, bytes: usize },
    Barrier(oneshot::Sender<()>),
}

impl IoPub {
    /// Starts the task that hands outputs to the transport. At most `bound` bytes of output wait for it.
    pub fn start(transport: SharedTransport, bound: usize) -> Self {
        let shared = Arc::new(Shared { queue: Mutex::default(), ready: Notify::new(), urgent: Notify::new(), bound });
        tokio::spawn(pump(shared.clone(), transport));
        Self(shared)
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock()
    }

    /// Puts out text.
    pub fn text(&self, parent: &Parent, stream: Stream, text: String) {
        if text.is_empty() {
            return;
        }
        let mut queue = self.lock();
        if queue.is_full_for(text.len(), self.0.bound) {
            queue.skip(parent, text.len());
            return;
        }
        queue.bytes += text.len();
        match queue.items.back_mut() {
            Some(Item::Text { parent: of, stream: to, text: before })
                if of == parent && *to == stream && before.len() + text.len() <= CHUNK =>
            {
                before.push_str(&text);
                return;
            }
            _ => queue.items.push_back(Item::Text { parent: parent.clone(), stream, text }),
        }
        drop(queue);
        self.0.ready.notify_one();
    }

    /// Puts out anything else.
    pub fn publish(&self, message: Outgoing, weight: Weight) {
        let size = size_of(&message);
        let mut queue = self.lock();
        if weight == Weight::Output && queue.is_full_for(size, self.0.bound) {
            queue.skip(&message.parent, size);
            return;
        }
        queue.bytes += size;
        queue.items.push_back(Item::Message { message: Box::new(message), weight, size });
        drop(queue);
        self.0.urgent.notify_one();
        self.0.ready.notify_one();
    }

    /// Waits until all that was put out before is with the transport.
    pub async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        {
            let mut queue = self.lock();
            if queue.closed {
                return;
            }
            queue.items.push_back(Item::Barrier(done));
        }
        self.0.urgent.notify_one();
        self.0.ready.notify_one();
        // An error means that the task has ended, and with it what could be waited for.
        wait.await.ok();
    }

    /// Lets the task end when the queue is empty.
    pub fn close(&self) {
        self.lock().closed = true;
        self.0.urgent.notify_one();
        self.0.ready.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn is_full_for(&mut self, size: usize, bound: usize) -> bool {
        self.skipping = if self.skipping { self.bytes + size > bound / 2 } else { self.bytes + size > bound };
        self.skipping
    }

    fn skip(&mut self, parent: &Parent, size: usize) {
        match self.items.back_mut() {
            Some(Item::Skipped { parent: of, bytes }) if of == parent => *bytes += size,
            _ => self.items.push_back(Item::Skipped { parent: parent.clone(), bytes: size }),
        }
    }

    /// Whether more text may still join what waits.
    fn may_grow(&self) -> bool {
        !self.closed && self.items.len() == 1 && matches!(self.items.front(), Some(Item::Text { .. }))
    }
}

/// About the bytes that a message occupies.
fn size_of(message: &Outgoing) -> usize {
    fn of(value: &serde_json::Value) -> usize {
        match value {
            serde_json::Value::String(text) => text.len() + 2,
            serde_json::Value::Array(items) => items.iter().map(of).sum::<usize>() + 2,
            serde_json::Value::Object(fields) => fields.iter().map(|(name, value)| name.len() + 4 + of(value)).sum(),
            _ => 8,
        }
    }
    of(&message.content) + message.buffers.iter().map(bytes::Bytes::len).sum::<usize>() + 512
}

async fn pump(shared: Arc<Shared>, transport: SharedTransport) {
    let mut not_before = Instant::now();
    loop {
        shared.ready.notified().await;
        while shared.lock().may_grow() && Instant::now() < not_before {
            tokio::select! {
                () = sleep_until(not_before) => {}
                () = shared.urgent.notified() => {}
            }
        }
        loop {
            let item = {
                let mut queue = shared.lock();
                let Some(item) = queue.items.pop_front() else { break };
                queue.bytes -= match &item {
                    Item::Text { text, .. } => text.len(),
                    Item::Message { size, .. } => *size,
                    Item::Skipped { .. } | Item::Barrier(_) => 0,
                };
                item
            };
            tokio::task::consume_budget().await;
            match item {
                Item::Text { parent, stream, text } => {
                    transport.publish(&stream_message(parent, stream, &text), Weight::Output);
                    not_before = Instant::now() + PACE;
                }
                Item::Message { message, weight, .. } => transport.publish(&message, weight),
                Item::Skipped { parent, bytes } => transport.publish(&skipped_note(parent, bytes), Weight::Vital),
                Item::Barrier(done) => drop(done.send(())),
            }
        }
        if shared.lock().closed {
            return;
        }
    }
}

/// A stream message.
pub fn stream_message(parent: Parent, stream: Stream, text: &str) -> Outgoing {
    let name = match stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
    };
    Outgoing::broadcast(parent, "stream", json!({ "name": name, "text": text }))
}

/// What stands in place of outputs that were skipped.
pub fn skipped_note(parent: Parent, bytes: usize) -> Outgoing {
    let amount = match bytes {
        0..10_000 => format!("{bytes} bytes"),
        10_000..10_000_000 => format!("{} kB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    };
    let text = format!("\n[aikit: {amount} of output were skipped here, more than this client could take in time]\n");
    stream_message(parent, Stream::Stderr, &text)
}
