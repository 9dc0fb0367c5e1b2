//! The plans of applied workflows, compiled once from the stored definition and its lock, and shared by all runs.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use semver::Version;
use stepwell_core::id::{TenantId, WorkflowName};
use stepwell_core::plan::{self, Locked, Plan};
use stepwell_store::{Catalogue, WorkflowVersion};

use crate::error::EngineError;
use crate::live::lock;
use crate::surroundings::Pinned;

/// So many versions of one workflow stay in memory though no run uses them.
const IDLE_VERSIONS: usize = 16;

#[derive(Default)]
pub(crate) struct Plans(Mutex<HashMap<(TenantId, WorkflowName), Versions>>);

#[derive(Default)]
struct Versions {
    current: Option<Arc<Plan>>,
    all: BTreeMap<Version, Arc<Plan>>,
}

impl Plans {
    /// The version that new runs get.
    pub(crate) async fn current(
        &self,
        tenant: &TenantId,
        name: &WorkflowName,
        catalogue: &dyn Catalogue,
    ) -> Result<Option<Arc<Plan>>, EngineError> {
        let key = (tenant.clone(), name.clone());
        if let Some(plan) = lock(&self.0).get(&key).and_then(|versions| versions.current.clone()) {
            return Ok(Some(plan));
        }
        let Some(stored) = catalogue.workflow(tenant, name, None).await? else { return Ok(None) };
        let plan = load(tenant, &stored, catalogue).await?;
        let mut plans = lock(&self.0);
        let versions = plans.entry(key).or_default();
        // A version that was applied while this one was read is the newer one.
        Ok(Some(Arc::clone(versions.current.get_or_insert(plan))))
    }

    /// One version.
    pub(crate) async fn version(
        &self,
        tenant: &TenantId,
        name: &WorkflowName,
        version: &Version,
        catalogue: &dyn Catalogue,
    ) -> Result<Option<Arc<Plan>>, EngineError> {
        let key = (tenant.clone(), name.clone());
        if let Some(plan) = lock(&self.0).get(&key).and_then(|versions| versions.get(version)) {
            return Ok(Some(plan));
        }
        let Some(stored) = catalogue.workflow(tenant, name, Some(version)).await? else { return Ok(None) };
        let plan = load(tenant, &stored, catalogue).await?;
        lock(&self.0).entry(key).or_default().keep(Arc::clone(&plan));
        Ok(Some(plan))
    }

    /// A version was applied: new runs get it.
    pub(crate) fn applied(&self, tenant: &TenantId, plan: Arc<Plan>) {
        let mut plans = lock(&self.0);
        let versions = plans.entry((tenant.clone(), plan.name.clone())).or_default();
        versions.keep(Arc::clone(&plan));
        versions.current = Some(plan);
    }
}

impl Versions {
    fn get(&self, version: &Version) -> Option<Arc<Plan>> {
        let current = self.current.as_ref().filter(|plan| plan.version == *version);
        current.or_else(|| self.all.get(version)).cloned()
    }

    fn keep(&mut self, plan: Arc<Plan>) {
        if self.all.len() >= IDLE_VERSIONS {
            self.all.retain(|_, plan| Arc::strong_count(plan) > 1);
        }
        self.all.insert(plan.version.clone(), plan);
    }
}

/// Compiles a stored version with the steps that its lock names.
pub(crate) async fn load(
    tenant: &TenantId,
    stored: &WorkflowVersion,
    catalogue: &dyn Catalogue,
) -> Result<Arc<Plan>, EngineError> {
    let cannot =
        |why| EngineError::Plan { workflow: stored.name.clone(), version: stored.version.clone(), why };
    let mut steps = HashMap::new();
    let mut workflows = HashMap::new();
    for (slot, locked) in &stored.lock.0 {
        match locked {
            Locked::Workflow(locked) => _ = workflows.insert(slot.clone(), locked.clone()),
            Locked::Step(locked) => {
                let step = catalogue.step(tenant, &locked.name, &locked.version).await?;
                let step = step.filter(|step| step.digest == locked.digest).ok_or_else(|| {
                    cannot(format!(
                        "its step {}@{} ({}) is not in the catalogue",
                        locked.name, locked.version, locked.digest
                    ))
                })?;
                steps.insert(slot.clone(), Arc::new(step));
            }
        }
    }
    let plan = plan::compile(&stored.definition, &Pinned { steps, workflows }).map_err(|mistakes| {
        let mistakes: Vec<_> = mistakes.iter().map(|it| format!("{}: {}", it.pointer, it.message)).collect();
        cannot(mistakes.join("; "))
    })?;
    Ok(Arc::new(plan))
}
