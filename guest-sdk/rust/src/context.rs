//! Where this attempt stands.

use crate::host;

/// One attempt at one node of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The run: a UUID version 7.
    pub run_id: String,
    /// The workflow's name.
    pub workflow: String,
    /// The workflow's version, as it was when the run started.
    pub workflow_version: String,
    /// The node's id in that workflow.
    pub node: String,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// When the attempt started: milliseconds since the Unix epoch. The same when it is replayed.
    pub started_at_ms: u64,
    /// When the attempt will be ended: milliseconds since the Unix epoch.
    pub deadline_ms: u64,
    /// The same for every replay of this attempt, and different for every other attempt.
    pub idempotency_key: String,
    /// W3C Trace Context, to hand to whatever the step calls.
    pub traceparent: String,
}

/// This attempt.
#[must_use]
pub fn current() -> Attempt {
    host::current_attempt()
}
