//! When the next attempt is due.
//!
//! The answer is never journalled: every fold must come to the same one. So nothing here is random, and
//! nothing depends on when it is asked.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::digest::Digest;
use crate::failure::Failure;
use crate::id::{AttemptNumber, NodeId, RunId};
use crate::plan::RetryPolicy;

/// When the attempt after this failed one is due; none if no other follows.
pub(super) fn next_attempt_due(
    policy: &RetryPolicy,
    run: RunId,
    node: &NodeId,
    failed: AttemptNumber,
    failed_at: Timestamp,
    failure: &Failure,
) -> Option<Timestamp> {
    if failed.0 >= policy.attempts || !policy.on.contains(&failure.kind) {
        return None;
    }
    let mut pause = backoff(policy, failed);
    if policy.jitter {
        pause = pause.mul_f64(jitter(run, node, failed));
    }
    let asked_for = Duration::from_millis(failure.retry_after_ms.unwrap_or(0));
    Some(later(failed_at, pause.max(asked_for)))
}

/// This much later, or the end of time.
pub(super) fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.saturating_add(SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX)).unwrap_or(Timestamp::MAX)
}

/// The policy's pause after this failed attempt, before jitter. It is multiplied step by step, because `powi`
/// may answer differently from one platform to the next.
fn backoff(policy: &RetryPolicy, failed: AttemptNumber) -> Duration {
    let cap = policy.cap.as_secs_f64();
    let first = policy.delay.as_secs_f64().min(cap);
    let pause = (1..failed.0).fold(first, |pause, _| (pause * policy.factor).min(cap));
    Duration::try_from_secs_f64(pause).unwrap_or(policy.cap)
}

/// A number from one half to one, drawn from what is being retried.
fn jitter(run: RunId, node: &NodeId, failed: AttemptNumber) -> f64 {
    let draw = Digest::of(format!("{run}.{node}.{failed}").as_bytes());
    let [high, low, ..] = *draw.as_bytes();
    0.5 + f64::from(u16::from_be_bytes([high, low])) / f64::from(u16::MAX) / 2.0
}
