//! Applying a workflow: the definition is checked against what is published now, kept with its lock, and becomes what
//! new runs get.

use std::sync::{Arc, PoisonError};

use jiff::Timestamp;
use serde_json::Value;
use stepwell_core::definition::digest_of;
use stepwell_core::id::{TenantId, WorkflowName};
use stepwell_core::mistake::Mistake;
use stepwell_core::plan::{self, Plan};
use stepwell_store::{StoreError, WorkflowVersion};

use crate::hooks::HookLookup;
use crate::surroundings::Present;
use crate::{ApplyError, Engine, EngineError, plans, subworkflows};

/// A workflow that was applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// As the catalogue keeps it.
    pub version: WorkflowVersion,
    /// `false`: the same definition was applied before, and is the current one (again).
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
        let _turn = self.0.applying.lock().await;
        let plan = self.check(tenant, name, &definition).await?;
        let offered = WorkflowVersion {
            name: plan.name.clone(),
            version: plan.version.clone(),
            digest: digest_of(&definition),
            definition,
            lock: plan.lock.clone(),
            applied_at: Timestamp::now(),
        };
        let kept = self.0.catalogue.put_workflow(tenant, &offered).await;
        let created = kept.map_err(|error| match error {
            StoreError::Conflict(message) => ApplyError::Conflict(message),
            other => ApplyError::Store(other),
        })?;
        let (version, plan) =
            if created { (offered, Arc::new(plan)) } else { self.kept_before(tenant, &plan).await? };
        self.0.plans.applied(tenant, Arc::clone(&plan));
        self.adopt_triggers(tenant, &plan).await.map_err(ApplyError::Store)?;
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
    async fn kept_before(
        &self,
        tenant: &TenantId,
        plan: &Plan,
    ) -> Result<(WorkflowVersion, Arc<Plan>), EngineError> {
        let catalogue = &*self.0.catalogue;
        let stored = catalogue.workflow(tenant, &plan.name, Some(&plan.version)).await?;
        let stored = stored.ok_or_else(|| EngineError::Plan {
            workflow: plan.name.clone(),
            version: plan.version.clone(),
            why: "the catalogue says that it has this version, and does not give it".to_owned(),
        })?;
        let plan = plans::load(tenant, &stored, catalogue).await?;
        Ok((stored, plan))
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
