//! Programs as tools: arguments filled in, no shell, what they may see granted.

use std::time::Duration;

use aikit_core::{ErrorKind, RunError};
use aikit_spec::plan::CommandPlan;
use serde_json::{Value, json};

use super::{super::Execution, grants};
use crate::ports::{ProgramEnd, ProgramRequest};

/// How much of each output is kept.
const MAX_OUTPUT: usize = 1 << 20;
/// How much of standard error an error shows.
const SHOWN: usize = 400;

/// A program that may be started.
#[derive(Debug, Clone)]
pub(super) struct Invocation {
    pub argv: Vec<String>,
    pub cwd: String,
    pub env: Vec<grants::Variable>,
    pub stdin: String,
    pub timeout: Duration,
}

impl Invocation {
    /// The request as the journal has it.
    pub fn record(&self) -> Value {
        json!({ "argv": self.argv, "cwd": self.cwd, "env": self.env })
    }
}

impl Execution {
    /// The program that a plan describes, with its templates filled, permitted.
    pub(super) fn invocation(
        &self,
        plan: &CommandPlan,
        args: &Value,
        scope: &Value,
        timeout: Duration,
    ) -> Result<Invocation, RunError> {
        let render =
            |part: &aikit_spec::template::Template| part.render_text(scope).map_err(|e| self.expression_error(e));
        let argv = plan.argv.iter().map(render).collect::<Result<Vec<_>, _>>()?;
        let program = argv.first().map(String::as_str).unwrap_or_default();
        grants::program(&self.plan.permits, program)?;
        if let Some(part) = argv.iter().find(|part| part.contains('\0')) {
            let message = format!("an argument holds a NUL, which no program can be given: {part:?}");
            return Err(RunError::new(ErrorKind::ToolFailed, message));
        }
        Ok(Invocation {
            cwd: plan.cwd.as_deref().map_or(Ok(String::new()), grants::normal)?,
            env: self.environment(&plan.env, scope)?,
            stdin: args.to_string(),
            argv,
            timeout,
        })
    }

    /// Runs a program to its end.
    pub(super) async fn start(&self, invocation: Invocation) -> Result<Value, RunError> {
        let name = invocation.argv.first().cloned().unwrap_or_default();
        let request = ProgramRequest {
            argv: invocation.argv,
            cwd: invocation.cwd,
            env: self.resolved(invocation.env)?,
            stdin: invocation.stdin.into_bytes(),
            timeout: invocation.timeout,
            max_bytes: MAX_OUTPUT,
        };
        let ProgramEnd { exit_code, stdout, stderr, truncated } =
            self.engine.ports.reach.programs.run(request, self.gate.cancel()).await?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut result = json!({ "exit_code": exit_code, "stdout": text(&stdout), "stderr": text(&stderr) });
        if truncated {
            result["truncated"] = json!(true);
        }
        if exit_code == Some(0) {
            return Ok(result);
        }
        let how = match exit_code {
            Some(code) => format!("ended with exit code {code}"),
            None => "was ended by a signal".to_owned(),
        };
        let said = text(&stderr);
        let said = said.trim();
        let said: String = said.chars().skip(said.chars().count().saturating_sub(SHOWN)).collect();
        let said = if said.is_empty() { said } else { format!(": {said}") };
        Err(RunError::new(ErrorKind::ToolFailed, format!("`{name}` {how}{said}")).with_detail(result))
    }
}
