//! The Debug Adapter Protocol over the debugger of [`aikit_runtime::debug`]: requests become calls, events become messages.
//! A [`Session`] knows no streams; [`serve`] gives it one.

mod breakpoints;
pub mod cells;
mod handles;
mod run;
mod session;
mod show;
mod view;

use std::sync::Arc;

use aikit_core::{RunError, RunId};
use aikit_runtime::engine::Engine;
use aikit_spec::plan::Plan;
use aikit_transport::frames;
use async_trait::async_trait;
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    sync::mpsc,
};

pub use session::Session;

/// What is to be debugged.
pub struct Program {
    /// The engine, bound to a scope.
    pub engine: Engine,
    /// The plan.
    pub plan: Arc<Plan>,
    /// The text of the document.
    pub text: String,
    /// What people call the document.
    pub name: String,
    /// The file that holds it, if one does.
    pub path: Option<String>,
    /// The recorded run that is run again, without effects.
    pub recorded: Option<RunId>,
}

/// Finds programs.
#[async_trait]
pub trait Launcher: Send + Sync {
    /// The document in a file, checked. The error says everything that is wrong with it.
    async fn program(&self, path: &str) -> Result<Program, RunError>;

    /// A recorded run, and the document that it ran; `path` names another.
    async fn recorded(&self, run: &str, path: Option<&str>) -> Result<Program, RunError>;
}

/// How many messages of a client may wait.
const WAITING: usize = 256;

/// Serves one client until it disconnects or its stream ends.
pub async fn serve(
    input: impl AsyncRead + Unpin + Send + 'static,
    mut output: impl AsyncWrite + Unpin + Send + 'static,
    launcher: Arc<dyn Launcher>,
) {
    let (out, mut messages) = mpsc::unbounded_channel::<Value>();
    let writer = tokio::spawn(async move {
        while let Some(message) = messages.recv().await {
            if output.write_all(&frames::frame(&message)).await.is_err() || output.flush().await.is_err() {
                return;
            }
        }
    });
    let (requests, mut inbox) = mpsc::channel(WAITING);
    let reader = tokio::spawn(async move {
        let mut input = BufReader::new(input);
        loop {
            let message = match frames::read(&mut input).await {
                Ok(Some(message)) => Ok(message),
                Err(error) if error.kind() == std::io::ErrorKind::InvalidData => Err(error.to_string()),
                Ok(None) | Err(_) => return,
            };
            if requests.send(message).await.is_err() {
                return;
            }
        }
    });
    let mut session = Session::new(out, launcher);
    loop {
        // One owner: an event of the run never overtakes the answer to the request that caused it.
        tokio::select! {
            message = inbox.recv() => match message {
                Some(Ok(message)) => {
                    if !session.take(message).await {
                        break;
                    }
                }
                Some(Err(error)) => session.unreadable(&error),
                None => break,
            },
            () = session.event() => {}
        }
    }
    session.end().await;
    reader.abort();
    drop(session);
    // Everything that was said reaches a client that still listens.
    let _ = tokio::time::timeout(std::time::Duration::from_secs(1), writer).await;
}
