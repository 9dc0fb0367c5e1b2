//! Hands events that runs told of to whoever wants to hear of them. What was not handed on before a crash is handed on after it.

use std::sync::Arc;

use stepwell_core::id::TenantId;
use stepwell_store::{MarkChange, MarkKind, StoreError};
use tokio::sync::Notify;

use crate::{Phase, Shared, clock};

/// So many events are read at a time.
const A_PAGE: usize = 256;

/// Wakes the task that hands events on.
#[derive(Default)]
pub(crate) struct Dispatch(Notify);

impl Dispatch {
    /// A run told of an event.
    pub(crate) fn look(&self) {
        self.0.notify_one();
    }
}

/// The task: ends when the engine does.
pub(crate) async fn keep(engine: Arc<Shared>) {
    let mut phase = engine.phase.subscribe();
    tokio::select! {
        () = dispatch_for_ever(&engine) => {}
        _ = phase.wait_for(|phase| *phase != Phase::Open) => {}
    }
}

async fn dispatch_for_ever(engine: &Arc<Shared>) {
    loop {
        match dispatch(engine, &TenantId::default()).await {
            Ok(()) => engine.dispatch.0.notified().await,
            Err(error) => {
                tracing::error!(%error, "events cannot be handed on now; trying again");
                tokio::time::sleep(clock::LOOK).await;
            }
        }
    }
}

async fn dispatch(engine: &Arc<Shared>, tenant: &TenantId) -> Result<(), StoreError> {
    loop {
        let marks = engine.journal.marks(tenant, MarkKind::Outbox, None, A_PAGE).await?;
        if marks.is_empty() {
            return Ok(());
        }
        let handed = marks
            .into_iter()
            .map(|mark| MarkChange::Remove { kind: MarkKind::Outbox, key: mark.key })
            .collect();
        engine.journal.note(tenant, handed).durable().await?;
    }
}
