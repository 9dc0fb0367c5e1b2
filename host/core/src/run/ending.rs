//! How a run ends: what is in flight ends first, then what succeeded is undone, then the end is told.

use std::sync::Arc;

use jiff::Timestamp;

use super::event::RunOutcome;
use super::state::RunState;
use super::view::CancellationView;
use crate::failure::FailureKind;
use crate::id::NodeId;
use crate::plan::OnFailure;

/// An end that is under way.
#[derive(Debug)]
pub(super) struct Ending {
    /// Since when.
    pub(super) at: Timestamp,
    /// How.
    pub(super) outcome: RunOutcome,
    /// Who asked for it last, if somebody did.
    pub(super) by: Option<String>,
    /// What is in flight may go on until then; none: until the run's time is over.
    pub(super) grace_until: Option<Timestamp>,
    /// Whether what succeeded is to be undone.
    pub(super) compensate: bool,
    /// Whether what was in flight is dropped.
    pub(super) stopped: bool,
}

impl Ending {
    /// Whether somebody asked for it.
    pub(super) fn is_cancellation(&self) -> bool {
        matches!(self.outcome, RunOutcome::Cancelled { .. })
    }

    /// A later wish, which counts for what it says: the shorter grace, and compensation once anybody wants it.
    pub(super) fn hasten(&mut self, wish: Self) {
        if let RunOutcome::Cancelled { reason: Some(_) } = wish.outcome {
            self.outcome = wish.outcome;
        }
        self.by = wish.by.or(self.by.take());
        self.grace_until = self.grace_until.into_iter().chain(wish.grace_until).min();
        self.compensate |= wish.compensate;
    }

    /// Whether a node failed, and not the run as a whole.
    pub(super) fn is_of_a_node(&self) -> bool {
        matches!(self.outcome, RunOutcome::Failed { node: Some(_), .. })
    }
}

impl RunState {
    /// The cancellation that is under way, if one is.
    #[must_use]
    pub fn cancelling(&self) -> Option<CancellationView> {
        let ending = self.ending.as_ref().filter(|_| self.ended.is_none())?;
        let RunOutcome::Cancelled { reason } = &ending.outcome else { return None };
        Some(CancellationView {
            reason: reason.clone(),
            by: ending.by.clone(),
            compensate: ending.compensate,
            grace_until: ending.grace_until,
        })
    }

    /// What is to be undone next, if anything is: in reverse order of success.
    pub(super) fn to_undo(&self) -> Option<&NodeId> {
        let is_open = |id: &&NodeId| {
            self.nodes[*id].compensation().is_none_or(|compensation| compensation.end.is_none())
        };
        self.undoable.iter().rev().find(is_open)
    }

    /// The outcome with what succeeded, where that is wanted.
    pub(super) fn with_partial(&self, outcome: &RunOutcome) -> RunOutcome {
        match outcome {
            RunOutcome::Failed { failure, node, .. }
                if self.plan.on_failure == OnFailure::Partial
                    || failure.kind == FailureKind::BudgetExceeded =>
            {
                let partial = Some(Arc::new(self.outputs(self.nodes.keys())));
                RunOutcome::Failed { failure: failure.clone(), node: node.clone(), partial }
            }
            other => other.clone(),
        }
    }
}
