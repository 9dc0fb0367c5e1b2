//! What a definition is compiled against: the catalogue as it is now, when it is applied; its own lock, ever after.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use semver::{Version, VersionReq};
use stepwell_core::grant::Grants;
use stepwell_core::id::{StepName, WorkflowName};
use stepwell_core::limits::Limits;
use stepwell_core::manifest::PublishedStep;
use stepwell_core::mistake::Mistake;
use stepwell_core::plan::{
    LockSlot, LockedWorkflow, PublishedWorkflow, Resolution, Surroundings, WorkflowResolution,
};
use stepwell_core::schema::Schema;

use crate::steps::Shelf;

/// A workflow with its versions.
pub(crate) struct AppliedWorkflow {
    /// The one that new runs get.
    pub(crate) current: Version,
    pub(crate) versions: BTreeMap<Version, PublishedWorkflow>,
}

/// A definition that is applied meets what is published and allowed now.
pub(crate) struct Present<'a> {
    pub(crate) shelf: &'a Shelf,
    /// Every workflow that the definition may run.
    pub(crate) workflows: HashMap<WorkflowName, AppliedWorkflow>,
    pub(crate) ceiling: Limits,
}

impl Surroundings for Present<'_> {
    fn resolve(&self, _slot: &LockSlot, name: &StepName, range: &VersionReq) -> Resolution {
        self.shelf.resolve(name, range)
    }

    fn resolve_workflow(
        &self,
        _slot: &LockSlot,
        name: &WorkflowName,
        range: &VersionReq,
    ) -> WorkflowResolution {
        let Some(AppliedWorkflow { current, versions }) = self.workflows.get(name) else {
            return WorkflowResolution::Missing(Vec::new());
        };
        // What new runs get counts first: a newer version may be a canary, or one that was gone back from.
        let wanted = Some(current).filter(|current| range.matches(current));
        let wanted = wanted.or_else(|| versions.keys().rev().find(|version| range.matches(version)));
        match wanted.and_then(|version| versions.get(version)) {
            Some(found) => WorkflowResolution::Found(Box::new(found.clone())),
            None => WorkflowResolution::Missing(versions.keys().cloned().collect()),
        }
    }

    fn check_grants(&self, grants: &Grants) -> Vec<Mistake> {
        stepwell_sandbox::check_grants(grants)
    }

    fn ceiling(&self) -> Limits {
        self.ceiling
    }
}

/// A definition that was applied keeps the steps that it was given then. What was accepted then is not judged again
/// here: what the operator allows now, the sandbox holds each attempt to.
pub(crate) struct Pinned {
    pub(crate) steps: HashMap<LockSlot, Arc<PublishedStep>>,
    pub(crate) workflows: HashMap<LockSlot, LockedWorkflow>,
}

impl Surroundings for Pinned {
    fn resolve_workflow(
        &self,
        slot: &LockSlot,
        _name: &WorkflowName,
        _range: &VersionReq,
    ) -> WorkflowResolution {
        match self.workflows.get(slot) {
            Some(locked) => WorkflowResolution::Found(Box::new(PublishedWorkflow {
                locked: locked.clone(),
                input: Schema::any(),
                reaches: BTreeMap::new(),
            })),
            None => WorkflowResolution::Missing(Vec::new()),
        }
    }

    fn resolve(&self, slot: &LockSlot, _name: &StepName, _range: &VersionReq) -> Resolution {
        match self.steps.get(slot) {
            Some(step) => Resolution::Found(Arc::clone(step)),
            None => Resolution::Missing(Vec::new()),
        }
    }

    fn check_grants(&self, _grants: &Grants) -> Vec<Mistake> {
        Vec::new()
    }

    fn ceiling(&self) -> Limits {
        Limits::unbounded()
    }
}
