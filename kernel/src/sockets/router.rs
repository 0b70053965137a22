//! Shell, control and stdin: one task owns the socket, reads requests from it and writes replies to it.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use zeromq::{RouterSocket, SocketRecv, SocketSend, ZmqMessage};

use super::gate::Flow;
use crate::{
    message::{Channel, Outgoing},
    transport::Inbox,
    wire::Wire,
};

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
    loop {
        tokio::select! {
            received = socket.recv() => match received {
                Ok(frames) => match wire.decode(frames.into_vec()) {
                    Ok(message) => inbox.deliver(channel, message),
                    Err(error) => tracing::warn!(?channel, "dropped {error}"),
                },
                Err(error) => {
                    tracing::warn!(?channel, %error, "nothing could be received");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            },
            Some(message) = outgoing.recv() => {
                let frames = wire.encode(&message);
                let sent = match ZmqMessage::try_from(frames) {
                    Ok(frames) => socket.send(frames).await.map_err(|error| error.to_string()),
                    Err(error) => Err(error.to_string()),
                };
                if let Err(error) = sent {
                    // The client went away before its answer: nobody is left to be told.
                    tracing::debug!(?channel, msg_type = message.msg_type, error, "a message was not sent");
                    flow.sent.fetch_add(1, Ordering::Relaxed);
                }
            }
            () = closing.cancelled() => return,
        }
    }
}
