//! What the events change that lead to a run's end, and the end itself.

use std::time::Duration;

use jiff::Timestamp;

use super::Misfit;
use crate::failure::Failure;
use crate::id::{NodeId, Part};
use crate::run::ending::Ending;
use crate::run::event::RunOutcome;
use crate::run::node::{Handled, Phase};
use crate::run::retry::later;
use crate::run::state::{Ended, RunState};
use crate::run::task::AttemptEnd;
use crate::run::view::Bill;

impl RunState {
    pub(super) fn run_admitted(&mut self) -> Result<(), Misfit> {
        if self.admitted {
            return Err(Misfit::AdmittedTwice);
        }
        self.admitted = true;
        Ok(())
    }

    /// A wish to cancel counts more than a failure, and ends a pause.
    pub(super) fn cancel_requested(
        &mut self,
        reason: Option<&String>,
        grace_ms: u64,
        compensate: bool,
        by: Option<&String>,
        at: Timestamp,
    ) {
        self.paused = false;
        let undoes = self.ending.as_ref().is_some_and(|before| before.stopped);
        let wish = Ending {
            at,
            outcome: RunOutcome::Cancelled { reason: reason.cloned() },
            by: by.cloned(),
            grace_until: Some(later(at, Duration::from_millis(grace_ms))),
            compensate: compensate || undoes,
            stopped: undoes,
        };
        match self.ending.as_mut().filter(|before| before.is_cancellation()) {
            Some(before) => before.hasten(wish),
            None => self.ending = Some(wish),
        }
    }

    /// Nothing holds up a cancellation.
    pub(super) fn pause_requested(&mut self) {
        self.paused = !self.ending.as_ref().is_some_and(Ending::is_cancellation);
    }

    pub(super) fn given_up(&mut self, failure: &Failure, at: Timestamp) -> Result<(), Misfit> {
        if self.is_winding_down() {
            return Err(Misfit::WindingDown);
        }
        let outcome = RunOutcome::Failed { failure: failure.clone(), node: None, partial: None };
        self.ending =
            Some(Ending { at, outcome, by: None, grace_until: None, compensate: true, stopped: false });
        Ok(())
    }

    pub(super) fn work_stopped(&mut self, at: Timestamp) -> Result<(), Misfit> {
        let Some(ending) = &mut self.ending else { return Err(Misfit::NotEnded) };
        ending.stopped = true;
        self.drop_work(at);
        Ok(())
    }

    pub(super) fn run_ended(&mut self, outcome: &RunOutcome, at: Timestamp) -> Result<(), Misfit> {
        let possible = match outcome {
            RunOutcome::Succeeded { .. } => self.unfinished == 0 && self.ending.is_none(),
            RunOutcome::Failed { .. } => true,
            RunOutcome::Cancelled { .. } => self.ending.as_ref().is_some_and(Ending::is_cancellation),
        };
        if !possible {
            return Err(Misfit::Outcome { status: outcome.status() });
        }
        self.drop_work(at);
        if matches!(outcome, RunOutcome::Failed { .. }) {
            let failed = self
                .nodes
                .iter()
                .filter(|(_, node)| matches!(node.phase, Phase::Failed { handled: Handled::No, .. }));
            self.dead_letters.extend(failed.map(|(id, _)| (id.clone(), Part::Whole)));
        }
        self.ended = Some(Ended { at, outcome: outcome.clone() });
        Ok(())
    }

    pub(super) fn letter_discarded(&mut self, node: &NodeId, part: Part) -> Result<(), Misfit> {
        if self.dead_letters.remove(&(node.clone(), part)) {
            return Ok(());
        }
        Err(Misfit::Part { node: node.clone(), part })
    }

    /// Whatever has not ended does not go on.
    fn drop_work(&mut self, at: Timestamp) {
        for (id, part) in std::mem::take(&mut self.in_flight) {
            if let Some(task) = self.node_mut(&id).task_mut(part) {
                task.end(at, AttemptEnd::Abandoned { bill: Bill::default() });
            }
        }
        for node in self.nodes.values_mut().filter(|node| !node.status().is_final()) {
            node.phase = Phase::Cancelled;
        }
        self.ready.clear();
        self.retries.clear();
        self.open_maps.clear();
        self.waiting.clear();
        self.timers.clear();
    }
}
