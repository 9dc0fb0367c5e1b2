//! What a run wants done next.
//!
//! Nothing is changed and nothing is remembered here: decided twice, the same is decided. Whoever drives the run
//! applies the events of the actions and decides again, until nothing but a time to wake at is left.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::action::Action;
use super::event::{RunOutcome, SkipReason, whole_millisecond};
use super::retry::later;
use super::state::RunState;
use crate::failure::{Failure, FailureKind};
use crate::id::NodeId;
use crate::plan::PlannedNode;
use crate::schema::SchemaViolation;

impl RunState {
    /// What to do next, as things stand at `now`. Every action but [`Action::WakeAt`] is to be recorded by its event.
    ///
    /// An end, or a failure of a node, comes alone: it leaves nothing else to start. A time to wake at comes last.
    #[must_use]
    pub fn decide(&self, now: Timestamp) -> Vec<Action> {
        if self.ended.is_some() {
            return Vec::new();
        }
        if let Some(outcome) = self.outcome_at(now) {
            return vec![Action::End { outcome }];
        }
        let mut actions = if self.admitted { self.steps_at(now) } else { Vec::new() };
        actions.extend(self.wake_after(now).map(Action::WakeAt));
        actions
    }

    /// How the run ends now, if it does. Work that is done counts, even if the budget ran out before anybody looked.
    fn outcome_at(&self, now: Timestamp) -> Option<RunOutcome> {
        if self.cancelling.is_some() {
            return self.cancelling.clone();
        }
        let out_of_time = self.budget_end().is_some_and(|end| end <= now);
        if self.failing.is_some() {
            return self.failing.clone().filter(|_| self.in_flight.is_empty() || out_of_time);
        }
        if self.unfinished == 0 {
            return Some(self.finished());
        }
        let budget = self.plan.time_budget.filter(|_| out_of_time)?;
        Some(RunOutcome::Failed { failure: out_of_budget(budget), node: None })
    }

    /// Every node succeeded or was skipped: what is left to go wrong is the output.
    fn finished(&self) -> RunOutcome {
        match &self.plan.output {
            None => RunOutcome::Succeeded { output: Arc::new(self.default_output()) },
            Some(template) => match template.render(&self.scope) {
                Ok(output) => RunOutcome::Succeeded { output },
                Err(failure) => RunOutcome::Failed { failure, node: None },
            },
        }
    }

    /// The outputs of the nodes that nothing needs, by node.
    fn default_output(&self) -> Value {
        let last = self.plan.nodes.values().filter(|planned| planned.dependents.is_empty());
        let outputs = last.filter_map(|planned| {
            let output = self.nodes[&planned.id].output()?;
            Some((planned.id.to_string(), Value::clone(output)))
        });
        Value::Object(outputs.collect::<Map<_, _>>())
    }

    /// What starts, is skipped or fails now. A failure stops everything else, so it comes alone.
    fn steps_at(&self, now: Timestamp) -> Vec<Action> {
        if self.is_winding_down() {
            return Vec::new();
        }
        let due = self.retries.iter().take_while(|(due, _)| *due <= now).map(|(_, id)| self.attempt(id, now));
        let begun = self.ready.iter().map(|id| self.begin(id, now));
        let mut actions = Vec::new();
        for action in due.chain(begun) {
            if matches!(action, Action::Fail { .. }) {
                return vec![action];
            }
            actions.push(action);
        }
        actions
    }

    /// A node's turn has come: skip it or start its first attempt.
    fn begin(&self, id: &NodeId, now: Timestamp) -> Action {
        let planned = &self.plan.nodes[id];
        if self.nodes[id].lacks_needs(planned) {
            return Action::Skip { node: id.clone(), reason: SkipReason::Needs };
        }
        match planned.when.as_ref().map_or(Ok(true), |when| when.is_true(&self.scope)) {
            Ok(true) => self.attempt(id, now),
            Ok(false) => Action::Skip { node: id.clone(), reason: SkipReason::When },
            Err(failure) => Action::Fail { node: id.clone(), failure },
        }
    }

    /// A node's next attempt, unless its input cannot be made.
    fn attempt(&self, id: &NodeId, now: Timestamp) -> Action {
        let planned = &self.plan.nodes[id];
        let node = id.clone();
        match self.input_of(planned) {
            Err(failure) => Action::Fail { node, failure },
            Ok(input) => {
                let attempt = self.nodes[id].next_attempt();
                let deadline = later(now, Duration::from_millis(planned.limits.time_ms));
                Action::Start { node, attempt, input, deadline: whole_millisecond(deadline) }
            }
        }
    }

    fn input_of(&self, planned: &PlannedNode) -> Result<Arc<Value>, Failure> {
        let input = planned.input.render(&self.scope)?;
        planned.input_schema.check(&input).map_err(|violations| unfit_input(planned, &violations))?;
        Ok(input)
    }

    /// When something happens by itself: the run's time is over, or an attempt is due.
    fn wake_after(&self, now: Timestamp) -> Option<Timestamp> {
        let retries = self.retries.iter().map(|(due, _)| *due);
        let next_retry = retries.filter(|due| *due > now).find(|_| !self.is_winding_down());
        self.budget_end().into_iter().chain(next_retry).min()
    }
}

fn unfit_input(planned: &PlannedNode, violations: &[SchemaViolation]) -> Failure {
    let PlannedNode { id, step, .. } = planned;
    let list: Vec<String> = violations.iter().map(ToString::to_string).collect();
    let message = format!(
        "/nodes/{id}/input: what it gives does not match the input schema of `{}@{}`: {}",
        step.name,
        step.version,
        list.join("; ")
    );
    Failure {
        detail: Some(json!({ "violations": violations })),
        ..Failure::new(FailureKind::InvalidInput, message)
    }
}

fn out_of_budget(budget: Duration) -> Failure {
    let message =
        format!("the run took longer than its budget of {budget:?} (`budget.time` of the workflow)");
    Failure {
        detail: Some(json!({ "budget_ms": u64::try_from(budget.as_millis()).unwrap_or(u64::MAX) })),
        ..Failure::new(FailureKind::BudgetExceeded, message)
    }
}
