//! What a run wants done next. Core decides it; whoever drives the run does it and records it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::event::{Event, ReopenFrom, RunOutcome, SkipReason};
use crate::failure::Failure;
use crate::id::{AttemptNumber, NodeId, Part, RunId};

/// One thing to do next. Each but [`Action::WakeAt`] and [`Action::CancelChild`] becomes true by applying the event that
/// records it.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// A node will not run.
    Skip {
        /// The node.
        node: NodeId,
        /// Why not.
        reason: SkipReason,
    },
    /// A part of a node's work fails before an attempt could start.
    Fail {
        /// The node.
        node: NodeId,
        /// Which part.
        part: Part,
        /// Why.
        failure: Failure,
        /// What failed is one way to run the step, and the next one follows.
        falls_back: bool,
    },
    /// An attempt at a node is to start now.
    Start {
        /// The node.
        node: NodeId,
        /// Which part of its work.
        part: Part,
        /// Which attempt.
        attempt: AttemptNumber,
        /// The step's input, evaluated and checked against the step's schema.
        input: Arc<Value>,
        /// When the attempt's time is over.
        deadline: Timestamp,
        /// Which of the node's ways to run its step.
        call: u32,
    },
    /// A map has its list.
    StartMap {
        /// The node.
        node: NodeId,
        /// The items.
        items: Arc<Value>,
    },
    /// A node waits for a time or a signal.
    Wait {
        /// The node.
        node: NodeId,
        /// Until when at most.
        until: Option<Timestamp>,
    },
    /// A person is asked.
    OpenApproval {
        /// The node.
        node: NodeId,
        /// What the person is shown.
        show: Arc<Value>,
        /// When the question is answered by nobody.
        expires_at: Option<Timestamp>,
        /// When others are asked too.
        escalates_at: Option<Timestamp>,
    },
    /// Others are asked too.
    Escalate {
        /// The node.
        node: NodeId,
    },
    /// A URL to be called back at is to be made.
    OpenCallback {
        /// The node.
        node: NodeId,
        /// When it is good no more.
        expires_at: Timestamp,
    },
    /// A run of a sub-workflow is to be started.
    StartChild {
        /// The node.
        node: NodeId,
        /// The child's input.
        input: Arc<Value>,
    },
    /// The run of a sub-workflow is to be cancelled. Asked for again and again until it has ended.
    CancelChild {
        /// The child.
        run: RunId,
        /// What is in flight there may go on until then; none: it is dropped.
        grace_until: Option<Timestamp>,
        /// Whether what succeeded there is to be undone.
        compensate: bool,
    },
    /// A node tells of an event.
    Emit {
        /// The node.
        node: NodeId,
        /// A CloudEvent in its JSON form.
        event: Arc<Value>,
    },
    /// What a node waits for at most is over.
    Ring {
        /// The node.
        node: NodeId,
    },
    /// The run fails though no node did.
    GiveUp {
        /// Why.
        failure: Failure,
    },
    /// Attempts that are in flight are to be abandoned.
    StopWork,
    /// The run goes on, or begins anew.
    Reopen {
        /// From where.
        from: ReopenFrom,
    },
    /// The run is over. Attempts that are still in flight are to be abandoned.
    End {
        /// How it ended.
        outcome: RunOutcome,
    },
    /// Nothing more happens by itself before this time: decide again then.
    WakeAt(Timestamp),
}

/// Makes what is not decided but new: never the same twice, and not to be guessed.
pub trait Mint {
    /// The id of a new run.
    fn run_id(&mut self) -> RunId;
    /// A callback's token, and the URL with it.
    fn callback(&mut self) -> (String, String);
}

impl Action {
    /// A node fails before an attempt could start, whatever other ways to run its step there are.
    pub(super) fn fail(node: NodeId, failure: Failure) -> Self {
        Self::Fail { node, part: Part::Whole, failure, falls_back: false }
    }

    /// The event that records the action; none for [`Action::WakeAt`] and [`Action::CancelChild`], which leave no trace.
    #[must_use]
    pub fn into_event(self, mint: &mut dyn Mint) -> Option<Event> {
        Some(match self {
            Self::Skip { node, reason } => Event::NodeSkipped { node, reason },
            Self::Fail { node, part, failure, falls_back } => {
                Event::NodeFailed { node, part, failure, falls_back }
            }
            Self::Start { node, part, attempt, input, deadline, call } => {
                Event::AttemptStarted { node, part, attempt, input, deadline, call }
            }
            Self::StartMap { node, items } => Event::MapStarted { node, items },
            Self::Wait { node, until } => Event::WaitStarted { node, until },
            Self::OpenApproval { node, show, expires_at, escalates_at } => {
                Event::ApprovalOpened { node, show, expires_at, escalates_at }
            }
            Self::Escalate { node } => Event::ApprovalEscalated { node },
            Self::OpenCallback { node, expires_at } => {
                let (token, url) = mint.callback();
                Event::CallbackOpened { node, token, url, expires_at }
            }
            Self::StartChild { node, input } => Event::ChildStarted { node, run: mint.run_id(), input },
            Self::Emit { node, event } => Event::EventEmitted { node, event },
            Self::Ring { node } => Event::TimerFired { node },
            Self::GiveUp { failure } => Event::RunGivenUp { failure },
            Self::StopWork => Event::WorkStopped,
            Self::Reopen { from } => {
                Event::RunReopened { from, edits: BTreeMap::new(), standing: BTreeSet::new(), by: None }
            }
            Self::End { outcome } => Event::RunEnded { outcome },
            Self::WakeAt(_) | Self::CancelChild { .. } => return None,
        })
    }
}
