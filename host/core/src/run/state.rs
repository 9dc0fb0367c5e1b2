//! The state of one run: what its journal says so far, and what is asked of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::event::{Entry, Event, RunOutcome, RunStatus, Trigger, whole_millisecond};
use super::fold::{FoldError, Misfit};
use super::node::{AttemptInFlight, NodeState};
use super::retry::later;
use super::view::{NodeView, RunView, Totals};
use crate::effect::Effect;
use crate::expression::{RunScope, Scope};
use crate::failure::Failure;
use crate::id::{AttemptNumber, NodeId, RunId};
use crate::plan::Plan;
use crate::priority::Priority;

/// One run, from its acceptance on. The same entries give the same state, whether it was lived or read back.
///
/// Each node is touched when something happens to it or to what it needs, and never otherwise: what is ready, due or in
/// flight stands in sets of its own, so that a step through a large workflow costs what one through a small one does.
#[derive(Debug)]
pub struct RunState {
    pub(super) run: RunId,
    pub(super) plan: Arc<Plan>,
    pub(super) accepted: Acceptance,
    /// Whether it has a place, or needs none: before that nothing of it starts.
    pub(super) admitted: bool,
    pub(super) next_seq: u64,
    /// What expressions see.
    pub(super) scope: Scope,
    /// Every node of the plan.
    pub(super) nodes: BTreeMap<NodeId, NodeState>,
    /// Pending nodes whose turn has come.
    pub(super) ready: BTreeSet<NodeId>,
    /// Nodes that wait to retry, by when.
    pub(super) retries: BTreeSet<(Timestamp, NodeId)>,
    /// Nodes with an attempt in flight.
    pub(super) in_flight: BTreeSet<NodeId>,
    /// How many nodes have neither succeeded nor been skipped.
    pub(super) unfinished: usize,
    /// How the run will end because a node failed: once nothing is in flight any more.
    pub(super) failing: Option<RunOutcome>,
    /// How the run will end because somebody asked to cancel it: at once.
    pub(super) cancelling: Option<RunOutcome>,
    pub(super) ended: Option<Ended>,
}

/// How the run began.
#[derive(Debug)]
pub(super) struct Acceptance {
    pub(super) at: Timestamp,
    input: Arc<Value>,
    trigger: Trigger,
    traceparent: String,
    priority: Priority,
}

/// How the run ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) at: Timestamp,
    pub(super) outcome: RunOutcome,
}

impl RunState {
    /// The run as its journal's first entry, its acceptance, makes it.
    pub fn accept(run: RunId, plan: Arc<Plan>, first: &Entry) -> Result<Self, FoldError> {
        let accepted = acceptance(&plan, first).map_err(|misfit| FoldError { seq: first.seq, misfit })?;
        let about_run = RunScope {
            id: run,
            workflow: plan.name.clone(),
            version: plan.version.clone(),
            started_at: accepted.at,
        };
        let mut scope = Scope::new(about_run, &accepted.input);
        let mut nodes = BTreeMap::new();
        let mut ready = BTreeSet::new();
        for (id, planned) in &plan.nodes {
            let node = NodeState::new(planned.needs.len());
            scope.set_node(id, node.status().as_str(), None, None);
            if node.is_ready(planned) {
                ready.insert(id.clone());
            }
            nodes.insert(id.clone(), node);
        }
        Ok(Self {
            run,
            accepted,
            admitted: plan.concurrency.is_none(),
            next_seq: 1,
            scope,
            unfinished: nodes.len(),
            nodes,
            ready,
            retries: BTreeSet::new(),
            in_flight: BTreeSet::new(),
            failing: None,
            cancelling: None,
            ended: None,
            plan,
        })
    }

