//! Retention: runs that ended long ago are removed in the background, page by page.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use stepwell_store::StoreError;

use crate::{Phase, Shared, clock};

/// Small, so that little waits behind a page.
const RUNS_A_PAGE: usize = 500;
/// Between two looks for runs whose time is over.
const BETWEEN_LOOKS: Duration = Duration::from_secs(60);

/// The task: ends when the engine does.
pub(crate) async fn keep(engine: Arc<Shared>, retention: Duration) {
    let mut phase = engine.phase.subscribe();
    tokio::select! {
        biased;
        () = purge_for_ever(&engine, retention) => {}
        _ = phase.wait_for(|phase| *phase != Phase::Open) => {}
    }
}

async fn purge_for_ever(engine: &Shared, retention: Duration) {
    loop {
        if let Err(error) = purge(engine, ended_before(retention)).await {
            tracing::warn!(%error, "runs that ended long ago cannot be removed now; trying again");
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

async fn purge(engine: &Shared, ended_before: Timestamp) -> Result<(), StoreError> {
    loop {
        let began_at = Instant::now();
        let removed = engine.journal.purge(ended_before, RUNS_A_PAGE).await?;
        engine.meters.runs_purged.increment(removed as u64);
        if removed < RUNS_A_PAGE {
            return Ok(());
        }
        // Half of the time is left to others.
        tokio::time::sleep(began_at.elapsed()).await;
    }
}

fn ended_before(retention: Duration) -> Timestamp {
    let retention = SignedDuration::try_from(retention).unwrap_or(SignedDuration::MAX);
    clock::now().saturating_sub(retention).unwrap_or(Timestamp::MIN)
}
