//! One node of a run: where it stands, and the tasks that are its work.
//!
//! Knows nothing of other nodes; what a change here means for them is the fold's business.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::event::{Edit, SkipReason};
use super::map::MapState;
use super::task::{AttemptInFlight, Task};
use super::view::{CompensationView, NodeStatus, NodeView, WaitView};
use crate::failure::Failure;
use crate::id::{AttemptNumber, NodeId, Part, RunId};
use crate::plan::{Join, PlannedNode, Work};

/// What a run knows of one of its nodes.
#[derive(Debug)]
pub(super) struct NodeState {
    /// How many of its needs are not final.
    open_needs: usize,
    /// Whether one of its needs succeeded.
    need_succeeded: bool,
    /// Where it stands.
    pub(super) phase: Phase,
    /// The attempts at its step.
    pub(super) task: Task,
    /// What only some nodes have.
    pub(super) more: Option<Box<More>>,
}

/// What only some nodes have.
#[derive(Debug, Default)]
pub(super) struct More {
    pub(super) map: Option<MapState>,
    pub(super) callback: Option<Callback>,
    /// The run of its sub-workflow, also once that has ended.
    pub(super) child: Option<RunId>,
    /// With which it succeeded, if it can be undone.
    pub(super) input: Option<Arc<Value>>,
    pub(super) compensation: Option<Compensation>,
    pub(super) edit: Edit,
    pub(super) earlier: Earlier,
}

/// How many attempts parts of a node had before it was put back.
#[derive(Debug, Default)]
pub(super) struct Earlier {
    pub(super) items: Vec<u32>,
    pub(super) compensation: u32,
}

/// Where a node stands, with what it holds there.
#[derive(Debug)]
pub(super) enum Phase {
    Pending,
    Running,
    WaitingToRetry { due: Timestamp },
    Waiting(Waiting),
    Succeeded { output: Arc<Value> },
    Failed { failure: Failure, handled: Handled },
    Skipped { reason: SkipReason },
    Cancelled,
}

/// What became of a failure.
#[derive(Debug, PartialEq)]
pub(super) enum Handled {
    /// The run fails with it.
    No,
    /// The run goes on with this output.
    Output(Arc<Value>),
    /// The run goes on with another node.
    Elsewhere,
}

/// What a node waits for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Waiting {
    Time { until: Option<Timestamp> },
    Signal { until: Option<Timestamp> },
    Approval(Question),
    Callback { until: Timestamp },
    Child { run: RunId, input: Arc<Value> },
}

/// A question to a person.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Question {
    pub(super) asked_at: Timestamp,
    pub(super) show: Arc<Value>,
    pub(super) expires_at: Option<Timestamp>,
    /// None once others were asked.
    pub(super) escalates_at: Option<Timestamp>,
    pub(super) escalated: bool,
}

/// A URL to be called back at.
#[derive(Debug)]
pub(super) struct Callback {
    pub(super) token: String,
    pub(super) url: String,
    pub(super) expires_at: Timestamp,
    /// What was posted there.
    pub(super) body: Option<Arc<Value>>,
}

/// What undoes a node.
#[derive(Debug, Default)]
pub(super) struct Compensation {
    pub(super) task: Task,
    pub(super) end: Option<Result<(), Failure>>,
    pub(super) edit: Edit,
}

impl More {
    /// What remains of it when its node is put back.
    pub(super) fn put_back(self) -> Self {
        let Earlier { items, compensation } = self.earlier;
        let earlier = Earlier {
            items: self.map.map_or(items, MapState::into_attempts),
            compensation: self.compensation.map_or(compensation, |it| it.task.count()),
        };
        Self { edit: self.edit, earlier, ..Self::default() }
    }

    /// Lets the map begin; none if these items are no list.
    pub(super) fn begin_map(&mut self, items: &Arc<Value>) -> Option<&MapState> {
        self.map = Some(MapState::new(items, std::mem::take(&mut self.earlier.items))?);
        self.map.as_ref()
    }

