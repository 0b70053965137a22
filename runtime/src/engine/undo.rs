//! Sagas (Garcia-Molina and Salem, 1987): what steps have done is undone by their `compensate`, the last first.

use std::sync::Arc;

use aikit_core::{ErrorKind, RunError};
use aikit_spec::{
    agent::OnStepError,
    plan::{BodySegment, Compensation, StepPlan},
};
use serde_json::{Map, Value, json};

use super::{Execution, steps::error_value};

/// Something that has been done and can be undone.
#[derive(Debug, Clone)]
pub(super) struct Undo {
    address: String,
    steps: Compensation,
    /// The names that the step saw.
    locals: Arc<Map<String, Value>>,
    output: Value,
}

impl Execution {
    /// Remembers how a step that is done can be undone.
    pub(super) fn remember(&mut self, step: &StepPlan, address: &str, output: &Value) {
        if let Some(steps) = &step.compensate {
            self.done.push(Undo {
                address: address.to_owned(),
                steps: steps.clone(),
                locals: self.locals.clone(),
                output: output.clone(),
            });
        }
    }

    /// Undoes what was done behind `mark`, the last first, because of an error; gives the error, with what could not be
    /// undone.
    pub(super) async fn undo(&mut self, mark: usize, error: RunError) -> RunError {
        let kept = matches!(self.plan.flow.on_error, Some(OnStepError::Fail | OnStepError::Continue));
        if kept || error.kind == ErrorKind::Cancelled || self.done.len() <= mark {
            return error;
        }
        let list = self.done.split_off(mark);
        let (gate, locals) = (self.gate.clone(), self.locals.clone());
        // A bound that ended the run does not keep it from being undone.
        self.gate = Arc::new(gate.beyond());
        let mut failed = Vec::new();
        for undo in list.into_iter().rev() {
            let mut seen = (*undo.locals).clone();
            seen.insert("output".into(), undo.output);
            seen.insert("error".into(), error_value(&error));
            self.locals = Arc::new(seen);
            let prefix = BodySegment::Named("compensate").prefix(&undo.address);
            if let Err(problem) = self.sequence(&undo.steps, &prefix).await {
                failed.push(json!({ "step": undo.address, "error": error_value(&problem) }));
            }
        }
        // What undoes is not undone.
        self.done.truncate(mark);
        (self.gate, self.locals) = (gate, locals);
        if failed.is_empty() {
            return error;
        }
        let names: Vec<&str> = failed.iter().filter_map(|one| one["step"].as_str()).collect();
        let help = format!("not undone, because that failed as well: {}", names.join(", "));
        let help = error.help.as_ref().map_or(help.clone(), |own| format!("{own}; {help}"));
        let mut detail = match error.detail.clone() {
            Some(Value::Object(detail)) => detail,
            Some(other) => Map::from_iter([("detail".to_owned(), other)]),
            None => Map::new(),
        };
        detail.insert("not_undone".into(), Value::Array(failed));
        error.with_help(help).with_detail(Value::Object(detail))
    }
}
