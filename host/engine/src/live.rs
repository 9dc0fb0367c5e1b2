//! A run that is in memory, and the table of all of them.
//!
//! The run's task, its attempts, its watchers and whoever cancels it share one [`LiveRun`]. Its ledger is locked for
//! moments and never across an await.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use stepwell_core::id::{RunId, TenantId};
use stepwell_core::plan::Plan;
use stepwell_core::priority::Priority;
use stepwell_core::run::{Event, FoldError, RunOutcome, RunView};
use stepwell_store::{Append, Journal, StoreError, Ticket};
use tokio::sync::{Notify, SetOnce, broadcast};

use crate::error::EngineError;
use crate::ledger::{Ledger, Turn};
use crate::watch::WatchItem;

/// Progress and log lines that a slow watcher may be behind, before it misses some.
const CHATTER_BACKLOG: usize = 256;

pub(crate) struct LiveRun {
    pub(crate) id: RunId,
    pub(crate) tenant: TenantId,
    pub(crate) plan: Arc<Plan>,
    pub(crate) traceparent: Arc<str>,
    pub(crate) priority: Priority,
    journal: Arc<dyn Journal>,
    ledger: Mutex<Ledger>,
    /// Wakes the run's task.
    pub(crate) poke: Notify,
    /// Wakes the watchers: something was recorded, or the run left.
    pub(crate) news: Notify,
    chatter: OnceLock<broadcast::Sender<WatchItem>>,
    left: SetOnce<Result<(), Departure>>,
}

/// Why a run left memory without having ended.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Departure {
    /// What it recorded did not reach the disk.
    #[error("its journal failed: {0}")]
    Journal(#[from] StoreError),
    /// What it recorded does not follow from what it recorded before.
    #[error("its journal does not fit: {0}")]
    Fold(String),
    /// The engine stops.
    #[error("the engine stopped")]
    Stopped,
}

impl From<FoldError> for Departure {
    fn from(error: FoldError) -> Self {
        Self::Fold(error.to_string())
    }
}

impl LiveRun {
    pub(crate) fn new(tenant: TenantId, ledger: Ledger, journal: Arc<dyn Journal>) -> Arc<Self> {
        let state = ledger.state();
        Arc::new(Self {
            id: state.run(),
            tenant,
            plan: Arc::clone(state.plan()),
            traceparent: state.traceparent().into(),
            priority: state.priority(),
            journal,
            ledger: Mutex::new(ledger),
            poke: Notify::new(),
            news: Notify::new(),
            chatter: OnceLock::new(),
            left: SetOnce::new(),
        })
    }

    /// One turn of the loop: records what happened, then what follows.
    pub(crate) fn advance(&self, happened: Vec<Event>, may_start: bool) -> Result<Turn, Departure> {
        let mut ledger = self.ledger();
        if let Some(error) = ledger.failure() {
            return Err(error.into());
        }
        for event in happened {
            ledger.record(event)?;
        }
        let turn = ledger.advance(may_start)?;
        drop(ledger);
        self.news.notify_waiters();
        Ok(turn)
    }

    /// Records what happens beside the loop, and gives it to the journal at once. A run that has ended records
    /// nothing more: `false`.
    pub(crate) fn interject(&self, event: Event) -> Result<bool, FoldError> {
        let mut ledger = self.ledger();
        if ledger.state().outcome().is_some() {
            return Ok(false);
        }
        ledger.record(event)?;
        ledger.hand_over(&*self.journal);
        drop(ledger);
        self.news.notify_waiters();
        Ok(true)
    }

    /// A queued run has its place now, and goes on. What is recorded waits for company: nothing depends on it yet, and a run whose
    /// acceptance is being claimed must not be written before that.
    pub(crate) fn admit(&self) -> Result<(), FoldError> {
        let mut ledger = self.ledger();
        if ledger.state().is_queued() {
            ledger.record(Event::RunAdmitted)?;
        }
        drop(ledger);
        self.poke.notify_one();
        self.news.notify_waiters();
        Ok(())
    }

