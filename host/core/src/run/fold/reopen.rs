//! How a run that has ended, or is about to, goes on or begins anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::Misfit;
use crate::id::{NodeId, Part};
use crate::run::ending::Ending;
use crate::run::event::{Edit, ReopenFrom};
use crate::run::node::{Handled, Phase};
use crate::run::state::{ClosedCallback, RunState};

impl RunState {
    pub(super) fn reopened(
        &mut self,
        from: &ReopenFrom,
        edits: &BTreeMap<NodeId, Edit>,
        standing: &BTreeSet<NodeId>,
        by: Option<&str>,
        at: Timestamp,
    ) -> Result<(), Misfit> {
        self.check_may_reopen(from, edits, standing)?;
        if by.is_none() {
            self.again += 1;
        }
        self.paused = false;
        match from {
            ReopenFrom::Compensation(node) => self.undo_again(node, edits.get(node), at),
            ReopenFrom::Failed | ReopenFrom::Node(_) | ReopenFrom::Start => {
                self.reset(&self.to_reset(from, standing));
                standing.iter().for_each(|node| self.stand(node));
                // With its end it gave its place away.
                self.admitted &= self.ended.is_none() || self.plan.concurrency.is_none();
                (self.ending, self.ended) = (None, None);
                self.accepted.clock_from = at;
                self.waited = Default::default();
                for (node, edit) in edits {
                    self.node_mut(node).more_mut().edit = edit.clone();
                }
            }
        }
        Ok(())
    }

    fn check_may_reopen(
        &self,
        from: &ReopenFrom,
        edits: &BTreeMap<NodeId, Edit>,
        standing: &BTreeSet<NodeId>,
    ) -> Result<(), Misfit> {
        if self.ended.is_none() && (self.ending.is_none() || !self.in_flight.is_empty()) {
            return Err(Misfit::NotEnded);
        }
        edits.keys().try_for_each(|node| self.check_node(node).map(|_| ()))?;
        standing.iter().try_for_each(|node| self.check_not_undone(node))?;
        match from {
            ReopenFrom::Failed | ReopenFrom::Start => Ok(()),
            ReopenFrom::Node(node) => self.check_node(node).map(|_| ()),
            ReopenFrom::Compensation(node) if self.ended.is_some() => self.check_not_undone(node),
            ReopenFrom::Compensation(node) => {
                Err(Misfit::Part { node: node.clone(), part: Part::Compensation })
            }
        }
    }

    fn check_not_undone(&self, node: &NodeId) -> Result<(), Misfit> {
        if self.check_node(node)?.is_not_undone() {
            return Ok(());
        }
        Err(Misfit::Part { node: node.clone(), part: Part::Compensation })
    }

    /// The nodes whose compensation failed, and that are not to be run again when the run goes on from there: what was not undone still
    /// stands, and would be there twice. One that is asked for, with all behind it, is done again.
    #[must_use]
    pub fn standing(&self, from: &ReopenFrom) -> BTreeSet<NodeId> {
        let asked_for = match from {
            ReopenFrom::Failed => BTreeSet::new(),
            ReopenFrom::Node(node) => self.with_all_behind(vec![node], &BTreeSet::new()),
            ReopenFrom::Start | ReopenFrom::Compensation(_) => return BTreeSet::new(),
        };
        let not_undone =
            self.nodes.iter().filter(|(id, node)| node.is_not_undone() && !asked_for.contains(*id));
        not_undone.map(|(id, _)| id.clone()).collect()
    }

    /// A node that would be run again there though what it did could not be undone, and nobody has dealt with that.
    #[must_use]
    pub fn would_repeat(&self, from: &ReopenFrom) -> Option<&NodeId> {
        if matches!(from, ReopenFrom::Compensation(_)) {
            return None;
        }
        let reset = self.to_reset(from, &self.standing(from));
        let letters = self.dead_letters.iter().filter(|(_, part)| *part == Part::Compensation);
        letters.map(|(id, _)| id).find(|id| reset.contains(*id))
    }

