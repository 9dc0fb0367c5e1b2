//! What is handed to the committer: bytes, made by whoever hands over, so that the one committer has little left to do.

use std::sync::{Arc, OnceLock};

use fjall::Slice;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use stepwell_core::digest::Digest;
use stepwell_core::id::{RunId, TenantId};

use super::super::record;
use super::database::Table;
use super::queue::RunKey;
use super::{entries, index, keys, marks};
use crate::{Accepted, Append, IdempotencyClaim, MarkChange, RunSummary};

/// A batch, ready to be written.
pub(super) struct Handed {
    /// Whose it is; none if it is no run's.
    pub(super) run: Option<RunKey>,
    /// The number of its first entry.
    pub(super) first_seq: Option<u64>,
    /// Its entries' key and record; none if it has no entries.
    pub(super) entries: Option<(Slice, Slice)>,
    pub(super) summary: Option<Line>,
    pub(super) marks: Vec<marks::Change>,
    pub(super) claim: Option<Claim>,
}

impl Handed {
    pub(super) fn new(batch: &Append, claim: Option<Claim>) -> Self {
        let first_seq = batch.entries.first().map(|entry| entry.seq);
        let entries = first_seq.map(|first| {
            let key = keys::batch(&keys::run(&batch.tenant, batch.run), first);
            (key.into(), entries::encode(&batch.entries).into())
        });
        Self {
            run: Some((batch.tenant.clone(), batch.run)),
            first_seq,
            entries,
            summary: batch.summary.as_ref().map(|summary| Line::new(&batch.tenant, summary)),
            marks: ready(&batch.tenant, &batch.marks),
            claim,
        }
    }

    /// Marks that are no run's.
    pub(super) fn of_marks(tenant: &TenantId, marks: &[MarkChange]) -> Self {
        let marks = ready(tenant, marks);
        Self { run: None, first_seq: None, entries: None, summary: None, marks, claim: None }
    }

    /// What it takes in memory, about.
    pub(super) fn bytes(&self) -> usize {
        let entries = self.entries.as_ref().map_or(0, |(key, record)| key.len() + record.len());
        entries + self.marks.iter().map(marks::Change::bytes).sum::<usize>()
    }
}

fn ready(tenant: &TenantId, marks: &[MarkChange]) -> Vec<marks::Change> {
    marks.iter().map(|change| marks::Change::new(tenant, change)).collect()
}

/// A run's line in the index, and where it can be found.
pub(super) struct Line {
    pub(super) record: Slice,
    pub(super) places: Vec<(Table, Vec<u8>)>,
}

impl Line {
    fn new(tenant: &TenantId, summary: &RunSummary) -> Self {
        Self { record: record::encode(summary).into(), places: index::places(tenant, summary) }
    }
}

/// A claim that is to be decided.
pub(super) struct Claim {
    pub(super) key: Slice,
    pub(super) record: ClaimRecord,
    /// Known when the group's outcome is.
    pub(super) verdict: Arc<OnceLock<Accepted>>,
}

impl Claim {
    pub(super) fn new(tenant: &TenantId, run: RunId, claim: &IdempotencyClaim) -> Self {
        Self {
            key: keys::claim(tenant, &claim.workflow, &claim.key).into(),
            record: ClaimRecord { run, request_digest: claim.request_digest, expires_at: claim.expires_at },
            verdict: Arc::default(),
        }
    }
}

/// A claim as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ClaimRecord {
    pub(super) run: RunId,
    pub(super) request_digest: Digest,
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub(super) expires_at: Timestamp,
}

impl ClaimRecord {
    pub(super) fn holds_at(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }

    /// What this claim, kept before, means for a later one.
    pub(super) fn answer(&self, later: &Self) -> Accepted {
        if self.run == later.run {
            // The same batch again, whose first commit failed after it had reached the disk.
            Accepted::New
        } else if self.request_digest == later.request_digest {
            Accepted::Before(self.run)
        } else {
            Accepted::Mismatch(self.run)
        }
    }
}
