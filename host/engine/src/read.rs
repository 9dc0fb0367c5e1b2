//! One run, seen from outside: looking at it, waiting for its end, cancelling it.

use std::time::Duration;

use stepwell_core::id::{RunId, TenantId};
use stepwell_core::run::{Event, RunStatus, RunView};

use crate::{Engine, EngineError, Phase, recovery};

/// What became of a wish to cancel a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelOutcome {
    /// It is cancelled; its end is on disk.
    Cancelled,
    /// It had ended before, like this.
    AlreadyEnded(RunStatus),
    /// There is no such run.
    Unknown,
}

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

    /// Cancels a run: its attempts in flight are dropped, and its end is on disk when this returns.
    pub async fn cancel(
        &self,
        tenant: &TenantId,
        run: RunId,
        reason: Option<String>,
    ) -> Result<CancelOutcome, EngineError> {
        let Some(live) = self.0.runs.get(tenant, run) else {
            return match self.0.journal.summary(tenant, run).await? {
                None => Ok(CancelOutcome::Unknown),
                Some(summary) if !summary.status.is_final() => Err(EngineError::Unavailable { run }),
                Some(summary) => Ok(CancelOutcome::AlreadyEnded(summary.status)),
            };
        };
        let requested = live.interject(Event::CancelRequested { reason });
        requested.map_err(|error| EngineError::Journal { run, why: error.to_string() })?;
        live.poke.notify_one();
        live.ended().await?;
        let status = live.ledger().state().status();
        Ok(match status {
            RunStatus::Cancelled => CancelOutcome::Cancelled,
            other => CancelOutcome::AlreadyEnded(other),
        })
    }

    /// Returns once the run's end is on disk, or at once if there is no such run.
    async fn ended(&self, tenant: &TenantId, run: RunId) -> Result<(), EngineError> {
        loop {
            let mut arrival = Box::pin(self.0.arrivals.notified());
            arrival.as_mut().enable();
            if let Some(live) = self.0.runs.get(tenant, run) {
                return live.ended().await;
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
