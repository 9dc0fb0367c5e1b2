//! A plan: a definition that was checked and resolved, ready to run. Immutable and shared by all its runs.

mod call;
mod compile;
mod concurrency;
mod fit;
mod graph;
mod lock;
mod node;
mod references;
mod trigger;
mod work;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use semver::{Version, VersionReq};
use serde::{Deserialize, Serialize};

use crate::expression::{Expression, Template};
use crate::failure::FailureKind;
use crate::grant::Grants;
use crate::id::{NodeId, StepName, WorkflowName};
use crate::limits::Limits;
use crate::manifest::PublishedStep;
use crate::mistake::Mistake;
use crate::priority::Priority;
use crate::schema::Schema;

pub use self::compile::{compile, lint, restore};
pub use self::concurrency::{Concurrency, OnFull};
pub use self::lock::{Lock, LockSlot, Locked, LockedStep, LockedWorkflow};
pub use self::trigger::{
    CronTrigger, EventTrigger, HttpTrigger, Overlap, PlannedTrigger, Respond, TriggerBody,
};
pub use self::work::{
    Again, ApprovalWork, Budget, Call, CallbackWork, EmitWork, Escalation, Gate, MapWork, NodeKind, OnError,
    OnFailure, OnItemError, OnReject, OnTimeout, StepWork, Until, WaitWork, WhenOpen, Work, WorkflowWork,
};

pub(crate) use self::trigger::empty as empty_input;

/// What a definition is compiled against.
pub trait Surroundings {
    /// The step that a `step` means, which stands at this place of the definition.
    fn resolve(&self, slot: &LockSlot, name: &StepName, range: &VersionReq) -> Resolution;
    /// The workflow that a node's `workflow` means.
    fn resolve_workflow(
        &self,
        slot: &LockSlot,
        name: &WorkflowName,
        range: &VersionReq,
    ) -> WorkflowResolution;
    /// What is wrong with a node's grants, with pointers into the grants (`/http/0/host`).
    fn check_grants(&self, grants: &Grants) -> Vec<Mistake>;
    /// The most that a node may set as its limits.
    fn ceiling(&self) -> Limits;
}

/// What became of a step's range.
#[derive(Debug, Clone)]
pub enum Resolution {
    /// The newest version in the range.
    Found(Arc<PublishedStep>),
    /// No version in the range; these are published (none: the name is unknown).
    Missing(Vec<Version>),
    /// There is no catalogue to ask (an offline check): what needs the step's manifest is not checked.
    Offline,
}

/// What became of a sub-workflow's range.
#[derive(Debug, Clone)]
pub enum WorkflowResolution {
    /// The newest version in the range.
    Found(Box<PublishedWorkflow>),
    /// No version in the range; these were applied (none: the name is unknown).
    Missing(Vec<Version>),
    /// There is no catalogue to ask.
    Offline,
}

/// A version of a workflow that was applied, as far as one that runs it must know it.
#[derive(Debug, Clone)]
pub struct PublishedWorkflow {
    /// Its name, version and digest.
    pub locked: LockedWorkflow,
    /// What its runs' input must match.
    pub input: Schema,
    /// Every workflow that it runs itself, or that those run: each with the one that runs it.
    pub reaches: BTreeMap<WorkflowName, WorkflowName>,
}

/// A workflow that can run.
#[derive(Debug)]
pub struct Plan {
    /// The workflow's name.
    pub name: WorkflowName,
    /// The workflow's version.
    pub version: Version,
    /// What a run's input must match.
    pub input: Schema,
    /// What starts a run beside the API.
    pub triggers: Vec<PlannedTrigger>,
    /// What a run may use.
    pub budget: Budget,
    /// What a run that failed does by itself.
    pub on_failure: OnFailure,
    /// How urgent a run is whose start says nothing about it.
    pub priority: Priority,
    /// How many runs may be under way at once, if that is bounded.
    pub concurrency: Option<Concurrency>,
    /// The nodes.
    pub nodes: BTreeMap<NodeId, PlannedNode>,
    /// Every node's id, each after all that it needs.
    pub order: Vec<NodeId>,
    /// The run's output; none: an object of the outputs of the nodes that nothing needs.
    pub output: Option<Template>,
    /// What the definition's steps were resolved to.
    pub lock: Lock,
}

/// A node that can run.
#[derive(Debug)]
pub struct PlannedNode {
    /// Its id.
    pub id: NodeId,
    /// What must be final before it, those included whose failure it handles.
    pub needs: Vec<NodeId>,
    /// Who needs it, or handles its failure.
    pub dependents: Vec<NodeId>,
    /// Whether it waits for all or for one of its needs.
    pub join: Join,
    /// Whether it runs at all.
    pub when: Option<Expression>,
    /// What it does.
    pub work: Work,
    /// What its failure means.
    pub on_error: OnError,
    /// Undoes what it did, should the run fail later. Its input sees `original.input` and `original.output`.
    pub compensate: Option<Call>,
}

/// How many of its needs a node waits for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Join {
    /// All are final, and at least one succeeded.
    #[default]
    All,
    /// One succeeded, or all are final.
    Any,
}

/// What follows a failed attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryPolicy {
    /// Attempts in all, the first included.
    pub attempts: u32,
    /// Before the second attempt.
    pub delay: Duration,
    /// By which each further delay grows.
    pub factor: f64,
    /// No delay is longer than this.
    pub cap: Duration,
    /// Whether each delay is drawn between half of it and all of it. The draw is fixed by run, node and attempt.
    pub jitter: bool,
    /// After which failures.
    pub on: Vec<FailureKind>,
}

impl RetryPolicy {
    /// One attempt and no other: what holds for a node without `retry`.
    #[must_use]
    pub fn never() -> Self {
        Self { attempts: 1, ..Self::default() }
    }
}

impl Default for RetryPolicy {
    /// What holds for the fields that a `retry` leaves out.
    fn default() -> Self {
        Self {
            attempts: 3,
            delay: Duration::from_secs(1),
            factor: 2.0,
            cap: Duration::from_secs(300),
            jitter: true,
            on: vec![FailureKind::Retryable, FailureKind::Timeout],
        }
    }
}

#[cfg(test)]
mod tests;
