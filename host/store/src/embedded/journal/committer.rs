//! The committer: one thread that writes group after group, each as one batch with one fdatasync.
//!
//! While it waits for the disk, the next group gathers. It alone writes, so that it decides claims in the order in which they came,
//! and what it reads is still so when it writes.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use fjall::Slice;
use jiff::Timestamp;

use super::super::{panics, record};
use super::batch::{Claim, ClaimRecord, Handed, Line};
use super::database::{Batch, Database, Table, View};
use super::keeper::{BETWEEN_TRIES, Keeper};
use super::queue::{Group, Queue, RunKey};
use super::{entries, index, keys};
use crate::{Accepted, StoreError};

/// Between two looks for claims that have expired.
const BETWEEN_PURGES: Duration = Duration::from_secs(10);
/// The most claims that one look removes: it bounds the batch.
const PURGE: usize = 10_000;

/// Commits until the queue is closed and empty, then closes the database.
pub(super) fn run(queue: &Queue, keeper: &Keeper) {
    let mut committer = Committer { keeper, purged_at: Instant::now(), gave_up: None };
    while let Some(group) = queue.take() {
        let batches = group.handed.len();
        match committer.commit(&group) {
            Ok(Written::Whole(verdicts)) => {
                verdicts.tell(&group);
                queue.kept(&group);
            }
            Ok(Written::Nothing(refusal)) => queue.refused(&group, refusal),
            Err(why) => queue.lost(group, &why),
        }
        queue.gather(batches);
    }
    keeper.close();
}

struct Committer<'a> {
    keeper: &'a Keeper,
    purged_at: Instant,
    /// Why writing failed, with the database opened again too, and when.
    gave_up: Option<(StoreError, Instant)>,
}

/// What became of a group.
enum Written {
    /// It is on disk.
    Whole(Verdicts),
    /// It does not go on where its run's journal ends.
    Nothing(StoreError),
}

impl Committer<'_> {
    fn commit(&mut self, group: &Group) -> Result<Written, StoreError> {
        if let Some((why, at)) = &self.gave_up
            && at.elapsed() < BETWEEN_TRIES
        {
            return Err(why.clone());
        }
        let written = self.try_twice(group);
        self.gave_up = written.as_ref().err().map(|why| (why.clone(), Instant::now()));
        written
    }

    /// A failure may be an older one's, of fjall's background work, so there is a second try with the database opened again. To
    /// write the same batch twice does no harm.
    fn try_twice(&mut self, group: &Group) -> Result<Written, StoreError> {
        let purge = self.is_time_to_purge(group);
        let write = || guarded(|| self.keeper.with(|database| write(database, group, purge)));
        write().or_else(|why| {
            self.keeper.restart(&why);
            write().inspect_err(|why| tracing::error!(error = %why, "the journal cannot be written"))
        })
    }

    fn is_time_to_purge(&mut self, group: &Group) -> bool {
        let is_time = self.purged_at.elapsed() > BETWEEN_PURGES
            && group.handed.iter().any(|handed| handed.claim.is_some());
        if is_time {
            self.purged_at = Instant::now();
        }
        is_time
    }
}

/// A panic in fjall fails the group, and not whoever waits for the next one.
fn guarded<T>(work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(StoreError::corrupt("`journal`", panics::message(&*panic))))
}

/// What became of the group's claims, by their place in the group.
struct Verdicts(Vec<(usize, Accepted)>);

impl Verdicts {
    fn tell(self, group: &Group) {
        for (place, verdict) in self.0 {
            if let Some(claim) = group.handed.get(place).and_then(|handed| handed.claim.as_ref()) {
                let _told_once = claim.verdict.set(verdict);
            }
        }
    }
}

fn write(database: &Database, group: &Group, purge: bool) -> Result<Written, StoreError> {
    let mut writer = Writer {
        view: database.view(),
        batch: database.batch(),
        lines: HashMap::new(),
        claims: HashMap::new(),
        now: Timestamp::now(),
    };
    let mut verdicts = Vec::new();
    for (place, handed) in group.handed.iter().enumerate() {
        if group.resumes && !writer.goes_on(handed)? {
            return Ok(Written::Nothing(StoreError::JournalGap { run: handed.run.1 }));
        }
        if let Some(claim) = &handed.claim {
            let verdict = writer.decide(claim)?;
            verdicts.push((place, verdict));
            if verdict != Accepted::New {
                continue;
            }
        }
        writer.append(handed)?;
    }
    if purge {
        writer.purge_claims()?;
    }
    writer.commit()?;
    Ok(Written::Whole(Verdicts(verdicts)))
}

/// One group on its way to the disk.
struct Writer<'a> {
    /// What is on disk. Nobody else writes: it is so until the batch is.
    view: View<'a>,
    batch: Batch<'a>,
    lines: HashMap<&'a RunKey, Change<'a>>,
    claims: HashMap<&'a Slice, &'a ClaimRecord>,
    now: Timestamp,
}

/// How a run's line changes: a key may be in a batch only once, so the last change in the group is the one that is written.
struct Change<'a> {
    /// Where the line is listed on disk.
    before: Vec<(Table, Vec<u8>)>,
    after: &'a Line,
}

