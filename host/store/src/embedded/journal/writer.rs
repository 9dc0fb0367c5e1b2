//! One group on its way to the disk: what it changes, given what is there.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use fjall::Slice;
use jiff::Timestamp;

use super::super::record;
use super::batch::{Claim, ClaimRecord, Handed, Line};
use super::database::{Batch, Database, Table, View};
use super::marks::{self, Place, Put};
use super::old::{OldRun, Removal};
use super::queue::{Group, RunKey};
use super::{entries, index, keys};
use crate::{Accepted, MarkKind, StoreError};

/// The most claims, and the most memos, that one look for expired ones removes: it bounds the batch.
const PURGE: usize = 10_000;

/// What became of a group.
pub(super) enum Written {
    /// It is on disk.
    Whole(Verdicts),
    /// It does not go on where its run's journal ends.
    Nothing(StoreError),
}

/// What became of the group's claims, by their place in the group.
pub(super) struct Verdicts(Vec<(usize, Accepted)>);

impl Verdicts {
    pub(super) fn tell(self, group: &Group) {
        for (place, verdict) in self.0 {
            if let Some(claim) = group.handed.get(place).and_then(|handed| handed.claim.as_ref()) {
                let _told_once = claim.verdict.set(verdict);
            }
        }
    }
}

/// Writes a group, and with `purge` removes what has expired.
pub(super) fn write(database: &Database, group: &Group, purge: bool) -> Result<Written, StoreError> {
    let mut writer = Writer {
        view: database.view(),
        batch: database.batch(),
        lines: HashMap::new(),
        claims: HashMap::new(),
        marks: HashMap::new(),
        now: Timestamp::now(),
    };
    let mut verdicts = Vec::new();
    for (place, handed) in group.handed.iter().enumerate() {
        if group.resumes
            && let Some(run) = &handed.run
            && !writer.goes_on(run, handed)?
        {
            return Ok(Written::Nothing(StoreError::JournalGap { run: run.1 }));
        }
        if let Some(claim) = &handed.claim {
            let verdict = writer.decide(claim)?;
            verdicts.push((place, verdict));
            if verdict != Accepted::New {
                continue;
            }
        }
        writer.append(handed)?;
        if let Some(removal) = &handed.removal {
            writer.remove(removal)?;
        }
    }
    if purge {
        writer.purge_claims()?;
        writer.purge_passing()?;
    }
    writer.commit()?;
    Ok(Written::Whole(Verdicts(verdicts)))
}

struct Writer<'a> {
    /// What is on disk. Nobody else writes: it is so until the batch is.
    view: View<'a>,
    batch: Batch<'a>,
    lines: HashMap<&'a RunKey, LineChange<'a>>,
    claims: HashMap<&'a Slice, &'a ClaimRecord>,
    marks: HashMap<Place, MarkChange<'a>>,
    now: Timestamp,
}

/// How a run's line changes: a key may be in a batch only once, so the last change in the group is the one that is written.
struct LineChange<'a> {
    /// Where the line is listed on disk.
    before: Vec<(Table, Vec<u8>)>,
    after: &'a Line,
}

/// How a mark changes; the same holds for it.
struct MarkChange<'a> {
    /// The keys that lead to it on disk; none if there is no such mark.
    before: Option<Vec<Vec<u8>>>,
    after: Option<&'a Put>,
}

impl<'a> Writer<'a> {
    /// Whether a batch begins where its run's journal ends on disk.
    fn goes_on(&self, (tenant, run): &RunKey, handed: &Handed) -> Result<bool, StoreError> {
        let next = entries::next_seq(&self.view, &keys::run(tenant, *run), *run)?;
        Ok(handed.first_seq == Some(next))
    }

    fn append(&mut self, handed: &'a Handed) -> Result<(), StoreError> {
        if let Some((key, record)) = &handed.entries {
            self.batch.insert(Table::Entries, key.clone(), record.clone());
        }
        if let (Some(run), Some(line)) = (&handed.run, &handed.summary) {
            self.change_line(run, handed.first_seq, line)?;
        }
        for change in &handed.marks {
            self.change_mark(&change.place, change.put.as_ref())?;
        }
        Ok(())
    }

