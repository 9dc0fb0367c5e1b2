//! What the journal keeps of a run. A versioned, self-describing format: fields are only ever added, with a default.
//!
//! JSON values are shared: the run's state and what its expressions see hold the same ones as its journal.

use std::sync::Arc;

use jiff::Timestamp;
use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::attempt::Account;
use crate::effect::Effect;
use crate::failure::Failure;
use crate::id::{AttemptNumber, NodeId, WorkflowName};

/// One line of a run's journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Entry {
    /// Counts a run's entries from 0, without gaps.
    pub seq: u64,
    /// When it happened, to the millisecond.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    #[schema(value_type = i64)]
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

impl Entry {
    /// An entry whose time is cut to what the journal keeps, so that it equals the one that is read back.
    #[must_use]
    pub fn new(seq: u64, at: Timestamp, event: Event) -> Self {
        Self { seq, at: whole_millisecond(at), event }
    }
}

/// This time without its part below a millisecond, which the journal does not keep.
pub(super) fn whole_millisecond(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Event {
    /// The run was accepted. Always the first event.
    RunAccepted {
        /// The workflow.
        workflow: WorkflowName,
        /// The version that the run keeps to its end.
        #[schema(value_type = String)]
        version: Version,
        /// The run's input.
        #[schema(value_type = Value)]
        input: Arc<Value>,
        /// Who or what started it.
        trigger: Trigger,
        /// W3C Trace Context that came with the start, or was made for it.
        traceparent: String,
    },
    /// An attempt at a node was started.
    AttemptStarted {
        /// The node.
        node: NodeId,
        /// Which attempt.
        attempt: AttemptNumber,
        /// The step's input, evaluated.
        #[schema(value_type = Value)]
        input: Arc<Value>,
        /// When the attempt's time is over, as the guest is told it.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        #[schema(value_type = i64)]
        deadline: Timestamp,
    },
    /// An effect of an attempt was answered.
    EffectAnswered {
        /// The node.
        node: NodeId,
        /// Which attempt.
        attempt: AttemptNumber,
        /// The effect and its answer.
        effect: Effect,
    },
    /// An attempt gave an output: the node succeeded.
    AttemptSucceeded {
        /// The node.
        node: NodeId,
        /// Which attempt.
        attempt: AttemptNumber,
        /// The step's output.
        #[schema(value_type = Value)]
        output: Arc<Value>,
        /// What the attempt used and recorded.
        account: Account,
    },
    /// An attempt failed. Whether another follows is the plan's to say.
    AttemptFailed {
        /// The node.
        node: NodeId,
        /// Which attempt.
        attempt: AttemptNumber,
        /// Why.
        failure: Failure,
        /// What the attempt used and recorded.
        account: Account,
    },
    /// A node will not run.
    NodeSkipped {
        /// The node.
        node: NodeId,
        /// Why not.
        reason: SkipReason,
    },
    /// A node failed before an attempt could start: an expression failed, or the input does not fit.
    NodeFailed {
        /// The node.
        node: NodeId,
        /// Why.
        failure: Failure,
    },
    /// Somebody asked to cancel the run.
    CancelRequested {
        /// Why, in their words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The run ended. Always the last event.
    RunEnded {
        /// How.
        outcome: RunOutcome,
    },
}

impl Event {
    /// The `type` of its JSON form.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::RunAccepted { .. } => "run-accepted",
            Self::AttemptStarted { .. } => "attempt-started",
            Self::EffectAnswered { .. } => "effect-answered",
            Self::AttemptSucceeded { .. } => "attempt-succeeded",
            Self::AttemptFailed { .. } => "attempt-failed",
            Self::NodeSkipped { .. } => "node-skipped",
            Self::NodeFailed { .. } => "node-failed",
            Self::CancelRequested { .. } => "cancel-requested",
            Self::RunEnded { .. } => "run-ended",
        }
    }
}

/// Who or what started a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Trigger {
    /// A call of the API.
    Api,
    /// An HTTP trigger of the workflow.
    Http {
        /// The trigger's path.
        path: String,
    },
    /// A cron trigger of the workflow.
    Cron {
        /// The cron line.
        schedule: String,
        /// The time of the fire: with a jitter, or a run that was started late, earlier than the run.
        at: Timestamp,
    },
    /// An event trigger of the workflow.
    Event {
        /// The event's id, unique in its source.
        id: String,
        /// Where the event comes from.
        source: String,
        /// What kind of event.
        event_type: String,
    },
}

/// Why a node did not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SkipReason {
    /// Its `when` was false.
    When,
    /// All that it needs was skipped.
    Needs,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum RunOutcome {
    /// Every node that had to run did.
    Succeeded {
        /// The workflow's `output`.
        #[schema(value_type = Value)]
        output: Arc<Value>,
    },
    /// A node failed, or the run's budget was spent.
    Failed {
        /// Why.
        failure: Failure,
        /// The node that failed first, where one did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        node: Option<NodeId>,
    },
    /// Somebody cancelled it.
    Cancelled {
        /// Why, in their words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
}

impl RunOutcome {
    /// The outcome without its particulars.
    #[must_use]
    pub fn status(&self) -> RunStatus {
        match self {
            Self::Succeeded { .. } => RunStatus::Succeeded,
            Self::Failed { .. } => RunStatus::Failed,
            Self::Cancelled { .. } => RunStatus::Cancelled,
        }
    }
}

/// Where a run stands.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum RunStatus {
    /// Accepted; waits for a place under its workflow's concurrency limit, or for its time to start.
    Queued,
    /// Something of it is in flight.
    Running,
    /// Nothing is in flight: it waits for a time, a person, a callback or another run, and takes no memory.
    Waiting,
    /// Somebody paused it.
    Paused,
    /// Ended with an output.
    Succeeded,
    /// Ended with a failure.
    Failed,
    /// Ended by somebody's wish.
    Cancelled,
}

impl RunStatus {
    /// Every one, in the order of a run's life.
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Running,
        Self::Waiting,
        Self::Paused,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
    ];

    /// Whether the run has ended.
    #[must_use]
    pub fn is_final(self) -> bool {
        match self {
            Self::Queued | Self::Running | Self::Waiting | Self::Paused => false,
            Self::Succeeded | Self::Failed | Self::Cancelled => true,
        }
    }

    /// As written in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Paused => "paused",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}
