//! When the next attempt is due.
//!
//! The answer is never journalled: every fold must come to the same one. So nothing here is random, and
//! nothing depends on when it is asked.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::digest::Digest;
use crate::failure::Failure;
use crate::id::{AttemptNumber, NodeId, Part, RunId};
use crate::plan::RetryPolicy;

/// An attempt that failed.
pub(super) struct Failed<'a> {
    pub(super) run: RunId,
    pub(super) node: &'a NodeId,
    pub(super) part: Part,
    pub(super) attempt: AttemptNumber,
    pub(super) at: Timestamp,
    pub(super) failure: &'a Failure,
}

/// When the attempt after this failed one is due, which was the `tries`th that counts; none if no other follows.
pub(super) fn backoff_due(policy: &RetryPolicy, tries: u32, failed: &Failed<'_>) -> Option<Timestamp> {
    if tries >= policy.attempts || !policy.on.contains(&failed.failure.kind) {
        return None;
    }
    let mut pause = backoff(policy, tries);
    if policy.jitter {
        pause = pause.mul_f64(jitter(failed));
    }
    let asked_for = Duration::from_millis(failed.failure.retry_after_ms.unwrap_or(0));
    Some(later(failed.at, pause.max(asked_for)))
}

/// This much later, or the end of time.
pub(super) fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.saturating_add(SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX)).unwrap_or(Timestamp::MAX)
}

/// So many milliseconds later, or the end of time.
pub(super) fn later_by_ms(at: Timestamp, ms: u64) -> Timestamp {
    later(at, Duration::from_millis(ms))
}

/// The policy's pause after so many tries, before jitter. It is multiplied step by step, because `powi`
/// may answer differently from one platform to the next.
fn backoff(policy: &RetryPolicy, tries: u32) -> Duration {
    let cap = policy.cap.as_secs_f64();
    let first = policy.delay.as_secs_f64().min(cap);
    let pause = (1..tries).try_fold(first, |pause, _| {
        // At the cap it stays: no need to go on.
        let next = (pause * policy.factor).min(cap);
        if next > pause { Ok(next) } else { Err(next) }
    });
    let (Ok(pause) | Err(pause)) = pause;
    Duration::try_from_secs_f64(pause).unwrap_or(policy.cap)
}

/// A number from one half to one, drawn from what is being retried.
fn jitter(failed: &Failed<'_>) -> f64 {
    let Failed { run, node, part, attempt, .. } = failed;
    let draw = Digest::of(format!("{run}.{node}{part}.{attempt}").as_bytes());
    let [high, low, ..] = *draw.as_bytes();
    0.5 + f64::from(u16::from_be_bytes([high, low])) / f64::from(u16::MAX) / 2.0
}
