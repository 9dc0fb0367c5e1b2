//! The simulated disk: a journal whose batches reach it after a while, in order; that crashes where it is told to, and may fail.
//!
//! Like the embedded store, it promises nothing but what [`Journal`] does: a batch is kept whole or not at all, what a ticket says is
//! kept is kept, and a run of which a batch was lost goes on only from where its journal ends. What was handed over and had not
//! reached the disk is lost in a crash.

use std::collections::{HashMap, HashSet, VecDeque};
use std::future::{Future, pending};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use jiff::Timestamp;
use stepwell_core::id::{AttemptNumber, NodeId, Part, RunId, TenantId};
use stepwell_core::run::{Entry, Event};
use stepwell_store::memory::MemoryJournal;
use stepwell_store::{
    Accepted, Append, IdempotencyClaim, Journal, Mark, MarkChange, MarkKind, RunPage, RunQuery, RunSummary,
    StoreError, Ticket, TicketState,
};
use tokio::sync::{Notify, mpsc, watch};

use crate::dice::Seed;

/// Where a life ends: when so many batches have reached the disk, counted over all lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Crash {
    pub(crate) after: usize,
    /// How long the engine lives on once it has been told of the last batch. None: it is not even told.
    pub(crate) told_for: Option<Duration>,
}

/// What is wrong with the disk beside crashes: nothing, or a fault that is planted to see that it is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manners {
    /// It keeps what it says it keeps.
    Honest,
    /// It fails now and then, to write and to read, and says so.
    Failing,
    /// It says that a batch is kept as soon as it has it.
    TellsTooEarly,
    /// It says that a batch is kept before it is synced: in a crash the last ones are lost.
    SkipsSyncs,
}

/// So many batches are lost in a crash that were not synced.
const UNSYNCED: usize = 2;

/// An effect that was asked for: its run, node and part, attempt and index.
pub(crate) type EffectKey = (RunId, String, u32, u32);

pub(crate) fn effect_key(
    run: RunId,
    node: &NodeId,
    part: Part,
    attempt: AttemptNumber,
    index: u32,
) -> EffectKey {
    (run, format!("{node}{part}"), attempt.0, index)
}

/// Something that was handed over.
#[derive(Debug, Clone)]
enum Batch {
    Append(Append),
    Accept(Append, IdempotencyClaim),
    Note(TenantId, Vec<MarkChange>),
}

impl Batch {
    fn append(&self) -> Option<&Append> {
        match self {
            Self::Append(append) | Self::Accept(append, _) => Some(append),
            Self::Note(..) => None,
        }
    }
}

pub(crate) struct Disk {
    seed: Seed,
    manners: Manners,
    state: Mutex<State>,
    handed: Notify,
    /// So many batches of this life are settled.
    settled: watch::Sender<usize>,
}

#[derive(Default)]
struct State {
    /// What is on the disk, of all lives.
    kept: Vec<Batch>,
    entries: HashMap<RunId, Vec<Entry>>,
    /// What this life handed over and has not been settled; of some it is known that they will be lost.
    waiting: VecDeque<Waiting>,
    /// Of what is settled, in the order in which it was handed over.
    outcomes: Vec<Result<(), StoreError>>,
    /// What whoever reads sees: what is kept, and what is waiting.
    seen: Arc<MemoryJournal>,
    crash: Option<Crash>,
    is_down: bool,
    /// Effects of which whoever asked was told that their answers are kept, in whatever life.
    told: HashSet<EffectKey>,
    /// Reads so far, which fail by their number.
    reads: u64,
    news: Option<mpsc::UnboundedSender<(RunId, Entry)>>,
}

struct Waiting {
    batch: Batch,
    /// An earlier part of its run was lost.
    is_doomed: bool,
}

impl Disk {
    pub(crate) fn new(seed: Seed, manners: Manners) -> Arc<Self> {
        Arc::new(Self {
            seed,
            manners,
            state: Mutex::default(),
            handed: Notify::new(),
            settled: watch::Sender::default(),
        })
    }

