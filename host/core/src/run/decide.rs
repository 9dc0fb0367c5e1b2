//! What a run wants done next.
//!
//! Nothing is changed and nothing is remembered here: decided twice, the same is decided. Whoever drives the run
//! applies the events of the actions and decides again, until nothing but a time to wake at is left.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::action::Action;
use super::ending::Ending;
use super::event::{ReopenFrom, RunOutcome, SkipReason};
use super::node::Phase;
use super::retry::later;
use super::state::{OpenChild, RunState};
use crate::failure::{Failure, FailureKind};
use crate::id::{NodeId, Part};
use crate::plan::{OnFailure, Work};

impl RunState {
    /// What to do next, as things stand at `now`. Every action that has an event is to be recorded by it.
    ///
    /// An end, or a failure of a node, comes alone: it leaves nothing else to start. A failure of an item comes last, but for a time to
    /// wake at: what may start beside it is decided anew.
    #[must_use]
    pub fn decide(&self, now: Timestamp) -> Vec<Action> {
        if self.ended.is_some() {
            return Vec::new();
        }
        // A pause holds up everything but somebody's wish to cancel.
        if let Some(ending) = self.ending.as_ref().filter(|ending| !self.paused || ending.is_cancellation()) {
            return self.wind_down(ending, now);
        }
        if let Some(start_at) = self.accepted.start_at.filter(|start_at| *start_at > now) {
            return vec![Action::WakeAt(start_at)];
        }
        if self.paused {
            return Vec::new();
        }
        if self.unfinished == 0 {
            return vec![Action::End { outcome: self.finished() }];
        }
        if let Some(failure) = self.out_of_time(now) {
            return vec![self.give_up(failure)];
        }
        let mut actions = if self.admitted { self.steps_at(now) } else { Vec::new() };
        if let Some(failure) = self.over_budget(&actions) {
            return vec![Action::GiveUp { failure }];
        }
        actions.extend(self.wake_after(now).map(Action::WakeAt));
        actions
    }

    /// Every node is final: what is left to go wrong is the output.
    fn finished(&self) -> RunOutcome {
        match &self.plan.output {
            None => {
                let last = self.plan.nodes.values().filter(|planned| planned.dependents.is_empty());
                let output = self.outputs(last.map(|planned| &planned.id));
                RunOutcome::Succeeded { output: Arc::new(output) }
            }
            Some(template) => match template.render(&self.scope) {
                Ok(output) => RunOutcome::Succeeded { output },
                Err(failure) => RunOutcome::Failed { failure, node: None, partial: None },
            },
        }
    }

    /// The end at once, unless something is to be done before it.
    fn give_up(&self, failure: Failure) -> Action {
        if self.to_undo().is_some() || self.children().next().is_some() {
            return Action::GiveUp { failure };
        }
        let outcome = RunOutcome::Failed { failure, node: None, partial: None };
        Action::End { outcome: self.with_partial(&outcome) }
    }

    /// What starts, is skipped or fails now. A node's failure stops everything else, so it comes alone, and so does what may be one: the
    /// end of a node's time. An item's failure may end its map and the run with it, so nothing comes behind it.
    fn steps_at(&self, now: Timestamp) -> Vec<Action> {
        let due = self.retries.iter().take_while(|(due, ..)| *due <= now);
        let due = due.map(|(_, id, part)| self.attempt(id, *part, now));
        let rung = self.timers.iter().take_while(|(due, _)| *due <= now);
        let rung = rung.map(|(_, id)| self.ring(id, now));
        let begun = self.ready.iter().map(|id| self.begin(id, now));
        let items = self.open_maps.iter().flat_map(|id| self.begin_items(id, now));
        let mut actions = Vec::new();
        for action in due.chain(rung).chain(begun).chain(items) {
            if matches!(action, Action::Fail { part: Part::Whole, .. } | Action::Ring { .. }) {
                return vec![action];
            }
            let may_end_others = matches!(action, Action::Fail { .. });
            actions.push(action);
            if may_end_others {
                break;
            }
        }
        actions
    }

