//! The state of one run: what its journal says so far, and what is asked of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::acceptance::Acceptance;
use super::ai::AiWork;
use super::ending::Ending;
use super::event::{Edit, Entry, Event, RunOutcome, RunStatus, Trigger};
use super::fold::{FoldError, Misfit};
use super::node::{NodeState, Waiting};
use super::task::AttemptInFlight;
use super::view::{NodeStatus, NodeView, RunView, Totals};
use super::waited::Waited;
use crate::effect::Effect;
use crate::expression::{RunScope, Scope};
use crate::failure::Failure;
use crate::id::{AttemptNumber, NodeId, Part, RunId};
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
    /// Tasks that wait to retry, by when.
    pub(super) retries: BTreeSet<(Timestamp, NodeId, Part)>,
    /// Tasks with an attempt in flight.
    pub(super) in_flight: BTreeSet<(NodeId, Part)>,
    /// Maps with items that may begin.
    pub(super) open_maps: BTreeSet<NodeId>,
    /// Nodes that wait for something outside.
    pub(super) waiting: BTreeSet<NodeId>,
    /// When something happens by itself to nodes that wait.
    pub(super) timers: BTreeSet<(Timestamp, NodeId)>,
    /// How many nodes are not final.
    pub(super) unfinished: usize,
    /// Nodes that succeeded and can be undone, in the order in which they succeeded.
    pub(super) undoable: Vec<NodeId>,
    /// Nodes that can be called back, or could.
    pub(super) with_callback: BTreeSet<NodeId>,
    /// The tokens that nodes gave out before they began anew: whoever comes with one is told that nobody waits any more.
    pub(super) closed_callbacks: Vec<ClosedCallback>,
    /// Signals that nobody has waited for yet, by name.
    pub(super) signals: BTreeMap<String, VecDeque<Arc<Value>>>,
    /// How the run will end, once what is in flight has ended and what is to be undone is undone.
    pub(super) ending: Option<Ending>,
    pub(super) paused: bool,
    /// How often the run went on or began anew by itself.
    pub(super) again: u32,
    /// What all attempts used so far.
    pub(super) totals: Totals,
    /// What they did with AI.
    pub(super) ai: AiWork,
    pub(super) waited: Waited,
    /// What failed for good, and nobody has dealt with.
    pub(super) dead_letters: BTreeSet<(NodeId, Part)>,
    pub(super) ended: Option<Ended>,
}

/// How the run ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) at: Timestamp,
    pub(super) outcome: RunOutcome,
}

/// A person is asked: what whoever decides must know.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenApproval<'a> {
    /// The node.
    pub node: &'a NodeId,
    /// What the person is shown.
    pub show: &'a Arc<Value>,
    /// Since when.
    pub asked_at: Timestamp,
    /// Until when at most.
    pub expires_at: Option<Timestamp>,
    /// Whether others were asked too.
    pub escalated: bool,
}

/// How a callback stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallbackStanding<'a> {
    /// It can be called.
    Open {
        /// The node that waits.
        node: &'a NodeId,
        /// Until when.
        expires_at: Timestamp,
    },
    /// It was called.
    Used,
    /// Its node waits no more.
    Closed {
        /// Until when it could have been called.
        expires_at: Timestamp,
    },
}

/// A callback whose node began anew.
#[derive(Debug)]
pub(super) struct ClosedCallback {
    pub(super) node: NodeId,
    pub(super) token: String,
    pub(super) expires_at: Timestamp,
}

/// The run of a sub-workflow that is waited for.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenChild<'a> {
    /// The node.
    pub node: &'a NodeId,
    /// The child.
    pub run: RunId,
    /// Its input.
    pub input: &'a Arc<Value>,
}

