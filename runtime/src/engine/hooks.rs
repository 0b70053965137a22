//! Hooks: steps that run before and behind the run, its steps, its requests to models and its calls of tools.

use std::sync::{Arc, PoisonError};

use aikit_core::RunError;
use aikit_spec::plan::StepPlan;
use serde_json::Value;

use super::{Execution, steps::Flow};

impl Execution {
    /// Runs hooks with `name` holding `value`. In a hook no hook runs.
    pub(super) async fn hook(
        &mut self,
        hooks: &[StepPlan],
        prefix: String,
        name: &str,
        value: Value,
    ) -> Result<(), RunError> {
        if hooks.is_empty() || self.in_hook {
            return Ok(());
        }
        let (locals, steps) = (self.locals.clone(), self.steps.clone());
        Arc::make_mut(&mut self.locals).insert(name.to_owned(), value);
        self.in_hook = true;
        let done = self.sequence(hooks, &prefix).await;
        self.in_hook = false;
        // The steps of a hook are its own.
        (self.locals, self.steps) = (locals, steps);
        match done? {
            Flow::Next(_) | Flow::Return(_) => Ok(()),
            Flow::Goto(target) => Err(super::together::lost(&target)),
        }
    }

    /// Runs hooks around a request or a call. What they write is seen behind the step.
    pub(super) async fn call_hook(
        &self,
        hooks: &[StepPlan],
        prefix: String,
        call: impl FnOnce() -> Value,
    ) -> Result<(), RunError> {
        if hooks.is_empty() || self.in_hook {
            return Ok(());
        }
        let mut inside = self.clone();
        inside.writes = Some(Vec::new());
        inside.hook(hooks, prefix, "call", call()).await?;
        let writes = inside.writes.unwrap_or_default();
        self.late.lock().unwrap_or_else(PoisonError::into_inner).extend(writes);
        Ok(())
    }

    /// Writes what hooks around requests and calls have written meanwhile.
    pub(super) async fn write_late(&mut self, address: &str) -> Result<(), RunError> {
        let writes = std::mem::take(&mut *self.late.lock().unwrap_or_else(PoisonError::into_inner));
        for (path, value) in writes {
            self.write_state(address, &path, value).await?;
        }
        Ok(())
    }
}
