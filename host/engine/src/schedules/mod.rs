//! Cron triggers: the schedules of every workflow's current version, and the task that starts what they ask for.
//!
//! Which fires are due is decided by core, from where a schedule stands and what the time is. Where it stands is a mark in the
//! journal, which changes in one step with the acceptance of the run that a fire started: no fire starts two runs. The task looks at the
//! clock every second at least, because clocks jump.

mod fire;
mod position;
mod task;

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use stepwell_core::id::{TenantId, WorkflowName};
use stepwell_core::plan::{CronTrigger, Plan};
use stepwell_store::{Journal, MarkChange, StoreError};
use tokio::sync::{Mutex, Notify};

use self::position::Position;

pub(crate) use self::task::keep;

/// Every cron trigger, by its workflow.
#[derive(Default)]
pub(crate) struct Schedules {
    table: Mutex<HashMap<(TenantId, WorkflowName), Vec<Scheduled>>>,
    /// Wakes the task: there are other schedules now.
    changed: Notify,
}

/// One cron trigger.
struct Scheduled {
    tenant: TenantId,
    workflow: WorkflowName,
    /// Its place among the workflow's triggers.
    index: usize,
    trigger: Arc<CronTrigger>,
    position: Position,
    /// When there is something to do next.
    wake_at: Option<Timestamp>,
    /// A fire could not be started yet; that was logged.
    stuck: bool,
}

impl Schedules {
    /// Puts a workflow's schedules in place of those that it had. One that is the same at the same place goes on where it stood; another
    /// one counts from now.
    pub(crate) async fn replace(
        &self,
        journal: &dyn Journal,
        tenant: &TenantId,
        plan: &Plan,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut table = self.table.lock().await;
        let mut before = table.remove(&(tenant.clone(), plan.name.clone())).unwrap_or_default();
        let mut changes = Vec::new();
        let mut schedules = Vec::new();
        for (index, trigger) in plan.cron_triggers() {
            let found = before.iter().position(|scheduled| scheduled.index == index);
            let stood = found
                .map(|at| before.swap_remove(at))
                .filter(|it| it.trigger.timetable.schedule == trigger.timetable.schedule);
            let is_new = stood.is_none();
            let position = stood.map_or_else(|| Position::starting(now), |before| before.position);
            let scheduled = Scheduled::new(tenant, &plan.name, index, trigger, position);
            changes.extend(is_new.then(|| MarkChange::Put(scheduled.mark())));
            schedules.push(scheduled);
        }
        changes.extend(before.iter().map(Scheduled::removed));
        if !schedules.is_empty() {
            table.insert((tenant.clone(), plan.name.clone()), schedules);
        }
        drop(table);
        self.changed.notify_one();
        if changes.is_empty() { Ok(()) } else { journal.note(tenant, changes).durable().await }
    }

    /// Takes up a workflow's schedules where they stood when the engine was last open.
    pub(crate) async fn resume(
        &self,
        journal: &dyn Journal,
        tenant: &TenantId,
        plan: &Plan,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut schedules = Vec::new();
        for (index, trigger) in plan.cron_triggers() {
            let position = position::read(journal, tenant, &plan.name, index, trigger).await?;
            let position = position.unwrap_or_else(|| Position::starting(now));
            schedules.push(Scheduled::new(tenant, &plan.name, index, trigger, position));
        }
        if !schedules.is_empty() {
            self.table.lock().await.insert((tenant.clone(), plan.name.clone()), schedules);
        }
        Ok(())
    }
}

impl Scheduled {
    fn new(
        tenant: &TenantId,
        workflow: &WorkflowName,
        index: usize,
        trigger: &CronTrigger,
        position: Position,
    ) -> Self {
        let wake_at = trigger.timetable.next_start(workflow, position.at);
        Self {
            tenant: tenant.clone(),
            workflow: workflow.clone(),
            index,
            trigger: Arc::new(trigger.clone()),
            position,
            wake_at,
            stuck: false,
        }
    }
}
