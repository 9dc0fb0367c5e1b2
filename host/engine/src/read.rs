//! One run, seen from outside: looking at it, waiting for its end.

use std::time::Duration;

use stepwell_core::id::{RunId, TenantId};
use stepwell_core::run::RunView;

use crate::{Engine, EngineError, Phase, recovery};

impl Engine {
    /// A run as it stands; an end is told only when it is on disk. None: there is no such run.
    pub async fn run(&self, tenant: &TenantId, run: RunId) -> Result<Option<RunView>, EngineError> {
        if let Some(live) = self.0.runs.get(tenant, run)
            && (!live.is_ending() || live.ended().await.is_ok())
        {
            return Ok(Some(live.view()));
        }
        Ok(recovery::read_back(&self.0, tenant, run).await?.map(|folded| folded.state.view()))
    }

    /// Waits for a run's end, at most so long; then the run as it stands. None: there is no such run.
    pub async fn wait(
        &self,
        tenant: &TenantId,
        run: RunId,
        at_most: Duration,
    ) -> Result<Option<RunView>, EngineError> {
        if let Ok(ended) = tokio::time::timeout(at_most, self.ended(tenant, run)).await {
            ended?;
        }
        self.run(tenant, run).await
    }

    /// Returns once the run's end is on disk, or at once if there is no such run.
    pub(crate) async fn ended(&self, tenant: &TenantId, run: RunId) -> Result<(), EngineError> {
        loop {
            let mut arrival = Box::pin(self.0.arrivals.notified());
            arrival.as_mut().enable();
            if let Some(live) = self.0.runs.get(tenant, run) {
                match live.ended().await {
                    // It waits, and comes back.
                    Err(EngineError::Parked) => continue,
                    known => return known,
                }
            }
            let summary = self.0.journal.summary(tenant, run).await?;
            if summary.is_none_or(|summary| summary.status.is_final()) {
                return Ok(());
            }
            if self.0.phase() != Phase::Open {
                return Err(EngineError::ShuttingDown);
            }
            arrival.await;
        }
    }
}