    fn undo_again(&mut self, node: &NodeId, edit: Option<&Edit>, at: Timestamp) {
        self.dead_letters.remove(&(node.clone(), Part::Compensation));
        if let Some(compensation) = &mut self.node_mut(node).more_mut().compensation {
            compensation.task.reopen();
            compensation.end = None;
            if let Some(edit) = edit {
                compensation.edit = edit.clone();
            }
        }
        self.ending = self.ended.take().map(|ended| Ending {
            at,
            outcome: ended.outcome,
            by: None,
            grace_until: None,
            compensate: true,
            stopped: true,
        });
    }

    /// What it did is good again, and is undone should the run fail again.
    fn stand(&mut self, node: &NodeId) {
        self.dead_letters.remove(&(node.clone(), Part::Compensation));
        self.node_mut(node).more_mut().forget_compensation();
    }

    /// What is done again, and with it all that is built on it.
    fn to_reset(&self, from: &ReopenFrom, standing: &BTreeSet<NodeId>) -> BTreeSet<NodeId> {
        let starts = self.nodes.iter().filter(|(id, node)| match from {
            ReopenFrom::Start => true,
            ReopenFrom::Node(wanted) if wanted == *id => true,
            _ => {
                let undone = node.compensation().is_some_and(|it| it.end.is_some());
                undone || matches!(node.phase, Phase::Failed { handled: Handled::No, .. } | Phase::Cancelled)
            }
        });
        self.with_all_behind(starts.map(|(id, _)| id).collect(), standing)
    }

    /// Nodes and all that is built on them, but for what stands.
    fn with_all_behind<'a>(
        &'a self,
        mut open: Vec<&'a NodeId>,
        standing: &BTreeSet<NodeId>,
    ) -> BTreeSet<NodeId> {
        let mut reset = BTreeSet::new();
        while let Some(id) = open.pop() {
            if !standing.contains(id) && reset.insert(id.clone()) {
                open.extend(self.plan.nodes.get(id).into_iter().flat_map(|planned| &planned.dependents));
            }
        }
        reset
    }

    /// Puts nodes back to where they have done nothing; their attempts stay in their history.
    fn reset(&mut self, nodes: &BTreeSet<NodeId>) {
        for id in nodes {
            if let Some(callback) = self.nodes[id].callback() {
                let (token, expires_at) = (callback.token.clone(), callback.expires_at);
                self.closed_callbacks.push(ClosedCallback { node: id.clone(), token, expires_at });
            }
            self.move_to(id, Phase::Pending);
            let node = self.node_mut(id);
            node.task.reopen();
            node.more = node.more.take().map(|more| Box::new(more.put_back()));
        }
        self.with_callback.retain(|id| !nodes.contains(id));
        self.undoable.retain(|id| !nodes.contains(id));
        self.dead_letters.retain(|(id, _)| !nodes.contains(id));
        self.retries.retain(|(_, id, _)| !nodes.contains(id));
        self.recount();
    }

    /// What is ready, and how much is left, after nodes were put back.
    fn recount(&mut self) {
        let plan = Arc::clone(&self.plan);
        let is_settled = |phase: &Phase| {
            matches!(phase, Phase::Succeeded { .. } | Phase::Skipped { .. })
                || matches!(phase, Phase::Failed { handled, .. } if *handled != Handled::No)
        };
        self.unfinished = self.nodes.values().filter(|node| !is_settled(&node.phase)).count();
        let pending: Vec<NodeId> = self
            .nodes
            .iter()
            .filter(|(_, node)| matches!(node.phase, Phase::Pending))
            .map(|(id, _)| id.clone())
            .collect();
        for id in pending {
            let planned = &plan.nodes[&id];
            let needs: Vec<(bool, bool)> = planned.needs.iter().map(|need| self.need_of(need, &id)).collect();
            let open = needs.iter().filter(|(settled, _)| !settled).count();
            let met = needs.iter().any(|(_, met)| *met);
            let node = self.node_mut(&id);
            node.recount_needs(open, met);
            if node.is_ready(planned) {
                self.ready.insert(id);
            } else {
                self.ready.remove(&id);
            }
        }
    }
}
