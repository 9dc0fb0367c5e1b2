//! The journal in fjall, with group commit.
//!
//! ```text
//! append --(bytes)--> queue --(group)--> committer --(one batch, one fdatasync)--> fjall
//!                       ^ ticket <--------- outcome
//! ```

mod batch;
mod committer;
mod database;
mod entries;
mod index;
mod keeper;
mod keys;
mod marks;
mod merged;
mod old;
mod queue;
mod torn;
mod writer;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use async_trait::async_trait;
use jiff::Timestamp;
use stepwell_core::id::{RunId, TenantId};
use stepwell_core::run::Entry;

use self::batch::{Claim, ClaimRecord, Handed};
use self::database::View;
use self::keeper::Keeper;
use self::queue::{GroupTicket, Queue};
use super::blocking::blocking;
use super::folder::Folder;
use crate::{
    Accepted, Append, IdempotencyClaim, Journal, Mark, MarkChange, MarkKind, RunPage, RunQuery, RunSummary,
    StoreError, Ticket, mark,
};

/// The embedded store's journal.
pub(crate) struct EmbeddedJournal {
    folder: Arc<Folder>,
    queue: Arc<Queue>,
    keeper: Arc<Keeper>,
    committer: Mutex<Option<JoinHandle<()>>>,
    /// Where the search for old runs goes on: those before stay, and what was removed before need not be passed over again. Held by
    /// whoever removes.
    searched: tokio::sync::Mutex<Option<RunId>>,
}

impl EmbeddedJournal {
    pub(crate) fn open(folder: Arc<Folder>) -> Result<Self, StoreError> {
        let keeper = Arc::new(Keeper::open(Arc::clone(&folder))?);
        let queue = Arc::<Queue>::default();
        let committer = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn({
                let (queue, keeper) = (Arc::clone(&queue), Arc::clone(&keeper));
                move || committer::run(&queue, &keeper)
            })
            .map_err(|why| StoreError::io("cannot start the journal's thread", why))?;
        Ok(Self {
            folder,
            queue,
            keeper,
            committer: Mutex::new(Some(committer)),
            searched: tokio::sync::Mutex::default(),
        })
    }

    fn hand_over(&self, batch: &Append, claim: Option<Claim>) -> Result<Arc<GroupTicket>, StoreError> {
        mark::check(&batch.marks)
            .inspect_err(|_| self.queue.lacks((batch.tenant.clone(), batch.run)))
            .and_then(|()| self.queue.push(Handed::new(batch, claim)))
    }

    /// Waits until the disk tells of all that was handed over so far.
    async fn settle(&self) {
        if let Some(last) = self.queue.last() {
            // Whether it is kept or lost, the disk says afterwards what there is.
            let _ = last.durable().await;
        }
    }

    async fn look<T: Send + 'static>(
        &self,
        at: impl Fn(&View<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let keeper = Arc::clone(&self.keeper);
        blocking(move || keeper.with(|database| at(&database.view()))).await
    }

    fn take_committer(&self) -> Option<JoinHandle<()>> {
        self.queue.close();
        self.committer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[async_trait]
impl Journal for EmbeddedJournal {
    fn append(&self, batch: Append) -> Ticket {
        self.hand_over(&batch, None).map_or_else(|refused| Ticket::resolved(Err(refused)), Ticket::from)
    }

    fn admit(&self) -> Result<(), StoreError> {
        self.folder.admit()
    }

    async fn accept(&self, batch: Append, claim: IdempotencyClaim) -> Result<Accepted, StoreError> {
        let claim = Claim::new(&batch.tenant, batch.run, &claim);
        let verdict = Arc::clone(&claim.verdict);
        self.hand_over(&batch, Some(claim))?.durable().await?;
        #[expect(
            clippy::expect_used,
            reason = "the committer tells the verdicts of a group before its outcome"
        )]
        Ok(*verdict.get().expect("a claim whose group is on disk is decided"))
    }

