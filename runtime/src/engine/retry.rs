//! Another attempt: which errors are worth one, and how long to wait before it.

use std::time::Duration;

use aikit_core::{ErrorKind, RunError, RunId};
use aikit_spec::{agent::Jitter, plan::RetryPlan};
use serde_json::{Map, Value, json};

use crate::{gate::Gate, journal::digest_text};

/// Where an error's detail holds what the other side asks to wait, in milliseconds.
const RETRY_AFTER: &str = "retry_after_ms";

/// An error of somebody who asks to wait. The detail is recorded with the error, so that a replay knows it as well.
pub(crate) fn asked_to_wait(mut error: RunError, wait: Duration) -> RunError {
    let mut detail = match error.detail.take() {
        Some(Value::Object(detail)) => detail,
        Some(other) => Map::from_iter([("detail".to_owned(), other)]),
        None => Map::new(),
    };
    detail.insert(RETRY_AFTER.to_owned(), json!(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)));
    if error.help.is_none() {
        error.help = Some(format!("the provider asks to wait {} seconds", wait.as_secs()));
    }
    error.with_detail(Value::Object(detail))
}

fn asked(error: &RunError) -> Option<Duration> {
    error.detail.as_ref()?.get(RETRY_AFTER)?.as_u64().map(Duration::from_millis)
}

/// Waits before another attempt, as long as the part of the run has not been ended; what is replayed does not wait.
pub(super) async fn wait(gate: &Gate, pause: Duration) {
    if gate.waits() {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = gate.cancel().cancelled() => {}
        }
    }
}

/// Whether an error is worth another attempt. A refused credential, a tenant's wall and a cancellation never are.
pub(super) fn worth_it(retry: &RetryPlan, error: &RunError) -> bool {
    let never = matches!(error.kind, ErrorKind::ProviderAuth | ErrorKind::TenantIsolation | ErrorKind::Cancelled);
    let wanted = match retry.on.as_slice() {
        [] => error.kind.is_retryable() || super::tools::may_pass(error),
        globs => globs.iter().any(|glob| glob.matches(error.kind.code())),
    };
    wanted && !never
}

/// How long to wait behind attempt `attempt` (from 1), which failed with `error`. The spread follows from the run, so that a
/// replay waits alike.
pub(super) fn pause(retry: &RetryPlan, run: RunId, address: &str, attempt: u32, error: &RunError) -> Duration {
    let least = asked(error).filter(|_| retry.respect_retry_after).unwrap_or_default();
    spread(retry, run, address, attempt).max(least)
}

fn spread(retry: &RetryPlan, run: RunId, address: &str, attempt: u32) -> Duration {
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
            request_timeout: None,
            respect_retry_after: true,
        }
    }

    fn pause(retry: &RetryPlan, run: RunId, address: &str, attempt: u32) -> Duration {
        super::pause(retry, run, address, attempt, &RunError::new(ErrorKind::ProviderTimeout, "x"))
    }

    #[test]
    fn a_provider_that_asks_to_wait_is_listened_to() {
        let error = asked_to_wait(RunError::new(ErrorKind::ProviderRateLimit, "x"), Duration::from_millis(7500));
        assert_eq!(error.help.as_deref(), Some("the provider asks to wait 7 seconds"));
        let (run, polite) = (RunId::generate(), plan(Jitter::None));
        assert_eq!(super::pause(&polite, run, "a", 1, &error), Duration::from_millis(7500));
        let deaf = RetryPlan { respect_retry_after: false, ..polite };
        assert_eq!(super::pause(&deaf, run, "a", 1, &error), Duration::from_secs(1));
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
