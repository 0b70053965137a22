//! Another attempt: which errors are worth one, and how long to wait before it.

use std::time::Duration;

use aikit_core::{ErrorKind, RunError, RunId};
use aikit_spec::{agent::Jitter, plan::RetryPlan};

use crate::journal::digest_text;

/// Whether an error is worth another attempt. A refused credential, a tenant's wall and a cancellation never are.
pub(super) fn worth_it(retry: &RetryPlan, error: &RunError) -> bool {
    let never = matches!(error.kind, ErrorKind::ProviderAuth | ErrorKind::TenantIsolation | ErrorKind::Cancelled);
    let wanted = match retry.on.as_slice() {
        [] => error.kind.is_retryable() || super::tools::may_pass(error),
        globs => globs.iter().any(|glob| glob.matches(error.kind.code())),
    };
    wanted && !never
}

/// How long to wait behind attempt `attempt` (from 1). The spread follows from the run, so that a replay waits alike.
pub(super) fn pause(retry: &RetryPlan, run: RunId, address: &str, attempt: u32) -> Duration {
    let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
    let longest = retry.max_delay.as_secs_f64();
    let full = (retry.initial_delay.as_secs_f64() * retry.backoff.powi(exponent)).min(longest);
    let digest = digest_text(&format!("{run} {address} {attempt}"));
    let spread = u32::from_str_radix(&digest[..8], 16).map_or(0.0, |bits| f64::from(bits) / f64::from(u32::MAX));
    let seconds = match retry.jitter {
        Jitter::None => full,
        Jitter::Full => full * spread,
        Jitter::Equal => full * (0.5 + spread / 2.0),
    };
    Duration::try_from_secs_f64(seconds).unwrap_or(retry.max_delay)
}

#[cfg(test)]
mod tests {
    use aikit_spec::words::ErrorGlob;

    use super::*;

    fn plan(jitter: Jitter) -> RetryPlan {
        RetryPlan {
            max_attempts: 5,
            on: Vec::new(),
            initial_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(5),
            backoff: 2.0,
            jitter,
        }
    }

    #[test]
    fn pauses_grow_up_to_the_longest() {
        let run = RunId::generate();
        let seconds: Vec<u64> = (1..=5).map(|n| pause(&plan(Jitter::None), run, "a", n).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 5, 5]);
        for attempt in 1..=20 {
            let half = pause(&plan(Jitter::Equal), run, "a", attempt).as_secs_f64();
            let full = pause(&plan(Jitter::None), run, "a", attempt).as_secs_f64();
            assert!((full / 2.0..=full).contains(&half));
            assert!(pause(&plan(Jitter::Full), run, "a", attempt).as_secs_f64() <= full);
        }
        assert_eq!(pause(&plan(Jitter::Full), run, "a", 1), pause(&plan(Jitter::Full), run, "a", 1));
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let error = |kind| RunError::new(kind, "x");
        let default = plan(Jitter::None);
        assert!(worth_it(&default, &error(ErrorKind::ProviderTimeout)));
        assert!(!worth_it(&default, &error(ErrorKind::ToolFailed)));
        let all = RetryPlan { on: vec![ErrorGlob("*".into())], ..default };
        assert!(worth_it(&all, &error(ErrorKind::ToolFailed)));
        assert!(!worth_it(&all, &error(ErrorKind::ProviderAuth)));
        assert!(!worth_it(&all, &error(ErrorKind::Cancelled)));
    }
}
