//! One node of a run and its attempts: the part of the state that belongs to a node alone.
//!
//! Knows nothing of other nodes; what a change here means for them is the fold's business.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::event::SkipReason;
use super::view::{AttemptStatus, AttemptView, Bill, EffectView, NodeStatus, NodeView};
use crate::attempt::Account;
use crate::effect::Effect;
use crate::failure::Failure;
use crate::id::{AttemptNumber, NodeId};
use crate::plan::{Join, PlannedNode};

/// What a run knows of one of its nodes.
#[derive(Debug)]
pub(super) struct NodeState {
    /// How many of its needs are not final.
    open_needs: usize,
    /// Whether one of its needs succeeded.
    need_succeeded: bool,
    /// Where it stands.
    pub(super) phase: Phase,
    /// Its attempts, the first one first.
    attempts: Vec<AttemptState>,
}

/// Where a node stands, with what it holds there.
#[derive(Debug)]
pub(super) enum Phase {
    Pending,
    Running,
    WaitingToRetry { due: Timestamp },
    Succeeded { output: Arc<Value> },
    Failed { failure: Failure },
    Skipped { reason: SkipReason },
    Cancelled,
}

/// One attempt.
#[derive(Debug)]
struct AttemptState {
    started_at: Timestamp,
    course: Course,
}

/// How an attempt goes. What was sent and answered is let go when the attempt ends: nobody asks for it any more.
#[derive(Debug)]
enum Course {
    InFlight { input: Arc<Value>, deadline: Timestamp, effects: Vec<Effect> },
    Ended { at: Timestamp, end: AttemptEnd, effects: Vec<EffectView> },
}

/// How an attempt ended.
#[derive(Debug)]
pub(super) enum AttemptEnd {
    Succeeded { bill: Bill },
    Failed { bill: Bill, failure: Failure },
    Abandoned,
}

/// An attempt that was started and has not ended: what recovery runs again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttemptInFlight<'a> {
    /// The node.
    pub node: &'a NodeId,
    /// Which attempt.
    pub attempt: AttemptNumber,
    /// The step's input.
    pub input: &'a Arc<Value>,
    /// When it started.
    pub started_at: Timestamp,
    /// When its time is over.
    pub deadline: Timestamp,
    /// The effects that were answered so far, in order.
    pub effects: &'a [Effect],
}

impl NodeState {
    pub(super) fn new(needs: usize) -> Self {
        Self { open_needs: needs, need_succeeded: false, phase: Phase::Pending, attempts: Vec::new() }
    }

    /// One of the node's needs became final.
    pub(super) fn need_settled(&mut self, succeeded: bool) {
        self.open_needs = self.open_needs.saturating_sub(1);
        self.need_succeeded |= succeeded;
    }

    /// Whether the node's turn has come: to start, or to be skipped.
    pub(super) fn is_ready(&self, planned: &PlannedNode) -> bool {
        let join_met = match planned.join {
            Join::All => self.open_needs == 0,
            Join::Any => self.open_needs == 0 || self.need_succeeded,
        };
        join_met && matches!(self.phase, Phase::Pending)
    }

    /// Whether the node has needs and none of them succeeded. Of a node that is ready: all were skipped.
    pub(super) fn lacks_needs(&self, planned: &PlannedNode) -> bool {
        !planned.needs.is_empty() && !self.need_succeeded
    }

    /// The number that the node's next attempt would have.
    pub(super) fn next_attempt(&self) -> AttemptNumber {
        self.last_attempt().map_or(AttemptNumber::FIRST, AttemptNumber::next)
    }

    /// The number of the node's last attempt, ended or not.
    pub(super) fn last_attempt(&self) -> Option<AttemptNumber> {
        u32::try_from(self.attempts.len()).ok().filter(|&count| count > 0).map(AttemptNumber)
    }

    pub(super) fn start_attempt(&mut self, at: Timestamp, deadline: Timestamp, input: Arc<Value>) {
        let course = Course::InFlight { input, deadline, effects: Vec::new() };
        self.attempts.push(AttemptState { started_at: at, course });
    }

