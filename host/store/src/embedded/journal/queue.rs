//! The queue before the committer: what is handed over while one group is being committed is the next group.

use std::collections::{HashSet, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use stepwell_core::id::{RunId, TenantId};
use tokio::sync::Notify;

use super::batch::Handed;
use crate::{StoreError, Ticket, TicketState};

/// A group that has reached this size takes no more: it bounds the memory of a commit.
const GROUP_BYTES: usize = 8 << 20;

/// Behind a group of several batches comes another like it, and a commit costs the same for one batch as for many: so it is given
/// time to gather, the more the busier it is. (PostgreSQL's `commit_siblings` and `commit_delay` are the same thought.)
const SIBLINGS: usize = 4;
const GATHERING_A_BATCH: Duration = Duration::from_micros(100);
const GATHERING_AT_MOST: Duration = Duration::from_millis(2);

/// A run, of whomever.
pub(super) type RunKey = (TenantId, RunId);

/// What is committed together.
pub(super) struct Group {
    pub(super) handed: Vec<Handed>,
    pub(super) ticket: Arc<GroupTicket>,
    /// The group is one batch of a run that lost entries: it may be refused without harm to others.
    pub(super) resumes: bool,
    bytes: usize,
}

impl Group {
    fn new(resumes: bool) -> Self {
        Self { handed: Vec::new(), ticket: Arc::default(), resumes, bytes: 0 }
    }

    fn runs(&self) -> impl Iterator<Item = &RunKey> {
        self.handed.iter().filter_map(|handed| handed.run.as_ref())
    }

    fn takes(&self, handed: &Handed) -> bool {
        !self.resumes && self.bytes + handed.bytes() <= GROUP_BYTES
    }

    fn push(&mut self, handed: Handed) -> Arc<GroupTicket> {
        self.bytes += handed.bytes();
        self.handed.push(handed);
        Arc::clone(&self.ticket)
    }
}

/// The outcome of a group, shared by all its tickets.
#[derive(Default)]
pub(super) struct GroupTicket {
    outcome: OnceLock<Result<(), StoreError>>,
    resolved: Notify,
}

impl GroupTicket {
    fn resolve(&self, outcome: Result<(), StoreError>) {
        if self.outcome.set(outcome).is_ok() {
            self.resolved.notify_waiters();
        }
    }

    pub(super) async fn durable(&self) -> Result<(), StoreError> {
        loop {
            let mut resolved = std::pin::pin!(self.resolved.notified());
            // From here on a resolution wakes us, so the look after it misses none.
            resolved.as_mut().enable();
            if let Some(outcome) = self.outcome.get() {
                return outcome.clone();
            }
            resolved.await;
        }
    }
}

impl TicketState for GroupTicket {
    fn outcome(&self) -> Option<Result<(), StoreError>> {
        self.outcome.get().cloned()
    }

    fn wait(self: Arc<Self>) -> Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>> {
        Box::pin(async move { self.durable().await })
    }
}

/// The queue. Many hand over; one committer takes.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Group>,
    committing: Option<Arc<GroupTicket>>,
    /// Runs of which entries were lost, in a failed commit or because they were refused.
    lost: HashSet<RunKey>,
    /// The committer waits for work. To wake it is a system call, and most of the time it is awake.
    idle: bool,
    closed: bool,
}

impl Queue {
    /// Hands over.
    pub(super) fn push(&self, handed: Handed) -> Result<Arc<GroupTicket>, StoreError> {
        let mut state = self.lock();
        if state.closed {
            return Err(StoreError::Closed);
        }
        let resumes =
            !state.lost.is_empty() && handed.run.as_ref().is_some_and(|run| state.lost.contains(run));
        let ticket = match state.waiting.back_mut() {
            Some(group) if !resumes && group.takes(&handed) => group.push(handed),
            _ => {
                let mut group = Group::new(resumes);
                let ticket = group.push(handed);
                state.waiting.push_back(group);
                ticket
            }
        };
        let wake = std::mem::take(&mut state.idle);
        drop(state);
        if wake {
            self.work.notify_one();
        }
        Ok(ticket)
    }

    /// A batch of this run was refused before it was handed over: what follows it may leave a gap.
    pub(super) fn lacks(&self, run: RunKey) {
        self.lock().lost.insert(run);
    }

    /// What was handed over last, if it is not known yet what became of it.
    pub(super) fn last(&self) -> Option<Arc<GroupTicket>> {
        let state = self.lock();
        state.waiting.back().map(|group| Arc::clone(&group.ticket)).or_else(|| state.committing.clone())
    }

    /// Takes the next group, waiting for one; none once the queue is closed and empty.
    pub(super) fn take(&self) -> Option<Group> {
        let idle = |state: &mut State| {
            state.idle = state.waiting.is_empty() && !state.closed;
            state.idle
        };
        let mut state = self.work.wait_while(self.lock(), idle).unwrap_or_else(PoisonError::into_inner);
        let group = state.waiting.pop_front()?;
        state.committing = Some(Arc::clone(&group.ticket));
        Some(group)
    }

    /// Lets the next group gather behind a group of so many batches.
    pub(super) fn gather(&self, behind: usize) {
        if behind >= SIBLINGS && !self.lock().closed {
            let behind = u32::try_from(behind).unwrap_or(u32::MAX);
            std::thread::sleep(GATHERING_A_BATCH.saturating_mul(behind).min(GATHERING_AT_MOST));
        }
    }

    /// The group that was taken is on disk.
    pub(super) fn kept(&self, group: &Group) {
        let mut state = self.lock();
        state.committing = None;
        if group.resumes {
            for run in group.runs() {
                state.lost.remove(run);
            }
        }
        drop(state);
        group.ticket.resolve(Ok(()));
    }

    /// The group that was taken is refused, and nothing of it was written.
    pub(super) fn refused(&self, group: &Group, why: StoreError) {
        self.lock().committing = None;
        group.ticket.resolve(Err(why));
    }

    /// The group that was taken is lost, and with it all that was handed over behind it.
    pub(super) fn lost(&self, group: Group, why: &StoreError) {
        let mut state = self.lock();
        state.committing = None;
        let groups: Vec<Group> = std::iter::once(group).chain(state.waiting.drain(..)).collect();
        state.lost.extend(groups.iter().flat_map(Group::runs).cloned());
        drop(state);
        for group in groups {
            group.ticket.resolve(Err(why.clone()));
        }
    }

    /// Takes no more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.work.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<Arc<GroupTicket>> for Ticket {
    fn from(ticket: Arc<GroupTicket>) -> Self {
        Self::new(ticket)
    }
}
