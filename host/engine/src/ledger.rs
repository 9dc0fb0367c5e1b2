//! What one living run has recorded, and how much of it the journal was given.
//!
//! Every entry of a run is made here, so the order of its sequence numbers is the order in which the journal gets
//! them. Nothing here waits: entries are held back until something depends on them (an effect, an answer, the run's
//! end) or until they have lingered, and then go to the journal as one batch.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use stepwell_core::attempt::{Account, ModelCall};
use stepwell_core::cloud_event::CloudEvent;
use stepwell_core::id::{NodeId, Part, RunId, TenantId};
use stepwell_core::plan::Plan;
use stepwell_core::run::{Action, AttemptInFlight, Entry, Event, FoldError, RunState, RunStatus};
use stepwell_store::{Append, Journal, MarkChange, MarkKind, RunSummary, StoreError, Ticket};
use tokio::time::Instant;

use crate::attempt::Order;
use crate::blobs::Uses;
use crate::children::Unwanted;
use crate::marks::Kept;
use crate::mint::Random;
use crate::{clock, marks, outbox_mark};

/// How long an entry on which nothing depends may wait for company. A crash in this time costs what would be
/// done again in any case: effect-free work.
const LINGER: Duration = Duration::from_millis(10);

/// Entries of a batch that there is room for from the start: those of a small run, whole.
const BATCH: usize = 8;

pub(crate) struct Ledger {
    tenant: TenantId,
    state: RunState,
    mint: Random,
    last_at: Timestamp,
    /// Applied, and not yet given to the journal.
    held: Vec<Entry>,
    held_since: Option<Instant>,
    /// Of the latest batch that the journal was given.
    handed: Option<Ticket>,
    /// Changes of marks that go with what is held back.
    changes: Vec<MarkChange>,
    /// The marks that the journal has, or was given.
    kept: Kept,
    /// How the index says that the run stands, or will say when it has what was handed over.
    listed: Option<RunStatus>,
    /// The run is about to leave memory, or has left it.
    stay: Stay,
    /// Whether the journal may have a timer of this run.
    has_timer: bool,
    /// Events that it told of, and nobody has taken.
    told: Vec<CloudEvent>,
    /// The blobs that it needs.
    blobs: Uses,
    /// What attempts in flight have called AI models for: their ends tell it, unless they are dropped.
    unbilled: BTreeMap<(NodeId, Part), Vec<ModelCall>>,
}

/// Whether a run stays in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stay {
    Here,
    /// It leaves once the journal has all of it, unless something happens before.
    Leaving,
    /// Nothing can be recorded any more.
    Gone,
}

/// What happened, and which marks change with it.
pub(crate) struct Happened {
    pub(crate) event: Event,
    pub(crate) marks: Vec<MarkChange>,
}

impl From<Event> for Happened {
    fn from(event: Event) -> Self {
        Self { event, marks: Vec::new() }
    }
}

/// What follows from a turn of the loop.
#[derive(Default)]
pub(crate) struct Turn {
    /// Attempts in flight are to be dropped, before others start.
    pub(crate) stop: bool,
    /// What those of them that had called AI models cost.
    pub(crate) abandoned: Vec<(NodeId, Account)>,
    /// Attempts to start.
    pub(crate) orders: Vec<Order>,
    /// Runs of sub-workflows to cancel.
    pub(crate) unwanted: Vec<Unwanted>,
    /// When to look again, if nothing happens before.
    pub(crate) wake_at: Option<Timestamp>,
    /// What the turn has seen: the next entry's number.
    pub(crate) seen: u64,
}

impl Ledger {
    /// A new run's, with its acceptance recorded.
    pub(crate) fn open(
        tenant: TenantId,
        run: RunId,
        plan: Arc<Plan>,
        acceptance: Event,
        mint: Random,
    ) -> Result<Self, FoldError> {
        let first = Entry::new(0, clock::now(), acceptance);
        let state = RunState::accept(run, plan, &first)?;
        let mut ledger = Self::reopen(tenant, state, first.at, None, mint);
        ledger.hold(first);
        Ok(ledger)
    }

