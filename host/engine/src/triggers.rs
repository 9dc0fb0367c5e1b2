//! What starts runs beside the API follows the current version of each workflow: hooks, schedules and events, replaced together.

use std::sync::{Arc, PoisonError};

use jiff::Timestamp;
use stepwell_core::id::TenantId;
use stepwell_core::plan::Plan;
use stepwell_store::StoreError;

use crate::{Engine, EngineError};

impl Engine {
    /// Puts a version's triggers in place of those of the version before. Where its schedules stand is on disk when this returns.
    pub(crate) async fn adopt_triggers(&self, tenant: &TenantId, plan: &Arc<Plan>) -> Result<(), StoreError> {
        self.show_triggers(tenant, plan);
        self.0.schedules.replace(&*self.0.journal, tenant, plan, Timestamp::now()).await
    }

    /// Takes up the triggers of every workflow's current version, and their plans with them. A workflow that cannot be loaded is
    /// logged and has no triggers: the others go on.
    pub(crate) async fn load_triggers(&self) -> Result<(), EngineError> {
        let tenant = TenantId::default();
        for workflow in self.0.catalogue.workflows(&tenant).await? {
            match self.0.plans.current(&tenant, &workflow.name, &*self.0.catalogue).await {
                Ok(Some(plan)) => {
                    self.show_triggers(&tenant, &plan);
                    self.0.schedules.resume(&*self.0.journal, &tenant, &plan, Timestamp::now()).await?;
                }
                Ok(None) => {}
                Err(error) => tracing::error!(workflow = %workflow.name, %error, "a workflow cannot be run"),
            }
        }
        Ok(())
    }

    fn show_triggers(&self, tenant: &TenantId, plan: &Arc<Plan>) {
        self.0.hooks.write().unwrap_or_else(PoisonError::into_inner).replace(tenant, plan);
        self.0.events.write().unwrap_or_else(PoisonError::into_inner).replace(tenant, plan);
    }
}
