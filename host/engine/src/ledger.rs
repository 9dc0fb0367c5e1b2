//! What one living run has recorded, and how much of it the journal was given.
//!
//! Every entry of a run is made here, so the order of its sequence numbers is the order in which the journal gets
//! them. Nothing here waits: entries are held back until something depends on them (an effect, an answer, the run's
//! end) or until they have lingered, and then go to the journal as one batch.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use stepwell_core::id::{RunId, TenantId};
use stepwell_core::plan::Plan;
use stepwell_core::run::{Action, Entry, Event, FoldError, RunState};
use stepwell_store::{Append, Journal, RunSummary, StoreError, Ticket};

use crate::attempt::Order;
use crate::clock;

/// How long an entry on which nothing depends may wait for company. A crash in this time costs what would be
/// done again in any case: effect-free work.
const LINGER: Duration = Duration::from_millis(10);

/// Entries of a batch that there is room for from the start: those of a small run, whole.
const BATCH: usize = 8;

pub(crate) struct Ledger {
    tenant: TenantId,
    state: RunState,
    last_at: Timestamp,
    /// Applied, and not yet given to the journal.
    held: Vec<Entry>,
    held_since: Option<Instant>,
    /// Of the latest batch that the journal was given.
    handed: Option<Ticket>,
}

/// What follows from a turn of the loop.
pub(crate) struct Turn {
    /// Attempts to start.
    pub(crate) orders: Vec<Order>,
    /// When to look again, if nothing happens before.
    pub(crate) wake_at: Option<Timestamp>,
}

impl Ledger {
    /// A new run's, with its acceptance recorded.
    pub(crate) fn open(
        tenant: TenantId,
        run: RunId,
        plan: Arc<Plan>,
        acceptance: Event,
    ) -> Result<Self, FoldError> {
        let first = Entry::new(0, Timestamp::now(), acceptance);
        let state = RunState::accept(run, plan, &first)?;
        let mut ledger = Self::reopen(tenant, state, first.at);
        ledger.hold(first);
        Ok(ledger)
    }

    /// That of a run which was read back from the journal, up to an entry of `last_at`.
    pub(crate) fn reopen(tenant: TenantId, state: RunState, last_at: Timestamp) -> Self {
        Self { tenant, state, last_at, held: Vec::with_capacity(BATCH), held_since: None, handed: None }
    }

    pub(crate) fn state(&self) -> &RunState {
        &self.state
    }

    /// Records what happened.
    pub(crate) fn record(&mut self, event: Event) -> Result<(), FoldError> {
        let at = self.time();
        self.record_at(at, event)
    }

    /// Records what follows until nothing follows at once, and says what is to be done about it.
    pub(crate) fn advance(&mut self, may_start: bool) -> Result<Turn, FoldError> {
        let now = self.time();
        let mut turn = Turn { orders: Vec::new(), wake_at: None };
        loop {
            let before = self.state.next_seq();
            for action in self.state.decide(now) {
                match action {
                    Action::WakeAt(at) => turn.wake_at = Some(at),
                    Action::Start { .. } if !may_start => {}
                    action => {
                        turn.orders.extend(Order::of_start(&action, now));
                        if let Some(event) = action.into_event() {
                            self.record_at(now, event)?;
                        }
                    }
                }
            }
            if self.state.next_seq() == before {
                return Ok(turn);
            }
            turn.wake_at = None;
        }
    }

    /// Gives the journal what is held back. The ticket is for all that the run has recorded so far; there is
    /// none if all of it was on disk when the run came into memory.
    pub(crate) fn hand_over(&mut self, journal: &dyn Journal) -> Option<Ticket> {
        // After a batch that failed the next one would leave a gap.
        if self.failure().is_none() && !self.held.is_empty() {
            let batch = self.take_batch();
            self.handed = Some(journal.append(batch));
        }
        self.handed.clone()
    }

    /// What is held back, for a journal that takes it in its own way.
    pub(crate) fn take_batch(&mut self) -> Append {
        let entries = std::mem::take(&mut self.held);
        self.held_since = None;
        let summary = self.summary_after(&entries);
        Append { tenant: self.tenant.clone(), run: self.state.run(), entries, summary, marks: Vec::new() }
    }

    /// When entries that are held back have lingered long enough.
    pub(crate) fn hand_over_by(&self) -> Option<Instant> {
        self.held_since.map(|since| since + LINGER)
    }

    /// The latest batch's ticket, if the batch is not known to be on disk.
    pub(crate) fn unsettled(&self) -> Option<Ticket> {
        self.handed.as_ref().filter(|ticket| !matches!(ticket.outcome(), Some(Ok(())))).cloned()
    }

    /// Why a batch did not reach the disk, once that is known.
    pub(crate) fn failure(&self) -> Option<StoreError> {
        self.handed.as_ref()?.outcome()?.err()
    }

    fn record_at(&mut self, at: Timestamp, event: Event) -> Result<(), FoldError> {
        let entry = self.state.record(at, event)?;
        self.last_at = entry.at;
        self.hold(entry);
        Ok(())
    }

    fn hold(&mut self, entry: Entry) {
        self.held.push(entry);
        self.held_since.get_or_insert_with(Instant::now);
    }

    /// Now, but never before what was recorded: a clock that is set back does not turn a journal around.
    fn time(&self) -> Timestamp {
        clock::now().max(self.last_at)
    }

    /// The run's line in the index, if these entries change it: with the first of them, and with the last.
    fn summary_after(&self, entries: &[Entry]) -> Option<RunSummary> {
        let accepted = entries.first().is_some_and(|entry| entry.seq == 0);
        let ended = matches!(entries.last(), Some(Entry { event: Event::RunEnded { .. }, .. }));
        let plan = self.state.plan();
        (accepted || ended).then(|| RunSummary {
            id: self.state.run(),
            workflow: plan.name.clone(),
            version: plan.version.clone(),
            status: self.state.status(),
            accepted_at: self.state.accepted_at(),
            ended_at: self.state.ended_at(),
        })
    }
}

#[cfg(test)]
mod tests;
