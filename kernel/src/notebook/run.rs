//! Executing a notebook on a kernel inside the process.

use std::{sync::Arc, time::Duration};

use aikit_runtime::cell::CellEngine;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, timeout_at};

use super::{
    format::{Notebook, cell_type, has_tag, source},
    outputs::{Collector, Displays},
};
use crate::{
    inprocess::{Client, Event},
    message::{Channel, Message},
};

/// How long a cell may take to end after it was interrupted.
const AFTER_INTERRUPT: Duration = Duration::from_secs(10);

/// How a notebook is run.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// The longest that one cell may take; `None` sets no bound.
    pub timeout: Option<Duration>,
    /// Go on behind cells that fail. One cell is allowed to fail by the tag `raises-exception`.
    pub allow_errors: bool,
}

/// What happens while a notebook runs.
#[derive(Debug)]
pub enum Progress<'a> {
    /// A code cell begins.
    Begin {
        /// Its position among all cells, from 0.
        index: usize,
        /// The number of cells.
        of: usize,
        /// Its text.
        source: &'a str,
    },
    /// It put something out, in the form of notebook outputs.
    Output {
        /// Of which cell.
        index: usize,
        /// The output.
        output: &'a Value,
    },
    /// It ended.
    End {
        /// Which cell.
        index: usize,
        /// Whether it succeeded.
        ok: bool,
    },
}

/// A cell that ended a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellFailure {
    /// Its position among all cells, from 0.
    pub index: usize,
    /// Class of the error.
    pub ename: String,
    /// One line.
    pub evalue: String,
    /// Lines to print.
    pub traceback: Vec<String>,
}

/// What became of a run.
#[derive(Debug)]
pub struct Report {
    /// The notebook with the outputs of all cells that ran.
    pub notebook: Notebook,
    /// How many cells ran.
    pub executed: usize,
    /// The cell at which the run stopped, if it did.
    pub failure: Option<CellFailure>,
}

/// Runs the code cells of a notebook from top to bottom. The run stops at the first cell that fails without permission;
/// what was put out until then is in the notebook. The engine is shut down at the end.
pub async fn run(
    mut notebook: Notebook,
    engine: Arc<dyn CellEngine>,
    options: &RunOptions,
    progress: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Report {
    let mut client = Client::start(engine, notebook.language());
    let mut displays = Displays::default();
    let mut executed = 0;
    let mut failure = None;
    let of = notebook.cells().len();
    for index in 0..of {
        let cell = &notebook.cells()[index];
        if cell_type(cell) != "code" || source(cell).trim().is_empty() || has_tag(cell, "skip-execution") {
            continue;
        }
        let code = source(cell).to_owned();
        let may_fail = options.allow_errors || has_tag(cell, "raises-exception");
        progress(Progress::Begin { index, of, source: &code });
        executed += 1;
        let collector = Collector::begin(&mut notebook, &mut displays, index);
        let error =
            Cell { index, code: &code, may_fail, limit: options.timeout }.run(&mut client, collector, progress).await;
        progress(Progress::End { index, ok: error.is_none() });
        // Running out of time is nothing that a cell can be allowed.
        if let Some(error) = error.filter(|error| !may_fail || error.ename == TIMEOUT) {
            failure = Some(error);
            break;
        }
    }
    if let Some(info) = client.request(Channel::Control, "kernel_info_request", Map::new()).await {
        notebook.set_metadata("language_info", info.content.get("language_info").cloned().unwrap_or_default());
    }
    client.shutdown().await;
    Report { notebook, executed, failure }
}

/// The class of the error of a cell that ran out of time.
const TIMEOUT: &str = "CellTimeout";

struct Cell<'a> {
    index: usize,
    code: &'a str,
    may_fail: bool,
    limit: Option<Duration>,
}

impl Cell<'_> {
    /// Runs the cell; the error, when it failed.
    async fn run(
        &self,
        client: &mut Client,
        mut collector: Collector<'_>,
        progress: &mut (dyn FnMut(Progress<'_>) + Send),
    ) -> Option<CellFailure> {
        let Value::Object(content) = json!({
            "code": self.code,
            "silent": false,
            "store_history": true,
            "user_expressions": {},
            "allow_stdin": false,
            "stop_on_error": !self.may_fail,
        }) else {
            return None;
        };
        let id = client.send(Channel::Shell, "execute_request", content);
        let far = Instant::now() + Duration::from_secs(365 * 24 * 3600);
        let mut deadline = self.limit.map_or(far, |limit| Instant::now() + limit);
        let mut timed_out = false;
        let mut reply = None;
        let mut idle = false;
        while !(idle && reply.is_some()) {
            let event = match timeout_at(deadline, client.next()).await {
                Ok(Some(event)) => event,
                Ok(None) => return Some(self.failure("DeadKernel", "the kernel ended while the cell was running")),
                Err(_) if !timed_out => {
                    timed_out = true;
                    deadline = Instant::now() + AFTER_INTERRUPT;
                    client.remote().interrupt();
                    continue;
                }
                Err(_) => break,
            };
            if event.message().parent_id() != id {
                continue;
            }
            match event {
                Event::Reply(message) => reply = Some(message),
                Event::Output(message) if is_idle(&message) => idle = true,
                Event::Output(message) => {
                    if let Some(output) = collector.take(&message) {
                        progress(Progress::Output { index: self.index, output: &output });
                    }
                }
                Event::Control(_) | Event::Question(_) => {}
            }
        }
        if timed_out {
            let seconds = self.limit.unwrap_or_default().as_secs_f64();
            let failure = self.failure(TIMEOUT, &format!("the cell took longer than {seconds} s and was interrupted"));
            let output = json!({
                "output_type": "error",
                "ename": failure.ename,
                "evalue": failure.evalue,
                "traceback": failure.traceback,
            });
            progress(Progress::Output { index: self.index, output: &output });
            collector.add(output, None);
            return Some(failure);
        }
        let reply = reply?;
        (reply.text("status") != "ok").then(|| CellFailure {
            index: self.index,
            ename: reply.text("ename").to_owned(),
            evalue: reply.text("evalue").to_owned(),
            traceback: reply
                .content
                .get("traceback")
                .and_then(Value::as_array)
                .map(|lines| lines.iter().filter_map(Value::as_str).map(str::to_owned).collect())
                .unwrap_or_default(),
        })
    }

    fn failure(&self, ename: &str, evalue: &str) -> CellFailure {
        CellFailure {
            index: self.index,
            ename: ename.to_owned(),
            evalue: evalue.to_owned(),
            traceback: vec![format!("{ename}: {evalue}")],
        }
    }
}

fn is_idle(message: &Message) -> bool {
    message.header.msg_type == "status" && message.text("execution_state") == "idle"
}
