//! The journal in memory: everything is "on disk" at once.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use stepwell_core::id::{RunId, TenantId, WorkflowName};
use stepwell_core::run::{Entry, RunStatus};

use super::marks::Marks;
use crate::{
    Accepted, Append, Cursor, IdempotencyClaim, Journal, Mark, MarkChange, MarkKind, RunPage, RunQuery,
    RunSummary, StoreError, Ticket, mark,
};

/// A journal that is gone with its value.
#[derive(Debug, Default)]
pub struct MemoryJournal(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    entries: HashMap<(TenantId, RunId), BTreeMap<u64, Entry>>,
    /// By tenant, then by time.
    summaries: BTreeMap<(TenantId, RunId), RunSummary>,
    claims: HashMap<(TenantId, WorkflowName, String), (RunId, IdempotencyClaim)>,
    marks: Marks,
    /// Runs of which a batch was refused, or that were removed.
    lacking: HashSet<(TenantId, RunId)>,
    closed: bool,
}

impl State {
    fn append(&mut self, batch: Append) -> Result<(), StoreError> {
        let run = (batch.tenant, batch.run);
        if !self.goes_on(&run, &batch.entries) {
            return Err(StoreError::JournalGap { run: run.1 });
        }
        self.note(&run.0, batch.marks).inspect_err(|_| {
            self.lacking.insert(run.clone());
        })?;
        if let Some(summary) = batch.summary {
            self.summaries.insert(run.clone(), summary);
        }
        self.entries
            .entry(run)
            .or_default()
            .extend(batch.entries.into_iter().map(|entry| (entry.seq, entry)));
        Ok(())
    }

    /// Whether a batch leaves no gap; only behind one that was refused, or in a run that was removed, it may.
    fn goes_on(&mut self, run: &(TenantId, RunId), entries: &[Entry]) -> bool {
        let kept = self.entries.get(run).and_then(|entries| entries.last_key_value());
        let next = kept.map_or(0, |(last, _)| last + 1);
        let goes_on = !self.lacking.contains(run) || entries.first().is_some_and(|first| first.seq == next);
        if goes_on {
            self.lacking.remove(run);
        }
        goes_on
    }

    fn note(&mut self, tenant: &TenantId, marks: Vec<MarkChange>) -> Result<(), StoreError> {
        if self.closed {
            return Err(StoreError::Closed);
        }
        mark::check(&marks)?;
        self.marks.purge_passing(Timestamp::now());
        for change in marks {
            self.marks.change(tenant, change);
        }
        Ok(())
    }

    fn claimed(&self, tenant: &TenantId, claim: &IdempotencyClaim) -> Option<Accepted> {
        let key = (tenant.clone(), claim.workflow.clone(), claim.key.clone());
        let (run, kept) = self.claims.get(&key).filter(|(_, kept)| Timestamp::now() < kept.expires_at)?;
        let same = kept.request_digest == claim.request_digest;
        Some(if same { Accepted::Before(*run) } else { Accepted::Mismatch(*run) })
    }

    fn accept(&mut self, batch: Append, claim: IdempotencyClaim) -> Result<Accepted, StoreError> {
        if let Some(before) = self.claimed(&batch.tenant, &claim) {
            return Ok(before);
        }
        let key = (batch.tenant.clone(), claim.workflow.clone(), claim.key.clone());
        let run = batch.run;
        self.append(batch)?;
        self.claims.insert(key, (run, claim));
        Ok(Accepted::New)
    }

    fn page(&self, tenant: &TenantId, query: &RunQuery) -> RunPage {
        let limit = query.limit.max(1);
        let mut runs: Vec<RunSummary> = self
            .summaries
            .iter()
            .rev()
            .filter(|((owner, _), _)| owner == tenant)
            .map(|(_, summary)| summary)
            .filter(|summary| query.cursor.is_none_or(|Cursor(last)| summary.id < last))
            .filter(|summary| query.status.is_none_or(|status| summary.status == status))
            .filter(|summary| query.workflow.as_ref().is_none_or(|workflow| summary.workflow == *workflow))
            .take(limit + 1)
            .cloned()
            .collect();
        let more = runs.len() > limit;
        runs.truncate(limit);
        RunPage { next: runs.last().filter(|_| more).map(|last| Cursor(last.id)), runs }
    }