impl RunState {
    /// The run as its journal's first entry, its acceptance, makes it.
    pub fn accept(run: RunId, plan: Arc<Plan>, first: &Entry) -> Result<Self, FoldError> {
        let accepted = Acceptance::of(&plan, first).map_err(|misfit| FoldError { seq: first.seq, misfit })?;
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
            open_maps: BTreeSet::new(),
            waiting: BTreeSet::new(),
            timers: BTreeSet::new(),
            undoable: Vec::new(),
            with_callback: BTreeSet::new(),
            closed_callbacks: Vec::new(),
            signals: BTreeMap::new(),
            ending: None,
            paused: false,
            again: 0,
            totals: Totals::default(),
            ai: AiWork::default(),
            waited: Waited::default(),
            dead_letters: BTreeSet::new(),
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

    /// The run's input.
    #[must_use]
    pub fn input(&self) -> &Arc<Value> {
        &self.accepted.input
    }

    /// Who or what started it.
    #[must_use]
    pub fn trigger(&self) -> &Trigger {
        &self.accepted.trigger
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
            None if self.paused => RunStatus::Paused,
            None if self.next_seq == 1 && self.accepted.start_at.is_some() => RunStatus::Queued,
            None if self.is_waiting() => RunStatus::Waiting,
            None => RunStatus::Running,
        }
    }

