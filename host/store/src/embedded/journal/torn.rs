//! What a power cut may leave of the log's last batch: sectors of it that did not reach the disk, and read as zeros, from where a write
//! began to the sector's end.
//!
//! fjall passes over a batch that ends early, but takes one with a hole inside for damage. Such a batch was never acknowledged: it is
//! cut off at its end, so that it ends early.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// The least that a disk writes at once.
const SECTOR: usize = 512;
/// Nothing that is written has so many zeros in a row: its numbers have eight bytes.
const HOLE: usize = 16;
const LOG_EXTENSION: &str = "jnl";

/// Cuts the last batch of the newest log off, if there is a hole before its end. Gives whether there was.
pub(super) fn cut_off(journal: &Path) -> io::Result<bool> {
    let Some(log) = newest_log(journal)? else { return Ok(false) };
    let bytes = fs::read(&log)?;
    // The log is longer than what is written into it.
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0);
    let is_torn = bytes[..end].chunks_exact(SECTOR).any(|sector| sector.ends_with(&[0; HOLE]));
    if is_torn {
        let log = File::options().write(true).open(&log)?;
        log.set_len(end as u64)?;
        log.sync_all()?;
    }
    Ok(is_torn)
}

fn newest_log(journal: &Path) -> io::Result<Option<PathBuf>> {
    let mut newest: Option<(u64, PathBuf)> = None;
    for entry in fs::read_dir(journal)? {
        let path = entry?.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        if let (Some(number), true) = (number, path.extension().is_some_and(|end| end == LOG_EXTENSION)) {
            newest = newest.max(Some((number, path)));
        }
    }
    Ok(newest.map(|(_, path)| path))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::super::folder::Folder;
    use super::super::database::{Database, Table};
    use super::*;
    use crate::StoreError;

    /// A journal with two batches, with so many bytes in the middle of the second one's record written over.
    fn journal_with(damage: &[u8]) -> (Result<Database, StoreError>, tempfile::TempDir) {
        let temp = tempfile::tempdir().unwrap();
        let folder = Arc::new(Folder::open(temp.path(), 0).unwrap());
        let database = Database::open(Arc::clone(&folder)).unwrap();
        for key in ["first", "second"] {
            let mut batch = database.batch();
            batch.insert(Table::Marks, key.as_bytes(), vec![b'x'; 3_000]);
            batch.commit().unwrap();
        }
        drop(database);
        let log = newest_log(&folder.journal()).unwrap().unwrap();
        let mut bytes = fs::read(&log).unwrap();
        let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        let at = (end - 1_500) / SECTOR * SECTOR;
        bytes[at..at + damage.len()].copy_from_slice(damage);
        fs::write(&log, bytes).unwrap();
        (Database::open(folder), temp)
    }

    fn has(database: &Database, key: &str) -> bool {
        database.view().get(Table::Marks, key.as_bytes()).unwrap().is_some()
    }

    #[test]
    fn a_last_batch_with_a_hole_is_dropped_and_the_journal_goes_on() {
        let (database, _folder) = journal_with(&[0; SECTOR]);
        let database = database.unwrap();
        assert_eq!((has(&database, "first"), has(&database, "second")), (true, false));
        let mut batch = database.batch();
        batch.insert(Table::Marks, "third".as_bytes(), vec![b'x'; 3_000]);
        batch.commit().unwrap();
        assert!(has(&database, "third"));
    }

    /// What no power cut does is damage to something that may have been acknowledged.
    #[test]
    fn a_last_batch_that_is_scribbled_over_is_told() {
        let (database, _folder) = journal_with(b"scribbled");
        assert!(matches!(database.err(), Some(StoreError::Corrupt { .. })));
    }
}
