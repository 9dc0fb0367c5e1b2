//! The fold over the journal: what each event changes.
//!
//! An event is checked against the state first and changes it afterwards, so that one that cannot follow changes
//! nothing. Events are facts: whether they were wise is not asked here, only whether they can have happened.

mod attempts;
mod checks;
mod ends;
mod moves;
mod reopen;
mod waits;

use super::event::{Entry, Event, RunStatus, whole_millisecond};
use super::state::RunState;
use super::view::NodeStatus;
use crate::id::{AttemptNumber, NodeId, Part};

/// An entry that cannot follow what is before it: the journal is damaged, or belongs to another run or plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry {seq} of the run's journal cannot follow what is before it: {misfit}")]
pub struct FoldError {
    /// The entry's number.
    pub seq: u64,
    /// What does not fit.
    pub misfit: Misfit,
}

/// Why an entry does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// An entry is missing, or comes twice.
    #[error("entry {expected} was to come")]
    Sequence {
        /// The number that was to come.
        expected: u64,
    },
    /// The journal does not start with the run's acceptance.
    #[error("a journal starts with `run-accepted`")]
    NotAccepted,
    /// The run was accepted before.
    #[error("the run was accepted before")]
    AcceptedTwice,
    /// The run had a place, or needed none.
    #[error("the run had its place, or needs none")]
    AdmittedTwice,
    /// The run had no place yet, so nothing of it could start.
    #[error("the run was queued, so nothing of it could start")]
    Queued,
    /// The run was accepted for another workflow, or another version of it, than the plan's.
    #[error("the run was accepted for {accepted}, but the plan is that of {planned}")]
    OtherPlan {
        /// For which `workflow@version` the run was accepted.
        accepted: String,
        /// Whose plan it is.
        planned: String,
    },
    /// The run had ended.
    #[error("the run had ended")]
    Ended,
    /// The run had not failed, so that it could go on.
    #[error("the run had not ended, and was not about to")]
    NotEnded,
    /// The run had failed or was to be cancelled, so nothing new could happen.
    #[error("the run had failed or was to be cancelled, and starts or skips nothing any more")]
    WindingDown,
    /// The plan has no such node.
    #[error("the workflow has no node `{node}`")]
    UnknownNode {
        /// The node.
        node: NodeId,
    },
    /// What the node needs was not final.
    #[error("what the node `{node}` needs was not final")]
    UnmetNeeds {
        /// The node.
        node: NodeId,
    },
    /// This cannot happen to a node that stands there.
    #[error("the node `{node}` was {}", status.as_str())]
    NodeStatus {
        /// The node.
        node: NodeId,
        /// Where it stood.
        status: NodeStatus,
    },
    /// Another attempt was to come, or was in flight.
    #[error("attempt {found} of the node `{node}` is named, but it was at attempt {expected}")]
    Attempt {
        /// The node.
        node: NodeId,
        /// The attempt that the event names.
        found: AttemptNumber,
        /// The attempt that it could have named.
        expected: AttemptNumber,
    },
    /// The node's part is not there, or not one that this can happen to.
    #[error("this cannot happen to `{node}{part}`")]
    Part {
        /// The node.
        node: NodeId,
        /// The part.
        part: Part,
    },
    /// An effect is missing, or comes twice.
    #[error("effect {found} of the node `{node}` is answered, but effect {expected} was to come")]
    EffectIndex {
        /// The node.
        node: NodeId,
        /// The effect's number.
        found: u32,
        /// The number that was to come.
        expected: usize,
    },
    /// The run could not end like that.
    #[error("the run could not end as {}", status.as_str())]
    Outcome {
        /// How it is said to have ended.
        status: RunStatus,
    },
}