    /// Whether nothing is in flight and nothing starts until time passes or somebody does something.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        if self.is_winding_down() {
            return self.goes_on_at().is_some();
        }
        self.in_flight.is_empty() && self.ready.is_empty() && self.open_maps.is_empty() && self.unfinished > 0
    }

    /// Whether an attempt is in flight.
    #[must_use]
    pub fn has_attempts(&self) -> bool {
        !self.in_flight.is_empty()
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

    /// What all attempts used so far.
    #[must_use]
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// What it did with AI so far.
    #[must_use]
    pub fn ai(&self) -> &AiWork {
        &self.ai
    }

    /// The attempts that were started and have not ended: what recovery runs again.
    pub fn in_flight(&self) -> impl Iterator<Item = AttemptInFlight<'_>> {
        self.in_flight.iter().filter_map(|(id, part)| self.nodes[id].in_flight(id, *part))
    }

    /// The effects that an attempt in flight was answered so far; none of an attempt that is not in flight.
    #[must_use]
    pub fn effects(&self, node: &NodeId, part: Part, attempt: AttemptNumber) -> &[Effect] {
        let in_flight = self.nodes.get_key_value(node).and_then(|(id, state)| state.in_flight(id, part));
        match in_flight {
            Some(in_flight) if in_flight.attempt == attempt => in_flight.effects,
            _ => &[],
        }
    }

    /// What a part of a node's work gets in place of what the workflow says, if somebody wanted it.
    #[must_use]
    pub fn edit(&self, node: &NodeId, part: Part) -> Option<&Edit> {
        self.nodes.get(node)?.edit(part)
    }

    /// The questions to people that are open.
    pub fn approvals(&self) -> impl Iterator<Item = OpenApproval<'_>> {
        self.waits().filter_map(|(node, waiting)| match waiting {
            Waiting::Approval(question) => Some(OpenApproval {
                node,
                show: &question.show,
                asked_at: question.asked_at,
                expires_at: question.expires_at,
                escalated: question.escalated,
            }),
            _ => None,
        })
    }

    /// The runs of sub-workflows that are waited for.
    pub fn children(&self) -> impl Iterator<Item = OpenChild<'_>> {
        self.waits().filter_map(|(node, waiting)| match waiting {
            Waiting::Child { run, input } => Some(OpenChild { node, run: *run, input }),
            _ => None,
        })
    }

    /// How this callback stands; none: the run has none with this token.
    #[must_use]
    pub fn callback(&self, token: &str) -> Option<CallbackStanding<'_>> {
        if let Some(closed) = self.closed_callbacks.iter().find(|closed| closed.token == token) {
            return Some(CallbackStanding::Closed { expires_at: closed.expires_at });
        }
        let (id, _) = self.callbacks().find(|(_, known)| *known == token)?;
        let node = &self.nodes[id];
        let callback = node.callback()?;
        Some(if callback.body.is_some() {
            CallbackStanding::Used
        } else if node.status().is_final() || self.ended.is_some() {
            CallbackStanding::Closed { expires_at: callback.expires_at }
        } else {
            CallbackStanding::Open { node: id, expires_at: callback.expires_at }
        })
    }

    /// Where a node of the plan stands.
    #[must_use]
    pub fn node_status(&self, node: &NodeId) -> NodeStatus {
        self.nodes.get(node).map_or(NodeStatus::Pending, NodeState::status)
    }

    /// The first node that waits for this signal now.
    #[must_use]
    pub fn waits_for_signal(&self, name: &str) -> Option<&NodeId> {
        let signals = self.waits().filter(|(_, waiting)| matches!(waiting, Waiting::Signal { .. }));
        signals.map(|(id, _)| id).find(|id| self.plan.nodes[*id].work.signal() == Some(name))
    }

    /// What a node gave, or what stands for it, if it has ended so.
    #[must_use]
    pub fn node_output(&self, node: &NodeId) -> Option<&Arc<Value>> {
        self.nodes.get(node)?.output()
    }

    /// Why a node failed, if it did.
    #[must_use]
    pub fn node_failure(&self, node: &NodeId) -> Option<&Failure> {
        self.nodes.get(node)?.failure()
    }

    /// How many signals are kept that no node has waited for.
    #[must_use]
    pub fn buffered_signals(&self) -> usize {
        self.signals.values().map(VecDeque::len).sum()
    }

    /// The tokens of all callbacks, used or not.
    pub fn callbacks(&self) -> impl Iterator<Item = (&NodeId, &str)> {
        let given = self.with_callback.iter();
        let given = given.filter_map(|id| Some((id, self.nodes[id].callback()?.token.as_str())));
        given.chain(self.closed_callbacks.iter().map(|closed| (&closed.node, closed.token.as_str())))
    }

    /// What failed for good, and nobody has dealt with.
    #[must_use]
    pub fn dead_letters(&self) -> &BTreeSet<(NodeId, Part)> {
        &self.dead_letters
    }

    /// Why that failed.
    #[must_use]
    pub fn dead_letter(&self, node: &NodeId, part: Part) -> Option<&crate::failure::Failure> {
        if !self.dead_letters.contains(&(node.clone(), part)) {
            return None;
        }
        let state = self.nodes.get(node)?;
        match part {
            Part::Compensation => state.compensation()?.end.as_ref()?.as_ref().err(),
            Part::Whole | Part::Item(_) => state.failure(),
        }
    }

    fn waits(&self) -> impl Iterator<Item = (&NodeId, &Waiting)> {
        self.waiting.iter().filter_map(|id| Some((id, self.nodes[id].waiting()?)))
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
            split: self.accepted.split.clone(),
            status: self.status(),
            trigger: self.accepted.trigger.clone(),
            traceparent: self.accepted.traceparent.clone(),
            priority: self.accepted.priority,
            input: self.accepted.input.clone(),
            output: None,
            failure: None,
            failed_node: None,
            partial: None,
            cancel_reason: None,
            cancelling: self.cancelling(),
            accepted_at: self.accepted.at,
            start_at: self.accepted.start_at,
            retry_at: self.goes_on_at(),
            ended_at: self.ended_at(),
            totals: self.totals,
            ai: self.ai.clone(),
            nodes,
        };
        match self.outcome().cloned() {
            Some(RunOutcome::Succeeded { output }) => view.output = Some(output),
            Some(RunOutcome::Failed { failure, node, partial }) => {
                (view.failure, view.failed_node, view.partial) = (Some(failure), node, partial);
            }
            Some(RunOutcome::Cancelled { reason }) => view.cancel_reason = reason,
            None => {}
        }
        view
    }

    /// The outputs of those nodes that have one, by node.
    pub(super) fn outputs<'a>(&'a self, of: impl Iterator<Item = &'a NodeId>) -> Value {
        let outputs = of.filter_map(|id| Some((id.to_string(), Value::clone(self.nodes[id].output()?))));
        Value::Object(outputs.collect::<Map<_, _>>())
    }

    /// Whether nothing new starts any more, but for what undoes what was done.
    pub(super) fn is_winding_down(&self) -> bool {
        self.ending.is_some()
    }
}
