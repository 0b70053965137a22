//! What ends a run, or a part of one, before its own end: a person, a bound of time, a branch that makes the others
//! pointless.

use std::sync::{Arc, OnceLock};

use aikit_core::RunError;
use tokio_util::sync::CancellationToken;

/// Ends a part of a run. What ends a part ends everything inside it.
#[derive(Debug, Clone)]
pub(crate) struct Stop {
    token: CancellationToken,
    why: Arc<OnceLock<RunError>>,
    outer: Option<Arc<Stop>>,
}

impl Stop {
    /// Fires with a token of someone else's.
    pub(crate) fn new(token: CancellationToken) -> Self {
        Self { token, why: Arc::default(), outer: None }
    }

    /// A part of what this ends.
    pub(crate) fn part(&self) -> Self {
        Self { token: self.token.child_token(), why: Arc::default(), outer: Some(Arc::new(self.clone())) }
    }

    /// Ends the part, once.
    pub(crate) fn end(&self, why: RunError) {
        // The first reason holds.
        let _ = self.why.set(why);
        self.token.cancel();
    }

    /// The token that effects watch.
    pub(crate) fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// Whether it has been ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Why: the reason of the outermost part that has been ended.
    pub(crate) fn error(&self) -> RunError {
        match &self.outer {
            Some(outer) if outer.has_ended() => outer.error(),
            _ => self.why.get().cloned().unwrap_or_else(RunError::cancelled),
        }
    }
}

#[cfg(test)]
mod tests {
    use aikit_core::ErrorKind;

    use super::*;

    #[test]
    fn the_outermost_reason_counts() {
        let run = Stop::new(CancellationToken::new());
        let step = run.part();
        step.end(RunError::new(ErrorKind::ToolTimeout, "too slow"));
        step.end(RunError::new(ErrorKind::Internal, "later"));
        assert_eq!(step.error().kind, ErrorKind::ToolTimeout);
        assert!(!run.has_ended());
        run.end(RunError::new(ErrorKind::BudgetExceeded, "the run took too long"));
        assert_eq!(step.error().kind, ErrorKind::BudgetExceeded);
    }
}
