//! Which workflows have event triggers: a table in memory, rebuilt when the engine opens.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use stepwell_core::cloud_event::CloudEvent;
use stepwell_core::id::{TenantId, WorkflowName};
use stepwell_core::plan::Plan;

/// The current version of every workflow that has event triggers.
#[derive(Debug, Default)]
pub(crate) struct EventTable(HashMap<TenantId, BTreeMap<WorkflowName, Arc<Plan>>>);

impl EventTable {
    /// Puts a workflow's triggers in place of those that it had.
    pub(crate) fn replace(&mut self, tenant: &TenantId, plan: &Arc<Plan>) {
        let plans = self.0.entry(tenant.clone()).or_default();
        plans.remove(&plan.name);
        if plan.event_triggers().next().is_some() {
            plans.insert(plan.name.clone(), Arc::clone(plan));
        }
    }

    /// The workflows with a trigger for events of this type and source.
    pub(crate) fn interested(&self, tenant: &TenantId, event: &CloudEvent) -> Vec<Arc<Plan>> {
        let plans = self.0.get(tenant).into_iter().flat_map(BTreeMap::values);
        let is_interested = |plan: &&Arc<Plan>| plan.event_triggers().any(|trigger| trigger.is_about(event));
        plans.filter(is_interested).cloned().collect()
    }
}