    /// That of a run which was read back from the journal, up to an entry of `last_at`, and is listed so.
    pub(crate) fn reopen(
        tenant: TenantId,
        state: RunState,
        last_at: Timestamp,
        listed: Option<RunStatus>,
        mint: Random,
    ) -> Self {
        Self {
            tenant,
            mint,
            last_at,
            held: Vec::with_capacity(BATCH),
            held_since: None,
            handed: None,
            changes: Vec::new(),
            // What a run in memory waits for may have been cut off from what is kept: it is marked again.
            kept: if listed == Some(RunStatus::Running) { Kept::maybe(&state) } else { Kept::of(&state) },
            has_timer: listed.is_some_and(|listed| listed != RunStatus::Running && !listed.is_final()),
            listed,
            told: Vec::new(),
            blobs: Uses::default(),
            unbilled: BTreeMap::new(),
            stay: Stay::Here,
            state,
        }
    }

    pub(crate) fn state(&self) -> &RunState {
        &self.state
    }

    /// Whether nothing can be recorded any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.stay == Stay::Gone
    }

    /// Records what happened.
    pub(crate) fn record(&mut self, happened: impl Into<Happened>) -> Result<(), FoldError> {
        let Happened { event, marks } = happened.into();
        let at = self.time();
        self.record_at(at, event)?;
        self.changes.extend(marks);
        Ok(())
    }

    /// Records what follows until nothing follows at once, and says what is to be done about it.
    pub(crate) fn advance(&mut self, may_start: bool) -> Result<Turn, FoldError> {
        let now = self.time();
        let mut turn = Turn::default();
        loop {
            let before = self.state.next_seq();
            for action in self.state.decide(now) {
                match action {
                    Action::WakeAt(at) => turn.wake_at = Some(at),
                    Action::CancelChild { run, grace_until, compensate } => {
                        turn.unwanted.push(Unwanted { run, grace_until, compensate });
                    }
                    // An item's failure follows on the start of the items before it.
                    Action::Start { .. } | Action::Fail { part: Part::Item(_), .. } if !may_start => {}
                    action => {
                        if matches!(action, Action::StopWork | Action::End { .. }) {
                            turn.abandoned.extend(self.abandon(now)?);
                        }
                        if action == Action::StopWork {
                            turn.stop = true;
                            turn.orders.clear();
                        }
                        turn.orders.extend(Order::of_start(&action, now));
                        if let Some(event) = action.into_event(&mut self.mint) {
                            self.record_at(now, event)?;
                        }
                    }
                }
            }
            if self.state.next_seq() == before {
                turn.seen = before;
                return Ok(turn);
            }
            turn.wake_at = None;
            turn.unwanted.clear();
        }
    }

    /// An attempt in flight has called an AI model.
    pub(crate) fn used(&mut self, node: &NodeId, part: Part, call: &ModelCall) {
        self.unbilled.entry((node.clone(), part)).or_default().push(call.clone());
    }

    /// Records what attempts had cost that are dropped now.
    fn abandon(&mut self, now: Timestamp) -> Result<Vec<(NodeId, Account)>, FoldError> {
        let mut unbilled = std::mem::take(&mut self.unbilled);
        let of_attempt = |it: AttemptInFlight<'_>| {
            let usage = unbilled.remove(&(it.node.clone(), it.part))?;
            Some((it.node.clone(), it.part, it.attempt, Account { usage, ..Account::default() }))
        };
        let dropped: Vec<_> = self.state.in_flight().filter_map(of_attempt).collect();
        let mut accounts = Vec::with_capacity(dropped.len());
        for (node, part, attempt, account) in dropped {
            accounts.push((node.clone(), account.clone()));
            self.record_at(now, Event::AttemptAbandoned { node, part, attempt, account })?;
        }
        Ok(accounts)
    }

    /// Gives the journal all that the run has recorded, with when it goes on by itself; afterwards the run may leave memory, unless
    /// something has happened since the turn that had `seen` so much, or happens meanwhile. The ticket is that of [`Self::hand_over`].
    pub(crate) fn begin_to_leave(
        &mut self,
        seen: u64,
        wake_at: Option<Timestamp>,
        journal: &dyn Journal,
    ) -> Option<Ticket> {
        if self.state.next_seq() != seen {
            return self.hand_over(journal);
        }
        self.stay = Stay::Leaving;
        match wake_at {
            Some(due) => self.changes.push(marks::timer(self.state.run(), due)),
            None if self.has_timer => self.changes.push(marks::no_timer(self.state.run())),
            None => {}
        }
        self.has_timer = wake_at.is_some();
        self.hand_over(journal)
    }

    /// Whether the run leaves memory: nothing was recorded since it began to.
    pub(crate) fn leave(&mut self) -> bool {
        if self.stay == Stay::Leaving {
            self.stay = Stay::Gone;
        }
        self.stay == Stay::Gone
    }

    /// Gives the journal what is held back. The ticket is for all that the run has recorded so far; there is
    /// none if all of it was on disk when the run came into memory.
    pub(crate) fn hand_over(&mut self, journal: &dyn Journal) -> Option<Ticket> {
        // After a batch that failed the next one would leave a gap.
        if self.failure().is_none() && self.has_news() {
            let batch = self.take_batch();
            self.handed = Some(journal.append(batch));
        }
        self.handed.clone()
    }

    fn has_news(&self) -> bool {
        !self.held.is_empty() || !self.changes.is_empty() || self.listed != Some(self.standing())
    }

    /// What is held back, for a journal that takes it in its own way.
    pub(crate) fn take_batch(&mut self) -> Append {
        let entries = std::mem::take(&mut self.held);
        self.held_since = None;
        let summary = self.new_summary();
        let mut marks = std::mem::take(&mut self.changes);
        if self.has_timer && self.stay == Stay::Here {
            self.has_timer = false;
            marks.push(marks::no_timer(self.state.run()));
        }
        marks.extend(self.kept.update(&self.state));
        Append { tenant: self.tenant.clone(), run: self.state.run(), entries, summary, marks }
    }

    /// The events that the run told of since this was asked.
    pub(crate) fn take_told(&mut self) -> Vec<CloudEvent> {
        std::mem::take(&mut self.told)
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
        if let Event::AttemptSucceeded { node, part, .. } | Event::AttemptFailed { node, part, .. } =
            &entry.event
            && !self.unbilled.is_empty()
        {
            self.unbilled.remove(&(node.clone(), *part));
        }
        if let Event::ChildEnded { run, .. } = &entry.event {
            // It has heard of it.
            self.changes.push(MarkChange::Remove { kind: MarkKind::Child, key: run.to_string() });
        }
        if let Event::EventEmitted { event, .. } = &entry.event {
            self.tell(&Arc::clone(event));
        }
        // Whoever has news stays.
        self.stay = Stay::Here;
        self.hold(entry);
        Ok(())
    }

    /// An event stays in the outbox until everybody has it.
    fn tell(&mut self, event: &Arc<Value>) {
        match CloudEvent::from_json(Value::clone(event)) {
            Ok(event) => {
                self.changes.push(outbox_mark(&event));
                self.told.push(event);
            }
            Err(mistakes) => {
                tracing::error!(run = %self.state.run(), ?mistakes, "a run told of what is no event");
            }
        }
    }

    fn hold(&mut self, entry: Entry) {
        self.blobs.note(self.state.run(), &entry.event, &mut self.changes);
        self.held.push(entry);
        self.held_since.get_or_insert_with(Instant::now);
    }

    /// Now, but never before what was recorded: a clock that is set back does not turn a journal around.
    fn time(&self) -> Timestamp {
        clock::now().max(self.last_at)
    }

    /// How the run is to be listed: as running while it is in memory, whatever it waits for there.
    fn standing(&self) -> RunStatus {
        match (self.state.status(), self.stay) {
            (status, _) if status.is_final() => status,
            // A start reads these for itself.
            (_, Stay::Here) if self.state.is_queued() => RunStatus::Queued,
            (status, Stay::Leaving | Stay::Gone) => status,
            (_, Stay::Here) => RunStatus::Running,
        }
    }

    /// The run's line in the index, if it changes.
    fn new_summary(&mut self) -> Option<RunSummary> {
        let status = self.standing();
        if self.listed.replace(status) == Some(status) {
            return None;
        }
        let plan = self.state.plan();
        Some(RunSummary {
            id: self.state.run(),
            workflow: plan.name.clone(),
            version: plan.version.clone(),
            status,
            accepted_at: self.state.accepted_at(),
            ended_at: self.state.ended_at(),
        })
    }
}

#[cfg(test)]
mod tests;
