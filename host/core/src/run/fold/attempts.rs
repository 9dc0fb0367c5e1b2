//! What the events of attempts change: their start, their effects, their end.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Misfit;
use super::checks::check_attempt;
use crate::attempt::Account;
use crate::effect::Effect;
use crate::failure::{Failure, FailureKind};
use crate::id::{AttemptNumber, NodeId, Part};
use crate::plan::{Plan, Work};
use crate::run::event::SkipReason;
use crate::run::map::{MapEnd, MapState};
use crate::run::node::{Phase, Waiting};
use crate::run::retry::Failed;
use crate::run::state::RunState;
use crate::run::task::{AttemptEnd, Policies};
use crate::run::view::Bill;

impl RunState {
    #[expect(clippy::too_many_arguments, reason = "the fields of an event")]
    pub(super) fn attempt_started(
        &mut self,
        id: &NodeId,
        part: Part,
        attempt: AttemptNumber,
        call: u32,
        input: &Arc<Value>,
        at: Timestamp,
        deadline: Timestamp,
    ) -> Result<(), Misfit> {
        let node = self.check_may_start(id, part)?;
        check_attempt(id, attempt, node.next_attempt(part))?;
        if node.task(part).map_or(0, |task| task.call()) != call {
            return Err(Misfit::Part { node: id.clone(), part });
        }
        self.forget_retry(id, part);
        self.begin_part(id, part);
        if let Some(task) = self.node_mut(id).task_mut(part) {
            task.start(at, deadline, Arc::clone(input));
        }
        self.in_flight.insert((id.clone(), part));
        self.totals.attempts += 1;
        if call > 0 {
            self.ai.add_fallback(id);
        }
        match part {
            Part::Whole => self.move_to(id, Phase::Running),
            Part::Item(_) => self.refresh_map(id),
            Part::Compensation => {}
        }
        Ok(())
    }

    fn begin_part(&mut self, id: &NodeId, part: Part) {
        let node = self.node_mut(id);
        match part {
            Part::Whole => {}
            Part::Item(index) => {
                if let Some(map) = node.map_mut().filter(|map| map.task(index).is_none()) {
                    map.begin(index);
                }
            }
            Part::Compensation => node.more_mut().begin_compensation(),
        }
    }

    /// Items that wait to retry stand in the set of retries; a whole node's place there goes with its phase.
    fn forget_retry(&mut self, id: &NodeId, part: Part) {
        let due = self.nodes[id].task(part).and_then(|task| task.due);
        if let (Some(due), Part::Item(_)) = (due, part) {
            self.retries.remove(&(due, id.clone(), part));
        }
    }

