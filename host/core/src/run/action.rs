//! What a run wants done next. Core decides it; whoever drives the run does it and records it.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::event::{Event, RunOutcome, SkipReason};
use crate::failure::Failure;
use crate::id::{AttemptNumber, NodeId};

/// One thing to do next. Each but [`Action::WakeAt`] becomes true by applying the event that records it.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// A node will not run.
    Skip {
        /// The node.
        node: NodeId,
        /// Why not.
        reason: SkipReason,
    },
    /// A node fails before an attempt could start.
    Fail {
        /// The node.
        node: NodeId,
        /// Why.
        failure: Failure,
    },
    /// An attempt at a node is to start now.
    Start {
        /// The node.
        node: NodeId,
        /// Which attempt.
        attempt: AttemptNumber,
        /// The step's input, evaluated and checked against the step's schema.
        input: Arc<Value>,
        /// When the attempt's time is over.
        deadline: Timestamp,
    },
    /// The run is over. Attempts that are still in flight are to be abandoned.
    End {
        /// How it ended.
        outcome: RunOutcome,
    },
    /// Nothing more happens by itself before this time: decide again then.
    WakeAt(Timestamp),
}

impl Action {
    /// The event that records the action; none for [`Action::WakeAt`], which leaves no trace.
    #[must_use]
    pub fn into_event(self) -> Option<Event> {
        match self {
            Self::Skip { node, reason } => Some(Event::NodeSkipped { node, reason }),
            Self::Fail { node, failure } => Some(Event::NodeFailed { node, failure }),
            Self::Start { node, attempt, input, deadline } => {
                Some(Event::AttemptStarted { node, attempt, input, deadline })
            }
            Self::End { outcome } => Some(Event::RunEnded { outcome }),
            Self::WakeAt(_) => None,
        }
    }
}