    /// The compensation begins anew, should there be another: no attempt at it has a number again.
    pub(super) fn forget_compensation(&mut self) {
        if let Some(compensation) = self.compensation.take() {
            self.earlier.compensation = compensation.task.count();
        }
    }

    pub(super) fn begin_compensation(&mut self) {
        let earlier = self.earlier.compensation;
        self.compensation
            .get_or_insert_with(|| Compensation { task: Task::after(earlier), ..Compensation::default() });
    }
}

impl Waiting {
    /// When something happens by itself: what comes first of an escalation and an end.
    pub(super) fn alarm(&self) -> Option<Timestamp> {
        match self {
            Self::Time { until } | Self::Signal { until } => *until,
            Self::Approval(Question { expires_at, escalates_at, .. }) => {
                expires_at.iter().chain(escalates_at).min().copied()
            }
            Self::Callback { until } => Some(*until),
            Self::Child { .. } => None,
        }
    }

    fn view(&self) -> WaitView {
        match self {
            Self::Time { until } => WaitView::Time { until: *until },
            Self::Signal { until } => WaitView::Signal { until: *until },
            Self::Approval(question) => WaitView::Approval {
                since: question.asked_at,
                show: Arc::clone(&question.show),
                until: question.expires_at,
                escalated: question.escalated,
            },
            Self::Callback { until } => WaitView::Callback { until: *until },
            Self::Child { run, .. } => WaitView::Run { run: *run },
        }
    }
}

impl NodeState {
    pub(super) fn new(needs: usize) -> Self {
        Self {
            open_needs: needs,
            need_succeeded: false,
            phase: Phase::Pending,
            task: Task::default(),
            more: None,
        }
    }