    async fn claimed(
        &self,
        tenant: &TenantId,
        claim: &IdempotencyClaim,
    ) -> Result<Option<Accepted>, StoreError> {
        self.settle().await;
        let (key, digest) = (keys::claim(tenant, &claim.workflow, &claim.key), claim.request_digest);
        self.look(move |view| {
            let kept = ClaimRecord::on_disk(view, &key)?.filter(|kept| kept.holds_at(Timestamp::now()));
            Ok(kept.map(|kept| kept.answer_another(digest)))
        })
        .await
    }

    async fn read(
        &self,
        tenant: &TenantId,
        run: RunId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        self.settle().await;
        let prefix = keys::run(tenant, run);
        self.look(move |view| entries::read(view, &prefix, run, from, limit)).await
    }

    async fn summary(&self, tenant: &TenantId, run: RunId) -> Result<Option<RunSummary>, StoreError> {
        let tenant = tenant.clone();
        self.look(move |view| index::summary(view, &tenant, run)).await
    }

    async fn list(&self, tenant: &TenantId, query: RunQuery) -> Result<RunPage, StoreError> {
        let tenant = tenant.clone();
        self.look(move |view| index::page(view, &tenant, &query)).await
    }

    async fn unfinished(
        &self,
        after: Option<(TenantId, RunId)>,
        limit: usize,
    ) -> Result<Vec<(TenantId, RunId)>, StoreError> {
        self.look(move |view| index::unfinished(view, after.as_ref(), limit)).await
    }

    fn note(&self, tenant: &TenantId, marks: Vec<MarkChange>) -> Ticket {
        let handed = mark::check(&marks).and_then(|()| self.queue.push(Handed::of_marks(tenant, &marks)));
        handed.map_or_else(|refused| Ticket::resolved(Err(refused)), Ticket::from)
    }

    async fn mark(&self, tenant: &TenantId, kind: MarkKind, key: &str) -> Result<Option<Mark>, StoreError> {
        self.settle().await;
        let (tenant, key) = (tenant.clone(), key.to_owned());
        self.look(move |view| marks::get(view, &tenant, kind, &key)).await
    }

    async fn marks(
        &self,
        tenant: &TenantId,
        kind: MarkKind,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Mark>, StoreError> {
        self.settle().await;
        let (tenant, after) = (tenant.clone(), after.map(str::to_owned));
        self.look(move |view| marks::page(view, &tenant, kind, after.as_deref(), limit)).await
    }

    async fn due(
        &self,
        kind: MarkKind,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(TenantId, Mark)>, StoreError> {
        self.settle().await;
        self.look(move |view| marks::due(view, kind, until, limit)).await
    }

    async fn next_due(&self, kind: MarkKind) -> Result<Option<Timestamp>, StoreError> {
        self.settle().await;
        self.look(move |view| marks::next_due(view, kind)).await
    }

    async fn purge(&self, ended_before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let mut searched = self.searched.lock().await;
        self.settle().await;
        let behind = *searched;
        let found = self.look(move |view| old::find(view, ended_before, behind, limit)).await?;
        let last = found.last().map(|old| old.run.1).filter(|_| found.len() == limit);
        let mut removed = 0;
        for removal in old::in_removals(found) {
            let count = Arc::clone(&removal.removed);
            self.queue.push_removal(removal)?.durable().await?;
            removed += count.load(Ordering::Relaxed);
        }
        *searched = last;
        Ok(removed)
    }

    async fn close(&self) -> Result<(), StoreError> {
        let Some(committer) = self.take_committer() else { return Ok(()) };
        blocking(move || committer.join().map_err(|panic| std::panic::resume_unwind(panic))).await
    }
}

impl Drop for EmbeddedJournal {
    /// Lets the committer end, so that the data folder is free again once this is dropped.
    fn drop(&mut self) {
        if self.take_committer().is_some_and(|committer| committer.join().is_err()) {
            tracing::error!("the journal's thread ended with a panic");
        }
    }
}