    /// The attempt in flight, if there is one.
    pub(super) fn in_flight<'a>(&'a self, node: &'a NodeId) -> Option<AttemptInFlight<'a>> {
        let last = self.attempts.last()?;
        let Course::InFlight { input, deadline, effects } = &last.course else { return None };
        Some(AttemptInFlight {
            node,
            attempt: self.last_attempt()?,
            input,
            started_at: last.started_at,
            deadline: *deadline,
            effects,
        })
    }

    /// The attempt in flight was answered one more effect.
    pub(super) fn add_effect(&mut self, effect: Effect) {
        if let Some(AttemptState { course: Course::InFlight { effects, .. }, .. }) = self.attempts.last_mut()
        {
            effects.push(effect);
        }
    }

    /// Ends the attempt in flight, if there is one.
    pub(super) fn end_attempt(&mut self, at: Timestamp, end: AttemptEnd) {
        let Some(AttemptState { course, .. }) = self.attempts.last_mut() else { return };
        if let Course::InFlight { effects, .. } = course {
            let effects = effects.iter().map(EffectView::from).collect();
            *course = Course::Ended { at, end, effects };
        }
    }

    pub(super) fn status(&self) -> NodeStatus {
        match self.phase {
            Phase::Pending => NodeStatus::Pending,
            Phase::Running => NodeStatus::Running,
            Phase::WaitingToRetry { .. } => NodeStatus::WaitingToRetry,
            Phase::Succeeded { .. } => NodeStatus::Succeeded,
            Phase::Failed { .. } => NodeStatus::Failed,
            Phase::Skipped { .. } => NodeStatus::Skipped,
            Phase::Cancelled => NodeStatus::Cancelled,
        }
    }

    pub(super) fn output(&self) -> Option<&Arc<Value>> {
        match &self.phase {
            Phase::Succeeded { output } => Some(output),
            _ => None,
        }
    }

    pub(super) fn failure(&self) -> Option<&Failure> {
        match &self.phase {
            Phase::Failed { failure } => Some(failure),
            _ => None,
        }
    }

    pub(super) fn view(&self, planned: &PlannedNode) -> NodeView {
        NodeView {
            id: planned.id.clone(),
            step: planned.step.name.clone(),
            step_version: planned.step.version.clone(),
            status: self.status(),
            skip_reason: match self.phase {
                Phase::Skipped { reason } => Some(reason),
                _ => None,
            },
            retry_at: match self.phase {
                Phase::WaitingToRetry { due } => Some(due),
                _ => None,
            },
            output: self.output().cloned(),
            failure: self.failure().cloned(),
            attempts: (1..)
                .map(AttemptNumber)
                .zip(&self.attempts)
                .map(|(n, attempt)| attempt.view(n))
                .collect(),
        }
    }
}

impl AttemptState {
    fn view(&self, number: AttemptNumber) -> AttemptView {
        let running = AttemptView {
            number,
            status: AttemptStatus::Running,
            started_at: self.started_at,
            ended_at: None,
            failure: None,
            bill: Bill::default(),
            effects: Vec::new(),
        };
        match &self.course {
            Course::InFlight { effects, .. } => {
                AttemptView { effects: effects.iter().map(EffectView::from).collect(), ..running }
            }
            Course::Ended { at, end, effects } => {
                let (status, bill, failure) = end.view();
                AttemptView {
                    status,
                    ended_at: Some(*at),
                    failure,
                    bill,
                    effects: effects.clone(),
                    ..running
                }
            }
        }
    }
}

impl AttemptEnd {
    fn view(&self) -> (AttemptStatus, Bill, Option<Failure>) {
        match self {
            Self::Succeeded { bill } => (AttemptStatus::Succeeded, bill.clone(), None),
            Self::Failed { bill, failure } => (AttemptStatus::Failed, bill.clone(), Some(failure.clone())),
            Self::Abandoned => (AttemptStatus::Abandoned, Bill::default(), None),
        }
    }
}

impl From<&Account> for Bill {
    fn from(account: &Account) -> Self {
        Self {
            fuel: account.fuel,
            duration_us: account.duration_us,
            log_lines: account.log.len() as u64,
            usage: account.usage.clone(),
            decisions: account.decisions.clone(),
        }
    }
}

impl From<&Effect> for EffectView {
    fn from(effect: &Effect) -> Self {
        Self { index: effect.index, capability: effect.capability, summary: effect.summary.clone() }
    }
}
