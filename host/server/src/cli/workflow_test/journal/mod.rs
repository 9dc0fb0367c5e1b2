//! A journal in memory that is cut off after so many entries, as a crash cuts it.
//!
//! What is handed over after the cut is not kept, and nobody is told: whoever waits for it waits until the engine is gone.
//! So at each cut the world is as far as it can be: all that the kept entries allow has happened, the next effect among it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde_json::Value;
use stepwell_core::id::{RunId, TenantId, WorkflowName};
use stepwell_core::manifest::Capability;
use stepwell_core::run::{Entry, Event, RunStatus};
use stepwell_store::memory::MemoryJournal;
use stepwell_store::{
    Accepted, Append, IdempotencyClaim, Journal, Mark, MarkChange, MarkKind, RunPage, RunQuery, RunSummary,
    StoreError, Ticket, TicketState,
};
use tokio::sync::{Notify, watch};

use super::disruption::EffectName;
use super::occasion::Occasion;

/// Entries that are read of a run at a time.
const A_PAGE: usize = 1_000;

/// The journal.
#[derive(Debug)]
pub(super) struct CutJournal {
    kept: MemoryJournal,
    state: Mutex<State>,
    cut: Notify,
    /// Sent on each occasion.
    news: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    /// Entries that may still be kept; none: all.
    left: Option<u64>,
    is_cut: bool,
    entries: u64,
    /// The runs that were accepted, in order.
    runs: Vec<RunId>,
    workflows: HashMap<RunId, WorkflowName>,
    answered: HashSet<(RunId, EffectName)>,
    occasions: Vec<Occasion>,
    /// The data of the events that were told of, by type.
    emitted: BTreeMap<String, Vec<Value>>,
    /// For tests of what reads it: the first entry of this type is acknowledged and not kept.
    loses: Option<&'static str>,
}

impl CutJournal {
    /// One that keeps so many entries and no more; without a number, all.
    pub(super) fn new(keeps: Option<u64>) -> Arc<Self> {
        Self::with(State { left: keeps, ..State::default() })
    }

    /// One that acknowledges the first entry of this type and does not keep it.
    #[cfg(test)]
    pub(super) fn losing(keeps: Option<u64>, event: &'static str) -> Arc<Self> {
        Self::with(State { left: keeps, loses: Some(event), ..State::default() })
    }

    fn with(state: State) -> Arc<Self> {
        let (kept, state) = (MemoryJournal::default(), Mutex::new(state));
        Arc::new(Self { kept, state, cut: Notify::new(), news: watch::Sender::new(()) })
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
        self.state().runs.first().copied()
    }

    /// Every run that was accepted, in order.
    pub(super) fn runs(&self) -> Vec<RunId> {
        self.state().runs.clone()
    }

    /// What has given others something to do, in order.
    pub(super) fn occasions(&self) -> Vec<Occasion> {
        self.state().occasions.clone()
    }

    /// Changes on each occasion.
    pub(super) fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// The data of the events that were told of, by type.
    pub(super) fn emitted(&self) -> BTreeMap<String, Vec<Value>> {
        self.state().emitted.clone()
    }

    /// All that was kept of a run.
    pub(super) async fn entries_of(&self, tenant: &TenantId, run: RunId) -> Result<Vec<Entry>, StoreError> {
        let mut all: Vec<Entry> = Vec::new();
        loop {
            let from = all.last().map_or(0, |last| last.seq + 1);
            let page = self.kept.read(tenant, run, from, A_PAGE).await?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    /// Whether an effect's answer was kept.
    pub(super) fn knows(&self, run: RunId, effect: &EffectName) -> bool {
        self.state().answered.contains(&(run, effect.clone()))
    }

    /// The part of a batch that is kept; none: nothing of it is, or of anything that comes later.
    fn keep(&self, batch: Append) -> (Option<Append>, bool) {
        let mut state = self.state();
        let occasions = state.occasions.len();
        let (kept, whole) = state.keep(batch);
        if state.occasions.len() > occasions {
            self.news.send_replace(());
        }
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
        self.lose(&mut batch.entries);
        // What changes marks alone is whole without an entry.
        ((whole || fits > 0).then_some(batch), whole)
    }

    fn note(&mut self, batch: &Append) {
        for entry in &batch.entries {
            match &entry.event {
                Event::RunAccepted { workflow, .. } => {
                    self.runs.push(batch.run);
                    self.workflows.insert(batch.run, workflow.clone());
                }
                Event::EffectAnswered { node, part, attempt, effect } => {
                    let name = EffectName(format!("{node}{part}.{attempt}.{}", effect.index));
                    self.answered.insert((batch.run, name));
                }
                Event::EventEmitted { event, .. } => {
                    let kind = event["type"].as_str().unwrap_or_default();
                    self.emitted.entry(kind.to_owned()).or_default().push(event["data"].clone());
                }
                _ => {}
            }
            let workflow = self.workflows.get(&batch.run);
            self.occasions.extend(workflow.and_then(|workflow| Occasion::of(workflow, batch.run, entry)));
        }
    }

    fn lose(&mut self, entries: &mut Vec<Entry>) {
        let is_it = |entry: &Entry| Some(entry.event.type_name()) == self.loses;
        if let Some(place) = entries.iter().position(is_it) {
            entries.truncate(place);
            self.loses = None;
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
    match change {
        MarkChange::Put(Mark { kind: MarkKind::Outbox, body, .. }) => {
            let id = &body["event"]["id"];
            kept.iter()
                .any(|entry| matches!(&entry.event, Event::EventEmitted { event, .. } if event["id"] == *id))
        }
        MarkChange::Put(Mark { kind: MarkKind::State, body, .. }) => {
            let version = Some(&body["version"]);
            answers(kept).any(|answer| answer.get("version") == version || answer.get("swapped") == version)
        }
        // Each change of the state is handed over at once: there is one in a batch at most.
        MarkChange::Remove { kind: MarkKind::State, .. } => {
            answers(kept).any(|answer| answer.get("deleted") == Some(&Value::Bool(true)))
        }
        MarkChange::Put(_) | MarkChange::Remove { .. } => false,
    }
}

/// What the state answered.
fn answers(kept: &[Entry]) -> impl Iterator<Item = &Value> {
    kept.iter().filter_map(|entry| match &entry.event {
        Event::EffectAnswered { effect, .. } if effect.capability == Capability::State => {
            Some(&effect.answer)
        }
        _ => None,
    })
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
mod tests;
