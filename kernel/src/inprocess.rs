//! A front end inside the process: the same kernel and the same messages, without sockets.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aikit_core::Language;
use aikit_runtime::cell::CellEngine;
use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio::{sync::mpsc, task::JoinHandle};
use uuid::Uuid;

use crate::{
    core::{Core, ExitReason},
    debug::SharedDebugger,
    kernel::{self, Limits},
    message::{Channel, Header, Message, Outgoing},
    transport::{Inbox, Transport, Weight},
};

/// What a client hears.
#[derive(Debug)]
pub enum Event {
    /// A reply on shell.
    Reply(Message),
    /// A reply on control.
    Control(Message),
    /// A message for everybody: outputs, states.
    Output(Message),
    /// A question to the person.
    Question(Message),
}

impl Event {
    /// The message.
    pub fn message(&self) -> &Message {
        match self {
            Event::Reply(message) | Event::Control(message) | Event::Output(message) | Event::Question(message) => {
                message
            }
        }
    }
}

/// Numbers the messages of one side.
struct Side {
    session: String,
    sent: AtomicU64,
}

impl Side {
    fn new() -> Self {
        Self { session: Uuid::new_v4().simple().to_string(), sent: AtomicU64::new(0) }
    }

    fn header(&self, msg_type: &str) -> Header {
        let number = self.sent.fetch_add(1, Ordering::Relaxed);
        Header::new(format!("{}_{number}", self.session), msg_type, &self.session, "aikit")
    }
}

/// Channels in place of sockets.
struct Channels {
    side: Side,
    /// Nothing when the kernel has ended.
    events: Mutex<Option<mpsc::UnboundedSender<Event>>>,
}

impl Channels {
    fn deliver(&self, event: fn(Message) -> Event, message: &Outgoing) {
        let header = match &message.header {
            Some(header) => (**header).clone(),
            None => self.side.header(&message.msg_type),
        };
        let content = message.content.as_object().cloned().unwrap_or_default();
        let parent_header = serde_json::from_slice(message.parent.raw()).unwrap_or_default();
        // The client may be gone; then nobody is left to hear.
        let received = Message {
            identities: Vec::new(),
            header,
            parent_header,
            metadata: message.metadata.clone(),
            content,
            buffers: message.buffers.clone(),
            defect: None,
        };
        if let Some(events) = self.events.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            events.send(event(received)).ok();
        }
    }
}

#[async_trait]
impl Transport for Channels {
    fn send(&self, channel: Channel, message: Outgoing) {
        let event = match channel {
            Channel::Shell => Event::Reply,
            Channel::Control => Event::Control,
            Channel::Stdin => Event::Question,
        };
        self.deliver(event, &message);
    }

    fn publish(&self, message: &Outgoing, _weight: Weight) {
        self.deliver(Event::Output, message);
    }

    async fn settle(&self) {}

    async fn flush(&self, _patience: Duration) {}

    fn header(&self, msg_type: &str) -> Header {
        self.side.header(msg_type)
    }

    fn ports(&self) -> Value {
        json!({})
    }

    async fn close(&self) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// A kernel of one's own and the only client on it.
pub struct Client {
    core: Arc<Core>,
    side: Side,
    events: mpsc::UnboundedReceiver<Event>,
    /// Events that [`Client::request`] came across.
    passed: VecDeque<Event>,
    ended: Mutex<Option<JoinHandle<()>>>,
}

impl Client {
    /// Starts a kernel over `engine`.
    pub fn start(engine: Arc<dyn CellEngine>, language: Language) -> Self {
        Self::start_with(engine, language, None)
    }

    /// Starts a kernel whose cells can be debugged.
    pub fn start_with(engine: Arc<dyn CellEngine>, language: Language, debugger: Option<SharedDebugger>) -> Self {
        let (events, heard) = mpsc::unbounded_channel();
        let channels = Arc::new(Channels { side: Side::new(), events: Mutex::new(Some(events)) });
        let (core, ended) = kernel::run(engine, language, &Limits::default(), debugger, channels);
        Self { core, side: Side::new(), events: heard, passed: VecDeque::new(), ended: Mutex::new(Some(ended)) }
    }

    /// Sends a message; the id tells what answers it.
    pub fn send(&self, channel: Channel, msg_type: &str, content: Map<String, Value>) -> String {
        let header = self.side.header(msg_type);
        let id = header.msg_id.clone();
        let message = Message {
            identities: vec![Bytes::from_static(b"client")],
            header,
            parent_header: Map::new(),
            metadata: Map::new(),
            content,
            buffers: Vec::new(),
            defect: None,
        };
        self.deliver(channel, message);
        id
    }

    /// Sends a message that is complete.
    pub fn deliver(&self, channel: Channel, message: Message) {
        self.core.deliver(channel, message);
    }

    /// The next thing that the kernel says; `None` when it has ended.
    pub async fn next(&mut self) -> Option<Event> {
        match self.passed.pop_front() {
            Some(event) => Some(event),
            None => self.events.recv().await,
        }
    }

    /// Sends a request and waits for its reply. Other events are kept for [`Client::next`].
    pub async fn request(&mut self, channel: Channel, msg_type: &str, content: Map<String, Value>) -> Option<Message> {
        let id = self.send(channel, msg_type, content);
        loop {
            match self.events.recv().await? {
                Event::Reply(reply) | Event::Control(reply) if reply.parent_id() == id => return Some(reply),
                event => self.passed.push_back(event),
            }
        }
    }

    /// Answers a question.
    pub fn answer(&self, value: &str) {
        let content = Map::from_iter([("value".to_owned(), value.into())]);
        self.send(Channel::Stdin, "input_reply", content);
    }

    /// Something that interrupts this kernel from elsewhere, for signal handlers.
    pub fn remote(&self) -> kernel::Remote {
        kernel::Remote::of(&self.core)
    }

    /// Ends the kernel and its engine.
    pub async fn shutdown(&self) {
        self.core.close(ExitReason::Stopped);
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ended) = ended {
            // A task that panicked has ended as well.
            ended.await.ok();
        }
    }
}

impl Drop for Client {
    /// A kernel whose only client is gone has nothing left to do.
    fn drop(&mut self) {
        self.core.close(ExitReason::Stopped);
    }
}
