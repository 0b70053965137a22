//! `execute_request`.

use std::sync::Arc;

use aikit_runtime::cell::{CellError, CellEvent, CellIo, CellOutcome, CellRequest, InputError, MimeBundle};
use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    core::{Core, Failure},
    message::{Message, Outgoing, Parent},
    request::{BadRequest, Fields},
    transport::Weight,
};

/// What became of an execution.
pub struct Executed {
    /// The content of the reply.
    pub content: Value,
    /// The metadata of the reply.
    pub metadata: Map<String, Value>,
    /// Whether the client's waiting executions are to be refused.
    pub abort_others: bool,
}

/// The fields of the request.
struct Request<'a> {
    code: &'a str,
    silent: bool,
    store_history: bool,
    allow_stdin: bool,
    stop_on_error: bool,
    user_expressions: Option<&'a Map<String, Value>>,
}

impl<'a> Request<'a> {
    fn read(request: &'a Message) -> Result<Self, BadRequest> {
        if let Some(defect) = &request.defect {
            return Err(BadRequest(defect.clone()));
        }
        let fields = Fields(&request.content);
        let silent = fields.flag("silent", false)?;
        Ok(Self {
            code: fields.text("code")?,
            silent,
            store_history: !silent && fields.flag("store_history", true)?,
            allow_stdin: fields.flag("allow_stdin", true)?,
            stop_on_error: fields.flag("stop_on_error", true)?,
            user_expressions: fields.object("user_expressions")?,
        })
    }
}

/// Runs a cell with everything around it, up to but without the reply.
pub async fn execute(core: &Arc<Core>, message: &Message, cancel: CancellationToken) -> Executed {
    let request = match Request::read(message) {
        Ok(request) => request,
        Err(bad) => {
            let mut content = Failure::from(bad).content();
            content["execution_count"] = core.count().into();
            return Executed { content, metadata: Map::new(), abort_others: false };
        }
    };
    let parent = message.header.as_parent();
    let count = if request.store_history { core.next_count() } else { core.count() };
    if !request.silent {
        let content = json!({ "code": request.code, "execution_count": count });
        core.iopub.publish(Outgoing::broadcast(parent.clone(), "execute_input", content), Weight::Vital);
    }
    let cell = CellRequest {
        code: request.code.to_owned(),
        language: core.language,
        name: if request.store_history { format!("Cell {count}") } else { "Cell".to_owned() },
        silent: request.silent,
    };
    let io = Arc::new(Output {
        core: core.clone(),
        parent: parent.clone(),
        client: message.identities.clone(),
        silent: request.silent,
        allow_stdin: request.allow_stdin,
        cancel: cancel.clone(),
    });
    let outcome = core.guarded(async { Ok(core.engine.execute(cell, io, cancel.clone()).await) }).await;
    let (shown, executed) = match outcome {
        Ok(CellOutcome::Ok { result, page }) => {
            let shown = result.as_ref().and_then(plain_text);
            if let (Some(data), false) = (result, request.silent) {
                let content = json!({ "execution_count": count, "data": data, "metadata": {} });
                core.iopub.publish(Outgoing::broadcast(parent.clone(), "execute_result", content), Weight::Vital);
            }
            let expressions = user_expressions(core, request.user_expressions, &cancel).await;
            let payload: Vec<Value> = page
                .into_iter()
                .map(|text| json!({ "source": "page", "data": { "text/plain": text }, "start": 0 }))
                .collect();
            let content = json!({
                "status": "ok",
                "execution_count": count,
                "payload": payload,
                "user_expressions": expressions,
            });
            (shown, Executed { content, metadata: Map::new(), abort_others: false })
        }
        Ok(CellOutcome::Err(error)) => {
            let metadata = metadata_of(&error);
            (None, failed(core, &request, &parent, count, failure_of(*error), metadata))
        }
        Err(failure) => (None, failed(core, &request, &parent, count, failure, Map::new())),
    };
    core.comms.push_changes(&core.iopub, &parent);
    if request.store_history {
        core.recorder.record(count, request.code, shown);
    }
    executed
}

