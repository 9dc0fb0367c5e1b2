//! Places of runs whose workflows bound how many are under way at once: who has one, and who waits for one.
//!
//! A run has its place from its admission to its end, whatever it does in between, also out of memory. Places are no durable
//! state of their own: after a start they follow from the runs that have not ended ([`restore`]).
//!
//! ```text
//! start  -> claim -> place: admitted at once
//!                 -> queue: accepted, and stands as `queued`
//!                 -> full: refused
//! end    -> release -> the next in the queue, by priority and then by acceptance, is admitted
//! ```

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex};

use stepwell_core::failure::Failure;
use stepwell_core::id::{RunId, TenantId, WorkflowName};
use stepwell_core::plan::{Concurrency, OnFull};
use stepwell_core::priority::Priority;
use stepwell_core::run::{RunState, RunStatus};
use stepwell_store::{RunQuery, WorkflowSummary};

use crate::live::{LiveRun, lock};
use crate::{EngineError, Shared, StartError, recovery};

const RUNS_A_PAGE: usize = 256;

/// The runs that count together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Group {
    tenant: TenantId,
    workflow: WorkflowName,
    key: String,
}

#[derive(Debug, Default)]
pub(crate) struct Slots(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    groups: HashMap<Group, Places>,
    /// Every run that has a place or waits for one.
    runs: HashMap<RunId, (Group, Priority)>,
    queued: usize,
}

#[derive(Debug, Default)]
struct Places {
    /// As the version says that was started last.
    limit: usize,
    taken: HashSet<RunId>,
    /// The ids of runs are in the order of their acceptance.
    queue: BTreeSet<(Priority, RunId)>,
}

impl Places {
    /// Gives free places to the first in the queue.
    fn fill(&mut self) -> Vec<RunId> {
        let mut admitted = Vec::new();
        while self.taken.len() < self.limit
            && let Some((_, run)) = self.queue.pop_first()
        {
            self.taken.insert(run);
            admitted.push(run);
        }
        admitted
    }
}

/// There is neither a place nor room in the queue.
#[derive(Debug, PartialEq, Eq)]
struct Full;

impl Table {
    /// A new run wants a place; gives the runs that have one now and had none before. A run whose start is tried again has what it has: with
    /// both a place and one in the queue, it would wait for its own end.
    fn claim(
        &mut self,
        group: &Group,
        run: RunId,
        priority: Priority,
        terms: &Concurrency,
    ) -> Result<Vec<RunId>, Full> {
        let is_there = self.runs.contains_key(&run);
        let places = self.groups.entry(group.clone()).or_default();
        places.limit = terms.limit as usize;
        if is_there {
            return Ok(self.fill(group));
        }
        let may_queue = match terms.on_full {
            OnFull::Queue => terms.max_queued as usize,
            OnFull::Reject => 0,
        };
        if places.taken.len() >= places.limit && places.queue.len() >= may_queue {
            return Err(Full);
        }
        places.queue.insert((priority, run));
        self.queued += 1;
        self.runs.insert(run, (group.clone(), priority));
        Ok(self.fill(group))
    }

    /// A run of an earlier life had a place, or waited for one.
    fn restore(&mut self, group: Group, run: RunId, priority: Priority, limit: u32, has_place: bool) {
        let places = self.groups.entry(group.clone()).or_default();
        places.limit = limit as usize;
        if has_place {
            places.taken.insert(run);
        } else {
            places.queue.insert((priority, run));
            self.queued += 1;
        }
        self.runs.insert(run, (group, priority));
    }

    /// A run needs no place any more; gives the runs that have one now and had none before.
    fn release(&mut self, run: RunId) -> Vec<RunId> {
        let Some((group, priority)) = self.runs.remove(&run) else { return Vec::new() };
        let Some(places) = self.groups.get_mut(&group) else { return Vec::new() };
        if !places.taken.remove(&run) && places.queue.remove(&(priority, run)) {
            self.queued -= 1;
        }
        let admitted = self.fill(&group);
        if self.groups.get(&group).is_some_and(|places| places.taken.is_empty() && places.queue.is_empty()) {
            self.groups.remove(&group);
        }
        admitted
    }

    fn fill(&mut self, group: &Group) -> Vec<RunId> {
        let admitted = self.groups.get_mut(group).map(Places::fill).unwrap_or_default();
        self.queued -= admitted.len();
        admitted
    }

    fn has_place(&self, run: RunId) -> bool {
        let places = self.runs.get(&run).and_then(|(group, _)| self.groups.get(group));
        places.is_some_and(|places| places.taken.contains(&run))
    }
}

impl Slots {
    /// How many runs wait for a place.
    pub(crate) fn queued(&self) -> usize {
        lock(&self.0).queued
    }
}

impl Shared {
    /// Finds a new run its place, or one in the queue, if its workflow bounds how many runs are under way.
    pub(crate) fn claim_place(
        self: &Arc<Self>,
        tenant: &TenantId,
        state: &RunState,
    ) -> Result<(), StartError> {
        let (plan, run) = (state.plan(), state.run());
        let Some(terms) = &plan.concurrency else { return Ok(()) };
        let group = group_of(tenant, state).map_err(StartError::ConcurrencyKey)?;
        let claimed = lock(&self.slots.0).claim(&group, run, state.priority(), terms);
        // The run itself is not in memory yet: it is admitted when it is.
        let mut claimed = claimed.map_err(|Full| StartError::Full {
            workflow: plan.name.clone(),
            limit: terms.limit,
            max_queued: (terms.on_full == OnFull::Queue).then_some(terms.max_queued),
        })?;
        claimed.retain(|claimed| *claimed != run);
        self.admit_all(tenant, &claimed);
        Ok(())
    }