    /// The run as these entries, from its first on, make it.
    pub fn replay<'a>(
        run: RunId,
        plan: Arc<Plan>,
        entries: impl IntoIterator<Item = &'a Entry>,
    ) -> Result<Self, FoldError> {
        let mut entries = entries.into_iter();
        let first = entries.next().ok_or(FoldError { seq: 0, misfit: Misfit::NotAccepted })?;
        let mut state = Self::accept(run, plan, first)?;
        entries.try_for_each(|entry| state.apply(entry))?;
        Ok(state)
    }

    /// Makes an event the run's next entry and goes on by it. The entry is for the journal.
    pub fn record(&mut self, at: Timestamp, event: Event) -> Result<Entry, FoldError> {
        let entry = Entry::new(self.next_seq, at, event);
        self.apply(&entry)?;
        Ok(entry)
    }

    /// The run.
    #[must_use]
    pub fn run(&self) -> RunId {
        self.run
    }

    /// The plan that it keeps to its end.
    #[must_use]
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The number of the entry that comes next.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// When the run was accepted.
    #[must_use]
    pub fn accepted_at(&self) -> Timestamp {
        self.accepted.at
    }

    /// The W3C Trace Context that came with the start, or was made for it.
    #[must_use]
    pub fn traceparent(&self) -> &str {
        &self.accepted.traceparent
    }

    /// How urgent it is.
    #[must_use]
    pub fn priority(&self) -> Priority {
        self.accepted.priority
    }

    /// What it counts together with under its workflow's concurrency limit; none if there is no limit.
    #[must_use]
    pub fn concurrency_key(&self) -> Option<Result<String, Failure>> {
        self.plan.concurrency.as_ref().map(|concurrency| concurrency.key_of(&self.scope))
    }

    /// Whether it waits for a place under its workflow's concurrency limit.
    #[must_use]
    pub fn is_queued(&self) -> bool {
        !self.admitted && self.ended.is_none()
    }

    /// Where the run stands.
    #[must_use]
    pub fn status(&self) -> RunStatus {
        match self.outcome() {
            Some(outcome) => outcome.status(),
            None if self.is_queued() => RunStatus::Queued,
            None => RunStatus::Running,
        }
    }

    /// How the run ended, if it did.
    #[must_use]
    pub fn outcome(&self) -> Option<&RunOutcome> {
        self.ended.as_ref().map(|ended| &ended.outcome)
    }

    /// When the run ended, if it did.
    #[must_use]
    pub fn ended_at(&self) -> Option<Timestamp> {
        self.ended.as_ref().map(|ended| ended.at)
    }

    /// The attempts that were started and have not ended: what recovery runs again.
    pub fn in_flight(&self) -> impl Iterator<Item = AttemptInFlight<'_>> {
        self.in_flight.iter().filter_map(|id| self.nodes[id].in_flight(id))
    }

    /// The effects that an attempt in flight was answered so far; none of an attempt that is not in flight.
    #[must_use]
    pub fn effects(&self, node: &NodeId, attempt: AttemptNumber) -> &[Effect] {
        let in_flight = self.nodes.get_key_value(node).and_then(|(id, state)| state.in_flight(id));
        match in_flight {
            Some(in_flight) if in_flight.attempt == attempt => in_flight.effects,
            _ => &[],
        }
    }

    /// The run as people and programs see it.
    #[must_use]
    pub fn view(&self) -> RunView {
        let nodes: Vec<NodeView> =
            self.plan.order.iter().map(|id| self.nodes[id].view(&self.plan.nodes[id])).collect();
        let mut view = RunView {
            id: self.run,
            workflow: self.plan.name.clone(),
            version: self.plan.version.clone(),
            status: self.status(),
            trigger: self.accepted.trigger.clone(),
            traceparent: self.accepted.traceparent.clone(),
            priority: self.accepted.priority,
            input: self.accepted.input.clone(),
            output: None,
            failure: None,
            failed_node: None,
            cancel_reason: None,
            accepted_at: self.accepted.at,
            ended_at: self.ended_at(),
            totals: Totals::of(&nodes),
            nodes,
        };
        match self.outcome().cloned() {
            Some(RunOutcome::Succeeded { output }) => view.output = Some(output),
            Some(RunOutcome::Failed { failure, node }) => {
                (view.failure, view.failed_node) = (Some(failure), node)
            }
            Some(RunOutcome::Cancelled { reason }) => view.cancel_reason = reason,
            None => {}
        }
        view
    }

    /// Whether nothing new starts any more, because a node failed or the run is to be cancelled.
    pub(super) fn is_winding_down(&self) -> bool {
        self.failing.is_some() || self.cancelling.is_some()
    }

    /// When the run's time is over, if it is bounded.
    pub(super) fn budget_end(&self) -> Option<Timestamp> {
        self.plan.time_budget.map(|budget| later(self.accepted.at, budget))
    }
}

fn acceptance(plan: &Plan, first: &Entry) -> Result<Acceptance, Misfit> {
    if first.seq != 0 {
        return Err(Misfit::Sequence { expected: 0 });
    }
    let Event::RunAccepted { workflow, version, input, trigger, traceparent, priority } = &first.event else {
        return Err(Misfit::NotAccepted);
    };
    if (workflow, version) != (&plan.name, &plan.version) {
        return Err(Misfit::OtherPlan {
            accepted: format!("{workflow}@{version}"),
            planned: format!("{}@{}", plan.name, plan.version),
        });
    }
    Ok(Acceptance {
        at: whole_millisecond(first.at),
        input: input.clone(),
        trigger: trigger.clone(),
        traceparent: traceparent.clone(),
        priority: *priority,
    })
}
