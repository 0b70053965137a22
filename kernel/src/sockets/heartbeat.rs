//! The heartbeat: what comes in goes back.

use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use zeromq::{RepSocket, SocketRecv, SocketSend};

/// How long a peer may take to accept its echo.
const PATIENCE: Duration = Duration::from_secs(5);

/// Echoes until `closing`.
pub async fn serve(mut socket: RepSocket, closing: CancellationToken) {
    loop {
        let received = tokio::select! {
            received = socket.recv() => received,
            () = closing.cancelled() => return,
        };
        match received {
            Ok(beat) => match timeout(PATIENCE, socket.send(beat)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "a heartbeat was not answered"),
                Err(_) => tracing::debug!("a client does not take the answer to its heartbeat"),
            },
            Err(error) => {
                tracing::debug!(%error, "a heartbeat could not be received");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}
