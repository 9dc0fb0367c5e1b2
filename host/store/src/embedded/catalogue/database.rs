//! sled, opened for a catalogue: small, and synced for real.
//!
//! sled 0.34's `flush` is `sync_file_range` on Linux, which does not survive a power cut, and it leaves values above
//! 128 KiB, which it keeps in files of their own, to the kernel altogether. So [`Database::write`] syncs its files too.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::super::folder::Folder;
use super::super::{files, panics};
use crate::StoreError;

/// Enough for a catalogue; sled's own default is a gigabyte.
const CACHE_BYTES: u64 = 16 << 20;

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
        let config = sled::Config::default().path(&path).cache_capacity(CACHE_BYTES).flush_every_ms(None);
        // It panics over some damaged files and returns an error over others.
        let opened = catch_unwind(AssertUnwindSafe(|| config.open()))
            .map_err(|panic| StoreError::corrupt("`catalogue`", panics::message(&*panic)))?;
        let sled = opened.map_err(|why| fault(&folder, "cannot open `catalogue`", why))?;
        files::sync_folder(&path).map_err(|why| folder.fault("cannot sync `catalogue`", why))?;
        let log =
            File::open(path.join("db")).map_err(|why| folder.fault("cannot open `catalogue/db`", why))?;
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

    /// Writes all of it or nothing. It is on disk when this returns.
    pub(super) fn write(&self, batch: sled::Batch) -> Result<(), StoreError> {
        let failed = |why| self.fault("cannot write the catalogue", why);
        self.sled.apply_batch(batch).map_err(failed)?;
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

fn fault(folder: &Folder, what: &str, why: sled::Error) -> StoreError {
    match why {
        sled::Error::Io(why) => folder.fault_in("`catalogue`", what, why),
        why => StoreError::corrupt("`catalogue`", why),
    }
}
