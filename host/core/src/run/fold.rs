//! The fold over the journal: what each event changes.
//!
//! An event is checked against the state first and changes it afterwards, so that one that cannot follow changes
//! nothing. Events are facts: whether they were wise is not asked here, only whether they can have happened.

use std::mem;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::event::{Entry, Event, RunOutcome, RunStatus, whole_millisecond};
use super::node::{AttemptEnd, AttemptInFlight, NodeState, Phase};
use super::retry::next_attempt_due;
use super::state::{Ended, RunState};
use super::view::{Bill, NodeStatus};
use crate::attempt::Account;
use crate::effect::Effect;
use crate::failure::Failure;
use crate::id::{AttemptNumber, NodeId};

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
        if self.ended.is_some() {
            return Err(Misfit::Ended);
        }
        let at = whole_millisecond(entry.at);
        match &entry.event {
            Event::RunAccepted { .. } => Err(Misfit::AcceptedTwice),
            Event::RunAdmitted => self.run_admitted(),
            Event::AttemptStarted { node, attempt, input, deadline } => {
                self.attempt_started(node, *attempt, input, at, whole_millisecond(*deadline))
            }
            Event::EffectAnswered { node, attempt, effect } => self.effect_answered(node, *attempt, effect),
            Event::AttemptSucceeded { node, attempt, output, account } => {
                self.attempt_succeeded(node, *attempt, output, account, at)
            }
            Event::AttemptFailed { node, attempt, failure, account } => {
                self.attempt_failed(node, *attempt, failure, account, at)
            }
            Event::NodeSkipped { node, reason } => {
                self.check_ready(node)?;
                self.move_to(node, Phase::Skipped { reason: *reason });
                Ok(())
            }
            Event::NodeFailed { node, failure } => {
                self.check_may_start(node)?;
                self.move_to(node, Phase::Failed { failure: failure.clone() });
                Ok(())
            }
            Event::CancelRequested { reason } => {
                self.cancelling.get_or_insert_with(|| RunOutcome::Cancelled { reason: reason.clone() });
                Ok(())
            }
            Event::RunEnded { outcome } => self.run_ended(outcome, at),
        }
    }

    fn run_admitted(&mut self) -> Result<(), Misfit> {
        if self.admitted {
            return Err(Misfit::AdmittedTwice);
        }
        self.admitted = true;
        Ok(())
    }

    fn attempt_started(
        &mut self,
        id: &NodeId,
        attempt: AttemptNumber,
        input: &Arc<Value>,
        at: Timestamp,
        deadline: Timestamp,
    ) -> Result<(), Misfit> {
        let expected = self.check_may_start(id)?.next_attempt();
        check_attempt(id, attempt, expected)?;
        self.node_mut(id).start_attempt(at, deadline, Arc::clone(input));
        self.move_to(id, Phase::Running);
        Ok(())
    }

    fn effect_answered(
        &mut self,
        id: &NodeId,
        attempt: AttemptNumber,
        effect: &Effect,
    ) -> Result<(), Misfit> {
        let expected = self.check_in_flight(id, attempt)?.effects.len();
        if usize::try_from(effect.index) != Ok(expected) {
            return Err(Misfit::EffectIndex { node: id.clone(), found: effect.index, expected });
        }
        self.node_mut(id).add_effect(effect.clone());
        Ok(())
    }

    fn attempt_succeeded(
        &mut self,
        id: &NodeId,
        attempt: AttemptNumber,
        output: &Arc<Value>,
        account: &Account,
        at: Timestamp,
    ) -> Result<(), Misfit> {
        self.check_in_flight(id, attempt)?;
        self.node_mut(id).end_attempt(at, AttemptEnd::Succeeded { bill: Bill::from(account) });
        self.move_to(id, Phase::Succeeded { output: Arc::clone(output) });
        Ok(())
    }

    fn attempt_failed(
        &mut self,
        id: &NodeId,
        attempt: AttemptNumber,
        failure: &Failure,
        account: &Account,
        at: Timestamp,
    ) -> Result<(), Misfit> {
        self.check_in_flight(id, attempt)?;
        let end = AttemptEnd::Failed { bill: Bill::from(account), failure: failure.clone() };
        self.node_mut(id).end_attempt(at, end);
        let policy = &self.plan.nodes[id].retry;
        let phase = match next_attempt_due(policy, self.run, id, attempt, at, failure) {
            Some(due) => Phase::WaitingToRetry { due },
            None => Phase::Failed { failure: failure.clone() },
        };
        self.move_to(id, phase);
        Ok(())
    }

    fn run_ended(&mut self, outcome: &RunOutcome, at: Timestamp) -> Result<(), Misfit> {
        let possible = match outcome {
            RunOutcome::Succeeded { .. } => self.unfinished == 0 && self.failing.is_none(),
            RunOutcome::Failed { .. } => true,
            RunOutcome::Cancelled { .. } => self.cancelling.is_some(),
        };
        if !possible {
            return Err(Misfit::Outcome { status: outcome.status() });
        }
        for node in self.nodes.values_mut().filter(|node| !node.status().is_final()) {
            node.end_attempt(at, AttemptEnd::Abandoned);
            node.phase = Phase::Cancelled;
        }
        self.unfinished = 0;
        self.ready.clear();
        self.retries.clear();
        self.in_flight.clear();
        self.ended = Some(Ended { at, outcome: outcome.clone() });
        Ok(())
    }

    /// Moves a node on, and keeps all that is derived from where nodes stand in step with it.
    fn move_to(&mut self, id: &NodeId, phase: Phase) {
        match mem::replace(&mut self.node_mut(id).phase, phase) {
            Phase::Pending => _ = self.ready.remove(id),
            Phase::Running => _ = self.in_flight.remove(id),
            Phase::WaitingToRetry { due } => _ = self.retries.remove(&(due, id.clone())),
            Phase::Succeeded { .. } | Phase::Failed { .. } | Phase::Skipped { .. } | Phase::Cancelled => {}
        }
        let node = &self.nodes[id];
        self.scope.set_node(id, node.status().as_str(), node.output(), node.failure());
        match node.phase {
            Phase::Running => _ = self.in_flight.insert(id.clone()),
            Phase::WaitingToRetry { due } => _ = self.retries.insert((due, id.clone())),
            Phase::Succeeded { .. } => self.release_dependents(id, true),
            Phase::Skipped { .. } => self.release_dependents(id, false),
            Phase::Failed { ref failure } => {
                let outcome = || RunOutcome::Failed { failure: failure.clone(), node: Some(id.clone()) };
                self.failing.get_or_insert_with(outcome);
            }
            Phase::Pending | Phase::Cancelled => {}
        }
    }

    /// A node became final without failing: whoever waited for it alone is ready now.
    fn release_dependents(&mut self, id: &NodeId, succeeded: bool) {
        self.unfinished -= 1;
        let plan = Arc::clone(&self.plan);
        for dependent in &plan.nodes[id].dependents {
            let node = self.node_mut(dependent);
            node.need_settled(succeeded);
            if node.is_ready(&plan.nodes[dependent]) {
                self.ready.insert(dependent.clone());
            }
        }
    }

    #[expect(clippy::expect_used, reason = "every event's node is checked before it changes anything")]
    fn node_mut(&mut self, id: &NodeId) -> &mut NodeState {
        self.nodes.get_mut(id).expect("a checked id names a node of the plan")
    }
}

