//! Runs that ended long ago: finding them, with everything that is kept of them, so that the committer can remove it.
//!
//! Runs are gone through in the order in which they were accepted, of which there is a list already: a list by their ends would
//! cost every run a key.

use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use fjall::Slice;
use jiff::Timestamp;
use stepwell_core::id::{RunId, TenantId};

use super::database::{Table, View};
use super::marks::{self, Place};
use super::merged::{List, Merged};
use super::queue::RunKey;
use super::{index, keys};
use crate::{MarkKind, RunSummary, StoreError};

/// The most keys that one removal has, unless a single run has more: so long a start may have to wait behind it.
const KEYS: usize = 2_000;

/// A run that ended long ago, and all that is kept of it.
pub(super) struct OldRun {
    pub(super) run: RunKey,
    /// Its line as it was found. If it is another when the run is to be removed, the run was taken up again.
    pub(super) line: Slice,
    /// Where it is listed, and where its entries are.
    pub(super) places: Vec<(Table, Vec<u8>)>,
    pub(super) marks: Vec<Place>,
}

/// Runs that are to be removed together.
pub(super) struct Removal {
    pub(super) runs: Vec<OldRun>,
    /// How many were removed; known when the group's outcome is.
    pub(super) removed: Arc<AtomicUsize>,
}

/// Up to so many runs that ended before a time and left no open dead letter, of those behind a run, oldest first.
pub(super) fn find(
    view: &View<'_>,
    ended_before: Timestamp,
    behind: Option<RunId>,
    limit: usize,
) -> Result<Vec<OldRun>, StoreError> {
    let mut found = Vec::new();
    for listed in oldest_first(view, behind)? {
        let (Reverse(run), tenant, line) = listed?;
        let summary = index::decode(&line, run)?;
        if found.len() == limit || summary.accepted_at >= ended_before {
            break;
        }
        if summary.status.is_final() && summary.ended_at.is_some_and(|at| at < ended_before) {
            found.extend(OldRun::find(view, tenant, &summary, line)?);
        }
    }
    Ok(found)
}

/// Removals of a bounded size.
pub(super) fn in_removals(runs: Vec<OldRun>) -> Vec<Removal> {
    let mut removals: Vec<Vec<OldRun>> = Vec::new();
    let mut room = 0;
    for run in runs {
        let keys = run.places.len() + run.marks.len();
        match removals.last_mut() {
            Some(removal) if keys <= room => removal.push(run),
            _ => {
                room = KEYS;
                removals.push(vec![run]);
            }
        }
        room = room.saturating_sub(keys);
    }
    removals.into_iter().map(|runs| Removal { runs, removed: Arc::default() }).collect()
}

impl OldRun {
    /// None: it left a dead letter that is still open.
    fn find(
        view: &View<'_>,
        tenant: TenantId,
        summary: &RunSummary,
        line: Slice,
    ) -> Result<Option<Self>, StoreError> {
        let run = summary.id;
        let marks = marks::of_run(view, &tenant, run)?;
        if marks.iter().any(|place| place.kind() == MarkKind::DeadLetter) {
            return Ok(None);
        }
        let mut places = index::places(&tenant, summary);
        let of_run = keys::run(&tenant, run);
        for pair in view.prefix(Table::Entries, &of_run) {
            places.push((Table::Entries, pair?.0.to_vec()));
        }
        places.push((Table::Runs, of_run));
        Ok(Some(Self { run: (tenant, run), line, places, marks }))
    }
}

/// A run's line, to be sorted by the run.
type Listed = (Reverse<RunId>, TenantId, Slice);

fn oldest_first<'a>(view: &'a View<'_>, behind: Option<RunId>) -> Result<Merged<'a, Listed>, StoreError> {
    let tenants = tenants(view)?;
    Merged::of(tenants.into_iter().map(|tenant| lines_of(view, tenant, behind)).collect())
}

fn lines_of<'a>(view: &'a View<'_>, tenant: TenantId, behind: Option<RunId>) -> List<'a, Listed> {
    let all = keys::tenant(&tenant);
    let from = match behind {
        // The zero byte makes it the first key behind.
        Some(run) => [keys::run(&tenant, run), vec![0]].concat(),
        None => all.clone(),
    };
    let lines = view.range(Table::Runs, &from, &keys::behind(&all));
    Box::new(lines.map(move |pair| {
        let (key, line) = pair?;
        let run = keys::run_at_end(&key).ok_or_else(damaged)?;
        Ok((Reverse(run), tenant.clone(), line))
    }))
}

/// Every tenant that has runs: one look each, however many runs it has.
fn tenants(view: &View<'_>) -> Result<Vec<TenantId>, StoreError> {
    let mut tenants = Vec::new();
    let mut from = Vec::new();
    while let Some((key, _)) = view.range(Table::Runs, &from, keys::BEHIND_ALL).next().transpose()? {
        let tenant = keys::tenant_before(&key).ok_or_else(damaged)?;
        from = keys::behind(&keys::tenant(&tenant));
        tenants.push(tenant);
    }
    Ok(tenants)
}

fn damaged() -> StoreError {
    StoreError::corrupt("the journal's list of runs", "a key in it names no run or no tenant")
}
