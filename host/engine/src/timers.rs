//! Runs that wait for a time and are not in memory: brought back when it has come. However many there are, they cost one task.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use jiff::{SignedDuration, Timestamp};
use stepwell_core::id::{RunId, TenantId};
use stepwell_store::{Mark, MarkKind, StoreError};
use tokio::sync::Notify;

use crate::clock::kept::Told;
use crate::{Phase, Shared, clock, recovery};

/// So many runs are brought back at a time.
const A_PAGE: usize = 512;
/// So many of them at once.
const AT_ONCE: usize = 32;
/// A run that cannot be brought back is tried again after so long.
const TRY_AGAIN: SignedDuration = SignedDuration::from_secs(30);
/// The journal is read again so soon when it could not be read.
const TRY_SOON: Duration = Duration::from_millis(500);
/// The journal is looked at again so soon when nothing in it could be done.
const PAUSE: Duration = Duration::from_millis(20);

/// Wakes the task that brings runs back.
#[derive(Default)]
pub(crate) struct Timers(Notify);

impl Timers {
    /// A run has left memory, maybe for a shorter time than all others.
    pub(crate) fn look(&self) {
        self.0.notify_one();
    }
}

/// The task: ends when the engine does.
pub(crate) async fn keep(engine: Arc<Shared>) {
    let mut phase = engine.phase.subscribe();
    tokio::select! {
        biased;
        () = ring_for_ever(&engine) => {}
        _ = phase.wait_for(|phase| *phase != Phase::Open) => {}
    }
}

async fn ring_for_ever(engine: &Arc<Shared>) {
    let mut told = Told::nothing();
    loop {
        let pause = match ring(engine, &mut told).await {
            Ok(pause) => pause,
            Err(error) => {
                tracing::error!(%error, "the timers cannot be read; trying again");
                TRY_SOON
            }
        };
        tokio::select! {
            biased;
            () = tokio::time::sleep(pause) => {}
            () = engine.timers.0.notified() => {}
        }
    }
}

/// Brings back what is due; gives how long there is nothing to do.
async fn ring(engine: &Arc<Shared>, told: &mut Told) -> Result<Duration, StoreError> {
    loop {
        let due = engine.journal.due(MarkKind::Timer, clock::now(), A_PAGE).await?;
        if due.is_empty() {
            break;
        }
        let count = due.len();
        let brought = stream::iter(due).map(|(tenant, mark)| bring_back(Arc::clone(engine), tenant, mark));
        let news = brought
            .buffer_unordered(AT_ONCE)
            .fold(false, |news, brought| std::future::ready(news || brought))
            .await;
        // Their timers go with what they record next.
        if !news || count < A_PAGE {
            return Ok(PAUSE);
        }
    }
    let check = engine.config.clock_check;
    let Some(next) = engine.journal.next_due(MarkKind::Timer).await? else { return Ok(check) };
    // Somebody waits for a time: the next life is to know how late it was.
    told.tell(&*engine.journal);
    Ok(clock::until(next).min(check))
}

/// Whether the run came into memory now.
async fn bring_back(engine: Arc<Shared>, tenant: TenantId, mark: Mark) -> bool {
    let Some(run) = mark.run else { return false };
    if engine.runs.contains(run) {
        return false;
    }
    match recovery::load(&engine, &tenant, run).await {
        Ok(live) => live.is_some() || forget(&engine, &tenant, run),
        Err(error) => {
            tracing::error!(%run, %error, "a run whose time has come cannot be brought back; trying again");
            let later = clock::now().saturating_add(TRY_AGAIN).unwrap_or(Timestamp::MAX);
            let _told_by_the_next_look = engine.journal.note(&tenant, vec![crate::marks::timer(run, later)]);
            false
        }
    }
}

/// A run that has ended waits for nothing.
fn forget(engine: &Shared, tenant: &TenantId, run: RunId) -> bool {
    let _told_by_the_next_look = engine.journal.note(tenant, vec![crate::marks::no_timer(run)]);
    true
}
