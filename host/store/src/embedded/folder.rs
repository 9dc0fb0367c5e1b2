//! The data folder: what lies where, which format it has, whose it is now, and how much room is left.
//!
//! ```text
//! DATA/FORMAT       {"format": 3}
//! DATA/ID           a UUID, by which a store of blobs elsewhere knows whose they are
//! DATA/LOCK         locked as long as a process uses the folder
//! DATA/master.key   encrypts the secrets, unless the operator gives a key
//! DATA/catalogue/   sled: what people wrote
//! DATA/components/  the steps' components, one file each, named by its digest
//! DATA/journal/     fjall: what runs did
//! ```

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;
use uuid::Uuid;

use super::files;
use crate::StoreError;

/// The format that is written.
const FORMAT: u32 = 3;

/// How long a look at the free space holds good.
const SPACE_IS_KNOWN_FOR: Duration = Duration::from_millis(100);

#[derive(Deserialize)]
struct Format {
    format: u32,
}

/// The data folder, locked for this process as long as this value lives.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    reserve: u64,
    /// The format that it was found in; none if no start has come to its end yet.
    found: Option<u32>,
    free: Mutex<Option<(Instant, u64)>>,
    _lock: File,
}

impl Folder {
    /// Makes the folder if it is not there, locks it, and checks its format. With less than `reserve` bytes free no new run is
    /// admitted.
    pub(crate) fn open(path: &Path, reserve: u64) -> Result<Self, StoreError> {
        create(path)?;
        let lock = lock(path)?;
        let found = check_format(path)?;
        Ok(Self { path: path.to_owned(), reserve, found, free: Mutex::new(None), _lock: lock })
    }

    /// Whether no start has come to its end yet: what is missing is made, and not missed.
    pub(crate) fn is_new(&self) -> bool {
        self.found.is_none()
    }

    /// Makes a part of the folder, with what is put into it, unless it is there. Later than at a first start it has to be there.
    pub(crate) fn make_part(
        &self,
        path: &Path,
        put_into: impl FnOnce(&Path) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let part = format!("`{}`", path.strip_prefix(&self.path).unwrap_or(path).display());
        if path.exists() {
            return Ok(());
        }
        if !self.is_new() {
            return Err(StoreError::corrupt(part, "it is missing"));
        }
        files::create_whole_folder(path, |place| put_into(place).map_err(Unmade::Store)).map_err(|unmade| {
            match unmade {
                Unmade::Store(why) => why,
                Unmade::Io(why) => self.fault(format!("cannot make {part}"), why),
            }
        })
    }

    /// Says that everything is in its place, in the format that is written from now on: the last act of a start, before anything
    /// is written that an older version would not understand.
    pub(crate) fn mark_complete(&self) -> Result<(), StoreError> {
        if self.found == Some(FORMAT) {
            return Ok(());
        }
        let file = format_file(&self.path);
        let text = format!("{{\"format\":{FORMAT}}}\n");
        files::write_whole(&file, text.as_bytes())
            .map_err(|why| self.fault(format!("cannot write `{}`", file.display()), why))
    }

    /// What tells this folder from all others. It is made once, and goes with the folder into a backup.
    pub(crate) fn id(&self) -> Result<Uuid, StoreError> {
        let file = self.path.join("ID");
        match fs::read_to_string(&file) {
            Ok(text) => text.trim().parse().map_err(|why| StoreError::corrupt("`ID`", why)),
            Err(why) if why.kind() == io::ErrorKind::NotFound => {
                let id = Uuid::now_v7();
                files::write_whole(&file, format!("{id}\n").as_bytes())
                    .map_err(|why| self.fault(format!("cannot write `{}`", file.display()), why))?;
                Ok(id)
            }
            Err(why) => Err(self.fault_in("`ID`", &format!("cannot read `{}`", file.display()), why)),
        }
    }

    pub(crate) fn master_key(&self) -> PathBuf {
        self.path.join("master.key")
    }

    pub(crate) fn catalogue(&self) -> PathBuf {
        self.path.join("catalogue")
    }

    pub(crate) fn components(&self) -> PathBuf {
        self.path.join("components")
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.path.join("journal")
    }

    /// Refuses while the reserve is touched.
    pub(crate) fn admit(&self) -> Result<(), StoreError> {
        match self.free_bytes()? {
            free if free < self.reserve => Err(self.full(free)),
            _ => Ok(()),
        }
    }

    /// What the operating system said of `what`, a full disk told apart.
    pub(crate) fn fault(&self, what: impl Into<String>, why: io::Error) -> StoreError {
        match why.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                self.full(self.look_at_free_bytes().unwrap_or(0))
            }
            _ => StoreError::io(what, why),
        }
    }

    /// The same for `part` of the folder, a damaged file told apart: a whole one is not missing, does not end early, and has what its
    /// parts are said to begin at.
    pub(crate) fn fault_in(&self, part: &str, what: &str, why: io::Error) -> StoreError {
        match why.kind() {
            io::ErrorKind::NotFound
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::InvalidData
            | io::ErrorKind::InvalidInput => StoreError::corrupt(part, why),
            _ => self.fault(what, why),
        }
    }

    fn full(&self, free: u64) -> StoreError {
        StoreError::DiskFull { path: self.path.clone(), free, reserve: self.reserve }
    }

    fn free_bytes(&self) -> Result<u64, StoreError> {
        let mut known = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        match *known {
            Some((when, free)) if when.elapsed() < SPACE_IS_KNOWN_FOR => Ok(free),
            _ => {
                let free = self.look_at_free_bytes().map_err(|why| {
                    StoreError::io(
                        format!("cannot tell how much room the data folder `{}` has", self.path.display()),
                        why,
                    )
                })?;
                *known = Some((Instant::now(), free));
                Ok(free)
            }
        }
    }

    fn look_at_free_bytes(&self) -> io::Result<u64> {
        fs4::available_space(&self.path)
    }
}

