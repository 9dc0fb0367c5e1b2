//! The index of runs: where a run's line can be found, and reading it page by page.
//!
//! A run stands in one list, of its workflow and status. Whoever asks for more gets several lists, merged: all as they were at one
//! moment, so that a run that goes from one to another meanwhile is neither missed nor told twice.

use std::collections::BinaryHeap;

use stepwell_core::id::{RunId, TenantId, WorkflowName};
use stepwell_core::run::RunStatus;

use super::super::record;
use super::database::{Table, View};
use super::keys;
use crate::{Cursor, RunPage, RunQuery, RunSummary, StoreError};

/// Every place where a run is listed, beside the list of all runs.
pub(super) fn places(tenant: &TenantId, summary: &RunSummary) -> Vec<(Table, Vec<u8>)> {
    let (id, status) = (summary.id, summary.status);
    let listed = keys::with_run(keys::list(tenant, &summary.workflow, status), id);
    let mut places = vec![(table_of(status), listed)];
    if status == RunStatus::Running {
        places.push((Table::Live, keys::unfinished(tenant, id)));
    }
    places
}

/// Where runs of a status are listed.
fn table_of(status: RunStatus) -> Table {
    if status.is_final() { Table::Index } else { Table::Live }
}

pub(super) fn summary(
    view: &View<'_>,
    tenant: &TenantId,
    run: RunId,
) -> Result<Option<RunSummary>, StoreError> {
    let line = view.get(Table::Runs, &keys::run(tenant, run))?;
    line.map(|bytes| decode(&bytes, run)).transpose()
}

pub(super) fn page(view: &View<'_>, tenant: &TenantId, query: &RunQuery) -> Result<RunPage, StoreError> {
    let limit = query.limit.max(1);
    let mut runs = Vec::new();
    for found in Merged::open(view, lists_of(view, tenant, query)?, query.cursor)? {
        if runs.len() == limit {
            return Ok(RunPage { next: runs.last().map(|last: &RunSummary| Cursor(last.id)), runs });
        }
        runs.extend(summary(view, tenant, found?)?);
    }
    Ok(RunPage { runs, next: None })
}

/// Runs that are to be gone on with after a start, oldest first.
pub(super) fn unfinished(
    view: &View<'_>,
    after: Option<&(TenantId, RunId)>,
    limit: usize,
) -> Result<Vec<(TenantId, RunId)>, StoreError> {
    let from = match after {
        // The zero byte makes it the first key behind.
        Some((tenant, run)) => [keys::unfinished(tenant, *run), vec![0]].concat(),
        None => keys::UNFINISHED.to_vec(),
    };
    let damaged = || StoreError::corrupt("the journal's list of running runs", "a key in it names no run");
    let pairs = view.range(Table::Live, &from, &keys::behind(keys::UNFINISHED)).take(limit);
    pairs.map(|pair| keys::unfinished_parts(&pair?.0).ok_or_else(damaged)).collect()
}

/// A list of runs: where it is, and how its keys begin.
type List = (Table, Vec<u8>);

/// Lists that together have every run of the query, each once.
fn lists_of(view: &View<'_>, tenant: &TenantId, query: &RunQuery) -> Result<Vec<List>, StoreError> {
    if query.workflow.is_none() && query.status.is_none() {
        return Ok(vec![(Table::Runs, keys::tenant(tenant))]);
    }
    let mut lists = Vec::new();
    for status in RunStatus::ALL {
        if query.status.is_some_and(|wanted| wanted != status) {
            continue;
        }
        let table = table_of(status);
        let workflows = match &query.workflow {
            Some(workflow) => vec![workflow.clone()],
            None => workflows(view, table, &keys::lists(tenant, status))?,
        };
        lists.extend(workflows.iter().map(|workflow| (table, keys::list(tenant, workflow, status))));
    }
    Ok(lists)
}

/// The workflows that have lists with this beginning: one look each, however long the lists are.
fn workflows(view: &View<'_>, table: Table, lists: &[u8]) -> Result<Vec<WorkflowName>, StoreError> {
    let (mut from, end) = (lists.to_vec(), keys::behind(lists));
    let mut workflows = Vec::new();
    while let Some((key, _)) = view.range(table, &from, &end).next().transpose()? {
        let name = keys::workflow_behind(lists, &key).ok_or_else(damaged)?;
        if !name.is_empty() {
            let name = std::str::from_utf8(name).ok().and_then(|name| WorkflowName::new(name).ok());
            workflows.push(name.ok_or_else(damaged)?);
        }
        from = [lists, name, &[1]].concat();
    }
    Ok(workflows)
}

/// Runs of one list, newest first.
type Runs<'a> = Box<dyn Iterator<Item = Result<RunId, StoreError>> + 'a>;

/// The runs of several lists, newest first.
struct Merged<'a> {
    lists: Vec<Runs<'a>>,
    /// The next run of each list that has one, and the list's place.
    heads: BinaryHeap<(RunId, usize)>,
}

impl<'a> Merged<'a> {
    fn open(view: &'a View<'_>, lists: Vec<List>, cursor: Option<Cursor>) -> Result<Self, StoreError> {
        let open = |(table, prefix): List| newest_first(view, table, &prefix, cursor);
        let mut merged = Self { lists: lists.into_iter().map(open).collect(), heads: BinaryHeap::new() };
        (0..merged.lists.len()).try_for_each(|place| merged.take_head(place))?;
        Ok(merged)
    }

    fn take_head(&mut self, place: usize) -> Result<(), StoreError> {
        let head = self.lists[place].next().transpose()?;
        self.heads.extend(head.map(|run| (run, place)));
        Ok(())
    }
}

impl Iterator for Merged<'_> {
    type Item = Result<RunId, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (run, place) = self.heads.pop()?;
        Some(self.take_head(place).map(|()| run))
    }
}

fn newest_first<'a>(view: &'a View<'_>, table: Table, prefix: &[u8], cursor: Option<Cursor>) -> Runs<'a> {
    let to = match cursor {
        Some(Cursor(run)) => keys::with_run(prefix.to_vec(), run),
        None => keys::behind(prefix),
    };
    let pairs = view.range(table, prefix, &to).rev();
    Box::new(pairs.map(|pair| keys::run_at_end(&pair?.0).ok_or_else(damaged)))
}

fn damaged() -> StoreError {
    StoreError::corrupt("the journal's index", "a key in it names no run or no workflow")
}

fn decode(bytes: &[u8], run: RunId) -> Result<RunSummary, StoreError> {
    record::decode(bytes, || format!("the index line of run {run}"))
}