    /// The same disk after a crash: with what is on it, and nothing else. It crashes again where it is told to.
    pub(crate) fn next_life(&self, crash: Option<Crash>) -> Arc<Self> {
        let mut old = self.state();
        let (mut kept, told) = (std::mem::take(&mut old.kept), std::mem::take(&mut old.told));
        if self.manners == Manners::SkipsSyncs {
            kept.truncate(kept.len().saturating_sub(UNSYNCED));
        }
        let seen = Arc::new(read_back(&kept));
        let mut entries: HashMap<RunId, Vec<Entry>> = HashMap::new();
        for append in kept.iter().filter_map(Batch::append) {
            entries.entry(append.run).or_default().extend(append.entries.iter().cloned());
        }
        let state = State { kept, told, entries, seen, crash, ..State::default() };
        Arc::new(Self {
            seed: self.seed,
            manners: self.manners,
            state: Mutex::new(state),
            handed: Notify::new(),
            settled: watch::Sender::default(),
        })
    }

    /// How many batches are on the disk.
    pub(crate) fn batches(&self) -> usize {
        self.state().kept.len()
    }

    /// Whether it refuses things now and then.
    pub(crate) fn fails(&self) -> bool {
        self.manners == Manners::Failing
    }

    /// Whether the crash has happened, and the engine is only not gone yet.
    pub(crate) fn is_down(&self) -> bool {
        self.state().is_down
    }

    /// Whether an entry of a run is on the disk.
    pub(crate) fn keeps(&self, run: RunId, is_wanted: impl Fn(&Event) -> bool) -> bool {
        let state = self.state();
        state.entries.get(&run).into_iter().flatten().any(|entry| is_wanted(&entry.event))
    }

    /// Whether somebody was told that the answer of an effect is kept.
    pub(crate) fn told_answer(&self, effect: &EffectKey) -> bool {
        self.state().told.contains(effect)
    }

    /// Every entry on the disk, by run.
    pub(crate) fn entries(&self) -> HashMap<RunId, Vec<Entry>> {
        self.state().entries.clone()
    }

    /// Every entry that was handed over and is not lost.
    pub(crate) fn seen(&self, run: RunId) -> Vec<Entry> {
        let seen = Arc::clone(&self.state().seen);
        let read = seen.read(&TenantId::default(), run, 0, usize::MAX).now_or_never();
        read.expect("memory does not wait").expect("memory does not fail")
    }

