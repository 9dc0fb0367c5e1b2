//! A journal in memory that is cut off after so many entries, as a crash cuts it.
//!
//! What is handed over after the cut is not kept, and nobody is told: whoever waits for it waits until the engine is gone.
//! So at each cut the world is as far as it can be: all that the kept entries allow has happened, the next effect among it.

use std::collections::HashSet;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use stepwell_core::id::{RunId, TenantId};
use stepwell_core::run::{Entry, Event, RunStatus};
use stepwell_store::memory::MemoryJournal;
use stepwell_store::{
    Accepted, Append, IdempotencyClaim, Journal, Mark, MarkChange, MarkKind, RunPage, RunQuery, RunSummary,
    StoreError, Ticket, TicketState,
};
use tokio::sync::Notify;

use super::disruption::EffectName;

/// The journal.
#[derive(Debug)]
pub(super) struct CutJournal {
    kept: MemoryJournal,
    state: Mutex<State>,
    cut: Notify,
}

#[derive(Debug)]
struct State {
    /// Entries that may still be kept; none: all.
    left: Option<u64>,
    is_cut: bool,
    entries: u64,
    /// The first run that was accepted.
    run: Option<RunId>,
    answered: HashSet<(RunId, EffectName)>,
}

impl CutJournal {
    /// One that keeps so many entries and no more; without a number, all.
    pub(super) fn new(keeps: Option<u64>) -> Arc<Self> {
        let state = State { left: keeps, is_cut: false, entries: 0, run: None, answered: HashSet::new() };
        Arc::new(Self { kept: MemoryJournal::default(), state: Mutex::new(state), cut: Notify::new() })
    }

    /// Returns once something is handed over that is not kept.
    pub(super) async fn is_cut(&self) {
        self.cut.notified().await;
    }

    /// Whether the crash has happened, and the engine is only not gone yet.
    pub(super) fn is_down(&self) -> bool {
        self.state().is_cut
    }

    /// A new engine opens over what was kept; from now on everything is.
    pub(super) fn reopen(&self) {
        let mut state = self.state();
        (state.left, state.is_cut) = (None, false);
    }

    /// How many entries were kept.
    pub(super) fn entries(&self) -> u64 {
        self.state().entries
    }

    /// The first run that was accepted.
    pub(super) fn run(&self) -> Option<RunId> {
        self.state().run
    }

    /// Whether an effect's answer was kept.
    pub(super) fn knows(&self, run: RunId, effect: &EffectName) -> bool {
        self.state().answered.contains(&(run, effect.clone()))
    }

    /// The part of a batch that is kept; none: nothing of it is, or of anything that comes later.
    fn keep(&self, batch: Append) -> (Option<Append>, bool) {
        let mut state = self.state();
        let (kept, whole) = state.keep(batch);
        if !whole && !state.is_cut {
            state.is_cut = true;
            self.cut.notify_one();
        }
        (kept, whole)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change under this lock is whole before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn keep(&mut self, mut batch: Append) -> (Option<Append>, bool) {
        if self.is_cut {
            return (None, false);
        }
        let all = batch.entries.len();
        let fits = self.left.map_or(all, |left| usize::try_from(left).unwrap_or(usize::MAX).min(all));
        batch.entries.truncate(fits);
        self.left = self.left.map(|left| left.saturating_sub(fits as u64));
        self.entries += fits as u64;
        self.note(&batch);
        let whole = fits == all;
        if !whole {
            batch.summary = summary_of(batch.summary, &batch.entries);
            batch.marks.retain(|change| follows_from(change, &batch.entries));
        }
        ((fits > 0).then_some(batch), whole)
    }

    fn note(&mut self, batch: &Append) {
        for entry in &batch.entries {
            match &entry.event {
                Event::RunAccepted { .. } => _ = self.run.get_or_insert(batch.run),
                Event::EffectAnswered { node, part, attempt, effect } => {
                    let name = EffectName(format!("{node}{part}.{attempt}.{}", effect.index));
                    self.answered.insert((batch.run, name));
                }
                _ => {}
            }
        }
    }
}

/// The run's line in the index, as the entries that were kept have it: accepted, and not ended.
fn summary_of(summary: Option<RunSummary>, kept: &[Entry]) -> Option<RunSummary> {
    let accepted = kept.first().is_some_and(|first| first.seq == 0);
    summary.filter(|_| accepted).map(|summary| RunSummary {
        status: RunStatus::Running,
        ended_at: None,
        ..summary
    })
}

/// Whether a change of marks follows from the entries that were kept. What a run waits for is marked again when it is recovered; what it
/// told of is not.
fn follows_from(change: &MarkChange, kept: &[Entry]) -> bool {
    let MarkChange::Put(Mark { kind: MarkKind::Outbox, body, .. }) = change else { return false };
    let id = &body["event"]["id"];
    kept.iter().any(|entry| matches!(&entry.event, Event::EventEmitted { event, .. } if event["id"] == *id))
}

/// The ticket of a batch that was not kept: nobody is there to tell.
struct Lost;

impl TicketState for Lost {
    fn outcome(&self) -> Option<Result<(), StoreError>> {
        None
    }

    fn wait(self: Arc<Self>) -> Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>> {
        Box::pin(pending())
    }
}

#[async_trait]
impl Journal for CutJournal {
    fn append(&self, batch: Append) -> Ticket {
        match self.keep(batch) {
            (Some(batch), true) => self.kept.append(batch),
            (kept, _) => {
                kept.map(|batch| self.kept.append(batch));
                Ticket::new(Arc::new(Lost))
            }
        }
    }

