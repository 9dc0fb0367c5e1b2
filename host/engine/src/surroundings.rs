//! What a definition is compiled against: the catalogue as it is now, when it is applied; its own lock, ever after.

use std::collections::HashMap;
use std::sync::Arc;

use semver::VersionReq;
use stepwell_core::grant::Grants;
use stepwell_core::id::{NodeId, StepName};
use stepwell_core::limits::Limits;
use stepwell_core::manifest::PublishedStep;
use stepwell_core::mistake::Mistake;
use stepwell_core::plan::{Resolution, Surroundings};

use crate::steps::Shelf;

/// A definition that is applied meets what is published and allowed now.
pub(crate) struct Present<'a> {
    pub(crate) shelf: &'a Shelf,
    pub(crate) ceiling: Limits,
}

impl Surroundings for Present<'_> {
    fn resolve(&self, _node: &NodeId, name: &StepName, range: &VersionReq) -> Resolution {
        self.shelf.resolve(name, range)
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
    pub(crate) steps: HashMap<NodeId, Arc<PublishedStep>>,
}

impl Surroundings for Pinned {
    fn resolve(&self, node: &NodeId, _name: &StepName, _range: &VersionReq) -> Resolution {
        match self.steps.get(node) {
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
