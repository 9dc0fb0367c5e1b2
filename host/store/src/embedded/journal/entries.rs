//! The entries of runs: a record a batch, because a record costs the same whether it holds one entry or ten.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use stepwell_core::id::RunId;
use stepwell_core::run::Entry;

use super::super::record;
use super::database::{Table, View};
use super::keys;
use crate::StoreError;

/// Format 1 had a record an entry.
const VERSION: u32 = 2;

#[derive(Serialize, Deserialize)]
struct Batch<'a> {
    entries: Cow<'a, [Entry]>,
}

/// A batch's record.
pub(super) fn encode(entries: &[Entry]) -> Vec<u8> {
    record::encode_as(VERSION, &Batch { entries: Cow::Borrowed(entries) })
}

/// A run's entries from `from` on, at most `limit`. `prefix` begins the keys of all its batches.
pub(super) fn read(
    view: &View<'_>,
    prefix: &[u8],
    run: RunId,
    from: u64,
    limit: usize,
) -> Result<Vec<Entry>, StoreError> {
    let (first, behind) = (batch_with(view, prefix, from)?, keys::batch(prefix, u64::MAX));
    let (mut entries, mut next) = (Vec::new(), from);
    for pair in view.range(Table::Entries, &first, &behind) {
        let wanted = decode(&pair?.1, || format!("the record of run {run} with entry {next}"))?
            .into_iter()
            .filter(|entry| entry.seq >= from);
        for entry in wanted.take(limit - entries.len()) {
            if entry.seq != next {
                return Err(StoreError::corrupt(
                    format!("the journal of run {run}"),
                    format!("entry {next} is missing"),
                ));
            }
            next += 1;
            entries.push(entry);
        }
        if entries.len() == limit {
            break;
        }
    }
    Ok(entries)
}

/// The number of the entry that comes next in a run's journal.
pub(super) fn next_seq(view: &View<'_>, prefix: &[u8], run: RunId) -> Result<u64, StoreError> {
    let Some((_, last)) = view.prefix(Table::Entries, prefix).next_back().transpose()? else {
        return Ok(0);
    };
    let last = decode(&last, || format!("the last record of run {run}"))?;
    Ok(last.last().map_or(0, |entry| entry.seq + 1))
}

/// The key of the batch with this entry, which begins with it or before it.
fn batch_with(view: &View<'_>, prefix: &[u8], seq: u64) -> Result<Vec<u8>, StoreError> {
    let behind = keys::batch(prefix, seq.saturating_add(1));
    let newest = view.range(Table::Entries, prefix, &behind).next_back().transpose()?;
    Ok(newest.map_or_else(|| keys::batch(prefix, seq), |(key, _)| key.to_vec()))
}

fn decode(bytes: &[u8], what: impl Fn() -> String) -> Result<Vec<Entry>, StoreError> {
    match record::version(bytes) {
        Some(1) => record::decode::<Entry>(bytes, what).map(|entry| vec![entry]),
        _ => record::decode_as::<Batch<'_>>(VERSION, bytes, what).map(|batch| batch.entries.into_owned()),
    }
}