    /// A run that came into memory goes on if it has its place.
    pub(crate) fn admit_if_placed(&self, run: &LiveRun) {
        if run.plan.concurrency.is_some() && lock(&self.slots.0).has_place(run.id) {
            let _is_here = admit(run);
        }
    }

    /// A run has ended, or never was: the next has its place, if it had one.
    pub(crate) fn release_place(self: &Arc<Self>, run: RunId) {
        let admitted = lock(&self.slots.0).release(run);
        // One tenant for now: places are kept by tenant all the same.
        self.admit_all(&TenantId::default(), &admitted);
    }

    /// Those that are not in memory are brought back, and go on then.
    fn admit_all(self: &Arc<Self>, tenant: &TenantId, runs: &[RunId]) {
        for run in runs {
            if !self.runs.find(*run).is_some_and(|live| admit(&live)) {
                let (engine, tenant, run) = (Arc::clone(self), tenant.clone(), *run);
                self.tasks.clone().spawn(async move { bring_back(&engine, &tenant, run).await });
            }
        }
    }
}

/// A queued run that has its place and is on its way out of memory, or is not there.
async fn bring_back(engine: &Arc<Shared>, tenant: &TenantId, run: RunId) {
    if let Some(live) = engine.runs.find(run) {
        live.left().await;
    }
    if let Err(error) = recovery::load(engine, tenant, run).await {
        tracing::warn!(%run, %error, "a queued run that has its place cannot be brought back now; trying again");
        engine.strand_id(tenant.clone(), run);
    }
}

/// Whether the run is in memory, and goes on.
fn admit(run: &LiveRun) -> bool {
    run.admit().unwrap_or_else(|error| {
        tracing::error!(run = %run.id, %error, "a queued run cannot be admitted");
        true
    })
}

fn group_of(tenant: &TenantId, state: &RunState) -> Result<Group, Failure> {
    let key = state.concurrency_key().unwrap_or_else(|| Ok(String::new()))?;
    Ok(Group { tenant: tenant.clone(), workflow: state.plan().name.clone(), key })
}

/// Gives the runs of an earlier life the places that they had; gives those that were queued, for they are to come into memory.
pub(crate) async fn restore(engine: &Arc<Shared>) -> Result<Vec<(TenantId, RunId)>, EngineError> {
    let tenant = TenantId::default();
    let mut queued = Vec::new();
    for workflow in engine.catalogue.workflows(&tenant).await? {
        if is_bounded(engine, &tenant, &workflow).await? {
            for status in [RunStatus::Running, RunStatus::Waiting, RunStatus::Paused, RunStatus::Queued] {
                restore_all(engine, &tenant, &workflow.name, status, &mut queued).await?;
            }
        }
    }
    let mut table = lock(&engine.slots.0);
    let groups: Vec<Group> = table.groups.keys().cloned().collect();
    for group in groups {
        table.fill(&group);
    }
    Ok(queued)
}

/// Whether some version of the workflow bounds how many of its runs are under way.
async fn is_bounded(
    engine: &Shared,
    tenant: &TenantId,
    workflow: &WorkflowSummary,
) -> Result<bool, EngineError> {
    for version in &workflow.versions {
        let stored = engine.catalogue.workflow(tenant, &workflow.name, Some(version)).await?;
        if stored.is_some_and(|stored| stored.definition.get("concurrency").is_some()) {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn restore_all(
    engine: &Arc<Shared>,
    tenant: &TenantId,
    workflow: &WorkflowName,
    status: RunStatus,
    queued: &mut Vec<(TenantId, RunId)>,
) -> Result<(), EngineError> {
    let (workflow, status) = (Some(workflow.clone()), Some(status));
    let mut query = RunQuery { workflow, status, limit: RUNS_A_PAGE, cursor: None };
    loop {
        let page = engine.journal.list(tenant, query.clone()).await?;
        for run in page.runs {
            match restore_one(engine, tenant, run.id, queued).await {
                Ok(()) => {}
                // Without its place it would wait for ever, or others would have too many.
                Err(error) if recovery::is_passing(&error) => return Err(error),
                Err(error) => {
                    tracing::error!(run = %run.id, %error, "a run cannot be read back; it keeps no place");
                }
            }
        }
        query.cursor = page.next;
        if query.cursor.is_none() {
            return Ok(());
        }
    }
}

async fn restore_one(
    engine: &Arc<Shared>,
    tenant: &TenantId,
    run: RunId,
    queued: &mut Vec<(TenantId, RunId)>,
) -> Result<(), EngineError> {
    let Some(state) = recovery::read_acceptance(engine, tenant, run).await? else { return Ok(()) };
    let summary = engine.journal.summary(tenant, run).await?;
    let Some(terms) = &state.plan().concurrency else { return Ok(()) };
    let group =
        group_of(tenant, &state).map_err(|failure| EngineError::Journal { run, why: failure.to_string() })?;
    let is_queued = summary.is_some_and(|summary| summary.status == RunStatus::Queued);
    lock(&engine.slots.0).restore(group, run, state.priority(), terms.limit, !is_queued);
    if is_queued {
        queued.push((tenant.clone(), run));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
