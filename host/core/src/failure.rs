//! Why an attempt, a node or a run failed: what the journal keeps and a person reads.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::limits::LimitKind;

/// The kind of a failure: what `retry.on` names and programs branch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The step said that another attempt may succeed.
    Retryable,
    /// The step said that another attempt would fail in the same way.
    Permanent,
    /// The input does not fit: the step or its schema said so.
    InvalidInput,
    /// The output is no JSON or does not match the step's schema.
    InvalidOutput,
    /// The attempt took longer than its timeout.
    Timeout,
    /// The attempt hit another limit.
    Limit,
    /// The guest trapped or panicked.
    Trap,
    /// The circuit breaker of the destination is open: nothing was sent.
    CircuitOpen,
    /// An expression of the workflow (`when`, `input`, `output`) failed.
    Expression,
    /// The output did not pass the node's `gate`.
    Gate,
    /// What the node's `until` wants does not hold yet.
    Until,
    /// A person refused.
    Rejected,
    /// Nobody decided, called back or signalled in time.
    Expired,
    /// The run of a sub-workflow failed or was cancelled.
    ChildFailed,
    /// After a crash the guest did not ask again for what it had been answered.
    Replay,
    /// The run's time, money or fuel was spent.
    BudgetExceeded,
    /// Somebody cancelled the run.
    Cancelled,
    /// A node failed, and with it the run.
    NodeFailed,
    /// The host is at fault: its log says more.
    Internal,
}

impl FailureKind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Self; 19] = [
        Self::Retryable,
        Self::Permanent,
        Self::InvalidInput,
        Self::InvalidOutput,
        Self::Timeout,
        Self::Limit,
        Self::Trap,
        Self::CircuitOpen,
        Self::Expression,
        Self::Gate,
        Self::Until,
        Self::Rejected,
        Self::Expired,
        Self::ChildFailed,
        Self::Replay,
        Self::BudgetExceeded,
        Self::Cancelled,
        Self::NodeFailed,
        Self::Internal,
    ];

    /// As written in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retryable => "retryable",
            Self::Permanent => "permanent",
            Self::InvalidInput => "invalid-input",
            Self::InvalidOutput => "invalid-output",
            Self::Timeout => "timeout",
            Self::Limit => "limit",
            Self::Trap => "trap",
            Self::CircuitOpen => "circuit-open",
            Self::Expression => "expression",
            Self::Gate => "gate",
            Self::Until => "until",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::ChildFailed => "child-failed",
            Self::Replay => "replay",
            Self::BudgetExceeded => "budget-exceeded",
            Self::Cancelled => "cancelled",
            Self::NodeFailed => "node-failed",
            Self::Internal => "internal",
        }
    }
}

/// A failure, with what a person needs to mend it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema, thiserror::Error)]
#[error("{}: {message}", kind.as_str())]
pub struct Failure {
    /// Its kind.
    pub kind: FailureKind,
    /// One line: what went wrong, where, and how to mend it.
    pub message: String,
    /// More, for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Value>,
    /// Milliseconds to let pass before the next attempt, as the step asked or an open circuit breaker wants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// The limit that was hit, of a failure of kind `limit` or `timeout`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<LimitHit>,
}

/// A limit that was hit, and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LimitHit {
    /// Which.
    pub name: LimitKind,
    /// Its value for this attempt.
    pub value: u64,
}

impl Failure {
    /// A failure with nothing but its message.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), detail: None, retry_after_ms: None, limit: None }
    }

    /// A limit was hit: a failure of kind `timeout` for the time, of kind `limit` for every other.
    #[must_use]
    pub fn limit(name: LimitKind, value: u64) -> Self {
        let (kind, message) = match name {
            LimitKind::TimeMs => (
                FailureKind::Timeout,
                format!("the attempt took longer than its {value} ms (`timeout` of the node)"),
            ),
            _ => (
                FailureKind::Limit,
                format!("the attempt hit its limit `{}` of {value} (`limits` of the node)", name.as_str()),
            ),
        };
        Self { limit: Some(LimitHit { name, value }), ..Self::new(kind, message) }
    }
}