impl RunState {
    /// Goes on by one entry. An entry that cannot follow changes nothing.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), FoldError> {
        self.follow(entry).map_err(|misfit| FoldError { seq: entry.seq, misfit })?;
        self.next_seq += 1;
        Ok(())
    }

    fn follow(&mut self, entry: &Entry) -> Result<(), Misfit> {
        if entry.seq != self.next_seq {
            return Err(Misfit::Sequence { expected: self.next_seq });
        }
        let at = whole_millisecond(entry.at);
        match &entry.event {
            Event::RunReopened { from, edits, standing, by } => {
                self.reopened(from, edits, standing, by.as_deref(), at)
            }
            Event::DeadLetterDiscarded { node, part, .. } => self.letter_discarded(node, *part),
            _ if self.ended.is_some() => Err(Misfit::Ended),
            event => self.follow_living(event, at),
        }?;
        self.note_waiting(at);
        Ok(())
    }

    /// What can happen to a run that has not ended.
    fn follow_living(&mut self, event: &Event, at: jiff::Timestamp) -> Result<(), Misfit> {
        match event {
            Event::RunAccepted { .. } => Err(Misfit::AcceptedTwice),
            Event::RunAdmitted => self.run_admitted(),
            Event::AttemptStarted { node, part, attempt, input, deadline, call } => {
                let deadline = whole_millisecond(*deadline);
                self.attempt_started(node, *part, *attempt, *call, input, at, deadline)
            }
            Event::EffectAnswered { node, part, attempt, effect } => {
                self.effect_answered(node, *part, *attempt, effect)
            }
            Event::AttemptSucceeded { node, part, attempt, output, account, cached } => {
                self.attempt_succeeded(node, *part, *attempt, output, account, *cached, at)
            }
            Event::AttemptFailed { node, part, attempt, failure, account, cached } => {
                self.attempt_failed(node, *part, *attempt, failure, account, *cached, at)
            }
            Event::AttemptAbandoned { node, part, attempt, account } => {
                self.attempt_abandoned(node, *part, *attempt, account, at)
            }
            Event::NodeSkipped { node, reason } => self.skipped(node, *reason, at),
            Event::NodeFailed { node, part, failure, falls_back } => {
                self.part_failed(node, *part, failure, *falls_back, at)
            }
            Event::MapStarted { node, items } => self.map_started(node, items, at),
            Event::WaitStarted { node, until } => self.wait_started(node, *until, at),
            Event::ApprovalOpened { node, show, expires_at, escalates_at } => {
                self.approval_opened(node, show, *expires_at, *escalates_at, at)
            }
            Event::ApprovalEscalated { node } => self.approval_escalated(node, at),
            Event::ApprovalDecided { node, decision } => self.approval_decided(node, decision, at),
            Event::CallbackOpened { node, token, url, expires_at } => {
                self.callback_opened(node, token, url, *expires_at, at)
            }
            Event::CallbackReceived { node, body } => self.callback_received(node, body, at),
            Event::ChildStarted { node, run, input } => self.child_started(node, *run, input, at),
            Event::ChildEnded { node, run, outcome, spent } => {
                self.child_ended(node, *run, outcome, spent.as_ref(), at)
            }
            Event::EventEmitted { node, event } => self.event_emitted(node, event, at),
            Event::TimerFired { node } => self.timer_fired(node, at),
            Event::SignalReceived { name, payload, .. } => {
                self.signal_received(name, payload, at);
                Ok(())
            }
            Event::RunPaused { .. } => {
                self.pause_requested();
                Ok(())
            }
            Event::RunResumed { .. } => {
                self.paused = false;
                Ok(())
            }
            Event::CancelRequested { reason, grace_ms, compensate, by } => {
                self.cancel_requested(reason.as_ref(), *grace_ms, *compensate, by.as_ref(), at);
                Ok(())
            }
            Event::RunGivenUp { failure } => self.given_up(failure, at),
            Event::WorkStopped => self.work_stopped(at),
            Event::RunEnded { outcome } => self.run_ended(outcome, at),
            // Follow an ended run too, and are dealt with before.
            Event::RunReopened { .. } | Event::DeadLetterDiscarded { .. } => Ok(()),
        }
    }
}
