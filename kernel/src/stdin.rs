//! Questions to the person behind the client whose cell runs.

use std::sync::{Mutex, MutexGuard, PoisonError};

use aikit_runtime::cell::InputError;
use bytes::Bytes;
use serde_json::json;
use tokio::sync::{Mutex as AsyncMutex, oneshot};
use tokio_util::sync::CancellationToken;

use crate::{
    message::{Channel, Message, Outgoing, Parent},
    transport::Transport,
};

/// The open question, if any. Whatever arrives while none is open is stale and dropped.
#[derive(Default)]
pub struct Stdin {
    open: Mutex<Option<Question>>,
    /// Parallel parts of a cell ask one after the other.
    turn: AsyncMutex<()>,
}

struct Question {
    id: String,
    asked: Vec<Bytes>,
    answer: oneshot::Sender<String>,
}

impl Stdin {
    fn open(&self) -> MutexGuard<'_, Option<Question>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a message of the stdin channel.
    pub fn deliver(&self, message: Message) {
        if message.header.msg_type != "input_reply" {
            tracing::warn!(msg_type = message.header.msg_type, "a message that does not belong on stdin was dropped");
            return;
        }
        // Some clients name the question that they answer; then an answer to an older one is recognised.
        let answered = message.parent_id();
        let fits = |question: &mut Question| {
            question.asked == message.identities && (answered.is_empty() || answered == question.id)
        };
        let Some(question) = self.open().take_if(fits) else {
            tracing::debug!("an answer that nobody waits for was dropped");
            return;
        };
        // An error means that the cell no longer waits.
        question.answer.send(message.text("value").to_owned()).ok();
    }

    /// Asks the client with these identities and waits for its answer.
    pub async fn ask(
        &self,
        transport: &dyn Transport,
        client: &[Bytes],
        parent: &Parent,
        prompt: &str,
        password: bool,
        cancel: &CancellationToken,
    ) -> Result<String, InputError> {
        let answer = async {
            let _turn = self.turn.lock().await;
            let (answer, wait) = oneshot::channel();
            let header = transport.header("input_request");
            *self.open() = Some(Question { id: header.msg_id.clone(), asked: client.to_vec(), answer });
            let content = json!({ "prompt": prompt, "password": password });
            let question = Outgoing::broadcast(parent.clone(), "input_request", content);
            transport.send(
                Channel::Stdin,
                Outgoing { identities: client.to_vec(), header: Some(Box::new(header)), ..question },
            );
            wait.await
        };
        let result = tokio::select! {
            biased;
            () = cancel.cancelled() => Err(InputError::Interrupted),
            answer = answer => answer.map_err(|_| InputError::Interrupted),
        };
        if result.is_err() {
            *self.open() = None;
        }
        result
    }
}
