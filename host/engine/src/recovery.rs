//! Bringing runs back into memory: after a start, those that had not ended; later, those whose journal failed.
//!
//! Recovery is no special path: it folds the journal, and hands the run to the same loop with the attempts that were in
//! flight. One task does it all, so that no run is brought back twice.

use std::sync::Arc;

use jiff::Timestamp;
use stepwell_core::id::{RunId, TenantId};
use stepwell_core::run::{Entry, Event, RunState};
use tokio::sync::mpsc;

use crate::attempt::Order;
use crate::ledger::Ledger;
use crate::live::LiveRun;
use crate::pauses::Pauses;
use crate::{Engine, EngineError, Phase, Shared, children, drive};

const RUNS_A_PAGE: usize = 256;
const ENTRIES_A_PAGE: usize = 1_000;

/// A run, read back.
pub(crate) struct Folded {
    pub(crate) state: RunState,
    last_at: Timestamp,
}

/// The task: ends when the engine does.
pub(crate) async fn keep(
    engine: Arc<Shared>,
    queued: Vec<(TenantId, RunId)>,
    to_recover: mpsc::UnboundedReceiver<(TenantId, RunId)>,
) {
    let mut phase = engine.phase.subscribe();
    tokio::select! {
        biased;
        () = recover_for_ever(&engine, queued, to_recover) => {}
        _ = phase.wait_for(|phase| *phase != Phase::Open) => {}
    }
}

async fn recover_for_ever(
    engine: &Arc<Shared>,
    queued: Vec<(TenantId, RunId)>,
    mut to_recover: mpsc::UnboundedReceiver<(TenantId, RunId)>,
) {
    recover_unfinished(engine).await;
    for (tenant, run) in recover_all(engine, queued).await {
        engine.strand_id(tenant, run);
    }
    tell_parents(engine).await;
    engine.ready.send_replace(true);
    while let Some(first) = to_recover.recv().await {
        let mut stranded = vec![first];
        let mut pauses = Pauses::new();
        while !stranded.is_empty() {
            pauses.next().await;
            while let Ok(another) = to_recover.try_recv() {
                stranded.push(another);
            }
            if engine.journal.admit().is_ok() {
                stranded = recover_all(engine, stranded).await;
            }
        }
    }
}

/// Every run that had not ended when the engine was opened.
async fn recover_unfinished(engine: &Arc<Shared>) {
    let mut after = None;
    let mut pauses = Pauses::new();
    loop {
        match engine.journal.unfinished(after.clone(), RUNS_A_PAGE).await {
            Ok(page) => {
                let Some(last) = page.last().cloned() else { return };
                for (tenant, run) in recover_all(engine, page).await {
                    engine.strand_id(tenant, run);
                }
                after = Some(last);
            }
            Err(error) => {
                tracing::error!(%error, "the runs that have not ended cannot be listed; trying again");
                pauses.next().await;
            }
        }
    }
}

/// Every parent hears what it has not heard.
async fn tell_parents(engine: &Arc<Shared>) {
    let mut pauses = Pauses::new();
    while let Err(error) = children::tell_all(engine, &TenantId::default()).await {
        tracing::error!(%error, "not every run could be told of the end of its sub-workflow");
        if !is_passing(&error) {
            return;
        }
        pauses.next().await;
    }
}

/// Whether it may go better another time.
pub(crate) fn is_passing(error: &EngineError) -> bool {
    matches!(error, EngineError::Store(error) if !is_damage(error))
}

/// Brings these back; gives those which the store could not give now.
async fn recover_all(engine: &Arc<Shared>, runs: Vec<(TenantId, RunId)>) -> Vec<(TenantId, RunId)> {
    let mut left = Vec::new();
    for (tenant, run) in runs {
        match recover(engine, &tenant, run).await {
            Ok(()) => {}
            Err(error) if is_passing(&error) => {
                tracing::warn!(%run, %error, "a run cannot be recovered now; trying again");
                left.push((tenant, run));
            }
            Err(error) => tracing::error!(%run, %error, "a run cannot be recovered; it is left as it stands"),
        }
    }
    left
}

/// Whether trying again would not help.
fn is_damage(error: &stepwell_store::StoreError) -> bool {
    matches!(error, stepwell_store::StoreError::Corrupt { .. })
}

/// Brings one run back, unless it is in memory already, or never was accepted. One that has ended may have done so without knowing it, where
/// the disk kept what it said it had not: then nobody has told of the end.
async fn recover(engine: &Arc<Shared>, tenant: &TenantId, run: RunId) -> Result<(), EngineError> {
    if load(engine, tenant, run).await?.is_none() {
        children::tell_parent_of(&Engine(Arc::clone(engine)), tenant, run).await?;
        engine.outbox.look();
    }
    Ok(())
}

