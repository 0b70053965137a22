//! The history: inputs are recorded behind the executions, `history_request` reads them.

use std::{panic::AssertUnwindSafe, sync::Arc};

use aikit_runtime::cell::{CellEngine, HistoryQuery};
use futures::FutureExt;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::request::{BadRequest, Fields};

/// Records inputs in their order, in a task of its own: a store that is slow or locked holds up no cell.
pub struct Recorder(mpsc::UnboundedSender<Record>);

enum Record {
    Input { line: i64, input: String, output: Option<String> },
    Barrier(oneshot::Sender<()>),
}

impl Recorder {
    /// Starts the task. It ends when the recorder is gone and everything is recorded.
    pub fn start(engine: Arc<dyn CellEngine>) -> Self {
        let (sender, mut records) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(record) = records.recv().await {
                match record {
                    Record::Input { line, input, output } => {
                        let added = engine.add_history(line, &input, output.as_deref());
                        if AssertUnwindSafe(added).catch_unwind().await.is_err() {
                            tracing::error!("the engine panicked over an input for the history");
                        }
                    }
                    // Whoever waited may be gone.
                    Record::Barrier(done) => drop(done.send(())),
                }
            }
        });
        Self(sender)
    }

    /// Takes an input and its output for recording.
    pub fn record(&self, line: i64, input: &str, output: Option<String>) {
        // The task lives as long as this sender.
        self.0.send(Record::Input { line, input: input.to_owned(), output }).ok();
    }

    /// Waits until everything that was taken before is recorded.
    pub async fn settled(&self) {
        let (done, wait) = oneshot::channel();
        if self.0.send(Record::Barrier(done)).is_ok() {
            wait.await.ok();
        }
    }
}

/// The most entries that one answer holds.
const MOST: u32 = 10_000;

/// The content of a `history_reply`.
pub async fn history(engine: &dyn CellEngine, fields: Fields<'_>) -> Result<Value, BadRequest> {
    let query = query(fields)?;
    let output = fields.flag("output", false)?;
    let entries: Vec<Value> = engine
        .history(query)
        .await
        .into_iter()
        .map(|entry| match output {
            true => json!([entry.session, entry.line, [entry.input, entry.output]]),
            false => json!([entry.session, entry.line, entry.input]),
        })
        .collect();
    Ok(json!({ "status": "ok", "history": entries }))
}

fn query(fields: Fields<'_>) -> Result<HistoryQuery, BadRequest> {
    let count = |n: Option<i64>, default: u32| match n {
        None => default,
        Some(n) => u32::try_from(n.max(0)).unwrap_or(MOST).min(MOST),
    };
    let n = fields.integer("n")?;
    match fields.text("hist_access_type")? {
        "tail" => Ok(HistoryQuery::Tail { n: count(n, MOST) }),
        "range" => Ok(HistoryQuery::Range {
            session: fields.integer("session")?.unwrap_or(0),
            start: fields.integer("start")?.unwrap_or(1),
            stop: fields.integer("stop")?,
        }),
        "search" => Ok(HistoryQuery::Search {
            pattern: fields.optional_text("pattern")?.unwrap_or("*").to_owned(),
            n: count(n, MOST),
            unique: fields.flag("unique", false)?,
        }),
        other => Err(BadRequest(format!("`hist_access_type` is `{other}`; use `tail`, `range` or `search`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_with_their_defaults() {
        let read = |content: Value| query(Fields(content.as_object().unwrap()));
        assert_eq!(read(json!({"hist_access_type": "tail", "n": 3})), Ok(HistoryQuery::Tail { n: 3 }));
        assert_eq!(read(json!({"hist_access_type": "tail", "n": -1})), Ok(HistoryQuery::Tail { n: 0 }));
        let range = HistoryQuery::Range { session: -1, start: 1, stop: Some(5) };
        assert_eq!(read(json!({"hist_access_type": "range", "session": -1, "stop": 5})), Ok(range));
        let search = HistoryQuery::Search { pattern: "a*".into(), n: 10_000, unique: true };
        assert_eq!(read(json!({"hist_access_type": "search", "pattern": "a*", "unique": true})), Ok(search));
        assert!(read(json!({})).is_err());
        assert!(read(json!({"hist_access_type": "all"})).is_err());
    }
}
