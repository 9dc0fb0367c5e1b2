//! A plan: a definition that was checked and resolved, ready to run. Immutable and shared by all its runs.

mod compile;
mod fit;
mod graph;
mod node;
mod references;
mod trigger;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use semver::{Version, VersionReq};
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::expression::{Expression, Template};
use crate::failure::FailureKind;
use crate::grant::Grants;
use crate::id::{NodeId, StepName, WorkflowName};
use crate::limits::Limits;
use crate::manifest::PublishedStep;
use crate::mistake::Mistake;
use crate::schema::Schema;

pub use self::compile::{compile, lint};
pub use self::trigger::{CronTrigger, EventTrigger, HttpTrigger, Overlap, PlannedTrigger};

pub(crate) use self::trigger::empty as empty_input;

/// What a definition is compiled against.
pub trait Surroundings {
    /// The step that a node's `step` means.
    fn resolve(&self, node: &NodeId, name: &StepName, range: &VersionReq) -> Resolution;
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

/// What each node's step was resolved to when the workflow was applied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(transparent)]
pub struct Lock(pub BTreeMap<NodeId, LockedStep>);

/// One step, pinned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LockedStep {
    /// Its name.
    pub name: StepName,
    /// Its version.
    #[schema(value_type = String)]
    pub version: Version,
    /// Its component's digest.
    pub digest: Digest,
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
    /// How long a run may take, from its acceptance.
    pub time_budget: Option<Duration>,
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
    /// What must be final before it.
    pub needs: Vec<NodeId>,
    /// Who needs it.
    pub dependents: Vec<NodeId>,
    /// Whether it waits for all or for one of its needs.
    pub join: Join,
    /// Whether it runs at all.
    pub when: Option<Expression>,
    /// Its step.
    pub step: LockedStep,
    /// Proved by the step's imports.
    pub effect_free: bool,
    /// The step's config, as JSON text.
    pub config: Arc<str>,
    /// The step's input, evaluated for each attempt.
    pub input: Template,
    /// What the input must match.
    pub input_schema: Schema,
    /// What the output must match.
    pub output_schema: Schema,
    /// What the operator consented to.
    pub grants: Arc<Grants>,
    /// What follows a failed attempt.
    pub retry: RetryPolicy,
    /// The limits of an attempt; `time_ms` is the node's timeout.
    pub limits: Limits,
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