fn failed(
    core: &Core,
    request: &Request<'_>,
    parent: &Parent,
    count: i64,
    failure: Failure,
    metadata: Map<String, Value>,
) -> Executed {
    if !request.silent {
        let content = json!({ "ename": failure.ename, "evalue": failure.evalue, "traceback": failure.traceback });
        let message = Outgoing::broadcast(parent.clone(), "error", content);
        core.iopub.publish(Outgoing { metadata: metadata.clone(), ..message }, Weight::Vital);
    }
    let mut content = failure.content();
    content["execution_count"] = count.into();
    content["payload"] = json!([]);
    content["user_expressions"] = json!({});
    Executed { content, metadata, abort_others: request.stop_on_error }
}

fn failure_of(error: CellError) -> Failure {
    Failure { ename: error.ename, evalue: error.evalue, traceback: error.traceback }
}

/// What a client that knows aikit can show beyond the text: the findings of a document, the places of an error.
fn metadata_of(error: &CellError) -> Map<String, Value> {
    let mut metadata = Map::new();
    if !error.diagnostics.is_empty() || !error.trace.is_empty() {
        metadata.insert("aikit".into(), json!({ "diagnostics": error.diagnostics, "trace": error.trace }));
    }
    metadata
}

fn plain_text(data: &MimeBundle) -> Option<String> {
    data.get("text/plain").and_then(Value::as_str).map(str::to_owned)
}

/// Each expression by itself: one that fails does not touch the others.
async fn user_expressions(core: &Core, wanted: Option<&Map<String, Value>>, cancel: &CancellationToken) -> Value {
    let mut results = Map::new();
    for (name, expression) in wanted.into_iter().flatten() {
        let result = match expression.as_str() {
            Some(expression) => {
                core.guarded(async {
                    let value = core.engine.evaluate(expression, core.language, cancel.clone()).await;
                    value.map_err(failure_of)
                })
                .await
            }
            None => Err(Failure::new("InvalidRequest", format!("the user expression `{name}` is not a string"))),
        };
        let result = match result {
            Ok(data) => json!({ "status": "ok", "data": data, "metadata": {} }),
            Err(failure) => failure.content(),
        };
        results.insert(name.clone(), result);
    }
    Value::Object(results)
}

/// The front end as the running cell sees it.
struct Output {
    core: Arc<Core>,
    parent: Parent,
    client: Vec<Bytes>,
    silent: bool,
    allow_stdin: bool,
    cancel: CancellationToken,
}

impl Output {
    fn publish(&self, msg_type: &str, content: Value) {
        self.core.iopub.publish(Outgoing::broadcast(self.parent.clone(), msg_type, content), Weight::Output);
    }
}

#[async_trait]
impl CellIo for Output {
    fn emit(&self, event: CellEvent) {
        if let CellEvent::Log { level, message, fields } = &event {
            log(level, message, fields);
        }
        if self.silent {
            return;
        }
        match event {
            CellEvent::Stream { stream, text } => self.core.iopub.text(&self.parent, stream, text),
            CellEvent::Display { data, metadata, id, update } => {
                let msg_type = if update { "update_display_data" } else { "display_data" };
                let mut transient = Map::new();
                if let Some(id) = id {
                    transient.insert("display_id".into(), id.into());
                }
                self.publish(msg_type, json!({ "data": data, "metadata": metadata, "transient": transient }));
            }
            CellEvent::Clear { wait } => self.publish("clear_output", json!({ "wait": wait })),
            CellEvent::Log { .. } => {}
        }
    }

    async fn input(&self, prompt: &str, password: bool) -> Result<String, InputError> {
        if !self.allow_stdin {
            return Err(InputError::NotAllowed);
        }
        // The text that leads to the question stands above it.
        self.core.iopub.flush().await;
        let core = &self.core;
        core.stdin.ask(&*core.transport, &self.client, &self.parent, prompt, password, &self.cancel).await
    }
}

fn log(level: &str, message: &str, fields: &Value) {
    match level {
        "error" => tracing::error!(target: "aikit::cell", %fields, "{message}"),
        "warn" => tracing::warn!(target: "aikit::cell", %fields, "{message}"),
        "info" => tracing::info!(target: "aikit::cell", %fields, "{message}"),
        _ => tracing::debug!(target: "aikit::cell", %fields, "{message}"),
    }
}