    /// A node's turn has come: skip it or begin its work.
    fn begin(&self, id: &NodeId, now: Timestamp) -> Action {
        let planned = &self.plan.nodes[id];
        if self.nodes[id].lacks_needs(planned) {
            return Action::Skip { node: id.clone(), reason: SkipReason::Needs };
        }
        match planned.when.as_ref().map_or(Ok(true), |when| when.is_true(&self.scope)) {
            Ok(true) => self.begin_work(planned, now),
            Ok(false) => Action::Skip { node: id.clone(), reason: SkipReason::When },
            Err(failure) => Action::fail(id.clone(), failure),
        }
    }

    fn begin_items<'a>(&'a self, id: &'a NodeId, now: Timestamp) -> impl Iterator<Item = Action> + 'a {
        let startable = match (&self.plan.nodes[id].work, self.nodes[id].map()) {
            (Work::Map(work), Some(map)) => map.startable(work),
            _ => 0..0,
        };
        startable.map(move |index| self.attempt(id, Part::Item(index), now))
    }

    /// The time of a node that waits is over, or others are to be asked.
    fn ring(&self, id: &NodeId, now: Timestamp) -> Action {
        use super::node::{Question, Waiting};
        let node = id.clone();
        match &self.nodes[id].phase {
            Phase::Waiting(Waiting::Approval(Question {
                escalates_at: Some(escalates_at),
                expires_at,
                ..
            })) if *escalates_at <= now && expires_at.is_none_or(|expires_at| expires_at > now) => {
                Action::Escalate { node }
            }
            _ => Action::Ring { node },
        }
    }

    /// What is left to do before the end is told.
    fn wind_down(&self, ending: &Ending, now: Timestamp) -> Vec<Action> {
        let work_goes_on = self.in_flight.iter().any(|(_, part)| *part != Part::Compensation);
        let limit = ending.grace_until.or_else(|| self.budget_end());
        if work_goes_on && limit.is_none_or(|limit| limit > now) {
            return limit.map(Action::WakeAt).into_iter().collect();
        }
        // Where time is over with work in flight, there is none for another try either.
        if !work_goes_on && let Some(due) = self.tries_again_at(ending) {
            return reopen_at(due, now, ReopenFrom::Failed);
        }
        let Ending { grace_until, compensate, .. } = *ending;
        let cancel = |child: OpenChild<'_>| Action::CancelChild { run: child.run, grace_until, compensate };
        let children: Vec<_> = self.children().map(cancel).collect();
        if !children.is_empty() {
            return children;
        }
        if ending.compensate
            && let Some(id) = self.to_undo()
        {
            return if ending.stopped { self.undo(id, now) } else { vec![Action::StopWork] };
        }
        if !work_goes_on && let Some(due) = self.restarts_at(ending) {
            return reopen_at(due, now, ReopenFrom::Start);
        }
        vec![Action::End { outcome: self.with_partial(&ending.outcome) }]
    }

    /// When a run that failed, and of which nothing else is to be done, goes on or begins anew by itself.
    pub(super) fn goes_on_at(&self) -> Option<Timestamp> {
        let rests = self.ended.is_none() && self.in_flight.is_empty();
        let ending = self.ending.as_ref().filter(|_| rests)?;
        self.tries_again_at(ending).or_else(|| {
            let is_undone = !ending.compensate || self.to_undo().is_none();
            let is_rid = is_undone && self.children().next().is_none();
            self.restarts_at(ending).filter(|_| is_rid)
        })
    }

    /// When what failed is tried again, if the workflow says so.
    fn tries_again_at(&self, ending: &Ending) -> Option<Timestamp> {
        let OnFailure::Retry(again) = self.plan.on_failure else { return None };
        let open = ending.is_of_a_node() && !ending.stopped && self.again < again.times;
        open.then(|| later(ending.at, again.delay))
    }

    /// When all is done again, if the workflow says so, and all of it is undone: what could not be undone would be there twice.
    fn restarts_at(&self, ending: &Ending) -> Option<Timestamp> {
        let OnFailure::Restart(again) = self.plan.on_failure else { return None };
        let is_undone = self.dead_letters.iter().all(|(_, part)| *part != Part::Compensation);
        let open =
            !ending.is_cancellation() && ending.is_of_a_node() && is_undone && self.again < again.times;
        open.then(|| later(ending.at, again.delay))
    }

