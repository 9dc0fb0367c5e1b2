//! What a definition's ranges were resolved to when it was applied. It is kept with the version, and counts ever after.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;

use semver::Version;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::id::{NodeId, StepName, WorkflowName};

/// What each range of a definition was resolved to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(transparent)]
pub struct Lock(pub BTreeMap<LockSlot, Locked>);

/// Where in a definition a range stands: `classify`, `classify/fallback/0`, `charge/compensate`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(transparent)]
pub struct LockSlot(String);

impl LockSlot {
    /// A node's own `step` or `workflow`.
    #[must_use]
    pub fn node(node: &NodeId) -> Self {
        Self(node.to_string())
    }

    /// A node's fallback, counted from 0.
    #[must_use]
    pub fn fallback(node: &NodeId, index: usize) -> Self {
        Self(format!("{node}/fallback/{index}"))
    }

    /// The step that undoes what a node did.
    #[must_use]
    pub fn compensation(node: &NodeId) -> Self {
        Self(format!("{node}/compensate"))
    }
}

impl fmt::Display for LockSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for LockSlot {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// What a range was resolved to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum Locked {
    /// A step.
    Step(LockedStep),
    /// A workflow.
    Workflow(LockedWorkflow),
}

impl Locked {
    /// The step, if it is one.
    #[must_use]
    pub fn step(&self) -> Option<&LockedStep> {
        match self {
            Self::Step(step) => Some(step),
            Self::Workflow(_) => None,
        }
    }

    /// The workflow, if it is one.
    #[must_use]
    pub fn workflow(&self) -> Option<&LockedWorkflow> {
        match self {
            Self::Step(_) => None,
            Self::Workflow(workflow) => Some(workflow),
        }
    }
}

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

/// One workflow, pinned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LockedWorkflow {
    /// Its name.
    pub workflow: WorkflowName,
    /// Its version.
    #[schema(value_type = String)]
    pub version: Version,
    /// Its definition's digest.
    pub digest: Digest,
}
