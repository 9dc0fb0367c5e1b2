//! The index of runs: where a run's line can be found, and reading it page by page.
//!
//! A run stands in one list, of its workflow and status. Whoever asks for more gets several lists, merged.

use std::collections::BinaryHeap;

use stepwell_core::id::{RunId, TenantId, WorkflowName};
use stepwell_core::run::RunStatus;

use super::super::record;
use super::database::{Database, Table};
use super::keys;
use crate::{Cursor, RunPage, RunQuery, RunSummary, StoreError};

/// Every place where a run is listed, beside the list of all runs.
pub(super) fn places(tenant: &TenantId, summary: &RunSummary) -> Vec<(Table, Vec<u8>)> {
    let (id, status) = (summary.id, summary.status);
    let listed = keys::with_run(keys::list(tenant, &summary.workflow, status), id);
    match status {
        RunStatus::Running => vec![(Table::Live, listed), (Table::Live, keys::unfinished(tenant, id))],
        _ => vec![(Table::Index, listed)],
    }
}

pub(super) fn summary(
    database: &Database,
    tenant: &TenantId,
    run: RunId,
) -> Result<Option<RunSummary>, StoreError> {
    let line = database.get(Table::Runs, &keys::run(tenant, run))?;
    line.map(|bytes| decode(&bytes, run)).transpose()
}

pub(super) fn page(database: &Database, tenant: &TenantId, query: &RunQuery) -> Result<RunPage, StoreError> {
    let limit = query.limit.max(1);
    let mut runs = Vec::new();
    for found in Merged::open(database, lists_of(database, tenant, query)?, query.cursor)? {
        if runs.len() == limit {
            return Ok(RunPage { next: runs.last().map(|last: &RunSummary| Cursor(last.id)), runs });
        }
        let line = summary(database, tenant, found?)?;
        // It may have gone elsewhere since.
        runs.extend(line.filter(|line| matches(line, query)));
    }
    Ok(RunPage { runs, next: None })
}

/// Unfinished runs, oldest first.
pub(super) fn unfinished(
    database: &Database,
    after: Option<&(TenantId, RunId)>,
    limit: usize,
) -> Result<Vec<(TenantId, RunId)>, StoreError> {
    let from = match after {
        // The zero byte makes it the first key behind.
        Some((tenant, run)) => [keys::unfinished(tenant, *run), vec![0]].concat(),
        None => keys::UNFINISHED.to_vec(),
    };
    let damaged = || StoreError::corrupt("the journal's list of unfinished runs", "a key in it names no run");
    let pairs = database.range(Table::Live, &from, &behind(keys::UNFINISHED)).take(limit);
    pairs.map(|pair| keys::unfinished_parts(&pair?.0).ok_or_else(damaged)).collect()
}

/// A list of runs: where it is, and how its keys begin.
type List = (Table, Vec<u8>);

/// Lists that together have every run of the query. Those that runs leave come first: a run that ends meanwhile is then
/// in one of them at least.
fn lists_of(database: &Database, tenant: &TenantId, query: &RunQuery) -> Result<Vec<List>, StoreError> {
    if query.workflow.is_none() && query.status.is_none() {
        return Ok(vec![(Table::Runs, keys::tenant(tenant))]);
    }
    let mut lists = Vec::new();
    for status in [RunStatus::Running, RunStatus::Succeeded, RunStatus::Failed, RunStatus::Cancelled] {
        if query.status.is_some_and(|wanted| wanted != status) {
            continue;
        }
        let table = if status == RunStatus::Running { Table::Live } else { Table::Index };
        let workflows = match &query.workflow {
            Some(workflow) => vec![workflow.clone()],
            None => workflows(database, table, &keys::lists(tenant, status))?,
        };
        lists.extend(workflows.iter().map(|workflow| (table, keys::list(tenant, workflow, status))));
    }
    Ok(lists)
}

/// The workflows that have lists with this beginning: one look each, however long the lists are.
fn workflows(database: &Database, table: Table, lists: &[u8]) -> Result<Vec<WorkflowName>, StoreError> {
    let (mut from, end) = (lists.to_vec(), behind(lists));
    let mut workflows = Vec::new();
    while let Some((key, _)) = database.range(table, &from, &end).next().transpose()? {
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

/// The runs of several lists, newest first, each once.
struct Merged<'a> {
    lists: Vec<Runs<'a>>,
    /// The next run of each list that has one, and the list's place.
    heads: BinaryHeap<(RunId, usize)>,
    last: Option<RunId>,
}

impl<'a> Merged<'a> {
    fn open(database: &'a Database, lists: Vec<List>, cursor: Option<Cursor>) -> Result<Self, StoreError> {
        let open = |(table, prefix): List| newest_first(database, table, &prefix, cursor);
        let mut merged =
            Self { lists: lists.into_iter().map(open).collect(), heads: BinaryHeap::new(), last: None };
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
        loop {
            let (run, place) = self.heads.pop()?;
            if let Err(why) = self.take_head(place) {
                return Some(Err(why));
            }
            if self.last.replace(run) != Some(run) {
                return Some(Ok(run));
            }
        }
    }
}

fn newest_first<'a>(database: &'a Database, table: Table, prefix: &[u8], cursor: Option<Cursor>) -> Runs<'a> {
    let to = match cursor {
        Some(Cursor(run)) => keys::with_run(prefix.to_vec(), run),
        None => behind(prefix),
    };
    let pairs = database.range(table, prefix, &to).rev();
    Box::new(pairs.map(|pair| keys::run_at_end(&pair?.0).ok_or_else(damaged)))
}

fn damaged() -> StoreError {
    StoreError::corrupt("the journal's index", "a key in it names no run or no workflow")
}

fn matches(line: &RunSummary, query: &RunQuery) -> bool {
    query.status.is_none_or(|status| status == line.status)
        && query.workflow.as_ref().is_none_or(|workflow| *workflow == line.workflow)
}

/// The first key behind all that begin with this prefix, whose last byte is never 255.
fn behind(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    if let Some(last) = end.last_mut() {
        *last = last.saturating_add(1);
    }
    end
}

fn decode(bytes: &[u8], run: RunId) -> Result<RunSummary, StoreError> {
    record::decode(bytes, || format!("the index line of run {run}"))
}
