//! What must hold before an event changes anything.

use super::Misfit;
use crate::id::{AttemptNumber, NodeId, Part};
use crate::plan::Work;
use crate::run::node::{NodeState, Phase, Waiting};
use crate::run::state::RunState;
use crate::run::task::AttemptInFlight;

impl RunState {
    pub(super) fn check_node(&self, id: &NodeId) -> Result<&NodeState, Misfit> {
        self.nodes.get(id).ok_or_else(|| Misfit::UnknownNode { node: id.clone() })
    }

    fn check_not_winding_down(&self) -> Result<(), Misfit> {
        if self.is_winding_down() { Err(Misfit::WindingDown) } else { Ok(()) }
    }

    /// The node waits for its work to begin, and its turn has come.
    pub(super) fn check_ready(&self, id: &NodeId) -> Result<&NodeState, Misfit> {
        let node = self.check_node(id)?;
        if !self.admitted {
            return Err(Misfit::Queued);
        }
        self.check_not_winding_down()?;
        match node.phase {
            Phase::Pending if self.ready.contains(id) => Ok(node),
            Phase::Pending => Err(Misfit::UnmetNeeds { node: id.clone() }),
            _ => Err(wrong_status(id, node)),
        }
    }

    /// A part of the node's work may have its next attempt, its first or another.
    pub(super) fn check_may_start(&self, id: &NodeId, part: Part) -> Result<&NodeState, Misfit> {
        let node = self.check_node(id)?;
        let open = match part {
            Part::Whole => match node.phase {
                Phase::WaitingToRetry { .. } => self.check_not_winding_down().is_ok(),
                _ => return self.check_ready(id),
            },
            Part::Item(index) => {
                self.check_not_winding_down()?;
                match (&self.plan.nodes[id].work, node.map()) {
                    (Work::Map(work), Some(map)) => {
                        map.task(index).is_some_and(|task| task.due.is_some())
                            || map.startable(work).start == index && !map.startable(work).is_empty()
                    }
                    _ => false,
                }
            }
            Part::Compensation => {
                let undoes = self.ending.as_ref().is_some_and(|ending| ending.stopped && ending.compensate);
                undoes
                    && self.to_undo() == Some(id)
                    && !self.in_flight.contains(&(id.clone(), Part::Compensation))
            }
        };
        match (open, part) {
            (true, _) => Ok(node),
            (false, Part::Whole) => Err(Misfit::WindingDown),
            (false, _) => Err(Misfit::Part { node: id.clone(), part }),
        }
    }

    /// This attempt is in flight.
    pub(super) fn check_in_flight<'a>(
        &'a self,
        id: &'a NodeId,
        part: Part,
        attempt: AttemptNumber,
    ) -> Result<AttemptInFlight<'a>, Misfit> {
        let node = self.check_node(id)?;
        let in_flight = node.in_flight(id, part).ok_or_else(|| wrong_status(id, node))?;
        check_attempt(id, attempt, in_flight.attempt)?;
        Ok(in_flight)
    }

    /// The node waits for something outside.
    pub(super) fn check_waiting(&self, id: &NodeId) -> Result<&Waiting, Misfit> {
        let node = self.check_node(id)?;
        node.waiting().ok_or_else(|| wrong_status(id, node))
    }
}

pub(super) fn check_attempt(
    node: &NodeId,
    found: AttemptNumber,
    expected: AttemptNumber,
) -> Result<(), Misfit> {
    if found == expected {
        return Ok(());
    }
    Err(Misfit::Attempt { node: node.clone(), found, expected })
}

pub(super) fn wrong_status(id: &NodeId, node: &NodeState) -> Misfit {
    Misfit::NodeStatus { node: id.clone(), status: node.status() }
}
