//! The committer: one thread that writes group after group, each as one batch with one fdatasync.
//!
//! While it waits for the disk, the next group gathers. It alone writes, so that it decides claims in the order in which they came,
//! and what it reads is still so when it writes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::super::panics;
use super::keeper::{BETWEEN_TRIES, Keeper};
use super::queue::{Group, Queue};
use super::writer::{Written, write};
use crate::StoreError;

/// Between two looks for claims and memos that have expired.
const BETWEEN_PURGES: Duration = Duration::from_secs(10);

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
            && group.handed.iter().any(|handed| handed.claim.is_some() || !handed.marks.is_empty());
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
