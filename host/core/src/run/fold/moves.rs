//! Moving a node on, and keeping all that is derived from where nodes stand in step with it.

use std::mem;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use crate::failure::Failure;
use crate::id::{NodeId, Part};
use crate::plan::{OnError, Work};
use crate::run::ending::Ending;
use crate::run::event::RunOutcome;
use crate::run::node::{Handled, NodeState, Phase};
use crate::run::state::RunState;

/// What a node's end means for those behind it.
#[derive(Clone, Copy)]
enum Settled {
    /// Those that need it may go on.
    Well,
    /// The node that handles its failure may go on, and no other.
    Elsewhere,
    /// None of them.
    Not,
}

impl RunState {
    pub(super) fn move_to(&mut self, id: &NodeId, phase: Phase) {
        match mem::replace(&mut self.node_mut(id).phase, phase) {
            Phase::Pending => _ = self.ready.remove(id),
            Phase::Running => _ = self.open_maps.remove(id),
            Phase::WaitingToRetry { due } => _ = self.retries.remove(&(due, id.clone(), Part::Whole)),
            Phase::Waiting(waiting) => {
                self.waiting.remove(id);
                if let Some(alarm) = waiting.alarm() {
                    self.timers.remove(&(alarm, id.clone()));
                }
            }
            Phase::Succeeded { .. } | Phase::Failed { .. } | Phase::Skipped { .. } | Phase::Cancelled => {}
        }
        let node = &self.nodes[id];
        self.scope.set_node(id, node.status().as_str(), node.output(), node.failure());
        match &node.phase {
            Phase::WaitingToRetry { due } => _ = self.retries.insert((*due, id.clone(), Part::Whole)),
            Phase::Waiting(waiting) => {
                self.timers.extend(waiting.alarm().map(|alarm| (alarm, id.clone())));
                self.waiting.insert(id.clone());
            }
            Phase::Succeeded { .. } => {
                if self.plan.nodes[id].compensate.is_some() {
                    self.undoable.push(id.clone());
                }
                self.release_dependents(id, Settled::Well);
            }
            Phase::Skipped { .. } => self.release_dependents(id, Settled::Not),
            Phase::Failed { handled: Handled::Output(_), .. } => self.release_dependents(id, Settled::Well),
            Phase::Failed { handled: Handled::Elsewhere, .. } => {
                self.release_dependents(id, Settled::Elsewhere);
            }
            Phase::Failed { handled: Handled::No, .. }
            | Phase::Pending
            | Phase::Running
            | Phase::Cancelled => {}
        }
    }

    pub(super) fn succeed(&mut self, id: &NodeId, input: Option<Arc<Value>>, output: Arc<Value>) {
        if self.plan.nodes[id].compensate.is_some() {
            self.node_mut(id).more_mut().input = input;
        }
        self.move_to(id, Phase::Succeeded { output });
    }

    /// Retries and fallbacks are used up: what follows is the node's `on_error`.
    pub(super) fn fail(&mut self, id: &NodeId, failure: &Failure, at: Timestamp) {
        let plan = Arc::clone(&self.plan);
        let (failure, handled) = match &plan.nodes[id].on_error {
            OnError::Fail => (failure.clone(), Handled::No),
            OnError::GoTo(_) => (failure.clone(), Handled::Elsewhere),
            OnError::Continue(output) => match output.render(&self.scope) {
                Ok(output) => (failure.clone(), Handled::Output(output)),
                Err(why) => (why, Handled::No),
            },
        };
        if handled == Handled::No {
            let outcome =
                RunOutcome::Failed { failure: failure.clone(), node: Some(id.clone()), partial: None };
            self.ending.get_or_insert(Ending {
                at,
                outcome,
                by: None,
                grace_until: None,
                compensate: true,
                stopped: false,
            });
        }
        self.move_to(id, Phase::Failed { failure, handled });
    }

    /// A node became final, and the run goes on: whoever waited for it alone is ready now.
    fn release_dependents(&mut self, id: &NodeId, settled: Settled) {
        self.unfinished -= 1;
        let plan = Arc::clone(&self.plan);
        for dependent in &plan.nodes[id].dependents {
            let satisfied = satisfies(settled, &plan.nodes[id].on_error, dependent);
            let node = self.node_mut(dependent);
            node.need_settled(satisfied);
            if node.is_ready(&plan.nodes[dependent]) {
                self.ready.insert(dependent.clone());
            }
        }
    }

    /// Whether a need is final, and whether it is met.
    pub(super) fn need_of(&self, need: &NodeId, dependent: &NodeId) -> (bool, bool) {
        let settled = match self.nodes[need].phase {
            Phase::Succeeded { .. } | Phase::Failed { handled: Handled::Output(_), .. } => Settled::Well,
            Phase::Failed { handled: Handled::Elsewhere, .. } => Settled::Elsewhere,
            Phase::Skipped { .. } => Settled::Not,
            _ => return (false, false),
        };
        (true, satisfies(settled, &self.plan.nodes[need].on_error, dependent))
    }

    /// Maps with items that may begin stand in a set of their own.
    pub(super) fn refresh_map(&mut self, id: &NodeId) {
        let is_open = match (&self.plan.nodes[id].work, self.nodes[id].map(), &self.nodes[id].phase) {
            (Work::Map(work), Some(map), Phase::Running) => !map.startable(work).is_empty(),
            _ => false,
        };
        if is_open {
            self.open_maps.insert(id.clone());
        } else {
            self.open_maps.remove(id);
        }
    }

    /// Time in which something outside is waited for may not count.
    pub(super) fn note_waiting(&mut self, at: Timestamp) {
        if self.plan.budget.time.is_some() && !self.plan.budget.count_waits {
            let goes_on = !self.is_winding_down() && self.retries.is_empty();
            let waits = goes_on && self.is_waiting() && !self.waiting.is_empty();
            self.waited.set(waits, at);
        }
    }

    #[expect(clippy::expect_used, reason = "every event's node is checked before it changes anything")]
    pub(super) fn node_mut(&mut self, id: &NodeId) -> &mut NodeState {
        self.nodes.get_mut(id).expect("a checked id names a node of the plan")
    }
}

fn satisfies(settled: Settled, on_error: &OnError, dependent: &NodeId) -> bool {
    let handles = matches!(on_error, OnError::GoTo(handler) if handler == dependent);
    match settled {
        Settled::Well => !handles,
        Settled::Elsewhere => handles,
        Settled::Not => false,
    }
}