    fn change_line(
        &mut self,
        run: &'a RunKey,
        first_seq: Option<u64>,
        line: &'a Line,
    ) -> Result<(), StoreError> {
        match self.lines.get_mut(run) {
            Some(change) => change.after = line,
            None => {
                let before = if first_seq == Some(0) { Vec::new() } else { self.places_on_disk(run)? };
                self.lines.insert(run, LineChange { before, after: line });
            }
        }
        Ok(())
    }

    fn places_on_disk(&self, (tenant, run): &RunKey) -> Result<Vec<(Table, Vec<u8>)>, StoreError> {
        let before = index::summary(&self.view, tenant, *run)?;
        Ok(before.map(|before| index::places(tenant, &before)).unwrap_or_default())
    }

    fn change_mark(&mut self, place: &Place, after: Option<&'a Put>) -> Result<(), StoreError> {
        match self.marks.get_mut(place) {
            Some(change) => change.after = after,
            None => {
                let before = marks::head(&self.view, place)?.map(|head| head.finders(place));
                self.marks.insert(place.clone(), MarkChange { before, after });
            }
        }
        Ok(())
    }

    /// Removes runs, but for those that were taken up again since they were found. (What comes behind this, for a run that it removes,
    /// is in no group with it.)
    fn remove(&mut self, removal: &Removal) -> Result<(), StoreError> {
        let mut removed = 0;
        for OldRun { run, line, places, marks } in &removal.runs {
            let found = self.view.get(Table::Runs, &keys::run(&run.0, run.1))?;
            if self.lines.contains_key(run) || found.as_ref() != Some(line) {
                continue;
            }
            for (table, key) in places {
                self.batch.remove(*table, key.as_slice());
            }
            for place in marks {
                self.remove_unless_changed(place)?;
            }
            removed += 1;
        }
        removal.removed.store(removed, Ordering::Relaxed);
        Ok(())
    }

    fn remove_unless_changed(&mut self, place: &Place) -> Result<(), StoreError> {
        match self.marks.contains_key(place) {
            true => Ok(()),
            false => self.change_mark(place, None),
        }
    }

