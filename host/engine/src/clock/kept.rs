//! The clock across the engine's lives: while somebody waits for a time, the journal is told now and then what time it is, and a start
//! goes on from the latest time that the journal knows.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use stepwell_core::id::TenantId;
use stepwell_store::{Journal, Mark, MarkChange, MarkKind, RunQuery, StoreError};

/// The journal is told so often. A clock that is put back while nobody looks costs timers no more than this, and the time of the stop.
const EVERY: SignedDuration = SignedDuration::from_mins(1);
const KEY: &str = "now";

/// Goes on from the latest time that the journal knows: what it was told, or when its newest run was accepted.
pub(crate) async fn go_on(journal: &dyn Journal) -> Result<(), StoreError> {
    let tenant = TenantId::default();
    let told = journal.mark(&tenant, MarkKind::Clock, KEY).await?;
    let told = told.and_then(|mark| serde_json::from_value::<Timestamp>(mark.body).ok());
    let newest = journal.list(&tenant, RunQuery { limit: 1, ..RunQuery::default() }).await?;
    let accepted = newest.runs.first().map(|run| run.accepted_at);
    if let Some(known) = told.max(accepted) {
        super::go_on_from(known);
    }
    Ok(())
}

/// What the journal was told.
pub(crate) struct Told(Timestamp);

impl Told {
    /// Nothing yet, in this life.
    pub(crate) fn nothing() -> Self {
        Self(super::now())
    }

    /// Tells the journal what time it is, if it is time for that. What is lost is told again.
    pub(crate) fn tell(&mut self, journal: &dyn Journal) {
        let now = super::now();
        if now.duration_since(self.0) >= EVERY {
            let _told_again_in_a_minute = journal.note(&TenantId::default(), vec![mark(now)]);
            self.0 = now;
        }
    }
}

fn mark(now: Timestamp) -> MarkChange {
    let key = KEY.to_owned();
    MarkChange::Put(Mark { kind: MarkKind::Clock, key, run: None, due: None, body: json!(now) })
}
