//! The index of runs: where a run's line can be found, and reading it page by page.

use stepwell_core::id::{RunId, TenantId};
use stepwell_core::run::RunStatus;

use super::super::record;
use super::database::{Database, Pairs, Table};
use super::keys;
use crate::{Cursor, RunPage, RunQuery, RunSummary, StoreError};

/// Every place where a run is listed, beside the list of all runs.
pub(super) fn places(tenant: &TenantId, summary: &RunSummary) -> Vec<(Table, Vec<u8>)> {
    let (id, workflow, status) = (summary.id, &summary.workflow, summary.status);
    let index = |workflow, status| (Table::Index, keys::with_run(keys::facet(tenant, workflow, status), id));
    let live = |workflow| (Table::Live, keys::with_run(keys::live_facet(tenant, workflow, status), id));
    match status {
        RunStatus::Running => vec![
            index(Some(workflow), None),
            live(None),
            live(Some(workflow)),
            (Table::Live, keys::unfinished(tenant, id)),
        ],
        _ => {
            vec![index(Some(workflow), None), index(None, Some(status)), index(Some(workflow), Some(status))]
        }
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
    let (table, prefix) = list_of(tenant, query);
    let mut runs = Vec::new();
    for pair in newest_first(database, table, &prefix, query.cursor) {
        if runs.len() == limit {
            return Ok(RunPage { next: runs.last().map(|last: &RunSummary| Cursor(last.id)), runs });
        }
        let (key, value) = pair?;
        runs.extend(line(database, tenant, table, &key, &value)?.filter(|line| matches(line, query)));
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

/// The shortest list that has every run of the query.
fn list_of(tenant: &TenantId, query: &RunQuery) -> (Table, Vec<u8>) {
    let workflow = query.workflow.as_ref();
    match query.status {
        None if workflow.is_none() => (Table::Runs, keys::tenant(tenant)),
        Some(status @ RunStatus::Running) => (Table::Live, keys::live_facet(tenant, workflow, status)),
        status => (Table::Index, keys::facet(tenant, workflow, status)),
    }
}

fn newest_first<'a>(
    database: &'a Database,
    table: Table,
    prefix: &[u8],
    cursor: Option<Cursor>,
) -> std::iter::Rev<impl Pairs + use<'a>> {
    let to = match cursor {
        Some(Cursor(run)) => keys::with_run(prefix.to_vec(), run),
        None => behind(prefix),
    };
    database.range(table, prefix, &to).rev()
}

/// A run's line: what the list of all runs holds itself, and the other lists refer to. None if the run went
/// elsewhere since.
fn line(
    database: &Database,
    tenant: &TenantId,
    table: Table,
    key: &[u8],
    value: &[u8],
) -> Result<Option<RunSummary>, StoreError> {
    let run = keys::run_at_end(key)
        .ok_or_else(|| StoreError::corrupt("the journal's index", "a key in it names no run"))?;
    match table {
        Table::Runs => decode(value, run).map(Some),
        _ => summary(database, tenant, run),
    }
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
