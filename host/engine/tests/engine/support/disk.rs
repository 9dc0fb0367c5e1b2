//! One life's way to the journal: it can break and be mended, and is cut when the life ends.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::Timestamp;
use stepwell_core::id::{RunId, TenantId};
use stepwell_core::run::Entry;
use stepwell_store::memory::MemoryJournal;
use stepwell_store::{
    Accepted, Append, IdempotencyClaim, Journal, Mark, MarkChange, MarkKind, RunPage, RunQuery, RunSummary,
    StoreError, Ticket,
};

pub(crate) struct Disk {
    kept: Arc<MemoryJournal>,
    broken: AtomicBool,
    /// Runs of which a batch was lost, until they are read back.
    holed: Mutex<HashSet<RunId>>,
}

impl Disk {
    pub(crate) fn over(kept: Arc<MemoryJournal>) -> Arc<Self> {
        Arc::new(Self { kept, broken: AtomicBool::new(false), holed: Mutex::default() })
    }

    /// From now on nothing is written any more.
    pub(crate) fn break_down(&self) {
        self.broken.store(true, Ordering::SeqCst);
    }

    pub(crate) fn mend(&self) {
        self.broken.store(false, Ordering::SeqCst);
    }

    fn full(&self) -> Result<(), StoreError> {
        match self.broken.load(Ordering::SeqCst) {
            true => Err(StoreError::DiskFull { path: PathBuf::from("/full"), free: 0, reserve: 1 }),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl Journal for Disk {
    fn append(&self, batch: Append) -> Ticket {
        let run = batch.run;
        if let Err(error) = self.full() {
            self.holed.lock().unwrap().insert(run);
            return Ticket::resolved(Err(error));
        }
        if self.holed.lock().unwrap().contains(&run) {
            return Ticket::resolved(Err(StoreError::JournalGap { run }));
        }
        self.kept.append(batch)
    }

    fn admit(&self) -> Result<(), StoreError> {
        self.full()
    }

    async fn accept(&self, batch: Append, claim: IdempotencyClaim) -> Result<Accepted, StoreError> {
        self.full()?;
        let accepted = self.kept.accept(batch, claim).await;
        // It is kept before whoever asked hears of it.
        tokio::task::yield_now().await;
        accepted
    }

    async fn read(
        &self,
        tenant: &TenantId,
        run: RunId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        self.holed.lock().unwrap().remove(&run);
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
        match self.full() {
            Ok(()) => self.kept.note(tenant, marks),
            Err(error) => Ticket::resolved(Err(error)),
        }
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
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(TenantId, Mark)>, StoreError> {
        self.kept.due(kind, until, limit).await
    }

    async fn next_due(&self, kind: MarkKind) -> Result<Option<Timestamp>, StoreError> {
        self.kept.next_due(kind).await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.break_down();
        Ok(())
    }
}
