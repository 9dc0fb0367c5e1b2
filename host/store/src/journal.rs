//! The journal: what runs did. One atomic batch a commit; a commit is on disk when its ticket says so.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use semver::Version;
use serde::{Deserialize, Serialize};
use stepwell_core::digest::Digest;
use stepwell_core::id::{RunId, TenantId, WorkflowName};
use stepwell_core::run::{Entry, RunStatus};

use crate::{Mark, MarkChange, MarkKind, StoreError};

/// Entries for one run's journal, kept whole or not at all.
#[derive(Debug, Clone)]
pub struct Append {
    /// Whose run.
    pub tenant: TenantId,
    /// The run.
    pub run: RunId,
    /// In order, going on where the run's journal ends.
    pub entries: Vec<Entry>,
    /// The run's line in the index, where this batch changes it: when it is accepted, when its status changes, when it ends.
    pub summary: Option<RunSummary>,
    /// Marks that follow from the entries, in order: of two changes to one mark the later holds.
    pub marks: Vec<MarkChange>,
}

/// A run's line in the index.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// The run.
    pub id: RunId,
    /// Its workflow.
    pub workflow: WorkflowName,
    /// Its workflow's version.
    pub version: Version,
    /// Where it stands.
    pub status: RunStatus,
    /// When it was accepted.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub accepted_at: Timestamp,
    /// When it ended.
    #[serde(
        default,
        with = "jiff::fmt::serde::timestamp::millisecond::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub ended_at: Option<Timestamp>,
}

/// A client's wish that a start be done once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdempotencyClaim {
    /// The client's key, scoped to tenant and workflow.
    pub workflow: WorkflowName,
    /// The key.
    pub key: String,
    /// Of what was asked: the same key with another request is an error.
    pub request_digest: Digest,
    /// When the claim may be forgotten.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub expires_at: Timestamp,
}

/// What became of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// The claim is new, and the batch is on disk.
    New,
    /// The same request was accepted before, as this run; nothing was written.
    Before(RunId),
    /// The key was used for another request, of this run; nothing was written.
    Mismatch(RunId),
}

/// Which runs to list, newest first.
#[derive(Debug, Clone, Default)]
pub struct RunQuery {
    /// Of this workflow alone.
    pub workflow: Option<WorkflowName>,
    /// With this status alone.
    pub status: Option<RunStatus>,
    /// At most so many; a page has one at least.
    pub limit: usize,
    /// Go on behind this.
    pub cursor: Option<Cursor>,
}

/// Where a page ended: the last run on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(pub RunId);

/// One page of runs.
#[derive(Debug, Clone)]
pub struct RunPage {
    /// Newest first.
    pub runs: Vec<RunSummary>,
    /// Where to go on; none on the last page.
    pub next: Option<Cursor>,
}

/// Resolves once what it was given for is on disk, or failed to get there. Cheap to clone; each clone gets the same answer.
#[derive(Clone)]
pub struct Ticket(Arc<dyn TicketState>);

/// How an implementation answers for its tickets.
pub trait TicketState: Send + Sync {
    /// Known without waiting, if it is known.
    fn outcome(&self) -> Option<Result<(), StoreError>>;
    /// Waits for it.
    fn wait(self: Arc<Self>) -> Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>>;
}

impl Ticket {
    /// Wraps an implementation's state.
    pub fn new(state: Arc<dyn TicketState>) -> Self {
        Self(state)
    }

    /// A ticket whose outcome is known already.
    #[must_use]
    pub fn resolved(outcome: Result<(), StoreError>) -> Self {
        Self(Arc::new(outcome))
    }

    /// What became of the batch, if that is known already.
    #[must_use]
    pub fn outcome(&self) -> Option<Result<(), StoreError>> {
        self.0.outcome()
    }

    /// Waits until the batch is on disk.
    pub async fn durable(&self) -> Result<(), StoreError> {
        match self.0.outcome() {
            Some(outcome) => outcome,
            None => Arc::clone(&self.0).wait().await,
        }
    }
}

impl TicketState for Result<(), StoreError> {
    fn outcome(&self) -> Option<Result<(), StoreError>> {
        Some(self.clone())
    }

    fn wait(self: Arc<Self>) -> Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>> {
        Box::pin(std::future::ready((*self).clone()))
    }
}

/// Append-only, durable record of runs.
#[async_trait]
pub trait Journal: Send + Sync + 'static {
    /// Hands a batch over without waiting. Batches reach the disk in the order in which they were handed over: when a
    /// ticket resolves, all that was handed over before it is on disk as well.
    ///
    /// A ticket that fails leaves open whether its batch is kept: whoever holds the run's state must read the run back. Until a
    /// batch goes on from where the run's journal really ends, each is refused with [`StoreError::JournalGap`], so
    /// that no journal has a hole.
    fn append(&self, batch: Append) -> Ticket;

    /// Whether a new run may be accepted now: refuses while the disk's reserve is touched, so that running work
    /// can still write.
    fn admit(&self) -> Result<(), StoreError>;

    /// Appends a run's first batch if the claim is new, in one atomic step, and waits until it is on disk.
    async fn accept(&self, batch: Append, claim: IdempotencyClaim) -> Result<Accepted, StoreError>;

    /// A run's entries from `from` on, at most `limit`. Sees what was handed over, on disk or not.
    async fn read(
        &self,
        tenant: &TenantId,
        run: RunId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError>;

    /// One run's line in the index.
    async fn summary(&self, tenant: &TenantId, run: RunId) -> Result<Option<RunSummary>, StoreError>;

    /// A page of the index.
    async fn list(&self, tenant: &TenantId, query: RunQuery) -> Result<RunPage, StoreError>;

    /// Every [running](RunStatus::Running) run, of every tenant, oldest first: what to go on with after a start. Runs that wait, are
    /// paused or are queued are not among them: there may be very many, and a [`Mark`] tells when they go on. Pages: at most `limit` behind
    /// `after`.
    async fn unfinished(
        &self,
        after: Option<(TenantId, RunId)>,
        limit: usize,
    ) -> Result<Vec<(TenantId, RunId)>, StoreError>;

    /// Changes marks that belong to no run's batch, in one atomic step. Otherwise like [`append`](Journal::append).
    fn note(&self, tenant: &TenantId, marks: Vec<MarkChange>) -> Ticket;

    /// One mark. Sees what was handed over, on disk or not, as all that reads marks does.
    async fn mark(&self, tenant: &TenantId, kind: MarkKind, key: &str) -> Result<Option<Mark>, StoreError>;

    /// A tenant's marks of a kind, by key. Pages: at most `limit` behind `after`.
    async fn marks(
        &self,
        tenant: &TenantId,
        kind: MarkKind,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Mark>, StoreError>;

    /// Marks of a kind that are due by this time, of every tenant, soonest first: at most `limit`. A mark is told until it is removed
    /// or put with another time.
    async fn due(
        &self,
        kind: MarkKind,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(TenantId, Mark)>, StoreError>;

    /// When the next mark of a kind is due, of whatever tenant: in the past, too.
    async fn next_due(&self, kind: MarkKind) -> Result<Option<Timestamp>, StoreError>;

    /// Waits for all that was handed over, then closes.
    async fn close(&self) -> Result<(), StoreError>;
}
