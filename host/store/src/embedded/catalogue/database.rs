//! sled, opened for a catalogue: small, and synced for real.
//!
//! sled 0.34's `flush` is `sync_file_range` on Linux, which does not survive a power cut, and it leaves values above
//! 128 KiB, which it keeps in files of their own, to the kernel altogether. So [`Database::write`] syncs its files too. It leaves its
//! own configuration to the kernel as well: so a new one is made whole before it gets its name.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::super::folder::Folder;
use super::super::{files, panics};
use crate::StoreError;

/// Enough for a catalogue; sled's own default is a gigabyte.
const CACHE_BYTES: u64 = 16 << 20;

/// The file that holds everything but large values.
const LOG: &str = "db";
/// What the name of a snapshot ends with that is being written.
const UNFINISHED_SNAPSHOT: &str = ".generating";
/// How long an earlier instance may take to let go of the log.
const LETTING_GO: Duration = Duration::from_secs(5);

/// The one tree of the catalogue.
pub(super) struct Database {
    folder: Arc<Folder>,
    sled: sled::Db,
    log: File,
    values: PathBuf,
    /// Files of large values that were synced. sled writes each once and never changes it.
    synced_values: Mutex<HashSet<OsString>>,
}

impl Database {
    pub(super) fn open(folder: Arc<Folder>) -> Result<Self, StoreError> {
        let path = folder.catalogue();
        folder.make_part(&path, |place| open_sled(&folder, place).map(drop))?;
        let sled = open_sled(&folder, &path)?;
        files::sync_folder(&path).map_err(|why| folder.fault("cannot sync `catalogue`", why))?;
        let log =
            File::open(path.join(LOG)).map_err(|why| folder.fault("cannot open `catalogue/db`", why))?;
        Ok(Self { folder, sled, log, values: path.join("blobs"), synced_values: Mutex::default() })
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<sled::IVec>, StoreError> {
        self.sled.get(key).map_err(|why| self.fault("cannot read the catalogue", why))
    }

    /// Every value below a prefix, in the order of the keys.
    pub(super) fn values<'a>(
        &'a self,
        prefix: &[u8],
    ) -> impl Iterator<Item = Result<sled::IVec, StoreError>> + 'a {
        self.sled
            .scan_prefix(prefix)
            .values()
            .map(|value| value.map_err(|why| self.fault("cannot read the catalogue", why)))
    }

    /// Writes a record. It is on disk when this returns. (There is no writing of several at once: sled's batches are not whole after a
    /// crash if one of their values is large.)
    pub(super) fn write(&self, key: &[u8], record: Vec<u8>) -> Result<(), StoreError> {
        let failed = |why| self.fault("cannot write the catalogue", why);
        self.sled.insert(key, record).map_err(failed)?;
        self.sled.flush().map_err(failed)?;
        self.sync().map_err(|why| self.folder.fault("cannot sync the catalogue", why))
    }

    fn sync(&self) -> io::Result<()> {
        let mut synced = self.synced_values.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = HashSet::new();
        for value in fs::read_dir(&self.values)? {
            let value = value?;
            if !synced.contains(&value.file_name()) {
                File::open(value.path())?.sync_all()?;
            }
            found.insert(value.file_name());
        }
        if found != *synced {
            files::sync_folder(&self.values)?;
            *synced = found;
        }
        self.log.sync_data()
    }

    fn fault(&self, what: &str, why: sled::Error) -> StoreError {
        fault(&self.folder, what, why)
    }
}

fn open_sled(folder: &Folder, path: &Path) -> Result<sled::Db, StoreError> {
    let prepared = remove_unfinished_snapshots(path).and_then(|()| wait_until_let_go(path));
    prepared.map_err(|why| folder.fault("cannot open `catalogue`", why))?;
    let config = sled::Config::default().path(path).cache_capacity(CACHE_BYTES).flush_every_ms(None);
    // It panics over some damaged files and returns an error over others.
    let opened = catch_unwind(AssertUnwindSafe(|| config.open()))
        .map_err(|panic| StoreError::corrupt("`catalogue`", panics::message(&*panic)))?;
    opened.map_err(|why| fault(folder, "cannot open `catalogue`", why))
}

/// A snapshot that a crash left half written: sled would take it for the newest one, and for damaged. Without it, it reads more of its
/// log.
fn remove_unfinished_snapshots(path: &Path) -> io::Result<()> {
    for entry in if_there(fs::read_dir(path))?.into_iter().flatten() {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(UNFINISHED_SNAPSHOT) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// sled lets go of its file a moment after it is dropped. (Another process cannot hold it: the data folder is ours.)
fn wait_until_let_go(path: &Path) -> io::Result<()> {
    let Some(log) = if_there(File::open(path.join(LOG)))? else { return Ok(()) };
    let asked_at = Instant::now();
    while matches!(log.try_lock(), Err(TryLockError::WouldBlock)) && asked_at.elapsed() < LETTING_GO {
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

fn if_there<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(why) => Err(why),
    }
}

fn fault(folder: &Folder, what: &str, why: sled::Error) -> StoreError {
    match why {
        sled::Error::Io(why) => folder.fault_in("`catalogue`", what, why),
        why => StoreError::corrupt("`catalogue`", why),
    }
}