    /// The entries that reach the disk from now on, after those that are there.
    pub(crate) fn news(&self) -> mpsc::UnboundedReceiver<(RunId, Entry)> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut state = self.state();
        for (run, entries) in &state.entries {
            for entry in entries {
                sender.send((*run, entry.clone())).expect("the receiver is here");
            }
        }
        state.news = Some(sender);
        receiver
    }

    /// Brings what is handed over to the disk, some at a time, until the crash.
    pub(crate) async fn work(&self) {
        loop {
            self.handed.notified().await;
            loop {
                let waiting = self.state().waiting.len();
                if waiting == 0 {
                    break;
                }
                let mut dice = self.seed.dice(("commit", self.batches(), waiting));
                let some = 1 + dice.below(waiting);
                tokio::time::sleep(dice.between_ms(0, 4)).await;
                for _ in 0..some {
                    if let Some(crash) = self.settle_next() {
                        return self.go_down(crash).await;
                    }
                }
            }
        }
    }

    async fn go_down(&self, crash: Crash) {
        if let Some(still) = crash.told_for {
            self.tell();
            tokio::time::sleep(still).await;
        }
        self.state().is_down = true;
    }

    /// Settles the batch that has waited longest; then tells of it, unless the crash has come.
    fn settle_next(&self) -> Option<Crash> {
        let mut state = self.state();
        let mut dice = self.seed.dice(("fate", state.kept.len(), state.outcomes.len()));
        let fails = self.manners == Manners::Failing && dice.percent(6);
        let Waiting { batch, is_doomed } = state.waiting.pop_front()?;
        let run = batch.append().map(|append| append.run);
        let outcome = match run.filter(|_| is_doomed) {
            Some(run) => Err(StoreError::JournalGap { run }),
            None if fails => Err(full()),
            None => Ok(()),
        };
        if outcome.is_ok() {
            state.told.extend(answers(&batch));
        }
        state.outcomes.push(outcome);
        match is_doomed || (fails && dice.percent(60)) {
            true => state.lose(),
            false => state.keep(batch),
        }
        let crash = state.crash.filter(|crash| state.kept.len() >= crash.after);
        drop(state);
        if crash.is_none() {
            self.tell();
        }
        crash
    }

    fn tell(&self) {
        let settled = self.state().outcomes.len();
        self.settled.send_replace(settled);
    }

    fn hand_over(self: &Arc<Self>, batch: Batch) -> Ticket {
        let mut state = self.state();
        if state.is_down {
            return Ticket::new(Arc::new(Never));
        }
        if let Some(run) =
            batch.append().filter(|append| !goes_on(&state.seen, append)).map(|append| append.run)
        {
            return Ticket::resolved(Err(StoreError::JournalGap { run }));
        }
        apply(&state.seen, batch.clone());
        if self.manners == Manners::TellsTooEarly {
            state.told.extend(answers(&batch));
        }
        state.waiting.push_back(Waiting { batch, is_doomed: false });
        let index = state.outcomes.len() + state.waiting.len();
        drop(state);
        self.handed.notify_one();
        match self.manners {
            Manners::TellsTooEarly => Ticket::resolved(Ok(())),
            _ => Ticket::new(Arc::new(Waits { disk: Arc::clone(self), index })),
        }
    }

    fn read(&self) -> Result<Arc<MemoryJournal>, StoreError> {
        let mut state = self.state();
        state.reads += 1;
        let fails = self.manners == Manners::Failing
            && self.seed.dice(("read", state.reads, state.kept.len())).percent(2);
        if fails { Err(full()) } else { Ok(Arc::clone(&state.seen)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with the disk in hand")
    }
}

impl State {
    fn keep(&mut self, batch: Batch) {
        if let Some(append) = batch.append() {
            self.entries.entry(append.run).or_default().extend(append.entries.iter().cloned());
            for entry in &append.entries {
                let gone =
                    self.news.as_ref().is_some_and(|news| news.send((append.run, entry.clone())).is_err());
                self.news.take_if(|_| gone);
            }
        }
        self.kept.push(batch);
    }

    /// Forgets the batch whose turn it was. What waits and does not go on without it is lost when its turn comes.
    fn lose(&mut self) {
        let seen = read_back(&self.kept);
        for Waiting { batch, is_doomed } in &mut self.waiting {
            *is_doomed |= batch.append().is_some_and(|append| !goes_on(&seen, append));
            if !*is_doomed {
                apply(&seen, batch.clone());
            }
        }
        self.seen = Arc::new(seen);
    }
}

/// Whether a batch goes on from where its run's journal ends.
fn goes_on(journal: &MemoryJournal, append: &Append) -> bool {
    let read = journal.read(&append.tenant, append.run, 0, usize::MAX).now_or_never();
    let next = read.and_then(Result::ok).map_or(0, |entries| entries.len() as u64);
    append.entries.first().is_none_or(|first| first.seq == next)
}

fn read_back(kept: &[Batch]) -> MemoryJournal {
    let journal = MemoryJournal::default();
    for batch in kept {
        apply(&journal, batch.clone());
    }
    journal
}

fn apply(journal: &MemoryJournal, batch: Batch) {
    let applied = match batch {
        Batch::Append(append) => journal.append(append).outcome(),
        Batch::Note(tenant, marks) => journal.note(&tenant, marks).outcome(),
        Batch::Accept(append, claim) => journal.accept(append, claim).now_or_never().map(|it| it.map(|_| ())),
    };
    applied.expect("memory does not wait").expect("memory keeps what it is given");
}

fn answers(batch: &Batch) -> Vec<EffectKey> {
    let Some(append) = batch.append() else { return Vec::new() };
    let answer = |entry: &Entry| match &entry.event {
        Event::EffectAnswered { node, part, attempt, effect } => {
            Some(effect_key(append.run, node, *part, *attempt, effect.index))
        }
        _ => None,
    };
    append.entries.iter().filter_map(answer).collect()
}

fn full() -> StoreError {
    StoreError::DiskFull { path: PathBuf::from("/simulated"), free: 0, reserve: 1 }
}

/// Of a batch that is not settled yet.
struct Waits {
    disk: Arc<Disk>,
    /// Counts the batches of a life from 1.
    index: usize,
}

impl TicketState for Waits {
    fn outcome(&self) -> Option<Result<(), StoreError>> {
        let told = *self.disk.settled.borrow();
        (told >= self.index).then(|| self.disk.state().outcomes[self.index - 1].clone())
    }

    fn wait(self: Arc<Self>) -> Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>> {
        Box::pin(async move {
            let mut settled = self.disk.settled.subscribe();
            settled.wait_for(|settled| *settled >= self.index).await.expect("the disk is here");
            self.outcome().expect("it is settled")
        })
    }
}

/// Of what was handed over by an engine that is dead.
struct Never;

impl TicketState for Never {
    fn outcome(&self) -> Option<Result<(), StoreError>> {
        None
    }

    fn wait(self: Arc<Self>) -> Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>> {
        Box::pin(pending())
    }
}

/// The engine's way to a disk: what a journal is, behind a pointer that tickets share.
#[derive(Clone)]
pub(crate) struct Mounted(pub(crate) Arc<Disk>);

#[async_trait]
impl Journal for Mounted {
    fn append(&self, batch: Append) -> Ticket {
        self.0.hand_over(Batch::Append(batch))
    }

    fn admit(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn accept(&self, batch: Append, claim: IdempotencyClaim) -> Result<Accepted, StoreError> {
        let before = self.claimed(&batch.tenant, &claim).await?;
        let (ticket, answer) = match before {
            Some(before) => (self.0.hand_over(Batch::Note(batch.tenant, Vec::new())), before),
            None => (self.0.hand_over(Batch::Accept(batch, claim)), Accepted::New),
        };
        ticket.durable().await.map(|()| answer)
    }

    async fn claimed(
        &self,
        tenant: &TenantId,
        claim: &IdempotencyClaim,
    ) -> Result<Option<Accepted>, StoreError> {
        self.0.read()?.claimed(tenant, claim).await
    }

    async fn read(
        &self,
        tenant: &TenantId,
        run: RunId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        self.0.read()?.read(tenant, run, from, limit).await
    }

    async fn summary(&self, tenant: &TenantId, run: RunId) -> Result<Option<RunSummary>, StoreError> {
        self.0.read()?.summary(tenant, run).await
    }

    async fn list(&self, tenant: &TenantId, query: RunQuery) -> Result<RunPage, StoreError> {
        self.0.read()?.list(tenant, query).await
    }

    async fn unfinished(
        &self,
        after: Option<(TenantId, RunId)>,
        limit: usize,
    ) -> Result<Vec<(TenantId, RunId)>, StoreError> {
        self.0.read()?.unfinished(after, limit).await
    }

    fn note(&self, tenant: &TenantId, marks: Vec<MarkChange>) -> Ticket {
        self.0.hand_over(Batch::Note(tenant.clone(), marks))
    }

    async fn mark(&self, tenant: &TenantId, kind: MarkKind, key: &str) -> Result<Option<Mark>, StoreError> {
        self.0.read()?.mark(tenant, kind, key).await
    }

    async fn marks(
        &self,
        tenant: &TenantId,
        kind: MarkKind,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Mark>, StoreError> {
        self.0.read()?.marks(tenant, kind, after, limit).await
    }

    async fn due(
        &self,
        kind: MarkKind,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(TenantId, Mark)>, StoreError> {
        self.0.read()?.due(kind, until, limit).await
    }

    async fn next_due(&self, kind: MarkKind) -> Result<Option<Timestamp>, StoreError> {
        self.0.read()?.next_due(kind).await
    }

    async fn purge(&self, ended_before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.0.read()?.purge(ended_before, limit).await
    }

    async fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