/// What must hold before an event changes anything.
impl RunState {
    fn check_node(&self, id: &NodeId) -> Result<&NodeState, Misfit> {
        self.nodes.get(id).ok_or_else(|| Misfit::UnknownNode { node: id.clone() })
    }

    /// The node waits for its first attempt, and its turn has come.
    fn check_ready(&self, id: &NodeId) -> Result<&NodeState, Misfit> {
        let node = self.check_node(id)?;
        if !self.admitted {
            return Err(Misfit::Queued);
        }
        if self.is_winding_down() {
            return Err(Misfit::WindingDown);
        }
        match node.phase {
            Phase::Pending if self.ready.contains(id) => Ok(node),
            Phase::Pending => Err(Misfit::UnmetNeeds { node: id.clone() }),
            _ => Err(wrong_status(id, node)),
        }
    }

    /// The node waits for its first attempt or for another.
    fn check_may_start(&self, id: &NodeId) -> Result<&NodeState, Misfit> {
        let node = self.check_node(id)?;
        match node.phase {
            Phase::WaitingToRetry { .. } if !self.is_winding_down() => Ok(node),
            _ => self.check_ready(id),
        }
    }

    /// This attempt of the node is in flight.
    fn check_in_flight<'a>(
        &'a self,
        id: &'a NodeId,
        attempt: AttemptNumber,
    ) -> Result<AttemptInFlight<'a>, Misfit> {
        let node = self.check_node(id)?;
        let in_flight = node.in_flight(id).ok_or_else(|| wrong_status(id, node))?;
        check_attempt(id, attempt, in_flight.attempt)?;
        Ok(in_flight)
    }
}

fn check_attempt(node: &NodeId, found: AttemptNumber, expected: AttemptNumber) -> Result<(), Misfit> {
    if found == expected {
        return Ok(());
    }
    Err(Misfit::Attempt { node: node.clone(), found, expected })
}

fn wrong_status(id: &NodeId, node: &NodeState) -> Misfit {
    Misfit::NodeStatus { node: id.clone(), status: node.status() }
}