/// Why a part of the folder could not be made.
enum Unmade {
    Store(StoreError),
    Io(io::Error),
}

impl From<io::Error> for Unmade {
    fn from(why: io::Error) -> Self {
        Self::Io(why)
    }
}

fn create(path: &Path) -> Result<(), StoreError> {
    if path.exists() && !path.is_dir() {
        let why = io::Error::new(io::ErrorKind::NotADirectory, "it is a file: choose a folder with --data");
        return Err(StoreError::io(format!("`{}` cannot be the data folder", path.display()), why));
    }
    files::create_folder(path)
        .map_err(|why| StoreError::io(format!("cannot make the data folder `{}`", path.display()), why))
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let unusable = |why| StoreError::io(format!("cannot write to the data folder `{}`", path.display()), why);
    let file = File::options().create(true).append(true).open(path.join("LOCK")).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: path.to_owned() }),
        Err(TryLockError::Error(why)) => Err(unusable(why)),
    }
}

/// The folder's format, if it has one yet: one that is read here.
fn check_format(path: &Path) -> Result<Option<u32>, StoreError> {
    let file = format_file(path);
    let bytes = match fs::read(&file) {
        Ok(bytes) => bytes,
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(why) => return Err(StoreError::io(format!("cannot read `{}`", file.display()), why)),
    };
    let found: Format = serde_json::from_slice(&bytes).map_err(|why| StoreError::corrupt("`FORMAT`", why))?;
    match found.format {
        1..=FORMAT => Ok(Some(found.format)),
        0 => Err(StoreError::corrupt("`FORMAT`", "there is no format 0")),
        newer => Err(StoreError::NewerFormat { path: path.to_owned(), found: newer, known: FORMAT }),
    }
}

fn format_file(path: &Path) -> PathBuf {
    path.join("FORMAT")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path) -> Result<Folder, StoreError> {
        Folder::open(path, 0)
    }

    #[test]
    fn one_process_at_a_time() {
        let temp = tempfile::tempdir().unwrap();
        let first = open(temp.path()).unwrap();
        assert!(matches!(open(temp.path()), Err(StoreError::Locked { .. })));
        drop(first);
        assert!(open(temp.path()).is_ok());
    }

    #[test]
    fn a_folder_keeps_its_id() {
        let temp = tempfile::tempdir().unwrap();
        let id = open(temp.path()).unwrap().id().unwrap();
        assert_eq!(open(temp.path()).unwrap().id().unwrap(), id);
        fs::write(temp.path().join("ID"), "mine").unwrap();
        assert!(matches!(open(temp.path()).unwrap().id(), Err(StoreError::Corrupt { .. })));
    }

    #[test]
    fn a_file_in_its_place_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = open(file.path()).unwrap_err().to_string();
        assert!(error.contains("it is a file"), "{error}");
    }

    #[test]
    fn a_newer_format_is_told_from_a_damaged_one() {
        let temp = tempfile::tempdir().unwrap();
        fs::write(temp.path().join("FORMAT"), r#"{"format": 7}"#).unwrap();
        assert!(matches!(open(temp.path()), Err(StoreError::NewerFormat { found: 7, known: FORMAT, .. })));
        fs::write(temp.path().join("FORMAT"), "{").unwrap();
        assert!(matches!(open(temp.path()), Err(StoreError::Corrupt { .. })));
    }

    #[test]
    fn a_folder_is_new_until_its_first_start_is_complete() {
        let temp = tempfile::tempdir().unwrap();
        for new in [true, true, false] {
            let folder = open(temp.path()).unwrap();
            assert_eq!(folder.is_new(), new);
            if temp.path().join("cut-off-once").exists() {
                folder.mark_complete().unwrap();
            }
            fs::write(temp.path().join("cut-off-once"), "").unwrap();
        }
    }

    /// Or an older version would take the folder for its own, and what is in it for damaged.
    #[test]
    fn a_folder_of_an_older_format_is_marked_once_this_version_has_opened_it() {
        let temp = tempfile::tempdir().unwrap();
        for older in 1..FORMAT {
            fs::write(temp.path().join("FORMAT"), format!("{{\"format\": {older}}}")).unwrap();
            let folder = open(temp.path()).unwrap();
            assert!(!folder.is_new());
            folder.mark_complete().unwrap();
            assert_eq!(fs::read_to_string(temp.path().join("FORMAT")).unwrap(), "{\"format\":3}\n");
        }
    }

    #[test]
    fn a_touched_reserve_admits_nothing() {
        let temp = tempfile::tempdir().unwrap();
        assert!(Folder::open(temp.path(), 0).unwrap().admit().is_ok());
        let full = Folder::open(temp.path(), u64::MAX).unwrap().admit();
        assert!(matches!(full, Err(StoreError::DiskFull { reserve: u64::MAX, .. })), "{full:?}");
    }
}
