//! The plans of applied workflows, compiled once from the stored definition and its lock, and shared by all runs; and which
//! of them a new run gets.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use semver::Version;
use stepwell_core::id::{RunId, TenantId, WorkflowName};
use stepwell_core::plan::{self, Locked, Plan};
use stepwell_core::split::{Chosen, Percent, Split};
use stepwell_store::{Canary, Catalogue, WorkflowVersion};

use crate::error::EngineError;
use crate::live::lock;
use crate::surroundings::Pinned;

/// So many versions of one workflow stay in memory though no run uses them.
const IDLE_VERSIONS: usize = 16;

#[derive(Default)]
pub(crate) struct Plans(Mutex<HashMap<(TenantId, WorkflowName), Versions>>);

#[derive(Default)]
struct Versions {
    rollout: Option<Rollout>,
    all: BTreeMap<Version, Arc<Plan>>,
}

/// What runs get that name no version.
struct Rollout {
    current: Arc<Plan>,
    canary: Option<(Arc<Plan>, Percent)>,
}

/// What a run gets.
pub(crate) struct Choice {
    pub(crate) plan: Arc<Plan>,
    /// What it was chosen from, if it was chosen.
    pub(crate) split: Option<Split>,
}

impl Plans {
    /// The version that new runs get, but for the share of a canary.
    pub(crate) async fn current(
        &self,
        tenant: &TenantId,
        name: &WorkflowName,
        catalogue: &dyn Catalogue,
    ) -> Result<Option<Arc<Plan>>, EngineError> {
        self.ask(tenant, name, catalogue, |rollout| Arc::clone(&rollout.current)).await
    }

    /// The version that this new run gets.
    pub(crate) async fn for_run(
        &self,
        tenant: &TenantId,
        name: &WorkflowName,
        run: RunId,
        catalogue: &dyn Catalogue,
    ) -> Result<Option<Choice>, EngineError> {
        self.ask(tenant, name, catalogue, |rollout| rollout.choose(run)).await
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
        if let Some(plan) = lock(&self.0).get(&key).and_then(|versions| versions.all.get(version)) {
            return Ok(Some(Arc::clone(plan)));
        }
        let Some(stored) = catalogue.workflow(tenant, name, Some(version)).await? else { return Ok(None) };
        let plan = load(tenant, &stored, catalogue).await?;
        self.keep(tenant, Arc::clone(&plan));
        Ok(Some(plan))
    }

    /// Spares a version that was just compiled from being compiled again.
    pub(crate) fn keep(&self, tenant: &TenantId, plan: Arc<Plan>) {
        lock(&self.0).entry((tenant.clone(), plan.name.clone())).or_default().keep(plan);
    }

    /// From now on new runs get what the catalogue says now. Gives the current version.
    pub(crate) async fn refresh(
        &self,
        tenant: &TenantId,
        name: &WorkflowName,
        catalogue: &dyn Catalogue,
    ) -> Result<Option<Arc<Plan>>, EngineError> {
        let read = self.read(tenant, name, catalogue).await;
        let (rollout, result) = match read {
            Ok(rollout) => {
                let current = rollout.as_ref().map(|rollout| Arc::clone(&rollout.current));
                (rollout, Ok(current))
            }
            // What was known is not so any more: the next run reads it.
            Err(error) => (None, Err(error)),
        };
        lock(&self.0).entry((tenant.clone(), name.clone())).or_default().rollout = rollout;
        result
    }

    /// Asks what new runs get, which is read once.
    async fn ask<T>(
        &self,
        tenant: &TenantId,
        name: &WorkflowName,
        catalogue: &dyn Catalogue,
        question: impl Fn(&Rollout) -> T,
    ) -> Result<Option<T>, EngineError> {
        let key = (tenant.clone(), name.clone());
        if let Some(rollout) = lock(&self.0).get(&key).and_then(|versions| versions.rollout.as_ref()) {
            return Ok(Some(question(rollout)));
        }
        let Some(read) = self.read(tenant, name, catalogue).await? else { return Ok(None) };
        let mut plans = lock(&self.0);
        // What was released while this was read is newer.
        Ok(Some(question(plans.entry(key).or_default().rollout.get_or_insert(read))))
    }

    async fn read(
        &self,
        tenant: &TenantId,
        name: &WorkflowName,
        catalogue: &dyn Catalogue,
    ) -> Result<Option<Rollout>, EngineError> {
        let Some(summary) = catalogue.workflow_summary(tenant, name).await? else { return Ok(None) };
        let current = self.version(tenant, name, &summary.current, catalogue).await?;
        let current = current.ok_or_else(|| missing(name, &summary.current))?;
        let canary = match &summary.canary {
            Some(canary) => self.read_canary(tenant, name, canary, catalogue).await?,
            None => None,
        };
        Ok(Some(Rollout { current, canary }))
    }

    /// A canary that cannot be run is logged and gets no runs: the current version goes on.
    async fn read_canary(
        &self,
        tenant: &TenantId,
        name: &WorkflowName,
        canary: &Canary,
        catalogue: &dyn Catalogue,
    ) -> Result<Option<(Arc<Plan>, Percent)>, EngineError> {
        let plan = self.version(tenant, name, &canary.version, catalogue).await;
        match plan.and_then(|plan| plan.ok_or_else(|| missing(name, &canary.version))) {
            Ok(plan) => Ok(Some((plan, canary.percent))),
            Err(error @ EngineError::Plan { .. }) => {
                tracing::error!(%error, "the canary cannot be run: every new run gets the current version");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

impl Rollout {
    fn choose(&self, run: RunId) -> Choice {
        let Some((canary, percent)) = &self.canary else {
            return Choice { plan: Arc::clone(&self.current), split: None };
        };
        let (plan, chosen) = match percent.takes(run) {
            true => (canary, Chosen::Canary),
            false => (&self.current, Chosen::Current),
        };
        let split = Split { canary: canary.version.clone(), percent: *percent, chosen };
        Choice { plan: Arc::clone(plan), split: Some(split) }
    }
}

impl Versions {
    fn keep(&mut self, plan: Arc<Plan>) {
        if self.all.len() >= IDLE_VERSIONS {
            self.all.retain(|_, plan| Arc::strong_count(plan) > 1);
        }
        self.all.insert(plan.version.clone(), plan);
    }
}

/// The catalogue names a version that it does not have.
pub(crate) fn missing(name: &WorkflowName, version: &Version) -> EngineError {
    EngineError::Plan {
        workflow: name.clone(),
        version: version.clone(),
        why: "the catalogue says that it has this version, and does not give it".to_owned(),
    }
}

/// Compiles a stored version with the steps that its lock names.
async fn load(
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
    let plan = plan::restore(&stored.definition, &Pinned { steps, workflows }).map_err(|mistakes| {
        let mistakes: Vec<_> = mistakes.iter().map(|it| format!("{}: {}", it.pointer, it.message)).collect();
        cannot(mistakes.join("; "))
    })?;
    Ok(Arc::new(plan))
}