    pub(super) fn more_mut(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    pub(super) fn map(&self) -> Option<&MapState> {
        self.more.as_ref()?.map.as_ref()
    }

    pub(super) fn map_mut(&mut self) -> Option<&mut MapState> {
        self.more.as_mut()?.map.as_mut()
    }

    pub(super) fn callback(&self) -> Option<&Callback> {
        self.more.as_ref()?.callback.as_ref()
    }

    pub(super) fn compensation(&self) -> Option<&Compensation> {
        self.more.as_ref()?.compensation.as_ref()
    }

    /// Whether it was to be undone, and could not be.
    pub(super) fn is_not_undone(&self) -> bool {
        self.compensation().is_some_and(|compensation| matches!(compensation.end, Some(Err(_))))
    }

    /// What a part of its work gets in place of what the workflow says.
    pub(super) fn edit(&self, part: Part) -> Option<&Edit> {
        match part {
            Part::Whole | Part::Item(_) => self.more.as_ref().map(|more| &more.edit),
            Part::Compensation => self.compensation().map(|compensation| &compensation.edit),
        }
    }

    /// The task of a part of its work, if that has begun.
    pub(super) fn task(&self, part: Part) -> Option<&Task> {
        match part {
            Part::Whole => Some(&self.task),
            Part::Item(index) => self.map()?.task(index),
            Part::Compensation => self.compensation().map(|compensation| &compensation.task),
        }
    }

    /// The number that the next attempt at a part of its work would have.
    pub(super) fn next_attempt(&self, part: Part) -> AttemptNumber {
        let earlier = match (part, &self.more) {
            (Part::Whole, _) => self.task.count(),
            (_, None) => 0,
            (Part::Item(index), Some(more)) => more.map.as_ref().map_or(0, |map| map.attempts_at(index)),
            (Part::Compensation, Some(more)) => {
                more.compensation.as_ref().map_or(more.earlier.compensation, |it| it.task.count())
            }
        };
        AttemptNumber(earlier).next()
    }

    pub(super) fn task_mut(&mut self, part: Part) -> Option<&mut Task> {
        match part {
            Part::Whole => Some(&mut self.task),
            Part::Item(index) => self.map_mut()?.task_mut(index),
            Part::Compensation => Some(&mut self.more.as_mut()?.compensation.as_mut()?.task),
        }
    }

    pub(super) fn in_flight<'a>(&'a self, node: &'a NodeId, part: Part) -> Option<AttemptInFlight<'a>> {
        self.task(part)?.in_flight(node, part)
    }

    /// Puts the needs in another state than they were counted in.
    pub(super) fn recount_needs(&mut self, open: usize, succeeded: bool) {
        (self.open_needs, self.need_succeeded) = (open, succeeded);
    }

    /// One of the node's needs became final.
    pub(super) fn need_settled(&mut self, succeeded: bool) {
        self.open_needs = self.open_needs.saturating_sub(1);
        self.need_succeeded |= succeeded;
    }

    /// Whether the node's turn has come: to start, or to be skipped.
    pub(super) fn is_ready(&self, planned: &PlannedNode) -> bool {
        let join_met = match planned.join {
            Join::All => self.open_needs == 0,
            Join::Any => self.open_needs == 0 || self.need_succeeded,
        };
        join_met && matches!(self.phase, Phase::Pending)
    }

    /// Whether the node has needs and none of them succeeded. Of a node that is ready: all were skipped.
    pub(super) fn lacks_needs(&self, planned: &PlannedNode) -> bool {
        !planned.needs.is_empty() && !self.need_succeeded
    }

    pub(super) fn status(&self) -> NodeStatus {
        match self.phase {
            Phase::Pending => NodeStatus::Pending,
            Phase::Running => NodeStatus::Running,
            Phase::WaitingToRetry { .. } => NodeStatus::WaitingToRetry,
            Phase::Waiting(_) => NodeStatus::Waiting,
            Phase::Succeeded { .. } => NodeStatus::Succeeded,
            Phase::Failed { .. } => NodeStatus::Failed,
            Phase::Skipped { .. } => NodeStatus::Skipped,
            Phase::Cancelled => NodeStatus::Cancelled,
        }
    }

    /// What it gave, or what stands for it.
    pub(super) fn output(&self) -> Option<&Arc<Value>> {
        match &self.phase {
            Phase::Succeeded { output } | Phase::Failed { handled: Handled::Output(output), .. } => {
                Some(output)
            }
            _ => None,
        }
    }

    pub(super) fn failure(&self) -> Option<&Failure> {
        match &self.phase {
            Phase::Failed { failure, .. } => Some(failure),
            _ => None,
        }
    }

    pub(super) fn waiting(&self) -> Option<&Waiting> {
        match &self.phase {
            Phase::Waiting(waiting) => Some(waiting),
            _ => None,
        }
    }

    pub(super) fn view(&self, planned: &PlannedNode) -> NodeView {
        let step = planned.work.step().and_then(|step| step.calls.first());
        NodeView {
            id: planned.id.clone(),
            kind: planned.work.kind(),
            step: step.map(|call| call.step.name.clone()),
            step_version: step.map(|call| call.step.version.clone()),
            workflow: match &planned.work {
                Work::Workflow(work) => Some(work.workflow.workflow.clone()),
                _ => None,
            },
            run: self.more.as_ref().and_then(|more| more.child),
            status: self.status(),
            skip_reason: match self.phase {
                Phase::Skipped { reason } => Some(reason),
                _ => None,
            },
            retry_at: match self.phase {
                Phase::WaitingToRetry { due } => Some(due),
                _ => None,
            },
            waits_for: self.waiting().map(Waiting::view),
            output: self.output().cloned(),
            failure: self.failure().cloned(),
            handled: matches!(&self.phase, Phase::Failed { handled, .. } if *handled != Handled::No),
            items: self.map().map(MapState::view),
            attempts: self.task.view(),
            compensation: self.compensation().map(|compensation| CompensationView {
                status: match compensation.end {
                    None => NodeStatus::Running,
                    Some(Ok(())) => NodeStatus::Succeeded,
                    Some(Err(_)) => NodeStatus::Failed,
                },
                failure: compensation.end.as_ref().and_then(|end| end.as_ref().err().cloned()),
                attempts: compensation.task.view(),
            }),
        }
    }
}
