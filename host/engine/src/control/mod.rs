//! What people and programs do to a run from outside: decide, call back, signal, pause, resume, cancel, do again.
//!
//! Each is one event that follows from how the run stands, recorded in its journal and on disk when it is acknowledged. A run that has
//! left memory to wait is brought back for it.

mod answers;
mod cancel;
mod dead_letters;
mod reopen;

pub use answers::{ApprovalAnswer, ApprovalError, CallbackError, NotAsked};
pub use cancel::{Cancel, CancelOutcome, ControlError};
pub use dead_letters::DeadLetterError;
pub use reopen::{Reopen, ReopenError};

use std::sync::Arc;

use stepwell_core::id::{RunId, TenantId};
use stepwell_core::run::{Event, RunState, RunStatus};

use crate::live::{Interjected, LiveRun, Refused};
use crate::{Engine, EngineError, recovery};

/// Why nothing was done to a run.
pub(crate) enum Undone<E> {
    /// There is no such run.
    Unknown,
    /// It has ended.
    Ended,
    /// It stands otherwise than it would have to.
    Not(E),
    /// The engine cannot do it.
    Engine(EngineError),
}

impl<E> From<EngineError> for Undone<E> {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl Engine {
    /// Records an event that follows from how a run stands, and returns how it stands then, once it is on disk.
    pub(crate) async fn act<E>(
        &self,
        tenant: &TenantId,
        run: RunId,
        make: impl Fn(&RunState) -> Result<Event, E>,
    ) -> Result<RunStatus, Undone<E>> {
        self.act_on(tenant, run, make).await.map(|live| live.ledger().state().status())
    }

    /// The same, and returns the run, which may have left memory by then.
    async fn act_on<E>(
        &self,
        tenant: &TenantId,
        run: RunId,
        make: impl Fn(&RunState) -> Result<Event, E>,
    ) -> Result<Arc<LiveRun>, Undone<E>> {
        loop {
            let live = match recovery::load(&self.0, tenant, run).await? {
                Some(live) => live,
                None if self.0.journal.summary(tenant, run).await.map_err(EngineError::from)?.is_none() => {
                    return Err(Undone::Unknown);
                }
                None => return Err(Undone::Ended),
            };
            match live.interject_with(&make) {
                Ok(Interjected::Yes) => {
                    live.poke.notify_one();
                    live.durable().await.map_err(EngineError::from)?;
                    return Ok(live);
                }
                Ok(Interjected::Ended) => return Err(Undone::Ended),
                // It is on its way out of memory.
                Ok(Interjected::Left) => live.left().await,
                Err(Refused::Not(why)) => return Err(Undone::Not(why)),
                Err(Refused::Fold(error)) => {
                    return Err(EngineError::Journal { run, why: error.to_string() }.into());
                }
            }
        }
    }

    /// Tells a run what happened elsewhere. A run that has ended, or does not wait for it, need not hear of it.
    pub(crate) async fn tell_run(
        &self,
        tenant: &TenantId,
        run: RunId,
        event: Event,
        child: RunId,
    ) -> Result<(), EngineError> {
        let waits_for = |state: &RunState| {
            if state.children().any(|open| open.run == child) { Ok(event.clone()) } else { Err(()) }
        };
        match self.act(tenant, run, waits_for).await {
            Ok(_) => Ok(()),
            Err(Undone::Unknown | Undone::Ended | Undone::Not(())) => self.forget_child(tenant, child).await,
            Err(Undone::Engine(error)) => Err(error),
        }
    }

    /// Nobody waits for this run any more.
    async fn forget_child(&self, tenant: &TenantId, child: RunId) -> Result<(), EngineError> {
        use stepwell_store::{MarkChange, MarkKind};
        let gone = MarkChange::Remove { kind: MarkKind::Child, key: child.to_string() };
        Ok(self.0.journal.note(tenant, vec![gone]).durable().await?)
    }
}

/// Names for a message.
fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
