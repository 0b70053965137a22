//! The person at the notebook, who is asked through the front end's input.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::CellRun;
use crate::{
    cell::{CellEvent, CellIo, Stream},
    people::{People, Question},
};

impl CellRun<'_> {
    /// Whom runs of this cell can ask.
    pub(super) fn people(&self) -> Option<Arc<dyn People>> {
        Some(Arc::new(AtTheCell(self.io.clone())))
    }
}

struct AtTheCell(Arc<dyn CellIo>);

#[async_trait]
impl People for AtTheCell {
    async fn ask(&self, question: &Question, cancel: &CancellationToken) -> Option<Value> {
        let prompt = question.asked();
        loop {
            let answer = tokio::select! {
                biased;
                () = cancel.cancelled() => return None,
                // A front end that cannot ask leaves the run to be resumed.
                answer = self.0.input(&prompt, false) => answer.ok()?,
            };
            match question.accept(json!(answer)) {
                Ok(read) => return Some(read),
                Err(problem) => {
                    let text = format!("{problem}\n");
                    self.0.emit(CellEvent::Stream { stream: Stream::Stderr, text });
                }
            }
        }
    }
}
