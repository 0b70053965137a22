//! Lua and JavaScript cells.

use std::sync::Arc;

use aikit_core::{ErrorKind, Language, RunError};
use async_trait::async_trait;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{CellRun, Session, errors};
use crate::{
    cell::{CellError, CellEvent, CellIo, InputError, MimeBundle},
    debug::{
        ScriptProbe,
        script::{PAUSED, Wishes},
    },
    engine::host::Services,
    ports::{HostCalls, ScriptJob, ScriptMode, ScriptOutcome, ScriptValue},
};

/// The host of a cell: calls are performed as they come, `input` asks the front end.
struct CellHost {
    services: Services,
    io: Arc<dyn CellIo>,
    probe: Option<ScriptProbe>,
}

#[async_trait]
impl HostCalls for CellHost {
    async fn call(&self, method: &str, args: Vec<Value>) -> Result<Value, RunError> {
        if method == PAUSED {
            let Some(probe) = &self.probe else { return Err(RunError::cancelled()) };
            return probe.paused(args).await;
        }
        if method != "input" {
            return self.services.perform(method, &args).await.map(|(value, _)| value);
        }
        let prompt = args.first().and_then(Value::as_str).unwrap_or_default();
        let password = args.get(1).and_then(|o| o.get("password")).and_then(Value::as_bool).unwrap_or(false);
        match self.io.input(prompt, password).await {
            Ok(text) => Ok(Value::String(text)),
            Err(InputError::Interrupted) => Err(RunError::cancelled()),
            Err(error @ InputError::NotAllowed) => Err(RunError::new(ErrorKind::HumanRejected, error.to_string())),
        }
    }

    fn emit(&self, event: CellEvent) {
        self.io.emit(event);
    }

    fn watch(&self) -> Option<Wishes> {
        self.probe.as_ref().map(ScriptProbe::watch)
    }
}

/// A value as a cell's result.
fn result(value: ScriptValue) -> MimeBundle {
    let mut bundle = MimeBundle::from([("text/plain".to_owned(), Value::String(value.text))]);
    if let Some(json @ (Value::Object(_) | Value::Array(_))) = value.json {
        bundle.insert("application/json".to_owned(), json);
    }
    bundle
}

impl CellRun<'_> {
    pub(super) async fn script(
        &self,
        language: Language,
        body: &str,
        body_line: u32,
    ) -> Result<Option<MimeBundle>, Box<CellError>> {
        let session = self.session;
        let job = ScriptJob {
            language,
            name: self.request.name.clone(),
            code: body.to_owned(),
            line_offset: body_line,
            mode: ScriptMode::Cell,
            limits: session.limits,
            context: session.engine.script_context(),
        };
        let debugger = session.debugger.as_ref();
        let held = debugger.and_then(|cells| cells.script(&self.request.name, &self.request.code, &self.cancel));
        // The cell is held until the script has ended.
        let (_held, probe) = held.unzip();
        let host = Arc::new(CellHost { services: self.services(), io: self.io.clone(), probe });
        let outcome = session.engine.ports().scripts.run(job, host, self.cancel.clone()).await;
        match outcome {
            ScriptOutcome::Done { value } => Ok(value.map(result)),
            ScriptOutcome::Failed { error } => Err(errors::script(error)),
            ScriptOutcome::Stopped { cause, state_lost } => Err(errors::stop(cause, state_lost)),
        }
    }
}

/// A host that gives a watched expression nothing to change.
struct Nothing;

#[async_trait]
impl HostCalls for Nothing {
    async fn call(&self, method: &str, _args: Vec<Value>) -> Result<Value, RunError> {
        Err(RunError::new(ErrorKind::ScriptError, format!("`{method}` cannot be called in a watched expression")))
    }

    fn emit(&self, _event: CellEvent) {}
}

/// Evaluates one expression over the live globals. In the specification kernel expressions are JavaScript.
pub(super) async fn evaluate(
    session: &Session,
    expression: &str,
    language: Language,
    cancel: CancellationToken,
) -> Result<MimeBundle, CellError> {
    let language = if language == Language::Yaml { Language::Js } else { language };
    let job = ScriptJob {
        language,
        name: "expression".into(),
        code: expression.to_owned(),
        line_offset: 0,
        mode: ScriptMode::Expression,
        limits: session.limits,
        context: session.engine.script_context(),
    };
    match session.engine.ports().scripts.run(job, Arc::new(Nothing), cancel).await {
        ScriptOutcome::Done { value: Some(value) } => Ok(result(value)),
        ScriptOutcome::Done { value: None } => {
            Ok(MimeBundle::from([("text/plain".to_owned(), Value::String("nil".into()))]))
        }
        ScriptOutcome::Failed { error } => Err(*errors::script(error)),
        ScriptOutcome::Stopped { cause, state_lost } => Err(*errors::stop(cause, state_lost)),
    }
}
