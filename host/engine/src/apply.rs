//! Applying a workflow: the definition is checked against what is published now, kept with its lock, and becomes what
//! new runs get, or some of them.

use std::sync::{Arc, PoisonError};

use jiff::Timestamp;
use serde_json::Value;
use stepwell_core::definition::digest_of;
use stepwell_core::id::{TenantId, WorkflowName};
use stepwell_core::mistake::Mistake;
use stepwell_core::plan::{self, Plan};
use stepwell_core::split::Percent;
use stepwell_store::{Reason, Release, StoreError, WorkflowVersion};

use crate::hooks::HookLookup;
use crate::surroundings::Present;
use crate::{ApplyError, Engine, EngineError, blobs, plans, subworkflows};

/// A workflow that was applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// As the catalogue keeps it.
    pub version: WorkflowVersion,
    /// `false`: the same definition was applied before, and is the current one or the canary (again).
    pub created: bool,
}

impl Engine {
    /// Applies a definition under this name: checks it whole, keeps it and makes it the version that new runs get.
    pub async fn apply_workflow(
        &self,
        tenant: &TenantId,
        name: &WorkflowName,
        definition: Value,
    ) -> Result<Applied, ApplyError> {
        self.apply_as(tenant, name, definition, Release::Current(Reason::Applied)).await
    }

    /// Applies a definition under this name as the canary: checks it whole, keeps it and gives it a share of new runs.
    pub async fn apply_canary(
        &self,
        tenant: &TenantId,
        name: &WorkflowName,
        definition: Value,
        percent: Percent,
    ) -> Result<Applied, ApplyError> {
        self.apply_as(tenant, name, definition, Release::Canary(percent)).await
    }

    async fn apply_as(
        &self,
        tenant: &TenantId,
        name: &WorkflowName,
        definition: Value,
        release: Release,
    ) -> Result<Applied, ApplyError> {
        let (tenant, name) = (tenant.clone(), name.clone());
        self.release_alone(
            move |engine| async move { engine.apply(&tenant, &name, definition, release).await },
        )
        .await
    }

    async fn apply(
        &self,
        tenant: &TenantId,
        name: &WorkflowName,
        definition: Value,
        release: Release,
    ) -> Result<Applied, ApplyError> {
        let plan = self.check(tenant, name, &definition).await?;
        if matches!(release, Release::Canary(_)) {
            self.check_canary(tenant, name, &plan.version).await?;
        }
        let offered = WorkflowVersion {
            name: plan.name.clone(),
            version: plan.version.clone(),
            digest: digest_of(&definition),
            definition,
            lock: plan.lock.clone(),
            applied_at: Timestamp::now(),
        };
        // Before the version is kept: a blob that it names must not go meanwhile.
        let uses = blobs::of_version(&plan.name, &plan.version, &offered.definition);
        if !uses.is_empty() {
            self.0.journal.note(tenant, uses).durable().await.map_err(ApplyError::Store)?;
        }
        let kept = self.0.catalogue.put_workflow(tenant, &offered, release).await;
        let created = kept.map_err(|error| match error {
            StoreError::Conflict(message) => ApplyError::Conflict(message),
            other => ApplyError::Store(other),
        })?;
        let version = if created {
            self.0.plans.keep(tenant, Arc::new(plan));
            offered
        } else {
            self.kept_before(tenant, &plan).await?
        };
        self.take_effect(tenant, name).await?;
        Ok(Applied { version, created })
    }

    /// Which workflow's HTTP trigger answers. `path` is what stands below `/hooks`, with its leading `/`.
    #[must_use]
    pub fn find_hook(&self, path: &str, method: &str) -> HookLookup {
        self.0.hooks.read().unwrap_or_else(PoisonError::into_inner).find(path, method)
    }

    /// The plan, or every mistake: those of the definition itself, and those it has in this place.
    async fn check(
        &self,
        tenant: &TenantId,
        name: &WorkflowName,
        definition: &Value,
    ) -> Result<Plan, ApplyError> {
        let shelf = self.0.steps.of(tenant, &*self.0.catalogue).await.map_err(ApplyError::Store)?;
        let workflows = subworkflows::published(tenant, definition, &*self.0.catalogue).await?;
        let present = Present { shelf: &shelf, workflows, ceiling: self.0.config.ceiling };
        let mut out_of_place = misnamed(name, definition);
        let missing = self.0.check_blobs_of_definition(tenant, definition).await;
        out_of_place.extend(missing.map_err(|fault| ApplyError::Store(fault.into()))?);
        let hooks = self.0.hooks.read().unwrap_or_else(PoisonError::into_inner);
        out_of_place.extend(hooks.mistakes(tenant, name, definition));
        drop(hooks);
        match plan::compile(definition, &present) {
            Ok(plan) if out_of_place.is_empty() => Ok(plan),
            Ok(_) => Err(ApplyError::Mistakes(out_of_place)),
            Err(mut mistakes) => {
                mistakes.append(&mut out_of_place);
                mistakes.sort();
                Err(ApplyError::Mistakes(mistakes))
            }
        }
    }

    /// The version as it was kept when the same definition was applied first: its lock is the one that counts.
    async fn kept_before(&self, tenant: &TenantId, plan: &Plan) -> Result<WorkflowVersion, EngineError> {
        let stored = self.0.catalogue.workflow(tenant, &plan.name, Some(&plan.version)).await?;
        stored.ok_or_else(|| plans::missing(&plan.name, &plan.version))
    }
}

/// A definition that bears another name than the one it is applied under.
fn misnamed(name: &WorkflowName, definition: &Value) -> Vec<Mistake> {
    match definition.get("name").and_then(Value::as_str) {
        Some(given) if given != name.as_str() => vec![Mistake {
            pointer: "/name".to_owned(),
            code: "other-name".to_owned(),
            message: format!("the definition is named `{given}`, and is applied as `{name}`"),
            help: Some("use the same name in both places".to_owned()),
        }],
        _ => Vec::new(),
    }
}