/// The run in memory, brought back if it was not there. None: it has ended, or never was accepted.
pub(crate) async fn load(
    engine: &Arc<Shared>,
    tenant: &TenantId,
    run: RunId,
) -> Result<Option<Arc<LiveRun>>, EngineError> {
    let _turn = engine.runs.load_turn(run).await;
    if let Some(live) = engine.runs.get(tenant, run) {
        return Ok(Some(live));
    }
    if engine.phase() != Phase::Open {
        return Err(EngineError::ShuttingDown);
    }
    let ledger = reopen(engine, tenant, run).await?;
    let Some(ledger) = ledger.filter(|ledger| ledger.state().outcome().is_none()) else {
        engine.release_place(run);
        return Ok(None);
    };
    Ok(Some(revive(engine, tenant, ledger)))
}

/// The ledger of a run that is not in memory. To be called in the run's turn.
pub(crate) async fn reopen(
    engine: &Shared,
    tenant: &TenantId,
    run: RunId,
) -> Result<Option<Ledger>, EngineError> {
    let Some(Folded { state, last_at }) = read_back(engine, tenant, run).await? else { return Ok(None) };
    let listed = engine.journal.summary(tenant, run).await?.map(|summary| summary.status);
    Ok(Some(Ledger::reopen(tenant.clone(), state, last_at, listed, engine.mint())))
}

/// Brings a run into memory and sets it going.
pub(crate) fn revive(engine: &Arc<Shared>, tenant: &TenantId, ledger: Ledger) -> Arc<LiveRun> {
    let interrupted = ledger.state().in_flight().map(Order::of_interrupted).collect();
    let live = LiveRun::new(tenant.clone(), ledger, Arc::clone(&engine.journal));
    engine.runs.insert(&live);
    engine.meters.runs_recovered.increment(1);
    engine.admit_if_placed(&live);
    drive::spawn(engine, &live, interrupted);
    engine.arrivals.notify_waiters();
    live
}

/// Folds a run's journal. None: there is no such run.
pub(crate) async fn read_back(
    engine: &Shared,
    tenant: &TenantId,
    run: RunId,
) -> Result<Option<Folded>, EngineError> {
    let damaged = |why: String| EngineError::Journal { run, why };
    let mut page = engine.journal.read(tenant, run, 0, ENTRIES_A_PAGE).await?;
    let Some(first) = page.first() else { return Ok(None) };
    let mut state = accept(engine, tenant, run, first).await?;
    let mut last_at = first.at;
    let mut fresh = 1;
    loop {
        for entry in &page[fresh..] {
            state.apply(entry).map_err(|error| damaged(error.to_string()))?;
            last_at = entry.at;
        }
        if page.len() < ENTRIES_A_PAGE {
            return Ok(Some(Folded { state, last_at }));
        }
        page = engine.journal.read(tenant, run, state.next_seq(), ENTRIES_A_PAGE).await?;
        fresh = 0;
    }
}

/// A run as it was accepted, whatever became of it since. None: there is no such run.
pub(crate) async fn read_acceptance(
    engine: &Shared,
    tenant: &TenantId,
    run: RunId,
) -> Result<Option<RunState>, EngineError> {
    match &engine.journal.read(tenant, run, 0, 1).await?[..] {
        [first, ..] => accept(engine, tenant, run, first).await.map(Some),
        [] => Ok(None),
    }
}

/// The state that a run's first entry makes, with the plan that it names.
async fn accept(
    engine: &Shared,
    tenant: &TenantId,
    run: RunId,
    first: &Entry,
) -> Result<RunState, EngineError> {
    let Event::RunAccepted { workflow, version, .. } = &first.event else {
        return Err(EngineError::Journal {
            run,
            why: "it does not start with the run's acceptance".to_owned(),
        });
    };
    let plan = engine.plans.version(tenant, workflow, version, &*engine.catalogue).await?;
    let plan = plan.ok_or_else(|| EngineError::Plan {
        workflow: workflow.clone(),
        version: version.clone(),
        why: "it is not in the catalogue".to_owned(),
    })?;
    RunState::accept(run, plan, first).map_err(|error| EngineError::Journal { run, why: error.to_string() })
}

impl Shared {
    /// Has a run brought back, which has left memory because its journal failed.
    pub(crate) fn strand(&self, run: &LiveRun) {
        self.strand_id(run.tenant.clone(), run.id);
    }

    /// The same of one that is not in memory.
    pub(crate) fn strand_id(&self, tenant: TenantId, run: RunId) {
        // An error means that the engine stops: the run is recovered at the next start.
        let _ = self.stranded.send((tenant, run));
    }
}
