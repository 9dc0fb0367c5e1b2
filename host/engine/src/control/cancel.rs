//! Stopping a run: for a while, or for good.

use std::convert::Infallible;
use std::time::Duration;

use stepwell_core::id::{RunId, TenantId};
use stepwell_core::run::{Event, RunState, RunStatus};

use super::Undone;
use crate::{Engine, EngineError};

/// How long whoever cancels a run waits for its end: a run of a sub-workflow may have something to undo.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a run is to be cancelled.
#[derive(Debug, Clone, Default)]
pub struct Cancel {
    /// Why, in the words of whoever asks.
    pub reason: Option<String>,
    /// What is in flight may go on so long.
    pub grace: Duration,
    /// Whether what succeeded is to be undone.
    pub compensate: bool,
    /// Who asks.
    pub by: Option<String>,
}

/// What became of a wish to cancel a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelOutcome {
    /// It is cancelled; its end is on disk.
    Cancelled,
    /// It will be, once what is in flight has ended and what is to be undone is undone. The wish is on disk.
    Cancelling,
    /// It had ended before, like this.
    AlreadyEnded(RunStatus),
    /// There is no such run.
    Unknown,
}

/// Why nothing was done to a run.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ControlError {
    /// There is no such run.
    #[error("there is no run {0}")]
    UnknownRun(RunId),
    /// It has ended.
    #[error("run {run} has ended: it {}", status.as_str())]
    Ended {
        /// The run.
        run: RunId,
        /// How.
        status: RunStatus,
    },
    /// It is being cancelled, and that is not held up.
    #[error("run {0} is being cancelled, and no pause holds that up")]
    Cancelling(RunId),
    /// No node of its workflow waits for such a signal, now or ever.
    #[error("no node of run {run} waits for a signal `{name}`; its signals: {}", super::list(known))]
    UnknownSignal {
        /// The run.
        run: RunId,
        /// The signal.
        name: String,
        /// Those that its nodes wait for.
        known: Vec<String>,
    },
    /// It keeps no more signals that nobody waits for.
    #[error("run {run} keeps {limit} signals already that no node has waited for")]
    TooManySignals {
        /// The run.
        run: RunId,
        /// How many it keeps at most.
        limit: usize,
    },
    /// The engine cannot do it.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl Engine {
    /// Cancels a run. Without grace and compensation its attempts in flight are dropped, and its end is on disk when this returns, unless
    /// it takes long. Of several wishes the shortest grace counts, compensation if anybody wants it, and the latest reason.
    pub async fn cancel(
        &self,
        tenant: &TenantId,
        run: RunId,
        wish: Cancel,
    ) -> Result<CancelOutcome, EngineError> {
        let grace_ms = u64::try_from(wish.grace.as_millis()).unwrap_or(u64::MAX);
        let event = Event::CancelRequested {
            reason: wish.reason,
            grace_ms,
            compensate: wish.compensate,
            by: wish.by,
        };
        let acted = self.act_on(tenant, run, |_| Ok::<_, Infallible>(event.clone())).await;
        let was_ended = match acted {
            Err(Undone::Unknown) => return Ok(CancelOutcome::Unknown),
            Err(Undone::Engine(error)) => return Err(error),
            Err(Undone::Not(never)) => match never {},
            Ok(_) if grace_ms > 0 || wish.compensate => return Ok(CancelOutcome::Cancelling),
            Ok(live) if undoes(live.ledger().state()) => return Ok(CancelOutcome::Cancelling),
            Ok(_) => false,
            Err(Undone::Ended) => true,
        };
        match tokio::time::timeout(PATIENCE, self.ended(tenant, run)).await {
            Ok(ended) => ended?,
            Err(_) => return Ok(CancelOutcome::Cancelling),
        }
        let status = self.0.journal.summary(tenant, run).await?.map(|summary| summary.status);
        Ok(match status {
            None => CancelOutcome::Unknown,
            Some(RunStatus::Cancelled) if !was_ended => CancelOutcome::Cancelled,
            Some(status) => CancelOutcome::AlreadyEnded(status),
        })
    }

    /// Pauses a run: what is in flight ends, and nothing starts. It is on disk when this returns how it stands then.
    pub async fn pause(
        &self,
        tenant: &TenantId,
        run: RunId,
        by: Option<String>,
        reason: Option<String>,
    ) -> Result<RunStatus, ControlError> {
        let event = Event::RunPaused { by, reason };
        let acted = self.act(tenant, run, |state: &RunState| match state.cancelling() {
            Some(_) => Err(ControlError::Cancelling(run)),
            None => Ok(event.clone()),
        });
        self.told(run, acted.await).await
    }

    /// Lets a paused run go on. It is on disk when this returns how it stands then.
    pub async fn resume(
        &self,
        tenant: &TenantId,
        run: RunId,
        by: Option<String>,
    ) -> Result<RunStatus, ControlError> {
        let event = Event::RunResumed { by };
        self.told(run, self.act(tenant, run, |_: &RunState| Ok(event.clone())).await).await
    }

    pub(super) async fn told(
        &self,
        run: RunId,
        acted: Result<RunStatus, Undone<ControlError>>,
    ) -> Result<RunStatus, ControlError> {
        match acted {
            Ok(status) => Ok(status),
            Err(Undone::Unknown) => Err(ControlError::UnknownRun(run)),
            Err(Undone::Ended) => {
                let summary = self.0.journal.summary(&TenantId::default(), run).await;
                let status = summary.map_err(EngineError::from)?.map(|summary| summary.status);
                Err(ControlError::Ended { run, status: status.unwrap_or(RunStatus::Succeeded) })
            }
            Err(Undone::Not(why)) => Err(why),
            Err(Undone::Engine(error)) => Err(error.into()),
        }
    }
}

/// Whether somebody wanted undone what it did, before this wish.
fn undoes(state: &RunState) -> bool {
    state.cancelling().is_some_and(|cancelling| cancelling.compensate)
}
