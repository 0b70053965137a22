//! `%replay` and `%fork`: recorded runs, run again.

use std::sync::Arc;

use aikit_core::RunId;
use aikit_spec::cell::RunArgument;
use serde_json::{Map, Value};

use super::{CellRun, errors, run::Live};
use crate::{
    cell::{CellError, CellEvent, MimeBundle},
    engine::{Fork, RunOptions},
    people::Answers,
};

const FORK: &str = "%fork RUN [key=value …] [-> VAR]";
const RESUME: &str = "%resume RUN [name=answer …] [-> VAR]";

impl CellRun<'_> {
    /// The run of this id; `last` is the newest.
    async fn find_run(&self, text: &str) -> Result<RunId, Box<CellError>> {
        let missing = |what: String| errors::usage(what, "%runs lists the newest runs");
        if text != "last" {
            return text.parse().map_err(|_| missing(format!("`{text}` is not the id of a run")));
        }
        let store = &self.session.engine.ports().store;
        let newest = store.runs(None, 1).await.map_err(|error| errors::run(crate::gate::store_error(error)))?;
        newest.first().map(|run| run.id).ok_or_else(|| missing("there is no run yet".into()))
    }

    /// Replays a run and shows its card, or where it drifts.
    pub(super) async fn replay(&self, argument: &str) -> Result<(), Box<CellError>> {
        let engine = &self.session.engine;
        let id = self.find_run(argument).await?;
        let io = self.io.clone();
        let options = RunOptions { output: Some(Arc::new(move |event| io.emit(event))), ..RunOptions::default() };
        let replay = engine.replay(id, None, options, self.cancel.clone()).await.map_err(errors::run)?;
        if let Some(drift) = replay.drift {
            return Err(errors::usage(drift.to_string(), "the agent's document is not the one that ran"));
        }
        let records = replay.report.journal.len();
        self.text(format!("replayed run {id}: {records} records, all the same"));
        Ok(())
    }

    /// Forks a run and shows the card of the new one.
    pub(super) async fn fork(&self, argument: &str) -> Result<(), Box<CellError>> {
        let engine = &self.session.engine;
        let (run, rest) = argument.split_once(char::is_whitespace).unwrap_or((argument, ""));
        let id = self.find_run(run).await?;
        let rest = RunArgument::parse(&format!("fork {rest}")).map_err(|e| errors::usage(e.message, FORK))?;
        let live = Arc::new(Live::new(self.io.clone(), &format!("fork of {id}")));
        let kept = live.clone();
        let options = RunOptions {
            observer: Some(live.clone().observer()),
            output: Some(Arc::new(move |event| kept.output(event))),
            ..RunOptions::default()
        };
        let fork = Fork { inputs: rest.inputs, ..Fork::default() };
        let report = engine.fork(id, fork, options, self.cancel.clone()).await.map_err(errors::run)?;
        live.finish();
        self.finished(&report, rest.target)
    }

    /// Goes on with a run, with the answers of people, and shows its card.
    pub(super) async fn resume(&self, argument: &str) -> Result<(), Box<CellError>> {
        let engine = &self.session.engine;
        let (run, rest) = argument.split_once(char::is_whitespace).unwrap_or((argument, ""));
        let id = self.find_run(run).await?;
        let rest = RunArgument::parse(&format!("resume {rest}")).map_err(|e| errors::usage(e.message, RESUME))?;
        let live = Arc::new(Live::new(self.io.clone(), &format!("run {id}")));
        let kept = live.clone();
        let options = RunOptions {
            observer: Some(live.clone().observer()),
            output: Some(Arc::new(move |event| kept.output(event))),
            people: self.people_with(Answers(rest.inputs)),
            ..RunOptions::default()
        };
        let report = engine.resume(id, None, options, self.cancel.clone()).await.map_err(errors::run)?;
        live.finish();
        self.finished(&report, rest.target)
    }

    fn text(&self, text: String) {
        let data = MimeBundle::from([("text/plain".to_owned(), Value::String(text))]);
        self.io.emit(CellEvent::Display { data, metadata: Map::new(), id: None, update: false });
    }
}