    /// The next attempt at undoing a node.
    fn undo(&self, id: &NodeId, now: Timestamp) -> Vec<Action> {
        if self.in_flight.contains(&(id.clone(), Part::Compensation)) {
            return Vec::new();
        }
        match self.nodes[id].task(Part::Compensation).and_then(|task| task.due) {
            Some(due) if due > now => vec![Action::WakeAt(due)],
            _ => vec![self.attempt(id, Part::Compensation, now)],
        }
    }

    /// When something happens by itself: the run's time is over, or something is due.
    fn wake_after(&self, now: Timestamp) -> Option<Timestamp> {
        let retry = self.retries.iter().map(|(due, ..)| *due).find(|due| *due > now);
        let timer = self.timers.iter().map(|(due, _)| *due).find(|due| *due > now);
        [self.budget_end(), retry, timer].into_iter().flatten().min()
    }
}

fn reopen_at(due: Timestamp, now: Timestamp, from: ReopenFrom) -> Vec<Action> {
    vec![if due > now { Action::WakeAt(due) } else { Action::Reopen { from } }]
}

/// The run's budget.
impl RunState {
    /// When the run's time is over, if it is bounded and runs now.
    pub(super) fn budget_end(&self) -> Option<Timestamp> {
        let budget = later(self.accepted.clock_from, self.plan.budget.time?);
        if self.plan.budget.count_waits {
            return Some(budget);
        }
        Some(budget.saturating_add(self.waited.total()?).unwrap_or(Timestamp::MAX))
    }

    fn out_of_time(&self, now: Timestamp) -> Option<Failure> {
        let budget = self.plan.budget.time?;
        self.budget_end().filter(|end| *end <= now)?;
        let message =
            format!("the run took longer than its budget of {budget:?} (`budget.time` of the workflow)");
        Some(exceeded(message, json!({ "budget_ms": u64::try_from(budget.as_millis()).unwrap_or(u64::MAX) })))
    }

    /// Why none of these may start, if one of them costs what is spent already.
    fn over_budget(&self, actions: &[Action]) -> Option<Failure> {
        actions.iter().find_map(|action| match action {
            Action::Start { node, part, .. } => {
                self.overspent(self.call_of(node, *part).is_some_and(|call| !call.effect_free))
            }
            // Nobody knows here what it will cost.
            Action::StartChild { .. } => self.overspent(true),
            _ => None,
        })
    }

    /// Why nothing more may start, if nothing may that pays, or does not.
    fn overspent(&self, pays: bool) -> Option<Failure> {
        let (budget, spent) = (&self.plan.budget, &self.totals);
        if let Some(fuel) = budget.fuel.filter(|fuel| spent.fuel >= *fuel) {
            let message = format!(
                "the run used {} units of fuel, and its budget is {fuel} (`budget.fuel` of the workflow)",
                spent.fuel
            );
            return Some(exceeded(message, json!({ "fuel": spent.fuel, "budget_fuel": fuel })));
        }
        self.overspent_money().filter(|_| pays)
    }

    /// Why no further paid effect may start, if none may.
    fn overspent_money(&self) -> Option<Failure> {
        self.money_failure(self.totals.cost_micro_usd)
    }

    /// Why no further paid effect of such a part of a node's work may start, if none may, while its attempt has cost so much that is not
    /// recorded yet. What undoes a node may always spend: the budget is no reason to leave done what was to be undone.
    pub fn may_spend(&self, part: Part, unrecorded_micro_usd: u64) -> Result<(), Failure> {
        if part == Part::Compensation {
            return Ok(());
        }
        let spent = self.totals.cost_micro_usd.saturating_add(unrecorded_micro_usd);
        self.money_failure(spent).map_or(Ok(()), Err)
    }

    fn money_failure(&self, spent: u64) -> Option<Failure> {
        let budget = self.plan.budget.micro_usd.filter(|budget| spent >= *budget)?;
        let message = format!(
            "the run spent {} US dollars, and its budget is {} (`budget.usd` of the workflow)",
            dollars(spent),
            dollars(budget)
        );
        Some(exceeded(message, json!({ "micro_usd": spent, "budget_micro_usd": budget })))
    }
}

#[expect(clippy::cast_precision_loss, reason = "for a person")]
fn dollars(micro: u64) -> f64 {
    micro as f64 / 1_000_000.0
}

fn exceeded(message: String, detail: Value) -> Failure {
    Failure { detail: Some(detail), ..Failure::new(FailureKind::BudgetExceeded, message) }
}
