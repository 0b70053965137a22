//! The person at the notebook, who is asked through the front end's input.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::CellRun;
use crate::{
    cell::{CellEvent, CellIo, Stream},
    people::{Answers, People, Question},
};

impl CellRun<'_> {
    /// Whom runs of this cell can ask.
    pub(super) fn people(&self) -> Option<Arc<dyn People>> {
        self.people_with(Answers::default())
    }

    /// The same, with answers that were given beforehand.
    pub(super) fn people_with(&self, answers: Answers) -> Option<Arc<dyn People>> {
        Some(Arc::new(AtTheCell { io: self.io.clone(), answers }))
    }
}

struct AtTheCell {
    io: Arc<dyn CellIo>,
    answers: Answers,
}

#[async_trait]
impl People for AtTheCell {
    async fn ask(&self, question: &Question, cancel: &CancellationToken) -> Option<Value> {
        if let Some(answer) = self.answers.ask(question, cancel).await {
            return Some(answer);
        }
        let prompt = question.asked();
        loop {
            let answer = tokio::select! {
                biased;
                () = cancel.cancelled() => return None,
                // A front end that cannot ask leaves the run to be resumed.
                answer = self.io.input(&prompt, false) => answer.ok()?,
            };
            match question.accept(json!(answer)) {
                Ok(read) => return Some(read),
                Err(problem) => {
                    let text = format!("{problem}\n");
                    self.io.emit(CellEvent::Stream { stream: Stream::Stderr, text });
                }
            }
        }
    }
}