    pub(super) fn effect_answered(
        &mut self,
        id: &NodeId,
        part: Part,
        attempt: AttemptNumber,
        effect: &Effect,
    ) -> Result<(), Misfit> {
        let expected = self.check_in_flight(id, part, attempt)?.effects.len();
        if usize::try_from(effect.index) != Ok(expected) {
            return Err(Misfit::EffectIndex { node: id.clone(), found: effect.index, expected });
        }
        if let Some(task) = self.node_mut(id).task_mut(part) {
            task.add_effect(effect.clone());
        }
        self.totals.effects += 1;
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of an event")]
    pub(super) fn attempt_succeeded(
        &mut self,
        id: &NodeId,
        part: Part,
        attempt: AttemptNumber,
        output: &Arc<Value>,
        account: &Account,
        cached: bool,
        at: Timestamp,
    ) -> Result<(), Misfit> {
        self.check_in_flight(id, part, attempt)?;
        let end = AttemptEnd::Succeeded { bill: Bill::from(account), cached };
        let input = self.end_attempt(id, part, at, end, account);
        match part {
            Part::Whole => self.whole_succeeded(id, input, output),
            Part::Item(index) => {
                let end = self.node_mut(id).map_mut().map(|map| map.succeed(index, Arc::clone(output)));
                self.map_went_on(id, end, at);
            }
            Part::Compensation => self.undone(id, Ok(())),
        }
        Ok(())
    }

    /// A step's output is its node's; a callback's step has only handed the job over.
    fn whole_succeeded(&mut self, id: &NodeId, input: Option<Arc<Value>>, output: &Arc<Value>) {
        let Some(callback) = self.nodes[id].callback() else {
            return self.succeed(id, input, Arc::clone(output));
        };
        match callback.body.clone() {
            Some(body) => self.succeed(id, input, body),
            None => {
                let until = callback.expires_at;
                self.node_mut(id).more_mut().input = input;
                self.move_to(id, Phase::Waiting(Waiting::Callback { until }));
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of an event")]
    pub(super) fn attempt_failed(
        &mut self,
        id: &NodeId,
        part: Part,
        attempt: AttemptNumber,
        failure: &Failure,
        account: &Account,
        cached: bool,
        at: Timestamp,
    ) -> Result<(), Misfit> {
        self.check_in_flight(id, part, attempt)?;
        if failure.kind == FailureKind::Gate {
            self.ai.add_gate_failure(id);
        }
        let end = AttemptEnd::Failed { bill: Bill::from(account), failure: failure.clone(), cached };
        let input = self.end_attempt(id, part, at, end, account);
        if let (Part::Whole, Some(body)) = (part, self.nodes[id].callback().and_then(|it| it.body.clone())) {
            // The job was done all the same.
            self.succeed(id, input, body);
            return Ok(());
        }
        let plan = Arc::clone(&self.plan);
        let failed = Failed { run: self.run, node: id, part, attempt, at, failure };
        let policies = policies(&plan, self.accepted.rules, id, part);
        let due = self.node_mut(id).task_mut(part).and_then(|task| task.after_failure(&policies, &failed));
        self.try_again_or_give_up(id, part, due, &told_at_last(&policies, failure), at);
        Ok(())
    }

    /// Its work is stopped next, with all that is in flight.
    pub(super) fn attempt_abandoned(
        &mut self,
        id: &NodeId,
        part: Part,
        attempt: AttemptNumber,
        account: &Account,
        at: Timestamp,
    ) -> Result<(), Misfit> {
        self.check_in_flight(id, part, attempt)?;
        self.end_attempt(id, part, at, AttemptEnd::Abandoned { bill: Bill::from(account) }, account);
        Ok(())
    }

    fn try_again_or_give_up(
        &mut self,
        id: &NodeId,
        part: Part,
        due: Option<Timestamp>,
        failure: &Failure,
        at: Timestamp,
    ) {
        match (due, part) {
            (Some(due), Part::Whole) => self.move_to(id, Phase::WaitingToRetry { due }),
            (Some(due), Part::Item(_)) => _ = self.retries.insert((due, id.clone(), part)),
            // Its due time stands with the task: only one is undone at a time.
            (Some(_), Part::Compensation) => {}
            (None, _) => self.give_part_up(id, part, failure, at),
        }
    }

    fn give_part_up(&mut self, id: &NodeId, part: Part, failure: &Failure, at: Timestamp) {
        match part {
            Part::Whole => self.fail(id, failure, at),
            Part::Item(index) => {
                let plan = Arc::clone(&self.plan);
                let Work::Map(work) = &plan.nodes[id].work else { return };
                let end = self.node_mut(id).map_mut().map(|map| map.fail(index, failure.clone(), work));
                self.map_went_on(id, end, at);
            }
            Part::Compensation => self.undone(id, Err(failure.clone())),
        }
    }

    /// A part of a node's work, or one way to do it, failed before an attempt could start.
    pub(super) fn part_failed(
        &mut self,
        id: &NodeId,
        part: Part,
        failure: &Failure,
        falls_back: bool,
        at: Timestamp,
    ) -> Result<(), Misfit> {
        self.check_may_start(id, part)?;
        self.forget_retry(id, part);
        self.begin_part(id, part);
        let plan = Arc::clone(&self.plan);
        let policies = policies(&plan, self.accepted.rules, id, part);
        let task = self.node_mut(id).task_mut(part).filter(|_| falls_back);
        let due = task.and_then(|task| task.pass_on(&policies, at));
        self.try_again_or_give_up(id, part, due, failure, at);
        Ok(())
    }

    pub(super) fn skipped(&mut self, id: &NodeId, reason: SkipReason, _at: Timestamp) -> Result<(), Misfit> {
        self.check_ready(id)?;
        self.move_to(id, Phase::Skipped { reason });
        Ok(())
    }

    pub(super) fn map_started(
        &mut self,
        id: &NodeId,
        items: &Arc<Value>,
        at: Timestamp,
    ) -> Result<(), Misfit> {
        self.check_ready(id)?;
        let map = self.node_mut(id).more_mut().begin_map(items);
        let end = map.ok_or_else(|| Misfit::Part { node: id.clone(), part: Part::Whole })?.end();
        self.move_to(id, Phase::Running);
        self.map_went_on(id, Some(end), at);
        Ok(())
    }

    fn map_went_on(&mut self, id: &NodeId, end: Option<MapEnd>, at: Timestamp) {
        match end {
            Some(MapEnd::Output(output)) => {
                let input = self.nodes[id].map().map(MapState::items);
                self.succeed(id, input, output);
            }
            Some(MapEnd::Failure(failure)) => self.fail(id, &failure, at),
            Some(MapEnd::NotYet) | None => self.refresh_map(id),
        }
    }

    fn undone(&mut self, id: &NodeId, end: Result<(), Failure>) {
        if end.is_err() {
            self.dead_letters.insert((id.clone(), Part::Compensation));
        }
        if let Some(compensation) = &mut self.node_mut(id).more_mut().compensation {
            compensation.end = Some(end);
        }
    }

    /// Ends the attempt in flight; gives its input.
    fn end_attempt(
        &mut self,
        id: &NodeId,
        part: Part,
        at: Timestamp,
        end: AttemptEnd,
        account: &Account,
    ) -> Option<Arc<Value>> {
        self.in_flight.remove(&(id.clone(), part));
        self.totals.add(account);
        self.ai.add(id, account);
        self.node_mut(id).task_mut(part)?.end(at, end)
    }

    /// A node told of an event, and that is all it does.
    pub(super) fn event_emitted(
        &mut self,
        id: &NodeId,
        event: &Arc<Value>,
        _at: Timestamp,
    ) -> Result<(), Misfit> {
        self.check_ready(id)?;
        let output = json!({"id": event["id"], "type": event["type"]});
        self.succeed(id, None, Arc::new(output));
        Ok(())
    }
}

/// A failure as its node has it, when no other attempt follows.
fn told_at_last<'a>(policies: &Policies<'_>, failure: &'a Failure) -> Cow<'a, Failure> {
    match (failure.kind, policies.until) {
        (FailureKind::Until, Some(until)) => {
            let (that, attempts) = (until.that.source(), until.pace.attempts);
            let message = format!("`{that}` did not hold within {attempts} attempts (`attempts` of `until`)");
            Cow::Owned(Failure { message, ..failure.clone() })
        }
        _ => Cow::Borrowed(failure),
    }
}

fn policies<'a>(plan: &'a Plan, rules: u32, id: &NodeId, part: Part) -> Policies<'a> {
    let planned = &plan.nodes[id];
    let until_falls_back = rules >= 1;
    match (part, planned.work.step()) {
        (Part::Whole | Part::Item(_), Some(step)) => Policies {
            calls: &step.calls,
            until: step.until.as_ref(),
            until_falls_back,
            when_open: step.when_open,
        },
        _ => {
            Policies { calls: planned.compensate.as_slice(), until: None, until_falls_back, when_open: None }
        }
    }
}
