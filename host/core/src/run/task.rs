//! A task: something that is attempted until it succeeds or gives up. A step node is one, so is each item of a map, and
//! so is what undoes a node.
//!
//! Knows its own attempts alone; what becomes of the node is the fold's business.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::retry::{Failed, backoff_due, later_by_ms};
use super::view::{AttemptStatus, AttemptView, Bill, EffectView};
use crate::attempt::Account;
use crate::effect::Effect;
use crate::failure::{Failure, FailureKind};
use crate::id::{AttemptNumber, NodeId, Part};
use crate::plan::{Call, Until, WhenOpen};

/// What is known of a task.
#[derive(Debug, Default)]
pub(super) struct Task {
    /// How many attempts it had before the node was put back, whose history is gone.
    earlier: u32,
    attempts: Vec<AttemptState>,
    /// Which of the ways to run the step is tried.
    call: u32,
    /// How many attempts this way has had that count.
    tries: u32,
    /// How many attempts of this way gave an output that `until` did not take.
    polls: u32,
    /// When the next attempt is due, if one failed and another follows.
    pub(super) due: Option<Timestamp>,
}

/// One attempt.
#[derive(Debug)]
struct AttemptState {
    started_at: Timestamp,
    call: u32,
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
    Succeeded { bill: Bill, cached: bool },
    Failed { bill: Bill, failure: Failure, cached: bool },
    Abandoned { bill: Bill },
}

/// An attempt that was started and has not ended: what recovery runs again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttemptInFlight<'a> {
    /// The node.
    pub node: &'a NodeId,
    /// Which part of its work.
    pub part: Part,
    /// Which attempt.
    pub attempt: AttemptNumber,
    /// Which of the node's ways to run its step.
    pub call: u32,
    /// The step's input.
    pub input: &'a Arc<Value>,
    /// When it started.
    pub started_at: Timestamp,
    /// When its time is over.
    pub deadline: Timestamp,
    /// The effects that were answered so far, in order.
    pub effects: &'a [Effect],
}

/// What the policies of a task say.
pub(super) struct Policies<'a> {
    pub(super) calls: &'a [Call],
    pub(super) until: Option<&'a Until>,
    /// Whether there is a fallback from an `until` that is used up.
    pub(super) until_falls_back: bool,
    pub(super) when_open: Option<WhenOpen>,
}

impl Task {
    /// One that had so many attempts before its node was put back: no number is given twice in a run.
    pub(super) fn after(earlier: u32) -> Self {
        Self { earlier, ..Self::default() }
    }

    /// How many attempts it had, all told: the number of the last one.
    pub(super) fn count(&self) -> u32 {
        self.earlier.saturating_add(u32::try_from(self.attempts.len()).unwrap_or(u32::MAX))
    }

    /// Which of the ways to run the step comes next.
    pub(super) fn call(&self) -> u32 {
        self.call
    }

    pub(super) fn start(&mut self, at: Timestamp, deadline: Timestamp, input: Arc<Value>) {
        self.due = None;
        let course = Course::InFlight { input, deadline, effects: Vec::new() };
        self.attempts.push(AttemptState { started_at: at, call: self.call, course });
    }

