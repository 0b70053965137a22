//! Shell, control and stdin: one task owns the socket, reads requests from it and writes replies to it.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use zeromq::{RouterSocket, SocketRecv, SocketSend, ZmqMessage};

use super::gate::Flow;
use crate::{
    message::{Channel, Outgoing},
    transport::Inbox,
    wire::Wire,
};

/// How long a question waits for the client's stdin socket, which may connect after its shell socket.
const LATE: Duration = Duration::from_secs(5);

/// How often such a question is tried again.
const AGAIN: Duration = Duration::from_millis(10);

/// Serves one socket until `closing`.
pub async fn serve(
    mut socket: RouterSocket,
    channel: Channel,
    wire: Arc<Wire>,
    inbox: Arc<dyn Inbox>,
    mut outgoing: mpsc::UnboundedReceiver<Outgoing>,
    flow: Arc<Flow>,
    closing: CancellationToken,
) {
    let mut late: VecDeque<(Outgoing, Instant)> = VecDeque::new();
    loop {
        let (message, until) = tokio::select! {
            received = socket.recv() => {
                match received {
                    Ok(frames) => match wire.decode(frames.into_vec()) {
                        Ok(message) => inbox.deliver(channel, message),
                        Err(error) => tracing::warn!(?channel, "dropped {error}"),
                    },
                    Err(error) => {
                        tracing::warn!(?channel, %error, "nothing could be received");
                        sleep(Duration::from_millis(10)).await;
                    }
                }
                continue;
            }
            Some(message) = outgoing.recv() => (message, Instant::now() + LATE),
            Some(again) = async { sleep(AGAIN).await; late.pop_front() }, if !late.is_empty() => again,
            () = closing.cancelled() => return,
        };
        let Err(error) = send(&mut socket, wire.encode(&message)).await else { continue };
        if channel == Channel::Stdin && Instant::now() < until {
            late.push_back((message, until));
            continue;
        }
        // The client went away before its answer: nobody is left to be told.
        tracing::debug!(?channel, msg_type = message.msg_type, error, "a message was not sent");
        flow.sent.fetch_add(1, Ordering::Relaxed);
    }
}

async fn send(socket: &mut RouterSocket, frames: Vec<Bytes>) -> Result<(), String> {
    let frames = ZmqMessage::try_from(frames).map_err(|error| error.to_string())?;
    socket.send(frames).await.map_err(|error| error.to_string())
}