    fn decide(&mut self, claim: &'a Claim) -> Result<Accepted, StoreError> {
        if let Some(decided) = self.claims.get(&claim.key) {
            return Ok(decided.answer(&claim.record));
        }
        let kept = ClaimRecord::on_disk(&self.view, &claim.key)?;
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

    /// Removes memos and state whose time is over, but for those that this group puts.
    fn purge_passing(&mut self) -> Result<(), StoreError> {
        for kind in MarkKind::PASSING {
            let over: Vec<Place> =
                marks::places_due(&self.view, kind, self.now).take(PURGE).collect::<Result<_, _>>()?;
            for place in over {
                self.remove_unless_changed(&place)?;
            }
        }
        Ok(())
    }

    fn commit(mut self) -> Result<(), StoreError> {
        self.write_lines();
        self.write_marks();
        self.batch.commit()
    }

    fn write_lines(&mut self) {
        for ((tenant, run), change) in std::mem::take(&mut self.lines) {
            self.batch.insert(Table::Runs, keys::run(tenant, *run), change.after.record.clone());
            let LineChange { before, after: Line { places: after, .. } } = &change;
            for (table, key) in before.iter().filter(|place| !after.contains(place)) {
                self.batch.remove(*table, key.as_slice());
            }
            for (table, key) in after.iter().filter(|place| !before.contains(place)) {
                self.batch.insert(*table, key.as_slice(), Slice::new(&[]));
            }
        }
    }

    fn write_marks(&mut self) {
        for (place, MarkChange { before, after }) in std::mem::take(&mut self.marks) {
            match after {
                Some(put) => self.batch.insert(Table::Marks, place.key(), put.record.clone()),
                None if before.is_some() => self.batch.remove(Table::Marks, place.key()),
                None => {}
            }
            let before = before.unwrap_or_default();
            let after = after.map_or(&[][..], |put| &put.finders);
            for key in before.iter().filter(|key| !after.contains(key)) {
                self.batch.remove(Table::Marks, key.as_slice());
            }
            for key in after.iter().filter(|key| !before.contains(key)) {
                self.batch.insert(Table::Marks, key.as_slice(), Slice::new(&[]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;
    use stepwell_core::id::TenantId;

    use super::super::super::folder::Folder;
    use super::super::queue::Queue;
    use super::*;
    use crate::conformance::samples;
    use crate::{Mark, MarkChange as Change};

    fn database() -> (Database, tempfile::TempDir) {
        let temp = tempfile::tempdir().unwrap();
        (Database::open(Arc::new(Folder::open(temp.path(), 0).unwrap())).unwrap(), temp)
    }

    fn write_one(database: &Database, handed: Handed, purge: bool) {
        let queue = Queue::default();
        queue.push(handed).unwrap();
        write(database, &queue.take().unwrap(), purge).unwrap();
    }

    /// Accepts a run under a key, and gives what is on disk of claims then: each is two records.
    fn claims_after(database: &Database, run: u32, key: &str, expires_at: &str, purge: bool) -> usize {
        let (tenant, run, workflow) = (TenantId::default(), samples::run(run), samples::workflow("triage"));
        let mut claim = samples::claim(&workflow, key, "request");
        claim.expires_at = expires_at.parse().unwrap();
        let claim = Claim::new(&tenant, run, &claim);
        write_one(database, Handed::new(&samples::first_batch(&tenant, run, &workflow), Some(claim)), purge);
        database.view().prefix(Table::Claims, b"").count()
    }

    /// Claims would fill the disk otherwise, one a start.
    #[test]
    fn expired_claims_are_removed_and_renewed_ones_kept() {
        let (database, _folder) = database();
        let (past, later_past, future) =
            ("2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z", "2999-01-01T00:00:00Z");
        assert_eq!(claims_after(&database, 0, "a", past, false), 2);
        assert_eq!(claims_after(&database, 1, "a", past, false), 2);
        assert_eq!(claims_after(&database, 2, "a", later_past, false), 2);
        assert_eq!(claims_after(&database, 3, "b", past, false), 4);
        assert_eq!(claims_after(&database, 4, "c", future, false), 6);
        assert_eq!(claims_after(&database, 5, "a", future, true), 4);
    }

    /// Puts a mark, and gives what is on disk of marks then: a record and a key for its time and for its run, if it has them.
    fn marks_after(database: &Database, kind: MarkKind, key: &str, due: &str, purge: bool) -> usize {
        let (run, due) = (Some(samples::run(0)), Some(due.parse().unwrap()));
        let put = Change::Put(Mark { kind, key: key.to_owned(), run, due, body: json!({}) });
        write_one(database, Handed::of_marks(&TenantId::default(), &[put]), purge);
        database.view().prefix(Table::Marks, b"").count()
    }

    /// Answers would fill the disk otherwise; and no timer may be lost because it is late.
    #[test]
    fn what_passes_is_removed_when_its_time_is_over_and_other_marks_are_not() {
        let (database, _folder) = database();
        let (past, future) = ("2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z");
        assert_eq!(marks_after(&database, MarkKind::Timer, "late", past, false), 3);
        assert_eq!(marks_after(&database, MarkKind::Memo, "old", past, false), 6);
        assert_eq!(marks_after(&database, MarkKind::Memo, "old", past, false), 6);
        assert_eq!(marks_after(&database, MarkKind::Memo, "new", future, true), 6);
        assert_eq!(marks_after(&database, MarkKind::Memo, "put again", past, false), 9);
        assert_eq!(marks_after(&database, MarkKind::Memo, "put again", past, true), 9);
        assert_eq!(marks_after(&database, MarkKind::State, "w/old", past, false), 12);
        assert_eq!(marks_after(&database, MarkKind::State, "w/new", future, true), 9);
    }
}