    /// The attempt in flight, if there is one.
    pub(super) fn in_flight<'a>(&'a self, node: &'a NodeId, part: Part) -> Option<AttemptInFlight<'a>> {
        let last = self.attempts.last()?;
        let Course::InFlight { input, deadline, effects } = &last.course else { return None };
        Some(AttemptInFlight {
            node,
            part,
            attempt: AttemptNumber(self.count()),
            call: last.call,
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

    /// Ends the attempt in flight, if there is one; gives its input.
    pub(super) fn end(&mut self, at: Timestamp, end: AttemptEnd) -> Option<Arc<Value>> {
        let AttemptState { course, .. } = self.attempts.last_mut()?;
        let Course::InFlight { effects, .. } = course else { return None };
        let effects = effects.iter().map(EffectView::from).collect();
        match std::mem::replace(course, Course::Ended { at, end, effects }) {
            Course::InFlight { input, .. } => Some(input),
            Course::Ended { .. } => None,
        }
    }

    /// When the next attempt is due after the last one failed so; none: the task gives up.
    pub(super) fn after_failure(
        &mut self,
        policies: &Policies<'_>,
        failed: &Failed<'_>,
    ) -> Option<Timestamp> {
        self.due = self.next_due(policies, failed);
        self.due
    }

    /// When the next way to run the step is due, if there is one, where this one cannot even begin.
    pub(super) fn pass_on(&mut self, policies: &Policies<'_>, at: Timestamp) -> Option<Timestamp> {
        self.due = self.fall_back(policies, at);
        self.due
    }

    fn next_due(&mut self, policies: &Policies<'_>, failed: &Failed<'_>) -> Option<Timestamp> {
        let call = policies.calls.get(self.call as usize)?;
        match (failed.failure.kind, policies.until) {
            (FailureKind::Until, Some(until)) => {
                self.polls = self.polls.saturating_add(1);
                let again = backoff_due(&until.pace, self.polls, failed);
                if again.is_some() || !policies.until_falls_back {
                    return again;
                }
                self.fall_back(policies, failed.at)
            }
            (FailureKind::CircuitOpen, _) if policies.when_open == Some(WhenOpen::Wait) => {
                Some(later_by_ms(failed.at, failed.failure.retry_after_ms.unwrap_or(1_000)))
            }
            (FailureKind::CircuitOpen, _) if policies.when_open == Some(WhenOpen::Fallback) => {
                // Where none is left, it fails as with any other failure.
                self.fall_back(policies, failed.at).or_else(|| self.back_off(call, failed))
            }
            _ => self.back_off(call, failed).or_else(|| self.fall_back(policies, failed.at)),
        }
    }

    fn back_off(&mut self, call: &Call, failed: &Failed<'_>) -> Option<Timestamp> {
        self.tries = self.tries.saturating_add(1);
        backoff_due(&call.retry, self.tries, failed)
    }

    fn fall_back(&mut self, policies: &Policies<'_>, at: Timestamp) -> Option<Timestamp> {
        let next = self.call + 1;
        policies.calls.get(next as usize)?;
        (self.call, self.tries) = (next, 0);
        if policies.until_falls_back {
            self.polls = 0;
        }
        Some(at)
    }

    /// Begins anew, with its history kept.
    pub(super) fn reopen(&mut self) {
        (self.call, self.tries, self.polls, self.due) = (0, 0, 0, None);
    }

    pub(super) fn view(&self) -> Vec<AttemptView> {
        (self.earlier.saturating_add(1)..)
            .map(AttemptNumber)
            .zip(&self.attempts)
            .map(|(n, attempt)| attempt.view(n))
            .collect()
    }
}

impl AttemptState {
    fn view(&self, number: AttemptNumber) -> AttemptView {
        let running = AttemptView {
            number,
            status: AttemptStatus::Running,
            fallback: self.call.checked_sub(1),
            cached: false,
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
                end.view(AttemptView { ended_at: Some(*at), effects: effects.clone(), ..running })
            }
        }
    }
}

impl AttemptEnd {
    fn view(&self, attempt: AttemptView) -> AttemptView {
        match self {
            Self::Succeeded { bill, cached } => AttemptView {
                status: AttemptStatus::Succeeded,
                bill: bill.clone(),
                cached: *cached,
                ..attempt
            },
            Self::Failed { bill, failure, cached } => AttemptView {
                status: AttemptStatus::Failed,
                bill: bill.clone(),
                cached: *cached,
                failure: Some(failure.clone()),
                ..attempt
            },
            Self::Abandoned { bill } => {
                AttemptView { status: AttemptStatus::Abandoned, bill: bill.clone(), ..attempt }
            }
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
