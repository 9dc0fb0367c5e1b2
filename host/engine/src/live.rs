//! A run that is in memory, and the table of all of them.
//!
//! The run's task, its attempts, its watchers and whoever cancels it share one [`LiveRun`]. Its ledger is locked for
//! moments and never across an await.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use jiff::Timestamp;
use serde_json::Value;
use stepwell_core::id::{RunId, TenantId};
use stepwell_core::plan::Plan;
use stepwell_core::priority::Priority;
use stepwell_core::run::{Event, FoldError, RunOutcome, RunState, RunView};
use stepwell_store::{Append, Journal, StoreError, Ticket};
use tokio::sync::{Notify, SetOnce, broadcast};

use crate::clock;
use crate::error::EngineError;
use crate::ledger::{Happened, Ledger, Turn};
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
    /// What its own attempts gave, by the keys of memos, and until when that is good: the journal may not have it yet.
    memos: Mutex<HashMap<String, (Timestamp, Arc<Value>)>>,
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
    /// It waits, and what it waits for brings it back.
    #[error("it waits")]
    Parked,
}

/// What became of a wish to record something beside a run's loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interjected {
    /// It is recorded, and was given to the journal.
    Yes,
    /// The run has ended.
    Ended,
    /// The run has left memory, or is about to: wait until it has, and bring it back.
    Left,
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
            memos: Mutex::default(),
            left: SetOnce::new(),
        })
    }

    /// One turn of the loop: records what happened, then what follows.
    pub(crate) fn advance(&self, happened: Vec<Happened>, may_start: bool) -> Result<Turn, Departure> {
        let mut ledger = self.ledger();
        if let Some(error) = ledger.failure() {
            return Err(error.into());
        }
        for happened in happened {
            ledger.record(happened)?;
        }
        let turn = ledger.advance(may_start)?;
        drop(ledger);
        self.news.notify_waiters();
        Ok(turn)
    }

    /// Records what happens beside the loop, and gives it to the journal at once.
    pub(crate) fn interject(&self, happened: impl Into<Happened>) -> Result<Interjected, FoldError> {
        match self.interject_with(|_| Ok::<_, Infallible>(happened)) {
            Ok(interjected) => Ok(interjected),
            Err(Refused::Fold(error)) => Err(error),
            Err(Refused::Not(never)) => match never {},
        }
    }

    /// The same of an event that follows from how the run stands, or does not.
    pub(crate) fn interject_with<E, H: Into<Happened>>(
        &self,
        make: impl FnOnce(&RunState) -> Result<H, E>,
    ) -> Result<Interjected, Refused<E>> {
        let mut ledger = self.ledger();
        if ledger.is_gone() {
            return Ok(Interjected::Left);
        }
        if ledger.state().outcome().is_some() {
            return Ok(Interjected::Ended);
        }
        let happened = make(ledger.state()).map_err(Refused::Not)?;
        ledger.record(happened).map_err(Refused::Fold)?;
        ledger.hand_over(&*self.journal);
        drop(ledger);
        self.news.notify_waiters();
        Ok(Interjected::Yes)
    }

    /// Gives the journal all of the run and when it goes on by itself; whether it may leave memory then: nothing happened
    /// since the turn that had `seen` so much.
    pub(crate) async fn park(&self, seen: u64, wake_at: Option<Timestamp>) -> Result<bool, StoreError> {
        let ticket = self.ledger().begin_to_leave(seen, wake_at, &*self.journal);
        if let Some(ticket) = ticket {
            ticket.durable().await?;
        }
        Ok(self.ledger().leave())
    }

    /// A queued run has its place now, and goes on. What is recorded waits for company: nothing depends on it yet, and a run whose
    /// acceptance is being claimed must not be written before that. `false`: it has left memory, and learns of it when it is back.
    pub(crate) fn admit(&self) -> Result<bool, FoldError> {
        let mut ledger = self.ledger();
        if ledger.is_gone() {
            return Ok(false);
        }
        if ledger.state().is_queued() {
            ledger.record(Event::RunAdmitted)?;
        }
        drop(ledger);
        self.poke.notify_one();
        self.news.notify_waiters();
        Ok(true)
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
            Err(Departure::Parked) => Err(EngineError::Parked),
        }
    }

    /// Returns once the run has left memory, for whatever reason.
    pub(crate) async fn left(&self) {
        self.left.wait().await;
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

    /// What an attempt of this run gave, if it is remembered, and good still.
    pub(crate) fn remembered(&self, key: &str) -> Option<Arc<Value>> {
        let memos = lock(&self.memos);
        memos.get(key).filter(|(due, _)| clock::now() < *due).map(|(_, output)| Arc::clone(output))
    }

    pub(crate) fn remember(&self, key: String, due: Timestamp, output: Arc<Value>) {
        lock(&self.memos).insert(key, (due, output));
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

/// Why nothing was recorded.
pub(crate) enum Refused<E> {
    /// It does not follow from how the run stands.
    Fold(FoldError),
    /// Whoever wanted to record it found that it is not so.
    Not(E),
}

/// Runs that are brought back at the same time and share a lock by chance.
const LOADING: usize = 64;

/// Every run in memory.
pub(crate) struct LiveRuns {
    table: Mutex<HashMap<RunId, Arc<LiveRun>>>,
    /// Held while a run is read back, by a share of its id: what was read must still be so when the run is in memory.
    loading: [tokio::sync::Mutex<()>; LOADING],
}

impl Default for LiveRuns {
    fn default() -> Self {
        Self { table: Mutex::default(), loading: std::array::from_fn(|_| tokio::sync::Mutex::default()) }
    }
}

impl LiveRuns {
    /// `false`: a run of this id is there already.
    pub(crate) fn insert(&self, run: &Arc<LiveRun>) -> bool {
        let mut runs = lock(&self.table);
        let is_new = !runs.contains_key(&run.id);
        if is_new {
            runs.insert(run.id, Arc::clone(run));
        }
        is_new
    }

    /// The turn to bring a run back.
    pub(crate) async fn load_turn(&self, run: RunId) -> tokio::sync::MutexGuard<'_, ()> {
        let share = usize::from(run.0.as_bytes()[15]) % LOADING;
        self.loading[share].lock().await
    }

    pub(crate) fn remove(&self, run: RunId) {
        lock(&self.table).remove(&run);
    }

    pub(crate) fn contains(&self, run: RunId) -> bool {
        lock(&self.table).contains_key(&run)
    }

    pub(crate) fn get(&self, tenant: &TenantId, run: RunId) -> Option<Arc<LiveRun>> {
        self.find(run).filter(|run| run.tenant == *tenant)
    }

    /// Whoever's it is.
    pub(crate) fn find(&self, run: RunId) -> Option<Arc<LiveRun>> {
        lock(&self.table).get(&run).cloned()
    }

    pub(crate) fn count(&self) -> usize {
        lock(&self.table).len()
    }

    /// Wakes every run's task, so that it sees that the engine stops.
    pub(crate) fn poke_all(&self) {
        for run in lock(&self.table).values() {
            run.poke.notify_one();
        }
    }
}

/// Locks; a panic of an earlier holder is that holder's failure, reported where it happened.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