impl<'a> Writer<'a> {
    /// Whether a batch begins where its run's journal ends on disk.
    fn goes_on(&self, handed: &Handed) -> Result<bool, StoreError> {
        let (tenant, run) = &handed.run;
        let next = entries::next_seq(&self.view, &keys::run(tenant, *run), *run)?;
        Ok(handed.first_seq == Some(next))
    }

    fn append(&mut self, handed: &'a Handed) -> Result<(), StoreError> {
        if let Some((key, record)) = &handed.entries {
            self.batch.insert(Table::Entries, key.clone(), record.clone());
        }
        let Some(line) = &handed.summary else { return Ok(()) };
        match self.lines.get_mut(&handed.run) {
            Some(change) => change.after = line,
            None => {
                let before = self.places_on_disk(handed)?;
                self.lines.insert(&handed.run, Change { before, after: line });
            }
        }
        Ok(())
    }

    fn places_on_disk(&self, handed: &Handed) -> Result<Vec<(Table, Vec<u8>)>, StoreError> {
        if handed.first_seq == Some(0) {
            return Ok(Vec::new());
        }
        let (tenant, run) = &handed.run;
        let before = index::summary(&self.view, tenant, *run)?;
        Ok(before.map(|before| index::places(tenant, &before)).unwrap_or_default())
    }

    fn decide(&mut self, claim: &'a Claim) -> Result<Accepted, StoreError> {
        if let Some(decided) = self.claims.get(&claim.key) {
            return Ok(decided.answer(&claim.record));
        }
        let kept = self.claim_on_disk(&claim.key)?;
        if let Some(kept) = kept.as_ref().filter(|kept| kept.holds_at(self.now)) {
            return Ok(kept.answer(&claim.record));
        }
        // A key may be in the batch only once, and the new expiry may be the old one.
        if let Some(expired) = kept.filter(|kept| kept.expires_at != claim.record.expires_at) {
            self.batch.remove(Table::Claims, keys::expiry(expired.expires_at, &claim.key));
        }
        self.batch.insert(Table::Claims, claim.key.clone(), record::encode(&claim.record));
        self.batch.insert(Table::Claims, keys::expiry(claim.record.expires_at, &claim.key), Slice::new(&[]));
        self.claims.insert(&claim.key, &claim.record);
        Ok(Accepted::New)
    }

    fn claim_on_disk(&self, key: &[u8]) -> Result<Option<ClaimRecord>, StoreError> {
        let kept = self.view.get(Table::Claims, key)?;
        kept.map(|bytes| record::decode(&bytes, || "an idempotency key's record".to_owned())).transpose()
    }

    /// Removes claims that have expired, but for those that this group renews.
    fn purge_claims(&mut self) -> Result<(), StoreError> {
        let expired = self.view.range(Table::Claims, keys::EXPIRIES, &keys::expiries_before(self.now));
        for pair in expired.take(PURGE) {
            let (expiry, _) = pair?;
            let claim = Slice::new(keys::claim_of_expiry(&expiry));
            if !self.claims.contains_key(&claim) {
                self.batch.remove(Table::Claims, claim);
                self.batch.remove(Table::Claims, expiry);
            }
        }
        Ok(())
    }

    fn commit(mut self) -> Result<(), StoreError> {
        for ((tenant, run), change) in std::mem::take(&mut self.lines) {
            self.batch.insert(Table::Runs, keys::run(tenant, *run), change.after.record.clone());
            let Change { before, after: Line { places: after, .. } } = &change;
            for (table, key) in before.iter().filter(|place| !after.contains(place)) {
                self.batch.remove(*table, key.as_slice());
            }
            for (table, key) in after.iter().filter(|place| !before.contains(place)) {
                self.batch.insert(*table, key.as_slice(), Slice::new(&[]));
            }
        }
        self.batch.commit()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use stepwell_core::id::TenantId;

    use super::super::super::folder::Folder;
    use super::*;
    use crate::conformance::samples;

    /// Accepts a run under a key, and gives what is on disk of claims then: each is two records.
    fn claims_after(database: &Database, run: u32, key: &str, expires_at: &str, purge: bool) -> usize {
        let (tenant, run, workflow) = (TenantId::default(), samples::run(run), samples::workflow("triage"));
        let mut claim = samples::claim(&workflow, key, "request");
        claim.expires_at = expires_at.parse().unwrap();
        let queue = Queue::default();
        let claim = Claim::new(&tenant, run, &claim);
        queue.push(Handed::new(&samples::first_batch(&tenant, run, &workflow), Some(claim))).unwrap();
        write(database, &queue.take().unwrap(), purge).unwrap();
        database.view().prefix(Table::Claims, b"").count()
    }

    /// Claims would fill the disk otherwise, one a start.
    #[test]
    fn expired_claims_are_removed_and_renewed_ones_kept() {
        let temp = tempfile::tempdir().unwrap();
        let database = Database::open(Arc::new(Folder::open(temp.path(), 0).unwrap())).unwrap();
        let (past, later_past, future) =
            ("2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z", "2999-01-01T00:00:00Z");
        assert_eq!(claims_after(&database, 0, "a", past, false), 2);
        assert_eq!(claims_after(&database, 1, "a", past, false), 2);
        assert_eq!(claims_after(&database, 2, "a", later_past, false), 2);
        assert_eq!(claims_after(&database, 3, "b", past, false), 4);
        assert_eq!(claims_after(&database, 4, "c", future, false), 6);
        assert_eq!(claims_after(&database, 5, "a", future, true), 4);
    }
}
