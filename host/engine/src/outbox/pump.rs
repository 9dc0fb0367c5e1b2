//! The task that empties the outbox: what is due is given out or posted, and what fails is put back for later.

use futures::future::pending;
use futures::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use stepwell_core::id::TenantId;
use stepwell_store::{Mark, MarkChange, MarkKind, StoreError};

use super::sink::{Posted, pause_after};
use super::{GRACE, Letter, in_a};
use crate::meters::Sent;
use crate::{Engine, Phase, clock};

/// Letters that are read at a time, and sent at the same time.
const PAGE: usize = 1_024;
const AT_ONCE: usize = 64;

/// How long what cannot be read is left alone: a newer version may have written it.
const UNREADABLE: SignedDuration = SignedDuration::from_hours(1);

/// Serves the outbox as long as the engine is open.
pub(crate) async fn keep(engine: Engine) {
    let mut phase = engine.0.phase.subscribe();
    tokio::select! {
        biased;
        () = serve_for_ever(&engine) => {}
        _ = phase.wait_for(|phase| *phase != Phase::Open) => {}
    }
}

async fn serve_for_ever(engine: &Engine) {
    let mut failures = 0;
    loop {
        let mut woken = std::pin::pin!(engine.0.outbox.wake.notified());
        woken.as_mut().enable();
        let next = match engine.empty_outbox().await {
            Ok(next) => {
                failures = 0;
                next
            }
            Err(error) => {
                tracing::error!(%error, "the outbox cannot be read; trying again");
                failures += 1;
                Some(in_a(pause_after(failures)))
            }
        };
        let in_time = async {
            match next {
                Some(next) => tokio::time::sleep(clock::until(next)).await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            () = woken => {}
            () = in_time => {}
        }
    }
}

impl Engine {
    /// Sends what is due, until nothing is; says when something will be.
    async fn empty_outbox(&self) -> Result<Option<Timestamp>, StoreError> {
        loop {
            let due = self.0.journal.due(MarkKind::Outbox, clock::now(), PAGE).await?;
            if due.is_empty() {
                return self.0.journal.next_due(MarkKind::Outbox).await;
            }
            let letters: Vec<_> = due.iter().map(|(tenant, mark)| self.handle(tenant, mark)).collect();
            let handled: Vec<_> = stream::iter(letters).buffer_unordered(AT_ONCE).collect().await;
            handled.into_iter().collect::<Result<Vec<()>, _>>()?;
        }
    }

    async fn handle(&self, tenant: &TenantId, mark: &Mark) -> Result<(), StoreError> {
        match Letter::read(mark) {
            Ok(letter) if letter.sink.is_some() => self.post(tenant, letter).await,
            Ok(letter) => self.give_out(tenant, &letter).await,
            Err(why) => {
                tracing::error!(key = mark.key, why, "what waits in the outbox cannot be read; it is kept");
                let later = Mark { due: Some(in_a(UNREADABLE)), ..mark.clone() };
                self.note(tenant, vec![MarkChange::Put(later)]).await
            }
        }
    }

    /// Gives an event to the workflows here, and puts a copy for each sink in the place of the event.
    pub(super) async fn give_out(&self, tenant: &TenantId, letter: &Letter) -> Result<(), StoreError> {
        if let Err(error) = self.deliver_event(tenant, &letter.event, "").await {
            tracing::error!(event = letter.event.id, source = letter.event.source, %error,
                "an event cannot be given out; trying again");
            self.note(tenant, vec![letter.put(in_a(GRACE))]).await?;
            self.0.outbox.look();
            return Ok(());
        }
        let takers = self.0.outbox.sinks.iter().filter(|sink| sink.takes(&letter.event));
        let copies = takers.map(|sink| letter.copy_for(sink.name()).put(clock::now()));
        self.note(tenant, copies.chain([letter.remove()]).collect()).await?;
        self.0.outbox.look();
        Ok(())
    }

    async fn post(&self, tenant: &TenantId, letter: Letter) -> Result<(), StoreError> {
        let sink = self.0.outbox.sinks.iter().find(|sink| letter.sink.as_ref() == Some(sink.name()));
        let Some(sink) = sink else {
            tracing::warn!(sink = ?letter.sink, event = letter.event.id, "the sink of an event is not configured any more: the event is dropped");
            return self.note(tenant, vec![letter.remove()]).await;
        };
        match sink.post(&letter.event).await {
            Posted::Done => {
                self.0.meters.event_sent(Sent::Done);
                self.note(tenant, vec![letter.remove()]).await
            }
            Posted::Later(until) => {
                self.0.meters.event_sent(Sent::Unavailable);
                self.note(tenant, vec![letter.put(until)]).await
            }
            Posted::Refused => {
                self.0.meters.event_sent(Sent::Refused);
                let refusals = letter.refusals.saturating_add(1);
                let later = in_a(pause_after(refusals));
                self.note(tenant, vec![Letter { refusals, ..letter }.put(later)]).await
            }
        }
    }
}
