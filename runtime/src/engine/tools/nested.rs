//! Tools that are runs or steps of their own: another agent, steps of the document.

use std::sync::Arc;

use aikit_core::{ErrorKind, RunError};
use aikit_spec::plan::{Plan, StepPlan, ToolPlan};
use futures::future::BoxFuture;
use serde_json::Value;

use super::super::{Execution, MAX_DEPTH, host::RunHost, steps::Flow, together::lost};
use crate::ports::HostCalls;

impl Execution {
    /// Runs an agent of the tenant with the arguments as its inputs.
    pub(super) fn agent_tool<'a>(
        &'a self,
        address: &'a str,
        agent: &'a str,
        args: Value,
    ) -> BoxFuture<'a, Result<Value, RunError>> {
        Box::pin(async move {
            RunHost::new(self, address).call("agents.run", vec![Value::String(agent.to_owned()), args]).await
        })
    }

    /// Runs steps of the document with the arguments as inputs. They read the state; what they write there is theirs.
    pub(super) fn workflow_tool<'a>(
        &'a self,
        address: &'a str,
        tool: &'a ToolPlan,
        steps: &'a [StepPlan],
        args: Value,
    ) -> BoxFuture<'a, Result<Value, RunError>> {
        Box::pin(async move {
            let mut inner = self.clone();
            inner.options.depth += 1;
            if inner.options.depth >= MAX_DEPTH {
                let message = format!("tools that consist of steps call each other more than {MAX_DEPTH} deep");
                return Err(RunError::new(ErrorKind::BudgetExceeded, message));
            }
            inner.plan = Arc::new(Plan { inputs: tool.input.clone(), ..Plan::clone(&self.plan) });
            inner.inputs = Arc::new(args);
            (inner.steps, inner.locals) = (Arc::default(), Arc::default());
            inner.done = Vec::new();
            let flow = inner.sequence(steps, &format!("{address}/{}/", tool.name)).await;
            self.gate.flush().await?;
            match flow {
                Ok(Flow::Next(value) | Flow::Return(value)) => Ok(value),
                Ok(Flow::Goto(target)) => Err(lost(&target)),
                Err(error) => Err(inner.undo(0, error).await),
            }
        })
    }
}
