//! What carries messages: ZeroMQ sockets, or channels inside the process.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::Value;

use crate::message::{Channel, Header, Message, Outgoing};

/// What a slow client may miss of the outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Text and pictures: skipped with a note when the client does not keep up.
    Output,
    /// Errors, results, states: never skipped.
    Vital,
}

/// The way out of the kernel.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends a reply, or a question on the stdin channel, to the identities of the message. Never blocks.
    fn send(&self, channel: Channel, message: Outgoing);

    /// Sends to every subscriber. Never blocks.
    fn publish(&self, message: &Outgoing, weight: Weight);

    /// Waits, shortly, until clients that are just connecting have subscribed, so that they miss nothing of what follows.
    async fn settle(&self);

    /// Waits until everything that was sent has left the process, or until `patience` is over.
    async fn flush(&self, patience: Duration);

    /// A header for a message whose id has to be known before it is sent.
    fn header(&self, msg_type: &str) -> Header;

    /// The ports for `connect_reply`.
    fn ports(&self) -> Value;

    /// Stops listening and drops the connections.
    async fn close(&self);
}

/// The way into the kernel.
pub trait Inbox: Send + Sync {
    /// Takes a message. Never blocks.
    fn deliver(&self, channel: Channel, message: Message);
}

/// A shared way out.
pub type SharedTransport = Arc<dyn Transport>;
