//! Events that go out: to the workflows that want them, and to the operator's sinks.
//!
//! An event waits in the outbox, a mark in the journal, until it was given to the workflows here; a copy of it waits for each sink that
//! takes events of its type, until that has answered that it has it. So an event that is on disk reaches everybody, at least once, whatever
//! crashes or is out of order.

mod pump;
mod sink;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stepwell_core::cloud_event::CloudEvent;
use stepwell_core::id::{SinkName, TenantId};
use stepwell_store::{Mark, MarkChange, MarkKind, StoreError};
use tokio::sync::Notify;

pub(crate) use self::pump::keep;
pub use self::sink::{PostError, PostEvent, Sink};

use self::sink::SinkState;
use crate::{Engine, EngineError, Phase, clock};

/// How long whoever emits an event has to give it out, before the outbox does.
const GRACE: SignedDuration = SignedDuration::from_secs(5);

/// The sinks, and what wakes the task that serves them.
pub(crate) struct Outbox {
    sinks: Vec<SinkState>,
    wake: Notify,
}

/// What waits in the outbox.
struct Letter {
    event: CloudEvent,
    /// For a sink; none: for everybody.
    sink: Option<SinkName>,
    /// How often the sink has refused it.
    refusals: u32,
}

/// A mark's body.
#[derive(Serialize, Deserialize)]
struct Body {
    event: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sink: Option<SinkName>,
    #[serde(default, skip_serializing_if = "is_zero")]
    refusals: u32,
}

impl Outbox {
    pub(crate) fn new(sinks: &[Sink]) -> Self {
        Self { sinks: sinks.iter().cloned().map(SinkState::new).collect(), wake: Notify::new() }
    }

    /// Something waits there that its task may not know of.
    pub(crate) fn look(&self) {
        self.wake.notify_one();
    }
}

impl Letter {
    fn copy_for(&self, sink: &SinkName) -> Self {
        Self { event: self.event.clone(), sink: Some(sink.clone()), refusals: 0 }
    }

    fn key(&self) -> String {
        match &self.sink {
            Some(sink) => format!("{}/{sink}", self.event.identity().to_hex()),
            None => self.event.identity().to_hex(),
        }
    }

    fn put(&self, due: Timestamp) -> MarkChange {
        let body = Body { event: self.event.to_json(), sink: self.sink.clone(), refusals: self.refusals };
        #[expect(clippy::expect_used, reason = "an invariant")]
        let body = serde_json::to_value(body).expect("an event, a name and a number are JSON");
        MarkChange::Put(Mark { kind: MarkKind::Outbox, key: self.key(), run: None, due: Some(due), body })
    }

    fn remove(&self) -> MarkChange {
        MarkChange::Remove { kind: MarkKind::Outbox, key: self.key() }
    }

    fn read(mark: &Mark) -> Result<Self, String> {
        let body: Body = serde_json::from_value(mark.body.clone()).map_err(|error| error.to_string())?;
        let event = CloudEvent::from_json(body.event).map_err(|mistakes| format!("{mistakes:?}"))?;
        Ok(Self { event, sink: body.sink, refusals: body.refusals })
    }
}

/// The mark that keeps an event until everybody has it. To be put in the batch that the event follows from; [`Engine::emit`] then sends the
/// event on its way.
#[must_use]
pub fn outbox_mark(event: &CloudEvent) -> MarkChange {
    let letter = Letter { event: event.clone(), sink: None, refusals: 0 };
    letter.put(in_a(GRACE))
}

impl Engine {
    /// Sends an event to everybody who wants it. When this returns, it was handed to the journal and will arrive: an event that waits in the
    /// outbox already ([`outbox_mark`]) is not written again, any other is on disk.
    pub async fn emit(&self, tenant: &TenantId, event: CloudEvent) -> Result<(), EngineError> {
        let letter = Letter { event, sink: None, refusals: 0 };
        let waits = self.0.journal.mark(tenant, MarkKind::Outbox, &letter.key()).await?.is_some();
        if !waits {
            self.note(tenant, vec![outbox_mark(&letter.event)]).await?;
        }
        if self.0.phase() == Phase::Open {
            let (engine, tenant) = (self.clone(), tenant.clone());
            self.0.tasks.spawn(async move {
                if let Err(error) = engine.give_out(&tenant, &letter).await {
                    tracing::error!(event = letter.event.id, %error, "an event waits in the outbox: the journal failed");
                    engine.0.outbox.look();
                }
            });
        }
        Ok(())
    }

    async fn note(&self, tenant: &TenantId, changes: Vec<MarkChange>) -> Result<(), StoreError> {
        self.0.journal.note(tenant, changes).durable().await
    }
}

/// So long from now.
fn in_a(pause: SignedDuration) -> Timestamp {
    clock::now().saturating_add(pause).unwrap_or(Timestamp::MAX)
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}