    fn admit(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn accept(&self, batch: Append, claim: IdempotencyClaim) -> Result<Accepted, StoreError> {
        match self.keep(batch) {
            (Some(batch), true) => self.kept.accept(batch, claim).await,
            (kept, _) => {
                if let Some(batch) = kept {
                    self.kept.accept(batch, claim).await?;
                }
                pending().await
            }
        }
    }

    async fn claimed(
        &self,
        tenant: &TenantId,
        claim: &IdempotencyClaim,
    ) -> Result<Option<Accepted>, StoreError> {
        self.kept.claimed(tenant, claim).await
    }

    async fn purge(&self, ended_before: jiff::Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.kept.purge(ended_before, limit).await
    }

    async fn read(
        &self,
        tenant: &TenantId,
        run: RunId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        self.kept.read(tenant, run, from, limit).await
    }

    async fn summary(&self, tenant: &TenantId, run: RunId) -> Result<Option<RunSummary>, StoreError> {
        self.kept.summary(tenant, run).await
    }

    async fn list(&self, tenant: &TenantId, query: RunQuery) -> Result<RunPage, StoreError> {
        self.kept.list(tenant, query).await
    }

    async fn unfinished(
        &self,
        after: Option<(TenantId, RunId)>,
        limit: usize,
    ) -> Result<Vec<(TenantId, RunId)>, StoreError> {
        self.kept.unfinished(after, limit).await
    }

    fn note(&self, tenant: &TenantId, marks: Vec<MarkChange>) -> Ticket {
        if self.is_down() { Ticket::new(Arc::new(Lost)) } else { self.kept.note(tenant, marks) }
    }

    async fn mark(&self, tenant: &TenantId, kind: MarkKind, key: &str) -> Result<Option<Mark>, StoreError> {
        self.kept.mark(tenant, kind, key).await
    }

    async fn marks(
        &self,
        tenant: &TenantId,
        kind: MarkKind,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Mark>, StoreError> {
        self.kept.marks(tenant, kind, after, limit).await
    }

    async fn due(
        &self,
        kind: MarkKind,
        until: jiff::Timestamp,
        limit: usize,
    ) -> Result<Vec<(TenantId, Mark)>, StoreError> {
        self.kept.due(kind, until, limit).await
    }

    async fn next_due(&self, kind: MarkKind) -> Result<Option<jiff::Timestamp>, StoreError> {
        self.kept.next_due(kind).await
    }

    async fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc as Shared;

    use jiff::Timestamp;
    use serde_json::json;
    use stepwell_core::run::RunOutcome;
    use uuid::Uuid;

    use super::*;

    fn run() -> RunId {
        RunId(Uuid::from_u128(7))
    }

    fn entry(seq: u64, event: Event) -> Entry {
        Entry::new(seq, Timestamp::UNIX_EPOCH, event)
    }

    /// A run that is accepted, asked to end, and ends: in one batch.
    fn whole_run() -> Append {
        let accepted = Event::RunAccepted {
            workflow: "flow".parse().unwrap(),
            version: semver::Version::new(1, 0, 0),
            input: Shared::new(json!({})),
            trigger: stepwell_core::run::Trigger::Api,
            traceparent: String::new(),
            start_at: None,
            split: None,
            priority: stepwell_core::priority::Priority::Normal,
        };
        let ended = Event::RunEnded { outcome: RunOutcome::Cancelled { reason: None } };
        let cancelled = Event::CancelRequested { reason: None, grace_ms: 0, compensate: false, by: None };
        let summary = RunSummary {
            id: run(),
            workflow: "flow".parse().unwrap(),
            version: semver::Version::new(1, 0, 0),
            status: RunStatus::Cancelled,
            accepted_at: Timestamp::UNIX_EPOCH,
            ended_at: Some(Timestamp::UNIX_EPOCH),
        };
        let entries = vec![entry(0, accepted), entry(1, cancelled), entry(2, ended)];
        Append { tenant: TenantId::default(), run: run(), entries, summary: Some(summary), marks: Vec::new() }
    }

    #[tokio::test]
    async fn what_is_behind_the_cut_is_not_kept_and_nobody_is_told() {
        let tenant = TenantId::default();
        for keeps in 1..3 {
            let journal = CutJournal::new(Some(keeps));
            let ticket = journal.append(whole_run());
            assert!(ticket.outcome().is_none());
            journal.is_cut().await;
            assert!(journal.append(whole_run()).outcome().is_none(), "nothing is kept any more");
            let kept = journal.read(&tenant, run(), 0, 10).await.unwrap();
            assert_eq!((kept.len() as u64, journal.entries(), journal.run()), (keeps, keeps, Some(run())));
            let summary = journal.summary(&tenant, run()).await.unwrap().unwrap();
            assert_eq!((summary.status, summary.ended_at), (RunStatus::Running, None), "its end is not kept");
            assert_eq!(journal.unfinished(None, 10).await.unwrap().len(), 1);
        }
    }

    #[tokio::test]
    async fn a_batch_that_fits_is_kept_whole() {
        let journal = CutJournal::new(Some(3));
        assert!(matches!(journal.append(whole_run()).outcome(), Some(Ok(()))));
        assert!(!journal.is_down());
        let summary = journal.summary(&TenantId::default(), run()).await.unwrap().unwrap();
        assert_eq!(summary.status, RunStatus::Cancelled);
    }
}