    fn purge(&mut self, ended_before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        if self.closed {
            return Err(StoreError::Closed);
        }
        let is_old =
            |line: &RunSummary| line.status.is_final() && line.ended_at.is_some_and(|at| at < ended_before);
        let mut old: Vec<(RunId, TenantId)> = self
            .summaries
            .iter()
            .filter(|((tenant, run), line)| is_old(line) && !self.marks.has_dead_letter(tenant, *run))
            .map(|((tenant, run), _)| (*run, tenant.clone()))
            .collect();
        old.sort();
        old.truncate(limit);
        let removed = old.len();
        for (run, tenant) in old {
            self.marks.remove_of_run(&tenant, run);
            let run = (tenant, run);
            self.entries.remove(&run);
            self.summaries.remove(&run);
            self.lacking.insert(run);
        }
        Ok(removed)
    }

    fn unfinished(&self, after: Option<(TenantId, RunId)>, limit: usize) -> Vec<(TenantId, RunId)> {
        let running = self.summaries.iter().filter(|(_, summary)| summary.status == RunStatus::Running);
        let mut runs: Vec<(RunId, TenantId)> =
            running.map(|((tenant, run), _)| (*run, tenant.clone())).collect();
        runs.sort();
        let after = after.map(|(tenant, run)| (run, tenant));
        let behind = runs.into_iter().filter(|run| after.as_ref().is_none_or(|after| run > after));
        behind.take(limit).map(|(run, tenant)| (tenant, run)).collect()
    }
}

impl MemoryJournal {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    fn append(&self, batch: Append) -> Ticket {
        Ticket::resolved(self.state().append(batch))
    }

    fn admit(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn accept(&self, batch: Append, claim: IdempotencyClaim) -> Result<Accepted, StoreError> {
        self.state().accept(batch, claim)
    }

    async fn claimed(
        &self,
        tenant: &TenantId,
        claim: &IdempotencyClaim,
    ) -> Result<Option<Accepted>, StoreError> {
        Ok(self.state().claimed(tenant, claim))
    }

    async fn read(
        &self,
        tenant: &TenantId,
        run: RunId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let state = self.state();
        let entries = state.entries.get(&(tenant.clone(), run));
        Ok(entries
            .map(|entries| entries.range(from..).take(limit).map(|(_, entry)| entry.clone()).collect())
            .unwrap_or_default())
    }

    async fn summary(&self, tenant: &TenantId, run: RunId) -> Result<Option<RunSummary>, StoreError> {
        Ok(self.state().summaries.get(&(tenant.clone(), run)).cloned())
    }

    async fn list(&self, tenant: &TenantId, query: RunQuery) -> Result<RunPage, StoreError> {
        Ok(self.state().page(tenant, &query))
    }

    async fn unfinished(
        &self,
        after: Option<(TenantId, RunId)>,
        limit: usize,
    ) -> Result<Vec<(TenantId, RunId)>, StoreError> {
        Ok(self.state().unfinished(after, limit))
    }

    fn note(&self, tenant: &TenantId, marks: Vec<MarkChange>) -> Ticket {
        Ticket::resolved(self.state().note(tenant, marks))
    }

    async fn mark(&self, tenant: &TenantId, kind: MarkKind, key: &str) -> Result<Option<Mark>, StoreError> {
        Ok(self.state().marks.get(tenant, kind, key))
    }

    async fn marks(
        &self,
        tenant: &TenantId,
        kind: MarkKind,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Mark>, StoreError> {
        Ok(self.state().marks.page(tenant, kind, after, limit))
    }

    async fn due(
        &self,
        kind: MarkKind,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(TenantId, Mark)>, StoreError> {
        Ok(self.state().marks.due(kind, until, limit))
    }

    async fn next_due(&self, kind: MarkKind) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.state().marks.next_due(kind))
    }

    async fn purge(&self, ended_before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.state().purge(ended_before, limit)
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.state().closed = true;
        Ok(())
    }
}