    /// Gives the journal all that was recorded, without waiting.
    pub(crate) fn hand_over(&self) -> Option<Ticket> {
        self.ledger().hand_over(&*self.journal)
    }

    /// Returns once all that was recorded so far is on disk.
    pub(crate) async fn durable(&self) -> Result<(), StoreError> {
        match self.hand_over() {
            Some(ticket) => ticket.durable().await,
            None => Ok(()),
        }
    }

    /// The batch that is held back, for [`Journal::accept`].
    pub(crate) fn take_batch(&self) -> Append {
        self.ledger().take_batch()
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    pub(crate) fn view(&self) -> RunView {
        self.ledger().state().view()
    }

    /// The end that is recorded, which may not be on disk yet.
    pub(crate) fn outcome(&self) -> Option<RunOutcome> {
        self.ledger().state().outcome().cloned()
    }

    /// Whether an end is recorded, which may not be on disk yet.
    pub(crate) fn is_ending(&self) -> bool {
        self.ledger().state().outcome().is_some()
    }

    /// Returns once the run's end is on disk, or with why the run left memory before that.
    pub(crate) async fn ended(&self) -> Result<(), EngineError> {
        match self.left.wait().await {
            Ok(()) => Ok(()),
            Err(Departure::Journal(error)) => Err(error.clone().into()),
            Err(Departure::Fold(why)) => Err(EngineError::Journal { run: self.id, why: why.clone() }),
            Err(Departure::Stopped) => Err(EngineError::ShuttingDown),
        }
    }

    /// Whether the run has left memory, ended or not.
    pub(crate) fn has_left(&self) -> bool {
        self.left.initialized()
    }

    /// Says, once, that the run has left memory. To be called when it is in no table any more.
    pub(crate) fn leave(&self, departure: Result<(), Departure>) {
        let first = self.left.set(departure).is_ok();
        debug_assert!(first, "a run leaves once");
        self.news.notify_waiters();
    }

    /// What the run's guests say from now on.
    pub(crate) fn listen(&self) -> broadcast::Receiver<WatchItem> {
        self.chatter.get_or_init(|| broadcast::Sender::new(CHATTER_BACKLOG)).subscribe()
    }

    /// Passes on what a guest says, if anybody listens.
    pub(crate) fn say(&self, item: impl FnOnce() -> WatchItem) {
        if let Some(chatter) = self.chatter.get() {
            // An error means that the listeners have gone.
            let _ = chatter.send(item());
        }
    }
}

/// Every run in memory.
#[derive(Default)]
pub(crate) struct LiveRuns(Mutex<HashMap<RunId, Arc<LiveRun>>>);

impl LiveRuns {
    /// `false`: a run of this id is there already.
    pub(crate) fn insert(&self, run: &Arc<LiveRun>) -> bool {
        let mut runs = lock(&self.0);
        let is_new = !runs.contains_key(&run.id);
        if is_new {
            runs.insert(run.id, Arc::clone(run));
        }
        is_new
    }

    pub(crate) fn remove(&self, run: RunId) {
        lock(&self.0).remove(&run);
    }

    pub(crate) fn contains(&self, run: RunId) -> bool {
        lock(&self.0).contains_key(&run)
    }

    pub(crate) fn get(&self, tenant: &TenantId, run: RunId) -> Option<Arc<LiveRun>> {
        self.find(run).filter(|run| run.tenant == *tenant)
    }

    /// Whoever's it is.
    pub(crate) fn find(&self, run: RunId) -> Option<Arc<LiveRun>> {
        lock(&self.0).get(&run).cloned()
    }

    pub(crate) fn count(&self) -> usize {
        lock(&self.0).len()
    }

    /// Wakes every run's task, so that it sees that the engine stops.
    pub(crate) fn poke_all(&self) {
        for run in lock(&self.0).values() {
            run.poke.notify_one();
        }
    }
}

/// Locks; a panic of an earlier holder is that holder's failure, reported where it happened.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
